"""Eligibility (spec 6.1, rule 5): each rule at its edges, nulls, the order of rules, repeats by a household."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from billing_samples import DAY, MICROSECOND, NOON, advertiser, at, flat, fx_rates, judged, term

from contracts_io.contract import InForce

VIEW: dict[str, Any] = {"touch_time": NOON - timedelta(hours=1)}
EUR = fx_rates((DAY, "EUR", "USD", "1.25"))


def verdict(conversion: dict[str, Any], rules: dict[str, Any], **more: Any) -> str | None:
    """The reason of a conversion that a view would win, None where it is attributed."""
    made = judged([conversion], advertiser(eligibility=rules), touches=[VIEW], **more)
    ((status, reason),) = made.attributions.select("status", "reason").rows()
    assert (status == "ineligible") == (reason is not None) == made.credits.is_empty()
    assert status in ("ineligible", "attributed")
    return None if reason is None else str(reason)


@pytest.mark.parametrize(
    ("rules", "conversion", "reason"),
    [
        ({"new_customers_only": True}, {"new_customer": True}, None),
        ({"new_customers_only": True}, {"new_customer": False}, "new_customer"),
        ({"new_customers_only": False}, {"new_customer": False}, None),
        ({"countries": ["US", "CA"]}, {"country": "CA"}, None),
        ({"countries": ["US", "CA"]}, {"country": "MX"}, "country"),
        ({"countries": ["US", "CA"]}, {"country": None}, "country"),
        ({}, {"country": None}, None),
        ({"minimum_order_value": "20.00"}, {"order_value": "20"}, None),
        ({"minimum_order_value": "20.00"}, {"order_value": "19.999999999"}, "order_value"),
        ({"minimum_order_value": "0.000001"}, {"order_value": "0.000001"}, None),
        ({"minimum_order_value": "20.00"}, {"order_value": None}, "order_value"),
        ({"minimum_order_value": "0"}, {"order_value": None}, "order_value"),
        ({"minimum_order_value": "0"}, {"order_value": "0"}, None),
        ({"excluded_categories": ["giftcard"]}, {"category": "giftcard"}, "category"),
        ({"excluded_categories": ["giftcard"]}, {"category": "Giftcard"}, None),
        ({"excluded_categories": ["giftcard"]}, {"category": None}, None),
        ({"excluded_coupons": ["STAFF", "FAMILY"]}, {"coupon": "FAMILY"}, "coupon"),
        ({"excluded_coupons": ["STAFF"]}, {"coupon": "STAFF2"}, None),
        ({"excluded_coupons": ["STAFF"]}, {"coupon": None}, None),
        ({"excluded_coupons": ["STAFF"]}, {"category": "STAFF"}, None),
        ({"eligible_when": "order_value >= 50 AND country = 'US'"}, {"order_value": "50", "country": "US"}, None),
        ({"eligible_when": "order_value >= 50 AND country = 'US'"}, {"order_value": "49.999999999", "country": "US"}, "eligible_when"),
        ({"eligible_when": "order_value >= 50"}, {"order_value": None}, "eligible_when"),
        ({"eligible_when": "NOT (category = 'giftcard')"}, {"category": None}, "eligible_when"),
        ({"eligible_when": "order_value / 3 * 3 = 10"}, {"order_value": "10"}, None),
        ({"eligible_when": "1 / (order_value - 10) > 0"}, {"order_value": "10"}, "eligible_when"),
        ({"eligible_when": "new_customer"}, {"new_customer": True}, None),
        ({"eligible_when": "order_id LIKE 'o-%' AND event = 'purchase'"}, {"order_id": "o-1"}, None),
        ({"eligible_when": "1 = 1"}, {}, None),
        ({"eligible_when": "1 = 2"}, {}, "eligible_when"),
    ],
)  # fmt: skip
def test_a_conversion_is_eligible_where_it_meets_the_rule(
    rules: dict[str, Any], conversion: dict[str, Any], reason: str | None
) -> None:
    assert verdict(conversion, rules) == reason


ALL_RULES = {
    "new_customers_only": True,
    "countries": ["US"],
    "minimum_order_value": "20",
    "excluded_categories": ["giftcard"],
    "excluded_coupons": ["STAFF"],
    "repeat_household_days": 30,
    "eligible_when": "order_id IS NULL",
}
FAILS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("new_customer", {"new_customer": False}, {"new_customer": True}),
    ("country", {"country": "DE"}, {"country": "US"}),
    ("order_value", {"order_value": "1"}, {"order_value": "20"}),
    ("category", {"category": "giftcard"}, {"category": "toys"}),
    ("coupon", {"coupon": "STAFF"}, {"coupon": None}),
    ("repeat_household", {"household_id": "h1"}, {"household_id": "h2"}),
    ("eligible_when", {"order_id": "o9"}, {"order_id": None}),
]


@pytest.mark.parametrize("place", range(len(FAILS) + 1))
def test_the_reason_is_the_first_rule_that_fails(place: int) -> None:
    """All rules before ``place`` are met, all from there on are not."""
    conversion: dict[str, Any] = {}
    for n, (_, fails, meets) in enumerate(FAILS):
        conversion |= meets if n < place else fails
    before = {"conversion_id": "c0", "event_time": NOON - timedelta(days=1)}
    made = judged([conversion], advertiser(eligibility=ALL_RULES), elsewhere=[before]).attributions
    expected = ("ineligible", FAILS[place][0]) if place < len(FAILS) else ("unattributed", None)
    assert made.select("status", "reason").rows() == [expected]


@pytest.mark.parametrize(
    ("conversion", "adjustments", "status"),
    [
        ({"currency": "GBP", "order_value": "1"}, [], "no_fx_rate"),
        ({"currency": "EUR", "order_value": "1"}, [{"adjustment_id": "a1"}], "reversed"),
        ({"household_id": None}, [], "ineligible"),
    ],
)
def test_ineligible_stands_after_reversed_and_no_rate_and_before_no_household(
    conversion: dict[str, Any], adjustments: list[dict[str, Any]], status: str
) -> None:
    contract = advertiser(eligibility={"countries": ["US"]})
    made = judged([conversion], contract, adjustments=adjustments, rates=EUR).attributions
    assert made["status"].to_list() == [status]
    assert made["reason"].to_list() == ["country" if status == "ineligible" else None]


@pytest.mark.parametrize(
    ("value", "restated", "reason"),
    [("16", None, None), ("15.999999999", None, "order_value"), ("1", "16", None), ("16", "1", "order_value")],
)
@pytest.mark.parametrize("rule", [{"minimum_order_value": "20"}, {"eligible_when": "order_value >= 20"}])
def test_the_value_is_the_restated_one_in_the_currency_of_the_contract(
    value: str, restated: str | None, reason: str | None, rule: dict[str, Any]
) -> None:
    adjustments = [{"action": "restate", "order_value": restated}] if restated else []
    found = verdict({"order_value": value, "currency": "EUR"}, rule, adjustments=adjustments, rates=EUR)
    assert found == (next(iter(rule)).replace("minimum_", "") if reason else None)


def test_each_version_judges_by_its_own_rules() -> None:
    versions = [
        advertiser(last=date(2026, 10, 4), eligibility={"countries": ["US"], "eligible_when": "order_value > 5"}),
        advertiser(first=DAY, version=2, eligibility={"countries": ["DE"], "eligible_when": "order_value < 5"}),
    ]
    early, late = at("2026-10-04T12:00Z"), at("2026-10-05T12:00Z")
    rows = [
        {"conversion_id": f"c{n}", "event_time": when, "country": country, "order_value": value}
        for n, (when, country, value) in enumerate(
            (when, country, value) for when in (early, late) for country in ("US", "DE") for value in ("1", "9")
        )
    ]
    made = judged(rows, *versions).attributions
    assert made["reason"].to_list() == [
        "eligible_when", None, "country", "country",
        "country", "country", None, "eligible_when",
    ]  # fmt: skip


# Repeats by a household


def repeats(earlier: dict[str, Any], *contracts: InForce, days: int = 3, **more: Any) -> bool:
    """Whether a purchase at noon is refused for one before it."""
    agreed = contracts or (advertiser(eligibility={"repeat_household_days": days}),)
    before = {"conversion_id": "c0", "event_time": NOON - timedelta(hours=1)} | earlier
    made = judged([{}], *agreed, elsewhere=[before], **more).attributions
    ((status, reason),) = made.select("status", "reason").rows()
    assert (status, reason) in (("ineligible", "repeat_household"), ("unattributed", None))
    return reason is not None


@pytest.mark.parametrize(
    ("days", "before", "found"),
    [
        (3, timedelta(days=3), True),
        (3, timedelta(days=3) + MICROSECOND, False),
        (3, timedelta(0), True),
        (0, timedelta(0), True),
        (0, MICROSECOND, False),
        (3, -MICROSECOND, False),
    ],
)
def test_a_household_repeats_up_to_and_at_the_days_agreed(days: int, before: timedelta, found: bool) -> None:
    assert repeats({"event_time": NOON - before}, days=days) is found


@pytest.mark.parametrize(("other", "found"), [("c0", True), ("c9", False)])
def test_of_two_purchases_at_one_instant_the_one_with_the_higher_id_is_the_repeat(other: str, found: bool) -> None:
    assert repeats({"conversion_id": other, "event_time": NOON}) is found


@pytest.mark.parametrize(
    "other", [{"household_id": "h2"}, {"household_id": None}, {"advertiser_id": "zeta"}, {"event": "signup"}]
)
def test_another_household_advertiser_or_event_is_no_repeat(other: dict[str, Any]) -> None:
    assert not repeats(other)


def test_what_is_known_of_no_household_is_no_repeat() -> None:
    contract = advertiser(eligibility={"repeat_household_days": 30})
    rows = [{"conversion_id": f"c{n}", "household_id": None} for n in range(2)]
    assert judged(rows, contract).attributions["status"].to_list() == ["no_household"] * 2


def test_a_repeat_is_measured_from_the_nearest_one_before_it_whatever_its_status() -> None:
    contract = advertiser(eligibility={"repeat_household_days": 3, "countries": ["US"]})
    chain = [
        {"conversion_id": f"c{n}", "event_time": NOON + timedelta(days=2 * n), "country": country}
        for n, country in enumerate(["US", "DE", "US", "US"])
    ]
    assert judged(chain, contract).attributions["reason"].to_list() == [
        None,
        "country",
        "repeat_household",
        "repeat_household",
    ]


def test_a_reversed_purchase_is_repeated_by_nothing() -> None:
    reversal = [{"conversion_id": "c0"}]
    assert not repeats({}, adjustments=reversal)
    restated = [{"conversion_id": "c0", "action": "restate", "order_value": "0"}]
    assert repeats({}, adjustments=restated)


def test_behind_a_purchase_that_does_not_count_an_earlier_one_does() -> None:
    contract = advertiser(eligibility={"repeat_household_days": 3})
    before = [
        {"conversion_id": "a", "event_time": NOON - timedelta(days=2)},
        {"conversion_id": "b", "event_time": NOON - timedelta(days=1)},
    ]
    made = judged([{}], contract, elsewhere=before, adjustments=[{"conversion_id": "b"}]).attributions
    assert made["reason"].to_list() == ["repeat_household"]


ORDERED = [
    {"conversion_id": "a", "order_id": "o1", "household_id": "h9", "event_time": NOON - timedelta(days=5)},
    {"conversion_id": "b", "order_id": "o1", "household_id": "h1", "event_time": NOON - timedelta(days=1)},
]


@pytest.mark.parametrize(("dedup", "reason"), [(4, None), (3, "repeat_household")])
def test_a_duplicate_order_is_repeated_by_nothing(dedup: int, reason: str | None) -> None:
    contract = advertiser(eligibility={"repeat_household_days": 3, "order_dedup_days": dedup})
    assert judged([{}], contract, elsewhere=ORDERED).attributions["reason"].to_list() == [reason]


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ([(date(2026, 8, 1), date(2026, 10, 4), 4)], None),
        ([(date(2026, 8, 1), date(2026, 10, 4), 3)], "repeat_household"),
        ([], "repeat_household"),  # no contract: not a duplicate
        ([(date(2026, 8, 1), date(2026, 10, 3), 4)], "repeat_household"),
    ],
)
def test_whether_an_earlier_purchase_is_a_duplicate_is_told_by_the_version_of_its_own_day(
    then: list[tuple[date, date, int]], reason: str | None
) -> None:
    now = advertiser(first=DAY, version=2, eligibility={"repeat_household_days": 3, "order_dedup_days": 90})
    before = [advertiser(first=f, last=to, eligibility={"order_dedup_days": days}) for f, to, days in then]
    assert judged([{}], *before, now, elsewhere=ORDERED).attributions["reason"].to_list() == [reason]


def test_a_repeat_is_asked_by_the_version_that_judges_and_found_under_any() -> None:
    before = {"conversion_id": "c0", "event_time": NOON - timedelta(days=1)}
    asks, silent = {"repeat_household_days": 3}, {"order_dedup_days": 90}
    for first, second, reason in ((asks, silent, None), (silent, asks, "repeat_household")):
        versions = [
            advertiser(last=date(2026, 10, 4), eligibility=first),
            advertiser(first=DAY, version=2, eligibility=second),
        ]
        assert judged([{}], *versions, elsewhere=[before]).attributions["reason"].to_list() == [reason]


def test_purchases_of_other_contracts_of_the_advertiser_for_other_events_do_not_matter() -> None:
    both = advertiser(
        term("sale", flat(), "li-1"), term("join", flat(event="signup"), "li-2"), eligibility={"repeat_household_days": 3}
    )
    assert not repeats({"event": "signup"}, both)
    assert repeats({}, both)
