"""The tables of spec 8.2 as frames: one schema per table, filled from the books or from the warehouse.

Amounts leave as exact decimals: money with up to four places (the widest minor unit), accruals with nine, rates with six.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from contracts_io.calendar import INSTANT
from contracts_io.money import NANOS_TYPE, RATE_TYPE, minor_to_decimal
from contracts_io.store.document_tables import Invoice, JournalLine, Line, Payout

MONEY_TYPE = pl.Decimal(38, 4)
_DOCUMENT = {"number": pl.String}
_LINE = {"line": pl.Int64, "kind": pl.String, "contract_id": pl.String, "term_id": pl.String, "version": pl.Int32}

_COLUMNS: dict[str, dict[str, Any]] = {
    "invoices": {
        **_DOCUMENT,
        "kind": pl.String,
        "contract_id": pl.String,
        "version": pl.Int32,
        "party_id": pl.String,
        "month": pl.String,
        "currency": pl.String,
        "issued_on": pl.Date,
        "due_on": pl.Date,
        "net": MONEY_TYPE,
        "tax": MONEY_TYPE,
        "total": MONEY_TYPE,
        "adjusts": pl.String,
    },
    "invoice_lines": {
        **_DOCUMENT,
        **_LINE,
        "description": pl.String,
        "quantity": pl.Int64,
        "rate": RATE_TYPE,
        "amount": MONEY_TYPE,
    },
    "payouts": {
        **_DOCUMENT,
        "partner_id": pl.String,
        "contract_id": pl.String,
        "month": pl.String,
        "currency": pl.String,
        "earnings": MONEY_TYPE,
        "withholding": MONEY_TYPE,
        "brought_forward": MONEY_TYPE,
        "payable": MONEY_TYPE,
        "carried_forward": MONEY_TYPE,
    },
    "payout_lines": {
        **_DOCUMENT,
        **_LINE,
        "advertiser_contract_id": pl.String,
        "quantity": pl.Int64,
        "rate": RATE_TYPE,
        "amount": MONEY_TYPE,
    },
    "attributions": {
        "conversion_id": pl.String,
        "delivery_day": pl.Date,
        "contract_id": pl.String,
        "version": pl.Int32,
        "status": pl.String,
        "reason": pl.String,
        "billing_date": pl.Date,
        "model": pl.String,
    },
    "attribution_credits": {
        "conversion_id": pl.String,
        "touch_id": pl.String,
        "touch_kind": pl.String,
        "partner_id": pl.String,
        "line_item_id": pl.String,
        "term_id": pl.String,
        "touch_time": INSTANT,
        "credit": pl.Int64,
    },
    "impression_outcomes": {
        "side": pl.String,
        "delivery_day": pl.Date,
        "contract_id": pl.String,
        "term_id": pl.String,
        "line_item_id": pl.String,
        "partner_id": pl.String,
        "outcome": pl.String,
        "impressions": pl.Int64,
    },
    "quarantine": {
        "feed": pl.String,
        "delivery_day": pl.Date,
        "file": pl.String,
        "row": pl.Int64,
        "reason": pl.String,
        "content": pl.String,
    },
    "feed_counts": {
        "feed": pl.String,
        "delivery_day": pl.Date,
        "read": pl.Int64,
        "accepted": pl.Int64,
        "duplicate": pl.Int64,
        "quarantined": pl.Int64,
    },
    "journal": {
        "entry": pl.String,
        "posted_on": pl.Date,
        "document": pl.String,
        "account": pl.String,
        "party_id": pl.String,
        "currency": pl.String,
        "debit": MONEY_TYPE,
        "credit": MONEY_TYPE,
    },
    "accruals": {
        "side": pl.String,
        "billing_date": pl.Date,
        "contract_id": pl.String,
        "version": pl.Int32,
        "term_id": pl.String,
        "line_item_id": pl.String,
        "partner_id": pl.String,
        "units": pl.Int64,
        "amount": NANOS_TYPE,
    },
}
EXPORTS = {name: pl.Schema(columns) for name, columns in _COLUMNS.items()}
"""The columns of each table of spec 8.2, in order."""


def projected(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of export ``name`` out of a wider frame, in order, typed, sorted from the left, nulls first."""
    schema = EXPORTS[name]
    return frame.select(pl.col(column).cast(dtype) for column, dtype in schema.items()).sort(list(schema))


def document_frames(
    invoices: Sequence[tuple[Invoice, list[Line]]],
    payouts: Sequence[tuple[Payout, list[Line]]],
    journal: Iterable[JournalLine],
) -> dict[str, pl.DataFrame]:
    """``invoices``, ``payouts``, their lines and ``journal`` of issued or draft documents."""
    settled = ("earnings", "withholding", "brought_forward", "payable", "carried_forward")
    return {
        "invoices": _frame("invoices", [_with_money(head, head.currency, "net", "tax", "total") for head, _ in invoices]),
        "invoice_lines": _lines("invoice_lines", invoices),
        "payouts": _frame("payouts", [_with_money(head, head.currency, *settled) for head, _ in payouts]),
        "payout_lines": _lines("payout_lines", payouts),
        "journal": _frame("journal", [_with_money(line, line.currency, "debit", "credit") for line in journal]),
    }


def _lines(name: str, documents: Sequence[tuple[Invoice | Payout, list[Line]]]) -> pl.DataFrame:
    return _frame(
        name,
        [
            _with_money(line, head.currency, "amount") | {"number": head.number}
            for head, of_document in documents
            for line in of_document
        ],
    )


def _with_money(record: Any, currency: str, *amounts: str) -> dict[str, Any]:
    exact = {name: minor_to_decimal(getattr(record, f"{name}_minor"), currency) for name in amounts}
    return {**vars(record), **exact}


def _frame(name: str, records: list[dict[str, Any]]) -> pl.DataFrame:
    schema = EXPORTS[name]
    as_text = {column: pl.String if isinstance(dtype, pl.Decimal) else dtype for column, dtype in schema.items()}
    rows = [{c: _text(record[c]) if as_text[c] == pl.String else record[c] for c in schema} for record in records]
    return projected(name, pl.DataFrame(rows, schema=as_text))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)
