"""Issued documents (``contracts_io.store.documents``)."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import pytest
import sqlalchemy as sa

from contracts_io.calendar import Month
from contracts_io.errors import BooksError
from contracts_io.store.catalogue import Catalogue
from contracts_io.store.document_tables import Invoice, JournalLine, Line, Payout, invoice, payout
from contracts_io.store.documents import Act, Adjusted, Books, Closed, Prepared
from contracts_io.store.issuing import Issuing, document_hash
from contracts_io.warehouse import PartitionFile

OCTOBER = Month(2026, 10)
NOVEMBER = OCTOBER.next
ISSUED = date(2026, 11, 3)
KNOWN_AT = "2026-10-20T02:19:53.172230Z"
INVOICE = Invoice(
    number="INV-2026-000001",
    kind="invoice",
    contract_id="acme-1",
    version=2,
    party_id="acme",
    month="2026-10",
    currency="USD",
    issued_on=ISSUED,
    due_on=date(2026, 12, 3),
    net_minor=10_000,
    tax_minor=1_900,
    total_minor=11_900,
    adjusts=None,
    known_at=KNOWN_AT,
)
PAYOUT = Payout(
    number="PAY-2026-000001",
    partner_id="pub-1",
    contract_id="pub-1-2026",
    month="2026-10",
    currency="USD",
    issued_on=ISSUED,
    earnings_minor=4_000,
    withholding_minor=0,
    brought_forward_minor=0,
    payable_minor=0,
    carried_forward_minor=4_000,
    known_at=KNOWN_AT,
)
LINES = [
    Line(1, "media", "acme-1", "brand", 2, 1, "brand: impressions at 10 USD per 1,000", 2**40, "10.000000", 9_000),
    Line(2, "minimum", "acme-1", None, None, None, "minimum", None, None, 1_000),
]
PAID_LINE = Line(1, "action", "pub-1-2026", "all", 1, 1, "all: purchase at 7", 3, "7", 4_000, "acme-1")
ENTRY = [
    JournalLine("J-INV-2026-000001", 1, ISSUED, "INV-2026-000001", "Assets:Receivable", "acme", "2026-10", "USD", 100, 0),
    JournalLine("J-INV-2026-000001", 2, ISSUED, "INV-2026-000001", "Income:Revenue", "acme", "2026-10", "USD", 0, 100),
]


@pytest.fixture
def books(engine: sa.Engine) -> Books:
    return Books(engine)


def state(books: Books) -> tuple[object, ...]:
    return books.invoices(OCTOBER), books.payouts(OCTOBER), books.journal(OCTOBER), books.closed_months()


def test_what_was_issued_is_read_back_to_the_last_field(books: Books) -> None:
    with books.closing(OCTOBER) as closing:
        closing.issue(INVOICE, LINES, ENTRY)
        closing.issue(PAYOUT, [PAID_LINE], [])
        closing.close_month(ISSUED, known_at=KNOWN_AT)
    assert books.invoices(OCTOBER) == [(INVOICE, LINES)]
    assert books.payouts(OCTOBER) == [(PAYOUT, [PAID_LINE])]
    assert books.journal(OCTOBER) == ENTRY
    assert books.closed_months() == {OCTOBER: Closed(OCTOBER, ISSUED, 0, KNOWN_AT)}
    assert books.invoices(NOVEMBER) == []


def test_a_month_that_was_closed_without_a_document_dates_none(books: Books) -> None:
    later = ISSUED + timedelta(days=30)
    with books.closing(OCTOBER) as closing:
        closing.close_month(later, known_at=KNOWN_AT)
    assert books.not_before(NOVEMBER) is None
    with books.adjusting(OCTOBER) as adjusting, pytest.raises(BooksError, match=str(later)):
        adjusting.require_not_before(later - timedelta(days=1))  # a note is no older than the close of its month
    with books.closing(NOVEMBER) as closing:
        closing.require_not_before(ISSUED)
        closing.issue(replace(PAYOUT, month=str(NOVEMBER)), [PAID_LINE], [])
        closing.close_month(ISSUED, known_at=KNOWN_AT)
    assert books.not_before(NOVEMBER) == ISSUED


def test_an_error_leaves_nothing_of_a_close_and_gives_its_numbers_back(books: Books) -> None:
    before = state(books)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="power cut"), books.closing(OCTOBER) as closing:
            assert closing.next_number("INV", 2026) == "INV-2026-000001"
            closing.issue(INVOICE, LINES, ENTRY)
            closing.close_month(ISSUED, known_at=KNOWN_AT)
            raise RuntimeError("power cut")
    assert state(books) == before


def test_numbers_are_gapless_within_year_and_series(books: Books) -> None:
    def take(closing: Issuing, *wanted: tuple[str, int]) -> list[str]:
        return [closing.next_number(series, year) for series, year in wanted]

    with books.closing(OCTOBER) as closing:
        assert take(closing, ("INV", 2026), ("INV", 2026), ("PAY", 2026), ("INV", 2027)) == [
            "INV-2026-000001",
            "INV-2026-000002",
            "PAY-2026-000001",
            "INV-2027-000001",
        ]
    with books.closing(NOVEMBER) as closing:
        assert take(closing, ("INV", 2026), ("CN", 2026), ("PAY", 2026)) == [
            "INV-2026-000003",
            "CN-2026-000001",
            "PAY-2026-000002",
        ]


def test_a_closed_month_is_refused_naming_the_day_it_was_closed(books: Books) -> None:
    with books.closing(OCTOBER) as closing:
        closing.close_month(ISSUED, known_at=KNOWN_AT)
    with pytest.raises(BooksError, match="2026-10 was closed on 2026-11-03") as refused, books.closing(OCTOBER):
        pytest.fail("a closed month was opened")
    assert "adledger export 2026-10" in str(refused.value)


def test_a_contract_has_one_invoice_and_one_statement_a_month_whatever_happens(books: Books) -> None:
    with books.closing(OCTOBER) as closing:
        closing.issue(INVOICE, LINES, [])
        closing.issue(PAYOUT, [], [])
    with pytest.raises(BooksError, match="already"), books.closing(OCTOBER) as closing:
        closing.issue(replace(INVOICE, number="INV-2026-000002"), [], [])
    with pytest.raises(BooksError, match="already"), books.closing(OCTOBER) as closing:
        closing.issue(replace(PAYOUT, number="PAY-2026-000002"), [], [])
    with books.closing(OCTOBER) as closing:  # a credit note is not a second invoice
        closing.issue(replace(INVOICE, number="CN-2026-000001", kind="credit_note", adjusts=INVOICE.number), [], [])
    assert [invoice.number for invoice, _ in books.invoices(OCTOBER)] == ["CN-2026-000001", "INV-2026-000001"]


def test_a_number_is_used_once(books: Books) -> None:
    with pytest.raises(BooksError, match="already"), books.closing(OCTOBER) as closing:
        closing.issue(INVOICE, [], [])
        closing.issue(replace(INVOICE, contract_id="beta-1"), [], [])
    assert books.invoices(OCTOBER) == []


def test_an_entry_that_does_not_balance_is_never_posted(books: Books) -> None:
    with pytest.raises(ValueError, match="does not balance"), books.closing(OCTOBER) as closing:
        closing.issue(INVOICE, LINES, ENTRY[:1])
    assert (books.journal(OCTOBER), books.invoices(OCTOBER)) == ([], [])


def statement(number: int, month: str, carried: int, contract_id: str = "pub-1-2026") -> Payout:
    return replace(
        PAYOUT, number=f"PAY-2026-{number:06}", month=month, carried_forward_minor=carried, contract_id=contract_id
    )


@pytest.mark.parametrize(
    ("issued", "balances"),
    [
        ([], {}),
        ([("2026-10", 4_000)], {"pub-1-2026": 4_000, "pub-2-2026": -50}),
        ([("2026-10", 4_000), ("2026-11", 700)], {"pub-1-2026": 700, "pub-2-2026": -50}),
        ([("2026-10", 4_000), ("2026-12", 0)], {"pub-2-2026": -50}),  # a balance of nothing is no balance
        # September was found to have something only after October was closed.
        ([("2026-10", 4_000), ("2026-09", 4_100)], {"pub-1-2026": 4_100, "pub-2-2026": -50}),
    ],
)
def test_a_statement_begins_with_what_the_one_issued_before_it_carried_forward(
    books: Books, issued: list[tuple[str, int]], balances: dict[str, int]
) -> None:
    with books.closing(OCTOBER) as closing:
        if issued:
            closing.issue(statement(1, "2026-10", -50, "pub-2-2026"), [], [])
        for at, (month, carried) in enumerate(issued, start=2):
            closing.issue(statement(at, month, carried), [], [])
    assert books.balances() == balances
    with books.closing(OCTOBER) as closing:
        assert closing.balances() == balances


def test_a_close_pins_the_snapshot_and_sees_the_live_content_of_its_month(engine: sa.Engine, books: Books) -> None:
    catalogue = Catalogue(engine)

    def publish(content: str, month: str = "2026-10") -> None:
        catalogue.publish([PartitionFile("draft_invoices", month, f"{content}.parquet", content, 0, 1, "")])

    publish("old")
    publish("new")
    publish("other", "2026-11")
    with books.closing(OCTOBER) as closing:
        assert closing.live_content("draft_invoices") == "new"
        assert closing.live_content("draft_payouts") is None
        closing.close_month(ISSUED, known_at=KNOWN_AT)
    assert books.closed_months()[OCTOBER].snapshot == 3


def test_dates_of_issue_never_go_back(books: Books) -> None:
    with books.closing(NOVEMBER) as closing:
        closing.require_not_before(date(2026, 12, 1))
        closing.issue(replace(PAYOUT, month=str(NOVEMBER), issued_on=date(2026, 12, 4)), [PAID_LINE], [])
        closing.close_month(date(2026, 12, 4), known_at=KNOWN_AT)
    with books.closing(OCTOBER) as closing:
        closing.require_not_before(date(2026, 12, 4))
        with pytest.raises(
            BooksError, match="documents were issued on 2026-12-04, so 2026-10 cannot be issued on 2026-12-03"
        ):
            closing.require_not_before(date(2026, 12, 3))
        closing.issue(replace(INVOICE, issued_on=date(2026, 12, 7)), [], [])
        closing.close_month(date(2026, 12, 4), known_at=KNOWN_AT)
    with books.adjusting(OCTOBER) as adjusting, pytest.raises(BooksError, match="2026-12-07"):
        adjusting.require_not_before(date(2026, 12, 6))
    assert list(books.closed_months()) == [OCTOBER, NOVEMBER]


def test_an_entry_is_posted_with_its_own_document(books: Books) -> None:
    with pytest.raises(ValueError, match="another document than INV-2026-000002"), books.closing(OCTOBER) as closing:
        closing.issue(replace(INVOICE, number="INV-2026-000002"), LINES, ENTRY)
    assert (books.journal(OCTOBER), books.invoices(OCTOBER)) == ([], [])


def test_a_month_that_is_open_is_not_adjusted(books: Books) -> None:
    with pytest.raises(BooksError, match="2026-10 is open"), books.adjusting(OCTOBER):
        pass


def test_each_document_carries_its_hash_and_that_of_the_one_before_it_in_its_series(books: Books, engine: sa.Engine) -> None:
    second = replace(INVOICE, number="INV-2026-000002", contract_id="other-1")
    with books.closing(OCTOBER) as closing:
        closing.issue(INVOICE, LINES, [])
        closing.issue(second, [], [])
        closing.issue(PAYOUT, [PAID_LINE], [])
    with engine.connect() as connection:
        chain = connection.execute(sa.select(invoice.c.content_hash, invoice.c.previous_hash).order_by("number")).all()
        statement = connection.execute(sa.select(payout.c.content_hash, payout.c.previous_hash)).one()
    first = document_hash(INVOICE, LINES, [], None)
    assert [tuple(row) for row in chain] == [(first, None), (document_hash(second, [], [], first), first)]
    assert tuple(statement) == (document_hash(PAYOUT, [PAID_LINE], [], None), None)
    assert (
        document_hash(INVOICE, LINES[:1], [], None) != first != document_hash(replace(INVOICE, net_minor=1), LINES, [], None)
    )


def test_documents_come_by_number_and_lines_in_their_order(books: Books) -> None:
    numbers = ["INV-2026-000003", "INV-2026-000001", "INV-2026-000002"]
    with books.closing(OCTOBER) as closing:
        for number in numbers:
            closing.issue(replace(INVOICE, number=number, contract_id=f"of-{number}"), list(reversed(LINES)), [])
    issued = books.invoices(OCTOBER)
    assert [document.number for document, _ in issued] == sorted(numbers)
    assert [lines for _, lines in issued] == [LINES] * 3


def test_an_amount_of_money_keeps_every_digit(books: Books) -> None:
    most = 2**63 - 1
    with books.closing(OCTOBER) as closing:
        closing.issue(replace(INVOICE, net_minor=most, tax_minor=-most, total_minor=0), [], [])
    ((invoice, _),) = books.invoices(OCTOBER)
    assert (invoice.net_minor, invoice.tax_minor) == (most, -most)


def test_what_was_prepared_last_for_an_act_counts(books: Books) -> None:
    first = Prepared(
        Act.CLOSE, OCTOBER, ISSUED, "ann", KNOWN_AT, "a" * 64, [["INV-2026-000001", "acme-1", "USD", 11_900, "h"]]
    )
    notes = replace(first, act=Act.ADJUST, documents=[["DN-2026-000001", "acme-1", "USD", 100, "h"]])
    assert books.prepared(Act.CLOSE, OCTOBER) is None
    with pytest.raises(BooksError, match="2026-10 is open"):
        books.prepare(notes)
    books.prepare(first)
    books.prepare(replace(first, prepared_by="carol", content_hash="b" * 64))
    books.prepare(replace(first, month=NOVEMBER))
    assert books.prepared(Act.CLOSE, OCTOBER) == replace(first, prepared_by="carol", content_hash="b" * 64)
    with books.closing(OCTOBER) as closing:
        closing.close_month(ISSUED, known_at=KNOWN_AT)
    with pytest.raises(BooksError, match="2026-10 was closed on 2026-11-03"):
        books.prepare(first)
    assert books.prepared(Act.ADJUST, OCTOBER) is None
    books.prepare(notes)
    assert books.prepared(Act.ADJUST, OCTOBER) == notes


def test_an_adjustment_pins_what_its_notes_went_by(books: Books, engine: sa.Engine) -> None:
    with books.closing(OCTOBER) as closing:
        closing.close_month(ISSUED, known_at=KNOWN_AT)
    later = "2026-11-20T00:00:00.000000Z"
    for content in ("a", "b"):
        Catalogue(engine).publish([PartitionFile("touches", "2026-10-05", content, content, 0, 1, "")])
        with books.adjusting(OCTOBER) as adjusting:
            adjusting.record_adjustment(ISSUED, known_at=later, by="ann")
    assert books.adjusted() == [Adjusted(OCTOBER, 1, 1, later), Adjusted(OCTOBER, 2, 2, later)]
    assert books.pinned() == {0, 1, 2}


def test_every_document_and_entry_is_read_for_verification(books: Books) -> None:
    assert (books.chains(), books.entries(), books.last_numbers(), books.not_before(NOVEMBER)) == ([], [], {}, None)
    with books.closing(OCTOBER) as closing:
        number = closing.next_number("INV", 2026)
        closing.issue(replace(INVOICE, number=number), LINES, ENTRY)
        closing.issue(PAYOUT, [PAID_LINE], [])
    first, second = books.chains()
    assert (first.document, first.lines, first.entry) == (INVOICE, LINES, ENTRY)
    assert (second.document, second.lines, second.entry) == (PAYOUT, [PAID_LINE], [])
    assert first.content_hash == document_hash(INVOICE, LINES, ENTRY, None)
    renamed = [replace(ENTRY[0], account="Assets:Other"), ENTRY[1]]
    assert first.content_hash not in {document_hash(INVOICE, LINES, entry, None) for entry in (renamed, ENTRY[:1], [])}
    assert (books.entries(), books.last_numbers(), books.not_before(NOVEMBER)) == (ENTRY, {"INV-2026-": 1}, ISSUED)
