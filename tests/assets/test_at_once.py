"""Days worked on at once come to what each comes to by itself, and one that fails takes none of the others with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from scenarios import small_world as world

from assets import attributing, judging
from assets.at_once import Unwritten, days_at_once, one_by_one_where_they_fail, written
from assets.attributing import ATTRIBUTED, CANDIDATES
from assets.intake import ingest
from assets.judging import CLAIMS, JUDGED
from assets.touched import Touched
from assets.upkeep import Upkeep
from contracts_io.errors import WarehouseError
from contracts_io.frames import TABLES
from contracts_io.home import Home

AMENDED_AT = datetime(2026, 11, 3, 9, tzinfo=UTC)
REPEATS = "{order_dedup_days: 3, repeat_household_days: 2, minimum_order_value: '30.00'}"
LOYAL = world.ADVERTISER.replace("terms:", f"eligibility: {REPEATS}\nterms:")

TABLES_OF_DAYS = (*ATTRIBUTED, CANDIDATES, JUDGED, CLAIMS)


def amended(agreed: str) -> str:
    """Dearer, and its impressions claimed by another term."""
    dearer = agreed.replace('"2000.00"', '"2500.00"').replace('"0.10"', '"0.20"')
    return dearer.replace("term_id: brand, line_items: [li-brand]", "term_id: video, line_items: [li-brand]")


@pytest.mark.parametrize(
    ("rows", "most", "together"),
    [
        ({}, 10, []),
        ({"a": 3, "b": 4, "c": 3}, 10, ["abc"]),
        ({"a": 3, "b": 4, "c": 4}, 10, ["ab", "c"]),
        ({"a": 11, "b": 0, "c": 12, "d": 1}, 10, ["a", "b", "c", "d"]),
        ({"a": 0, "b": 10, "c": 0}, 10, ["abc"]),
    ],
)
def test_days_are_taken_together_in_their_order_as_long_as_they_are_few_rows(
    rows: dict[str, int], most: int, together: list[str]
) -> None:
    assert ["".join(days) for days in days_at_once(rows, most)] == together


def test_days_that_fail_together_are_worked_on_one_by_one_up_to_the_one_that_fails() -> None:
    done: list[list[str]] = []

    def work(days: Sequence[str]) -> list[Touched]:
        if "c" in days:
            raise WarehouseError("c is damaged", remedy="restore it")
        done.append(list(days))
        return [Touched(day) for day in days]

    touched = []
    with pytest.raises(WarehouseError, match="c is damaged"):
        for day in one_by_one_where_they_fail(work, ["a", "b", "c", "d"]):
            touched.append(day.partition)
    assert touched == ["a", "b"]
    assert done == [["a"], ["b"]]


def test_files_come_in_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    days = [f"2026-10-{day:02}" for day in range(1, 20)]
    there = home.warehouse.write(CLAIMS, "2026-10-31", TABLES[CLAIMS].empty())
    files = written(home.warehouse, [there, *(Unwritten(CLAIMS, day, TABLES[CLAIMS].empty(), f"of {day}") for day in days)])
    assert files[0] is there
    assert [(file.partition, file.inputs, file.rows) for file in files[1:]] == [(day, f"of {day}", 0) for day in days]


def bring_up_to_date(home: Home) -> list[str]:
    """Attribute and judge what is out of date; gives its days."""
    look = Upkeep(home)
    return [touched.partition for touched in (*look.delivery(), *look.attributions(), *look.judgements())]


def files_of(home: Home) -> dict[tuple[str, str], tuple[str, str]]:
    """Hash and inputs of every file that was made of a day."""
    live = home.warehouse.catalogue.live
    return {(table, day): (file.sha256, file.inputs) for table in TABLES_OF_DAYS for day, file in live(table).items()}


def test_days_together_come_to_the_same_files_as_each_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before and after an amendment, with orders repeated and households that buy again on other days."""
    found = []
    for name, most in (("together", 1_000), ("apart", 0)):
        monkeypatch.setattr(attributing, "_CONVERSIONS_AT_ONCE", most)
        monkeypatch.setattr(judging, "_ROWS_AT_ONCE", most)
        home = world.make_home(tmp_path / name, contracts=(LOYAL, world.PARTNER))
        for day in world.DAYS:
            ingest(home, day)
        bring_up_to_date(home)
        before = files_of(home)
        world.agree(home, amended(LOYAL), at=AMENDED_AT)
        bring_up_to_date(home)
        found.append((before, files_of(home)))
    together, apart = found
    assert together == apart
    assert together[0] != together[1]
    statuses = home.warehouse.read("attributions").collect()["status"]
    assert {"attributed", "duplicate_order", "ineligible"} <= set(statuses)


@pytest.mark.parametrize(("table", "made"), [("conversions", "attributions"), (JUDGED, JUDGED)])
def test_a_damaged_file_of_a_day_leaves_the_days_before_it_up_to_date(table: str, made: str, tmp_path: Path) -> None:
    home = world.make_home(tmp_path / "home")
    for day in world.DAYS:
        ingest(home, day)
    bring_up_to_date(home)
    before = {day: file.inputs for day, file in home.warehouse.catalogue.live(made).items()}
    world.agree(home, amended(world.ADVERTISER), at=AMENDED_AT)
    damaged = str(world.DAYS[3])
    path = home.root / "warehouse" / home.warehouse.catalogue.live(table)[damaged].path
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    look = Upkeep(home)
    with pytest.raises(WarehouseError, match="is not what was written"):
        list(look.attributions() if made == "attributions" else look.judgements())
    after = {day: file.inputs for day, file in home.warehouse.catalogue.live(made).items()}
    assert [day for day in before if before[day] != after[day]] == [day for day in before if day < damaged]
