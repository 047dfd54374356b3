"""The journal as journal CSV, beancount and hledger: exact texts, and the programs' own checks where they are installed."""

from __future__ import annotations

import csv
import io
import random
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from contracts_io.accounts import Accounts
from contracts_io.errors import BooksError
from contracts_io.formats.ledger import COLUMNS, WRITERS, LedgerLine, beancount, hledger, journal_csv
from services.cli_journal import FORMATS

CHART = ("Assets:Receivable", "Income:Revenue", "Liabilities:Tax")
RECEIVABLE = LedgerLine(
    entry="J-INV-2026-000001",
    line=1,
    posted_on=date(2026, 11, 4),
    document="INV-2026-000001",
    document_type="invoice",
    contract_id="acme-ctv-2026",
    party_id="acme",
    month="2026-10",
    account="Assets:Receivable",
    currency="USD",
    debit_minor=11_900,
    credit_minor=0,
    description="invoice for 2026-10",
)
REVENUE = replace(RECEIVABLE, line=2, account="Income:Revenue", debit_minor=0, credit_minor=10_000)
TAX = replace(RECEIVABLE, line=3, account="Liabilities:Tax", debit_minor=0, credit_minor=1_900)
INVOICE = [RECEIVABLE, REVENUE, TAX]


def entry(name: str, currency: str, minor: int, **changes: object) -> list[LedgerLine]:
    head = replace(RECEIVABLE, entry=f"J-{name}", document=name, currency=currency, **changes)
    return [
        replace(head, debit_minor=minor),
        replace(head, line=2, account="Income:Revenue", debit_minor=0, credit_minor=minor),
    ]


def mirrored(lines: list[LedgerLine]) -> list[LedgerLine]:
    return [replace(line, debit_minor=line.credit_minor, credit_minor=line.debit_minor) for line in lines]


YEN_REVERSED = [
    *entry("ACC-2026-10-y.1", "JPY", 1_234, posted_on=date(2026, 10, 31), description="accrual for 2026-10"),
    *mirrored(entry("REV-2026-10-y.1", "JPY", 1_234, posted_on=date(2026, 11, 1), reverses="J-ACC-2026-10-y.1")),
]
# One journal with all that is hard: no places, three and four of them, texts that end a string, a comment or a payee.
HARD = [
    *INVOICE,
    *YEN_REVERSED,
    *entry("INV-2026-000002", "KWD", 1_234, party_id='ac"me \\ Cö; a | b'),
    *entry("INV-2026-000003", "CLF", 5, party_id="=1+1", description="two\nlines; and | more"),
    *entry("INV-2026-000004", "JPY", 10**15 - 1, party_id=""),
]


def test_the_journal_csv_has_one_row_a_posting_with_the_places_of_its_currency() -> None:
    assert journal_csv(INVOICE) == (
        "journal_id,line_no,posting_date,document_id,document_type,party_id,account,debit,credit,currency,"
        "base_debit,base_credit,base_currency,description,cost_object,reverses\n"
        "J-INV-2026-000001,1,2026-11-04,INV-2026-000001,invoice,acme,Assets:Receivable,119.00,,USD,,,,"
        "invoice for 2026-10,acme-ctv-2026,\n"
        "J-INV-2026-000001,2,2026-11-04,INV-2026-000001,invoice,acme,Income:Revenue,,100.00,USD,,,,"
        "invoice for 2026-10,acme-ctv-2026,\n"
        "J-INV-2026-000001,3,2026-11-04,INV-2026-000001,invoice,acme,Liabilities:Tax,,19.00,USD,,,,"
        "invoice for 2026-10,acme-ctv-2026,\n"
    )


def test_beancount_opens_the_chart_and_links_the_document() -> None:
    assert beancount(INVOICE, (*CHART, "Assets:Unbilled")) == (
        'option "title" "adledger 2026-10"\n'
        "\n"
        "2026-11-04 open Assets:Receivable USD\n"
        "2026-11-04 open Assets:Unbilled USD\n"
        "2026-11-04 open Income:Revenue USD\n"
        "2026-11-04 open Liabilities:Tax USD\n"
        "\n"
        '2026-11-04 * "acme" "invoice for 2026-10" ^INV-2026-000001\n'
        '  journal: "J-INV-2026-000001"\n'
        '  contract: "acme-ctv-2026"\n'
        '  month: "2026-10"\n'
        "  Assets:Receivable  119.00 USD\n"
        "  Income:Revenue  -100.00 USD\n"
        "  Liabilities:Tax  -19.00 USD\n"
    )


def test_hledger_declares_accounts_and_commodities_and_has_the_document_as_code() -> None:
    assert hledger(INVOICE, CHART) == (
        "decimal-mark .\n"
        "account Assets:Receivable\n"
        "account Income:Revenue\n"
        "account Liabilities:Tax\n"
        "commodity 1000.00 USD\n"
        "\n"
        "2026-11-04 * (INV-2026-000001) acme | invoice for 2026-10"
        "  ; journal:J-INV-2026-000001, contract:acme-ctv-2026, month:2026-10\n"
        "    Assets:Receivable  119.00 USD\n"
        "    Income:Revenue  -100.00 USD\n"
        "    Liabilities:Tax  -19.00 USD\n"
    )


def test_an_accrual_comes_before_its_reversal_which_names_it() -> None:
    assert beancount(YEN_REVERSED, []).splitlines()[2:] == [
        "2026-10-31 open Assets:Receivable JPY",
        "2026-10-31 open Income:Revenue JPY",
        "",
        '2026-10-31 * "acme" "accrual for 2026-10" ^ACC-2026-10-y.1',
        '  journal: "J-ACC-2026-10-y.1"',
        '  contract: "acme-ctv-2026"',
        '  month: "2026-10"',
        "  Assets:Receivable  1234 JPY",
        "  Income:Revenue  -1234 JPY",
        "",
        '2026-11-01 * "acme" "invoice for 2026-10" ^REV-2026-10-y.1',
        '  journal: "J-REV-2026-10-y.1"',
        '  contract: "acme-ctv-2026"',
        '  month: "2026-10"',
        '  reverses: "J-ACC-2026-10-y.1"',
        "  Assets:Receivable  -1234 JPY",
        "  Income:Revenue  1234 JPY",
    ]


@pytest.mark.parametrize(
    ("currency", "minor", "amount", "commodity"),
    [
        ("JPY", 1_234, "1234", "commodity 1000. JPY"),
        ("USD", 5, "0.05", "commodity 1000.00 USD"),
        ("KWD", 1_234, "1.234", "commodity 1000.000 KWD"),
        ("CLF", 1, "0.0001", "commodity 1000.0000 CLF"),
        ("USD", 10**15 - 1, "9999999999999.99", "commodity 1000.00 USD"),
    ],
)
def test_an_amount_has_the_places_of_its_currency(currency: str, minor: int, amount: str, commodity: str) -> None:
    lines = entry("INV-2026-000001", currency, minor)
    rows = list(csv.DictReader(io.StringIO(journal_csv(lines))))
    assert [(row["debit"], row["credit"]) for row in rows] == [(amount, ""), ("", amount)]
    assert f"  Income:Revenue  -{amount} {currency}\n" in beancount(lines, CHART)
    assert f"  Income:Revenue  -{amount} {currency}\n" in hledger(lines, CHART)
    assert commodity in hledger(lines, CHART).splitlines()


def test_an_account_can_hold_every_currency_that_is_used() -> None:
    lines = [*entry("INV-2026-000001", "USD", 5), *entry("INV-2026-000002", "EUR", 5)]
    assert "2026-11-04 open Liabilities:Tax EUR,USD\n" in beancount(lines, CHART)


def test_an_account_that_has_left_the_chart_since_is_opened_too() -> None:
    assert "2026-11-04 open Liabilities:Tax USD\n" in beancount(INVOICE, ["Assets:1200"])
    assert "account Liabilities:Tax\n" in hledger(INVOICE, ["Assets:1200"])


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_text_that_a_spreadsheet_would_run_begins_with_a_quote(start: str) -> None:
    lines = entry(f"{start}doc", "USD", 1, party_id=f"{start}1+1", description=f"{start}x", contract_id=f"{start}c")
    shown = " " if start in "\t\r" else start
    for row in csv.DictReader(io.StringIO(journal_csv(lines))):
        texts = (row["document_id"], row["party_id"], row["description"], row["cost_object"])
        assert texts == (f"'{shown}doc", f"'{shown}1+1", f"'{shown}x", f"'{shown}c")


def test_text_is_escaped_as_each_ledger_wants_it() -> None:
    lines = entry("INV-2026-000001", "USD", 1, party_id='a "b" \\ c; d | e', description="one\ntwo")
    assert '* "a \\"b\\" \\\\ c; d | e" "one two" ^' in beancount(lines, CHART)
    assert '(INV-2026-000001) a "b" \\ c, d / e | one two  ; journal:' in hledger(lines, CHART)
    row = next(csv.DictReader(io.StringIO(journal_csv(lines))))
    assert (row["party_id"], row["description"]) == ('a "b" \\ c; d | e', "one two")


@pytest.mark.parametrize("kind", WRITERS)
def test_the_order_in_which_lines_come_is_irrelevant(kind: str) -> None:
    shuffled = random.Random(1).sample(HARD, len(HARD))
    assert WRITERS[kind](shuffled, CHART) == WRITERS[kind](HARD, CHART)


@pytest.mark.parametrize("kind", WRITERS)
def test_an_entry_that_does_not_balance_in_a_currency_is_not_written(kind: str) -> None:
    with pytest.raises(BooksError, match=r"entry J-INV-2026-000001: its debits and credits differ by 19\.00 USD"):
        WRITERS[kind]([RECEIVABLE, REVENUE], CHART)
    with pytest.raises(BooksError, match="differ by"):
        WRITERS[kind]([RECEIVABLE, replace(RECEIVABLE, line=2, currency="EUR", debit_minor=0, credit_minor=11_900)], CHART)


def test_a_month_without_entries_is_a_ledger_without_entries() -> None:
    assert journal_csv([]) == ",".join(COLUMNS) + "\n"
    assert beancount([], CHART) == 'option "title" "adledger"\n'
    assert hledger([], ["Assets:A"]) == "decimal-mark .\naccount Assets:A\n"


def test_the_command_line_offers_every_format() -> None:
    assert tuple(WRITERS) == FORMATS


@pytest.mark.parametrize("lines", [HARD, []], ids=["hard", "empty"])
@pytest.mark.parametrize(
    ("program", "options", "write"),
    [("bean-check", ("--no-cache",), beancount), ("hledger", ("check", "--strict", "-f"), hledger)],
)
def test_the_ledgers_own_program_accepts_the_text(
    program: str,
    options: tuple[str, ...],
    write: Callable[[list[LedgerLine], tuple[str, ...]], str],
    lines: list[LedgerLine],
    tmp_path: Path,
) -> None:
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"{program} is not installed")
    path = tmp_path / "journal.txt"
    path.write_text(write(lines, Accounts().chart), encoding="utf-8")
    done = subprocess.run([found, *options, str(path)], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
