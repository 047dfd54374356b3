"""What was written of a day or a month, as the log of materializations and the summary of a backfill tell it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import polars as pl

from assets.checks import Finding


@dataclass(frozen=True)
class Touched:
    """A day, or the first day of a month: its rows per table, what the checks found, and figures of a table by their name."""

    partition: str
    rows: dict[str, int] = field(default_factory=dict)
    findings: Sequence[Finding] = ()
    figures: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class _Rows(Protocol):
    """A file, written or not."""

    @property
    def table(self) -> str:
        """Its table."""
        ...

    @property
    def rows(self) -> int:
        """How many it has."""
        ...


def rows_of(files: Iterable[_Rows]) -> dict[str, int]:
    """The rows of each file, by its table."""
    return {file.table: file.rows for file in files}


def by_status(attributions: pl.DataFrame) -> dict[str, int]:
    """The conversions of each status."""
    return dict(sorted(attributions["status"].value_counts().iter_rows()))


def by_outcome(judged: pl.DataFrame) -> dict[str, int]:
    """The impressions of each outcome, by side."""
    counted = judged.group_by("side", "outcome").agg(pl.col("impressions").sum()).sort("side", "outcome")
    return {f"{side} {outcome}": impressions for side, outcome, impressions in counted.iter_rows()}
