"""Issued documents looked up: one by its number, those of one contract and month in the order in which they were issued."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

import sqlalchemy as sa

from contracts_io.calendar import Month
from contracts_io.store.base import reading
from contracts_io.store.document_tables import Invoice, Line, Payout, invoice, invoice_line, payout, payout_line

_Record = TypeVar("_Record")
Issued = tuple[Invoice | Payout, list[Line]]
"""A document with its lines, by line."""


def find_issued(engine: sa.Engine, number: str) -> Issued | None:
    """The document with this number; None where there is none."""
    with reading(engine) as connection:
        invoices = _found(connection, invoice, invoice_line, Invoice, invoice.c.number == number)
        found = invoices or _found(connection, payout, payout_line, Payout, payout.c.number == number)
    return found[0] if found else None


def issued_for(engine: sa.Engine, contract_id: str, month: Month) -> list[Issued]:
    """The documents of a contract for a month, as they were issued: the invoice and its notes, or the payout statement."""
    with reading(engine) as connection:
        wanted = (invoice.c.contract_id == contract_id) & (invoice.c.month == str(month))
        invoices = _found(connection, invoice, invoice_line, Invoice, wanted)
        wanted = (payout.c.contract_id == contract_id) & (payout.c.month == str(month))
        payouts = _found(connection, payout, payout_line, Payout, wanted)
    # Notes of one day are in series of their own: what was known tells which came first, where that differs.
    return [*sorted(invoices, key=_when_issued), *payouts]


def adjusting_lines(engine: sa.Engine, contract_id: str, month: Month) -> list[tuple[str, Line]]:
    """The lines of later statements that adjust what a partner contract was paid for ``month``, each with its number."""
    query = sa.select(payout_line).where(payout_line.c.adjusts_month == str(month), payout_line.c.contract_id == contract_id)
    with reading(engine) as connection:
        rows = connection.execute(query.order_by(payout_line.c.number, payout_line.c.line)).mappings()
        return [(row["number"], _record(Line, row)) for row in rows]


def _when_issued(found: Issued) -> tuple[bool, Any, str, str]:
    document = found[0]
    return getattr(document, "kind", "") != "invoice", document.issued_on, document.known_at, document.number


def _found(
    connection: sa.Connection, table: sa.Table, lines: sa.Table, kind: type[Any], wanted: sa.ColumnElement[bool]
) -> list[Issued]:
    found: list[Issued] = []
    for row in connection.execute(sa.select(table).where(wanted).order_by(table.c.number)).mappings().all():
        own = sa.select(lines).where(lines.c.number == row["number"]).order_by(lines.c.line)
        found.append((_record(kind, row), [_record(Line, line) for line in connection.execute(own).mappings()]))
    return found


def _record(kind: type[_Record], row: sa.RowMapping) -> _Record:
    return kind(**{field.name: row[field.name] for field in fields(kind) if field.name in row})  # type: ignore[arg-type]
