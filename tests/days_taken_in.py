"""A delivery day of one feed taken in, in memory, with the steps that ``assets.intake`` puts together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from contracts_io.frames import TABLES
from contracts_io.ids import unpacked
from pipelines.duplicates import KEYS_AT_ONCE, key, settle, suspects
from pipelines.intake import REFUSAL, USABLE

_IS_USABLE = pl.col(USABLE)


class DayTakenIn(NamedTuple):
    """What became of the rows of a day: ``accepted`` is the feed's table as it is kept, of the others ids are text."""

    accepted: pl.DataFrame
    dropped: pl.DataFrame
    repeats: pl.DataFrame
    refused: pl.DataFrame

    @property
    def conflicts(self) -> int:
        return int(self.dropped["conflict"].sum()) + int(self.repeats["conflict"].sum())


def as_text(feed: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows of a feed's table as it is kept, with their ids as text."""
    return unpacked(rows.lazy(), TABLES[feed].packed).collect()


def nothing(feed: str) -> pl.DataFrame:
    """The feed's table as it is kept, without rows."""
    return pl.DataFrame(schema=TABLES[feed].stored_schema)


def take_in(
    feed: str, judged: Sequence[pl.LazyFrame], earlier: pl.DataFrame | None = None, at_once: int = KEYS_AT_ONCE
) -> DayTakenIn:
    """Settle the files of a day, each as ``judge`` gives it, beside the rows that were accepted on ``earlier`` days."""
    before = nothing(feed) if earlier is None else earlier
    rows = pl.concat(
        [
            nothing(feed).with_columns(pl.lit(value=True).alias(USABLE), pl.lit(None, pl.String).alias(REFUSAL)),
            *(file.collect() for file in judged),
        ]
    )
    doubtful = pl.col(key(feed)).is_in(suspects(rows[key(feed)], before.lazy(), feed, at_once).implode())
    several = as_text(feed, rows.filter(doubtful & _IS_USABLE).drop(USABLE, REFUSAL))
    settled = settle(several, as_text(feed, before.filter(doubtful)), feed)
    gone = pl.concat([settled.dropped.select("file", "row"), settled.repeats.select("file", "row")])
    accepted = (
        rows.filter(_IS_USABLE).drop(USABLE, REFUSAL).join(gone, on=["file", "row"], how="anti", maintain_order="left")
    )
    return DayTakenIn(accepted, settled.dropped, settled.repeats, rows.filter(~_IS_USABLE).select("file", "row", REFUSAL))
