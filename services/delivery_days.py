"""Delivery days that can be run, and months that none of them reaches: what is written of these is empty."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from contracts_io.calendar import Month
from contracts_io.errors import BooksError, FeedError
from contracts_io.home import Home


def refuse_days(days: Sequence[date], today: date) -> None:
    """FeedError where a delivery day has not begun yet on ``today`` (UTC), or lies before the first that can be run."""
    if later := [day for day in days if day > today]:
        raise FeedError(
            f"it has not begun: today is {today} in UTC",
            where=f"delivery day {later[0]}",
            remedy=f"run days up to {today}",
        )
    from assets.partitions import FIRST_DAY  # noqa: PLC0415 - loads Dagster

    if (earliest := min(days)) < date.fromisoformat(FIRST_DAY):
        what = f"it lies before {FIRST_DAY}, the first day that can be run"
        raise FeedError(what, where=f"delivery day {earliest}", remedy=f"run days from {FIRST_DAY} on")


def nothing_delivered(home: Home, month: Month) -> str | None:
    """What to say of an open month of which nothing can be in; None where a delivery day that is in can hold something of it."""
    run = home.days_run()
    if any(Month.of(day) == month for day in run) or month in home.books.closed_months():
        return None
    if waiting := [day for day in home.days_delivered() if Month.of(day) == month]:
        return f"nothing that was delivered for {month} is in: run `adledger backfill {waiting[0]} {waiting[-1]}`"
    from assets import adjusting, closing  # noqa: PLC0415 - loads the pipelines
    from assets.upkeep import Upkeep  # noqa: PLC0415

    upkeep = Upkeep(home)
    if month in upkeep.months() and (
        month in adjusting.drafted_months(upkeep) or closing.last_day_needed(home, month, upkeep) >= run[0]
    ):
        return None
    return closing.nothing_delivered(home, month)


def refuse_undelivered(home: Home, month: Month, wanted: str) -> None:
    """BooksError where nothing of an open month is in: no close would issue what is ``wanted`` of it."""
    if said := nothing_delivered(home, month):
        raise BooksError(
            f"{month} has no {wanted}: {said}",
            remedy="see with `adledger status` which days are in and which months have some",
        )
