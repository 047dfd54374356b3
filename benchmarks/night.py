"""A night and a backfill through the product, beside plain DuckDB and plain Polars on the same landing files.

    python benchmarks/night.py [--rows 10_000_000] [--days 31] [--repeat 3] [--work DIR] [--json FILE]

Everything that is measured runs in a process of its own, so that CPU seconds (user and system), wall seconds and peak memory
are that process's alone. Product and baselines take turns within each repeat; the figures are medians. What they come to is
compared row by row: every count of every delivery day, and the touch that earned each conversion.

    day         the last delivery day; the days before it are in (product), or lie in the landing folder (baselines)
    backfill    every delivery day; a new home with approved contracts (product), one query over all of it (baselines)
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
FIRST = date(2026, 10, 1)
PRODUCT = "adledger"
BASELINES = ("duckdb", "polars")
TASKS = ("day", "backfill")
MEASURES = ("cpu", "wall", "peak_mb")
_POLL_SECONDS = 0.05
_OUT_OF_MEMORY = "stopped: more memory than --memory-mb"


@dataclass(frozen=True)
class Measurement:
    """One process: CPU and wall seconds, peak resident memory in MiB, and why it has no figures where it has none."""

    task: str
    who: str
    cpu: float
    wall: float
    peak_mb: float
    failure: str | None = None


def main() -> None:
    """Generate, measure, compare, print."""
    args = _arguments()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # so that the data is removed then, too
    console = Console(stderr=True)
    with _workplace(args.work) as work:
        bench = Bench(work, args.days, args.memory_mb, console)
        bench.generate(args.rows, args.line_items, args.ids)
        measured, agreed = bench.measure(args.repeat, args.against, args.tasks)
        stages = bench.stages() if "day" in args.tasks else {}
    report = {
        "rows": args.rows,
        "days": args.days,
        "line_items": args.line_items,
        "ids": args.ids,
        "repeat": args.repeat,
        "cores": len(os.sched_getaffinity(0)),
        "measurements": [asdict(m) for m in measured],
        "medians": _medians(measured),
        "ratios": _ratios(_medians(measured)),
        "agreement": agreed,
        "stages_of_the_day": stages,
    }
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    _print(report)
    if any(not found["agrees"] for found in agreed.values()):
        sys.exit("product and baseline do not agree")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000, help="impressions over all days")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--line-items", type=int, default=1_000)
    parser.add_argument("--ids", choices=["uuid-text", "uuid-binary"], default="uuid-text")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    parser.add_argument("--against", nargs="*", choices=BASELINES, default=list(BASELINES))
    parser.add_argument("--memory-mb", type=int, default=12_000, help="a process that takes more is stopped")
    parser.add_argument("--work", type=Path, help="folder for the data, removed at the end (default: a temporary one)")
    parser.add_argument("--json", type=Path, help="file for the figures")
    args = parser.parse_args()
    if args.repeat < 1 or args.days < 2:
        parser.error("--repeat is at least 1, --days at least 2")
    return args


@contextmanager
def _workplace(parent: Path | None) -> Iterator[Path]:
    if parent:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="adledger-night-", dir=parent) as folder:
        yield Path(folder).resolve()


class Bench:
    """A generated log, and the processes that work on it."""

    def __init__(self, work: Path, days: int, memory_mb: int, console: Console) -> None:
        self._work = work
        self._days = [str(FIRST + timedelta(days=n)) for n in range(days)]
        self._memory_mb = memory_mb
        self._console = console
        self._log = work / "log"
        self._eve = work / "eve"

    def generate(self, rows: int, line_items: int, ids: str) -> None:
        """Write the landing files and contracts."""
        size = [f"--rows={rows}", f"--days={len(self._days)}", f"--line-items={line_items}", f"--ids={ids}"]
        self._console.print(f"writing {rows:,} impressions")
        self._must("generate.py", f"--to={self._log}", f"--first={FIRST}", *size)

    def measure(
        self, repeat: int, baselines: list[str], tasks: list[str]
    ) -> tuple[list[Measurement], dict[str, dict[str, Any]]]:
        """Every task by everyone in turn, ``repeat`` times; what the last one came to is compared."""
        measured = []
        agreed = {}
        if "day" in tasks:
            self._console.print(f"taking in the {len(self._days) - 1} days before the last")
            self._must("product.py", "prepare", self._eve, self._log)
            self._must("product.py", "run", self._eve, *self._days[:-1])
        for turn in range(repeat):
            for task in tasks:
                days = self._days[-1:] if task == "day" else self._days
                for who in (PRODUCT, *baselines):
                    measurement = self._product(task, days) if who == PRODUCT else self._baseline(task, who, days)
                    measured.append(measurement)
                    self._tell(turn, measurement)
                if turn + 1 == repeat:
                    for who in baselines:
                        agreed[f"{task} {who}"] = self._compare(task, who, days)
        return measured, agreed

    def stages(self) -> dict[str, dict[str, float]]:
        """What the last day's seconds go to, in one process without the orchestrator."""
        home = self._clone("stages")
        figures = self._work / "stages.json"
        self._must("product.py", "stages", home, self._days[-1], figures)
        stages: dict[str, dict[str, float]] = json.loads(figures.read_text(encoding="utf-8"))
        return stages

    def _product(self, task: str, days: list[str]) -> Measurement:
        if task == "day":
            home = self._clone(task)
        else:
            home = self._work / task
            shutil.rmtree(home, ignore_errors=True)
            self._must("product.py", "prepare", home, self._log)
        return self._run(task, PRODUCT, "product.py", "run", home, *days)

    def _baseline(self, task: str, who: str, days: list[str]) -> Measurement:
        out = self._work / f"{task}-{who}"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        return self._run(task, who, "baselines.py", who, self._log, out, days[0], days[-1])

    def _compare(self, task: str, who: str, days: list[str]) -> dict[str, Any]:
        out = self._work / f"{task}-{who}"
        if not (out / "credits.parquet").exists():
            return {"agrees": True, "compared": "nothing: the baseline did not finish"}
        verdict = self._work / "verdict.json"
        self._must("product.py", "compare", self._work / task, out, verdict, days[0], days[-1])
        found: dict[str, Any] = json.loads(verdict.read_text(encoding="utf-8"))
        return found

    def _clone(self, name: str) -> Path:
        """The home as it is before the last day; files of the warehouse are never changed, so links will do."""
        home = self._work / name
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self._eve, home, symlinks=True, ignore=shutil.ignore_patterns("warehouse"))
        shutil.copytree(self._eve / "warehouse", home / "warehouse", copy_function=os.link)
        return home

    def _must(self, script: str, *arguments: object) -> None:
        done = self._run("", "", script, *arguments)
        if done.failure:
            sys.exit(f"{script} {' '.join(map(str, arguments[:2]))}: {done.failure}")

    def _run(self, task: str, who: str, script: str, *arguments: object) -> Measurement:
        command = [sys.executable, str(HERE / script), *map(str, arguments)]
        started = time.perf_counter()
        with tempfile.TemporaryFile() as said:
            process = subprocess.Popen(command, stdout=said, stderr=said)
            failure = None
            try:
                while True:
                    pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                    if pid:
                        break
                    if _resident_mb(process.pid) > self._memory_mb:
                        failure = _OUT_OF_MEMORY
                        process.kill()
                    time.sleep(_POLL_SECONDS)
            except BaseException:
                process.kill()
                raise
            wall = time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            if process.returncode and failure is None:
                said.seek(0)
                failure = said.read().decode(errors="replace").strip() or f"exit status {process.returncode}"
        return Measurement(task, who, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, failure)

    def _tell(self, turn: int, m: Measurement) -> None:
        figures = m.failure or f"{m.cpu:.1f} CPU-s, {m.wall:.1f} s, {m.peak_mb:.0f} MB"
        self._console.print(f"{turn + 1}: {m.task}, {m.who}: {figures}", highlight=False)


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _medians(measured: list[Measurement]) -> dict[str, dict[str, dict[str, float]]]:
    """Task, who, measure."""
    medians: dict[str, dict[str, dict[str, float]]] = {}
    for task, who in dict.fromkeys((m.task, m.who) for m in measured):
        runs = [m for m in measured if (m.task, m.who) == (task, who) and m.failure is None]
        if runs:
            values = {name: statistics.median(getattr(m, name) for m in runs) for name in MEASURES}
            medians.setdefault(task, {})[who] = values
    return medians


def _ratios(medians: dict[str, dict[str, dict[str, float]]]) -> dict[str, dict[str, dict[str, float]]]:
    """Task, baseline, measure: the product's median as a share of the baseline's."""
    return {
        task: {
            who: {name: by_who[PRODUCT][name] / by_who[who][name] for name in MEASURES} for who in by_who if who != PRODUCT
        }
        for task, by_who in medians.items()
        if PRODUCT in by_who
    }


def _print(report: dict[str, Any]) -> None:
    console = Console()
    size = f"{report['rows']:,} impressions over {report['days']} days, {report['line_items']:,} line items"
    table = Table(title=f"{size}; {report['cores']} cores, median of {report['repeat']}")
    for column in ("task", "who"):
        table.add_column(column)
    for column in ("CPU-s", "wall s", "peak MB", "CPU", "wall", "memory"):
        table.add_column(column, justify="right")
    failures = {(m["task"], m["who"]): m["failure"] for m in report["measurements"] if m["failure"]}
    for task, by_who in report["medians"].items():
        for who, values in by_who.items():
            ratio = report["ratios"].get(task, {}).get(who)
            shares = [f"{ratio[name]:.2f}x" for name in MEASURES] if ratio else ["", "", ""]
            table.add_row(task, who, *(f"{values[name]:,.1f}" for name in MEASURES), *shares)
    console.print(table)
    for (task, who), failure in failures.items():
        console.print(f"{task}, {who}: {failure}", highlight=False)
    for what, found in report["agreement"].items():
        console.print(f"{what}: {'agrees' if found['agrees'] else 'DIFFERS'}: {found['compared']}", highlight=False)
    if report["stages_of_the_day"]:
        parts = Table(title="the product's day, stage by stage, without the orchestrator")
        parts.add_column("stage")
        for column in ("CPU-s", "wall s", "peak MB so far"):
            parts.add_column(column, justify="right")
        for stage, values in report["stages_of_the_day"].items():
            parts.add_row(stage, *(f"{values[name]:,.2f}" for name in MEASURES))
        whole = report["medians"].get("day", {}).get(PRODUCT)
        if whole:
            rest = {n: whole[n] - sum(s[n] for s in report["stages_of_the_day"].values()) for n in ("cpu", "wall")}
            parts.add_row("orchestration (the rest of the measured day)", f"{rest['cpu']:,.2f}", f"{rest['wall']:,.2f}", "")
        console.print(parts)


if __name__ == "__main__":
    main()
