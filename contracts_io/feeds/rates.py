"""Currency rates from ``landing/fx_rates/*.csv``: ``date,base,quote,rate``, one base unit in units of the quote currency."""

from __future__ import annotations

import csv
from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl

from contracts_io.calendar import parse_day
from contracts_io.errors import FeedError, UsageError
from contracts_io.money import NANOS_TYPE, is_currency, parse_scaled

RATES_SCHEMA = pl.Schema({"date": pl.Date(), "base": pl.String(), "quote": pl.String(), "rate": NANOS_TYPE})
RATES_FOLDER = "fx_rates"
_HIGHEST = 10**10  # a value of 10^9 times a rate of 10^10, both with nine places, stays within 128 bits
_Key = tuple[date, str, str]


def read_rates(landing: Path) -> pl.DataFrame:
    """Every rate in ``landing/fx_rates``: date, base, quote, rate (``NANOS_TYPE``), sorted; empty where there is no folder.

    FeedError with file and line where a row is bad, or gives another rate for a date and pair than a row before it.
    """
    folder = landing / RATES_FOLDER
    found: dict[_Key, int] = {}
    given: dict[_Key, str] = {}
    try:
        paths = sorted(folder.iterdir()) if folder.is_dir() else []
    except OSError as error:
        raise FeedError(f"cannot be read: {error.strerror}", where=str(folder), remedy="make it readable") from None
    for path in paths:
        if path.name.startswith("."):
            continue
        if path.suffix != ".csv" or path.is_dir():
            raise FeedError("is not a file of rates", where=str(path), remedy="deliver rates as .csv: date,base,quote,rate")
        for line, key, rate in _rows(path):
            if found.setdefault(key, rate) != rate:
                day, base, quote = key
                raise FeedError(
                    f"the rate {base}/{quote} of {day} differs from the one in {given[key]}",
                    where=f"{path}, line {line}",
                    remedy="keep one of the two",
                )
            given.setdefault(key, f"{path.name}, line {line}")
    rows = [(*key, Decimal(rate).scaleb(-9)) for key, rate in sorted(found.items())]
    return pl.DataFrame(rows, schema=RATES_SCHEMA, orient="row")


def _rows(path: Path) -> list[tuple[int, _Key, int]]:
    """Line number, (date, base, quote) and nanos of each row of a file."""
    rows = []
    line = 0
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            if header and sorted(header) != sorted(RATES_SCHEMA):
                raise ValueError(f"the columns are {', '.join(header)}")
            for cells in reader:
                line = reader.line_num
                if cells:
                    rows.append((line, *_row(header, cells)))
    except (OSError, UnicodeDecodeError) as error:
        raise FeedError(f"cannot be read: {error}", where=str(path), remedy="make it a readable UTF-8 file") from None
    except (ValueError, csv.Error, UsageError) as error:
        what = error.what if isinstance(error, UsageError) else str(error)
        where = f"{path}, line {line or 1}"
        raise FeedError(what, where=where, remedy="write rates as date,base,quote,rate: 2026-10-05,EUR,USD,1.0812") from None
    return rows


def _row(header: list[str], cells: list[str]) -> tuple[_Key, int]:
    if len(cells) != len(header):
        raise ValueError(f"{len(cells)} fields where {len(header)} are expected")
    row = dict(zip(header, (cell.strip() for cell in cells), strict=True))
    for side in ("base", "quote"):
        if not is_currency(row[side]):
            raise ValueError(f"{row[side]!r} is not a currency")
    if row["base"] == row["quote"]:
        raise ValueError(f"a rate from {row['base']} to itself")
    rate = parse_scaled(row["rate"], 9)
    if not 0 < rate < _HIGHEST * 10**9:
        raise ValueError(f"the rate {row['rate']} is not above zero, or beyond all reason")
    return (parse_day(row["date"]), row["base"], row["quote"]), rate
