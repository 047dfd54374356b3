"""Issued documents as rows: invoices, credit and debit notes, payout statements, their lines, the journal, closed months.

A close, and an adjustment that issued notes, went by the warehouse at ``snapshot`` and the contracts as of ``known_at``.

Amounts are integers of the currency's minor unit, signed; rates are plain decimal text; ``known_at`` is an instant as UTC text.
Each document carries the hash of its content, journal entry included, and that of the document before it in its series and
year, so that neither can be changed or left out unseen.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import sqlalchemy as sa

from contracts_io.store.base import metadata


def _text(name: str, length: int = 255, *, nullable: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.String(length), nullable=nullable)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _line_columns() -> list[sa.Column[Any]]:
    return [
        sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
        _text("kind"),
        _text("contract_id"),
        _text("term_id", nullable=True),
        sa.Column("version", sa.Integer, nullable=True),
        sa.Column("step", sa.Integer, nullable=True),
        _text("description", 1000),
        _whole("quantity", nullable=True),
        _text("rate", 40, nullable=True),
        _whole("amount_minor"),
        _text("cause", 500, nullable=True),
    ]


number_series = sa.Table(
    "number_series",
    metadata,
    sa.Column("series", sa.String(8), primary_key=True),
    sa.Column("year", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("last", sa.Integer, nullable=False),
)
month_close = sa.Table(
    "month_close",
    metadata,
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("closed_on", sa.Date, nullable=False),
    _text("closed_by", nullable=True),
    _text("prepared_by", nullable=True),
    _whole("snapshot"),
    _text("known_at", 32),
)
month_adjustment = sa.Table(
    "month_adjustment",
    metadata,
    sa.Column("month", sa.ForeignKey("month_close.month"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("adjusted_on", sa.Date, nullable=False),
    _text("adjusted_by", nullable=True),
    _text("prepared_by", nullable=True),
    _whole("snapshot"),
    _text("known_at", 32),
)
prepared_documents = sa.Table(
    "prepared_documents",
    metadata,
    sa.Column("act", sa.String(8), primary_key=True),
    sa.Column("month", sa.String(7), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("issued_on", sa.Date, nullable=False),
    _text("prepared_by"),
    _text("prepared_at", 32),
    _text("content_hash", 64),
    sa.Column("documents", sa.JSON, nullable=False),
)
invoice = sa.Table(
    "invoice",
    metadata,
    sa.Column("number", sa.String(30), primary_key=True),
    _text("kind"),
    _text("contract_id"),
    sa.Column("version", sa.Integer, nullable=False),
    _text("party_id"),
    sa.Column("month", sa.String(7), nullable=False),
    _text("currency", 3),
    sa.Column("issued_on", sa.Date, nullable=False),
    sa.Column("due_on", sa.Date, nullable=False),
    _whole("net_minor"),
    _whole("tax_minor"),
    _whole("total_minor"),
    _text("adjusts", 30, nullable=True),
    _text("cause", 500, nullable=True),
    _text("known_at", 32),
    _text("content_hash", 64),
    _text("previous_hash", 64, nullable=True),
)
invoice_line = sa.Table(
    "invoice_line",
    metadata,
    sa.Column("number", sa.ForeignKey("invoice.number"), primary_key=True),
    *_line_columns(),
)
payout = sa.Table(
    "payout",
    metadata,
    sa.Column("number", sa.String(30), primary_key=True),
    _text("partner_id"),
    _text("contract_id"),
    sa.Column("month", sa.String(7), nullable=False),
    _text("currency", 3),
    sa.Column("issued_on", sa.Date, nullable=False),
    _whole("earnings_minor"),
    _whole("withholding_minor"),
    _whole("brought_forward_minor"),
    _whole("payable_minor"),
    _whole("carried_forward_minor"),
    _text("known_at", 32),
    _text("content_hash", 64),
    _text("previous_hash", 64, nullable=True),
    sa.UniqueConstraint("contract_id", "month"),
)
payout_line = sa.Table(
    "payout_line",
    metadata,
    sa.Column("number", sa.ForeignKey("payout.number"), primary_key=True),
    *_line_columns(),
    _text("advertiser_contract_id", nullable=True),
    _text("adjusts_month", 7, nullable=True),
)
journal_line = sa.Table(
    "journal_line",
    metadata,
    sa.Column("entry", sa.String(40), primary_key=True),
    sa.Column("line", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("posted_on", sa.Date, nullable=False),
    _text("document", 30),
    _text("account"),
    _text("party_id"),
    sa.Column("month", sa.String(7), nullable=False),
    _text("currency", 3),
    _whole("debit_minor"),
    _whole("credit_minor"),
)
# At most one invoice of a contract and month: the business key that a second close would break.
sa.Index(
    "uq_invoice_of_month",
    invoice.c.contract_id,
    invoice.c.month,
    unique=True,
    sqlite_where=invoice.c.kind == "invoice",
    postgresql_where=invoice.c.kind == "invoice",
)


@dataclass(frozen=True)
class Line:
    """A line of a document; ``advertiser_contract_id`` and, on adjustments of a closed month, ``adjusts_month`` stand on
    partner lines only. ``cause`` says why a line of a note, or one that adjusts, is there."""

    line: int
    kind: str
    contract_id: str
    term_id: str | None
    version: int | None
    step: int | None
    description: str
    quantity: int | None
    rate: str | None
    amount_minor: int
    advertiser_contract_id: str | None = None
    adjusts_month: str | None = None
    cause: str | None = None


@dataclass(frozen=True)
class Invoice:
    """An invoice, credit note or debit note; the dates are None on a draft, which the books do not take.

    ``known_at`` is the instant (UTC text) of the latest approval that was known when it was drafted; ``cause`` says why the tax
    of a note changed where its lines do not.
    """

    number: str
    kind: str
    contract_id: str
    version: int
    party_id: str
    month: str
    currency: str
    issued_on: date | None
    due_on: date | None
    net_minor: int
    tax_minor: int
    total_minor: int
    adjusts: str | None
    known_at: str
    cause: str | None = None


@dataclass(frozen=True)
class Payout:
    """A payout statement; the date is None on a draft, which the books do not take."""

    number: str
    partner_id: str
    contract_id: str
    month: str
    currency: str
    issued_on: date | None
    earnings_minor: int
    withholding_minor: int
    brought_forward_minor: int
    payable_minor: int
    carried_forward_minor: int
    known_at: str


@dataclass(frozen=True)
class JournalLine:
    """One posting of a balanced entry."""

    entry: str
    line: int
    posted_on: date | None
    document: str
    account: str
    party_id: str
    month: str
    currency: str
    debit_minor: int
    credit_minor: int


DRAFT = "DRAFT-"
"""What the number of a draft begins with; the id of its contract follows."""


def row_of(record: Any) -> dict[str, Any]:
    """A document, line or posting as the values of its row."""
    return {field.name: getattr(record, field.name) for field in fields(record)}
