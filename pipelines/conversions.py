"""What is known of a conversion whatever its contract: reversed, restated, an order that came before.

The latest adjustment of a conversion, by ``adjusted_at`` and then ``adjustment_id``, decides (spec 6.1). An earlier order is
the latest conversion of the same advertiser, event and order that is earlier by (``event_time``, ``conversion_id``) and not
reversed; whether it lies near enough to make the later one a duplicate is the contract's to say (``order_dedup_days``), and
the nearest one answers that for all of them.

    order o-1 at 10:00 (a), 11:00 (b, reversed), 12:00 (c): the earlier order of b and of c is a
"""

from __future__ import annotations

import polars as pl

from contracts_io.frames import TABLES

ORDER_KEY = ["advertiser_id", "event", "order_id"]


def conversion_states(conversions: pl.LazyFrame, peers: pl.LazyFrame, adjustments: pl.LazyFrame) -> pl.LazyFrame:
    """The states of a day's ``conversions``, in their order, as table ``conversion_states``.

    ``peers`` holds at least every conversion of any day that shares an order with one of the day's (the day's own among
    them), ``adjustments`` at least every accepted adjustment of any of them.
    """
    latest = (
        adjustments.sort("adjusted_at", "adjustment_id")
        .unique("conversion_id", keep="last", maintain_order=True)
        .select(
            "conversion_id",
            is_reversed=pl.col("action") == "reverse",
            is_restated=pl.col("action") == "restate",
            restated_value=pl.when(pl.col("action") == "restate").then("order_value"),
        )
    )
    counts_as_earlier = ~pl.col("is_reversed").fill_null(value=False)
    earlier = (
        peers.filter(pl.col("order_id").is_not_null())
        .select("conversion_id", "event_time", *ORDER_KEY)
        .join(latest.select("conversion_id", "is_reversed"), on="conversion_id", how="left")
        .sort(*ORDER_KEY, "event_time", "conversion_id")
        .select(
            "conversion_id",
            "event_time",
            *ORDER_KEY,
            earlier_order_at=_last_before(pl.when(counts_as_earlier).then("event_time")),
            earlier_order_id=_last_before(pl.when(counts_as_earlier).then("conversion_id")),
        )
    )
    return (
        conversions.join(latest, on="conversion_id", how="left", maintain_order="left")
        .join(earlier, on=["conversion_id", "event_time", *ORDER_KEY], how="left", maintain_order="left")
        .with_columns(pl.col("is_reversed", "is_restated").fill_null(value=False))
        .select(TABLES["conversion_states"].columns)
    )


def _last_before(expr: pl.Expr) -> pl.Expr:
    return expr.shift(1).forward_fill().over(ORDER_KEY)
