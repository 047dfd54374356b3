from __future__ import annotations

from typing import Any

import pytest
from contract_samples import ADVERTISER, PARTNER, parsed

from contracts_io.contract_warnings import ContractWarning, warnings

STEPS = "terms[0].pricing.tiers.steps"


def cpm(*steps: dict[str, Any], mode: str = "volume", **more: Any) -> list[str]:
    pricing = {"model": "cpm", "tiers": {"mode": mode, "steps": list(steps)}, **more}
    return [str(warning) for warning in warnings(parsed(ADVERTISER, ("terms.0.pricing", pricing)), None)]


def cpa(*steps: dict[str, Any], mode: str = "volume", **more: Any) -> list[str]:
    pricing = {"model": "cpa", "event": "purchase", "tiers": {"mode": mode, "steps": list(steps)}, **more}
    return [str(warning) for warning in warnings(parsed(ADVERTISER, ("terms.0.pricing", pricing)), None)]


def test_a_volume_table_in_which_more_impressions_cost_less_is_shown_with_its_figures() -> None:
    assert cpm({"up_to": 1_000_000, "rate": "32.50"}, {"rate": "28.00"}) == [
        f"{STEPS}[1]: more impressions cost less: 1,000,000 cost 32500 USD, 1,000,001 only 28000.028 USD"
    ]


def test_each_step_at_which_the_amount_falls_is_shown() -> None:
    found = cpm({"up_to": 1000, "rate": "30"}, {"up_to": 5000, "rate": "20"}, {"up_to": 9000, "rate": "25"}, {"rate": "1"})
    assert [text.partition(":")[0] for text in found] == [f"{STEPS}[1]", f"{STEPS}[3]"]


@pytest.mark.parametrize(
    ("steps", "falls"),
    [
        # 1,000 x 10.01 = 10,010; 1,001 x 10 = 10,010: the same, and not less
        ([{"up_to": 1000, "rate": "10.01"}, {"rate": "10"}], False),
        ([{"up_to": 1000, "rate": "10.010001"}, {"rate": "10"}], True),
        ([{"up_to": 1000, "rate": "20"}, {"rate": "20"}], False),
        # 20.00 against 10.01 and a fee
        ([{"up_to": 1000, "rate": "20"}, {"rate": "10", "flat_fee": "9.99"}], False),
        ([{"up_to": 1000, "rate": "20"}, {"rate": "10", "flat_fee": "9.989999"}], True),
        # the fee of the step before is not paid any more
        ([{"up_to": 1000, "rate": "20", "flat_fee": "0.02"}, {"rate": "20"}], False),
        ([{"up_to": 1000, "rate": "20", "flat_fee": "0.020001"}, {"rate": "20"}], True),
        ([{"up_to": 1000, "rate": "0"}, {"rate": "0"}], False),
    ],
)
def test_the_amounts_at_a_step_are_compared_exactly_with_flat_fees(steps: list[dict[str, Any]], falls: bool) -> None:
    assert bool(cpm(*steps)) is falls


def test_a_graduated_table_never_falls() -> None:
    assert cpm({"up_to": 1000, "rate": "30", "flat_fee": "10"}, {"rate": "1"}, mode="graduated") == []


def test_a_step_beyond_the_cap_is_never_reached() -> None:
    steps = ({"up_to": 1000, "rate": "30"}, {"rate": "1"})
    assert cpm(*steps, impression_cap=1000) == []
    assert len(cpm(*steps, impression_cap=1001)) == 1


def test_a_budget_holds_the_amounts_that_are_compared() -> None:
    steps = ({"up_to": 1000, "rate": "30"}, {"rate": "20"})
    assert cpm(*steps, budget="20.02") == []
    assert cpm(*steps, budget="20.03") == [
        f"{STEPS}[1]: more impressions cost less: 1,000 cost 20.03 USD, 1,001 only 20.02 USD"
    ]


def test_a_volume_table_in_which_more_conversions_cost_less_is_shown() -> None:
    assert cpa({"up_to": 1000, "amount": "12.00"}, {"amount": "10.00", "flat_fee": "50"}) == [
        f"{STEPS}[1]: more conversions cost less: 1,000 cost 12000 USD, 1,001 only 10060 USD"
    ]
    assert cpa({"up_to": 5, "amount": "12.00"}, {"amount": "10.00"}) == []  # 60 and 60
    assert cpa({"up_to": 1000, "amount": "12.00"}, {"amount": "10.00"}, monthly_cap=1000) == []
    assert cpa({"up_to": 1000, "amount": "12.00"}, {"amount": "10.00"}, mode="graduated") == []


def test_shares_of_the_value_are_compared_for_equal_values() -> None:
    assert cpa({"up_to": 100, "rate": "0.10"}, {"rate": "0.05"}) == [
        f"{STEPS}[1]: more conversions cost less: of equal order values, 100 cost 10 times the value, 101 only 5.05 times"
    ]
    assert cpa({"up_to": 1, "rate": "0.10"}, {"rate": "0.05"}) == []


def test_an_amount_is_not_compared_with_a_share() -> None:
    assert cpa({"up_to": 100, "amount": "10"}, {"rate": "0.05"}) == []


def test_a_term_whose_line_items_delivered_nothing_is_shown() -> None:
    assert warnings(parsed(ADVERTISER), {"li-2": 10, "li-9": 5}) == [
        ContractWarning(
            "terms[0].line_items",
            "the term is without traffic: none of its line items (li-1) delivered an impression last month",
        )
    ]
    assert [warning.path for warning in warnings(parsed(ADVERTISER), {"li-1": 0})] == [
        "terms[0].line_items",
        "terms[1].line_items",
    ]


def test_one_line_item_with_traffic_is_enough() -> None:
    contract = parsed(ADVERTISER, ("terms.0.line_items", ["li-1", "li-3"]))
    assert warnings(contract, {"li-3": 1, "li-2": 1}) == []


def test_of_many_line_items_a_few_are_named() -> None:
    contract = parsed(ADVERTISER, ("terms.0.line_items", [f"x{i}" for i in range(8)]))
    assert "(x0, x1, x2, x3, x4 and 3 more)" in warnings(contract, {"li-2": 1})[0].what


def test_a_partners_term_without_a_filter_covers_all_line_items() -> None:
    assert warnings(parsed(PARTNER), {"li-1": 1}) == []
    (found,) = warnings(parsed(PARTNER), {})
    assert found.what == "the term is without traffic: no line item at all delivered an impression last month"


def test_without_knowledge_of_deliveries_nothing_is_said_of_them() -> None:
    assert warnings(parsed(ADVERTISER, ("terms.0.pricing.impression_cap", 1)), None) == []


@pytest.mark.parametrize("pricing", [{"model": "cpm", "rate": "30"}, {"model": "dcpm"}])
def test_a_cap_under_last_months_delivery_is_shown(pricing: dict[str, Any]) -> None:
    changes = [("terms.0.line_items", ["li-1", "li-3"]), ("terms.0.pricing", {**pricing, "impression_cap": 5000})]
    contract = parsed(ADVERTISER, *changes)
    assert warnings(contract, {"li-1": 4000, "li-2": 9, "li-3": 1000}) == []
    assert warnings(contract, {"li-1": 4000, "li-2": 9, "li-3": 1001}) == [
        ContractWarning(
            "terms[0].pricing.impression_cap",
            "the cap of 5,000 impressions is under last month's delivery of its line items, 5,001",
        )
    ]


def test_a_cap_on_some_advertisers_is_not_held_against_all_their_traffic() -> None:
    changes = [("terms.0.advertisers", ["acme"]), ("terms.0.pricing", {"model": "cpm", "rate": "3", "impression_cap": 5})]
    assert warnings(parsed(PARTNER, *changes), {"li-1": 10}) == []
