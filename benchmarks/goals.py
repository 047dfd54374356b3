"""What the product promises besides its ratios to plain SQL, each measured and held against its bound.

    python benchmarks/goals.py [TASK...] [--size small | issue] [--repeat 3] [--work DIR] [--json FILE]

    memory      the last day as ``night.py`` runs it, and the same under a limit on the memory of its process, with files and row
                groups of the usual size and of ten times that; the tables must be the same either way, hash by hash
    empty       a day on which nothing was delivered
    amendment   rating a month and drafting its documents again after a contract was amended, for several numbers of impressions
    backfill    many days, beside the same functions called in a loop without Dagster; the tables must be the same
    startup     ``adledger --help`` and ``adledger status``

All but the last measure processes of ``product.py``, the loading of libraries included. Exit status 1 where a bound is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import Figures, Measurement, measured, medians, must, script, within
from rich.console import Console
from shown import goal_table, on_screen
from workplace import FIRST, PRODUCT, ROW_GROUP_ROWS, ROWS_PER_FILE, Size, Workplace, folder, product

MONTH = f"{FIRST:%Y-%m}"
LARGER = 10
AMENDED = "adv-0"
"""The advertiser with the most impressions."""


@dataclass(frozen=True)
class Sizes:
    """How large the tasks are: a night, the impressions of a month that is rated again and of a day of a backfill; days."""

    night: Size
    months: tuple[int, ...]
    day: int
    days: int


SIZES = {
    "small": Sizes(Size(rows=600_000, days=3, last_day_rows=400_000), (100_000, 1_000_000), 20_000, 5),
    "issue": Sizes(
        Size(rows=120_000_000, days=32, last_day_rows=20_000_000), (1_000_000, 10_000_000, 100_000_000), 300_000, 31
    ),
}


@dataclass(frozen=True)
class Asked:
    """What a task is called with: where it works, how large it is, how many turns it takes, the limit of ``memory``."""

    work: Path
    sizes: Sizes
    repeat: int
    limit_mb: int


def main() -> None:
    """Measure, print, say whether the bounds are kept."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that temporary data is removed then, too
    reports = []
    for task in args.tasks:
        with folder(args.work) as work:
            report = TASKS[task](Asked(work, SIZES[args.size], args.repeat, args.limit_mb))
        reports.append({"kind": "goal", "task": task, "size": args.size, "cores": len(os.sched_getaffinity(0)), **report})
        if args.json:
            args.json.write_text(json.dumps(reports, indent=1) + "\n", encoding="utf-8")
    console = Console()
    for report in reports:
        on_screen(console, goal_table(report))
    if any(verdict["value"] > verdict["at_most"] for report in reports for verdict in report["verdicts"]):
        sys.exit(1)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, []], help="all by default")
    parser.add_argument("--size", choices=SIZES, default="small", help="issue: that of the goals, which takes hours")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--limit-mb", type=int, default=2_048, help="of the task memory")
    parser.add_argument("--work", type=Path, help="folder for the data, kept and used again (default: a temporary one)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    args.tasks = args.tasks or list(TASKS)
    if args.repeat < 1:
        parser.error("--repeat is at least 1")
    return args


def memory(asked: Asked) -> dict[str, Any]:
    """The night's peak memory by how its day is cut, and its tables under a limit."""
    here = Workplace(asked.work, asked.sizes.night, _tell)
    cuts = {
        "usual": (ROWS_PER_FILE, ROW_GROUP_ROWS),
        "files ten times as large": (LARGER * ROWS_PER_FILE, ROW_GROUP_ROWS),
        "row groups ten times as large": (ROWS_PER_FILE, LARGER * ROW_GROUP_ROWS),
    }
    done: list[Measurement] = []
    notes, differing = [], 0
    for cut, (rows_per_file, row_group_rows) in cuts.items():
        log = here.last_day_cut(rows_per_file, row_group_rows)
        digests = []
        for limited in (False, True):
            home = here.clone("memory")
            (home / "landing").unlink()
            (home / "landing").symlink_to(log / "landing")
            run = script("product.py", "run", home, here.days[-1])
            with within(asked.limit_mb) as limit:
                done.append(measured(cut, limit.how, run, limit=limit) if limited else measured(cut, "no limit", run))
            _tell(f"{cut}, {done[-1].who}: {done[-1].failure or f'{done[-1].peak_mb:.0f} MB'}")
            digests.append(_digest(home, here))
        free, limited_run = done[-2:]
        if free.failure:
            sys.exit(f"{cut}: {free.failure}")
        differing += digests[0] != digests[1] or limited_run.failure is not None
        notes += [f"{cut}, under the limit: {limited_run.failure.splitlines()[-1]}"] if limited_run.failure else []
    here.clear()
    rows = [[m.task, m.who, m.cpu, m.wall, m.peak_mb] for m in done]
    peaks = [m.peak_mb for m in done if m.who == "no limit"]
    verdicts = [
        _verdict("peak memory of the day without a limit", max(peaks), asked.limit_mb, " MB"),
        _verdict(f"nights that differ or fail within {asked.limit_mb:,} MB", differing, 0),
    ]
    return {
        "title": f"A night of {_last_day(asked.sizes.night):,} impressions after {asked.sizes.night.days - 1} days",
        "columns": ["the day's files", "limit by", "CPU s", "wall s", "peak MB"],
        "texts": 2,
        "rows": rows,
        "notes": notes,
        "verdicts": verdicts,
    }


def empty(asked: Asked) -> dict[str, Any]:
    """A day without a row, after a month of days with some."""
    here = Workplace(asked.work, _nothing_at_last(asked.sizes.days), _tell)
    done = [product("an empty day", "run", here.clone("empty"), here.days[-1]) for _ in range(asked.repeat)]
    here.clear()
    figures = _only(done)
    return {
        "title": f"A day on which nothing was delivered; medians of {asked.repeat}",
        "columns": ["task", "CPU s", "wall s", "peak MB"],
        "rows": [["an empty day", *figures.values()]],
        "notes": [],
        "verdicts": [_verdict("an empty day", figures["wall"], 3, " s")],
    }


def amendment(asked: Asked) -> dict[str, Any]:
    """A month rated and drafted again, by the number of its impressions."""
    rows, figures = [], []
    for impressions in asked.sizes.months:
        here = Workplace(asked.work, Size(rows=impressions, days=asked.sizes.days), _tell)
        home = here.clone("amendment")
        must(*script("product.py", "run", home, here.days[-1]))
        done = []
        for turn in range(asked.repeat):
            must(*script("product.py", "amend", home, AMENDED, FIRST, f"{30 + turn}.25"))
            done.append(product(f"{impressions:,}", "rate", home, MONTH))
        here.clear()
        figures.append(_only(done))
        rows.append([f"{impressions:,}", *figures[-1].values()])
    return {
        "title": f"A month rated and drafted again after an amendment, about 1,000 terms; medians of {asked.repeat}",
        "columns": ["impressions of the month", "CPU s", "wall s", "peak MB"],
        "rows": rows,
        "notes": [],
        "verdicts": [
            _verdict("the largest month", figures[-1]["wall"], 3, " s"),
            _verdict("CPU of the largest, as a multiple of the smallest", figures[-1]["cpu"] / figures[0]["cpu"], 1.5, "x"),
        ],
    }


def backfill(asked: Asked) -> dict[str, Any]:
    """A month of days through Dagster and in a loop, in turns."""
    here = Workplace(asked.work, Size(rows=asked.sizes.days * asked.sizes.day, days=asked.sizes.days), _tell)
    verbs = {PRODUCT: "run", "a loop": "loop"}
    done: list[Measurement] = []
    digests = []
    for turn in range(asked.repeat):
        for who, verb in verbs.items():
            home = here.new_home("backfill")
            m = measured("backfill", who, script("product.py", verb, home, *here.days))
            if m.failure:
                sys.exit(f"backfill, {who}: {m.failure}")
            done.append(m)
            _tell(f"{turn + 1}: backfill, {who}: {m.cpu:.1f} CPU-s, {m.wall:.1f} s")
            digests.append(_digest(home, here))
    here.clear()
    by_who = medians(done)["backfill"]
    return {
        "title": f"{asked.sizes.days} days of {asked.sizes.day:,} impressions; medians of {asked.repeat}",
        "columns": ["by", "CPU s", "wall s", "peak MB"],
        "rows": [[who, *figures.values()] for who, figures in by_who.items()],
        "notes": [],
        "verdicts": [
            _verdict("CPU, as a multiple of the loop's", by_who[PRODUCT]["cpu"] / by_who["a loop"]["cpu"], 1.6, "x"),
            _verdict("backfills that differ from the first", sum(other != digests[0] for other in digests), 0),
        ],
    }


def startup(asked: Asked) -> dict[str, Any]:
    """How long the command line takes to say something."""
    here = Workplace(asked.work, _nothing_at_last(asked.sizes.days), _tell)
    home = here.clone("startup")
    commands: dict[str, tuple[list[object], float]] = {
        "--help": (["--help"], 0.6),
        "status": (["status", "--home", home], 2),
    }
    done = [
        measured(f"adledger {name}", PRODUCT, [sys.executable, "-m", "services.cli", *words])
        for _ in range(2 * asked.repeat + 1)
        for name, (words, _) in commands.items()
    ]
    here.clear()
    for m in done:
        if m.failure:
            sys.exit(f"{m.task}: {m.failure}")
    by_task = {task: by_who[PRODUCT] for task, by_who in medians(done).items()}
    return {
        "title": f"The command line; medians of {2 * asked.repeat + 1}",
        "columns": ["command", "CPU s", "wall s", "peak MB"],
        "rows": [[task, *figures.values()] for task, figures in by_task.items()],
        "notes": [],
        "verdicts": [
            _verdict(f"adledger {name}", by_task[f"adledger {name}"]["wall"], most, " s")
            for name, (_, most) in commands.items()
        ],
    }


TASKS: dict[str, Callable[[Asked], dict[str, Any]]] = {
    task.__name__: task for task in (memory, empty, amendment, backfill, startup)
}


def _verdict(of: str, value: float, at_most: float, unit: str = "") -> dict[str, Any]:
    return {"of": of, "value": value, "at_most": at_most, "unit": unit}


def _only(done: Sequence[Measurement]) -> Figures:
    """The medians of turns of one task, none of which may fail."""
    for m in done:
        if m.failure:
            sys.exit(f"{m.task}: {m.failure}")
    (by_who,) = medians(done).values()
    return by_who[PRODUCT]


def _digest(home: Path, here: Workplace) -> dict[str, str]:
    figures = here.place / "digest.json"
    must(*script("product.py", "digest", home, figures))
    found: dict[str, str] = json.loads(figures.read_text(encoding="utf-8"))
    return found


def _nothing_at_last(days: int) -> Size:
    return Size(rows=days * 1_000, days=days, last_day_rows=0)


def _last_day(size: Size) -> int:
    return size.last_day_rows if size.last_day_rows is not None else size.rows // size.days


def _tell(what: str) -> None:
    Console(stderr=True).print(what, markup=False, highlight=False)


if __name__ == "__main__":
    main()
