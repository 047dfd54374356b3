"""A line that adjusts: what was issued before, what it entitles to, the difference (spec 7.2).

A credit or debit note adjusts the invoice of its contract and month, line by line; a line ``adjustment`` of a payout
statement adjusts what was paid for a closed month.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, NamedTuple

from contracts_io.calendar import Month
from contracts_io.home import Home
from contracts_io.money import decimal_to_minor, minor_to_decimal
from contracts_io.store.document_tables import Invoice, Line, Payout
from contracts_io.store.issued import adjusting_lines, issued_for
from services.explaining.explained import Sum
from services.explaining.figures import billed
from services.explaining.lines import line_sum
from services.explaining.media import Context
from services.explaining.sources import Source, source_now, sources_of_adjustments

_NOTES = ("credit_note", "debit_note")


class Part(NamedTuple):
    """What one document says of a line that is adjusted."""

    number: str
    quantity: int | None
    amount: Decimal


def drafted_lines(source: Source, table: str, contract_id: str, currency: str) -> list[Line]:
    """The lines that a contract's month entitles to, of ``draft_invoice_lines`` or ``draft_payout_lines``."""
    return [
        Line(
            **{name: row[name] for name in ("line", "kind", "contract_id", "term_id", "version", "step", "description")},
            quantity=row["quantity"],
            rate=None if row["rate"] is None else str(row["rate"]),
            amount_minor=decimal_to_minor(row["amount"], currency),
            advertiser_contract_id=row.get("advertiser_contract_id"),
        )
        for row in source.of_contract(table, contract_id).sort("line").to_dicts()
    ]


def _key(line: Line, *, kind: bool) -> tuple[Any, ...]:
    rate = None if line.rate is None else Decimal(line.rate)
    return (line.kind if kind else None, line.term_id, line.version, line.step, rate, line.advertiser_contract_id)


def source_of_note(home: Home, note: Invoice) -> Source:
    """The tables that a note was made from: those of the adjustment by which the month came to what it was then issued for.

    The live tables where no adjustment on record says it.
    """
    month = Month.parse(note.month)
    now = source_now(home, month)
    before, _ = documents_before(now, note)
    issued = [note, *(document for document, _ in before)]
    wanted = tuple(minor_to_decimal(sum(minors), note.currency) for minors in zip(*map(_net_and_tax, issued), strict=True))
    for source in sources_of_adjustments(home, month):
        drafted = source.of_contract("draft_invoices", note.contract_id).select("net", "tax").rows()
        if (drafted[0] if drafted else (Decimal(0), Decimal(0))) == wanted:
            return source
    return now


def _net_and_tax(document: Invoice) -> tuple[int, int]:
    return document.net_minor, document.tax_minor


def documents_before(source: Source, note: Invoice) -> tuple[list[tuple[Invoice, list[Line]]], bool]:
    """The documents of a note's contract and month that were issued before it, and whether it is the last one."""
    issued = [
        (document, lines)
        for document, lines in issued_for(source.home.engine, note.contract_id, source.month)
        if isinstance(document, Invoice)
    ]
    issued = _as_issued(source, issued)
    place = [document.number for document, _ in issued].index(note.number)
    return issued[:place], place == len(issued) - 1


def _as_issued(source: Source, issued: list[tuple[Invoice, list[Line]]]) -> list[tuple[Invoice, list[Line]]]:
    """Documents of a contract and month, given by date and number, in the order in which they were issued.

    Credit and debit notes of one day are in series of their own. Each adjustment of the month issued at most one of them, and
    its tables say what the month came to then: so whether it was the next credit note or the next debit note.
    """
    notes = [(document, lines) for document, lines in issued if document.kind != "invoice"]
    if len({document.kind for document, _ in notes}) < len(_NOTES):
        return issued
    waiting = {kind: deque(own for own in notes if own[0].kind == kind) for kind in _NOTES}
    ordered = [own for own in issued if own[0].kind == "invoice"]
    first = notes[0][0]
    for adjusted in sources_of_adjustments(source.home, source.month):
        drafted = adjusted.of_contract("draft_invoices", first.contract_id).select("net", "tax").rows()
        came_to = tuple(
            decimal_to_minor(amount, first.currency) for amount in (drafted[0] if drafted else (Decimal(0),) * 2)
        )
        so_far = tuple(sum(minors) for minors in zip((0, 0), *(_net_and_tax(own) for own, _ in ordered), strict=True))
        if came_to == so_far:
            continue
        kind = "credit_note" if sum(came_to) < sum(so_far) else "debit_note"
        if waiting[kind]:
            ordered.append(waiting[kind].popleft())
    return ordered if len(ordered) == len(issued) else issued


def note_line(context: Context, note: Invoice, line: Line) -> Sum:
    """A line of a credit or debit note; ``context`` is the month that it adjusts."""
    before, is_last = documents_before(context.source, note)
    key = _key(line, kind=True)
    parts = [
        Part(document.number, own.quantity, minor_to_decimal(own.amount_minor, context.currency))
        for document, lines in before
        for own in lines
        if _key(own, kind=True) == key
    ]
    drafted = drafted_lines(context.source, "draft_invoice_lines", context.contract_id, context.currency)
    entitled = [own for own in drafted if _key(own, kind=True) == key]
    adjusted = context._replace(lines=drafted)
    return _difference(adjusted, line, parts, entitled, is_stored=context.source.is_pinned, is_last=is_last)


def adjustment(context: Context, statement: Payout, line: Line) -> Sum:
    """A line of a payout statement that adjusts a closed month, ``line.adjusts_month``."""
    adjusted, entitled = adjusted_by(context, line)
    month, engine = adjusted.source.month, context.source.home.engine
    paid = [
        (document.number, own)
        for document, lines in issued_for(engine, context.contract_id, month)
        for own in lines
        if own.adjusts_month is None
    ]
    later = adjusting_lines(engine, context.contract_id, month)
    mine = [n for n, (number, _) in enumerate(later) if number == statement.number]
    paid += later[: mine[0]] if mine else later
    key = _key(line, kind=False)
    parts = [
        Part(number, own.quantity, minor_to_decimal(own.amount_minor, context.currency))
        for number, own in paid
        if _key(own, kind=False) == key
    ]
    return _difference(adjusted, line, parts, entitled, is_stored=True)


def adjusted_by(context: Context, line: Line) -> tuple[Context, list[Line]]:
    """The month that a line of a statement adjusts, by the tables of the statement, and the lines of it that now stand there."""
    assert line.adjusts_month is not None
    source = context.source
    adjusted = replace(source, month=Month.parse(line.adjusts_month))
    drafted = drafted_lines(adjusted, "draft_payout_lines", context.contract_id, context.currency)
    key = _key(line, kind=False)
    return context._replace(source=adjusted, lines=drafted), [own for own in drafted if _key(own, kind=False) == key]


def _difference(
    context: Context, line: Line, parts: Sequence[Part], entitled: list[Line], *, is_stored: bool, is_last: bool = True
) -> Sum:
    """``context`` is of the month that is adjusted, its lines those that the month entitles to.

    ``is_stored``: these are the tables that the line was made from, so that all must tie. Otherwise they may have changed
    since, and where other notes followed they say nothing of this one.
    """
    currency, month = context.currency, context.source.month
    before = sum((part.amount for part in parts), Decimal(0))
    then = before + context.amount(line)
    now = sum((context.amount(own) for own in entitled), Decimal(0))
    quantities = [own.quantity for own in entitled if own.quantity is not None]
    entitles = f"{_counted(sum(quantities) if quantities else None)}{billed(now, currency)}"
    written = [f"issued before by {part.number}: {_counted(part.quantity)}{billed(part.amount, currency)}" for part in parts]
    written = written or ["issued before: nothing"]
    problems = []
    if now == then or is_stored:
        written.append(f"{month} entitles to {entitles}")
    else:
        since = f"since then it changed to {billed(now, currency)}" if is_last else "other notes followed"
        written.append(f"when this was issued {month} entitled to {billed(then, currency)}; {since}")
    if now != then and is_stored:
        problems.append(f"{billed(now, currency)} - {billed(before, currency)} is not {billed(then - before, currency)}")
    issued = billed(before, currency) if before >= 0 else f"({billed(before, currency)})"
    written.append(f"difference: {billed(then, currency)} - {issued} = {billed(then - before, currency)}")
    days: list[dict[str, Any]] = []
    for own in entitled if now == then else []:
        found = line_sum(context, own)
        written += ["what it entitles to:", *(f"  {step}" for step in found.arithmetic)]
        days += found.days
        problems += found.problems
    return Sum(written, then - before, None, days, problems)


def _counted(quantity: int | None) -> str:
    return "" if quantity is None else f"{quantity:,} for "
