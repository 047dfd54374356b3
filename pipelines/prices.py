"""The price of stepped units: effective rates of cpm, cost and markup of dynamic CPM, amounts in a contract's currency (spec 5.2).

step rate 0.333333 x multiplier 1.5 -> 0.500000 (0.4999995, half up); 3 units -> 0.001500000
dcpm, cost 10 EUR at 1.25 USD, markup 0.15 -> 14.375000000 USD
"""

from __future__ import annotations

import polars as pl

from contracts_io.frames import TABLES
from contracts_io.money import MICRO, divide_half_up, divide_half_up_expr, from_nanos, nanos
from pipelines.exchange import converted
from pipelines.flights import RatedTerms

_ONE = MICRO**3
_EFFECTIVE = {"rate_micros": pl.Int64, "multiplier": pl.Int128, "rate": pl.Int128}


def priced_by_mille(stepped: pl.DataFrame, rated: RatedTerms) -> pl.DataFrame:
    """The cpm rows of ``stepped`` with ``rate``, effective, Int128 micros, and ``uncapped``, Int128 nanos.

    ``stepped``: rows with ``term``, ``step``, ``multiplier`` (Int128 of 1e-18) and ``units``.
    """
    rows = stepped.join(rated.steps.select("term", "step", "rate_micros"), on=["term", "step"])
    pairs = rows.filter(pl.col("multiplier") != _ONE).select("rate_micros", "multiplier").unique()
    # In Python: a rate by three factors, doubled to be rounded, can need more than 128 bits.
    effective = [(rate, product, divide_half_up(rate * product, _ONE)) for rate, product in pairs.iter_rows()]
    plain = pl.col("rate_micros").cast(pl.Int128)
    if effective:
        rows = rows.join(
            pl.DataFrame(effective, schema=_EFFECTIVE, orient="row"), on=["rate_micros", "multiplier"], how="left"
        ).with_columns(pl.coalesce("rate", plain).alias("rate"))
    else:
        rows = rows.with_columns(rate=plain)
    return rows.drop("rate_micros").with_columns(uncapped=pl.col("units").cast(pl.Int128) * pl.col("rate"))


def priced_by_cost(
    stepped: pl.DataFrame, rated: RatedTerms, rates: pl.DataFrame, cost_currency: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The dcpm rows of ``stepped`` with ``uncapped`` in nanos, ``step`` and ``rate`` null; and the rates that lack.

    ``stepped``: rows with ``term``, ``on``, ``units``, ``group_units`` and the group's ``cost`` in nanos, of which a row
    keeps what its units have of the group's. A row whose rate lacks is left out.
    """
    own = rated.terms.filter(pl.col("model") == "dcpm").select("term", "contract_id", "currency", "markup_micros")
    cost = pl.col("cost") * pl.col("units")
    kept = (
        pl.when(pl.col("units") == pl.col("group_units"))
        .then("cost")
        .otherwise(divide_half_up_expr(cost, pl.col("group_units")))
    )
    rows = stepped.join(own, on="term").with_columns(uncapped=kept, cost_currency=pl.lit(cost_currency))
    rows, missing = in_contract_currency(rows, rates, value="uncapped", source="cost_currency")
    marked_up = divide_half_up_expr(pl.col("uncapped") * (MICRO + pl.col("markup_micros")), MICRO)
    return rows.with_columns(uncapped=marked_up, step=pl.lit(None, pl.Int32), rate=pl.lit(None, pl.Int128)), missing


def in_contract_currency(
    rows: pl.DataFrame, rates: pl.DataFrame, *, value: str, source: str
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """``value`` (Int128 nanos) from currency column ``source`` into ``currency``, by the rate of date ``on``.

    Gives the rows that could be converted, a zero always can, and table ``missing_rates`` of those that could not;
    ``contract_id`` names who needs the rate.
    """
    exact = rows.with_columns(from_nanos(pl.col(value)).alias(value))
    found = converted(exact, rates, value=value, source=source, target="currency", on="on").alias("converted")
    filled = rows.with_columns(found).with_columns(nanos("converted").fill_null(pl.when(pl.col(value) == 0).then(0)))
    lacking = pl.col("converted").is_null()
    missing = filled.filter(lacking).select(date="on", base=source, quote="currency", contract_id="contract_id").unique()
    rest = filled.filter(~lacking).with_columns(pl.col("converted").alias(value)).drop("converted")
    return rest, missing.select(TABLES["missing_rates"].columns)
