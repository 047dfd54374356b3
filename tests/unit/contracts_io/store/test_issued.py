"""Issued documents looked up (``contracts_io.store.issued``)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest
import sqlalchemy as sa
from test_books import INVOICE, ISSUED, KNOWN_AT, LINES, NOVEMBER, OCTOBER, PAID_LINE, PAYOUT

from contracts_io.store.documents import Books
from contracts_io.store.issued import adjusting_lines, find_issued, issued_for

LATER = date(2026, 12, 1)
DEBIT = replace(INVOICE, number="DN-2026-000001", kind="debit_note", issued_on=LATER, adjusts=INVOICE.number)
CREDIT = replace(
    INVOICE,
    number="CN-2026-000001",
    kind="credit_note",
    issued_on=LATER,
    adjusts=INVOICE.number,
    known_at="2026-12-01T08:00:00Z",
)
ADJUSTING = replace(PAID_LINE, kind="adjustment", adjusts_month="2026-10", amount_minor=-7)


@pytest.fixture
def books(engine: sa.Engine) -> sa.Engine:
    """October issued and closed, two notes on one day afterwards, and a statement of November that adjusts October."""
    books = Books(engine)
    with books.closing(OCTOBER) as closing:
        closing.issue(INVOICE, LINES, [])
        closing.issue(PAYOUT, [PAID_LINE], [])
        closing.close_month(ISSUED, known_at=KNOWN_AT)
    with books.adjusting(OCTOBER) as issuing:
        issuing.issue(DEBIT, LINES[:1], [])
        issuing.issue(CREDIT, LINES[1:], [])
    with books.closing(NOVEMBER) as closing:
        later = replace(PAYOUT, number="PAY-2026-000002", month="2026-11")
        closing.issue(later, [PAID_LINE, replace(ADJUSTING, line=2)], [])
    return engine


def test_a_document_is_found_by_its_number_with_its_lines(books: sa.Engine) -> None:
    assert find_issued(books, INVOICE.number) == (INVOICE, LINES)
    assert find_issued(books, PAYOUT.number) == (PAYOUT, [PAID_LINE])
    assert find_issued(books, "INV-2026-000002") is None


def test_the_documents_of_a_contract_and_month_are_in_order_of_issue(books: sa.Engine) -> None:
    """Two notes of one day are told apart by what was known."""
    assert [document.number for document, _ in issued_for(books, "acme-1", OCTOBER)] == [
        INVOICE.number,
        DEBIT.number,
        CREDIT.number,
    ]
    assert [document.number for document, _ in issued_for(books, "pub-1-2026", NOVEMBER)] == ["PAY-2026-000002"]
    assert issued_for(books, "acme-1", NOVEMBER) == []


def test_lines_that_adjust_a_month_name_their_statement(books: sa.Engine) -> None:
    assert adjusting_lines(books, "pub-1-2026", OCTOBER) == [("PAY-2026-000002", replace(ADJUSTING, line=2))]
    assert adjusting_lines(books, "pub-1-2026", NOVEMBER) == []
