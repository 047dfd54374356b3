"""What is known of a conversion whatever its contract: reversed, restated, what came before it.

The latest adjustment of a conversion, by ``adjusted_at`` and then ``adjustment_id``, decides (spec 6.1). An earlier order is
the latest conversion of the same advertiser, event and order that is earlier by (``event_time``, ``conversion_id``) and not
reversed; whether it lies near enough to make the later one a duplicate is the contract's to say (``order_dedup_days``), and
the nearest one answers that for all of them.

    order o-1 at 10:00 (a), 11:00 (b, reversed), 12:00 (c): the earlier order of b and of c is a

What a household bought before is listed and not yet judged: which of the earlier ones are duplicate orders, and so no
repeats, is each one's own contract's to say.
"""

from __future__ import annotations

import polars as pl

from contracts_io.frames import TABLES

ORDER_KEY = ["advertiser_id", "event", "order_id"]
HOUSEHOLD_KEY = ["advertiser_id", "event", "household_id"]
EVENT = ["conversion_id", "event_time"]
"""What tells conversions of all days apart: an id alone may come again once its days are over (spec 3.4)."""


def conversion_states(conversions: pl.LazyFrame, peers: pl.LazyFrame, adjustments: pl.LazyFrame) -> pl.LazyFrame:
    """The states of a day's ``conversions``, in their order, as table ``conversion_states``.

    ``peers`` holds at least every conversion of any day that shares an order with one of the day's (the day's own among
    them), ``adjustments`` at least every accepted adjustment of any of them.
    """
    latest = _latest(adjustments)
    earlier = _earlier_orders(peers, latest)
    return (
        conversions.join(latest, on="conversion_id", how="left", maintain_order="left")
        .join(earlier, on=EVENT, how="left", maintain_order="left")
        .with_columns(pl.col("is_reversed", "is_restated").fill_null(value=False))
        .select(TABLES["conversion_states"].columns)
    )


def household_conversions(conversions: pl.LazyFrame, peers: pl.LazyFrame, adjustments: pl.LazyFrame) -> pl.LazyFrame:
    """What the households of a day's ``conversions`` did before and on that day, as table ``household_conversions``.

    For each advertiser, event and known household of the day: the conversions of any day that are not later, by
    (``event_time``, ``conversion_id``), than the latest of the day's own, in that order; none where there is only one.
    ``peers`` holds at least every conversion of any day that shares advertiser, event and household with one of the day's,
    and every one that shares an order with any of these; ``adjustments`` at least every accepted adjustment of all of them.
    """
    latest = _latest(adjustments).select("conversion_id", "is_reversed")
    days_last = (
        conversions.filter(pl.col("household_id").is_not_null())
        .sort("event_time", "conversion_id")
        .group_by(HOUSEHOLD_KEY)
        .agg(pl.col("event_time").last().alias("last_at"), pl.col("conversion_id").last().alias("last_id"))
    )
    is_before = pl.col("event_time") < pl.col("last_at")
    is_with = (pl.col("event_time") == pl.col("last_at")) & (pl.col("conversion_id") <= pl.col("last_id"))
    kin = peers.join(days_last, on=HOUSEHOLD_KEY).filter(is_before | is_with).filter(pl.len().over(HOUSEHOLD_KEY) > 1)
    same_order = peers.join(kin.select(ORDER_KEY).unique(), on=ORDER_KEY, how="semi")
    return (
        kin.join(latest, on="conversion_id", how="left")
        .join(_earlier_orders(same_order, latest), on=EVENT, how="left")
        .with_columns(pl.col("is_reversed").fill_null(value=False))
        .sort(*HOUSEHOLD_KEY, "event_time", "conversion_id")
        .select(TABLES["household_conversions"].columns)
    )


def last_before(expr: pl.Expr, key: list[str]) -> pl.Expr:
    """The last value of ``expr`` that is not null, of the rows before each one of the same ``key``."""
    return expr.shift(1).forward_fill().over(key)


def _latest(adjustments: pl.LazyFrame) -> pl.LazyFrame:
    return (
        adjustments.sort("adjusted_at", "adjustment_id")
        .unique("conversion_id", keep="last", maintain_order=True)
        .select(
            "conversion_id",
            is_reversed=pl.col("action") == "reverse",
            is_restated=pl.col("action") == "restate",
            restated_value=pl.when(pl.col("action") == "restate").then("order_value"),
        )
    )


def _earlier_orders(peers: pl.LazyFrame, latest: pl.LazyFrame) -> pl.LazyFrame:
    counts_as_earlier = ~pl.col("is_reversed").fill_null(value=False)
    return (
        peers.filter(pl.col("order_id").is_not_null())
        .select(*EVENT, *ORDER_KEY)
        .join(latest.select("conversion_id", "is_reversed"), on="conversion_id", how="left")
        .sort(*ORDER_KEY, "event_time", "conversion_id")
        .select(
            *EVENT,
            earlier_order_at=last_before(pl.when(counts_as_earlier).then("event_time"), ORDER_KEY),
            earlier_order_id=last_before(pl.when(counts_as_earlier).then("conversion_id"), ORDER_KEY),
        )
    )
