"""A command that ``strace`` kills at one system call, and the home that is left: what must not matter.

A kill point is the N-th rename, sync or removal of one kind that the command's main thread makes; the process dies before the
call is made. Dagster's own folder, ``dagster/``, is history of runs and no part of what is compared.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa
from small_world import (
    ADVERTISER,
    APPROVED_AT,
    DAYS,
    ISSUED_ON,
    OCTOBER,
    agree,
    deliver,
    impression,
    purchase,
    small_world,
)

from contracts_io.home import Home
from services.orchestrator import INSTANCE_FOLDER

REPOSITORY = Path(__file__).parents[2]
CALLS = "rename,renameat,renameat2,fsync,fdatasync,unlink,unlinkat"
SECONDS = 300
AMENDED = ADVERTISER.replace("starts_on: 2026-10-01", "starts_on: 2026-10-01\neffective_from: 2026-10-29").replace(
    '"2000.00"', '"2500.00"'
)

_COMMAND = """
import sys
import assets.definitions, services.billing, services.comparison, services.reports
from services.cli import main
print("begun", flush=True)
sys.stdin.readline()
sys.argv = ["adledger", *sys.argv[1:]]
main()
"""
_TRACED = re.compile(r"(?P<thread>\d+) +(?P<call>\w+)\((?P<arguments>.*)")


class Point(NamedTuple):
    """The ``nth`` call of a kind, and what it is about, told by the folder below the home or the name of a file."""

    call: str
    nth: int
    about: str


class Outcome(NamedTuple):
    """Where a command died (None: it was done before), and what came of the next plain one."""

    died_at: Point | None
    differences: list[str]


class Interrupted(NamedTuple):
    """A command that is killed, and how its home is made ready for it from one in which every day is in."""

    name: str
    words: list[str]
    is_on_closed_month: bool
    make_ready: Callable[[Home], None]
    once_done: str | None
    """What the command says, with exit status 1, of a home in which it was done."""


def _deliver_again(home: Home) -> None:
    """A day in the middle with another order, an impression less and one of tomorrow's: later days are settled again."""
    day, after = DAYS[2], DAYS[3]
    rows = small_world()
    kept = rows["impressions", day][1:]
    deliver(home, "impressions", day, [*kept, impression("imp-31-2", f"{after}T08:10:00Z", country="US", device_type="ctv")])
    bought = purchase("order-0", f"{DAYS[1]}T09:00:00Z", "hh-28", "90.00", "o-1")
    deliver(home, "conversions", day, [*rows["conversions", day], bought])


def _amend(home: Home) -> None:
    agree(home, AMENDED, at=APPROVED_AT + timedelta(days=40))


_ISSUED = ["--on", str(ISSUED_ON)]
COMMANDS = (
    Interrupted("run", ["run", str(DAYS[2])], False, _deliver_again, None),
    Interrupted("close", ["close", str(OCTOBER), *_ISSUED], False, _amend, f"{OCTOBER} was closed on {ISSUED_ON}"),
    Interrupted("adjust", ["adjust", str(OCTOBER), *_ISSUED], True, _amend, None),
)


def have_strace() -> bool:
    """Whether ``strace`` is here and may trace."""
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True, check=False).returncode == 0


class Sweep:
    """One command on one home, made ready in ``folder``: undisturbed once, then killed and run again at any point."""

    def __init__(self, interrupted: Interrupted, source: Home, folder: Path) -> None:
        self.interrupted = interrupted
        self._folder = folder
        self._ready = folder / "ready"
        shutil.copytree(source.root, self._ready)
        interrupted.make_ready(Home.open(self._ready))
        home, trace = self._copied("undisturbed"), folder / "undisturbed.trace"
        self._run(home, ["-y", "-o", str(trace)])
        self.points = _points(trace, home)
        self.whole = state(home)

    def killed_at(self, point: Point, name: str = "killed") -> Outcome:
        """Kill the command at a point, run it again undisturbed, and tell what is not as it should be."""
        home, trace = self._copied(name), self._folder / f"{name}.trace"
        inject = ["-e", f"inject={point.call}:signal=SIGKILL:when={point.nth}"]
        was_killed = self._run(home, ["-y", "-o", str(trace), *inject]) == -9
        died_at = (_points(trace, home) or [None])[-1] if was_killed else None
        differences = [] if was_killed else ["it was not killed"]
        status, said = self._plain_run(home)
        once_done = self.interrupted.once_done
        if status != 0 and not (status == 1 and once_done and once_done in said):
            differences.append(f"exit {status}: {said}")
        differences += _differences(self.whole, state(home))
        shutil.rmtree(home)
        return Outcome(died_at, differences)

    def _copied(self, name: str) -> Path:
        return Path(shutil.copytree(self._ready, self._folder / name))

    def _begun(self, home: Path) -> subprocess.Popen[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("ADLEDGER_", "DAGSTER_"))}
        process = subprocess.Popen(
            [sys.executable, "-c", _COMMAND, *self.interrupted.words, "--home", str(home)],
            cwd=REPOSITORY,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n", process.communicate()[1]
        return process

    def _run(self, home: Path, options: list[str]) -> int:
        """Run under strace, which is there from the moment on that the libraries are loaded; gives the exit status."""
        process = self._begun(home)
        tracer = subprocess.Popen(
            ["strace", "-f", "-e", f"trace={CALLS}", *options, "-p", str(process.pid)], stderr=subprocess.PIPE, text=True
        )
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert "attached" in attached, attached
        process.communicate("go\n", timeout=SECONDS)
        tracer.communicate(timeout=SECONDS)
        return process.returncode

    def _plain_run(self, home: Path) -> tuple[int, str]:
        process = self._begun(home)
        _, said = process.communicate("go\n", timeout=SECONDS)
        return process.returncode, said


def _points(trace: Path, home: Path) -> list[Point]:
    """The calls of the main thread on the home, in their order; those of the orchestrator's folder only count."""
    points: list[Point] = []
    counted: Counter[str] = Counter()
    main = None
    for line in trace.read_text(encoding="utf-8", errors="replace").splitlines():
        if (traced := _TRACED.match(line)) is None or traced["call"] not in CALLS.split(","):
            continue
        main = main or traced["thread"]
        if traced["thread"] != main:
            continue
        counted[traced["call"]] += 1
        if (about := re.search(re.escape(str(home)) + r"(?:/([^>\"]*))?[>\"]", traced["arguments"])) is None:
            continue
        place = "/".join((about[1] or "the home").split("/")[:2])
        if not place.startswith(INSTANCE_FOLDER):
            points.append(Point(traced["call"], counted[traced["call"]], place))
    return points


def state(home: Path) -> dict[str, Any]:
    """Every file of a home with the hash of its content, every folder, and every row of its books."""
    found: dict[str, Any] = {}
    for path in sorted(home.rglob("*")):
        name = path.relative_to(home)
        if name.parts[0] == INSTANCE_FOLDER or path.name == "books.db":
            continue
        found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    engine = sa.create_engine(f"sqlite:///{home / 'books.db'}")
    with engine.connect() as connection:
        for table in sa.inspect(connection).get_table_names():
            rows = connection.exec_driver_sql(f'SELECT rowid, * FROM "{table}" ORDER BY rowid').all()
            found |= {f"books.db {table} {row[0]}": tuple(row) for row in rows}
    engine.dispose()
    return found


def _differences(whole: dict[str, Any], found: dict[str, Any]) -> list[str]:
    """What is other than in the undisturbed home, one line each."""
    return [
        f"{name}: {whole.get(name, 'nothing')} became {found.get(name, 'nothing')}"
        for name in sorted({*whole, *found})
        if whole.get(name) != found.get(name)
    ]
