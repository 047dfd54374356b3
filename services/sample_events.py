"""The events of the sample month: who saw, clicked and bought what, when, and when each event is delivered.

Impressions and clicks are drawn row by row from the number of the row (``draw``); conversions and adjustments are few and
come from a ``random.Random`` that the caller seeds. Nothing here reads a clock or writes a file.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from contracts_io.calendar import INSTANT, ONE_DAY, Month, days_between
from contracts_io.ids import hex_words, uuid_text

IMPRESSIONS = "impression_id event_time household_id line_item_id partner_id device_type country viewable completed".split()
IMPRESSIONS += ["invalid_reason", "cost"]
CLICKS = "click_id event_time household_id line_item_id partner_id invalid_reason".split()
ADJUSTMENTS = "adjustment_id conversion_id adjusted_at action order_value reason".split()

_LATEST = 3  # days that a late delivery may take
_ROWS_A_DAY = 7_600
_WEEKDAY = (94, 93, 95, 98, 106, 115, 119)
_DAY_US = 86_400_000_000
_HOUR_US = 3_600_000_000

# Impressions by hour of the UTC day: American evenings run past midnight UTC, German ones end before it.
_AMERICAN_HOURS = (80, 90, 92, 84, 66, 44, 26, 14, 8, 6, 8, 13, 19, 24, 28, 32, 36, 38, 40, 42, 46, 52, 60, 70)
_GERMAN_HOURS = (10, 5, 3, 3, 5, 10, 16, 20, 22, 24, 26, 30, 30, 28, 30, 36, 48, 64, 88, 96, 80, 48, 28, 16)

_AMERICAN_HOUSEHOLDS = 36_000
_GERMAN_HOUSEHOLDS = 6_000

# How often a line item is shown by each partner, as weights. The last two lines have no contract, nor has open-exchange.
_SHOWN_BY = {
    "NL-1001": {"cinewave": 70, "homescreen": 60, "playdeck": 20},
    "NL-1002": {"cinewave": 50, "homescreen": 40},
    "NL-1003": {"homescreen": 60, "playdeck": 30},
    "NL-1010": {"cinewave": 25, "dealhive": 35, "couponista": 20, "open-exchange": 10},
    "NL-1011": {"homescreen": 25, "dealhive": 20, "couponista": 15},
    "VM-2001": {"cinewave": 40, "homescreen": 30},
    "VM-2002": {"cinewave": 50},
    "VM-2003": {"homescreen": 40},
    "VM-2010": {"homescreen": 25, "dealhive": 15},
    "HM-3001": {"cinewave": 40, "playdeck": 15},
    "HM-3002": {"homescreen": 40},
    "HM-3010": {"cinewave": 25, "dealhive": 20},
    "HM-3011": {"homescreen": 20},
    "PK-4001": {"playdeck": 35, "homescreen": 20},
    "PK-4010": {"playdeck": 30, "dealhive": 8},
    "PK-4011": {"playdeck": 20, "open-exchange": 8},
    "AR-5001": {"reisefunk": 45},
    "AR-5002": {"reisefunk": 25, "cinewave": 12},
    "AR-5010": {"reisefunk": 22, "dealhive": 8},
    "HS-0001": {"homescreen": 8},
    "XX-7777": {"cinewave": 5},
}
_PLACEMENTS = [(line, partner, weight) for line, shown in _SHOWN_BY.items() for partner, weight in shown.items()]
_ON_THE_WEB = ("playdeck", "dealhive", "couponista", "open-exchange")
_UNPROMPTED = "unprompted"
_PAID_BY_ACTION = r"^(NL-101|VM-201|HM-301|PK-401|AR-501)"


@dataclass(frozen=True)
class _Brand:
    """What an advertiser reports: events by weight, the range of an order in cents, and the categories of its shop."""

    advertiser_id: str
    currency: str
    events: tuple[tuple[str, int], ...]
    cents: tuple[int, int]
    categories: tuple[str, ...]


_BRANDS = {
    "NL": _Brand("northlane", "USD", (("purchase", 12), ("signup", 4), ("add_to_cart", 2)), (1_800, 24_000),
                 ("apparel", "home", "electronics", "giftcard")),
    "VM": _Brand("velora", "USD", (("signup", 4), ("brochure", 1)), (0, 0), ("saloon", "estate")),
    "HM": _Brand("harbor", "USD", (("signup", 6), ("callback", 1)), (0, 0), ("auto", "home", "renters")),
    "PK": _Brand("pixelkeep", "USD", (("signup", 5), ("purchase", 4), ("level_up", 1)), (99, 4_999), ("coins", "pass")),
    "AR": _Brand("alpenblick", "EUR", (("purchase", 6), ("newsletter", 1)), (18_000, 240_000), ("hotel", "rail", "package")),
}  # fmt: skip


def draw(number: pl.Expr, stream: int) -> pl.Expr:
    """64 well mixed bits (UInt64) of a row number (UInt64): the same number and stream always give the same bits."""
    z = (number + stream * 0x1000_0000_0000 + 1) * 0x9E37_79B9_7F4A_7C15
    z = (z ^ (z // (1 << 30))) * 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z // (1 << 27))) * 0x94D0_49BB_1331_11EB
    return z ^ (z // (1 << 31))


def part_of(bits: pl.Expr, shift: int, size: int) -> pl.Expr:
    """A number below ``size`` out of ``bits`` from bit ``shift`` upwards."""
    return (bits // (1 << shift)) % size


def _slots(weights: Iterable[int]) -> pl.Series:
    """A table of choices in which choice i stands as often as its weight says."""
    return pl.Series([i for i, weight in enumerate(weights) for _ in range(weight)], dtype=pl.UInt32)


def _choose(bits: pl.Expr, shift: int, slots: pl.Series) -> pl.Expr:
    return pl.lit(slots).gather(part_of(bits, shift, 65_536) % len(slots))


def impressions_of(month: Month, days: Sequence[date]) -> pl.DataFrame:
    """One row per impression shown: ``IMPRESSIONS`` with ``n`` (its number, UInt64) and ``delivery_day``."""
    shown = list(days_between(days[0] - _LATEST * ONE_DAY, days[-1]))
    counts = [_ROWS_A_DAY * _WEEKDAY[day.weekday()] // 100 for day in shown]
    # Numbers of different months never meet, so that a second sample month in the same home is not all duplicates.
    start = (month.year * 12 + month.number) << 24
    rows = pl.DataFrame({"day": shown, "rows": counts}).select(
        pl.col("day").repeat_by("rows").explode(),
        n=pl.int_range(start, start + sum(counts), dtype=pl.UInt64, eager=True),
    )
    when, who, what, how = (draw(pl.col("n"), stream) for stream in range(1, 5))
    placed = rows.with_columns(placement=_choose(who, 0, _slots(weight for _, _, weight in _PLACEMENTS))).with_columns(
        line_item_id=pl.lit(pl.Series([line for line, _, _ in _PLACEMENTS])).gather("placement"),
        partner_id=pl.lit(pl.Series([partner for _, partner, _ in _PLACEMENTS])).gather("placement"),
    )
    # The ad server keeps to the flights that the Velora contract books.
    tenth, twentieth = month.first.replace(day=10), month.first.replace(day=20)
    in_flight = ~(pl.col("line_item_id").is_in(["VM-2002", "VM-2003"]) & (pl.col("day") < tenth)) & ~(
        (pl.col("line_item_id") == "VM-2001") & (pl.col("day") > twentieth)
    )
    german = pl.col("line_item_id").str.starts_with("AR-") | (part_of(who, 56, 100) < 3)
    luck = part_of(who, 16, 1 << 32)
    squared = luck * luck // (1 << 32)  # of a uniform number: a household's share falls with the root of its rank
    web = pl.col("partner_id").is_in(_ON_THE_WEB)
    drawn = placed.filter(in_flight).with_columns(
        german=german,
        web=web,
        household=pl.when(german)
        .then(squared * _GERMAN_HOUSEHOLDS // (1 << 32) + 1_000_000)
        .otherwise(squared * _AMERICAN_HOUSEHOLDS // (1 << 32)),
        hour=pl.when(pl.col("line_item_id").str.starts_with("AR-"))
        .then(_choose(when, 0, _slots(_GERMAN_HOURS)))
        .otherwise(_choose(when, 0, _slots(_AMERICAN_HOURS))),
        viewed=part_of(what, 0, 1_000) < pl.when(web).then(720).otherwise(970),
        measured=part_of(what, 10, 1_000) >= 6,
    )
    micros = 6_000 + part_of(how, 0, 14_000) + pl.when("web").then(0).otherwise(7_000)
    lag = pl.when(part_of(how, 16, 1_000) < 10).then(1 + part_of(how, 26, _LATEST)).otherwise(0)
    return drawn.select(
        "n",
        impression_id=uuid_text(draw(pl.col("n"), 10), draw(pl.col("n"), 11)),
        event_time=(
            pl.col("day").to_physical().cast(pl.Int64) * _DAY_US
            + pl.col("hour").cast(pl.Int64) * _HOUR_US
            + part_of(when, 16, _HOUR_US).cast(pl.Int64)
        ).cast(INSTANT),
        household_id=pl.when(part_of(who, 50, 100) > 0).then(
            pl.concat_str(pl.lit("hh-"), *hex_words(draw(pl.col("household"), 20), 3))
        ),
        line_item_id="line_item_id",
        partner_id="partner_id",
        device_type=pl.when("web")
        .then(_named(what, 20, ("mobile", 55), ("desktop", 33), ("ctv", 12)))
        .otherwise(_named(what, 20, ("ctv", 94), ("mobile", 3), ("desktop", 3))),
        country=pl.when(part_of(what, 28, 200) == 0)
        .then(None)
        .when("german")
        .then(pl.lit("DE"))
        .when(pl.col("household") % 16 == 0)
        .then(pl.lit("CA"))
        .otherwise(pl.lit("US")),
        viewable=pl.when("measured").then("viewed"),
        completed=pl.when("measured").then(
            pl.col("viewed") & (part_of(what, 36, 1_000) < pl.when("web").then(620).otherwise(950))
        ),
        invalid_reason=pl.when(part_of(what, 46, 1_000) < 20).then(
            _named(what, 56, ("datacenter", 5), ("bot", 3), ("spoofed_app", 2))
        ),
        cost=pl.when(part_of(how, 36, 100) > 0).then(micros.cast(pl.Int128).reinterpret(dtype=pl.Decimal(18, 6))),
        delivery_day=pl.col("day") + pl.duration(days=lag),
    )


def _named(bits: pl.Expr, shift: int, *weighted: tuple[str, int]) -> pl.Expr:
    names = pl.Series([name for name, _ in weighted])
    return pl.lit(names).gather(_choose(bits, shift, _slots(weight for _, weight in weighted)))


def clicks_of(impressions: pl.DataFrame) -> pl.DataFrame:
    """One row per click, some seconds after its impression: ``CLICKS`` with ``n``, ``country`` and ``delivery_day``."""
    bits = draw(pl.col("n"), 30)
    per_mille = pl.when(pl.col("device_type") == "ctv").then(1).otherwise(14)
    at = pl.col("event_time") + pl.duration(microseconds=part_of(bits, 20, 120_000_000) + 3_000_000)
    return impressions.filter(part_of(bits, 0, 1_000) < per_mille, pl.col("invalid_reason").is_null()).select(
        "n",
        "country",
        click_id=uuid_text(draw(pl.col("n"), 31), draw(pl.col("n"), 32)),
        event_time=at,
        household_id="household_id",
        line_item_id="line_item_id",
        partner_id="partner_id",
        invalid_reason=pl.when(part_of(bits, 48, 100) < 2).then(pl.lit("double_click")),
        delivery_day=at.dt.date() + pl.duration(days=pl.when(part_of(bits, 56, 100) == 0).then(1).otherwise(0)),
    )


def as_delivered(rows: pl.DataFrame, days: Sequence[date]) -> pl.DataFrame:
    """The rows as they arrive: some twice, within the day or days later, a few with other content; none outside ``days``."""
    bits = draw(pl.col("n"), 40)
    copies = rows.filter(part_of(bits, 0, 1_000) < 5).with_columns(
        delivery_day=pl.col("delivery_day") + pl.duration(days=_choose(bits, 10, _slots([6, 3, 1]))),
        partner_id=pl.when(part_of(bits, 30, 8) == 0).then(pl.lit("open-exchange")).otherwise("partner_id"),
        file=part_of(bits, 40, 2),
    )
    everything = pl.concat([rows.with_columns(file=part_of(bits, 41, 2)), copies])
    order = ["delivery_day", "file", "event_time", "n", "partner_id"]
    return everything.filter(pl.col("delivery_day").is_between(days[0], days[-1])).sort(order)


def conversions_of(
    rng: random.Random, impressions: pl.DataFrame, clicks: pl.DataFrame, days: Sequence[date]
) -> dict[date, list[dict[str, Any]]]:
    """Conversions by delivery day, each as its row of the feed: most follow a touch, some come of themselves."""
    by_action = pl.col("line_item_id").str.contains(_PAID_BY_ACTION)
    touch = ["event_time", "household_id", "line_item_id", "country"]
    views = impressions.filter(by_action, part_of(draw(pl.col("n"), 50), 0, 10_000) < 17)
    clicked = clicks.filter(by_action, part_of(draw(pl.col("n"), 51), 0, 100) < 24)
    unprompted = impressions.filter(part_of(draw(pl.col("n"), 52), 0, 100_000) < 22).with_columns(
        household_id=pl.lit(_UNPROMPTED)
    )
    delivered: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for at, household, line_item, country in pl.concat([f.select(touch) for f in (views, clicked, unprompted)]).iter_rows():
        brand = _BRANDS.get(line_item[:2])
        if brand is None:
            continue
        conversion = _conversion(rng, brand, at + _delay(rng), household, country)
        copies = [conversion]
        if conversion["order_id"] and rng.random() < 0.05:
            again = conversion["event_time"] + timedelta(seconds=rng.randrange(40, 400_000))
            copies.append({**conversion, "conversion_id": _identifier(rng), "event_time": again})
        if rng.random() < 0.02:
            copies.append(copies[-1])
        for copy in copies:
            day = copy["event_time"].date() + ONE_DAY * (rng.randrange(1, _LATEST + 1) if rng.random() < 0.03 else 0)
            if days[0] <= day <= days[-1]:
                delivered[day].append(copy)
    return {day: sorted(delivered[day], key=lambda row: (row["event_time"], row["conversion_id"])) for day in days}


def _conversion(
    rng: random.Random, brand: _Brand, at: datetime, household: str | None, country: str | None
) -> dict[str, Any]:
    event = rng.choices([name for name, _ in brand.events], [weight for _, weight in brand.events])[0]
    ordered = event == "purchase"
    chance = rng.random()
    if household == _UNPROMPTED:
        household = f"hh-{rng.getrandbits(48):012x}"
    abroad = {"USD": "EUR", "EUR": "USD"}[brand.currency]
    return {
        "conversion_id": _identifier(rng),
        "event_time": at,
        "household_id": None if chance < 0.04 else household,
        "advertiser_id": brand.advertiser_id,
        "event": event,
        "order_id": f"{brand.advertiser_id[:2].upper()}-{rng.randrange(10**7):07}" if ordered else None,
        "order_value": _money(rng.randint(*brand.cents)) if ordered else None,
        "currency": (abroad if chance > 0.94 else brand.currency) if ordered else None,
        "new_customer": rng.random() < 0.4,
        "country": country,
        "category": rng.choice(brand.categories),
        "coupon": rng.choice(["WELCOME10", "AUTUMN", "STAFF"]) if ordered and rng.random() < 0.15 else None,
    }


def _delay(rng: random.Random) -> timedelta:
    """From a touch to the action: mostly the same evening, sometimes after the lookback."""
    longest = rng.choices([3_600, 86_400, 6 * 86_400, 16 * 86_400], [45, 30, 18, 7])[0]
    return timedelta(seconds=rng.randrange(60, longest), microseconds=rng.randrange(1_000_000))


def _identifier(rng: random.Random) -> str:
    text = f"{rng.getrandbits(128):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def adjustments_of(
    rng: random.Random, conversions: dict[date, list[dict[str, Any]]], month: Month, days: Sequence[date]
) -> dict[date, list[dict[str, Any]]]:
    """Reversals and restatements of orders by delivery day; those of the month's last week arrive after its end."""
    orders = [row for rows in conversions.values() for row in rows if row["order_id"]]
    delivered: dict[date, list[dict[str, Any]]] = defaultdict(list)
    for number, order in enumerate(orders):
        restated = number % 14 == 6
        if number % 12 != 3 and not restated:
            continue
        ordered_on = order["event_time"].date()
        if month.last - 6 * ONE_DAY <= ordered_on <= month.last:
            day = rng.choice([day for day in days if day > month.last])
        else:
            day = ordered_on + ONE_DAY * rng.randrange(2, 12)
        row = {
            "adjustment_id": _identifier(rng),
            "conversion_id": order["conversion_id"],
            "adjusted_at": datetime(day.year, day.month, day.day, rng.randrange(6, 20), rng.randrange(60), tzinfo=UTC),
            "action": "restate" if restated else "reverse",
            "order_value": _money(int(order["order_value"].replace(".", "")) * 4 // 5) if restated else None,
            "reason": "partial_return" if restated else rng.choice(["returned", "cancelled", "fraud"]),
        }
        if day <= days[-1]:
            delivered[day].append(row)
    return delivered


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
