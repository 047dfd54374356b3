"""Random worlds: a folder in the form of ``tests/cases`` with all that contracts and feeds can say at once.

    write_world(seed, folder)   contracts/, amendments/, landing/ and case.json; the same seed gives the same files

A contract's versions are files ``<contract_id>.json``, ``<contract_id>.v2.json``, ... in the order of their names;
``amendments/`` goes on counting. The steps of ``case.json`` are those of the worked cases: run, close, amend, run late, adjust.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from world_contracts import CURRENCIES, Span, book
from world_events import Delivery, Row, events

MONTH_ENDS = (date(2026, 10, 31), date(2026, 11, 30), date(2027, 3, 31), date(2027, 2, 28))
FEEDS = ("impressions", "clicks", "conversions", "conversion_adjustments")
PER_USD = {"USD": 1.0, "EUR": 0.87, "JPY": 152.0, "KWD": 0.31, "CAD": 1.36}


def write_world(seed: int, folder: Path, *, count: int | None = None) -> None:
    """A world of about ``count`` events, by default from 200 to 3,000, in a folder that is made."""
    chance = random.Random(f"world {seed}")
    count = count or int(200 * 15 ** chance.random())
    month_end = chance.choice(MONTH_ENDS)
    last = month_end + timedelta(days=chance.randint(2, 4))
    back = chance.choice((chance.randint(6, 30), chance.randint(31, 40)))
    span = Span(month_end - timedelta(days=back), last, last + timedelta(days=chance.randint(1, 3)))
    agreed = book(chance, span, max(4, count // 25))
    for name, contracts in (("contracts", agreed.contracts), ("amendments", agreed.amendments)):
        (folder / name).mkdir(parents=True)
        for contract_id, versions in contracts.items():
            before = len(agreed.contracts[contract_id]) if name == "amendments" else 0
            for number, document in enumerate(versions, before + 1):
                file = f"{contract_id}.json" if number == 1 else f"{contract_id}.v{number}.json"
                (folder / name / file).write_text(json.dumps(document, indent=1), encoding="utf-8")
    _write_landing(chance, folder / "landing", span, events(chance, span, agreed, count))
    _write_rates(chance, folder / "landing" / "fx_rates", span)
    _write_steps(folder, span, month_end)


def _write_steps(folder: Path, span: Span, month_end: date) -> None:
    months = sorted({span.first.isoformat()[:7], *(_month(span, days) for days in range((month_end - span.first).days))})
    steps = [
        "contracts/*.json submitted and approved",
        f"backfill {span.first} {span.last}",
        *(f"close {month}" for month in months),
        "amendments/*.json submitted with --retroactive and approved",
        f"backfill {span.last + timedelta(days=1)} {span.late_last}",
        *(f"adjust {month}" for month in months),
    ]
    (folder / "case.json").write_text(json.dumps({"steps": steps}, indent=1), encoding="utf-8")


def _month(span: Span, days: int) -> str:
    return (span.first + timedelta(days=days)).isoformat()[:7]


def _write_landing(chance: random.Random, landing: Path, span: Span, deliveries: list[Delivery]) -> None:
    by_folder: dict[tuple[str, date], list[Row]] = {}
    headers: dict[str, list[str]] = {}
    for feed, day, row in deliveries:
        headers.setdefault(feed, list(row))
        by_folder.setdefault((feed, day), []).append(row)
    for days in range((span.late_last - span.first).days + 1):
        day = span.first + timedelta(days=days)
        for feed in FEEDS:
            rows = by_folder.get((feed, day), [])
            if not rows and feed in ("clicks", "conversion_adjustments"):
                continue
            chance.shuffle(rows)
            folder = landing / feed / day.isoformat()
            folder.mkdir(parents=True)
            files = chance.choice((1, 1, 2))
            for part in range(files):
                _write_file(chance, folder / f"part-{part}", headers[feed], rows[part::files], day)


def _write_file(chance: random.Random, stem: Path, columns: list[str], rows: list[Row], day: date) -> None:
    """One landing file in one of its forms, with a bad row now and then."""
    rows = [bad for row in rows for bad in ([_bad(chance, row, day), row] if chance.random() < 0.03 else [row])]
    if chance.random() < 0.5:
        content, suffix = _csv(chance, columns, rows), "csv"
    else:
        content, suffix = "".join(_json_line(chance, row) for row in rows), "ndjson"
    if chance.random() < 0.3:
        stem.with_name(f"{stem.name}.{suffix}.gz").write_bytes(gzip.compress(content.encode(), mtime=0))
    else:
        stem.with_name(f"{stem.name}.{suffix}").write_bytes(content.encode())


def _bad(chance: random.Random, row: Row, day: date) -> Row:
    """A row that cannot be used, under an id of its own."""
    key = next(iter(row))
    instant = "event_time" if "event_time" in row else "adjusted_at"
    broken = {**row, key: f"{row[key]}-bad"}
    changes = [{key: ""}, {instant: ""}, {instant: "yesterday"}, {instant: "2026-02-30T00:00:00Z"}]
    if instant == "event_time":
        changes += [{instant: f"{day - timedelta(days=9)}T00:00:00Z"}, {instant: f"{day + timedelta(days=3)}T00:00:00Z"}]
        changes += [
            {instant: f"{day - timedelta(days=8)}T23:59:59.999999Z"},
            {instant: f"{day + timedelta(days=2)}T00:00:00Z"},
            {instant: f"{day + timedelta(days=2)}T00:00:00.000001Z"},
        ]
    wrong = {
        "line_item_id": "",
        "partner_id": "",
        "event": "",
        "viewable": "maybe",
        "country": "usa",
        "currency": "dollars",
        "cost": "-0.01",
        "order_value": chance.choice(("1e3", "1,000", "1000000000.01", "0.1234567891", "-5")),
        "action": "undo",
    }
    changes += [{name: value} for name, value in wrong.items() if name in row]
    broken.update(chance.choice(changes))
    if chance.random() < 0.2:
        broken.update(chance.choice(changes))
    if chance.random() < 0.15:
        broken["-unreadable-"] = ""
    return broken


def _csv(chance: random.Random, columns: list[str], rows: list[Row]) -> str:
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator=chance.choice(("\n", "\r\n")))
    places = chance.sample(range(len(columns)), len(columns)) if chance.random() < 0.3 else range(len(columns))
    extra = chance.random() < 0.2
    writer.writerow([columns[place] for place in places] + ["not_ours"] * extra)
    for row in rows:
        values = [row[columns[place]] for place in places] + ["x"] * extra
        if "-unreadable-" in row:
            values = values[:-1] if chance.random() < 0.5 else [*values, "more"]
        writer.writerow(values)
    return stream.getvalue() + chance.choice(("", "", "\n"))


def _json_line(chance: random.Random, row: Row) -> str:
    if "-unreadable-" in row:
        return chance.choice(('{"impression_id": "imp-0"', "[1, 2]", "nothing")) + "\n"
    values: dict[str, Any] = {name: value or chance.choice((None, "")) for name, value in row.items()}
    for name in ("viewable", "completed", "new_customer"):
        if values.get(name) in ("true", "false") and chance.random() < 0.5:
            values[name] = values[name] == "true"
    left_out = [name for name, value in values.items() if value is None and chance.random() < 0.3]
    line = json.dumps(
        {name: value for name, value in values.items() if name not in left_out}, ensure_ascii=chance.random() < 0.5
    )
    return line + chance.choice(("\n", "\n", "\n", "\n", "\n\n"))


def _write_rates(chance: random.Random, folder: Path, span: Span) -> None:
    """Every pair of contract currencies on every day, either way round; CAD but for a few days; CHF never."""
    folder.mkdir(parents=True)
    rows = []
    for days in range(-14, (span.late_last - span.first).days + 4):
        day = span.first + timedelta(days=days)
        codes = [*CURRENCIES, "CAD"] if chance.random() < 0.9 else [*CURRENCIES]
        for place, one in enumerate(codes):
            for other in codes[:place]:
                ways = chance.choice(([(one, other)], [(other, one)], [(one, other)], [(other, one), (one, other)]))
                for base, quote in ways:
                    rate = PER_USD[quote] / PER_USD[base] * chance.uniform(0.97, 1.03)
                    rows.append((day, base, quote, f"{rate:.{chance.choice((4, 6))}f}"))
    for part in range(2):
        with (folder / f"rates-{part}.csv").open("w", encoding="utf-8", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow(("date", "base", "quote", "rate"))
            writer.writerows(rows[part::2])
