"""Ids as integers: what is kept of each form of an id, and that its text comes back letter by letter."""

from __future__ import annotations

import uuid
from itertools import pairwise

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from contracts_io.ids import is_id, pack_one, packed, packed_schema, parts, parts_schema, text_of, unpacked, uuid_text

Kept = tuple[int | None, int | None, str | None]

UUID = "00112233-4455-6677-8899-aabbccddeeff"
HIGHEST = "ffffffff-ffff-ffff-ffff-ffffffffffff"
# What does not have the form of a UUID letter by letter is kept as a long text.
NEARLY_UUIDS = [
    UUID.upper(),
    UUID[:-1] + "F",
    UUID[:-1] + "g",
    UUID[:-1] + " ",
    UUID[:-1] + ":",  # just above the digits
    UUID[:-1] + "/",  # just below them
    UUID[:-1] + "`",  # just below the letters
    UUID[:-1] + "\0",
    "g" + UUID[1:],
    "{" + UUID[1:-1] + "}",
    UUID + "0",
    UUID[:-1],
    UUID.replace("-", ""),
    UUID.replace("-", "_"),
    UUID.replace("-", "0"),
    "0011223-34455-6677-8899-aabbccddeeff",
    "00112233-4455-6677-889-9aabbccddeeff",
    "00112233-44556-677-8899-aabbccddeeff",
    "-0112233-4455-6677-8899-aabbccddeeff",
    "00112233-4455-6677-8899-aabbccddeef-",
    "00112233-4455-6677-8899-aabbccddeeé",
    "é" * 18,
    "\U0001f600" * 9,
]


def kept(*ids: str | None) -> list[Kept]:
    frame = packed(pl.LazyFrame({"id": ids}, schema={"id": pl.String}), ["id"]).collect()
    assert frame.schema == parts_schema("id")
    return frame.rows()


def back(rows: list[Kept]) -> list[str | None]:
    frame = pl.LazyFrame(rows, schema=parts_schema("id"), orient="row")
    return unpacked(frame, ["id"]).collect()["id"].to_list()


def signed(number: int) -> int:
    return number - 2**64 if number >= 2**63 else number


@pytest.mark.parametrize(
    ("text", "hi", "lo", "left"),
    [
        (UUID, 0x0011223344556677, signed(0x8899AABBCCDDEEFF), None),
        (HIGHEST, -1, -1, None),
        (str(uuid.UUID(int=0)), 0, 0, None),
        (str(uuid.UUID(int=1)), 0, 1, None),
        (str(uuid.UUID(int=2**127)), -(2**63), 0, None),
        ("a", 0, 0x61, "."),
        (".", 0, 0x2E, "."),
        ("", 0, 0, "."),
        ("12345678", 0, 0x3132333435363738, "."),
        ("123456789", 0x31, 0x3233343536373839, "."),
        ("imp-104-00000001", 0x696D702D3130342D, 0x3030303030303031, "."),
        ("a\0", 0, 0x6100, "."),
        ("\x7f" * 16, 0x7F7F7F7F7F7F7F7F, 0x7F7F7F7F7F7F7F7F, "."),
    ],
)
def test_uuids_and_short_texts_are_their_bits(text: str, hi: int, lo: int, left: str | None) -> None:
    assert kept(text) == [(hi, lo, left)]
    assert pack_one(text) == (hi, lo, left)
    assert back([(hi, lo, left)]) == [text]


@pytest.mark.parametrize(
    "text", ["imp-104-000000001", "x" * 5000, "\0", "\0a", "\0" * 16, "é", "ééé", "日本", *NEARLY_UUIDS]
)
def test_every_other_text_is_kept_as_it_is(text: str) -> None:
    ((hi, _, left),) = kept(text)
    assert (hi, left) == (0, text)
    assert back(kept(text)) == [text]


@pytest.mark.parametrize(
    ("text", "lo"),
    [
        # The last four words of eight bytes, the last first, each times its odd number, added up; without a whole word 0.
        ("\0", 0),
        ("é", 0),
        ("\0\0\0\0\0\0\0\1", 0x9E3779B97F4A7C15 + 0xC2B2AE3D27D4EB4F + 0x165667B19E3779F9 + 0xD6E8FEB86659FD93),
        ("\1" + "\0" * 31, 0xD6E8FEB86659FD93 << 56),
        ("\1" + "\0" * 32, 0),
        ("imp-104-000000001", -7772093840401029775),
        ("user-2026-10-20-000000000000000001", -2362129877984886180),
        ("user-2026-10-20-000000000000000002", 9038584941338312305),
        (UUID.upper(), 511556332338578179),
    ],
)
def test_the_sum_of_a_long_text_never_changes(text: str, lo: int) -> None:
    """It is part of the file format: files written before are compared with files written after."""
    assert kept(text) == [(0, signed(lo % 2**64), text)]


def test_a_null_is_three_nulls() -> None:
    assert kept(None) == [(None, None, None)]
    assert kept(None, "a", None, UUID) == [(None, None, None), (0, 0x61, "."), (None, None, None), pack_one(UUID)]
    assert back([(None, None, None)]) == [None]
    assert kept() == []
    assert back([]) == []


def test_the_parts_stand_where_the_id_stood_and_its_text_again() -> None:
    rows = pl.LazyFrame(
        {"before": [1], "a": ["x"], "between": [True], "b": [None], "after": [2.5]}, schema_overrides={"b": pl.String}
    )
    frame = packed(rows, ["a", "b"])
    columns = ["before", "a_hi", "a_lo", "a_text", "between", "b_hi", "b_lo", "b_text", "after"]
    assert list(frame.collect_schema()) == columns
    assert frame.collect_schema() == packed_schema(rows.collect_schema(), ["a", "b"])
    assert frame.collect().rows() == [(1, 0, 0x78, ".", True, None, None, None, 2.5)]
    assert unpacked(frame, ["a", "b"]).collect().equals(rows.collect())
    assert unpacked(frame, ["b"]).collect().columns == [*columns[:5], "b", "after"]
    assert packed(rows, []).collect().equals(rows.collect())
    assert unpacked(frame, []).collect().columns == columns
    assert parts("a") == ["a_hi", "a_lo", "a_text"]


def test_bits_are_told_as_the_text_of_a_uuid() -> None:
    bits = pl.DataFrame(
        {"high": [0x0011223344556677, 2**64 - 1], "low": [0x8899AABBCCDDEEFF, 2**64 - 1]},
        {"high": pl.UInt64, "low": pl.UInt64},
    )
    assert bits.select(uuid_text(pl.col("high"), pl.col("low")).alias("id"))["id"].to_list() == [UUID, HIGHEST]


@pytest.mark.parametrize("wanted", [UUID, UUID.upper(), "a", ".", "", "\0", "é", "x" * 17])
def test_an_id_is_found_by_its_parts_and_no_other_and_never_a_null(wanted: str) -> None:
    others = [UUID, UUID.upper(), "a", ".", "", "\0", "é", "x" * 17, "A", "aa", "\0a", HIGHEST, None]
    rows = packed(pl.LazyFrame({"id": others}), ["id"])
    found = rows.select(is_id("id", wanted)).collect().to_series()
    assert found.to_list() == [other == wanted for other in others]
    assert rows.filter(is_id("id", wanted)).select(text_of("id")).collect().rows() == [(wanted,)]


# Texts of each form, and texts that differ in little.
UUIDS = st.uuids().map(str)
HEX = st.sampled_from("0123456789abcdefABCDEFg-:/`@Gé\0 ")
CHANGED = st.builds(lambda text, at, letter: text[:at] + letter + text[at + 1 :], UUIDS, st.integers(0, 35), HEX)
SHORT = st.text(st.sampled_from("ab.\0-é日0"), max_size=17)
LONG = st.builds(lambda start, text: start * 9 + text, SHORT, SHORT)
ANY = st.one_of(UUIDS, CHANGED, SHORT, LONG, st.text(max_size=40), st.sampled_from(NEARLY_UUIDS), st.none())
MANY = st.lists(ANY, max_size=30)
FEW = settings(max_examples=300, deadline=None)


@FEW
@given(MANY)
def test_what_was_packed_is_what_is_unpacked(ids: list[str | None]) -> None:
    assert back(kept(*ids)) == ids


@FEW
@given(MANY)
@example([UUID, UUID.upper(), "", "\0", "\0" * 16, ".", "a", "\0a", None, str(uuid.UUID(int=0)), str(uuid.UUID(int=0x61))])
def test_two_ids_have_the_same_parts_only_if_they_are_the_same_text(ids: list[str | None]) -> None:
    assert len(set(kept(*ids))) == len(set(ids))


@FEW
@given(MANY)
@example([UUID, HIGHEST, "00000000é日日", "é" * 8])
def test_the_parts_of_an_id_do_not_depend_on_what_it_comes_with(ids: list[str | None]) -> None:
    assert kept(*ids) == [row for one in ids for row in kept(one)]


@FEW
@given(MANY, st.lists(st.integers(1, 29), max_size=4), st.booleans())
def test_how_rows_are_cut_into_batches_changes_nothing(ids: list[str | None], cuts: list[int], shuffled: bool) -> None:
    bounds = [0, *sorted(cuts), len(ids)]
    pieces = [pl.DataFrame({"id": ids[a:b]}, {"id": pl.String}) for a, b in pairwise(bounds)]
    chunked = pl.concat(pieces, rechunk=False)
    streamed = packed(chunked.lazy(), ["id"]).collect(engine="streaming")
    assert streamed.rows() == kept(*ids)
    lazily = packed(pl.concat([piece.lazy() for piece in pieces]), ["id"])
    assert lazily.collect().rows() == kept(*ids)
    last = lazily.filter(pl.col("id_lo").is_not_null()).reverse() if shuffled else lazily.slice(1, 7)
    expected = [row for row in kept(*ids)[::-1] if row[1] is not None] if shuffled else kept(*ids)[1:8]
    assert last.collect(engine="streaming").rows() == expected


@FEW
@given(st.lists(st.one_of(st.uuids(), st.none()), max_size=20))
def test_sixteen_bytes_are_kept_as_the_uuid_that_they_are(ids: list[uuid.UUID | None]) -> None:
    as_bytes = [None if one is None else one.bytes for one in ids]
    as_text = [None if one is None else str(one) for one in ids]
    frame = packed(pl.LazyFrame({"id": as_bytes}, {"id": pl.Binary}), ["id"]).collect()
    assert frame.rows() == kept(*as_text)


def test_many_rows_of_every_form_come_back_through_a_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    """More rows than a batch, so that some batches hold one form and others several."""
    n = 300_000
    numbers = pl.int_range(n).cast(pl.UInt64)
    odd = (pl.lit(number, pl.UInt64) for number in (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F))
    uuids = pl.select(uuid_text(*(numbers * number for number in odd))).to_series()
    texts = [pl.format(form, numbers) for form in ("imp-{}", "a-rather-long-id-{}", "é{}")]
    forms = [pl.lit(uuids), *texts, pl.lit(uuids.str.to_uppercase()), pl.lit(None, pl.String)]
    mixed = pl.select(
        pl.when(numbers < n // 2)
        .then(uuids)
        .otherwise(pl.coalesce(*(pl.when(numbers % 6 == k).then(form) for k, form in enumerate(forms))))
        .alias("id")
    )
    assert mixed["id"].n_unique() == n - n // 12 + 1
    path = tmp_path_factory.mktemp("ids") / "ids.parquet"
    packed(mixed.lazy(), ["id"]).sink_parquet(path, row_group_size=50_000)
    assert pl.scan_parquet(path).collect_schema() == parts_schema("id")
    assert unpacked(pl.scan_parquet(path), ["id"]).collect(engine="streaming").equals(mixed)
    assert pl.scan_parquet(path).select(pl.struct(parts("id")).n_unique()).collect().item() == n - n // 12 + 1
