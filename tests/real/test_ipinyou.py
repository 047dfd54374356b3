"""A real ad log, read through nothing but settings and contracts, agrees with what is known of it to the last row and cent.

The iPinYou log of 6 to 12 June 2013 is taken as published. Its ``facts.json`` was computed without adledger: rows per feed
and day, impressions and their cleared price per day and advertiser, last click within seven days. The amounts follow from
those counts and the rates in ``ipinyou/contracts``.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import yaml
from commands import adledger, table

from contracts_io.home import Home

HERE = Path(__file__).parent / "ipinyou"
CONTRACTS = sorted((HERE / "contracts").glob("*.yaml"))
PAGE = Path(__file__).parents[2] / "docs" / "ipinyou.md"
FEEDS = {"imp": "impressions", "clk": "clicks", "conv": "conversions"}
FIRST, LAST = date(2013, 6, 6), date(2013, 6, 12)
# The last local instant of June in Shanghai lies in the UTC day 30 June; touches are awaited one day longer.
LAST_AWAITED = date(2013, 7, 1)
CENT = Decimal("0.01")
CNY_OF_PAYPRICE = Decimal("0.00001")


@dataclass(frozen=True)
class Log:
    """A home in which the log was run, and what is known of the log."""

    home: Path
    facts: dict[str, Any]
    printed: dict[str, Any]
    drafts: Path

    def rows(self, name: str) -> list[dict[str, str]]:
        return table(self.drafts, name)

    @cached_property
    def days(self) -> list[dict[str, Any]]:
        days: list[dict[str, Any]] = self.facts["impressions_by_day_and_advertiser"]
        return days

    @cached_property
    def impressions_by_advertiser(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for day in self.days:
            found[day["advertiser"]] += day["impressions"]
        return found

    @cached_property
    def impressions_by_exchange(self) -> dict[str, int]:
        return {exchange: known["impressions"] for exchange, known in self.facts["impressions_by_adexchange"].items()}

    @cached_property
    def conversions(self) -> Counter[tuple[str, str]]:
        """Attributed conversions by advertiser and exchange of the click."""
        known = self.facts["last_click_7d"]["by_advertiser_and_adexchange_of_the_click"]
        return Counter({(pair.split("/")[0], pair.split("/")[1]): n for pair, n in known.items()})


@pytest.fixture(scope="module")
def log(real_log: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Log:
    source = real_log("ipinyou")
    home = tmp_path_factory.mktemp("ipinyou") / "home"
    for short, feed in FEEDS.items():
        for file in sorted(source.glob(f"{short}.*.csv.gz")):
            written_on = datetime.strptime(file.name.split(".")[1], "%Y%m%d").date()  # noqa: DTZ007 - a date
            folder = home / "landing" / feed / written_on.isoformat()
            folder.mkdir(parents=True)
            shutil.copy(file, folder)
    shutil.copy(HERE / "adledger.toml", home)
    adledger(home, "init")
    adledger(home, "contract", "import", *CONTRACTS, "--by", "ann")
    for contract in CONTRACTS:
        adledger(home, "contract", "approve", contract.stem, "--by", "bob")
    printed = json.loads(adledger(home, "backfill", FIRST, LAST, "--json").stdout)
    drafts = home.parent / "drafts"
    adledger(home, "export", "2013-06", "--draft", "--to", drafts)
    return Log(home, json.loads((source / "facts.json").read_text()), printed, drafts)


def test_every_row_of_every_feed_and_day_is_accounted_for_as_known(log: Log) -> None:
    known = {
        (feed, f"{day[:4]}-{day[4:6]}-{day[6:]}"): {name: str(rows) for name, rows in counts.items()}
        for short, feed in FEEDS.items()
        for day, counts in log.facts["feeds"][short].items()
    }
    found = {(row.pop("feed"), row.pop("delivery_day")): row for row in log.rows("feed_counts")}
    nothing = {"read": "0", "accepted": "0", "duplicate": "0", "quarantined": "0"}
    adjustments = {("conversion_adjustments", day): nothing for _, day in known}
    assert found == known | adjustments
    assert log.rows("quarantine") == []


def test_the_run_prints_the_sums_of_the_week(log: Log) -> None:
    assert {feed: list(counts.values()) for feed, counts in log.printed["feeds"].items()} == {
        "impressions": [42066, 41988, 78, 0],
        "clicks": [4998, 4485, 513, 0],
        "conversions": [239, 200, 39, 0],
        "conversion_adjustments": [0, 0, 0, 0],
    }
    assert log.printed["conversions"] == {"attributed": 199, "unattributed": 1}


def test_impressions_and_their_cleared_price_agree_per_day_and_advertiser(log: Log) -> None:
    known = {
        (
            datetime.strptime(day["day"], "%Y%m%d").date(),  # noqa: DTZ007 - a date
            day["advertiser"],
        ): (day["impressions"], day["sum_payprice"] * CNY_OF_PAYPRICE)
        for day in log.days
    }
    counted = (
        Home.open(log.home)
        .warehouse.read_days("delivery_counts")
        .group_by("delivery_day", "line_item_id")
        .agg(pl.col("impressions").sum(), pl.col("cost").sum())
        .collect()
    )
    found = {(day, advertiser): (impressions, cost) for day, advertiser, impressions, cost in counted.iter_rows()}
    assert found == known
    assert sum(cost for _, cost in found.values()) == Decimal("36.72451")


def test_impressions_and_their_cleared_price_agree_per_exchange(log: Log) -> None:
    known = {
        exchange: (of["impressions"], of["sum_payprice"] * CNY_OF_PAYPRICE)
        for exchange, of in log.facts["impressions_by_adexchange"].items()
    }
    counted = (
        Home.open(log.home)
        .warehouse.read("delivery_counts")
        .group_by("partner_id")
        .agg(pl.col("impressions").sum(), pl.col("cost").sum())
        .collect()
    )
    assert {exchange: (impressions, cost) for exchange, impressions, cost in counted.iter_rows()} == known


def test_every_impression_has_one_outcome_for_its_advertiser_and_one_for_its_exchange(log: Log) -> None:
    by_advertiser: Counter[tuple[str, str]] = Counter()
    by_exchange: Counter[tuple[str, str]] = Counter()
    for row in log.rows("impression_outcomes"):
        if row["side"] == "advertiser":
            by_advertiser[row["line_item_id"], row["outcome"]] += int(row["impressions"])
        else:
            by_exchange[row["partner_id"], row["outcome"]] += int(row["impressions"])
    priced = {"1458": "billed", "3386": "billed", "3427": "billed", "3358": "priced_by_action", "3476": "priced_by_action"}
    assert by_advertiser == {(who, priced[who]): n for who, n in log.impressions_by_advertiser.items()}
    assert by_exchange == {(who, "billed"): n for who, n in log.impressions_by_exchange.items()}


def test_conversions_go_to_the_last_click_of_the_same_visitor_on_the_same_advertiser(log: Log) -> None:
    known = log.facts["last_click_7d"]
    statuses = Counter(row["status"] for row in log.rows("attributions"))
    assert statuses == {"attributed": known["attributed"], "unattributed": known["unattributed"]}
    credits = log.rows("attribution_credits")
    assert Counter((row["line_item_id"], row["partner_id"]) for row in credits) == log.conversions
    assert {(row["touch_kind"], row["credit"]) for row in credits} == {("click", "1000000")}
    assert len({row["conversion_id"] for row in credits}) == known["attributed"]


def test_the_time_from_click_to_conversion_agrees_to_the_millisecond(log: Log) -> None:
    warehouse = Home.open(log.home).warehouse
    lags = (
        warehouse.read("attribution_credits")
        .join(warehouse.read("conversions").select("conversion_id", "event_time"), on="conversion_id")
        .select(lag=pl.col("event_time") - pl.col("touch_time"))
        .collect()["lag"]
    )
    known = log.facts["last_click_7d"]
    assert lags.min() == timedelta(seconds=known["lag_seconds_min"])
    assert lags.max() == timedelta(seconds=known["lag_seconds_max"])


def test_a_click_dropped_as_a_repeat_of_another_visitors_leaves_its_conversion_unattributed(log: Log) -> None:
    [row] = [row for row in log.rows("attributions") if row["status"] == "unattributed"]
    assert row["conversion_id"].startswith("2eb5a607")
    assert row["contract_id"] == "advertiser-3358"


def test_advertisers_owe_rate_times_count(log: Log) -> None:
    found = {
        row["contract_id"]: (row["kind"], int(row["quantity"]), Decimal(row["amount"])) for row in log.rows("invoice_lines")
    }
    assert found == _owed_by_advertisers(log)
    assert found["advertiser-1458"] == ("media", 8177, Decimal("17.17"))
    assert found["advertiser-3358"] == ("action", 188, Decimal("11280.00"))


def test_exchanges_earn_rate_times_count(log: Log) -> None:
    found = {
        (row["contract_id"], row["term_id"]): (int(row["quantity"]), Decimal(row["amount"]))
        for row in log.rows("payout_lines")
    }
    assert found == _earned_by_exchanges(log)
    assert found["exchange-1", "inventory"] == (16767, Decimal("15.93"))
    assert found["exchange-3", "conversions-3476"] == (8, Decimal("298.00"))


def test_running_the_week_again_changes_nothing(log: Log, tmp_path: Path) -> None:
    adledger(log.home, "backfill", FIRST, LAST)
    adledger(log.home, "export", "2013-06", "--draft", "--to", tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == {
        file.name: file.read_bytes() for file in log.drafts.iterdir()
    }


def test_june_closes_once_its_last_days_are_in_and_the_documents_are_the_drafts(log: Log, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(log.home, home)
    refused = adledger(home, "close", "2013-06", expect=1)
    assert "adledger backfill 2013-06-13 2013-07-01" in refused.stderr
    day = LAST + timedelta(days=1)
    while day <= LAST_AWAITED:
        for feed in ("impressions", "conversions"):
            (home / "landing" / feed / day.isoformat()).mkdir(parents=True)
        day += timedelta(days=1)
    adledger(home, "backfill", LAST + timedelta(days=1), LAST_AWAITED)
    issued = json.loads(adledger(home, "close", "2013-06", "--on", "2013-07-02", "--json").stdout)
    assert [document["number"] for document in issued["invoices"]] == [f"INV-2013-{n:06}" for n in range(1, 6)]
    assert [document["number"] for document in issued["payouts"]] == [f"PAY-2013-{n:06}" for n in range(1, 4)]
    owed = {contract: amount for contract, (_, _, amount) in _owed_by_advertisers(log).items()}
    assert {document["contract_id"]: Decimal(document["total"]) for document in issued["invoices"]} == owed
    earned: dict[str, Decimal] = {}
    for (contract, _), (_, amount) in _earned_by_exchanges(log).items():
        earned[contract] = earned.get(contract, Decimal(0)) + amount
    assert {document["contract_id"]: Decimal(document["payable"]) for document in issued["payouts"]} == earned


def test_with_bid_and_time_for_an_id_no_click_is_lost_and_every_conversion_is_charged(log: Log, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(log.home, home)
    for file in [*home.glob("landing/impressions/*/*"), *home.glob("landing/clicks/*/*")]:
        rows = pl.read_csv(file, infer_schema=False)
        rows.with_columns(bidid=pl.col("bidid") + "-" + pl.col("timestamp")).write_csv(file.with_suffix(""))
        file.unlink()
    report = json.loads(adledger(home, "backfill", FIRST, LAST, "--json").stdout)
    assert [report["feeds"][feed]["accepted"] for feed in ("impressions", "clicks", "conversions")] == [42066, 4998, 200]
    assert report["conversions"] == {"attributed": 200}
    totals = {draft["kind"]: Decimal(draft.get("total") or draft["earnings"]) for draft in report["drafts"]}
    assert totals == {"invoices": Decimal("12337.23"), "payouts": Decimal("5586.35")}


def test_the_page_in_docs_shows_the_mapping_and_contracts_that_are_tested() -> None:
    page = PAGE.read_text(encoding="utf-8")
    shown = [
        "adledger.toml",
        "contracts/advertiser-1458.yaml",
        "contracts/advertiser-3358.yaml",
        "contracts/exchange-1.yaml",
    ]
    assert [name for name in shown if (HERE / name).read_text(encoding="utf-8") not in page] == []


def _owed_by_advertisers(log: Log) -> dict[str, tuple[str, int, Decimal]]:
    owed = {}
    for advertiser in log.impressions_by_advertiser:
        [term] = _terms(f"advertiser-{advertiser}").values()
        if term["model"] == "cpm":
            count = log.impressions_by_advertiser[advertiser]
            owed[f"advertiser-{advertiser}"] = ("media", count, _per_thousand(count, term["rate"]))
        else:
            count = sum(n for (who, _), n in log.conversions.items() if who == advertiser)
            owed[f"advertiser-{advertiser}"] = ("action", count, _cents(count * Decimal(term["fee"]["amount"])))
    return owed


def _earned_by_exchanges(log: Log) -> dict[tuple[str, str], tuple[int, Decimal]]:
    earned = {}
    for exchange, impressions in log.impressions_by_exchange.items():
        contract = f"exchange-{exchange}"
        terms = _terms(contract)
        earned[contract, "inventory"] = (impressions, _per_thousand(impressions, terms["inventory"]["rate"]))
        for advertiser in ("3358", "3476"):
            term_id = f"conversions-{advertiser}"
            count = log.conversions[advertiser, exchange]
            earned[contract, term_id] = (count, _cents(count * Decimal(terms[term_id]["fee"]["amount"])))
    return earned


def _terms(contract: str) -> dict[str, dict[str, Any]]:
    document = yaml.safe_load((HERE / "contracts" / f"{contract}.yaml").read_text(encoding="utf-8"))
    return {term["term_id"]: term["pricing"] for term in document["terms"]}


def _per_thousand(count: int, rate: str) -> Decimal:
    return _cents(count * Decimal(rate) / 1000)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
