"""Landing files and contracts of any size, for measuring: always the same bytes for the same arguments.

    python benchmarks/generate.py --to DIR --rows 100_000_000 --days 31

writes ``DIR/landing/{impressions,clicks,conversions}/<delivery day>/part-N.parquet`` in the feeds' own column names and
``DIR/contracts/*.json``. Every value is a pure function of the number of its row, so a day is written without the one
before it and memory stays that of one file.

What the log looks like: the weight of households and line items falls with the root of their rank; a line item runs at a
few of the partners; 0.5 % of rows carry the id of an earlier row (three in four of the same day, the rest of up to two days
before), one in ten of those with other content; 2 % is invalid traffic; 1 % is delivered one to three days late. One click
on 250 impressions, one conversion on 1,000, four in five of a household that saw the advertiser's line.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from contracts_io.calendar import INSTANT, parse_day
from contracts_io.errors import AdledgerError
from services.sample_events import draw, hex_words, part_of, uuid_text

ROWS_PER_FILE = 5_000_000
ROWS_PER_CLICK = 250
ROWS_PER_CONVERSION = 1_000
LINE_ITEMS_PER_ADVERTISER = 5
PARTNERS = 40
PARTNERS_PER_LINE_ITEM = 6

_ZONES = ("America/New_York", "America/Los_Angeles", "UTC", "Europe/Berlin")
_DAY_MS = 86_400_000
_JITTER_US = 600_000_000
_U32 = 1 << 32
_U24 = 1 << 24
_TOUCH = ["event_time", "household_id", "line_item_id", "partner_id"]


@dataclass(frozen=True)
class Log:
    """What is to be written: ``rows`` impressions over all ``days``, ``last_day`` of them on the last; ``stream`` keeps seeds apart."""

    rows: int
    last_day: int
    days: int
    first: date
    line_items: int
    partners_per_line_item: int
    households: int
    stream: int
    binary_ids: bool

    def start(self, day: int) -> int:
        """The number of the first impression that is delivered on the day-th day."""
        return self.rows if day == self.days else -(-self.before * day // max(1, self.days - 1))

    @property
    def before(self) -> int:
        """The impressions that are delivered on the days before the last."""
        return self.rows - self.last_day

    @property
    def usual_day(self) -> int:
        """The impressions of a day, on the average of all days but the last; where there is only that, its own."""
        return max(1, self.before // (self.days - 1) if self.days > 1 else self.last_day)


def main() -> None:
    """Write what the arguments ask for and print how fast it went."""
    parser = argparse.ArgumentParser(description="Write landing files and contracts for a benchmark.")
    parser.add_argument("--to", type=Path, required=True, help="folder; becomes a home around its landing/")
    parser.add_argument("--rows", type=int, default=10_000_000, help="impressions over all days")
    parser.add_argument("--last-day-rows", type=int, help="those of the last day; by default as many as of every other day")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--first", default="2026-10-01", help="first delivery day")
    parser.add_argument("--ids", choices=["uuid-text", "uuid-binary"], default="uuid-text", help="form of impression ids")
    parser.add_argument("--line-items", type=int, default=1_000)
    parser.add_argument("--partners-per-line-item", type=int, default=PARTNERS_PER_LINE_ITEM, help=f"{PARTNERS} at most")
    parser.add_argument("--households", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    if min(args.rows, args.days, args.households) < 1 or args.line_items < LINE_ITEMS_PER_ADVERTISER:
        parser.error(f"rows, days and households are at least 1, line items at least {LINE_ITEMS_PER_ADVERTISER}")
    if not 1 <= args.partners_per_line_item <= PARTNERS:
        parser.error(f"a line item runs at 1 to {PARTNERS} partners")
    try:
        first = parse_day(args.first)
    except AdledgerError as error:
        parser.error(str(error))
    last_day = args.rows - args.rows * (args.days - 1) // args.days if args.last_day_rows is None else args.last_day_rows
    if not 0 <= last_day <= args.rows or (args.days == 1 and last_day != args.rows):
        parser.error("the last day has at most all rows, and all of them where it is the only one")
    log = Log(
        rows=args.rows,
        last_day=last_day,
        days=args.days,
        first=first,
        line_items=args.line_items,
        partners_per_line_item=args.partners_per_line_item,
        households=args.households,
        stream=1_000 * args.seed,
        binary_ids=args.ids == "uuid-binary",
    )
    started = time.perf_counter()
    contracts = write_contracts(args.to / "contracts", log)
    write_landing(args.to / "landing", log)
    seconds = time.perf_counter() - started
    what = f"{log.rows:,} impressions over {log.days} days, {contracts} contracts"
    print(f"{what}: {seconds:.1f} s, {log.rows / seconds:,.0f} rows/s")


def write_landing(landing: Path, log: Log) -> None:
    """Write the three feeds day by day."""
    for day in range(log.days):
        rows = range(log.start(day), log.start(day + 1))
        name = str(log.first + timedelta(days=day))
        _write(landing / "impressions" / name, rows, lambda numbers: impressions(numbers, log))
        _write(landing / "clicks" / name, _every(rows, ROWS_PER_CLICK), lambda numbers: clicks(numbers, log))
        _write(landing / "conversions" / name, _every(rows, ROWS_PER_CONVERSION), lambda numbers: conversions(numbers, log))
        _progress(day + 1, log)


def impressions(numbers: pl.Series, log: Log) -> pl.LazyFrame:
    """The impressions that are delivered in the places ``numbers`` of the log (UInt64): the feed's columns."""
    n, fate = pl.col("n"), pl.col("fate")
    near, far = part_of(fate, 24, max(1, log.usual_day // 4)), part_of(fate, 24, 2 * log.usual_day)
    placed = (
        pl.LazyFrame({"n": numbers})
        .with_columns(fate=draw(n, log.stream))
        .with_columns(back=1 + pl.when(part_of(fate, 8, 4) > 0).then(near).otherwise(far))
        .with_columns(again=(fate // 16 % 200 == 0) & (pl.col("back") <= n))
        .select(
            n=pl.when("again").then(n - pl.col("back")).otherwise(n),
            conflict=pl.col("again") & (part_of(fate, 12, 1 << 20) % 10 == 0),
        )
    )
    bits = pl.col("bits")
    micros = 6_000 + part_of(bits, 48, 24_000) + pl.col("conflict")
    return (
        _touches(placed, log, ids=1)
        .with_columns(bits=draw(n, log.stream + 5))
        .select(
            _uuid(binary=log.binary_ids).alias("impression_id"),
            *_TOUCH,
            device_type=_one_of(bits, 0, ["ctv"] * 8 + ["mobile", "desktop"]),
            country=_one_of(bits, 8, ["US"] * 8 + ["CA", "DE"]),
            viewable=part_of(bits, 16, 100) < 92,
            completed=(part_of(bits, 24, 100) < 85) ^ pl.col("conflict"),
            invalid_reason=pl.when(part_of(bits, 32, 50) == 0).then(_one_of(bits, 40, ["datacenter", "bot"])),
            cost=micros.cast(pl.Int128).reinterpret(dtype=pl.Decimal(18, 6)),
        )
    )


def clicks(numbers: pl.Series, log: Log) -> pl.LazyFrame:
    """The clicks on the impressions ``numbers``, up to ten minutes after them: the feed's columns."""
    bits = draw(pl.col("n"), log.stream + 20)
    return (
        _touches(pl.LazyFrame({"n": numbers}), log, ids=21)
        .with_columns(pl.col("event_time") + pl.duration(microseconds=part_of(bits, 0, _JITTER_US)))
        .select(
            _uuid().alias("click_id"),
            *_TOUCH,
            invalid_reason=pl.when(part_of(bits, 40, 50) == 0).then(pl.lit("bot")),
        )
    )


def conversions(numbers: pl.Series, log: Log) -> pl.LazyFrame:
    """Conversions at the times of the impressions ``numbers``, by households of earlier impressions: the feed's columns."""
    luck, shop, buyer = pl.col("luck"), pl.col("shop"), pl.col("buyer")
    ordered = part_of(luck, 8, 5) > 0
    a_week = 7 * log.usual_day
    events = pl.LazyFrame({"at": numbers}).with_columns(
        luck=draw(pl.col("at"), log.stream + 30), shop=draw(pl.col("at"), log.stream + 31)
    )
    sold = events.with_columns(n=pl.col("at") - part_of(luck, 16, a_week) % (pl.col("at") + 1))
    # One in five is by a household drawn anew, which need not have seen the line.
    bought = sold.with_columns(buyer=pl.when(part_of(luck, 0, 1 << 8) % 5 > 0).then("n").otherwise(pl.col("at") + (1 << 42)))
    return (
        bought.with_columns(rank=_household(draw(buyer, log.stream + 4), log))
        .with_columns(household=draw(pl.col("rank"), log.stream + 6))
        .with_columns(line=_line_item(draw(pl.col("n"), log.stream + 4), log))
        .with_columns(high=draw(pl.col("at"), log.stream + 32), low=draw(pl.col("at"), log.stream + 33))
        .select(
            conversion_id=_uuid(),
            event_time=_time(pl.col("at"), log),
            household_id=pl.concat_str(*hex_words(pl.col("household"))),
            advertiser_id=pl.format("adv-{}", pl.col("line") // LINE_ITEMS_PER_ADVERTISER),
            event=pl.when(ordered).then(pl.lit("purchase")).otherwise(pl.lit("signup")),
            order_id=pl.when(ordered).then(pl.format("o-{}", "at")),
            order_value=pl.when(ordered).then(
                ((1_000 + part_of(shop, 0, 24_000)) * 10_000).cast(pl.Int128).reinterpret(dtype=pl.Decimal(18, 6))
            ),
            currency=pl.when(ordered).then(pl.lit("USD")),
            new_customer=part_of(shop, 20, 3) == 0,
            country=_one_of(shop, 32, ["US"] * 9 + ["CA"]),
            category=_one_of(shop, 40, ["apparel", "home", "toys", "garden"]),
            coupon=pl.lit(None, pl.String),
        )
    )


def _touches(numbered: pl.LazyFrame, log: Log, ids: int) -> pl.LazyFrame:
    """``numbered`` with ``_TOUCH`` of each impression ``n``, and 128 bits of an id as ``high`` and ``low``.

    Bits are laid down in columns, one step after the other: an expression that repeats its argument, as ``draw`` does, grows
    beyond what common subexpressions are found in.
    """
    n, who = pl.col("n"), pl.col("who")
    return (
        numbered.with_columns(
            high=draw(n, log.stream + ids),
            low=draw(n, log.stream + ids + 1),
            who=draw(n, log.stream + 4),
        )
        .with_columns(rank=_household(who, log), line=_line_item(who, log))
        .with_columns(household=draw(pl.col("rank"), log.stream + 6))
        .with_columns(
            event_time=_time(n, log),
            household_id=pl.concat_str(*hex_words(pl.col("household"))),
            line_item_id=_numbered("li", pl.col("line"), log.line_items),
            partner_id=_numbered("pub", _runs_at(who, pl.col("line"), log), PARTNERS),
        )
    )


def _uuid(*, binary: bool = False) -> pl.Expr:
    high, low = pl.col("high"), pl.col("low")
    return pl.concat_str(*hex_words(high), *hex_words(low)).str.decode("hex") if binary else uuid_text(high, low)


def _time(n: pl.Expr, log: Log) -> pl.Expr:
    """In the order of the log within a day, give or take ten minutes; for one in a hundred one to three days earlier."""
    bits = draw(n, log.stream + 3)
    late = pl.when(part_of(bits, 0, 1 << 16) % 100 == 0).then(1 + part_of(bits, 16, 3)).otherwise(0)
    span, usual = _DAY_MS - _JITTER_US // 1_000, max(1, log.before)
    is_last, rest = n >= log.before, n - pl.min_horizontal(n, pl.lit(log.before, pl.UInt64))
    day = pl.when(is_last).then(log.days - 1).otherwise(n * (log.days - 1) // usual)
    at = n * (log.days - 1) % usual * span // usual
    milliseconds = pl.when(is_last).then(rest * span // max(1, log.last_day)).otherwise(at)
    epoch_day = (log.first - date(1970, 1, 1)).days
    microseconds = (epoch_day + day - late) * _DAY_MS * 1_000 + milliseconds * 1_000 + part_of(bits, 24, _JITTER_US)
    return microseconds.cast(pl.Int64).cast(INSTANT)


def _household(who: pl.Expr, log: Log) -> pl.Expr:
    return _by_root(part_of(who, 0, _U32), _U32, log.households)


def _line_item(who: pl.Expr, log: Log) -> pl.Expr:
    return _by_root(part_of(who, 40, _U24), _U24, log.line_items)


def _runs_at(who: pl.Expr, line: pl.Expr, log: Log) -> pl.Expr:
    """One of the few partners at which the line item runs; 11 and ``PARTNERS`` have no common divisor, so they differ."""
    return (line * 7 + part_of(who, 32, 1 << 8) % log.partners_per_line_item * 11) % PARTNERS


def _by_root(luck: pl.Expr, below: int, size: int) -> pl.Expr:
    """A rank below ``size`` whose frequency falls with its root, from a uniform number below ``below``."""
    return luck * luck // below * size // below


def _numbered(prefix: str, number: pl.Expr, size: int) -> pl.Expr:
    return pl.lit(pl.Series([f"{prefix}-{i}" for i in range(size)])).gather(number)


def _one_of(bits: pl.Expr, shift: int, values: list[str]) -> pl.Expr:
    return pl.lit(pl.Series(values)).gather(part_of(bits, shift, len(values)))


def _every(rows: range, step: int) -> range:
    return range(-(-rows.start // step) * step, rows.stop, step)


def _write(folder: Path, rows: range, feed: Callable[[pl.Series], pl.LazyFrame]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for part, start in enumerate(range(rows.start, max(rows.stop, rows.start + 1), ROWS_PER_FILE * rows.step)):
        stop = min(rows.stop, start + ROWS_PER_FILE * rows.step)
        numbers = pl.int_range(start, stop, rows.step, dtype=pl.UInt64, eager=True)
        frame = feed(numbers)
        frame.sink_parquet(folder / f"part-{part}.parquet", compression="zstd", compression_level=1, row_group_size=122_880)


def write_contracts(folder: Path, log: Log) -> int:
    """Write the contracts that cover the log and return how many: of five line items of an advertiser, three are cpm."""
    folder.mkdir(parents=True, exist_ok=True)
    advertisers = -(-log.line_items // LINE_ITEMS_PER_ADVERTISER)
    documents = [_advertiser(i, log) for i in range(advertisers)] + [_partner(i, log) for i in range(PARTNERS)]
    for document in documents:
        (folder / f"{document['contract_id']}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return len(documents)


def _contract(contract_id: str, side: str, number: int, log: Log) -> dict[str, Any]:
    return {
        "contract_id": contract_id,
        "side": side,
        "party": {"id": contract_id, "name": f"{side.title()} {number}, Inc.", "country": "US"},
        "currency": "USD",
        "timezone": _ZONES[number % len(_ZONES)],
        "starts_on": str(log.first),
        "ends_on": None,
    }


def _advertiser(number: int, log: Log) -> dict[str, Any]:
    start = number * LINE_ITEMS_PER_ADVERTISER
    lines = [f"li-{i}" for i in range(start, min(start + LINE_ITEMS_PER_ADVERTISER, log.line_items))]
    billable_on = ("served", "viewable", "completed")[number % 3]
    cpm = {"model": "cpm", "rate": f"{18 + number % 24}.{number % 100:02}", "billable_on": billable_on}
    purchase = {"type": "percent", "rate": f"0.0{4 + number % 6}", "minimum": "1.00", "maximum": "25.00"}
    fees = {"purchase": purchase, "signup": {"type": "flat", "amount": f"{4 + number % 9}.50"}}
    terms = [{"term_id": "media", "line_items": lines[:3], "pricing": cpm}]
    for event, fee in fees.items():
        if lines[3:]:
            pricing = {"model": "cpa", "event": event, "fee": fee}
            terms.append({"term_id": event, "line_items": lines[3:], "pricing": pricing})
    lookback = {"view": f"{(7, 14, 30)[number % 3]}d", "click": "30d"}
    return {
        **_contract(f"adv-{number}", "advertiser", number, log),
        "attribution": {"model": "last_touch", "lookback": lookback},
        "terms": terms,
    }


def _partner(number: int, log: Log) -> dict[str, Any]:
    cpm = {"model": "cpm", "rate": f"{8 + number % 10}.75", "billable_on": "completed"}
    cpa = {"model": "cpa", "event": "purchase", "fee": {"type": "percent", "rate": f"0.0{2 + number % 3}"}}
    terms = [{"term_id": "media", "pricing": cpm}, {"term_id": "orders", "pricing": cpa}]
    return {**_contract(f"pub-{number}", "partner", number, log), "terms": terms}


def _progress(done: int, log: Log) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {log.days} days", end="\n" if done == log.days else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
