"""One event counts once (spec 3.4): within a delivery day the earliest row of an id, across days the earlier day.

Almost every id is distinct. So only one 64-bit half of each id is looked at first, sorted, and the few values that occur more
than once are found; their rows alone are then fetched and settled by the whole id. Ids that share a half cost a look, never a
row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from contracts_io.feeds.columns import FEEDS
from contracts_io.ids import parts

KEYS_AT_ONCE = 3 << 24
"""How many halves are sorted in one go: 384 MiB of them, and as much again."""
_POSITION = "position"
_KEPT = "kept "


class Settled(NamedTuple):
    """What of a delivery day does not count.

    ``dropped``: file, row, conflict (the canonical columns differ from the row that was kept) of repeats within the day.
    ``repeats``: whole rows, and conflict, of those whose id an earlier day delivered. Both in the order of arrival.
    """

    dropped: pl.DataFrame
    repeats: pl.DataFrame


def key(feed: str) -> str:
    """The column of the half of an id by which its repeats are looked for, in a table as it is kept."""
    return parts(FEEDS[feed].id_column)[1]


def suspects(today: pl.Series, earlier: pl.LazyFrame, feed: str, at_once: int = KEYS_AT_ONCE) -> pl.Series:
    """The keys that occur more than once among those of ``today`` and of the rows ``earlier``; without order.

    ``today`` may have nulls, which are no keys; ``earlier`` has at least the column ``key(feed)``.
    """
    name = key(feed)
    of_earlier = earlier.select(name)
    total = len(today) + of_earlier.select(pl.len()).collect().item()
    turns = -(-total // at_once)
    found = []
    for turn in range(turns):
        mine = pl.col(name) % turns == turn if turns > 1 else pl.col(name).is_not_null()
        now = today.to_frame(name).lazy().filter(mine)
        keys = pl.concat([now, of_earlier.filter(mine)]).collect(engine="streaming")[name].sort(multithreaded=False)
        found.append(keys.filter(keys == keys.shift(1)).unique())
    return pl.concat(found) if found else pl.Series(name, dtype=pl.Int64)


def settle(several: pl.DataFrame, before: pl.DataFrame, feed: str) -> Settled:
    """Which of the rows ``several`` of a delivery day do not count, beside the rows ``before`` that earlier days delivered.

    Both have file, row and the canonical columns, typed, ids as text; ``several`` in the order of arrival, ``before`` in that
    of its days. A row that no other shares its id with may be among them or not. Within the day the first counts by time,
    then by the canonical columns, nulls first.
    """
    of_feed = FEEDS[feed]
    names, id_column = of_feed.column_names, of_feed.id_column
    first = [of_feed.time_column, *(name for name in names if name != of_feed.time_column)]
    in_order = several.with_row_index(_POSITION).sort(*first, _POSITION, nulls_last=False)
    kept = in_order.unique(id_column, keep="first", maintain_order=True)
    dropped = in_order.join(kept.select(_POSITION), on=_POSITION, how="anti").sort(_POSITION)
    there = before.unique(id_column, keep="first", maintain_order=True)
    repeats = kept.join(there.select(id_column), on=id_column, how="semi").sort(_POSITION)
    return Settled(
        _compared(dropped, kept, id_column, names).select("file", "row", "conflict"),
        _compared(repeats, there, id_column, names).select(*several.columns, "conflict"),
    )


def _compared(rows: pl.DataFrame, kept: pl.DataFrame, id_column: str, names: Sequence[str]) -> pl.DataFrame:
    """``rows`` in their order, with conflict: whether a canonical column differs from the row of that id in ``kept``."""
    others = [name for name in names if name != id_column]
    other = kept.select(id_column, *(pl.col(name).alias(_KEPT + name) for name in others))
    beside = rows.join(other, on=id_column, how="left", maintain_order="left")
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(_KEPT + name)) for name in others)
    return beside.with_columns(conflict=differs)
