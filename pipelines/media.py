"""Which impressions are billed, by which term and at which multiplier, on both sides (spec 5.1).

Works on delivery counts alone. A count is billed by the term that covers its line item on its local date in the contract's
zone; the partner's own contract is asked the same question about the same count, knowing whose advertiser it was. What they
come to in money is ``rating``'s.

    1,500 impressions of li-1, 1,000 of them viewable, billable on viewable -> billed 1,000; not_viewable 500
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

import polars as pl

from contracts_io.frames import OUTCOMES, TABLES
from contracts_io.money import FACTOR_TYPE, MICRO, NANOS_TYPE, from_nanos
from contracts_io.terms import TermFrames
from pipelines.multipliers import LISTED, Multipliers, hour_of_week, multipliers, tells_apart, with_product

PAID_BY_IMPRESSIONS = ["cpm", "dcpm", "revenue_share"]
"""The models of a partner term that cover an impression; cpa pays by the action."""

_MODELS = {"advertiser": ["cpm", "dcpm", "cpa"], "partner": PAID_BY_IMPRESSIONS}
_TERM = ["contract_id", "version", "term_id"]
_ONE = MICRO**3
_OUTCOME = pl.Enum(OUTCOMES)
_FURTHEST_ZONE = timedelta(days=1)


def judge_delivery(counts: pl.LazyFrame, terms: TermFrames, kept: Sequence[str] = ()) -> pl.DataFrame:
    """Judge a delivery day's ``delivery_counts`` on both sides: table ``judged_impressions``, sorted.

    A count belongs to its local date, or to its UTC date where no contract covers it. Contract, version and term are null
    of invalid traffic; advertiser, multiplier and cost are told of billed rows only. Columns of ``counts`` in ``kept`` are
    kept apart and stand first: an id of each count, to see what becomes of it alone.
    """
    quarters = counts.select("quarter_hour").unique().collect(engine="streaming")["quarter_hour"]
    claims = _claims(terms.terms, quarters)
    factors = multipliers(terms, claims)
    calendar = _calendar(quarters, claims["timezone"].unique().to_list(), factors.zones)
    rows = _merged(counts, calendar, factors, kept)
    clock = _clock(calendar, claims)
    advertiser = _claimed_by_advertiser(rows, claims, clock)
    partner = _claimed_by_partner(advertiser, claims, clock)
    sides = [
        _judged(side, claims, clock, factors, kept).with_columns(pl.lit(name).alias("side"))
        for name, side in (("advertiser", advertiser), ("partner", partner))
    ]
    columns = [*kept, *TABLES["judged_impressions"].columns]
    return (
        pl.concat(sides)
        .join(claims.select("claim", *_TERM), on="claim", how="left")
        .with_columns(pl.col("outcome").cast(pl.String), pl.col("multiplier").reinterpret(dtype=FACTOR_TYPE))
        .select(columns)
        .sort(columns[:-2])
    )


def matches_filters() -> pl.Expr:
    """Whether a partner term's optional filters, lists ``line_items`` and ``advertisers``, let the row's ids pass.

    An unknown advertiser does not pass a filter on advertisers.
    """
    line_item = pl.col("line_items").is_null() | pl.col("line_items").list.contains(pl.col("line_item_id"))
    advertiser = pl.col("advertisers").is_null() | (
        pl.col("advertiser_id").is_not_null() & pl.col("advertisers").list.contains(pl.col("advertiser_id"))
    )
    return line_item & advertiser


def _claims(terms: pl.DataFrame, quarters: pl.Series) -> pl.DataFrame:
    """The terms that can cover a count of these quarters, numbered by ``claim``: of two that cover one, the lower has it."""
    utc = quarters.dt.date()
    if utc.is_empty():
        return terms.clear().with_row_index("claim")
    first, last = _day(utc.min()) - _FURTHEST_ZONE, _day(utc.max()) + _FURTHEST_ZONE
    priced = pl.any_horizontal((pl.col("side") == side) & pl.col("model").is_in(models) for side, models in _MODELS.items())
    live = terms.filter(priced, pl.col("first_on") <= last, pl.col("last_on") >= first)
    return live.sort("contract_id", "position", "version").with_row_index("claim")


def _day(value: object) -> date:
    assert isinstance(value, date)
    return value


def _calendar(quarters: pl.Series, zones: list[str], hour_zones: list[str]) -> pl.DataFrame:
    """Per ``quarter_hour`` the first quarter with the same local dates, and with the same hours where hours are priced.

    Columns ``quarter_hour``, ``same_dates``: the first with the same date in UTC and in each of ``zones``; ``same_hours``:
    that also has the same local hour of the week in each of ``hour_zones``.
    """
    quarter = pl.col("quarter_hour")
    dates = {f"date {zone}": quarter.dt.convert_time_zone(zone).dt.date() for zone in {"UTC", *zones}}
    hours = {f"hour {zone}": hour_of_week(quarter, zone) for zone in hour_zones}
    return (
        quarters.to_frame()
        .with_columns(**dates, **hours)
        .select(
            "quarter_hour",
            same_dates=quarter.min().over(list(dates)),
            same_hours=quarter.min().over([*dates, *hours]),
        )
    )


def _clock(calendar: pl.DataFrame, claims: pl.DataFrame) -> pl.DataFrame:
    """Local date and hour of the week of every ``quarter_hour`` that counts were merged into, in every zone at hand.

    Columns ``quarter_hour``, ``timezone``, ``local_on``, ``hour_of_week``.
    """
    merged = pl.concat([calendar["same_dates"], calendar["same_hours"]]).unique().alias("quarter_hour").to_frame()
    quarter = pl.col("quarter_hour")
    zones = sorted(set(claims["timezone"]))
    return pl.concat(
        merged.with_columns(
            timezone=pl.lit(zone),
            local_on=quarter.dt.convert_time_zone(zone).dt.date(),
            hour_of_week=hour_of_week(quarter, zone),
        )
        for zone in zones or ["UTC"]
    )


def _merged(counts: pl.LazyFrame, calendar: pl.DataFrame, factors: Multipliers, kept: Sequence[str]) -> pl.DataFrame:
    """The counts, added up over what no term that could cover them prices apart: device, country, quarters of an hour.

    ``on`` is the first quarter of an hour with the same local dates, ``hour`` the first with the same hours or null.
    """
    listed = [
        pl.when(tells_apart(factors, name) & pl.col(name).is_in(factors.listed[name][name].unique().implode()))
        .then(pl.col(name))
        .alias(name)
        for name in LISTED
    ]
    return (
        counts.join(calendar.lazy(), on="quarter_hour")
        .group_by(
            *kept,
            "line_item_id",
            "partner_id",
            "viewable",
            "completed",
            "valid",
            *listed,
            on="same_dates",
            hour=pl.when(tells_apart(factors, "hour")).then("same_hours"),
        )
        .agg(pl.col("impressions").sum(), pl.col("cost").sum().cast(NANOS_TYPE))
        .collect(engine="streaming")
    )


def _claimed_by_advertiser(rows: pl.DataFrame, claims: pl.DataFrame, clock: pl.DataFrame) -> pl.DataFrame:
    """Each count with the ``claim`` on its line item and its ``advertiser_id``; null where no term covers it."""
    lines = (
        claims.filter(pl.col("side") == "advertiser")
        .select("claim", "timezone", "first_on", "last_on", "line_items")
        .rename({"line_items": "line_item_id"})
        .explode("line_item_id")
    )
    key = ["line_item_id", "on"]
    claimed = _with_first_claim(rows, rows.select(key).unique().join(lines, on="line_item_id"), key, clock)
    return claimed.join(claims.select("claim", advertiser_id="party_id"), on="claim", how="left")


def _claimed_by_partner(advertiser: pl.DataFrame, claims: pl.DataFrame, clock: pl.DataFrame) -> pl.DataFrame:
    """Each count with the first ``claim`` of its partner's contract whose filters match it; null where none does."""
    own = claims.filter(pl.col("side") == "partner").select(
        "claim", "timezone", "first_on", "last_on", "line_items", "advertisers", partner_id="party_id"
    )
    rows = advertiser.drop("claim")
    key = ["partner_id", "line_item_id", "advertiser_id", "on"]
    offers = rows.select(key).unique().join(own, on="partner_id").filter(matches_filters())
    return _with_first_claim(rows, offers, key, clock)


def _with_first_claim(rows: pl.DataFrame, offers: pl.DataFrame, key: list[str], clock: pl.DataFrame) -> pl.DataFrame:
    """Add ``claim``: of the key's offers in force on the local date the first, by contract id, then by document order."""
    first = (
        offers.select(*key, "claim", "timezone", "first_on", "last_on")
        .join(clock, left_on=["on", "timezone"], right_on=["quarter_hour", "timezone"])
        .filter(pl.col("local_on").is_between("first_on", "last_on"))
        .group_by(key)
        .agg(pl.col("claim").min())
    )
    return rows.join(first, on=key, how="left", nulls_equal=True)


def _judged(
    rows: pl.DataFrame, claims: pl.DataFrame, clock: pl.DataFrame, factors: Multipliers, kept: Sequence[str]
) -> pl.DataFrame:
    """One side's claimed counts, each with its outcome, added up: what ``judged_impressions`` has, the term as ``claim``."""
    priced = rows.lazy().join(claims.lazy().select("claim", "timezone", "model", "billable_on"), on="claim", how="left")
    dates = clock.lazy().select("timezone", "local_on", on="quarter_hour")
    hours = clock.lazy().select("timezone", "hour_of_week", hour="quarter_hour")
    told = priced.join(dates, on=["on", "timezone"], how="left").with_columns(outcome=_outcome())
    if factors.zones:
        told = told.join(hours, on=["hour", "timezone"], how="left")
    billed = pl.col("outcome") == "billed"
    paid_by_cost = billed & (pl.col("model") == "dcpm")
    return (
        with_product(told, factors)
        .group_by(
            *kept,
            "line_item_id",
            "partner_id",
            "outcome",
            month_date=pl.coalesce("local_on", pl.col("on").dt.date()),
            claim=pl.when(pl.col("outcome") != "invalid_traffic").then("claim"),
            multiplier=pl.when(billed).then("multiplier").otherwise(pl.lit(_ONE, pl.Int128)),
            advertiser_id=pl.when(billed).then("advertiser_id"),
        )
        .agg(
            pl.col("impressions").sum(),
            pl.when(paid_by_cost).then("cost").otherwise(from_nanos(pl.lit(0))).sum().cast(NANOS_TYPE).alias("cost"),
        )
        .collect(engine="streaming")
    )


def _outcome() -> pl.Expr:
    """The first outcome of spec 5.1 that applies."""
    return (
        pl.when(~pl.col("valid"))
        .then(pl.lit("invalid_traffic", _OUTCOME))
        .when(pl.col("claim").is_null())
        .then(pl.lit("no_contract", _OUTCOME))
        .when(pl.col("model") == "cpa")
        .then(pl.lit("priced_by_action", _OUTCOME))
        .when((pl.col("billable_on") == "viewable") & ~pl.col("viewable"))
        .then(pl.lit("not_viewable", _OUTCOME))
        .when((pl.col("billable_on") == "completed") & ~pl.col("completed"))
        .then(pl.lit("not_completed", _OUTCOME))
        .otherwise(pl.lit("billed", _OUTCOME))
    )
