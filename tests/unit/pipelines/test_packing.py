from __future__ import annotations

from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts_io.texts import distinct
from pipelines import packing
from pipelines.packing import Packing, Texts


@st.composite
def coded(draw: st.DrawFn) -> tuple[dict[str, int], list[dict[str, int]]]:
    """Sizes of up to five columns, some of a single code, and rows of codes."""
    sizes = {f"c{n}": size for n, size in enumerate(draw(st.lists(st.integers(1, 2**20), min_size=1, max_size=5)))}
    return sizes, draw(
        st.lists(st.fixed_dictionaries({name: st.integers(0, n - 1) for name, n in sizes.items()}), max_size=20)
    )


@given(coded(), st.sampled_from([64, 40, 32, 8, 1]))
def test_words_come_back_as_the_codes_and_sort_as_the_columns(
    given_codes: tuple[dict[str, int], list[dict[str, int]]], bits: int
) -> None:
    sizes, rows = given_codes
    with patch.object(packing, "WORD_BITS", bits):
        packed = Packing(sizes, "w")
    codes = pl.DataFrame(rows, schema=dict.fromkeys(sizes, pl.Int64))
    found = codes.select(packed.packed()).sort(packed.words).select(packed.code(name).cast(pl.Int64) for name in sizes)
    assert found.equals(codes.sort(list(sizes)))


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ([2**32 - 1], [pl.UInt32]),
        ([1, 2**32], [pl.UInt64]),
        ([2**32, 2**31], [pl.UInt64]),
        ([1, 2**32, 2**32], [pl.UInt64, pl.UInt64]),
        ([2**32, 2**31, 3], [pl.UInt64, pl.UInt32]),
        ([1, 1], [pl.UInt32]),
        ([0], [pl.UInt32]),
    ],
)
def test_columns_share_words_as_far_as_their_sizes_let_them(sizes: list[int], words: list[type[pl.DataType]]) -> None:
    packed = Packing({f"c{n}": size for n, size in enumerate(sizes)})
    largest = pl.DataFrame({f"c{n}": [max(size - 1, 0)] for n, size in enumerate(sizes)})
    found = largest.select(packed.packed())
    assert found.dtypes == words
    assert found.select(packed.code(name) for name in largest.columns).row(0) == largest.row(0)


def test_a_code_is_the_rank_of_the_text_and_null_stands_first_where_it_is_among_the_values() -> None:
    frame = pl.DataFrame({"device": ["ctv", "mobile", "CTV", None, "other"]})
    known = Texts(pl.Series(["mobile", None, "ctv", "CTV"]))
    assert frame.select(known.code("device")).to_series().to_list() == [2, 3, 1, 0, 0]
    assert known.size == 4
    without_null = Texts(pl.Series(["mobile", "ctv", "ctv"]))
    assert frame[:2].select(without_null.code("device")).to_series().to_list() == [0, 1]
    assert frame[:2].select(without_null.text(without_null.code("device"))).to_series().to_list() == ["ctv", "mobile"]


def test_the_distinct_values_of_each_column_are_found_by_themselves() -> None:
    rows = pl.LazyFrame({"a": ["x", "x", None], "b": [1, 2, 1]})
    a, b = distinct(rows, "a", "b")
    assert (a.sort().to_list(), b.sort().to_list()) == ([None, "x"], [1, 2])
