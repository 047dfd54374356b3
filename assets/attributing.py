"""Attributing a delivery day: its conversions judged, their candidate touches found, and the credit given.

The candidates among the touches are kept, table ``attribution_candidates``, and hold as long as the same is looked for among
the same touches: those that were delivered by the day itself, and apart from these those that its days of grace brought. So
the lookback is read once, not again for what is late nor for a new price. What does not belong here: which days are out of
date (``assets.upkeep``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import NamedTuple

import polars as pl
import polars.selectors as cs

from assets import checks
from assets.touched import Touched, by_status, rows_of
from contracts_io.terms import TermFrames
from contracts_io.warehouse import Warehouse, fingerprint
from pipelines.attribution import ConversionDay, attribute, candidate_touches, judge, looked_for

CANDIDATES = "attribution_candidates"
ATTRIBUTED = ("attributions", "attribution_credits")
# The candidates of a day are two parts in one file, whose fingerprint is the first half of either part's.
_HALF = 32


class AttributedFrom(NamedTuple):
    """What a day is to be attributed from.

    ``inputs``: the fingerprint of its conversions, what is known and agreed of them, and the touches that it looks at. By
    whether they were delivered in its days of grace, ``laid_out``: the fingerprint of these touches, ``touch_days``: their days.
    """

    inputs: str
    laid_out: Mapping[bool, str]
    touch_days: Mapping[bool, Sequence[str]]


def attribute_day(
    warehouse: Warehouse, day: str, made_from: AttributedFrom, terms: TermFrames, rates: pl.DataFrame
) -> Touched:
    """Attribute ``day`` and publish what it came to; WarehouseError where a check fails or a file is not what was written."""
    on = date.fromisoformat(day)
    given = ConversionDay(
        warehouse.read("conversions", [day]),
        warehouse.read("conversion_states", [day]),
        warehouse.read("household_conversions", [day]),
        terms,
        rates,
    )
    conversions = judge(given)
    are_open = bool(conversions["status"].is_null().any())
    asked = _as_text(looked_for(conversions, terms))
    looked_up = {in_grace: fingerprint(laid_out, asked)[:_HALF] for in_grace, laid_out in made_from.laid_out.items()}
    kept = warehouse.live_file(CANDIDATES, day)
    both = looked_up[False] + looked_up[True]
    holds = {late: kept is not None and kept.inputs[_HALF * late :].startswith(of) for late, of in looked_up.items()}
    before = warehouse.read(CANDIDATES, [day] if any(holds.values()) else []).collect()
    found = []
    for in_grace, days in made_from.touch_days.items():
        if holds[in_grace]:
            found.append(before.filter(pl.col("in_grace") == in_grace))
        else:
            touches = warehouse.read_packed("touches", days if are_open else [])
            found.append(candidate_touches(conversions, touches, terms, on, in_grace=in_grace))
    attributions, credits = attribute(conversions, pl.concat(found), on)
    findings = _findings(warehouse, day, attributions, credits)
    checks.require(findings, where=f"delivery day {day}")
    files = [
        kept if kept and kept.inputs == both else warehouse.write(CANDIDATES, day, pl.concat(found), both),
        warehouse.write("attributions", day, attributions, made_from.inputs),
        warehouse.write("attribution_credits", day, credits, made_from.inputs),
    ]
    warehouse.publish(files)
    return Touched(day, rows_of(files), findings, {"attributions": by_status(attributions)})


def as_attributed(warehouse: Warehouse, day: str) -> Touched:
    """The statuses and credits of a day as they are."""
    attributions, credits = (warehouse.read(table, [day]).collect() for table in ATTRIBUTED)
    rows = {table: warehouse.rows(table, day) for table in (CANDIDATES, *ATTRIBUTED)}
    findings = _findings(warehouse, day, attributions, credits)
    return Touched(day, rows, findings, {"attributions": by_status(attributions)})


def _as_text(frames: Sequence[pl.DataFrame]) -> str:
    numbers = cs.duration().to_physical()  # CSV knows no durations
    return "\n".join(frame.with_columns(numbers).write_csv(quote_style="non_numeric") for frame in frames)


def _findings(warehouse: Warehouse, day: str, attributions: pl.DataFrame, credits: pl.DataFrame) -> list[checks.Finding]:
    return [
        checks.one_status_each(attributions.height, warehouse.rows("conversions", day)),
        checks.exchange_rates_there(attributions),
        checks.credits_add_up(attributions, credits),
    ]
