"""A second real log: zoned microseconds, wide rows, an id column without a name. 20,000 rows at 5.00 per thousand are 100.00.

The two files number their rows from 0 alike, so they are two campaigns of two homes; in one home the second is a repeat.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest
from commands import adledger

# The earliest row is of 24 November: six days before the delivery day, within the seven of the horizon.
DELIVERED = "2019-11-30"
LAST_AWAITED = "2019-12-01"
CAMPAIGNS = ["bts.men.csv.gz", "random.women.csv.gz"]
SETTINGS = """\
[feeds.impressions.columns]
impression_id = {column = ""}
event_time = "timestamp"
line_item_id = {constant = "campaign"}
partner_id = {constant = "shop"}

[feeds.conversions]
enabled = false
"""
CONTRACT = """\
contract_id: fashion
side: advertiser
party: {id: fashion, name: Fashion House, country: JP}
currency: USD
timezone: UTC
starts_on: 2019-11-01
ends_on: 2019-11-30
terms:
  - term_id: campaign
    line_items: [campaign]
    pricing: {model: cpm, rate: "5.00"}
"""


@pytest.fixture
def closed(real_log: Callable[[str], Path], tmp_path: Path) -> Callable[..., tuple[dict[str, int], Decimal]]:
    """A function that runs and closes a home with some of the files; gives the impressions' counts and the invoice total."""
    source = real_log("open-bandit")

    def run(*files: str) -> tuple[dict[str, int], Decimal]:
        home = tmp_path / f"home-{'-'.join(files)}"
        for day in (DELIVERED, LAST_AWAITED):
            (home / "landing" / "impressions" / day).mkdir(parents=True)
        for file in files:
            shutil.copy(source / file, home / "landing" / "impressions" / DELIVERED)
        (home / "adledger.toml").write_text(SETTINGS)
        contract = home / "fashion.yaml"
        contract.write_text(CONTRACT)
        adledger(home, "init")
        adledger(home, "contract", "import", contract, "--by", "ann")
        adledger(home, "contract", "approve", "fashion", "--by", "bob")
        report = json.loads(adledger(home, "backfill", DELIVERED, LAST_AWAITED, "--json").stdout)
        [invoice] = json.loads(adledger(home, "close", "2019-11", "--json").stdout)["invoices"]
        return report["feeds"]["impressions"], Decimal(invoice["total"])

    return run


def test_twenty_thousand_rows_at_five_per_thousand_are_one_hundred(
    closed: Callable[..., tuple[dict[str, int], Decimal]],
) -> None:
    closings = [closed(campaign) for campaign in CAMPAIGNS]
    assert [counts for counts, _ in closings] == [{"read": 10000, "accepted": 10000, "duplicate": 0, "quarantined": 0}] * 2
    assert sum(total for _, total in closings) == Decimal("100.00")


def test_two_files_that_number_their_rows_alike_are_charged_once(
    closed: Callable[..., tuple[dict[str, int], Decimal]],
) -> None:
    counts, total = closed(*CAMPAIGNS)
    assert counts == {"read": 20000, "accepted": 10000, "duplicate": 10000, "quarantined": 0}
    assert total == Decimal("50.00")
