"""Random deliveries, delivered and run in random order, some again with other rows: always what a run from scratch gives.

``ADLEDGER_TEST_WORLDS`` is the number of worlds, 3 by default.
"""

from __future__ import annotations

import os
import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from small_world import (
    ADVERTISER,
    PARTNER,
    Rows,
    adjustment,
    agree,
    click,
    deliver,
    impression,
    live_rows,
    purchase,
)

from assets.intake import ingest
from assets.upkeep import Upkeep
from contracts_io.home import Home

WORLDS = int(os.environ.get("ADLEDGER_TEST_WORLDS", "3"))
FIRST = date(2026, 10, 10)
SPAN = 14
"""Days that deliveries spread over: more than the nine days over which ids are compared."""


def rows_of(feed: str, chance: random.Random, day: date) -> Rows:
    """Up to four rows out of few ids and few contents, so that most of them meet another."""
    rows: Rows = []
    for _ in range(chance.randint(0, 4)):
        n = chance.randint(0, 5)
        at = f"{day - timedelta(days=chance.choice([0, 0, 0, 1, 3, 6]))}T{chance.choice([0, 12, 23]):02}:00:00Z"
        household = f"hh-{chance.randint(0, 2)}"
        match feed:
            case "impressions":
                rows.append(impression(f"imp-{n}", at, chance.choice(["li-brand", "li-sales"]), household))
            case "clicks":
                rows.append(click(f"clk-{n}", at, household))
            case "conversions":
                order = chance.choice(["", "o-0", "o-1"])
                rows.append(purchase(f"buy-{n}", at, household, str(chance.randint(1, 99)), order))
            case _:
                action = chance.choice(["reverse", "restate"])
                rows.append(adjustment(f"adj-{n}", f"buy-{chance.randint(0, 5)}", at, action, "7.77"))
    return rows


def deliver_day(home: Home, chance: random.Random, day: date) -> None:
    for feed in ("impressions", "clicks", "conversions", "conversion_adjustments"):
        deliver(home, feed, day, rows_of(feed, chance, day))


def bring_up_to_date(home: Home) -> None:
    look = Upkeep(home)
    for _ in (*look.delivery(), *look.attributions(), *look.judgements()):
        pass
    for _ in look.rate_through(look.months()[-1]):
        pass


@pytest.mark.parametrize("seed", range(WORLDS))
def test_random_deliveries_in_random_order_come_to_what_a_run_from_scratch_gives(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    days = sorted(chance.sample([FIRST + timedelta(days=n) for n in range(SPAN)], 6))
    home = Home.create(tmp_path / "home")
    agree(home, ADVERTISER, PARTNER)
    for day in days:
        deliver_day(home, chance, day)
    order = chance.sample(days, len(days))
    for day in order:
        ingest(home, day)
        if chance.random() < 0.3:
            bring_up_to_date(home)
    for day in chance.sample(days, 2):
        deliver_day(home, chance, day)
        ingest(home, day)
    bring_up_to_date(home)
    home.sweep()

    from_scratch = Home.create(tmp_path / "from-scratch")
    agree(from_scratch, ADVERTISER, PARTNER)
    (from_scratch.root / "landing").rmdir()
    (from_scratch.root / "landing").symlink_to(home.landing)
    for day in days:
        ingest(from_scratch, day)
    bring_up_to_date(from_scratch)
    assert live_rows(home) == live_rows(from_scratch)
