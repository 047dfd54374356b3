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
from pipelines.packing import Texts, looked_up

LISTED = ("device_type", "country")
PRICED = (*LISTED, "hour")
"""The dimensions that a term can multiply by."""
_TERM = ["contract_id", "version", "term_id"]
_HOURS_OF_A_DAY = 24


class Multipliers(NamedTuple):
    """The factors of the terms in force.

    ``factors``: per dimension of PRICED a frame ``claim``, the dimension's code, ``factor``. ``texts``: the codes of the
    device types and countries that have a factor; all others have that of null. ``hours``: ``quarter_hour`` and ``hour``, the
    code, from 0, of all quarters of an hour in which each term has the same factor. ``terms``: the rows of the terms that have
    any, with ``claim``, ``side``, ``party_id``, ``line_items`` and, per dimension, whether the term has factors by it
    (``by_device_type``, ``by_country``, ``by_hour``).
    """

    factors: dict[str, pl.DataFrame]
    texts: dict[str, Texts]
    hours: pl.DataFrame
    terms: pl.DataFrame

    @property
    def sizes(self) -> dict[str, int]:
        """The number of codes of each dimension."""
        return {name: of.size for name, of in self.texts.items()} | {"hour": self.hours["hour"].n_unique()}

    def codes(self, lines: Texts, partners: Texts) -> dict[str, pl.Expr]:
        """The codes of a count with its ``hour``, 0 where no term that could cover it prices it apart.

        ``line_item_id`` and ``partner_id`` of the count are codes of ``lines`` and ``partners``: a term could cover it that is
        on either.
        """
        told = {name: self.texts[name].code(name) for name in LISTED} | {"hour": pl.col("hour")}
        by_line, by_partner = self._told_apart(lines, partners)
        told_apart = looked_up(by_line, pl.col("line_item_id")) | looked_up(by_partner, pl.col("partner_id"))
        return {name: pl.when(told_apart & 2**bit > 0).then(told[name]).otherwise(0) for bit, name in enumerate(PRICED)}

    def _told_apart(self, lines: Texts, partners: Texts) -> list[pl.Series]:
        """Of each line item and each partner, by code, the dimensions that a term on it prices: a bit each."""
        advertiser, partner = (self.terms.filter(pl.col("side") == side) for side in ("advertiser", "partner"))
        found = []
        for ids, terms, named in (
            (lines, advertiser, pl.col("line_items").explode()),
            (partners, partner, pl.col("party_id")),
        ):
            bits = pl.lit(0, pl.UInt8)
            for bit, name in enumerate(PRICED):
                priced = terms.filter(f"by_{name}").select(named.unique()).to_series()
                bits = bits + ids.values.is_in(priced.implode()).cast(pl.UInt8) * 2**bit
            found.append(pl.select(bits).to_series())
        return found


def multipliers(terms: TermFrames, claims: pl.DataFrame, quarters: pl.Series) -> Multipliers:
    """The factors of ``claims``: rows of ``terms.terms`` with a number ``claim``, those in force in the ``quarters`` at hand."""
    numbered = terms.factors.join(claims.select(*_TERM, "claim"), on=_TERM)
    factors, texts = {}, {}
    for dimension in LISTED:
        values = numbered.filter(pl.col("dimension") == dimension)
        texts[dimension] = Texts(pl.concat([values["value"], pl.Series([None], dtype=pl.String)]))
        factors[dimension] = values.select(
            "claim", texts[dimension].code("value").alias(dimension), pl.col("factor_micros").alias("factor")
        )
    by_hour = claims.filter(pl.col("hour_factors").is_not_null())
    hours, factors["hour"] = _by_hour(by_hour, quarters)
    multiplied = claims.select("claim", "side", "party_id", "line_items").with_columns(
        pl.col("claim").is_in(frame["claim"].implode()).alias(f"by_{name}") for name, frame in factors.items()
    )
    return Multipliers(factors, texts, hours, multiplied.filter(pl.any_horizontal("^by_.*$")))


def _by_hour(claims: pl.DataFrame, quarters: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The ``hours`` of ``quarters``, and what of ``claims`` has a factor by them: ``claim``, ``hour``, ``factor``."""
    listed = (
        claims.select("claim", "timezone", factor="hour_factors")
        .with_columns(hour_of_week=pl.int_ranges(0, pl.col("factor").list.len(), dtype=pl.Int32))
        .explode("factor", "hour_of_week")
        .filter(pl.col("factor") != MICRO)
    )
    quarter = pl.col("quarter_hour")
    clock = pl.concat(
        [
            quarters.to_frame().select(quarter, timezone=pl.lit(zone), hour_of_week=_hour_of_week(quarter, zone))
            for zone in sorted(set(claims["timezone"])) or ["UTC"]
        ]
    )
    different = claims.unique(["timezone", "hour_factors"])["claim"]
    vectors = (
        listed.filter(pl.col("claim").is_in(different.implode()))
        .join(clock, on=["timezone", "hour_of_week"])
        .sort("claim")
        .group_by("quarter_hour", maintain_order=True)
        .agg("claim", "factor")
    )
    hours = (
        quarters.to_frame()
        .join(vectors, on="quarter_hour", how="left")
        .select("quarter_hour", first=quarter.min().over("claim", "factor"))
        .select("quarter_hour", hour=(pl.col("first").rank("dense") - 1).cast(pl.UInt32))
    )
    coded = clock.join(hours, on="quarter_hour").select("timezone", "hour_of_week", "hour").unique()
    return hours, listed.join(coded, on=["timezone", "hour_of_week"]).select("claim", "hour", "factor").unique()


def _hour_of_week(instant: pl.Expr, zone: str) -> pl.Expr:
    """The local hour of the week in which ``instant`` lies, from 0 on Monday at 00:00 to 167."""
    local = instant.dt.convert_time_zone(zone)
    return (local.dt.weekday().cast(pl.Int32) - 1) * _HOURS_OF_A_DAY + local.dt.hour()


def with_product(rows: pl.LazyFrame, found: Multipliers) -> pl.LazyFrame:
    """Add ``multiplier``: the product of the factors of each row's ``claim`` and codes of ``device_type``, ``country``, ``hour``.

    An Int128 of 1e-18; a value that is not listed, and a null, counts 1.
    """
    product = pl.lit(MICRO ** len(PRICED), pl.Int128)
    for dimension, frame in found.factors.items():
        if frame.is_empty():
            continue
        name = f"factor_{dimension}"
        rows = rows.join(frame.lazy().rename({"factor": name}), on=["claim", dimension], how="left")
        product = product // MICRO * pl.coalesce(name, MICRO).cast(pl.Int128)
    return rows.with_columns(multiplier=product)
