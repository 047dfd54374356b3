"""Laws of the canonical form, over generated contracts."""

from __future__ import annotations

import json
from datetime import date, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contracts_io.contract import ContractDocumentError, canonical_json, content_hash, parse_document

texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), min_size=1, max_size=12).filter(
    lambda text: bool(text.strip()) and "\ufffe" not in text and "\uffff" not in text
)
amounts = st.decimals(0, 999_999_999, places=6).map(lambda value: f"{value:f}")
factors = st.decimals(0, 1000, places=6).map(lambda value: f"{value:f}")
shares = st.decimals(0, 1, places=4).map(lambda value: f"{value:f}")
days = st.dates(date(2026, 1, 1), date(2027, 12, 31))
counts = st.integers(1, 10**6)
durations = st.builds("{}{}".format, st.integers(0, 999), st.sampled_from("dh"))
delivered = st.sampled_from(["served", "viewable", "completed"])
names = st.lists(texts, min_size=1, max_size=3, unique=True)


def mapping(required: dict[str, Any], optional: dict[str, Any] | None = None) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(required, optional=optional or {})


def tiers(step: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    def build(mode: str, limits: list[int], steps: list[dict[str, Any]]) -> dict[str, Any]:
        bounded = [{**part, "up_to": limit} for part, limit in zip(steps, sorted(limits), strict=False)]
        return {"mode": mode, "steps": [*bounded, steps[-1]]}

    limits = st.lists(counts, max_size=3, unique=True)
    return st.builds(build, st.sampled_from(["graduated", "volume"]), limits, st.lists(step, min_size=4, max_size=4))


lookbacks = mapping({}, {"view": durations, "click": durations}).filter(bool)
multipliers = mapping(
    {"device_type": st.dictionaries(texts, factors, min_size=1, max_size=2)},
    {
        "country": st.dictionaries(st.sampled_from(["US", "NO", "DE"]), factors),
        "daypart": st.lists(
            mapping(
                {
                    "days": st.lists(st.sampled_from(["mon", "sun"]), min_size=1, max_size=2),
                    "from": st.integers(0, 11),
                    "to": st.integers(12, 24),
                    "factor": factors,
                }
            ),
            max_size=2,
        ),
    },
)
media = {"billable_on": delivered, "impression_cap": counts, "budget": amounts}
fees = mapping({"type": st.just("flat"), "amount": amounts}) | mapping(
    {"type": st.just("percent"), "rate": shares}, {"minimum": amounts}
)
cpa_steps = mapping({"amount": amounts}, {"flat_fee": amounts}) | mapping({"rate": shares})
pricings = st.one_of(
    mapping({"model": st.just("cpm"), "rate": amounts}, {**media, "multipliers": multipliers}),
    mapping({"model": st.just("cpm"), "tiers": tiers(mapping({"rate": amounts}, {"flat_fee": amounts}))}, media),
    mapping({"model": st.just("dcpm")}, {**media, "markup": factors}),
    mapping({"model": st.just("cpa"), "event": texts, "fee": fees}, {"monthly_cap": counts}),
    mapping({"model": st.just("cpa"), "event": texts, "tiers": tiers(cpa_steps)}),
)
eligibility = mapping(
    {},
    {
        "new_customers_only": st.booleans(),
        "countries": st.lists(st.sampled_from(["US", "NO", "DE"]), min_size=1, unique=True),
        "minimum_order_value": amounts,
        "excluded_coupons": st.lists(texts, max_size=2),
        "order_dedup_days": st.integers(0, 400),
        "eligible_when": st.sampled_from(["order_value >= 50", "country = 'NO'\n AND NOT new_customer"]),
    },
)
party = mapping({"id": texts, "name": texts, "country": st.sampled_from(["US", "NO"])}, {"address": texts, "tax_id": texts})


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    start = draw(days)
    end = start + timedelta(days=draw(st.integers(0, 400)))
    common = {
        "contract_id": draw(st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)),
        "party": draw(party),
        "currency": draw(st.sampled_from(["USD", "EUR", "JPY"])),
        "timezone": draw(st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York"])),
        "starts_on": str(start),
        "ends_on": draw(st.sampled_from([str(end), None])),
        "validation_days": draw(st.integers(0, 90)),
    }
    terms = [
        {"term_id": f"t{i}", "pricing": pricing}
        for i, pricing in enumerate(draw(st.lists(pricings, min_size=1, max_size=3)))
    ]
    if draw(st.booleans()):
        filters = mapping({}, {"line_items": names, "advertisers": names})
        more = draw(mapping({}, {"minimum_payout": amounts, "withholding": shares}))
        return {**common, **more, "side": "partner", "terms": [{**term, **draw(filters)} for term in terms]}
    attribution = mapping(
        {"model": st.sampled_from(["linear", "last_touch"]), "lookback": lookbacks}, {"view_basis": delivered}
    )
    optional = {"agency_commission": shares, "minimum_monthly": amounts, "eligibility": eligibility}
    more = draw(mapping({"attribution": attribution}, optional))
    return {
        **common,
        **more,
        "side": "advertiser",
        "terms": [{**term, "line_items": [f"li-{i}", f"1{i}"]} for i, term in enumerate(terms)],
    }


def as_yaml(value: Any, indent: str = "") -> str:
    """Block YAML, keys in reverse order, texts in double quotes."""
    if isinstance(value, dict) and value:
        parts = [
            f"{indent}{json.dumps(key, ensure_ascii=False)}:\n{as_yaml(value[key], indent + '  ')}"
            for key in reversed(value)
        ]
        return "".join(parts)
    if isinstance(value, list) and value:
        return "".join(f"{indent}-\n{as_yaml(part, indent + '  ')}" for part in value)
    return f"{indent}{json.dumps(value, ensure_ascii=False)}\n"


@given(contracts())
def test_the_canonical_text_gives_the_contract_back_and_is_its_own_canonical_text(document: dict[str, Any]) -> None:
    contract = parse_document(json.dumps(document), name="c.json")
    text = canonical_json(contract)
    again = parse_document(text, name="books")
    assert again == contract
    assert canonical_json(again) == text


@given(contracts())
def test_yaml_and_json_spellings_of_one_contract_have_one_hash(document: dict[str, Any]) -> None:
    by_json = parse_document(json.dumps(document, indent=1), name="c.json")
    by_yaml = parse_document(as_yaml(document), name="c.yaml")
    assert by_yaml == by_json
    assert content_hash(by_yaml) == content_hash(by_json)


def places(value: Any) -> list[tuple[Any, Any]]:
    """Every mapping or list of a document with each of its keys or places."""
    keys = list(value) if isinstance(value, dict) else list(range(len(value))) if isinstance(value, list) else []
    return [(value, key) for key in keys] + [found for key in keys for found in places(value[key])]


odd_values = st.recursive(
    st.sampled_from(
        [None, True, 0, -1, 10**20, 1.5, "", " ", "x", "cpa", "percent", "-1", "2026-10-05", "9999-12-31", "\x00"]
    ),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["model", "rate", "x", ""]), inner, max_size=2)
    ),
    max_leaves=3,
)


@given(contracts(), st.data())
def test_whatever_stands_in_a_field_the_answer_is_a_contract_or_its_problems(
    document: dict[str, Any], data: st.DataObject
) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        holder, key = data.draw(st.sampled_from(places(document)))
        holder[key] = data.draw(odd_values)
    try:
        contract = parse_document(json.dumps(document), name="c.json")
    except ContractDocumentError as error:
        assert error.problems
        assert all(problem.path and problem.found and problem.expected for problem in error.problems)
        assert len(str(error).splitlines()) == 1 + len(error.problems)
    else:
        assert parse_document(canonical_json(contract), name="books") == contract
