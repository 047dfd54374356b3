"""What a run leaves out because it would come to what is there."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from scenarios import small_world as world

from assets.known_contracts import known_contracts
from assets.resources import HomeResource
from contracts_io.calendar import ONE_DAY
from contracts_io.feeds.columns import FEEDS
from contracts_io.frames import TABLES
from contracts_io.home import Home
from pipelines.rating import accruals_in_order
from services import billing
from services.orchestrator import orchestrated

OCT28, OCT29, *_ = world.DAYS


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return world.make_home(tmp_path / "home")


def deliver_nothing(home: Home, day: date) -> None:
    for feed in FEEDS:
        world.deliver(home, feed, day, [])


def test_a_day_without_a_row_renews_no_draft(home: Home) -> None:
    assert billing.run(home, [OCT28]).months
    drafted = {key: file for key, file in world.live(home).items() if key[0].startswith("draft_")}
    deliver_nothing(home, OCT29)
    report = billing.run(home, [OCT29])
    assert (report.days, report.months) == ([OCT29], [])
    assert {key: file for key, file in world.live(home).items() if key[0].startswith("draft_")} == drafted


def test_a_day_whose_rows_are_taken_back_renews_the_drafts(home: Home) -> None:
    billing.run(home, [OCT28, OCT29])
    charged = home.warehouse.read("draft_invoices").collect()["total"].sum()
    deliver_nothing(home, OCT29)
    assert billing.run(home, [OCT29]).months
    assert home.warehouse.read("draft_invoices").collect()["total"].sum() < charged


def test_assets_work_on_the_home_of_the_command_that_runs_them(home: Home, tmp_path: Path) -> None:
    another = world.make_home(tmp_path / "another")
    with orchestrated(home):
        assert HomeResource(path=str(home.root)).open() is home
        assert HomeResource(path=str(another.root)).open().root == another.root
    assert HomeResource(path=str(home.root)).open() is not home


def test_contracts_are_made_frames_of_once_while_they_stay_the_same(home: Home) -> None:
    known = known_contracts(home.contracts.approved())
    assert known_contracts(Home.open(home.root).contracts.approved()) is known
    world.agree(home, world.ADVERTISER.replace('rate: "0.10"', 'rate: "0.12"') + f"effective_from: {OCT29 + ONE_DAY}\n")
    amended = known_contracts(home.contracts.approved())
    assert amended is not known
    assert amended.terms.terms.height == known.terms.terms.height + 2


def test_accruals_of_impressions_and_of_actions_are_merged_in_the_order_of_the_table(home: Home) -> None:
    billing.run(home, world.DAYS)
    accruals = home.warehouse.read("accruals").collect()
    by_kind = accruals.partition_by("kind", maintain_order=True)
    assert len(by_kind) > 1
    keys = [name for name in TABLES["accruals"].columns if name not in ("units", "uncapped", "amount")]
    for parts in (by_kind, by_kind[::-1]):
        assert accruals_in_order(parts).equals(accruals.sort(keys))
    assert accruals_in_order([]).equals(TABLES["accruals"].empty())
