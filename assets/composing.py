"""Drafts become documents: numbers, dates, balances and journal entries are added, the amounts are the drafts' digit for digit.

Drafts, a close and an export of drafts all come through here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from assets.upkeep import Upkeep
from contracts_io.calendar import Month, format_instant
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE, decimal_to_minor
from contracts_io.settings import Settings
from contracts_io.store.document_tables import Invoice, JournalLine, Line, Payout
from pipelines.documents import Settlement, headers, payout_heads, settle
from pipelines.journal import PartnerLine, Posting, invoice_postings, owed_to_partners, payout_postings

PENDING_SCHEMA = pl.Schema(
    {**TABLES["draft_payout_lines"].polars_schema, "adjusts_month": pl.String(), "cause": pl.String()}
)
"""Lines that the next payout statement carries for months that are closed: amounts are differences."""

Number = Callable[[str, str], str]
"""Gives the number for a series and a contract id; called in order of contract."""


class Documents(NamedTuple):
    """A month's documents with their lines and journal entries, in order of contract."""

    invoices: list[tuple[Invoice, list[Line]]]
    payouts: list[tuple[Payout, list[Line]]]
    entries: list[list[JournalLine]]

    def issued(self) -> Iterator[tuple[Invoice | Payout, list[Line], list[JournalLine]]]:
        """Each document with its lines and its entry, in the order in which they are issued."""
        entries = {entry[0].document: entry for entry in self.entries}
        documents: list[tuple[Invoice | Payout, list[Line]]] = [*self.invoices, *self.payouts]
        for document, lines in documents:
            yield document, lines, entries.get(document.number, [])


def compose(
    settings: Settings,
    upkeep: Upkeep,
    month: Month,
    issued_on: date | None,
    number: Number,
    balances: Mapping[str, int],
    pending: pl.DataFrame,
) -> Documents:
    """The documents that the month's drafts come to.

    ``balances`` is what each partner contract carried forward, in minor units; ``pending`` (PENDING_SCHEMA) the adjustments of
    closed months that its statement carries; ``issued_on`` is None for drafts.
    """
    heads = upkeep.warehouse.read("draft_invoices", [str(month)]).sort("contract_id").collect().to_dicts()
    statements = statement_heads(upkeep, month, balances, pending)
    lines = rows_by_contract(upkeep.warehouse.read("draft_invoice_lines", [str(month)]).collect())
    earned = rows_by_contract(upkeep.warehouse.read("draft_payout_lines", [str(month)]).collect())
    for contract_id, adjusting in rows_by_contract(pending).items():
        first = len(earned[contract_id]) + 1
        earned[contract_id] += [row | {"line": at} for at, row in enumerate(adjusting, start=first)]
    agent_invoices = {h["contract_id"]: h["currency"] for h in heads if settings.journal.is_agent(h["contract_id"])}
    partner_lines = {s["contract_id"]: partner_lines_of(earned[s["contract_id"]], s["currency"]) for s in statements}
    owed = owed_to_partners((line for own in partner_lines.values() for line in own), agent_invoices)
    invoices, entries = [], []
    for head in heads:
        contract_id, currency = head["contract_id"], head["currency"]
        document = invoice_of(head, month, issued_on, number("INV", contract_id))
        invoices.append((document, [line_of(row, currency) for row in lines[contract_id]]))
        postings = invoice_postings(settings.accounts, document.net_minor, document.tax_minor, owed=owed.get(contract_id, 0))
        entries.append(entry_of(document.number, document.party_id, month, issued_on, currency, postings))
    payouts = []
    for head in statements:
        contract_id, currency = head["contract_id"], head["currency"]
        statement = _payout(head, month, issued_on, number("PAY", contract_id), balances.get(contract_id, 0))
        payouts.append((statement, [line_of(row, currency) for row in earned[contract_id]]))
        cleared = sum(owed_to_partners(partner_lines[contract_id], agent_invoices).values())
        postings = payout_postings(settings.accounts, statement.earnings_minor, statement.withholding_minor, cleared=cleared)
        entries.append(entry_of(statement.number, statement.partner_id, month, issued_on, currency, postings))
    return Documents(invoices, payouts, [entry for entry in entries if entry])


def statement_heads(
    upkeep: Upkeep, month: Month, balances: Mapping[str, int], pending: pl.DataFrame
) -> list[dict[str, Any]]:
    """Rows of ``draft_payouts`` in order of contract, adjustments added to the earnings.

    There is one also where a contract has no line of the month and only a balance or an adjustment.
    """
    drafts = upkeep.warehouse.read("draft_payouts", [str(month)]).collect()
    others = sorted({*balances, *pending["contract_id"]} - set(drafts["contract_id"]))
    without_lines = headers(upkeep.terms, month).filter(pl.col("contract_id").is_in(others))
    nothing_earned = payout_heads(
        without_lines.with_columns(net=pl.lit(0).cast(NANOS_TYPE)), upkeep.known.known_for(month.last)
    )
    adjusted = pending.group_by("contract_id").agg(pl.col("amount").sum().alias("adjusted"))
    earnings = (pl.col("earnings") + pl.coalesce("adjusted", pl.lit(0).cast(NANOS_TYPE))).cast(NANOS_TYPE)
    return (
        pl.concat([drafts, nothing_earned])
        .join(adjusted, on="contract_id", how="left")
        .with_columns(earnings=earnings)
        .drop("adjusted")
        .sort("contract_id")
        .to_dicts()
    )


def settled_balances(upkeep: Upkeep, months: Sequence[Month]) -> dict[str, int]:
    """What each partner contract would carry forward had the drafts of ``months``, one after the other, been issued."""
    balances: dict[str, int] = {}
    for month in months:
        nothing = PENDING_SCHEMA.to_frame()
        for head in statement_heads(upkeep, month, balances, nothing):
            settled = _settled(head, balances.get(head["contract_id"], 0))
            balances[head["contract_id"]] = settled.carried_forward
        balances = {contract_id: amount for contract_id, amount in balances.items() if amount}
    return balances


def invoice_of(
    head: Mapping[str, Any],
    month: Month,
    issued_on: date | None,
    number: str,
    kind: str = "invoice",
    adjusts: str | None = None,
    cause: str | None = None,
) -> Invoice:
    """The document of a row of ``draft_invoices``."""
    currency = head["currency"]
    return Invoice(
        number=number,
        kind=kind,
        contract_id=head["contract_id"],
        version=head["version"],
        party_id=head["party_id"],
        month=str(month),
        currency=currency,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=head["payment_terms_days"]) if issued_on else None,
        net_minor=decimal_to_minor(head["net"], currency),
        tax_minor=decimal_to_minor(head["tax"], currency),
        total_minor=decimal_to_minor(head["total"], currency),
        adjusts=adjusts,
        known_at=format_instant(head["known_at"]),
        cause=cause,
    )


def line_of(row: Mapping[str, Any], currency: str) -> Line:
    """The line of a row of ``draft_invoice_lines`` or ``draft_payout_lines``."""
    return Line(
        line=row["line"],
        kind=row["kind"],
        contract_id=row["contract_id"],
        term_id=row["term_id"],
        version=row["version"],
        step=row["step"],
        description=row["description"],
        quantity=row["quantity"],
        rate=None if row["rate"] is None else str(row["rate"]),
        amount_minor=decimal_to_minor(row["amount"], currency),
        advertiser_contract_id=row.get("advertiser_contract_id"),
        adjusts_month=row.get("adjusts_month"),
        cause=row.get("cause"),
    )


def entry_of(
    number: str, party_id: str, month: Month, on: date | None, currency: str, postings: Iterable[Posting]
) -> list[JournalLine]:
    """The journal entry of a document."""
    return [
        JournalLine(
            entry=f"J-{number}",
            line=line,
            posted_on=on,
            document=number,
            account=posting.account,
            party_id=party_id,
            month=str(month),
            currency=currency,
            debit_minor=posting.debit,
            credit_minor=posting.credit,
        )
        for line, posting in enumerate(postings, start=1)
    ]


def partner_lines_of(rows: Iterable[Mapping[str, Any]], currency: str) -> list[PartnerLine]:
    """What the journal needs of payout lines."""
    return [PartnerLine(row["advertiser_contract_id"], currency, decimal_to_minor(row["amount"], currency)) for row in rows]


def _payout(head: Mapping[str, Any], month: Month, issued_on: date | None, number: str, balance: int) -> Payout:
    settled = _settled(head, balance)
    return Payout(
        number=number,
        partner_id=head["partner_id"],
        contract_id=head["contract_id"],
        month=str(month),
        currency=head["currency"],
        issued_on=issued_on,
        earnings_minor=settled.earnings,
        withholding_minor=settled.withholding,
        brought_forward_minor=settled.brought_forward,
        payable_minor=settled.payable,
        carried_forward_minor=settled.carried_forward,
        known_at=format_instant(head["known_at"]),
    )


def _settled(head: Mapping[str, Any], balance: int) -> Settlement:
    currency = head["currency"]
    earnings = decimal_to_minor(head["earnings"], currency)
    return settle(earnings, balance, _micros(head["minimum_payout"]), _micros(head["withholding"]), currency)


def rows_by_contract(lines: pl.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """Lines by contract, in their order."""
    of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in lines.sort("contract_id", "line").iter_rows(named=True):
        of[row["contract_id"]].append(row)
    return of


def _micros(rate: Decimal) -> int:
    return int(rate.scaleb(6))
