from __future__ import annotations

from unittest.mock import patch

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts_io import texts
from contracts_io.texts import as_codes, as_texts, distinct

TEXTS = st.lists(st.one_of(st.none(), st.text(max_size=3), st.sampled_from(["é", "z", "\U0001f600", "\uffff"])), max_size=30)


def frame(values: list[str | None]) -> pl.LazyFrame:
    return pl.LazyFrame({"n": range(len(values)), "text": pl.Series(values, dtype=pl.String)})


@given(TEXTS)
def test_texts_become_codes_in_the_order_of_texts_and_come_back_letter_by_letter(values: list[str | None]) -> None:
    known = {value for value in values if value is not None}
    coded = as_codes(frame(values), {"text": known}).collect()
    assert as_texts(coded.lazy(), ["text"]).collect().equals(frame(values).collect())
    ranks = [None if value is None else coded["text"].dtype.categories.to_list().index(value) for value in values]
    assert coded["text"].to_physical().to_list() == ranks
    in_order = coded["text"].dtype.categories
    assert in_order.equals(in_order.sort())
    assert set(in_order) == known


def test_a_column_of_too_many_values_stays_text_and_codes_become_text() -> None:
    values = ["a", "b", "c"]
    few = as_codes(frame(values), {"text": values})
    with patch.object(texts, "MOST_VALUES", 2):
        assert as_codes(frame(values), {"text": values}).collect_schema()["text"] == pl.String
        assert as_codes(few, {"text": values}).collect()["text"].to_list() == values
        assert as_codes(few, {"text": values}).collect_schema()["text"] == pl.String


def test_codes_of_a_day_become_those_of_more_values() -> None:
    of_a_day = as_codes(frame(["b", None, "d"]), {"text": ["b", "d"]})
    wider = as_codes(of_a_day, {"text": ["a", "b", "c", "d"]}).collect()["text"]
    assert (wider.to_list(), wider.to_physical().to_list()) == (["b", None, "d"], [1, None, 3])


def test_a_text_that_is_not_among_the_values_is_an_error_not_a_null() -> None:
    with pytest.raises(pl.exceptions.PolarsError):
        as_codes(frame(["a", "b"]), {"text": ["a"]}).collect()


def test_the_values_of_a_column_are_read_once_each_those_of_codes_are_known() -> None:
    rows = frame(["b", None, "a", "b"])
    coded = as_codes(rows, {"text": ["a", "b", "c"]}).rename({"text": "code"})
    both = pl.concat([rows, coded.drop("n")], how="horizontal")
    n, text, code = distinct(both, "n", "text", "code")
    assert sorted(n) == [0, 1, 2, 3]
    assert text.sort().to_list() == [None, "a", "b"]
    assert code.to_list() == [None, "a", "b", "c"]
