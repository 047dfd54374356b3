"""Steps and monthly caps of actions, on both sides, at every boundary."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, advertiser, flat, frames, fx_rates, partner, percent, rows_of, term

from contracts_io.calendar import Month
from contracts_io.contract import InForce
from contracts_io.frames import TABLES
from pipelines.actions import RatedActions, rate_actions

Row = dict[str, Any]
OCTOBER = Month(2026, 10)


def tiered(mode: str, *steps: Row, **more: Any) -> Row:
    return {"model": "cpa", "event": "purchase", "tiers": {"mode": mode, "steps": list(steps)}} | more


def bought(number: int, **more: Any) -> Row:
    """A conversion, an hour after the one before it, of value 100."""
    at = NOON + timedelta(hours=number)
    return {
        "conversion_id": f"c{number:02}",
        "event_time": at,
        "billing_date": at.date(),
        "value": "100",
        "contract_value": "100",
    } | more


def rated(
    conversions: list[Row], *contracts: InForce, month: Month = OCTOBER, shares: list[Row] | None = None
) -> RatedActions:
    """Conversions that li-1 of pub-1 won alone, where no shares are given."""
    of = shares or [{"conversion_id": row["conversion_id"]} for row in conversions]
    made = rate_actions(
        rows_of("attributions", conversions).lazy(),
        rows_of("attribution_credits", of).lazy(),
        frames(*contracts),
        fx_rates(),
        month,
    )
    for table, frame in (("action_units", made.units), ("accruals", made.accruals)):
        TABLES[table].check(frame.lazy(), has_rows=frame.height > 0)
    return made


def units(made: RatedActions, side: str = "advertiser", *columns: str) -> list[tuple[Any, ...]]:
    """The side's units as rows of conversion id and ``columns``, by default position, step and fee."""
    of = made.units.filter(pl.col("side") == side).sort("term_id", "conversion_id")
    return of.select("conversion_id", *(columns or ("position", "step", "fee"))).rows()


def steps(made: RatedActions, side: str = "advertiser") -> list[int | None]:
    return [step for _, step in units(made, side, "step")]


GRADUATED = tiered("graduated", {"up_to": 2, "amount": "12"}, {"up_to": 3, "rate": "0.1"}, {"amount": "8"})
VOLUME = tiered("volume", {"up_to": 2, "amount": "12"}, {"up_to": 3, "rate": "0.1"}, {"amount": "8"})


@pytest.mark.parametrize(
    ("pricing", "count", "expected"),
    [
        (GRADUATED, 2, [1, 1]),
        (GRADUATED, 3, [1, 1, 2]),
        (GRADUATED, 4, [1, 1, 2, 3]),
        (GRADUATED, 6, [1, 1, 2, 3, 3, 3]),
        (VOLUME, 1, [1]),
        (VOLUME, 2, [1, 1]),
        (VOLUME, 3, [2, 2, 2]),
        (VOLUME, 4, [3, 3, 3, 3]),
    ],
)
def test_a_step_ends_with_its_last_unit_and_volume_prices_all_by_the_step_of_the_total(
    pricing: Row, count: int, expected: list[int]
) -> None:
    contracts = [advertiser(term("sale", pricing, "li-1")), partner(term("all", pricing))]
    made = rated([bought(n) for n in range(count)], *contracts)
    assert steps(made) == steps(made, "partner") == expected
    prices = {1: ("flat", Decimal(12)), 2: ("percent", Decimal("0.1")), 3: ("flat", Decimal(8))}
    fees = {1: Decimal(12), 2: Decimal(10), 3: Decimal(8)}
    accrued = made.accruals.filter(pl.col("side") == "advertiser").sort("step")
    assert accrued.select("step", "rate_kind", "rate", "units", "amount").rows() == [
        (step, *prices[step], expected.count(step), fees[step] * expected.count(step)) for step in sorted(set(expected))
    ]


def test_a_term_without_tiers_prices_all_at_its_one_step() -> None:
    assert steps(rated([bought(n) for n in range(3)], advertiser())) == [1, 1, 1]


@pytest.mark.parametrize(
    ("cap", "positions"),
    [(1, [1, None, None, None]), (3, [1, 2, 3, None]), (4, [1, 2, 3, 4]), (5, [1, 2, 3, 4])],
)
def test_a_unit_is_charged_while_fewer_than_the_cap_were_charged_before_it_and_not_paid_on_beyond(
    cap: int, positions: list[int | None]
) -> None:
    contracts = [advertiser(term("sale", flat() | {"monthly_cap": cap}, "li-1")), partner(term("all", flat("7")))]
    made = rated([bought(n) for n in range(4)], *contracts)
    assert [position for _, position in units(made, "advertiser", "position")] == positions
    charged = [f"c{n:02}" for n, position in enumerate(positions) if position]
    assert [conversion for conversion, *_ in units(made, "partner")] == charged
    for row in made.units.filter(pl.col("position").is_null()).to_dicts():
        assert [row[name] for name in ("step", "rate", "rate_kind", "fee", "amount")] == [None] * 5
    assert made.accruals["units"].sum() == 2 * len(charged)


def test_steps_count_what_the_cap_has_left() -> None:
    volume = tiered("volume", {"up_to": 2, "amount": "12"}, {"amount": "8"}, monthly_cap=2)
    made = rated([bought(n) for n in range(4)], advertiser(term("sale", volume, "li-1")))
    over = (None, None, None)
    assert units(made) == [("c00", 1, 1, Decimal(12)), ("c01", 2, 1, Decimal(12)), ("c02", *over), ("c03", *over)]


def test_a_partners_cap_counts_its_own_units() -> None:
    contracts = [advertiser(), partner(term("all", flat("7") | {"monthly_cap": 1}))]
    shares = [
        {"conversion_id": "c00", "partner_id": "pub-2"},
        {"conversion_id": "c01"},
        {"conversion_id": "c02"},
    ]
    made = rated([bought(n) for n in range(3)], *contracts, shares=shares)
    assert units(made, "partner", "position", "amount") == [("c01", 1, Decimal(7)), ("c02", None, None)]
    assert [position for _, position, *_ in units(made)] == [1, 2, 3]


def test_units_are_in_order_of_time_then_id_however_they_were_delivered() -> None:
    same = {"event_time": NOON}
    conversions = [
        bought(4, conversion_id="b", delivery_day=date(2026, 10, 7), **same),
        bought(4, conversion_id="a", delivery_day=date(2026, 10, 8), **same),
        bought(4, conversion_id="z", event_time=NOON - timedelta(microseconds=1), delivery_day=date(2026, 10, 9)),
    ]
    shares = [{"conversion_id": row["conversion_id"], "delivery_day": row["delivery_day"]} for row in conversions]
    made = rated(conversions, advertiser(term("sale", flat() | {"monthly_cap": 2}, "li-1")), shares=shares)
    assert units(made, "advertiser", "position") == [("a", 2), ("b", None), ("z", 1)]


def versions(first: Row, second: Row) -> list[InForce]:
    """Two versions, the second from 6 October on."""
    return [
        advertiser(term("sale", first, "li-1"), last=date(2026, 10, 5)),
        advertiser(term("sale", second, "li-1"), version=2, first=date(2026, 10, 6)),
    ]


def across(count_1: int, count_2: int) -> list[Row]:
    """Conversions of 5 October under version 1, of 6 October under version 2."""
    on = timedelta(days=1)
    first = [bought(n) for n in range(count_1)]
    second = [
        bought(count_1 + n, event_time=NOON + on + timedelta(hours=n), version=2, billing_date=date(2026, 10, 6))
        for n in range(count_2)
    ]
    return first + second


@pytest.mark.parametrize(
    ("caps", "counts", "charged"),
    [
        ((2, 3), (3, 3), [1, 2, None, 3, None, None]),  # a cap reached by the earlier version, raised by the later
        ((3, 2), (3, 2), [1, 2, 3, None, None]),  # lowered below what was charged
        ((3, 4), (2, 3), [1, 2, 3, 4, None]),
        ((None, 3), (2, 2), [1, 2, 3, None]),
        ((1, None), (2, 2), [1, None, 2, 3]),
    ],
)
def test_a_cap_counts_the_month_in_all_versions_and_is_that_of_the_units_version(
    caps: tuple[int | None, int | None], counts: tuple[int, int], charged: list[int | None]
) -> None:
    first, second = (flat() | ({"monthly_cap": cap} if cap is not None else {}) for cap in caps)
    made = rated(across(*counts), *versions(first, second))
    assert [position for _, position in units(made, "advertiser", "position")] == charged


def test_positions_run_on_across_versions_and_fall_in_the_step_of_the_units_own_version() -> None:
    first = tiered("graduated", {"up_to": 1, "amount": "12"}, {"amount": "10"})
    second = tiered("graduated", {"up_to": 3, "amount": "6"}, {"amount": "5"})
    made = rated(across(2, 2), *versions(first, second))
    assert units(made) == [
        ("c00", 1, 1, Decimal(12)),
        ("c01", 2, 2, Decimal(10)),
        ("c02", 3, 1, Decimal(6)),
        ("c03", 4, 2, Decimal(5)),
    ]


def test_a_volume_total_counts_all_versions_and_each_prices_it_by_its_own_steps() -> None:
    first = tiered("volume", {"up_to": 3, "amount": "12"}, {"amount": "10"})
    second = tiered("volume", {"up_to": 4, "amount": "6"}, {"amount": "5"})
    assert steps(rated(across(2, 2), *versions(first, second))) == [2, 2, 1, 1]
    graduated = tiered("graduated", {"up_to": 3, "amount": "6"}, {"amount": "5"})
    assert steps(rated(across(2, 2), *versions(first, graduated))) == [2, 2, 1, 2]


def test_a_version_that_leaves_off_and_comes_back_at_a_repeated_hour_still_counts_unit_by_unit() -> None:
    capped = [flat() | {"monthly_cap": cap} for cap in (3, 2)]
    conversions = [bought(n, version=1 + n % 2) for n in range(5)]
    made = rated(conversions, *versions(*capped))
    assert [position for _, position in units(made, "advertiser", "position")] == [1, 2, 3, None, None]


def test_steps_and_caps_begin_anew_with_the_billing_month_and_apart_for_each_term() -> None:
    pricing = tiered("graduated", {"up_to": 1, "amount": "12"}, {"amount": "8"}, monthly_cap=2)
    contract = advertiser(term("a", pricing, "li-1"), term("b", pricing, "li-2"))
    conversions = [bought(n, billing_date=date(2026, 9 + n // 3, 30)) for n in range(6)]
    shares = [
        {"conversion_id": f"c{n:02}", "touch_id": t, "term_id": t, "credit": 500_000} for n in range(6) for t in ("a", "b")
    ]
    made = rated(conversions, contract, shares=shares)
    expected = [("c03", 1, 1, Decimal(12)), ("c04", 2, 2, Decimal(8)), ("c05", None, None, None)]
    assert units(made) == expected * 2
    assert made.accruals["amount"].sum() == Decimal(20)


def test_of_credit_over_two_terms_only_that_on_the_charged_one_is_paid_on() -> None:
    contracts = [
        advertiser(term("a", flat("10"), "li-1"), term("b", flat("20") | {"monthly_cap": 1}, "li-2")),
        partner(term("all", flat("7"))),
    ]
    shares: list[Row] = [
        {"conversion_id": "c00", "term_id": "b", "line_item_id": "li-2", "partner_id": "pub-2"},
        {"conversion_id": "c01", "touch_id": "t1", "term_id": "a", "credit": 400_000},
        {"conversion_id": "c01", "touch_id": "t2", "term_id": "b", "line_item_id": "li-2", "credit": 600_000},
    ]
    made = rated([bought(0), bought(1)], *contracts, shares=shares)
    assert made.units.select("side", "term_id", "credit", "amount").rows() == [
        ("advertiser", "a", 400_000, Decimal(4)),
        ("advertiser", "b", 1_000_000, Decimal(20)),
        ("advertiser", "b", 600_000, None),
        ("partner", "all", 400_000, Decimal("2.8")),
    ]
    assert made.charged.rows() == [("c01", date(2026, 10, 5), "acme-1", 400_000)]


def test_whether_a_partner_is_paid_is_decided_in_the_advertisers_own_month() -> None:
    contracts = [
        advertiser(term("sale", flat() | {"monthly_cap": 1}, "li-1"), validation_days=30),
        partner(term("all", flat("7"))),
    ]
    november = {"billing_date": date(2026, 11, 4)}
    made = rated([bought(0, **november), bought(1, **november), bought(2)], *contracts)
    assert units(made, "partner", "position") == [("c00", 1), ("c02", 2)]  # c01 is over November's cap, c02 first of October
    assert units(made, "advertiser", "position") == [("c02", 1)]
    assert made.charged["conversion_id"].to_list() == ["c00", "c02"]


def test_a_partners_steps_count_the_units_of_its_own_billing_month() -> None:
    pricing = tiered("graduated", {"up_to": 1, "amount": "7"}, {"amount": "5"})
    contracts = [advertiser(), partner(term("all", pricing), validation_days=26)]
    late = {"event_time": NOON + timedelta(days=1), "billing_date": date(2026, 10, 6)}
    conversions = [bought(0), bought(1), bought(2, **late), bought(3, **late)]
    assert units(rated(conversions, *contracts), "partner", "step") == [("c00", 1), ("c01", 2)]
    november = rated(conversions, *contracts, month=OCTOBER.next)
    assert units(november, "partner", "step", "billing_date") == [
        ("c02", 1, date(2026, 11, 1)),
        ("c03", 2, date(2026, 11, 1)),
    ]
    assert units(november) == []


def test_a_partners_validation_days_are_of_its_version_in_force_on_the_conversions_local_date() -> None:
    contracts = [
        advertiser(),
        partner(term("all", flat("7")), validation_days=30, last=date(2026, 10, 4)),
        partner(term("all", flat("7")), validation_days=1, version=2, first=date(2026, 10, 5)),
    ]
    assert units(rated([bought(0)], *contracts), "partner", "version", "billing_date") == [("c00", 2, date(2026, 10, 6))]


def test_a_unit_says_its_value_rate_fee_and_share() -> None:
    contracts = [advertiser(term("sale", percent("0.08", maximum="5"), "li-1")), partner(term("all", percent("0.02")))]
    shares = [{"touch_id": t, "partner_id": p} for t, p in (("t1", "pub-1"), ("t2", "pub-2"))]
    half = [share | {"conversion_id": "c00", "credit": 500_000} for share in shares]
    made = rated([bought(0)], *contracts, shares=half)
    columns = ("credit", "value", "rate", "rate_kind", "fee", "amount", "partner_id", "advertiser_contract_id", "event")
    assert units(made, "advertiser", *columns) == [
        ("c00", 1_000_000, Decimal(100), Decimal("0.08"), "percent", Decimal(5), Decimal(5), None, None, "purchase")
    ]
    assert units(made, "partner", *columns) == [
        ("c00", 500_000, Decimal(100), Decimal("0.02"), "percent", Decimal(2), Decimal(1), "pub-1", "acme-1", "purchase")
    ]
