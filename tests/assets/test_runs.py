"""Runs of the assets over a home: what is published, what a failure leaves behind, and what the schedules ask for."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import dagster as dg
import polars as pl
import pytest
from assets_shown import upstream
from scenarios import small_world as world

from assets import attributing, checks, judging, upkeep
from assets.attribution import attribute, count_delivery, judge_impressions
from assets.automation import every_morning, every_night
from assets.closing import reasons_against_close
from assets.definitions import defs
from assets.documents import issue
from assets.rating import rate
from assets.resources import HomeResource
from assets.taking_in import intake
from assets.upkeep import Upkeep
from contracts_io.calendar import format_instant
from contracts_io.errors import BooksError, FeedError, WarehouseError
from contracts_io.frames import TABLES
from contracts_io.home import Home
from pipelines.attribution import Attributed
from services.orchestrator import Steps, orchestrated, prepare_environment

OCT28, OCT29, *_ = world.DAYS
RULES = {rule.name for rule in vars(checks).values() if isinstance(rule, checks.Rule)}


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return world.make_home(tmp_path / "home")


def materialize(
    home: Home, assets: list[dg.AssetsDefinition], partition: date, config: dict[str, Any] | None = None
) -> dg.ExecuteInProcessResult:
    resources = {"home": HomeResource(path=str(home.root))}
    return dg.materialize(assets, partition_key=str(partition), resources=resources, run_config=config)


def untouched(home: Home) -> tuple[object, ...]:
    return world.catalogue_rows(home), world.warehouse_files(home)


def test_a_day_and_its_month_are_materialized_and_every_check_is_answered(home: Home) -> None:
    results = [
        materialize(home, [intake, count_delivery], OCT28),
        materialize(home, [attribute, judge_impressions], OCT28),
        materialize(home, [rate], date(2026, 10, 1)),
    ]
    answers = {check.check_name: check.passed for result in results for check in result.get_asset_check_evaluations()}
    assert answers == dict.fromkeys(RULES - {"journal_balances"}, True)
    assert world.statuses(home) == {"buy-28": "attributed"}
    assert home.warehouse.rows("draft_invoices", "2026-10") == 1


def test_a_materialization_shows_rows_counts_and_amounts(home: Home) -> None:
    taken = materialize(home, [intake, count_delivery], OCT28)
    by_table = {
        m.asset_key.to_user_string(): {name: value.value for name, value in m.metadata.items()}
        for m in taken.asset_materializations_for_node("intake")
    }
    assert by_table["impressions"]["dagster/row_count"] == 6
    assert (by_table["impressions"]["read"], by_table["impressions"]["duplicate"]) == (6, 0)
    materialize(home, [attribute], OCT28)
    rated = materialize(home, [rate], date(2026, 10, 1)).asset_materializations_for_node("rate")
    invoices = next(m for m in rated if m.asset_key == dg.AssetKey("draft_invoices"))
    assert invoices.metadata["total USD"].value == "12.850000000"


def test_a_materialization_shows_what_the_partition_was_made_from(home: Home) -> None:
    results = [
        materialize(home, [intake, count_delivery], OCT28),
        materialize(home, [attribute, judge_impressions], OCT28),
        materialize(home, [rate], date(2026, 10, 1)),
    ]
    made = [event.event_specific_data.materialization for r in results for event in r.get_asset_materialization_events()]
    told = [(m.asset_key.to_user_string(), {name: value.value for name, value in m.metadata.items()}) for m in made]
    live = {(table, file.sha256, file.inputs) for table in TABLES for file in home.warehouse.catalogue.live(table).values()}
    assert {(table, figures["sha256"], figures.get("inputs", "")) for table, figures in told} == live
    known_at = {(table, figures["known_at"]) for table, figures in told if "known_at" in figures}
    by_contracts = {table for table in TABLES if "contracts" in upstream([table])}
    assert known_at == {(table, format_instant(world.APPROVED_AT)) for table in by_contracts}


def test_issued_documents_show_the_tables_and_contracts_that_they_went_by(home: Home) -> None:
    world.run(home, *world.DAYS)
    config = {"ops": {"issue": {"config": {"issued_on": str(world.ISSUED_ON)}}}}
    made = materialize(home, [rate, issue], date(2026, 10, 1), config).asset_materializations_for_node("issue")
    closed = home.books.closed_months()[world.OCTOBER]
    assert {m.asset_key.to_user_string(): (m.metadata["snapshot"].value, m.metadata["known_at"].value) for m in made} == (
        dict.fromkeys(
            ["invoices", "invoice_lines", "payouts", "payout_lines", "journal"], (closed.snapshot, closed.known_at)
        )
    )


def test_a_check_that_warns_lets_the_day_through(home: Home) -> None:
    materialize(home, [intake, count_delivery], OCT28)
    found = materialize(home, [intake, count_delivery], OCT29).get_asset_check_evaluations()
    warned = {check.check_name: check for check in found if not check.passed}
    assert warned.keys() == {"little_quarantined"}
    assert warned["little_quarantined"].severity is dg.AssetCheckSeverity.WARN
    assert home.days_run() == [OCT28, OCT29]


@pytest.mark.parametrize("feed", ["impressions", "conversions"])
def test_a_day_without_an_awaited_folder_fails_and_leaves_catalogue_and_warehouse_untouched(feed: str, home: Home) -> None:
    world.run(home, OCT28)
    before = untouched(home)
    (home.landing / feed / str(OCT29) / "part-0.csv").unlink()
    (home.landing / feed / str(OCT29)).rmdir()
    with pytest.raises(FeedError, match=f"the {feed} of {OCT29} have not been delivered"):
        materialize(home, [intake, count_delivery], OCT29)
    assert untouched(home) == before


def materialize_days(home: Home, first: date, last: date) -> dg.ExecuteInProcessResult:
    tags = {"dagster/asset_partition_range_start": str(first), "dagster/asset_partition_range_end": str(last)}
    resources = {"home": HomeResource(path=str(home.root))}
    return dg.materialize([intake, count_delivery], tags=tags, resources=resources, raise_on_error=False)


def shown(result: dg.ExecuteInProcessResult, table: str) -> dict[str | None, dict[str, Any]]:
    """Per partition of ``table`` the metadata of its materialization."""
    found = [event.event_specific_data.materialization for event in result.get_asset_materialization_events()]
    return {
        made.partition: {name: value.value for name, value in made.metadata.items()}
        for made in found
        if made.asset_key == dg.AssetKey(table)
    }


def test_a_run_for_a_range_shows_each_day_with_its_own_figures_and_answers_each_check_once(home: Home) -> None:
    result = materialize_days(home, OCT28, date(2026, 10, 30))
    assert result.success
    assert home.days_run() == [OCT28, OCT29, date(2026, 10, 30)]
    for table in ("impressions", "touches"):
        rows = {day: figures["dagster/row_count"] for day, figures in shown(result, table).items()}
        assert rows == {str(day): home.warehouse.rows(table, str(day)) for day in home.days_run()}
    answers = {check.check_name: check for check in result.get_asset_check_evaluations()}
    assert len(answers) == len(result.get_asset_check_evaluations())
    assert {name for name, check in answers.items() if not check.passed} == {"little_quarantined"}
    told = answers["little_quarantined"].metadata
    assert (told["day"].value, told["days not passed"].value) == (str(OCT29), str(OCT29))
    assert answers["counts_add_up"].metadata["days not passed"].value == "none"


def test_in_a_run_for_a_range_a_day_that_fails_leaves_the_others_in_and_fails_the_run(home: Home) -> None:
    (home.landing / "impressions" / str(OCT29) / "part-0.csv").unlink()
    (home.landing / "impressions" / str(OCT29)).rmdir()
    result = materialize_days(home, OCT28, date(2026, 10, 30))
    assert not result.success
    assert home.days_run() == [OCT28, date(2026, 10, 30)]
    assert shown(result, "impressions").keys() == {"2026-10-28", "2026-10-30"}
    failure = result.failure_data_for_node("intake")
    assert failure is not None
    assert failure.error is not None
    assert "1 of 3 delivery days failed" in failure.error.to_string()


def test_days_of_a_month_that_follow_each_other_are_one_run_and_progress_is_told_day_by_day(home: Home) -> None:
    told: list[tuple[str, int, int]] = []
    days = [OCT29, date(2026, 10, 30), OCT28, date(2026, 10, 31), date(2026, 11, 1), date(2026, 11, 2)]
    shutil.rmtree(home.landing / "conversions" / "2026-11-01")
    with orchestrated(home) as orchestrator:
        steps = Steps(lambda *step: told.append(step), {"intake": ("taking in", 6)})
        failed = orchestrator.run_days("take_in", days, None, steps)
    assert list(failed) == [date(2026, 11, 1)]
    assert [done for _, done, _ in told] == list(range(7))
    prepare_environment(home)
    with dg.DagsterInstance.get() as instance:
        runs = [(run.status, partitions(run.tags)) for run in reversed(instance.get_runs())]
    assert runs == [
        (dg.DagsterRunStatus.SUCCESS, ["2026-10-29", "2026-10-30"]),
        (dg.DagsterRunStatus.SUCCESS, ["2026-10-28"]),
        (dg.DagsterRunStatus.SUCCESS, ["2026-10-31"]),
        (dg.DagsterRunStatus.FAILURE, ["2026-11-01", "2026-11-02"]),
    ]


def partitions(tags: Mapping[str, str]) -> list[str]:
    """The partition of a run, or the first and the last of its range."""
    names = ("dagster/partition", "dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
    return [tags[name] for name in names if name in tags]


def test_a_file_that_cannot_be_read_fails_the_day_and_leaves_the_day_as_it_was(home: Home) -> None:
    world.run(home, OCT28)
    before = untouched(home)
    (home.landing / "conversions" / str(OCT28) / "part-1.parquet").write_bytes(b"PAR1 cut off")
    with pytest.raises(FeedError, match=r"part-1\.parquet"):
        world.run(home, OCT28)
    assert untouched(home) == before


def lose_a_count(counts: pl.LazyFrame) -> pl.LazyFrame:
    return counts.slice(1)


def halve_the_credit(attributed: Attributed) -> Attributed:
    return attributed._replace(credits=attributed.credits.with_columns(pl.col("credit") // 2))


def forget_a_conversion(attributed: Attributed) -> Attributed:
    return attributed._replace(attributions=attributed.attributions.head(0), credits=attributed.credits.head(0))


def lose_an_outcome(judged: pl.DataFrame) -> pl.DataFrame:
    return judged.slice(1)


def drop_the_accruals_of_a_contract(drafts: Any) -> Any:
    return drafts._replace(invoices=drafts.invoices.head(0), invoice_lines=drafts.invoice_lines.head(0))


STOPPED = {
    "counts_add_up": {"delivery_counts", "touches"},
    "credits_add_up": {"attributions", "attribution_credits"},
    "one_status_each": {"attributions", "attribution_credits"},
    "outcomes_add_up": {"judged_impressions", "impression_claims", "impression_outcomes", "accruals", "draft_invoices"},
    "lines_tie_to_accruals": {"impression_outcomes", "accruals", "draft_invoices", "draft_invoice_lines"},
}
CHANGED = {"delivery_counts", "attributions", "accruals"}


@pytest.mark.parametrize(
    ("module", "step", "harm", "check"),
    [
        (upkeep, "delivery_counts", lose_a_count, "counts_add_up"),
        (attributing, "attribute", halve_the_credit, "credits_add_up"),
        (attributing, "attribute", forget_a_conversion, "one_status_each"),
        (judging, "judge_delivery", lose_an_outcome, "outcomes_add_up"),
        (upkeep, "draft", drop_the_accruals_of_a_contract, "lines_tie_to_accruals"),
    ],
)
def test_a_blocking_check_stops_the_publication_so_that_the_old_tables_stay(
    module: ModuleType,
    step: str,
    harm: Callable[[Any], Any],
    check: str,
    home: Home,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.run(home, OCT28)
    before = world.live(home)
    world.deliver(home, "impressions", OCT28, world.small_world()["impressions", OCT28][1:])
    later = world.purchase("buy-x", f"{OCT28}T21:00:00Z", "hh-28", "1.00")
    world.deliver(home, "conversions", OCT28, [*world.small_world()["conversions", OCT28], later])
    materialize(home, [intake], OCT28)
    taken = world.live(home)
    sound = getattr(module, step)
    monkeypatch.setattr(module, step, lambda *arguments, **named: harm(sound(*arguments, **named)))
    with pytest.raises(WarehouseError, match=f"the check {check} of"):
        bring_up_to_date(home)
    assert taken != before
    kept = {key: content for key, content in before.items() if key[0] in STOPPED[check]}
    assert kept
    assert {key: content for key, content in world.live(home).items() if key[0] in STOPPED[check]} == kept
    monkeypatch.undo()
    bring_up_to_date(home)
    assert all(world.live(home)[key] != content for key, content in kept.items() if key[0] in CHANGED)


def bring_up_to_date(home: Home) -> None:
    look = Upkeep(home)
    for _ in look.delivery():
        pass
    for _ in (*look.attributions(), *look.judgements()):
        pass
    for _ in look.rate_through(look.months()[-1]):
        pass


def test_the_job_that_closes_a_month_refuses_while_a_day_is_missing_and_issues_nothing(home: Home) -> None:
    world.run(home, *world.DAYS[:5])
    with pytest.raises(BooksError, match=r"delivery days that are not in: 2026-11-02"):
        materialize(home, [rate, issue], date(2026, 10, 1), {"ops": {"issue": {"config": {"issued_on": "2026-11-20"}}}})
    assert home.books.closed_months() == {}
    assert home.books.invoices(world.OCTOBER) == []


def test_a_month_is_not_closed_while_an_earlier_open_month_was_not_rated_as_things_are_now(home: Home) -> None:
    materialize(home, [intake, count_delivery], OCT28)
    materialize(home, [attribute], OCT28)
    not_rated = "2026-10 is open and its drafts are out of date"
    assert any(reason.startswith(not_rated) for reason in reasons_against_close(home, world.NOVEMBER, Upkeep(home)))
    materialize(home, [rate], date(2026, 10, 1))
    reasons = reasons_against_close(home, world.NOVEMBER, Upkeep(home))
    assert not any(reason.startswith(not_rated) for reason in reasons)
    assert any(reason.startswith("2026-10 is open and has documents to issue") for reason in reasons)


@pytest.fixture
def tick(home: Home) -> Iterator[Callable[..., tuple[list[str | None], str | None]]]:
    """Evaluates a schedule at an instant: the partitions that it asks for, or why it asks for none."""
    with dg.DagsterInstance.local_temp() as instance:

        def evaluated(schedule: dg.ScheduleDefinition, at: datetime) -> tuple[list[str | None], str | None]:
            with dg.build_schedule_context(
                instance=instance,
                scheduled_execution_time=at,
                resources={"home": HomeResource(path=str(home.root))},
                repository_def=defs.get_repository_def(),
            ) as context:
                told = schedule.evaluate_tick(context)
            return [request.partition_key for request in told.run_requests or []], told.skip_message

        yield evaluated


def test_the_night_asks_for_every_day_that_has_come_and_is_not_in(home: Home, tick: Callable[..., Any]) -> None:
    at = datetime(2026, 10, 31, 3, tzinfo=UTC)
    assert tick(every_night, at) == (["2026-10-28", "2026-10-29", "2026-10-30"], None)
    world.run(home, OCT29)
    assert tick(every_night, at) == (["2026-10-28", "2026-10-30"], None)
    world.run(home, OCT28, date(2026, 10, 30))
    assert tick(every_night, at) == ([], "every delivery day that has come is in")


def test_a_day_that_failed_is_asked_for_again_the_next_night(home: Home, tick: Callable[..., Any]) -> None:
    (home.landing / "impressions" / str(OCT28) / "part-0.csv").unlink()
    (home.landing / "impressions" / str(OCT28)).rmdir()
    for night in (29, 30):
        requests = tick(every_night, datetime(2026, 10, night, 3, tzinfo=UTC))[0]
        assert str(OCT28) in requests
        with pytest.raises(FeedError):
            materialize(home, [intake, count_delivery], OCT28)


def test_the_morning_asks_for_the_months_whose_drafts_are_out_of_date(home: Home, tick: Callable[..., Any]) -> None:
    at = datetime(2026, 10, 29, 5, tzinfo=UTC)
    assert tick(every_morning, at) == ([], "every month's drafts are up to date")
    materialize(home, [intake, count_delivery], OCT28)
    materialize(home, [attribute], OCT28)
    assert tick(every_morning, at) == (["2026-10-01"], None)
    materialize(home, [rate], date(2026, 10, 1))
    assert tick(every_morning, at) == ([], "every month's drafts are up to date")
    world.agree(home, world.PARTNER.replace("1000.00", "1100.00"))
    assert tick(every_morning, at) == (["2026-10-01"], None)
