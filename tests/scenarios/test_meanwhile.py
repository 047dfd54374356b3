"""What others approve or prepare between the drafts of a close, or of an adjustment, and its transaction is noticed in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner
from commands import adledger
from small_world import ADVERTISER, DAYS, ISSUED_ON, OCTOBER, close, deliver, impression, make_home, run

from contracts_io.calendar import Month
from contracts_io.contract import parse_document
from contracts_io.errors import BooksError
from contracts_io.home import SETTINGS_FILE, Home
from contracts_io.store.contracts import Imported
from contracts_io.store.documents import Act, Books
from contracts_io.store.issuing import Issuing
from services import billing
from services.cli import cli

Copy = Callable[[Home], Home]
AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
NOV_3 = date(2026, 11, 3)
BEGINS = {Act.CLOSE: "closing", Act.ADJUST: "adjusting"}
LATE = [impression(f"late-{n}", "2026-10-31T18:00:00Z") for n in range(3)]


def issue(home: Home, act: Act, by: str | None = None, content: str | None = None) -> None:
    does = billing.close if act is Act.CLOSE else billing.adjust
    does(home, OCTOBER, ISSUED_ON, by, content=content)


def issued(home: Home) -> tuple[object, ...]:
    return home.books.closed_months(), home.books.invoices(OCTOBER), home.books.payouts(OCTOBER), home.books.last_numbers()


def submit_a_dearer_brand(home: Home) -> Imported:
    """From October on the brand costs 3 USD an impression in place of 2, once it is approved."""
    document = parse_document(ADVERTISER.replace('rate: "2000.00"', 'rate: "3000.00"'), name="amended.yaml")
    (kept,) = home.contracts.import_documents(
        [("amended.yaml", document)], by="alice", at=AT, retroactive=True, closed_through=home.closed_through()
    )
    return kept


def deliver_for_october(home: Home, impressions: int) -> None:
    deliver(home, "impressions", NOV_3, LATE[:impressions])
    deliver(home, "conversions", NOV_3, [])
    run(home, NOV_3)


def right_before_its_transaction(patch: pytest.MonkeyPatch, act: Act, happens: Callable[[], object]) -> None:
    """Have something happen once, when the act has computed everything and begins to issue."""
    begin: Callable[[Books, Month], AbstractContextManager[Issuing]] = getattr(Books, BEGINS[act])
    left = [happens]

    def begun(self: Books, month: Month) -> AbstractContextManager[Issuing]:
        if left:
            left.pop()()
        return begin(self, month)

    patch.setattr(Books, BEGINS[act], begun)


@pytest.mark.parametrize("act", list(Act))
def test_a_contract_that_is_approved_meanwhile_stops_what_would_be_issued_without_it(
    act: Act, database_url: str | None, undisturbed: Home, copy_of: Copy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """22 impressions of October, and 3 more once it is closed; another process approves 3 USD for each in place of 2."""
    if database_url:
        monkeypatch.setenv("ADLEDGER_DATABASE_URL", database_url)
        home = make_home(tmp_path / "home")
        run(home, *DAYS)
    else:
        home = copy_of(undisturbed)
    if act is Act.ADJUST:
        close(home)
        deliver_for_october(home, 3)
    submitted = submit_a_dearer_brand(home)
    words = ("contract", "approve", "acme-1", "--by", "bob", "--content", submitted.content_hash)
    right_before_its_transaction(monkeypatch, act, lambda: adledger(home.root, *words, database_url=database_url))
    before = issued(home)
    with pytest.raises(BooksError) as refused:
        issue(home, act)
    assert refused.value.what.startswith(
        "contracts were approved since its drafts were made: acme-1 version 2 (by bob at "
    ), refused.value
    assert (refused.value.where, refused.value.remedy) == (
        "2026-10",
        "nothing was issued; run the same command again, which goes by them",
    )
    assert issued(home) == before
    issue(home, act)
    lines = [line for _, lines in home.books.invoices(OCTOBER) for line in lines if line.term_id == "brand"]
    assert sum(line.amount_minor for line in lines) == (6_600 if act is Act.CLOSE else 7_500)
    home.engine.dispose()


@pytest.mark.parametrize("act", list(Act))
def test_what_is_prepared_right_before_an_approval_issues_is_not_what_was_approved(
    act: Act, undisturbed: Home, closed: Home, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bob saw what ann prepared; the days run since then come to what carol prepares only when he is about to issue."""
    home = by_two(copy_of(undisturbed if act is Act.CLOSE else closed))
    deliver_for_october(home, 3)
    seen = billing.prepare(home, act, OCTOBER, ISSUED_ON, "ann", AT)
    assert seen
    deliver_for_october(home, 1)
    right_before_its_transaction(monkeypatch, act, lambda: billing.prepare(home, act, OCTOBER, ISSUED_ON, "carol", AT))
    before = issued(home)
    with pytest.raises(BooksError, match=f"what was prepared for 2026-10 is [0-9a-f]{{12}}, not {seen.content_hash[:12]}"):
        issue(home, act, "bob", seen.content_hash[:12])
    assert issued(home) == before


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("named", [True, False], ids=["content named", "content that was there"])
def test_the_command_approves_what_was_prepared_when_it_began(
    act: Act, *, named: bool, undisturbed: Home, closed: Home, copy_of: Copy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it waits for its turn, more is delivered and run, and another person prepares that."""
    home = by_two(copy_of(undisturbed if act is Act.CLOSE else closed))
    deliver_for_october(home, 3)
    seen = billing.prepare(home, act, OCTOBER, ISSUED_ON, "ann", AT)
    assert seen
    does = getattr(billing, act.value)

    def after_another(*arguments: object, **options: object) -> object:
        deliver_for_october(home, 1)
        billing.prepare(home, act, OCTOBER, ISSUED_ON, "carol", AT)
        return does(*arguments, **options)

    monkeypatch.setattr(billing, act.value, after_another)
    before = issued(home)
    words = [act.value, "2026-10", "--approve", "--by", "bob", "--home", str(home.root)]
    done = CliRunner().invoke(cli, [*words, *(["--content", seen.content_hash[:12]] if named else [])])
    assert isinstance(done.exception, BooksError)
    assert "what was prepared for 2026-10 is" in str(done.exception)
    assert issued(home) == before
    monkeypatch.setattr(billing, act.value, does)
    assert CliRunner().invoke(cli, words).exit_code == 0
    assert issued(home) != before


def by_two(home: Home) -> Home:
    (home.root / SETTINGS_FILE).write_text("[roles]\nclose_approval = true\n", encoding="utf-8")
    return Home.open(home.root)
