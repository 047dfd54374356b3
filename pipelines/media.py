"""CPM: which impressions are billed, on both sides, and what they accrue (spec 5).

Works on delivery counts alone. A count is billed by the term that covers its line item on its local date in the contract's
zone; the partner's own contract is asked the same question about the same count, knowing whose advertiser it was.

    1,000 viewable and 500 other impressions of li-1 at 32.50 per mille, billable on viewable:
    billed 1,000 -> 32.500000000; not_viewable 500
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from contracts_io.calendar import Month, local_date
from contracts_io.frames import TABLES
from contracts_io.money import from_micros, from_nanos
from contracts_io.terms import TermFrames

_CLAIM = ["contract_id", "version", "term_id", "model", "billable_on", "rate_micros", "local_on"]


class RatedMedia(NamedTuple):
    """A month's table ``impression_outcomes`` and the media rows of its table ``accruals``."""

    outcomes: pl.DataFrame
    accruals: pl.DataFrame


def judge_delivery(counts: pl.LazyFrame, terms: TermFrames) -> pl.DataFrame:
    """Judge a delivery day's ``delivery_counts`` on both sides: table ``judged_impressions``, sorted.

    A count belongs to its local date, or to its UTC date where no contract covers it.
    """
    rows = _by_local_dates(counts, terms.terms["timezone"].unique())
    advertiser = _judged(_joined_advertiser(rows, terms.terms))
    partner = _judged(_joined_partner(advertiser, terms.terms))
    sides = [
        side.with_columns(pl.lit(name).alias("side")) for name, side in (("advertiser", advertiser), ("partner", partner))
    ]
    keys = TABLES["judged_impressions"].columns[:-1]
    invalid = pl.col("outcome") == "invalid_traffic"
    return (
        pl.concat(sides, how="diagonal")
        .with_columns(pl.when(~invalid).then(pl.col("contract_id", "version", "term_id", "rate_micros")).name.keep())
        .group_by(keys)
        .agg(pl.col("impressions").sum())
        .sort(keys)
    )


def rate_media(judged: pl.LazyFrame, month: Month) -> RatedMedia:
    """Price the judged impressions whose date lies in ``month``.

    ``judged`` is table ``judged_impressions`` with ``delivery_day``, of every day that can hold impressions of the month.
    """
    rows = judged.filter(pl.col("month_date").is_between(month.first, month.last))
    outcomes, accruals = pl.collect_all([_outcomes(rows), _accruals(rows)], engine="streaming")
    return RatedMedia(outcomes, accruals)


def _by_local_dates(counts: pl.LazyFrame, zones: pl.Series) -> pl.DataFrame:
    """The counts, added up over what no contract prices apart: device, country, and quarters of an hour of the same dates.

    ``quarter_hour`` becomes the first of those that have the same local date in every one of ``zones`` and in UTC.
    """
    quarters = counts.select("quarter_hour").unique().collect(engine="streaming")
    everywhere = sorted({"UTC", *zones})
    dates = [pl.col("quarter_hour").dt.convert_time_zone(zone).dt.date().alias(zone) for zone in everywhere]
    first = quarters.with_columns(dates).with_columns(first=pl.col("quarter_hour").min().over(everywhere))
    return (
        counts.join(first.lazy().select("quarter_hour", "first"), on="quarter_hour")
        .group_by("line_item_id", "partner_id", "first", "viewable", "completed", "valid")
        .agg(pl.col("impressions").sum())
        .rename({"first": "quarter_hour"})
        .collect(engine="streaming")
    )


def _joined_advertiser(rows: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Each count with the advertiser term that covers its line item on its local date; null columns where none does."""
    lines = (
        terms.filter(pl.col("side") == "advertiser")
        .rename({"line_items": "line_item_id", "party_id": "advertiser_id"})
        .explode("line_item_id")
    )
    key = ["line_item_id", "quarter_hour"]
    return _with_first_claim(rows, rows.select(key).unique().join(lines, on="line_item_id"), key, [*_CLAIM, "advertiser_id"])


def _joined_partner(advertiser: pl.DataFrame, terms: pl.DataFrame) -> pl.DataFrame:
    """Each count with the first term of its partner's contract whose filters match it; null columns where none does."""
    own = terms.filter(pl.col("side") == "partner", pl.col("model").is_in(["cpm", "dcpm", "revenue_share"])).rename(
        {"party_id": "partner_id"}
    )
    rows = advertiser.drop(*_CLAIM, "outcome", "month_date")
    key = ["partner_id", "line_item_id", "advertiser_id", "quarter_hour"]
    offers = rows.select(key).unique().join(own, on="partner_id").filter(matches_filters())
    return _with_first_claim(rows, offers, key, _CLAIM)


def matches_filters() -> pl.Expr:
    """Whether a partner term's optional filters, lists ``line_items`` and ``advertisers``, let the row's ids pass.

    An unknown advertiser does not pass a filter on advertisers.
    """
    line_item = pl.col("line_items").is_null() | pl.col("line_items").list.contains(pl.col("line_item_id"))
    advertiser = pl.col("advertisers").is_null() | (
        pl.col("advertiser_id").is_not_null() & pl.col("advertisers").list.contains(pl.col("advertiser_id"))
    )
    return line_item & advertiser


def _with_first_claim(rows: pl.DataFrame, offers: pl.DataFrame, key: list[str], columns: list[str]) -> pl.DataFrame:
    """Keep, per key, the offer in force on the local date of the lowest contract id, then first in document order."""
    claims = (
        offers.with_columns(local_on=local_date(pl.col("quarter_hour"), pl.col("timezone"), offers["timezone"].unique()))
        .filter(pl.col("local_on").is_between("first_on", "last_on"))
        .sort("contract_id", "position")
        .unique(key, keep="first", maintain_order=True)
        .select(*key, *columns)
    )
    return rows.join(claims, on=key, how="left", nulls_equal=True)


def _judged(rows: pl.DataFrame) -> pl.DataFrame:
    """Add ``outcome``, the first of spec 5.1 that applies, and ``month_date``, the date that puts the count in a month."""
    outcome = (
        pl.when(~pl.col("valid"))
        .then(pl.lit("invalid_traffic"))
        .when(pl.col("contract_id").is_null())
        .then(pl.lit("no_contract"))
        .when(pl.col("model") == "cpa")
        .then(pl.lit("priced_by_action"))
        .when((pl.col("billable_on") == "viewable") & ~pl.col("viewable"))
        .then(pl.lit("not_viewable"))
        .when((pl.col("billable_on") == "completed") & ~pl.col("completed"))
        .then(pl.lit("not_completed"))
        .otherwise(pl.lit("billed"))
    )
    return rows.with_columns(outcome=outcome, month_date=pl.coalesce("local_on", pl.col("quarter_hour").dt.date()))


def _outcomes(rows: pl.LazyFrame) -> pl.LazyFrame:
    keys = TABLES["impression_outcomes"].columns[:-1]
    return rows.group_by(keys).agg(pl.col("impressions").sum()).sort(keys)


def _accruals(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Units x rate / 1000 per rated group; in nanos that is units x the rate's micros, exactly."""
    keys = ["side", "month_date", "contract_id", "version", "term_id", "line_item_id", "partner_id", "rate_micros"]
    return (
        rows.filter(pl.col("outcome") == "billed")
        .group_by(keys)
        .agg(units=pl.col("impressions").sum())
        .sort(keys)
        .select(
            "side",
            pl.col("month_date").alias("billing_date"),
            "contract_id",
            "version",
            "term_id",
            pl.lit("media").alias("kind"),
            "line_item_id",
            "partner_id",
            pl.lit(None, pl.String).alias("event"),
            pl.lit(None, pl.String).alias("advertiser_contract_id"),
            from_micros(pl.col("rate_micros")).alias("rate"),
            pl.lit("per_mille").alias("rate_kind"),
            "units",
            from_nanos(pl.col("units").cast(pl.Int128) * pl.col("rate_micros")).alias("amount"),
        )
        .select(TABLES["accruals"].columns)
    )
