from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import DAY, MICROSECOND, NOON, advertiser, at, cpm, flat, fx_rates, judged, partner, percent, term

from contracts_io.contract import InForce
from contracts_io.frames import TABLES

VIEW: dict[str, Any] = {"touch_time": NOON - timedelta(hours=1)}
CLICK = VIEW | {"touch_id": "k1", "touch_kind": "click"}
REVERSE: dict[str, Any] = {"adjustment_id": "a1"}


def status(conversion: dict[str, Any], *contracts: InForce, **more: Any) -> str:
    made = judged([conversion], *(contracts or [advertiser()]), **more)
    TABLES["attributions"].check(made.attributions.lazy())
    TABLES["attribution_credits"].check(made.credits.lazy(), has_rows=made.credits.height > 0)
    (text,) = made.attributions["status"]
    return str(text)


def winner(touches: list[dict[str, Any]], *contracts: InForce, **conversion: Any) -> str | None:
    """The touch that has all the credit, None where nobody has any."""
    made = judged([conversion], *(contracts or [advertiser()]), touches=touches)
    if made.credits.is_empty():
        assert made.attributions["status"].to_list() == ["unattributed"]
        return None
    assert made.attributions["status"].to_list() == ["attributed"]
    assert made.credits["credit"].to_list() == [1_000_000]
    return str(made.credits["touch_id"].item())


def looking_back(view: str | None, click: str | None, **more: Any) -> dict[str, Any]:
    lookback = {kind: length for kind, length in (("view", view), ("click", click)) if length}
    return {"attribution": {"model": "last_touch", "lookback": lookback} | more}


# Every row differs from the one after it by one fact, and that fact alone gives it the earlier status.
EARLIER = {"conversion_id": "c0", "order_id": "o1", "event_time": NOON - timedelta(hours=2)}


@pytest.mark.parametrize(
    ("expected", "has_contract", "is_duplicate", "is_reversed", "has_rate", "has_household", "has_touch"),
    [
        ("no_contract", False, True, True, False, False, False),
        ("duplicate_order", True, True, True, False, False, False),
        ("reversed", True, False, True, False, False, False),
        ("no_fx_rate", True, False, False, False, False, False),
        ("no_household", True, False, False, True, False, False),
        ("unattributed", True, False, False, True, True, False),
        ("attributed", True, False, False, True, True, True),
        ("no_contract", False, False, False, True, True, True),
        ("duplicate_order", True, True, False, True, True, True),
        ("reversed", True, False, True, True, True, True),
        ("no_fx_rate", True, False, False, False, True, True),
    ],
)
def test_a_conversion_has_the_first_status_that_applies(
    expected: str,
    has_contract: bool,
    is_duplicate: bool,
    is_reversed: bool,
    has_rate: bool,
    has_household: bool,
    has_touch: bool,
) -> None:
    conversion = {
        "order_id": "o1",
        "order_value": "10",
        "currency": "EUR",
        "household_id": "h1" if has_household else None,
    }
    made = judged(
        [conversion, *([EARLIER] if is_duplicate else [])],
        advertiser(party="acme" if has_contract else "zeta"),
        touches=[VIEW] if has_touch else [],
        adjustments=[REVERSE] if is_reversed else [],
        rates=fx_rates((DAY, "EUR", "USD", "1.25")) if has_rate else fx_rates(),
    )
    assert made.attributions["status"][0] == expected
    assert made.credits.filter(pl.col("conversion_id") == "c1").height == (expected == "attributed")


@pytest.mark.parametrize(
    "contract",
    [
        advertiser(party="zeta"),
        advertiser(term("sale", flat(event="signup"), "li-1")),
        advertiser(term("brand", cpm(), "li-1")),
        advertiser(first=DAY + timedelta(days=1)),
        advertiser(last=DAY - timedelta(days=1)),
        advertiser(term("sale", flat(), "li-1", starts_on=str(DAY + timedelta(days=1)))),
        advertiser(term("sale", flat(), "li-1", ends_on=str(DAY - timedelta(days=1)))),
        partner(term("sale", flat(), "li-1"), party="acme"),
    ],
    ids=["party", "event", "cpm", "not-yet", "ended", "term-not-yet", "term-ended", "partner"],
)
def test_without_a_cpa_term_for_the_event_in_force_there_is_no_contract(contract: InForce) -> None:
    made = judged([{}], contract, touches=[VIEW]).attributions.select(
        "status", "contract_id", "version", "billing_date", "model", "contract_value"
    )
    assert made.rows() == [("no_contract", None, None, None, None, None)]


@pytest.mark.parametrize("edge", [{"first": DAY}, {"last": DAY}, {"first": DAY, "last": DAY}])
def test_a_contract_is_in_force_on_both_its_ends(edge: dict[str, Any]) -> None:
    assert status({}, advertiser(**edge), touches=[VIEW]) == "attributed"


@pytest.mark.parametrize(
    ("event_time", "zone", "version"),
    [
        ("2026-10-05T03:59:59.999999Z", "America/New_York", 1),
        ("2026-10-05T04:00:00Z", "America/New_York", 2),
        ("2026-10-04T14:59:59.999999Z", "Asia/Tokyo", 1),
        ("2026-10-04T15:00:00Z", "Asia/Tokyo", 2),
        ("2026-10-04T18:14:59.999999Z", "Asia/Kathmandu", 1),
        ("2026-10-04T18:15:00Z", "Asia/Kathmandu", 2),
        ("2026-10-04T23:59:59.999999Z", "UTC", 1),
        ("2026-10-05T00:00:00Z", "UTC", 2),
    ],
)
def test_the_version_is_that_of_the_local_date(event_time: str, zone: str, version: int) -> None:
    versions = [
        advertiser(timezone=zone, last=date(2026, 10, 4), validation_days=1),
        advertiser(timezone=zone, first=date(2026, 10, 5), version=2, validation_days=10),
    ]
    made = judged([{"event_time": at(event_time)}], *versions).attributions
    billed = date(2026, 10, 5) if version == 1 else date(2026, 10, 15)
    assert made.select("version", "billing_date").rows() == [(version, billed)]


@pytest.mark.parametrize(
    ("event_time", "billing_date"),
    [
        ("2026-11-01T04:00Z", date(2026, 11, 1)),  # clocks go back at 06:00Z: a day of 25 hours
        ("2026-11-01T05:30Z", date(2026, 11, 1)),
        ("2026-11-01T06:30Z", date(2026, 11, 1)),
        ("2026-11-02T04:59:59Z", date(2026, 11, 1)),
        ("2026-11-02T05:00Z", date(2026, 11, 2)),
        ("2026-03-08T05:00Z", date(2026, 3, 8)),  # clocks go forward: a day of 23 hours
        ("2026-03-09T03:59:59Z", date(2026, 3, 8)),
        ("2026-03-09T04:00Z", date(2026, 3, 9)),
    ],
)
def test_a_day_on_which_clocks_change_is_one_billing_date(event_time: str, billing_date: date) -> None:
    contract = advertiser(timezone="America/New_York", starts_on="2026-01-01", first=date(2026, 1, 1))
    assert judged([{"event_time": at(event_time)}], contract).attributions["billing_date"].to_list() == [billing_date]


def test_a_lookback_is_elapsed_time_also_over_a_change_of_clocks() -> None:
    contract = advertiser(timezone="America/New_York", **looking_back("1d", None))
    conversion = at("2026-11-02T04:30Z")  # 23:30 local; 24 hours before it is 00:30 local of the same date
    touch = {"touch_time": conversion - timedelta(hours=24)}
    assert winner([touch], contract, event_time=conversion) == "t1"
    assert winner([{"touch_time": touch["touch_time"] - MICROSECOND}], contract, event_time=conversion) is None


@pytest.mark.parametrize("kind", ["view", "click"])
@pytest.mark.parametrize(
    ("age", "counts"),
    [
        (timedelta(0), True),
        (-MICROSECOND, False),
        (MICROSECOND, True),
        (timedelta(hours=36), True),
        (timedelta(hours=36) + MICROSECOND, False),
    ],
)
def test_both_ends_of_a_window_are_inclusive(kind: str, age: timedelta, counts: bool) -> None:
    touch = {"touch_kind": kind, "touch_time": NOON - age}
    windows = looking_back("36h", "1h") if kind == "view" else looking_back("1h", "36h")
    assert winner([touch], advertiser(**windows)) == ("t1" if counts else None)


@pytest.mark.parametrize("age", [timedelta(0), MICROSECOND])
@pytest.mark.parametrize("kind", ["view", "click"])
@pytest.mark.parametrize("off", ["0d", None])
def test_a_lookback_of_nothing_switches_its_kind_off(off: str | None, kind: str, age: timedelta) -> None:
    touch = {"touch_kind": kind, "touch_time": NOON - age}
    windows = looking_back(off, "7d") if kind == "view" else looking_back("7d", off)
    assert winner([touch], advertiser(**windows)) is None


@pytest.mark.parametrize(
    "foreign",
    [
        {"household_id": "h2"},
        {"line_item_id": "li-9"},
        {"line_item_id": "li-brand"},
        {"line_item_id": "li-signup"},
        {"line_item_id": "li-later"},
    ],
)
def test_only_touches_of_the_household_on_lines_of_cpa_terms_in_force_for_the_event_count(foreign: dict[str, Any]) -> None:
    contract = advertiser(
        term("sale", flat(), "li-1"),
        term("brand", cpm(), "li-brand"),
        term("signup", flat(event="signup"), "li-signup"),
        term("later", flat(), "li-later", starts_on=str(DAY + timedelta(days=1))),
    )
    assert winner([VIEW | foreign], contract) is None
    assert winner([VIEW | foreign | {"touch_id": "t9"}, VIEW | {"touch_time": NOON - timedelta(hours=5)}], contract) == "t1"


def test_credit_names_the_term_that_claims_the_line_of_the_touch() -> None:
    contract = advertiser(term("a", flat(), "li-1", "li-2"), term("b", percent(), "li-3"))
    touches = [VIEW, VIEW | {"touch_id": "t3", "line_item_id": "li-3", "touch_time": NOON, "partner_id": "pub-3"}]
    made = judged([{}], contract, touches=touches)
    assert made.credits.rows() == [("c1", DAY, "t3", "view", "pub-3", "li-3", "b", NOON, 1_000_000)]


@pytest.mark.parametrize(
    ("touches", "last"),
    [
        ([("view", "v1", 60), ("view", "v2", 30)], "v2"),
        ([("view", "v2", 60), ("view", "v1", 30)], "v1"),
        ([("view", "v1", 30), ("view", "v2", 30)], "v2"),  # one instant: the later id
        ([("view", "v9", 30), ("view", "v10", 30)], "v9"),  # ids compare as text
        ([("view", "z", 30), ("click", "a", 30)], "a"),  # one instant: views stand before clicks
        ([("click", "a", 60), ("view", "z", 30)], "z"),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_the_last_touch_is_by_time_then_kind_then_id(touches: list[tuple[str, str, int]], last: str, turned: bool) -> None:
    rows = [{"touch_kind": k, "touch_id": i, "touch_time": NOON - timedelta(minutes=age)} for k, i, age in touches]
    contract = advertiser(**looking_back("7d", "7d", click_over_view=False))
    assert winner(rows[::-1] if turned else rows, contract) == last


@pytest.mark.parametrize(
    ("click_over_view", "click", "last"),
    [
        (True, {}, "k1"),
        (False, {}, "t1"),
        (True, {"touch_time": NOON - timedelta(days=8)}, "t1"),  # beyond its own window: not among them
        (True, {"line_item_id": "li-9"}, "t1"),
        (True, {"household_id": "h2"}, "t1"),
    ],
)
def test_a_click_among_the_candidates_leaves_only_clicks_where_that_is_agreed(
    click_over_view: bool, click: dict[str, Any], last: str
) -> None:
    contract = advertiser(**looking_back("30d", "7d", click_over_view=click_over_view))
    click = {"touch_id": "k1", "touch_kind": "click", "touch_time": NOON - timedelta(days=2)} | click
    assert winner([VIEW, click], contract) == last


def test_a_click_goes_over_views_where_nothing_is_said() -> None:
    assert winner([VIEW, CLICK | {"touch_time": NOON - timedelta(days=2)}]) == "k1"


def test_a_click_of_one_conversion_does_not_take_views_from_another() -> None:
    made = judged(
        [{"conversion_id": "c1"}, {"conversion_id": "c2", "household_id": "h2"}],
        advertiser(),
        touches=[VIEW, CLICK, VIEW | {"touch_id": "t2", "household_id": "h2"}],
    )
    assert made.credits.select("conversion_id", "touch_id").rows() == [("c1", "k1"), ("c2", "t2")]


@pytest.mark.parametrize(
    ("basis", "marks", "counts"),
    [
        (None, {}, True),
        ("served", {}, True),
        ("viewable", {}, False),
        ("viewable", {"viewable": True}, True),
        ("viewable", {"completed": True}, False),
        ("completed", {"viewable": True}, False),
        ("completed", {"completed": True}, True),
    ],
)
def test_the_basis_says_which_views_count_and_clicks_always_do(
    basis: str | None, marks: dict[str, bool], counts: bool
) -> None:
    contract = advertiser(**looking_back("30d", "7d", **({"view_basis": basis} if basis else {})))
    assert winner([VIEW | marks], contract) == ("t1" if counts else None)
    assert winner([CLICK], contract) == "k1"


@pytest.mark.parametrize(
    ("override", "kind", "age", "counts"),
    [
        ({"lookback": {"view": "1d"}}, "view", timedelta(days=1), True),
        ({"lookback": {"view": "1d"}}, "view", timedelta(days=1) + MICROSECOND, False),
        ({"lookback": {"view": "1d"}}, "click", timedelta(days=7), True),
        ({"lookback": {"view": "1d"}}, "click", timedelta(days=7) + MICROSECOND, False),
        ({"lookback": {"click": "9d"}}, "click", timedelta(days=9), True),
        ({"lookback": {"click": "9d"}}, "view", timedelta(days=30), True),
        ({"lookback": {"click": "9d"}}, "view", timedelta(days=30) + MICROSECOND, False),
        ({"lookback": {"view": "0d"}}, "view", timedelta(0), False),
        ({"lookback": {"view": "0d"}}, "click", timedelta(0), True),
        ({"excluded": True}, "view", timedelta(hours=1), False),
        ({"excluded": True}, "click", timedelta(hours=1), False),
        ({"excluded": True, "lookback": {"view": "90d"}}, "view", timedelta(hours=1), False),
        ({"excluded": False}, "view", timedelta(hours=1), True),
    ],
)
def test_an_override_replaces_the_kinds_it_names_for_its_partner_only(
    override: dict[str, Any], kind: str, age: timedelta, counts: bool
) -> None:
    contract = advertiser(partner_overrides=[{"partner_id": "pub-1"} | override])
    touch = {"touch_kind": kind, "touch_time": NOON - age}
    assert winner([touch], contract) == ("t1" if counts else None)
    elsewhere = age <= timedelta(days=30 if kind == "view" else 7)
    assert winner([touch | {"partner_id": "pub-2"}], contract) == ("t1" if elsewhere else None)


def test_an_excluded_partner_does_not_shadow_the_touches_of_others() -> None:
    contract = advertiser(partner_overrides=[{"partner_id": "pub-9", "excluded": True}])
    assert winner([VIEW | {"touch_time": NOON - timedelta(days=3)}, CLICK | {"partner_id": "pub-9"}], contract) == "t1"


def test_where_two_contracts_claim_a_conversion_the_lowest_id_has_it() -> None:
    east = advertiser(contract_id="b-east", timezone="Asia/Tokyo", first=date(2026, 10, 5))
    west = advertiser(contract_id="a-west", timezone="America/Los_Angeles", last=date(2026, 10, 4))
    meeting = {"event_time": at("2026-10-05T01:00Z")}  # the 5th in Tokyo, still the 4th in Los Angeles
    for order in ([east, west], [west, east]):
        made = judged([meeting], *order).attributions
        assert made.select("contract_id", "billing_date").rows() == [("a-west", date(2026, 10, 4))]
    after = judged([{"event_time": at("2026-10-05T08:00Z")}], east, west).attributions
    assert after["contract_id"].to_list() == ["b-east"]


def test_the_lowest_id_among_contracts_counts_only_those_that_claim_the_event() -> None:
    signups = advertiser(term("s", flat(event="signup"), "li-1"), contract_id="a-1")
    assert judged([{}], signups, advertiser(contract_id="b-1")).attributions["contract_id"].to_list() == ["b-1"]


def repeated(later: timedelta, days: int) -> list[str]:
    contract = advertiser(eligibility={"order_dedup_days": days})
    orders: list[dict[str, Any]] = [
        {"conversion_id": "c1", "order_id": "o1", "event_time": NOON - later},
        {"conversion_id": "c2", "order_id": "o1"},
    ]
    return judged(orders, contract).attributions["status"].to_list()


@pytest.mark.parametrize(
    ("days", "later", "second"),
    [
        (3, timedelta(days=3), "duplicate_order"),
        (3, timedelta(days=3) + MICROSECOND, "unattributed"),
        (3, timedelta(0), "duplicate_order"),
        (0, timedelta(0), "duplicate_order"),
        (0, MICROSECOND, "unattributed"),
    ],
)
def test_an_order_is_a_duplicate_up_to_and_at_the_days_agreed(days: int, later: timedelta, second: str) -> None:
    assert repeated(later, days) == ["unattributed", second]


def test_ninety_days_hold_where_nothing_is_agreed() -> None:
    contract = advertiser(starts_on="2026-01-01", first=date(2026, 1, 1))
    for later, second in ((timedelta(days=90), "duplicate_order"), (timedelta(days=90) + MICROSECOND, "unattributed")):
        orders: list[dict[str, Any]] = [
            {"conversion_id": "c1", "order_id": "o1", "event_time": NOON - later},
            {"conversion_id": "c2", "order_id": "o1"},
        ]
        assert judged(orders, contract).attributions["status"].to_list() == ["unattributed", second]


def test_in_a_chain_each_order_is_measured_from_the_one_before_even_if_that_is_a_duplicate() -> None:
    chain = [{"conversion_id": f"c{n}", "order_id": "o1", "event_time": NOON + timedelta(days=2 * n)} for n in range(4)]
    contract = advertiser(eligibility={"order_dedup_days": 3})
    assert judged(chain, contract).attributions["status"].to_list() == ["unattributed"] + ["duplicate_order"] * 3


def test_a_reversed_order_frees_the_one_after_it() -> None:
    chain = [{"conversion_id": f"c{n}", "order_id": "o1", "event_time": NOON + timedelta(hours=n)} for n in range(3)]
    reversed_first = [{"conversion_id": "c0"}]
    made = judged(chain, advertiser(), adjustments=reversed_first).attributions
    assert made["status"].to_list() == ["reversed", "unattributed", "duplicate_order"]
    made = judged(
        chain, advertiser(), adjustments=[*reversed_first, {"adjustment_id": "a2", "conversion_id": "c1"}]
    ).attributions
    assert made["status"].to_list() == ["reversed", "reversed", "unattributed"]


def test_a_reversed_duplicate_is_a_duplicate() -> None:
    chain = [{"conversion_id": f"c{n}", "order_id": "o1", "event_time": NOON + timedelta(hours=n)} for n in range(2)]
    made = judged(chain, advertiser(), adjustments=[{"conversion_id": "c1"}]).attributions
    assert made["status"].to_list() == ["unattributed", "duplicate_order"]


RESTATED = [{"action": "restate", "order_value": "7.5"}]


@pytest.mark.parametrize(
    ("conversion", "adjustments", "rate", "currency", "value", "contract_value"),
    [
        ({"order_value": "10"}, [], None, "USD", "10", "10"),
        ({"order_value": "10", "currency": "USD"}, [], None, "USD", "10", "10"),
        ({"order_value": "10", "currency": "EUR"}, [], ("EUR", "USD", "1.25"), "EUR", "10", "12.5"),
        ({"order_value": "10", "currency": "EUR"}, [], ("USD", "EUR", "0.8"), "EUR", "10", "12.5"),
        ({"order_value": "10", "currency": "EUR"}, [], ("USD", "EUR", "3"), "EUR", "10", "3.333333333"),
        ({"order_value": "10", "currency": "EUR"}, RESTATED, ("EUR", "USD", "2"), "EUR", "7.5", "15"),
        ({"order_value": None, "currency": "EUR"}, RESTATED, ("EUR", "USD", "2"), "EUR", "7.5", "15"),
        ({"order_value": "10"}, RESTATED, None, "USD", "7.5", "7.5"),
        ({"order_value": None, "currency": "EUR"}, [], None, "EUR", None, None),
        ({"order_value": "0", "currency": "EUR"}, [], ("EUR", "USD", "2"), "EUR", "0", "0"),
    ],
)
def test_the_value_is_as_reported_or_restated_and_converted_by_its_day(
    conversion: dict[str, Any],
    adjustments: list[dict[str, Any]],
    rate: tuple[str, str, str] | None,
    currency: str,
    value: str | None,
    contract_value: str | None,
) -> None:
    rates = fx_rates((DAY, *rate)) if rate else fx_rates()
    made = judged([conversion], advertiser(), adjustments=adjustments, rates=rates).attributions
    amounts = [None if text is None else Decimal(text) for text in (value, contract_value)]
    assert made.select("status", "currency", "value", "contract_value").rows() == [("unattributed", currency, *amounts)]


def test_the_rate_is_that_of_the_utc_date_and_not_of_the_local_one() -> None:
    contract = advertiser(timezone="America/New_York")
    conversion = {"order_value": "10", "currency": "EUR", "event_time": at("2026-10-05T02:00Z")}  # the 4th in New York
    rates = fx_rates((date(2026, 10, 4), "EUR", "USD", "9"), (DAY, "EUR", "USD", "2"))
    assert judged([conversion], contract, rates=rates).attributions["contract_value"].to_list() == [Decimal(20)]
    assert status(conversion, contract, rates=rates.filter(pl.col("date") < DAY)) == "no_fx_rate"


def test_a_restated_value_needs_a_rate_too() -> None:
    assert status({"currency": "EUR"}, adjustments=RESTATED) == "no_fx_rate"


def test_every_conversion_is_judged_once_in_its_order_also_where_there_is_no_contract_at_all() -> None:
    rows = [{"conversion_id": f"c{n}", "household_id": f"h{n % 5}"} for n in range(40)]
    for contracts in ((), (advertiser(),), (advertiser(term("a", flat(), "li-1", "li-2"), term("b", flat(), "li-3")),)):
        made = judged(rows, *contracts, touches=[VIEW]).attributions
        assert made["conversion_id"].to_list() == [row["conversion_id"] for row in rows]
        assert made["delivery_day"].unique().to_list() == [DAY]


def test_a_day_without_conversions_is_two_empty_tables() -> None:
    made = judged([], advertiser(), touches=[VIEW])
    assert made.attributions.equals(TABLES["attributions"].empty())
    assert made.credits.equals(TABLES["attribution_credits"].empty())
