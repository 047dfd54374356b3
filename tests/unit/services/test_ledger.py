"""A month's journal for ledgers: of issued documents, or the accruals of an open month."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click
import polars as pl
import pytest
from click.testing import CliRunner

from contracts_io.calendar import Month
from contracts_io.errors import AdledgerError, BooksError, SettingsError
from contracts_io.formats.ledger import journal_csv
from contracts_io.frames import TABLES
from contracts_io.home import SETTINGS_FILE, Home
from contracts_io.store.document_tables import Invoice, JournalLine, Payout
from services import ledger
from services.cli_journal import journal

OCTOBER = Month(2026, 10)
ISSUED = date(2026, 11, 4)
KNOWN_AT = "2026-10-01T00:00:00.000000Z"
INVOICE = Invoice(
    number="INV-2026-000001",
    kind="invoice",
    contract_id="acme-1",
    version=1,
    party_id="acme",
    month="2026-10",
    currency="USD",
    issued_on=ISSUED,
    due_on=date(2026, 12, 4),
    net_minor=10_000,
    tax_minor=1_900,
    total_minor=11_900,
    adjusts=None,
    known_at=KNOWN_AT,
)
PAYOUT = Payout(
    number="PAY-2026-000001",
    partner_id="pub",
    contract_id="pub-1",
    month="2026-10",
    currency="USD",
    issued_on=ISSUED,
    earnings_minor=7_000,
    withholding_minor=0,
    brought_forward_minor=0,
    payable_minor=7_000,
    carried_forward_minor=0,
    known_at=KNOWN_AT,
)


def posted(document: str, party: str, *postings: tuple[str, int, int]) -> list[JournalLine]:
    return [
        JournalLine(f"J-{document}", line, ISSUED, document, account, party, "2026-10", "USD", debit, credit)
        for line, (account, debit, credit) in enumerate(postings, start=1)
    ]


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.create(tmp_path / "home")


def close(home: Home) -> None:
    with home.books.closing(OCTOBER) as closing:
        closing.issue(
            INVOICE,
            [],
            posted("INV-2026-000001", "acme", ("Assets:Receivable", 11_900, 0), ("Income:Revenue", 0, 11_900)),
        )
        closing.issue(
            PAYOUT,
            [],
            posted("PAY-2026-000001", "pub", ("Expenses:PartnerCost", 7_000, 0), ("Liabilities:PartnerPayable", 0, 7_000)),
        )
        closing.close_month(ISSUED, known_at="1970-01-01T00:00:00.000000Z")


def rows_of(table: str, *rows: dict[str, Any]) -> pl.DataFrame:
    """Rows of a table of drafts that say what matters here: amounts as texts, everything else null."""
    schema = TABLES[table].polars_schema
    texts = {name: pl.String if isinstance(dtype, pl.Decimal) else dtype for name, dtype in schema.items()}
    return pl.DataFrame([dict.fromkeys(schema) | row for row in rows], schema=texts).cast(schema)


def draft(home: Home) -> None:
    """Acme owes 100.00 net; pub earned 75.00, of it 70.00 on acme-1 in dollars."""
    common: dict[str, Any] = {"version": 1, "currency": "USD", "known_at": datetime(2026, 10, 1, tzinfo=UTC)}
    acme = common | {"contract_id": "acme-1", "party_id": "acme", "payment_terms_days": 30}
    pub = common | {"contract_id": "pub-1", "partner_id": "pub", "minimum_payout": "0", "withholding": "0"}
    line = {"contract_id": "pub-1", "term_id": "t", "version": 1, "description": "a line"}
    shared = line | {"line": 2, "kind": "revenue_share", "advertiser_contract_id": "acme-1", "amount": "70"}
    tables = {
        "draft_invoices": rows_of("draft_invoices", acme | {"net": "100", "tax": "19", "total": "119"}),
        "draft_payouts": rows_of("draft_payouts", pub | {"earnings": "75"}),
        "draft_payout_lines": rows_of("draft_payout_lines", line | {"line": 1, "kind": "media", "amount": "5"}, shared),
    }
    home.warehouse.publish([home.warehouse.write(name, "2026-10", frame) for name, frame in tables.items()])


def take_in(home: Home) -> None:
    """A delivery day of October is in."""
    counted = pl.DataFrame(
        [("impressions", date(2026, 10, 5), 5, 5, 0, 0, 0, 0)], schema=TABLES["feed_counts"].polars_schema, orient="row"
    )
    home.warehouse.publish([home.warehouse.write("feed_counts", "2026-10-05", counted)])


def agent_for(home: Home, contract_id: str) -> Home:
    settings = home.root / SETTINGS_FILE
    settings.write_text(settings.read_text() + f'[journal.agent]\n{contract_id} = "the partner sets the price"\n')
    return Home.open(home.root)


def postings(home: Home) -> list[tuple[str, str, int]]:
    return [(line.entry, line.account, line.debit_minor - line.credit_minor) for line in ledger.accrued(home, OCTOBER)]


def test_an_issued_entry_says_which_document_contract_and_month_it_is_of(home: Home) -> None:
    close(home)
    rows = list(csv.DictReader(io.StringIO(ledger.journal_text(home, OCTOBER, "csv"))))
    told = ("journal_id", "document_type", "party_id", "cost_object", "description", "debit", "credit")
    assert [tuple(row[column] for column in told) for row in rows] == [
        ("J-INV-2026-000001", "invoice", "acme", "acme-1", "invoice for 2026-10", "119.00", ""),
        ("J-INV-2026-000001", "invoice", "acme", "acme-1", "invoice for 2026-10", "", "119.00"),
        ("J-PAY-2026-000001", "payout_statement", "pub", "pub-1", "payout statement for 2026-10", "70.00", ""),
        ("J-PAY-2026-000001", "payout_statement", "pub", "pub-1", "payout statement for 2026-10", "", "70.00"),
    ]


def test_an_open_month_is_accrued_net_of_tax_on_both_sides(home: Home) -> None:
    draft(home)
    assert postings(home) == [
        ("ACC-2026-10-acme-1", "Assets:Unbilled", 10_000),
        ("ACC-2026-10-acme-1", "Income:Revenue", -10_000),
        ("REV-2026-10-acme-1", "Assets:Unbilled", -10_000),
        ("REV-2026-10-acme-1", "Income:Revenue", 10_000),
        ("ACC-2026-10-pub-1", "Expenses:PartnerCost", 7_500),
        ("ACC-2026-10-pub-1", "Liabilities:AccruedPayable", -7_500),
        ("REV-2026-10-pub-1", "Expenses:PartnerCost", -7_500),
        ("REV-2026-10-pub-1", "Liabilities:AccruedPayable", 7_500),
    ]


def test_as_agent_the_margin_is_accrued_and_what_names_no_contract_stays_a_cost(home: Home) -> None:
    draft(home)
    accrued = [line for line in postings(agent_for(home, "acme-1")) if line[0].startswith("ACC")]
    assert accrued == [
        ("ACC-2026-10-acme-1", "Assets:Unbilled", 10_000),
        ("ACC-2026-10-acme-1", "Liabilities:AccruedPayable", -7_000),
        ("ACC-2026-10-acme-1", "Income:Revenue", -3_000),
        ("ACC-2026-10-pub-1", "Expenses:PartnerCost", 500),
        ("ACC-2026-10-pub-1", "Liabilities:AccruedPayable", -500),
    ]


def test_an_accrual_is_of_a_draft_and_its_reversal_names_it(home: Home) -> None:
    draft(home)
    lines = {line.entry: line for line in ledger.accrued(home, OCTOBER)}
    accrual, reversal = lines["ACC-2026-10-acme-1"], lines["REV-2026-10-acme-1"]
    assert (accrual.posted_on, accrual.document, accrual.document_type, accrual.reverses, accrual.description) == (
        date(2026, 10, 31),
        "DRAFT-acme-1",
        "accrual",
        "",
        "accrual for 2026-10",
    )
    assert (reversal.posted_on, reversal.document_type, reversal.reverses, reversal.description) == (
        date(2026, 11, 1),
        "accrual_reversal",
        "ACC-2026-10-acme-1",
        "reversal of accrual for 2026-10",
    )


def test_an_open_month_has_no_issued_entries_and_a_closed_one_no_accruals(home: Home) -> None:
    take_in(home)
    with pytest.raises(BooksError, match="2026-10 is open: it has no issued entries"):
        ledger.journal_text(home, OCTOBER, "csv")
    close(home)
    with pytest.raises(BooksError, match="2026-10 is closed"):
        ledger.journal_text(home, OCTOBER, "csv", accruals=True)


def test_accruals_are_refused_while_the_drafts_are_older_than_their_data(home: Home) -> None:
    draft(home)
    assert ledger.journal_text(home, OCTOBER, "csv", accruals=True) == journal_csv(ledger.accrued(home, OCTOBER))
    take_in(home)
    with pytest.raises(BooksError, match="the drafts of 2026-10 are older than its data or contracts"):
        ledger.journal_text(home, OCTOBER, "csv", accruals=True)


def test_a_contract_that_the_settings_name_and_nobody_knows_is_refused(home: Home) -> None:
    draft(home)
    with pytest.raises(SettingsError, match="amce-1: no approved advertiser contract has this id"):
        ledger.journal_text(agent_for(home, "amce-1"), OCTOBER, "csv", accruals=True)


def test_the_journal_is_written_whole_and_the_same_every_time(home: Home, tmp_path: Path) -> None:
    close(home)
    folder = tmp_path / "out" / "october"
    path = ledger.write_journal(home, OCTOBER, folder, "beancount")
    assert path == folder / "journal-2026-10.beancount"
    assert path.read_text() == ledger.journal_text(home, OCTOBER, "beancount")
    first = path.read_bytes()
    assert ledger.write_journal(home, OCTOBER, folder, "beancount").read_bytes() == first
    assert list(folder.iterdir()) == [path]


def test_a_folder_that_cannot_be_written_is_named(home: Home, tmp_path: Path) -> None:
    close(home)
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(AdledgerError, match="taken: the journal cannot be written"):
        ledger.write_journal(home, OCTOBER, tmp_path / "taken", "csv")


def typed(home: Home, *words: str) -> str:
    done = CliRunner().invoke(journal, [*words, "--home", str(home.root)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_the_command_prints_the_journal_or_writes_it_to_a_folder(home: Home, tmp_path: Path) -> None:
    close(home)
    assert typed(home, "2026-10", "--to", "-") == ledger.journal_text(home, OCTOBER, "csv")
    folder = tmp_path / "out"
    assert typed(home, "2026-10", "--to", str(folder), "--format", "hledger") == (
        f"2026-10 written to {folder / 'journal-2026-10.hledger'}\n"
    )
    assert json.loads(typed(home, "2026-10", "--to", str(folder), "--json")) == {"file": str(folder / "journal-2026-10.csv")}


def test_the_printed_journal_is_not_mixed_with_json() -> None:
    done = CliRunner().invoke(journal, ["2026-10", "--to", "-", "--json", "--home", "nowhere"])
    assert done.exit_code != 0


def test_the_command_has_a_name_that_the_command_line_can_add() -> None:
    assert isinstance(journal, click.Command)
    assert journal.name == "journal"
