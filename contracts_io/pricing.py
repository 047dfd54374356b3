"""The price of a term as rows: its steps, and the factors on a cpm rate.

A flat price is one step without an end, so that whatever rates a term knows steps only. Prices are micros (1e-6) of the
contract's currency; factors are micros. What does not belong here: which step a unit falls in (``pipelines``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl

from contracts_io.contract import Cpa, Cpm, Dcpm, FlatFee, PercentFee, RevenueShare
from contracts_io.money import MICRO

Pricing = Cpm | Cpa | Dcpm | RevenueShare

_TERM = {"contract_id": pl.String(), "version": pl.Int32(), "term_id": pl.String()}
STEPS_SCHEMA = pl.Schema(
    {
        **_TERM,
        "step": pl.Int32(),
        "up_to": pl.Int64(),
        "rate_micros": pl.Int64(),
        "fee_type": pl.String(),
        "fee_amount_micros": pl.Int64(),
        "fee_rate_micros": pl.Int64(),
        "fee_minimum_micros": pl.Int64(),
        "fee_maximum_micros": pl.Int64(),
        "flat_fee_micros": pl.Int64(),
    }
)
"""``step`` counts from 1; ``up_to`` is the last unit of the step, null on the last one; ``rate_micros`` is the price of 1,000
impressions (cpm), the fee columns are of cpa; ``flat_fee_micros`` is 0 where there is none."""
FACTORS_SCHEMA = pl.Schema({**_TERM, "dimension": pl.String(), "value": pl.String(), "factor_micros": pl.Int64()})
"""``dimension`` is ``device_type`` or ``country``; a value that has no row counts 1."""

_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = 24


def step_rows(pricing: Pricing) -> Iterator[tuple[Any, ...]]:
    """The rows of STEPS_SCHEMA after its key columns; none for a model without steps."""
    if isinstance(pricing, Cpm) and pricing.tiers:
        for number, step in enumerate(pricing.tiers.steps, start=1):
            yield (number, step.up_to, step.rate, None, None, None, None, None, step.flat_fee or 0)
    elif isinstance(pricing, Cpm):
        yield (1, None, pricing.rate, None, None, None, None, None, 0)
    elif isinstance(pricing, Cpa) and pricing.tiers:
        for number, step in enumerate(pricing.tiers.steps, start=1):
            fee_type = "flat" if step.amount is not None else "percent"
            yield (number, step.up_to, None, fee_type, step.amount, step.rate, None, None, step.flat_fee or 0)
    elif isinstance(pricing, Cpa):
        yield (1, None, None, *_fee(pricing.fee), 0)


def _fee(fee: FlatFee | PercentFee | None) -> tuple[Any, ...]:
    if isinstance(fee, PercentFee):
        return (fee.type, None, fee.rate, fee.minimum, fee.maximum)
    return ("flat", fee.amount if fee else None, None, None, None)


def factor_rows(pricing: Pricing) -> Iterator[tuple[Any, ...]]:
    """The rows of FACTORS_SCHEMA after its key columns."""
    if isinstance(pricing, Cpm) and pricing.multipliers:
        for dimension in ("device_type", "country"):
            for value, factor in getattr(pricing.multipliers, dimension).items():
                yield (dimension, value, factor)


def hour_factors(pricing: Pricing) -> list[int] | None:
    """The daypart factor of each of the 168 local hours of a week, from Monday 00:00; None where there are no dayparts."""
    if not isinstance(pricing, Cpm) or not pricing.multipliers or not pricing.multipliers.daypart:
        return None
    factors = [MICRO] * (len(_WEEKDAYS) * _HOURS)
    for daypart in reversed(pricing.multipliers.daypart):  # of those that match, the first written counts
        for weekday in daypart.days:
            monday = _WEEKDAYS.index(weekday) * _HOURS
            for hour in range(daypart.from_hour, daypart.to_hour):
                factors[monday + hour] = daypart.factor
    return factors
