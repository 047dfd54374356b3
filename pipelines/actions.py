"""CPA: what an attributed conversion costs the advertiser and earns the partners whose touches won it (spec 6.5).

A conversion is a unit of each term that holds some of its credit. Per term and billing month, in all versions, the units are
placed by (event time, conversion id); one is charged while fewer than its version's monthly cap were charged before it. The
place among the charged units, or under volume tiers their number, says the step; the step says the fee: a flat amount, or
the value times a rate, rounded to 9 places and held between minimum and maximum; the accrual is the fee times the credit.

    8 % of 100.00 USD = 8.00, at least 1.00, at most 5.00 -> 5.00; half the credit -> 2.500000000

Partners are paid by their own contract, in its currency and on its own dates, and only on credit that was charged.
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
_PRICED_BY = ["contract_id", "version", "term_id"]
_TERM_MONTH = ["contract_id", "term_id", "billing_month"]
_NANOS_PER_MICRO = NANO // MICRO
_NO_LAST_UNIT = 2**63 - 1


class RatedActions(NamedTuple):
    """What a month's conversions come to.

    ``units``: table ``action_units``; a unit whose value lacks an exchange rate has its place and step, but no fee.
    ``accruals``: the action rows of table ``accruals``. ``missing_rates``: the conversions' part of that table.
    ``charged``: per conversion that a partner has a unit of, ``conversion_id``, ``delivery_day``, ``contract_id`` (the
    advertiser's) and ``credit``, all that was charged of it in whatever month; both sides tie by it.
    """

    units: pl.DataFrame
    accruals: pl.DataFrame
    missing_rates: pl.DataFrame
    charged: pl.DataFrame


def rate_actions(
    attributions: pl.LazyFrame, credits: pl.LazyFrame, terms: TermFrames, rates: pl.DataFrame, month: Month
) -> RatedActions:
    """Price the attributed conversions whose billing date, each side's own, lies in ``month``.

    ``attributions`` and ``credits`` are those tables, of every delivery day that can hold such conversions, or others that
    come before one of them under the monthly cap of its advertiser term. ``rates`` is table ``fx_rates``.
    """
    won = _won(attributions, credits)
    if won.is_empty():
        units, accruals, missing = (TABLES[table].empty() for table in ("action_units", "accruals", "missing_rates"))
        return RatedActions(units, accruals, missing, units.select(*_CONVERSION, "contract_id", "credit"))
    advertiser = _placed(_advertiser_units(won), terms)
    charged = advertiser.filter(pl.col("position").is_not_null())
    partner = _placed(_partner_units(won, charged, terms, rates, month), terms)
    due = pl.concat([advertiser.filter(_in(month)), partner], how="diagonal")  # of one month: by side, then as placed
    units = _priced(due, terms.steps)
    return RatedActions(
        units.select(TABLES["action_units"].columns),
        _accruals(units),
        _missing_rates(units),
        _charged_of(partner, charged),
    )


def _in(month: Month) -> pl.Expr:
    return pl.col("billing_date").is_between(month.first, month.last)


def _won(attributions: pl.LazyFrame, credits: pl.LazyFrame) -> pl.DataFrame:
    """One row per touch that holds some credit of an attributed conversion, with what prices the conversion."""
    attributed = attributions.filter(pl.col("status") == "attributed").select(
        *_CONVERSION,
        "event_time",
        "advertiser_id",
        "event",
        "contract_id",
        "version",
        "billing_date",
        "currency",
        "value",
        "contract_value",
    )
    touches = credits.filter(pl.col("credit") > 0).select(
        *_CONVERSION, "touch_kind", "touch_id", "partner_id", "line_item_id", "term_id", "credit"
    )
    return touches.join(attributed, on=_CONVERSION).collect(engine="streaming")


def _advertiser_units(won: pl.DataFrame) -> pl.DataFrame:
    """One row per conversion and term, with its credit there and its value in the contract's currency."""
    return won.group_by(*_CONVERSION, *_PRICED_BY).agg(
        pl.lit("advertiser").alias("side"),
        pl.col("credit").sum(),
        pl.col("billing_date", "event_time", "event").first(),
        pl.col("contract_value").first().alias("value"),
    )


def _partner_units(
    won: pl.DataFrame, charged: pl.DataFrame, terms: TermFrames, rates: pl.DataFrame, month: Month
) -> pl.DataFrame:
    """One row per charged conversion and partner term billed in ``month``, with its credit there.

    ``value`` is in the partner's currency, null also where there is no rate; ``own_value`` is in its own ``currency``.
    """
    offered = _offered(terms)
    touches = (
        won.join(charged, on=[*_CONVERSION, *_PRICED_BY], how="semi")
        .drop("version", "term_id", "billing_date", "contract_value")
        .rename({"contract_id": "advertiser_contract_id", "value": "own_value"})
        .with_row_index("touch")
    )
    units = (
        touches.join(_first_offer(touches, offered), on="touch")
        .join(offered.drop("partner_id", "event"), on="offer")
        .with_columns(billing_date=_local_on(offered) + pl.duration(days="validation_days"))
        .filter(_in(month))
        .group_by(*_CONVERSION, *_PRICED_BY)
        .agg(
            pl.lit("partner").alias("side"),
            pl.col("credit").sum(),
            pl.col("billing_date", "event_time", "event", "partner_id", "advertiser_contract_id").first(),
            pl.col("own_value", "currency", "unit_currency").first(),
        )
        .with_columns(utc_on=pl.col("event_time").dt.date())
    )
    in_partner_currency = converted(units, rates, value="own_value", source="currency", target="unit_currency", on="utc_on")
    return units.with_columns(value=in_partner_currency)


def _offered(terms: TermFrames) -> pl.DataFrame:
    """The cpa terms of partners; the lower ``offer`` goes first: by contract id, then in document order."""
    validation = terms.contracts.filter(pl.col("side") == "partner").select("contract_id", "version", "validation_days")
    return (
        terms.terms.filter(pl.col("side") == "partner", pl.col("model") == "cpa")
        .join(validation, on=["contract_id", "version"])
        .rename({"party_id": "partner_id", "currency": "unit_currency"})
        .sort("contract_id", "position")
        .select(
            *("partner_id", "event", "contract_id", "version", "term_id", "unit_currency", "validation_days"),
            *("timezone", "line_items", "advertisers", "first_on", "last_on"),
        )
        .with_row_index("offer")
    )


def _first_offer(touches: pl.DataFrame, offered: pl.DataFrame) -> pl.DataFrame:
    """Columns ``touch`` and ``offer``, the first that is in force on the touch's local date and takes it."""
    rules = offered.lazy().select(
        *("offer", "partner_id", "event", "timezone", "line_items", "advertisers", "first_on", "last_on")
    )
    return (
        touches.lazy()
        .select("touch", "partner_id", "event", "line_item_id", "advertiser_id", "event_time")
        .join(rules, on=["partner_id", "event"])
        .filter(matches_filters(), _local_on(offered).is_between("first_on", "last_on"))
        .group_by("touch")
        .agg(pl.col("offer").min())
        .collect(engine="streaming")
    )


def _local_on(offered: pl.DataFrame) -> pl.Expr:
    return local_date(pl.col("event_time"), pl.col("timezone"), offered["timezone"].unique())


def _placed(units: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """Add ``position`` among the charged units of the term's month, null over the cap, and ``reached``, which says the step.

    A run is a row of units of one version in the order of the month: of each the first ones are charged, up to the cap.
    """
    in_order = (
        units.join(terms.terms.select(*_PRICED_BY, "monthly_cap", "tier_mode"), on=_PRICED_BY)
        .with_columns(billing_month=pl.col("billing_date").dt.truncate("1mo"))
        .sort(*_TERM_MONTH, "event_time", "conversion_id", "delivery_day", "version")  # touches of one can be of two
        .with_columns(run=pl.struct(*_TERM_MONTH, "version").rle_id())
        .with_columns(place_in_run=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("run"))
    )
    position = pl.col("charged_before") + pl.col("place_in_run")
    return (
        in_order.join(_charged_of_runs(in_order), on="run", how="left", maintain_order="left")
        .with_columns(position=pl.when(pl.col("place_in_run") <= pl.col("charged_here")).then(position))
        .with_columns(
            reached=pl.when(pl.col("tier_mode") == "volume")
            .then(pl.col("position").count().cast(pl.Int64).over(_TERM_MONTH))
            .otherwise("position")
        )
        .drop("billing_month", "run", "place_in_run", "charged_before", "charged_here", "monthly_cap", "tier_mode")
    )


def _charged_of_runs(in_order: pl.DataFrame) -> pl.DataFrame:
    """How many units of each ``run`` are charged, and how many of its term's month were before it."""
    runs = in_order.group_by("run", maintain_order=True).agg(
        pl.struct(_TERM_MONTH).first().alias("term_month"), pl.col("monthly_cap").first(), pl.len()
    )
    before, here = [], []
    so_far, previous = 0, None
    for _, term_month, cap, count in runs.iter_rows():
        so_far = so_far if term_month == previous else 0
        charged = count if cap is None else max(0, min(count, cap - so_far))
        before.append(so_far)
        here.append(charged)
        so_far, previous = so_far + charged, term_month
    return runs.select("run", charged_before=pl.Series(before, dtype=pl.Int64), charged_here=pl.Series(here, dtype=pl.Int64))


def _priced(placed: pl.DataFrame, steps: pl.DataFrame) -> pl.DataFrame:
    """Add step, rate, fee and amount to charged units; all null over the cap, the last two also where a rate is missing.

    They stay in their order.
    """
    placed = placed.with_row_index("place")
    is_charged = pl.col("position").is_not_null()
    by_last_unit = steps.with_columns(pl.col("up_to").fill_null(_NO_LAST_UNIT)).sort("up_to")
    charged = (
        placed.filter(is_charged)
        .sort("reached")
        .join_asof(
            by_last_unit,
            left_on="reached",
            right_on="up_to",
            by=_PRICED_BY,
            strategy="forward",
            check_sortedness=False,
        )
    )
    is_percent = pl.col("fee_type") == "percent"
    lacks_rate = is_percent & pl.col("own_value").is_not_null() & pl.col("value").is_null()
    fee = pl.when(~pl.col("lacks_rate")).then(_fee())
    return (
        pl.concat([charged, placed.filter(~is_charged)], how="diagonal")
        .with_columns(lacks_rate=lacks_rate)
        .with_columns(
            fee=from_nanos(fee),
            amount=from_nanos(divide_half_up_expr(fee * pl.col("credit"), WHOLE_CREDIT)),
            rate=from_micros(pl.coalesce("fee_amount_micros", "fee_rate_micros")),
            rate_kind=pl.col("fee_type"),
        )
        .sort("place")
    )


def _fee() -> pl.Expr:
    """The fee of the whole conversion in nanos; null where there is no price."""
    minimum = pl.coalesce(pl.col("fee_minimum_micros").cast(pl.Int128), 0) * _NANOS_PER_MICRO
    maximum = pl.col("fee_maximum_micros").cast(pl.Int128) * _NANOS_PER_MICRO
    share = divide_half_up_expr(nanos("value").fill_null(0) * pl.col("fee_rate_micros"), MICRO)
    held = pl.min_horizontal(pl.max_horizontal(share, minimum), maximum)
    flat = pl.col("fee_amount_micros").cast(pl.Int128) * _NANOS_PER_MICRO
    return pl.when(pl.col("fee_type") == "flat").then(flat).when(pl.col("fee_type") == "percent").then(held)


def _accruals(units: pl.DataFrame) -> pl.DataFrame:
    keys = [
        *("side", "billing_date", "contract_id", "version", "term_id", "partner_id", "event"),
        *("advertiser_contract_id", "step", "rate", "rate_kind"),
    ]
    return (
        units.filter(pl.col("amount").is_not_null())
        .group_by(keys)
        .agg(units=pl.len().cast(pl.Int64), amount=from_nanos(nanos("amount").sum()))
        .sort(keys)
        .with_columns(
            pl.lit("action").alias("kind"), pl.lit(None, pl.String).alias("line_item_id"), pl.col("amount").alias("uncapped")
        )
        .select(TABLES["accruals"].columns)
    )


def _missing_rates(units: pl.DataFrame) -> pl.DataFrame:
    return (
        units.filter("lacks_rate")
        .select(
            pl.col("event_time").dt.date().alias("date"),
            pl.col("currency").alias("base"),
            pl.col("unit_currency").alias("quote"),
            "contract_id",
        )
        .unique()
        .sort("date", "base", "quote", "contract_id")
    )


def _charged_of(partner: pl.DataFrame, charged: pl.DataFrame) -> pl.DataFrame:
    """What was charged of each conversion in ``partner``, whatever its term and month."""
    return (
        charged.join(partner, on=_CONVERSION, how="semi")
        .group_by(*_CONVERSION, "contract_id")
        .agg(pl.col("credit").sum())
        .sort(*_CONVERSION, "contract_id")
    )
