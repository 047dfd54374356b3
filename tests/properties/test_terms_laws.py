from __future__ import annotations

from datetime import date, timedelta
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from contracts_io.contract import Contract, Cpa, InForce, parse_document
from contracts_io.terms import OPEN_END, AttributionTerms, terms_in_force

DAY_0 = date(2026, 10, 1)
DAYS = [DAY_0 + timedelta(days=n) for n in range(30)]
DOCUMENT = """
contract_id: ID
side: advertiser
party: {id: ID, name: Acme, country: US}
currency: USD
timezone: UTC
starts_on: 2026-10-01
attribution: {model: last_touch, lookback: {view: 30d, click: 7d}}
terms:
- {term_id: brand, line_items: [ID-1], pricing: {model: cpm, rate: "32.50"}}
- {term_id: sale, line_items: [ID-2], pricing: {model: cpa, event: purchase, fee: {type: flat, amount: "12"}}}
- {term_id: signup, line_items: [ID-3], pricing: {model: cpa, event: signup, fee: {type: flat, amount: "2"}}}
"""


@cache
def template(contract_id: str) -> Contract:
    return parse_document(DOCUMENT.replace("ID", contract_id), name=f"{contract_id}.yaml")


day = st.integers(0, 29).map(lambda n: DAY_0 + timedelta(days=n))
spans = st.tuples(day, st.none() | st.integers(0, 10)).map(
    lambda span: (span[0], None if span[1] is None else span[0] + timedelta(days=span[1]))
)


@st.composite
def worlds(draw: st.DrawFn) -> list[InForce]:
    stretches = []
    for contract_id in draw(st.lists(st.sampled_from("abc"), unique=True)):
        contract = template(contract_id)
        days = [draw(spans) for _ in contract.terms]
        terms = tuple(
            term.model_copy(update={"starts_on": first, "ends_on": last})
            for term, (first, last) in zip(contract.terms, days, strict=True)
        )
        stretches.append(InForce(contract.model_copy(update={"terms": terms}), draw(st.integers(1, 3)), *draw(spans)))
    return stretches


def holding(stretches: list[InForce], on: date) -> set[tuple[str, int, str]]:
    """Contract, version and term in force on a day, by the rule and day by day."""
    return {
        (stretch.contract.contract_id, stretch.version, term.term_id)
        for stretch in stretches
        for term in stretch.contract.terms
        if stretch.first <= on <= (stretch.last or OPEN_END) and (term.starts_on or on) <= on <= (term.ends_on or OPEN_END)
    }


def actions(stretches: list[InForce], on: date) -> set[tuple[str, int, str]]:
    by_action = {
        (s.contract.contract_id, s.version, t.term_id)
        for s in stretches
        for t in s.contract.terms
        if isinstance(t.pricing, Cpa)
    }
    return holding(stretches, on) & by_action


@given(worlds())
def test_the_terms_frame_says_of_every_day_what_is_in_force(stretches: list[InForce]) -> None:
    terms = terms_in_force(stretches).terms
    for on in DAYS:
        found = (
            terms.filter(terms["first_on"] <= on, terms["last_on"] >= on).select("contract_id", "version", "term_id").rows()
        )
        assert len(found) == len(set(found))
        assert set(found) == holding(stretches, on)


@given(worlds(), worlds(), day, st.integers(0, 5))
def test_the_fingerprint_of_a_window_is_the_same_exactly_where_its_days_have_the_same_terms(
    one: list[InForce], other: list[InForce], first: date, length: int
) -> None:
    last = first + timedelta(days=length)
    window = [first + timedelta(days=n) for n in range(length + 1)]
    same = all(actions(one, on) == actions(other, on) for on in window)
    assert (AttributionTerms(one).fingerprint(first, last) == AttributionTerms(other).fingerprint(first, last)) == same


@given(worlds().flatmap(lambda world: st.tuples(st.just(world), st.permutations(world))), day, st.integers(0, 5))
def test_the_order_of_contracts_does_not_matter(
    worlds: tuple[list[InForce], list[InForce]], first: date, length: int
) -> None:
    last = first + timedelta(days=length)
    one, other = (AttributionTerms(world) for world in worlds)
    assert one.fingerprint(first, last) == other.fingerprint(first, last)
    assert one.longest_lookback(first, last) == other.longest_lookback(first, last)


@given(worlds(), day, st.integers(0, 5))
def test_a_window_in_which_a_conversion_can_be_attributed_has_the_lookback(
    stretches: list[InForce], first: date, length: int
) -> None:
    last = first + timedelta(days=length)
    if any(actions(stretches, first + timedelta(days=n)) for n in range(length + 1)):
        assert AttributionTerms(stretches).longest_lookback(first, last) == timedelta(days=30)
