"""What was delivered and agreed makes the tables; the order, the number and the moment of runs do not."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from small_world import (
    ADVERTISER,
    DAYS,
    PARTNER,
    accepted,
    agree,
    catalogue_rows,
    close,
    deliver,
    exported,
    live,
    live_rows,
    make_home,
    run,
    small_world,
    statuses,
    warehouse_files,
)

from contracts_io.errors import BooksError
from contracts_io.home import Home
from contracts_io.warehouse import Warehouse
from services import billing

OCT28, OCT29, OCT30, OCT31, NOV1, NOV2 = DAYS
CLICK_IN_GRACE = {
    "click_id": "clk-grace",
    "event_time": f"{NOV1}T19:59:00Z",
    "household_id": "hh-1",
    "line_item_id": "li-sales",
    "partner_id": "pub",
}


def credited(home: Home, day: date) -> dict[str, str]:
    """A touch with credit of each attributed conversion of a delivery day."""
    credits = home.warehouse.read("attribution_credits", [str(day)]).select("conversion_id", "touch_id")
    return dict(credits.collect().iter_rows())


def test_the_small_world_comes_to_what_was_worked_out_by_hand(closed_tables: dict[str, bytes]) -> None:
    invoice = closed_tables["2026-10/invoices.csv"].decode().splitlines()
    assert invoice[1:] == ["INV-2026-000001,invoice,acme-1,1,acme,2026-10,USD,2026-11-20,2026-12-20,72.34,0,72.34,"]
    payout = closed_tables["2026-10/payouts.csv"].decode().splitlines()
    assert payout[1:] == ["PAY-2026-000001,pub,pub-1,2026-10,USD,40,0,0,40,0"]
    draft = closed_tables["2026-11/invoices.csv"].decode().splitlines()
    # ten impressions at 2.00, less the one of 03:30 UTC, which is October's in New York; purchases of 1.50 and 2.50 at 10%
    assert draft[1:] == ["DRAFT-acme-1,invoice,acme-1,1,acme,2026-11,USD,,,20.4,0,20.4,"]


@pytest.mark.parametrize(
    "order",
    [
        pytest.param(DAYS[::-1], id="descending"),
        pytest.param([OCT31, OCT29, NOV2, OCT28, NOV1, OCT30], id="shuffled"),
        pytest.param([NOV1, NOV1, OCT30, OCT28, OCT31, OCT28, NOV2, OCT29, OCT30], id="shuffled, some twice"),
    ],
)
def test_any_order_of_days_in_one_backfill_gives_the_same_tables(
    order: list[date], undisturbed: Home, closed_tables: dict[str, bytes], tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home")
    run(home, *order)
    assert live_rows(home) == live_rows(undisturbed)
    close(home)
    assert exported(home, tmp_path / "exports") == closed_tables


def test_days_run_one_by_one_in_any_order_give_the_same_tables(
    undisturbed: Home, closed_tables: dict[str, bytes], tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home")
    for day in (NOV1, OCT28, OCT31, OCT30, NOV2, OCT29):
        run(home, day)
    assert live_rows(home) == live_rows(undisturbed)
    close(home)
    assert exported(home, tmp_path / "exports") == closed_tables


def test_running_a_day_again_changes_no_file_and_no_row_of_the_catalogue(
    undisturbed: Home, copy_of: Callable[[Home], Home]
) -> None:
    home = copy_of(undisturbed)
    files, rows = warehouse_files(home), catalogue_rows(home)
    run(home, OCT29)
    assert warehouse_files(home) == files
    assert catalogue_rows(home) == rows


def test_a_backfill_again_changes_no_file_and_no_row_of_the_catalogue_even_after_a_close(
    undisturbed: Home, copy_of: Callable[[Home], Home]
) -> None:
    home = copy_of(undisturbed)
    close(home)
    files, rows = warehouse_files(home), catalogue_rows(home)
    run(home, *DAYS)
    assert warehouse_files(home) == files
    assert catalogue_rows(home) == rows


def test_closing_a_month_again_is_refused_and_issues_nothing(
    undisturbed: Home, closed_tables: dict[str, bytes], copy_of: Callable[[Home], Home], tmp_path: Path
) -> None:
    home = copy_of(undisturbed)
    close(home)
    with pytest.raises(BooksError, match="2026-10 was closed on 2026-11-20"):
        close(home)
    assert exported(home, tmp_path / "exports") == closed_tables


def test_a_contract_approved_after_the_days_were_run_counts_at_the_close(
    closed_tables: dict[str, bytes], tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home", contracts=[ADVERTISER])
    run(home, *DAYS)
    assert b"pub" not in exported(home, tmp_path / "before")["2026-10/payouts.csv"]
    agree(home, PARTNER)
    close(home)
    assert exported(home, tmp_path / "exports") == closed_tables


def test_a_contract_approved_after_the_days_were_run_counts_at_the_next_run_of_any_day(
    undisturbed: Home, tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home", contracts=[PARTNER])
    run(home, *DAYS)
    assert set(statuses(home).values()) == {"no_contract"}
    agree(home, ADVERTISER)
    run(home, OCT30)
    assert live_rows(home) == live_rows(undisturbed)


def test_a_day_delivered_again_with_fewer_rows_restores_the_rows_that_a_later_day_had_lost_to_it(
    undisturbed: Home, copy_of: Callable[[Home], Home], tmp_path: Path
) -> None:
    home = copy_of(undisturbed)
    assert "imp-28-0" not in accepted(home, "impressions", OCT29)
    fewer = [row for row in small_world()["impressions", OCT28] if row["impression_id"] != "imp-28-0"]
    no_late = [row for row in small_world()["impressions", OCT29] if row["impression_id"] != "imp-late"]
    deliver(home, "impressions", OCT28, fewer)
    run(home, OCT28)
    assert "imp-28-0" in accepted(home, "impressions", OCT29)
    deliver(home, "impressions", OCT29, no_late)
    run(home, OCT29)
    assert "imp-late" in accepted(home, "impressions", OCT31)

    from_scratch = make_home(tmp_path / "from-scratch")
    deliver(from_scratch, "impressions", OCT28, fewer)
    deliver(from_scratch, "impressions", OCT29, no_late)
    run(from_scratch, *DAYS)
    assert live_rows(home) == live_rows(from_scratch)


def test_a_conversion_delivered_late_but_earlier_in_time_makes_the_later_one_a_duplicate_order(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    run(home, *DAYS[:4])
    before = statuses(home)
    assert (before["order-b"], before["order-c"]) == ("attributed", "duplicate_order")
    run(home, NOV1)
    after = statuses(home)
    assert (after["order-a"], after["order-b"], after["order-c"]) == ("attributed", "duplicate_order", "duplicate_order")


def test_a_reversal_of_the_first_order_hands_the_order_to_the_next_one(
    undisturbed: Home, copy_of: Callable[[Home], Home]
) -> None:
    home = copy_of(undisturbed)
    reversal = {
        "adjustment_id": "adj-9",
        "conversion_id": "order-a",
        "adjusted_at": f"{NOV2}T12:00:00Z",
        "action": "reverse",
    }
    deliver(home, "conversion_adjustments", NOV2, [*small_world()["conversion_adjustments", NOV2], reversal])
    run(home, NOV2)
    after = statuses(home)
    assert (after["order-a"], after["order-b"], after["order-c"]) == ("reversed", "attributed", "duplicate_order")


def test_a_click_delivered_within_the_days_of_grace_takes_the_credit_from_a_view(
    undisturbed: Home, copy_of: Callable[[Home], Home]
) -> None:
    home = copy_of(undisturbed)
    agree(home, ADVERTISER.replace("view: 3d", "view: 4d"))  # makes every day stale once
    deliver(home, "clicks", NOV2, [CLICK_IN_GRACE])
    run(home, NOV2)
    assert credited(home, NOV1)["buy-1"] == "clk-grace"


def test_what_a_day_of_grace_brings_is_looked_up_without_looking_back_again(
    undisturbed: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[list[str]] = []

    def noting(warehouse: Warehouse, table: str, *given: Any) -> pl.LazyFrame:
        if table == "touches":
            looked_up.append([day[-2:] for day in given[0]])
        return read_packed(warehouse, table, *given)

    read_packed = Warehouse.read_packed
    monkeypatch.setattr(Warehouse, "read_packed", noting)
    home = make_home(tmp_path / "home")
    for day in DAYS:  # each is the day of grace of the one before it
        run(home, day)
    assert live_rows(home) == live_rows(undisturbed)
    before = live(home)
    deliver(home, "clicks", NOV2, [CLICK_IN_GRACE])
    looked_up.clear()
    run(home, NOV2)
    assert looked_up == [["02"], ["28", "29", "30", "31", "01", "02"]]  # for the 1st, then for the 2nd
    assert credited(home, NOV1)["buy-1"] == "clk-grace"
    deliver(home, "clicks", NOV2, [])  # withdrawn
    run(home, NOV2)
    assert {key: sha256 for key, sha256 in live(home).items() if before[key] != sha256}.keys() == {
        ("delivered_files", str(NOV2))
    }


def test_a_failed_day_leaves_the_others_as_they_are_and_counts_once_it_can_be_read(
    undisturbed: Home, tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home")
    good = (home.landing / "impressions" / str(OCT30) / "part-0.csv").rename(tmp_path / "kept.csv")
    (home.landing / "impressions" / str(OCT30)).rmdir()
    report = billing.run(home, DAYS)
    assert list(report.failed) == [OCT30]
    assert report.days == [day for day in DAYS if day != OCT30]
    with pytest.raises(BooksError, match="2026-10-30"):
        close(home)
    (home.landing / "impressions" / str(OCT30)).mkdir()
    good.rename(home.landing / "impressions" / str(OCT30) / "part-0.csv")
    run(home, OCT30)
    assert live_rows(home) == live_rows(undisturbed)


def test_a_month_in_which_nothing_is_billed_any_more_loses_its_drafts(tmp_path: Path) -> None:
    validated_for_a_month = ADVERTISER.replace("currency:", "validation_days: 30\ncurrency:")
    home = make_home(tmp_path / "home", contracts=[validated_for_a_month])
    run(home, *DAYS[3:5])
    assert home.warehouse.rows("draft_invoices", "2026-12") == 1  # the purchase of 1 November
    agree(home, ADVERTISER)
    run(home, NOV1)
    assert home.warehouse.rows("draft_invoices", "2026-12") == 0


def test_late_data_of_a_closed_month_changes_no_document_and_removes_no_file_that_one_was_made_from(
    closed: Home, copy_of: Callable[[Home], Home], closed_tables: dict[str, bytes], tmp_path: Path
) -> None:
    home = copy_of(closed)
    made_from = {row.path for row in catalogue_rows(home) if row.removed is None}
    deliver(home, "impressions", OCT31, small_world()["impressions", OCT31][2:])
    run(home, OCT31)
    run(home, OCT31)
    assert home.warehouse.rows("impressions", str(OCT31)) == 5
    assert made_from <= warehouse_files(home).keys()
    tables = exported(home, tmp_path / "exports")
    for name in ("invoices", "invoice_lines", "payouts", "payout_lines", "journal"):
        assert tables[f"2026-10/{name}.csv"] == closed_tables[f"2026-10/{name}.csv"]
