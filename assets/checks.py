"""What must hold of the tables before they are published, and what an analyst should look at.

A rule is a function from frames to a ``Finding``. Where money would be wrong the finding is blocking: the asset raises it
before it publishes, so that the old partition stays live, and Dagster stops what comes after. The rest are warnings.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import polars as pl

from contracts_io.errors import WarehouseError
from contracts_io.money import minor_unit_nanos, nanos
from contracts_io.store.document_tables import JournalLine
from pipelines.attribution import WHOLE_CREDIT
from pipelines.documents import Drafts

if TYPE_CHECKING:
    import dagster as dg

_A_DEFECT = "nothing was published; this is a defect or a damaged file: keep the home as it is, report it"


@dataclass(frozen=True)
class Rule:
    """A named check of one asset; ``description`` says what holds when it passes, ``remedy`` what to do where it does not."""

    name: str
    asset: str
    description: str
    blocking: bool
    remedy: str = _A_DEFECT

    @property
    def spec(self) -> dg.AssetCheckSpec:
        """The rule as Dagster lists it."""
        import dagster as dg  # noqa: PLC0415 - 0.7 s that commands which only look do not spend

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
        import dagster as dg  # noqa: PLC0415

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
QUARANTINE_WITHIN_LIMIT = Rule(
    "quarantine_within_limit",
    "quarantine",
    "of no feed a larger share of rows was quarantined than the setting quarantine_limit allows",
    blocking=True,
    remedy="nothing was published; have the files put right and delivered again, or raise quarantine_limit in adledger.toml",
)
VOLUME_AS_USUAL = Rule(
    "volume_as_usual",
    "feed_counts",
    "the day's impressions are between half and twice the mean of the 14 days before",
    blocking=False,
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
BOTH_SIDES_TIE = Rule(
    "both_sides_tie",
    "judged_impressions",
    "both sides judge the same impressions of the delivery day, line item by line item and partner by partner",
    blocking=True,
)
PAID_ON_CHARGED_CREDIT = Rule(
    "paid_on_charged_credit",
    "action_units",
    "partners have units of charged conversions only, and together no more credit than was charged",
    blocking=True,
)
OUTCOMES_ADD_UP = Rule(
    "outcomes_add_up", "impression_outcomes", "both sides account for the same impressions as were counted", blocking=True
)
AMOUNTS_HAVE_RATES = Rule(
    "amounts_have_rates", "accruals", "every exchange rate that an amount of either side needs is there", blocking=False
)
LINES_TIE_TO_ACCRUALS = Rule(
    "lines_tie_to_accruals",
    "draft_invoice_lines",
    "lines are the sum of accruals, to half a minor unit a line; capped flights have the lines they were charged; "
    "documents are the sum of their lines",
    blocking=True,
)
JOURNAL_BALANCES = Rule("journal_balances", "journal", "every entry balances in its currency", blocking=True)


_TIED = ["contract_id", "term_id", "version", "kind"]
_ACCRUED_KINDS = ["media", "action", "revenue_share"]
TRAILING = timedelta(days=14)
"""How far back a day's volume is compared."""


def require(findings: Sequence[Finding], where: str) -> None:
    """Raise WarehouseError for the first blocking finding that did not pass."""
    for finding in findings:
        if finding.rule.blocking and not finding.passed:
            figures = ", ".join(f"{name} {value}" for name, value in finding.figures.items())
            raise WarehouseError(
                f"the check {finding.rule.name} of {finding.rule.asset} fails ({figures}): {finding.rule.description}",
                where=where,
                remedy=finding.rule.remedy,
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


def quarantine_within_limit(feed_counts: pl.DataFrame, limit: Decimal) -> Finding:
    """``feed_counts`` of one day; ``limit`` is a share of the rows read, 1 allows all."""
    over = [
        feed
        for feed, read, quarantined in feed_counts.select("feed", "read", "quarantined").iter_rows()
        if quarantined > read * limit
    ]
    figures: dict[str, int | str] = {
        "quarantined": int(feed_counts["quarantined"].sum()),
        "limit": str(limit),
        "feeds": ", ".join(over) or "none",
    }
    return Finding(QUARANTINE_WITHIN_LIMIT, not over, figures)


def volume_as_usual(feed_counts: pl.DataFrame, day: date) -> Finding:
    """``feed_counts`` of ``day`` and of those of the 14 days before that were run; passes where none was."""
    impressions = feed_counts.filter(pl.col("feed") == "impressions")
    days_before = pl.col("delivery_day").is_between(day - TRAILING, day, closed="left")
    before = impressions.filter(days_before)["accepted"]
    accepted = int(impressions.filter(pl.col("delivery_day") == day)["accepted"].sum())
    total = int(before.sum())
    as_usual = total <= 2 * accepted * len(before) and accepted * len(before) <= 2 * total
    figures = {"impressions": accepted, "impressions_before": total, "days_before": len(before)}
    return Finding(VOLUME_AS_USUAL, before.is_empty() or as_usual, figures)


def counts_add_up(counted: int, accepted: int) -> Finding:
    """Sum of ``delivery_counts`` against the rows of ``impressions``."""
    return Finding(COUNTS_ADD_UP, counted == accepted, {"counted": counted, "accepted": accepted})


def one_status_each(judged: int, accepted: int) -> Finding:
    """Rows of ``attributions`` against rows of ``conversions``."""
    return Finding(ONE_STATUS_EACH, judged == accepted, {"judged": judged, "accepted": accepted})


def credits_add_up(attributions: pl.DataFrame, credits: pl.DataFrame) -> Finding:
    """Both tables of the same days."""
    key = ["conversion_id", "delivery_day"]
    sums = credits.lazy().group_by(key).agg(pl.col("credit").sum())
    attributed = attributions.lazy().filter(pl.col("status") == "attributed").group_by(key).agg(statuses=pl.len())
    counted = attributed.join(sums, on=key, how="full", coalesce=True).select(
        pl.col("statuses").sum().alias("attributed"),
        pl.col("credit").count().alias("credited"),
        ((pl.col("statuses") == 1) & (pl.col("credit") == WHOLE_CREDIT)).sum().alias("whole"),
    )
    figures = counted.collect().row(0, named=True)
    passed = figures.pop("whole") == figures["attributed"] == figures["credited"]
    return Finding(CREDITS_ADD_UP, passed, figures)


def exchange_rates_there(attributions: pl.DataFrame) -> Finding:
    """``attributions`` of any days."""
    waiting = int((attributions["status"] == "no_fx_rate").sum())
    return Finding(EXCHANGE_RATES_THERE, waiting == 0, {"waiting": waiting})


def outcomes_add_up(counted: int, placed: Mapping[str, int]) -> Finding:
    """How many impressions were counted, and how many of them have an outcome, by side."""
    return Finding(OUTCOMES_ADD_UP, all(total == counted for total in placed.values()), {"counted": counted, **placed})


def both_sides_tie(judged: pl.DataFrame) -> Finding:
    """``judged_impressions`` of one delivery day."""
    sides = ("advertiser", "partner")
    sums = (pl.when(pl.col("side") == side).then("impressions").otherwise(0).sum().alias(side) for side in sides)
    apart = (pl.col("advertiser") != pl.col("partner")).sum().alias("apart")
    together = judged.lazy().group_by("line_item_id", "partner_id").agg(*sums).select(pl.col(sides).sum(), apart)
    figures = together.collect().row(0, named=True)
    return Finding(BOTH_SIDES_TIE, figures["apart"] == 0, figures)


def paid_on_charged_credit(units: pl.DataFrame, charged: pl.DataFrame) -> Finding:
    """``units`` and ``charged`` of ``pipelines.actions.RatedActions``."""
    key = ["conversion_id", "delivery_day", "contract_id"]
    paid = (
        units.filter(pl.col("side") == "partner")
        .drop("contract_id")
        .rename({"advertiser_contract_id": "contract_id"})
        .group_by(key)
        .agg(pl.col("credit").sum().alias("paid"))
    )
    covered = pl.col("credit").fill_null(0)  # no row: nothing of it was charged
    uncovered = paid.join(charged, on=key, how="left", nulls_equal=True).filter(pl.col("paid") > covered).height
    return Finding(PAID_ON_CHARGED_CREDIT, uncovered == 0, {"conversions": paid.height, "uncovered": uncovered})


def amounts_have_rates(missing_rates: pl.DataFrame) -> Finding:
    """``missing_rates`` of one month."""
    return Finding(AMOUNTS_HAVE_RATES, missing_rates.is_empty(), {"missing": missing_rates.height})


def lines_tie_to_accruals(accruals: pl.DataFrame, drafts: Drafts) -> Finding:
    """``accruals`` of a month against its drafts of both sides.

    Per contract, term, version and kind, lines count the units of the accruals; media lines are the sum of ``uncapped``,
    those of actions and revenue shares that of ``amount``, tier fees are their rates, each to half a minor unit a line. The
    media and budget_cap lines of a flight that has a budget_cap line this month are what was charged over it, to half a minor
    unit. A document is the sum of its lines. Commission and minimum are agreed on lines, not accrued: they count in the last
    of these only.
    """
    both = [(drafts.invoices, drafts.invoice_lines, "net"), (drafts.payouts, drafts.payout_lines, "earnings")]
    lines = pl.concat([part.select(*_TIED, "quantity", "rate", "amount") for _, part, _ in both])
    heads = pl.concat([head.select("contract_id", "currency", pl.col(total).alias("total")) for head, _, total in both])
    units = pl.Series("unit", [minor_unit_nanos(currency) for currency in heads["currency"]], pl.Int64)
    unit = heads.select("contract_id", units)
    accrual = pl.when(pl.col("kind") == "media").then(nanos("uncapped")).otherwise(nanos("amount"))
    exact = accruals.group_by(_TIED).agg(accrual.sum().alias("exact"), pl.col("units").sum())
    accrued = (
        lines.filter(pl.col("kind").is_in(_ACCRUED_KINDS))
        .group_by(_TIED)
        .agg(nanos("amount").sum().alias("rounded"), pl.col("quantity").sum(), pl.len().alias("count"))
        .join(exact, on=_TIED, how="full", coalesce=True)
    )
    fees = lines.filter(pl.col("kind") == "tier_fee").select(
        *_TIED, nanos("rate").alias("exact"), nanos("amount").alias("rounded"), pl.lit(1, pl.UInt32).alias("count")
    )
    capped = lines.filter(pl.col("kind") == "budget_cap").select("contract_id", "term_id")
    flights = drafts.flights.join(capped, on=["contract_id", "term_id"]).select(
        "contract_id", nanos("charged").alias("exact"), nanos("lined").alias("rounded"), pl.lit(1, pl.UInt32).alias("count")
    )
    tied = pl.concat([part.select("contract_id", "exact", "rounded", "count") for part in (accrued, fees, flights)])
    # Rounding moves a line by half a minor unit at most.
    distance = (pl.col("rounded").fill_null(0) - pl.col("exact").fill_null(0)).abs()
    tolerated = pl.col("count").fill_null(0).cast(pl.Int128) * pl.col("unit").fill_null(0)
    loose = tied.join(unit, on="contract_id", how="left").filter(2 * distance > tolerated).height
    loose += accrued.filter(pl.col("quantity").ne_missing(pl.col("units"))).height
    loose += capped.height - flights.height
    sums = lines.group_by("contract_id").agg(nanos("amount").sum().alias("lined"))
    untied = (
        heads.join(sums, on="contract_id", how="full", coalesce=True)
        .filter(nanos("total").ne_missing(pl.col("lined")))
        .height
    )
    figures = {"contracts": accruals["contract_id"].n_unique(), "loose": loose, "untied": untied}
    return Finding(LINES_TIE_TO_ACCRUALS, loose == 0 and untied == 0, figures)


def journal_balances(entries: Sequence[JournalLine]) -> Finding:
    """The journal lines of a month's documents."""
    balance: Counter[tuple[str, str]] = Counter()
    for line in entries:
        balance[line.entry, line.currency] += line.debit_minor - line.credit_minor
    unbalanced = sum(amount != 0 for amount in balance.values())
    return Finding(JOURNAL_BALANCES, unbalanced == 0, {"entries": len(balance), "unbalanced": unbalanced})
