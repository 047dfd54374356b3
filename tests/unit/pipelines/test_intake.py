"""Which rows are usable, what they become, and the first reason for which one is refused."""

from __future__ import annotations

import uuid
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from days_taken_in import as_text

from contracts_io.calendar import INSTANT
from contracts_io.feeds.columns import FEEDS, Reading
from contracts_io.frames import TABLES
from contracts_io.ids import packed
from pipelines.intake import REFUSAL, USABLE, judge

DAY = date(2026, 10, 20)
GOOD: dict[str, dict[str, str | None]] = {
    "impressions": {
        "impression_id": "i1",
        "event_time": "2026-10-20T02:19:53.172230Z",
        "household_id": "h1",
        "line_item_id": "li-1",
        "partner_id": "p1",
        "device_type": "ctv",
        "country": "US",
        "viewable": "TRUE",
        "completed": "0",
        "invalid_reason": None,
        "cost": "0.0123",
    },
    "clicks": {"click_id": "k1", "event_time": "2026-10-20 02:19", "line_item_id": "li-1", "partner_id": "p1"},
    "conversions": {
        "conversion_id": "c1",
        "event_time": "2026-10-20T02:19:53Z",
        "advertiser_id": "a1",
        "event": "purchase",
        "order_value": "19.99",
        "currency": "USD",
    },
    "conversion_adjustments": {
        "adjustment_id": "a1",
        "conversion_id": "c1",
        "adjusted_at": "2026-10-20T02:19:53Z",
        "action": "restate",
        "order_value": "5",
        "reason": "returned",
    },
}


def judged(feed: str, readings: dict[str, Reading] | None = None, **changes: str | None) -> dict[str, object]:
    """The one row of ``GOOD`` with changes, judged with a horizon of 7 days."""
    row = dict.fromkeys(FEEDS[feed].column_names) | GOOD[feed] | changes
    raw = pl.LazyFrame(
        {"file": ["f"], "row": [1], **{name: [text] for name, text in row.items()}},
        schema={"file": pl.String, "row": pl.Int64, **dict.fromkeys(row, pl.String)},
    )
    return in_words(feed, judge(raw, feed, DAY, 7, readings or {}))


def in_words(feed: str, judged: pl.LazyFrame) -> dict[str, object]:
    """The one row of what was judged, its ids as text."""
    result = judged.collect(engine="streaming")
    assert result.schema == {**TABLES[feed].stored_schema, USABLE: pl.Boolean, REFUSAL: pl.String}
    assert (result[USABLE] == result[REFUSAL].is_null()).all()
    row = as_text(feed, result)
    assert row.schema == {
        **TABLES[feed].polars_schema,
        USABLE: pl.Boolean,
        REFUSAL: pl.String,
    }
    return row.row(0, named=True)


def judged_as_typed(feed: str, **typed: pl.Series) -> dict[str, object]:
    """The one row of ``GOOD`` with columns of other types than text in place of its own."""
    row = dict.fromkeys(FEEDS[feed].column_names) | GOOD[feed]
    texts = {name: pl.Series([text], dtype=pl.String) for name, text in row.items()}
    return in_words(feed, judge(pl.LazyFrame({"file": ["f"], "row": [1], **texts, **typed}), feed, DAY, 7))


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type,misc]


def refusal(feed: str, **changes: str | None) -> object:
    return judged(feed, **changes)[REFUSAL]


def instant(text: str | None, **reading: str) -> object:
    return judged("conversion_adjustments", {"adjusted_at": Reading(**reading)}, adjusted_at=text)["adjusted_at"]


def cost(text: str, factor: str | None = None) -> object:
    return judged("impressions", {"cost": Reading(factor=factor)}, cost=text)["cost"]


def test_a_good_row_is_typed_and_usable() -> None:
    assert judged("impressions") == {
        "file": "f",
        "row": 1,
        "impression_id": "i1",
        "event_time": datetime(2026, 10, 20, 2, 19, 53, 172230, tzinfo=UTC),
        "household_id": "h1",
        "line_item_id": "li-1",
        "partner_id": "p1",
        "device_type": "ctv",
        "country": "US",
        "viewable": True,
        "completed": False,
        "invalid_reason": None,
        "cost": Decimal("0.0123"),
        "is_usable": True,
        "refusal": None,
    }
    assert [refusal(feed) for feed in FEEDS] == [None] * 4
    assert judged("conversion_adjustments")["reason"] == "returned"


@pytest.mark.parametrize(
    ("feed", "required"),
    [
        ("impressions", {"impression_id", "event_time", "line_item_id", "partner_id"}),
        ("clicks", {"click_id", "event_time", "line_item_id", "partner_id"}),
        ("conversions", {"conversion_id", "event_time", "advertiser_id", "event"}),
        ("conversion_adjustments", {"adjustment_id", "conversion_id", "adjusted_at", "action", "order_value"}),
    ],
)
def test_a_row_without_a_required_column_is_refused_and_without_another_is_not(feed: str, required: set[str]) -> None:
    for name in FEEDS[feed].column_names:
        expected = f"missing_{name}" if name in required else None
        assert refusal(feed, **{name: None}) == expected


def test_a_reversal_needs_no_value_and_other_actions_are_refused() -> None:
    assert refusal("conversion_adjustments", action="reverse", order_value=None) is None
    assert refusal("conversion_adjustments", action="Reverse") == "bad_action"
    assert refusal("conversion_adjustments", action="refund", order_value=None) == "bad_action"


@pytest.mark.parametrize(
    ("feed", "name", "bad"),
    [
        ("impressions", "event_time", "yesterday"),
        ("impressions", "country", "USA"),
        ("impressions", "country", "us"),
        ("impressions", "country", "U1"),
        ("impressions", "country", " US"),
        ("impressions", "viewable", "maybe"),
        ("impressions", "completed", "2"),
        ("impressions", "cost", "-0.01"),
        ("conversions", "order_value", "1,000.00"),
        ("conversions", "currency", "US"),
        ("conversions", "currency", "usd"),
        ("conversions", "new_customer", "y"),
        ("conversions", "country", "Germany"),
        ("conversion_adjustments", "adjusted_at", "2026-10-20"),
        ("conversion_adjustments", "order_value", "abc"),
    ],
)
def test_a_value_that_is_not_acceptable_is_refused(feed: str, name: str, bad: str) -> None:
    assert refusal(feed, **{name: bad}) == f"bad_{name}"


def test_a_code_of_the_right_form_is_accepted_whatever_it_stands_for() -> None:
    assert refusal("conversions", country="ZZ", currency="ZZZ") is None


def test_the_first_reason_that_applies_is_given() -> None:
    far = "2020-01-01T00:00:00Z"
    assert refusal("impressions", partner_id=None, line_item_id=None, cost="x") == "missing_line_item_id"
    assert refusal("impressions", partner_id=None, event_time="x") == "missing_partner_id"
    assert refusal("impressions", event_time="x", cost="x") == "bad_event_time"
    assert refusal("impressions", viewable="x", country="x", cost="x") == "bad_country"
    assert refusal("impressions", cost="x", event_time=far) == "bad_cost"
    assert refusal("impressions", event_time=far) == "too_early"
    assert refusal("conversion_adjustments", action="restate", order_value=None, adjusted_at="x") == "missing_order_value"


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        ("2026-10-13T00:00:00Z", None),
        ("2026-10-12T23:59:59.999999Z", "too_early"),
        ("2026-10-22T00:00:00Z", None),
        ("2026-10-22T00:00:00.000001Z", "too_late"),
        ("2026-10-13T02:00:00+02:00", None),
        ("2026-10-13T01:59:59+02:00", "too_early"),
    ],
)
def test_an_event_is_in_time_up_to_both_limits(time: str, expected: str | None) -> None:
    for feed in ("impressions", "clicks", "conversions"):
        assert refusal(feed, event_time=time) == expected
    assert refusal("conversion_adjustments", adjusted_at=time) is None


@pytest.mark.parametrize("word", ["true", "T", "Yes", "1", "YES", "t"])
def test_the_words_for_true(word: str) -> None:
    assert judged("conversions", new_customer=word)["new_customer"] is True


@pytest.mark.parametrize("word", ["false", "F", "No", "0", "NO", "f", None])
def test_the_words_for_false_and_a_null_is_false(word: str | None) -> None:
    assert judged("conversions", new_customer=word)["new_customer"] is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-20T02:19:53.172230Z", utc(2026, 10, 20, 2, 19, 53, 172230)),
        ("2026-10-20 02:19:53.17223", utc(2026, 10, 20, 2, 19, 53, 172230)),
        ("2026-10-20T02:19:53.1", utc(2026, 10, 20, 2, 19, 53, 100000)),
        ("2026-10-20T02:19:53", utc(2026, 10, 20, 2, 19, 53)),
        ("2026-10-20T02:19", utc(2026, 10, 20, 2, 19)),
        ("2026-10-20T02:19Z", utc(2026, 10, 20, 2, 19)),
        ("2026-10-20T02:19+01", utc(2026, 10, 20, 1, 19)),
        ("2026-10-20T02:19:53+0130", utc(2026, 10, 20, 0, 49, 53)),
        ("2026-10-20T02:19:53.5-01:30", utc(2026, 10, 20, 3, 49, 53, 500000)),
        ("2026-10-20T23:59:59.999999-23:59", utc(2026, 10, 21, 23, 58, 59, 999999)),
        ("2024-02-29T00:00", utc(2024, 2, 29)),
        ("0001-01-01T00:00Z", utc(1, 1, 1)),
        ("9999-12-31T23:59:59.999999Z", utc(9999, 12, 31, 23, 59, 59, 999999)),
    ],
)
def test_iso_8601_is_understood_and_is_utc_where_it_names_no_zone(text: str, expected: datetime) -> None:
    assert instant(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("2026-10-20", "2026-10-20T", "2026-10-20T02", "02:19", "1760926793", "now", "20261020T021953Z"),
        *("2026-10-20T24:00", "2026-10-20T02:60", "2026-10-20T02:19:60Z", "2026-02-29T00:00", "2026-13-01T00:00"),
        *("2026-00-01T00:00", "0000-01-01T00:00", "0001-01-01T00:00+00:01", "9999-12-31T23:59:59-00:01"),
        *("2026-1-20T02:19", "2026-10-2T02:19", "2026-10-20T2:19", "2026-10-20T02:19:5", "12026-10-20T02:19"),
        *("2026-10-20T02:19:53.", "2026-10-20T02:19:53.1234567", "2026-10-20T02:19:53,5", "2026-10-20T02:19.5"),
        *("2026-10-20t02:19:53", "2026-10-20T02:19:53z", "2026-10-20  02:19", "２０２６-10-20T02:19"),
        *("2026-10-20T02:19:53 Z", "2026-10-20T02:19:53 +01:00", "2026-10-20T02:19:53+1", "2026-10-20T02:19:53+01:"),
        *("2026-10-20T02:19:53+24:00", "2026-10-20T02:19:53+01:60", "2026-10-20T02:19:53Z+01:00"),
    ],
)
def test_no_other_form_of_a_time_is_understood(text: str) -> None:
    assert judged("conversion_adjustments", adjusted_at=text)[REFUSAL] == "bad_adjusted_at"


def test_a_line_end_is_no_part_of_a_value() -> None:
    assert refusal("conversion_adjustments", adjusted_at="2026-10-20T02:19:53Z\n") == "bad_adjusted_at"
    assert refusal("impressions", country="US\n") == "bad_country"
    assert refusal("impressions", cost="1\n") == "bad_cost"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-10-20T02:19", utc(2026, 10, 20, 6, 19)),
        ("2026-10-20T02:19Z", utc(2026, 10, 20, 2, 19)),
        ("2026-10-20T02:19+01:00", utc(2026, 10, 20, 1, 19)),
        ("2026-11-01T01:30", utc(2026, 11, 1, 5, 30)),
        ("2026-03-08T02:30", None),
    ],
    ids=["in the zone", "says UTC", "says another", "twice: the earlier", "never: bad"],
)
def test_a_time_without_a_zone_is_in_the_zone_of_the_mapping(text: str, expected: datetime | None) -> None:
    assert instant(text, zone="America/New_York") == expected


@pytest.mark.parametrize(
    ("text", "reading", "expected"),
    [
        (
            "20130606000104407",
            {"format": "%Y%m%d%H%M%S%3f", "zone": "Asia/Shanghai"},
            utc(2013, 6, 5, 16, 1, 4, 407000),
        ),
        ("2013-06-06T00:01:04", {"format": "%Y%m%d%H%M%S%3f", "zone": "Asia/Shanghai"}, None),
        ("06/06/2013", {"format": "%d/%m/%Y"}, utc(2013, 6, 6)),
        ("2013-06-06 00:01 +0800", {"format": "%Y-%m-%d %H:%M %z"}, utc(2013, 6, 5, 16, 1)),
        ("01/11/2026 01:30", {"format": "%d/%m/%Y %H:%M", "zone": "America/New_York"}, utc(2026, 11, 1, 5, 30)),
        ("08/03/2026 02:30", {"format": "%d/%m/%Y %H:%M", "zone": "America/New_York"}, None),
        ("1760926793", {"unit": "s"}, utc(2025, 10, 20, 2, 19, 53)),
        ("1760926793.172230", {"unit": "s"}, utc(2025, 10, 20, 2, 19, 53, 172230)),
        ("1760926793172", {"unit": "ms"}, utc(2025, 10, 20, 2, 19, 53, 172000)),
        ("1760926793172230", {"unit": "us"}, utc(2025, 10, 20, 2, 19, 53, 172230)),
        ("1760926793172230999", {"unit": "ns"}, utc(2025, 10, 20, 2, 19, 53, 172230)),
        ("-1", {"unit": "s"}, utc(1969, 12, 31, 23, 59, 59)),
        ("2026-10-20T02:19Z", {"unit": "s"}, None),
        ("99999999999999", {"unit": "s"}, None),
        ("9" * 40, {"unit": "s"}, None),
        ("1e9", {"unit": "s"}, None),
    ],
)
def test_a_mapping_says_how_times_are_written(text: str, reading: dict[str, str], expected: datetime | None) -> None:
    assert instant(text, **reading) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", "0"),
        ("-0", "0"),
        ("007.50", "7.5"),
        ("0.123456789", "0.123456789"),
        ("999999999.999999999", "999999999.999999999"),
        ("1000000000", "1000000000"),
        ("1000000000.000000000", "1000000000"),
        ("1000000000.000000001", None),
        ("-0.000000001", None),
        ("0.1234567891", None),
        ("0.1000000000", None),
        ("1e3", None),
        ("1E3", None),
        (".5", None),
        ("5.", None),
        ("+5", None),
        (" 5", None),
        ("1_000", None),
        ("1 000", None),
        ("NaN", None),
        ("inf", None),
        ("0x10", None),
        ("٣", None),
        ("9" * 60, None),
        ("0." + "0" * 60, None),
        ("0" * 60 + "1", "1"),
        ("--1", None),
        ("1.2.3", None),
    ],
)
def test_an_amount_is_plain_digits_with_nine_places_from_zero_to_a_billion(text: str, expected: str | None) -> None:
    assert cost(text) == (None if expected is None else Decimal(expected))
    assert refusal("impressions", cost=text) == (None if expected else "bad_cost")


@pytest.mark.parametrize(
    ("text", "factor", "expected"),
    [
        ("86", "0.00001", "0.00086"),
        ("86.5", "0.00001", "0.000865"),
        ("1", "0.000000001", "0.000000001"),
        ("1.10", "0.000000001", None),
        ("1.000", "0.000000001", "0.000000001"),
        ("0.00000000012", "1000", "0.00000012"),
        ("0.0000000000012", "1000", None),
        ("1000000000000000000", "0.000000001", "1000000000"),
        ("1000000000000000001", "0.000000001", None),
        ("3", "0.333333333", "0.999999999"),
        ("0", "9999999999.999999999", "0"),
        ("0.1", "9999999999.999999999", None),
        ("0.1", "9999999999", "999999999.9"),
        ("1", "9999999999", None),
        ("-1", "0.00001", None),
        ("1e3", "0.00001", None),
        ("9" * 60, "0.00001", None),
    ],
)
def test_a_factor_multiplies_exactly(text: str, factor: str, expected: str | None) -> None:
    assert cost(text, factor) == (None if expected is None else Decimal(expected))


def test_typed_instants_are_taken_as_they_are() -> None:
    times = [datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 10, 1, tzinfo=UTC), None]
    raw = pl.LazyFrame(
        {
            "file": ["f"] * 3,
            "row": [1, 2, 3],
            **{name: [GOOD["clicks"].get(name)] * 3 for name in FEEDS["clicks"].column_names},
        },
        schema_overrides=dict.fromkeys(("household_id", "invalid_reason"), pl.String),
    ).with_columns(event_time=pl.Series(times, dtype=INSTANT))
    result = judge(raw, "clicks", DAY, 7).collect()
    assert result[REFUSAL].to_list() == [None, "too_early", "missing_event_time"]


def test_the_horizon_is_a_setting() -> None:
    early = {"event_time": f"{DAY - timedelta(days=30)}T00:00"}
    raw = pl.LazyFrame(
        {"file": ["f"], "row": [1], **{n: [(GOOD["clicks"] | early).get(n)] for n in FEEDS["clicks"].column_names}}
    )
    raw = raw.with_columns(pl.all().exclude("row").cast(pl.String))
    assert [judge(raw, "clicks", DAY, days).collect()[REFUSAL].item() for days in (30, 29)] == [None, "too_early"]


LARGEST = 2**127 - 1


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pl.Series([Decimal("0.0123")], dtype=pl.Decimal(9, 4)), "0.0123"),
        (pl.Series([Decimal("0.000000001")], dtype=pl.Decimal(38, 9)), "0.000000001"),
        (pl.Series([Decimal("999999999.999999999")], dtype=pl.Decimal(18, 9)), "999999999.999999999"),
        (pl.Series([Decimal("1000000000")], dtype=pl.Decimal(38, 9)), "1000000000"),
        (pl.Series([Decimal("1000000000.000000001")], dtype=pl.Decimal(38, 9)), None),
        (pl.Series([Decimal("-0.000000001")], dtype=pl.Decimal(38, 9)), None),
        (pl.Series([Decimal(10**37)], dtype=pl.Decimal(38, 0)), None),
        (pl.Series([Decimal(-(10**37))], dtype=pl.Decimal(38, 0)), None),
        (pl.Series([0], dtype=pl.UInt8), "0"),
        (pl.Series([10**9], dtype=pl.Int64), "1000000000"),
        (pl.Series([10**9 + 1], dtype=pl.Int64), None),
        (pl.Series([-1], dtype=pl.Int8), None),
        (pl.Series([-(2**63)], dtype=pl.Int64), None),
        (pl.Series([2**64 - 1], dtype=pl.UInt64), None),
        (pl.Series([LARGEST], dtype=pl.Int128), None),
    ],
    ids=lambda value: f"{value.dtype} {value[0]}" if isinstance(value, pl.Series) else "",
)
def test_an_amount_that_comes_as_a_number_is_taken_as_it_is_within_the_same_limits(
    values: pl.Series, expected: str | None
) -> None:
    row = judged_as_typed("impressions", cost=values)
    assert row["cost"] == (None if expected is None else Decimal(expected))
    assert row[REFUSAL] == (None if expected else "bad_cost")


def test_no_amount_is_none_in_every_type_and_a_restatement_needs_one() -> None:
    for dtype in (pl.Int64, pl.Decimal(18, 2)):
        nothing = pl.Series([None], dtype=dtype)
        assert judged_as_typed("impressions", cost=nothing)[REFUSAL] is None
        refused = judged_as_typed("conversion_adjustments", order_value=nothing)
        assert refused[REFUSAL] == "missing_order_value"


@pytest.mark.parametrize(("mark", "expected"), [(True, True), (False, False), (None, False)])
def test_a_mark_that_comes_as_a_boolean_is_taken_as_it_is_and_none_is_false(mark: bool | None, expected: bool) -> None:
    row = judged_as_typed("conversions", new_customer=pl.Series([mark], dtype=pl.Boolean))
    assert (row["new_customer"], row[REFUSAL]) == (expected, None)


ONE = uuid.UUID(int=0x00112233445566778899AABBCCDDEEFF)


def test_ids_of_sixteen_bytes_are_uuids_and_what_has_none_is_refused() -> None:
    row = judged_as_typed("impressions", impression_id=pl.Series([ONE.bytes]), household_id=pl.Series([ONE.bytes[::-1]]))
    assert (row["impression_id"], row["household_id"]) == (str(ONE), str(uuid.UUID(bytes=ONE.bytes[::-1])))
    assert row[REFUSAL] is None
    no_id = judged_as_typed("impressions", impression_id=pl.Series([None], dtype=pl.Binary))
    assert (no_id["impression_id"], no_id[REFUSAL]) == (None, "missing_impression_id")


@pytest.mark.parametrize("feed", FEEDS)
@pytest.mark.parametrize("name", [str(ONE), "i1", "i" * 17, None])
def test_ids_may_come_packed_and_are_judged_as_if_they_were_text(feed: str, name: str | None) -> None:
    id_column = FEEDS[feed].id_column
    row: dict[str, Any] = dict.fromkeys(FEEDS[feed].column_names) | GOOD[feed] | {id_column: name}
    texts = {column: pl.Series([text], dtype=pl.String) for column, text in row.items()}
    raw = pl.LazyFrame({"file": ["f"], "row": [1], **texts})
    expected = judge(raw, feed, DAY, 7).collect()
    for already in ([id_column], TABLES[feed].packed):
        assert judge(packed(raw, already), feed, DAY, 7).collect().equals(expected)
    assert in_words(feed, expected.lazy()) == judged(feed, None, **{id_column: name})
    assert expected[REFUSAL].item() == (f"missing_{id_column}" if name is None else None)


def test_the_first_reason_is_the_same_whether_or_not_a_value_comes_typed() -> None:
    bad = pl.Series([-1])
    assert judged_as_typed("impressions", cost=bad, partner_id=pl.Series([None], dtype=pl.String))[REFUSAL] == (
        "missing_partner_id"
    )
    assert judged_as_typed("impressions", cost=bad, viewable=pl.Series(["maybe"]))[REFUSAL] == "bad_viewable"
    early = pl.Series([utc(2026, 10, 1)], dtype=INSTANT)
    assert judged_as_typed("impressions", cost=bad, event_time=early)[REFUSAL] == "bad_cost"
    assert judged_as_typed("impressions", cost=pl.Series([1]), event_time=early)[REFUSAL] == "too_early"
