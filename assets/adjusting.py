"""Adjusting a closed month: what it entitles to now, minus everything that was issued for it.

Invoices are adjusted by credit and debit notes, one per contract; what partners are owed more or less goes on their next
payout statement. Each line says why it is there. Nothing that was issued is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from assets.causes import Look, causes, look_back, look_of
from assets.composing import PENDING_SCHEMA, Documents, compose, entry_of, invoice_of, line_of, settled_balances
from assets.upkeep import Upkeep
from contracts_io.calendar import Month, format_instant
from contracts_io.errors import BooksError
from contracts_io.frames import TABLES
from contracts_io.home import Home
from contracts_io.money import minor_to_decimal
from contracts_io.store.document_tables import DRAFT, Invoice, Line
from contracts_io.store.documents import still_open
from pipelines.adjustments import PAYOUT_LINE_KEY, Adjustments, invoice_adjustments, line_changes
from pipelines.journal import invoice_postings

CREDIT_NOTE, DEBIT_NOTE = "credit_note", "debit_note"
SERIES = {CREDIT_NOTE: "CN", DEBIT_NOTE: "DN"}


class Pending(NamedTuple):
    """What a closed month would be adjusted by: its notes, their net by currency, and how many partner lines differ."""

    notes: int
    net: dict[str, Decimal]
    partner_lines: int


def pending(home: Home, upkeep: Upkeep, month: Month) -> Pending:
    """What is pending for a closed month, by the drafts as they stand."""
    notes = pending_notes(home, upkeep, month).notes
    sums = notes.group_by("currency").agg(pl.col("net").sum()).sort("currency")
    return Pending(notes.height, dict(sums.iter_rows()), pending_payout_changes(home, upkeep, month).height)


def pending_notes(home: Home, upkeep: Upkeep, month: Month) -> Adjustments:
    """What credit and debit notes of a closed month would say now; empty where nothing is pending."""
    issued = home.books.invoices(month)
    notes, lines = invoice_adjustments(
        upkeep.warehouse.read("draft_invoices", [str(month)]).collect(),
        upkeep.warehouse.read("draft_invoice_lines", [str(month)]).collect(),
        _heads(document for document, _ in issued),
        issued_invoice_lines(home, month),
    )
    # A contract that entitles to nothing any more has no draft that says what was known.
    return Adjustments(notes.with_columns(pl.col("known_at").fill_null(upkeep.known.known_at)), lines)


def pending_lines(home: Home, upkeep: Upkeep, before: Month) -> pl.DataFrame:
    """The payout lines (PENDING_SCHEMA, kind adjustment) that the statements of ``before`` carry for closed months before it."""
    parts = [PENDING_SCHEMA.to_frame()]
    for month in home.books.closed_months():
        if month >= before or (changes := pending_payout_changes(home, upkeep, month)).is_empty():
            continue
        explained = _explained(home, upkeep, month, changes, known_to_statements(home, month))
        parts.append(
            explained.with_columns(
                description=pl.format("{} adjusted: {}", pl.lit(str(month)), "description"),
                kind=pl.lit("adjustment"),
                adjusts_month=pl.lit(str(month)),
            ).select(PENDING_SCHEMA.names())
        )
    return pl.concat(parts).with_columns(
        line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("contract_id", mapping_strategy="group_to_rows")
    )


def pending_payout_changes(home: Home, upkeep: Upkeep, month: Month) -> pl.DataFrame:
    """How the payout lines of a closed month differ from what statements have paid for it, this month's and later ones'."""
    entitled = upkeep.warehouse.read("draft_payout_lines", [str(month)]).collect()
    # A line that adjusts has lost its kind: what it adjusts has the same term, version, step, rate and contract charged.
    key = [name for name in PAYOUT_LINE_KEY if name != "kind"]
    return line_changes(entitled, issued_payout_lines(home, upkeep, month), key)


def drafted(home: Home, upkeep: Upkeep, month: Month) -> Documents:
    """The month's documents as ``upkeep`` knows them, numbered ``DRAFT-<contract_id>``, without dates.

    Of a closed month they are the whole entitlement, as if every month were issued from what is known now.
    """
    closed = home.books.closed_months()
    if month in closed:
        balances, lines = settled_balances(upkeep, [m for m in closed if m < month]), PENDING_SCHEMA.to_frame()
    else:
        balances, lines = home.books.balances(), pending_lines(home, upkeep, month)
    return compose(home.settings, upkeep, month, None, lambda _, contract_id: f"{DRAFT}{contract_id}", balances, lines)


def missing_rates(upkeep: Upkeep, month: Month) -> list[str]:
    """Each exchange rate that the month's drafts lack, with the remedy: without it they come to less than is owed."""
    missing = upkeep.warehouse.read("missing_rates", [str(month)]).collect()
    return [
        f"no exchange rate {base}/{quote} for {day}, needed by {contract_id}: "
        f"add it to landing/fx_rates and run `adledger run {day}`"
        for day, base, quote, contract_id in missing.rows()
    ]


def issued_invoice_lines(home: Home, month: Month) -> pl.DataFrame:
    """The lines of a month's invoices and notes as ``draft_invoice_lines``."""
    issued = home.books.invoices(month)
    return _line_frame("draft_invoice_lines", ((line, document.currency) for document, lines in issued for line in lines))


def issued_payout_lines(home: Home, upkeep: Upkeep, month: Month) -> pl.DataFrame:
    """The lines of statements that pay for a closed month, its own and later ones', as ``draft_payout_lines``."""
    statements = home.books.payouts(month)
    currency = {statement.contract_id: statement.currency for statement, _ in statements}
    currency |= dict(upkeep.terms.contracts.select("contract_id", "currency").unique().iter_rows())
    paid = [line for _, lines in statements for line in lines if line.adjusts_month is None]
    adjusted = home.books.adjustments_of(month)
    return _line_frame("draft_payout_lines", ((line, currency[line.contract_id]) for line in [*paid, *adjusted]))


def known_to_invoices(home: Home, month: Month) -> Look:
    """What the invoices of a closed month, or the last notes for it, went by."""
    if done := [done for done in home.books.adjusted() if done.month == month]:
        return look_back(home, done[-1].snapshot, done[-1].known_at)
    closed = home.books.closed_months()[month]
    return look_back(home, closed.snapshot, closed.known_at)


def known_to_statements(home: Home, month: Month) -> Look:
    """What the last statements that paid for a closed month went by: its own, or those of a later month."""
    last = max((closed for m, closed in home.books.closed_months().items() if m >= month), key=lambda c: c.snapshot)
    return look_back(home, last.snapshot, last.known_at)


def _explained(home: Home, upkeep: Upkeep, month: Month, lines: pl.DataFrame, before: Look) -> pl.DataFrame:
    """``lines`` with their ``cause``, which their description names too."""
    found = causes(month, before, look_of(upkeep), home.settings.horizon_days, is_late=True)
    return found.named(lines).with_columns(description=pl.format("{} ({})", "description", "cause"))


def adjust(home: Home, month: Month, issued_on: date, by: str | None = None) -> list[str]:
    """Issue the credit and debit notes that a closed month needs, in one transaction; gives their numbers.

    BooksError where the month is open, its drafts are older than its data or contracts, or a rate that they need is missing;
    then nothing has changed.
    """
    if month not in home.books.closed_months():
        raise still_open(month)
    upkeep = Upkeep(home)
    if upkeep.is_stale(month):
        raise BooksError(
            f"the drafts of {month} are older than its data or contracts",
            remedy=f"run `adledger adjust {month}`, which rates the month first, or the job adjust_month",
        )
    if missing := missing_rates(upkeep, month):
        raise BooksError(
            f"{month} cannot be adjusted:" + "".join(f"\n  - {reason}" for reason in missing),
            remedy="nothing was issued; put these right, then adjust again",
        )
    numbers: list[str] = []
    before = known_to_invoices(home, month)
    with home.books.adjusting(month) as issuing:
        issuing.require_not_before(issued_on)
        notes, lines = pending_notes(home, upkeep, month)
        if notes.is_empty():
            return numbers
        explained = _explained(home, upkeep, month, lines, before)
        invoices = {d.contract_id: d.number for d, _ in home.books.invoices(month) if d.kind == "invoice"}
        by_contract = {key: rows.to_dicts() for (key,), rows in explained.group_by("contract_id", maintain_order=True)}
        for head in notes.iter_rows(named=True):
            kind, contract_id = head["kind"], head["contract_id"]
            number = issuing.next_number(SERIES[kind], issued_on.year)
            note = invoice_of(head, month, issued_on, number, kind, invoices.get(contract_id))
            issuing.add_invoice(note, [line_of(row, note.currency) for row in by_contract.get(contract_id, [])])
            postings = invoice_postings(home.settings.accounts, note.net_minor, note.tax_minor)
            if entry := entry_of(number, note.party_id, month, issued_on, note.currency, postings):
                issuing.add_journal(entry)
            numbers.append(number)
        issuing.record_adjustment(issued_on, known_at=format_instant(upkeep.known.known_at), by=by)
    return numbers


def _heads(documents: Iterable[Invoice]) -> pl.DataFrame:
    """Rows of ``draft_invoices`` with the sums of all documents of each contract."""
    sums: dict[str, dict[str, Any]] = {}
    for document in documents:
        head = sums.setdefault(
            document.contract_id,
            {
                "contract_id": document.contract_id,
                "version": document.version,
                "party_id": document.party_id,
                "currency": document.currency,
                "payment_terms_days": 0,
            },
        )
        for name in ("net", "tax", "total"):
            minor = getattr(document, f"{name}_minor")
            head[name] = head.get(name, Decimal(0)) + minor_to_decimal(minor, document.currency)
    return _frame("draft_invoices", sums.values())


def _line_frame(table: str, lines: Iterable[tuple[Line, str]]) -> pl.DataFrame:
    """Issued lines, each with its currency, as rows of a table of draft lines."""
    rows = [
        {
            "contract_id": line.contract_id,
            "line": line.line,
            "kind": line.kind,
            "term_id": line.term_id,
            "version": line.version,
            "step": line.step,
            "advertiser_contract_id": line.advertiser_contract_id,
            "description": _without_cause(line),
            "quantity": line.quantity,
            "rate": None if line.rate is None else Decimal(line.rate),
            "amount": minor_to_decimal(line.amount_minor, currency),
        }
        for line, currency in lines
    ]
    return _frame(table, rows)


def _without_cause(line: Line) -> str:
    """What a line is for, without the month it adjusts and why."""
    return line.description.removeprefix(f"{line.adjusts_month} adjusted: ").removesuffix(f" ({line.cause})")


def _frame(table: str, rows: Iterable[Mapping[str, Any]]) -> pl.DataFrame:
    schema = TABLES[table].polars_schema
    listed = list(rows)
    return pl.DataFrame([pl.Series(name, [row.get(name) for row in listed], dtype) for name, dtype in schema.items()])
