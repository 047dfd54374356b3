from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

import pytest

from contracts_io.contract import InForce, parse_document
from contracts_io.pricing import FACTORS_SCHEMA, STEPS_SCHEMA
from contracts_io.terms import (
    CONTRACTS_SCHEMA,
    OPEN_END,
    OVERRIDES_SCHEMA,
    TERMS_SCHEMA,
    AttributionTerms,
    terms_in_force,
)

OCTOBER = (date(2026, 10, 1), date(2026, 10, 31))
FLAT = {"model": "cpa", "event": "purchase", "fee": {"type": "flat", "amount": "12.00"}}
PERCENT = {"model": "cpa", "event": "signup", "fee": {"type": "percent", "rate": "0.08", "minimum": "1", "maximum": "50"}}
CPM = {"model": "cpm", "rate": "32.50", "billable_on": "viewable"}


def terms_fingerprint(stretches: Sequence[InForce], first: date, last: date) -> str:
    return AttributionTerms(stretches).fingerprint(first, last)


def term(term_id: str, pricing: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"term_id": term_id, "line_items": [f"li-{term_id}"], "pricing": pricing} | more


def advertiser(
    first: date = OCTOBER[0],
    last: date | None = None,
    *,
    stretch: tuple[date, date | None] | None = None,
    version: int = 1,
    **more: Any,
) -> InForce:
    document = {
        "contract_id": "acme-1",
        "side": "advertiser",
        "party": {"id": "acme", "name": "Acme Stores, Inc.", "country": "US"},
        "currency": "USD",
        "timezone": "America/New_York",
        "starts_on": str(first),
        "ends_on": str(last) if last else None,
        "validation_days": 3,
        "attribution": {"model": "last_touch", "lookback": {"view": "36h", "click": "7d"}, "view_basis": "viewable"},
        "terms": [term("brand", CPM), term("sale", FLAT), term("signup", PERCENT)],
    }
    return InForce(parse_document(json.dumps(document | more), name="acme.json"), version, *(stretch or (first, last)))


def partner(**more: Any) -> InForce:
    document = {
        "contract_id": "stream-1",
        "side": "partner",
        "party": {"id": "streamco", "name": "Streamco", "country": "US"},
        "currency": "EUR",
        "timezone": "Europe/Berlin",
        "starts_on": "2026-10-01",
        "ends_on": "2026-12-31",
        "terms": [
            {"term_id": "own", "advertisers": ["acme"], "pricing": {"model": "cpm", "rate": "9"}},
            {"term_id": "rest", "line_items": ["li-1", "li-2"], "pricing": {"model": "cpm", "rate": "8"}},
        ],
    }
    contract = parse_document(json.dumps(document | more), name="stream.json")
    return InForce(contract, 4, contract.starts_on, contract.ends_on)


def test_no_contracts_give_typed_empty_frames() -> None:
    frames = terms_in_force([])
    schemas = [TERMS_SCHEMA, STEPS_SCHEMA, FACTORS_SCHEMA, CONTRACTS_SCHEMA, OVERRIDES_SCHEMA]
    assert [frame.schema for frame in frames] == schemas
    assert [frame.height for frame in frames] == [0] * 5


def test_each_term_is_a_row_and_a_flat_price_one_step_in_micros() -> None:
    frames = terms_in_force([advertiser(), partner()])
    terms = frames.terms
    assert terms.schema == TERMS_SCHEMA
    acme = ("advertiser", "acme-1", 1, "acme", "USD", "America/New_York")
    stream = ("partner", "stream-1", 4, "streamco", "EUR", "Europe/Berlin")
    first, end = date(2026, 10, 1), date(2026, 12, 31)
    unlimited = ("graduated", None, None, None, None, None, None)
    assert terms.rows() == [
        (*acme, "brand", 0, "cpm", None, "viewable", *unlimited, ["li-brand"], None, first, OPEN_END),
        (*acme, "sale", 1, "cpa", "purchase", None, *unlimited, ["li-sale"], None, first, OPEN_END),
        (*acme, "signup", 2, "cpa", "signup", None, *unlimited, ["li-signup"], None, first, OPEN_END),
        (*stream, "own", 0, "cpm", None, "served", *unlimited, None, ["acme"], first, end),
        (*stream, "rest", 1, "cpm", None, "served", *unlimited, ["li-1", "li-2"], None, first, end),
    ]
    no_fee = (None, None, None, None, None)
    flat, percent = ("flat", 12_000_000, None, None, None), ("percent", None, 80_000, 1_000_000, 50_000_000)
    assert frames.steps.rows() == [
        ("acme-1", 1, "brand", 1, None, 32_500_000, *no_fee, 0),
        ("acme-1", 1, "sale", 1, None, None, *flat, 0),
        ("acme-1", 1, "signup", 1, None, None, *percent, 0),
        ("stream-1", 4, "own", 1, None, 9_000_000, *no_fee, 0),
        ("stream-1", 4, "rest", 1, None, 8_000_000, *no_fee, 0),
    ]
    assert frames.factors.is_empty()


def test_tiers_limits_and_multipliers_are_rows_of_steps_and_factors() -> None:
    steps = [{"up_to": 1000, "rate": "32.50"}, {"rate": "28.00", "flat_fee": "100.00"}]
    daypart = [
        {"days": ["mon"], "from": 18, "to": 20, "factor": "1.5"},
        {"days": ["mon", "sun"], "from": 19, "to": 24, "factor": "0.5"},
    ]
    tiered = {
        "model": "cpm",
        "tiers": {"mode": "volume", "steps": steps},
        "multipliers": {"device_type": {"ctv": "1.2"}, "country": {"US": "1.1"}, "daypart": daypart},
        "impression_cap": 5_000_000,
        "budget": "150000.00",
    }
    by_action = {
        "model": "cpa",
        "event": "lead",
        "tiers": {"mode": "graduated", "steps": [{"up_to": 2, "amount": "12.00"}, {"rate": "0.05", "flat_fee": "2.50"}]},
        "monthly_cap": 500,
    }
    cleared = {"model": "dcpm", "markup": "0.15"}
    terms = [term("tiered", tiered), term("few", by_action), term("cleared", cleared)]
    frames = terms_in_force([advertiser(terms=terms)])
    limits = ["tier_mode", "impression_cap", "budget_micros", "monthly_cap", "markup_micros", "share_micros"]
    assert frames.terms.select(limits).rows() == [
        ("volume", 5_000_000, 150_000_000_000, None, None, None),
        ("graduated", None, None, 500, None, None),
        (None, None, None, None, 150_000, None),
    ]
    assert frames.steps.drop("contract_id", "version").rows() == [
        ("tiered", 1, 1000, 32_500_000, None, None, None, None, None, 0),
        ("tiered", 2, None, 28_000_000, None, None, None, None, None, 100_000_000),
        ("few", 1, 2, None, "flat", 12_000_000, None, None, None, 0),
        ("few", 2, None, None, "percent", None, 50_000, None, None, 2_500_000),
    ]
    assert frames.factors.drop("contract_id", "version").rows() == [
        ("tiered", "device_type", "ctv", 1_200_000),
        ("tiered", "country", "US", 1_100_000),
    ]
    hours = frames.terms["hour_factors"].to_list()
    assert hours[1:] == [None, None]
    monday, sunday = hours[0][:24], hours[0][6 * 24 :]
    assert (monday[17:], sunday[18:]) == (
        [1_000_000, *[1_500_000] * 2, *[500_000] * 4],  # the first daypart that matches 19:00 on Monday counts
        [1_000_000, *[500_000] * 5],
    )
    assert hours[0][24 : 6 * 24] == [1_000_000] * 120


def test_what_holds_for_documents_and_eligibility_is_in_the_contracts_frame() -> None:
    rules = {
        "new_customers_only": True,
        "countries": ["US", "CA"],
        "minimum_order_value": "20.00",
        "excluded_categories": ["giftcard"],
        "excluded_coupons": ["STAFF"],
        "repeat_household_days": 30,
        "eligible_when": "order_value >= 50",
    }
    document = {"agency_commission": "0.15", "minimum_monthly": "5000.00", "tax": {"category": "S", "rate": "0.19"}}
    attribution = {"model": "time_decay", "half_life": 7, "lookback": {"view": "30d"}}
    frame = terms_in_force([advertiser(eligibility=rules, attribution=attribution, **document)]).contracts
    columns = [*rules, "half_life", "agency_commission", "minimum_monthly", "tax_rate"]
    micros = {"minimum_order_value", "agency_commission", "minimum_monthly", "tax_rate"}
    values = frame.select(f"{name}_micros" if name in micros else name for name in columns).row(0)
    assert values == (
        *(True, ["US", "CA"], 20_000_000, ["giftcard"], ["STAFF"], 30, "order_value >= 50"),
        *(7, 150_000, 5_000_000_000, 190_000),
    )


@pytest.mark.parametrize(
    ("stretch", "term_dates", "expected"),
    [
        ((date(2026, 10, 5), date(2026, 10, 20)), {}, (date(2026, 10, 5), date(2026, 10, 20))),
        ((date(2026, 10, 5), None), {"ends_on": "2026-11-30"}, (date(2026, 10, 5), date(2026, 11, 30))),
        ((date(2026, 10, 5), None), {"starts_on": "2026-10-06"}, (date(2026, 10, 6), OPEN_END)),
        ((date(2026, 10, 5), date(2026, 10, 20)), {"starts_on": "2026-10-20"}, (date(2026, 10, 20), date(2026, 10, 20))),
        ((date(2026, 10, 5), date(2026, 10, 20)), {"starts_on": "2026-10-21"}, None),
        ((date(2026, 10, 5), date(2026, 10, 20)), {"ends_on": "2026-10-04"}, None),
    ],
)
def test_a_term_is_in_force_on_the_days_that_it_shares_with_its_version(
    stretch: tuple[date, date | None], term_dates: dict[str, str], expected: tuple[date, date] | None
) -> None:
    terms = terms_in_force([advertiser(stretch=stretch, terms=[term("brand", CPM, **term_dates)])]).terms
    assert terms.select("first_on", "last_on").rows() == ([] if expected is None else [expected])


def test_a_term_keeps_its_place_in_the_document_where_an_earlier_one_has_no_day() -> None:
    dated = [term("brand", CPM, ends_on="2026-10-04"), term("sale", FLAT)]
    terms = terms_in_force([advertiser(stretch=(date(2026, 10, 5), None), terms=dated)]).terms
    assert terms.select("term_id", "position").rows() == [("sale", 1)]


def test_each_stretch_is_a_row_with_what_holds_for_the_whole_contract() -> None:
    contracts = terms_in_force([advertiser(eligibility={"order_dedup_days": 30}), partner(payment_terms_days=45)]).contracts
    assert contracts.schema == CONTRACTS_SCHEMA
    end = date(2026, 12, 31)
    acme = ("advertiser", "acme-1", 1, "acme", "USD", "America/New_York")
    stream = ("partner", "stream-1", 4, "streamco", "EUR", "Europe/Berlin")
    attribution = ("last_touch", timedelta(hours=36), timedelta(days=7), True, "viewable", None)
    only_orders = (False, None, None, None, None, None, 30, None)
    assert contracts.rows() == [
        (*acme, 3, *attribution, *only_orders, 30, 0, 0, 0, 0, 0, OCTOBER[0], OPEN_END),
        (*stream, 0, *[None] * 14, 45, 0, 0, 0, 0, 0, OCTOBER[0], end),
    ]


def test_withholding_and_minimum_payout_are_micros() -> None:
    contracts = terms_in_force([partner(withholding="0.1", minimum_payout="50.00")]).contracts
    assert contracts.select("withholding_micros", "minimum_payout_micros").rows() == [(100_000, 50_000_000)]


def test_orders_are_duplicates_for_90_days_where_the_contract_does_not_say() -> None:
    assert terms_in_force([advertiser()]).contracts["order_dedup_days"].to_list() == [90]


@pytest.mark.parametrize("lookback", [{"click": "7d"}, {"view": "0d", "click": "7d"}])
def test_a_kind_of_touch_that_is_not_given_or_0d_is_off(lookback: dict[str, str]) -> None:
    stretch = advertiser(attribution={"model": "last_touch", "lookback": lookback})
    columns = terms_in_force([stretch]).contracts.select("view_lookback", "click_lookback")
    assert columns.rows() == [(timedelta(0), timedelta(days=7))]


def test_overrides_are_listed_once_for_a_version_and_leave_null_what_they_do_not_replace() -> None:
    overrides = [
        {"partner_id": "streamco", "lookback": {"view": "7d"}},
        {"partner_id": "couponz", "excluded": True},
        {"partner_id": "viewless", "lookback": {"view": "0d", "click": "12h"}},
    ]
    days = (date(2026, 10, 1), date(2026, 10, 5)), (date(2026, 10, 20), None)
    stretches = [advertiser(stretch=stretch, partner_overrides=overrides) for stretch in days]
    frame = terms_in_force(stretches).overrides
    assert frame.schema == OVERRIDES_SCHEMA
    assert frame.rows() == [
        ("acme-1", 1, "streamco", timedelta(days=7), None, False),
        ("acme-1", 1, "couponz", None, None, True),
        ("acme-1", 1, "viewless", timedelta(0), timedelta(hours=12), False),
    ]


def test_frames_can_be_joined_on_contract_and_version() -> None:
    frames = terms_in_force([advertiser(), partner()])
    joined = frames.terms.join(frames.contracts, on=["contract_id", "version"])
    assert joined.group_by("contract_id").len().sort("contract_id").rows() == [("acme-1", 3), ("stream-1", 2)]
    assert frames.steps.join(frames.terms, on=["contract_id", "version", "term_id"]).height == 5


@pytest.mark.parametrize(
    "change",
    [
        {"party": {"id": "acme", "name": "Acme, renamed", "country": "US"}},
        {"payment_terms_days": 60},
        {"terms": [term("other", CPM), term("sale", FLAT), term("signup", PERCENT)]},
        {"terms": [term("brand", CPM | {"rate": "1"}), term("sale", FLAT), term("signup", PERCENT)]},
        {
            "terms": [
                term("brand", CPM),
                term("sale", FLAT),
                term("signup", PERCENT),
                term("later", FLAT, starts_on="2026-11-01"),
            ]
        },
        {"terms": [term("brand", CPM), term("sale", FLAT), term("signup", PERCENT, ends_on="2026-10-31")]},
    ],
    ids=[
        "name",
        "payment terms",
        "cpm term",
        "cpm rate",
        "a cpa term after the window",
        "an end on the last day of the window",
    ],
)
def test_what_attribution_does_not_depend_on_leaves_the_fingerprint(change: dict[str, Any]) -> None:
    if "later" in str(change):
        change["terms"][-1]["line_items"] = ["li-later"]
    assert terms_fingerprint([advertiser(**change)], *OCTOBER) == terms_fingerprint([advertiser()], *OCTOBER)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"contract_id": "acme-2"},
        {"party": {"id": "acme-2", "name": "Acme Stores, Inc.", "country": "US"}},
        {"currency": "EUR"},
        {"timezone": "UTC"},
        {"validation_days": 4},
        {"attribution": {"model": "last_touch", "lookback": {"view": "36h", "click": "8d"}, "view_basis": "viewable"}},
        {"partner_overrides": [{"partner_id": "streamco", "excluded": True}]},
        {"eligibility": {"order_dedup_days": 30}},
        {"terms": [term("brand", CPM), term("sale", FLAT)]},
        {"terms": [term("sale", FLAT | {"event": "signup"}), term("signup", PERCENT | {"event": "purchase"})]},
        {"terms": [term("sale", FLAT, line_items=["li-sale", "li-more"]), term("signup", PERCENT)]},
        {"terms": [term("sale", FLAT), term("signup", PERCENT, ends_on="2026-10-30")]},
        {"last": date(2026, 10, 30)},
        {"first": date(2026, 10, 2)},
    ],
)
def test_what_attribution_depends_on_changes_the_fingerprint(change: dict[str, Any]) -> None:
    assert terms_fingerprint([advertiser(**change)], *OCTOBER) != terms_fingerprint([advertiser()], *OCTOBER)


def test_contracts_without_actions_partners_and_other_days_are_not_in_the_fingerprint() -> None:
    nothing = terms_fingerprint([], *OCTOBER)
    cpm_only = advertiser(terms=[term("brand", CPM)])
    november = advertiser(date(2026, 11, 1))
    september = advertiser(date(2026, 9, 1), date(2026, 9, 30))
    assert terms_fingerprint([cpm_only, partner(), november, september], *OCTOBER) == nothing
    assert terms_fingerprint([advertiser()], *OCTOBER) != nothing


def test_a_window_between_two_terms_is_like_one_without_contracts() -> None:
    gap = [term("sale", FLAT, ends_on="2026-10-31"), term("later", FLAT, starts_on="2026-12-01", line_items=["li-x"])]
    november = (date(2026, 11, 1), date(2026, 11, 30))
    assert terms_fingerprint([advertiser(terms=gap)], *november) == terms_fingerprint([], *november)


def test_the_longest_lookback_is_of_any_kind_and_partner_in_the_window() -> None:
    overrides = [
        {"partner_id": "streamco", "lookback": {"view": "9d"}},
        {"partner_id": "couponz", "lookback": {"view": "90d"}, "excluded": True},
    ]
    later = advertiser(
        date(2026, 11, 1),
        contract_id="acme-2",
        attribution={"model": "last_touch", "lookback": {"view": "30d", "click": "60d"}},
    )
    asked = AttributionTerms([advertiser(last=date(2026, 11, 30), partner_overrides=overrides), later])
    assert asked.longest_lookback(*OCTOBER) == timedelta(days=9)
    assert asked.longest_lookback(date(2026, 10, 1), date(2026, 11, 1)) == timedelta(days=60)
    assert asked.longest_lookback(date(2026, 9, 1), date(2026, 9, 30)) == timedelta(0)


def repeating(days: int | None, dedup: int = 90, **more: Any) -> InForce:
    rules = {"order_dedup_days": dedup} | ({} if days is None else {"repeat_household_days": days})
    return advertiser(eligibility=rules, **more)


def test_the_longest_repeat_is_that_of_the_window_and_none_where_nobody_asks() -> None:
    later = repeating(60, first=date(2026, 11, 1), contract_id="acme-2")
    asked = AttributionTerms([repeating(0, last=date(2026, 11, 30)), later])
    assert asked.longest_repeat(*OCTOBER) == timedelta(0)
    assert asked.longest_repeat(date(2026, 10, 1), date(2026, 11, 1)) == timedelta(days=60)
    assert asked.longest_repeat(date(2026, 9, 1), date(2026, 9, 30)) is None
    assert AttributionTerms([repeating(None)]).longest_repeat(*OCTOBER) is None


@pytest.mark.parametrize(
    ("now", "before", "changes"),
    [
        (30, {"dedup": 3}, True),
        (30, {"days": 7}, False),
        (30, {"validation_days": 9}, False),
        (30, {"last": date(2026, 9, 29)}, True),
        (30, {"terms": [term("sale", FLAT)]}, True),
        (30, {"terms": [term("sale", FLAT, line_items=["li-x"]), term("signup", PERCENT)]}, False),
        (30, {"party": {"id": "zeta", "name": "Zeta", "country": "US"}}, True),
        (None, {"dedup": 3}, False),
        (0, {"dedup": 3}, False),
    ],
)
def test_as_far_back_as_a_repeat_reaches_what_makes_a_duplicate_order_is_in_the_fingerprint(
    now: int | None, before: dict[str, Any], changes: bool
) -> None:
    def fingerprint(**earlier: Any) -> str:
        then = repeating(**{"days": None, "first": date(2026, 9, 1), "last": date(2026, 9, 30)} | earlier)
        return terms_fingerprint([then, repeating(now, version=2)], *OCTOBER)

    assert (fingerprint(**before) != fingerprint()) is changes


def test_what_lies_further_back_than_a_repeat_reaches_is_not_in_the_fingerprint() -> None:
    def fingerprint(dedup: int, last: date) -> str:
        then = repeating(None, dedup, first=date(2026, 8, 1), last=last)
        return terms_fingerprint([then, repeating(7, version=2)], *OCTOBER)

    for last, same in ((date(2026, 9, 23), True), (date(2026, 9, 24), False)):
        assert (fingerprint(1, last) == fingerprint(90, last)) is same


def test_a_repeat_asked_by_one_advertiser_leaves_the_others_out() -> None:
    other = {"contract_id": "zeta-1", "party": {"id": "zeta", "name": "Zeta", "country": "US"}}
    days = {"first": date(2026, 9, 1), "last": date(2026, 9, 30)}
    one, two = (terms_fingerprint([repeating(30), repeating(None, n, **other, **days)], *OCTOBER) for n in (1, 90))
    assert one == two
