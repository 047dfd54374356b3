"""Attributing delivery days: their conversions judged, their candidate touches found, and the credit given.

The candidates among the touches are kept, table ``attribution_candidates``, and hold as long as the same is looked for among
the same touches: those that were delivered by the day itself, and apart from these those that its days of grace brought. So
the lookback is read once, not again for what is late nor for a new price. What does not belong here: which days are out of
date (``assets.upkeep``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import NamedTuple

import polars as pl
import polars.selectors as cs

from assets import checks
from assets.at_once import Unwritten, by_delivery_day, days_at_once, one_by_one_where_they_fail, there, written
from assets.touched import Touched, by_status, rows_of
from contracts_io.frames import TABLES
from contracts_io.terms import TermFrames
from contracts_io.warehouse import PartitionFile, Warehouse, fingerprint
from pipelines.attribution import ConversionDay, attribute, candidate_touches, judge, looked_for

CANDIDATES = "attribution_candidates"
ATTRIBUTED = ("attributions", "attribution_credits")
# The candidates of a day are two parts in one file, whose fingerprint is the first half of either part's.
_HALF = 32
_CONVERSIONS_AT_ONCE = 100_000


class AttributedFrom(NamedTuple):
    """What a day is to be attributed from.

    ``inputs``: the fingerprint of its conversions, what is known and agreed of them, and the touches that it looks at. By
    whether they were delivered in its days of grace, ``laid_out``: the fingerprint of these touches, ``touch_days``: their days.
    ``conversions``: how many it has.
    """

    inputs: str
    laid_out: Mapping[bool, str]
    touch_days: Mapping[bool, Sequence[str]]
    conversions: int


def attribute_days(
    warehouse: Warehouse, made_from: Mapping[str, AttributedFrom], terms: TermFrames, rates: pl.DataFrame
) -> Iterator[Touched]:
    """Attribute the days of ``made_from`` and publish what they came to.

    WarehouseError where a check fails or a file is not what was written: then the days before it are published.
    """
    work = partial(_attributed, warehouse, made_from, terms, rates)
    for days in days_at_once({day: of.conversions for day, of in made_from.items()}, _CONVERSIONS_AT_ONCE):
        yield from one_by_one_where_they_fail(work, days)


def _attributed(
    warehouse: Warehouse,
    made_from: Mapping[str, AttributedFrom],
    terms: TermFrames,
    rates: pl.DataFrame,
    days: Sequence[str],
) -> list[Touched]:
    """Attribute ``days`` together and publish them together."""
    given = ConversionDay(
        warehouse.read_days("conversions", days),
        warehouse.read_days("conversion_states", days),
        warehouse.read_days("household_conversions", days),
        terms,
        rates,
    )
    conversions = judge(given)
    found, candidates = _candidates(warehouse, conversions, {day: made_from[day] for day in days}, terms)
    attributions, credits = (by_delivery_day(rows) for rows in attribute(conversions, found))
    no_status, no_credit = (TABLES[table].empty() for table in ATTRIBUTED)
    touched = []

    def checked() -> Iterator[PartitionFile | Unwritten]:
        for day, of_day in zip(days, candidates, strict=True):
            statuses, earned = attributions.get(day, no_status), credits.get(day, no_credit)
            findings = _findings(made_from[day].conversions, statuses, earned)
            checks.require(findings, where=f"delivery day {day}")
            own = [
                of_day,
                Unwritten("attributions", day, statuses, made_from[day].inputs),
                Unwritten("attribution_credits", day, earned, made_from[day].inputs),
            ]
            yield from own
            touched.append(Touched(day, rows_of(own), findings, {"attributions": by_status(statuses)}))

    warehouse.publish(written(warehouse, checked()))
    return touched


def _candidates(
    warehouse: Warehouse, conversions: pl.DataFrame, made_from: Mapping[str, AttributedFrom], terms: TermFrames
) -> tuple[pl.DataFrame, list[PartitionFile | Unwritten]]:
    """The candidates of all days of ``made_from``, and the file of each day, the one that is there where it holds."""
    asked = _as_text(looked_for(conversions, terms))
    kept = there(warehouse, CANDIDATES, made_from)
    looked_up = {
        day: {late: fingerprint(laid_out, asked[day])[:_HALF] for late, laid_out in of.laid_out.items()}
        for day, of in made_from.items()
    }
    holds = [
        (date.fromisoformat(day), late)
        for day, file in kept.items()
        for late, of in looked_up[day].items()
        if file.inputs[_HALF * late :].startswith(of)
    ]
    part = {"delivery_day": pl.Date(), "in_grace": pl.Boolean()}
    holding = pl.LazyFrame(holds, schema=part, orient="row")
    before = warehouse.read(CANDIDATES, {str(day) for day, _ in holds})
    held = before.join(holding, on=list(part), how="semi", maintain_order="left").collect()
    found: list[pl.DataFrame] = [held]
    files: list[PartitionFile | Unwritten] = []
    for day, of in made_from.items():
        both = looked_up[day][False] + looked_up[day][True]
        if day in kept and kept[day].inputs == both:
            files.append(kept[day])
            continue
        on = date.fromisoformat(day)
        own = conversions.filter(pl.col("delivery_day") == on)
        parts = []
        for in_grace, touch_days in of.touch_days.items():
            if (on, in_grace) in holds:
                parts.append(held.filter(pl.col("delivery_day") == on, pl.col("in_grace") == in_grace))
            else:
                touches = warehouse.read_packed("touches", touch_days if own["status"].has_nulls() else [])
                parts.append(candidate_touches(own, touches, terms, in_grace=in_grace))
                found.append(parts[-1])
        files.append(Unwritten(CANDIDATES, day, pl.concat(parts), both))
    return pl.concat(found), files


def as_attributed(warehouse: Warehouse, day: str) -> Touched:
    """The statuses and credits of a day as they are."""
    attributions, credits = (warehouse.read(table, [day]).collect() for table in ATTRIBUTED)
    rows = {table: warehouse.rows(table, day) for table in (CANDIDATES, *ATTRIBUTED)}
    findings = _findings(warehouse.rows("conversions", day), attributions, credits)
    return Touched(day, rows, findings, {"attributions": by_status(attributions)})


def _as_text(frames: Sequence[pl.DataFrame]) -> Mapping[str, str]:
    """What the frames say of each day."""
    numbers = (cs.duration() | cs.datetime()).to_physical()  # CSV knows no durations, and is slow at instants
    texts: dict[str, str] = defaultdict(str)
    for at, frame in enumerate(frames):
        for day, rows in by_delivery_day(frame.with_columns(numbers)).items():
            texts[day] += f"{at}\n{rows.write_csv()}"
    return texts


def _findings(conversions: int, attributions: pl.DataFrame, credits: pl.DataFrame) -> list[checks.Finding]:
    return [
        checks.one_status_each(attributions.height, conversions),
        checks.exchange_rates_there(attributions),
        checks.credits_add_up(attributions, credits),
    ]
