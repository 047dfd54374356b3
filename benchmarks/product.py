"""The product's side of the benchmarks, each verb a process of its own.

prepare HOME LOG                          a home around the landing files of LOG, its contracts imported and approved
run HOME DAY...                           services.billing.run
loop HOME DAY...                          the functions that a run's assets call, without Dagster
clean HOME DAY                            of these, intake, counts and touches
before HOME DAY                           the attributions that DAY changed of the days before it
attribute HOME DAY                        the others: DAY's
amend HOME CONTRACT DAY RATE              a version of CONTRACT from DAY on, with this rate per thousand; approved
rate HOME MONTH                           everything through MONTH that is out of date
shares HOME DAY FIGURES                   run, and what each part of it costs, to FIGURES
digest HOME FIGURES                       the hash of every live file, to FIGURES
compare HOME OUT VERDICT FIRST LAST PART... whether HOME's counts and credits are the baseline's in OUT, to VERDICT
"""

from __future__ import annotations

import time

_BEGAN = time.process_time(), time.perf_counter()

import json  # noqa: E402 - the clock starts before anything is loaded
import sys  # noqa: E402
from collections import deque  # noqa: E402
from collections.abc import Iterable  # noqa: E402
from datetime import UTC, datetime, timedelta  # noqa: E402
from pathlib import Path  # noqa: E402

from services import process  # noqa: E402

process.set_up()  # as the command does, before Polars is loaded

import polars as pl  # noqa: E402

from contracts_io.calendar import Month, days_between, parse_day  # noqa: E402
from contracts_io.contract import parse_document  # noqa: E402
from contracts_io.frames import TABLES  # noqa: E402
from contracts_io.home import Home  # noqa: E402
from services import billing  # noqa: E402


def prepare(home: Path, log: Path) -> None:
    """A new home: the log's landing folder, its contracts in force."""
    made = Home.create(home)
    (home / "landing").rmdir()
    (home / "landing").symlink_to(log / "landing")
    _agree(made, {file.name: file.read_text(encoding="utf-8") for file in sorted((log / "contracts").glob("*.json"))})


def _agree(home: Home, texts: dict[str, str]) -> None:
    now = datetime.now(UTC)
    documents = [(name, parse_document(text, name=name)) for name, text in texts.items()]
    for imported in home.contracts.import_documents(documents, by="submitter", at=now):
        home.contracts.approve(*imported[:2], by="approver", at=now, content_hash=imported.content_hash)


def run(home: Path, days: list[str]) -> None:
    """What ``adledger run`` and ``adledger backfill`` do."""
    report = billing.run(Home.open(home), [parse_day(day) for day in days])
    for error in report.failed.values():
        raise error


def loop(home: Path, days: list[str]) -> None:
    """What the assets of such a run do, one function after the other."""
    from assets.intake import ingest  # noqa: PLC0415 - loads Dagster, which others do not
    from assets.upkeep import Upkeep  # noqa: PLC0415

    here = Home.open(home)
    with here.lock():
        for day in days:
            ingest(here, parse_day(day))
            _done(Upkeep(here).delivery())
        months = Upkeep(here).months()
        _done(Upkeep(here).everything(months[-1]))
        here.sweep()


def clean(home: Path, day: str) -> None:
    """The raw day becomes accepted rows, counts and touches."""
    from assets.intake import ingest  # noqa: PLC0415
    from assets.upkeep import Upkeep  # noqa: PLC0415

    here = Home.open(home)
    ingest(here, parse_day(day))
    _done(Upkeep(here).delivery())


def attribute(home: Path, through: str) -> None:
    """The attributions up to day ``through`` that are out of date."""
    from assets.upkeep import Upkeep  # noqa: PLC0415

    _done(Upkeep(Home.open(home)).attributions(through=through))


def amend(home: Path, contract_id: str, day: str, rate: str) -> None:
    """A version of the contract that charges ``rate`` for its first term from ``day`` on."""
    here = Home.open(home)
    document = json.loads((here.landing.resolve().parent / "contracts" / f"{contract_id}.json").read_text(encoding="utf-8"))
    document["effective_from"] = day
    document["terms"][0]["pricing"]["rate"] = rate
    _agree(here, {f"{contract_id}.json": json.dumps(document)})


def rate(home: Path, month: str) -> None:
    """Everything up to the end of ``month`` that is out of date, and its drafts."""
    from assets.upkeep import Upkeep  # noqa: PLC0415

    _done(Upkeep(Home.open(home)).everything(Month.parse(month)))


def digest(home: Path, figures: Path) -> None:
    """The hash of each live file of the warehouse by table and partition."""
    catalogue = Home.open(home).warehouse.catalogue
    found = {f"{table} {day}": file.sha256 for table in TABLES for day, file in catalogue.live(table).items()}
    figures.write_text(json.dumps(found), encoding="utf-8")


def compare(home: Path, out: Path, verdict: Path, first: str, last: str, parts: list[str]) -> None:
    """Whether counts and credits of the delivery days are those of the baseline in ``out``, as far as that has them."""
    days = [str(day) for day in days_between(parse_day(first), parse_day(last))]
    compared = {"counts": _compared_counts, "credits": _compared_credits}
    found = [
        compared[part](Home.open(home), out, days)
        if (out / f"{part}.parquet").exists()
        else (True, f"no {part}: the baseline did not finish")
        for part in parts
    ]
    agrees = all(agrees for agrees, _ in found)
    verdict.write_text(json.dumps({"agrees": agrees, "compared": "; ".join(what for _, what in found)}), encoding="utf-8")


def _compared_counts(home: Home, out: Path, days: list[str]) -> tuple[bool, str]:
    agrees, impressions, height = True, 0, 0
    for day in days:  # one at a time: a count mostly covers one impression, so all of them may be too many
        counts = home.warehouse.read_days("delivery_counts", [day]).collect()
        theirs = pl.scan_parquet(out / "counts.parquet").filter(pl.col("delivery_day") == parse_day(day))
        same = theirs.select(counts.columns).cast(counts.schema).sort(counts.columns).collect()
        agrees &= counts.sort(counts.columns).equals(same)
        impressions, height = impressions + int(counts["impressions"].sum()), height + counts.height
    return agrees, f"{impressions:,} accepted impressions in {height:,} counts"


def _compared_credits(home: Home, out: Path, days: list[str]) -> tuple[bool, str]:
    columns = ["conversion_id", "touch_id", "partner_id", "line_item_id"]
    earned = home.warehouse.read("attribution_credits", days).select(columns).collect()
    theirs = pl.read_parquet(out / "credits.parquet").select(columns).with_columns(_uuid_text("touch_id"))
    agrees = earned.sort("conversion_id").equals(theirs.sort("conversion_id"))
    return agrees, f"the touches of {earned.height:,} credited conversions"


def _uuid_text(column: str) -> pl.Expr:
    """An id as text, also where it is 16 bytes."""
    import polars.selectors as cs  # noqa: PLC0415

    digits = cs.by_name(column) & cs.binary()
    return digits.bin.encode("hex").str.replace("^(.{8})(.{4})(.{4})(.{4})(.{12})$", "$1-$2-$3-$4-$5")


def _done(steps: Iterable[object]) -> None:
    deque(steps, maxlen=0)


if __name__ == "__main__":
    verb, at, *rest = sys.argv[1:]
    where = Path(at)
    match verb:
        case "prepare":
            prepare(where, Path(rest[0]))
        case "run":
            run(where, rest)
        case "loop":
            loop(where, rest)
        case "clean":
            clean(where, rest[0])
        case "before":
            attribute(where, str(parse_day(rest[0]) - timedelta(days=1)))
        case "attribute":
            attribute(where, rest[0])
        case "amend":
            amend(where, *rest[:3])
        case "rate":
            rate(where, rest[0])
        case "shares":
            from shares import measured_run

            measured_run(where, rest[0], Path(rest[1]), _BEGAN)
        case "digest":
            digest(where, Path(rest[0]))
        case "compare":
            compare(where, Path(rest[0]), Path(rest[1]), rest[2], rest[3], rest[4:])
        case _:
            sys.exit(f"{verb}: not a verb of this program")
