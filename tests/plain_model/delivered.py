"""Landing folders as rows: what is read, quarantined, dropped as a duplicate, accepted (spec 3.2 to 3.4)."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

Row = dict[str, Any]

HORIZON_DAYS = 7
_NUMBER = re.compile(r"-?\d+(\.\d{1,9})?")
_INSTANT = re.compile(
    r"(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?)(Z|[+-]\d{2}:?\d{2})?", flags=re.IGNORECASE
)
_TRUE, _FALSE = {"true", "t", "yes", "1"}, {"false", "f", "no", "0"}


class Column(NamedTuple):
    name: str
    kind: str = "text"
    required: bool = False


def _columns(words: str) -> tuple[Column, ...]:
    made = []
    for word in words.split():
        name, _, kind = word.rstrip("!").partition(":")
        made.append(Column(name, kind or "text", word.endswith("!")))
    return tuple(made)


FEEDS = {
    "impressions": _columns(
        "impression_id! event_time:instant! household_id line_item_id! partner_id! device_type country:country "
        "viewable:bool completed:bool invalid_reason cost:money"
    ),
    "clicks": _columns("click_id! event_time:instant! household_id line_item_id! partner_id! invalid_reason"),
    "conversions": _columns(
        "conversion_id! event_time:instant! household_id advertiser_id! event! order_id order_value:money currency:currency "
        "new_customer:bool country:country category coupon"
    ),
    "conversion_adjustments": _columns(
        "adjustment_id! conversion_id! adjusted_at:instant! action:action! order_value:money reason"
    ),
}


@dataclass
class Delivered:
    """Accepted rows by feed, in order of delivery, each with its ``delivery_day``; and the two tables about the rest."""

    rows: dict[str, list[Row]] = field(default_factory=dict)
    quarantine: list[dict[str, str]] = field(default_factory=list)
    counts: list[dict[str, str]] = field(default_factory=list)


class BadRowError(Exception):
    """A row that goes to quarantine; the text is the reason."""


def delivered(landing: Path, days: list[date]) -> Delivered:
    """What the delivery ``days``, in ascending order, come to."""
    found = Delivered()
    for feed in FEEDS:
        accepted: list[Row] = found.rows.setdefault(feed, [])
        for day in days:
            good, bad = _read_day(landing / feed / day.isoformat(), feed, day)
            kept = _kept(good, accepted, feed, day)
            accepted += kept
            found.quarantine += bad
            numbers = (len(good) + len(bad), len(kept), len(good) - len(kept), len(bad))
            named = zip(("read", "accepted", "duplicate", "quarantined"), map(str, numbers), strict=True)
            found.counts.append({"feed": feed, "delivery_day": day.isoformat(), **dict(named)})
    return found


def _read_day(folder: Path, feed: str, day: date) -> tuple[list[Row], list[dict[str, str]]]:
    good: list[Row] = []
    bad: list[dict[str, str]] = []
    for path in sorted(folder.glob("*")) if folder.is_dir() else []:
        if path.name == "manifest.json":
            continue
        for number, raw in _raw_rows(path):
            try:
                good.append(_row(raw, feed, day))
            except BadRowError as error:
                named = {"feed": feed, "delivery_day": day.isoformat(), "file": path.name}
                bad.append({**named, "row": str(number), "reason": str(error)})
    return good, bad


def _raw_rows(path: Path) -> Iterator[tuple[int, dict[str, str | None] | None]]:
    """The rows of a file with their numbers; None where a row cannot be read at all."""
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    lines = io.StringIO(content.decode("utf-8"), newline="")
    if ".ndjson" in path.name:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, _json_row(line)
        return
    records = [record for record in csv.reader(lines) if record]
    for number, record in enumerate(records[1:], 1):
        whole = len(record) == len(records[0])
        yield number, dict(zip(records[0], record, strict=True)) if whole else None


def _json_row(line: str) -> dict[str, str | None] | None:
    try:
        read = json.loads(line, parse_float=str, parse_int=str)
    except ValueError:
        return None
    if not isinstance(read, dict):
        return None
    return {key: str(value).lower() if isinstance(value, bool) else value for key, value in read.items()}


def _row(raw: dict[str, str | None] | None, feed: str, day: date) -> Row:
    if raw is None:
        raise BadRowError("unreadable")
    columns = FEEDS[feed]
    for column in columns:
        needed = column.required or (column.name == "order_value" and raw.get("action") == "restate")
        if needed and not raw.get(column.name):
            raise BadRowError(f"missing_{column.name}")
    row: Row = {column.name: _value(column, raw.get(column.name) or None) for column in columns}
    if "event_time" in row:
        start = datetime.combine(day, time(), UTC)
        if row["event_time"] < start - timedelta(days=HORIZON_DAYS):
            raise BadRowError("too_early")
        if row["event_time"] > start + timedelta(days=2):
            raise BadRowError("too_late")
    return {**row, "delivery_day": day}


def _value(column: Column, raw: str | None) -> Any:
    if raw is None:
        return None
    try:
        return _converted(column.kind, raw)
    except ValueError as error:
        raise BadRowError(f"bad_{column.name}") from error


def _converted(kind: str, raw: str) -> Any:
    match kind:
        case "instant":
            return _instant(raw)
        case "bool" if raw.lower() in _TRUE | _FALSE:
            return raw.lower() in _TRUE
        case "money" if _NUMBER.fullmatch(raw) and 0 <= Fraction(raw) <= 10**9:
            return Fraction(raw)
        case "country" if re.fullmatch("[A-Z]{2}", raw):
            return raw
        case "currency" if re.fullmatch("[A-Z]{3}", raw):
            return raw
        case "action" if raw in ("reverse", "restate"):
            return raw
        case "text":
            return raw
    raise ValueError(raw)


def _instant(raw: str) -> datetime:
    match = _INSTANT.fullmatch(raw)
    if match is None:
        raise ValueError(raw)
    day, clock, zone = match.groups()
    read = datetime.fromisoformat(f"{day}T{clock}{(zone or 'Z').upper()}")
    return read.astimezone(UTC)


def _kept(rows: list[Row], accepted: list[Row], feed: str, day: date) -> list[Row]:
    """The rows whose id was not accepted before, of each id the earliest."""
    name = FEEDS[feed][0].name
    since = day - timedelta(days=HORIZON_DAYS + 2) if feed != "conversion_adjustments" else date.min
    known = {row[name] for row in accepted if row["delivery_day"] >= since}
    kept: list[Row] = []
    for row in sorted(rows, key=lambda row: _order(row, feed)):
        if row[name] not in known:
            known.add(row[name])
            kept.append(row)
    return kept


def _order(row: Row, feed: str) -> tuple[Any, ...]:
    instant = row["adjusted_at"] if feed == "conversion_adjustments" else row["event_time"]
    return instant, *(
        (row[name] is not None, row[name]) if row[name] is not None else (False,) for name, _, _ in FEEDS[feed]
    )
