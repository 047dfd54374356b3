"""How an explanation looks: as text with tables for people, as data for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from rich.console import Console
from rich.markup import escape

from contracts_io.calendar import format_instant
from contracts_io.lifecycle import CONTENT_LENGTH
from services import show
from services.explaining.explained import (
    Agreed,
    ConversionExplained,
    DocumentExplained,
    Explained,
    Fee,
    ImpressionExplained,
    LineExplained,
    Outcome,
    RowsExplained,
)
from services.explaining.figures import billed, exact

_NUMBERS = ("step", "units", "exact", "charged", "position", "value", "fee", "credit", "amount", "rate", "uncapped")
_TIES = "ties: every sum above comes to what is stored, to the last digit"
_UNTIED = "DOES NOT TIE"

MOST_DAYS = 10
"""As many rows behind a line are listed where a whole document is explained; a line by itself lists all."""


def as_data(found: Sequence[Explained]) -> list[dict[str, Any]]:
    """Each part with ``explains`` (document, conversion, impression or rows) and whether it ``ties``; amounts and instants as text."""
    names = {
        DocumentExplained: "document",
        ConversionExplained: "conversion",
        ImpressionExplained: "impression",
        RowsExplained: "rows",
    }
    data = [{"explains": names[type(part)], "ties": not part.problems, **asdict(part)} for part in found]
    return [{name: _plain(value) for name, value in part.items()} for part in data]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner) for inner in value]
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, date | timedelta) else value


def print_explained(found: Sequence[Explained]) -> None:
    """Print each part, one after the other."""
    out = show.console()
    for place, part in enumerate(found):
        if place:
            out.print()
        if isinstance(part, DocumentExplained):
            _document(out, part)
        elif isinstance(part, ConversionExplained):
            _conversion(out, part)
        elif isinstance(part, ImpressionExplained):
            _impression(out, part)
        else:
            _title(out, f"{part.event_id}: nothing of {part.feed} with this id is used")
            _say(out, part.elsewhere)
        if not isinstance(part, RowsExplained):
            _verdict(out, part.problems)


def _document(out: Console, document: DocumentExplained) -> None:
    kind = document.kind.replace("_", " ")
    _title(out, f"{document.number}: {kind} of {document.contract_id} ({document.party_id}) for {document.month}")
    dates = [f"issued {document.issued_on}" if document.issued_on else "not issued"]
    dates += [f"due {document.due_on}"] if document.due_on else []
    dates += [f"adjusts {document.adjusts}"] if document.adjusts else []
    amounts = ", ".join(
        f"{name.replace('_', ' ')} {billed(amount, document.currency)}" for name, amount in document.amounts.items()
    )
    _say(out, [", ".join(dates), amounts, *_agreed(document.agreed), f"contracts as known at {document.known_at}"])
    _say(out, [f"cause of the tax: {document.cause}"] if document.cause else [])
    _say(out, document.remarks)
    for line in document.lines:
        out.print()
        _line(out, line, document)
    out.print()
    _title(out, "sums")
    _say(out, document.arithmetic)


def _line(out: Console, line: LineExplained, document: DocumentExplained) -> None:
    _title(out, f"line {line.line}, {line.kind}: {line.description}: {billed(line.amount, document.currency)}")
    quantity = [] if line.quantity is None else [f"quantity {line.quantity:,}"]
    rate = [] if line.rate is None else [f"rate {exact(Decimal(line.rate))}"]
    _say(out, [", ".join([*quantity, *rate])] if quantity or rate else [])
    if line.agreed is not None:
        _say(out, [f"version {line.agreed.version}, see above"] if line.agreed == document.agreed else _agreed(line.agreed))
    _say(out, line.arithmetic)
    if len(document.lines) > 1 and len(line.days) > MOST_DAYS:
        dates = sorted({str(day["billing_date"]) for day in line.days})
        count = f"{len(line.days):,} groups on {len(dates)} days, {dates[0]} to {dates[-1]}"
        month = "" if document.issued_on else f" --month {document.month}"
        _say(out, [f"{count}: adledger explain {document.number}{month} --line {line.line} lists them"])
    else:
        _rows(out, "days behind it", line.days)
    if line.events is not None:
        _rows(out, f"{len(line.events):,} events behind it", line.events)
    if line.problems:
        _verdict(out, line.problems)


def _conversion(out: Console, told: ConversionExplained) -> None:
    reason = f" ({told.reason})" if told.reason else ""
    _title(out, f"conversion {told.conversion_id}: {told.status}{reason}")
    _say(out, [f"by {told.as_of}", _facts(told.event), *told.why, *_agreed(told.agreed), *told.elsewhere])
    if told.touches:
        _rows(out, "touches of its household", [_touch(touch) for touch in told.touches])
    else:
        _say(out, ["no touch of its household lies within the longest lookback"])
    for fee in told.fees:
        _fee(out, fee)
    _title(out, "documents")
    _say(out, told.documents)


def _touch(touch: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "touch": touch["touch_id"],
        "kind": touch["touch_kind"],
        "at": touch["touch_time"],
        "from it": touch["age"],
        "partner": touch["partner_id"],
        "line item": touch["line_item_id"],
        "counts": "yes" if touch["counts"] else f"no: {touch['why']}",
        "credit": touch["credit"],
    }


def _fee(out: Console, fee: Fee) -> None:
    to = f" to partner {fee.partner_id}" if fee.partner_id else ""
    _title(out, f"{fee.side}{to}: {fee.contract_id} version {fee.version}, term {fee.term_id}, billed {fee.billing_date}")
    _say(out, fee.arithmetic)


def _impression(out: Console, told: ImpressionExplained) -> None:
    _title(out, f"impression {told.impression_id}")
    _say(out, [_facts(told.event), *told.elsewhere])
    for outcome in told.outcomes:
        _outcome(out, outcome)
    _title(out, "as a touch")
    _say(out, told.touch)
    if told.credited:
        _rows(out, "credited with", told.credited)
    else:
        _say(out, ["no conversion is credited to it"])


def _outcome(out: Console, told: Outcome) -> None:
    under = f" under {told.contract_id} version {told.version}, term {told.term_id}" if told.contract_id else ""
    _title(out, f"{told.side}: {told.outcome}{under}")
    _say(out, [f"by {told.as_of}", *told.why, *_agreed(told.agreed)])
    if told.multiplier is not None:
        _say(out, [f"multiplier {exact(told.multiplier, least=0)}"])
    _rows(out, "its group, as priced", told.group)
    if told.documents:
        _say(out, [f"documents: {', '.join(told.documents)}"])


def _facts(event: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_cell(value)}" for name, value in event.items() if value is not None)


def _agreed(agreed: Agreed | None) -> list[str]:
    if agreed is None:
        return []
    return [
        f"version {agreed.version} of {agreed.contract_id}, effective from {agreed.effective_from}: submitted by "
        f"{agreed.submitted_by} at {format_instant(agreed.submitted_at)}, approved by {agreed.approved_by} at "
        f"{format_instant(agreed.approved_at)}, content {agreed.content_hash[:CONTENT_LENGTH]}"
    ]


def _title(out: Console, text: str) -> None:
    out.print(text, style="bold", markup=False, soft_wrap=True)


def _say(out: Console, lines: Sequence[str]) -> None:
    for line in lines:
        out.print(f"  {line}", markup=False, soft_wrap=True)


def _rows(out: Console, title: str, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        cells = [[escape(_cell(row.get(name))) for name in columns] for row in rows]
        numbers = [name for name in columns if name in _NUMBERS]
        out.print(show.table(f"  {title}", columns, cells, numbers=numbers))


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list):
        return ", ".join(_cell(inner) for inner in value)
    if isinstance(value, datetime):
        return format_instant(value)
    if isinstance(value, Decimal):
        return exact(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _verdict(out: Console, problems: Sequence[str]) -> None:
    if not problems:
        out.print(_TIES, style="green", soft_wrap=True)
        return
    for problem in problems:
        out.print(f"{_UNTIED}: {problem}", style="bold red", markup=False, soft_wrap=True)
