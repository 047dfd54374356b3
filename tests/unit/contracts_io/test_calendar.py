from __future__ import annotations

from datetime import date, timedelta

import polars as pl
import pytest
from billing_samples import MICROSECOND, at

from contracts_io.calendar import (
    INSTANT,
    Month,
    days_between,
    format_instant,
    is_zone,
    last_utc_day_of,
    local_date,
    months_between,
    parse_day,
    parse_instant,
    start_of,
)
from contracts_io.errors import UsageError

OCTOBER = Month(2026, 10)


@pytest.mark.parametrize(
    ("month", "first", "last"),
    [
        ("2026-10", date(2026, 10, 1), date(2026, 10, 31)),
        ("2026-12", date(2026, 12, 1), date(2026, 12, 31)),
        ("2027-02", date(2027, 2, 1), date(2027, 2, 28)),
        ("2028-02", date(2028, 2, 1), date(2028, 2, 29)),
        ("2100-02", date(2100, 2, 1), date(2100, 2, 28)),
    ],
)
def test_a_month_has_its_calendar_days(month: str, first: date, last: date) -> None:
    parsed = Month.parse(month)
    assert (parsed.first, parsed.last, str(parsed)) == (first, last, month)
    assert Month.of(first) == Month.of(last) == parsed


def test_months_follow_each_other_over_the_turn_of_the_year() -> None:
    assert Month(2026, 12).next == Month(2027, 1)
    assert Month(2027, 1).previous == Month(2026, 12)
    assert [str(m) for m in months_between(Month(2026, 11), Month(2027, 2))] == ["2026-11", "2026-12", "2027-01", "2027-02"]
    assert list(months_between(Month(2027, 2), Month(2026, 11))) == []
    assert Month(2026, 12) < Month(2027, 1)


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-00", "2026-1", "26-10", "2026-10-01", "october", "", "٢٠٢٦-10"])
def test_what_is_not_a_month_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(UsageError, match="YYYY-MM") as refused:
        Month.parse(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize("text", ["0000-10", "0001-12", "9999-01", "9999-12"])
def test_a_month_without_a_year_before_or_after_it_is_refused_for_that_and_not_for_its_form(text: str) -> None:
    with pytest.raises(UsageError) as refused:
        Month.parse(text)
    assert str(refused.value) == (
        f"{text!r} is beyond what can be calculated with\n  -> choose a month from 0002-01 to 9998-12"
    )


@pytest.mark.parametrize("text", ["0002-01", "9998-12"])
def test_the_first_and_the_last_month_that_can_be_calculated_with(text: str) -> None:
    assert str(Month.parse(text)) == text


@pytest.mark.parametrize("text", ["2026-10-32", "2027-02-29", "2026-10-5", "20261005", "2026-W41-1", "2026-10-05T00", ""])
def test_what_is_not_a_day_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(UsageError, match="YYYY-MM-DD"):
        parse_day(text)


def test_a_day_is_read_as_it_is_written() -> None:
    assert parse_day("2028-02-29") == date(2028, 2, 29)


def test_a_run_of_days_has_both_its_ends() -> None:
    assert list(days_between(date(2026, 10, 31), date(2026, 11, 1))) == [date(2026, 10, 31), date(2026, 11, 1)]
    assert list(days_between(date(2026, 10, 31), date(2026, 10, 30))) == []


@pytest.mark.parametrize(
    ("day", "zone", "instant"),
    [
        (date(2026, 10, 5), "UTC", "2026-10-05T00:00Z"),
        (date(2026, 10, 5), "America/New_York", "2026-10-05T04:00Z"),
        (date(2026, 11, 2), "America/New_York", "2026-11-02T05:00Z"),
        (date(2026, 10, 5), "Asia/Kolkata", "2026-10-04T18:30Z"),
        (date(2026, 10, 5), "Pacific/Kiritimati", "2026-10-04T10:00Z"),
        (date(2026, 3, 8), "America/Havana", "2026-03-08T05:00Z"),  # its midnight is skipped
        (date(2026, 11, 1), "America/Havana", "2026-11-01T04:00Z"),  # its midnight comes twice: the first one
    ],
)
def test_a_local_day_starts_at_its_first_instant(day: date, zone: str, instant: str) -> None:
    assert start_of(day, zone) == at(instant)


@pytest.mark.parametrize(
    ("day", "zone", "hours"),
    [
        (date(2026, 3, 8), "America/New_York", 23),
        (date(2026, 11, 1), "America/New_York", 25),
        (date(2026, 10, 25), "Europe/Berlin", 25),
        (date(2026, 10, 5), "Europe/Berlin", 24),
        (date(2026, 10, 4), "Australia/Lord_Howe", 23.5),
    ],
)
def test_a_day_on_which_clocks_change_is_shorter_or_longer(day: date, zone: str, hours: float) -> None:
    assert start_of(day + timedelta(days=1), zone) - start_of(day, zone) == timedelta(hours=hours)


@pytest.mark.parametrize(
    ("zones", "day"),
    [
        ([], date(2026, 10, 31)),
        (["UTC"], date(2026, 10, 31)),
        (["Asia/Tokyo"], date(2026, 10, 31)),
        (["America/New_York"], date(2026, 11, 1)),
        (["Asia/Tokyo", "Pacific/Pago_Pago", "UTC"], date(2026, 11, 1)),
        (["Pacific/Kiritimati", "Asia/Tokyo"], date(2026, 10, 31)),
    ],
)
def test_the_last_instant_of_a_month_lies_on_the_utc_day_of_its_latest_zone(zones: list[str], day: date) -> None:
    assert last_utc_day_of(OCTOBER, zones) == day


@pytest.mark.parametrize(
    ("zone", "last_instant_of_october"),
    [
        ("UTC", "2026-10-31T23:59:59.999999Z"),
        ("America/New_York", "2026-11-01T03:59:59.999999Z"),
        ("Asia/Tokyo", "2026-10-31T14:59:59.999999Z"),
        ("Asia/Kathmandu", "2026-10-31T18:14:59.999999Z"),
    ],
)
def test_the_local_date_turns_at_local_midnight(zone: str, last_instant_of_october: str) -> None:
    last = at(last_instant_of_october)
    frame = pl.DataFrame({"t": pl.Series([last, last + MICROSECOND], dtype=INSTANT), "zone": zone})
    dates = frame.select(local_date(pl.col("t"), pl.col("zone"), [zone, "Europe/Berlin"])).to_series().to_list()
    assert dates == [date(2026, 10, 31), date(2026, 11, 1)]


def test_each_row_is_dated_in_its_own_zone_and_not_at_all_in_an_unknown_one() -> None:
    frame = pl.DataFrame(
        {
            "t": pl.Series([at("2026-11-01T02:00Z")] * 4, dtype=INSTANT),
            "zone": ["UTC", "America/New_York", "Asia/Tokyo", None],
        }
    )
    dates = frame.select(local_date(pl.col("t"), pl.col("zone"), ["UTC", "America/New_York"])).to_series().to_list()
    assert dates == [date(2026, 11, 1), date(2026, 10, 31), None, None]
    assert frame.with_columns(on=local_date(pl.col("t"), pl.col("zone"), []))["on"].to_list() == [None] * 4


def test_an_instant_is_written_in_utc_to_the_microsecond() -> None:
    assert format_instant(at("2026-10-20T04:19:53.172230+02:00")) == "2026-10-20T02:19:53.172230Z"
    assert format_instant(at("2026-10-20T00:00Z")) == "2026-10-20T00:00:00.000000Z"


@pytest.mark.parametrize(("name", "known"), [("Europe/Berlin", True), ("UTC", True), ("Mars/Olympus", False), ("", False)])
def test_a_zone_is_one_of_the_iana_list(name: str, known: bool) -> None:
    assert is_zone(name) is known


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+05:00", "9999-12-31T23:59:59-05:00", "yesterday", ""])
def test_an_instant_that_no_clock_can_show_in_utc_is_a_usage_error(text: str) -> None:
    with pytest.raises(UsageError, match="is not an instant"):
        parse_instant(text)
