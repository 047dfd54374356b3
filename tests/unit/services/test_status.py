"""What the status of a home says of contracts."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from commands import adledger

from contracts_io.calendar import Month
from contracts_io.home import Home
from services import agreements
from services.status import NotRenewed, status

AT = datetime(2021, 10, 7, 9, 0, tzinfo=UTC)
EVE, DUE = date(2022, 7, 31), date(2022, 8, 1)  # sixty days before the end


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home with contract ``one``, approved, which renews by itself after September 2022."""
    made = Home.create(tmp_path / "home")
    submit(made, tmp_path)
    agreements.approve(made, "one", None, by="robin", at=AT)
    return made


def submit(home: Home, folder: Path, **changes: object) -> None:
    document = {
        "contract_id": "one",
        "side": "advertiser",
        "party": {"id": "acme", "name": "Acme", "country": "US"},
        "currency": "USD",
        "timezone": "UTC",
        "starts_on": "2021-10-01",
        "ends_on": "2022-09-30",
        "renewal": {"mode": "auto", "months": 120, "notice_days": 60, "uplift": "0.03"},
        "terms": [{"term_id": "brand", "line_items": ["li-1"], "pricing": {"model": "cpm", "rate": "10"}}],
    }
    file = folder / "contract.json"
    file.write_text(json.dumps(document | changes), encoding="utf-8")
    agreements.import_files(home, [file], by="casey", at=AT, retroactive=False)


def test_a_renewal_that_is_due_and_waits_for_a_decision_is_named_with_the_reason_and_the_remedy(
    home: Home, tmp_path: Path
) -> None:
    submit(home, tmp_path, validation_days=3)
    assert status(home, EVE).not_renewed == []
    reason = "contract one: its renewal, due by 2022-08-01, waits for the decision on version 2"
    remedy = "approve or reject that version; the next run renews what is agreed then"
    assert status(home, DUE).not_renewed == [NotRenewed("one", reason, remedy)]
    agreements.approve(home, "one", None, by="robin", at=AT)
    assert status(home, DUE).not_renewed == []


def test_status_prints_renewals_that_cannot_be_made_and_gives_them_as_data(home: Home) -> None:
    with home.books.closing(Month(2022, 10)) as issuing:
        issuing.close_month(date(2022, 11, 3), known_at="2021-10-07T09:00:00.000000Z")
    text = adledger(home.root, "status").stdout
    said = (
        "Renewals that are due and cannot be made\n"
        "  the renewal of contract one after 2022-09-30: what it would be is refused:\n"
        "      effective_from: found 2022-10-01; expected a day after 2022-10-31, through which the books are closed; to amend "
        "closed months use --retroactive; for example 2022-11-01\n"
        "    -> import the renewed contract as an amendment: `adledger contract import FILE --by USER --retroactive`\n"
    )
    assert said in text
    (told,) = json.loads(adledger(home.root, "status", "--json").stdout)["not_renewed"]
    assert (told["contract_id"], told["reason"].splitlines()[0]) == (
        "one",
        "the renewal of contract one after 2022-09-30: what it would be is refused:",
    )
    assert told["remedy"].startswith("import the renewed contract as an amendment")


def test_a_renewal_that_another_contract_is_in_the_way_of_is_named_with_what_can_be_done(home: Home, tmp_path: Path) -> None:
    submit(
        home,
        tmp_path,
        contract_id="two",
        party={"id": "b", "name": "B", "country": "US"},
        starts_on="2022-10-01",
        ends_on=None,
        renewal=None,
    )
    (named,) = status(home, DUE).not_renewed
    assert named.contract_id == "one"
    assert 'terms[0].line_items: found "li-1"' in named.reason
    assert "adledger contract notice one --by USER" in named.remedy
    agreements.give_notice(home, "one", by="casey", at=AT, received_on=EVE)
    assert status(home, DUE).not_renewed == []
