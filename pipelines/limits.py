"""Where in its flight a unit falls: impression cap, price steps, budget, and how a day that crosses one is shared (spec 5.2).

Pure integers, one term at a time, day by day; a flight is all days of a term, in all its versions. A unit's place among the
units of its month decides its step; its place in the flight decides whether it is over the cap. The cap goes first: steps
count what it has left.

    cap 12, steps up to 3, 8 and beyond; 10 units before the flight's day, 2 of them this month; a day of 5 units
    -> 1 at step 1, 1 at step 2, 3 over the cap
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from contracts_io.money import share_out

OVER_CAP = 0
"""Stands in the place of a step, which count from 1, for what lies beyond the impression cap."""

Parts = list[tuple[int, int]]
"""A day's units in the order in which they count: (step or OVER_CAP, units above zero)."""


class Limits(NamedTuple):
    """What a version of a term counts by.

    ``ends``: the last unit of each step but the last one, ascending; ``by_total``: volume tiers, where the month's total
    decides the step of all; ``cap`` in units and ``budget`` in nanos over the flight, None where there is none.
    """

    ends: tuple[int, ...] = ()
    by_total: bool = False
    cap: int | None = None
    budget: int | None = None


def month_parts(days: Sequence[tuple[Limits, int]], billed: int) -> list[Parts]:
    """The parts of each day's units; ``days`` are a term's in order, with the limits in force, ``billed`` units went before."""
    parts: list[Parts] = []
    position = 0
    for limits, units in days:
        kept = units if limits.cap is None else min(units, max(0, limits.cap - billed))
        day = [] if not kept else [(1, kept)] if limits.by_total else _over_steps(kept, position, limits.ends)
        if kept < units:
            day.append((OVER_CAP, units - kept))
        parts.append(day)
        position += kept
        billed += kept
    for (limits, _), day in zip(days, parts, strict=True):
        if limits.by_total and day[0][0] != OVER_CAP:
            day[0] = (_step_of(position, limits.ends), day[0][1])
    return parts


def _over_steps(units: int, position: int, ends: tuple[int, ...]) -> Parts:
    """``units`` that follow the month's first ``position``, over the steps that they fall in."""
    step = _step_of(position + 1, ends)
    day: Parts = []
    last = position + units
    while step <= len(ends) and ends[step - 1] < last:
        day.append((step, ends[step - 1] - position))
        position = ends[step - 1]
        step += 1
    return [*day, (step, last - position)]


def _step_of(unit: int, ends: tuple[int, ...]) -> int:
    return bisect_left(ends, unit) + 1


def share_day(parts: Parts, groups: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """A day's ``parts`` over its ``groups``, units in key order: (group's place, step or OVER_CAP, units above zero).

    Each boundary takes the part before it from all groups in proportion to what they have left, the cap first.
    """
    left = list(groups)
    kept = share_out(sum(units for step, units in parts if step != OVER_CAP), left)
    yield from _taken(OVER_CAP, [units - stays for units, stays in zip(left, kept, strict=True)])
    left = kept
    for step, units in parts:
        if step != OVER_CAP:
            taken = share_out(units, left)
            left = [before - part for before, part in zip(left, taken, strict=True)]
            yield from _taken(step, taken)


def _taken(step: int, units: Iterable[int]) -> Iterator[tuple[int, int, int]]:
    return ((place, step, taken) for place, taken in enumerate(units) if taken)


def month_charges(days: Iterable[tuple[Limits, int]], charged: int) -> list[int]:
    """What is charged of each day's accruals, in nanos; ``days`` and limits as in ``month_parts``, ``charged`` went before."""
    charges = []
    for limits, accrued in days:
        charge = accrued if limits.budget is None else min(accrued, max(0, limits.budget - charged))
        charges.append(charge)
        charged += charge
    return charges
