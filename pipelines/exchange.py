"""Amounts in another currency, by the rate of a date: of an event its UTC date, of a day's media the local date.

One unit of ``base`` is ``rate`` units of ``quote``. Where only the inverse pair has a rate, the value is divided by it; the
result is rounded to 9 places (spec 6.1, rule 4).

    100 USD into EUR with EUR/USD 1.25 -> 100 / 1.25 = 80 EUR
"""

from __future__ import annotations

import polars as pl

from contracts_io.money import NANO, divide_half_up_expr, from_nanos, nanos


def converted(rows: pl.DataFrame, rates: pl.DataFrame, *, value: str, source: str, target: str, on: str) -> pl.Series:
    """The ``value`` column of ``rows``, converted from currency column ``source`` to ``target`` by the rate of date ``on``.

    ``rates`` is table ``fx_rates``. The same currency, or a missing source, is taken as it is; null where the value is
    null or there is no rate for the pair in either direction.
    """
    direct = rates.select(on="date", source="base", target="quote", direct="rate")
    inverse = rates.select(on="date", source="quote", target="base", inverse="rate")
    keyed = rows.select(value=value, source=source, target=target, on=on)
    for pair in (direct, inverse):
        keyed = keyed.join(pair, on=["on", "source", "target"], how="left", maintain_order="left")
    amount = nanos("value")
    by_rate = divide_half_up_expr(amount * nanos("direct"), NANO)
    by_inverse = divide_half_up_expr(amount * NANO, nanos("inverse"))
    same = pl.col("source").is_null() | (pl.col("source") == pl.col("target"))
    exact = pl.when(same).then(amount).when(pl.col("direct").is_not_null()).then(by_rate).otherwise(by_inverse)
    return keyed.select(from_nanos(exact).alias(value)).to_series()
