"""Which billed impressions lie beyond an impression cap (spec 5.1).

A cap is crossed by billing date; where it cuts a group, the units that stay are those of the earliest delivery days, so that
each delivery day's outcomes add up to its accepted impressions.

    a group of 5 and 4 impressions on two delivery days, 6 of them kept -> billed 5 and 1, over_cap 3 on the second
"""

from __future__ import annotations

import polars as pl

from pipelines.flights import GROUP
from pipelines.limits import OVER_CAP

_DELIVERED = ["term", "delivery_day", "line_item_id", "partner_id"]


def told_apart(billed: pl.DataFrame, stepped: pl.DataFrame) -> list[pl.DataFrame]:
    """``billed`` with its ``outcome``, ``billed`` or ``over_cap``, and ``impressions``, not added up, in frames.

    ``billed``: rows of GROUP with ``delivery_day`` and ``units``; ``stepped``: the same groups by ``step``, OVER_CAP among
    them, with ``units`` of ``group_units``. The frames have ``term``, ``delivery_day``, ``line_item_id``, ``partner_id``.
    """
    over = stepped.filter(pl.col("step") == OVER_CAP).select(*GROUP, "group_units", over="units")
    capped = pl.col("term").is_in(over["term"].unique().implode())
    rows = billed.filter(capped).join(over, on=GROUP, how="left").with_columns(pl.col("over").fill_null(0))
    cut = (pl.col("over") > 0) & (pl.col("over") < pl.col("group_units"))
    before = pl.col("units").cum_sum().over(GROUP, order_by="delivery_day") - pl.col("units")
    stays = (pl.col("group_units") - pl.col("over") - before).clip(0, pl.col("units"))
    parts = [
        rows.filter(pl.col("over") == 0).with_columns(stays="units"),
        rows.filter(pl.col("over") == pl.col("group_units")).with_columns(stays=pl.lit(0, pl.Int64)),
        rows.filter(cut).with_columns(stays=stays),
    ]
    return [
        _with_outcome(billed.filter(~capped), "billed", pl.col("units")),
        *(_with_outcome(part, "billed", pl.col("stays")) for part in parts),
        *(_with_outcome(part, "over_cap", pl.col("units") - pl.col("stays")) for part in parts),
    ]


def _with_outcome(rows: pl.DataFrame, outcome: str, impressions: pl.Expr) -> pl.DataFrame:
    told = rows.select(*_DELIVERED, outcome=pl.lit(outcome), impressions=impressions)
    return told.filter(pl.col("impressions") > 0)
