from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, rows_of

from contracts_io.calendar import INSTANT
from contracts_io.formats.exports import EXPORTS, document_frames, projected
from contracts_io.frames import TABLES
from contracts_io.store.document_tables import Invoice, JournalLine, Line, Payout

# Spec 8.2, word for word.
COLUMNS = {
    "invoices": "number kind contract_id version party_id month currency issued_on due_on net tax total adjusts",
    "invoice_lines": "number line kind contract_id term_id version description quantity rate amount",
    "payouts": "number partner_id contract_id month currency earnings withholding brought_forward payable carried_forward",
    "payout_lines": "number line kind contract_id term_id version advertiser_contract_id quantity rate amount",
    "attributions": "conversion_id delivery_day contract_id version status reason billing_date model",
    "attribution_credits": "conversion_id touch_id touch_kind partner_id line_item_id term_id touch_time credit",
    "impression_outcomes": "side delivery_day contract_id term_id line_item_id partner_id outcome impressions",
    "quarantine": "feed delivery_day file row reason content",
    "feed_counts": "feed delivery_day read accepted duplicate quarantined",
    "journal": "entry posted_on document account party_id currency debit credit",
    "accruals": "side billing_date contract_id version term_id line_item_id partner_id units amount",
}
IN_THE_WAREHOUSE = [
    "attributions",
    "attribution_credits",
    "impression_outcomes",
    "quarantine",
    "feed_counts",
    "accruals",
]

KNOWN_AT = "2026-10-20T02:19:53.172230Z"


def test_the_exported_tables_and_their_columns_are_those_that_were_promised() -> None:
    assert {name: list(schema) for name, schema in EXPORTS.items()} == {n: text.split() for n, text in COLUMNS.items()}


@pytest.mark.parametrize("name", IN_THE_WAREHOUSE)
def test_an_export_of_a_warehouse_table_takes_its_columns_as_they_are(name: str) -> None:
    of_warehouse = TABLES[name].polars_schema
    assert EXPORTS[name] == {column: of_warehouse[column] for column in EXPORTS[name]}
    assert projected(name, TABLES[name].empty()).schema == EXPORTS[name]


def test_rows_are_sorted_by_all_columns_from_the_left_nulls_first() -> None:
    rows: list[dict[str, Any]] = [
        {"side": "partner"},
        {"term_id": "b"},
        {"term_id": "a", "line_item_id": "li-2"},
        {"term_id": "a", "line_item_id": None},
        {"term_id": "a", "line_item_id": "li-10"},
        {"billing_date": date(2026, 10, 1), "term_id": "z"},
    ]
    frame = projected("accruals", rows_of("accruals", [row | {"uncapped": "1.5", "amount": "1.5"} for row in rows]))
    assert frame.select("side", "term_id", "line_item_id").rows() == [
        ("advertiser", "z", "li-1"),
        ("advertiser", "a", None),
        ("advertiser", "a", "li-10"),
        ("advertiser", "a", "li-2"),
        ("advertiser", "b", "li-1"),
        ("partner", "brand", "li-1"),
    ]


def invoice(number: str, currency: str, net: int) -> Invoice:
    return Invoice(
        number, "invoice", "acme-1", 1, "acme", "2026-10", currency, date(2026, 11, 3), None, net, 0, net, None, KNOWN_AT
    )


@pytest.mark.parametrize(
    ("currency", "minor", "amount"),
    [("USD", 2061, "20.61"), ("USD", -5, "-0.05"), ("JPY", 2061, "2061"), ("KWD", 2061, "2.061"), ("CLF", 1, "0.0001")],
)
def test_an_amount_leaves_in_units_of_its_currency(currency: str, minor: int, amount: str) -> None:
    lines = [Line(1, "media", "acme-1", "brand", 1, 1, "brand", 5, "10.5", minor)]
    posting = JournalLine("E1", 1, None, "INV-1", "Income:Revenue", "acme", "2026-10", currency, minor, 0)
    frames = document_frames([(invoice("INV-1", currency, minor), lines)], [], [posting])
    expected = Decimal(amount)
    assert frames["invoices"].select("net", "tax", "total").rows() == [(expected, Decimal(0), expected)]
    assert frames["invoice_lines"].select("number", "rate", "amount").rows() == [("INV-1", Decimal("10.5"), expected)]
    assert frames["journal"].select("debit", "credit").rows() == [(expected, Decimal(0))]


def test_a_payout_and_its_lines_leave_with_all_that_was_settled() -> None:
    payout = Payout("PAY-1", "pub-1", "pub-1-2026", "2026-10", "USD", None, 10_000, 1_575, 500, 8_925, 0, KNOWN_AT)
    line = Line(1, "action", "pub-1-2026", "all", 1, 1, "all", 3, None, 10_000, "acme-1")
    frames = document_frames([], [(payout, [line])], [])
    amounts = [Decimal(text) for text in ("100", "15.75", "5", "89.25", "0")]
    assert frames["payouts"].rows() == [("PAY-1", "pub-1", "pub-1-2026", "2026-10", "USD", *amounts)]
    assert frames["payout_lines"].rows() == [
        ("PAY-1", 1, "action", "pub-1-2026", "all", 1, "acme-1", 3, None, Decimal(100)),
    ]


def test_documents_are_sorted_by_number_and_line_and_there_may_be_none() -> None:
    lines = [Line(n, "media", "acme-1", "brand", 1, 1, "brand", 5, "10", 1) for n in (10, 9)]
    frames = document_frames([(invoice(n, "USD", 2), lines) for n in ("INV-2", "INV-1")], [], [])
    assert frames["invoices"]["number"].to_list() == ["INV-1", "INV-2"]
    assert frames["invoice_lines"].select("number", "line").rows() == [
        ("INV-1", 9),
        ("INV-1", 10),
        ("INV-2", 9),
        ("INV-2", 10),
    ]
    for name, frame in document_frames([], [], []).items():
        assert frame.schema == EXPORTS[name]
        assert frame.is_empty()


def test_an_instant_leaves_as_an_instant() -> None:
    frame = projected("attribution_credits", rows_of("attribution_credits", [{}]))
    assert frame.schema["touch_time"] == INSTANT
    assert frame["touch_time"].to_list() == [NOON]
    assert isinstance(frame, pl.DataFrame)
