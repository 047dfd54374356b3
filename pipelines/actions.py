"""CPA: what an attributed conversion costs the advertiser and earns the partners whose touches won it (spec 6.5).

A conversion is a unit of each term that holds some of its credit. Its fee is a flat amount, or its value times a rate,
rounded to 9 places and held between minimum and maximum; the accrual is the fee times the credit.

    8 % of 100.00 USD = 8.00, at least 1.00, at most 5.00 -> 5.00; half the credit -> 2.500000000

Partners are paid by their own contract, in its currency and on its own dates, and only on conversions that were charged.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from contracts_io.calendar import Month, local_date
from contracts_io.frames import TABLES
from contracts_io.money import MICRO, NANO, divide_half_up_expr, from_micros, from_nanos, nanos
from contracts_io.terms import TermFrames
from pipelines.attribution import WHOLE_CREDIT
from pipelines.exchange import converted
from pipelines.media import matches_filters

_CONVERSION = ["conversion_id", "delivery_day"]
_PRICE = ["event", "fee_type", "fee_amount_micros", "fee_rate_micros", "fee_minimum_micros", "fee_maximum_micros"]
_NANOS_PER_MICRO = NANO // MICRO


class RatedActions(NamedTuple):
    """The action rows of a month's table ``accruals``, and what could not be priced for want of an exchange rate.

    ``missing_rates`` has columns ``date``, ``base``, ``quote``, ``contract_id``; a month with any cannot be closed.
    """

    accruals: pl.DataFrame
    missing_rates: pl.DataFrame


def rate_actions(
    attributions: pl.LazyFrame, credits: pl.LazyFrame, terms: TermFrames, rates: pl.DataFrame, month: Month
) -> RatedActions:
    """Price the attributed conversions whose billing date, each side's own, lies in ``month``.

    ``attributions`` and ``credits`` are those tables, of every delivery day that can hold such conversions.
    """
    won = (
        credits.join(
            attributions.filter(pl.col("status") == "attributed").rename({"contract_id": "charged_contract_id"}),
            on=_CONVERSION,
        )
        .collect(engine="streaming")
        .rename({"version": "charged_version"})
    )
    advertiser = _advertiser_units(won, terms)
    partner = _partner_units(won, terms, rates)
    missing = partner.filter(pl.col("fee_type") == "percent", pl.col("value").is_not_null() & pl.col("unit_value").is_null())
    priced = pl.concat(
        [advertiser, partner.join(missing, on=[*_CONVERSION, "contract_id", "term_id"], how="anti")], how="diagonal"
    )
    due = priced.filter(pl.col("billing_date").is_between(month.first, month.last))
    return RatedActions(
        _accruals(due),
        missing.filter(pl.col("billing_date").is_between(month.first, month.last))
        .select(
            pl.col("event_time").dt.date().alias("date"),
            pl.col("currency").alias("base"),
            pl.col("unit_currency").alias("quote"),
            "contract_id",
        )
        .unique()
        .sort("date", "base", "quote", "contract_id"),
    )


def _advertiser_units(won: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """One row per conversion and charged term, with its credit there and its value in the contract's currency."""
    prices = terms.terms.filter(pl.col("side") == "advertiser").select("contract_id", "version", "term_id", *_PRICE).unique()
    return (
        won.rename({"charged_contract_id": "contract_id", "charged_version": "version"})
        .group_by(*_CONVERSION, "contract_id", "version", "term_id", maintain_order=True)
        .agg(
            pl.col("credit").sum(), pl.col("billing_date", "event_time").first(), unit_value=pl.col("contract_value").first()
        )
        .join(prices, on=["contract_id", "version", "term_id"])
        .with_columns(pl.lit("advertiser").alias("side"))
    )


def _partner_units(won: pl.DataFrame, terms: TermFrames, rates: pl.DataFrame) -> pl.DataFrame:
    """One row per charged conversion and partner term, with its credit there and its value in the partner's currency."""
    offered = (
        terms.terms.filter(pl.col("side") == "partner", pl.col("model") == "cpa")
        .rename({"party_id": "partner_id", "currency": "unit_currency"})
        .join(
            terms.contracts.filter(pl.col("side") == "partner").select("contract_id", "version", "validation_days"),
            on=["contract_id", "version"],
        )
    )
    offers = won.drop("term_id", "billing_date").join(offered, on=["partner_id", "event"]).filter(matches_filters())
    touch = [*_CONVERSION, "touch_kind", "touch_id"]
    units = (
        offers.with_columns(local_on=local_date(pl.col("event_time"), pl.col("timezone"), offers["timezone"].unique()))
        .filter(pl.col("local_on").is_between("first_on", "last_on"))
        .sort("contract_id", "position")
        .unique(touch, keep="first", maintain_order=True)
        .group_by(*_CONVERSION, "contract_id", "version", "term_id", "charged_contract_id", maintain_order=True)
        .agg(
            pl.col("credit").sum(),
            (pl.col("local_on") + pl.duration(days="validation_days")).first().alias("billing_date"),
            pl.col("partner_id", "event_time", "value", "currency", "unit_currency", *_PRICE).first(),
        )
        .with_columns(pl.lit("partner").alias("side"), pl.col("event_time").dt.date().alias("utc_on"))
    )
    in_partner_currency = converted(units, rates, value="value", source="currency", target="unit_currency", on="utc_on")
    return units.with_columns(unit_value=in_partner_currency)


def _accruals(units: pl.DataFrame) -> pl.DataFrame:
    minimum = pl.coalesce(pl.col("fee_minimum_micros").cast(pl.Int128), 0) * _NANOS_PER_MICRO
    maximum = pl.col("fee_maximum_micros").cast(pl.Int128) * _NANOS_PER_MICRO
    share = divide_half_up_expr(nanos("unit_value").fill_null(0) * pl.col("fee_rate_micros"), MICRO)
    held = pl.min_horizontal(pl.max_horizontal(share, minimum), maximum)
    flat = pl.col("fee_amount_micros").cast(pl.Int128) * _NANOS_PER_MICRO
    fee = pl.when(pl.col("fee_type") == "flat").then(flat).otherwise(held)
    keys = [
        *("side", "billing_date", "contract_id", "version", "term_id", "partner_id", "event"),
        *("advertiser_contract_id", "rate", "rate_kind"),
    ]
    return (
        units.with_columns(
            accrual=divide_half_up_expr(fee * pl.col("credit"), WHOLE_CREDIT),
            rate=from_micros(pl.coalesce("fee_amount_micros", "fee_rate_micros")),
            rate_kind=pl.col("fee_type"),
            advertiser_contract_id=pl.col("charged_contract_id"),
        )
        .group_by(keys)
        .agg(units=pl.len().cast(pl.Int64), amount=from_nanos(pl.col("accrual").sum()))
        .sort(keys)
        .with_columns(pl.lit("action").alias("kind"), pl.lit(None, pl.String).alias("line_item_id"))
        .select(TABLES["accruals"].columns)
    )
