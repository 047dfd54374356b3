"""A small world that can be worked out by hand: one advertiser, one publisher, six delivery days around a month's end.

The days carry everything that can make their order matter: ids delivered twice across days, late rows, an order repeated, a
reversal that comes after its conversion, a restatement that comes before it, a click that comes a day late, bad rows.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from contracts_io.calendar import Month, days_between
from contracts_io.contract import parse_document
from contracts_io.feeds.columns import FEEDS
from contracts_io.home import Home
from contracts_io.store.catalogue import lake_file
from services import billing

APPROVED_AT = datetime(2026, 10, 1, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 10, 28), date(2026, 11, 2)
DAYS = list(days_between(FIRST, LAST))
OCTOBER, NOVEMBER = Month(2026, 10), Month(2026, 11)
ISSUED_ON = date(2026, 11, 20)
TOOK = "took"
"""File in a home that holds the seconds which its backfill took."""

Rows = list[dict[str, str]]

ADVERTISER = """
contract_id: acme-1
side: advertiser
party: {id: acme, name: "Acme Stores, Inc.", country: US}
currency: USD
timezone: America/New_York
starts_on: 2026-10-01
ends_on: 2026-12-31
attribution: {model: last_touch, lookback: {view: 3d, click: 2d}}
terms:
  - {term_id: brand, line_items: [li-brand], pricing: {model: cpm, rate: "2000.00"}}
  - term_id: sales
    line_items: [li-sales]
    pricing: {model: cpa, event: purchase, fee: {type: percent, rate: "0.10"}}
"""
PARTNER = """
contract_id: pub-1
side: partner
party: {id: pub, name: Publisher, country: DE}
currency: USD
timezone: UTC
starts_on: 2026-10-01
ends_on: null
minimum_payout: "0.00"
terms:
  - {term_id: media, pricing: {model: cpm, rate: "1000.00"}}
  - {term_id: actions, pricing: {model: cpa, event: purchase, fee: {type: flat, amount: "3.00"}}}
"""


def impression(name: str, time: str, line_item: str = "li-brand", household: str = "", **other: str) -> dict[str, str]:
    return {
        "impression_id": name,
        "event_time": time,
        "household_id": household,
        "line_item_id": line_item,
        "partner_id": "pub",
        **other,
    }


def click(name: str, time: str, household: str) -> dict[str, str]:
    return {
        "click_id": name,
        "event_time": time,
        "household_id": household,
        "line_item_id": "li-sales",
        "partner_id": "pub",
    }


def purchase(name: str, time: str, household: str, value: str, order: str = "") -> dict[str, str]:
    return {
        "conversion_id": name,
        "event_time": time,
        "household_id": household,
        "advertiser_id": "acme",
        "event": "purchase",
        "order_id": order,
        "order_value": value,
        "currency": "USD",
    }


def adjustment(name: str, conversion: str, time: str, action: str, value: str = "") -> dict[str, str]:
    return {
        "adjustment_id": name,
        "conversion_id": conversion,
        "adjusted_at": time,
        "action": action,
        "order_value": value,
    }


def small_world() -> dict[tuple[str, date], Rows]:
    """The rows of every feed and delivery day; a key that is not there is a folder that is not delivered."""
    world: dict[tuple[str, date], Rows] = {}
    for day in DAYS:
        number = day.day
        world["impressions", day] = [
            impression(f"imp-{number}-{n}", f"{day}T{n + 6:02}:10:00Z", country="US", device_type="ctv") for n in range(5)
        ] + [impression(f"view-{number}", f"{day}T09:00:00Z", "li-sales", f"hh-{number}")]
        world["conversions", day] = [purchase(f"buy-{number}", f"{day}T20:00:00Z", f"hh-{number}", f"{number}.50")]
    oct28, oct29, oct30, oct31, nov1, nov2 = DAYS
    world["impressions", oct29] += [
        impression("imp-28-0", f"{oct28}T06:10:00Z", country="US", device_type="ctv"),  # the same once more
        impression("", f"{oct29}T06:00:00Z"),  # no id
        impression("imp-late", f"{oct28}T23:59:59.999999Z"),
    ]
    world["impressions", oct31] += [
        impression("imp-29-1", f"{oct29}T07:10:01Z", country="CA"),  # the same id, another content
        impression("imp-late", f"{oct28}T23:59:59.999999Z"),
        impression("imp-month", f"{nov1}T03:30:00Z"),  # November in UTC, October in New York
    ]
    world["impressions", nov1] += [impression("imp-old", "2026-09-30T10:00:00Z")]  # too early
    world["impressions", nov2] += [impression("imp-31-2", f"{oct31}T08:10:00Z", country="US", device_type="ctv")]
    world["clicks", oct30] = [
        click("clk-1", f"{oct30}T08:00:00Z", "hh-30"),
        click("clk-late", f"{oct29}T12:00:00Z", "hh-29"),
    ]
    world["clicks", oct31] = [click("clk-1", f"{oct30}T08:00:00Z", "hh-30"), click("clk-2", f"{oct31}T10:00:00Z", "hh-o")]
    world["conversions", oct30] += [purchase("order-b", f"{oct30}T15:00:00Z", "hh-28", "80.00", "o-1")]
    world["conversions", oct31] += [
        purchase("order-c", f"{oct31}T15:00:00Z", "hh-29", "80.00", "o-1"),
        purchase("buy-28", f"{oct28}T20:00:00Z", "hh-28", "28.50"),  # delivered again
        purchase("restated", f"{oct31}T16:00:00Z", "hh-o", "10.00"),
        purchase("no-household", f"{oct31}T17:00:00Z", "", "10.00"),
    ]
    world["conversions", nov1] += [
        purchase("order-a", f"{oct29}T15:00:00Z", "hh-28", "80.00", "o-1"),  # earlier than order-b, delivered later
    ]
    world["conversion_adjustments", oct30] = [adjustment("adj-early", "restated", f"{nov1}T09:00:00Z", "restate", "44.40")]
    world["conversion_adjustments", nov2] = [
        adjustment("adj-1", "buy-29", f"{oct31}T09:00:00Z", "reverse"),
        adjustment("adj-2", "buy-31", f"{nov1}T09:00:00Z", "restate", "100.00"),
        adjustment("adj-early", "restated", f"{nov1}T09:00:00Z", "restate", "44.40"),
        adjustment("adj-3", "buy-31", f"{oct31}T23:00:00Z", "reverse"),  # before adj-2, so adj-2 counts
    ]
    return world


def deliver(home: Home, feed: str, day: date, rows: Sequence[Mapping[str, str]]) -> None:
    """Drop ``rows`` as the one file of a feed and delivery day, in place of what is there."""
    folder = home.landing / feed / str(day)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "part-0.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [column.name for column in FEEDS[feed].columns], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def agree(home: Home, *documents: str, at: datetime = APPROVED_AT) -> None:
    """Import and approve contract documents."""
    parsed = [(f"document-{n}.yaml", parse_document(text, name=f"document-{n}.yaml")) for n, text in enumerate(documents)]
    for imported in home.contracts.import_documents(parsed, by="alice", at=at):
        home.contracts.approve(*imported[:2], by="bob", at=at, content_hash=imported.content_hash)


def make_home(root: Path, *, contracts: Sequence[str] = (ADVERTISER, PARTNER)) -> Home:
    """A home with the small world in its landing folder and the contracts approved; nothing was run."""
    home = Home.create(root)
    for (feed, day), rows in small_world().items():
        deliver(home, feed, day, rows)
    agree(home, *contracts)
    return home


def run(home: Home, *days: date) -> None:
    """Run ``days`` in the order given; the first that fails is raised."""
    for error in billing.run(home, days).failed.values():
        raise error


def delivered_late(root: Path) -> Home:
    """A home whose deliveries begin on 3 November, with an impression of 31 October: 2.00 to be charged."""
    home = Home.create(root)
    agree(home, ADVERTISER)
    nov_3 = date(2026, 11, 3)
    deliver(home, "impressions", nov_3, [impression("late", "2026-10-31T12:00:00Z")])
    deliver(home, "conversions", nov_3, [])
    run(home, nov_3)
    return home


def close(home: Home, month: Month = OCTOBER) -> None:
    billing.close(home, month, ISSUED_ON)


def exported(home: Home, folder: Path) -> dict[str, bytes]:
    """Every exported table of October and November: issued where the month is closed, drafts where it is open."""
    contents: dict[str, bytes] = {}
    for month in (OCTOBER, NOVEMBER):
        paths = billing.export(home, month, folder / str(month), "csv", draft=month not in home.books.closed_months())
        contents |= {f"{month}/{path.name}": path.read_bytes() for path in paths}
    return contents


def live(home: Home) -> dict[tuple[str, str], str]:
    """The hash of the live file of every table and partition."""
    query = sa.select(lake_file.c.table_name, lake_file.c.partition, lake_file.c.sha256).where(lake_file.c.removed.is_(None))
    with home.engine.connect() as connection:
        return {(table, partition): sha256 for table, partition, sha256 in connection.execute(query)}


def catalogue_rows(home: Home) -> list[Any]:
    """Every row of the catalogue, live or replaced."""
    with home.engine.connect() as connection:
        return list(connection.execute(sa.select(lake_file).order_by(lake_file.c.id)))


def live_rows(home: Home) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Path, rows and fingerprint of the inputs of every live file, by table and partition."""
    return {
        (row.table_name, row.partition): (row.path, row.rows, row.inputs)
        for row in catalogue_rows(home)
        if row.removed is None
    }


def warehouse_files(home: Home) -> dict[str, str]:
    """The hash of every file under ``warehouse/``."""
    root = home.root / "warehouse"
    paths = [path for path in root.rglob("*") if path.is_file() and path.name != ".lock"]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def statuses(home: Home) -> dict[str, str]:
    """The status of every conversion."""
    return dict(home.warehouse.read("attributions").select("conversion_id", "status").collect().iter_rows())


def accepted(home: Home, feed: str, day: date) -> set[str]:
    """The ids that count on a delivery day."""
    return set(home.warehouse.read(feed, [str(day)]).collect()[FEEDS[feed].id_column])
