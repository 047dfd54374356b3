"""The product against the plain model on random worlds: every rule at once, every table, to the last digit.

A world is contracts in several versions and a few hundred to a few thousand events. The product takes it in day by day,
closes its months, then learns of late deliveries and retroactive amendments and adjusts them; the model computes both
states from scratch. ``ADLEDGER_TEST_WORLDS`` sets how many worlds are tried; a seed that failed is one of its parameters.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from commands import counted
from plain_model.model import Tables, adjustments, entitlement
from worlds import write_world

from assets.adjusting import adjust
from assets.closing import close
from assets.intake import ingest
from assets.upkeep import Upkeep
from contracts_io.calendar import Month, days_between, parse_day
from contracts_io.contract import parse_document
from contracts_io.formats.tables import plain
from contracts_io.home import Home
from services.billing import draft_documents, event_tables, issued_documents

WORLDS = int(os.environ.get("ADLEDGER_TEST_WORLDS", "3"))
APPROVED_AT = datetime(2026, 9, 1, tzinfo=UTC)
DOCUMENTS = ("invoices", "invoice_lines", "payouts", "payout_lines")
OF_DAYS = ("attributions", "attribution_credits", "quarantine", "feed_counts", "impression_outcomes", "accruals")
COLUMNS = {
    "invoices": ["month", "contract_id", "party_id", "currency", "net", "tax", "total"],
    "payouts": [
        *("month", "contract_id", "partner_id", "currency"),
        *("earnings", "withholding", "brought_forward", "payable", "carried_forward"),
    ],
    "invoice_lines": ["month", "contract_id", "kind", "term_id", "version", "quantity", "rate", "amount"],
    "payout_lines": ["month", "contract_id", "kind", "term_id", "version", "quantity", "rate", "amount"],
}


@pytest.mark.parametrize("seed", range(WORLDS))
def test_the_product_says_of_a_random_world_what_the_plain_model_says(seed: int, tmp_path: Path) -> None:
    world = tmp_path / "world"
    write_world(seed, world, count=None if WORLDS > 3 else 300)
    home = Home.create(tmp_path / "home")
    home.landing.rmdir()
    home.landing.symlink_to(world / "landing", target_is_directory=True)
    approve(home, sorted((world / "contracts").glob("*.json")))
    closed: list[Month] = []
    before = entitlement(world)
    for step in json.loads((world / "case.json").read_text(encoding="utf-8"))["steps"]:
        word, *rest = step.split()
        if word == "backfill":
            for day in days_between(*(parse_day(text) for text in rest)):
                ingest(home, day)
        elif word == "close":
            closed.append(Month.parse(rest[0]))
            for _ in Upkeep(home).everything(closed[-1]):
                pass
            close(home, closed[-1], last_day(home))
        elif word.startswith("amendments"):
            assert_agrees(exported(home, closed, draft=False), before, closed)
            approve(home, sorted((world / "amendments").glob("*.json")))
    for _ in Upkeep(home).everything(closed[-1]):
        pass
    after = entitlement(world, amended=True)
    assert_agrees(exported(home, closed, draft=True), after, closed)
    for month in closed:
        adjust(home, month, last_day(home))
        assert adjust(home, month, last_day(home)) == []
    notes = [
        {key: row[key] for key in ("month", "contract_id", "kind", "net", "tax")}
        for row in exported(home, closed, draft=False)["invoices"]
        if row["kind"] != "invoice"
    ]
    expected = adjustments(before, after)
    assert counted(notes, list(expected[0]) if expected else []) == counted(expected, list(expected[0]) if expected else [])


def approve(home: Home, documents: Sequence[Path]) -> None:
    """Submit and approve documents in the order of their names, one version of a contract after the other."""
    for number, path in enumerate(documents):
        contract = parse_document(path.read_text(encoding="utf-8"), name=path.name)
        at = APPROVED_AT + timedelta(minutes=number)
        [submitted] = home.contracts.import_documents([(path.name, contract)], by="casey", at=at, retroactive=True)
        home.contracts.approve(
            contract.contract_id, submitted.version, by="robin", at=at, content_hash=submitted.content_hash
        )


def last_day(home: Home) -> date:
    """A day of issue after everything that was delivered."""
    return home.days_run()[-1] + timedelta(days=90)


def exported(home: Home, months: Sequence[Month], *, draft: bool) -> Tables:
    """The tables as they are exported, as text; with ``draft`` what the months entitle to."""
    tables: Tables = {name: [] for name in (*DOCUMENTS, *OF_DAYS)}
    days = home.days_run()
    around = {Month.of(day) for day in days_between(days[0] - timedelta(days=31), days[-1] + timedelta(days=92))}
    for month in sorted({*months, *around}):
        if month in months:
            documents = draft_documents(home, month, Upkeep(home)) if draft else issued_documents(home, month)
            for name in DOCUMENTS:
                tables[name] += [{"month": str(month), **row} for row in texts(documents[name])]
        for name, frame in event_tables(home, month, home.warehouse).items():
            tables[name] += texts(frame)
    return tables


def texts(frame: pl.DataFrame) -> list[dict[str, str]]:
    """A table as text, as its CSV has it."""
    rows = plain(frame).with_columns(pl.all().cast(pl.String)).fill_null("").to_dicts()
    return [{name: str(value) for name, value in row.items()} for row in rows]


def assert_agrees(found: Tables, wanted: Tables, months: Sequence[Month]) -> None:
    """Every table of documents, and of events, row by row."""
    in_months = {str(month) for month in months}
    differences = []
    for name in (*DOCUMENTS, "attributions", "attribution_credits", "quarantine", "feed_counts"):
        columns = COLUMNS.get(name) or list(wanted[name][0] if wanted[name] else found[name][0] if found[name] else [])
        mine = [row for row in found[name] if "month" not in row or row["month"] in in_months]
        theirs = [row for row in wanted[name] if "month" not in row or row["month"] in in_months]
        missing, extra = counted(theirs, columns) - counted(mine, columns), counted(mine, columns) - counted(theirs, columns)
        if missing or extra:
            differences.append(f"{name}: missing {dict(missing)}, extra {dict(extra)}")
    assert not differences, "\n".join(differences)
