"""What must hold of the tables before they are published, and what an analyst should look at.

A rule is a function from frames to a ``Finding``. Where money would be wrong the finding is blocking: the asset raises it
before it publishes, so that the old partition stays live, and Dagster stops what comes after. The rest are warnings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import dagster as dg
import polars as pl

from contracts_io.errors import WarehouseError
from contracts_io.money import minor_unit_nanos, nanos
from contracts_io.store.documents import JournalLine
from pipelines.attribution import WHOLE_CREDIT
from pipelines.documents import Drafts


@dataclass(frozen=True)
class Rule:
    """A named check of one asset; ``description`` says what holds when it passes."""

    name: str
    asset: str
    description: str
    blocking: bool

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The rule as Dagster lists it."""
        return dg.AssetCheckSpec(self.name, asset=self.asset, description=self.description, blocking=self.blocking)


@dataclass(frozen=True)
class Finding:
    """How a rule came out for one partition: the figures that were compared."""

    rule: Rule
    passed: bool
    figures: Mapping[str, int | str]

    @property
    def result(self) -> dg.AssetCheckResult:
        """The finding as Dagster stores it."""
        severity = dg.AssetCheckSeverity.ERROR if self.rule.blocking else dg.AssetCheckSeverity.WARN
        return dg.AssetCheckResult(
            passed=self.passed,
            asset_key=self.rule.asset,
            check_name=self.rule.name,
            severity=severity,
            metadata=dict(self.figures),
        )


EVERY_ROW_ACCOUNTED_FOR = Rule(
    "every_row_accounted_for", "feed_counts", "rows read = accepted + duplicate + quarantined, for every feed", blocking=True
)
NO_CONFLICTING_DUPLICATES = Rule(
    "no_conflicting_duplicates", "feed_counts", "duplicates have the content of the row that was kept", blocking=False
)
LITTLE_QUARANTINED = Rule(
    "little_quarantined", "quarantine", "at most one row in a hundred of a feed was quarantined", blocking=False
)
COUNTS_ADD_UP = Rule(
    "counts_add_up", "delivery_counts", "the counts add up to the day's accepted impressions", blocking=True
)
ONE_STATUS_EACH = Rule(
    "one_status_each", "attributions", "every accepted conversion of the day has exactly one status", blocking=True
)
CREDITS_ADD_UP = Rule(
    "credits_add_up", "attribution_credits", "the credits of each attributed conversion add up to 1,000,000", blocking=True
)
EXCHANGE_RATES_THERE = Rule(
    "exchange_rates_there", "attributions", "no conversion waits for an exchange rate", blocking=False
)
OUTCOMES_ADD_UP = Rule(
    "outcomes_add_up", "impression_outcomes", "both sides account for the same impressions as were counted", blocking=True
)
PARTNER_RATES_THERE = Rule(
    "partner_rates_there", "accruals", "every exchange rate that a partner's value needs is there", blocking=False
)
LINES_TIE_TO_ACCRUALS = Rule(
    "lines_tie_to_accruals",
    "draft_invoice_lines",
    "the lines of a contract are the sum of its accruals, to half a minor unit a line, and documents that of their lines",
    blocking=True,
)
JOURNAL_BALANCES = Rule("journal_balances", "journal", "every entry balances in its currency", blocking=True)


def require(findings: Sequence[Finding], where: str) -> None:
    """Raise WarehouseError for the first blocking finding that did not pass."""
    for finding in findings:
        if finding.rule.blocking and not finding.passed:
            figures = ", ".join(f"{name} {value}" for name, value in finding.figures.items())
            raise WarehouseError(
                f"the check {finding.rule.name} of {finding.rule.asset} fails ({figures}): {finding.rule.description}",
                where=where,
                remedy="nothing was published; this is a defect or a damaged file: keep the home as it is, report it",
            )


def every_row_accounted_for(feed_counts: pl.DataFrame) -> Finding:
    """``feed_counts`` of one day."""
    read = int(feed_counts["read"].sum())
    placed = int(feed_counts.select(pl.sum_horizontal("accepted", "duplicate", "quarantined").sum()).item())
    broken = feed_counts.filter(pl.col("read") != pl.sum_horizontal("accepted", "duplicate", "quarantined"))
    return Finding(EVERY_ROW_ACCOUNTED_FOR, broken.is_empty(), {"read": read, "placed": placed})


def no_conflicting_duplicates(feed_counts: pl.DataFrame) -> Finding:
    """``feed_counts`` of one day."""
    conflicts = int(feed_counts.select(pl.sum_horizontal("conflicting_within_day", "conflicting_across_days").sum()).item())
    return Finding(NO_CONFLICTING_DUPLICATES, conflicts == 0, {"conflicting": conflicts})


def little_quarantined(feed_counts: pl.DataFrame) -> Finding:
    """``feed_counts`` of one day."""
    worst = feed_counts.filter(pl.col("quarantined") * 100 > pl.col("read"))
    return Finding(
        LITTLE_QUARANTINED,
        worst.is_empty(),
        {"quarantined": int(feed_counts["quarantined"].sum()), "feeds": ", ".join(worst["feed"]) or "none"},
    )


def counts_add_up(counted: int, accepted: int) -> Finding:
    """Sum of ``delivery_counts`` against the rows of ``impressions``."""
    return Finding(COUNTS_ADD_UP, counted == accepted, {"counted": counted, "accepted": accepted})


def one_status_each(judged: int, accepted: int) -> Finding:
    """Rows of ``attributions`` against rows of ``conversions``."""
    return Finding(ONE_STATUS_EACH, judged == accepted, {"judged": judged, "accepted": accepted})


def credits_add_up(attributions: pl.DataFrame, credits: pl.DataFrame) -> Finding:
    """Both tables of the same days."""
    key = ["conversion_id", "delivery_day"]
    sums = credits.group_by(key).agg(pl.col("credit").sum())
    attributed = attributions.filter(pl.col("status") == "attributed").select(key)
    whole = attributed.join(sums, on=key, how="full", coalesce=True).filter(pl.col("credit").eq_missing(WHOLE_CREDIT))
    passed = whole.height == attributed.height == sums.height
    return Finding(CREDITS_ADD_UP, passed, {"attributed": attributed.height, "credited": sums.height})


def exchange_rates_there(attributions: pl.DataFrame) -> Finding:
    """``attributions`` of any days."""
    waiting = attributions.filter(pl.col("status") == "no_fx_rate").height
    return Finding(EXCHANGE_RATES_THERE, waiting == 0, {"waiting": waiting})


def outcomes_add_up(counted: int, placed: Mapping[str, int]) -> Finding:
    """``counted`` and ``placed`` of ``pipelines.media.RatedMedia``."""
    return Finding(OUTCOMES_ADD_UP, all(total == counted for total in placed.values()), {"counted": counted, **placed})


def partner_rates_there(missing_rates: pl.DataFrame) -> Finding:
    """``missing_rates`` of one month."""
    return Finding(PARTNER_RATES_THERE, missing_rates.is_empty(), {"missing": missing_rates.height})


def lines_tie_to_accruals(accruals: pl.DataFrame, drafts: Drafts) -> Finding:
    """``accruals`` of a month against its draft documents of both sides."""
    exact = _sums(accruals, "amount")
    rounded = _sums(drafts.invoice_lines, "amount") | _sums(drafts.payout_lines, "amount")
    totals = _sums(drafts.invoices, "net") | _sums(drafts.payouts, "earnings")
    heads = pl.concat([document.select("contract_id", "currency") for document in (drafts.invoices, drafts.payouts)])
    unit = {contract_id: minor_unit_nanos(currency) for contract_id, currency in heads.iter_rows()}
    lines = pl.concat([drafts.invoice_lines.select("contract_id"), drafts.payout_lines.select("contract_id")])
    count = dict(lines.group_by("contract_id").len().iter_rows())
    # Rounding moves a line by half a minor unit at most.
    loose = sum(
        2 * abs(rounded.get(c, 0) - exact.get(c, 0)) > count.get(c, 0) * unit.get(c, 0)
        for c in exact.keys() | rounded.keys()
    )
    untied = sum(totals.get(c) != amount for c, amount in rounded.items())
    passed = loose == 0 and untied == 0 and totals.keys() == rounded.keys()
    return Finding(LINES_TIE_TO_ACCRUALS, passed, {"contracts": len(exact), "loose": loose, "untied": untied})


def journal_balances(entries: Sequence[JournalLine]) -> Finding:
    """The journal lines of a month's documents."""
    balance: Counter[tuple[str, str]] = Counter()
    for line in entries:
        balance[line.entry, line.currency] += line.debit_minor - line.credit_minor
    unbalanced = sum(amount != 0 for amount in balance.values())
    return Finding(JOURNAL_BALANCES, unbalanced == 0, {"entries": len(balance), "unbalanced": unbalanced})


def _sums(frame: pl.DataFrame, amount: str) -> dict[str, int]:
    return dict(frame.group_by("contract_id").agg(nanos(amount).sum()).iter_rows())
