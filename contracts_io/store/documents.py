"""Issued documents, their journal and the closed months: written once, in one transaction, never changed.

Amounts are integers of the currency's minor unit, signed; rates are plain decimal text. Numbers are gapless within series
and year: they are taken from a counter row inside the transaction that inserts the document, so that a rollback gives them
back. What does not belong here: what a document says (``pipelines.documents``, ``pipelines.journal``).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import sqlalchemy as sa

from contracts_io.calendar import Month
from contracts_io.errors import BooksError
from contracts_io.store.base import metadata, reading, writing
from contracts_io.store.catalogue import current_snapshot, lake_file


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
        _text("description", 1000),
        _whole("quantity", nullable=True),
        _text("rate", 40, nullable=True),
        _whole("amount_minor"),
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
    _whole("snapshot"),
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
    sa.UniqueConstraint("contract_id", "month"),
)
payout_line = sa.Table(
    "payout_line",
    metadata,
    sa.Column("number", sa.ForeignKey("payout.number"), primary_key=True),
    *_line_columns(),
    _text("advertiser_contract_id", nullable=True),
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
    """A line of a document; ``advertiser_contract_id`` stands on partner lines only."""

    line: int
    kind: str
    contract_id: str
    term_id: str | None
    version: int | None
    description: str
    quantity: int | None
    rate: str | None
    amount_minor: int
    advertiser_contract_id: str | None = None


@dataclass(frozen=True)
class Invoice:
    """An invoice, credit note or debit note; the dates are None on a draft, which the books do not take."""

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


@dataclass(frozen=True)
class Closed:
    """A closed month; ``snapshot`` pins the warehouse files that its documents were made from."""

    month: Month
    closed_on: date
    snapshot: int


class Closing:
    """A close under way: everything done through it is kept together, or nothing is."""

    def __init__(self, connection: sa.Connection, month: Month) -> None:
        self._connection = connection
        self._month = month

    def latest_issue(self) -> date | None:
        """The latest day on which a month was closed; issue dates never decrease."""
        latest: date | None = self._connection.scalar(sa.select(sa.func.max(month_close.c.closed_on)))
        return latest

    def live_content(self, table: str) -> str | None:
        """The content hash of the month's live partition of a warehouse table, as this transaction sees it."""
        return self._connection.scalar(
            sa.select(lake_file.c.sha256).where(
                lake_file.c.table_name == table,
                lake_file.c.partition == str(self._month),
                lake_file.c.removed.is_(None),
            )
        )

    def next_number(self, series: str, year: int) -> str:
        """The next number of a series, ``INV-2026-000001``; gapless, because it goes back if the close fails."""
        here = (number_series.c.series == series) & (number_series.c.year == year)
        if not self._connection.execute(number_series.update().where(here).values(last=number_series.c.last + 1)).rowcount:
            self._connection.execute(number_series.insert().values(series=series, year=year, last=1))
        last = self._connection.scalar(sa.select(number_series.c.last).where(here))
        return f"{series}-{year:04}-{last:06}"

    def balances(self) -> dict[str, int]:
        """What each partner contract carries into the month, in minor units, where it is not zero."""
        return _balances(self._connection, self._month)

    def add_invoice(self, document: Invoice, lines: Sequence[Line]) -> None:
        """Issue an invoice with its lines."""
        self._connection.execute(invoice.insert().values(**_row(document)))
        for line in lines:
            values = _row(line)
            del values["advertiser_contract_id"]
            self._connection.execute(invoice_line.insert().values(number=document.number, **values))

    def add_payout(self, document: Payout, lines: Sequence[Line]) -> None:
        """Issue a payout statement with its lines."""
        self._connection.execute(payout.insert().values(**_row(document)))
        for line in lines:
            self._connection.execute(payout_line.insert().values(number=document.number, **_row(line)))

    def add_journal(self, lines: Sequence[JournalLine]) -> None:
        """Post an entry; it must balance in its currency."""
        if sum(line.debit_minor - line.credit_minor for line in lines):
            raise ValueError(f"an entry that does not balance: {lines}")
        for line in lines:
            self._connection.execute(journal_line.insert().values(**_row(line)))

    def close_month(self, on: date) -> None:
        """Mark the month closed, pinning the warehouse as this transaction sees it."""
        snapshot = current_snapshot(self._connection)
        self._connection.execute(month_close.insert().values(month=str(self._month), closed_on=on, snapshot=snapshot))


class Books:
    """The issued documents of one home."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def closing(self, month: Month) -> Iterator[Closing]:
        """One transaction in which a month is issued and closed; BooksError where it is closed already."""
        with writing(self._engine) as connection:
            closed = connection.execute(sa.select(month_close).where(month_close.c.month == str(month))).first()
            if closed is not None:
                raise already_closed(month, closed.closed_on)
            yield Closing(connection, month)

    def closed_months(self) -> dict[Month, Closed]:
        """The closed months, ascending."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(month_close).order_by(month_close.c.month)).all()
        months = [Closed(Month.parse(row.month), row.closed_on, row.snapshot) for row in rows]
        return {closed.month: closed for closed in months}

    def invoices(self, month: Month) -> list[tuple[Invoice, list[Line]]]:
        """The month's invoices and notes with their lines, by number."""
        return self._documents(month, invoice, invoice_line, Invoice)

    def payouts(self, month: Month) -> list[tuple[Payout, list[Line]]]:
        """The month's payout statements with their lines, by number."""
        return self._documents(month, payout, payout_line, Payout)

    def balances(self, month: Month) -> dict[str, int]:
        """What each partner contract carries into ``month``, in minor units, where it is not zero."""
        with reading(self._engine) as connection:
            return _balances(connection, month)

    def journal(self, month: Month) -> list[JournalLine]:
        """The entries of the month's documents, by entry and line."""
        order = (journal_line.c.entry, journal_line.c.line)
        with reading(self._engine) as connection:
            rows = connection.execute(
                sa.select(journal_line).where(journal_line.c.month == str(month)).order_by(*order)
            ).mappings()
            return [JournalLine(**row) for row in rows]

    def _documents(self, month: Month, table: sa.Table, lines: sa.Table, kind: type[Any]) -> list[tuple[Any, list[Line]]]:
        with reading(self._engine) as connection:
            documents = [
                kind(**row)
                for row in connection.execute(
                    sa.select(table).where(table.c.month == str(month)).order_by(table.c.number)
                ).mappings()
            ]
            of: dict[str, list[Line]] = {document.number: [] for document in documents}
            rows = connection.execute(
                sa.select(lines)
                .join(table, table.c.number == lines.c.number)
                .where(table.c.month == str(month))
                .order_by(lines.c.number, lines.c.line)
            ).mappings()
            for row in rows:
                values = dict(row)
                of[values.pop("number")].append(Line(**values))
        return [(document, of[document.number]) for document in documents]


def _balances(connection: sa.Connection, month: Month) -> dict[str, int]:
    """The carried-forward amount of each partner contract's latest statement before ``month``."""
    latest = (
        sa.select(payout.c.contract_id, sa.func.max(payout.c.month).label("month"))
        .where(payout.c.month < str(month))
        .group_by(payout.c.contract_id)
        .subquery()
    )
    query = sa.select(payout.c.contract_id, payout.c.carried_forward_minor).join(
        latest, (payout.c.contract_id == latest.c.contract_id) & (payout.c.month == latest.c.month)
    )
    return {contract_id: amount for contract_id, amount in connection.execute(query) if amount}


def not_over(month: Month, on: date) -> BooksError:
    """The refusal to issue a month before it has ended."""
    return BooksError(f"{month} is not over on {on}", remedy=f"close it from {month.next.first} on")


def already_closed(month: Month, on: date) -> BooksError:
    """The refusal to close a month twice."""
    return BooksError(
        f"{month} was closed on {on}; its documents are issued and stay as they are",
        remedy=f"see them with `adledger export {month} --to DIR`",
    )


def _row(record: Any) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record)}
