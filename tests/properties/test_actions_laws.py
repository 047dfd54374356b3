"""Laws of action rating, held against fees calculated one conversion at a time."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any

import polars as pl
from billing_samples import DAY, NOON, advertiser, flat, frames, fx_rates, partner, percent, rows_of, term
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.calendar import Month
from contracts_io.contract import InForce
from contracts_io.money import divide_half_up, parse_scaled
from pipelines.actions import RatedActions, rate_actions

Row = dict[str, Any]
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
MILLION = 1_000_000

AMOUNTS = st.decimals(min_value=0, max_value=1000, places=6, allow_nan=False).map("{:f}".format)
SHARES = st.decimals(min_value=0, max_value=1, places=6, allow_nan=False).map("{:f}".format)
LIMITS = st.tuples(AMOUNTS, AMOUNTS).map(lambda two: sorted(two, key=Decimal))
VALUES = st.one_of(st.none(), st.decimals(min_value=0, max_value=10**9, places=9, allow_nan=False).map("{:f}".format))


@st.composite
def pricing(draw: st.DrawFn) -> Row:
    if draw(st.booleans()):
        return flat(draw(AMOUNTS))
    low, high = draw(LIMITS)
    kept = draw(st.sampled_from([{}, {"minimum": low}, {"maximum": high}, {"minimum": low, "maximum": high}]))
    return percent(draw(SHARES), **kept)


@st.composite
def credits(draw: st.DrawFn) -> list[int]:
    """The shares of one conversion, which add up to a million."""
    cuts = sorted(draw(st.lists(st.integers(1, MILLION - 1), max_size=3, unique=True)))
    return [high - low for low, high in zip([0, *cuts], [*cuts, MILLION], strict=True)]


WORLD = st.lists(st.tuples(VALUES, credits()), max_size=6)


def events(world: list[tuple[str | None, list[int]]]) -> tuple[list[Row], list[Row]]:
    """Conversions with ids, and a touch by pub-1 or pub-2 in turn for each share."""
    conversions = [{"conversion_id": f"c{n}", "value": value, "contract_value": value} for n, (value, _) in enumerate(world)]
    shares = [
        {"conversion_id": f"c{n}", "touch_id": f"t{k}", "partner_id": f"pub-{k % 2 + 1}", "credit": credit}
        for n, (_, of_conversion) in enumerate(world)
        for k, credit in enumerate(of_conversion)
    ]
    return conversions, shares


def rated(conversions: list[Row], shares: list[Row], *agreed: InForce) -> RatedActions:
    of = rows_of("attributions", conversions).lazy(), rows_of("attribution_credits", shares).lazy()
    return rate_actions(*of, frames(*agreed), fx_rates(), Month.of(DAY))


def fee(priced: Row, value: str | None) -> int:
    """The fee in nanos."""
    terms = priced["fee"]
    if terms["type"] == "flat":
        return parse_scaled(terms["amount"], 9)
    share = divide_half_up(parse_scaled(value or "0", 9) * parse_scaled(terms["rate"], 6), MILLION)
    share = max(share, parse_scaled(terms.get("minimum", "0"), 9))
    return min(share, parse_scaled(terms["maximum"], 9)) if "maximum" in terms else share


def sums(made: RatedActions) -> dict[str, int]:
    rows = made.accruals.group_by("contract_id").agg(pl.col("amount").sum()).iter_rows()
    return {contract_id: int(amount.scaleb(9)) for contract_id, amount in rows}


@SLOW
@given(WORLD, pricing(), pricing())
def test_accruals_are_the_fees_of_single_conversions_times_their_credit(
    world: list[tuple[str | None, list[int]]], charged: Row, paid: Row
) -> None:
    conversions, shares = events(world)
    contracts = [advertiser(term("sale", charged, "li-1")), partner(term("all", paid))]
    expected: Counter[str] = Counter()
    for value, of_conversion in world:
        expected["acme-1"] += fee(charged, value)
        expected["pub-1-2026"] += divide_half_up(fee(paid, value) * sum(of_conversion[::2]), MILLION)
    assert sums(rated(conversions, shares, *contracts)) == dict(expected)


@SLOW
@given(WORLD, pricing())
def test_how_credit_is_split_changes_nothing_for_the_advertiser(
    world: list[tuple[str | None, list[int]]], charged: Row
) -> None:
    contract = advertiser(term("sale", charged, "li-1"))
    whole = [(value, [MILLION]) for value, _ in world]
    assert rated(*events(world), contract).accruals.equals(rated(*events(whole), contract).accruals)


@SLOW
@given(WORLD, pricing())
def test_partners_on_one_price_together_get_the_fee_but_for_half_a_nano_each(
    world: list[tuple[str | None, list[int]]], priced: Row
) -> None:
    partners = [partner(term("all", priced), contract_id=f"of-pub-{n}", party=f"pub-{n}") for n in (1, 2)]
    made = sums(rated(*events(world), advertiser(term("sale", priced, "li-1")), *partners))
    charged = made.pop("acme-1", 0)
    assert abs(charged - sum(made.values())) <= len(world)


@SLOW
@given(WORLD, pricing(), st.randoms(use_true_random=False))
def test_the_order_of_conversions_and_credits_is_irrelevant(
    world: list[tuple[str | None, list[int]]], priced: Row, chance: Any
) -> None:
    conversions, shares = events(world)
    contracts = [advertiser(term("sale", priced, "li-1")), partner(term("all", priced))]
    made = rated(conversions, shares, *contracts)
    again = rated(chance.sample(conversions, len(conversions)), chance.sample(shares, len(shares)), *contracts)
    assert made.accruals.equals(again.accruals)


@st.composite
def tiers(draw: st.DrawFn) -> list[tuple[int | None, int]]:
    """Steps of (last unit, amount in whole dollars)."""
    ends = sorted(draw(st.lists(st.integers(1, 12), max_size=3, unique=True)))
    return [(end, draw(st.integers(0, 50))) for end in [*ends, None]]


def tiered(mode: str, steps: list[tuple[int | None, int]], cap: int | None) -> Row:
    parts = [{"amount": str(amount)} | ({"up_to": end} if end else {}) for end, amount in steps]
    return {"model": "cpa", "event": "purchase", "tiers": {"mode": mode, "steps": parts}, "monthly_cap": cap}


def price(steps: list[tuple[int | None, int]], place: int) -> int:
    return next(amount for end, amount in steps if end is None or place <= end)


PLACES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4)), max_size=14)
CAPS = st.one_of(st.none(), st.integers(1, 12))


def placed(places: list[tuple[int, int]]) -> list[Row]:
    """Conversions at the given minutes, of version 2 from minute 3 on, many of them at one instant."""
    return [
        {"conversion_id": f"c{tie}-{n}", "event_time": NOON + timedelta(minutes=at), "version": 1 if at < 3 else 2}
        for n, (at, tie) in enumerate(places)
    ]


def versions(*priced: Row) -> list[InForce]:
    # Which version judged a conversion stands in its attribution; the days here only part the two.
    first, second = (term("sale", pricing, "li-1") for pricing in priced)
    return [advertiser(first, last=DAY), advertiser(second, version=2, first=DAY + timedelta(days=1))]


@SLOW
@given(PLACES, tiers(), tiers(), CAPS, CAPS, st.sampled_from(["graduated", "volume"]), st.randoms(use_true_random=False))
def test_caps_and_steps_are_those_of_walking_through_the_month_unit_by_unit(
    places: list[tuple[int, int]],
    one: list[tuple[int | None, int]],
    two: list[tuple[int | None, int]],
    cap_1: int | None,
    cap_2: int | None,
    mode: str,
    chance: Any,
) -> None:
    conversions = placed(places)
    shares = [{"conversion_id": row["conversion_id"]} for row in conversions]
    agreed = versions(tiered(mode, one, cap_1), tiered(mode, two, cap_2))
    made = rated(chance.sample(conversions, len(conversions)), chance.sample(shares, len(shares)), *agreed)
    expected: dict[str, int | None] = {}
    charged: list[Row] = []
    for row in sorted(conversions, key=lambda row: (row["event_time"], row["conversion_id"])):
        cap = (cap_1, cap_2)[row["version"] - 1]
        expected[row["conversion_id"]] = None
        if cap is None or len(charged) < cap:
            charged.append(row)
    for place, row in enumerate(charged, start=1):
        reached = place if mode == "graduated" else len(charged)
        expected[row["conversion_id"]] = price((one, two)[row["version"] - 1], reached)
    assert dict(made.units.select("conversion_id", "amount").iter_rows()) == expected


@SLOW
@given(st.integers(0, 14), tiers(), CAPS)
def test_one_more_unit_never_costs_less_under_graduated_tiers(
    count: int, steps: list[tuple[int | None, int]], cap: int | None
) -> None:
    contract = advertiser(term("sale", tiered("graduated", steps, cap), "li-1"))
    fewer, more = (
        sums(rated(rows, [{"conversion_id": row["conversion_id"]} for row in rows], contract)).get("acme-1", 0)
        for rows in (placed([(0, 0)] * count), placed([(0, 0)] * (count + 1)))
    )
    assert fewer <= more


@SLOW
@given(WORLD, st.lists(pricing(), min_size=2, max_size=2), st.integers(1, 4), CAPS)
def test_partners_are_never_paid_on_more_credit_than_was_charged(
    world: list[tuple[str | None, list[int]]], prices: list[Row], cap: int, paid_cap: int | None
) -> None:
    conversions, shares = events(world)
    halves = [share | ({"term_id": "b", "line_item_id": "li-2"} if n % 2 else {}) for n, share in enumerate(shares)]
    agreed = [
        advertiser(term("sale", prices[0] | {"monthly_cap": cap}, "li-1"), term("b", prices[1], "li-2")),
        *(
            partner(
                term("one", prices[1] | {"monthly_cap": paid_cap}, "li-1"),
                term("rest", prices[0]),
                contract_id=f"of-pub-{n}",
                party=f"pub-{n}",
            )
            for n in (1, 2)
        ),
    ]
    made = rated(conversions, halves, *agreed)
    assert all(len(made.units.filter(term_id="sale", position=place)) <= 1 for place in range(1, cap + 1))
    assert made.units.filter(term_id="sale")["position"].count() <= cap
    paid: Counter[str] = Counter()
    for row in made.units.filter(side="partner").to_dicts():
        paid[row["conversion_id"]] += row["credit"]
    charged = dict(made.charged.select("conversion_id", "credit").iter_rows())
    assert paid == charged  # every share is by pub-1 or pub-2, and both pay on all
