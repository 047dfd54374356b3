"""Impressions become counts, once, by every dimension that a contract can price.

The heavy work of a night reads no contract: whatever a contract says about CPM is arithmetic on these counts, so an
amendment, a simulation or a backfill never reads a log again. A quarter of an hour is the finest step in which time zones
differ, so the local date and hour of a count are known in every zone.

    3 valid ctv impressions of li-1 at pub-1, 10:00, 10:14 and 10:15 UTC -> two rows: 10:00 with 2, 10:15 with 1
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from contracts_io.calendar import INSTANT
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE
from contracts_io.texts import distinct
from pipelines.packing import Packing, Texts

DIMENSIONS = [name for name in TABLES["delivery_counts"].columns if name not in ("impressions", "cost")]
_TEXTS = [name for name in DIMENSIONS if TABLES["delivery_counts"].polars_schema[name] == pl.String]
_MARKS = [name for name in DIMENSIONS if TABLES["delivery_counts"].polars_schema[name] == pl.Boolean]
_READ = [*_TEXTS, "event_time", "viewable", "completed", "invalid_reason", "cost"]
_QUARTER = 15 * 60 * 1_000_000


def delivery_counts(impressions: pl.LazyFrame, kept: Sequence[str] = ()) -> pl.LazyFrame:
    """Count a delivery day's accepted impressions (table ``impressions``) into table ``delivery_counts``, sorted.

    Columns of ``impressions`` in ``kept`` are kept apart and stand first: with its id each impression is a count of its own.
    The impressions are read twice, the first time at once: for the values at hand. With ``kept`` they are held in memory.
    Texts that come as codes (``contracts_io.texts``) stay codes.
    """
    read = impressions.select(*kept, *_READ)
    rows = read.collect(engine="streaming").lazy() if kept else read
    texts = {name: Texts(values) for name, values in zip(_TEXTS, distinct(rows, *_TEXTS), strict=True)}
    bounds = rows.select(first=_quarter().min(), last=_quarter().max()).collect(engine="streaming")
    first, last = (int(bound or 0) for bound in bounds.row(0))
    sizes = {name: of.size for name, of in texts.items()} | {"quarter_hour": last - first + 1} | dict.fromkeys(_MARKS, 2)
    packing = Packing({name: sizes[name] for name in DIMENSIONS})
    codes = {
        **{name: of.code(name) for name, of in texts.items()},
        "quarter_hour": _quarter() - first,
        "viewable": pl.col("viewable"),
        "completed": pl.col("completed"),
        "valid": pl.col("invalid_reason").is_null(),
    }
    unpacked = {
        **{name: of.text(packing.code(name)) for name, of in texts.items()},
        "quarter_hour": ((packing.code("quarter_hour").cast(pl.Int64) + first) * _QUARTER).cast(INSTANT),
        **{name: packing.code(name).cast(pl.Boolean) for name in _MARKS},
    }
    return (
        rows.group_by(*kept, *packing.packed(codes))
        .agg(impressions=pl.len().cast(pl.Int64), cost=pl.col("cost").sum().cast(NANOS_TYPE))
        .sort(*kept, *packing.words)
        .select(*kept, *(unpacked[name].alias(name) for name in DIMENSIONS), "impressions", "cost")
    )


def _quarter() -> pl.Expr:
    """The number of the quarter of an hour in which an impression was served."""
    return pl.col("event_time").to_physical() // _QUARTER
