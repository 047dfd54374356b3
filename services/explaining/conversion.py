"""A conversion explained: its status and why, every touch of its household, its credit, what it costs and earns.

It is told by the tables as they are; where the close of its month went by others that said something else, by these too.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl

from contracts_io.calendar import Month, days_between
from contracts_io.home import Home
from pipelines.attribution import ConversionDay, looked_at
from services.explaining.explained import ConversionExplained, RowsExplained
from services.explaining.fees import fees
from services.explaining.rows import accepted, elsewhere, only
from services.explaining.sources import Source, agreed, source_of, source_of_events
from services.explaining.status import Case, why

_FEED = "conversions"
_TWO_DAYS = timedelta(days=2)


def explain_conversion(home: Home, conversion_id: str, day: date | None) -> list[ConversionExplained | RowsExplained]:
    """What became of the conversion with this id; empty where no row with it was ever delivered, or none on ``day``."""
    others = elsewhere(home, _FEED, conversion_id, day)
    rows = accepted(home, _FEED, conversion_id, day)
    if not rows:
        return [RowsExplained(conversion_id, _FEED, [*others, *only(day)])] if others else []
    return [explained for row in rows for explained in _tellings(home, row, [*others, *only(day)])]


def _tellings(home: Home, row: dict[str, Any], others: list[str]) -> list[ConversionExplained | RowsExplained]:
    event_month = Month.of(row["event_time"].date())
    live = _stored(home.warehouse.read("attributions", [str(row["delivery_day"])]), row)
    if live is None:
        return [RowsExplained(row["conversion_id"], _FEED, [_not_attributed(row), *others])]
    billed = Month.of(live["billing_date"]) if live["billing_date"] else event_month
    now = _told(home, source_of_events(home, billed), row, live, others)
    tellings: list[ConversionExplained | RowsExplained] = [now]
    months = {event_month, billed, *(Month.of(fee.billing_date) for fee in now.fees)}
    for month in sorted(months & home.books.closed_months().keys()):
        source = source_of(home, month)
        then = _stored(source.warehouse.read("attributions", [str(row["delivery_day"])]), row)
        if then is not None and _as_told(told := _told(home, source, row, then, [])) != _as_told(now):
            tellings.append(told)
    return tellings


def _as_told(told: ConversionExplained) -> tuple[Any, ...]:
    amounts = [(fee.side, fee.contract_id, fee.version, fee.term_id, fee.billing_date, fee.amount) for fee in told.fees]
    return told.status, told.reason, told.agreed, amounts


def _stored(table: pl.LazyFrame, row: dict[str, Any]) -> dict[str, Any] | None:
    rows = table.filter(pl.col("conversion_id") == row["conversion_id"]).collect().to_dicts()
    return rows[0] if rows else None


def _not_attributed(row: dict[str, Any]) -> str:
    return (
        f"accepted on {row['delivery_day']}, {row['file']} row {row['row']}, and not attributed yet: "
        f"`adledger run {row['delivery_day']}` does it"
    )


def _told(home: Home, source: Source, row: dict[str, Any], judged: dict[str, Any], others: list[str]) -> ConversionExplained:
    warehouse, day = source.warehouse, str(row["delivery_day"])
    state = _stored(warehouse.read("conversion_states", [day]), row) or {}
    contract_id, version = judged["contract_id"], judged["version"]
    rules: dict[str, Any] = {}
    if contract_id is not None:
        rules = source.terms_of(contract_id).contracts.filter(pl.col("version") == version).to_dicts()[0]
    touches = _touches(home, source, row)
    problems = _untied(warehouse.read("attribution_credits", [day]), row, touches)
    paid = fees(home, source, row["conversion_id"], row["delivery_day"])
    documents = [f"{number} ({fee.side}, {fee.contract_id})" for fee in paid for number in fee.documents]
    return ConversionExplained(
        conversion_id=row["conversion_id"],
        as_of=source.said,
        event=row,
        status=judged["status"],
        reason=judged["reason"],
        why=why(Case(source, row, judged, state, rules)),
        agreed=agreed(home, contract_id, version) if contract_id is not None else None,
        touches=touches.to_dicts(),
        fees=paid,
        documents=documents or [f"none: {_no_document(judged['status'], bool(paid))}"],
        elsewhere=others,
        problems=problems,
    )


def _no_document(status: str, has_units: bool) -> str:
    if status != "attributed":
        return f"with status {status} it is neither charged nor paid on"
    return "it is over the cap" if has_units else "its month is not rated yet"


def _touches(home: Home, source: Source, row: dict[str, Any]) -> pl.DataFrame:
    """Every touch of its household that attribution looked at, and later ones, with why it counts or not."""
    warehouse, day = source.warehouse, str(row["delivery_day"])
    lookbacks = [source.terms.contracts, source.terms.overrides]
    longest = max(
        (found for frame in lookbacks for name in ("view_lookback", "click_lookback") if (found := frame[name].max())),
        default=timedelta(0),
    )
    assert isinstance(longest, timedelta)
    # A touch may be delivered a day before the UTC date of its time, at the earliest.
    first: date = (row["event_time"] - longest - _TWO_DAYS).date()
    last = row["delivery_day"] + timedelta(days=home.settings.grace_days)
    given = ConversionDay(
        warehouse.read(_FEED, [day]),
        warehouse.read("conversion_states", [day]),
        warehouse.read("household_conversions", [day]),
        source.terms,
        source.rates,
    )
    touches = warehouse.read_packed("touches", [str(d) for d in days_between(first, last)])
    return looked_at(row["conversion_id"], given, touches).with_columns(
        age=pl.col("touch_time").map_elements(lambda at: _age(row["event_time"] - at), pl.String)
    )


def _age(before: timedelta) -> str:
    return f"{before} before" if before >= timedelta(0) else f"{-before} after"


def _untied(credits: pl.LazyFrame, row: dict[str, Any], touches: pl.DataFrame) -> list[str]:
    """Where the touches, looked at again, do not come to the stored credits."""
    stored = (
        credits.filter(pl.col("conversion_id") == row["conversion_id"]).select("touch_kind", "touch_id", "credit").collect()
    )
    again = touches.filter(pl.col("credit") > 0).select("touch_kind", "touch_id", "credit")
    if sorted(stored.rows()) == sorted(again.rows()):
        return []
    return [
        f"the stored credits are {sorted(stored.rows())}, looked at again they come to {sorted(again.rows())}: "
        "contracts or touches changed since; `adledger run DAY` of any day brings the tables up to date"
    ]
