"""What a conversion is under the contracts, before anyone looks for a touch: spec 6.1 down to ``no_household``.

The contract that judges a conversion is, of those with a cpa term for its event in force on its local date, the one with the
lowest id. What is left open is ``attributed`` or ``unattributed``, which the touches decide (``candidates``).
"""

from __future__ import annotations

import polars as pl

from contracts_io.calendar import INSTANT, local_date
from contracts_io.terms import TermFrames
from pipelines.conversions import EVENT, HOUSEHOLD_KEY, last_before
from pipelines.eligibility import failing_rule
from pipelines.exchange import converted

_HOUSEHOLD = ["delivery_day", *HOUSEHOLD_KEY]  # what it did is listed anew with each day on which it converts
_RULES = [
    "contract_id",
    "version",
    pl.col("currency").alias("contract_currency"),
    "validation_days",
    "attribution_model",
    "view_lookback",
    "click_lookback",
    "click_over_view",
    "view_basis",
    "half_life",
    "order_dedup_days",
    "new_customers_only",
    pl.col("countries").is_not_null().alias("has_countries"),
    "minimum_order_value_micros",
    "repeat_household_days",
    "eligible_when",
]


def judged(rows: pl.DataFrame, household_conversions: pl.LazyFrame, terms: TermFrames, rates: pl.DataFrame) -> pl.DataFrame:
    """The ``rows`` (conversions with their states), in their order, with the contract version that judges each and its verdict.

    Both tables are those of one delivery day or of several, with ``delivery_day``. Added: ``contract_id``, ``version``,
    ``local_on`` and the version's rules, null where no contract claims the conversion; ``billing_date``; ``own_currency``,
    ``value`` in it and ``contract_value``; ``status``, null where it is for the touches to say; ``reason`` of an ineligible one.
    """
    advertisers = terms.contracts.filter(pl.col("side") == "advertiser").select(_RULES)
    valued = (
        rows.hstack(_claimed(rows, terms))
        .join(advertisers, on=["contract_id", "version"], how="left", maintain_order="left")
        .with_columns(
            value=pl.when("is_restated").then("restated_value").otherwise("order_value"),
            own_currency=pl.coalesce("currency", "contract_currency"),
            utc_on=pl.col("event_time").dt.date(),
            billing_date=pl.col("local_on") + pl.duration(days="validation_days"),
        )
    )
    in_contract_currency = converted(
        valued, rates, value="value", source="own_currency", target="contract_currency", on="utc_on"
    )
    valued = valued.with_columns(contract_value=in_contract_currency)
    bought_at = _earlier_purchases(valued, household_conversions, terms)
    failing = failing_rule(valued.with_columns(earlier_purchase_at=bought_at), terms)
    return valued.with_columns(failing.alias("reason")).with_columns(
        status=_status(), reason=pl.when(_status() == "ineligible").then("reason")
    )


def _claimed(rows: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """``contract_id``, ``version`` and ``local_on`` of each row; null where no contract has a cpa term for it."""
    offered = (
        terms.terms.filter(pl.col("side") == "advertiser", pl.col("model") == "cpa")
        .select("contract_id", "version", "party_id", "timezone", "event", "first_on", "last_on")
        .unique()
    )
    numbered = rows.select("advertiser_id", "event", "event_time").with_row_index("place")
    claims = (
        numbered.join(offered, left_on=["advertiser_id", "event"], right_on=["party_id", "event"])
        .with_columns(local_on=local_date(pl.col("event_time"), pl.col("timezone"), offered["timezone"].unique()))
        .filter(pl.col("local_on").is_between("first_on", "last_on"))
        .filter(pl.col("contract_id") == pl.col("contract_id").min().over("place"))
        .select("place", "contract_id", "version", "local_on")
        .unique("place")
    )
    return numbered.join(claims, on="place", how="left", maintain_order="left").select("contract_id", "version", "local_on")


def _earlier_purchases(valued: pl.DataFrame, household_conversions: pl.LazyFrame, terms: TermFrames) -> pl.Series:
    """When the household of each row converted last before it; null where it did not, or where no contract asks.

    What is reversed or a duplicate order, under the contract in force at its own time, does not count.
    """
    asked = valued.filter(pl.col("repeat_household_days").is_not_null()).select(_HOUSEHOLD).unique()
    if asked.is_empty():
        return pl.repeat(None, valued.height, dtype=INSTANT, eager=True)
    known = household_conversions.join(asked.lazy(), on=_HOUSEHOLD, how="semi").collect()
    dedup = terms.contracts.select("contract_id", "version", "order_dedup_days")
    counts = ~pl.col("is_reversed") & ~_repeats_order().fill_null(value=False)
    earlier = (
        known.hstack(_claimed(known, terms))
        .join(dedup, on=["contract_id", "version"], how="left")
        .sort(*_HOUSEHOLD, "event_time", "conversion_id")
        .select("delivery_day", *EVENT, earlier_purchase_at=last_before(pl.when(counts).then("event_time"), _HOUSEHOLD))
    )
    key = ["delivery_day", *EVENT]
    return valued.select(key).join(earlier, on=key, how="left", maintain_order="left")["earlier_purchase_at"]


def _repeats_order() -> pl.Expr:
    return pl.col("event_time") - pl.col("earlier_order_at") <= pl.duration(days="order_dedup_days")


def _status() -> pl.Expr:
    """The first status of spec 6.1 that applies without a touch; the order of the branches is the rule."""
    return (
        pl.when(pl.col("contract_id").is_null())
        .then(pl.lit("no_contract"))
        .when(_repeats_order())
        .then(pl.lit("duplicate_order"))
        .when("is_reversed")
        .then(pl.lit("reversed"))
        .when(pl.col("value").is_not_null() & pl.col("contract_value").is_null())
        .then(pl.lit("no_fx_rate"))
        .when(pl.col("reason").is_not_null())
        .then(pl.lit("ineligible"))
        .when(pl.col("household_id").is_null())
        .then(pl.lit("no_household"))
    )
