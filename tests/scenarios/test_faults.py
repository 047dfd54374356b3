"""The disk, the database and the files fail: one clear message, nothing half done, and after repair the undisturbed result."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import adledger
from small_world import (
    DAYS,
    ISSUED_ON,
    OCTOBER,
    close,
    exported,
    live_rows,
    make_home,
    run,
    warehouse_files,
)

from contracts_io.errors import WarehouseError
from contracts_io.home import Home
from contracts_io.store.issuing import Issuing
from services import cli

BACKFILL = ("backfill", DAYS[0], DAYS[-1])
CLOSE = ("close", OCTOBER, "--on", ISSUED_ON)


class Mounts:
    """Mounts below a test's folder, taken away when it ends."""

    def __init__(self) -> None:
        self._places: list[Path] = []

    def add(self, *options: str, what: str, place: Path) -> None:
        done = subprocess.run(["mount", *options, what, str(place)], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"nothing may be mounted here: {done.stderr.strip()}")
        self._places.append(place)

    def change(self, place: Path, options: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{options}", str(place)], check=True)

    def remove(self) -> None:
        for place in reversed(self._places):
            subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.fixture
def mounts() -> Iterator[Mounts]:
    if shutil.which("mount") is None:
        pytest.skip("mount is not installed")
    made = Mounts()
    yield made
    made.remove()


def assert_refused(home: Home, *words: object, said: str) -> None:
    """The command ends with one message for people, and says ``said``."""
    refused = adledger(home.root, *words, expect=1).stderr
    assert refused.count("error: ") == 1
    assert "a defect in adledger" not in refused
    assert said in refused
    assert "\n  -> " in refused


def assert_same(home: Home, other: Home, folder: Path) -> None:
    assert exported(home, folder / "one") == exported(other, folder / "other")
    assert live_rows(home) == live_rows(other)
    assert warehouse_files(home) == warehouse_files(other)


def test_a_warehouse_that_is_full_stops_a_backfill_which_goes_on_when_there_is_room(
    undisturbed: Home, mounts: Mounts, tmp_path: Path
) -> None:
    home = make_home(tmp_path / "home")
    warehouse = home.root / "warehouse"
    mounts.add("-t", "tmpfs", "-o", "size=1m", what="tmpfs", place=warehouse)
    ballast = warehouse / "ballast"
    ballast.write_bytes(bytes(750_000))
    assert_refused(home, *BACKFILL, said="the disk did not take it (No space left on device)")
    assert_refused(home, *CLOSE, said="-> ")
    ballast.unlink()
    adledger(home.root, *BACKFILL)
    assert_same(home, undisturbed, tmp_path)


def test_a_home_that_is_full_stops_a_close_which_is_as_if_undisturbed_when_there_is_room(
    undisturbed: Home, closed: Home, mounts: Mounts, tmp_path: Path
) -> None:
    place = tmp_path / "home"
    place.mkdir()
    mounts.add("-t", "tmpfs", "-o", "size=100m", what="tmpfs", place=place)
    shutil.copytree(undisturbed.root, place, dirs_exist_ok=True)
    home = Home.open(place)
    for spare in (0, 40, 160):
        used = shutil.disk_usage(place).used // 1024
        mounts.change(place, f"size={used + spare}k")
        assert_refused(home, *CLOSE, said="the disk did not take it")
        assert home.books.closed_months() == {}
        assert home.books.invoices(OCTOBER) == []
    mounts.change(place, "size=100m")
    adledger(place, *CLOSE)
    assert_same(home, closed, tmp_path)


def test_a_home_that_is_read_only_is_read_and_says_that_nothing_can_be_written(
    undisturbed: Home, copy_of: Callable[[Home], Home], mounts: Mounts
) -> None:
    home = copy_of(undisturbed)
    before = warehouse_files(home)
    mounts.add("--bind", what=str(home.root), place=home.root)
    mounts.change(home.root, "bind,ro")
    for words in (("run", DAYS[2]), BACKFILL, CLOSE, ("export", OCTOBER, "--draft", "--to", home.root / "out")):
        assert_refused(home, *words, said="nothing can be written here (Read-only file system)")
    assert "2026-10" in adledger(home.root, "status").stdout
    assert "all is as it was written" in adledger(home.root, "verify").stdout
    assert warehouse_files(home) == before


def _bit_changed(path: Path) -> bytes:
    content = path.read_bytes()
    changed = bytearray(content)
    changed[len(changed) // 3] ^= 1
    path.write_bytes(changed)
    return content


def test_a_changed_bit_is_named_by_verify_stops_a_close_and_is_gone_with_the_backup(
    undisturbed: Home, closed: Home, copy_of: Callable[[Home], Home], tmp_path: Path
) -> None:
    home = copy_of(undisturbed)
    (judged,) = (home.root / "warehouse" / "judged_impressions" / str(DAYS[1])).glob("*.parquet")
    backup = _bit_changed(judged)
    said = f"{judged.relative_to(home.root)} is not what was written: restore it from a backup"
    assert_refused(home, "verify", said=said)
    assert_refused(home, *CLOSE, said=f"{judged.name}: the file of a partition is not what was written")
    assert home.books.closed_months() == {}
    judged.write_bytes(backup)
    adledger(home.root, "verify")
    adledger(home.root, *CLOSE)
    assert_same(home, closed, tmp_path)


def test_a_changed_bit_in_rows_that_were_taken_in_is_mended_by_running_their_day_again(
    undisturbed: Home, copy_of: Callable[[Home], Home], tmp_path: Path
) -> None:
    home = copy_of(undisturbed)
    (accepted,) = (home.root / "warehouse" / "impressions" / str(DAYS[1])).glob("*.parquet")
    _bit_changed(accepted)
    assert_refused(home, "verify", said=f"run `adledger run {DAYS[1]}`")
    with pytest.raises(WarehouseError, match="is not what was written"):
        run(home, DAYS[3])  # which looks for ids that were there before
    run(home, DAYS[1])
    adledger(home.root, "verify")
    assert_same(home, undisturbed, tmp_path)


class Cluster:
    """A PostgreSQL of one test: started, stopped as by a power cut, and started again."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder = folder
        self._binaries = binaries
        # initdb refuses to run as root: there, the user postgres runs it, whom Debian's package brings.
        as_root = os.geteuid() == 0
        self._as = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"] if as_root else []
        if as_root:
            shutil.chown(folder, "postgres")
        self._do("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://postgres@/postgres?host={self._folder}"

    def start(self) -> None:
        settings = f"-c listen_addresses='' -c unix_socket_directories='{self._folder}'"
        self._do("pg_ctl", "-l", str(self._folder / "log"), "-w", "-o", settings, "start")

    def stop(self) -> None:
        self._do("pg_ctl", "-m", "immediate", "stop")

    def _do(self, program: str, *options: str) -> None:
        command = [*self._as, str(self._binaries / program), "-D", str(self._folder / "data"), *options]
        subprocess.run(command, cwd=self._folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("the programs of PostgreSQL are not here")
    if os.geteuid() == 0 and subprocess.run(["id", "postgres"], capture_output=True, check=False).returncode:
        pytest.skip("there is no user postgres to run PostgreSQL as")
    # Not below the test's folder, which only its user may enter and whose path is too long for a socket.
    folder = Path(subprocess.run(["mktemp", "-d"], capture_output=True, text=True, check=True).stdout.strip())
    made = Cluster(folder, found[-1].parent)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


def test_a_postgresql_that_stops_in_the_middle_of_a_close_has_issued_nothing_when_it_is_back(
    cluster: Cluster,
    closed_tables: dict[str, bytes],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("ADLEDGER_DATABASE_URL", cluster.url)
    root = make_home(tmp_path / "home").root
    run(Home.open(root), *DAYS)
    monkeypatch.setattr(sys, "argv", ["adledger", *map(str, CLOSE), "--home", str(root)])
    issue = Issuing.issue
    for document in (1, 2):  # the invoice and its entry are in the transaction, then the payout statement and its entry, too
        calls: list[object] = []

        def stops_at(self: Issuing, *issued: object, document: int = document, calls: list[object] = calls) -> None:
            calls.append(issued)
            issue(self, *issued)  # type: ignore[arg-type]
            if len(calls) == document:
                cluster.stop()

        monkeypatch.setattr(Issuing, "issue", stops_at)
        assert "the books did not take it" in _refusal(capsys)
        monkeypatch.setattr(Issuing, "issue", issue)
        assert "the books cannot be opened" in _refusal(capsys)
        cluster.start()
        books = Home.open(root).books
        assert books.closed_months() == {}
        assert [*books.invoices(OCTOBER), *books.payouts(OCTOBER), *books.journal(OCTOBER)] == []
    home = Home.open(root)
    close(home)
    assert exported(home, tmp_path / "tables") == closed_tables


def _refusal(capsys: pytest.CaptureFixture[str]) -> str:
    """What the command in ``sys.argv`` says, which ends with exit status 1 and one message for people."""
    with pytest.raises(SystemExit) as ended:
        cli.answer()
    said = capsys.readouterr().err
    assert ended.value.code == 1
    assert said.count("error: ") == 1
    assert "\n  -> " in said
    assert "a defect in adledger" not in said
    assert "Traceback" not in said
    return said


_EVERYTHING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from small_world import DAYS, close, make_home, run
home = make_home(Path(sys.argv[1]))
run(home, *DAYS)
close(home)
"""


def test_tables_depend_on_no_zone_locale_hash_order_or_number_of_threads(closed: Home, tmp_path: Path) -> None:
    surroundings = [
        {"TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "1", "POLARS_MAX_THREADS": "1"},
        {"TZ": "America/New_York", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "2", "POLARS_MAX_THREADS": "2"},
    ]
    started = []
    for number, variables in enumerate(surroundings):
        root = tmp_path / f"home-{number}"
        command = [sys.executable, "-c", _EVERYTHING, str(root), str(Path(__file__).parent)]
        environment = {**os.environ, **variables, "ADLEDGER_HOME": str(root), "DAGSTER_HOME": ""}
        cwd = Path(__file__).parents[2]
        started.append((root, subprocess.Popen(command, cwd=cwd, env=environment, stderr=subprocess.PIPE, text=True)))
    for root, process in started:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
        home = Home.open(root)
        assert warehouse_files(home) == warehouse_files(closed)
        assert live_rows(home) == live_rows(closed)
        assert exported(home, root / "tables") == exported(closed, root / "theirs")
