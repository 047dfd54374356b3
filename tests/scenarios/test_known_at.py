"""Time, twice: a run can be made again as of an instant, and comes to the very tables that it came to then."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from commands import adledger
from small_world import ADVERTISER, APPROVED_AT, ISSUED_ON, LAST, NOVEMBER, OCTOBER, PARTNER, agree, live, live_rows, run

from contracts_io.calendar import format_instant
from contracts_io.contract import parse_document
from contracts_io.home import Home
from services import billing

FIRST_NIGHT = datetime(2026, 11, 3, 3, 30, tzinfo=UTC)
AMENDED_AT = datetime(2026, 11, 12, 9, tzinfo=UTC)
# Each changes everything that its side's tables are made of: prices, windows, validation, a term, the partner's minimum.
AMENDED_ADVERTISER = (
    ADVERTISER.replace("2000.00", "2500.00")
    .replace('"0.10"', '"0.20"')
    .replace("view: 3d", "view: 1d")
    .replace("term_id: brand,", "term_id: video,")
    .replace("attribution:", "effective_from: 2026-10-29\nvalidation_days: 2\nattribution:")
)
AMENDED_PARTNER = (
    PARTNER.replace("1000.00", "900.00").replace('"3.00"', '"3.50"').replace('"0.00"', '"10.00"\neffective_from: 2026-10-29')
)
NEW_ADVERTISER = """
contract_id: zeta-1
side: advertiser
party: {id: zeta, name: Zeta, country: US}
currency: USD
timezone: UTC
starts_on: 2026-10-30
minimum_monthly: "50.00"
terms:
  - {term_id: all, line_items: [li-zeta], pricing: {model: cpm, rate: "1.00"}}
"""
Copy = Callable[[Home], Home]


def drafts(home: Home, folder: Path, known_at: datetime | None = None) -> dict[str, bytes]:
    """Every exported table of October and November as drafts."""
    files: dict[str, bytes] = {}
    for month in (OCTOBER, NOVEMBER):
        written = billing.export(home, month, folder / str(month), "csv", draft=True, known_at=known_at)
        files |= {f"{month}/{path.name}": path.read_bytes() for path in written}
    return files


def amend_closed_months(home: Home, document: str) -> None:
    """Amend a contract in closed months."""
    parsed = parse_document(document, name="amendment.yaml")
    through = home.closed_through()
    amended = home.contracts.import_documents(
        [("amendment.yaml", parsed)], by="alice", at=AMENDED_AT, retroactive=True, closed_through=through
    )[0]
    home.contracts.approve(amended.contract_id, amended.version, by="bob", at=AMENDED_AT, content_hash=amended.content_hash)


@pytest.fixture
def amended(undisturbed: Home, copy_of: Copy) -> Home:
    """The small world, amended from the second delivery day on after it was run, and run again."""
    home = copy_of(undisturbed)
    agree(home, AMENDED_ADVERTISER, AMENDED_PARTNER, NEW_ADVERTISER, at=AMENDED_AT)
    run(home, LAST)
    return home


def test_a_run_as_of_the_first_night_gives_back_every_table_of_that_night(undisturbed: Home, amended: Home) -> None:
    that_night, after = live(undisturbed), live(amended)
    changed = {table for (table, _), sha256 in that_night.items() if after[table, _] != sha256}
    contractual = {
        "judged_impressions",
        "impression_claims",
        "attributions",
        "attribution_credits",
        "accruals",
        "action_units",
    }
    assert changed >= contractual | {"draft_invoices", "draft_invoice_lines", "draft_payouts", "draft_payout_lines"}
    for error in billing.run(amended, [LAST], known_at=FIRST_NIGHT).failed.values():
        raise error
    assert live(amended) == that_night
    assert live_rows(amended) == live_rows(undisturbed)  # rows and what each was made from, too
    run(amended, LAST)
    assert live(amended) == after


def test_at_the_instant_of_an_approval_it_is_known_and_a_microsecond_before_it_is_not(
    undisturbed: Home, amended: Home
) -> None:
    after = live(amended)
    billing.run(amended, [LAST], known_at=AMENDED_AT.replace(second=0, microsecond=0))
    assert live(amended) == after
    just_before = datetime(2026, 11, 12, 8, 59, 59, 999_999, tzinfo=UTC)
    billing.run(amended, [LAST], known_at=just_before)
    assert live(amended) == live(undisturbed)


def test_drafts_as_of_the_first_night_are_its_files_and_the_tables_stay(
    undisturbed: Home, amended: Home, tmp_path: Path
) -> None:
    that_night = drafts(undisturbed, tmp_path / "that-night")
    now, before = drafts(amended, tmp_path / "now"), live_rows(amended)
    assert drafts(amended, tmp_path / "as-of-then", FIRST_NIGHT) == that_night
    assert live_rows(amended) == before
    assert drafts(amended, tmp_path / "now-again") == now
    assert now["2026-10/invoices.csv"] != that_night["2026-10/invoices.csv"]
    assert b"zeta-1" in now["2026-10/invoices.csv"]
    assert b"zeta-1" not in that_night["2026-10/invoices.csv"]


def test_documents_record_what_was_known_when_they_were_made(amended: Home) -> None:
    for table in ("draft_invoices", "draft_payouts"):
        known = amended.warehouse.read(table).collect()["known_at"].unique().to_list()
        assert known == [AMENDED_AT]
    billing.run(amended, [LAST], known_at=FIRST_NIGHT)
    for table in ("draft_invoices", "draft_payouts"):
        known = amended.warehouse.read(table).collect()["known_at"].unique().to_list()
        assert known == [APPROVED_AT]  # the latest approval that was known that night, however late the night
    # A close goes by all that is approved, whatever the last run was asked to know.
    billing.close(amended, OCTOBER, ISSUED_ON)
    documents = [d for d, _ in amended.books.invoices(OCTOBER)] + [d for d, _ in amended.books.payouts(OCTOBER)]
    assert [d.contract_id for d in documents] == ["acme-1", "zeta-1", "pub-1"]
    assert {d.known_at for d in documents} == {format_instant(AMENDED_AT)}


def test_what_a_document_says_was_known_gives_the_document_again(undisturbed: Home, copy_of: Copy, tmp_path: Path) -> None:
    """An invoice issued in November is computed again from its own known_at, after the contracts were amended."""
    home = copy_of(undisturbed)
    billing.close(home, OCTOBER, ISSUED_ON)
    invoice, lines = home.books.invoices(OCTOBER)[0]
    assert invoice.known_at == format_instant(APPROVED_AT)
    amend_closed_months(home, AMENDED_ADVERTISER)
    run(home, LAST)
    as_of = datetime.fromisoformat(invoice.known_at)
    billing.export(home, OCTOBER, tmp_path / "again", "json", draft=True, known_at=as_of)
    head = json.loads((tmp_path / "again" / "invoices.json").read_text())[0]
    assert (head["number"], head["total"]) == ("DRAFT-acme-1", "72.34")
    assert invoice.total_minor == 7234
    again = json.loads((tmp_path / "again" / "invoice_lines.json").read_text())
    assert [line["description"] for line in again] == [line.description for line in lines]


def test_a_run_as_of_an_instant_is_a_command_and_an_export_as_of_one_needs_a_draft(amended: Home, undisturbed: Home) -> None:
    done = adledger(amended.root, "run", LAST, "--known-at", format_instant(FIRST_NIGHT), "--json")
    assert json.loads(done.stdout)["months"] == ["2026-10", "2026-11"]
    assert live(amended) == live(undisturbed)
    refused = adledger(amended.root, "export", OCTOBER, "--to", "x", "--known-at", "2026-11-03T03:30:00Z", expect=2)
    assert "--known-at needs --draft" in refused.stderr
