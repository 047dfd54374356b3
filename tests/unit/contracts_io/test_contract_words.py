from __future__ import annotations

from typing import Any

import pytest
from contract_samples import ADVERTISER, LEFT_OUT, PARTNER, parsed

from contracts_io.contract_words import sentences


def test_an_advertiser_s_contract_is_told_with_all_that_holds_by_default() -> None:
    assert sentences(parsed(ADVERTISER)) == [
        "Acme Stores, Inc. (acme, US) pays us, in USD; days are those of America/New_York",
        "the contract runs from 2026-10-01 to 2027-09-30; this version from 2026-10-01 on",
        "invoices are due 30 days after their date",
        "a conversion is billed on its day",
        "conversions are credited to touches by last touch: all of it to the last touch",
        "views count for 30 days, clicks count for 7 days; impressions count as views; "
        "where there is a click, views do not count",
        "an order counts once within 90 days",
        "brand covers line item li-1 from 2026-10-01 to 2027-09-30: 32.50 USD per 1,000 served impressions",
        "sales covers line item li-2 from 2026-10-01 to 2027-09-30: 12.00 USD per purchase",
    ]


def test_a_partner_s_contract_is_told_from_our_side() -> None:
    money = [("withholding", "0.10"), ("minimum_payout", "50.00"), ("terms.0.advertisers", ["acme", "other"])]
    assert sentences(parsed(PARTNER, *money)) == [
        "Streamco Ltd (streamco, GB) is paid by us, in GBP; days are those of Europe/London",
        "the contract runs from 2026-10-01 without an end; this version from 2026-10-01 on",
        "payouts are due 30 days after their date",
        "less than 50.00 GBP is not paid out but carried forward",
        "10% of what is due is withheld",
        "share covers every line item of acme or other from 2026-10-01 without an end: "
        "70% of what advertisers are charged on this partner's impressions",
    ]


AUTO = {"mode": "auto", "months": 12, "notice_days": 60, "uplift": "0.03"}
LOOKBACK = {"view": "36h", "click": "0d"}
BANK = {"iban": "DE89370400440532013000", "bic": "COBADEFFXXX"}


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("payment_terms_days", 1, "invoices are due 1 day after their date"),
        ("effective_from", "2026-11-01", "the contract runs from 2026-10-01 to 2027-09-30; this version from 2026-11-01 on"),
        ("party.tax_id", "DE123", "Acme Stores, Inc.: tax id DE123"),
        ("party.address", {"street": "1 Main Street", "city": "Oslo"}, "Acme Stores, Inc.: address 1 Main Street, Oslo"),
        ("party.address", "1 Main Street", "Acme Stores, Inc.: address 1 Main Street"),
        ("party.email", "a@b.example", "Acme Stores, Inc.: e-mail a@b.example"),
        ("party.bank", BANK, "Acme Stores, Inc.: bank IBAN DE89370400440532013000 BIC COBADEFFXXX"),
        ("party.bank", {"account": "1", "routing": "2"}, "Acme Stores, Inc.: bank account 1 routing 2"),
        ("agency_commission", "0.155", "the agency keeps 15.5% of media lines"),
        ("minimum_monthly", "5000", "at least 5,000.00 USD a month is charged, prorated by days in force"),
        ("tax", {"category": "S", "rate": "0.19"}, "tax of category S: 19% of the net amount"),
        ("validation_days", 3, "a conversion is billed 3 days after its day"),
        (
            "renewal",
            AUTO,
            "the contract renews by itself on 2027-08-01, 60 days before its end, by 12 months unless a notice of non-renewal is "
            "on record, with CPM rates, flat amounts, flat fees and the monthly minimum up by 3%",
        ),
        (
            "renewal",
            {"mode": "auto", "months": 1},
            "the contract renews by itself on 2027-09-30, 0 days before its end, by 1 month unless a notice of non-renewal is on "
            "record, at the same prices",
        ),
        (
            "renewal",
            AUTO | {"mode": "manual"},
            "the contract is renewed only by agreement by 12 months, with CPM rates, flat amounts, flat fees and the monthly "
            "minimum up by 3%, to be talked about 60 days before the end",
        ),
        ("renewal", {"mode": "none"}, "the contract is not renewed"),
        ("attribution.model", "linear", "conversions are credited to touches by linear: in equal parts to every touch"),
        (
            "attribution.lookback",
            LOOKBACK,
            "views count for 36 hours, clicks do not count; impressions count as views; where there is a click, views do not count",
        ),
        (
            "attribution.click_over_view",
            False,
            "views count for 30 days, clicks count for 7 days; impressions count as views; views count beside clicks",
        ),
        (
            "attribution.view_basis",
            "viewable",
            "views count for 30 days, clicks count for 7 days; viewable impressions count as views; "
            "where there is a click, views do not count",
        ),
        ("eligibility.new_customers_only", True, "only conversions of new customers count"),
        ("eligibility.countries", ["US", "CA", "MX"], "only conversions from US, CA and MX count"),
        ("eligibility.minimum_order_value", "19.995", "only orders of at least 19.995 USD count"),
        ("eligibility.excluded_categories", ["a", "b"], "conversions of the category a or b do not count"),
        ("eligibility.excluded_coupons", ["STAFF"], "conversions with the coupon STAFF do not count"),
        ("eligibility.repeat_household_days", 30, "a household counts once for an event within 30 days"),
        ("eligibility.order_dedup_days", 1, "an order counts once within 1 day"),
        (
            "eligibility.eligible_when",
            "order_value >= 50 AND country = 'US'",
            "conversions count where order value is at least 50 and country is US",
        ),
        ("partner_overrides", [{"partner_id": "p", "excluded": True}], "touches by p never count"),
        ("partner_overrides", [{"partner_id": "p", "lookback": {"view": "1d"}}], "of touches by p, views count for 1 day"),
        ("partner_overrides", [{"partner_id": "p"}], "touches by p count like all others"),
    ],
)
def test_every_field_that_is_agreed_on_is_said(path: str, value: Any, sentence: str) -> None:
    said = sentences(parsed(ADVERTISER, (path, value)))
    assert sentence in said
    assert len(set(said)) == len(said)


def test_time_decay_is_told_with_its_half_life() -> None:
    said = sentences(parsed(ADVERTISER, ("attribution.model", "time_decay"), ("attribution.half_life", 7)))
    assert (
        "conversions are credited to touches by time decay: more to later touches, the weight of a touch halves every 7 days"
        in said
    )


RATES = [{"up_to": 1_000_000, "rate": "32.50"}, {"rate": "28", "flat_fee": "100"}]
AMOUNTS = [{"up_to": 1000, "amount": "12"}, {"rate": "0.08"}]
HOURS = [
    {"days": ["mon", "tue"], "from": 18, "to": 24, "factor": "1.5"},
    {"days": ["sun"], "from": 0, "to": 6, "factor": "0"},
]


@pytest.mark.parametrize(
    ("pricing", "words"),
    [
        ({"model": "cpm", "rate": "0.000001"}, "0.000001 USD per 1,000 served impressions"),
        ({"model": "cpm", "rate": "1", "billable_on": "viewable"}, "1.00 USD per 1,000 viewable impressions"),
        (
            {"model": "cpm", "tiers": {"mode": "graduated", "steps": RATES}},
            "32.50 USD per 1,000 served impressions up to 1,000,000 a month, then 28.00 USD plus 100.00 USD once "
            "(each unit at its step)",
        ),
        (
            {"model": "cpm", "rate": "1", "impression_cap": 5_000_000, "budget": "150000"},
            "1.00 USD per 1,000 served impressions; at most 5,000,000 impressions and 150,000.00 USD over the flight",
        ),
        (
            {
                "model": "cpm",
                "rate": "1",
                "multipliers": {"device_type": {"tv": "1.2", "app": "0.8"}, "country": {"US": "2"}},
            },
            "1.00 USD per 1,000 served impressions; by device type times 0.8 for app and 1.2 for tv; by country times 2 for US",
        ),
        (
            {"model": "cpm", "rate": "1", "multipliers": {"daypart": HOURS}},
            "1.00 USD per 1,000 served impressions; by local hour times 1.5 on Mon and Tue from 18:00 to 24:00 and "
            "0 on Sun from 00:00 to 06:00, the first that fits",
        ),
        (
            {"model": "dcpm", "markup": "0.15", "budget": "10"},
            "the cleared price of each served impression plus 15%; at most 10.00 USD over the flight",
        ),
        (
            {"model": "cpa", "event": "signup", "fee": {"type": "percent", "rate": "0.08", "minimum": "1", "maximum": "50"}},
            "8% of the value per signup, at least 1.00 USD and at most 50.00 USD",
        ),
        (
            {"model": "cpa", "event": "signup", "tiers": {"mode": "volume", "steps": AMOUNTS}, "monthly_cap": 500},
            "12.00 USD per signup up to 1,000 a month, then 8% of the value (all units of a month at the step of its total); "
            "at most 500 conversions a month",
        ),
    ],
)
def test_every_price_is_said_in_words_with_exact_amounts(pricing: dict[str, Any], words: str) -> None:
    said = sentences(parsed(ADVERTISER, ("terms.0.pricing", pricing)))
    assert f"brand covers line item li-1 from 2026-10-01 to 2027-09-30: {words}" in said


def test_amounts_have_at_least_the_places_of_their_currency() -> None:
    yen = parsed(ADVERTISER, ("currency", "JPY"), ("terms.1", LEFT_OUT), ("attribution", LEFT_OUT))
    assert sentences(yen)[-1].endswith(": 32.5 JPY per 1,000 served impressions")


def test_a_term_tells_its_own_days_within_the_contract() -> None:
    said = sentences(parsed(ADVERTISER, ("terms.0.starts_on", "2026-10-15"), ("terms.0.ends_on", "2027-12-31")))
    assert "brand covers line item li-1 from 2026-10-15 to 2027-09-30: 32.50 USD per 1,000 served impressions" in said
