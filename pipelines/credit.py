"""How the candidate touches of a conversion share its credit (spec 6.3): whole millionths that add up to a million.

A model gives each candidate an exact whole weight; the million is shared in proportion by largest remainder, ties to the later
touch. Where all weights are 0, all goes to the last touch.

    position_based, four touches: weights 4, 1, 1, 4 -> 400,000, 100,000, 100,000, 400,000
"""

from __future__ import annotations

from decimal import Context, Decimal
from functools import lru_cache

import polars as pl

from contracts_io.money import divide_half_up
from pipelines.candidates import TOUCH_ORDER

WHOLE_CREDIT = 1_000_000
_WHOLE_WEIGHT = 10**9
# 2^(-d/h) is irrational where h does not divide d, and so never near enough to a half for 60 digits to miss the side it is on.
_DIGITS = Context(prec=60)
_SPARE = 10**40


def credited(candidates: pl.DataFrame, conversions: pl.DataFrame) -> pl.DataFrame:
    """The ``candidates`` that get a share, each with its ``credit`` in millionths; those of a conversion add up to a million.

    ``conversions``: ``conversion``, ``event_time``, ``attribution_model`` and ``half_life`` of all of them.
    """
    by_model = conversions.select("conversion", "event_time", "half_life", "attribution_model").partition_by(
        "attribution_model", as_dict=True, include_key=False
    )
    parts = []
    for (model,), mine in by_model.items():
        own = candidates if len(by_model) == 1 else candidates.join(mine, on="conversion", how="semi")
        ordered = own.sort(TOUCH_ORDER)
        if model == "first_touch":
            parts.append(_all(ordered.unique("conversion", keep="first", maintain_order=True)))
        elif model == "last_touch":
            parts.append(_all(ordered.unique("conversion", keep="last", maintain_order=True)))
        else:
            parts.append(_shared(ordered.join(mine, on="conversion", maintain_order="left"), str(model)))
    nothing = candidates.clear().with_columns(credit=pl.lit(0, pl.Int64))
    return pl.concat([nothing, *(part.select(nothing.columns) for part in parts)])


def _all(touches: pl.DataFrame) -> pl.DataFrame:
    return touches.with_columns(credit=pl.lit(WHOLE_CREDIT, pl.Int64))


def _shared(ordered: pl.DataFrame, model: str) -> pl.DataFrame:
    """Each candidate with its part of the million by largest remainder; the weights of a conversion stay below 10^12."""
    million = pl.lit(WHOLE_CREDIT, pl.Int64)
    return (
        ordered.with_columns(
            place=pl.int_range(pl.len(), dtype=pl.Int64).over("conversion"),
            among=pl.len().over("conversion").cast(pl.Int64),
        )
        .with_columns(weight=_weights(ordered) if model == "time_decay" else _weight(model))
        .with_columns(total=pl.col("weight").sum().over("conversion"))
        .with_columns(
            weight=pl.when(pl.col("total") > 0).then("weight").otherwise(_is_last().cast(pl.Int64)),
            total=pl.max_horizontal("total", pl.lit(1, pl.Int64)),
        )
        .with_columns(part=million * pl.col("weight") // pl.col("total"), rest=million * pl.col("weight") % pl.col("total"))
        .with_columns(missing=million - pl.col("part").sum().over("conversion"))
        .sort("conversion", "rest", "place", descending=[False, True, True])
        .with_columns(is_raised=pl.int_range(pl.len(), dtype=pl.Int64).over("conversion") < pl.col("missing"))
        .with_columns(credit=pl.col("part") + pl.col("is_raised").cast(pl.Int64))
        .filter(pl.col("credit") > 0)
    )


def _is_last() -> pl.Expr:
    return pl.col("place") == pl.col("among") - 1


def _weight(model: str) -> pl.Expr:
    one = pl.lit(1, pl.Int64)
    if model == "linear":
        return one
    is_end = (pl.col("place") == 0) | _is_last()
    return pl.when(is_end & (pl.col("among") > 2)).then(2 * (pl.col("among") - 2)).otherwise(one)


def _weights(ordered: pl.DataFrame) -> pl.Series:
    """The time_decay weight of each row, by whole days elapsed; each pair of days and half life is worked out once."""
    elapsed = ordered.select("half_life", days=(pl.col("event_time") - pl.col("touch_time")).dt.total_days())
    pairs = elapsed.unique()
    weights = pl.Series("weight", [decay(days, half_life) for half_life, days in pairs.iter_rows()], pl.Int64)
    return elapsed.join(pairs.with_columns(weights), on=["days", "half_life"], how="left", maintain_order="left")["weight"]


@lru_cache(maxsize=65_536)
def decay(days: int, half_life: int) -> int:
    """``10^9 x 2^(-days / half_life)`` rounded half up to a whole number, exactly."""
    if days % half_life == 0:
        return divide_half_up(_WHOLE_WEIGHT, 2 ** (days // half_life))
    power = _DIGITS.power(Decimal(2), _DIGITS.divide(Decimal(-days), Decimal(half_life)))
    return divide_half_up(int(_DIGITS.multiply(power, Decimal(_WHOLE_WEIGHT * _SPARE))), _SPARE)
