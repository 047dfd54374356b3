"""A draft contract priced on a month that was run: what would change line by line, and nothing of it stays."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from commands import adledger
from small_world import ADVERTISER, APPROVED_AT, DAYS, OCTOBER, PARTNER, close, make_home, run

from contracts_io.admission import ImportRefusedError
from contracts_io.calendar import Month
from contracts_io.errors import BooksError, ContractError
from contracts_io.home import Home
from services import agreements, simulation

AT = datetime(2026, 11, 12, 9, tzinfo=UTC)
# The publisher has half of what acme is charged for brand impressions, and 3.00 for each action.
SHARING = PARTNER.replace('pricing: {model: cpm, rate: "1000.00"}', 'pricing: {model: revenue_share, share: "0.50"}')
DEARER = ADVERTISER.replace("2000.00", "2500.00")
Line = tuple[str, str, str | None, str | None]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small world with a publisher who has a share of the revenue; run, not closed."""
    home = make_home(tmp_path_factory.mktemp("shared") / "home", contracts=[ADVERTISER, SHARING])
    run(home, *DAYS)
    return home


def draft(folder: Path, text: str) -> Path:
    file = folder / "draft.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def everything(home: Home) -> dict[str, str]:
    """The hash of every file of a home."""
    paths = [path for path in home.root.rglob("*") if path.is_file()]
    return {str(path.relative_to(home.root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def differences(home: Home, file: Path, month: Month = OCTOBER) -> dict[Line, tuple[Decimal, Decimal, Decimal]]:
    """Old, new and difference of the lines that differ."""
    return {
        (row["contract_id"], row["kind"], row["term_id"], row["advertiser_contract_id"]): (
            row["old"],
            row["new"],
            row["difference"],
        )
        for row in simulation.simulate(home, file, month, AT).iter_rows(named=True)
        if row["difference"]
    }


def test_a_new_rate_shows_on_its_line_and_on_the_share_of_the_partner_that_follows_from_it(
    shared: Home, tmp_path: Path
) -> None:
    # October has 22 brand impressions: five on each of four days, one that came late, and the one of 03:30 UTC on
    # 1 November. 22 x 2.00 = 44.00 becomes 22 x 2.50 = 55.00; half of it is the publisher's, 22.00 becomes 27.50.
    assert differences(shared, draft(tmp_path, DEARER)) == {
        ("acme-1", "media", "brand", None): (Decimal("44.00"), Decimal("55.00"), Decimal("11.00")),
        ("pub-1", "revenue_share", "media", "acme-1"): (Decimal("22.00"), Decimal("27.50"), Decimal("5.50")),
    }


def test_lines_that_appear_and_lines_that_go_are_told_with_zero_on_the_other_side(shared: Home, tmp_path: Path) -> None:
    with_minimum = DEARER.replace("attribution:", 'minimum_monthly: "100.00"\nattribution:')
    found = differences(shared, draft(tmp_path, with_minimum))
    lines = simulation.simulate(shared, tmp_path / "draft.yaml", OCTOBER, AT).filter(contract_id="acme-1")
    assert found["acme-1", "minimum", None, None][0] == 0
    assert lines["new"].sum() == Decimal("100.00")
    paid = differences(shared, draft(tmp_path, PARTNER))
    assert paid["pub-1", "revenue_share", "media", "acme-1"] == (Decimal("22.00"), Decimal(0), Decimal("-22.00"))
    # By the mille at 1.00 each, views included, in UTC: four days of six and the one that came late.
    assert paid["pub-1", "media", "media", None][:2] == (Decimal(0), Decimal("25.00"))


def test_a_draft_that_takes_effect_later_changes_nothing_before(shared: Home, tmp_path: Path) -> None:
    later = DEARER.replace("attribution:", "effective_from: 2026-10-31\nattribution:")
    # 31 October in New York has 5 brand impressions and the one of 03:30 UTC on the next day: 6 x 0.50.
    found = differences(shared, draft(tmp_path, later))
    assert found["acme-1", "media", "brand", None] == (Decimal("44.00"), Decimal("47.00"), Decimal("3.00"))
    november = DEARER.replace("attribution:", "effective_from: 2026-11-01\nattribution:")
    assert differences(shared, draft(tmp_path, november)) == {}


def test_a_simulation_leaves_every_file_of_the_home_as_it_was(shared: Home, tmp_path: Path) -> None:
    before = everything(shared)
    assert {"books.db", "adledger.toml"} <= before.keys()
    simulation.simulate(shared, draft(tmp_path, DEARER), OCTOBER, AT)
    assert everything(shared) == before
    with pytest.raises(BooksError):
        simulation.simulate(shared, tmp_path / "draft.yaml", Month(2027, 3), AT)
    assert everything(shared) == before
    assert [version.version for version in shared.contracts.versions("acme-1")] == [1]


def test_a_draft_is_refused_as_an_import_of_it_would_be(
    shared: Home, copy_of: Callable[[Home], Home], tmp_path: Path
) -> None:
    home = copy_of(shared)
    wrong = draft(tmp_path, DEARER.replace("timezone: America/New_York", "timezone: America/New_Yrok\nfoo: 1"))
    for refused in (said_by_import(home, wrong), said_by_simulation(home, wrong)):
        assert "timezone" in refused and "foo" in refused
    rival = draft(tmp_path, DEARER.replace("contract_id: acme-1", "contract_id: acme-2"))
    assert said_by_simulation(home, rival) == said_by_import(home, rival)
    assert "acme-1" in said_by_simulation(home, rival)
    elsewhere = draft(tmp_path, DEARER.replace("currency: USD", "currency: EUR"))
    assert said_by_simulation(home, elsewhere) == said_by_import(home, elsewhere)


def said_by_import(home: Home, file: Path) -> str:
    with pytest.raises((ContractError, ImportRefusedError)) as refused:
        agreements.import_files(home, [file], by="alice", at=AT, retroactive=False)
    return str(refused.value)


def said_by_simulation(home: Home, file: Path) -> str:
    with pytest.raises((ContractError, ImportRefusedError)) as refused:
        simulation.simulate(home, file, OCTOBER, AT)
    return str(refused.value)


def test_a_closed_month_is_simulated_without_more_ado(shared: Home, copy_of: Callable[[Home], Home], tmp_path: Path) -> None:
    home = copy_of(shared)
    close(home)
    file = draft(tmp_path, DEARER)
    assert differences(home, file) == differences(shared, file)


def test_the_command_prints_what_differs_and_the_sums_of_each_side(shared: Home, tmp_path: Path) -> None:
    printed = adledger(shared.root, "contract", "simulate", draft(tmp_path, DEARER), "--month", "2026-10").stdout
    lines = [line.split() for line in printed.splitlines() if line.startswith(("acme-1", "pub-1"))]
    assert lines == [
        ["acme-1", "media", "brand", "USD", "22", "22", "44.00", "55.00", "11.00"],
        ["pub-1", "revenue_share", "media", "acme-1", "USD", "22", "22", "22.00", "27.50", "5.50"],
    ]
    assert "difference 11.00" in next(line for line in printed.splitlines() if line.startswith("all invoices, net"))
    assert "difference 5.50" in next(line for line in printed.splitlines() if line.startswith("all payouts, earnings"))
    assert printed.endswith("nothing was stored\n")
    told = adledger(shared.root, "contract", "simulate", tmp_path / "draft.yaml", "--month", "2026-10", "--json")
    brand = next(row for row in json.loads(told.stdout) if row["term_id"] == "brand")
    assert (brand["side"], brand["old"], brand["new"], brand["difference"]) == ("advertiser", "44", "55", "11")


def test_a_month_that_was_never_run_is_refused_with_those_that_were(shared: Home, tmp_path: Path) -> None:
    refused = adledger(shared.root, "contract", "simulate", draft(tmp_path, DEARER), "--month", "2027-03", expect=1)
    assert "error: 2027-03 was never run: there is nothing to price" in refused.stderr
    assert "simulate one from 2026-10 to 2026-11" in refused.stderr
    nothing_yet = Home.create(tmp_path / "empty")
    with pytest.raises(BooksError, match="run its days first"):
        simulation.simulate(nothing_yet, tmp_path / "draft.yaml", OCTOBER, APPROVED_AT)
