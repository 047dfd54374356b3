"""Laws of steps, caps, budgets and shares: nothing is lost, nothing exceeds its limit, and how events arrive is irrelevant."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate
from typing import Any

import polars as pl
from billing_samples import agreed, at, counts, cpm, frames, fx_rates, partner, term
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import OCTOBER, Rated, Row, brand, carried, flown, rated, rated_media, tiers

from contracts_io.contract import InForce
from contracts_io.money import NANO
from pipelines.limits import OVER_CAP, Limits, month_charges, month_parts, share_day

SLOW = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.too_slow])

UNITS = st.integers(1, 60)
ENDS = st.lists(st.integers(1, 80), max_size=3, unique=True).map(lambda ends: tuple(sorted(ends)))
LIMITS = st.builds(Limits, ends=ENDS, by_total=st.booleans(), cap=st.none() | st.integers(1, 120))
DAYS = st.lists(st.tuples(LIMITS, UNITS), max_size=8)


@given(DAYS, st.integers(0, 100))
def test_a_day_s_parts_add_up_to_its_units_in_order_of_steps(days: list[tuple[Limits, int]], before: int) -> None:
    for (limits, units), parts in zip(days, month_parts(days, before), strict=True):
        steps = [step for step, _ in parts]
        assert sum(part for _, part in parts) == units
        assert all(part > 0 for _, part in parts)
        kept = steps[:-1] if steps[-1] == OVER_CAP else steps
        assert kept == sorted(set(kept))
        assert all(1 <= step <= len(limits.ends) + 1 for step in kept)


@given(DAYS, st.integers(0, 100))
def test_a_cap_is_never_exceeded_by_one_unit_nor_kept_back_from(days: list[tuple[Limits, int]], before: int) -> None:
    billed = before
    for (limits, units), parts in zip(days, month_parts(days, before), strict=True):
        kept = sum(part for step, part in parts if step != OVER_CAP)
        assert kept == units or limits.cap is not None
        if limits.cap is not None:
            assert kept == min(units, max(0, limits.cap - billed))
        billed += kept


@given(LIMITS, st.lists(UNITS, min_size=1, max_size=8), st.integers(0, 100))
def test_how_a_month_s_units_fall_on_its_days_is_irrelevant_to_the_units_of_each_step(
    limits: Limits, days: list[int], before: int
) -> None:
    def by_step(units: list[int]) -> dict[int, int]:
        found: dict[int, int] = {}
        for parts in month_parts([(limits, day) for day in units], before):
            for step, part in parts:
                found[step] = found.get(step, 0) + part
        return found

    assert by_step(days) == by_step([sum(days)]) == by_step(days[::-1])


@given(ENDS, st.integers(1, 300), st.lists(st.integers(0, 50), min_size=4, max_size=4))
def test_under_graduated_tiers_more_units_never_cost_less(ends: tuple[int, ...], units: int, rates: list[int]) -> None:
    def cost(count: int) -> int:
        (parts,) = month_parts([(Limits(ends), count)], 0)
        return sum(part * rates[step - 1] for step, part in parts)

    assert cost(units + 1) >= cost(units)


@given(LIMITS, st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 60))
def test_sharing_a_day_loses_no_unit_of_a_group_and_none_of_a_part(limits: Limits, groups: list[int], before: int) -> None:
    (parts,) = month_parts([(limits, sum(groups))], before)
    shared = list(share_day(parts, groups)) if len(parts) > 1 else [(n, parts[0][0], g) for n, g in enumerate(groups)]
    for place, units in enumerate(groups):
        assert sum(taken for where, _, taken in shared if where == place) == units
    for step, units in parts:
        assert sum(taken for _, of_step, taken in shared if of_step == step) == units
    kept = sum(units for step, units in parts if step != OVER_CAP)
    for place, units in enumerate(groups):
        stays = sum(taken for where, step, taken in shared if where == place and step != OVER_CAP)
        assert abs(stays - Fraction(units * kept, sum(groups))) < 1


@given(st.lists(st.tuples(st.none() | st.integers(0, 100), st.integers(0, 50)), max_size=8), st.integers(0, 100))
def test_a_budget_is_never_exceeded_by_one_nano_and_charges_never_go_back(
    days: list[tuple[int | None, int]], before: int
) -> None:
    charges = month_charges([(Limits(budget=budget), accrued) for budget, accrued in days], before)
    so_far = [before, *accumulate(charges, initial=before)][1:]
    for (budget, accrued), charge, spent in zip(days, charges, so_far, strict=False):
        assert 0 <= charge <= accrued
        if budget is not None:
            assert charge == min(accrued, max(0, budget - spent))


# Through the whole of judging and rating.

QUARTERS = st.integers(0, 6 * 24 * 4).map(lambda quarters: at("2026-10-01T00:00Z") + quarters * timedelta(minutes=15))
COUNT = st.fixed_dictionaries(
    {
        "line_item_id": st.sampled_from(["li-1", "li-2", "li-9"]),
        "partner_id": st.sampled_from(["pub-1", "pub-2", "pub-3"]),
        "quarter_hour": QUARTERS,
        "device_type": st.sampled_from(["ctv", "mobile", None]),
        "country": st.sampled_from(["US", None]),
        "viewable": st.booleans(),
        "valid": st.sampled_from([True, True, True, False]),
        "impressions": st.integers(1, 9),
        "cost": st.sampled_from([None, "0.000000007", "0.031", "1.5"]),
        "delivery_day": st.integers(1, 8).map(lambda day: date(2026, 10, day)),
    }
)
COUNTS = st.lists(COUNT, max_size=14)
RATES = fx_rates(*((date(2026, 10, day), "EUR", "USD", "1.07") for day in range(1, 9)))
MULTIPLIERS = {
    "device_type": {"ctv": "1.25", "mobile": "0.8"},
    "country": {"US": "1.1"},
    "daypart": [{"days": ["mon", "thu", "fri"], "from": 6, "to": 18, "factor": "1.333333"}],
}
DECIMALS = st.sampled_from(["0.333333", "7", "1178.743290", "3413.98"])
BUDGETS = st.none() | st.sampled_from(["0.000001", "0.5", "3.3", "40"])
CAPS = st.none() | st.integers(1, 40)


@st.composite
def pricing(draw: st.DrawFn) -> Row:
    limits = {
        "impression_cap": draw(CAPS),
        "budget": draw(BUDGETS),
        "billable_on": draw(st.sampled_from(["served", "viewable"])),
    }
    given_ = {name: value for name, value in limits.items() if value is not None}
    if draw(st.integers(0, 3)) == 0:
        return {"model": "dcpm", "markup": "0.15"} | given_
    ends = draw(ENDS)
    rates = [draw(DECIMALS) for _ in range(len(ends) + 1)]
    mode = draw(st.sampled_from(["graduated", "volume"]))
    price = tiers(*zip([*ends, None], rates, strict=True), mode=mode)
    return price | given_ | ({"multipliers": MULTIPLIERS} if draw(st.booleans()) else {})


@st.composite
def contracts(draw: st.DrawFn) -> list[InForce]:
    change = draw(st.integers(2, 6))
    zone = draw(st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"]))
    more = {"timezone": zone, "currency": draw(st.sampled_from(["USD", "EUR"]))}
    share = term("share", {"model": "revenue_share", "share": "0.46"})
    return [
        brand(draw(pricing()), last=change - 1, **more),
        brand(draw(pricing()), version=2, first=change, **more),
        partner(term("all", draw(pricing())), timezone="Asia/Tokyo"),
        agreed("pub-2-2026", "partner", "pub-2", [share], currency="EUR"),
    ]


def of_term(made: Rated, contract: str) -> pl.DataFrame:
    return made.accruals.filter(contract_id=contract, kind="media")


def budgets(stretches: list[InForce], contract: str) -> list[int | None]:
    return [stretch.contract.terms[0].pricing.budget for stretch in stretches if stretch.contract.contract_id == contract]


@SLOW
@given(COUNTS, contracts())
def test_the_outcomes_of_every_delivery_day_add_up_on_both_sides(rows: list[Row], stretches: list[InForce]) -> None:
    made = [rated(rows, *stretches, rates=RATES, month=month) for month in (OCTOBER.previous, OCTOBER)]
    outcomes = pl.concat([month.outcomes for month in made])
    delivered: dict[Any, int] = {}
    for row in rows:
        delivered[row["delivery_day"]] = delivered.get(row["delivery_day"], 0) + row["impressions"]
    for side in ("advertiser", "partner"):
        sums = outcomes.filter(side=side).group_by("delivery_day").agg(pl.col("impressions").sum())
        assert dict(sums.iter_rows()) == delivered


@SLOW
@given(COUNTS, contracts())
def test_accruals_tie_to_outcomes_and_to_flights_and_no_limit_is_exceeded(rows: list[Row], stretches: list[InForce]) -> None:
    made = rated(rows, *stretches, rates=RATES)
    for contract, term_id in (("acme-1", "brand"), ("pub-1-2026", "all")):
        accruals = of_term(made, contract)
        billed = made.outcomes.filter(contract_id=contract, term_id=term_id, outcome="billed")["impressions"].sum()
        assert accruals["units"].sum() == billed
        flown_ = made.flights.filter(contract_id=contract, term_id=term_id)
        assert [(billed, accruals["amount"].sum())] == flown_.select("impressions", "charged").rows() or not billed
        limits = budgets(stretches, contract)
        if None not in limits:
            assert int(Decimal(accruals["amount"].sum() or 0) * NANO) <= max(
                limit * 1000 for limit in limits if limit is not None
            )
    assert made.accruals.filter(pl.col("amount") > pl.col("uncapped")).is_empty()
    assert made.missing_rates.is_empty()


@SLOW
@given(COUNTS, contracts(), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_the_day_of_their_delivery_change_no_accrual(
    rows: list[Row], stretches: list[InForce], chance: Any
) -> None:
    made = rated(rows, *stretches, rates=RATES)
    again = rated(chance.sample(rows, len(rows)), *stretches, rates=RATES)
    assert all(one.equals(other) for one, other in zip(made[:4], again[:4], strict=True))
    moved = [row | {"delivery_day": date(2026, 10, chance.randint(1, 8))} for row in rows]
    elsewhere = rated(moved, *stretches, rates=RATES)
    parted = rated([part for row in moved for part in _halves(row)], *stretches, rates=RATES)
    for one in (elsewhere, parted):
        assert one.accruals.equals(made.accruals)
        assert one.flights.equals(made.flights)
        assert one.outcome_sums() == made.outcome_sums()


def _halves(row: Row) -> Iterator[Row]:
    """The same impressions in two rows, the cost with the second."""
    first = row["impressions"] // 2
    if first:
        yield row | {"impressions": first, "cost": None}
    yield row | {"impressions": row["impressions"] - first}


@SLOW
@given(COUNTS, contracts())
def test_a_partner_s_share_comes_from_what_its_impressions_were_charged(rows: list[Row], stretches: list[InForce]) -> None:
    made = rated(rows, *stretches, rates=RATES)
    charged = made.of("advertiser").filter(partner_id="pub-2").group_by("billing_date", "line_item_id", maintain_order=True)
    sums = {tuple(key): (rows_["units"].sum(), rows_["amount"].sum()) for key, rows_ in charged}
    shares = made.of("partner", "revenue_share")
    found = {
        (on, line): (units, amount)
        for on, line, units, amount in shares.select("billing_date", "line_item_id", "units", "amount").iter_rows()
    }
    assert {key: units for key, (units, _) in found.items()} == {key: units for key, (units, _) in sums.items()}
    in_usd = stretches[0].contract.currency == "USD"
    rate = Fraction(100, 107) if in_usd else Fraction(1)
    for key, (_, amount) in found.items():
        exact = Fraction(sums[key][1]) * rate * Fraction(46, 100)
        assert abs(Fraction(amount) - exact) <= Fraction(20, NANO)  # two roundings for each of the groups, 18 at most


@SLOW
@given(COUNTS, contracts(), st.integers(0, 50), st.sampled_from(["0", "0.4", "5"]))
def test_a_flight_that_began_earlier_counts_towards_cap_and_budget(
    rows: list[Row], stretches: list[InForce], billed: int, charged: str
) -> None:
    before = flown(("acme-1", "brand", billed, charged))
    made = rated(rows, *stretches, rates=RATES, flights=before)
    limits = [stretch.contract.terms[0].pricing for stretch in stretches[:2]]
    caps, highest = [price.impression_cap for price in limits], budgets(stretches, "acme-1")
    (flight,) = made.flights.filter(contract_id="acme-1").select("impressions", "charged").rows()
    assert flight[0] == billed + of_term(made, "acme-1")["units"].sum()
    if None not in caps:
        assert flight[0] <= max(billed, *(cap for cap in caps if cap is not None))
    if None not in highest:
        assert flight[1] <= max(Decimal(charged), *(Decimal(limit) / 1_000_000 for limit in highest if limit is not None))


@SLOW
@given(COUNTS, st.integers(1, 40), st.sampled_from(["0.05", "0.2"]))
def test_two_months_under_one_flight_charge_what_one_flight_may(rows: list[Row], cap: int, budget: str) -> None:
    contract = frames(brand(cpm("10", impression_cap=cap, budget=budget), timezone="UTC"))
    later = [row | {"quarter_hour": row["quarter_hour"] + timedelta(days=31)} for row in rows]
    days = counts(*rows, *later)
    october = rated_media(days, contract)
    november = rated_media(days, contract, OCTOBER.next, flights=carried(october.flights))
    valid = sum(row["impressions"] for row in [*rows, *later] if row["valid"] and row["line_item_id"] != "li-9")
    billed = sum(made.outcome_sums().get("billed", 0) for made in (october, november))
    assert billed == min(cap, valid)
    charged = sum((made.accruals["amount"].sum() or Decimal(0)) for made in (october, november))
    assert charged == min(Decimal(budget), billed * Decimal("0.01"))
