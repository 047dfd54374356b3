"""A document explained: which version it goes by, how every line came about, and how its sums follow from the lines.

An issued invoice or statement is read from the tables that its month's close pinned, a draft from the live ones; a note from
the live ones and the documents before it.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from contracts_io.calendar import Month
from contracts_io.errors import BooksError
from contracts_io.home import Home
from contracts_io.money import minor_to_decimal
from contracts_io.store.document_tables import DRAFT, Invoice, Line, Payout
from contracts_io.store.issued import find_issued
from pipelines.documents import settle
from services.explaining.drafts import drafted
from services.explaining.events import events_behind
from services.explaining.explained import DocumentExplained, LineExplained, Sum
from services.explaining.figures import billed, exact, factor, minor, of_micros, rounded
from services.explaining.lines import line_sum
from services.explaining.media import Context
from services.explaining.notes import adjustment, documents_before, note_line, source_of_note
from services.explaining.sources import Source, agreed, source_now, source_of

_NUMBER = re.compile(r"(INV|PAY|CN|DN)-[0-9]{4}-[0-9]{6}")
_PAYOUT = "payout_statement"
_INVOICE = "invoice"


def is_number(what: str) -> bool:
    """Whether this is written like a document's number."""
    return what.startswith(DRAFT) or _NUMBER.fullmatch(what) is not None


def explain_document(
    home: Home, number: str, month: Month | None = None, line: int | None = None, *, events: bool = False
) -> DocumentExplained:
    """The document with this number, or with ``line`` that line of it; of a draft the ``month`` is asked for.

    BooksError where there is no such document or line.
    """
    if number.startswith(DRAFT):
        document, lines, remarks = drafted(home, number, month)
        source = source_now(home, Month.parse(document.month))
    else:
        found = find_issued(home.engine, number)
        if found is None:
            raise BooksError(
                "there is no document with this number",
                where=number,
                remedy="see `adledger export MONTH` for those of a month",
            )
        document, lines = found
        source = _source(home, document)
        remarks = []
    wanted = [own for own in lines if line is None or own.line == line]
    if line is not None and not wanted:
        raise BooksError(
            f"it has no line {line}", where=number, remedy=f"it has lines 1 to {len(lines)}" if lines else "it has no lines"
        )
    context = Context(source, document.contract_id, document.currency, lines)
    return _explained(context, document, wanted, [f"read from {source.said}", *remarks], events=events)


def _source(home: Home, document: Invoice | Payout) -> Source:
    """The tables that an issued document was made from."""
    if isinstance(document, Invoice) and document.kind != _INVOICE:
        return source_of_note(home, document)
    return source_of(home, Month.parse(document.month))


def _explained(
    context: Context, document: Invoice | Payout, lines: list[Line], remarks: list[str], *, events: bool
) -> DocumentExplained:
    source, currency = context.source, context.currency
    head = source.head(document.contract_id)
    explained = [_line(context, document, line, events=events) for line in lines]
    amounts = {
        name.removesuffix("_minor"): minor_to_decimal(value, currency)
        for name, value in vars(document).items()
        if name.endswith("_minor")
    }
    if isinstance(document, Invoice):
        sums, problems = _tax(context, document, head)
        version: int | None = document.version
    else:
        sums, problems = _settlement(context, document, head)
        version = int(str(head["version"])) if head else None
    problems += [f"line {line.line}: {problem}" for line in explained for problem in line.problems]
    return DocumentExplained(
        number=document.number,
        kind=document.kind if isinstance(document, Invoice) else _PAYOUT,
        contract_id=document.contract_id,
        party_id=document.party_id if isinstance(document, Invoice) else document.partner_id,
        month=document.month,
        currency=currency,
        issued_on=document.issued_on,
        due_on=document.due_on if isinstance(document, Invoice) else None,
        adjusts=document.adjusts if isinstance(document, Invoice) else None,
        cause=document.cause if isinstance(document, Invoice) else None,
        known_at=document.known_at,
        agreed=agreed(source.home, document.contract_id, version) if version is not None else None,
        amounts=amounts,
        remarks=remarks,
        lines=explained,
        arithmetic=sums,
        problems=problems,
    )


def _line(context: Context, document: Invoice | Payout, line: Line, *, events: bool) -> LineExplained:
    found = _sum(context, document, line)
    version = line.version
    if version is None and isinstance(document, Invoice):
        version = document.version
    return LineExplained(
        line=line.line,
        kind=line.kind,
        contract_id=line.contract_id,
        term_id=line.term_id,
        version=line.version,
        step=line.step,
        description=line.description,
        quantity=line.quantity,
        rate=line.rate,
        amount=context.amount(line),
        cause=line.cause,
        agreed=agreed(context.source.home, line.contract_id, version) if version is not None else None,
        arithmetic=found.arithmetic,
        exact=found.exact,
        days=found.days,
        problems=found.problems,
        events=events_behind(context, line) if events else None,
    )


def _sum(context: Context, document: Invoice | Payout, line: Line) -> Sum:
    if isinstance(document, Payout):
        return adjustment(context, document, line) if line.adjusts_month else line_sum(context, line)
    return line_sum(context, line) if document.kind == _INVOICE else note_line(context, document, line)


def _tax(context: Context, document: Invoice, head: dict[str, Any] | None) -> tuple[list[str], list[str]]:
    """Net, tax and total; of a note the tax is the difference of two taxes."""
    currency = context.currency
    net, tax, total = (minor_to_decimal(m, currency) for m in (document.net_minor, document.tax_minor, document.total_minor))
    summed = sum((context.amount(line) for line in context.lines), Decimal(0))
    rate = of_micros(int(head["tax_rate_micros"])) if head else Decimal(0)
    if document.kind == _INVOICE:
        due, taxed = net, Decimal(0)
    else:
        earlier, _ = documents_before(context.source, document)
        due = net + minor_to_decimal(sum(d.net_minor for d, _ in earlier), currency)
        taxed = minor_to_decimal(sum(d.tax_minor for d, _ in earlier), currency)
    tax_due = rounded(due * rate, currency)
    worked_out = tax_due - taxed
    less = f"; {billed(tax_due, currency)} - {billed(taxed, currency)} issued before = {billed(worked_out, currency)}"
    written = [
        f"net: the sum of the lines = {billed(summed, currency)}",
        f"tax: {exact(due)} x {factor(rate)} = {exact(due * rate)}, rounded once = {billed(tax_due, currency)}"
        + ("" if document.kind == _INVOICE else less),
        f"total: {billed(net, currency)} + {billed(tax, currency)} = {billed(net + tax, currency)}",
    ]
    checks = {"lines": (summed, net), "tax": (worked_out, tax), "total": (net + tax, total)}
    return written, [_untied(name, *pair, currency) for name, pair in checks.items() if pair[0] != pair[1]]


def _settlement(context: Context, document: Payout, head: dict[str, Any] | None) -> tuple[list[str], list[str]]:
    """What becomes of the earnings of a statement."""
    currency = context.currency
    earned = sum((context.amount(line) for line in context.lines), Decimal(0))
    least, share = (int(head[name]) if head else 0 for name in ("minimum_payout_micros", "withholding_micros"))
    settled = settle(minor(earned, currency), document.brought_forward_minor, least, share, currency)
    due = earned + minor_to_decimal(document.brought_forward_minor, currency)
    written = [
        f"earnings: the sum of the lines = {billed(earned, currency)}",
        f"due: {exact(earned)} + {billed(due - earned, currency)} brought forward = {billed(due, currency)}",
        f"minimum payout: {exact(of_micros(least))} {currency}",
    ]
    amounts = {name: minor_to_decimal(getattr(settled, name), currency) for name in _SETTLED}
    if settled.payable:
        kept = due * of_micros(share)
        written += [
            f"withholding: {exact(due)} x {factor(of_micros(share))} = {exact(kept)}, "
            f"rounded once = {billed(amounts['withholding'], currency)}",
            f"payable: {billed(due, currency)} - {billed(amounts['withholding'], currency)} "
            f"= {billed(amounts['payable'], currency)}; nothing is carried forward",
        ]
    else:
        why = "not positive" if due <= 0 else "below the minimum payout"
        written.append(f"{billed(due, currency)} is {why}: nothing is payable, all of it is carried forward")
    said = {name: minor_to_decimal(getattr(document, f"{name}_minor"), currency) for name in _SETTLED}
    return written, [_untied(name, amounts[name], said[name], currency) for name in _SETTLED if amounts[name] != said[name]]


_SETTLED = ("earnings", "withholding", "payable", "carried_forward")


def _untied(name: str, found: Decimal, said: Decimal, currency: str) -> str:
    return f"{name}: this comes to {billed(found, currency)}, the document says {billed(said, currency)}"
