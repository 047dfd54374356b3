"""Statuses and credit: which touch earned a conversion, and why a conversion earned nothing (spec 6.1 to 6.3).

Every accepted conversion gets exactly one status, the first that applies. Touches are looked up only for those that nothing
else has settled; ``looked_at`` looks for one conversion, whatever its status, and says of every touch why it counts or not.

    a view at 09:00 and a click at 10:00 of the same household, a purchase at 11:00, last touch, click over view: the click has
    all 1,000,000 millionths; without the click, the view has them

What does not belong here: fees (``actions``), and what is known of a conversion without a contract (``conversions``).
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

import polars as pl

from contracts_io.frames import TABLES
from contracts_io.terms import TermFrames
from pipelines.candidates import TOUCH_ORDER, all_touches, candidates
from pipelines.credit import WHOLE_CREDIT, credited
from pipelines.statuses import judged

__all__ = ["WHOLE_CREDIT", "Attributed", "attribute", "has_candidates", "looked_at"]


class Attributed(NamedTuple):
    """Tables ``attributions`` and ``attribution_credits`` of one delivery day."""

    attributions: pl.DataFrame
    credits: pl.DataFrame


def attribute(
    conversions: pl.LazyFrame,
    states: pl.LazyFrame,
    household_conversions: pl.LazyFrame,
    touches: pl.LazyFrame,
    terms: TermFrames,
    rates: pl.DataFrame,
    day: date,
) -> Attributed:
    """Judge and credit the accepted conversions of delivery ``day``.

    ``conversions``, ``states`` and ``household_conversions`` are that day's tables, the first two row by row the same;
    ``touches`` holds those delivered no later than ``grace_days`` after it that a lookback can reach; ``rates`` is table
    ``fx_rates``. A touch that counts and gets nothing has no row among the credits.
    """
    rows = judged(_numbered(conversions, states), household_conversions, terms, rates)
    unsettled = rows.filter(pl.col("status").is_null())
    credits = credited(candidates(unsettled, touches, terms), unsettled)
    return Attributed(_attributions(rows, credits, day), _credits(rows, credits, day))


def has_candidates(
    conversions: pl.LazyFrame,
    states: pl.LazyFrame,
    household_conversions: pl.LazyFrame,
    touches: pl.LazyFrame,
    terms: TermFrames,
    rates: pl.DataFrame,
) -> bool:
    """Whether any of ``touches`` could have earned a conversion; the arguments are those of ``attribute``.

    Where none could, touches that come to those of an earlier ``attribute`` change nothing of what it gave.
    """
    rows = judged(_numbered(conversions, states), household_conversions, terms, rates)
    return not candidates(rows.filter(pl.col("status").is_null()), touches, terms).is_empty()


def looked_at(
    conversion_id: str,
    conversions: pl.LazyFrame,
    states: pl.LazyFrame,
    household_conversions: pl.LazyFrame,
    touches: pl.LazyFrame,
    terms: TermFrames,
    rates: pl.DataFrame,
) -> pl.DataFrame:
    """Every touch that ``attribute`` finds for one conversion within the contract's longest lookback, in time, and its part.

    The other arguments are those of ``attribute``. Columns: touch_id, touch_kind, touch_time, partner_id, line_item_id,
    term_id (null: no cpa term for the event claims the line item), counts, why (the first reason why it does not count),
    credit (0 where it has none; all 0 where the conversion is not ``attributed``). No rows without contract or household.
    """
    rows = judged(
        _numbered(conversions, states).filter(pl.col("conversion_id") == conversion_id), household_conversions, terms, rates
    )
    found = all_touches(rows.filter(pl.col("contract_id").is_not_null()), touches, terms)
    unsettled = rows.filter(pl.col("status").is_null())
    counting = found.filter(pl.col("why").is_null()).join(unsettled, on="conversion", how="semi")
    shares = credited(counting, unsettled).select("conversion", "touch_kind", "touch_id", "credit")
    return (
        found.join(shares, on=["conversion", "touch_kind", "touch_id"], how="left")
        .sort(TOUCH_ORDER)
        .select(
            "touch_id",
            "touch_kind",
            "touch_time",
            "partner_id",
            "line_item_id",
            "term_id",
            pl.col("why").is_null().alias("counts"),
            "why",
            pl.col("credit").fill_null(0),
        )
    )


def _numbered(conversions: pl.LazyFrame, states: pl.LazyFrame) -> pl.DataFrame:
    return pl.concat([conversions, states.drop("conversion_id")], how="horizontal").collect().with_row_index("conversion")


def _attributions(rows: pl.DataFrame, credits: pl.DataFrame, day: date) -> pl.DataFrame:
    has_touch = pl.col("conversion").is_in(credits["conversion"].unique().implode())
    by_touches = pl.when(has_touch).then(pl.lit("attributed")).otherwise(pl.lit("unattributed"))
    return rows.select(
        "conversion_id",
        pl.lit(day).alias("delivery_day"),
        "event_time",
        "advertiser_id",
        "event",
        "contract_id",
        "version",
        pl.col("status").fill_null(by_touches),
        "reason",
        "billing_date",
        pl.col("attribution_model").alias("model"),
        pl.col("own_currency").alias("currency"),
        "value",
        "contract_value",
    ).select(TABLES["attributions"].columns)


def _credits(rows: pl.DataFrame, credits: pl.DataFrame, day: date) -> pl.DataFrame:
    return (
        credits.join(rows.select("conversion", "conversion_id"), on="conversion")
        .sort(TOUCH_ORDER)
        .with_columns(pl.lit(day).alias("delivery_day"))
        .select(TABLES["attribution_credits"].columns)
    )
