"""Judging a day again: in part where contracts alone have changed, whole where its counts have, with the same files either way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from scenarios import small_world as world
from worlds import write_world

from assets import judging
from assets.intake import ingest
from assets.judging import CLAIMS, JUDGED
from assets.upkeep import Upkeep
from contracts_io.calendar import days_between, parse_day
from contracts_io.contract import parse_document
from contracts_io.home import Home
from contracts_io.overlay import overlaid
from contracts_io.terms import TermFrames
from pipelines import claims
from pipelines.media import judge_delivery

Read = list[tuple[str, list[str]]]
"""How judging took place, whole or in part, and the line items whose counts it read."""
APPROVED_AT = datetime(2026, 9, 1, tzinfo=UTC)
AMENDED_AT = datetime(2026, 11, 3, 9, tzinfo=UTC)
DEARER = world.ADVERTISER.replace('"2000.00"', '"2500.00"')
MOVED = world.ADVERTISER.replace("[li-sales]", "[li-sales, li-other]")


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = world.make_home(tmp_path / "home")
    for day in world.DAYS:
        ingest(home, day)
    judge_all(home)
    return home


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> Read:
    found: Read = []
    for how, module in {"whole": judging, "in part": claims}.items():

        def judge(counts: pl.LazyFrame, terms: TermFrames, how: str = how) -> pl.DataFrame:
            found.append((how, counts.select(pl.col("line_item_id").unique().sort()).collect()["line_item_id"].to_list()))
            return judge_delivery(counts, terms)

        monkeypatch.setattr(module, "judge_delivery", judge)
    return found


def judge_all(home: Home) -> list[str]:
    """Judge what is out of date; gives its days."""
    look = Upkeep(home)
    for _ in look.delivery():
        pass
    return [touched.partition for touched in look.judgements()]


def hashes(home: Home) -> dict[str, str]:
    return {day: file.sha256 for day, file in home.warehouse.catalogue.live(JUDGED).items()}


def hashes_of_whole(home: Home) -> dict[str, str]:
    """The hashes of the files that days come to when they are judged whole."""
    terms = Upkeep(home).terms
    with overlaid(home.warehouse) as apart:
        days = apart.catalogue.live("delivery_counts")
        return {
            day: apart.write(JUDGED, day, judge_delivery(apart.read("delivery_counts", [day]), terms)).sha256 for day in days
        }


def test_a_new_price_judges_nothing_anew(home: Home, read: Read) -> None:
    before = hashes(home)
    world.agree(home, DEARER, at=AMENDED_AT)
    assert judge_all(home) == []
    assert read == []
    assert hashes(home) == before == hashes_of_whole(home)


def test_a_line_item_that_is_claimed_anew_is_judged_again_and_no_other(home: Home, read: Read) -> None:
    amended = world.ADVERTISER.replace("term_id: brand, line_items: [li-brand]", "term_id: video, line_items: [li-brand]")
    world.agree(home, amended, at=AMENDED_AT)
    judge_all(home)
    assert read
    assert {(how, *lines) for how, lines in read} == {("in part", "li-brand")}
    assert hashes(home) == hashes_of_whole(home)


def test_a_day_with_no_impression_on_what_an_amendment_changes_keeps_its_file(home: Home, read: Read) -> None:
    files = {day: file.path for day, file in home.warehouse.catalogue.live(JUDGED).items()}
    zeta = world.ADVERTISER.replace("acme", "zeta").replace("li-brand", "li-zeta").replace("li-sales", "li-zeta-sales")
    world.agree(home, zeta, at=AMENDED_AT)
    assert judge_all(home) == list(files)
    assert read == []
    assert {day: file.path for day, file in home.warehouse.catalogue.live(JUDGED).items()} == files
    assert Upkeep(home).stale_judgements() == []


def test_a_day_that_was_delivered_again_is_judged_whole(home: Home, read: Read) -> None:
    counted = home.warehouse.catalogue.live("delivery_counts")
    world.agree(home, DEARER, at=AMENDED_AT)
    day = world.DAYS[0]
    world.deliver(home, "impressions", day, world.small_world()["impressions", day][1:])
    ingest(home, day)
    judge_all(home)
    again = home.warehouse.catalogue.live("delivery_counts")
    recounted = [text for text in counted if again[text].sha256 != counted[text].sha256]
    assert str(day) in recounted
    assert [how for how, _ in read] == ["whole"] * len(recounted)
    assert hashes(home) == hashes_of_whole(home)


@pytest.mark.parametrize("table", [JUDGED, CLAIMS])
def test_a_day_is_judged_whole_where_what_it_was_judged_by_is_gone(table: str, home: Home, read: Read) -> None:
    before = hashes(home)
    shutil.rmtree(home.root / "warehouse" / table)
    assert judge_all(home) == list(before)
    assert [how for how, _ in read] == ["whole"] * len(before)
    assert hashes(home) == before
    assert judge_all(home) == []


def test_a_day_with_another_horizon_is_judged_whole(home: Home, read: Read) -> None:
    """Claims are kept of the local dates that a day can have: with another horizon these are others."""
    settings = home.root / "adledger.toml"
    text = settings.read_text(encoding="utf-8")
    assert "horizon_days = 7" in text
    settings.write_text(
        text.replace("# horizon_days = 7", "horizon_days = 9").replace("horizon_days = 7", "horizon_days = 9")
    )
    home = Home.open(home.root)
    before = hashes(home)
    judge_all(home)
    assert [how for how, _ in read] == ["whole"] * len(before)
    assert hashes(home) == before


def test_a_run_that_ends_before_it_publishes_leaves_what_was_judged_beside_what_it_was_judged_by(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = {table: home.warehouse.catalogue.live(table) for table in (JUDGED, CLAIMS)}
    world.agree(home, MOVED, at=AMENDED_AT)
    with monkeypatch.context() as patched:
        patched.setattr(type(home.warehouse), "publish", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            judge_all(home)
    assert {table: home.warehouse.catalogue.live(table) for table in (JUDGED, CLAIMS)} == before
    judge_all(home)
    assert hashes(home) == hashes_of_whole(home)


def test_a_month_is_rated_without_its_counts(home: Home) -> None:
    """However many impressions there are, a new price costs what the contracts and their places cost."""
    world.agree(home, DEARER, at=AMENDED_AT)
    for table in ("delivery_counts", "impressions"):
        for path in (home.root / "warehouse" / table).glob("*/*.parquet"):
            path.write_bytes(b"not to be read")
    judge_all(home)
    for _ in Upkeep(home).rate_through(world.OCTOBER):
        pass
    assert home.warehouse.rows("accruals", str(world.OCTOBER)) > 0


def test_after_the_amendments_of_a_random_world_days_have_the_files_that_they_have_when_judged_whole(tmp_path: Path) -> None:
    written = tmp_path / "world"
    write_world(1, written, count=200)
    home = Home.create(tmp_path / "home")
    home.landing.rmdir()
    home.landing.symlink_to(written / "landing", target_is_directory=True)
    versions = sorted((path for of in ("contracts", "amendments") for path in (written / of).glob("*.json")), key=by_name)
    first = [path for path in versions if ".v" not in path.name]
    later = [path for path in versions if ".v" in path.name]
    approve(home, first[1:])
    for day in delivered(written):
        ingest(home, day)
    judge_all(home)
    changed = 0
    for turn in (first[:1] + later[: len(later) // 2], later[len(later) // 2 :]):
        before = hashes(home)
        approve(home, turn)
        judge_all(home)
        after = hashes(home)
        changed += sum(before[day] != after[day] for day in after)
        assert after == hashes_of_whole(home)
    assert changed


def by_name(path: Path) -> str:
    return path.name


def approve(home: Home, documents: Sequence[Path]) -> None:
    """Submit and approve documents, one after the other."""
    for path in documents:
        contract = parse_document(path.read_text(encoding="utf-8"), name=path.name)
        [submitted] = home.contracts.import_documents([(path.name, contract)], by="casey", at=APPROVED_AT, retroactive=True)
        home.contracts.approve(
            contract.contract_id, submitted.version, by="robin", at=APPROVED_AT, content_hash=submitted.content_hash
        )


def delivered(written: Path) -> list[date]:
    """The days of a world that its steps backfill."""
    steps = json.loads((written / "case.json").read_text(encoding="utf-8"))["steps"]
    spans = [step.split()[1:] for step in steps if step.startswith("backfill")]
    return [day for span in spans for day in days_between(*(parse_day(text) for text in span))]
