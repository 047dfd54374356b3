"""Delivery days that cannot be run are refused before anything is done, and days that failed are named, not all of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from assets.failures import DaysFailedError
from contracts_io.calendar import Month, days_between
from contracts_io.errors import AdledgerError, FeedError
from contracts_io.home import Home
from services.cli import cli
from services.delivery_days import refuse_days

TODAY = datetime.now(UTC).date()


def refused(*words: object, home: Path) -> str:
    """What a command that must be refused says on standard error."""
    done = CliRunner().invoke(cli, [*map(str, words), "--home", str(home)])
    assert isinstance(done.exception, AdledgerError)  # which the process says in one message, with exit status 1
    return str(done.exception)


@pytest.mark.parametrize(
    "words",
    [("run", "2009-12-31"), ("backfill", "2009-12-31", "2010-01-05"), ("backfill", "2009-12-31", "2026-10-05")],
)
def test_a_day_before_the_first_one_is_refused_before_anything_is_done(tmp_path: Path, words: tuple[str, ...]) -> None:
    home = Home.create(tmp_path / "home")
    assert refused(*words, home=home.root) == (
        "delivery day 2009-12-31: it lies before 2010-01-01, the first day that can be run\n  -> run days from 2010-01-01 on"
    )
    assert not (home.root / "dagster").exists()


def test_a_day_that_has_not_begun_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    tomorrow = TODAY + timedelta(days=2)  # midnight may come meanwhile
    assert refused("run", tomorrow, home=home.root).startswith(f"delivery day {tomorrow}: it has not begun: today is ")
    assert not (home.root / "dagster").exists()


def test_the_first_day_and_today_are_not_refused() -> None:
    refuse_days([date(2010, 1, 1), date(2026, 10, 5)], date(2026, 10, 5))


@pytest.mark.parametrize(("month", "first"), [("1999-10", "1999-09-29"), ("2010-01", "2009-12-30")])
def test_a_demo_of_days_before_the_first_one_makes_no_home(tmp_path: Path, month: str, first: str) -> None:
    said = refused("demo", "--month", month, home=tmp_path / "home")
    assert said.startswith(f"delivery day {first}: it lies before 2010-01-01")
    assert not (tmp_path / "home").exists()


def test_a_demo_of_days_that_have_not_begun_makes_no_home(tmp_path: Path) -> None:
    month = Month.of(TODAY)
    said = refused("demo", "--month", month, home=tmp_path / "home")
    assert said.startswith(f"--month: the sample of {month} goes to {month.last + timedelta(days=2)}, and today is ")
    assert not (tmp_path / "home").exists()


def test_ten_of_the_days_that_failed_are_named_with_their_errors() -> None:
    days = list(days_between(date(2026, 10, 1), date(2026, 10, 12)))
    said = str(DaysFailedError({day: FeedError("not there", where=f"folder {day}") for day in days}, 12))
    assert said.splitlines()[0] == "12 of 12 delivery days failed:"
    assert said.splitlines()[1:11] == [f"  - {day}: folder {day}: not there" for day in days[:10]]
    assert said.splitlines()[11:] == ["  and 2 more", "  -> put them right, then run the same command again"]


def test_others_are_in_only_where_there_are_others() -> None:
    failed = {date(2026, 10, 1): FeedError("not there"), date(2026, 10, 2): FeedError("cut off")}
    assert str(DaysFailedError(failed, 3)) == (
        "2 of 3 delivery days failed, the others are in:\n"
        "  - 2026-10-01: not there\n"
        "  - 2026-10-02: cut off\n"
        "  -> put them right, then run the same command again"
    )
    assert str(DaysFailedError(failed, 2)).splitlines()[0] == "2 of 2 delivery days failed:"
