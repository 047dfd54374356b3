"""Each conversion's one status, its candidates and its credit (spec 6.1 to 6.3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any

from plain_model.agreements import Agreement, Rates, Tree, Version, is_met, number
from plain_model.conditions import holds
from plain_model.delivered import Row
from plain_model.exact import NANO, half_up, share_out

MILLION = 1_000_000
GRACE_DAYS = 1


@dataclass(frozen=True)
class Touch:
    """A view or a click, valid and of a known household."""

    kind: str
    touch_id: str
    row: Row

    @property
    def time(self) -> datetime:
        time: datetime = self.row["event_time"]
        return time


@dataclass(frozen=True)
class Credit:
    touch: Touch
    term_id: str
    millionths: int


@dataclass
class Judged:
    """A conversion with what was found about it; ``value`` is as reported or restated, in ``currency``."""

    row: Row
    version: Version | None = None
    status: str = "no_contract"
    reason: str = ""
    local_date: date | None = None
    billing_date: date | None = None
    value: Fraction | None = None
    currency: str = ""
    contract_value: Fraction | None = None
    credits: list[Credit] = field(default_factory=list)

    @property
    def conversion_id(self) -> str:
        name: str = self.row["conversion_id"]
        return name

    @property
    def order(self) -> tuple[datetime, str]:
        return self.row["event_time"], self.conversion_id


def judge(rows: dict[str, list[Row]], contracts: Sequence[Agreement], rates: Rates) -> list[Judged]:
    """All accepted conversions, judged."""
    latest: dict[str, Row] = {}
    for row in sorted(rows["conversion_adjustments"], key=lambda row: (row["adjusted_at"], row["adjustment_id"])):
        latest[row["conversion_id"]] = row
    reversed_ids = {name for name, row in latest.items() if row["action"] == "reverse"}
    judged = [_with_contract(Judged(row), contracts) for row in rows["conversions"]]
    for one in judged:
        if one.version is not None and _is_duplicate_order(one, judged, reversed_ids):
            one.status = "duplicate_order"
    touches = list(_touches(rows))
    for one in judged:
        if one.version is not None and one.status != "duplicate_order":
            _value(one, latest.get(one.conversion_id))
            one.status, one.reason = _status(one, judged, reversed_ids, rates)
            if one.status == "attributed":
                one.credits = list(_credits(one, touches))
                one.status = "attributed" if one.credits else "unattributed"
    return judged


def cpa_terms(version: Version, event: str, day: date) -> list[Tree]:
    """The version's cpa terms for an event, in force on a local date, in document order."""
    return [term for term in version.terms(day) if term["pricing"]["model"] == "cpa" and term["pricing"]["event"] == event]


def _with_contract(one: Judged, contracts: Sequence[Agreement]) -> Judged:
    for contract in contracts:
        if contract.side != "advertiser" or contract.party != one.row["advertiser_id"]:
            continue
        day = contract.local_date(one.row["event_time"])
        version = contract.in_force(day)
        if version is not None and cpa_terms(version, one.row["event"], day):
            one.version, one.local_date, one.status = version, day, ""
            one.billing_date = day + timedelta(days=version.document.get("validation_days", 0))
            break
    return one


def _earlier(one: Judged, others: Iterable[Judged], days: int, same: str) -> Iterator[Judged]:
    """Conversions of the same advertiser and event, and the same in one more column, at most so many days before."""
    columns = ("advertiser_id", "event", same)
    since = one.row["event_time"] - timedelta(days=days)
    for other in others:
        same_columns = all(other.row[name] == one.row[name] for name in columns)
        if same_columns and other.order < one.order and other.row["event_time"] >= since:
            yield other


def _is_duplicate_order(one: Judged, judged: Sequence[Judged], reversed_ids: set[str]) -> bool:
    assert one.version is not None
    if one.row["order_id"] is None:
        return False
    days = (one.version.document.get("eligibility") or {}).get("order_dedup_days", 90)
    return any(other.conversion_id not in reversed_ids for other in _earlier(one, judged, days, "order_id"))


def _value(one: Judged, adjustment: Row | None) -> None:
    assert one.version is not None
    restated = adjustment is not None and adjustment["action"] == "restate"
    one.value = adjustment["order_value"] if adjustment is not None and restated else one.row["order_value"]
    one.currency = one.row["currency"] or one.version.agreement.currency


def _status(one: Judged, judged: Sequence[Judged], reversed_ids: set[str], rates: Rates) -> tuple[str, str]:
    assert one.version is not None
    if one.conversion_id in reversed_ids:
        return "reversed", ""
    if one.value is not None:
        day = one.row["event_time"].astimezone(UTC).date()
        one.contract_value = rates.convert(one.value, one.currency, one.version.agreement.currency, day)
        if one.contract_value is None:
            return "no_fx_rate", ""
    for reason in _failing(one, judged, reversed_ids):
        return "ineligible", reason
    return ("attributed" if one.row["household_id"] is not None else "no_household"), ""


def _failing(one: Judged, judged: Sequence[Judged], reversed_ids: set[str]) -> Iterator[str]:
    """The rules of eligibility that fail, in their order."""
    assert one.version is not None
    rules: Tree = one.version.document.get("eligibility") or {}
    row, value = one.row, one.contract_value
    if rules.get("new_customers_only") and not row["new_customer"]:
        yield "new_customer"
    if rules.get("countries") is not None and row["country"] not in rules["countries"]:
        yield "country"
    least = number(rules, "minimum_order_value")
    if least is not None and (value is None or value < least):
        yield "order_value"
    if row["category"] is not None and row["category"] in (rules.get("excluded_categories") or ()):
        yield "category"
    if row["coupon"] is not None and row["coupon"] in (rules.get("excluded_coupons") or ()):
        yield "coupon"
    days = rules.get("repeat_household_days")
    if days is not None and row["household_id"] is not None:
        for other in _earlier(one, judged, days, "household_id"):
            if other.status != "duplicate_order" and other.conversion_id not in reversed_ids:
                yield "repeat_household"
                break
    condition = rules.get("eligible_when")
    named = {**row, "order_value": value, "new_customer": bool(row["new_customer"])}
    if condition and not holds(condition, named):
        yield "eligible_when"


def _touches(rows: dict[str, list[Row]]) -> Iterator[Touch]:
    for kind, feed, name in (("view", "impressions", "impression_id"), ("click", "clicks", "click_id")):
        for row in rows[feed]:
            if row["invalid_reason"] is None and row["household_id"] is not None:
                yield Touch(kind, row[name], row)


def _credits(one: Judged, touches: Sequence[Touch]) -> Iterator[Credit]:
    assert one.version is not None and one.local_date is not None
    attribution: Tree = one.version.document["attribution"]
    term_of = {
        line_item: term["term_id"]
        for term in cpa_terms(one.version, one.row["event"], one.local_date)
        for line_item in term["line_items"]
    }
    found = [touch for touch in touches if touch.row["line_item_id"] in term_of and _is_candidate(touch, one)]
    if attribution.get("click_over_view", True) and any(touch.kind == "click" for touch in found):
        found = [touch for touch in found if touch.kind == "click"]
    found.sort(key=lambda touch: (touch.time, touch.kind == "click", touch.touch_id))
    if not found:
        return
    weights = _weights(attribution, found, one.row["event_time"])
    if not any(weights):
        weights[-1] = Fraction(1)
    parts = share_out(MILLION, weights[::-1])[::-1]
    for touch, part in zip(found, parts, strict=True):
        if part:
            yield Credit(touch, term_of[touch.row["line_item_id"]], part)


def _is_candidate(touch: Touch, one: Judged) -> bool:
    assert one.version is not None
    if touch.row["household_id"] != one.row["household_id"]:
        return False
    attribution: Tree = one.version.document["attribution"]
    if touch.kind == "view" and not is_met(attribution.get("view_basis"), touch.row):
        return False
    lookback = dict(attribution["lookback"])
    for override in one.version.document.get("partner_overrides") or ():
        if override["partner_id"] == touch.row["partner_id"]:
            if override.get("excluded"):
                return False
            lookback |= override.get("lookback") or {}
    window = _duration(lookback.get(touch.kind, "0d"))
    elapsed = one.row["event_time"] - touch.time
    in_time = touch.row["delivery_day"] <= one.row["delivery_day"] + timedelta(days=GRACE_DAYS)
    return bool(window) and timedelta(0) <= elapsed <= window and in_time


def _duration(text: str) -> timedelta:
    match = re.fullmatch(r"(\d+)([dh])", text)
    assert match is not None
    return timedelta(hours=int(match[1]) * (24 if match[2] == "d" else 1))


def _weights(attribution: Tree, touches: Sequence[Touch], at: datetime) -> list[Fraction]:
    many = len(touches)
    match attribution["model"]:
        case "last_touch":
            return [Fraction(place == many - 1) for place in range(many)]
        case "first_touch":
            return [Fraction(place == 0) for place in range(many)]
        case "position_based" if many > 2:
            return [Fraction(2, 5), *[Fraction(1, 5) / (many - 2)] * (many - 2), Fraction(2, 5)]
        case "time_decay":
            return [_decayed((at - touch.time).days, attribution["half_life"]) for touch in touches]
        case _:
            return [Fraction(1)] * many


def _decayed(days: int, half_life: Any) -> Fraction:
    with localcontext() as context:
        context.prec = 60
        return half_up(Fraction(NANO * Decimal(2) ** (Decimal(-days) / Decimal(str(half_life)))), 0)
