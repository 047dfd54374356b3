"""Landing files and contracts of any size, for measuring: always the same bytes for the same arguments.

    python benchmarks/generate.py --to DIR --rows 100_000_000 --days 31

writes ``DIR/landing/{impressions,clicks,conversions}/<delivery day>/part-N.parquet`` in the feeds' own column names and
``DIR/contracts/*.json``. Every value is a pure function of the number of its row, so a day is written without the one
before it and memory stays that of one file.

What the log looks like: the frequency of households and line items is a power law, it falls with the root of their rank; a
line item runs at a few of the partners. One click on 250 impressions, one conversion on 1,000, four in five of a household
that saw the advertiser's line. Of the rows of each feed

    0.5 %   carry the id of an earlier row, three in four of the same day, the others of one of the two days before; of the
            impressions and conversions among them one in ten has other content
    1 %     are delivered one to three days late, 0.1 % too late to be accepted and 0.1 % too early
    1 %     have no household

and of the impressions and clicks 2 % are invalid traffic and 0.1 % lack a required value; 0.2 % of impressions and conversions
have a country that is no code, 0.05 % a negative amount, and some have empty text for their device, country or currency.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import polars as pl
from log_contracts import LINE_ITEMS_PER_ADVERTISER, PARTNERS, write_contracts
from workplace import ROW_GROUP_ROWS, ROWS_PER_FILE

from contracts_io.calendar import INSTANT, parse_day
from contracts_io.errors import AdledgerError
from contracts_io.ids import hex_words, uuid_text
from services.sample_events import draw, part_of

ROWS_PER_CLICK = 250
ROWS_PER_CONVERSION = 1_000
PARTNERS_PER_LINE_ITEM = 6

_DAY_MS = 86_400_000
_JITTER_US = 600_000_000
_U32 = 1 << 32
_U24 = 1 << 24
_TOUCH = ["event_time", "household_id", "line_item_id", "partner_id"]
# 1,024 slots each, so that a value's share is its slots' share.
_DEVICES = ["ctv"] * 810 + ["mobile"] * 105 + ["desktop"] * 103 + [None] * 4 + [""] * 2
_COUNTRIES = ["US"] * 811 + ["CA"] * 102 + ["DE"] * 101 + [None] * 6 + [""] * 2 + ["us", "USA"]
_DAYS_LATE = pl.Series([1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 9, -3] + [0] * 988)
_CURRENCIES = ["USD"] * 1_021 + [None, "usd", "$"]


@dataclass(frozen=True)
class Log:
    """What is to be written: ``rows`` impressions over all ``days``, ``last_day`` of them on the last; ``stream`` is the seed's."""

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


@dataclass(frozen=True)
class Files:
    """How a day is cut: rows of a file (of impressions, and as much of the log in the other feeds) and of a row group."""

    rows: int
    row_group: int


def main() -> None:
    """Write what the arguments ask for and print how fast it went."""
    parser = argparse.ArgumentParser(description="Write landing files and contracts for a benchmark.")
    parser.add_argument("--to", type=Path, required=True, help="folder; becomes a home around its landing/")
    parser.add_argument("--rows", type=int, default=10_000_000, help="impressions over all days")
    parser.add_argument("--last-day-rows", type=int, help="those of the last day; by default as many as of every other day")
    parser.add_argument("--days", type=int, default=31)
    parser.add_argument("--first", default="2026-10-01", help="first delivery day")
    parser.add_argument(
        "--ids", choices=["uuid-text", "uuid-binary"], default="uuid-text", help="form of the ids of impressions and clicks"
    )
    parser.add_argument("--line-items", type=int, default=1_000)
    parser.add_argument("--partners-per-line-item", type=int, default=PARTNERS_PER_LINE_ITEM, help=f"{PARTNERS} at most")
    parser.add_argument("--households", type=int, default=2_000_000)
    parser.add_argument("--rows-per-file", type=int, default=ROWS_PER_FILE, help="impressions of a file at most")
    parser.add_argument("--row-group-rows", type=int, default=ROW_GROUP_ROWS)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only-last-day", action="store_true", help="write no other day's landing files")
    args = parser.parse_args()
    if min(args.rows, args.days, args.households) < 1 or args.line_items < LINE_ITEMS_PER_ADVERTISER:
        parser.error(f"rows, days and households are at least 1, line items at least {LINE_ITEMS_PER_ADVERTISER}")
    if not 1 <= args.partners_per_line_item <= PARTNERS:
        parser.error(f"a line item runs at 1 to {PARTNERS} partners")
    if args.rows_per_file < ROWS_PER_CONVERSION or args.row_group_rows < 1:
        parser.error(f"a file has at least {ROWS_PER_CONVERSION} rows, a row group at least 1")
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
    contracts = write_contracts(args.to / "contracts", log.line_items, log.first)
    days = range(log.days - 1 if args.only_last_day else 0, log.days)
    write_landing(args.to / "landing", log, Files(args.rows_per_file, args.row_group_rows), days)
    seconds = time.perf_counter() - started
    rows = log.rows - log.start(days.start)
    print(f"{rows:,} impressions of {len(days)} days, {contracts} contracts: {seconds:.1f} s, {rows / seconds:,.0f} rows/s")


def write_landing(landing: Path, log: Log, files: Files, days: range) -> None:
    """Write the three feeds of ``days``, which are counted from 0, day by day."""
    for day in days:
        begin, end = log.start(day), log.start(day + 1)
        name = str(log.first + timedelta(days=day))
        for feed, step in ((impressions, 1), (clicks, ROWS_PER_CLICK), (conversions, ROWS_PER_CONVERSION)):
            numbers = range(-(-begin // step) * step, end, step)
            _write(landing / feed.__name__ / name, numbers, files, partial(feed, log=log, begin=begin))
        _progress(day + 1, log)


def impressions(numbers: pl.Series, log: Log, begin: int) -> pl.LazyFrame:
    """The impressions in the places ``numbers`` of the log (UInt64), of a day that begins at ``begin``: the feed's columns."""
    bits = pl.col("bits")
    micros = (6_000 + part_of(bits, 41, 24_000) + pl.col("conflict")).cast(pl.Int64)
    return (
        _touches(_placed(numbers, log, begin, step=1, stream=0), log, ids=1)
        .with_columns(bits=draw(pl.col("n"), log.stream + 5))
        .select(
            _unless(pl.col("lack") == 0, _uuid(binary=log.binary_ids)).alias("impression_id"),
            *_TOUCH,
            device_type=_one_of(bits, 0, _DEVICES),
            country=_one_of(bits, 10, _COUNTRIES),
            viewable=part_of(bits, 20, 100) < 92,
            completed=(part_of(bits, 27, 100) < 85) ^ pl.col("conflict"),
            invalid_reason=pl.when(part_of(bits, 34, 50) == 0).then(_one_of(bits, 40, ["datacenter", "bot"])),
            cost=_micros(pl.when(part_of(bits, 50, 2_048) == 0).then(-1).otherwise(micros)),
        )
    )


def clicks(numbers: pl.Series, log: Log, begin: int) -> pl.LazyFrame:
    """The clicks on the impressions ``numbers``, up to ten minutes after them: the feed's columns."""
    bits = draw(pl.col("n"), log.stream + 20)
    return (
        _touches(_placed(numbers, log, begin, ROWS_PER_CLICK, stream=23), log, ids=21)
        .with_columns(pl.col("event_time") + pl.duration(microseconds=part_of(bits, 0, _JITTER_US)))
        .select(
            _uuid(binary=log.binary_ids).alias("click_id"),
            *_TOUCH,
            invalid_reason=pl.when(part_of(bits, 40, 50) == 0).then(pl.lit("bot")),
        )
    )


def conversions(numbers: pl.Series, log: Log, begin: int) -> pl.LazyFrame:
    """Conversions at the times of the impressions ``numbers``, by households of earlier impressions: the feed's columns."""
    luck, shop, at = pl.col("luck"), pl.col("shop"), pl.col("n")
    ordered = part_of(luck, 8, 5) > 0
    a_week = 7 * log.usual_day
    placed = _placed(numbers, log, begin, ROWS_PER_CONVERSION, stream=34)
    events = placed.with_columns(luck=draw(at, log.stream + 30), shop=draw(at, log.stream + 31))
    # One in five is by a household drawn anew, which need not have seen the line.
    return (
        events.with_columns(after=at - part_of(luck, 16, a_week) % (at + 1))
        .with_columns(buyer=pl.when(part_of(luck, 0, 1 << 8) % 5 > 0).then("after").otherwise(at + (1 << 42)))
        .with_columns(rank=_household(draw(pl.col("buyer"), log.stream + 4), log))
        .with_columns(household=draw(pl.col("rank"), log.stream + 6))
        .with_columns(line=_line_item(draw(pl.col("after"), log.stream + 4), log))
        .with_columns(high=draw(at, log.stream + 32), low=draw(at, log.stream + 33))
        .with_columns(cents=1_000 + part_of(shop, 0, 24_000) + pl.col("conflict"))
        .with_columns(cents=pl.when(part_of(shop, 50, 1_000) == 0).then(-1).otherwise(pl.col("cents").cast(pl.Int64)))
        .select(
            conversion_id=_uuid(),
            event_time=_time(at, log),
            household_id=_unless(part_of(shop, 24, 100) == 0, _hex("household")),
            advertiser_id=_unless(
                part_of(shop, 54, 1_000) == 0, pl.format("adv-{}", pl.col("line") // LINE_ITEMS_PER_ADVERTISER)
            ),
            event=pl.when(ordered).then(pl.lit("purchase")).otherwise(pl.lit("signup")),
            order_id=pl.when(ordered).then(pl.format("o-{}", at)),
            order_value=pl.when(ordered).then(_micros(pl.col("cents") * 10_000)),
            currency=pl.when(ordered).then(_one_of(shop, 44, _CURRENCIES)),
            new_customer=part_of(shop, 20, 3) == 0,
            country=_one_of(shop, 32, _COUNTRIES),
            category=_one_of(shop, 40, ["apparel", "home", "toys", "garden"]),
            coupon=pl.lit(None, pl.String),
        )
    )


def _placed(numbers: pl.Series, log: Log, begin: int, step: int, stream: int) -> pl.LazyFrame:
    """``n``, the number of the row that each place shows, mostly its own, and ``conflict``: it shows it with other content."""
    n, fate = pl.col("n"), pl.col("fate")
    near = part_of(fate, 24, max(1, log.usual_day // 4 // step))
    far = (n - begin) // step + part_of(fate, 24, max(1, 2 * log.usual_day // step))
    return (
        pl.LazyFrame({"n": numbers})
        .with_columns(fate=draw(n, log.stream + stream))
        .with_columns(back=step * (1 + pl.when(part_of(fate, 8, 4) > 0).then(near).otherwise(far)))
        .with_columns(again=(fate // 16 % 200 == 0) & (pl.col("back") <= n))
        .select(
            n=pl.when("again").then(n - pl.col("back")).otherwise(n),
            conflict=pl.col("again") & (part_of(fate, 12, 1 << 20) % 10 == 0),
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
        .with_columns(rank=_household(who, log), line=_line_item(who, log), lack=part_of(pl.col("low"), 40, 4_096))
        .with_columns(household=draw(pl.col("rank"), log.stream + 6))
        .with_columns(
            event_time=_unless(pl.col("lack") == 1, _time(n, log)),
            household_id=_unless(pl.col("lack") < 41, _hex("household")),
            line_item_id=_numbered("li", _or_none(pl.col("lack") == 2, pl.col("line"), log.line_items), log.line_items),
            partner_id=_numbered(
                "pub", _or_none(pl.col("lack") == 3, _runs_at(who, pl.col("line"), log), PARTNERS), PARTNERS
            ),
        )
    )


def _uuid(*, binary: bool = False) -> pl.Expr:
    return _hex("high", "low").str.decode("hex") if binary else uuid_text(pl.col("high"), pl.col("low"))


def _hex(*columns: str) -> pl.Expr:
    return pl.concat_str(word for column in columns for word in hex_words(pl.col(column)))


def _micros(number: pl.Expr) -> pl.Expr:
    return number.cast(pl.Int128).reinterpret(dtype=pl.Decimal(18, 6))


def _unless(missing: pl.Expr, value: pl.Expr) -> pl.Expr:
    return pl.when(~missing).then(value)


def _or_none(missing: pl.Expr, number: pl.Expr, size: int) -> pl.Expr:
    """``number``, or for what is ``missing`` the slot behind the last, in which ``_numbered`` has no text."""
    return pl.when(missing).then(size).otherwise(number)


def _time(n: pl.Expr, log: Log) -> pl.Expr:
    """In the order of the log within a day, give or take ten minutes; on an earlier day for those that come late."""
    bits = draw(n, log.stream + 3)
    days_late = pl.lit(_DAYS_LATE).gather(part_of(bits, 0, 1 << 24) % 1_000)
    span, usual = _DAY_MS - _JITTER_US // 1_000, max(1, log.before)
    is_last, rest = n >= log.before, n - pl.min_horizontal(n, pl.lit(log.before, pl.UInt64))
    day = pl.when(is_last).then(log.days - 1).otherwise(n * (log.days - 1) // usual)
    at = n * (log.days - 1) % usual * span // usual
    milliseconds = pl.when(is_last).then(rest * span // max(1, log.last_day)).otherwise(at)
    epoch_day = (log.first - date(1970, 1, 1)).days
    microseconds = (epoch_day + day.cast(pl.Int64) - days_late) * _DAY_MS * 1_000 + milliseconds.cast(pl.Int64) * 1_000
    return (microseconds + part_of(bits, 24, _JITTER_US).cast(pl.Int64)).cast(INSTANT)


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
    return pl.lit(pl.Series([*(f"{prefix}-{i}" for i in range(size)), None])).gather(number)


def _one_of(bits: pl.Expr, shift: int, values: list[str] | list[str | None]) -> pl.Expr:
    return pl.lit(pl.Series(values, dtype=pl.String)).gather(part_of(bits, shift, len(values)))


def _write(folder: Path, rows: range, files: Files, feed: Callable[[pl.Series], pl.LazyFrame]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    of_file = -(-files.rows // rows.step) * rows.step
    for part, start in enumerate(range(rows.start, max(rows.stop, rows.start + 1), of_file)):
        numbers = pl.int_range(start, min(rows.stop, start + of_file), rows.step, dtype=pl.UInt64, eager=True)
        feed(numbers).sink_parquet(
            folder / f"part-{part}.parquet", compression="zstd", compression_level=1, row_group_size=files.row_group
        )


def _progress(done: int, log: Log) -> None:
    if sys.stderr.isatty():
        print(f"\r{done} of {log.days} days", end="\n" if done == log.days else "", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
