from __future__ import annotations

import hashlib
import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from contract_samples import ADVERTISER, LEFT_OUT, PARTNER, changed, parsed
from pydantic import ValidationError

from contracts_io.contract import Cpm, Lookback, canonical_json, content_hash, parse_document, term_days

CASES = Path(__file__).parents[2] / "cases"
DOCUMENTS = sorted(path for folder in ("contracts", "amendments") for path in CASES.glob(f"*/{folder}/*.json"))

FULL = """\
contract_id: acme-ctv-2026
side: advertiser
party:
  id: acme
  name: Acme Stores, Inc.
  country: NO
  address: {street: 1 Main Street, city: Oslo, postal_code: "0150"}
  tax_id: NO999999999
  email: billing@acme.example
  bank: {iban: DE89 3704 0044 0532 0130 00, bic: COBADEFFXXX}
currency: USD
timezone: America/New_York
starts_on: 2026-10-01
ends_on: 2027-09-30
effective_from: 2026-11-01
payment_terms_days: 45
agency_commission: "0.15"
minimum_monthly: "5000.00"
tax: {category: S, rate: "0.19"}
validation_days: 3
renewal: {mode: auto, months: 12, notice_days: 60, uplift: "0.03"}
attribution:
  model: time_decay
  lookback: {view: 36h, click: 7d}
  click_over_view: false
  view_basis: completed
  half_life: 7
eligibility:
  new_customers_only: true
  countries: [US, NO]
  minimum_order_value: "20.00"
  excluded_categories: [giftcard]
  excluded_coupons: [STAFF]
  repeat_household_days: 30
  order_dedup_days: 60
  eligible_when: "order_value >= 50 AND country = 'US'"
partner_overrides:
  - {partner_id: streamco, lookback: {view: 7d}, excluded: false}
terms:
  - term_id: q4-brand
    line_items: [li-100, li-101]
    starts_on: 2026-10-01
    ends_on: 2026-12-31
    pricing:
      model: cpm
      tiers: {mode: graduated, steps: [{up_to: 1000000, rate: "32.50"}, {rate: "28.00", flat_fee: "100.00"}]}
      billable_on: viewable
      multipliers:
        device_type: {ctv: "1.2", mobile: "0.8"}
        country: {NO: "1.1"}
        daypart: [{days: [mon, tue], from: 18, to: 24, factor: "1.5"}]
      impression_cap: 5000000
      budget: "150000.00"
  - term_id: sales
    line_items: [li-200]
    pricing:
      model: cpa
      event: purchase
      fee: {type: percent, rate: "0.08", minimum: "1.00", maximum: "50.00"}
      monthly_cap: 500
"""


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: f"{path.parts[-3]}-{path.parts[-2]}-{path.stem}")
def test_every_contract_of_the_worked_cases_is_read_and_kept(path: Path) -> None:
    contract = parse_document(path.read_text(encoding="utf-8"), name=path.name)
    assert contract.contract_id == path.stem
    assert parse_document(canonical_json(contract), name="books") == contract


def test_the_worked_cases_are_there() -> None:
    assert len(DOCUMENTS) == 57


def test_a_document_is_read_to_the_last_field() -> None:
    contract = parse_document(FULL, name="acme.yaml")
    assert contract.party.country == "NO"
    assert contract.party.bank is not None
    assert contract.party.bank.iban == "DE89370400440532013000"
    assert (contract.starts_on, contract.effective_from) == (date(2026, 10, 1), date(2026, 11, 1))
    assert (contract.agency_commission, contract.minimum_monthly) == (150_000, 5_000_000_000)
    assert contract.attribution is not None
    assert contract.attribution.lookback == Lookback.model_construct(view=timedelta(hours=36), click=timedelta(days=7))
    pricing = contract.terms[0].pricing
    assert isinstance(pricing, Cpm)
    assert pricing.tiers is not None
    assert [(step.up_to, step.rate, step.flat_fee) for step in pricing.tiers.steps] == [
        (1_000_000, 32_500_000, None),
        (None, 28_000_000, 100_000_000),
    ]
    assert pricing.multipliers is not None
    assert pricing.multipliers.device_type == {"ctv": 1_200_000, "mobile": 800_000}
    assert (pricing.multipliers.daypart[0].from_hour, pricing.multipliers.daypart[0].to_hour) == (18, 24)


def test_what_is_not_given_has_its_default() -> None:
    contract = parsed(ADVERTISER)
    assert contract.effective_from == contract.starts_on
    assert (contract.payment_terms_days, contract.validation_days) == (30, 0)
    assert contract.agency_commission is None
    assert contract.attribution is not None
    assert (contract.attribution.click_over_view, contract.attribution.view_basis) == (True, "served")
    assert contract.eligibility is not None
    assert contract.eligibility.order_dedup_days == 90
    assert contract.terms[0].pricing.model == "cpm"
    assert contract.terms[0].pricing.billable_on == "served"
    assert parsed(PARTNER).eligibility is None


def test_a_kind_of_touch_without_a_lookback_is_switched_off() -> None:
    contract = parsed(ADVERTISER, ("attribution.lookback", {"click": "7d"}))
    assert contract.attribution is not None
    assert contract.attribution.lookback.view == timedelta(0)
    same = parsed(ADVERTISER, ("attribution.lookback", {"click": "168h", "view": "0h"}))
    assert content_hash(same) == content_hash(contract)


def test_an_override_replaces_only_the_kinds_that_it_gives() -> None:
    contract = parsed(ADVERTISER, ("partner_overrides", [{"partner_id": "p", "lookback": {"view": "7d"}}]))
    lookback = contract.partner_overrides[0].lookback
    assert lookback is not None
    assert (lookback.view, lookback.click) == (timedelta(days=7), None)


@pytest.mark.parametrize(
    ("document", "changes"),
    [
        (ADVERTISER, [("ends_on", None)]),
        (ADVERTISER, [("terms.0.ends_on", "2028-12-31")]),
        (ADVERTISER, [("tax", {"category": "E", "rate": "0"})]),
        (ADVERTISER, [("tax", {"category": "L", "rate": "0.07"})]),
        (ADVERTISER, [("attribution", LEFT_OUT), ("terms.1", LEFT_OUT)]),
        (ADVERTISER, [("terms.0.pricing", {"model": "dcpm", "markup": "1.5"})]),
        (ADVERTISER, [("party.address", "1 Main Street")]),
        (ADVERTISER, [("party.bank", {"account": "000123", "routing": "021000021"})]),
        (ADVERTISER, [("eligibility.eligible_when", "order_value > 5\nAND country = 'US'\n")]),
        (ADVERTISER, [("agency_commission", "1"), ("minimum_monthly", "999999999.999999")]),
        (PARTNER, [("minimum_payout", "50.00"), ("withholding", "1.0"), ("partner_overrides", [])]),
    ],
)
def test_accepted(document: dict[str, Any], changes: list[tuple[str, Any]]) -> None:
    contract = parsed(document, *changes)
    assert parse_document(canonical_json(contract), name="books") == contract


def test_steps_of_a_cpa_term_may_mix_amounts_shares_and_flat_fees() -> None:
    steps = [{"up_to": 2, "amount": "10.80"}, {"up_to": 4, "rate": "0.045", "flat_fee": "2.5"}, {"amount": "6.993"}]
    tiers = {"mode": "graduated", "steps": steps}
    pricing = parsed(ADVERTISER, ("terms.1.pricing", {"model": "cpa", "event": "purchase", "tiers": tiers})).terms[1].pricing
    assert pricing.model == "cpa"
    assert pricing.tiers is not None
    assert [(step.amount, step.rate, step.flat_fee) for step in pricing.tiers.steps] == [
        (10_800_000, None, None),
        (None, 45_000, 2_500_000),
        (6_993_000, None, None),
    ]


def test_the_canonical_text_is_sorted_tight_and_in_normal_form() -> None:
    assert canonical_json(parsed(PARTNER, ("withholding", "0.10"))) == (
        '{"contract_id":"streamco-2026","currency":"GBP","effective_from":"2026-10-01","partner_overrides":[],'
        '"party":{"country":"GB","id":"streamco","name":"Streamco Ltd"},"payment_terms_days":30,"side":"partner",'
        '"starts_on":"2026-10-01","terms":[{"pricing":{"model":"revenue_share","share":"0.7"},"term_id":"share"}],'
        '"timezone":"Europe/London","validation_days":0,"withholding":"0.1"}'
    )


def test_the_hash_is_that_of_the_canonical_text() -> None:
    contract = parse_document(FULL, name="acme.yaml")
    assert content_hash(contract) == hashlib.sha256(canonical_json(contract).encode("utf-8")).hexdigest()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("terms.0.pricing.rate", "32.500000"),
        ("terms.0.pricing.billable_on", "served"),
        ("effective_from", "2026-10-01"),
        ("payment_terms_days", 30),
        ("eligibility", {}),
        ("eligibility.order_dedup_days", 90),
        ("partner_overrides", []),
        ("tax", None),
        ("attribution.lookback.view", "720h"),
    ],
)
def test_a_default_written_out_or_a_number_written_otherwise_is_the_same_contract(path: str, value: Any) -> None:
    assert content_hash(parsed(ADVERTISER, (path, value))) == content_hash(parsed(ADVERTISER))


def test_another_rate_is_another_contract() -> None:
    assert content_hash(parsed(ADVERTISER, ("terms.0.pricing.rate", "32.51"))) != content_hash(parsed(ADVERTISER))


def test_a_contract_cannot_be_edited() -> None:
    with pytest.raises(ValidationError):
        parsed(ADVERTISER).currency = "EUR"


@pytest.mark.parametrize(
    ("contract_dates", "term_dates", "days"),
    [
        (("2026-10-01", None), (None, None), (date(2026, 10, 1), None)),
        (("2026-10-01", "2026-12-31"), (None, None), (date(2026, 10, 1), date(2026, 12, 31))),
        (("2026-10-01", None), ("2026-11-01", "2026-11-30"), (date(2026, 11, 1), date(2026, 11, 30))),
        (("2026-10-01", "2026-11-15"), ("2026-11-01", "2026-11-30"), (date(2026, 11, 1), date(2026, 11, 15))),
    ],
)
def test_a_term_runs_within_its_contract(contract_dates: Any, term_dates: Any, days: Any) -> None:
    changes = [("starts_on", contract_dates[0]), ("ends_on", contract_dates[1])]
    changes += [("terms.0.starts_on", term_dates[0]), ("terms.0.ends_on", term_dates[1])]
    contract = parsed(ADVERTISER, *changes)
    assert term_days(contract, contract.terms[0]) == days


def test_yaml_and_json_of_one_contract_are_one_contract() -> None:
    yaml_contract = parse_document(FULL, name="acme.yaml")
    document = json.loads(canonical_json(yaml_contract))
    json_contract = parse_document(json.dumps(changed(document, ("tax.rate", "0.190")), indent=2), name="acme.json")
    assert content_hash(json_contract) == content_hash(yaml_contract)
