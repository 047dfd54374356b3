"""Texts of few values, such as line items and countries, in the files of large tables.

Such a column is written as codes of its own values in their order (a Polars Enum; in Parquet a dictionary, as texts are): to write,
read and group codes costs a third of what texts cost. Whoever reads a table gets texts; of a table that keeps codes, who asks for
it as it is kept gets these. The values are those of the very rows, so the same rows give the same bytes.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import polars as pl

MOST_VALUES = 1 << 14
"""A column of more values stays text: a dictionary is written with every row group."""


def as_codes(rows: pl.LazyFrame, values: Mapping[str, Collection[str]]) -> pl.LazyFrame:
    """``rows`` with each column of ``values``, texts or other codes, as codes of these; as text where they are more than MOST_VALUES.

    PolarsError, as the rows are read, where a column has other values than these and null.
    """
    return rows.with_columns(
        pl.col(name).cast(pl.Enum(sorted(known)) if len(known) <= MOST_VALUES else pl.String())
        for name, known in values.items()
    )


def as_texts(rows: pl.LazyFrame, names: Collection[str]) -> pl.LazyFrame:
    """``rows`` with the columns ``names`` as texts."""
    return rows.cast(dict.fromkeys(names, pl.String())) if names else rows


def distinct(rows: pl.LazyFrame, *columns: str) -> list[pl.Series]:
    """The distinct values of each of the columns, each by itself, in no order.

    Of codes all that the column can have, null among them: no row is read for it.
    """
    schema = rows.collect_schema()
    read = [name for name in columns if not isinstance(schema[name], pl.Enum)]
    found = pl.collect_all(
        [rows.select(pl.col(column).unique()) for column in read],
        engine="streaming",
        # What the queries share is read by each: to share it, Polars would keep every row of it in memory.
        optimizations=pl.QueryOptFlags(comm_subplan_elim=False),
    )
    values = dict(zip(read, (frame.to_series() for frame in found), strict=True))
    return [values[name] if name in values else _known(name, schema[name]) for name in columns]


def _known(name: str, dtype: pl.DataType) -> pl.Series:
    assert isinstance(dtype, pl.Enum)
    return pl.Series(name, [None, *dtype.categories], dtype)
