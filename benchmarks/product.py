"""The product's side of ``night.py``, each verb a process of its own.

prepare HOME LOG                     a home around the landing files of LOG, its contracts imported and approved
run HOME DAY...                      services.billing.run
stages HOME DAY FIGURES              the same day without the orchestrator, stage by stage
compare HOME OUT VERDICT FIRST LAST  HOME's tables against a baseline's, row by row
"""

from __future__ import annotations

import time

_BEGAN = time.process_time(), time.perf_counter()

import json  # noqa: E402 - the clock starts before anything is loaded
import resource  # noqa: E402
import sys  # noqa: E402
from collections.abc import Iterator  # noqa: E402
from contextlib import contextmanager  # noqa: E402
from datetime import UTC, datetime  # noqa: E402
from pathlib import Path  # noqa: E402

import polars as pl  # noqa: E402

from contracts_io.calendar import days_between, parse_day  # noqa: E402
from contracts_io.contract import parse_document  # noqa: E402
from contracts_io.home import Home  # noqa: E402
from services import billing  # noqa: E402


def prepare(home: Path, log: Path) -> None:
    """A new home: the log's landing folder, its contracts in force."""
    made = Home.create(home)
    (home / "landing").rmdir()
    (home / "landing").symlink_to(log / "landing")
    now = datetime.now(UTC)
    files = sorted((log / "contracts").glob("*.json"))
    documents = [(file.name, parse_document(file.read_text(encoding="utf-8"), name=file.name)) for file in files]
    for imported in made.contracts.import_documents(documents, by="submitter", at=now):
        made.contracts.approve(*imported[:2], by="approver", at=now, content_hash=imported.content_hash)


def run(home: Path, *days: str) -> None:
    """What ``adledger run`` and ``adledger backfill`` do."""
    report = billing.run(Home.open(home), [parse_day(day) for day in days])
    for error in report.failed.values():
        raise error


def stages(home: Path, day: str, figures: Path) -> None:
    """The functions that a run's assets call, one after the other; CPU and wall seconds of each to ``figures``."""
    measured: dict[str, dict[str, float]] = {}

    def since(stage: str, cpu: float, wall: float) -> None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        measured[stage] = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall, "peak_mb": peak}

    @contextmanager
    def stage(name: str) -> Iterator[None]:
        cpu, wall = time.process_time(), time.perf_counter()
        yield
        since(name, cpu, wall)

    since("load Polars, pandera, SQLAlchemy", 0.0, _BEGAN[1])
    with stage("load Dagster and the assets"):
        from assets.intake import ingest  # noqa: PLC0415
        from assets.upkeep import Upkeep  # noqa: PLC0415
    here = Home.open(home)
    with stage("intake: read, judge, remove duplicates, write"):
        ingest(here, parse_day(day))
    upkeep = Upkeep(here)
    with stage("delivery counts and touches"):
        list(upkeep.delivery())
    with stage("contracts in force"):
        _ = upkeep.terms
    with stage("attribution"):
        list(upkeep.attributions())
    with stage("judging impressions"):
        list(upkeep.judgements())
    with stage("rating and drafts: which months are stale"):
        months = upkeep.stale_months()
    for month in months:
        with stage(f"rating and drafts: {month}"):
            upkeep.rate(month)
    with stage("sweep"):
        here.sweep()
    figures.write_text(json.dumps(measured), encoding="utf-8")


def compare(home: Path, out: Path, verdict: Path, first: str, last: str) -> None:
    """Whether counts and credits of the delivery days are those of the baseline in ``out``; written to ``verdict``."""
    days = [str(day) for day in days_between(parse_day(first), parse_day(last))]
    warehouse = Home.open(home).warehouse
    counts = warehouse.read_days("delivery_counts", days).collect()
    theirs = pl.read_parquet(out / "counts.parquet").select(counts.columns).cast(counts.schema)
    per_line = [frame.group_by("line_item_id").agg(pl.col("impressions", "cost").sum()) for frame in (counts, theirs)]
    credits = warehouse.read("attribution_credits", days).select("conversion_id", "touch_id", "partner_id", "line_item_id")
    earned = credits.collect()
    their_credits = pl.read_parquet(out / "credits.parquet").select(earned.columns)
    same = {
        "accepted impressions": counts["impressions"].sum() == theirs["impressions"].sum(),
        "counts per line item": per_line[0].sort("line_item_id").equals(per_line[1].sort("line_item_id")),
        "every count": counts.sort(counts.columns).equals(theirs.sort(counts.columns)),
        "the touch of each conversion": earned.sort("conversion_id").equals(their_credits.sort("conversion_id")),
    }
    sizes = f"{counts['impressions'].sum():,} accepted, {per_line[0].height:,} line items, {counts.height:,} counts"
    compared = f"{sizes}, {earned.height:,} credited conversions"
    differing = [what for what, equal in same.items() if not equal]
    found = {"agrees": not differing, "compared": compared + (f"; differ: {', '.join(differing)}" if differing else "")}
    verdict.write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    verb, *arguments = sys.argv[1:]
    match verb:
        case "prepare":
            prepare(Path(arguments[0]), Path(arguments[1]))
        case "run":
            run(Path(arguments[0]), *arguments[1:])
        case "stages":
            stages(Path(arguments[0]), arguments[1], Path(arguments[2]))
        case "compare":
            compare(Path(arguments[0]), Path(arguments[1]), Path(arguments[2]), *arguments[3:5])
