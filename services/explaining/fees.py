"""What a conversion costs and earns, and the documents that say so: its rows of ``action_units`` written out."""

from __future__ import annotations

from typing import Any

import polars as pl

from contracts_io.calendar import Month
from contracts_io.home import Home
from contracts_io.store.document_tables import DRAFT, Invoice, Line
from contracts_io.store.issued import adjusting_lines, issued_for
from services.explaining.explained import Fee
from services.explaining.figures import exact, factor, of_micros
from services.explaining.media import span, steps_of
from services.explaining.sources import Source, source_of

_UNIT = ["side", "contract_id", "version", "term_id", "step", "credit", "position", "fee", "amount"]


def units_of(source: Source, conversion_id: str, delivery_day: Any) -> pl.DataFrame:
    """The rows of ``action_units`` of a conversion, of every month; the advertiser's first."""
    units = source.warehouse.read("action_units").filter(
        pl.col("conversion_id") == conversion_id, pl.col("delivery_day") == delivery_day
    )
    return units.collect(engine="streaming").sort("side", "contract_id", "term_id")


def fees(home: Home, source: Source, conversion_id: str, delivery_day: Any) -> list[Fee]:
    """What each term makes of a conversion, with the documents that it went to."""
    return [_fee(home, source, row) for row in units_of(source, conversion_id, delivery_day).iter_rows(named=True)]


def _fee(home: Home, source: Source, unit: dict[str, Any]) -> Fee:
    return Fee(
        unit["side"],
        unit["contract_id"],
        unit["version"],
        unit["term_id"],
        unit["partner_id"],
        unit["billing_date"],
        unit["amount"],
        _written(source, unit),
        _documents(home, source, unit),
    )


def _written(source: Source, unit: dict[str, Any]) -> list[str]:
    terms = source.terms_of(unit["contract_id"])
    own = (pl.col("term_id") == unit["term_id"]) & (pl.col("version") == unit["version"])
    term = terms.terms.filter(own).to_dicts()[0]
    credit = f"credit {unit['credit']:,} of 1,000,000 on {unit['term_id']}"
    if unit["position"] is None:
        return [
            credit,
            f"over the monthly cap of {term['monthly_cap']:,} in {Month.of(unit['billing_date'])}: not charged, not paid on",
        ]
    steps = steps_of(terms, unit["term_id"], unit["version"])
    step, currency = steps[unit["step"]], term["currency"]
    place = f"unit {unit['position']:,} of {Month.of(unit['billing_date'])}"
    priced = f"{place}, priced at {span(steps, unit['step'])}" if len(steps) > 1 else place
    if unit["fee"] is None:
        return [credit, priced, "its value has no exchange rate into the contract's currency: the month cannot be closed"]
    if unit["rate_kind"] == "flat":
        fee = f"fee {exact(unit['fee'])} {currency}"
    else:
        held = [
            f"{word} {exact(of_micros(step[name]))}"
            for word, name in (("at least", "fee_minimum_micros"), ("at most", "fee_maximum_micros"))
            if step[name] is not None
        ]
        value = "none, taken as 0" if unit["value"] is None else exact(unit["value"])
        fee = ", ".join([f"fee: value {value} x {factor(unit['rate'])}", *held]) + f" = {exact(unit['fee'])} {currency}"
    worked_out = f"{exact(unit['fee'])} x {unit['credit']:,} / 1,000,000 = {exact(unit['amount'])} {currency} (9 places)"
    return [credit, priced, fee, worked_out]


def _documents(home: Home, source: Source, unit: dict[str, Any]) -> list[str]:
    """The numbers of the documents whose lines hold a unit, or why there is none."""
    contract_id, month = unit["contract_id"], Month.of(unit["billing_date"])
    if unit["amount"] is None:
        return []
    if month not in home.books.closed_months():
        return [f"{DRAFT}{contract_id} of {month}, which is open"]
    closed = units_of(source_of(home, month), unit["conversion_id"], unit["delivery_day"]).select(_UNIT)
    mine = tuple(unit[name] for name in _UNIT)
    was_there = mine in closed.rows()
    found = [
        document.number
        for document, lines in issued_for(home.engine, contract_id, month)
        if (not isinstance(document, Invoice) or document.kind == "invoice") == was_there
        and any(_holds(line, unit) for line in lines)
    ]
    if not was_there and unit["side"] == "partner":
        found = [number for number, line in adjusting_lines(home.engine, contract_id, month) if _holds(line, unit)]
    if found or was_there:
        return found
    if not source.is_pinned and unit["side"] == "partner":
        return [f"none yet: {month} is closed, the partner's next statement carries the difference"]
    return [f"none yet: {month} is closed, `adledger adjust {month}` issues the difference"]


def _holds(line: Line, unit: dict[str, Any]) -> bool:
    kinds = ("action", "adjustment")
    same = (line.term_id, line.version, line.step) == (unit["term_id"], unit["version"], unit["step"])
    return line.kind in kinds and same
