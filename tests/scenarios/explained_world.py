"""A small world with every kind of line, status and outcome, each worked out by hand beside the row that makes it.

One advertiser in USD with a term of each kind, one in EUR at cleared prices with a minimum, a partner with a share and a fee,
one that is below its minimum payout. Six delivery days around the end of October; all contracts are in UTC.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

from scenarios.small_world import (
    DAYS,
    ISSUED_ON,
    OCTOBER,
    Rows,
    adjustment,
    agree,
    click,
    deliver,
    impression,
    purchase,
    run,
)

from contracts_io.contract import parse_document
from contracts_io.home import Home
from services import billing

OCT28, OCT29, OCT30, OCT31, NOV1, NOV2 = DAYS
AMENDED_AT = datetime(2026, 11, 21, 9, tzinfo=UTC)
ADJUSTED_ON = date(2026, 11, 22)

ACME = """
contract_id: adv-1
side: advertiser
party: {id: acme, name: Acme, country: US}
currency: USD
timezone: UTC
starts_on: 2026-10-01
ends_on: 2026-12-31
agency_commission: "0.10"
tax: {category: S, rate: "0.19"}
attribution: {model: linear, lookback: {view: 3d, click: 2d}, click_over_view: false}
eligibility:
  new_customers_only: true
  countries: [US, CA]
  minimum_order_value: "5.00"
  excluded_categories: [giftcard]
  excluded_coupons: [STAFF]
  repeat_household_days: 30
  eligible_when: "order_value < 500"
terms:
  - term_id: brand
    line_items: [li-brand]
    pricing:
      model: cpm
      tiers: {mode: graduated, steps: [{up_to: 4, rate: "1000.00"}, {rate: "500.00", flat_fee: "7.00"}]}
      multipliers: {device_type: {ctv: "1.2"}}
  - {term_id: capped, line_items: [li-capped], pricing: {model: cpm, rate: "1000.00", impression_cap: 2}}
  - {term_id: spent, line_items: [li-spent], pricing: {model: cpm, rate: "1000.00", budget: "2.50"}}
  - {term_id: seen, line_items: [li-seen], pricing: {model: cpm, rate: "1000.00", billable_on: viewable}}
  - {term_id: whole, line_items: [li-whole], pricing: {model: cpm, rate: "1000.00", billable_on: completed}}
  - term_id: sales
    line_items: [li-sales]
    pricing: {model: cpa, event: purchase, fee: {type: flat, amount: "12.00"}, monthly_cap: 2}
  - term_id: leads
    line_items: [li-leads]
    pricing: {model: cpa, event: signup, fee: {type: percent, rate: "0.08", minimum: "1.00", maximum: "5.00"}}
"""
AMENDED = ACME.replace("starts_on: 2026-10-01", "starts_on: 2026-10-01\neffective_from: 2026-10-30").replace(
    'rate: "1000.00", impression_cap', 'rate: "1500.00", impression_cap'
)
BETA = """
contract_id: adv-2
side: advertiser
party: {id: beta, name: Beta, country: DE}
currency: EUR
timezone: UTC
starts_on: 2026-10-22
ends_on: 2026-12-31
minimum_monthly: "31.00"
terms:
  - {term_id: cleared, line_items: [li-cleared], pricing: {model: dcpm, markup: "0.15"}}
"""
PUB = """
contract_id: pub-1
side: partner
party: {id: pub, name: Publisher, country: DE}
currency: USD
timezone: UTC
starts_on: 2026-10-01
ends_on: null
minimum_payout: "5.00"
withholding: "0.10"
terms:
  - {term_id: share, advertisers: [acme], pricing: {model: revenue_share, share: "0.70"}}
  - {term_id: actions, pricing: {model: cpa, event: purchase, fee: {type: flat, amount: "3.00"}}}
"""
OTHER = """
contract_id: pub-2
side: partner
party: {id: other, name: Other, country: DE}
currency: USD
timezone: UTC
starts_on: 2026-10-01
ends_on: null
minimum_payout: "5.00"
terms:
  - {term_id: media, pricing: {model: cpm, rate: "1000.00"}}
"""


def bought(name: str, time: str, household: str, value: str = "20.00", **other: str) -> dict[str, str]:
    """A purchase that nothing is wrong with, but for what ``other`` says."""
    return purchase(name, time, household, value) | {"country": "US", "new_customer": "true"} | other


def events() -> dict[tuple[str, date], Rows]:
    """The rows of every feed and delivery day."""
    world: dict[tuple[str, date], Rows] = {(feed, day): [] for day in DAYS for feed in ("impressions", "conversions")}
    world["impressions", OCT28] = [
        *(impression(f"ctv-{n}", f"{OCT28}T0{n}:00:00Z", device_type="ctv") for n in (1, 2, 3)),
        *(impression(f"spent-{n}", f"{OCT28}T0{n}:00:00Z", "li-spent") for n in (1, 2)),
        impression("cleared", f"{OCT28}T08:00:00Z", "li-cleared", cost="10.00"),
        impression("invalid", f"{OCT28}T08:00:00Z", household="hh-1", invalid_reason="bot"),
        impression("unseen", f"{OCT28}T08:00:00Z", "li-seen"),
        impression("cut-short", f"{OCT28}T08:00:00Z", "li-whole"),
        impression("uncovered", f"{OCT28}T08:00:00Z", "li-none", partner_id="other"),
        impression("old", f"{OCT28}T00:00:00Z", "li-sales", "hh-7"),
    ]
    world["impressions", OCT29] = [
        *(impression(f"web-{n}", f"{OCT29}T0{n}:00:00Z", device_type="web") for n in (1, 2, 3)),
        impression("view-1", f"{OCT29}T09:00:00Z", "li-sales", "hh-1"),
        impression("ctv-1", f"{OCT28}T01:00:00Z", device_type="ctv"),  # delivered once more
        impression("broken", f"{OCT29}T01:00:00Z", country="usa"),
    ]
    world["clicks", OCT29] = [
        click("click-1", f"{OCT29}T10:00:00Z", "hh-1") | {"partner_id": "other"},
        click("old-click", f"{OCT29}T06:00:00Z", "hh-7"),
    ]
    world["conversions", OCT29] = [bought("buy-1", f"{OCT29}T20:00:00Z", "hh-1")]
    world["impressions", OCT30] = [
        *(impression(f"capped-{n}", f"{OCT30}T0{n}:00:00Z", "li-capped") for n in (1, 2, 3)),
        *(impression(f"spent-{n}", f"{OCT30}T0{n}:00:00Z", "li-spent") for n in (3, 4)),
        impression("view-2", f"{OCT30}T09:00:00Z", "li-sales", "hh-2"),
        impression("view-4", f"{OCT30}T09:00:00Z", "li-leads", "hh-4"),
        impression("view-5", f"{OCT30}T09:00:00Z", "li-leads", "hh-5"),
    ]
    signup = {"event": "signup"}
    world["conversions", OCT30] = [
        bought("buy-2", f"{OCT30}T10:00:00Z", "hh-2", order_id="o-1"),
        bought("sign-4", f"{OCT30}T10:00:00Z", "hh-4", "100.00", **signup),
        bought("sign-5", f"{OCT30}T10:00:00Z", "hh-5", "50.00", **signup),
        bought("buy-back", f"{OCT30}T10:00:00Z", "hh-6"),
        bought("buy-1", f"{OCT29}T20:00:00Z", "hh-1"),  # delivered once more
        bought("torn", f"{OCT30}T10:00:00Z", "hh-6", "-1.00"),
    ]
    world["impressions", OCT31] = [
        impression("view-3", f"{OCT31}T09:00:00Z", "li-sales", "hh-3"),
        impression("capped-4", f"{OCT31}T01:00:00Z", "li-capped"),
    ]
    world["conversions", OCT31] = [
        bought("buy-3", f"{OCT31}T10:00:00Z", "hh-3"),
        bought("buy-dup", f"{OCT31}T11:00:00Z", "hh-9", order_id="o-1"),
        bought("no-touch", f"{OCT31}T12:00:00Z", "hh-7"),
        bought("nobody", f"{OCT31}T12:00:00Z", ""),
        bought("download", f"{OCT31}T12:00:00Z", "hh-8", event="download"),
        bought("pounds", f"{OCT31}T12:00:00Z", "hh-8", currency="GBP"),
        bought("regular", f"{OCT31}T12:00:00Z", "hh-8", new_customer="false"),
        bought("abroad", f"{OCT31}T12:00:00Z", "hh-8", country="FR"),
        bought("cheap", f"{OCT31}T12:00:00Z", "hh-8", "4.00"),
        bought("gift", f"{OCT31}T12:00:00Z", "hh-8", category="giftcard"),
        bought("staff", f"{OCT31}T12:00:00Z", "hh-8", coupon="STAFF"),
        bought("again", f"{OCT31}T12:00:00Z", "hh-2"),
        bought("dear", f"{OCT31}T12:00:00Z", "hh-10", "500.00"),
    ]
    world["conversion_adjustments", OCT31] = [
        adjustment("adj-1", "buy-back", f"{OCT31}T09:00:00Z", "reverse") | {"reason": "sent back"}
    ]
    return world


def make_explained_home(root: Path) -> Home:
    """The world, run, with October closed."""
    home = Home.create(root)
    for (feed, day), rows in events().items():
        deliver(home, feed, day, rows)
    rates = home.landing / "fx_rates"
    rates.mkdir()
    (rates / "rates.csv").write_text(f"date,base,quote,rate\n{OCT28},EUR,USD,1.25\n", encoding="utf-8")
    agree(home, ACME, BETA, PUB, OTHER)
    run(home, *DAYS)
    billing.close(home, OCTOBER, ISSUED_ON)
    return home


def amend(home: Home) -> list[str]:
    """Impressions of term ``capped`` cost half as much again from October 30 on, agreed after the close; gives the notes."""
    parsed = [("amendment.yaml", parse_document(AMENDED, name="amendment.yaml"))]
    home.contracts.import_documents(
        parsed, by="carol", at=AMENDED_AT, retroactive=True, closed_through=home.closed_through()
    )
    version = home.contracts.versions("adv-1")[-1]
    home.contracts.approve("adv-1", version.version, by="dave", at=AMENDED_AT, content_hash=version.content_hash)
    return billing.adjust(home, OCTOBER, ADJUSTED_ON)
