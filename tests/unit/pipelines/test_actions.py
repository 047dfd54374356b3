from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import DAY, advertiser, at, cpm, flat, frames, fx_rates, partner, percent, rows_of, term

from contracts_io.calendar import Month
from contracts_io.contract import InForce
from contracts_io.frames import TABLES
from pipelines.actions import RatedActions, rate_actions

OCTOBER = Month(2026, 10)


def rated(
    conversions: list[dict[str, Any]],
    credits: list[dict[str, Any]],
    *contracts: InForce,
    rates: pl.DataFrame | None = None,
    month: Month = OCTOBER,
) -> RatedActions:
    made = rate_actions(
        rows_of("attributions", conversions).lazy(),
        rows_of("attribution_credits", credits).lazy(),
        frames(*contracts),
        fx_rates() if rates is None else rates,
        month,
    )
    for table, frame in (
        ("action_units", made.units),
        ("accruals", made.accruals),
        ("missing_rates", made.missing_rates),
    ):
        TABLES[table].check(frame.lazy(), has_rows=frame.height > 0)
    assert made.accruals["uncapped"].equals(made.accruals["amount"].alias("uncapped"))
    return made


def amounts(made: RatedActions, side: str) -> list[Decimal]:
    return made.accruals.filter(pl.col("side") == side)["amount"].to_list()


def valued(value: str | None, **more: Any) -> dict[str, Any]:
    return {"value": value, "contract_value": value} | more


FEES = [
    (flat("12.00"), "100", "12"),
    (flat("12.00"), None, "12"),
    (flat("0.000001"), None, "0.000001"),
    (percent("0.08"), "100", "8"),
    (percent("0.08"), "0", "0"),
    (percent("0.08"), None, "0"),
    (percent("0.08", minimum="1"), None, "1"),
    (percent("0.08", minimum="1"), "12.49", "1"),
    (percent("0.08", minimum="1"), "12.5", "1"),
    (percent("0.08", minimum="1"), "12.51", "1.0008"),
    (percent("0.08", maximum="5"), "62.49", "4.9992"),
    (percent("0.08", maximum="5"), "62.5", "5"),
    (percent("0.08", maximum="5"), "1000000000", "5"),
    (percent("0.08", minimum="1", maximum="5"), "50", "4"),
    (percent("0.08", minimum="1", maximum="1"), "50", "1"),
    (percent("0.08", maximum="0"), "50", "0"),
    (percent("1"), "999999999.999999999", "999999999.999999999"),
    (percent("0.5"), "0.000000001", "0.000000001"),  # half a nano goes up
    (percent("0.499999"), "0.000000001", "0"),
    (percent("0.333333"), "0.1", "0.0333333"),
]


@pytest.mark.parametrize(("pricing", "value", "fee"), FEES)
def test_a_fee_is_a_fixed_amount_or_a_share_held_between_its_limits_on_both_sides(
    pricing: dict[str, Any], value: str | None, fee: str
) -> None:
    contracts = [advertiser(term("sale", pricing, "li-1")), partner(term("all", pricing))]
    made = rated([valued(value)], [{}], *contracts)
    assert amounts(made, "advertiser") == [Decimal(fee)]
    assert amounts(made, "partner") == [Decimal(fee)]


@pytest.mark.parametrize(
    ("credits", "partner_amounts"),
    [
        ([500_000, 500_000], ["5", "5"]),
        ([333_333, 666_667], ["3.33333", "6.66667"]),
        ([1, 999_999], ["0.00001", "9.99999"]),
    ],
)
def test_each_partner_has_the_fee_times_its_credit_and_the_advertiser_pays_the_whole_once(
    credits: list[int], partner_amounts: list[str]
) -> None:
    contracts = [
        advertiser(term("sale", flat("10"), "li-1")),
        partner(term("all", flat("10"))),
        partner(term("all", flat("10")), contract_id="pub-2-2026", party="pub-2"),
    ]
    touches = [{"touch_id": f"t{n}", "partner_id": f"pub-{n + 1}", "credit": credit} for n, credit in enumerate(credits)]
    made = rated([{}], touches, *contracts)
    assert amounts(made, "advertiser") == [Decimal(10)]
    assert amounts(made, "partner") == [Decimal(text) for text in partner_amounts]
    assert made.accruals["units"].to_list() == [1, 1, 1]


def test_an_accrual_is_rounded_half_up_at_nine_places_once_per_unit() -> None:
    contracts = [advertiser(term("sale", flat("0.000001"), "li-1")), partner(term("all", flat("0.000001")))]
    touches = [{"touch_id": "t1", "credit": 500}, {"touch_id": "t2", "partner_id": "pub-2", "credit": 999_500}]
    one = rated([{}], touches, *contracts)
    assert amounts(one, "partner") == [Decimal("0.000000001")]  # 0.0000000005
    three = rated(
        [{"conversion_id": f"c{n}"} for n in range(3)],
        [t | {"conversion_id": f"c{n}"} for t in touches for n in range(3)],
        *contracts,
    )
    assert amounts(three, "partner") == [Decimal("0.000000003")]  # three units of one group, each rounded by itself
    assert three.accruals["units"].to_list() == [3, 3]


def test_credit_of_several_touches_on_one_term_is_added_before_it_is_priced() -> None:
    contracts = [advertiser(term("sale", flat("0.000001"), "li-1")), partner(term("all", flat("0.000001")))]
    touches = [{"touch_id": f"t{n}", "credit": credit} for n, credit in enumerate([499, 499, 999_002])]
    made = rated([{}], touches, *contracts)
    assert made.accruals.select("side", "units", "amount").rows() == [
        ("advertiser", 1, Decimal("0.000001")),
        ("partner", 1, Decimal("0.000001")),
    ]


def test_a_touch_without_credit_makes_no_unit() -> None:
    contract = advertiser(term("a", flat("10"), "li-1"), term("b", flat("20"), "li-2"))
    touches = [
        {"touch_id": "t1", "term_id": "a", "credit": 1_000_000},
        {"touch_id": "t2", "term_id": "b", "line_item_id": "li-2", "partner_id": "pub-2", "credit": 0},
    ]
    made = rated([{}], touches, contract, partner(term("all", flat("7")), contract_id="of-pub-2", party="pub-2"))
    assert made.units.select("contract_id", "term_id").rows() == [("acme-1", "a")]


def test_a_conversion_won_on_two_terms_is_a_unit_of_each() -> None:
    contract = advertiser(term("a", flat("10"), "li-1"), term("b", percent("0.5"), "li-2"))
    touches = [{"touch_id": "t1", "term_id": "a", "credit": 400_000}, {"touch_id": "t2", "term_id": "b", "credit": 600_000}]
    made = rated([valued("100")], touches, contract)
    assert made.accruals.select("term_id", "rate", "units", "amount").rows() == [
        ("a", Decimal(10), 1, Decimal(4)),
        ("b", Decimal("0.5"), 1, Decimal(30)),
    ]


@pytest.mark.parametrize(
    "status",
    ["no_contract", "duplicate_order", "reversed", "no_fx_rate", "ineligible", "no_household", "unattributed"],
)
def test_only_attributed_conversions_are_charged_and_paid(status: str) -> None:
    made = rated([{"status": status}], [{}], advertiser(), partner(term("all", flat("7"))))
    assert made.accruals.is_empty()
    assert made.missing_rates.is_empty()


@pytest.mark.parametrize(
    ("filters", "touch", "matches"),
    [
        ({}, {}, True),
        ({"line_items": ["li-1"]}, {}, True),
        ({"line_items": ["li-2"]}, {}, False),
        ({"advertisers": ["acme"]}, {}, True),
        ({"advertisers": ["zeta"]}, {}, False),
        ({"line_items": ["li-1"], "advertisers": ["zeta"]}, {}, False),
        ({}, {"partner_id": "pub-9"}, False),
    ],
)
def test_a_partner_is_paid_where_the_filters_of_its_term_let_the_touch_pass(
    filters: dict[str, Any], touch: dict[str, Any], matches: bool
) -> None:
    made = rated([{}], [touch], advertiser(), partner(term("all", flat("7"), **filters)))
    assert amounts(made, "partner") == ([Decimal(7)] if matches else [])
    assert amounts(made, "advertiser") == [Decimal(12)]


def test_the_first_cpa_term_for_the_event_in_document_order_pays() -> None:
    terms = [
        term("z-cpm", cpm("4")),
        term("y-signup", flat("1", "signup")),
        term("x-zeta", flat("2"), advertisers=["zeta"]),
        term("w-acme", flat("3"), advertisers=["acme"]),
        term("a-rest", flat("4")),
    ]
    made = rated([{}], [{}], advertiser(), partner(*terms))
    assert made.accruals.filter(pl.col("side") == "partner").select("term_id", "amount").rows() == [("w-acme", Decimal(3))]
    made = rated([{}], [{}], advertiser(), partner(*reversed(terms)))
    assert made.accruals.filter(pl.col("side") == "partner").select("term_id", "amount").rows() == [("a-rest", Decimal(4))]


def test_touches_of_one_partner_may_be_paid_by_different_terms() -> None:
    contract = partner(term("one", flat("10"), "li-1"), term("rest", flat("20")))
    touches = [
        {"touch_id": "t1", "credit": 250_000},
        {"touch_id": "t2", "line_item_id": "li-2", "credit": 750_000},
    ]
    made = rated([{}], touches, advertiser(term("sale", flat(), "li-1", "li-2")), contract)
    assert made.accruals.filter(pl.col("side") == "partner").select("term_id", "units", "amount").rows() == [
        ("one", 1, Decimal("2.5")),
        ("rest", 1, Decimal(15)),
    ]


EUROS = {"currency": "EUR", "timezone": "Europe/Berlin"}


@pytest.mark.parametrize(
    ("conversion", "rates", "amount"),
    [
        (valued("100", currency="EUR"), [], "10"),  # its own currency: nothing to convert
        (valued("100", currency="GBP"), [("GBP", "EUR", "1.15")], "11.5"),
        (valued("100", currency="USD"), [("EUR", "USD", "1.25")], "8"),
        (valued("100", currency="USD"), [("EUR", "USD", "3")], "3.333333333"),
        (valued(None, currency="GBP"), [], "0"),
    ],
)
def test_a_partner_of_another_currency_is_paid_on_the_value_converted_straight_from_its_own(
    conversion: dict[str, Any], rates: list[tuple[str, str, str]], amount: str
) -> None:
    contracts = [advertiser(), partner(term("all", percent("0.1")), **EUROS)]
    made = rated([conversion], [{}], *contracts, rates=fx_rates(*((DAY, *rate) for rate in rates)))
    assert amounts(made, "partner") == [Decimal(amount)]
    assert made.missing_rates.is_empty()


def test_a_missing_rate_is_reported_with_pair_and_date_and_the_advertiser_is_charged_all_the_same() -> None:
    contracts = [advertiser(), partner(term("all", percent("0.1")), **EUROS)]
    rates = fx_rates((DAY - timedelta(days=1), "EUR", "USD", "1.25"))
    conversions = [valued("100", conversion_id="c1"), valued("5", conversion_id="c2"), valued(None, conversion_id="c3")]
    made = rated(conversions, [{"conversion_id": f"c{n}"} for n in (1, 2, 3)], *contracts, rates=rates)
    assert made.missing_rates.rows() == [(DAY, "USD", "EUR", "pub-1-2026")]
    assert amounts(made, "advertiser") == [Decimal(36)]
    assert made.accruals.filter(pl.col("side") == "partner").select("units", "amount").rows() == [(1, Decimal(0))]
    units = made.units.filter(pl.col("side") == "partner").select("conversion_id", "position", "step", "fee", "amount")
    assert units.rows() == [("c1", 1, 1, None, None), ("c2", 2, 1, None, None), ("c3", 3, 1, Decimal(0), Decimal(0))]


def test_a_missing_rate_does_not_matter_to_a_flat_fee_or_a_conversion_over_the_cap() -> None:
    contract = partner(term("all", flat("7") | {"monthly_cap": 1}), **EUROS)
    assert amounts(rated([valued("100")], [{}], advertiser(), contract), "partner") == [Decimal(7)]
    capped = partner(term("all", percent("0.1") | {"monthly_cap": 1}), **EUROS)
    conversions = [valued(None, conversion_id="c1"), valued("100", conversion_id="c2")]
    made = rated(conversions, [{"conversion_id": "c1"}, {"conversion_id": "c2"}], advertiser(), capped)
    assert made.missing_rates.is_empty()
    assert made.units.filter(pl.col("side") == "partner")["position"].to_list() == [1, None]


def test_a_missing_rate_is_reported_in_the_month_in_which_the_partner_is_billed() -> None:
    contract = partner(term("all", percent("0.1")), validation_days=30, **EUROS)
    for month, reported in ((OCTOBER, 0), (OCTOBER.next, 1)):
        assert rated([valued("1")], [{}], advertiser(), contract, month=month).missing_rates.height == reported


@pytest.mark.parametrize(
    ("local_day", "validation_days", "billed"),
    [
        (date(2026, 10, 5), 0, date(2026, 10, 5)),
        (date(2026, 10, 5), 26, date(2026, 10, 31)),
        (date(2026, 10, 5), 27, date(2026, 11, 1)),
        (date(2026, 10, 5), 88, date(2027, 1, 1)),
    ],
)
def test_validation_days_carry_a_partners_conversion_into_another_month(
    local_day: date, validation_days: int, billed: date
) -> None:
    contract = partner(term("all", flat("7")), validation_days=validation_days)
    conversion = {"event_time": at(f"{local_day}T12:00Z")}
    for month in (OCTOBER, OCTOBER.next, Month(2027, 1)):
        made = rated([conversion], [{}], advertiser(), contract, month=month)
        found = made.accruals.filter(pl.col("side") == "partner")["billing_date"].to_list()
        assert found == ([billed] if Month.of(billed) == month else [])


def test_an_advertiser_is_billed_on_the_date_of_its_attribution_and_the_partner_on_its_own() -> None:
    conversion = {"billing_date": date(2026, 11, 2)}
    contracts = [advertiser(), partner(term("all", flat("7")))]
    assert rated([conversion], [{}], *contracts).accruals["side"].to_list() == ["partner"]
    assert rated([conversion], [{}], *contracts, month=OCTOBER.next).accruals["side"].to_list() == ["advertiser"]


@pytest.mark.parametrize(
    ("event_time", "amount"),
    [
        ("2026-10-05T14:59:59.999999Z", "7"),
        ("2026-10-05T15:00Z", "9"),
    ],
)
def test_the_partners_version_is_that_of_the_local_date_in_its_own_zone(event_time: str, amount: str) -> None:
    versions = [
        partner(term("all", flat("7")), timezone="Asia/Tokyo", last=date(2026, 10, 5)),
        partner(term("all", flat("9")), timezone="Asia/Tokyo", first=date(2026, 10, 6), version=2),
    ]
    made = rated([{"event_time": at(event_time)}], [{}], advertiser(), *versions)
    assert amounts(made, "partner") == [Decimal(amount)]


def test_a_partner_accrual_names_the_contract_that_was_charged() -> None:
    contracts = [advertiser(), advertiser(contract_id="zeta-1", party="zeta"), partner(term("all", flat("7")))]
    conversions = [{}, {"conversion_id": "c2", "advertiser_id": "zeta", "contract_id": "zeta-1"}]
    made = rated(conversions, [{}, {"conversion_id": "c2"}], *contracts)
    columns = ("side", "contract_id", "partner_id", "advertiser_contract_id", "event", "kind", "line_item_id")
    assert made.accruals.select(columns).rows() == [
        ("advertiser", "acme-1", None, None, "purchase", "action", None),
        ("advertiser", "zeta-1", None, None, "purchase", "action", None),
        ("partner", "pub-1-2026", "pub-1", "acme-1", "purchase", "action", None),
        ("partner", "pub-1-2026", "pub-1", "zeta-1", "purchase", "action", None),
    ]


def test_conversions_with_one_id_of_two_delivery_days_are_two_units() -> None:
    later = DAY + timedelta(days=20)
    conversions = [{}, {"delivery_day": later, "billing_date": later}]
    made = rated(conversions, [{}, {"delivery_day": later}], advertiser())
    assert made.accruals.select("billing_date", "units", "amount").rows() == [(DAY, 1, Decimal(12)), (later, 1, Decimal(12))]


def test_a_month_without_conversions_or_contracts_is_empty() -> None:
    for made in (rated([], [], advertiser(), partner()), rated([], [])):
        assert made.units.equals(TABLES["action_units"].empty())
        assert made.accruals.equals(TABLES["accruals"].empty())
        assert made.missing_rates.equals(TABLES["missing_rates"].empty())
