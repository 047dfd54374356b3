"""A command killed at every rename, sync and removal that it makes, and run again: the home must be as if nothing had been.

    python benchmarks/crash_sweep.py [--commands run close adjust] [--points N] [--seed 1] [--jobs 2] [--work DIR]

Of each command all kill points are tried, or ``--points`` drawn by ``--seed``. A trial copies the home, kills the command by
``strace`` at its point, runs it again undisturbed and compares every file, folder and row of the books with those of a home in
which it was not disturbed (``tests/scenarios/kill_points.py``). Exit status 1 where anything differs. A work folder in memory
(``/dev/shm``) is quicker and finds the same, for a killed process loses nothing that it has written.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "scenarios")]

from kill_points import COMMANDS, Interrupted, Outcome, Sweep, have_strace  # noqa: E402
from rich.console import Console  # noqa: E402
from rich.table import Table  # noqa: E402
from small_world import DAYS, close, make_home, run  # noqa: E402

from contracts_io.home import Home  # noqa: E402


def main() -> None:
    """Sweep the commands and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    names = [command.name for command in COMMANDS]
    parser.add_argument("--commands", nargs="+", choices=names, default=names)
    parser.add_argument("--points", type=int, help="how many of each command; all by default")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--work", type=Path)
    asked = parser.parse_args()
    if not have_strace():
        sys.exit("strace is not here, or may not trace: install it (Debian: apt-get install strace)")
    work = Path(tempfile.mkdtemp(prefix="crash-sweep-", dir=asked.work))
    try:
        homes = _homes(work)
        table = Table("command", "kill points", "trials", "places it died at", "differences", "minutes")
        differences = 0
        for command in COMMANDS:
            if command.name in asked.commands:
                row, found = _swept(command, homes[command.is_on_closed_month], work / command.name, asked)
                table.add_row(*map(str, row))
                differences += found
        Console().print(table)
        sys.exit(1 if differences else 0)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _homes(work: Path) -> dict[bool, Home]:
    """The small world with every day in, and the same with its first month closed."""
    open_month = make_home(work / "open")
    run(open_month, *DAYS)
    closed_month = Home.open(Path(shutil.copytree(open_month.root, work / "closed")))
    close(closed_month)
    return {False: open_month, True: closed_month}


def _swept(command: Interrupted, source: Home, folder: Path, asked: argparse.Namespace) -> tuple[list[object], int]:
    begun = time.monotonic()
    sweep = Sweep(command, source, folder)
    points = list(sweep.points)
    random.Random(asked.seed).shuffle(points)
    points = points[: asked.points]
    died, differences = set(), 0
    with ThreadPoolExecutor(asked.jobs) as workers:

        def trial(number: int) -> Outcome:
            return sweep.killed_at(points[number], f"killed-{number}")

        for done, (point, outcome) in enumerate(zip(points, workers.map(trial, range(len(points))), strict=True), 1):
            died.add(outcome.died_at)
            differences += bool(outcome.differences)
            print(f"{command.name} {done}/{len(points)} {point}", *outcome.differences, sep="\n    ", flush=True)
    minutes = (time.monotonic() - begun) / 60
    return [command.name, len(sweep.points), len(points), len(died), differences, f"{minutes:.1f}"], differences


if __name__ == "__main__":
    main()
