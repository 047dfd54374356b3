from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import advertiser, at, cpm, fx_rates, partner, term
from media_samples import OCTOBER, Rated, Row, brand, carried, flown, on, rated, tiers

GRADUATED = tiers((3, "30"), (8, "20"), (None, "10"))
VOLUME = tiers((3, "30"), (8, "20"), (None, "10"), mode="volume")


def steps(made: Rated, side: str = "advertiser") -> list[tuple[Any, ...]]:
    """(day of the month, line item, partner, step, rate, units)."""
    rows = made.of(side).with_columns(day=pl.col("billing_date").dt.day())
    return rows.select("day", "line_item_id", "partner_id", "step", pl.col("rate").cast(pl.Int64), "units").rows()


def charges(made: Rated, side: str = "advertiser") -> list[tuple[Any, ...]]:
    """(day of the month, line item, units, uncapped, amount)."""
    rows = made.of(side).with_columns(day=pl.col("billing_date").dt.day())
    return [
        (day, line, units, f"{uncapped:f}".rstrip("0").rstrip("."), f"{amount:f}".rstrip("0").rstrip("."))
        for day, line, units, uncapped, amount in rows.select(
            "day", "line_item_id", "units", "uncapped", "amount"
        ).iter_rows()
    ]


def over_cap(made: Rated, side: str = "advertiser") -> list[tuple[Any, ...]]:
    """(delivery day of the month, line item, outcome, impressions)."""
    rows = made.outcomes.filter(side=side).with_columns(day=pl.col("delivery_day").dt.day())
    return rows.select("day", "line_item_id", "outcome", "impressions").rows()


def test_a_flat_price_is_one_step() -> None:
    assert steps(rated([on(5, 7)], brand(cpm("10")))) == [(5, "li-1", "pub-1", 1, 10, 7)]


@pytest.mark.parametrize("side", ["advertiser", "partner"])
def test_a_day_that_crosses_a_step_is_shared_over_its_groups(side: str) -> None:
    contracts = [brand(GRADUATED), partner(term("all", GRADUATED))]
    made = rated([on(1, 2), on(2, 4), on(2, 2, "li-2")], *contracts)
    assert steps(made, side) == [
        (1, "li-1", "pub-1", 1, 30, 2),
        (2, "li-1", "pub-1", 1, 30, 1),  # the one unit left of step 1: 0.67 to 0.33
        (2, "li-1", "pub-1", 2, 20, 3),
        (2, "li-2", "pub-1", 2, 20, 2),
    ]


def test_two_boundaries_in_a_day_are_shared_one_after_the_other_of_what_is_left() -> None:
    made = rated([on(1, 6), on(1, 3, "li-2"), on(1, 3, "li-2", "pub-2")], brand(GRADUATED))
    assert steps(made) == [
        (1, "li-1", "pub-1", 1, 30, 1),
        (1, "li-1", "pub-1", 2, 20, 3),
        (1, "li-1", "pub-1", 3, 10, 2),
        (1, "li-2", "pub-1", 1, 30, 1),
        (1, "li-2", "pub-1", 2, 20, 1),
        (1, "li-2", "pub-1", 3, 10, 1),
        (1, "li-2", "pub-2", 1, 30, 1),
        (1, "li-2", "pub-2", 2, 20, 1),
        (1, "li-2", "pub-2", 3, 10, 1),
    ]


def test_ties_go_by_line_item_then_partner_then_product_as_a_number() -> None:
    multiplied = tiers((1, "30"), (None, "10")) | {"multipliers": {"device_type": {"ctv": "10", "mobile": "9"}}}
    by_device = [on(1, 1, device_type=device) for device in ("ctv", "mobile")]
    assert steps(rated(by_device, brand(multiplied))) == [
        (1, "li-1", "pub-1", 1, 270, 1),  # the product 9 goes before 10
        (1, "li-1", "pub-1", 2, 100, 1),
    ]
    by_partner = [on(1, 1, "li-1", "pub-2"), on(1, 1, "li-2", "pub-1")]
    assert steps(rated(by_partner, brand(multiplied)))[0][:4] == (1, "li-1", "pub-2", 1)


def test_volume_tiers_price_the_whole_month_by_the_step_of_its_total() -> None:
    assert [row[3:] for row in steps(rated([on(1, 2), on(2, 6)], brand(VOLUME)))] == [(2, 20, 2), (2, 20, 6)]
    assert [row[3:] for row in steps(rated([on(1, 2), on(2, 7)], brand(VOLUME)))] == [(3, 10, 2), (3, 10, 7)]


def test_steps_start_anew_with_the_calendar_month_by_billing_date() -> None:
    turn = [
        on(31, 3, quarter_hour=at("2026-11-01T03:45Z")),  # still October in New York
        on(31, 3, quarter_hour=at("2026-11-01T04:00Z")),
    ]
    contract = brand(tiers((4, "30"), (None, "10")), timezone="America/New_York")
    assert steps(rated(turn, contract)) == [(31, "li-1", "pub-1", 1, 30, 3)]
    assert steps(rated(turn, contract, month=OCTOBER.next)) == [(1, "li-1", "pub-1", 1, 30, 3)]


def test_an_amendment_in_mid_month_goes_on_counting_with_its_own_steps() -> None:
    versions = [brand(GRADUATED, last=9), brand(tiers((6, "3"), (None, "1")), version=2, first=10)]
    made = rated([on(9, 5), on(10, 3)], *versions)
    assert steps(made) == [
        (9, "li-1", "pub-1", 1, 30, 3),
        (9, "li-1", "pub-1", 2, 20, 2),
        (10, "li-1", "pub-1", 1, 3, 1),
        (10, "li-1", "pub-1", 2, 1, 2),
    ]
    assert made.accruals["version"].to_list() == [1, 1, 2, 2]


def test_each_term_counts_for_itself() -> None:
    contract = advertiser(term("a", GRADUATED, "li-1"), term("b", GRADUATED, "li-2"))
    assert [row[3:] for row in steps(rated([on(1, 3), on(1, 4, "li-2")], contract))] == [(1, 30, 3), (1, 30, 3), (2, 20, 1)]


@pytest.mark.parametrize(
    ("delivered", "expected"),
    [
        ([(1, 5)], {"billed": 5}),
        ([(1, 6)], {"billed": 5, "over_cap": 1}),
        ([(1, 5), (2, 1)], {"billed": 5, "over_cap": 1}),
    ],
    ids=["reached", "passed", "next-day"],
)
def test_what_lies_beyond_the_cap_is_not_billed(delivered: list[tuple[int, int]], expected: dict[str, int]) -> None:
    made = rated([on(day, units) for day, units in delivered], brand(cpm(impression_cap=5)))
    assert made.outcome_sums() == expected
    assert made.of("advertiser")["units"].sum() == 5


def test_a_group_that_the_cap_cuts_keeps_the_units_of_the_earliest_delivery_days() -> None:
    late = {"quarter_hour": at("2026-10-01T12:00Z")}
    rows = [on(1, 5), on(3, 2, **late), on(2, 4, **late), on(2, 3, "li-2", **late)]
    made = rated(rows, brand(cpm(impression_cap=9)))
    assert over_cap(made) == [
        (1, "li-1", "billed", 5),
        (2, "li-1", "billed", 2),  # 9 of 14 over groups of 11 and 3: 7 and 2
        (2, "li-1", "over_cap", 2),
        (2, "li-2", "billed", 2),
        (2, "li-2", "over_cap", 1),
        (3, "li-1", "over_cap", 2),
    ]


def test_a_cap_and_a_step_on_one_day_the_cap_goes_first() -> None:
    made = rated([on(1, 3), on(1, 3, "li-2")], brand(tiers((2, "30"), (None, "10")) | {"impression_cap": 3}))
    assert steps(made) == [
        (1, "li-1", "pub-1", 1, 30, 1),
        (1, "li-1", "pub-1", 2, 10, 1),
        (1, "li-2", "pub-1", 1, 30, 1),
    ]


def test_the_cap_goes_on_from_month_to_month_and_the_flight_is_carried_over() -> None:
    capped = brand(cpm(impression_cap=5))
    october = rated([on(30, 4)], capped)
    assert october.flights.rows() == [("acme-1", "brand", 4, Decimal("0.04"))]
    november = [on(30, 3, quarter_hour=at("2026-11-02T12:00Z"))]
    made = rated(november, capped, month=OCTOBER.next, flights=carried(october.flights))
    assert made.outcome_sums() == {"billed": 1, "over_cap": 2}
    assert made.flights.rows() == [("acme-1", "brand", 5, Decimal("0.05"))]


def test_flights_without_impressions_in_the_month_are_carried_over_as_they_are() -> None:
    before = flown(("acme-1", "brand", 3, "1.5"), ("zeta-1", "old", 9, "0.000000001"))
    made = rated([on(1, 2), on(1, 1, partner_id="pub-9")], brand(cpm("10")), partner(), flights=before)
    assert made.flights.rows() == [
        ("acme-1", "brand", 6, Decimal("1.53")),
        ("pub-1-2026", "all", 2, Decimal("0.008")),
        ("zeta-1", "old", 9, Decimal("0.000000001")),
    ]


def test_a_lowered_cap_below_what_was_billed_bills_nothing_more() -> None:
    versions = [brand(cpm(impression_cap=9), last=4), brand(cpm(impression_cap=2), version=2, first=5)]
    made = rated([on(4, 5), on(5, 3)], *versions)
    assert over_cap(made) == [(4, "li-1", "billed", 5), (5, "li-1", "over_cap", 3)]
    assert made.flights["impressions"].to_list() == [5]


# Budgets: 10.00 per mille, so that an impression costs 0.01.


@pytest.mark.parametrize(
    ("budget", "charged"),
    [
        ("0.05", ["0.03", "0.02"]),
        ("0.04", ["0.03", "0.01"]),
        ("0.03", ["0.03", "0"]),
        ("0.000001", ["0.000001", "0"]),
        ("0", ["0", "0"]),
    ],
    ids=["reached", "crossed", "reached-before", "first-day", "none"],
)
def test_what_is_charged_never_exceeds_the_budget(budget: str, charged: list[str]) -> None:
    made = rated([on(1, 3), on(2, 2)], brand(cpm("10", budget=budget)))
    assert charges(made) == [(1, "li-1", 3, "0.03", charged[0]), (2, "li-1", 2, "0.02", charged[1])]
    assert made.outcome_sums() == {"billed": 5}


def test_the_day_that_crosses_the_budget_shares_what_is_left_in_proportion_to_the_accruals_to_the_nano() -> None:
    rows = [on(1, 1), on(1, 1, "li-2"), on(1, 1, "li-2", "pub-2")]
    made = rated(rows, brand(cpm("10", budget="0.0001")))
    assert [row[1:] for row in charges(made)] == [
        ("li-1", 1, "0.01", "0.000033334"),  # a tie of three: the first key has the nano
        ("li-2", 1, "0.01", "0.000033333"),
        ("li-2", 1, "0.01", "0.000033333"),
    ]


def test_ties_of_one_group_go_to_the_lower_step() -> None:
    made = rated([on(1, 3)], brand(tiers((1, "10"), (2, "10"), (None, "10")) | {"budget": "0.000001"}))
    assert made.of("advertiser").select("step", pl.col("amount").to_physical()).rows() == [(1, 334), (2, 333), (3, 333)]


def test_a_lowered_budget_below_what_was_charged_charges_nothing_more_and_takes_nothing_back() -> None:
    versions = [
        brand(cpm("10", budget="0.09"), last=4),
        brand(cpm("10", budget="0.02"), version=2, first=5, last=5),
        brand(cpm("10", budget="0.06"), version=3, first=6),
    ]
    made = rated([on(4, 5), on(5, 3), on(6, 3)], *versions)
    assert [row[-1] for row in charges(made)] == ["0.05", "0", "0.01"]
    assert made.flights["charged"].to_list() == [Decimal("0.06")]


def test_the_budget_goes_on_from_month_to_month() -> None:
    made = rated([on(1, 5)], brand(cpm("10", budget="1")), flights=flown(("acme-1", "brand", 98, "0.98")))
    assert charges(made) == [(1, "li-1", 5, "0.05", "0.02")]
    assert made.flights.rows() == [("acme-1", "brand", 103, Decimal(1))]


# Dynamic CPM.


def dcpm(**more: Any) -> Row:
    return {"model": "dcpm"} | more


def test_dynamic_cpm_charges_the_cleared_prices_and_the_markup_without_rate_or_step() -> None:
    made = rated([on(1, 3, cost="0.000000003"), on(2, 1, cost="1.25"), on(3, 2)], brand(dcpm(markup="0.5")))
    assert charges(made) == [
        (1, "li-1", 3, "0.000000005", "0.000000005"),  # 4.5 nanos: half goes up
        (2, "li-1", 1, "1.875", "1.875"),
        (3, "li-1", 2, "0", "0"),
    ]
    assert set(made.accruals.select("step", "rate", "rate_kind").rows()) == {(None, None, None)}


def test_a_dynamic_group_that_the_cap_cuts_keeps_its_cost_in_proportion_rounded_before_markup() -> None:
    made = rated([on(1, 3, cost="0.00000001")], brand(dcpm(markup="0.5", impression_cap=2)))
    assert charges(made) == [(1, "li-1", 2, "0.000000011", "0.000000011")]  # 6.67 -> 7 nanos -> 10.5 -> 11
    assert made.outcome_sums() == {"billed": 2, "over_cap": 1}


def test_cost_is_converted_by_the_local_date_after_the_cut_and_before_the_markup() -> None:
    rates = fx_rates((date(2026, 10, 1), "EUR", "USD", "3"), (date(2026, 10, 2), "USD", "EUR", "0.5"))
    cut = brand(dcpm(markup="0.5", impression_cap=2), currency="EUR")
    made = rated([on(1, 3, cost="0.00000001")], cut, rates=rates)
    assert charges(made) == [(1, "li-1", 2, "0.000000003", "0.000000003")]  # 7 / 3 = 2.33 -> 2 -> 3
    tokyo = brand(dcpm(), currency="EUR", timezone="Asia/Tokyo")
    late = on(1, 1, cost="1", quarter_hour=at("2026-10-01T15:00Z"))  # 2 October in Tokyo
    assert charges(rated([late], tokyo, rates=rates)) == [(2, "li-1", 1, "0.5", "0.5")]


def test_without_a_rate_the_row_is_left_out_and_named_but_a_zero_needs_none() -> None:
    contract = brand(dcpm(), currency="EUR")
    made = rated([on(1, 1, cost="1"), on(1, 1, "li-2"), on(2, 4)], contract)
    assert charges(made) == [(1, "li-2", 1, "0", "0"), (2, "li-1", 4, "0", "0")]
    assert made.missing_rates.rows() == [(date(2026, 10, 1), "USD", "EUR", "acme-1")]
    assert made.flights.rows() == [("acme-1", "brand", 6, Decimal(0))]
    assert made.outcome_sums() == {"billed": 6}


def test_cost_counts_under_dynamic_cpm_only() -> None:
    made = rated([on(1, 1, cost="5")], brand(cpm("10")), partner(term("all", dcpm())))
    assert charges(made) == [(1, "li-1", 1, "0.01", "0.01")]
    assert charges(made, "partner") == [(1, "li-1", 1, "5", "5")]


def test_a_dynamic_term_has_a_budget_too() -> None:
    made = rated([on(1, 1, cost="4"), on(2, 1, cost="4")], brand(dcpm(markup="0.5", budget="7")))
    assert charges(made) == [(1, "li-1", 1, "6", "6"), (2, "li-1", 1, "6", "1")]


def test_a_term_that_turns_from_cpm_to_dynamic_keeps_its_flight() -> None:
    versions = [brand(cpm("10", impression_cap=5), last=4), brand(dcpm(impression_cap=5, budget="0.06"), version=2, first=5)]
    made = rated([on(4, 4), on(5, 2, cost="0.08")], *versions)
    assert charges(made) == [(4, "li-1", 4, "0.04", "0.04"), (5, "li-1", 1, "0.04", "0.02")]
    assert made.outcome_sums() == {"billed": 5, "over_cap": 1}


# Revenue share.


def share(share_: str = "0.7", **filters: Any) -> Row:
    return term("share", {"model": "revenue_share", "share": share_}, **filters)


def shares(made: Rated) -> list[tuple[Any, ...]]:
    rows = made.of("partner", "revenue_share").with_columns(day=pl.col("billing_date").dt.day())
    columns = ("day", "term_id", "version", "line_item_id", "partner_id", "advertiser_contract_id", "units", "amount")
    return [(*row[:-1], f"{row[-1]:f}".rstrip("0").rstrip(".")) for row in rows.select(columns).iter_rows()]


def test_a_share_is_of_what_the_advertiser_was_charged_after_its_budget_on_the_billed_units() -> None:
    made = rated([on(1, 3), on(2, 3)], brand(cpm("10", budget="0.04")), partner(share()))
    assert shares(made) == [
        (1, "share", 1, "li-1", "pub-1", "acme-1", 3, "0.021"),
        (2, "share", 1, "li-1", "pub-1", "acme-1", 3, "0.007"),
    ]
    assert made.of("partner", "revenue_share").select("step", "rate", "rate_kind", "event").row(0) == (None,) * 4
    assert made.of("partner").is_empty()
    assert made.flights["contract_id"].to_list() == ["acme-1"]


def test_a_group_is_shared_as_a_whole_whatever_steps_it_was_priced_at() -> None:
    made = rated([on(1, 2)], brand(tiers((1, "0.000001"), (None, "0.000004"))), partner(share("0.5")))
    assert shares(made) == [(1, "share", 1, "li-1", "pub-1", "acme-1", 2, "0.000000003")]  # 5 nanos -> 2.5 -> 3


def test_groups_apart_by_their_multipliers_are_shared_apart() -> None:
    multiplied = cpm("0.000001", multipliers={"device_type": {"ctv": "3"}})
    rows = [on(1, 1), on(1, 1, device_type="ctv")]
    made = rated(rows, brand(multiplied), partner(share("0.5")))
    assert shares(made) == [(1, "share", 1, "li-1", "pub-1", "acme-1", 2, "0.000000003")]  # 0.5 -> 1 and 1.5 -> 2


def test_a_charge_is_converted_by_the_group_s_date_rounded_and_shared_rounded() -> None:
    rates = fx_rates((date(2026, 10, 1), "USD", "EUR", "0.5"))
    made = rated([on(1, 5)], brand(cpm("0.000001")), partner(share("0.5"), currency="EUR"), rates=rates)
    assert shares(made) == [(1, "share", 1, "li-1", "pub-1", "acme-1", 5, "0.000000002")]  # 2.5 -> 3 -> 1.5 -> 2


def test_a_share_without_a_rate_is_left_out_and_named_by_the_partner_s_contract() -> None:
    made = rated([on(1, 5)], brand(cpm("10")), partner(share(), currency="EUR"))
    assert shares(made) == []
    assert made.missing_rates.rows() == [(date(2026, 10, 1), "USD", "EUR", "pub-1-2026")]
    assert charges(made) == [(1, "li-1", 5, "0.05", "0.05")]


def test_a_share_goes_by_the_advertiser_s_date_and_the_partner_s_version_on_it() -> None:
    paid = [
        partner(share("0.5"), timezone="Asia/Tokyo", last=date(2026, 10, 1)),
        partner(share("0.25"), timezone="Asia/Tokyo", first=date(2026, 10, 2), version=2),
    ]
    evening = on(1, 4, quarter_hour=at("2026-10-02T01:00Z"))  # 1 October in New York, the 2nd in Tokyo
    made = rated([evening], brand(cpm("10"), timezone="America/New_York"), *paid)
    assert shares(made) == [(1, "share", 1, "li-1", "pub-1", "acme-1", 4, "0.02")]


@pytest.mark.parametrize(
    ("terms", "paid"),
    [
        ([share(advertisers=["acme"])], ["share"]),
        ([share(advertisers=["zeta"])], []),
        ([share(line_items=["li-1"])], ["share"]),
        ([share(line_items=["li-2"])], []),
        ([share(ends_on="2026-09-30")], []),
        ([share(starts_on="2026-10-02")], []),
        ([term("other", cpm("4"), "li-1"), share(line_items=["li-2"])], []),
        ([term("first", {"model": "revenue_share", "share": "0.1"}, "li-1"), share()], ["first"]),
        ([term("first", {"model": "revenue_share", "share": "0.1"}, "li-2"), share()], ["share"]),
    ],
)
def test_the_first_term_in_document_order_that_matches_shares(terms: list[Row], paid: list[str]) -> None:
    made = rated([on(1, 1)], brand(cpm("10")), partner(*terms))
    assert [row[1] for row in shares(made)] == paid


def test_two_advertisers_contracts_are_shared_side_by_side() -> None:
    other = advertiser(term("other", cpm("20"), "li-9"), contract_id="zeta-1", party="zeta", currency="EUR")
    rates = fx_rates((date(2026, 10, 1), "EUR", "USD", "2"))
    made = rated([on(1, 1), on(1, 1, "li-9")], brand(cpm("10")), other, partner(share("0.5")), rates=rates)
    assert [(row[3], row[5], row[-1]) for row in shares(made)] == [("li-1", "acme-1", "0.005"), ("li-9", "zeta-1", "0.02")]


def test_impressions_under_a_share_are_billed_whether_viewable_or_not() -> None:
    made = rated([on(1, 1), on(1, 2, valid=False), on(1, 4, "li-9")], brand(cpm(billable_on="viewable")), partner(share()))
    assert made.outcome_sums("partner") == {"billed": 5, "invalid_traffic": 2}
    assert shares(made) == []


def test_a_term_that_turns_from_a_share_to_cpm_has_one_outcome_for_each_delivery_day() -> None:
    late = on(5, 3, quarter_hour=at("2026-10-04T12:00Z"))
    paid = [partner(share() | {"term_id": "all"}, last=date(2026, 10, 4)), partner(first=date(2026, 10, 5), version=2)]
    made = rated([late, on(5, 2)], brand(cpm("10")), *paid)
    assert over_cap(made, "partner") == [(5, "li-1", "billed", 5)]
    assert made.flights["impressions"].to_list() == [5, 2]
