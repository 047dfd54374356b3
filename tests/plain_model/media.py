"""Which impressions are billed, and at what: tiers, caps, budgets, multipliers, dynamic CPM, revenue share (spec 5)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction

from plain_model.agreements import MEDIA, Agreement, Rates, Tree, Version, is_met, matches, month_of, number
from plain_model.delivered import Row
from plain_model.exact import NANO, half_up, nine, share_out

COST_CURRENCY = "USD"
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_Flight = tuple[str, str]


@dataclass
class Group:
    """What is rated together: one term, version, local date, line item, partner and product of multipliers."""

    version: Version
    term: Tree
    day: date
    line_item: str
    partner: str
    product: Fraction
    advertiser: str | None
    delivered: Counter[date] = field(default_factory=Counter)
    cost: Fraction = Fraction(0)
    kept: int = 0

    @property
    def units(self) -> int:
        return self.delivered.total()

    @property
    def key(self) -> tuple[str, str, Fraction]:
        return self.line_item, self.partner, self.product


@dataclass
class Rated:
    """A group's units at one step; ``rate`` None: dynamic CPM."""

    group: Group
    step: int | None
    rate: Fraction | None
    units: int
    uncapped: Fraction
    charged: Fraction = Fraction(0)


@dataclass(frozen=True)
class Share:
    """A partner's share of one group of an advertiser."""

    group: Group
    version: Version
    term_id: str
    units: int
    amount: Fraction


@dataclass
class Media:
    rated: list[Rated] = field(default_factory=list)
    shares: list[Share] = field(default_factory=list)
    outcomes: Counter[tuple[str, ...]] = field(default_factory=Counter)


def rate_media(impressions: Sequence[Row], contracts: Sequence[Agreement], rates: Rates) -> Media:
    """All accepted impressions, on both sides."""
    media = Media()
    flights: dict[_Flight, dict[tuple[object, ...], Group]] = defaultdict(dict)
    for row in impressions:
        advertiser: str | None = None
        for side in ("advertiser", "partner"):
            claim = _claim(row, side, advertiser, contracts)
            advertiser = claim[0].agreement.party if claim and side == "advertiser" else advertiser
            outcome = _outcome(row, claim)
            if outcome != "" or claim is None:
                _count(media, side, row, claim, outcome)
                continue
            version, term, day = claim
            product = _product(term, row, row["event_time"].astimezone(version.agreement.zone))
            key = (version.number, day, row["line_item_id"], row["partner_id"], product)
            made = Group(version, term, day, row["line_item_id"], row["partner_id"], product, advertiser)
            group = flights[version.agreement.contract_id, term["term_id"]].setdefault(key, made)
            group.delivered[row["delivery_day"]] += 1
            group.cost += row["cost"] or 0
    for groups in flights.values():
        _rate_flight(list(groups.values()), rates, media)
    _share_revenue(contracts, rates, media)
    return media


def _claim(row: Row, side: str, advertiser: str | None, contracts: Sequence[Agreement]) -> tuple[Version, Tree, date] | None:
    """The version and term that cover an impression, and its local date there."""
    for contract in contracts:
        if contract.side != side or (side == "partner" and contract.party != row["partner_id"]):
            continue
        day = contract.local_date(row["event_time"])
        version = contract.in_force(day)
        for term in version.terms(day) if version else ():
            if side == "advertiser":
                covered = row["line_item_id"] in term["line_items"]
            else:
                covered = term["pricing"]["model"] in MEDIA and matches(term, row["line_item_id"], advertiser)
            if version and covered:
                return version, term, day
    return None


def _outcome(row: Row, claim: tuple[Version, Tree, date] | None) -> str:
    """The outcome of an impression; empty where it depends on those beside it."""
    if row["invalid_reason"] is not None:
        return "invalid_traffic"
    if claim is None:
        return "no_contract"
    pricing = claim[1]["pricing"]
    match pricing["model"]:
        case "cpa":
            return "priced_by_action"
        case "revenue_share":
            return "billed"
    basis = pricing.get("billable_on")
    return "" if is_met(basis, row) else f"not_{basis}"


def _count(media: Media, side: str, row: Row, claim: tuple[Version, Tree, date] | None, outcome: str) -> None:
    where = (claim[0].agreement.contract_id, claim[1]["term_id"]) if claim else ("", "")
    media.outcomes[side, str(row["delivery_day"]), *where, row["line_item_id"], row["partner_id"], outcome] += 1


def _product(term: Tree, row: Row, local: datetime) -> Fraction:
    multipliers = term["pricing"].get("multipliers") or {}
    product = Fraction(1)
    for column in ("device_type", "country"):
        product *= Fraction((multipliers.get(column) or {}).get(row[column], "1"))
    for part in multipliers.get("daypart") or ():
        if WEEKDAYS[local.weekday()] in part["days"] and part["from"] <= local.hour < part["to"]:
            return product * Fraction(part["factor"])
    return product


def _rate_flight(groups: list[Group], rates: Rates, media: Media) -> None:
    """Cap, steps and budget over the days of one term's flight, across its versions."""
    by_day: dict[date, list[Group]] = defaultdict(list)
    for group in sorted(groups, key=lambda group: (group.day, group.key)):
        by_day[group.day].append(group)
    billed = 0
    for day_groups in by_day.values():
        billed += _cap(day_groups, billed)
        _count_billed(day_groups, media)
    month_units: Counter[str] = Counter()
    for group in groups:
        month_units[month_of(group.day)] += group.kept
    positions: Counter[str] = Counter()
    charged = Fraction(0)
    for day, day_groups in by_day.items():
        month = month_of(day)
        rated = list(_priced(day_groups, positions[month], month_units[month], rates))
        positions[month] += sum(group.kept for group in day_groups)
        charged += _charge(rated, charged)
        media.rated += rated


def _cap(groups: list[Group], billed: int) -> int:
    cap = groups[0].term["pricing"].get("impression_cap")
    total = sum(group.units for group in groups)
    kept = total if cap is None else max(0, min(total, cap - billed))
    parts = share_out(kept, [group.units for group in groups])
    for group, part in zip(groups, parts, strict=True):
        group.kept = part
    return kept


def _count_billed(groups: list[Group], media: Media) -> None:
    """Of a group, the impressions that were delivered first are billed first."""
    for group in groups:
        left = group.kept
        side, contract_id = group.version.agreement.side, group.version.agreement.contract_id
        for day, units in sorted(group.delivered.items()):
            billed = min(units, left)
            left -= billed
            where = (side, str(day), contract_id, group.term["term_id"], group.line_item, group.partner)
            media.outcomes[*where, "billed"] += billed
            media.outcomes[*where, "over_cap"] += units - billed


def _priced(groups: list[Group], before: int, month_total: int, rates: Rates) -> Iterator[Rated]:
    """One day's groups, each cut into the steps that its units fall in."""
    pricing = groups[0].term["pricing"]
    if pricing["model"] == "dcpm":
        for group in groups:
            if group.kept:
                yield Rated(group, None, None, group.kept, _dynamic(group, rates))
        return
    left = [group.kept for group in groups]
    for step, capacity, node in _steps(pricing, before, month_total):
        take = sum(left) if capacity is None else min(capacity, sum(left))
        if take <= 0:
            continue
        parts = share_out(take, left)
        left = [have - part for have, part in zip(left, parts, strict=True)]
        for group, part in zip(groups, parts, strict=True):
            if part:
                rate = half_up(Fraction(node["rate"]) * group.product, 6)
                yield Rated(group, step, rate, part, part * rate / 1000)


def _steps(pricing: Tree, before: int, month_total: int) -> Iterator[tuple[int | None, int | None, Tree]]:
    """The steps that a day's units may fall in, how many units each still takes (None: all), and its prices."""
    tiers = pricing.get("tiers")
    if not tiers:
        yield None, None, pricing
        return
    if tiers["mode"] == "volume":
        step = step_at(tiers, month_total)
        yield step, None, tiers["steps"][step - 1]
        return
    for step, node in enumerate(tiers["steps"], 1):
        if node.get("up_to") is None:
            yield step, None, node
        elif node["up_to"] > before:
            yield step, node["up_to"] - before, node
            before = node["up_to"]


def step_at(tiers: Tree, position: int) -> int:
    """The step, from 1, that the unit at a position of the month falls in."""
    for step, node in enumerate(tiers["steps"], 1):
        if node.get("up_to") is None or position <= node["up_to"]:
            return step
    raise ValueError("no last step")


def _dynamic(group: Group, rates: Rates) -> Fraction:
    cost = group.cost if group.kept == group.units else nine(group.cost * group.kept / group.units)
    converted = rates.need(cost, COST_CURRENCY, group.version.agreement.currency, group.day)
    return nine(converted * (1 + (number(group.term["pricing"], "markup") or 0)))


def _charge(rated: list[Rated], before: Fraction) -> Fraction:
    """Set what is charged of one day's accruals, as the budget allows; their sum."""
    if not rated:
        return Fraction(0)
    budget = number(rated[0].group.term["pricing"], "budget")
    total = sum((one.uncapped for one in rated), Fraction(0))
    if budget is None or total <= budget - before:
        for one in rated:
            one.charged = one.uncapped
        return total
    rest = max(Fraction(0), budget - before)
    ordered = sorted(rated, key=lambda one: (one.group.key, one.step or 0))
    parts = share_out(int(rest * NANO), [one.uncapped for one in ordered]) if total else [0] * len(ordered)
    for one, part in zip(ordered, parts, strict=True):
        one.charged = Fraction(part, NANO)
    return rest if total else Fraction(0)


def _share_revenue(contracts: Sequence[Agreement], rates: Rates, media: Media) -> None:
    """Each partner's share of what was charged on its impressions, by group of the advertiser."""
    by_group: dict[int, list[Rated]] = defaultdict(list)
    for one in media.rated:
        if one.group.version.agreement.side == "advertiser":
            by_group[id(one.group)].append(one)
    for parts in by_group.values():
        group = parts[0].group
        advertiser = group.version.agreement
        claim = _share_claim(group, contracts)
        if claim is None:
            continue
        version, term = claim
        charge = sum((one.charged for one in parts), Fraction(0))
        converted = rates.need(charge, advertiser.currency, version.agreement.currency, group.day)
        amount = nine(converted * Fraction(term["pricing"]["share"]))
        media.shares.append(Share(group, version, term["term_id"], sum(one.units for one in parts), amount))


def _share_claim(group: Group, contracts: Sequence[Agreement]) -> tuple[Version, Tree] | None:
    for contract in contracts:
        if contract.side != "partner" or contract.party != group.partner:
            continue
        version = contract.in_force(group.day)
        for term in version.terms(group.day) if version else ():
            if term["pricing"]["model"] in MEDIA and matches(term, group.line_item, group.version.agreement.party):
                return (version, term) if version and term["pricing"]["model"] == "revenue_share" else None
    return None
