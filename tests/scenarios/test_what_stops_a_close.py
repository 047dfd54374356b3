"""A close says everything that stands against it, and issues nothing from tables that are older than what was delivered."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from small_world import (
    ADVERTISER,
    DAYS,
    FIRST,
    ISSUED_ON,
    LAST,
    NOVEMBER,
    OCTOBER,
    agree,
    close,
    deliver,
    delivered_late,
    impression,
    make_home,
    purchase,
    run,
    small_world,
)

from assets.closing import close as issue
from assets.intake import ingest
from assets.upkeep import Upkeep
from contracts_io.calendar import Month
from contracts_io.errors import AdledgerError, BooksError, RoleError, UsageError
from contracts_io.home import SETTINGS_FILE, Home
from contracts_io.store.documents import Act
from services import billing
from services.status import status

Copy = Callable[[Home], Home]
LATER = [impression(f"later-{n}", "2026-10-28T18:00:00Z") for n in range(3)]


def nothing_was_issued(home: Home) -> bool:
    return not home.books.closed_months() and not home.books.invoices(OCTOBER) and not home.books.payouts(OCTOBER)


def test_a_day_that_was_delivered_again_and_not_run_stops_the_close(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    deliver(home, "impressions", FIRST, LATER)
    with pytest.raises(
        BooksError, match=f"the impressions of {FIRST} are not what was taken in: run `adledger run {FIRST}`"
    ):
        close(home)
    assert nothing_was_issued(home)
    run(home, FIRST)
    close(home)
    assert home.books.closed_months().keys() == {OCTOBER}


@pytest.mark.parametrize(("validation", "stops"), [(0, False), (5, True)])
def test_a_day_before_the_month_that_validation_days_reach_stops_the_close_too(
    tmp_path: Path, validation: int, *, stops: bool
) -> None:
    """A purchase of 28 October is billed on 2 November after 5 days; its day was delivered again."""
    document = ADVERTISER.replace("currency: USD", f"currency: USD\nvalidation_days: {validation}", 1)
    home = make_home(tmp_path / "home", contracts=[document])
    run(home, *DAYS)
    again = [row | {"order_value": "1.00"} for row in small_world()["conversions", FIRST]]
    deliver(home, "conversions", FIRST, again)
    against = billing.dry_run(home, Act.CLOSE, NOVEMBER, date(2026, 12, 5)).against
    said = f"the conversions of {FIRST} are not what was taken in: run `adledger run {FIRST}`"
    assert (said in against) is stops


def said_of_impressions(home: Home) -> list[str]:
    """What a close of November would say of the impressions of 28 October, three days before November's own deliveries."""
    against = billing.dry_run(home, Act.CLOSE, NOVEMBER, date(2026, 12, 5)).against
    return [reason for reason in against if f"the impressions of {FIRST}" in reason]


@pytest.mark.parametrize(
    ("lookback", "stops"),
    [("{view: 3d, click: 2d}", True), ("{view: 0d, click: 1d}", True), ("{view: 0d, click: 0d}", False)],
)
def test_a_day_whose_touches_conversions_of_the_month_look_back_at_stops_the_close(
    tmp_path: Path, lookback: str, *, stops: bool
) -> None:
    home = make_home(tmp_path / "home", contracts=[ADVERTISER.replace("{view: 3d, click: 2d}", lookback)])
    run(home, *DAYS)
    assert said_of_impressions(home) == []
    deliver(home, "impressions", FIRST, LATER)
    said = [f"the impressions of {FIRST} are not what was taken in: run `adledger run {FIRST}`"]
    assert said_of_impressions(home) == (said if stops else [])
    run(home, FIRST)
    assert said_of_impressions(home) == []


def test_touches_as_far_back_as_lookback_and_validation_days_together_stop_the_close(tmp_path: Path) -> None:
    """What is billed on 1 November was bought on 22 October and seen from 2 October on, delivered at most 3 days before."""
    document = ADVERTISER.replace("currency: USD", "currency: USD\nvalidation_days: 10", 1).replace("view: 3d", "view: 20d")
    home = Home.create(tmp_path / "home")
    agree(home, document)
    days = [date(2026, 9, 28), date(2026, 9, 29)]
    for day in [*days, LAST]:
        deliver(home, "impressions", day, [])
        deliver(home, "conversions", day, [])
    run(home, *days, LAST)
    for day in days:
        deliver(home, "impressions", day, LATER)
        deliver(home, "conversions", day, [purchase("late", f"{day}T10:00:00Z", "hh", "1.00")])
    against = billing.dry_run(home, Act.CLOSE, OCTOBER.next, date(2026, 12, 5)).against
    assert [reason for reason in against if "not what was taken in" in reason] == [
        f"the impressions of {days[1]} are not what was taken in: run `adledger run {days[1]}`"
    ]


@pytest.mark.parametrize(
    "settings",
    [
        "",
        "horizon_days = 8\n",
        '[feeds.impressions]\nnull_values = ["none"]\n',
        "[feeds.impressions]\nenabled = false\n",
    ],
    ids=["delivered again", "another horizon", "read in another way", "switched off"],
)
def test_a_day_that_is_looked_back_at_stops_nothing_while_its_files_say_the_same(
    undisturbed: Home, copy_of: Copy, settings: str
) -> None:
    home = copy_of(undisturbed)
    deliver(home, "impressions", FIRST, small_world()["impressions", FIRST])
    with (home.root / SETTINGS_FILE).open("a", encoding="utf-8") as file:
        file.write(settings)
    assert said_of_impressions(Home.open(home.root)) == []


def test_a_day_that_is_looked_back_at_stops_nothing_once_its_folder_is_archived(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    shutil.rmtree(home.landing / "impressions" / str(FIRST))
    assert said_of_impressions(home) == []


def test_a_day_whose_run_failed_stops_the_close(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    (home.landing / "impressions" / str(FIRST) / "more.parquet").write_bytes(b"no parquet")
    with pytest.raises(AdledgerError, match=r"more\.parquet"):
        run(home, FIRST)
    with pytest.raises(BooksError, match=f"the impressions of {FIRST} are not what was taken in"):
        close(home)
    assert nothing_was_issued(home)


def test_landing_folders_that_were_archived_stop_nothing(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    shutil.rmtree(home.landing)
    home.landing.mkdir()
    close(home)
    assert home.books.closed_months().keys() == {OCTOBER}


def test_every_missing_day_is_named_with_the_command_that_takes_it_in(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    with pytest.raises(BooksError) as refused:
        billing.close(home, Month(2026, 11), date(2026, 12, 5))
    said = str(refused.value)
    assert "delivery days that are not in: 2026-11-03, 2026-11-04, 2026-11-05, 2026-11-06, 2026-11-07 and 2" in said
    assert "run `adledger backfill 2026-11-03 2026-12-02` once they are delivered" in said
    assert "2026-10 is open" in said
    assert nothing_was_issued(home)


def test_documents_are_not_issued_from_counts_older_than_their_impressions(undisturbed: Home, copy_of: Copy) -> None:
    """A process that died between two steps left them so; the close that is launched alone must not bill from them."""
    home = copy_of(undisturbed)
    deliver(home, "impressions", FIRST, LATER)
    ingest(home, FIRST)
    assert str(FIRST) in Upkeep(home).stale_delivery()
    with pytest.raises(BooksError, match="older than its data or contracts"):
        issue(home, OCTOBER, ISSUED_ON)
    assert nothing_was_issued(home)
    close(home)
    billed = home.warehouse.read("feed_counts", [str(FIRST)]).collect()
    assert billed.filter(feed="impressions")["accepted"].to_list() == [3]
    assert Upkeep(home).stale_delivery() == []


def test_a_month_is_not_closed_before_it_is_over_nor_one_that_nobody_works_on(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    with pytest.raises(BooksError, match="2026-10 is not over on 2026-10-31"):
        billing.close(home, OCTOBER, date(2026, 10, 31))
    with pytest.raises((BooksError, UsageError), match=r"2005-01|outside the days and months"):
        billing.close(home, Month(2005, 1), ISSUED_ON)
    assert nothing_was_issued(home)


@pytest.mark.parametrize("month", [Month(2020, 1), Month(2027, 1)])
def test_a_month_that_nothing_was_delivered_for_is_refused_and_not_kept_up_from_then_on(
    undisturbed: Home, copy_of: Copy, month: Month
) -> None:
    home = copy_of(undisturbed)
    before = Upkeep(home).months()
    said = f"nothing was delivered for {month}: delivery days go from {FIRST} to {LAST}"
    with pytest.raises(BooksError, match=said):
        billing.close(home, month, date(2027, 2, 1))
    with pytest.raises(BooksError, match=said):
        billing.dry_run(home, Act.CLOSE, month, date(2027, 2, 1))
    assert Upkeep(home).months() == before


def test_a_month_before_the_first_delivery_is_closed_with_what_came_late_for_it(tmp_path: Path) -> None:
    """Deliveries begin on 3 November, with an impression of 31 October: no day is missing, though none of October's is in."""
    home = delivered_late(tmp_path / "home")
    close(home)
    ((invoice, _),) = home.books.invoices(OCTOBER)
    assert invoice.net_minor == 200


def test_who_is_not_on_the_list_may_not_close(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    (home.root / SETTINGS_FILE).write_text('[roles]\nclose = ["carol"]\n', encoding="utf-8")
    opened = Home.open(home.root)
    with pytest.raises(RoleError, match="say who wants to close"):
        billing.close(opened, OCTOBER, ISSUED_ON)
    with pytest.raises(RoleError, match="ann may not close"):
        billing.close(opened, OCTOBER, ISSUED_ON, by="ann")
    billing.close(opened, OCTOBER, ISSUED_ON, by="carol")
    assert opened.books.closed_months().keys() == {OCTOBER}


def test_outcomes_of_late_impressions_are_exported_however_long_the_horizon(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    (home.root / SETTINGS_FILE).write_text("horizon_days = 60\n", encoding="utf-8")
    home = Home.open(home.root)
    deliver(
        home, "impressions", FIRST, [impression("old", "2026-08-30T12:00:00Z"), impression("new", "2026-10-28T12:00:00Z")]
    )
    deliver(home, "conversions", FIRST, [])
    run(home, FIRST)
    tables = billing.event_tables(home, OCTOBER, home.warehouse)
    by_side = tables["impression_outcomes"].group_by("side").agg(pl.col("impressions").sum()).sort("side")
    assert by_side.rows() == [("advertiser", 2), ("partner", 2)]


def test_status_says_what_is_in_what_is_missing_and_what_to_do(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    found = status(home, ISSUED_ON)
    assert (found.days_in[0], found.days_in[-1], list(found.days_missing)) == (FIRST, LAST, [])
    assert (str(found.months[0].month), found.months[0].closed_on, list(found.months[0].against)) == ("2026-10", None, [])
    assert "close the month: adledger close 2026-10" in found.next_steps
    deliver(home, "impressions", date(2026, 11, 5), [])
    found = status(home, ISSUED_ON)
    assert list(found.days_waiting) == [date(2026, 11, 5)]
    assert list(found.days_missing) == [date(2026, 11, 3), date(2026, 11, 4)]
    assert found.next_steps[0] == "take in what was delivered: adledger run 2026-11-05"
