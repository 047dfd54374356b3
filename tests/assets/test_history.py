"""What Dagster keeps of a home: written by one process, read by another, made whole or not at all."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import dagster as dg
import pytest

from assets import history
from contracts_io.home import Home
from services.orchestrator import INSTANCE_FOLDER, prepare_environment

DAY = "2026-10-28"


@dg.asset(
    partitions_def=dg.DailyPartitionsDefinition("2026-10-01"), check_specs=[dg.AssetCheckSpec("sound", asset="counted")]
)
def counted() -> dg.MaterializeResult:  # type: ignore[type-arg]  # Dagster knows it without arguments only
    """An asset of one day with a check."""
    return dg.MaterializeResult(metadata={"rows": 3}, check_results=[dg.AssetCheckResult(check_name="sound", passed=True)])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = Home.create(tmp_path / "home")
    prepare_environment(home)
    return home.root / INSTANCE_FOLDER


@pytest.mark.usefixtures("folder")
def test_what_one_instance_records_another_reads_while_both_are_open() -> None:
    with dg.DagsterInstance.get() as writing, dg.DagsterInstance.get() as reading:
        assert reading.get_runs() == []
        done = dg.materialize([counted], partition_key=DAY, instance=writing)
        assert [(run.run_id, run.status) for run in reading.get_runs()] == [(done.run_id, dg.DagsterRunStatus.SUCCESS)]
        (record,) = reading.fetch_materializations(dg.AssetKey("counted"), limit=10).records
        assert record.asset_materialization is not None
        assert (record.partition_key, record.asset_materialization.metadata["rows"].value) == (DAY, 3)
        assert reading.get_materialized_partitions(dg.AssetKey("counted")) == {DAY}
        answers = reading.get_records_for_run(done.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
        assert len(answers) == 1


@pytest.mark.usefixtures("folder")
def test_an_event_that_cannot_be_stored_whole_leaves_nothing_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_arguments: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with dg.DagsterInstance.get() as instance:
        event = dg.AssetMaterialization("counted", partition=DAY)
        with monkeypatch.context() as patch:
            patch.setattr(type(instance.event_log_storage), "_store_asset_event", fails)
            with pytest.raises(sqlite3.OperationalError):
                instance.report_runless_asset_event(event)
        assert instance.fetch_materializations(dg.AssetKey("counted"), limit=10).records == []
        instance.report_runless_asset_event(event)
        assert len(instance.fetch_materializations(dg.AssetKey("counted"), limit=10).records) == 1


def test_a_database_that_was_not_made_to_its_end_is_not_there(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies_half_way(apart: str) -> None:
        Path(apart, "event_log.db").write_bytes(b"half of it")
        raise OSError("killed")

    with monkeypatch.context() as patch:
        patch.setitem(history._DATABASES, "event_log", dies_half_way)
        with pytest.raises(OSError, match="killed"):
            history.History(str(folder))
    assert [path.name for path in (folder / "history").iterdir()] == ["runs.db"]
    with dg.DagsterInstance.get() as instance:
        assert instance.get_runs() == []
