"""Judging the impressions of a delivery day: whole, or after an amendment only what it changed.

Beside a day's judged impressions stands what they were judged by, table ``impression_claims``, published with them. As long as
the counts are those it was judged from, a change of contracts costs what ``pipelines.claims`` says has to be judged again,
whatever the number of impressions. What does not belong here: which days are out of date (``assets.upkeep``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from itertools import groupby
from typing import NamedTuple, TypeAlias

import polars as pl

from assets import checks
from assets.at_once import Unwritten, days_at_once, one_by_one_where_they_fail, there, written
from assets.known_contracts import Claims
from assets.touched import Touched, by_outcome, rows_of
from contracts_io.terms import TermFrames
from contracts_io.warehouse import PartitionFile, Warehouse, fingerprint
from pipelines.claims import changed_places, judged_again
from pipelines.media import judge_delivery

JUDGED, CLAIMS = "judged_impressions", "impression_claims"
_SIDES = ("advertiser", "partner")
_ROWS_AT_ONCE = 1_000_000

Judged: TypeAlias = tuple[str, pl.DataFrame, PartitionFile | None]
"""A day, what its impressions were judged, and its file where that is what it came to before."""


class JudgedFrom(NamedTuple):
    """What a day's impressions are to be judged from.

    ``counted``: the fingerprint of its counts. ``claims``: those of the local days from ``first`` to ``last``, all that the
    counts can have.
    """

    counted: str
    claims: Claims
    first: date
    last: date

    @property
    def inputs(self) -> str:
        """The fingerprint of counts and contracts."""
        return fingerprint(self.counted, self.claims.fingerprint)


def judge_days(warehouse: Warehouse, made_from: Mapping[str, JudgedFrom], terms: TermFrames) -> Iterator[Touched]:
    """Judge the impressions of the days of ``made_from`` under ``terms``; publish what they came to with the claims it rests on.

    WarehouseError where a check fails, or a file is not what was written: then the days before it are published.
    """
    before, claimed = (there(warehouse, table, made_from) for table in (JUDGED, CLAIMS))

    def claims_before_and_now(day: str) -> tuple[str, str] | None:
        holds = day in before and day in claimed and claimed[day].inputs == made_from[day].counted
        return (claimed[day].sha256, made_from[day].claims.fingerprint) if holds else None

    for claims, group in groupby(made_from, key=claims_before_and_now):
        alike = list(group)
        if not claims:
            for day in alike:
                judged = judge_delivery(warehouse.read("delivery_counts", [day]), terms)
                yield from _published(warehouse, made_from, [(day, judged, None)])
            continue
        then, now = warehouse.read(CLAIMS, alike[:1]).collect(), made_from[alike[0]].claims.rows
        places = changed_places(then, now, made_from[alike[0]].first, made_from[alike[-1]].last)

        def again(days: Sequence[str], places: Mapping[str, pl.Series] = places) -> list[Touched]:
            return _published(warehouse, made_from, _judged_again(warehouse, {d: before[d] for d in days}, terms, places))

        for days in days_at_once({day: before[day].rows for day in alike}, _ROWS_AT_ONCE):
            yield from one_by_one_where_they_fail(again, days)


def _judged_again(
    warehouse: Warehouse, before: Mapping[str, PartitionFile], terms: TermFrames, places: Mapping[str, pl.Series]
) -> Iterator[Judged]:
    """The days of ``before``, the files of what they were judged, judged again after the claims on ``places`` changed."""
    stored = warehouse.read(JUDGED, before).collect()
    at = 0
    for day, file in before.items():
        own = stored.slice(at, file.rows)
        at += file.rows
        judged = judged_again(own, partial(warehouse.read, "delivery_counts", [day]), terms, places)
        yield day, judged, file if judged is own else None


def _published(warehouse: Warehouse, made_from: Mapping[str, JudgedFrom], judged: Iterable[Judged]) -> list[Touched]:
    accepted = warehouse.catalogue.live("impressions")
    touched = []

    def checked() -> Iterator[PartitionFile | Unwritten]:
        for day, rows, kept in judged:
            tied = checks.both_sides_tie(rows)
            placed = {side: int(tied.figures[side]) for side in _SIDES}
            complete = checks.outcomes_add_up(accepted[day].rows if day in accepted else 0, placed)
            checks.require([complete, tied], where=f"delivery day {day}")
            of = made_from[day]
            own = [
                replace(kept, inputs=of.inputs) if kept else Unwritten(JUDGED, day, rows, of.inputs),
                Unwritten(CLAIMS, day, of.claims.rows, of.counted),
            ]
            yield from own
            touched.append(Touched(day, rows_of(own), [tied], {JUDGED: by_outcome(rows)}))

    warehouse.publish(written(warehouse, checked()))
    return touched


def as_judged(warehouse: Warehouse, day: str) -> Touched:
    """The judged impressions of a day as they are."""
    judged = warehouse.read(JUDGED, [day]).collect()
    rows = {JUDGED: judged.height, CLAIMS: warehouse.rows(CLAIMS, day)}
    return Touched(day, rows, [checks.both_sides_tie(judged)], {JUDGED: by_outcome(judged)})


def counted_and_judged(warehouse: Warehouse, days: list[str]) -> tuple[int, dict[str, int]]:
    """The impressions accepted on ``days``, and per side those judged."""
    accepted = sum(file.rows for file in warehouse.catalogue.live("impressions", days).values())
    of_side = (pl.col("impressions").filter(pl.col("side") == side).sum().alias(side) for side in _SIDES)
    return accepted, warehouse.read(JUDGED, days).select(*of_side).collect().row(0, named=True)
