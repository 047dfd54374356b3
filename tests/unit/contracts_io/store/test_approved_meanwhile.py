"""Nothing is decided about contracts while documents are issued, and what was decided before is noticed."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from datetime import date

import pytest
import sqlalchemy as sa
from contract_books import agree, approve, contract, take

from contracts_io.calendar import Month
from contracts_io.errors import AdledgerError, BooksError, ContractError
from contracts_io.store.contracts import ContractStore
from contracts_io.store.documents import Act, Books, Prepared
from contracts_io.store.issuing import Issuing

OCTOBER = Month(2026, 10)
KNOWN_AT = "2026-09-01T13:00:00.000005Z"
PREPARED = Prepared(Act.CLOSE, OCTOBER, date(2026, 11, 3), "ann", KNOWN_AT, "a" * 64, [])


@pytest.fixture
def store(engine: sa.Engine) -> ContractStore:
    return ContractStore(engine)


@pytest.fixture
def books(engine: sa.Engine) -> Books:
    return Books(engine)


def issuing(books: Books, act: Act) -> AbstractContextManager[Issuing]:
    if act is Act.CLOSE:
        return books.closing(OCTOBER)
    with books.closing(OCTOBER) as closing:
        closing.close_month(date(2026, 11, 3), known_at=KNOWN_AT)
    return books.adjusting(OCTOBER)


@pytest.mark.parametrize("act", list(Act))
def test_a_version_that_was_approved_since_is_named_with_who_approved_it(
    store: ContractStore, books: Books, act: Act
) -> None:
    agree(store, contract())
    known = store.approved()
    take(store, contract(effective_from="2026-12-01", validation_days=3))
    with issuing(books, act) as found:
        found.require_known(known)  # what waits is not approved
    approve(store, "acme-1")
    with pytest.raises(BooksError) as refused, books.closing(OCTOBER.next) as found:
        found.require_known(known)
    assert str(refused.value) == (
        f"2026-11: contracts were approved since its drafts were made: acme-1 version 2 (by bo at {KNOWN_AT})\n"
        "  -> nothing was issued; run the same command again, which goes by them"
    )
    with books.closing(OCTOBER.next) as found:
        found.require_known(store.approved())


@pytest.mark.parametrize("act", list(Act))
def test_who_approves_waits_until_documents_are_issued_and_is_told_of_the_month_that_was_closed(
    store: ContractStore, books: Books, act: Act
) -> None:
    agree(store, contract())
    take(store, contract(effective_from="2026-10-15", validation_days=3))
    refused: list[AdledgerError] = []

    def approves() -> None:
        try:
            approve(store, "acme-1")
        except ContractError as error:
            refused.append(error)

    other = threading.Thread(target=approves)
    with issuing(books, act) as found:
        other.start()
        other.join(0.5)
        assert other.is_alive()
        found.require_known({"acme-1": store.approved()["acme-1"]})
        if act is Act.CLOSE:
            found.close_month(date(2026, 11, 3), known_at=KNOWN_AT)
    other.join(60)
    assert "it changes 2026-10, closed since it was submitted" in str(*refused)


def test_who_prepares_a_close_waits_for_one_that_is_under_way(books: Books) -> None:
    refused: list[AdledgerError] = []

    def prepares() -> None:
        try:
            books.prepare(PREPARED)
        except BooksError as error:
            refused.append(error)

    other = threading.Thread(target=prepares)
    with books.closing(OCTOBER) as closing:
        other.start()
        other.join(0.5)
        assert other.is_alive()
        closing.close_month(date(2026, 11, 3), known_at=KNOWN_AT)
    other.join(60)
    assert "2026-10 was closed on 2026-11-03" in str(*refused)
    assert books.prepared(Act.CLOSE, OCTOBER) is None
