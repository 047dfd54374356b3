"""Statuses and credit: which touch earned a conversion, and why a conversion earned nothing (spec 6.1 to 6.3).

Every accepted conversion gets exactly one status, the first that applies (``judge``). Touches are looked up only for those
that nothing else has settled (``candidate_touches``), in as many parts as they come in, and share the credit (``attribute``);
``looked_at`` looks for one conversion, whatever its status, and says of every touch why it counts or not.

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
from pipelines.candidates import TOUCH_ORDER, all_touches, asked, candidates, goes_after_clicks
from pipelines.credit import WHOLE_CREDIT, credited
from pipelines.statuses import judged

__all__ = [
    "WHOLE_CREDIT",
    "Attributed",
    "ConversionDay",
    "attribute",
    "candidate_touches",
    "judge",
    "looked_at",
    "looked_for",
]

_OPEN = pl.col("status").is_null()


class ConversionDay(NamedTuple):
    """What the conversions of a delivery day, or of several, are judged by.

    ``conversions``, ``states`` and ``household_conversions`` are these tables of the day, or of several days with
    ``delivery_day``, the first two row by row the same; ``rates`` is table ``fx_rates``.
    """

    conversions: pl.LazyFrame
    states: pl.LazyFrame
    household_conversions: pl.LazyFrame
    terms: TermFrames
    rates: pl.DataFrame


class Attributed(NamedTuple):
    """Tables ``attributions`` and ``attribution_credits`` of some delivery days, one after the other."""

    attributions: pl.DataFrame
    credits: pl.DataFrame


def judge(given: ConversionDay) -> pl.DataFrame:
    """The conversions, numbered by ``conversion``, with ``delivery_day``, as ``statuses.judged`` leaves them."""
    return judged(_numbered(given), _by_day(given.household_conversions), given.terms, given.rates)


def candidate_touches(
    conversions: pl.DataFrame, touches: pl.LazyFrame, terms: TermFrames, *, in_grace: bool
) -> pl.DataFrame:
    """Table ``attribution_candidates`` of the ``conversions``, as far as ``touches`` hold any.

    ``conversions`` are those of ``judge``, by the same ``terms``; ``touches`` is the table as it is kept, ids packed, and
    ``in_grace`` what is to be told of them. The candidates among two tables of touches are those among the one and those
    among the other.
    """
    found = candidates(conversions.filter(_OPEN), touches, terms).sort(TOUCH_ORDER)
    ids = conversions.select("conversion", "conversion_id", "delivery_day")
    named = found.join(ids, on="conversion", maintain_order="left").with_columns(pl.lit(in_grace).alias("in_grace"))
    return named.select(TABLES["attribution_candidates"].columns)


def looked_for(conversions: pl.DataFrame, terms: TermFrames) -> list[pl.DataFrame]:
    """Frames that are the same where ``candidate_touches`` finds the same among the same touches; the arguments are its.

    So what it found stays true under a contract whose price alone is another one. Each frame has ``delivery_day`` first, and
    of a day its rows are the same with or without conversions of other days.
    """
    return asked(conversions.filter(_OPEN), terms)


def attribute(conversions: pl.DataFrame, found: pl.DataFrame) -> Attributed:
    """Credit accepted conversions.

    ``conversions`` are those of ``judge``; ``found`` is all that ``candidate_touches`` finds, in any order, among the
    touches delivered no later than ``grace_days`` after each one's day. A touch that counts and gets nothing has no row among
    the credits.
    """
    unsettled = conversions.filter(_OPEN)
    key = ["delivery_day", "conversion_id"]
    counting = found.join(unsettled.select("conversion", *key, "click_over_view"), on=key)
    credits = credited(counting.filter(~goes_after_clicks(pl.lit(value=True))), unsettled)
    in_order = credits.sort(TOUCH_ORDER).select(TABLES["attribution_credits"].columns)
    return Attributed(_attributions(conversions, credits), in_order)


def looked_at(conversion_id: str, given: ConversionDay, touches: pl.LazyFrame) -> pl.DataFrame:
    """Every touch that attribution finds for one conversion within the contract's longest lookback, in time, and its part.

    ``touches``: as of ``candidate_touches``, up to the end of the days of grace. Columns: touch_id, touch_kind, touch_time,
    partner_id, line_item_id, term_id (null: no cpa term for the event claims the line item), counts, why (the first reason
    why it does not count), credit (0 where it has none; all 0 where the conversion is not ``attributed``). No rows without
    contract or household.
    """
    one = _numbered(given).filter(pl.col("conversion_id") == conversion_id)
    rows = judged(one, _by_day(given.household_conversions), given.terms, given.rates)
    found = all_touches(rows.filter(pl.col("contract_id").is_not_null()), touches, given.terms)
    unsettled = rows.filter(_OPEN)
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


def _numbered(given: ConversionDay) -> pl.DataFrame:
    states = given.states.drop("conversion_id", "delivery_day", strict=False)
    return pl.concat([_by_day(given.conversions), states], how="horizontal").collect().with_row_index("conversion")


def _by_day(rows: pl.LazyFrame) -> pl.LazyFrame:
    """The rows with ``delivery_day``; where they have none they are of one day, and any will do."""
    return rows if "delivery_day" in rows.collect_schema() else rows.with_columns(delivery_day=pl.lit(date.min))


def _attributions(rows: pl.DataFrame, credits: pl.DataFrame) -> pl.DataFrame:
    has_touch = pl.col("conversion").is_in(credits["conversion"].unique().implode())
    by_touches = pl.when(has_touch).then(pl.lit("attributed")).otherwise(pl.lit("unattributed"))
    return rows.select(
        "conversion_id",
        "delivery_day",
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
