"""One event counts once (spec 3.4): within a delivery day the earliest row of an id, across days the earlier day.

Almost every id is distinct. So a first pass looks only at 64-bit hashes of ids and finds the few that occur more than once;
only their rows are then collected and settled by the full id. A collision of hashes costs a look, never a row. The hashes
are those of one process and are stored nowhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from contracts_io.feeds.columns import FEEDS

_POSITION = "position"
_KEPT = "kept "


@dataclass(frozen=True)
class WithinDay:
    """A delivery day without repeats of its own.

    ``kept`` has the columns of the rows given, in the order of arrival. ``dropped`` has a row for each row dropped: id,
    conflict (its content, the canonical columns, differs from the row that was kept), in the order of arrival.
    """

    kept: pl.LazyFrame
    dropped: pl.DataFrame


@dataclass(frozen=True)
class AcrossDays:
    """A delivery day without repeats of earlier days.

    ``accepted`` has the columns of the rows given, in the order of arrival. ``repeats`` has the rows dropped, whole, and
    conflict (the content, the canonical columns, differs from the row accepted earlier), in the order of arrival.
    """

    accepted: pl.LazyFrame
    repeats: pl.DataFrame


def within_day(valid: pl.LazyFrame, feed: str) -> WithinDay:
    """The usable rows of a delivery day, one for each id: the earliest by time, then by the canonical columns, nulls first.

    ``valid`` has the canonical columns, typed, and any others, which decide nothing; its order, which must be the same each
    time it is collected, is the order of arrival. It is collected twice, and once more by whoever collects ``kept``.
    """
    of_feed = FEEDS[feed]
    names = of_feed.column_names
    suspects = _repeated(_hashes(valid, of_feed.id_column))
    if suspects.is_empty():
        return WithinDay(valid, pl.DataFrame(schema={"id": pl.String, "conflict": pl.Boolean}))
    numbered = valid.with_row_index(_POSITION)
    several = numbered.filter(_among(of_feed.id_column, suspects)).collect(engine="streaming")
    first = [of_feed.time_column, *(name for name in names if name != of_feed.time_column)]
    in_order = several.sort(*first, _POSITION, nulls_last=False)
    kept = in_order.unique(of_feed.id_column, keep="first", maintain_order=True)
    dropped = in_order.join(kept.select(_POSITION), on=_POSITION, how="anti").sort(_POSITION)
    compared = _compared(dropped, kept, of_feed.id_column, names)
    without = pl.col(_POSITION).is_in(dropped[_POSITION].implode())
    return WithinDay(
        numbered.filter(~without).drop(_POSITION),
        compared.select(pl.col(of_feed.id_column).alias("id"), "conflict"),
    )


def across_days(kept: pl.LazyFrame, feed: str, earlier: pl.LazyFrame) -> AcrossDays:
    """The rows of a delivery day whose id is not among the ``earlier`` accepted ones.

    ``kept`` is that of ``within_day``; ``earlier`` has the canonical columns of the rows accepted on the previous days that
    count.
    """
    of_feed = FEEDS[feed]
    names = of_feed.column_names
    given = kept.collect_schema()
    today = _hashes(kept, of_feed.id_column)
    suspects = _seen(today, earlier, of_feed.id_column)
    if suspects.is_empty():
        return AcrossDays(kept, pl.DataFrame(schema={**given, "conflict": pl.Boolean}))
    before = earlier.select(names).filter(_among(of_feed.id_column, suspects)).collect(engine="streaming")
    before = before.unique(of_feed.id_column, keep="first", maintain_order=True)
    numbered = kept.with_row_index(_POSITION)
    repeats = (
        numbered.filter(_among(of_feed.id_column, suspects))
        .collect(engine="streaming")
        .join(before.select(of_feed.id_column), on=of_feed.id_column, how="semi")
        .sort(_POSITION)
    )
    without = pl.col(_POSITION).is_in(repeats[_POSITION].implode())
    return AcrossDays(
        numbered.filter(~without).drop(_POSITION),
        _compared(repeats, before, of_feed.id_column, names).select(*given, "conflict"),
    )


def _hashes(rows: pl.LazyFrame, id_column: str) -> pl.Series:
    return rows.select(_hash(id_column)).collect(engine="streaming").to_series()


def _hash(id_column: str) -> pl.Expr:
    return pl.col(id_column).hash()


def _among(id_column: str, hashes: pl.Series) -> pl.Expr:
    return _hash(id_column).is_in(hashes.implode())


def _repeated(hashes: pl.Series) -> pl.Series:
    """The values that occur more than once: in sorted order they have an equal neighbour."""
    in_order = hashes.sort()
    return in_order.filter(in_order == in_order.shift(1)).unique()


def _seen(today: pl.Series, earlier: pl.LazyFrame, id_column: str) -> pl.Series:
    """The hashes of today that are also among those of the ids of ``earlier``."""
    before = earlier.select(_hash(id_column).alias(today.name))
    matches = before.join(today.unique().to_frame().lazy(), on=today.name, how="semi")
    return matches.collect(engine="streaming").to_series().unique()


def _compared(rows: pl.DataFrame, kept: pl.DataFrame, id_column: str, names: Sequence[str]) -> pl.DataFrame:
    """``rows`` in their order, with conflict: whether a canonical column differs from the row of that id in ``kept``."""
    others = [name for name in names if name != id_column]
    other = kept.select(id_column, *(pl.col(name).alias(_KEPT + name) for name in others))
    beside = rows.join(other, on=id_column, how="left", maintain_order="left")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(_KEPT + name)) for name in others)
    return beside.with_columns(conflict=differs)
