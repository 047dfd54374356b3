"""Adjusting a closed month: what it entitles to now, minus everything that was issued for it.

Invoices are adjusted by credit and debit notes, one per contract; what partners are owed more or less goes on their next
payout statement. Each line says why it is there. Nothing that was issued is changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from assets.causes import Look, causes, look_back, look_of
from assets.composing import (
    PENDING_SCHEMA,
    Documents,
    Number,
    compose,
    entry_of,
    invoice_of,
    line_of,
    rows_by_contract,
    settled_balances,
)
from assets.known_contracts import KnownContracts
from assets.preparing import (
    issued_before,
    keep,
    numbers_to_come,
    prepared_for,
    require_as_prepared,
    require_nothing_against,
)
from assets.upkeep import Upkeep
from contracts_io.calendar import Month, format_instant
from contracts_io.errors import BooksError
from contracts_io.frames import TABLES
from contracts_io.home import Home
from contracts_io.money import minor_to_decimal
from contracts_io.store.document_tables import DRAFT, Invoice, Line
from contracts_io.store.documents import Act, Prepared, still_open
from pipelines.adjustments import PAYOUT_LINE_KEY, Adjustments, invoice_adjustments, line_changes
from pipelines.causes import OTHERWISE, tax_changes
from pipelines.documents import headers
from pipelines.journal import invoice_postings

CREDIT_NOTE, DEBIT_NOTE = "credit_note", "debit_note"
SERIES = {CREDIT_NOTE: "CN", DEBIT_NOTE: "DN"}


class Pending(NamedTuple):
    """What a closed month would be adjusted by: its notes, their net and tax by currency, and how many partner lines differ.

    ``tax_changes``: why the tax of a note changes where its lines do not say it, by contract.
    """

    notes: int
    net: dict[str, Decimal]
    tax: dict[str, Decimal]
    tax_changes: dict[str, str]
    partner_lines: int


def pending(home: Home, upkeep: Upkeep, month: Month) -> Pending:
    """What is pending for a closed month, by the drafts as they stand."""
    found = pending_notes(home, upkeep, month)
    sums = found.notes.group_by("currency").agg(pl.col("net", "tax").sum()).sort("currency")
    net, tax = (dict(sums.select("currency", name).iter_rows()) for name in ("net", "tax"))
    why = {} if found.notes.is_empty() else _tax_changes(upkeep, month, found, known_to_invoices(home, month))
    return Pending(found.notes.height, net, tax, why, pending_payout_changes(home, upkeep, month).height)


def pending_notes(home: Home, upkeep: Upkeep, month: Month) -> Adjustments:
    """What credit and debit notes of a closed month would say now; empty where nothing is pending."""
    issued = home.books.invoices(month)
    return invoice_adjustments(
        upkeep.warehouse.read("draft_invoices", [str(month)]).collect(),
        upkeep.warehouse.read("draft_invoice_lines", [str(month)]).collect(),
        _heads((document for document, _ in issued), upkeep, month),
        issued_invoice_lines(home, month),
    )


def pending_lines(home: Home, upkeep: Upkeep, before: Month) -> pl.DataFrame:
    """The payout lines (PENDING_SCHEMA, kind adjustment) that the statements of ``before`` carry for closed months before it.

    Each goes on one statement, the next: of the earliest open month after the closed one that has documents to issue, and
    where there is none, of the month after the last closed one.
    """
    parts = [PENDING_SCHEMA.to_frame()]
    closed = home.books.closed_months()
    waiting = sorted(drafted_months(upkeep) - closed.keys())
    for month in closed:
        if before != next((later for later in waiting if later > month), max(closed).next):
            continue
        if (changes := pending_payout_changes(home, upkeep, month)).is_empty():
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


def drafted_months(upkeep: Upkeep) -> set[Month]:
    """The months, open or closed, that have drafts of documents."""
    live = (upkeep.warehouse.catalogue.live(table).values() for table in ("draft_invoices", "draft_payouts"))
    return {Month.parse(file.partition) for files in live for file in files if file.rows}


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
    if missing.is_empty():
        return []
    last = max(upkeep.warehouse.catalogue.live("impressions"))  # any day that is in would do: each run reads all rates
    return [
        f"no exchange rate {base}/{quote} for {day}, needed by {contract_id}: "
        f"add it to landing/fx_rates, then `adledger run {last}`"
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


def _tax_changes(upkeep: Upkeep, month: Month, found: Adjustments, before: Look) -> dict[str, str]:
    """Why the tax of each note changes where its lines do not say it: another rate, or whatever else where it has no line."""
    heads = [headers(terms, month) for terms in (KnownContracts(before.approved).terms, upkeep.terms)]
    lineless = set(found.notes["contract_id"]) - set(found.lines["contract_id"])
    changes = dict.fromkeys(lineless, OTHERWISE) | tax_changes(*heads)
    return {contract_id: changes[contract_id] for contract_id in found.notes["contract_id"] if contract_id in changes}


def standing_against_notes(home: Home, month: Month, issued_on: date, upkeep: Upkeep) -> list[str]:
    """Everything that stops adjusting a closed month on a date, each with its remedy; empty: it can be adjusted."""
    return [*issued_before(home, month, issued_on), *missing_rates(upkeep, month)]


def notes_as_they_would_be(home: Home, month: Month, issued_on: date, upkeep: Upkeep) -> Documents:
    """The notes that a closed month needs, with the numbers that they would have; nothing is written."""
    return _notes(home, upkeep, month, issued_on, numbers_to_come(home, issued_on))


def prepare_notes(home: Home, month: Month, issued_on: date, by: str, at: datetime) -> Prepared | None:
    """Keep the notes that a closed month needs for another person to approve; None where it needs none.

    The same once more changes nothing. BooksError with every reason that stands against adjusting the month.
    """
    upkeep = _upkeep_to_adjust(home, month, issued_on)
    notes = notes_as_they_would_be(home, month, issued_on, upkeep)
    return keep(home, Act.ADJUST, month, issued_on, notes, by, at) if notes.invoices else None


def adjust(home: Home, month: Month, issued_on: date, by: str | None = None, content: str | None = None) -> list[str]:
    """Issue the credit and debit notes that a closed month needs, in one transaction; gives their numbers.

    Where ``[roles] close_approval`` is set, these must be the notes that another person prepared, on their date of issue, and
    their hash begin with ``content`` where it is given. BooksError where the month is open, its drafts are older than its data
    or contracts, a rate that they need is missing, with what changed since it was prepared, or where contracts were approved
    meanwhile; then nothing has changed.
    """
    upkeep = _upkeep_to_adjust(home, month, issued_on)
    with home.books.adjusting(month) as issuing:
        issuing.require_not_before(issued_on)
        issuing.require_known(upkeep.known.approved)
        notes = _notes(home, upkeep, month, issued_on, lambda series, _: issuing.next_number(series, issued_on.year))
        if not notes.invoices:
            return []
        prepared = prepared_for(home, Act.ADJUST, month, by, content) if home.settings.roles.close_approval else None
        if prepared:
            require_as_prepared(prepared, issued_on, notes)
        for document, lines, entry in notes.issued():
            issuing.issue(document, lines, entry)
        known_at = format_instant(upkeep.known.known_at)
        prepared_by = prepared.prepared_by if prepared else None
        issuing.record_adjustment(issued_on, known_at=known_at, by=by, prepared_by=prepared_by)
    return [note.number for note, _ in notes.invoices]


def _upkeep_to_adjust(home: Home, month: Month, issued_on: date) -> Upkeep:
    """A look at a home in which nothing stands against adjusting ``month``; BooksError where something does."""
    if month not in home.books.closed_months():
        raise still_open(month)
    upkeep = Upkeep(home)
    if upkeep.is_stale(month):
        raise BooksError(
            f"the drafts of {month} are older than its data or contracts",
            remedy=f"run `adledger adjust {month}`, which rates the month first, or the job adjust_month",
        )
    require_nothing_against(Act.ADJUST, month, standing_against_notes(home, month, issued_on, upkeep))
    return upkeep


def _notes(home: Home, upkeep: Upkeep, month: Month, issued_on: date, number: Number) -> Documents:
    """The notes that a closed month needs, each line with its cause."""
    found = pending_notes(home, upkeep, month)
    if found.notes.is_empty():
        return Documents([], [], [])
    before = known_to_invoices(home, month)
    lines = rows_by_contract(_explained(home, upkeep, month, found.lines, before))
    why = _tax_changes(upkeep, month, found, before)
    adjusted = _first_documents(home, month)
    notes, entries = [], []
    for head in found.notes.iter_rows(named=True):
        kind, contract_id = head["kind"], head["contract_id"]
        named = number(SERIES[kind], contract_id)
        note = invoice_of(head, month, issued_on, named, kind, adjusted.get(contract_id), why.get(contract_id))
        notes.append((note, [line_of(row, note.currency) for row in lines[contract_id]]))
        postings = invoice_postings(home.settings.accounts, note.net_minor, note.tax_minor)
        entries.append(entry_of(note.number, note.party_id, month, issued_on, note.currency, postings))
    return Documents(notes, [], [entry for entry in entries if entry])


def _first_documents(home: Home, month: Month) -> dict[str, str]:
    """By contract the number of its invoice for a month, or where none was issued of the first note, which asks for money."""
    issued = [document for document, _ in home.books.invoices(month)]
    numbers: dict[str, str] = {}
    for kind in ("invoice", DEBIT_NOTE):
        for document in issued:
            if document.kind == kind:
                numbers.setdefault(document.contract_id, document.number)
    return numbers


def _heads(documents: Iterable[Invoice], upkeep: Upkeep, month: Month) -> pl.DataFrame:
    """Rows of ``draft_invoices`` with the sums of all documents of each contract, and what a draft would say of the whole.

    A contract that entitles to nothing any more has no draft that says it.
    """
    heads = headers(upkeep.terms, month).select("contract_id", "version", "payment_terms_days")
    agreed = heads.rows_by_key("contract_id", unique=True)
    sums: dict[str, dict[str, Any]] = {}
    for document in documents:
        version, payment_terms_days = agreed[document.contract_id]
        head = sums.setdefault(
            document.contract_id,
            {
                "contract_id": document.contract_id,
                "version": version,
                "party_id": document.party_id,
                "currency": document.currency,
                "known_at": upkeep.known.known_at,
                "payment_terms_days": payment_terms_days,
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
