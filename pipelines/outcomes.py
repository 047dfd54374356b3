"""Which billed impressions lie beyond an impression cap (spec 5.1).

A cap is crossed by billing date; where it cuts a group, the units that stay are those of the earliest delivery days, so that
each delivery day's outcomes add up to its accepted impressions.

    a group of 5 and 4 impressions on two delivery days, 6 of them kept -> billed 5 and 1, over_cap 3 on the second
"""

from __future__ import annotations

import polars as pl

from pipelines.flights import GROUP


def told_apart(billed: pl.DataFrame, over: pl.DataFrame) -> pl.DataFrame:
    """``billed`` by ``outcome``, ``billed`` or ``over_cap``, a row of which both is true as two, with the ``units`` of each.

    ``billed``: rows of GROUP with ``delivery_day`` and ``units``; ``over``: the groups that are partly or wholly over the cap,
    with ``group_units``, all that they have, and ``over``, those of them that are.
    """
    rows = billed.join(over, on=GROUP, how="left").with_columns(pl.col("over").fill_null(0))
    cut = (pl.col("over") > 0) & (pl.col("over") < pl.col("group_units"))
    before = pl.col("units").cum_sum().over(GROUP, order_by="delivery_day") - pl.col("units")
    stays = (pl.col("group_units") - pl.col("over") - before).clip(0, pl.col("units"))
    parts = [
        rows.filter(pl.col("over") == 0).with_columns(stays="units"),
        rows.filter(pl.col("over") == pl.col("group_units")).with_columns(stays=pl.lit(0, pl.Int64)),
        rows.filter(cut).with_columns(stays=stays),
    ]
    beyond = pl.col("units") - pl.col("stays")
    told = [
        part.select(*billed.drop("units").columns, units=units, outcome=pl.lit(outcome))
        for part in parts
        for outcome, units in (("billed", pl.col("stays")), ("over_cap", beyond))
    ]
    return pl.concat(told).filter(pl.col("units") > 0)
