"""An amendment that is approved after its days were run: what is computed again, and that it comes to a run from scratch."""

from __future__ import annotations

from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from scenarios import small_world as world

from assets.intake import ingest
from assets.upkeep import Upkeep
from contracts_io.calendar import days_between
from contracts_io.home import Home
from contracts_io.warehouse import PartitionFile, Warehouse

FIRST, LAST = date(2026, 10, 6), date(2026, 10, 18)
DAYS = list(days_between(FIRST, LAST))
AMENDED_AT = datetime(2026, 10, 21, 9, tzinfo=UTC)

# From the 15th on: another lookback, so attribution changes from there.
OTHER_LOOKBACK = world.ADVERTISER.replace("view: 3d", "view: 1d") + "effective_from: 2026-10-15\n"
# From the 15th on: another price of impressions and of actions; a conversion is attributed under a version, so again.
OTHER_PRICES = (
    world.ADVERTISER.replace('"2000.00"', '"2500.00"').replace('rate: "0.10"', 'rate: "0.12"')
    + "effective_from: 2026-10-15\n"
)


def run(home: Home, *days: date) -> None:
    """Take in ``days`` and bring everything up to date, without an orchestrator."""
    for day in days:
        ingest(home, day)
    look = Upkeep(home)
    for _ in look.everything(look.months()[-1]):
        pass


def home_of_days(root: Path) -> Home:
    home = Home.create(root)
    world.agree(home, world.ADVERTISER, world.PARTNER)
    for day in DAYS:
        number = day.day
        shown = [world.impression(f"imp-{number}-{n}", f"{day}T{n + 6:02}:10:00Z") for n in range(3)]
        seen = world.impression(f"view-{number}", f"{day - timedelta(days=2)}T21:00:00Z", "li-sales", f"hh-{number}")
        world.deliver(home, "impressions", day, [*shown, seen])
        bought = world.purchase(f"buy-{number}", f"{day}T20:00:00Z", f"hh-{number}", f"{number}.50")
        world.deliver(home, "conversions", day, [bought])
    return home


@pytest.mark.parametrize("amendment", [OTHER_LOOKBACK, OTHER_PRICES])
def test_only_the_days_whose_terms_changed_are_computed_again_and_come_to_a_run_from_scratch(
    amendment: str, tmp_path: Path
) -> None:
    # An event may be delivered two days before its own date, which may be a day later in another zone: from the 12th on.
    again = [str(day) for day in DAYS if day >= date(2026, 10, 12)]
    home = home_of_days(tmp_path / "home")
    run(home, *DAYS)
    before = world.live_rows(home)
    world.agree(home, amendment, at=AMENDED_AT)

    assert Upkeep(home).stale_delivery() == []
    assert Upkeep(home).stale_attributions() == again
    assert Upkeep(home).stale_judgements() == again
    run(home, LAST)  # any day

    scratch = home_of_days(tmp_path / "scratch")
    world.agree(scratch, amendment, at=AMENDED_AT)
    run(scratch, *DAYS)
    assert world.live(home) == world.live(scratch)
    after = world.live_rows(home)
    assert {day for table, day in after if table == "attributions" and after[table, day] != before[table, day]} == {*again}
    untouched = {"impressions", "conversions", "delivery_counts", "touches", "conversion_states"}
    assert all(after[key] == before[key] for key in after if key[0] in untouched)


def test_after_a_new_price_no_touch_is_looked_up_and_no_count_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = home_of_days(tmp_path / "home")
    run(home, *DAYS)
    world.agree(home, OTHER_PRICES, at=AMENDED_AT)
    files: dict[str, int] = defaultdict(int)

    def noting(warehouse: Warehouse, file: PartitionFile) -> Path:
        files[file.table] += 1
        return existing(warehouse, file)

    existing = Warehouse._existing
    monkeypatch.setattr(Warehouse, "_existing", noting)
    run(home)
    assert files["attribution_candidates"] > 0
    looked_through = {"impressions", "clicks", "delivery_counts", "touches"} & files.keys()
    assert sum(files[table] for table in looked_through) == 0, files
    world.agree(home, OTHER_LOOKBACK, at=AMENDED_AT + timedelta(hours=1))
    run(home)
    assert files["touches"] > 0


def test_a_view_two_days_old_counts_until_the_amendment_shortens_the_lookback(tmp_path: Path) -> None:
    home = home_of_days(tmp_path / "home")
    run(home, *DAYS)
    assert set(world.statuses(home).values()) == {"attributed"}
    world.agree(home, OTHER_LOOKBACK, at=AMENDED_AT)
    run(home, LAST)
    # The view is 47 hours old: within 3 days, not within 1.
    assert {name: status for name, status in world.statuses(home).items() if status != "attributed"} == {
        f"buy-{day.day}": "unattributed" for day in DAYS if day >= date(2026, 10, 15)
    }


@pytest.mark.parametrize(
    "table",
    ["touches", "attribution_candidates", "attribution_credits", "judged_impressions", "accruals", "draft_invoice_lines"],
)
def test_a_derived_file_that_is_gone_is_made_again_by_the_next_run(table: str, tmp_path: Path) -> None:
    home = home_of_days(tmp_path / "home")
    run(home, *DAYS[:3])
    before = world.warehouse_files(home)
    gone = [home.root / "warehouse" / path for path in before if path.startswith(f"{table}/")]
    for path in gone:
        path.unlink()
    run(home, DAYS[0])
    assert gone
    assert world.warehouse_files(home) == before
