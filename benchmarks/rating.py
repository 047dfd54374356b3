"""Judging a day's delivery counts and rating a month of them, under contracts that use every kind of media pricing.

    python benchmarks/rating.py [--terms 20_000] [--rows 5_000_000] [--plain] [--json FILE]

The day has ``--rows`` delivery counts; the month's judged rows come to about as many. Each task runs in a process of its own
and reads Parquet, so that seconds and peak memory are its own. ``--plain`` leaves out multipliers: what a home without them pays.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from contracts_io.calendar import Month, days_between
from contracts_io.contract import InForce, parse_document
from contracts_io.frames import TABLES
from contracts_io.terms import TermFrames, terms_in_force
from pipelines.media import judge_delivery
from pipelines.rating import rate_media

MONTH = Month(2026, 10)
TERMS_OF_A_CONTRACT = 8
PARTNERS = 500
_ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "America/Los_Angeles", "Asia/Tokyo"]
_CURRENCIES = ["USD", "EUR", "GBP"]
_MULTIPLIERS = {
    "device_type": {"ctv": "1.25", "mobile": "0.8"},
    "country": {"US": "1.1", "CA": "0.933333"},
    "daypart": [{"days": ["mon", "wed", "fri"], "from": 18, "to": 23, "factor": "1.5"}],
}
_STEPS = [{"up_to": 40_000, "rate": "3.41398"}, {"up_to": 200_000, "rate": "1.94173"}, {"rate": "1.001041"}]


def main() -> None:
    """Generate, measure each task, print."""
    args = _arguments()
    with tempfile.TemporaryDirectory(prefix="rating-") as folder:
        work = Path(folder)
        _generate(work, args.rows, args.terms, plain=args.plain)
        figures = [_apart(task, work, args.terms, args.plain) for task in (judge_a_day, judge_a_month, rate_a_month)]
    for figure in figures:
        times = f"{figure['seconds']:7.2f} s  {figure['cpu']:7.2f} s CPU"
        print(f"{figure['task']:14}  {times}  {figure['peak_mb']:6,} MiB  {figure['rows']}")
    if args.json:
        args.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--terms", type=int, default=20_000)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--plain", action="store_true", help="no multipliers")
    parser.add_argument("--json", type=Path, help="write the figures there as well")
    return parser.parse_args()


def judge_a_day(work: Path, terms: TermFrames) -> dict[str, Any]:
    """Judge one day of many counts."""
    counts = pl.scan_parquet(work / "day.parquet")
    judged = judge_delivery(counts, terms)
    return {"counts": counts.select(pl.len()).collect().item(), "judged": judged.height}


def judge_a_month(work: Path, terms: TermFrames) -> dict[str, Any]:
    """Judge each of the month's days and keep what comes of it."""
    height = 0
    for day in days_between(MONTH.first, MONTH.last):
        judged = judge_delivery(pl.scan_parquet(work / f"counts-{day}.parquet"), terms)
        height += judged.height
        judged.insert_column(0, pl.Series("delivery_day", [day] * judged.height, pl.Date)).write_parquet(
            work / f"judged-{day}.parquet"
        )
    return {"judged": height}


def rate_a_month(work: Path, terms: TermFrames) -> dict[str, Any]:
    """Rate the month."""
    judged = pl.scan_parquet(sorted(work.glob("judged-*.parquet")))
    rates = pl.read_parquet(work / "fx_rates.parquet")
    rated = rate_media(judged, terms, rates, TABLES["flights"].empty(), "USD", MONTH)
    kinds = dict(
        rated.accruals.group_by("side", "kind").len().sort("side").select(pl.format("{} {}", "side", "kind"), "len").rows()
    )
    return {"outcomes": rated.outcomes.height, "flights": rated.flights.height, **kinds}


def _apart(task: Callable[[Path, TermFrames], dict[str, Any]], work: Path, terms: int, plain: bool) -> dict[str, Any]:
    """The figures of ``task``, run in a process of its own."""
    context = multiprocessing.get_context("spawn")
    answers = context.SimpleQueue()
    process = context.Process(target=_measured, args=(task, work, terms, plain, answers))
    process.start()
    process.join()
    if process.exitcode != 0:
        sys.exit(f"{task.__name__} failed")
    figures: dict[str, Any] = answers.get()
    return figures


def _measured(task: Callable[[Path, TermFrames], dict[str, Any]], work: Path, terms: int, plain: bool, answers: Any) -> None:
    frames = _terms(terms, plain=plain)
    begin, spent = time.perf_counter(), time.process_time()
    rows = task(work, frames)
    seconds, cpu = time.perf_counter() - begin, time.process_time() - spent
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    answers.put({"task": task.__name__, "seconds": round(seconds, 2), "cpu": round(cpu, 2), "peak_mb": peak, "rows": rows})


def _terms(count: int, *, plain: bool) -> TermFrames:
    """About ``count`` terms, a fifth of them of partners; every kind of pricing by turns."""
    advertisers = count * 4 // 5 // TERMS_OF_A_CONTRACT
    documents = [
        _document(
            f"adv-{n:05}", "advertiser", f"brand-{n}", n, [_advertiser_term(n, t, plain) for t in range(TERMS_OF_A_CONTRACT)]
        )
        for n in range(advertisers)
    ]
    each = max(1, count // 5 // PARTNERS)
    documents += [
        _document(f"par-{n:05}", "partner", f"pub-{n}", n, [_partner_term(n, t, each, plain) for t in range(each)])
        for n in range(PARTNERS)
    ]
    parsed = [parse_document(json.dumps(document), name="benchmark") for document in documents]
    return terms_in_force([InForce(contract, 1, contract.starts_on, contract.ends_on) for contract in parsed])


def _document(contract_id: str, side: str, party: str, n: int, terms: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "contract_id": contract_id,
        "side": side,
        "party": {"id": party, "name": party, "country": "US"},
        "currency": _CURRENCIES[n % len(_CURRENCIES)],
        "timezone": _ZONES[n % len(_ZONES)],
        "starts_on": "2026-09-01",
        "terms": terms,
    }


def _priced(turn: int, plain: bool) -> dict[str, Any]:
    if turn % 8 == 7:
        return {"model": "dcpm", "markup": "0.15", "impression_cap": 150_000, "budget": "400.00"}
    pricing: dict[str, Any] = {"model": "cpm"}
    pricing |= {"rate": "3.25"} if turn % 2 else {"tiers": {"mode": ["graduated", "volume"][turn // 2 % 2], "steps": _STEPS}}
    pricing |= {} if plain or turn % 4 > 1 else {"multipliers": _MULTIPLIERS}
    pricing |= {"impression_cap": 200_000} if turn % 3 == 0 else {}
    return pricing | ({"budget": "500.00"} if turn % 5 == 0 else {})


def _advertiser_term(n: int, t: int, plain: bool) -> dict[str, Any]:
    return {"term_id": f"t{t}", "line_items": [f"li-{n * TERMS_OF_A_CONTRACT + t}"], "pricing": _priced(n + t, plain)}


def _partner_term(n: int, t: int, each: int, plain: bool) -> dict[str, Any]:
    advertisers = {} if t == each - 1 else {"advertisers": [f"brand-{n + 100 * t}"]}
    pricing = {"model": "revenue_share", "share": "0.46"} if n % 2 else _priced(n + t, plain)
    return {"term_id": f"p{t}", "pricing": pricing} | advertisers


def _generate(work: Path, rows: int, terms: int, *, plain: bool) -> None:
    days = list(days_between(MONTH.first, MONTH.last))
    _counts(MONTH.first, rows, terms, seed=99).write_parquet(work / "day.parquet")
    of_day = rows // len(days) if plain else rows * 2 // 3 // len(days)
    for number, day in enumerate(days):
        _counts(day, of_day, terms, seed=number).write_parquet(work / f"counts-{day}.parquet")
    pairs = [("EUR", "USD", "1.1381"), ("GBP", "USD", "1.27"), ("EUR", "GBP", "0.87")]
    quoted = [(day, *pair) for day in days_between(MONTH.first - timedelta(2), MONTH.last + timedelta(2)) for pair in pairs]
    schema = TABLES["fx_rates"].polars_schema
    texts = pl.DataFrame(quoted, schema=dict.fromkeys(schema, pl.String) | {"date": pl.Date}, orient="row")
    texts.cast(schema).write_parquet(work / "fx_rates.parquet")


def _counts(day: date, rows: int, terms: int, *, seed: int) -> pl.DataFrame:
    """Table ``delivery_counts`` of one day; each line item is shown by a few partners, as campaigns are."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
    number = pl.int_range(rows, dtype=pl.UInt64)

    def chance(salt: int) -> pl.Expr:
        return number.hash(seed * 100 + salt) // 8

    line = chance(1) % (terms * 4 // 5)
    devices, countries = pl.Series(["ctv", "mobile", "desktop", None]), pl.Series(["US", "CA", "DE", "GB", None])
    return pl.select(
        line_item_id=pl.format("li-{}", line),
        partner_id=pl.format("pub-{}", (line * 7 + chance(2) % 5 * 31) % PARTNERS),
        quarter_hour=(pl.lit(midnight) + pl.duration(minutes=(chance(3) % 96) * 15)).dt.cast_time_unit("us"),
        device_type=pl.lit(devices).gather((chance(4) % 4).cast(pl.UInt32)),
        country=pl.lit(countries).gather((chance(5) % 5).cast(pl.UInt32)),
        viewable=chance(6) % 2 == 0,
        completed=chance(7) % 2 == 0,
        valid=chance(8) % 50 > 0,
        impressions=(chance(9) % 900 + 1).cast(pl.Int64),
        cost=(chance(10) % 9_000_000_000).cast(pl.Int128).reinterpret(dtype=TABLES["delivery_counts"].polars_schema["cost"]),
    ).select(TABLES["delivery_counts"].columns)


if __name__ == "__main__":
    main()
