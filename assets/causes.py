"""What lies between two computations of a month: the tables and contracts that each went by, and why they differ.

What does not belong here: what counts as a cause, and of which line (``pipelines.causes``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from assets.known_contracts import NOTHING_KNOWN
from assets.upkeep import EARLY_DAYS, Upkeep
from contracts_io.calendar import ONE_DAY, Month, format_instant, parse_instant
from contracts_io.home import Home
from contracts_io.lifecycle import ApprovedVersion
from contracts_io.store.base import reading
from contracts_io.store.catalogue import current_snapshot
from contracts_io.warehouse import Warehouse
from pipelines.causes import (
    EVIDENCE,
    Causes,
    Sides,
    action_evidence,
    adjustment_changes,
    amendment_evidence,
    changed_days,
    conversion_changes,
    media_evidence,
    only_one_knows,
    rate_changes,
    rate_evidence,
    touch_changes,
)

_HEADS = ("draft_invoices", "draft_payouts")


@dataclass(frozen=True)
class Look:
    """What a computation went by: a warehouse, and each contract's approved versions that were known."""

    warehouse: Warehouse
    approved: Mapping[str, Sequence[ApprovedVersion]]


def look_back(home: Home, snapshot: int, known_at: str) -> Look:
    """What issued documents went by that pinned ``snapshot`` and ``known_at``."""
    return Look(home.warehouse_as_of(snapshot), home.contracts.approved(parse_instant(known_at)))


def look_of(upkeep: Upkeep) -> Look:
    """What a computation goes by now."""
    return Look(upkeep.warehouse, upkeep.known.approved)


def latest_known(warehouse: Warehouse, months: Collection[str] | None = None) -> datetime | None:
    """The latest approval that the drafts of ``months`` (None: of all) went by; None where there is no draft."""
    heads = [warehouse.read(table, months).select(pl.col("known_at").max()).collect().item() for table in _HEADS]
    return max((instant for instant in heads if instant is not None), default=None)


def drafted_by(home: Home) -> Look:
    """What the drafts as they stand went by; readable until replaced files are swept, whatever is published meanwhile."""
    known_at = latest_known(home.warehouse) or NOTHING_KNOWN
    with reading(home.engine) as connection:
        snapshot = current_snapshot(connection)
    return look_back(home, snapshot, format_instant(known_at))


def causes(month: Month, before: Look, after: Look, horizon_days: int, *, is_late: bool) -> Causes:
    """Why lines of ``month`` differ between two looks; ``is_late``: what was not in came late, as it does once it is closed."""
    longest = max((v.contract.validation_days for versions in after.approved.values() for v in versions), default=0)
    first = month.first - timedelta(days=longest) - EARLY_DAYS * ONE_DAY
    until = str(month.last + timedelta(days=horizon_days + EARLY_DAYS))
    evidence = [
        EVIDENCE.to_frame(),
        _media(month, before, after, until),
        _actions(month, before, after, until, first),
        amendment_evidence(before.approved, after.approved, first, month.last),
    ]
    agreed = {
        contract_id: only_one_knows(before.approved.get(contract_id, ()), versions, month.first, month.last)
        for contract_id, versions in after.approved.items()
    }
    return Causes(pl.concat(evidence), {c: versions for c, versions in agreed.items() if versions}, is_late=is_late)


def _media(month: Month, before: Look, after: Look, until: str) -> pl.DataFrame:
    days = {day: kind for day, kind in _changed(before, after, "impressions").items() if day <= until}
    if not days:
        return EVIDENCE.to_frame()
    counts, judged = (_sides(before, after, table, days) for table in ("delivery_counts", "judged_impressions"))
    return media_evidence(counts, judged, days, month.first, month.last)


def _actions(month: Month, before: Look, after: Look, until: str, first: date) -> pl.DataFrame:
    units = Sides(*(look.warehouse.read("action_units", [str(month)]) for look in (before, after)))
    changes = []
    if days := {day: kind for day, kind in _changed(before, after, "conversions").items() if day <= until}:
        changes.append(conversion_changes(_sides(before, after, "conversions", days), days))
    if days := _changed(before, after, "conversion_adjustments"):
        changes.append(adjustment_changes(_sides(before, after, "conversion_adjustments", days)))
    touched = _changed(before, after, "impressions") | _changed(before, after, "clicks")
    if days := {day: kind for day, kind in touched.items() if day <= until}:
        delivered = [str(day) for day in units.both().select("delivery_day").unique().collect()["delivery_day"]]
        credits = Sides(*(look.warehouse.read("attribution_credits", delivered) for look in (before, after)))
        changes.append(touch_changes(_sides(before, after, "touches", days), credits, days))
    if not _rates_changed(before, after):
        return action_evidence(units, changes) if changes else EVIDENCE.to_frame()
    rates = Sides(before.warehouse.read("fx_rates"), after.warehouse.read("fx_rates"))
    attributions = Sides(before.warehouse.read("attributions"), after.warehouse.read("attributions"))
    changes.append(rate_changes(units, attributions))
    agreed = {c: versions[0].contract.currency for c, versions in after.approved.items() if versions}
    currencies = pl.DataFrame(list(agreed.items()), schema={"contract_id": pl.String, "currency": pl.String}, orient="row")
    return pl.concat([action_evidence(units, changes), rate_evidence(rates, currencies, first, month.last)])


def _changed(before: Look, after: Look, feed: str) -> dict[str, str]:
    live = (
        {day: (file.inputs, file.sha256) for day, file in look.warehouse.catalogue.live(feed).items()}
        for look in (before, after)
    )
    return changed_days(*live)


def _rates_changed(before: Look, after: Look) -> bool:
    hashes = [[file.sha256 for file in look.warehouse.catalogue.live("fx_rates").values()] for look in (before, after)]
    return hashes[0] != hashes[1]


def _sides(before: Look, after: Look, table: str, days: Mapping[str, str]) -> Sides:
    return Sides(*(look.warehouse.read_days(table, list(days)) for look in (before, after)))
