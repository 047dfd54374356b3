"""CPU and memory of the night against the rows of the log and against its days, as a picture, from the JSON of ``night.py``.

    python benchmarks/figure.py --rows JSON... --days JSON... --to docs/images/benchmark.png

needs matplotlib and nothing of adledger; ``make figure`` gives it an environment of its own.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, ScalarFormatter

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LINES = {
    "adledger": ("adledger", "#0b6e4f", "o"),
    "duckdb": ("plain DuckDB", "#c8553d", "s"),
    "polars": ("plain Polars", "#4a5fa5", "^"),
}
MEASURES = {"cpu": "CPU seconds", "peak_mb": "peak memory, MB"}
TASK = "day"

Points = dict[int, dict[str, dict[str, float]]]
"""By rows or days, then by who, then by measure."""


def main() -> None:
    """Read the reports, draw, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=Path, nargs="+", required=True, metavar="JSON", help="of the same days")
    parser.add_argument("--days", type=Path, nargs="+", required=True, metavar="JSON", help="of the same rows a day")
    parser.add_argument("--to", type=Path, required=True, metavar="PNG")
    args = parser.parse_args()
    rows, days = [_read(paths) for paths in (args.rows, args.days)]
    plt.rcParams.update(
        {"font.size": 11, "font.family": "DejaVu Sans", "axes.spines.top": False, "axes.spines.right": False}
    )
    figure, axes = plt.subplots(2, 2, figsize=(10, 7.2), dpi=120, sharey="row", layout="constrained")
    of_days, a_day = rows[0]["days"], days[0]["rows"] // days[0]["days"]
    for row, (measure, unit) in enumerate(MEASURES.items()):
        _draw(axes[row][0], _points(rows, "rows"), measure)
        _draw(axes[row][1], _points(days, "days"), measure)
        axes[row][0].set_ylabel(unit)
    for column, label in enumerate(
        (
            f"impressions over {of_days} days; the last day is measured",
            f"days of {_short(a_day)} impressions; the last is measured",
        )
    ):
        axes[1][column].set_xlabel(label)
    for axis in (axes[0][0], axes[1][0]):
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: _short(value)))
    for axis in (axes[0][1], axes[1][1]):
        axis.set_xticks(sorted(_points(days, "days")))
        axis.xaxis.set_major_formatter(ScalarFormatter())
        axis.xaxis.set_minor_formatter(NullFormatter())
    cores = rows[0]["cores"]
    figure.suptitle(f"One night: adledger against what an analyst would write ({cores} cores)", fontsize=13)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(LINES), frameon=False)
    args.to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(args.to, metadata={"Software": None})


def _read(paths: list[Path]) -> list[dict[str, Any]]:
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def _points(reports: list[dict[str, Any]], by: str) -> Points:
    return {report[by]: report["medians"][TASK] for report in sorted(reports, key=lambda report: int(report[by]))}


def _draw(axis: Axes, points: Points, measure: str) -> None:
    for who, (label, colour, marker) in LINES.items():
        there = {x: by_who[who][measure] for x, by_who in points.items() if who in by_who}
        axis.plot(list(there), list(there.values()), color=colour, marker=marker, label=label, linewidth=2, markersize=6)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(base=10, subs=(1, 2, 5)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axis.yaxis.set_minor_formatter(NullFormatter())
    axis.grid(visible=True, which="major", color="#dddddd", linewidth=0.8)


def _short(value: float) -> str:
    return f"{value / 1e6:g} M" if value >= 1e6 else f"{value / 1e3:g} k" if value >= 1e3 else f"{value:g}"


if __name__ == "__main__":
    main()
