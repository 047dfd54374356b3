"""The journal of a month as text for a ledger: the entries of issued documents, or the accruals of an open month."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from contracts_io.calendar import Month
from contracts_io.errors import BooksError, SettingsError
from contracts_io.formats.ledger import WRITERS, LedgerLine
from contracts_io.formats.tables import written_whole
from contracts_io.home import Home
from contracts_io.money import decimal_to_minor
from contracts_io.store.document_tables import DRAFT
from pipelines.journal import Earned, PartnerLine, accrual_entries, owed_to_partners
from services.delivery_days import refuse_undelivered

PAYOUT_STATEMENT = "payout_statement"


def journal_text(home: Home, month: Month, kind: str, *, accruals: bool = False) -> str:
    """The month's journal as ``kind`` (csv, beancount or hledger): issued entries, or with ``accruals`` those of an open month.

    BooksError where the month is open and no accruals are asked for, or closed and they are, or its drafts are out of date.
    """
    closed = month in home.books.closed_months()
    if accruals and closed:
        raise BooksError(
            f"{month} is closed: what was earned in it is issued, and nothing of it is accrued any more",
            remedy="leave out --accruals",
        )
    if not accruals and not closed:
        refuse_undelivered(home, month, "issued entries")
        raise BooksError(
            f"{month} is open: it has no issued entries",
            remedy=f"see what is earned so far with --accruals, or close the month with `adledger close {month}`",
        )
    if accruals:
        _require_fresh(home, month)
    lines = accrued(home, month) if accruals else issued(home, month)
    return WRITERS[kind](lines, home.settings.accounts.chart)


def write_journal(home: Home, month: Month, folder: Path, kind: str, *, accruals: bool = False) -> Path:
    """The same as a file ``journal-<month>.<kind>`` or ``accruals-<month>.<kind>`` in ``folder``, whole or not at all.

    AdledgerError where the disk refuses.
    """
    text = journal_text(home, month, kind, accruals=accruals)
    path = folder / f"{'accruals' if accruals else 'journal'}-{month}.{kind}"
    with written_whole(path, "the journal") as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path


def issued(home: Home, month: Month) -> list[LedgerLine]:
    """The entries of the month's issued documents, by entry and line."""
    documents = {document.number: (document.kind, document.contract_id) for document, _ in home.books.invoices(month)}
    statements = home.books.payouts(month)
    documents |= {statement.number: (PAYOUT_STATEMENT, statement.contract_id) for statement, _ in statements}
    lines = []
    for line in home.books.journal(month):
        if line.posted_on is None:
            raise BooksError("it has no date", where=f"journal entry {line.entry}", remedy="restore the books from a backup")
        kind, contract_id = documents[line.document]
        lines.append(
            LedgerLine(
                entry=line.entry,
                line=line.line,
                posted_on=line.posted_on,
                document=line.document,
                document_type=kind,
                contract_id=contract_id,
                party_id=line.party_id,
                month=line.month,
                account=line.account,
                currency=line.currency,
                debit_minor=line.debit_minor,
                credit_minor=line.credit_minor,
                description=f"{kind.replace('_', ' ')} for {line.month}",
            )
        )
    return lines


def accrued(home: Home, month: Month) -> list[LedgerLine]:
    """The accrual entries of the month's drafts, as they are in the warehouse, each with its reversal."""
    lines = []
    for entry in accrual_entries(home.settings.accounts, month, *_earned(home, month)):
        for number, posting in enumerate(entry.postings, start=1):
            lines.append(
                LedgerLine(
                    entry=entry.entry,
                    line=number,
                    posted_on=entry.posted_on,
                    document=f"{DRAFT}{entry.contract_id}",
                    document_type="accrual_reversal" if entry.reverses else "accrual",
                    contract_id=entry.contract_id,
                    party_id=entry.party_id,
                    month=str(month),
                    account=posting.account,
                    currency=entry.currency,
                    debit_minor=posting.debit,
                    credit_minor=posting.credit,
                    description=f"{'reversal of accrual' if entry.reverses else 'accrual'} for {month}",
                    reverses=entry.reverses or "",
                )
            )
    return lines


def _earned(home: Home, month: Month) -> tuple[list[Earned], list[Earned]]:
    """What the month's drafts come to: of advertiser contracts, and of partner contracts."""
    invoices = _rows(home, "draft_invoices", month)
    payouts = _rows(home, "draft_payouts", month)
    standing = home.settings.journal
    agent_invoices = {row["contract_id"]: row["currency"] for row in invoices if standing.is_agent(row["contract_id"])}
    lines: dict[str, list[PartnerLine]] = {row["contract_id"]: [] for row in payouts}
    currencies = {row["contract_id"]: row["currency"] for row in payouts}
    for row in _rows(home, "draft_payout_lines", month):
        currency = currencies[row["contract_id"]]
        amount = decimal_to_minor(row["amount"], currency)
        lines[row["contract_id"]].append(PartnerLine(row["advertiser_contract_id"], currency, amount))
    owed = owed_to_partners((line for of_contract in lines.values() for line in of_contract), agent_invoices)
    cleared = {contract_id: sum(owed_to_partners(own, agent_invoices).values()) for contract_id, own in lines.items()}
    return (
        [_draft(row, "party_id", "net", owed) for row in invoices],
        [_draft(row, "partner_id", "earnings", cleared) for row in payouts],
    )


def _draft(row: Mapping[str, Any], party: str, amount: str, cleared: Mapping[str, int]) -> Earned:
    currency, contract_id = row["currency"], row["contract_id"]
    return Earned(contract_id, row[party], currency, decimal_to_minor(row[amount], currency), cleared.get(contract_id, 0))


def _rows(home: Home, table: str, month: Month) -> list[dict[str, Any]]:
    return home.warehouse.read(table, [str(month)]).collect().to_dicts()


def _require_fresh(home: Home, month: Month) -> None:
    from assets.upkeep import Upkeep  # noqa: PLC0415 - loads Polars and the pipelines

    upkeep = Upkeep(home)
    advertisers = upkeep.terms.contracts.filter(pl.col("side") == "advertiser")["contract_id"].unique().to_list()
    if unknown := home.settings.journal.unknown(advertisers):
        raise SettingsError(
            f"{', '.join(unknown)}: no approved advertiser contract has this id",
            where="[journal] in adledger.toml",
            remedy="correct the id, or take the line out until the contract is approved",
        )
    if upkeep.is_stale(month):
        raise BooksError(
            f"the drafts of {month} are older than its data or contracts",
            remedy="run `adledger run DAY` of any day of the month, which brings everything up to date",
        )
