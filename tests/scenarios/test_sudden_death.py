"""A process may be killed at any moment, and two may run at once: what is published is whole, and nothing doubles.

The verbs run in processes of their own. ``ADLEDGER_TEST_KILLS`` is the number of kills over this module, 6 by default; the
moments are drawn from ``ADLEDGER_TEST_SEED``, 1 by default.
"""

from __future__ import annotations

import fcntl
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from small_world import (
    DAYS,
    ISSUED_ON,
    OCTOBER,
    TOOK,
    catalogue_rows,
    close,
    deliver,
    exported,
    live_rows,
    make_home,
    run,
    small_world,
    warehouse_files,
)

from contracts_io.home import Home
from contracts_io.store.issuing import Issuing
from services import billing
from services.orchestrator import INSTANCE_FOLDER, prepare_environment

KILLS = int(os.environ.get("ADLEDGER_TEST_KILLS", "6"))
SEED = int(os.environ.get("ADLEDGER_TEST_SEED", "1"))
REPOSITORY = Path(__file__).parents[2]

_RUN = """
import sys
from datetime import date
from pathlib import Path
from contracts_io.home import Home
from services import billing
import assets.definitions
print("begun", flush=True)
failed = billing.run(Home.open(Path(sys.argv[1])), [date.fromisoformat(day) for day in sys.argv[2:]]).failed
sys.exit("".join(str(error) for error in failed.values()) or 0)
"""
_CLOSE = """
import sys
from datetime import date
from pathlib import Path
from contracts_io.calendar import Month
from contracts_io.errors import BooksError
from contracts_io.home import Home
from services import billing
import assets.definitions
print("begun", flush=True)
try:
    billing.close(Home.open(Path(sys.argv[1])), Month.parse(sys.argv[2]), date.fromisoformat(sys.argv[3]))
except BooksError as error:
    sys.exit(str(error))
"""
_ADJUST = """
import sys
from datetime import date
from pathlib import Path
from contracts_io.calendar import Month
from contracts_io.home import Home
from services import billing
import assets.definitions
print("begun", flush=True)
billing.adjust(Home.open(Path(sys.argv[1])), Month.parse(sys.argv[2]), date.fromisoformat(sys.argv[3]))
"""


def started(program: str, home: Home, *arguments: object) -> subprocess.Popen[str]:
    """A process that has loaded its libraries and begins its verb now."""
    command = [sys.executable, "-c", program, str(home.root), *map(str, arguments)]
    environment = {**os.environ, "ADLEDGER_HOME": str(home.root), "DAGSTER_HOME": ""}
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    begun = process.stdout.readline()
    assert begun == "begun\n", process.communicate()[1]
    return process


def killed(process: subprocess.Popen[str], after: float) -> bool:
    """Kill a process ``after`` seconds; False where it was done before."""
    try:
        process.communicate(timeout=after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    return process.returncode == -9


def at_work(process: subprocess.Popen[str], home: Home) -> subprocess.Popen[str]:
    """The process, once it holds the home's lock."""
    with (home.root / "warehouse" / ".lock").open("w") as lock:
        while process.poll() is None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return process
            fcntl.flock(lock, fcntl.LOCK_UN)
            time.sleep(0.01)
    raise AssertionError(process.communicate()[1])


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Exit status and standard error of a process that is left alone."""
    _, errors = process.communicate(timeout=300)
    return process.returncode, errors


def assert_same(home: Home, other: Home, folder: Path) -> None:
    """The two homes hold the same tables, live files and documents, and no file that nobody lists."""
    assert exported(home, folder / "one") == exported(other, folder / "other")
    assert live_rows(home) == live_rows(other)
    assert warehouse_files(home).keys() == warehouse_files(other).keys()
    live_paths = {row.path for row in catalogue_rows(home)}
    assert warehouse_files(home).keys() == live_paths


def test_runs_killed_at_any_moment_leave_nothing_that_one_clean_run_does_not_mend(undisturbed: Home, tmp_path: Path) -> None:
    moments = random.Random(SEED)
    home = make_home(tmp_path / "home")
    took = float((undisturbed.root / TOOK).read_text())
    died = [killed(started(_RUN, home, *DAYS), after=moments.uniform(0, took * 0.8)) for _ in range((KILLS + 1) // 2)]
    assert any(died)
    assert ended(started(_RUN, home, *DAYS)) == (0, "")
    assert_same(home, undisturbed, tmp_path)
    prepare_environment(home)
    with dg.DagsterInstance.get() as instance:
        shown = {run.status for run in instance.get_runs()}
    assert shown == {dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE}


def test_closes_killed_at_any_moment_issue_each_document_once_and_without_a_gap(
    undisturbed: Home, closed: Home, copy_of: Callable[[Home], Home], tmp_path: Path
) -> None:
    moments = random.Random(SEED + 1)
    home = copy_of(undisturbed)
    for _ in range(KILLS // 2):
        killed(started(_CLOSE, home, OCTOBER, ISSUED_ON), after=moments.uniform(0, 0.9))
    if OCTOBER not in home.books.closed_months():
        assert ended(started(_CLOSE, home, OCTOBER, ISSUED_ON)) == (0, "")
    assert_same(home, closed, tmp_path)
    status, errors = ended(started(_CLOSE, home, OCTOBER, ISSUED_ON))
    assert status == 1
    assert "2026-10 was closed on 2026-11-20" in errors


@pytest.fixture
def on_each_database(database_url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    if database_url:
        monkeypatch.setenv("ADLEDGER_DATABASE_URL", database_url)


@pytest.mark.usefixtures("on_each_database")
def test_two_processes_at_once_double_nothing(closed: Home, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home")
    both = [started(_RUN, home, *DAYS[:4]), started(_RUN, home, *DAYS[:2:-1])]
    assert [ended(process) for process in both] == [(0, ""), (0, "")]
    both = [started(_RUN, home, DAYS[2]), started(_RUN, home, DAYS[2])]
    assert [ended(process) for process in both] == [(0, ""), (0, "")]
    both = [started(_CLOSE, home, OCTOBER, ISSUED_ON), started(_CLOSE, home, OCTOBER, ISSUED_ON)]
    outcomes = sorted(ended(process) for process in both)
    assert outcomes[0] == (0, "")
    assert outcomes[1][0] == 1
    assert "2026-10 was closed on 2026-11-20" in outcomes[1][1]
    assert_same(home, closed, tmp_path)


@pytest.mark.usefixtures("on_each_database")
def test_a_close_during_a_backfill_and_an_adjustment_during_a_run_wait_and_find_all_of_it(
    closed: Home, copy_of: Callable[[Home], Home], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = make_home(tmp_path / "home")
    backfill = at_work(started(_RUN, home, *DAYS), home)
    closing = started(_CLOSE, home, OCTOBER, ISSUED_ON)
    assert (ended(backfill), ended(closing)) == ((0, ""), (0, ""))
    assert_same(home, closed, tmp_path / "closed")
    again = at_work(started(_RUN, _two_impressions_less(home), DAYS[1]), home)
    adjusting = started(_ADJUST, home, OCTOBER, ISSUED_ON)
    assert (ended(again), ended(adjusting)) == ((0, ""), (0, ""))
    monkeypatch.delenv("ADLEDGER_DATABASE_URL", raising=False)
    one_by_one = _two_impressions_less(copy_of(closed))
    run(one_by_one, DAYS[1])
    assert billing.adjust(one_by_one, OCTOBER, ISSUED_ON) == ["CN-2026-000001"]
    theirs = exported(one_by_one, tmp_path / "one-by-one")
    assert exported(home, tmp_path / "during") == theirs


def _two_impressions_less(home: Home) -> Home:
    deliver(home, "impressions", DAYS[1], small_world()["impressions", DAYS[1]][2:])
    return home


@pytest.mark.parametrize("call", [1, 2])
def test_a_close_that_fails_half_way_gives_its_numbers_back_and_leaves_the_month_open(
    call: int,
    undisturbed: Home,
    closed: Home,
    copy_of: Callable[[Home], Home],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = copy_of(undisturbed)
    issue, calls = Issuing.issue, []

    def fails_at(self: Issuing, *document: object) -> None:
        issue(self, *document)  # type: ignore[arg-type]
        calls.append(document)
        if len(calls) == call:
            raise OSError("the disk is full")

    monkeypatch.setattr(Issuing, "issue", fails_at)
    with pytest.raises(OSError, match="the disk is full"):
        close(home)
    assert home.books.closed_months() == {}
    issued = [*home.books.invoices(OCTOBER), *home.books.payouts(OCTOBER), *home.books.journal(OCTOBER)]
    assert issued == []
    monkeypatch.undo()
    close(home)
    assert [invoice.number for invoice, _ in home.books.invoices(OCTOBER)] == ["INV-2026-000001"]
    assert [payout.number for payout, _ in home.books.payouts(OCTOBER)] == ["PAY-2026-000001"]
    assert_same(home, closed, tmp_path)


def test_a_process_that_dies_while_it_writes_the_settings_of_its_instance_leaves_no_half_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.create(tmp_path / "home")

    def dies_half_way(path: Path, text: str, encoding: str) -> None:
        path.write_bytes(text.encode(encoding)[:100])
        raise KeyboardInterrupt

    with monkeypatch.context() as harmed, pytest.raises(KeyboardInterrupt):
        harmed.setattr(Path, "write_text", dies_half_way)
        prepare_environment(home)
    prepare_environment(home)
    settings = (home.root / INSTANCE_FOLDER / "dagster.yaml").read_text(encoding="utf-8")
    assert "telemetry: {enabled: false}" in settings
    assert settings.endswith("}\n")
