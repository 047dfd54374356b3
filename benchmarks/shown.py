"""The figures of the benchmarks as tables, on a screen or in Markdown, from their JSON.

    python benchmarks/shown.py JSON... [--into docs/benchmarks.md]

prints Markdown, or puts it between the two marks of that file.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import MEASURES
from rich.console import Console
from rich.table import Table

BEGIN, END = "<!-- figures: written by benchmarks/shown.py -->", "<!-- end of figures -->"
NAMES = {"duckdb": "plain DuckDB", "polars": "plain Polars"}


@dataclass(frozen=True)
class Shown:
    """A table in words: ``texts`` columns of text first, then numbers; ``below`` are sentences about it."""

    title: str
    columns: list[str]
    rows: list[list[str]]
    texts: int
    below: list[str]


def night_table(report: dict[str, Any]) -> Shown:
    """What each task cost whom, and the product's share of it."""
    rows = []
    for task, by_who in report["medians"].items():
        for who, figures in by_who.items():
            ratio = report["ratios"].get(task, {}).get(who)
            shares = [f"{ratio[name]:.2f}x" for name in MEASURES] if ratio else ["", "", ""]
            rows.append([task, NAMES.get(who, who), *(_number(figures[name]) for name in MEASURES), *shares])
    stopped = {
        f"{m['task']}, {NAMES.get(m['who'], m['who'])}: {m['failure']}" for m in report["measurements"] if m["failure"]
    }
    compared = list(report["agreement"].values())
    agreed = ["All results agree."] if compared and all(found["agrees"] for found in compared) else []
    return Shown(
        _size(report),
        ["task", "by", "CPU s", "wall s", "peak MB", "CPU", "wall", "memory"],
        rows,
        2,
        [*agreed, *sorted(stopped)],
    )


def shares_table(report: dict[str, Any]) -> Shown:
    """What the parts of the product's day cost."""
    shares, overhead = report["shares"], report["overhead"]
    total = sum(share["cpu"] for share in shares.values())
    rows = [
        [name, _number(share["cpu"]), _number(share["wall"]), f"{share['cpu'] / total:.1%}"]
        for name, share in shares.items()
    ]
    rest = sum(share["cpu"] for name, share in shares.items() if name in overhead)
    below = [
        f"Dagster, validation, fingerprints, publishing and checks together: {rest:.2f} CPU s, {rest / total:.1%} of the day."
    ]
    if report["missing"]:
        below.append(f"Not timed apart, for they are not there: {', '.join(report['missing'])}.")
    return Shown(f"The parts of the day; {_size(report)}", ["part", "CPU s", "wall s", "share of CPU"], rows, 1, below)


def goal_table(report: dict[str, Any]) -> Shown:
    """A goal's figures and whether it is kept."""
    rows = [[_number(value) if isinstance(value, float) else str(value) for value in row] for row in report["rows"]]
    below = [
        f"{verdict['of']}: {verdict['value']:.2f}{verdict['unit']}, at most {verdict['at_most']:g}{verdict['unit']}: "
        + ("kept." if verdict["value"] <= verdict["at_most"] else "**not kept.**")
        for verdict in report["verdicts"]
    ]
    return Shown(report["title"], report["columns"], rows, report.get("texts", 1), [*report["notes"], *below])


def on_screen(console: Console, shown: Shown) -> None:
    """Print a table."""
    table = Table(title=shown.title)
    for place, column in enumerate(shown.columns):
        table.add_column(column, justify="left" if place < shown.texts else "right")
    for row in shown.rows:
        table.add_row(*row)
    console.print(table)
    for sentence in shown.below:
        console.print(sentence.replace("**", ""), markup=False, highlight=False)


def markdown(shown: Shown) -> str:
    """A table as Markdown."""
    lines = ["---" if place < shown.texts else "---:" for place in range(len(shown.columns))]
    table = [shown.columns, lines, *shown.rows]
    below = "\n\n".join(shown.below)
    return "\n".join([f"**{shown.title}**", "", *(f"| {' | '.join(row)} |" for row in table), "", below]).rstrip()


def tables(report: dict[str, Any]) -> list[Shown]:
    """The tables of a report of ``night.py`` or ``goals.py``."""
    if report["kind"] != "night":
        return [goal_table(report)]
    return [night_table(report), *([shares_table(report)] if report["shares"] else [])]


def main() -> None:
    """Read the reports, write the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reports", nargs="+", type=Path, metavar="JSON")
    parser.add_argument("--into", type=Path, help=f"file that has the lines {BEGIN} and {END}")
    args = parser.parse_args()
    read = [json.loads(path.read_text(encoding="utf-8")) for path in args.reports]
    reports = [report for found in read for report in (found if isinstance(found, list) else [found])]
    text = "\n\n".join(markdown(shown) for report in reports for shown in tables(report))
    if not args.into:
        print(text)
        return
    page = args.into.read_text(encoding="utf-8")
    if page.count(BEGIN) != 1 or page.count(END) != 1:
        sys.exit(f"{args.into}: it must have each of these lines once: {BEGIN} {END}")
    before, rest = page.split(BEGIN)
    args.into.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.split(END)[1]}", encoding="utf-8")


def _size(report: dict[str, Any]) -> str:
    last = report["last_day_rows"]
    of_it = f", {last:,} of them on the last" if last is not None else ""
    ids = {"uuid-text": "ids as text", "uuid-binary": "ids of 16 bytes"}[report["ids"]]
    turns = f"medians of {report['repeat']} turns" if report["repeat"] > 1 else "one turn"
    return f"{report['rows']:,} impressions over {report['days']} days{of_it}; {ids}; {report['cores']} cores, {turns}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:,.1f}" if value >= 10 else f"{value:,.2f}"


if __name__ == "__main__":
    main()
