"""Parquet: values that have the type of their kind stay as they are, others become text without loss."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from contracts_io.calendar import INSTANT
from contracts_io.errors import FeedError
from contracts_io.feeds import parquet
from contracts_io.feeds.columns import Reading
from contracts_io.feeds.formats import read_file
from contracts_io.feeds.landing import LandingFile
from contracts_io.feeds.rows import FileRows
from contracts_io.ids import packed, unpacked
from contracts_io.settings import ColumnMapping, FeedSettings


def read(folder: Path, frame: pl.DataFrame, settings: FeedSettings | None = None) -> FileRows:
    path = folder / "a.parquet"
    frame.write_parquet(path)
    return read_file(LandingFile(path.name, path, path.stat().st_size, ""), "impressions", settings or FeedSettings())


def text_of(folder: Path, values: pl.Series, column: str = "cost") -> list[object]:
    return read(folder, values.alias(column).to_frame()).raw.collect()[column].to_list()


def test_rows_are_numbered_from_one(tmp_path: Path) -> None:
    found = read(tmp_path, pl.DataFrame({"impression_id": ["a", "", None], "extra": [1, 2, 3]}))
    assert found.raw.select("file", "row", "impression_id").collect().rows() == [
        ("a.parquet", 1, "a"),
        ("a.parquet", 2, None),
        ("a.parquet", 3, None),
    ]
    assert (found.rows, found.unreadable.height) == (3, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            pl.Series([0.1, 1e-7, 5.0, 1e16, 123456789.123456789, -0.5, None]),
            "0.1 0.0000001 5 10000000000000000 123456789.12345679 -0.5",
        ),
        (pl.Series([0.1, 1e-7, 16777216.0], dtype=pl.Float32), "0.1 0.0000001 16777216"),
        (pl.Series([float("nan"), float("inf")]), "NaN inf"),
        (pl.Series(["1.100", "-0.000000000001", "100", "0"]).cast(pl.Decimal(38, 12)), "1.1 -0.000000000001 100 0"),
        (pl.Series([True, False]), "true false"),
        (pl.Series(["x", "y", "x"], dtype=pl.Categorical), "x y x"),
        (pl.Series([date(2026, 10, 5)]), "2026-10-05"),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_every_type_has_one_text(tmp_path: Path, values: pl.Series, expected: str) -> None:
    assert [text for text in text_of(tmp_path, values) if text is not None] == expected.split()


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        ("device_type", pl.Series([10, 100], dtype=pl.Decimal(10, 0)), "10 100"),
        ("device_type", pl.Series(["1.100", "0.000"]).cast(pl.Decimal(10, 3)), "1.1 0"),
        ("device_type", pl.Series([2**64 - 1], dtype=pl.UInt64), "18446744073709551615"),
        ("impression_id", pl.Series([7, -7]), "7 -7"),
        ("viewable", pl.Series([1, 0]), "1 0"),
        ("device_type", pl.Series([True, False]), "true false"),
        ("event_time", pl.Series([True]), "true"),
    ],
)
def test_numbers_and_booleans_are_text_in_a_column_of_another_kind(
    tmp_path: Path, column: str, values: pl.Series, expected: str
) -> None:
    assert text_of(tmp_path, values, column) == expected.split()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("cost", pl.Series([10, None, 100], dtype=pl.Decimal(10, 0))),
        ("cost", pl.Series(["1.100", None, "-0.000000001"]).cast(pl.Decimal(38, 9))),
        ("cost", pl.Series([2**64 - 1, None], dtype=pl.UInt64)),
        ("cost", pl.Series([-1, 0, None], dtype=pl.Int8)),
        ("viewable", pl.Series([True, False, None])),
    ],
    ids=lambda value: str(getattr(value, "dtype", value)),
)
def test_an_exact_amount_and_a_mark_stay_as_they_are(tmp_path: Path, column: str, values: pl.Series) -> None:
    found = read(tmp_path, values.alias(column).to_frame()).raw.collect()[column]
    assert found.dtype == values.dtype
    assert found.to_list() == values.to_list()


def test_an_amount_that_a_factor_multiplies_is_read_as_text(tmp_path: Path) -> None:
    mapped = FeedSettings(columns={"cost": ColumnMapping(column="price", reading=Reading(factor="0.00001"))})
    for values in (pl.Series([86, None]), pl.Series(["86.50", None]).cast(pl.Decimal(20, 2))):
        found = read(tmp_path, values.alias("price").to_frame(), mapped).raw.collect()["cost"]
        assert found.to_list() in (["86", None], ["86.5", None])


@pytest.mark.parametrize(
    ("column", "values", "word", "expected"),
    [
        ("cost", pl.Series([-1, 5]), "-1", [None, "5"]),
        ("cost", pl.Series(["-1.00", "0.50"]).cast(pl.Decimal(10, 2)), "-1", [None, "0.5"]),
        ("cost", pl.Series([0.0, 5.5]), "0", [None, "5.5"]),
        ("viewable", pl.Series([True, False]), "false", ["true", None]),
        (
            "household_id",
            pl.Series([bytes(16), b"\xff" * 16]),
            str(uuid.UUID(int=0)),
            [None, str(uuid.UUID(int=2**128 - 1))],
        ),
    ],
    ids=["an integer", "a decimal", "a float", "a mark", "sixteen bytes"],
)
def test_a_word_for_null_is_null_whatever_the_type_of_the_column(
    tmp_path: Path, column: str, values: pl.Series, word: str, expected: list[str | None]
) -> None:
    settings = FeedSettings(null_values=("null", word))
    assert read(tmp_path, values.alias(column).to_frame(), settings).raw.collect()[column].to_list() == expected
    assert (
        read(tmp_path, values.alias(column).to_frame(), FeedSettings(null_values=("null", "-")))
        .raw.collect()[column]
        .is_not_null()
        .all()
    )


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_instants_of_any_unit_and_zone_are_instants(tmp_path: Path, unit: str) -> None:
    local = pl.Series([datetime(2026, 10, 5, 12, 0, 0, 123000)], dtype=pl.Datetime(unit))  # type: ignore[arg-type]  # noqa: DTZ001
    in_utc = read(tmp_path, local.alias("event_time").to_frame()).raw.collect()["event_time"]
    assert in_utc.dtype == INSTANT
    assert in_utc.to_list() == [datetime(2026, 10, 5, 12, 0, 0, 123000, tzinfo=UTC)]
    zoned = local.dt.replace_time_zone("America/New_York").alias("event_time").to_frame()
    assert read(tmp_path, zoned).raw.collect()["event_time"].to_list() == [
        datetime(2026, 10, 5, 16, 0, 0, 123000, tzinfo=UTC)
    ]


def test_local_times_keep_their_text_where_a_zone_has_to_be_applied(tmp_path: Path) -> None:
    mapped = FeedSettings(columns={"event_time": ColumnMapping(column="ts", reading=Reading(zone="Asia/Shanghai"))})
    frame = pl.DataFrame({"ts": [datetime(2026, 10, 5, 12)]})  # noqa: DTZ001
    assert read(tmp_path, frame, mapped).raw.collect()["event_time"].to_list() == ["2026-10-05T12:00:00.000000"]


def test_a_timestamp_in_a_column_of_text_is_iso_8601(tmp_path: Path) -> None:
    assert text_of(tmp_path, pl.Series([datetime(2026, 10, 5, tzinfo=UTC)]), "device_type") == [
        "2026-10-05T00:00:00.000000Z"
    ]


def test_sixteen_bytes_are_a_uuid_unless_they_are_text(tmp_path: Path) -> None:
    ids = [uuid.UUID(int=number * 2**120 + 0xFF) for number in (1, 255)]
    column = pl.Series([*(one.bytes for one in ids), None])
    assert text_of(tmp_path, column, "line_item_id") == [*map(str, ids), None]
    for packed_one in ("impression_id", "household_id"):
        found = read(tmp_path, column.alias(packed_one).to_frame()).raw
        assert found.collect_schema()[packed_one] == pl.Binary, "what the tables pack stays as it is"
        told = unpacked(packed(found.select(packed_one), [packed_one]), [packed_one]).collect()
        assert told[packed_one].to_list() == [*map(str, ids), None]
    assert text_of(tmp_path, pl.Series([b"imp-104-00000001", "é".encode()]), "impression_id") == ["imp-104-00000001", "é"]


def test_sixteen_bytes_that_happen_to_be_utf8_are_a_uuid_all_the_same(tmp_path: Path) -> None:
    one = uuid.UUID("0102c3a9-4445-4647-1849-4a4b4c4d4e4f")
    assert one.bytes.decode("utf-8")
    for name in ("impression_id", "line_item_id"):
        found = read(tmp_path, pl.DataFrame({name: [one.bytes]})).raw
        told = unpacked(packed(found.select(name), [name]), [name]) if name == "impression_id" else found
        assert told.collect()[name].to_list() == [str(one)]


def test_bytes_that_are_neither_text_nor_of_sixteen_are_no_id(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"column 'impression_id' \(Binary\) cannot be read as impressions\.impression_id"):
        read(tmp_path, pl.DataFrame({"impression_id": [b"\xff" * 16, b"\xff" * 15]}))


@pytest.mark.parametrize(
    "values", [pl.Series([b"\xff"]), pl.Series([[1]]), pl.Series([{"a": 1}])], ids=lambda s: str(s.dtype)
)
def test_a_column_that_cannot_be_text_is_refused(tmp_path: Path, values: pl.Series) -> None:
    with pytest.raises(FeedError, match=r"column 'cost' \(.*\) cannot be read as impressions\.cost, a column of decimal"):
        read(tmp_path, values.alias("cost").to_frame())


def test_the_content_of_a_row_has_every_source_column(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "cost": [Decimal("1.10"), None],
            "at": [datetime(2026, 10, 5, tzinfo=UTC), None],
            "id": [b"\xff", b"a"],
            "n": [float("nan"), 2.5],
            "nested": [{"a": [1]}, None],
        }
    )
    found = read(tmp_path, frame)
    assert [json.loads(content) for content in found.contents([2, 1])["content"]] == [
        {"cost": "1.10", "at": "2026-10-05T00:00:00+00:00", "id": "ff", "n": "nan", "nested": {"a": [1]}},
        {"cost": None, "at": None, "id": "a", "n": 2.5, "nested": None},
    ]


@pytest.mark.parametrize(
    "texts",
    [["plain", "é日\u2028/", None], ['a "quoted" word', "back\\slash", "line\nand \x00 and \x7f"], [None, None, None]],
)
def test_a_content_is_written_as_json_writes_it(tmp_path: Path, texts: list[str | None]) -> None:
    rows = [
        {"text": text, 'a "name"': number, "mark": mark, "at": "2026-10-05T01:02:03.000004+00:00"}
        for text, number, mark in zip(texts, [-5, None, 2**40], [True, None, False], strict=True)
    ]
    at = datetime(2026, 10, 5, 1, 2, 3, 4, tzinfo=UTC)
    schema = {"text": pl.String(), 'a "name"': pl.Int64(), "mark": pl.Boolean(), "at": pl.Datetime("us", "UTC")}
    found = read(tmp_path, pl.DataFrame([row | {"at": at} for row in rows], schema=schema))
    assert found.contents([1, 2, 3])["content"].to_list() == [json.dumps(row, ensure_ascii=False) for row in rows]


_INSTANTS = [
    None,
    *(datetime.fromisoformat(text) for text in ("1900-01-01", "2026-10-05T01:02:03.100000", "1969-12-31T23:59:59.999999")),
]
_AMOUNTS = [Decimal(text) if text else None for text in ("0", "-0.1", "0.000001", "0.0000001", "123456789012.5", None)]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        *((pl.Series(_INSTANTS, dtype=pl.Datetime(unit)), datetime.isoformat) for unit in ("ms", "us", "ns")),
        *((pl.Series(_INSTANTS, dtype=pl.Datetime("us", zone)), datetime.isoformat) for zone in ("UTC", "Europe/Paris")),
        *((pl.Series(_AMOUNTS, dtype=pl.Decimal(38, 12)).cast(pl.Decimal(38, scale)), str) for scale in (0, 5, 6, 7, 12)),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_times_and_amounts_are_written_as_python_writes_them(
    tmp_path: Path, values: pl.Series, expected: Callable[[object], str]
) -> None:
    found = read(tmp_path, values.alias("it").to_frame())
    written = [json.loads(content)["it"] for content in found.contents(range(1, len(values) + 1))["content"]]
    assert written == [None if value is None else expected(value) for value in values.to_list()]


def test_a_mapped_column_must_be_there(tmp_path: Path) -> None:
    mapped = FeedSettings(columns={"cost": ColumnMapping(column="price")})
    with pytest.raises(
        FeedError, match=r"impressions\.cost is mapped to column 'price', which is not there; the columns are 'a', 'b'"
    ):
        read(tmp_path, pl.DataFrame({"a": [1], "b": [2]}), mapped)


def damaged(folder: Path, damage: str) -> LandingFile:
    path = folder / "a.parquet"
    pl.DataFrame({"impression_id": [f"{number:030}" for number in range(5000)]}).write_parquet(path)
    whole = path.read_bytes()
    broken = bytearray(whole)
    broken[100:600] = b"\xff" * 500
    path.write_bytes({"truncated": whole[:-10], "text": b"impression_id\n1\n", "empty": b"", "page": bytes(broken)}[damage])
    return LandingFile(path.name, path, path.stat().st_size, "")


@pytest.mark.parametrize("damage", ["truncated", "text", "empty"])
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, damage: str) -> None:
    with pytest.raises(FeedError, match=r"a\.parquet: cannot be opened"):
        read_file(damaged(tmp_path, damage), "impressions", FeedSettings())


def test_a_page_that_cannot_be_read_is_found_by_who_reads_it_and_named_when_asked(tmp_path: Path) -> None:
    found = read_file(damaged(tmp_path, "page"), "impressions", FeedSettings())
    with pytest.raises(pl.exceptions.PolarsError):
        found.raw.collect()
    with pytest.raises(FeedError, match=r"a\.parquet: cannot be opened"):
        found.require_sound()


def test_of_a_sound_file_some_rows_can_be_held_and_need_it_no_more(tmp_path: Path) -> None:
    found = read(tmp_path, pl.DataFrame({"impression_id": ["a", "b", "c"], "cost": [1, 2, 3]}))
    found.require_sound()
    assert found.only is not None
    some = found.only([3, 1])
    found.file.path.unlink()
    assert some.rows == 2
    assert some.raw.select("row", "impression_id", "cost").collect().rows() == [(1, "a", 1), (3, "c", 3)]
    assert [json.loads(content) for content in some.contents([3])["content"]] == [{"impression_id": "c", "cost": 3}]


@pytest.mark.parametrize(("rows", "wanted"), [(7, [1, 2, 3, 6, 7]), (6, [3, 4]), (0, [])])
def test_a_file_is_gone_through_a_stretch_of_rows_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: int, wanted: list[int]
) -> None:
    looked_at: list[int] = []
    apart = parquet._apart
    monkeypatch.setattr(parquet, "_AT_ONCE", 3)
    monkeypatch.setattr(parquet, "_apart", lambda held: (looked_at.append(held.height), apart(held))[1])
    ids = pl.Series("impression_id", [f"i{row}" for row in range(1, rows + 1)], pl.String)
    only = read(tmp_path, ids.to_frame()).only
    assert only is not None
    some = only(wanted)
    assert some.raw.select("row", "impression_id").collect().rows() == [(row, f"i{row}") for row in wanted]
    assert looked_at == [sum(first < row <= first + 3 for row in wanted) for first in range(0, max(rows, 1), 3)]


BEYOND = 2**63 - 1
"""What DuckDB writes for a time of infinity, in whatever unit."""


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("column", ["event_time", "device_type"])
def test_a_time_beyond_all_calendars_is_there_and_no_time(
    tmp_path: Path, unit: pl.datatypes.TimeUnit, zone: str | None, column: str
) -> None:
    """It is quarantined with the number that stands for it; Polars alone would panic."""
    times = pl.Series(column, [BEYOND - 1 if unit == "ns" else BEYOND, 0, None]).cast(pl.Datetime(unit, zone))
    found = read(tmp_path, pl.DataFrame([pl.Series("impression_id", ["a", "b", "c"]), times]))
    taken = found.raw.collect()[column]
    if column == "event_time":
        last_of_9999 = 253_402_300_799_999_999
        if unit != "ns":  # beyond it, as pipelines.intake finds
            assert (taken.to_physical() > last_of_9999).to_list() == [True, False, None]
        assert taken[1] == datetime(1970, 1, 1, tzinfo=UTC)
    else:
        epoch = "1970-01-01T00:00:00.000000" + ("Z" if zone else "")
        assert taken[1:].to_list() == [epoch, None]
        if unit != "ns":
            assert taken[0] == str(BEYOND)
    contents = [json.loads(text) for text in found.contents([1, 2]).sort("row")["content"]]
    epoch_in_json = "1970-01-01T00:00:00" + ("+00:00" if zone else "")
    assert [row[column] for row in contents][1] == epoch_in_json
    if unit != "ns":
        assert contents[0][column] == BEYOND


def test_a_day_beyond_all_calendars_stands_as_its_number(tmp_path: Path) -> None:
    days = pl.Series("device_type", [2**31 - 1, 0, -719_163, -719_162], dtype=pl.Int32).cast(pl.Date)
    found = read(tmp_path, pl.DataFrame([pl.Series("impression_id", list("abcd")), days]))
    assert found.raw.collect()["device_type"].to_list() == ["2147483647", "1970-01-01", "-719163", "0001-01-01"]
    contents = [json.loads(text)["device_type"] for text in found.contents([1, 2, 3, 4]).sort("row")["content"]]
    assert contents == [2147483647, "1970-01-01", -719163, "0001-01-01"]
