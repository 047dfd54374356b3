"""Closing by two, dry runs, what is pending and why, and finding what is not as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from small_world import (
    ADVERTISER,
    DAYS,
    FIRST,
    ISSUED_ON,
    LAST,
    NOVEMBER,
    OCTOBER,
    adjustment,
    agree,
    catalogue_rows,
    close,
    deliver,
    impression,
    run,
    small_world,
    warehouse_files,
)

from assets.adjusting import pending_lines
from assets.upkeep import Upkeep
from contracts_io.contract import parse_document
from contracts_io.errors import AdledgerError, BooksError, RoleError, UsageError
from contracts_io.home import SETTINGS_FILE, Home
from contracts_io.store.document_tables import invoice, journal_line
from contracts_io.store.documents import Act
from services import billing, comparison, reports, verification
from services.cli import cli
from services.explaining.explain import explain
from services.explaining.explained import DocumentExplained
from services.status import PendingStatus, status

Copy = Callable[[Home], Home]
AT = datetime(2026, 11, 20, 9, tzinfo=UTC)
NOV_3 = date(2026, 11, 3)
LATE_ON = [impression(f"late-{n}", "2026-10-31T18:00:00Z") for n in range(3)]


def by_two(home: Home) -> Home:
    (home.root / SETTINGS_FILE).write_text("[roles]\nclose_approval = true\n", encoding="utf-8")
    return Home.open(home.root)


def approve(home: Home, by: str, content: str | None = None, issued_on: date | None = None) -> None:
    """The close of October, as the command with --approve does it."""
    prepared = billing.to_approve(home, Act.CLOSE, OCTOBER, by, content)
    billing.close(home, OCTOBER, issued_on or prepared.issued_on, by)


def command(home: Home, *words: object) -> str:
    """What a command that succeeds prints."""
    done = CliRunner().invoke(cli, [*map(str, words), "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    return done.stdout


def late_for_october(home: Home) -> None:
    """Three impressions of October, delivered on 3 November: 6.00 to be charged, 3.00 to be paid."""
    deliver(home, "impressions", NOV_3, LATE_ON)
    deliver(home, "conversions", NOV_3, [])
    run(home, NOV_3)


def amend(
    home: Home, *, at: datetime = AT, pricing: str = 'model: cpm, rate: "3000.00"', document: str | None = None
) -> None:
    """From October on the brand costs 3 USD an impression in place of 2, or what else ``pricing`` or ``document`` says."""
    text = document or ADVERTISER.replace('model: cpm, rate: "2000.00"', pricing)
    (kept,) = home.contracts.import_documents(
        [("amended.yaml", parse_document(text, name="amended.yaml"))],
        by="alice",
        at=at,
        retroactive=True,
        closed_through=home.closed_through(),
    )
    home.contracts.approve(kept.contract_id, kept.version, by="bob", at=at, content_hash=kept.content_hash)


# Dry runs


def test_a_dry_run_lists_the_documents_of_a_close_digit_for_digit_and_changes_nothing(
    undisturbed: Home, copy_of: Copy
) -> None:
    home = copy_of(undisturbed)
    before = (warehouse_files(home), catalogue_rows(home))
    found = billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON)
    assert found.against == []
    assert (warehouse_files(home), catalogue_rows(home), home.books.last_numbers()) == (*before, {})
    close(home)
    assert found.documents
    assert found.documents.invoices == home.books.invoices(OCTOBER)
    assert found.documents.payouts == home.books.payouts(OCTOBER)
    assert [line for entry in found.documents.entries for line in entry] == home.books.journal(OCTOBER)


def test_a_dry_run_rates_what_is_out_of_date_apart(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    drafted = billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON).documents
    amend(home)
    amended = billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON).documents
    assert drafted
    assert amended
    assert amended.invoices[0][0].net_minor > drafted.invoices[0][0].net_minor
    assert OCTOBER in Upkeep(home).stale_months()


def test_a_dry_run_says_every_reason_that_would_stop_the_close(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    deliver(home, "impressions", FIRST, LATE_ON)
    found = billing.dry_run(home, Act.CLOSE, OCTOBER, date(2026, 10, 30))
    assert found.against == [
        "2026-10 is not over on 2026-10-30: close it from 2026-11-01 on",
        f"the impressions of {FIRST} are not what was taken in: run `adledger run {FIRST}`",
    ]
    with pytest.raises(BooksError, match="are not what was taken in"):
        close(home)
    assert not home.books.closed_months()


def test_a_dry_run_of_a_closed_month_lists_nothing(closed: Home) -> None:
    found = billing.dry_run(closed, Act.CLOSE, OCTOBER, ISSUED_ON)
    assert found.documents is None
    assert found.against[0].startswith("2026-10 was closed on 2026-11-20")


def test_the_command_prints_documents_and_reasons(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    done = CliRunner().invoke(
        cli, ["close", "2026-10", "--dry-run", "--on", "2026-11-20", "--home", str(home.root), "--json"]
    )
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert [document["number"] for document in told["documents"]] == ["INV-2026-000001", "PAY-2026-000001"]
    assert told["against"] == []


# Two persons


def test_one_prepares_and_another_approves_that_very_content(undisturbed: Home, copy_of: Copy) -> None:
    home = by_two(copy_of(undisturbed))
    prepared = billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, "ann", AT)
    assert not home.books.closed_months()
    assert prepared.content_hash == billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON).content_hash
    approve(home, "bob", prepared.content_hash[:12])
    assert home.books.closed_months()[OCTOBER].closed_on == ISSUED_ON
    issued = [document.number for document, _ in [*home.books.invoices(OCTOBER), *home.books.payouts(OCTOBER)]]
    assert [row[0] for row in prepared.documents] == issued
    with home.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT prepared_by, closed_by FROM month_close")).one() == ("ann", "bob")


def test_the_same_prepared_once_more_is_the_same(undisturbed: Home, copy_of: Copy) -> None:
    home = by_two(copy_of(undisturbed))
    first = billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, "ann", AT)
    assert billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, "ann", AT.replace(hour=12)) == first


def test_who_prepared_a_close_does_not_approve_it(undisturbed: Home, copy_of: Copy) -> None:
    home = by_two(copy_of(undisturbed))
    with pytest.raises(BooksError, match="nobody has prepared the close of 2026-10"):
        approve(home, "bob")
    with pytest.raises(RoleError, match="say who prepares"):
        billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, None, AT)
    billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, "ann", AT)
    with pytest.raises(RoleError, match="ANN prepared the close of 2026-10 and so cannot approve it"):
        approve(home, "ANN")
    with pytest.raises(RoleError, match="say who approves"):
        billing.close(home, OCTOBER, ISSUED_ON)  # nor is there a way around
    with pytest.raises(BooksError, match="not 0123456789ab"):
        approve(home, "bob", "0123456789ab")
    assert not home.books.closed_months()


def test_what_changed_since_it_was_prepared_is_named_and_not_issued(undisturbed: Home, copy_of: Copy) -> None:
    home = by_two(copy_of(undisturbed))
    prepared = billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, "ann", AT)
    was = prepared.documents[0][3] / 100
    amend(home)
    with pytest.raises(BooksError, match="2026-10 is not what ann prepared") as refused:
        approve(home, "bob")
    assert f"acme-1: INV-2026-000001 over {was:.2f} USD is INV-2026-000001 over" in str(refused.value)
    assert "pub-1" not in str(refused.value)  # only what changed
    assert not home.books.closed_months()
    billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, "ann", AT)
    with pytest.raises(BooksError, match="the date of issue was 2026-11-20"):
        approve(home, "bob", issued_on=date(2026, 11, 21))
    approve(home, "bob")
    assert home.books.closed_months().keys() == {OCTOBER}


def test_notes_are_prepared_by_one_and_approved_by_another(closed: Home, copy_of: Copy) -> None:
    home = by_two(copy_of(closed))
    assert "there is nothing to adjust" in command(home, "adjust", "2026-10", "--by", "ann")
    late_for_october(home)
    with pytest.raises(BooksError, match="nobody has prepared the adjustment of 2026-10"):
        billing.adjust(home, OCTOBER, ISSUED_ON, "bob")
    told = json.loads(command(home, "adjust", "2026-10", "--on", ISSUED_ON, "--by", "ann", "--json"))
    assert (told["prepared_by"], told["documents"]) == ("ann", 1)
    assert len(home.books.invoices(OCTOBER)) == 1
    seen = billing.dry_run(home, Act.ADJUST, OCTOBER, ISSUED_ON)
    assert (seen.content_hash, seen.against) == (told["content"], [])
    assert seen.documents
    assert [(note.number, note.net_minor) for note, _ in seen.documents.invoices] == [("DN-2026-000001", 600)]
    with pytest.raises(RoleError, match="ann prepared the adjustment of 2026-10 and so cannot approve it"):
        billing.adjust(home, OCTOBER, ISSUED_ON, "ann")
    with pytest.raises(BooksError, match="not 0123456789ab"):
        billing.to_approve(home, Act.ADJUST, OCTOBER, "bob", "0123456789ab")
    with pytest.raises(BooksError, match="the date of issue was 2026-11-20"):
        billing.adjust(home, OCTOBER, date(2026, 11, 21), "bob")
    words = ("adjust", "2026-10", "--approve", "--by", "bob", "--content", told["content"][:12])
    assert "DN-2026-000001 debit note for acme-1" in command(home, *words)
    ((note, _),) = [issued for issued in home.books.invoices(OCTOBER) if issued[0].kind == "debit_note"]
    assert (note, note.issued_on) == (seen.documents.invoices[0][0], ISSUED_ON)
    with home.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT prepared_by, adjusted_by FROM month_adjustment")).one() == ("ann", "bob")
    assert "there is nothing to adjust" in command(home, *words)  # again: nothing
    assert broken(home) == []


def test_notes_that_changed_since_they_were_prepared_are_named_and_not_issued(closed: Home, copy_of: Copy) -> None:
    home = by_two(copy_of(closed))
    late_for_october(home)
    assert billing.prepare(home, Act.ADJUST, OCTOBER, ISSUED_ON, "ann", AT)
    deliver(home, "impressions", NOV_3, LATE_ON[:1])
    with pytest.raises(BooksError, match=r"acme-1: DN-2026-000001 over 6\.00 USD is DN-2026-000001 over 2\.00 USD now"):
        run_and_adjust(home)
    assert len(home.books.invoices(OCTOBER)) == 1
    assert billing.prepare(home, Act.ADJUST, OCTOBER, ISSUED_ON, "ann", AT)
    assert run_and_adjust(home) == ["DN-2026-000001"]
    with pytest.raises(BooksError, match="2026-11 is open"):
        billing.prepare(home, Act.ADJUST, NOVEMBER, ISSUED_ON, "ann", AT)


def run_and_adjust(home: Home) -> list[str]:
    run(home, NOV_3)
    return billing.adjust(home, OCTOBER, ISSUED_ON, "bob")


# Dates that lie in the future

FUTURE = "warning: documents dated 2030-01-01 lie in the future: no document can be dated earlier after this\n"


@pytest.mark.parametrize("act", ["close", "adjust"])
def test_documents_dated_in_the_future_are_issued_with_a_warning(
    undisturbed: Home, closed: Home, copy_of: Copy, act: str
) -> None:
    home = copy_of(undisturbed if act == "close" else closed)
    if act == "adjust":
        late_for_october(home)
    words = [act, "2026-10", "--on", "2030-01-01", "--home", str(home.root)]
    assert CliRunner().invoke(cli, [*words, "--dry-run"]).stdout.startswith(FUTURE)
    for more in (["--dry-run", "--json"], ["--json"]):
        done = CliRunner().invoke(cli, [*words, *more])
        assert done.exit_code == 0
        assert done.stderr.endswith(FUTURE)
        json.loads(done.stdout)
    assert home.books.closed_months()


def test_documents_that_another_person_is_to_approve_are_prepared_with_a_warning_too(closed: Home, copy_of: Copy) -> None:
    home = by_two(copy_of(closed))
    words = ["adjust", "2026-10", "--on", "2030-01-01", "--by", "ann", "--home", str(home.root)]
    assert CliRunner().invoke(cli, words).stderr == ""
    late_for_october(home)
    assert CliRunner().invoke(cli, words).stderr == FUTURE


@pytest.mark.parametrize("more", [[], ["--dry-run"], ["--json"]])
def test_where_nothing_is_issued_no_date_is_warned_of(closed: Home, copy_of: Copy, more: list[str]) -> None:
    words = ["adjust", "2026-10", "--on", "2030-01-01", "--home", str(copy_of(closed).root), *more]
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0
    assert "future" not in done.output


def test_a_close_that_is_refused_warns_of_no_date(undisturbed: Home, copy_of: Copy) -> None:
    words = ["close", "2026-11", "--on", "2030-01-01", "--home", str(copy_of(undisturbed).root)]
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, BooksError)
    assert "future" not in done.output


@pytest.mark.parametrize("act", ["close", "adjust"])
@pytest.mark.parametrize("on", ["2200-01-01", "9999-12-31"])
def test_no_document_is_dated_after_the_days_of_contracts(undisturbed: Home, act: str, on: str) -> None:
    done = CliRunner().invoke(cli, [act, "2026-10", "--on", on, "--home", str(undisturbed.root)])
    assert done.exit_code == 2
    assert f"no document can be dated {on}: the last day is 2199-12-31" in done.output


@pytest.mark.parametrize("ahead", [0, 1])
def test_tomorrow_is_no_future_because_it_has_begun_somewhere(closed: Home, copy_of: Copy, ahead: int) -> None:
    on = datetime.now(UTC).date() + timedelta(days=ahead)
    home = copy_of(closed)
    late_for_october(home)
    done = CliRunner().invoke(cli, ["adjust", "2026-10", "--on", str(on), "--home", str(home.root)])
    assert "DN-2026-000001" in done.output
    assert "future" not in done.output


def test_an_approval_that_nothing_asks_for_is_refused(undisturbed: Home) -> None:
    with pytest.raises(UsageError, match="close_approval is not set"):
        approve(undisturbed, "bob")


# What is pending, and what changed


def test_status_says_what_a_closed_month_needs_and_the_next_step(closed: Home, copy_of: Copy) -> None:
    home = copy_of(closed)
    late_for_october(home)
    october = next(found for found in status(home, ISSUED_ON).months if found.month == OCTOBER)
    assert october.pending
    assert october.pending == PendingStatus(1, {"USD": Decimal(6)}, {"USD": Decimal(0)}, {}, 1)
    assert "issue the notes that 2026-10 needs: adledger adjust 2026-10" in status(home, ISSUED_ON).next_steps
    assert billing.adjust(home, OCTOBER, ISSUED_ON) == ["DN-2026-000001"]
    october = next(found for found in status(home, ISSUED_ON).months if found.month == OCTOBER)
    assert october.pending
    assert (october.pending.notes, october.pending.partner_lines) == (0, 1)  # the partner's go on its next statement
    assert not any("adledger adjust" in step for step in status(home, ISSUED_ON).next_steps)


def test_notes_of_one_day_are_explained_in_the_order_in_which_they_were_issued(closed: Home, copy_of: Copy) -> None:
    """Three late impressions are charged, then two of them are taken back: 44.00 + 6.00 - 4.00 = 46.00."""
    home = copy_of(closed)
    late_for_october(home)
    assert billing.adjust(home, OCTOBER, ISSUED_ON) == ["DN-2026-000001"]
    deliver(home, "impressions", NOV_3, LATE_ON[:1])
    run(home, NOV_3)
    assert billing.adjust(home, OCTOBER, ISSUED_ON) == ["CN-2026-000001"]
    told = [explain(home, number)[0] for number in ("DN-2026-000001", "CN-2026-000001")]
    first, second = (found.lines[0].arithmetic for found in told if isinstance(found, DocumentExplained))
    assert first[:3] == [
        "issued before by INV-2026-000001: 22 for 44.00 USD",
        "2026-10 entitles to 25 for 50.00 USD",
        "difference: 50.00 USD - 44.00 USD = 6.00 USD",
    ]
    assert second[:4] == [
        "issued before by INV-2026-000001: 22 for 44.00 USD",
        "issued before by DN-2026-000001: 3 for 6.00 USD",
        "2026-10 entitles to 23 for 46.00 USD",
        "difference: 46.00 USD - 50.00 USD = -4.00 USD",
    ]


def test_a_month_is_not_adjusted_without_a_rate_that_it_needs(undisturbed: Home, copy_of: Copy) -> None:
    """The brand is amended to cleared prices, which are in euros: without their rate all of it would be credited."""
    home = copy_of(undisturbed)
    (home.root / SETTINGS_FILE).write_text('cost_currency = "EUR"\n', encoding="utf-8")
    home = Home.open(home.root)
    priced = [row | {"cost": "0.50"} for row in small_world()["impressions", DAYS[1]]]
    deliver(home, "impressions", DAYS[1], priced)
    run(home, DAYS[1])
    close(home)
    amend(home, pricing="model: dcpm")
    needed = "no exchange rate EUR/USD for 2026-10-29, needed by acme-1"
    with pytest.raises(BooksError, match=needed):
        billing.adjust(home, OCTOBER, ISSUED_ON)
    assert len(home.books.invoices(OCTOBER)) == 1
    found = status(home, ISSUED_ON)
    october = next(found for found in found.months if found.month == OCTOBER)
    assert october.pending
    assert f"{needed}: add it to landing/fx_rates, then `adledger run 2026-11-02`" in october.against
    first = "add the exchange rates that 2026-10 lacks, then issue the notes that 2026-10 needs: adledger adjust 2026-10"
    assert first in found.next_steps
    told = command(home, "status")
    assert "an exchange rate is missing" in " ".join(told.split())
    assert told.index("Before 2026-10 can be adjusted") < told.index(needed)
    assert json.loads(command(home, "status", "--json"))["months"][0]["against"] == list(october.against)
    assert any(
        reason.startswith(needed) for reason in billing.dry_run(home, Act.CLOSE, NOVEMBER, date(2026, 12, 20)).against
    )
    (home.landing / "fx_rates").mkdir()
    rates = "".join(f"{day},EUR,USD,1.10\n" for day in DAYS)
    (home.landing / "fx_rates" / "rates.csv").write_text(f"date,base,quote,rate\n{rates}", encoding="utf-8")
    run(home, LAST)
    assert billing.adjust(home, OCTOBER, ISSUED_ON) == ["CN-2026-000001"]
    assert not any(found.against for found in status(home, ISSUED_ON).months if found.month == OCTOBER)


def closed_with(folder: Path, document: str, *served: dict[str, str]) -> Home:
    """October closed under one contract, with the impressions ``served`` on its first day of delivery and nothing else."""
    home = Home.create(folder / "home")
    agree(home, document)
    for day in DAYS:
        deliver(home, "impressions", day, served if day == FIRST else [])
        deliver(home, "conversions", day, [])
    run(home, *DAYS)
    close(home)
    return home


def test_a_note_whose_tax_alone_changes_names_the_amendment_and_has_no_line(tmp_path: Path) -> None:
    """Two impressions on 28 October, 4.00 without tax; 19 % from the last of the month on, which rules the invoice: 0.76."""
    home = closed_with(tmp_path, ADVERTISER, *(impression(f"i-{n}", f"{FIRST}T12:00:00Z") for n in range(2)))
    taxed = ADVERTISER.replace(
        "currency: USD", 'currency: USD\neffective_from: 2026-10-31\ntax: {category: S, rate: "0.190"}'
    )
    amend(home, document=taxed)
    run(home, LAST)
    why = "amendment to version 2: tax rate 0 -> 0.19"
    october = next(found for found in status(home, ISSUED_ON).months if found.month == OCTOBER)
    assert october.pending == PendingStatus(1, {"USD": Decimal(0)}, {"USD": Decimal("0.76")}, {"acme-1": why}, 0)
    assert f"acme-1: {why}" in " ".join(command(home, "status").split())
    told = command(home, "adjust", "2026-10", "--on", ISSUED_ON)
    assert "DN-2026-000001 debit note for acme-1, adjusts INV-2026-000001: no line changed" in told
    assert f"cause of the tax: {why}" in told
    ((note, lines),) = [(d, lines) for d, lines in home.books.invoices(OCTOBER) if d.kind == "debit_note"]
    assert (note.net_minor, note.tax_minor, note.cause, lines) == (0, 76, why, [])
    assert reports.notes_as_json(home, OCTOBER, [note.number])["notes"][0]["cause"] == why
    (explained,) = explain(home, note.number)
    assert isinstance(explained, DocumentExplained)
    assert (explained.cause, explained.lines, explained.problems) == (why, [], [])
    assert f"cause of the tax: {why}" in command(home, "explain", note.number)
    assert broken(home) == []


@pytest.mark.parametrize(
    ("amended", "version", "due_on"),
    [
        ({}, 1, date(2026, 12, 4)),
        (
            {"line_items: [li-brand]": "line_items: [li-other]", "payment_terms_days: 14": "payment_terms_days: 7"},
            2,
            date(2026, 11, 27),
        ),
        ({"ends_on: 2026-12-31": "ends_on: 2026-10-27"}, 2, date(2026, 12, 4)),
    ],
    ids=["delivered again", "amended", "terminated"],
)
def test_a_note_that_takes_all_of_a_month_back_names_the_version_in_force_and_its_due_date(
    tmp_path: Path, amended: dict[str, str], version: int, due_on: date
) -> None:
    agreed = ADVERTISER.replace("currency: USD", "currency: USD\npayment_terms_days: 14")
    home = closed_with(tmp_path, agreed, impression("i", f"{FIRST}T12:00:00Z"))
    if amended:
        for before, after in amended.items():
            agreed = agreed.replace(before, after)
        amend(home, document=agreed)
    else:
        deliver(home, "impressions", FIRST, [])
    run(home, FIRST)
    assert billing.adjust(home, OCTOBER, ISSUED_ON) == ["CN-2026-000001"]
    (note,) = [document for document, _ in home.books.invoices(OCTOBER) if document.kind == "credit_note"]
    assert (note.version, note.issued_on, note.due_on, note.net_minor) == (version, ISSUED_ON, due_on, -200)
    assert note.adjusts == "INV-2026-000001"


def test_notes_of_a_month_without_an_invoice_name_the_first_of_them(tmp_path: Path) -> None:
    home = closed_with(tmp_path, ADVERTISER)
    for found in (["more"], [], ["more"]):
        deliver(home, "impressions", FIRST, [impression(name, f"{FIRST}T12:00:00Z") for name in found])
        run(home, FIRST)
        billing.adjust(home, OCTOBER, ISSUED_ON)
    notes = [(note.number, note.adjusts, note.net_minor) for note, _ in home.books.invoices(OCTOBER)]
    assert notes == [
        ("CN-2026-000001", "DN-2026-000001", -200),
        ("DN-2026-000001", None, 200),
        ("DN-2026-000002", "DN-2026-000001", 200),
    ]


def test_a_re_delivered_day_is_named_in_the_note(closed: Home, copy_of: Copy) -> None:
    home = copy_of(closed)
    day = DAYS[1]
    deliver(home, "impressions", day, [*small_world()["impressions", day], impression("more", f"{day}T10:00:00Z")])
    run(home, day)
    billing.adjust(home, OCTOBER, ISSUED_ON)
    ((_, lines),) = [(d, lines) for d, lines in home.books.invoices(OCTOBER) if d.kind == "debit_note"]
    assert [(line.amount_minor, line.cause) for line in lines] == [(200, f"re-delivery of {day}")]


def test_a_backfill_says_line_by_line_what_changed_and_why(closed: Home, copy_of: Copy) -> None:
    home = copy_of(closed)
    deliver(home, "impressions", NOV_3, [*LATE_ON, impression("own", "2026-11-03T10:00:00Z")])
    deliver(home, "conversions", NOV_3, [])
    changes = billing.run(home, [NOV_3], compare=True).changes
    columns = ["side", "contract_id", "kind", "difference", "cause"]
    assert [(*row[:3], float(row[3]), row[4]) for row in changes[OCTOBER].select(columns).iter_rows()] == [
        ("advertiser", "acme-1", "media", 6.0, "late event"),
        ("partner", "pub-1", "media", 3.0, "late event"),
    ]
    assert [(*row[:3], float(row[3]), row[4]) for row in changes[NOVEMBER].select(columns).iter_rows()] == [
        ("advertiser", "acme-1", "media", 2.0, "delivery of 2026-11-03"),
        ("partner", "pub-1", "media", 1.0, "delivery of 2026-11-03"),
    ]
    assert billing.run(home, [NOV_3], compare=True).changes == {}


def test_a_month_is_compared_under_the_contracts_of_two_instants(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    amend(home)
    before = catalogue_rows(home)
    changes = comparison.compare(home, OCTOBER, AT.replace(hour=8), AT, stored=False)
    assert set(changes["cause"]) == {"amendment to version 2"}
    media = changes.filter(kind="media")
    assert sorted(media["version"]) == [1, 2]
    assert media["difference"].sum() * 2 == -media.filter(version=1)["difference"].sum()  # 3 USD in place of 2
    back = comparison.compare(home, OCTOBER, AT, AT.replace(hour=8), stored=False)
    assert back["difference"].sum() == -changes["difference"].sum()
    assert comparison.compare(home, OCTOBER, AT, None, stored=False).is_empty()
    assert catalogue_rows(home) == before


def test_what_is_issued_is_compared_with_what_it_comes_to_now(closed: Home, copy_of: Copy) -> None:
    home = copy_of(closed)
    assert comparison.compare(home, OCTOBER, None, None, stored=True).is_empty()
    late_for_october(home)
    changes = comparison.compare(home, OCTOBER, None, None, stored=True)
    assert [(row["side"], float(row["difference"]), row["cause"]) for row in changes.iter_rows(named=True)] == [
        ("advertiser", 6.0, "late event"),
        ("partner", 3.0, "late event"),
    ]
    billing.adjust(home, OCTOBER, ISSUED_ON)
    assert comparison.compare(home, OCTOBER, None, None, stored=True)["side"].to_list() == ["partner"]


def test_the_drafts_of_an_open_month_are_compared_with_what_it_comes_to_now(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    amend(home)
    changes = comparison.compare(home, OCTOBER, None, None, stored=True)
    assert set(changes["cause"]) == {"amendment to version 2"}
    with pytest.raises(UsageError, match="nothing was delivered for 2020-01"):
        comparison.compare(home, replace(OCTOBER, year=2020, number=1), None, None, stored=False)


def test_what_to_compare_is_said_in_one_way(undisturbed: Home) -> None:
    instant = "2026-10-20T00:00:00Z"
    for words in (["--and", instant], ["--known-at", instant, "--and", instant, "--stored"]):
        done = CliRunner().invoke(cli, ["diff", "2026-10", *words, "--home", str(undisturbed.root)])
        assert done.exit_code == 2


# Partners


def test_late_events_go_on_the_next_statement_once(closed: Home, copy_of: Copy) -> None:
    home = copy_of(closed)
    late_for_october(home)
    lines = pending_lines(home, Upkeep(home), NOVEMBER)
    assert [(line["kind"], line["adjusts_month"], float(line["amount"]), line["cause"]) for line in lines.to_dicts()] == [
        ("adjustment", "2026-10", 3.0, "late event")
    ]
    folder = home.root / "documents"
    billing.export(home, NOVEMBER, folder, "parquet", draft=True)
    told = pl.read_parquet(folder / "payout_lines.parquet").filter(kind="adjustment")
    assert [float(amount) for amount in told["amount"]] == [3.0]


def test_a_negative_balance_is_carried_and_a_contract_without_lines_has_its_statement(closed: Home, copy_of: Copy) -> None:
    """Every October purchase that was charged is reversed after the close, and November has no line of the partner."""
    home = copy_of(closed)
    units = home.warehouse.read("action_units", ["2026-10"]).filter(side="partner").collect()
    reversed_ = [
        adjustment(f"late-{n}", name, "2026-11-03T09:00:00Z", "reverse") for n, name in enumerate(units["conversion_id"])
    ]
    for day in DAYS[4:]:  # November's own are delivered again without rows
        for feed in ("impressions", "conversions"):
            deliver(home, feed, day, [])
    # Its one impression of October in New York that is November's for the partner, in UTC, is taken back, too.
    kept = [row for row in small_world()["impressions", DAYS[3]] if row["impression_id"] != "imp-month"]
    deliver(home, "impressions", DAYS[3], kept)
    deliver(home, "conversion_adjustments", NOV_3, reversed_)
    deliver(home, "impressions", NOV_3, [])
    deliver(home, "conversions", NOV_3, [])
    run(home, *DAYS[3:], NOV_3)
    folder = home.root / "documents"
    billing.export(home, NOVEMBER, folder, "parquet", draft=True)
    statement = pl.read_parquet(folder / "payouts.parquet").to_dicts()[0]
    assert statement["earnings"] < 0
    assert (statement["payable"], statement["carried_forward"]) == (0, statement["earnings"])
    lines = pl.read_parquet(folder / "payout_lines.parquet")
    assert set(lines["kind"]) == {"adjustment"}
    assert lines["amount"].sum() == statement["earnings"]


# Verify


def broken(home: Home) -> list[str]:
    return verification.verify(home, billing.unseen).broken


def test_a_home_that_nobody_touched_verifies(closed: Home) -> None:
    found = verification.verify(closed, billing.unseen)
    assert (found.broken, found.documents) == ([], 2)
    assert found.files > 100


def test_every_changed_or_missing_warehouse_file_is_named(closed: Home, copy_of: Copy) -> None:
    home = copy_of(closed)
    changed = home.warehouse.root / home.warehouse.catalogue.live("impressions")[str(FIRST)].path
    gone = home.warehouse.root / home.warehouse.catalogue.live("draft_invoices")["2026-10"].path
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    gone.unlink()
    first, second = broken(home)
    assert f"warehouse/{gone.relative_to(home.warehouse.root)} cannot be read" in first
    assert f"warehouse/{changed.relative_to(home.warehouse.root)} is not what was written" in second
    assert f"run `adledger run {FIRST}`" in second
    run(home, FIRST)  # the remedy; what is gone and can be computed again is there again
    assert broken(home) == []


def test_a_pinned_file_that_is_no_longer_live_is_verified_too(closed: Home, copy_of: Copy) -> None:
    home = copy_of(closed)
    pinned = home.warehouse.catalogue.live("accruals")["2026-10"].path
    late_for_october(home)
    assert home.warehouse.catalogue.live("accruals")["2026-10"].path != pinned
    (home.warehouse.root / pinned).unlink()
    assert [f"warehouse/{pinned} cannot be read" in said for said in broken(home)] == [True]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (invoice.update().values(total_minor=invoice.c.total_minor + 1), "document INV-2026-000001 is not as it was issued"),
        (invoice.update().values(previous_hash="0" * 64), "document INV-2026-000001 is not as it was issued"),
        (sa.text("UPDATE invoice_line SET cause = 'x' WHERE line = 1"), "document INV-2026-000001 is not as it was issued"),
        (sa.text("DELETE FROM payout_line"), "document PAY-2026-000001 is not as it was issued"),
        (sa.text("UPDATE number_series SET last = 2 WHERE series = 'INV'"), "no document has the number INV-2026-000002"),
        (sa.text("UPDATE number_series SET last = 0 WHERE series = 'PAY'"), "the counter of PAY-2026- stands at 0"),
        (
            journal_line.update().values(debit_minor=journal_line.c.debit_minor + 1).where(journal_line.c.line == 1),
            "journal entry J-INV-2026-000001 does not balance in USD",
        ),
        (
            sa.text("DELETE FROM journal_line WHERE document LIKE 'PAY%'"),
            "the journal does not have what PAY-2026-000001 posts",
        ),
        (
            journal_line.update().values(
                debit_minor=2 * journal_line.c.debit_minor, credit_minor=2 * journal_line.c.credit_minor
            ),
            "the journal does not have what INV-2026-000001 posts, 72.34 USD debit",
        ),
        (
            sa.text("UPDATE journal_line SET account = 'Income:Other' WHERE account LIKE 'Income:%'"),
            "document INV-2026-000001 is not as it was issued (its head, a line or its journal entry)",
        ),
        (
            sa.text("UPDATE journal_line SET party_id = 'eve' WHERE document LIKE 'PAY%'"),
            "document PAY-2026-000001 is not as it was issued",
        ),
        (journal_line.update().values(month="2026-11"), "INV-2026-000001 has another month, currency or date than it"),
        (sa.text("DELETE FROM month_close"), "documents of 2026-10 are issued, and it is not closed"),
        (
            sa.text("UPDATE payout SET brought_forward_minor = 100"),
            "PAY-2026-000001 brings 1.00 USD forward, the statement of pub-1 before it carries 0.00",
        ),
        (sa.text("UPDATE audit_record SET actor = 'eve' WHERE sequence = 1"), "audit trail: "),
    ],
)
def test_what_was_changed_in_the_books_is_named(closed: Home, copy_of: Copy, change: sa.Executable, said: str) -> None:
    home = copy_of(closed)
    with home.engine.begin() as connection:
        for name in connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
            connection.exec_driver_sql(f"DROP TRIGGER {name}")
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.execute(change)
    assert said in "\n".join(broken(home))
    with pytest.raises(AdledgerError, match="not as written"):
        raise verification.refusal(verification.verify(home, billing.unseen))
