"""A believable month for `adledger demo`: sample contracts and landing files, the same bytes every time.

The landing folder looks as real upstreams leave it: Parquet on most days and gzipped CSV on some, conversions as ndjson,
manifests on Mondays, and in the text files a few rows that nobody can use.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import polars as pl

from contracts_io.calendar import ONE_DAY, Month, days_between, format_instant
from contracts_io.money import format_scaled
from services.sample_contracts import contract_documents
from services.sample_events import (
    ADJUSTMENTS,
    CLICKS,
    IMPRESSIONS,
    adjustments_of,
    as_delivered,
    clicks_of,
    conversions_of,
    impressions_of,
)

_DAYS_BEFORE = 2
# The grace day, and one more: where a month ends in California, it is the next day in UTC.
_DAYS_AFTER = 2
_GZIP_EVERY = 3
_TIME = "%Y-%m-%dT%H:%M:%S%.6fZ"

# A kind of dirt: the column that it spoils (none: the first, which is the id) and the text that stands there instead.
_BAD_VALUES: dict[str, tuple[str, str]] = {
    "no id": ("", ""),
    "no time": ("event_time", "31/10 20:15"),
    "a clock at its epoch": ("event_time", "1970-01-01T00:00:00Z"),
    "no country": ("country", "USA"),
    "a negative cost": ("cost", "-0.012000"),
    "a negative value": ("order_value", "-49.90"),
    "no currency": ("currency", "usd"),
}
_CUT_OFF = "a line cut off"
_TOO_MANY = "too many fields"
_DIRT_IN_IMPRESSIONS = ("no id", "no time", "a clock at its epoch", "no country", "a negative cost", _CUT_OFF, _TOO_MANY)
_DIRT_IN_CLICKS = ("no id", "no time", _CUT_OFF, _TOO_MANY)
_DIRT_IN_CONVERSIONS = ("no id", "no time", "no country", "a negative value", "no currency", _CUT_OFF)


@dataclass(frozen=True)
class SampleSummary:
    """What was written: delivery days from ``first`` to ``last``, and rows of each feed, dirty and double ones too."""

    first: date
    last: date
    contracts: int
    impressions: int
    clicks: int
    conversions: int
    conversion_adjustments: int


def delivery_days(month: Month) -> list[date]:
    """The delivery days of the sample of ``month``, ascending: they begin before it, and end after it."""
    return list(days_between(month.first - _DAYS_BEFORE * ONE_DAY, month.last + _DAYS_AFTER * ONE_DAY))


def write_sample(home: Path, month: Month) -> SampleSummary:
    """Write the sample contracts and landing files of ``month`` into the home folder, which exists.

    ``contracts/<id>.yaml``; ``landing/<feed>/<YYYY-MM-DD>/`` for every day (UTC) from two days before the month to two days
    after it; ``landing/fx_rates/rates.csv``. The same month gives the same bytes, and files of that name are replaced.
    """
    days = delivery_days(month)
    landing = home / "landing"
    rng = random.Random(f"adledger {month}")

    contracts = contract_documents(month)
    for contract_id, text in contracts.items():
        _write(home / "contracts" / f"{contract_id}.yaml", text.splitlines())

    impressions = impressions_of(month, days)
    clicks = clicks_of(impressions)
    conversions = conversions_of(rng, impressions, clicks, days)
    adjustments = adjustments_of(rng, conversions, month, days)
    rows = {
        "impressions": _land_impressions(landing / "impressions", rng, as_delivered(impressions, days)),
        "clicks": _land_clicks(landing / "clicks", rng, as_delivered(clicks, days)),
        "conversions": _land_conversions(landing / "conversions", conversions),
        "conversion_adjustments": _land_adjustments(landing / "conversion_adjustments", adjustments),
    }
    _land_fx_rates(landing / "fx_rates" / "rates.csv", rng, days)
    return SampleSummary(first=days[0], last=days[-1], contracts=len(contracts), **rows)


def _land_impressions(folder: Path, rng: random.Random, delivered: pl.DataFrame) -> int:
    """Two files a day, Parquet or gzipped CSV; returns the rows written, as each of these functions does."""
    by_day = delivered.partition_by("delivery_day", as_dict=True, maintain_order=True)
    for number, ((day,), rows) in enumerate(by_day.items()):
        files = {}
        for (part,), file in rows.partition_by("file", as_dict=True, maintain_order=True).items():
            frame = file.select(IMPRESSIONS)
            if number % _GZIP_EVERY == 1:
                name = f"part-{part}.csv.gz"
                _write(folder / str(day) / name, _spoil_csv(rng, _csv_lines(frame), _DIRT_IN_IMPRESSIONS, every=100))
            else:
                name = f"part-{part}.parquet"
                (folder / str(day)).mkdir(parents=True, exist_ok=True)
                frame.write_parquet(folder / str(day) / name)
            files[name] = len(frame)
        _write_manifest(folder / str(day), day, files)
    return len(delivered)


def _land_clicks(folder: Path, rng: random.Random, delivered: pl.DataFrame) -> int:
    for (day,), rows in delivered.partition_by("delivery_day", as_dict=True, maintain_order=True).items():
        lines = _spoil_csv(rng, _csv_lines(rows.select(CLICKS).sort(CLICKS[1], *CLICKS)), _DIRT_IN_CLICKS, every=120)
        _write(folder / str(day) / "clicks.csv", lines)
        _write_manifest(folder / str(day), day, {"clicks.csv": len(rows)})
    return len(delivered)


def _land_conversions(folder: Path, delivered: Mapping[date, Sequence[Mapping[str, Any]]]) -> int:
    number = 0
    for day, rows in delivered.items():
        lines = []
        for row in rows:
            number += 1
            kind = _DIRT_IN_CONVERSIONS[number // 40 % len(_DIRT_IN_CONVERSIONS)]
            lines.append(_json_line(row) if number % 40 else _spoil_json(row, kind))
        _write(folder / str(day) / "conversions.ndjson", lines)
        _write_manifest(folder / str(day), day, {"conversions.ndjson": len(rows)})
    return number


def _land_adjustments(folder: Path, delivered: Mapping[date, Sequence[Mapping[str, Any]]]) -> int:
    for day, rows in delivered.items():
        cells = [
            [format_instant(cell) if isinstance(cell, datetime) else cell or "" for cell in row.values()] for row in rows
        ]
        _write(folder / str(day) / "adjustments.csv", [",".join(line) for line in [ADJUSTMENTS, *cells]])
        _write_manifest(folder / str(day), day, {"adjustments.csv": len(rows)})
    return sum(len(rows) for rows in delivered.values())


def _land_fx_rates(path: Path, rng: random.Random, days: Sequence[date]) -> None:
    """The euro in dollars, also for the days before the first delivery, from which a late event may come."""
    ten_thousandths = 10_840
    lines = ["date,base,quote,rate"]
    for day in days_between(days[0] - 7 * ONE_DAY, days[-1]):
        ten_thousandths += rng.randint(-60, 60)
        lines.append(f"{day},EUR,USD,{format_scaled(ten_thousandths, 4)}")
    _write(path, lines)


def _csv_lines(rows: pl.DataFrame) -> list[str]:
    return rows.with_columns(pl.col("event_time").dt.strftime(_TIME)).write_csv().splitlines()


def _spoil_csv(rng: random.Random, lines: list[str], dirt: Sequence[str], *, every: int) -> list[str]:
    """The lines of a file, the header first, with about one row in ``every`` spoiled, each time in another way."""
    header = lines[0].split(",")
    spoiled = list(lines)
    for row in range(rng.randrange(1, every), len(lines), every):
        kind = rng.choice(dirt)
        cells = lines[row].split(",")
        if kind == _CUT_OFF:
            cells = cells[: len(cells) // 2]
        elif kind == _TOO_MANY:
            cells.append(cells[-1])
        else:
            column, text = _BAD_VALUES[kind]
            cells[header.index(column) if column in header else 0] = text
        spoiled[row] = ",".join(cells)
    return spoiled


def _spoil_json(row: Mapping[str, Any], kind: str) -> str:
    """One row of a feed as a line of JSON, spoiled."""
    if kind == _CUT_OFF:
        return _json_line(row)[:90]
    column, text = _BAD_VALUES[kind]
    return _json_line({**row, column if column in row else next(iter(row)): text})


def _json_line(row: Mapping[str, Any]) -> str:
    return json.dumps(row, default=format_instant)


def _write_manifest(folder: Path, day: date, rows: Mapping[str, int]) -> None:
    """What was dropped, in the deliveries of a Monday."""
    if day.weekday() != 0:
        return
    files = [
        {"name": name, "rows": count, "sha256": hashlib.sha256((folder / name).read_bytes()).hexdigest()}
        for name, count in rows.items()
    ]
    _write(folder / "manifest.json", [json.dumps({"files": files}, indent=2)])


def _write(path: Path, lines: Sequence[str]) -> None:
    """Lines as UTF-8 with LF ends; gzipped without a time stamp where the name says so."""
    data = "".join(f"{line}\n" for line in lines).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)
