"""Runs the jobs of ``assets.definitions`` in this process, on the Dagster instance that lives in the home.

The command line and the Dagster UI run the same assets and write the same history: the instance is ``<home>/dagster``.
"""

from __future__ import annotations

import errno
import gc
import importlib.util
import logging
import os
import sqlite3
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from typing import Any

from assets.failures import DaysFailedError
from contracts_io.calendar import ONE_DAY, format_instant
from contracts_io.errors import AdledgerError, HomeError, UsageError
from contracts_io.home import Home

INSTANCE_FOLDER = "dagster"
COMMAND_TAG = "adledger/command"
# Dagster's own, of a run for a range of partitions.
_RANGE_START_TAG = "dagster/asset_partition_range_start"
_RANGE_END_TAG = "dagster/asset_partition_range_end"
Progress = Callable[[str, int, int], None]
"""Told what is being done, how many steps of it are done, and how many there are."""
_DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EFBIG}
# The first eight bits of an extended code of SQLite's.
_DISK_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_PERM,
}
_INSTANCE_SETTINGS = """\
# The Dagster instance of this home: run history, schedules and sensors. Nothing here says how money is made.
telemetry: {enabled: false}
nux: {enabled: false}
storage: {custom: {module: assets.history, class: History, config: {base_dir: {env: DAGSTER_HOME}}}}
concurrency: {runs: {max_concurrent_runs: 1}}
run_monitoring: {enabled: true, max_runtime_seconds: 14400, free_slots_after_run_end_seconds: 60}
# What assets have to say is in their events; capturing their output would start two processes a step.
compute_logs: {module: dagster._core.storage.noop_compute_log_manager, class: NoOpComputeLogManager}
"""


def prepare_environment(home: Home) -> None:
    """Name this home to Dagster: ``ADLEDGER_HOME``, ``DAGSTER_HOME``, and the settings of its instance.

    HomeError where the home does not take them.
    """
    folder = (home.root / INSTANCE_FOLDER).resolve()
    settings = folder / "dagster.yaml"
    try:
        folder.mkdir(exist_ok=True)
        if not settings.exists():
            whole = folder / f".{settings.name}.{os.getpid()}"
            whole.write_text(_INSTANCE_SETTINGS, encoding="utf-8")
            whole.replace(settings)  # a process that dies here leaves no half of it
    except OSError as error:
        raise _not_written(home, error) from error
    os.environ["ADLEDGER_HOME"] = str(home.root.resolve())
    os.environ["DAGSTER_HOME"] = str(folder)
    os.environ.setdefault("DAGSTER_EVENT_BATCH_SIZE", "1000")


class Steps:
    """Progress of steps that are each told by the name of an asset: ``what`` they are called, and of how many."""

    def __init__(self, progress: Progress, steps: Mapping[str, tuple[str, int]]) -> None:
        self._progress = progress
        self._steps = steps
        self._done: Counter[str] = Counter()
        for what, of in steps.values():
            progress(what, 0, of)

    def __call__(self, asset: str) -> None:
        """Another day or month of ``asset`` is done."""
        if asset in self._steps:
            self._done[asset] += 1
            what, of = self._steps[asset]
            self._progress(what, min(self._done[asset], of), of)


class Orchestrator:
    """The jobs, ready to be run one after another; made by ``orchestrated``."""

    def __init__(self, instance: Any, definitions: Any) -> None:
        self._instance = instance
        self._definitions = definitions

    def run(
        self,
        job: str,
        first: date,
        config: Mapping[str, Any] | None = None,
        known_at: datetime | None = None,
        *,
        last: date | None = None,
        told: Callable[[str], None] | None = None,
    ) -> None:
        """Run ``job`` once for the partitions that begin on ``first`` to ``last``, or on ``first`` only.

        With ``known_at`` the contracts are those that were approved by then. ``told`` hears the name of an asset each time it
        is through with a partition. Raises the AdledgerError that stopped it; DaysFailedError where it went on without some days.
        """
        from assets.resources import KNOWN_AT_TAG  # noqa: PLC0415 - loads Dagster, which is loaded by now
        from assets.working import telling  # noqa: PLC0415

        resolved = self._definitions.resolve_job_def(job)
        for partition in (first, last or first):
            if not resolved.partitions_def.has_partition_key(str(partition)):
                raise UsageError(
                    f"{partition} lies outside the days and months that adledger works on",
                    remedy="days and months from 2010 on can be run, days up to today, months up to three ahead",
                )
        tags = {COMMAND_TAG: "yes"}
        if known_at:
            tags[KNOWN_AT_TAG] = format_instant(known_at)
        if last and last != first:
            tags |= {_RANGE_START_TAG: str(first), _RANGE_END_TAG: str(last)}
        try:
            with telling(told):
                resolved.execute_in_process(
                    partition_key=None if _RANGE_START_TAG in tags else str(first),
                    instance=self._instance,
                    run_config={**(config or {}), "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}},
                    tags=tags,
                    raise_on_error=True,
                )
        except Exception as error:
            if ours := _ours(error):
                raise ours from None
            raise

    def run_days(
        self, job: str, days: Sequence[date], known_at: datetime | None, told: Callable[[str], None]
    ) -> dict[date, AdledgerError]:
        """Run ``job`` for all ``days`` in their order, as in ``run``; gives the days that failed, each with its error."""
        failed: dict[date, AdledgerError] = {}
        for stretch in _stretches(days):
            try:
                self.run(job, stretch[0], known_at=known_at, last=stretch[-1], told=told)
            except DaysFailedError as error:
                failed |= error.errors
            except AdledgerError as error:
                failed |= dict.fromkeys(stretch, error)
        return failed


@contextmanager
def orchestrated(home: Home) -> Iterator[Orchestrator]:
    """The orchestrator of a home; runs that a killed command left behind are marked failed first.

    HomeError where the home does not take what Dagster writes.
    """
    prepare_environment(home)
    with _loading():
        import dagster as dg  # noqa: PLC0415 - 0.7 s that commands without a run do not spend

        logging.getLogger("dagster").setLevel(logging.CRITICAL)
        from assets import history  # noqa: F401, PLC0415 - which the instance loads by its name
        from assets.definitions import defs  # noqa: PLC0415 - reads the environment set above
        from assets.resources import lent  # noqa: PLC0415

    try:
        with lent(home), dg.DagsterInstance.get() as instance:
            under_way = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
            interrupted = dg.RunsFilter(statuses=under_way, tags={COMMAND_TAG: "yes"})
            for run in instance.get_runs(interrupted):
                instance.report_run_failed(run, "the process that ran it ended before it was done")
            yield Orchestrator(instance, defs)
    except AdledgerError:
        raise
    except Exception as error:
        for cause in _chain(error):
            if isinstance(cause, OSError) and cause.errno in _DISK_ERRNOS:
                raise _not_written(home, cause) from error
            if isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF in _DISK_CODES:
                raise _not_written(home, cause) from error
        raise


@contextmanager
def _loading() -> Iterator[None]:
    """Leave what is loaded in the block alone: modules stay, and to look for garbage among them takes a fifth of the time."""
    if "dagster" in sys.modules or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _not_written(home: Home, error: OSError | sqlite3.OperationalError) -> HomeError:
    return HomeError(
        f"the disk did not take it ({getattr(error, 'strerror', None) or error})",
        where=str(home.root),
        remedy="free space or mend the rights, then run the same command again; what is done already stays done",
    )


def serve_ui(home: Home, host: str, port: int) -> None:
    """Become the Dagster UI and daemon on this home; does not return. HomeError where the UI is not installed."""
    if importlib.util.find_spec("dagster_webserver") is None:
        raise HomeError("the Dagster UI is not installed", remedy="pip install 'adledger[ui]', or `make setup`")
    prepare_environment(home)
    if days := sorted([*home.days_delivered(), *home.days_run()]):
        earliest = days[0] - timedelta(days=home.settings.horizon_days + 1)  # a local date may lie in the month before
        os.environ["ADLEDGER_FIRST_DAY"] = str(earliest.replace(day=1))
    place = ["--host", host, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "dagster", "dev", "-m", "assets.definitions", *place])


def _stretches(days: Sequence[date]) -> list[list[date]]:
    """The days in their order, parted where one does not follow the day before it or begins a month.

    One run of the orchestrator takes a stretch; what a process that is killed does not record of it is a month at most.
    """
    stretches: list[list[date]] = []
    for day in days:
        if stretches and day == stretches[-1][-1] + ONE_DAY and day.day != 1:
            stretches[-1].append(day)
        else:
            stretches.append([day])
    return stretches


def _ours(error: BaseException) -> AdledgerError | None:
    """The AdledgerError that an exception is or was caused by."""
    return next((cause for cause in _chain(error) if isinstance(cause, AdledgerError)), None)


def _chain(error: BaseException) -> list[BaseException]:
    """An exception and what it was caused by."""
    chain: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in chain:  # contexts may go round in a circle
        chain.append(current)
        current = current.__cause__ or current.__context__
    return chain
