from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from contract_samples import ADVERTISER, LEFT_OUT, PARTNER, changed, problems
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from test_contract import FULL
from test_contract_laws import contracts
from test_contract_refusals import FIELDS

from contracts_io.contract_model import Contract
from contracts_io.contract_schema import json_schema
from contracts_io.contract_text import read_tree

CASES = Path(__file__).parents[2] / "cases"
DOCUMENTS = sorted(path for folder in ("contracts", "amendments") for path in CASES.glob(f"*/{folder}/*.json"))
# What is refused by reading the values, or by comparing fields or terms: more than a schema can say.
BEYOND_A_SCHEMA = {
    "an IBAN with a wrong digit",
    "an unknown time zone",
    "a day that is not in the calendar",
    "an end before the start",
    "effective before the start",
    "effective after the end",
    "an expression that does not parse",
    "an expression over another column",
    "an expression of mixed kinds",
    "a maximum below the minimum",
    "a partner overridden twice",
    "a term id twice",
    "a term before the contract",
    "a term that starts after it",
    "a term that ends before it",
    "a term that ends before it starts",
    "two terms on one line item",
}


@cache
def validator() -> Draft202012Validator:
    return Draft202012Validator(json_schema())


def refused(document: dict[str, Any]) -> list[str]:
    return [error.message for error in validator().iter_errors(json.loads(json.dumps(document)))]


def tree(text: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(json.dumps(read_tree(text, "contract.yaml"), default=float))
    return document


def test_the_schema_is_one_of_2020_12_and_can_be_written() -> None:
    Draft202012Validator.check_schema(json_schema())
    assert json_schema()["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert json.loads(json.dumps(json_schema())) == json_schema()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parts[-3]}/{path.parts[-2]}/{path.stem}")
def test_every_worked_document_is_accepted(path: Path) -> None:
    assert refused(tree(path.read_text())) == []


def test_every_field_of_a_full_document_is_accepted() -> None:
    assert refused(tree(FULL)) == []
    assert refused(changed(PARTNER, ("minimum_payout", "50.00"), ("withholding", "0"))) == []


@settings(max_examples=150, deadline=None)
@given(contracts())
def test_what_the_import_accepts_the_schema_accepts(document: dict[str, Any]) -> None:
    assert problems(document) == ()
    assert refused(document) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [("ends_on", None), ("payment_terms_days", None), ("tax", {}), ("eligibility", {}), ("partner_overrides", [])],
)
def test_a_key_that_says_nothing_is_accepted_as_by_the_import(key: str, value: Any) -> None:
    assert problems(ADVERTISER, (key, value)) == ()
    assert refused(changed(ADVERTISER, (key, value))) == []


@pytest.mark.parametrize(("rule", "changes"), [row[:2] for row in FIELDS], ids=[row[0] for row in FIELDS])
def test_what_a_schema_can_say_it_refuses(rule: str, changes: list[tuple[str, Any]]) -> None:
    assert bool(refused(changed(ADVERTISER, *changes))) is (rule not in BEYOND_A_SCHEMA)


CPM, CPA = "terms.0.pricing", "terms.1.pricing"


@pytest.mark.parametrize(
    "changes",
    [
        [("minimum_montly", "5")],
        [("party.adress", "x")],
        [("terms.0.line_item", ["li-1"])],
        [(f"{CPM}.ratee", "1")],
        [(f"{CPA}.budget", "1")],
        [(f"{CPM}.rate", 32.5)],
        [(f"{CPM}.rate", 32)],
        [(f"{CPM}.rate", LEFT_OUT)],
        [(f"{CPM}.model", "flat")],
        [(f"{CPM}.model", LEFT_OUT)],
        [(f"{CPM}.impression_cap", "5000")],
        [(f"{CPM}.multipliers", {"daypart": [{"days": ["monday"], "from": 1, "to": 2, "factor": "1"}]})],
        [(f"{CPM}.multipliers", {"country": {"US": 1.1}})],
        [(f"{CPM}.multipliers", {"country": {"USA": "1.1"}})],
        [(CPM, {"model": "cpm", "tiers": {"mode": "volume", "steps": [{"amount": "1"}]}})],
        [(CPM, {"model": "cpm", "tiers": {"mode": "volume", "steps": []}})],
        [(CPM, {"model": "revenue_share", "share": "0.5"})],
        [(f"{CPA}.fee", {"type": "flat", "rate": "0.1"})],
        [(f"{CPA}.fee", {"type": "percent", "rate": "1.1"})],
        [(CPA, {"model": "cpa", "event": "e", "tiers": {"mode": "volume", "steps": [{"rate": "0.1", "amount": "1"}]}})],
        [(CPA, {"model": "cpa", "event": "e", "tiers": {"mode": "volume", "steps": [{"rate": "1.5"}]}})],
        [("attribution", LEFT_OUT)],
        [("terms.0.line_items", LEFT_OUT)],
        [("terms.0.advertisers", ["acme"])],
        [("minimum_payout", "5")],
        [("terms", [])],
        [("party", LEFT_OUT)],
        [("side", LEFT_OUT)],
    ],
)
def test_what_the_import_refuses_by_form_the_schema_refuses(changes: list[tuple[str, Any]]) -> None:
    assert problems(ADVERTISER, *changes)
    assert refused(changed(ADVERTISER, *changes))


@pytest.mark.parametrize("key", ["agency_commission", "minimum_monthly"])
def test_a_partner_has_nothing_of_an_advertiser(key: str) -> None:
    assert refused(changed(PARTNER, (key, "0.1")))


def test_every_field_has_a_title_a_meaning_and_an_example_that_it_accepts() -> None:
    schema = json_schema()
    models = {"Contract": schema, **schema["$defs"]}
    for name, model in models.items():
        assert model["additionalProperties"] is False
        for key, told in model["properties"].items():
            assert told["title"], (name, key)
            assert told["description"].endswith("."), (name, key)
            for example in told["examples"]:
                found = Draft202012Validator({**told, "$defs": schema["$defs"]}).iter_errors(example)
                assert [error.message for error in found] == [], (name, key)
    assert schema["properties"].keys() == Contract.model_fields.keys()


def test_an_editor_sees_what_a_field_means_and_what_it_expects() -> None:
    told = json_schema()["properties"]["agency_commission"]
    assert told == {
        "title": "Agency commission",
        "description": "Advertiser: the share of the media lines that the agency keeps: a decimal in quotes from 0 to 1, with at "
        "most 6 decimals.",
        "examples": ["0.15"],
        "anyOf": [{"type": "string", "pattern": r"^0*(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"}, {"type": "null"}],
    }
