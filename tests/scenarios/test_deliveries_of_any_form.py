"""The same rows as CSV, NDJSON or Parquet, in any order of days: what a slow plain model accepts, drops and refuses.

Ids share halves on purpose, and so few are looked at in one go that they are looked at in many turns.
``ADLEDGER_TEST_WORLDS`` is the number of worlds, 3 by default.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
import small_world
from small_world import live_rows

from assets import intake
from assets.intake import ingest
from contracts_io.calendar import INSTANT
from contracts_io.errors import FeedError
from contracts_io.feeds.columns import FEEDS
from contracts_io.home import Home
from pipelines.duplicates import suspects

WORLDS = int(os.environ.get("ADLEDGER_TEST_WORLDS", "3"))
FIRST = date(2026, 10, 10)
SPAN = 14
USUAL = FIRST + timedelta(days=5)
"""The day on which events happened that are delivered again and again with the same content."""
REACH = timedelta(days=9)
"""Over how many days ids are compared: the horizon of 7, and two."""
NAMES = FEEDS["impressions"].column_names
# The first byte of each begins no letter of UTF-8, so that sixteen bytes are never taken for text.
UUIDS = [str(uuid.UUID(int=high << 64 | low)) for high in (2**63, 2**63 + 1, 2**64 - 1) for low in (7, 2**63)]
OTHERS = [
    "left-0 right-01",
    "left-1 right-01",
    "0" * 16,
    "30303030-3030-3030-3030-303030303030",  # the same bits
    "a" + "x" * 40,
    "b" + "x" * 40,
    UUIDS[-1].upper(),
    "é",
    "日",
]
Row = dict[str, Any]
Files = list[list[Row]]
Place = tuple[str, int]
"""A file without its extension, and a row of it."""


class Outcome(NamedTuple):
    """What became of a delivery day: rows by their place and values, in order."""

    accepted: list[tuple[Any, ...]]
    repeats: list[tuple[Any, ...]]
    refused: list[tuple[str, int, str]]
    counts: tuple[int, ...]


def usual_row(name: str) -> Row:
    given = {"impression_id": name, "event_time": midnight(USUAL), "line_item_id": "li", "partner_id": "9"}
    return dict.fromkeys(NAMES) | given | {"viewable": True, "completed": False}


def midnight(day: date) -> datetime:
    return datetime.combine(day, datetime.min.time(), UTC)


def random_files(chance: random.Random, ids: Sequence[str], day: date) -> Files:
    """Up to three files with up to eight rows, out of few ids and few contents, so that most of them meet another."""

    def row() -> Row:
        if timedelta(days=-2) < day - USUAL < timedelta(days=7) and chance.random() < 0.4:
            return usual_row(chance.choice(ids))
        at = midnight(day - timedelta(days=chance.choice([0, 0, 0, 1, 6])))
        bad = chance.random()
        return dict.fromkeys(NAMES) | {
            "impression_id": None if bad < 0.03 else chance.choice(ids),
            "event_time": at - timedelta(days=9) if 0.03 < bad < 0.06 else at,
            "household_id": chance.choice([None, *ids[:2]]),
            "line_item_id": None if 0.06 < bad < 0.09 else "li",
            "partner_id": chance.choice(["9", "10"]),
            "viewable": chance.random() < 0.5,
            "completed": False,
            "cost": Decimal(-1) if 0.09 < bad < 0.12 else chance.choice([None, Decimal("9"), Decimal("10.5")]),
        }

    return [[row() for _ in range(chance.randint(0, 8))] for _ in range(chance.randint(1, 3))]


def write_csv(stem: Path, rows: list[Row]) -> None:
    texts(rows).write_csv(stem.with_suffix(".csv"))


def write_ndjson(stem: Path, rows: list[Row]) -> None:
    texts(rows).write_ndjson(stem.with_suffix(".ndjson"))


def texts(rows: list[Row]) -> pl.DataFrame:
    return pl.DataFrame(
        {name: [None if row[name] is None else str(row[name]) for row in rows] for name in NAMES},
        dict.fromkeys(NAMES, pl.String),
    )


def write_parquet(stem: Path, rows: list[Row], *, as_bytes: bool = False) -> None:
    types: dict[str, Any] = dict.fromkeys(NAMES, pl.String)
    types |= {"event_time": INSTANT, "viewable": pl.Boolean, "completed": pl.Boolean, "cost": pl.Decimal(18, 4)}
    frame = pl.DataFrame([[row[name] for name in NAMES] for row in rows], types, orient="row")
    if as_bytes:
        ids = [pl.col(name).str.replace_all("-", "").str.decode("hex") for name in ("impression_id", "household_id")]
        frame = frame.with_columns(ids)
    frame.write_parquet(stem.with_suffix(".parquet"))


Write = Callable[[Path, list[Row]], None]
FORMS: dict[str, list[Write]] = {
    "csv": [write_csv],
    "ndjson": [write_ndjson],
    "parquet": [write_parquet],
    "parquet, ids as bytes": [partial(write_parquet, as_bytes=True)],
    "each file another": [write_parquet, write_csv, write_ndjson],
}


def deliver(home: Home, day: date, files: Files, form: str) -> None:
    folder = home.landing / "impressions" / str(day)
    for there in folder.glob("*"):
        there.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (home.landing / "conversions" / str(day)).mkdir(parents=True, exist_ok=True)
    for number, rows in enumerate(files):
        write = FORMS[form][number % len(FORMS[form])]
        write(folder / f"part-{number}", rows)


def refusal(row: Row, day: date) -> str | None:
    for name in ("impression_id", "line_item_id"):
        if row[name] is None:
            return f"missing_{name}"
    if row["cost"] is not None and row["cost"] < 0:
        return "bad_cost"
    return "too_early" if row["event_time"].date() < day - timedelta(days=7) else None


def order(row: Row) -> tuple[Any, ...]:
    return row["event_time"], *((row[name] is not None, row[name]) for name in NAMES)


def model(world: dict[date, Files]) -> dict[date, Outcome]:
    """The rules word by word, a row at a time."""
    counted: dict[date, dict[str, Row]] = {}
    outcomes = {}
    for day, files in sorted(world.items()):
        by_id: dict[str, list[tuple[Place, Row]]] = {}
        refused: list[tuple[str, int, str]] = []
        for number, rows in enumerate(files):
            for position, row in enumerate(rows, 1):
                reason = refusal(row, day)
                if reason:
                    refused.append((f"part-{number}", position, reason))
                else:
                    by_id.setdefault(row["impression_id"], []).append(((f"part-{number}", position), row))
        before: dict[str, Row] = {}
        for earlier in sorted(counted, reverse=True):
            if earlier >= day - REACH:
                before |= counted[earlier]
        accepted, repeats, within = [], [], 0
        counted[day] = {}
        for name, same in by_id.items():
            place, first = min(same, key=lambda one: (order(one[1]), one[0]))
            within += sum(row != first for _, row in same)
            if name in before:
                repeats.append((*place, *first.values(), first != before[name]))
            else:
                counted[day][name] = first
                accepted.append((*place, *first.values()))
        read = sum(map(len, files))
        figures = (len(accepted), read - len(refused) - len(accepted), len(refused), within, sum(row[-1] for row in repeats))
        outcomes[day] = Outcome(sorted(accepted, key=_place), sorted(repeats, key=_place), refused, (read, *figures))
    return outcomes


def _place(row: tuple[Any, ...]) -> Place:
    return row[0], row[1]


def outcome(home: Home, day: date) -> Outcome:
    """What is found in the warehouse."""

    def rows(table: str) -> pl.DataFrame:
        return home.warehouse.read(table, [str(day)]).collect()

    def placed(table: str) -> list[tuple[Any, ...]]:
        return rows(table).with_columns(pl.col("file").str.extract(r"^([^.]*)\.")).rows()

    quarantine = rows("quarantine").with_columns(pl.col("file").str.extract(r"^([^.]*)\."))
    counts = rows("feed_counts").filter(feed="impressions").drop("feed", "delivery_day").row(0)
    return Outcome(
        placed("impressions"),
        placed("impressions_repeated"),
        quarantine.select("file", "row", "reason").rows(),
        counts,
    )


@pytest.fixture(autouse=True)
def _few_keys_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "suspects", partial(suspects, at_once=5))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("seed", range(WORLDS))
def test_days_in_random_order_come_to_what_the_rules_say_whatever_the_form_of_their_files(
    seed: int, form: str, tmp_path: Path
) -> None:
    chance = random.Random(f"form {seed}")
    ids = UUIDS if "bytes" in form else [*UUIDS, *OTHERS]
    days = sorted(chance.sample([FIRST + timedelta(days=n) for n in range(SPAN)], 5))
    world = {day: random_files(chance, ids, day) for day in days}
    home = Home.create(tmp_path / "home")
    for day in days:
        deliver(home, day, world[day], form)
    for day in chance.sample(days, len(days)):
        ingest(home, day)
    assert {day: outcome(home, day) for day in days} == model(world)

    changed = chance.choice(days[:-1])
    world[changed] = random_files(chance, ids, changed)
    deliver(home, changed, world[changed], form)
    ingest(home, changed)
    assert {day: outcome(home, day) for day in days} == model(world)

    from_scratch = Home.create(tmp_path / "from-scratch")
    for day in days:
        deliver(from_scratch, day, world[day], form)
        ingest(from_scratch, day)
    home.sweep()
    assert live_rows(home) == live_rows(from_scratch)
    for text, file in home.warehouse.catalogue.live("impressions").items():  # its codes are those of its own rows
        assert home.warehouse.write("impressions", text, home.warehouse.read("impressions", [text])).sha256 == file.sha256


def test_the_worlds_have_what_they_are_made_for() -> None:
    """Repeats within and across days, conflicting and not, and rows that are refused for every reason."""
    chance = random.Random("all")
    days = [FIRST + timedelta(days=n) for n in (0, 1, 5, 9, 10, 11)]
    found: list[Outcome] = []
    for _ in range(40):
        found += model({day: random_files(chance, [*UUIDS, *OTHERS], day) for day in days}).values()
    assert any(one.accepted for one in found)
    assert max(one.counts[4] for one in found) > 0
    assert {row[-1] for one in found for row in one.repeats} == {True, False}
    assert {reason for one in found for *_, reason in one.refused} == {
        "missing_impression_id",
        "missing_line_item_id",
        "bad_cost",
        "too_early",
    }


def test_a_file_that_changes_between_its_readings_fails_the_day_by_its_name_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line item that was in no row when the values of the column were found."""
    home = Home.create(tmp_path / "home")
    path = home.landing / "impressions" / str(FIRST) / "part-0"
    row = usual_row(UUIDS[0]) | {"event_time": midnight(FIRST)}
    deliver(home, FIRST, [], "parquet")
    write_parquet(path, [row], as_bytes=False)
    before = live_rows(home), files_below(home)
    settled = intake.settle

    def changed_meanwhile(*arguments: Any) -> Any:
        write_parquet(path, [row | {"line_item_id": "another"}], as_bytes=False)
        return settled(*arguments)

    monkeypatch.setattr(intake, "settle", changed_meanwhile)
    with pytest.raises(FeedError, match="was changed while it was read") as refused:
        ingest(home, FIRST)
    assert refused.value.where == str(path.with_suffix(".parquet"))
    assert (live_rows(home), files_below(home)) == before


@pytest.mark.parametrize("as_bytes", [False, True])
@pytest.mark.parametrize("damage", ["page", "truncated"])
def test_a_damaged_parquet_file_fails_the_day_by_its_name_and_nothing_is_written(
    damage: str, as_bytes: bool, tmp_path: Path
) -> None:
    home = Home.create(tmp_path / "home")
    chance = random.Random(1)
    row = usual_row(UUIDS[0]) | {"event_time": midnight(FIRST)}
    ids = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(5000)]
    for day in (FIRST, FIRST + timedelta(days=1)):
        deliver(home, day, [], "parquet")
        write_parquet(home.landing / "impressions" / str(day) / "part-0", [row], as_bytes=as_bytes)
    ingest(home, FIRST)
    before = live_rows(home), files_below(home)
    path = home.landing / "impressions" / str(FIRST) / "part-1"
    write_parquet(path, [row | {"impression_id": name} for name in ids], as_bytes=as_bytes)
    path = path.with_suffix(".parquet")
    sound = path.read_bytes()
    # Random bytes are not compressed: others in their place are as good, so that only the header of their page tells.
    for place in (4,) if (damage, as_bytes) == ("page", True) else (4, len(sound) // 3, len(sound) // 2):
        broken = bytearray(sound)
        broken[place : place + 2000] = b"\xff" * 2000
        path.write_bytes({"page": bytes(broken), "truncated": sound[:place] + sound[-4:]}[damage])
        with pytest.raises(FeedError, match="cannot be opened") as refused:
            ingest(home, FIRST)
        assert refused.value.where == str(path)
        assert (live_rows(home), files_below(home)) == before
    path.write_bytes(sound)
    ingest(home, FIRST)
    assert outcome(home, FIRST).counts[:2] == (5001, 5001)


def files_below(home: Home) -> set[Path]:
    return {path for path in (home.root / "warehouse").rglob("*") if path.is_file()}


def test_two_feeds_of_a_later_day_that_change_together_are_both_counted_again(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    later = FIRST + timedelta(days=1)
    at = f"{FIRST}T12:00:00Z"
    for day in (FIRST, later):
        small_world.deliver(home, "impressions", day, [small_world.impression("imp-1", at)])
        small_world.deliver(home, "clicks", day, [small_world.click("clk-1", at, "hh")])
        (home.landing / "conversions" / str(day)).mkdir(parents=True)
    ingest(home, later)
    touched = ingest(home, FIRST)
    assert [one.partition for one in touched] == [str(FIRST), str(later)]
    counts = home.warehouse.read("feed_counts").collect().filter(pl.col("read") > 0)
    assert counts.select("delivery_day", "feed", "accepted", "duplicate").rows() == [
        (FIRST, "impressions", 1, 0),
        (FIRST, "clicks", 1, 0),
        (later, "impressions", 0, 1),
        (later, "clicks", 0, 1),
    ]
