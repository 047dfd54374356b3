"""The multipliers on a cpm rate: by device type, country and local hour (spec 4.2), and what of a count they can tell apart.

A count is kept apart by device, country or hour only where a term in force could price it by them, so that a home without
multipliers pays nothing for them. Factors are micros; the product of three is exact in 18 places.

    device ctv 1.2, country US 1.1, Monday 18:00 to 23:00 1.5: ctv in US on Monday at 18:45 local time -> 1.98
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from contracts_io.money import MICRO
from contracts_io.terms import TermFrames

LISTED = ("device_type", "country")
_TERM = ["contract_id", "version", "term_id"]
_HOURS_OF_A_DAY = 24


class Multipliers(NamedTuple):
    """The factors of the terms in force.

    ``listed``: per dimension of LISTED a frame ``claim``, the dimension's value, ``factor``. ``hours``: frame ``claim``,
    ``hour_of_week`` (local, from Monday 00:00), ``factor``; hours that count 1 are left out. ``terms``: the rows of the
    terms that have any, with ``claim``, ``side``, ``party_id``, ``line_items``, ``timezone`` and, per dimension, whether the
    term has factors by it (``by_device_type``, ``by_country``, ``by_hour``).
    """

    listed: dict[str, pl.DataFrame]
    hours: pl.DataFrame
    terms: pl.DataFrame

    @property
    def zones(self) -> list[str]:
        """The zones in which an hour is priced."""
        return sorted(set(self.terms.filter("by_hour")["timezone"]))


def multipliers(terms: TermFrames, claims: pl.DataFrame) -> Multipliers:
    """The factors of ``claims``: rows of ``terms.terms`` with a number ``claim``, those in force on the days at hand."""
    numbered = terms.factors.join(claims.select(*_TERM, "claim"), on=_TERM)
    listed = {
        dimension: numbered.filter(pl.col("dimension") == dimension).select(
            "claim", pl.col("value").alias(dimension), pl.col("factor_micros").alias("factor")
        )
        for dimension in LISTED
    }
    by_hour = claims.filter(pl.col("hour_factors").is_not_null())
    hours = (
        by_hour.select("claim", factor="hour_factors")
        .with_columns(hour_of_week=pl.int_ranges(0, pl.col("factor").list.len(), dtype=pl.Int32))
        .explode("factor", "hour_of_week")
        .filter(pl.col("factor") != MICRO)
        .select("claim", "hour_of_week", "factor")
    )
    multiplied = claims.select("claim", "side", "party_id", "line_items", "timezone").with_columns(
        pl.col("claim").is_in(frame["claim"].implode()).alias(f"by_{name}")
        for name, frame in (*listed.items(), ("hour", by_hour))
    )
    return Multipliers(listed, hours, multiplied.filter(pl.any_horizontal("^by_.*$")))


def hour_of_week(instant: pl.Expr, zone: str) -> pl.Expr:
    """The local hour of the week in which ``instant`` lies, from 0 on Monday at 00:00 to 167."""
    local = instant.dt.convert_time_zone(zone)
    return (local.dt.weekday().cast(pl.Int32) - 1) * _HOURS_OF_A_DAY + local.dt.hour()


def tells_apart(found: Multipliers, dimension: str) -> pl.Expr:
    """Whether a term that could cover a count of this ``line_item_id`` and ``partner_id`` has factors by ``dimension``."""
    by = found.terms.filter(f"by_{dimension}")
    advertiser = by.filter(pl.col("side") == "advertiser").select(pl.col("line_items").explode().unique()).to_series()
    partner = by.filter(pl.col("side") == "partner")["party_id"].unique()
    asked = [
        pl.col(column).is_in(values.implode())
        for column, values in (("line_item_id", advertiser), ("partner_id", partner))
        if not values.is_empty()
    ]
    return pl.any_horizontal(asked) if asked else pl.lit(False)


def with_product(rows: pl.LazyFrame, found: Multipliers) -> pl.LazyFrame:
    """Add ``multiplier``: the product of the factors of each row's ``claim``, ``device_type``, ``country`` and ``hour_of_week``.

    An Int128 of 1e-18; a value that is not listed, and a null, counts 1.
    """
    factors: list[pl.Expr] = []
    keyed = [(frame, column) for column, frame in (*found.listed.items(), ("hour_of_week", found.hours))]
    for frame, column in keyed:
        if frame.is_empty():
            continue
        name = f"factor_{column}"
        rows = rows.join(frame.lazy().rename({"factor": name}), on=["claim", column], how="left")
        factors.append(pl.coalesce(name, MICRO))
    product = pl.lit(MICRO ** len(keyed), pl.Int128)
    for factor in factors:
        product = product // MICRO * factor.cast(pl.Int128)
    return rows.with_columns(multiplier=product)
