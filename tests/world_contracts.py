"""Random contracts of a world: every kind of pricing and rule at once, in documents that pass the checks on contracts.

Line items are dealt out to the terms of the advertisers' contracts once; versions of a contract deal its own out again, price
anew, lower caps and budgets, and move its end.
"""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

Tree = dict[str, Any]

ZONES = "UTC America/New_York America/Los_Angeles Europe/Berlin Asia/Tokyo Asia/Kolkata Australia/Lord_Howe Pacific/Auckland".split()
CURRENCIES = ("USD", "EUR", "JPY", "KWD")
BASES = ("served", "served", "viewable", "completed")
LOOKBACKS = ("0d", "12h", "36h", "2d", "7d", "14d", "30d", "60d")
MODELS = ("first_touch", "last_touch", "linear", "position_based", "time_decay")
EVENTS = ("purchase", "signup")
PARTNERS = ("pub-0", "pub-1", "pub-2", "pub-3")
ADVERTISERS = ("brand-0", "brand-1", "brand-2", "brand-3")
CONDITIONS = (
    "order_value >= 30 OR event = 'signup'",
    "coupon LIKE 'S%' OR new_customer = TRUE",
    "order_value BETWEEN 10 AND 150 OR coupon IS NULL",
    "NOT (country = 'DE' AND order_value < 50)",
    "country IN ('US', 'CA') AND (category IS NULL OR category <> 'giftcard')",
    "order_value * 0.9 - 5 > 20 OR coupon LIKE '%_1%'",
    "100 / (order_value - 20) < 3 OR order_id IS NULL",
    "new_customer OR order_value / 3 >= 12.5 AND country NOT IN ('DE')",
    "NOT new_customer OR event <> 'purchase'",
    "category NOT LIKE 'sh%' OR order_id IS NOT NULL AND -order_value < -40",
)


@dataclass(frozen=True)
class Span:
    """The days of a world: deliveries, and the month ends that lie in them."""

    first: date
    last: date
    late_last: date

    def some_day(self, chance: random.Random) -> date:
        return self.first + timedelta(days=chance.randint(0, (self.last - self.first).days))


@dataclass(frozen=True)
class Book:
    """Documents by contract id, in the order of their versions; ``amendments`` come later."""

    contracts: dict[str, list[Tree]]
    amendments: dict[str, list[Tree]]


def book(chance: random.Random, span: Span, density: int) -> Book:
    """The contracts of a world in which a term has about ``density`` impressions."""
    contracts: dict[str, list[Tree]] = {}
    items = 0
    for advertiser in ADVERTISERS:
        line_items = [f"li-{items + n}" for n in range(chance.randint(2, 6))]
        items += len(line_items)
        stretches = _stretches(chance, span, successor=advertiser == ADVERTISERS[0])
        for place, days in enumerate(stretches):
            contract_id = f"adv-{advertiser[-1]}{'ab'[place] if len(stretches) > 1 else ''}"
            first = _advertiser(chance, contract_id, advertiser, days, line_items, density)
            contracts[contract_id] = [first]
    for partner in PARTNERS:
        stretches = _stretches(chance, span, successor=partner == PARTNERS[0])
        for place, days in enumerate(stretches):
            contract_id = f"par-{partner[-1]}{'ab'[place] if len(stretches) > 1 else ''}"
            contracts[contract_id] = [_partner(chance, contract_id, partner, days, items, density)]
            if len(stretches) > 1:
                contracts[contract_id][0]["minimum_payout"] = "0"
    amendments: dict[str, list[Tree]] = {}
    for contract_id, versions in contracts.items():
        for _ in range(chance.choice((0, 0, 1, 2))):
            versions.append(_amended(chance, versions[-1], span, density, items))
        later = [versions[-1]]
        for _ in range(chance.choice((0, 1, 1, 2))):
            later.append(_amended(chance, later[-1], span, density, items))
        if later[1:]:
            amendments[contract_id] = later[1:]
    return Book(contracts, amendments)


def _stretches(chance: random.Random, span: Span, *, successor: bool) -> list[tuple[date, date | None]]:
    """First and last days of a party's contracts, one after the other."""
    first = span.first.replace(day=1)
    if not successor:
        ends = (None, None, span.last + timedelta(days=60), span.last - timedelta(days=chance.randint(0, 6)))
        return [(first, chance.choice(ends))]
    middle = span.first + (span.last - span.first) / 2 + timedelta(days=chance.randint(-2, 2))
    return [(first, middle), (middle + timedelta(days=1), None)]


def _head(chance: random.Random, contract_id: str, party: str, days: tuple[date, date | None], side: str) -> Tree:
    return {
        "contract_id": contract_id,
        "side": side,
        "party": {"id": party, "name": f"{party.title()} & Söhne", "country": chance.choice(("US", "DE"))},
        "currency": chance.choice(CURRENCIES),
        "timezone": chance.choice(ZONES),
        "starts_on": days[0].isoformat(),
        "ends_on": days[1].isoformat() if days[1] else None,
        "terms": [],
    }


def _advertiser(
    chance: random.Random,
    contract_id: str,
    party: str,
    days: tuple[date, date | None],
    line_items: list[str],
    density: int,
) -> Tree:
    document = _head(chance, contract_id, party, days, "advertiser")
    _deal_terms(chance, document, line_items, density)
    _advertiser_rules(chance, document)
    return document


def _deal_terms(chance: random.Random, document: Tree, line_items: list[str], density: int) -> None:
    """Deal line items out: media terms, one of them in two stretches, and cpa terms for one or both events."""
    items = chance.sample(line_items, len(line_items))
    cut = chance.randint(1, len(items) - 1)
    terms = []
    parts = [items[:cut][start::2] for start in range(2) if items[:cut][start::2]]
    for place, part in enumerate(parts):
        terms.append({"term_id": f"t{place}", "line_items": part, "pricing": _media(chance, density, "advertiser")})
    first = date.fromisoformat(document["starts_on"])
    last = date.fromisoformat(document["ends_on"]) if document["ends_on"] else first + timedelta(days=50)
    if chance.random() < 0.6 and (last - first).days > 6:
        change = first + timedelta(days=chance.randint(3, (last - first).days - 1))
        follows = {**terms[0], "term_id": "t0-next", "pricing": _media(chance, density, "advertiser")}
        terms[0]["ends_on"] = (change - timedelta(days=1)).isoformat()
        terms.append({**follows, "starts_on": change.isoformat()})
    for place, part in enumerate(part for part in (items[cut::2], items[cut + 1 :: 2]) if part):
        for event in EVENTS if chance.random() < 0.6 else EVENTS[:1]:
            terms.append({"term_id": f"a{place}-{event}", "line_items": part, "pricing": _action(chance, event)})
    document["terms"] = terms


def _advertiser_rules(chance: random.Random, document: Tree) -> None:
    attribution: Tree = {"model": chance.choice(MODELS), "lookback": {}}
    kinds = chance.choice((("view",), ("click",), ("view", "click"), ("view", "click"), ("view", "click")))
    for kind in kinds:
        attribution["lookback"][kind] = chance.choice(LOOKBACKS[1:] if kind == kinds[0] else LOOKBACKS)
    _maybe(chance, attribution, "click_over_view", chance.random() < 0.5)
    _maybe(chance, attribution, "view_basis", chance.choice(BASES))
    if attribution["model"] == "time_decay":
        attribution["half_life"] = chance.choice((1, 1, 2, 7, 9))
    document["attribution"] = attribution
    rules: Tree = {}
    for name, value in {
        "new_customers_only": True,
        "countries": chance.sample(("US", "CA", "DE"), 2),
        "minimum_order_value": chance.choice(("20", "35.5", "0.000001")),
        "excluded_categories": ["giftcard"],
        "excluded_coupons": ["STAFF", "SAVE10"],
        "repeat_household_days": chance.choice((0, 1, 3)),
        "order_dedup_days": chance.choice((0, 1, 1, 4, 30)),
        "eligible_when": chance.choice(CONDITIONS),
    }.items():
        _maybe(chance, rules, name, value, likely=0.5 if name == "order_dedup_days" else 0.22)
    _maybe(chance, document, "eligibility", rules, likely=0.9)
    overrides = []
    for partner in chance.sample(PARTNERS, 2):
        override: Tree = {"partner_id": partner}
        if chance.random() < 0.7:
            override["lookback"] = {chance.choice(("view", "click")): chance.choice(LOOKBACKS)}
        if chance.random() < 0.25:
            override["excluded"] = True
        overrides.append(override)
    _maybe(chance, document, "partner_overrides", overrides)
    _maybe(chance, document, "agency_commission", chance.choice(("0.15", "0.0333")))
    _maybe(chance, document, "minimum_monthly", chance.choice(("57.14", "500", "5000.005")))
    _maybe(chance, document, "tax", {"category": "S", "rate": chance.choice(("0.19", "0.077"))}, likely=0.7)
    _maybe(chance, document, "validation_days", chance.choice((0, 1, 5, 30)))


def _maybe(chance: random.Random, node: Tree, name: str, value: object, *, likely: float = 0.5) -> None:
    node.pop(name, None)
    if chance.random() < likely and value not in ({}, []):
        node[name] = value


def _partner(
    chance: random.Random, contract_id: str, party: str, days: tuple[date, date | None], items: int, density: int
) -> Tree:
    document = _head(chance, contract_id, party, days, "partner")
    _partner_terms(chance, document, items, density)
    _partner_rules(chance, document)
    return document


def _partner_terms(chance: random.Random, document: Tree, items: int, density: int) -> None:
    """Media terms from the narrow to the wide, never one that could match what a revenue share matches; then actions."""
    terms: list[Tree] = []
    mode = chance.choice(("none", "advertisers", "line_items", "all"))
    sharing = {"model": "revenue_share", "share": chance.choice(("0.7", "0.333333", "1"))}
    brands, numbers = chance.sample(ADVERTISERS, 4), chance.sample(range(items), items)
    special, general = (
        {"term_id": "special", "pricing": _media(chance, density, "partner")},
        {
            "term_id": "general",
            "pricing": _media(chance, density, "partner"),
        },
    )
    names = [f"li-{n}" for n in numbers]
    match mode:
        case "none":
            terms += [{**special, "line_items": names[:3]}, general]
        case "advertisers":
            terms += [{"term_id": "share", "advertisers": brands[:2], "pricing": sharing}]
            terms += [
                {**special, "advertisers": brands[2:], "line_items": names[:5]},
                {**general, "advertisers": brands[2:]},
            ]
        case "line_items":
            half = items // 2
            terms += [
                {**general, "line_items": names[half:]},
                {"term_id": "share", "line_items": names[:half], "pricing": sharing},
            ]
        case _:
            terms += [{"term_id": "share", "pricing": sharing}]
    if chance.random() < 0.5:
        vip = {"term_id": "vip", "pricing": _action(chance, "purchase")}
        terms.append(
            {**vip, "advertisers": [brands[0]]} if chance.random() < 0.5 else {**vip, "line_items": names[: items // 2]}
        )
    terms.append({"term_id": "purchase", "pricing": _action(chance, "purchase")})
    if chance.random() < 0.7:
        terms.append({"term_id": "signup", "pricing": _action(chance, "signup")})
    if chance.random() < 0.3:
        dated = chance.choice(terms)
        dated["starts_on"] = (date.fromisoformat(document["starts_on"]) + timedelta(days=chance.randint(0, 9))).isoformat()
    document["terms"] = terms


def _partner_rules(chance: random.Random, document: Tree) -> None:
    _maybe(chance, document, "validation_days", chance.choice((0, 2, 30)))
    _maybe(chance, document, "minimum_payout", chance.choice(("0", "10", "75.5", "400")), likely=0.7)
    _maybe(chance, document, "withholding", chance.choice(("0", "0.1", "0.243")), likely=0.7)


def _media(chance: random.Random, density: int, side: str) -> Tree:
    pricing: Tree = {"model": chance.choice(("cpm", "cpm", "dcpm")), "billable_on": chance.choice(BASES)}
    if pricing["model"] == "dcpm":
        _maybe(chance, pricing, "markup", chance.choice(("0.35", "0.123456", "0")), likely=0.8)
    else:
        _price_cpm(chance, pricing, density)
    usual = density * (1 if side == "advertiser" else 2)
    _maybe(chance, pricing, "impression_cap", _reached(chance, usual), likely=0.45)
    _maybe(chance, pricing, "budget", f"{chance.uniform(0, usual * 4):.{chance.choice((0, 2, 6))}f}", likely=0.45)
    return pricing


def _reached(chance: random.Random, usual: int) -> int:
    """A number of units that a term may well come to: mostly few."""
    return 1 + int(chance.random() ** 2 * (usual + 4))


def _rate(chance: random.Random) -> str:
    return f"{chance.uniform(300, 4000):.{chance.choice((0, 2, 4, 6))}f}"


def _price_cpm(chance: random.Random, pricing: Tree, density: int) -> None:
    if chance.random() < 0.35:
        pricing["rate"] = _rate(chance)
    else:
        steps: list[Tree] = [{"rate": _rate(chance)} for _ in range(chance.randint(1, 4))]
        bounds: set[int] = set()
        while len(bounds) < len(steps) - 1:
            bounds.add(_reached(chance, density))
        for step, bound in zip(steps, sorted(bounds), strict=False):
            step["up_to"] = bound
        for step in steps:
            _maybe(chance, step, "flat_fee", f"{chance.uniform(0.1, 9):.{chance.choice((1, 2, 6))}f}")
        pricing["tiers"] = {"mode": chance.choice(("graduated", "volume")), "steps": steps}
    multipliers: Tree = {}
    _maybe(chance, multipliers, "device_type", {"ctv": "1.25", "mobile": "0.8"})
    _maybe(chance, multipliers, "country", {"US": "1.1", "CA": "0.933333"})
    dayparts = [
        {"days": ["mon", "wed", "fri", "sun"], "from": 18, "to": 23, "factor": "1.5"},
        {"days": ["mon", "tue", "sat", "sun"], "from": 0, "to": 6, "factor": "0.5"},
        {"days": ["sun", "thu"], "from": 1, "to": 24, "factor": "1.000001"},
    ]
    _maybe(chance, multipliers, "daypart", chance.sample(dayparts, chance.randint(1, 3)), likely=0.4)
    _maybe(chance, pricing, "multipliers", multipliers, likely=0.6)


def _action(chance: random.Random, event: str) -> Tree:
    pricing: Tree = {"model": "cpa", "event": event}
    form = chance.choice(("flat", "percent", "tiers", "tiers"))
    if form == "flat":
        pricing["fee"] = {"type": "flat", "amount": f"{chance.uniform(3, 30):.{chance.choice((2, 6))}f}"}
    elif form == "percent":
        fee: Tree = {"type": "percent", "rate": chance.choice(("0.12", "0.0333", "0.065431"))}
        _maybe(chance, fee, "minimum", "1.5")
        _maybe(chance, fee, "maximum", "9.99")
        pricing["fee"] = fee
    else:
        prices: list[Tree] = [{"amount": "12"}, {"rate": "0.05"}, {"amount": "7.77"}, {"rate": "0.111111"}]
        steps = [dict(price) for price in chance.sample(prices, chance.randint(1, 4))]
        for step, bound in zip(steps[:-1], sorted(chance.sample(range(1, 12), len(steps) - 1)), strict=True):
            step["up_to"] = bound
        for step in steps:
            _maybe(chance, step, "flat_fee", chance.choice(("2.5", "0.004", "3.333333")))
        pricing["tiers"] = {"mode": chance.choice(("graduated", "volume")), "steps": steps}
    _maybe(chance, pricing, "monthly_cap", chance.randint(1, 9), likely=0.35)
    return pricing


def _amended(chance: random.Random, before: Tree, span: Span, density: int, items: int) -> Tree:
    """The next version, effective from a day within the contract."""
    document = copy.deepcopy(before)
    last = date.fromisoformat(document["ends_on"]) if document["ends_on"] else span.last
    day = max(date.fromisoformat(document["starts_on"]), min(last, span.some_day(chance)))
    document["effective_from"] = day.isoformat()
    if chance.random() < 0.15 and day < span.last:
        document["ends_on"] = min(last, day + timedelta(days=chance.randint(0, 12))).isoformat()
    if document["side"] == "partner":
        if chance.random() < 0.3:
            _partner_terms(chance, document, items, density)
        if chance.random() < 0.4:
            _partner_rules(chance, document)
            if len(document["contract_id"]) > len("par-0"):
                document["minimum_payout"] = "0"
    else:
        if chance.random() < 0.3:
            line_items = sorted({item for term in document["terms"] for item in term["line_items"]})
            _deal_terms(chance, document, line_items, density)
        if chance.random() < 0.5:
            _advertiser_rules(chance, document)
    for term in document["terms"]:
        _reprice(chance, term, density, document["side"])
    document["terms"] = [term for term in document["terms"] if _begins_in(term, document["ends_on"])]
    return document


def _begins_in(term: Tree, ends_on: str | None) -> bool:
    return ends_on is None or term.get("starts_on", "") <= ends_on


def _reprice(chance: random.Random, term: Tree, density: int, side: str) -> None:
    """Leave a term as it is, lower its limits, or price it anew."""
    pricing: Tree = term["pricing"]
    match chance.choice(("same", "lower", "anew")):
        case "lower":
            if "impression_cap" in pricing:
                pricing["impression_cap"] = max(1, pricing["impression_cap"] * chance.randint(0, 9) // 10)
            if "budget" in pricing:
                pricing["budget"] = f"{float(pricing['budget']) * chance.random():.2f}"
            if "monthly_cap" in pricing:
                pricing["monthly_cap"] = max(1, pricing["monthly_cap"] // 2)
        case "anew" if pricing["model"] == "cpa":
            term["pricing"] = _action(chance, pricing["event"])
        case "anew" if pricing["model"] == "revenue_share":
            pricing["share"] = f"{chance.random():.6f}"
        case "anew":
            term["pricing"] = _media(chance, density, side)
