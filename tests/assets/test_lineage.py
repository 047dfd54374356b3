"""That the lineage shown is true: each step is run while its look-ups are noted, and again without what it looked up.

What a step looks up stands upstream of something that it makes, and what is no longer the same without a table has that table
upstream. Both are asked of the steps themselves, over a small world that has a case of everything.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import dagster as dg
import polars as pl
import pytest
from assets_shown import DECLARED, upstream
from scenarios import explained_world as explained
from scenarios import small_world as world

from assets import checks, closing
from assets.adjusting import notes_as_they_would_be
from assets.composing import Documents
from assets.definitions import defs
from assets.intake import ingest
from assets.known_contracts import KnownContracts
from assets.upkeep import Upkeep
from contracts_io.contract import parse_document
from contracts_io.frames import FEED_NAMES, TABLES
from contracts_io.home import Home
from contracts_io.warehouse import Listing, PartitionFile, Warehouse

_, OCT29, OCT30, OCT31, NOV1, _ = world.DAYS
LATER = world.NOVEMBER.next
IN_EUROS = explained.OTHER.replace("currency: USD", "currency: EUR") + (
    '  - {term_id: sold, pricing: {model: cpa, event: purchase, fee: {type: percent, rate: "0.05"}}}\n'
)
CONTRACTS, LANDING, RATES = "contracts", [f"landing_{feed}" for feed in FEED_NAMES], "landing_fx_rates"
STEPS = {
    asset.op.name: {key.to_user_string() for key in asset.keys}
    for asset in defs.assets or ()
    if isinstance(asset, dg.AssetsDefinition)
}

OTHERWISE = {
    "conversions": pl.lit("another").alias("event"),
    "conversion_states": pl.lit(value=True).alias("is_reversed"),
}
"""Tables that attribution reads side by side, row by row: they are not emptied, but have something else in a column."""

Made = dict[tuple[str, str], str]
"""What a table of a month or day is, by name and partition."""


class Watched(Listing):
    """A catalogue that notes what is looked up and keeps what is published to itself.

    It has no file of a table and partition that ``is_gone``, and those of a table that is ``emptied`` have no rows.
    """

    def __init__(self, of: Listing, is_gone: Callable[[str, str], bool], emptied: str) -> None:
        self._of = of
        self._is_gone = is_gone
        self._emptied = emptied
        self.asked: set[str] = set()
        self.made: Made = {}

    def live(self, table: str, partitions: Collection[str] | None = None) -> dict[str, PartitionFile]:
        self.asked.add(table)
        files = {of: file for of, file in self._of.live(table, partitions).items() if not self._is_gone(table, of)}
        if table != self._emptied:
            return files
        return {partition: replace(file, rows=0, sha256="of no row") for partition, file in files.items()}

    def publish(self, files: Iterable[PartitionFile]) -> list[PartitionFile]:
        published = list(files)
        self.made |= {(file.table, file.partition): file.sha256 for file in published}
        return published

    def forget_removed(self, pinned: Collection[int]) -> None:
        raise AssertionError(pinned)

    def paths(self) -> set[str]:
        raise AssertionError


class Altered(Warehouse):
    """A warehouse that does not open a file which is said to have no rows, and tells of a table ``otherwise``."""

    otherwise = ""

    def read_days(
        self, table: str, days: Collection[str] | None = None, unpublished: Iterable[PartitionFile] = ()
    ) -> pl.LazyFrame:
        rows = super().read_days(table, days, unpublished)
        return rows.with_columns(OTHERWISE[table]) if table == self.otherwise else rows

    def read_as_kept(self, table: str, partition: str) -> pl.LazyFrame:
        is_empty = self.rows(table, partition) == 0
        return pl.LazyFrame(schema=TABLES[table].stored_schema) if is_empty else super().read_as_kept(table, partition)


class Step(NamedTuple):
    """A step: ``work`` on a home with a look at it; what it makes ``anew`` is not there before: of these days, or at all."""

    work: Callable[[Home, Upkeep], Made]
    anew: Collection[str] = ()


def no_longer_stale(steps: Iterable[object]) -> Made:
    for _ in steps:
        pass
    return {}


def issued(home: Home, upkeep: Upkeep) -> Made:
    for month in (world.OCTOBER, world.NOVEMBER):
        closing.missing_rates(upkeep, month)
    return as_tables(closing.as_they_would_be(home, world.NOVEMBER, LATER.first, upkeep))


def as_tables(documents: Documents) -> Made:
    def text(rows: Iterable[object]) -> str:
        return repr([str(row) for row in rows])

    return {
        ("invoices", ""): text(head for head, _ in documents.invoices),
        ("invoice_lines", ""): text(lines for _, lines in documents.invoices),
        ("payouts", ""): text(head for head, _ in documents.payouts),
        ("payout_lines", ""): text(lines for _, lines in documents.payouts),
        ("journal", ""): text(documents.entries),
    }


def noted(home: Home, upkeep: Upkeep) -> Made:
    closing.missing_rates(upkeep, world.OCTOBER)
    return {("notes", ""): repr(notes_as_they_would_be(home, world.OCTOBER, explained.ADJUSTED_ON, upkeep))}


ALL_DAYS = [str(day) for day in world.DAYS]
WORK = {
    "intake": Step(
        lambda home, _: no_longer_stale(ingest(home, day) for day in (OCT29, OCT31)), anew=[str(OCT29), str(OCT31)]
    ),
    "count_delivery": Step(lambda _, upkeep: no_longer_stale(upkeep.delivery()), anew=ALL_DAYS),
    "attribute": Step(lambda _, upkeep: no_longer_stale(upkeep.attributions()), anew=ALL_DAYS),
    "judge_impressions": Step(lambda _, upkeep: no_longer_stale(upkeep.judgements()), anew=ALL_DAYS),
    "rate": Step(
        lambda _, upkeep: no_longer_stale(
            touched for month in (world.OCTOBER, world.NOVEMBER) for touched in upkeep.rate_through(month)
        )
    ),
    "issue": Step(issued),
    "issue_notes": Step(noted),
}


class Seen(NamedTuple):
    """What a step looked up and what it made."""

    asked: set[str]
    made: Made


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The world, taken in and rated, with October closed; since then a contract was amended."""
    there = Home.create(tmp_path_factory.mktemp("lineage") / "home")
    rows = explained.events()
    rows["conversion_adjustments", OCT30] = [world.adjustment("ahead", "buy-3", f"{NOV1}T09:00:00Z", "restate", "44.40")]
    rows["clicks", OCT30] = [world.click("click-1", f"{OCT29}T10:00:00Z", "hh-1")]  # delivered once more
    rows["impressions", NOV1] += [
        world.impression("spent-5", f"{NOV1}T01:00:00Z", "li-spent"),
        world.impression("capped-5", f"{NOV1}T01:00:00Z", "li-capped"),
        world.impression("cleared-2", f"{NOV1}T01:00:00Z", "li-cleared", cost="20.00"),
        world.impression("view-6", f"{NOV1}T01:00:00Z", "li-sales", "hh-11"),
    ]
    rows["conversions", NOV1] += [explained.bought("buy-6", f"{NOV1}T02:00:00Z", "hh-11")]
    for (feed, day), delivered in rows.items():
        world.deliver(there, feed, day, delivered)
    (there.landing / "fx_rates").mkdir()
    (there.landing / "fx_rates" / "rates.csv").write_text(f"date,base,quote,rate\n{world.FIRST},EUR,USD,1.25\n")
    world.agree(there, explained.ACME, explained.BETA, explained.PUB, IN_EUROS)
    for delivered_on in world.DAYS:
        ingest(there, delivered_on)
    no_longer_stale(Upkeep(there).everything(world.NOVEMBER))
    with pytest.MonkeyPatch.context() as patch:  # rates are left out so that there is something to say of them
        patch.setattr(closing, "missing_rates", lambda *_: [])
        closing.close(there, world.OCTOBER, world.ISSUED_ON)
    amendment = [("amendment.yaml", parse_document(explained.AMENDED, name="amendment.yaml"))]
    at = explained.AMENDED_AT
    there.contracts.import_documents(amendment, by="carol", at=at, retroactive=True, closed_through=there.closed_through())
    version = there.contracts.versions("adv-1")[-1]
    there.contracts.approve("adv-1", version.version, by="dave", at=at, content_hash=version.content_hash)
    no_longer_stale(Upkeep(there).everything(world.NOVEMBER))
    return there


def known_but_for(home: Home, step: str, hidden: str) -> KnownContracts | None:
    """No contract where contracts are ``hidden``, or none as amended: there is no note where there is no contract."""
    if hidden != CONTRACTS:
        return None
    first = {contract: versions[:1] for contract, versions in home.contracts.approved().items()}
    return KnownContracts(first if step == "issue_notes" else {})


@pytest.fixture
def see(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Seen]:
    """Runs a step on the home, without what is hidden, and gives what it looked up and made; the home stays as it is."""
    monkeypatch.setattr(checks, "require", lambda *_, **__: None)  # what is made is asked for, not whether it is right

    def seen(name: str, hidden: str = "") -> Seen:
        step, here = WORK[name], Home.open(home.root)

        def is_gone(table: str, partition: str) -> bool:
            # Of the counts of a day it is asked whether they are there.
            return table == hidden == "feed_counts" or (table in STEPS[name] and partition in step.anew)

        otherwise = hidden if name == "attribute" and hidden in OTHERWISE else ""
        watched = Watched(here.warehouse.catalogue, is_gone, emptied="" if otherwise else hidden)
        warehouse = Altered(here.warehouse.root, watched)
        warehouse.otherwise = otherwise
        here.__dict__["warehouse"] = warehouse
        documents = step.work(here, Upkeep(here, contracts=known_but_for(here, name, hidden)))
        return Seen(watched.asked, watched.made | documents)

    return seen


@pytest.fixture
def without_landing(home: Home, tmp_path: Path) -> Iterator[Callable[[str], None]]:
    """Empties the landing folders of an asset for as long as the test runs."""
    kept = tmp_path / "landing"
    shutil.copytree(home.landing, kept)

    def emptied(asset: str) -> None:
        for path in (home.landing / asset.removeprefix("landing_")).rglob("*.csv"):
            path.unlink()

    yield emptied
    shutil.rmtree(home.landing)
    shutil.copytree(kept, home.landing)


def changed(before: Made, after: Made) -> set[str]:
    return {table for (table, partition), made in before.items() if after.get((table, partition)) != made}


def test_every_step_is_looked_at() -> None:
    assert WORK.keys() == STEPS.keys()


@pytest.mark.parametrize("name", WORK)
def test_a_step_makes_the_tables_that_are_shown_as_its_own(name: str, see: Callable[..., Seen]) -> None:
    assert {table for table, _ in see(name).made} == STEPS[name]


@pytest.mark.parametrize("name", WORK)
def test_what_a_step_looks_up_is_upstream_of_what_it_makes_or_its_own(name: str, see: Callable[..., Seen]) -> None:
    assert see(name).asked - upstream(STEPS[name]) - STEPS[name] == set()


@pytest.mark.parametrize("name", WORK)
def test_what_is_shown_as_the_source_of_a_step_is_looked_up_by_it(name: str, see: Callable[..., Seen]) -> None:
    sources = set().union(*(DECLARED[table] for table in STEPS[name])) - STEPS[name]
    assert (sources & TABLES.keys()) - see(name).asked == set()


@pytest.mark.parametrize("name", WORK)
def test_what_is_not_the_same_without_a_table_has_it_upstream(name: str, see: Callable[..., Seen]) -> None:
    before = see(name)
    undeclared = {}
    for hidden in sorted({CONTRACTS, *before.asked}):
        # A feed and what was dropped of it are two halves of the same rows, and only one can be upstream of the other.
        others = changed(before.made, see(name, hidden).made) - {hidden, hidden.removesuffix("_repeated")}
        if untold := {table for table in others if hidden not in upstream([table])}:
            undeclared[hidden] = untold
    assert undeclared == {}


@pytest.mark.parametrize("landing", [*LANDING, RATES])
def test_what_is_not_the_same_without_delivered_files_has_their_folder_upstream(
    landing: str, see: Callable[..., Seen], without_landing: Callable[[str], None]
) -> None:
    before = see("intake")
    without_landing(landing)
    others = changed(before.made, see("intake").made)
    assert others
    assert {table for table in others if landing not in upstream([table])} == set()


@pytest.mark.parametrize(
    ("table", "source"),
    [
        ("flights", "flights"),
        ("accruals", "flights"),
        ("draft_invoice_lines", "flights"),
        ("conversion_states", "conversion_adjustments"),
        ("attributions", "conversion_states"),
        ("attribution_credits", "household_conversions"),
        ("missing_rates", "attribution_credits"),
        ("draft_invoices", "feed_counts"),
    ],
)
def test_the_world_is_one_in_which_the_table_is_another_without_its_source(
    table: str, source: str, see: Callable[..., Seen]
) -> None:
    """Else the tests above would say nothing of them."""
    step = next(name for name, made in STEPS.items() if table in made)
    before = see(step)
    assert table in changed(before.made, see(step, source).made)
