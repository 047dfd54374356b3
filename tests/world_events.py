"""Random events of a world: few households, line items, orders and instants, so that rules meet and ties are many."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from world_contracts import ADVERTISERS, EVENTS, PARTNERS, ZONES, Book, Span

Row = dict[str, str]
Delivery = tuple[str, date, Row]
"""Feed, delivery day and row."""

MICROSECOND = timedelta(microseconds=1)
ODD_TEXTS = ('shoes, "red"', "giftcard", "shoes", "")


@dataclass
class Events:
    """The deliveries of a world, in no order, made one event at a time."""

    chance: random.Random
    span: Span
    line_items: dict[str, str]
    deliveries: list[Delivery] = field(default_factory=list)
    touches: list[tuple[datetime, str, str]] = field(default_factory=list)
    busy_days: list[date] = field(default_factory=list)
    busy_share: float = 0.5

    def deliver(self, feed: str, at: datetime, row: Row) -> None:
        """Drop a row: mostly on its day, sometimes up to seven days late or a day early; now and then again."""
        lateness = self.chance.choice((0, 0, 0, 0, 0, 0, 0, 1, 1, 2, 4, 7, -1))
        day = min(max(at.date() + timedelta(days=lateness), self.span.first), self.span.late_last)
        self.deliveries.append((feed, day, row))
        if self.chance.random() < 0.05:
            again = dict(row)
            column = self.chance.choice(("household_id", "partner_id", "order_value", "cost", "reason", "event_time"))
            if column == "event_time" and column in row:
                again[column] = text_of(self.chance, at - timedelta(minutes=self.chance.choice((0, 3, -3))))
            elif column in row:
                again[column] = {"order_value": "1.11", "cost": "2.2", "partner_id": PARTNERS[0]}.get(column, "")
            self.deliveries.append(
                (feed, min(day + timedelta(days=self.chance.choice((0, 0, 1, 3))), self.span.late_last), again)
            )

    def instant(self) -> datetime:
        """An instant of the span, often on a few busy days, at times right at a zone's midnight."""
        day = (
            self.chance.choice(self.busy_days) if self.chance.random() < self.busy_share else self.span.some_day(self.chance)
        )
        kind = self.chance.random()
        if kind < 0.08:
            local = datetime.combine(day, time(), ZoneInfo(self.chance.choice(ZONES)))
            return local.astimezone(UTC) + self.chance.choice((0, 0, -1, 1)) * MICROSECOND
        start = datetime.combine(day, time(), UTC)
        if kind < 0.2:
            return start + timedelta(hours=self.chance.randint(0, 23))
        return start + timedelta(microseconds=self.chance.randrange(86_400 * 10**6))

    def household(self) -> str:
        return "" if self.chance.random() < 0.05 else f"hh-{int(self.chance.random() ** 2 * 14)}"

    def line_item(self) -> str:
        """Mostly one that a contract covers; some are far more busy than others."""
        if self.chance.random() < 0.04:
            return "li-unknown"
        names = list(self.line_items)
        return names[int(self.chance.random() ** 3 * len(names))]

    def invalid(self) -> str:
        return self.chance.choice(("givt", "sivt")) if self.chance.random() < 0.05 else ""


def events(chance: random.Random, span: Span, book: Book, count: int) -> list[Delivery]:
    """About ``count`` events and what is delivered of them, twice or late."""
    line_items = {
        item: document["party"]["id"]
        for versions in book.contracts.values()
        for document in versions
        if document["side"] == "advertiser"
        for term in document["terms"]
        for item in term["line_items"]
    }
    made = Events(chance, span, line_items)
    made.busy_share = chance.choice((0.5, 0.85))
    made.busy_days = [span.some_day(chance) for _ in range(3)] + [_month_end(span), _month_end(span) + timedelta(days=1)]
    for n in range(count * 6 // 10):
        _impression(made, n)
    for n in range(count * 15 // 100):
        _click(made, n)
    conversions: list[tuple[str, Row, datetime]] = []
    for n in range(count * 20 // 100):
        conversions.append(_conversion(made, n, conversions))
    for n in range(count * 5 // 100):
        _adjustment(made, n, conversions)
    return made.deliveries


def _month_end(span: Span) -> date:
    """The last day of a month whose close the deliveries allow."""
    return (span.last - timedelta(days=2)).replace(day=1) - timedelta(days=1) if span.last.day < 15 else span.last


def text_of(chance: random.Random, at: datetime) -> str:
    """An instant as one of the texts that a feed may write."""
    at = at.astimezone(UTC)
    match chance.randint(0, 5):
        case 0:
            return at.strftime("%Y-%m-%d %H:%M:%S.%f")
        case 1:
            return at.astimezone(ZoneInfo(chance.choice(ZONES))).isoformat()
        case _:
            return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _flag(chance: random.Random) -> str:
    return chance.choice(("true", "true", "T", "yes", "1", "false", "F", "no", "0", "", "TRUE"))


def _money(chance: random.Random, most: float) -> str:
    return f"{chance.uniform(0, most):.{chance.choice((0, 2, 2, 4, 9))}f}"


def _impression(made: Events, n: int) -> None:
    chance, at, household, line_item = made.chance, made.instant(), made.household(), made.line_item()
    row = {
        "impression_id": f"imp-{n:05}",
        "event_time": text_of(chance, at),
        "household_id": household,
        "line_item_id": line_item,
        "partner_id": chance.choice((*PARTNERS, *PARTNERS[1:2] * 6, "pub-unknown")),
        "device_type": chance.choice(("ctv", "ctv", "mobile", "desktop", "")),
        "country": chance.choice(("US", "US", "CA", "DE", "")),
        "viewable": _flag(chance),
        "completed": _flag(chance),
        "invalid_reason": made.invalid(),
        "cost": "" if chance.random() < 0.05 else _money(chance, 3),
    }
    made.deliver("impressions", at, row)
    made.touches.append((at, household, line_item))


def _click(made: Events, n: int) -> None:
    """A click, at times at the very instant of an impression."""
    chance = made.chance
    at, household, line_item = made.instant(), made.household(), made.line_item()
    if chance.random() < 0.7:
        at, household, line_item = chance.choice(made.touches)
        at += timedelta(seconds=chance.choice((0, 20, 4000)))
    row = {
        "click_id": f"clk-{n:05}",
        "event_time": text_of(chance, at),
        "household_id": household,
        "line_item_id": line_item,
        "partner_id": chance.choice(PARTNERS),
        "invalid_reason": made.invalid(),
    }
    made.deliver("clicks", at, row)
    made.touches.append((at, household, line_item))


def _conversion(made: Events, n: int, before: list[tuple[str, Row, datetime]]) -> tuple[str, Row, datetime]:
    """A conversion, mostly of a household that was reached, at times at the very end of a window."""
    chance = made.chance
    at, household, advertiser = made.instant(), made.household(), chance.choice(ADVERTISERS)
    order, event = chance.choice(("", f"o-{chance.randint(0, 30)}")), chance.choice((*EVENTS, EVENTS[0], EVENTS[0]))
    if chance.random() < 0.8:
        reached, household, line_item = chance.choice(made.touches)
        advertiser = made.line_items.get(line_item, advertiser)
        hours = chance.choice((0, 0.3, 1, 5, 12, 20, 30, 36, 48, 100, 168, 200, 336, 768))
        at = reached + timedelta(hours=hours) + chance.choice((0, 1, -1)) * MICROSECOND
    if before and chance.random() < 0.15:
        _, earlier, when = chance.choice(before)
        advertiser, order, household = earlier["advertiser_id"], earlier["order_id"], earlier["household_id"]
        event = earlier["event"]
        at = when + timedelta(days=chance.choice((0, 1, 1, 3, 4, 30))) + chance.choice((0, 1, -1)) * MICROSECOND
    latest = datetime.combine(made.span.late_last, time(23), UTC)
    at = min(at, latest)
    row = {
        "conversion_id": f"cv-{n:05}",
        "event_time": text_of(chance, at),
        "household_id": household,
        "advertiser_id": advertiser,
        "event": "visit" if chance.random() < 0.03 else event,
        "order_id": order,
        "order_value": "" if chance.random() < 0.1 else _money(chance, 250),
        "currency": chance.choice(("USD", "USD", "EUR", "JPY", "KWD", "CAD", "CHF" if chance.random() < 0.3 else "", "")),
        "new_customer": _flag(chance),
        "country": chance.choice(("US", "CA", "DE", "")),
        "category": chance.choice(ODD_TEXTS),
        "coupon": chance.choice(("", "", "SAVE10", "STAFF", "X_1")),
    }
    made.deliver("conversions", at, row)
    return row["conversion_id"], row, at


def _adjustment(made: Events, n: int, conversions: list[tuple[str, Row, datetime]]) -> None:
    chance = made.chance
    name, _, when = chance.choice(conversions)
    at = when + timedelta(hours=chance.choice((0, 0, 5, 60, 300)))
    action = chance.choice(("reverse", "restate", "restate"))
    row: dict[str, Any] = {
        "adjustment_id": f"adj-{n:05}",
        "conversion_id": name if chance.random() < 0.95 else "cv-unknown",
        "adjusted_at": text_of(chance, at),
        "action": action,
        "order_value": _money(chance, 300) if action == "restate" else "",
        "reason": chance.choice(("return", "")),
    }
    made.deliver("conversion_adjustments", min(at, datetime.combine(made.span.late_last, time(), UTC)), row)
