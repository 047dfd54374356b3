"""What the log says of a run that failed, whoever launched it."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from scenarios import small_world as world

from assets.attribution import count_delivery
from assets.automation import tell_of_failure
from assets.definitions import defs
from assets.resources import HomeResource
from assets.taking_in import intake

NEVER_DELIVERED = "2026-11-20"


def told_of(run: dg.ExecuteInProcessResult, instance: dg.DagsterInstance, capture: pytest.CaptureFixture[str]) -> str:
    failure = next(event for event in run.all_events if event.event_type == dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name="tell_of_failure",
        dagster_event=failure,
        dagster_instance=instance,
        dagster_run=run.dagster_run,
    ).for_run_failure()
    capture.readouterr()
    tell_of_failure(context)
    return capture.readouterr().err


@pytest.mark.parametrize("job", ["nightly", None])
def test_a_failed_run_is_told_with_its_day_and_what_its_error_says(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], job: str | None
) -> None:
    home = world.make_home(tmp_path / "home")
    resources = {"home": HomeResource(path=str(home.root))}
    with dg.instance_for_test() as instance:
        if job:
            run = (
                dg.Definitions(assets=[intake, count_delivery], jobs=[dg.define_asset_job(job)], resources=resources)
                .resolve_job_def(job)
                .execute_in_process(partition_key=NEVER_DELIVERED, instance=instance, raise_on_error=False)
            )
        else:  # as "Materialize" of chosen assets does
            run = dg.materialize(
                [intake, count_delivery],
                partition_key=NEVER_DELIVERED,
                resources=resources,
                instance=instance,
                raise_on_error=False,
            )
        told = told_of(run, instance, capsys)
    assert f"ERROR - {run.dagster_run.job_name} {NEVER_DELIVERED} failed: " in told
    assert f"the impressions of {NEVER_DELIVERED} have not been delivered: this folder is awaited" in told


def test_no_job_is_named_so_that_runs_without_one_are_told_too() -> None:
    (sensor,) = defs.get_repository_def().sensor_defs
    assert not vars(sensor)["_monitored_jobs"]  # Dagster shows it nowhere else
