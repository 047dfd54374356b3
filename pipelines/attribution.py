"""Statuses, candidates, credit: which touch earned a conversion, and why a conversion earned nothing (spec 6.1 to 6.3).

Every accepted conversion gets exactly one status, the first that applies. Candidate touches are looked up for all
conversions of a contract, whatever their status, so that status and credit are two independent questions.

    a view at 09:00 and a click at 10:00 of the same household, a purchase at 11:00, click over view: the click has all
    1,000,000 millionths; without the click, the view has them

What does not belong here: fees (``actions``), and what is known of a conversion without a contract (``conversions``).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from contracts_io.calendar import local_date
from contracts_io.frames import TABLES
from contracts_io.terms import TermFrames
from pipelines.exchange import converted

WHOLE_CREDIT = 1_000_000


class Attributed(NamedTuple):
    """Tables ``attributions`` and ``attribution_credits`` of one delivery day."""

    attributions: pl.DataFrame
    credits: pl.DataFrame


def attribute(
    conversions: pl.LazyFrame,
    states: pl.LazyFrame,
    touches: pl.LazyFrame,
    terms: TermFrames,
    rates: pl.DataFrame,
    day: date,
) -> Attributed:
    """Judge and credit the accepted conversions of delivery ``day``.

    ``conversions`` and ``states`` are that day's tables, row by row the same; ``touches`` holds those delivered no later than
    ``grace_days`` after it that a lookback can reach; ``rates`` is table ``fx_rates``.
    """
    rows = pl.concat([conversions, states.drop("conversion_id")], how="horizontal").collect().with_row_index("conversion")
    claims = _claims(rows, terms)
    judged = _under_contract(rows, claims, terms, rates)
    credited = _last_touch(_candidates(judged, claims, touches, terms))
    judged = judged.join(credited.select("conversion", has_touch=pl.lit(value=True)), on="conversion", how="left")
    attributions = judged.sort("conversion").select(
        "conversion_id",
        pl.lit(day).alias("delivery_day"),
        "event_time",
        "advertiser_id",
        "event",
        "contract_id",
        "version",
        _status().alias("status"),
        pl.lit(None, pl.String).alias("reason"),
        "billing_date",
        pl.col("attribution_model").alias("model"),
        pl.col("own_currency").alias("currency"),
        "value",
        "contract_value",
    )
    attributed = judged.filter(_status() == "attributed").select("conversion", "conversion_id")
    credits = (
        credited.join(attributed, on="conversion")
        .sort("conversion", "touch_time", "touch_id")
        .with_columns(pl.lit(day).alias("delivery_day"))
        .select(TABLES["attribution_credits"].columns)
    )
    return Attributed(attributions.select(TABLES["attributions"].columns), credits)


def _claims(rows: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """Conversion x cpa term in force on its local date for its event, of the lowest contract id that has one."""
    offered = terms.terms.filter(pl.col("side") == "advertiser", pl.col("model") == "cpa").select(
        "contract_id", "version", "party_id", "timezone", "term_id", "event", "line_items", "first_on", "last_on"
    )
    return (
        rows.select("conversion", "advertiser_id", "event", "event_time")
        .join(offered, left_on=["advertiser_id", "event"], right_on=["party_id", "event"])
        .with_columns(local_on=local_date(pl.col("event_time"), pl.col("timezone"), offered["timezone"].unique()))
        .filter(pl.col("local_on").is_between("first_on", "last_on"))
        .filter(pl.col("contract_id") == pl.col("contract_id").min().over("conversion"))
        .select("conversion", "contract_id", "version", "local_on", "term_id", "line_items")
    )


def _under_contract(rows: pl.DataFrame, claims: pl.DataFrame, terms: TermFrames, rates: pl.DataFrame) -> pl.DataFrame:
    """Each conversion with the contract version that judges it, its billing date, and its value in both currencies."""
    versions = terms.contracts.filter(pl.col("side") == "advertiser").drop("side", "party_id")
    joined = (
        rows.join(
            claims.select("conversion", "contract_id", "version", "local_on").unique("conversion"),
            on="conversion",
            how="left",
        )
        .join(versions.rename({"currency": "contract_currency"}), on=["contract_id", "version"], how="left")
        .with_columns(
            value=pl.when("is_restated").then("restated_value").otherwise("order_value"),
            own_currency=pl.coalesce("currency", "contract_currency"),
            utc_on=pl.col("event_time").dt.date(),
            billing_date=pl.col("local_on") + pl.duration(days="validation_days"),
        )
        .sort("conversion")
    )
    in_contract_currency = converted(
        joined, rates, value="value", source="own_currency", target="contract_currency", on="utc_on"
    )
    return joined.with_columns(contract_value=in_contract_currency)


def _candidates(judged: pl.DataFrame, claims: pl.DataFrame, touches: pl.LazyFrame, terms: TermFrames) -> pl.DataFrame:
    """Conversion x touch that could have earned it (spec 6.2)."""
    looking = judged.filter(pl.col("contract_id").is_not_null(), pl.col("household_id").is_not_null()).select(
        "conversion",
        "household_id",
        "event_time",
        "contract_id",
        "version",
        "view_lookback",
        "click_lookback",
        "click_over_view",
        "view_basis",
    )
    lines = claims.select("conversion", "term_id", line_item_id="line_items").explode("line_item_id")
    age = pl.col("event_time") - pl.col("touch_time")
    is_click = pl.col("touch_kind") == "click"
    lookback = (
        pl.when(is_click)
        .then(pl.coalesce("override_click_lookback", "click_lookback"))
        .otherwise(pl.coalesce("override_view_lookback", "view_lookback"))
    )
    counts_as_view = (
        pl.when(pl.col("view_basis") == "viewable")
        .then("viewable")
        .when(pl.col("view_basis") == "completed")
        .then("completed")
        .otherwise(pl.lit(value=True))
    )
    overrides = terms.overrides.rename(
        {"view_lookback": "override_view_lookback", "click_lookback": "override_click_lookback"}
    )
    found = (
        touches.filter(pl.col("household_id").is_in(looking["household_id"].unique().implode()))
        .join(looking.lazy(), on="household_id")
        .filter(age >= timedelta(0))
        .join(lines.lazy(), on=["conversion", "line_item_id"])
        .join(overrides.lazy(), on=["contract_id", "version", "partner_id"], how="left")
        .filter(
            ~pl.col("excluded").fill_null(value=False),
            lookback > timedelta(0),  # 0 switches a kind off, also for a touch at the very instant
            age <= lookback,
            is_click | counts_as_view,
        )
        .select(
            "conversion",
            "term_id",
            "click_over_view",
            "touch_kind",
            "touch_id",
            "touch_time",
            "partner_id",
            "line_item_id",
        )
        .collect(engine="streaming")
    )
    clicked = (pl.col("touch_kind") == "click").any().over("conversion")
    return found.filter((pl.col("touch_kind") == "click") | ~(pl.col("click_over_view") & clicked))


def _last_touch(candidates: pl.DataFrame) -> pl.DataFrame:
    """All credit to the last candidate by (time, views before clicks, touch id)."""
    return (
        candidates.sort("conversion", "touch_time", pl.col("touch_kind") == "click", "touch_id")
        .unique("conversion", keep="last", maintain_order=True)
        .with_columns(credit=pl.lit(WHOLE_CREDIT, pl.Int64))
    )


def _status() -> pl.Expr:
    """The first status of spec 6.1 that applies; the order of the branches is the rule."""
    since_earlier_order = pl.col("event_time") - pl.col("earlier_order_at")
    return (
        pl.when(pl.col("contract_id").is_null())
        .then(pl.lit("no_contract"))
        .when(since_earlier_order <= pl.duration(days="order_dedup_days"))
        .then(pl.lit("duplicate_order"))
        .when("is_reversed")
        .then(pl.lit("reversed"))
        .when(pl.col("value").is_not_null() & pl.col("contract_value").is_null())
        .then(pl.lit("no_fx_rate"))
        .when(pl.col("household_id").is_null())
        .then(pl.lit("no_household"))
        .when(pl.col("has_touch").is_null())
        .then(pl.lit("unattributed"))
        .otherwise(pl.lit("attributed"))
    )
