"""Impressions become counts, once, by every dimension that a contract can price.

The heavy work of a night reads no contract: whatever a contract says about CPM is arithmetic on these counts, so an
amendment, a simulation or a backfill never reads a log again. A quarter of an hour is the finest step in which time zones
differ, so the local date and hour of a count are known in every zone.

    3 valid ctv impressions of li-1 at pub-1, 10:00, 10:14 and 10:15 UTC -> two rows: 10:00 with 2, 10:15 with 1
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE

DIMENSIONS = [name for name in TABLES["delivery_counts"].columns if name not in ("impressions", "cost")]


def delivery_counts(impressions: pl.LazyFrame, kept: Sequence[str] = ()) -> pl.LazyFrame:
    """Count a delivery day's accepted impressions (table ``impressions``) into table ``delivery_counts``, sorted.

    Columns of ``impressions`` in ``kept`` are kept apart and stand first: with its id each impression is a count of its own.
    """
    return (
        impressions.with_columns(
            quarter_hour=pl.col("event_time").dt.truncate("15m"), valid=pl.col("invalid_reason").is_null()
        )
        .group_by(*kept, *DIMENSIONS)
        .agg(impressions=pl.len().cast(pl.Int64), cost=pl.col("cost").sum().cast(NANOS_TYPE))
        .sort(*kept, *DIMENSIONS)
        .select(*kept, *TABLES["delivery_counts"].columns)
    )
