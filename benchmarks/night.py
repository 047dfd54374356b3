"""A night through the product, beside plain DuckDB and plain Polars on the same landing files.

    python benchmarks/night.py [--rows 120_000_000 --last-day-rows 20_000_000 --days 32] [--repeat 3] [--work DIR] [--json FILE]

Everything that is measured runs in a process of its own, so that CPU seconds (user and system), wall seconds and peak memory
are that process's alone. Product and baselines take turns within each repeat; the figures are medians. What they come to is
compared row by row: every count of every delivery day, and the touch that earned each conversion.

    day          the last delivery day; the days before it are in (product), or lie in the landing folder (baselines)
    clean        of that day: raw rows become accepted rows, counts and touches; the half of the baseline that counts
    attribution  of that day: its conversions against the touches of the lookback; the other half of the baseline
    backfill     every delivery day; a new home with approved contracts (product), one query over all of it (baselines)
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measuring import Measurement, measured, medians, must, ratios, script
from rich.console import Console
from shown import night_table, on_screen, shares_table
from workplace import PRODUCT, Size, Workplace, folder, product

BASELINES = ("duckdb", "polars")
PARTS = {"day": ["counts", "credits"], "clean": ["counts"], "attribution": ["credits"], "backfill": ["counts", "credits"]}
"""The halves of the baseline that a task is measured against."""
SMALL = Size(rows=1_000_000, days=3, last_day_rows=500_000)


def main() -> None:
    """Generate, measure, compare, print."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that temporary data is removed then, too
    size = Size(args.rows, args.days, args.last_day_rows, args.line_items, args.ids, args.rows_per_file, args.row_group_rows)
    with folder(args.work) as work:
        report = Night(Workplace(work, size, _tell), args.memory_mb).report(args.tasks, args.against, args.repeat)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    console = Console()
    on_screen(console, night_table(report))
    for what, found in report["agreement"].items():
        console.print(f"{what}: {'agrees' if found['agrees'] else 'DIFFERS'}: {found['compared']}", highlight=False)
    if report["shares"]:
        on_screen(console, shares_table(report))
    if any(not found["agrees"] for found in report["agreement"].values()):
        sys.exit("product and baseline do not agree")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=SMALL.rows, help="impressions over all days")
    parser.add_argument("--last-day-rows", type=int, help="those of the last day; by default as many as of every other day")
    parser.add_argument("--days", type=int, default=SMALL.days)
    parser.add_argument("--line-items", type=int, default=SMALL.line_items)
    parser.add_argument("--ids", choices=["uuid-text", "uuid-binary"], default=SMALL.ids)
    parser.add_argument("--rows-per-file", type=int, default=SMALL.rows_per_file)
    parser.add_argument("--row-group-rows", type=int, default=SMALL.row_group_rows)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--tasks", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--against", nargs="*", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--memory-mb", type=int, default=16_000, help="a baseline that takes more is stopped")
    parser.add_argument("--work", type=Path, help="folder for the data, kept and used again (default: a temporary one)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    if args.repeat < 1 or args.days < 2:
        parser.error("--repeat is at least 1, --days at least 2")
    if args.rows == SMALL.rows and args.days == SMALL.days and args.last_day_rows is None:
        args.last_day_rows = SMALL.last_day_rows
    return args


class Night:
    """The tasks on one log; a task's product and baselines leave what they made where ``_compare`` finds it."""

    def __init__(self, workplace: Workplace, memory_mb: int) -> None:
        self._at = workplace
        self._memory_mb = memory_mb

    def report(self, tasks: Sequence[str], baselines: Sequence[str], repeat: int) -> dict[str, Any]:
        """Every task by everyone in turn, ``repeat`` times; what the last turn came to is compared."""
        self._at.log()
        if set(tasks) - {"backfill"}:
            self._at.eve()
        measurements: list[Measurement] = []
        for turn in range(repeat):
            for task in (task for task in PARTS if task in tasks):
                for who in (PRODUCT, *baselines):
                    done = self._product(task) if who == PRODUCT else self._baseline(task, who)
                    if who == PRODUCT and done.failure:
                        sys.exit(f"{task}: {done.failure}")
                    measurements.append(done)
                    _tell(f"{turn + 1}: {task}, {who}: {_figures(done)}")
        agreement = {f"{task}, {who}": self._compare(task, who) for task in tasks for who in baselines}
        figures = medians(measurements)
        report = {
            "kind": "night",
            **asdict(self._at.size),
            "repeat": repeat,
            "cores": len(os.sched_getaffinity(0)),
            "versions": {name: version(name) for name in ("duckdb", "polars")},
            "measurements": [asdict(m) for m in measurements],
            "medians": figures,
            "ratios": ratios(figures, PRODUCT),
            "agreement": agreement,
            **(self._shares() if "day" in tasks else {"shares": {}, "overhead": [], "missing": []}),
        }
        self._at.clear()
        return report

    def _days(self, task: str) -> list[str]:
        return self._at.days if task == "backfill" else self._at.days[-1:]

    def _product(self, task: str) -> Measurement:
        last = self._at.days[-1]
        match task:
            case "day":
                return product(task, "run", self._at.clone(task), last)
            case "backfill":
                return product(task, "run", self._at.new_home(task), *self._at.days)
            case "clean":
                return product(task, "clean", self._at.clone(task), last)
        home = self._at.clone(task)
        must(*script("product.py", "clean", home, last))
        must(*script("product.py", "before", home, last))
        return product(task, "attribute", home, last)

    def _baseline(self, task: str, who: str) -> Measurement:
        out = self._at.empty(f"{task}-{who}")
        out.mkdir()
        days = self._days(task)
        command = script("baselines.py", who, self._at.log(), out, days[0], days[-1], *PARTS[task])
        return measured(task, who, command, stop_at_mb=self._memory_mb)

    def _compare(self, task: str, who: str) -> dict[str, Any]:
        out, verdict = self._at.place / f"{task}-{who}", self._at.place / "verdict.json"
        days = self._days(task)
        must(*script("product.py", "compare", self._at.place / task, out, verdict, days[0], days[-1], *PARTS[task]))
        found: dict[str, Any] = json.loads(verdict.read_text(encoding="utf-8"))
        return found

    def _shares(self) -> dict[str, Any]:
        figures = self._at.place / "shares.json"
        must(*script("product.py", "shares", self._at.clone("shares"), self._at.days[-1], figures))
        found: dict[str, Any] = json.loads(figures.read_text(encoding="utf-8"))
        return found


def _tell(what: str) -> None:
    Console(stderr=True).print(what, markup=False, highlight=False)


def _figures(m: Measurement) -> str:
    return m.failure or f"{m.cpu:.1f} CPU-s, {m.wall:.1f} s, {m.peak_mb:.0f} MB"


if __name__ == "__main__":
    main()
