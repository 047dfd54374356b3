"""Issued documents, their journal and the closed months, as the books have them: written once, never changed.

What does not belong here: how they are issued (``issuing``), and what a document says (``pipelines``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import Any, TypeVar

import sqlalchemy as sa

from contracts_io.calendar import Month
from contracts_io.errors import BooksError
from contracts_io.store import audit
from contracts_io.store.base import reading, writing
from contracts_io.store.document_tables import (
    Invoice,
    JournalLine,
    Line,
    Payout,
    invoice,
    invoice_line,
    journal_line,
    month_adjustment,
    month_close,
    number_series,
    payout,
    payout_line,
    prepared_documents,
)
from contracts_io.store.issuing import Issuing, carried_balances, not_before, number_text, series_of

_Record = TypeVar("_Record")


@dataclass(frozen=True)
class Closed:
    """A closed month; ``snapshot`` pins the warehouse files that its documents were made from, ``known_at`` the contracts."""

    month: Month
    closed_on: date
    snapshot: int
    known_at: str


@dataclass(frozen=True)
class Adjusted:
    """An adjustment of a closed month that issued notes, and what these went by."""

    month: Month
    sequence: int
    snapshot: int
    known_at: str


class Act(StrEnum):
    """What issues documents of a month: its close, and adjusting it afterwards."""

    CLOSE = "close"
    ADJUST = "adjust"

    @property
    def noun(self) -> str:
        """As in: the close of a month."""
        return "close" if self is Act.CLOSE else "adjustment"


@dataclass(frozen=True)
class Prepared:
    """The documents that an act would issue for a month as one person prepared them, for another to approve.

    ``documents``: number, contract, currency, amount in minor units and content hash of each; ``content_hash`` is over all.
    """

    act: Act
    month: Month
    issued_on: date
    prepared_by: str
    prepared_at: str
    content_hash: str
    documents: Sequence[Sequence[Any]]


@dataclass(frozen=True)
class Chained:
    """An issued document as it is stored: its lines, its journal entry, its hash, that of the one before it in its series."""

    document: Invoice | Payout
    lines: list[Line]
    entry: list[JournalLine]
    content_hash: str
    previous_hash: str | None


class Books:
    """The issued documents of one home."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @contextmanager
    def closing(self, month: Month) -> Iterator[Issuing]:
        """One transaction in which a month is issued and closed; BooksError where it is closed already.

        Until it ends nothing about contracts is decided, and nothing prepared.
        """
        with writing(self._engine) as connection:
            audit.lock(connection)
            self._require_open(connection, month)
            yield Issuing(connection, month)

    @contextmanager
    def adjusting(self, month: Month) -> Iterator[Issuing]:
        """The same for a closed month that is adjusted; BooksError where it is open."""
        with writing(self._engine) as connection:
            audit.lock(connection)
            self._require_closed(connection, month)
            yield Issuing(connection, month)

    def adjustments_of(self, month: Month) -> list[Line]:
        """The lines of later statements that adjust the payouts of a closed month."""
        query = sa.select(payout_line).where(payout_line.c.adjusts_month == str(month))
        with reading(self._engine) as connection:
            rows = connection.execute(query.order_by(payout_line.c.number, payout_line.c.line)).mappings()
            return [_record(Line, row) for row in rows]

    def closed_months(self) -> dict[Month, Closed]:
        """The closed months, ascending."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(month_close).order_by(month_close.c.month)).all()
        months = [Closed(Month.parse(row.month), row.closed_on, row.snapshot, row.known_at) for row in rows]
        return {closed.month: closed for closed in months}

    def adjusted(self) -> list[Adjusted]:
        """Every adjustment that issued notes, by month, the latest of a month last."""
        order = (month_adjustment.c.month, month_adjustment.c.sequence)
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(month_adjustment).order_by(*order)).all()
        return [Adjusted(Month.parse(row.month), row.sequence, row.snapshot, row.known_at) for row in rows]

    def pinned(self) -> set[int]:
        """The snapshots whose warehouse files stay: what issued documents were made from."""
        return {closed.snapshot for closed in self.closed_months().values()} | {done.snapshot for done in self.adjusted()}

    def prepare(self, prepared: Prepared) -> None:
        """Keep what was prepared beside what was before it; the last one counts.

        BooksError where it is to close a month that is closed, or to adjust one that is open.
        """
        require = self._require_open if prepared.act is Act.CLOSE else self._require_closed
        with writing(self._engine) as connection:
            audit.lock(connection)
            require(connection, prepared.month)
            here = _of_act(prepared.act, prepared.month)
            last = connection.scalar(sa.select(sa.func.max(prepared_documents.c.sequence)).where(here)) or 0
            values = {field.name: getattr(prepared, field.name) for field in fields(prepared)}
            values |= {"act": prepared.act.value, "month": str(prepared.month)}
            values |= {"documents": [list(row) for row in prepared.documents]}
            connection.execute(prepared_documents.insert().values(sequence=last + 1, **values))

    def prepared(self, act: Act, month: Month) -> Prepared | None:
        """What was prepared last for an act on a month."""
        query = sa.select(prepared_documents).where(_of_act(act, month))
        with reading(self._engine) as connection:
            row = connection.execute(query.order_by(prepared_documents.c.sequence.desc()).limit(1)).mappings().first()
        return None if row is None else _record(Prepared, {**row, "act": act, "month": month})

    def not_before(self, month: Month) -> date | None:
        """The first date that a document of ``month`` can have; None: any."""
        with reading(self._engine) as connection:
            return not_before(connection, month)

    def last_numbers(self) -> dict[str, int]:
        """The last number taken of each series and year, by ``INV-2026-``."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(number_series)).all()
        return {series_of(number_text(row.series, row.year, 0)): row.last for row in rows}

    def chains(self) -> list[Chained]:
        """Every issued document, by number."""
        return [
            *self._chained(invoice, invoice_line, Invoice),
            *self._chained(payout, payout_line, Payout),
        ]

    def entries(self) -> list[JournalLine]:
        """Every posting, by entry and line."""
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(journal_line).order_by(journal_line.c.entry, journal_line.c.line)).mappings()
            return [JournalLine(**row) for row in rows]

    def invoices(self, month: Month) -> list[tuple[Invoice, list[Line]]]:
        """The month's invoices and notes with their lines, by number."""
        return self._documents(month, invoice, invoice_line, Invoice)

    def payouts(self, month: Month) -> list[tuple[Payout, list[Line]]]:
        """The month's payout statements with their lines, by number."""
        return self._documents(month, payout, payout_line, Payout)

    def balances(self) -> dict[str, int]:
        """What each partner contract carries into its next statement, in minor units, where it is not zero."""
        with reading(self._engine) as connection:
            return carried_balances(connection)

    def journal(self, month: Month) -> list[JournalLine]:
        """The entries of the month's documents, by entry and line."""
        order = (journal_line.c.entry, journal_line.c.line)
        with reading(self._engine) as connection:
            rows = connection.execute(
                sa.select(journal_line).where(journal_line.c.month == str(month)).order_by(*order)
            ).mappings()
            return [JournalLine(**row) for row in rows]

    @staticmethod
    def _require_open(connection: sa.Connection, month: Month) -> None:
        closed = connection.execute(sa.select(month_close).where(month_close.c.month == str(month))).first()
        if closed is not None:
            raise already_closed(month, closed.closed_on)

    @staticmethod
    def _require_closed(connection: sa.Connection, month: Month) -> None:
        if connection.execute(sa.select(month_close).where(month_close.c.month == str(month))).first() is None:
            raise still_open(month)

    def _chained(self, table: sa.Table, lines: sa.Table, kind: type[Any]) -> list[Chained]:
        with reading(self._engine) as connection:
            rows = connection.execute(sa.select(table).order_by(table.c.number)).mappings().all()
            of: dict[str, list[Line]] = {row["number"]: [] for row in rows}
            for line in connection.execute(sa.select(lines).order_by(lines.c.number, lines.c.line)).mappings():
                of[line["number"]].append(_record(Line, line))
            posted = sa.select(journal_line).where(journal_line.c.document.in_(sa.select(table.c.number)))
            entry: dict[str, list[JournalLine]] = {number: [] for number in of}
            for line in connection.execute(posted.order_by(journal_line.c.entry, journal_line.c.line)).mappings():
                entry[line["document"]].append(_record(JournalLine, line))
        return [
            Chained(_record(kind, row), of[row["number"]], entry[row["number"]], row["content_hash"], row["previous_hash"])
            for row in rows
        ]

    def _documents(self, month: Month, table: sa.Table, lines: sa.Table, kind: type[Any]) -> list[tuple[Any, list[Line]]]:
        with reading(self._engine) as connection:
            documents = [
                _record(kind, row)
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
                of[row["number"]].append(_record(Line, row))
        return [(document, of[document.number]) for document in documents]


def _of_act(act: Act, month: Month) -> sa.ColumnElement[bool]:
    return (prepared_documents.c.act == act.value) & (prepared_documents.c.month == str(month))


def _record(kind: type[_Record], row: Mapping[Any, Any]) -> _Record:
    return kind(**{field.name: row[field.name] for field in fields(kind) if field.name in row})  # type: ignore[arg-type]


def not_over(month: Month, on: date) -> BooksError:
    """The refusal to issue a month before it has ended."""
    return BooksError(f"{month} is not over on {on}", remedy=f"close it from {month.next.first} on")


def still_open(month: Month) -> BooksError:
    """The refusal to adjust a month that is not closed."""
    return BooksError(
        f"{month} is open: what changes in it is in its drafts",
        remedy=f"close it with `adledger close {month}`; a closed month is adjusted",
    )


def already_closed(month: Month, on: date) -> BooksError:
    """The refusal to close a month twice."""
    return BooksError(
        f"{month} was closed on {on}; its documents are issued and stay as they are",
        remedy=f"see them with `adledger export {month} --to DIR`",
    )
