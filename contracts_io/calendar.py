"""Days, months and zones: delivery days are UTC dates, billing dates are local dates, billing months are calendar months.

A time zone is an IANA name. Tables hold instants as microseconds in UTC; a local date is always taken in a named zone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

import polars as pl

from contracts_io.errors import UsageError

INSTANT = pl.Datetime("us", "UTC")
ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, order=True)
class Month:
    """A billing month."""

    year: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Month:
        """``YYYY-MM`` as a month; UsageError where it is not one, or where no year can come before or after it."""
        if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
            raise UsageError(f"{text!r} is not a month", remedy="write it as YYYY-MM, for example 2026-10")
        if not "0002" < text < "9999":
            raise UsageError(
                f"{text!r} is beyond what can be calculated with", remedy="choose a month from 0002-01 to 9998-12"
            )
        return cls(int(text[:4]), int(text[5:]))

    @classmethod
    def of(cls, day: date) -> Month:
        """The month that ``day`` lies in."""
        return cls(day.year, day.month)

    @property
    def first(self) -> date:
        """Its first day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """Its last day."""
        return self.next.first - ONE_DAY

    @property
    def next(self) -> Month:
        """The month after it."""
        return Month(self.year + self.number // 12, self.number % 12 + 1)

    @property
    def previous(self) -> Month:
        """The month before it."""
        return Month.of(self.first - ONE_DAY)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


def parse_day(text: str) -> date:
    """``YYYY-MM-DD`` as a date; UsageError where it is not one."""
    try:
        if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise UsageError(f"{text!r} is not a day", remedy="write it as YYYY-MM-DD, for example 2026-10-05")


def days_between(first: date, last: date) -> Iterator[date]:
    """Every day from ``first`` to ``last``, both inclusive."""
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


def months_between(first: Month, last: Month) -> Iterator[Month]:
    """Every month from ``first`` to ``last``, both inclusive."""
    month = first
    while month <= last:
        yield month
        month = month.next


@cache
def is_zone(name: str) -> bool:
    """Whether ``name`` is an IANA time zone."""
    return name in available_timezones()


def start_of(day: date, zone: str = "UTC") -> datetime:
    """The first instant of a local day, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone)).astimezone(UTC)


def last_utc_day_of(month: Month, zones: Iterable[str]) -> date:
    """The UTC date that holds the last local instant of the month in the latest of ``zones`` (UTC where there is none)."""
    ends = [start_of(month.next.first, zone) - timedelta(microseconds=1) for zone in zones]
    return max(ends).date() if ends else month.last


def local_date(instant: pl.Expr, zone: pl.Expr, zones: Iterable[str]) -> pl.Expr:
    """The local date of ``instant`` in the zone that each row names, which is one of ``zones``; null for any other."""
    expr = pl.lit(None, pl.Date)
    for name in sorted(set(zones)):
        expr = pl.when(zone == name).then(instant.dt.convert_time_zone(name).dt.date()).otherwise(expr)
    return expr


def parse_instant(text: str) -> datetime:
    """``2026-10-20T02:19:53Z`` as an instant, UTC where it names no zone; UsageError where it is not one."""
    try:
        instant = datetime.fromisoformat(text)
        return (instant if instant.tzinfo else instant.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not an instant", remedy="write it as 2026-10-20T02:19:53Z") from None


def format_instant(instant: datetime) -> str:
    """An instant as the tables and the audit trail write it: ``2026-10-20T02:19:53.172230Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
