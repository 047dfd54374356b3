"""Every refusal of a single document, with the path of the field and what is expected."""

from __future__ import annotations

from typing import Any

import pytest
from contract_samples import ADVERTISER, LEFT_OUT, PARTNER, changed, problems

from contracts_io.contract import ContractDocumentError, Problem, parse_document

CPM = "terms.0.pricing"
CPA = "terms.1.pricing"
STEPS = [{"up_to": 10, "rate": "3"}, {"up_to": 20, "rate": "2"}, {"rate": "1"}]


def tiers(*steps: dict[str, Any]) -> dict[str, Any]:
    return {"mode": "volume", "steps": list(steps)}


# (rule, changes, path of the problem, words of what is expected)
FIELDS: list[tuple[str, list[tuple[str, Any]], str, str]] = [
    ("a missing id", [("contract_id", LEFT_OUT)], "contract_id", "letters, digits"),
    ("an id with a blank", [("contract_id", "acme 1")], "contract_id", "letters, digits"),
    ("an id that is too long", [("contract_id", "a" * 65)], "contract_id", "at most 64"),
    ("an id as a number", [("contract_id", 17)], "contract_id", 'quote it, write "17"'),
    ("an unknown side", [("side", "agency")], "side", "advertiser or partner"),
    ("an empty party id", [("party.id", " ")], "party.id", "text of 1 to 200 characters"),
    ("a party id as a number", [("party.id", 4711)], "party.id", 'quote it, write "4711"'),
    ("a name with a line break", [("party.name", "a\nb")], "party.name", "without control characters"),
    ("a country that is not one", [("party.country", "UK")], "party.country", "ISO 3166-1 alpha-2"),
    ("a country in small letters", [("party.country", "us")], "party.country", "ISO 3166-1 alpha-2"),
    ("an e-mail address without @", [("party.email", "billing")], "party.email", "e-mail address"),
    ("an IBAN with a wrong digit", [("party.bank.iban", "DE89370400440532013001")], "party.bank.iban", "check digits"),
    ("a BIC of another form", [("party.bank", {"account": "1", "bic": "X"})], "party.bank.bic", "8 or 11"),
    (
        "an account twice",
        [("party.bank", {"account": "1", "iban": "DE89370400440532013000"})],
        "party.bank",
        "either iban or account",
    ),
    ("a bank without an account", [("party.bank", {"bic": "COBADEFFXXX"})], "party.bank", "either iban or account"),
    ("an unknown currency", [("currency", "USX")], "currency", "ISO 4217"),
    ("gold as a currency", [("currency", "XAU")], "currency", "ISO 4217"),
    ("an unknown time zone", [("timezone", "America/Gotham")], "timezone", "IANA"),
    ("a day that is not in the calendar", [("starts_on", "2026-02-30")], "starts_on", "YYYY-MM-DD"),
    ("an instant as a day", [("starts_on", "2026-10-01T00:00:00")], "starts_on", "YYYY-MM-DD"),
    ("a far day for an open end", [("ends_on", "9999-12-31")], "ends_on", "null for an open end"),
    ("an end before the start", [("ends_on", "2026-09-30")], "ends_on", "not before starts_on"),
    ("effective before the start", [("effective_from", "2026-09-30")], "effective_from", "within the contract"),
    ("effective after the end", [("effective_from", "2027-10-01")], "effective_from", "to 2027-09-30"),
    ("a number of days as true", [("payment_terms_days", True)], "payment_terms_days", "a whole number of days"),
    ("negative days", [("validation_days", -1)], "validation_days", "from 0"),
    ("a share above 1", [("agency_commission", "1.000001")], "agency_commission", "from 0 to 1"),
    ("a share as a number", [("agency_commission", 0.15)], "agency_commission", 'write "0.15" in quotes'),
    ("an amount as a whole number", [("minimum_monthly", 500)], "minimum_monthly", 'write "500" in quotes'),
    ("a negative amount", [("minimum_monthly", "-5")], "minimum_monthly", "not negative"),
    ("an amount of a thousand million", [("minimum_monthly", "1000000000")], "minimum_monthly", "below 1,000,000,000"),
    ("seven decimals", [("minimum_monthly", "0.0000001")], "minimum_monthly", "at most 6 decimals"),
    ("an amount with separators", [("minimum_monthly", "1,000.00")], "minimum_monthly", "a decimal in quotes"),
    ("an amount with an exponent", [("minimum_monthly", "1e3")], "minimum_monthly", "a decimal in quotes"),
    ("a tax category that is none", [("tax", {"category": "X", "rate": "0"})], "tax.category", "EN 16931"),
    ("a tax rate above 1", [("tax", {"category": "S", "rate": "19"})], "tax.rate", "from 0 to 1"),
    ("a rate on what is exempt", [("tax", {"category": "E", "rate": "0.19"})], "tax.rate", "a rate of 0"),
    ("an unknown renewal mode", [("renewal", {"mode": "yes"})], "renewal.mode", "auto, manual or none"),
    ("a renewal without months", [("renewal", {"mode": "auto"})], "renewal.months", "as the mode is auto"),
    ("a renewal by no months", [("renewal", {"mode": "auto", "months": 0})], "renewal.months", "from 1 to 120"),
    ("an unknown attribution model", [("attribution.model", "magic")], "attribution.model", "position_based"),
    ("a lookback without a unit", [("attribution.lookback.view", "30")], "attribution.lookback.view", "Nd or Nh"),
    ("a lookback as a number", [("attribution.lookback.click", 7)], "attribution.lookback.click", "Nd or Nh"),
    (
        "a lookback of neither kind",
        [("attribution.lookback", {"view": None})],
        "attribution.lookback",
        "view, click or both",
    ),
    ("a lookback that is empty", [("attribution.lookback", {})], "attribution.lookback", "view, click or both"),
    ("time decay without half life", [("attribution.model", "time_decay")], "attribution.half_life", "time_decay"),
    ("half life without time decay", [("attribution.half_life", 7)], "attribution.half_life", "only time_decay"),
    ("an unknown view basis", [("attribution.view_basis", "seen")], "attribution.view_basis", "viewable"),
    ("yes for a boolean", [("attribution.click_over_view", "yes")], "attribution.click_over_view", "true or false"),
    ("no attribution for a cpa term", [("attribution", LEFT_OUT)], "attribution", "as terms[1] is cpa"),
    ("an unknown country of orders", [("eligibility.countries", ["US", "UK"])], "eligibility.countries[1]", "ISO 3166-1"),
    ("a country twice", [("eligibility.countries", ["US", "US"])], "eligibility.countries", '"US" is repeated'),
    ("an empty expression", [("eligibility.eligible_when", "  ")], "eligibility.eligible_when", "2,000 characters"),
    ("a long expression", [("eligibility.eligible_when", "a" * 2001)], "eligibility.eligible_when", "2,000 characters"),
    (
        "an expression that does not parse",
        [("eligibility.eligible_when", "order_value >")],
        "eligibility.eligible_when",
        "a condition on event, order_value",
    ),
    (
        "an expression over another column",
        [("eligibility.eligible_when", "household_id = 'h'")],
        "eligibility.eligible_when",
        "one of the columns event, order_value, country",
    ),
    (
        "an expression of mixed kinds",
        [("eligibility.eligible_when", "order_value > 'x'")],
        "eligibility.eligible_when",
        "values of one kind",
    ),
    (
        "a partner overridden twice",
        [("partner_overrides", [{"partner_id": "p"}, {"partner_id": "p", "excluded": True}])],
        "partner_overrides[1].partner_id",
        "no override before this one names",
    ),
    (
        "an override's lookback of neither kind",
        [("partner_overrides", [{"partner_id": "p", "lookback": {"click": None}}])],
        "partner_overrides[0].lookback",
        "view, click or both",
    ),
    ("no terms", [("terms", [])], "terms", "not empty"),
    ("terms as a mapping", [("terms", {"a": 1})], "terms", "a list of terms"),
    ("a term id twice", [("terms.1.term_id", "brand")], "terms[1].term_id", "terms[0] has this one"),
    ("an advertiser's term without line items", [("terms.0.line_items", LEFT_OUT)], "terms[0].line_items", "the line items"),
    ("a term with no line item", [("terms.0.line_items", [])], "terms[0].line_items", "not empty"),
    ("a line item twice in a term", [("terms.0.line_items", ["a", "a"])], "terms[0].line_items", '"a" is repeated'),
    ("a line item as a number", [("terms.0.line_items", ["a", 100])], "terms[0].line_items[1]", 'write "100"'),
    ("a term before the contract", [("terms.0.starts_on", "2026-09-30")], "terms[0].starts_on", "within the contract"),
    ("a term that starts after it", [("terms.0.starts_on", "2027-10-01")], "terms[0].starts_on", "within the contract"),
    ("a term that ends before it", [("terms.0.ends_on", "2026-09-30")], "terms[0].ends_on", "within the contract"),
    (
        "a term that ends before it starts",
        [("terms.0.starts_on", "2026-11-02"), ("terms.0.ends_on", "2026-11-01")],
        "terms[0].ends_on",
        "not before the term's starts_on, 2026-11-02",
    ),
    ("no pricing", [("terms.0.pricing", LEFT_OUT)], "terms[0].pricing", "a mapping with a model"),
    ("pricing without a model", [(f"{CPM}.model", LEFT_OUT)], "terms[0].pricing.model", "cpm, cpa, dcpm or revenue_share"),
    ("an unknown pricing model", [(f"{CPM}.model", "cpc")], "terms[0].pricing.model", "cpm, cpa, dcpm or revenue_share"),
    ("neither rate nor tiers", [(f"{CPM}.rate", LEFT_OUT)], "terms[0].pricing", "either rate or tiers"),
    ("both rate and tiers", [(f"{CPM}.tiers", tiers(*STEPS))], "terms[0].pricing", "either rate or tiers"),
    ("both fee and tiers", [(f"{CPA}.tiers", tiers({"amount": "1"}))], "terms[1].pricing", "either fee or tiers"),
    ("a rate as a number", [(f"{CPM}.rate", 32.5)], "terms[0].pricing.rate", 'write "32.5" in quotes'),
    (
        "unknown billable_on",
        [(f"{CPM}.billable_on", "seen")],
        "terms[0].pricing.billable_on",
        "served, viewable or completed",
    ),
    ("a cap of 0", [(f"{CPM}.impression_cap", 0)], "terms[0].pricing.impression_cap", "from 1"),
    ("a cap with a fraction", [(f"{CPM}.impression_cap", 1.5)], "terms[0].pricing.impression_cap", "a whole number"),
    ("a negative budget", [(f"{CPM}.budget", "-1")], "terms[0].pricing.budget", "not negative"),
    (
        "a factor for no country",
        [(f"{CPM}.multipliers.country", {"UK": "1"})],
        "terms[0].pricing.multipliers.country.UK",
        "ISO",
    ),
    (
        "a factor as a number",
        [(f"{CPM}.multipliers.device_type", {"ctv": 2})],
        "terms[0].pricing.multipliers.device_type.ctv",
        'write "2" in quotes',
    ),
    ("no factors", [(f"{CPM}.multipliers", {"daypart": []})], "terms[0].pricing.multipliers", "at least one factor"),
    ("an unknown fee type", [(f"{CPA}.fee.type", "share")], "terms[1].pricing.fee.type", "flat or percent"),
    (
        "a percent rate above 1",
        [(f"{CPA}.fee", {"type": "percent", "rate": "8"})],
        "terms[1].pricing.fee.rate",
        "from 0 to 1",
    ),
    (
        "a maximum below the minimum",
        [(f"{CPA}.fee", {"type": "percent", "rate": "0.1", "minimum": "5", "maximum": "4.99"})],
        "terms[1].pricing.fee.maximum",
        "not below the minimum",
    ),
    ("a monthly cap of 0", [(f"{CPA}.monthly_cap", 0)], "terms[1].pricing.monthly_cap", "from 1"),
    (
        "revenue share of an advertiser",
        [(CPM, {"model": "revenue_share", "share": "1"})],
        "terms[0].pricing.model",
        "only a partner",
    ),
    ("advertisers of an advertiser", [("terms.0.advertisers", ["a"])], "terms[0].advertisers", "only a partner's term"),
    ("an advertiser's minimum payout", [("minimum_payout", "50.00")], "minimum_payout", "only a contract of side partner"),
    ("an advertiser's withholding", [("withholding", "0")], "withholding", "only a contract of side partner"),
    (
        "two terms on one line item",
        [("terms.1.line_items", ["li-1"])],
        "terms[1].line_items",
        "on 2026-10-01; terms[0] does",
    ),
]


@pytest.mark.parametrize(("rule", "changes", "path", "expected"), FIELDS, ids=[row[0] for row in FIELDS])
def test_refused_with_path_and_what_is_expected(rule: str, changes: list[tuple[str, Any]], path: str, expected: str) -> None:
    found = problems(ADVERTISER, *changes)
    assert [problem.path for problem in found] == [path], rule
    assert expected in found[0].expected
    assert found[0].found
    assert found[0].example


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("agency_commission", "0.15"),
        ("minimum_monthly", "0"),
        ("tax", {"category": "S", "rate": "0.19"}),
        ("attribution", ADVERTISER["attribution"]),
        ("eligibility", {"order_dedup_days": 30}),
        ("partner_overrides", [{"partner_id": "p"}]),
    ],
)
def test_what_only_an_advertiser_has_is_refused_of_a_partner(key: str, value: Any) -> None:
    found = problems(PARTNER, (key, value))
    assert [problem.path for problem in found] == [key]
    assert found[0].expected == f"no {key}: only a contract of side advertiser has one"


@pytest.mark.parametrize(
    ("steps", "path", "expected"),
    [
        ([STEPS[1], STEPS[0], STEPS[2]], "[1].up_to", "more than 20: steps ascend"),
        ([STEPS[0], STEPS[0], STEPS[2]], "[1].up_to", "more than 10: steps ascend"),
        ([STEPS[0], STEPS[1]], "[1].up_to", "no up_to: the last step is open"),
        ([STEPS[2], STEPS[2]], "[0].up_to", "only the last step has none"),
        ([{"up_to": 0, "rate": "1"}, STEPS[2]], "[0].up_to", "from 1"),
        ([STEPS[0], {}], "[1].rate", "the step's price per 1,000 impressions"),
        ([STEPS[0], {"rate": "1", "amount": "1"}], "[1].amount", "a step of a cpm term has a rate"),
        ([], "", "not empty"),
    ],
)
def test_the_steps_of_a_tier_ascend_and_the_last_is_open(steps: list[dict[str, Any]], path: str, expected: str) -> None:
    found = problems(ADVERTISER, (CPM, {"model": "cpm", "tiers": tiers(*steps)}))
    assert [problem.path for problem in found] == [f"terms[0].pricing.tiers.steps{path}"]
    assert expected in found[0].expected


@pytest.mark.parametrize(
    ("step", "path", "expected"),
    [
        ({"flat_fee": "1"}, "", "either amount or rate"),
        ({"amount": "1", "rate": "0.1"}, "", "either amount or rate"),
        ({"rate": "1.01"}, ".rate", "from 0 to 1"),
    ],
)
def test_a_step_of_a_cpa_term_has_an_amount_or_a_share(step: dict[str, Any], path: str, expected: str) -> None:
    found = problems(ADVERTISER, (CPA, {"model": "cpa", "event": "purchase", "tiers": tiers(step)}))
    assert [problem.path for problem in found] == [f"terms[1].pricing.tiers.steps[0]{path}"]
    assert expected in found[0].expected


@pytest.mark.parametrize(
    ("change", "path", "expected"),
    [
        ({"days": ["monday"]}, "days[0]", "mon, tue"),
        ({"days": []}, "days", "not empty"),
        ({"from": -1}, "from", "from 0 to 23"),
        ({"to": 25}, "to", "from 1 to 24"),
        ({"from": 22, "to": 6}, "to", "two dayparts"),
        ({"from": 6, "to": 6}, "to", "after from, which is 6"),
        ({"factor": "-1"}, "factor", "from 0 to 1,000"),
        ({"factor": None}, "factor", "a decimal in quotes"),
    ],
)
def test_a_daypart_has_days_hours_and_a_factor(change: dict[str, Any], path: str, expected: str) -> None:
    part = {"days": ["mon"], "from": 18, "to": 23, "factor": "1.5", **change}
    found = problems(ADVERTISER, (f"{CPM}.multipliers", {"daypart": [part]}))
    assert [problem.path for problem in found] == [f"terms[0].pricing.multipliers.daypart[0].{path}"]
    assert expected in found[0].expected


@pytest.mark.parametrize(
    ("path", "key", "closest"),
    [
        ("", "agency_comission", "agency_commission"),
        ("party", "adress", "address"),
        ("party.address", "town_street", "street"),
        ("attribution.lookback", "views", "view"),
        ("terms.0", "line_item", "line_items"),
        ("terms.0.pricing", "ratee", "rate"),
        ("terms.1.pricing.fee", "amout", "amount"),
    ],
)
def test_an_unknown_key_is_refused_with_the_closest_known_one(path: str, key: str, closest: str) -> None:
    found = problems(ADVERTISER, (f"{path}.{key}".removeprefix("."), "x"))
    assert [problem.path for problem in found] == [
        f"{path}.{key}".removeprefix(".").replace(".0", "[0]").replace(".1", "[1]")
    ]
    assert found[0].found == f'the unknown key "{key}"'
    assert found[0].expected == f'a known key; the closest is "{closest}"'
    assert found[0].example.startswith(f"{closest}: ")


def test_an_unknown_key_without_a_value_is_refused_too() -> None:
    assert [problem.path for problem in problems(ADVERTISER, ("minimum_montly", None))] == ["minimum_montly"]


def test_a_key_of_another_pricing_model_is_unknown() -> None:
    found = problems(ADVERTISER, ("terms.1.pricing.budget", "1"))
    assert [(problem.path, problem.found) for problem in found] == [("terms[1].pricing.budget", 'the unknown key "budget"')]


def test_odd_characters_of_a_file_do_not_reach_the_terminal() -> None:
    (problem,) = problems(ADVERTISER, ("\x1b[31m", "x"))
    assert problem.path == "\\u001b[31m"
    assert str(problem).isprintable()


def test_all_problems_of_a_document_are_reported_at_once() -> None:
    document = changed(
        ADVERTISER,
        ("currency", "USX"),
        ("ends_on", "2026-09-30"),
        ("terms.0.pricing.rate", "-1"),
        ("terms.1.line_items", ["li-1"]),
        ("minimum_montly", "5.00"),
    )
    found = problems(document)
    assert {problem.path for problem in found} == {
        "currency",
        "ends_on",
        "terms[0].pricing.rate",
        "minimum_montly",
    }
    found = problems(changed(document, ("ends_on", None), ("attribution.half_life", 3)))
    assert {problem.path for problem in found} == {
        "currency",
        "terms[0].pricing.rate",
        "terms[1].line_items",
        "minimum_montly",
        "attribution.half_life",
    }


def test_a_refusal_has_a_headline_and_one_line_for_each_problem() -> None:
    text = "contract_id: acme-1\nside: partner\nparty: {id: acme, name: Acme, country: NO}\ncurrency: USX\ntimezone: UTC\n"
    terms = "starts_on: 2026-10-01\nterms:\n- term_id: a\n  pricing: {model: revenue_share, share: 0.70}\n"
    with pytest.raises(ContractDocumentError) as caught:
        parse_document(text + terms, name="acme.yaml")
    assert str(caught.value).splitlines() == [
        "acme.yaml: the contract document has 2 problems",
        '  currency: found "USX"; expected a currency as ISO 4217; for example USD',
        "  terms[0].pricing.share: found 0.70; expected a decimal in quotes from 0 to 1, with at most 6 decimals: "
        'write "0.70" in quotes; for example "0.70"',
    ]
    assert caught.value.problems[0] == Problem("currency", '"USX"', "a currency as ISO 4217", "USD")


def test_line_items_may_meet_where_days_do_not() -> None:
    apart = [("terms.0.ends_on", "2026-10-31"), ("terms.1.starts_on", "2026-11-01"), ("terms.1.line_items", ["li-1"])]
    assert problems(ADVERTISER, *apart) == ()
    (problem,) = problems(ADVERTISER, *apart, ("terms.0.ends_on", "2026-11-01"))
    assert "on 2026-11-01; terms[0] does" in problem.expected


def test_cpa_terms_with_different_events_may_share_a_line_item() -> None:
    second = {
        "term_id": "signups",
        "line_items": ["li-2"],
        "pricing": {"model": "cpa", "event": "signup", "fee": {"type": "flat", "amount": "1"}},
    }
    assert problems(ADVERTISER, ("terms.2", second)) == ()
    found = problems(ADVERTISER, ("terms.2", second), ("terms.2.pricing.event", "purchase"))
    assert [problem.path for problem in found] == ["terms[2].line_items"]


def test_cpa_terms_for_one_event_may_stand_on_different_line_items() -> None:
    assert problems(ADVERTISER, ("terms.2", {**ADVERTISER["terms"][1], "term_id": "more", "line_items": ["li-3"]})) == ()


@pytest.mark.parametrize(
    ("share", "priced", "refused"),
    [
        ({}, {}, True),
        ({"advertisers": ["a"]}, {}, True),
        ({"advertisers": ["a", "b"]}, {"advertisers": ["b"]}, True),
        ({"advertisers": ["a"]}, {"advertisers": ["b"]}, False),
        ({"advertisers": ["a"]}, {"line_items": ["li"]}, True),
        ({"advertisers": ["a"], "line_items": ["x"]}, {"advertisers": ["a"], "line_items": ["y"]}, False),
        ({"ends_on": "2026-10-31"}, {"starts_on": "2026-11-01"}, False),
        ({"ends_on": "2026-10-31"}, {"starts_on": "2026-10-31"}, True),
    ],
)
@pytest.mark.parametrize("pricing", [{"model": "cpm", "rate": "5"}, {"model": "dcpm"}])
def test_a_revenue_share_and_a_price_may_not_match_one_impression(
    share: dict[str, Any], priced: dict[str, Any], pricing: dict[str, Any], refused: bool
) -> None:
    terms = [{**PARTNER["terms"][0], **share}, {"term_id": "priced", **priced, "pricing": pricing}]
    for order in (terms, terms[::-1]):
        assert [problem.path for problem in problems(PARTNER, ("terms", order))] == (["terms[1]"] if refused else [])


def test_a_revenue_share_stands_beside_cpa_terms() -> None:
    cpa = {"term_id": "cpa", "pricing": {"model": "cpa", "event": "purchase", "fee": {"type": "flat", "amount": "1"}}}
    assert problems(PARTNER, ("terms.1", cpa)) == ()


def test_an_expression_is_refused_with_the_piece_and_its_place_beside_all_other_problems() -> None:
    expression = "order_value >= 50 AND contry = 'US'"
    found = problems(ADVERTISER, ("eligibility", {"eligible_when": expression, "countries": ["UK"]}), ("currency", "USX"))
    assert {problem.path for problem in found} == {"currency", "eligibility.countries[0]", "eligibility.eligible_when"}
    (problem,) = [problem for problem in found if problem.path == "eligibility.eligible_when"]
    assert str(problem) == (
        'eligibility.eligible_when: found "contry" is not a column of a condition (character 23); expected one of the columns '
        "event, order_value, country, category, coupon, new_customer, order_id; "
        "for example \"order_value >= 50 AND country = 'US'\""
    )


@pytest.mark.parametrize("number", [-5, 10**9, 0.1234567])
def test_a_number_that_would_be_refused_in_quotes_too_is_not_told_to_be_quoted(number: float) -> None:
    (found,) = problems(ADVERTISER, ("minimum_monthly", number))
    assert "write" not in found.expected
    assert found.example == '"5000.00"'


@pytest.mark.parametrize("term", [None, 1, "x", []])
def test_what_stands_in_the_place_of_a_term_is_told_that_it_is_one_of_a_list(term: object) -> None:
    (found,) = problems(ADVERTISER, ("terms", [term]))
    assert (found.path, found.expected) == ("terms[0]", "an element of a list of terms, not empty")
