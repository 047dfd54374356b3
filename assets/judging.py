"""Judging the impressions of a delivery day: whole, or after an amendment only what it changed.

Beside a day's judged impressions stands what they were judged by, table ``impression_claims``, published with them. As long as
the counts are those it was judged from, a change of contracts costs what ``pipelines.claims`` says has to be judged again,
whatever the number of impressions. What does not belong here: which days are out of date (``assets.upkeep``).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from functools import partial
from typing import NamedTuple

import polars as pl

from assets import checks
from assets.known_contracts import Claims
from assets.touched import Touched, by_outcome, rows_of
from contracts_io.terms import TermFrames
from contracts_io.warehouse import Warehouse, fingerprint
from pipelines.claims import judged_again
from pipelines.media import judge_delivery

JUDGED, CLAIMS = "judged_impressions", "impression_claims"


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


def judge(warehouse: Warehouse, day: str, made_from: JudgedFrom, terms: TermFrames) -> Touched:
    """Judge the impressions of ``day`` under ``terms``, and publish what they came to with the claims it rests on.

    WarehouseError where a check fails, or a file is not what was written.
    """
    counts = partial(warehouse.read, "delivery_counts", [day])
    before = warehouse.live_file(JUDGED, day)
    claimed = warehouse.live_file(CLAIMS, day)
    file = None
    if before and claimed and claimed.inputs == made_from.counted:
        stored = warehouse.read(JUDGED, [day]).collect()
        then = warehouse.read(CLAIMS, [day]).collect()
        _, now, first, last = made_from
        judged = judged_again(stored, counts, terms, before=then, now=now.rows, first=first, last=last)
        file = replace(before, inputs=made_from.inputs) if judged.equals(stored) else None
    else:
        judged = judge_delivery(counts(), terms)
    placed = {side: int(judged.filter(side=side)["impressions"].sum()) for side in ("advertiser", "partner")}
    tied = checks.both_sides_tie(judged)
    complete = checks.outcomes_add_up(warehouse.rows("impressions", day), placed)
    checks.require([complete, tied], where=f"delivery day {day}")
    files = [
        file or warehouse.write(JUDGED, day, judged, made_from.inputs),
        warehouse.write(CLAIMS, day, made_from.claims.rows, made_from.counted),
    ]
    warehouse.publish(files)
    return Touched(day, rows_of(files), [tied], {JUDGED: by_outcome(judged)})


def as_judged(warehouse: Warehouse, day: str) -> Touched:
    """The judged impressions of a day as they are."""
    judged = warehouse.read(JUDGED, [day]).collect()
    rows = {JUDGED: judged.height, CLAIMS: warehouse.rows(CLAIMS, day)}
    return Touched(day, rows, [checks.both_sides_tie(judged)], {JUDGED: by_outcome(judged)})


def counted_and_judged(warehouse: Warehouse, days: list[str]) -> tuple[int, dict[str, int]]:
    """The impressions accepted on ``days``, and per side those judged."""
    accepted = sum(file.rows for file in warehouse.catalogue.live("impressions", days).values())
    judged = warehouse.read(JUDGED, days).group_by("side").agg(pl.col("impressions").sum()).collect()
    return accepted, {"advertiser": 0, "partner": 0, **dict(judged.iter_rows())}
