"""Every amount can be followed down to events: figures that ``explain`` prints are worked out by hand here."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from commands import adledger
from explained_world import OCT28, OCT29, OCT30, amend, make_explained_home
from small_world import NOVEMBER, OCTOBER

from contracts_io.errors import BooksError, UsageError
from contracts_io.frames import OUTCOMES, STATUSES
from contracts_io.home import Home
from contracts_io.warehouse import Warehouse
from services.explaining.explain import explain, untied
from services.explaining.explained import (
    ConversionExplained,
    DocumentExplained,
    ImpressionExplained,
    LineExplained,
    Outcome,
    RowsExplained,
)
from services.explaining.printed import as_data, print_explained

ACME_INVOICE, BETA_INVOICE = "INV-2026-000001", "INV-2026-000002"
PUB_STATEMENT, OTHER_STATEMENT = "PAY-2026-000001", "PAY-2026-000002"
NOTE = "DN-2026-000001"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return make_explained_home(tmp_path_factory.mktemp("explained") / "home")


@pytest.fixture(scope="module")
def amended(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same home after an amendment of the closed month, with the note that it led to."""
    target = tmp_path_factory.mktemp("amended") / "home"
    shutil.copytree(home.root, target)
    copied = Home.open(target)
    assert amend(copied) == [NOTE]
    return copied


def document(home: Home, number: str, **options: Any) -> DocumentExplained:
    (found,) = explain(home, number, **options)
    assert isinstance(found, DocumentExplained)
    assert untied([found]) is None
    return found


def line(lines: Iterable[LineExplained], kind: str, term: str | None = None, rate: str | None = None) -> LineExplained:
    """The one line of this kind, term and rate."""
    (found,) = (
        own
        for own in lines
        if own.kind == kind and term in (None, own.term_id) and rate in (None, own.rate and f"{own.rate}")
    )
    return found


def conversion(home: Home, name: str) -> ConversionExplained:
    found, *others = explain(home, name)
    assert isinstance(found, ConversionExplained) and not others
    assert found.problems == []
    return found


def outcomes(home: Home, name: str) -> dict[str, Outcome]:
    (found,) = explain(home, name)
    assert isinstance(found, ImpressionExplained)
    assert found.problems == []
    return {outcome.side: outcome for outcome in found.outcomes}


# Lines of invoices


def test_media_is_units_at_the_effective_rate_of_their_step(home: Home) -> None:
    """Three on television at step 1: 1,000.00 x 1.2 = 1,200.00; the other three are unit 4, at step 1, and 5 and 6, at step 2."""
    lines = document(home, ACME_INVOICE).lines
    assert line(lines, "media", "brand", "1200.000000").arithmetic == [
        "step 1 (units 1 to 4 of the month): rate 1,000.00 x multiplier 1.2 = 1,200.00 per 1,000 (6 places)",
        "step 1 (units 1 to 4 of the month): 3 units x 1,200.00 / 1,000 = 3.60",
        "3.60 rounded once to 2 places = 3.60 USD",
    ]
    assert line(lines, "media", "brand", "1000.000000").arithmetic[1:] == [
        "step 1 (units 1 to 4 of the month): 1 unit x 1,000.00 / 1,000 = 1.00",
        "1.00 rounded once to 2 places = 1.00 USD",
    ]
    assert line(lines, "media", "brand", "500.000000").arithmetic[0] == (
        "step 2 (units 5 and on of the month): rate 500.00 x multiplier 1 = 500.00 per 1,000 (6 places)"
    )


def test_the_days_behind_media_name_their_deliveries_and_add_up_to_it(home: Home) -> None:
    found = line(document(home, ACME_INVOICE).lines, "media", "spent")
    assert found.days == [
        {
            "billing_date": day,
            "delivery_days": [day],
            "line_item_id": "li-spent",
            "partner_id": "pub",
            "step": 1,
            "units": 2,
            "exact": Decimal(2),
        }
        for day in (OCT28, OCT30)
    ]
    assert sum(day["exact"] for day in found.days) == found.exact == found.amount == Decimal("4.00")


def test_what_the_cap_leaves_out_is_said_beside_the_line(home: Home) -> None:
    found = line(document(home, ACME_INVOICE).lines, "media", "capped")
    assert found.arithmetic[-1] == "impression cap 2 over the flight: 0 billed before 2026-10, 2 in it, 2 over the cap"


def test_a_flat_fee_names_its_step_and_the_units_in_it(home: Home) -> None:
    assert line(document(home, ACME_INVOICE).lines, "tier_fee").arithmetic == [
        "step 2 (units 5 and on of the month): priced at it: 2 units; its flat fee of 7.00 is added once",
        "7.00 rounded once to 2 places = 7.00 USD",
    ]


def test_a_budget_cap_is_what_was_charged_less_the_lines_of_the_flight(home: Home) -> None:
    """Two units on October 28 and two on the 30th, 1.00 each; 2.50 of the 4.00 are charged, so 0.50 on the second day."""
    found = line(document(home, ACME_INVOICE).lines, "budget_cap")
    assert found.arithmetic == [
        "lines of the flight before 2026-10: 0.00 USD",
        "media lines of 2026-10: 4.00 = 4.00 USD",
        "together 4.00 USD, more than the budget of 2.50 USD",
        "charged over the flight to the end of 2026-10: 2.50 rounded once to 2 places = 2.50 USD",
        "2.50 USD - 4.00 USD = -1.50 USD",
    ]
    assert [day["charged"] for day in found.days] == [Decimal("2.00"), Decimal("0.50")]


def test_flat_fees_of_conversions_are_counted(home: Home) -> None:
    """Three purchases were won, the third is over the monthly cap of two."""
    assert line(document(home, ACME_INVOICE).lines, "action", "sales").arithmetic == [
        "fee 12.00 for each conversion",
        "2 x fee 12.00 x credit 1,000,000 / 1,000,000 = 24.00",
        "monthly cap 2: 2 charged in 2026-10, 1 over the cap",
        "24.00 rounded once to 2 places = 24.00 USD",
    ]


def test_percent_fees_show_the_value_and_are_held(home: Home) -> None:
    """8 % of 100.00 is 8.00, held at 5.00; 8 % of 50.00 is 4.00."""
    assert line(document(home, ACME_INVOICE).lines, "action", "leads").arithmetic == [
        "fee value x 0.08, rounded to 9 places, at least 1.00, at most 5.00",
        "1 x fee 5.00 (of 100.00) x credit 1,000,000 / 1,000,000 = 5.00",
        "1 x fee 4.00 (of 50.00) x credit 1,000,000 / 1,000,000 = 4.00",
        "9.00 rounded once to 2 places = 9.00 USD",
    ]


def test_the_commission_is_a_share_of_media_flat_fees_and_budget_caps(home: Home) -> None:
    assert line(document(home, ACME_INVOICE).lines, "agency_commission").arithmetic == [
        "media, tier_fee and budget_cap lines: 1.00 + 1.00 + 3.60 + 7.00 + 2.00 + 4.00 + -1.50 = 17.10 USD",
        "- (17.10 x 0.1) = -1.71",
        "-1.71 rounded once to 2 places = -1.71 USD",
    ]


def test_tax_is_rounded_once_on_the_net(home: Home) -> None:
    """17.10 + 24.00 + 9.00 - 1.71 = 48.39."""
    found = document(home, ACME_INVOICE)
    assert found.arithmetic == [
        "net: the sum of the lines = 48.39 USD",
        "tax: 48.39 x 0.19 = 9.1941, rounded once = 9.19 USD",
        "total: 48.39 USD + 9.19 USD = 57.58 USD",
    ]
    assert found.amounts == {"net": Decimal("48.39"), "tax": Decimal("9.19"), "total": Decimal("57.58")}


def test_cleared_prices_show_cost_exchange_and_markup(home: Home) -> None:
    """10.00 USD at 1.25 USD for a EUR are 8.00 EUR, and 15 % on them 9.20."""
    found = line(document(home, BETA_INVOICE).lines, "media", "cleared")
    assert [day["arithmetic"] for day in found.days] == [f"cost 10.00 USD / 1.25 (EUR/USD of {OCT28}) = 8.00 EUR x 1.15"]
    assert found.exact == Decimal("9.20")


def test_a_minimum_is_prorated_and_shows_what_was_lacking(home: Home) -> None:
    """In force from October 22: 10 of 31 days."""
    assert line(document(home, BETA_INVOICE).lines, "minimum").arithmetic == [
        "minimum of a month 31.00 x 10 of 31 days in force, rounded once = 10.00 EUR",
        "lines above: 9.20 = 9.20 EUR",
        "lacking: 10.00 EUR - 9.20 EUR = 0.80 EUR",
    ]


# Payout statements


def test_a_revenue_share_is_of_what_was_charged_after_budgets(home: Home) -> None:
    """3.60 + 2.00 of brand, 2.00 of capped, 2.50 of spent: 10.10."""
    found = line(document(home, PUB_STATEMENT).lines, "revenue_share")
    assert found.arithmetic == [
        "charged under adv-1 on this partner's impressions, after budgets: 10.10 USD",
        "x share 0.7, each rated group rounded to 9 places: 7.07",
        "7.07 rounded once to 2 places = 7.07 USD",
    ]
    assert [
        (day["billing_date"], day["charged"], day["exact"]) for day in found.days if day["line_item_id"] == "li-spent"
    ] == [
        (OCT28, Decimal("2.00"), Decimal("1.40")),
        (OCT30, Decimal("0.50"), Decimal("0.35")),
    ]


def test_a_partner_is_paid_by_the_credit_of_its_touches(home: Home) -> None:
    assert line(document(home, PUB_STATEMENT).lines, "action").arithmetic[1:3] == [
        "1 x fee 3.00 x credit 500,000 / 1,000,000 = 1.50",
        "1 x fee 3.00 x credit 1,000,000 / 1,000,000 = 3.00",
    ]


def test_a_statement_shows_what_is_withheld_and_paid(home: Home) -> None:
    """7.07 + 4.50 = 11.57, 10 % of it 1.157."""
    assert document(home, PUB_STATEMENT).arithmetic == [
        "earnings: the sum of the lines = 11.57 USD",
        "due: 11.57 + 0.00 USD brought forward = 11.57 USD",
        "minimum payout: 5.00 USD",
        "withholding: 11.57 x 0.1 = 1.157, rounded once = 1.16 USD",
        "payable: 11.57 USD - 1.16 USD = 10.41 USD; nothing is carried forward",
    ]


def test_a_statement_below_the_minimum_payout_is_carried_forward(home: Home) -> None:
    assert document(home, OTHER_STATEMENT).arithmetic[-1] == (
        "1.00 USD is below the minimum payout: nothing is payable, all of it is carried forward"
    )


# Events behind a line, and who agreed to it


def test_the_events_of_a_line_are_those_it_bills(home: Home) -> None:
    found = document(home, ACME_INVOICE, events=True).lines
    assert [event["impression_id"] for event in line(found, "media", "brand", "1200.000000").events or []] == [
        "ctv-1",
        "ctv-2",
        "ctv-3",
    ]
    # A day that crosses a step is shared between its groups; single impressions have no place in it.
    assert len(line(found, "media", "brand", "1000.000000").events or []) == 3
    assert [(event["conversion_id"], event["amount"]) for event in line(found, "action", "leads").events or []] == [
        ("sign-4", Decimal("5.00")),
        ("sign-5", Decimal("4.00")),
    ]


def test_the_events_of_a_share_are_the_advertisers_billed_impressions(home: Home) -> None:
    found = line(document(home, PUB_STATEMENT, events=True).lines, "revenue_share").events or []
    assert {event["impression_id"] for event in found} == {
        *(f"ctv-{n}" for n in (1, 2, 3)),
        *(f"web-{n}" for n in (1, 2, 3)),
        *(f"capped-{n}" for n in (1, 2, 3)),
        *(f"spent-{n}" for n in (1, 2, 3, 4)),
    }


def test_a_document_tells_who_submitted_and_who_approved_its_version(home: Home) -> None:
    found = document(home, ACME_INVOICE).agreed
    assert found is not None
    assert (found.version, found.submitted_by, found.approved_by) == (1, "alice", "bob")
    assert found.content_hash == home.contracts.versions("adv-1")[0].content_hash


def test_one_line_can_be_asked_for(home: Home) -> None:
    found = document(home, ACME_INVOICE, line=7)
    assert [own.kind for own in found.lines] == ["budget_cap"]
    with pytest.raises(BooksError, match="it has no line 11\n  -> it has lines 1 to 10"):
        explain(home, ACME_INVOICE, line=11)


# A closed month that was amended afterwards


def test_an_old_invoice_is_told_by_the_version_it_was_issued_under(amended: Home) -> None:
    found = document(amended, ACME_INVOICE)
    assert found.agreed is not None and found.agreed.version == 1
    capped = line(found.lines, "media", "capped")
    assert (capped.version, capped.amount) == (1, Decimal("2.00"))
    assert capped.arithmetic[1] == "2 units x 1,000.00 / 1,000 = 2.00"


def test_the_draft_of_a_closed_month_is_told_by_the_amendment(amended: Home) -> None:
    found = document(amended, "DRAFT-adv-1", month=OCTOBER)
    capped = line(found.lines, "media", "capped")
    assert capped.agreed is not None
    assert (capped.version, capped.agreed.submitted_by, capped.agreed.approved_by) == (2, "carol", "dave")
    assert capped.arithmetic[1] == "2 units x 1,500.00 / 1,000 = 3.00"
    assert found.remarks[1] == "2026-10 is closed: this is what it entitles to as known now, not what was issued"


def test_a_note_shows_before_after_and_difference(amended: Home) -> None:
    found = document(amended, NOTE)
    assert found.adjusts == ACME_INVOICE
    assert line(found.lines, "media", "capped", "1000.000000").arithmetic == [
        f"issued before by {ACME_INVOICE}: 2 for 2.00 USD",
        "2026-10 entitles to 0.00 USD",
        "difference: 0.00 USD - 2.00 USD = -2.00 USD",
    ]
    assert line(found.lines, "media", "capped", "1500.000000").arithmetic[:5] == [
        "issued before: nothing",
        "2026-10 entitles to 2 for 3.00 USD",
        "difference: 3.00 USD - 0.00 USD = 3.00 USD",
        "what it entitles to:",
        "  rate 1,500.00 x multiplier 1 = 1,500.00 per 1,000 (6 places)",
    ]


def test_the_tax_of_a_note_is_the_difference_of_the_taxes(amended: Home) -> None:
    """1.00 more of media, 0.10 more of commission: 48.39 + 0.90 = 49.29."""
    assert document(amended, NOTE).arithmetic[1] == (
        "tax: 49.29 x 0.19 = 9.3651, rounded once = 9.37 USD; 9.37 USD - 9.19 USD issued before = 0.18 USD"
    )


def test_an_adjustment_of_a_statement_shows_what_was_paid_before(amended: Home) -> None:
    """3.00 instead of 2.00 were charged on capped: a share of 0.70 more."""
    found = line(document(amended, "DRAFT-pub-1", month=NOVEMBER).lines, "adjustment")
    assert found.arithmetic[:3] == [
        f"issued before by {PUB_STATEMENT}: 12 for 7.07 USD",
        "2026-10 entitles to 12 for 7.77 USD",
        "difference: 7.77 USD - 7.07 USD = 0.70 USD",
    ]


def test_a_conversion_is_told_as_now_and_as_at_the_close(amended: Home) -> None:
    now, then = explain(amended, "buy-2")
    assert isinstance(now, ConversionExplained) and isinstance(then, ConversionExplained)
    assert [fee.version for fee in now.fees] == [2, 1]
    assert [fee.version for fee in then.fees] == [1, 1]
    assert now.documents == [f"{NOTE} (advertiser, adv-1)", f"{PUB_STATEMENT} (partner, pub-1)"]
    assert then.documents == [f"{ACME_INVOICE} (advertiser, adv-1)", f"{PUB_STATEMENT} (partner, pub-1)"]


def test_an_impression_is_told_as_now_and_as_at_the_close(amended: Home) -> None:
    (found,) = explain(amended, "capped-1")
    assert isinstance(found, ImpressionExplained)
    advertiser = [outcome for outcome in found.outcomes if outcome.side == "advertiser"]
    assert [(outcome.version, outcome.group[0]["rate"]) for outcome in advertiser] == [
        (2, Decimal(1500)),
        (1, Decimal(1000)),
    ]
    assert [outcome.documents for outcome in advertiser] == [[NOTE], [ACME_INVOICE]]


# Conversions


def test_credit_and_fees_of_an_attributed_conversion_on_both_sides(home: Home) -> None:
    """A view of pub and a click of another, linear: half each; all of it is the advertiser's, half of it pub's."""
    found = conversion(home, "buy-1")
    assert (found.status, found.why) == ("attributed", [f"credit by linear, billed on {OCT29}; value 20.00 USD"])
    assert [(touch["touch_id"], touch["credit"]) for touch in found.touches] == [("view-1", 500_000), ("click-1", 500_000)]
    advertiser, partner = found.fees
    assert advertiser.arithmetic == [
        "credit 1,000,000 of 1,000,000 on sales",
        "unit 1 of 2026-10",
        "fee 12.00 USD",
        "12.00 x 1,000,000 / 1,000,000 = 12.00 USD (9 places)",
    ]
    assert (partner.partner_id, partner.arithmetic[-1]) == ("pub", "3.00 x 500,000 / 1,000,000 = 1.50 USD (9 places)")
    assert found.documents == [f"{ACME_INVOICE} (advertiser, adv-1)", f"{PUB_STATEMENT} (partner, pub-1)"]
    assert found.elsewhere == [f"delivered again on {OCT30}, part-0.csv row 5: dropped as a duplicate, the same content"]


def test_a_percent_fee_is_written_out_with_its_bounds(home: Home) -> None:
    (fee,) = conversion(home, "sign-4").fees
    assert fee.arithmetic[2] == "fee: value 100.00 x 0.08, at least 1.00, at most 5.00 = 5.00 USD"


def test_a_conversion_over_the_cap_went_to_no_document(home: Home) -> None:
    found = conversion(home, "buy-3")
    (fee,) = found.fees
    assert fee.arithmetic[-1] == "over the monthly cap of 2 in 2026-10: not charged, not paid on"
    assert found.documents == ["none: it is over the cap"]


WHY = {
    "buy-dup": (
        "duplicate_order",
        None,
        "order o-1 was reported before: conversion buy-2 at 2026-10-30T10:00:00.000000Z, 1 day, 1:00:00 before, "
        "which is within order_dedup_days 90",
    ),
    "buy-back": (
        "reversed",
        None,
        "reversed by its latest adjustment adj-1 of 2026-10-31T09:00:00.000000Z (sent back), delivered 2026-10-31, "
        "part-0.csv row 1",
    ),
    "no-touch": ("unattributed", None, "no touch of its household counts: see each of them below"),
    "nobody": ("no_household", None, "its household is not known, so that no touch can be looked for"),
    "download": (
        "no_contract",
        None,
        "no advertiser contract of acme has a cpa term for download in force on the local date of 2026-10-31T12:00:00.000000Z",
    ),
    "pounds": (
        "no_fx_rate",
        None,
        "its value 20.00 GBP has no rate GBP/USD nor USD/GBP for its UTC date 2026-10-31: add it to landing/fx_rates and "
        "run the day again",
    ),
    "regular": ("ineligible", "new_customer", "only new customers count, new_customer is false"),
    "abroad": ("ineligible", "country", "country is FR, only US, CA count"),
    "cheap": ("ineligible", "order_value", "value 4.00 USD is below minimum_order_value 5.00"),
    "gift": ("ineligible", "category", "category giftcard is among the excluded: giftcard"),
    "staff": ("ineligible", "coupon", "coupon STAFF is among the excluded: STAFF"),
    "again": (
        "ineligible",
        "repeat_household",
        "household hh-2 converted before: buy-2 at 2026-10-30T10:00:00.000000Z, 1 day, 2:00:00 before, "
        "which is within repeat_household_days 30",
    ),
    "dear": (
        "ineligible",
        "eligible_when",
        "order_value < 500 does not hold, with order_value 500.00, event purchase, country US, category missing, "
        "coupon missing, new_customer true, order_id missing",
    ),
}


@pytest.mark.parametrize("name", WHY)
def test_what_earned_nothing_is_told_with_the_values_that_were_compared(home: Home, name: str) -> None:
    status, reason, why = WHY[name]
    found = conversion(home, name)
    assert (found.status, found.reason) == (status, reason)
    prefix = f"rule {reason} of adv-1 version 1 fails: " if reason else ""
    assert found.why[0] == prefix + why
    assert found.documents == [f"none: with status {status} it is neither charged nor paid on"]


def test_every_status_is_told_of() -> None:
    assert {status for status, _, _ in WHY.values()} | {"attributed"} == set(STATUSES)


def test_a_touch_that_does_not_count_says_why(home: Home) -> None:
    """A click two days and six hours before, looked back at for two; a view of the day before that is not even looked at."""
    (touch,) = conversion(home, "no-touch").touches
    assert (touch["touch_id"], touch["counts"], touch["why"]) == ("old-click", False, "older than the window")
    assert touch["age"] == "2 days, 6:00:00 before"


def test_a_conversion_that_was_refused_is_found_in_quarantine(home: Home) -> None:
    (found,) = explain(home, "torn")
    assert isinstance(found, RowsExplained)
    assert found.elsewhere[0].startswith(f"refused on {OCT30}, part-0.csv row 6: bad_order_value, in quarantine as {{")


# Impressions


@pytest.mark.parametrize(
    ("name", "advertiser", "why"),
    [
        ("invalid", "invalid_traffic", "invalid traffic: bot; it is not billed and no touch"),
        ("uncovered", "no_contract", f"no advertiser term in force on {OCT28} covers line item li-none"),
        ("old", "priced_by_action", "line item li-sales is in term sales, which is paid by purchase, not by impression"),
        ("unseen", "not_viewable", "term seen is billable on viewable impressions, this one is not viewable"),
        ("cut-short", "not_completed", "term whole is billable on completed impressions, this one is not completed"),
        ("capped-4", "over_cap", "one unit of term capped (cpm) on 2026-10-31, the local date in UTC"),
        ("ctv-1", "billed", f"one unit of term brand (cpm) on {OCT28}, the local date in UTC"),
    ],
)
def test_the_outcome_of_an_impression_and_why(home: Home, name: str, advertiser: str, why: str) -> None:
    found = outcomes(home, name)["advertiser"]
    assert (found.outcome, found.why[0]) == (advertiser, why)


def test_a_billed_impression_shows_the_price_of_its_group_on_both_sides(home: Home) -> None:
    """Three units at 1,200.00 are 3.60; 70 % of them 2.52."""
    found = outcomes(home, "ctv-1")
    advertiser, partner = found["advertiser"], found["partner"]
    assert (advertiser.multiplier, advertiser.documents) == (Decimal("1.2"), [ACME_INVOICE])
    assert [(row["step"], row["rate"], row["units"], row["amount"]) for row in advertiser.group] == [
        (1, Decimal(1200), 3, Decimal("3.60"))
    ]
    assert [(row["units"], row["amount"]) for row in partner.group] == [(3, Decimal("2.52"))]
    assert partner.documents == [PUB_STATEMENT]


def test_a_group_that_the_cap_cuts_says_so(home: Home) -> None:
    assert outcomes(home, "capped-3")["advertiser"].why[1] == (
        "1 of the 3 impressions of its line item, partner and date lie over the impression cap of 2; "
        "of those of one delivery day, which ones is not said of a single one"
    )


def test_a_group_beyond_the_cap_has_no_price_and_no_document(home: Home) -> None:
    found = outcomes(home, "capped-4")["advertiser"]
    assert found.why[1] == "1 of the 1 impressions of its line item, partner and date lie over the impression cap of 2"
    assert (found.group, found.documents) == ([], [])


def test_every_outcome_is_told_of(home: Home) -> None:
    names = ("invalid", "uncovered", "old", "unseen", "cut-short", "capped-4", "ctv-1")
    assert {outcomes(home, name)["advertiser"].outcome for name in names} == set(OUTCOMES)


def test_a_view_names_the_conversions_that_it_was_credited_with(home: Home) -> None:
    (found,) = explain(home, "view-1")
    assert isinstance(found, ImpressionExplained)
    assert [(row["conversion_id"], row["credit"]) for row in found.credited] == [("buy-1", 500_000)]
    assert found.touch == ["a view of household hh-1: conversions of it may look back at it"]


def test_an_impression_delivered_again_or_refused_says_where(home: Home) -> None:
    (again,) = explain(home, "ctv-1")
    assert isinstance(again, ImpressionExplained)
    assert again.elsewhere == [f"delivered again on {OCT29}, part-0.csv row 5: dropped as a duplicate, the same content"]
    (broken,) = explain(home, "broken")
    assert isinstance(broken, RowsExplained)
    assert "bad_country" in broken.elsewhere[0]


# What is asked, and how it is answered


def test_what_nothing_is_called_is_one_clear_error(home: Home) -> None:
    for unknown in ("nothing", "INV-2026-000099"):
        with pytest.raises(BooksError, match=unknown):
            explain(home, unknown)
    with pytest.raises(BooksError, match="2026-11 has no draft of this contract"):
        explain(home, "DRAFT-adv-1", month=NOVEMBER)


def test_options_that_do_not_go_with_what_was_asked_are_refused(home: Home) -> None:
    with pytest.raises(UsageError, match="add --month"):
        explain(home, "DRAFT-adv-1")
    with pytest.raises(UsageError, match="are for documents"):
        explain(home, "buy-1", line=1)
    with pytest.raises(UsageError, match="--day is for conversions and impressions"):
        explain(home, ACME_INVOICE, day=OCT29)


@pytest.mark.parametrize(("name", "feed"), [("buy-1", "conversions"), ("ctv-1", "impressions")])
def test_with_a_delivery_day_an_event_is_looked_for_in_that_day_alone(
    home: Home, monkeypatch: pytest.MonkeyPatch, name: str, feed: str
) -> None:
    (everywhere,) = explain(home, name)
    assert isinstance(everywhere, ConversionExplained | ImpressionExplained)
    day = everywhere.event["delivery_day"]
    searched: list[tuple[str, Any]] = []
    read_days, read = Warehouse.read_days, Warehouse.read

    def noted(reading: Any) -> Any:
        def read_noted(self: Warehouse, table: str, days: Any = None, *more: Any) -> Any:
            searched.append((table, days))
            return reading(self, table, days, *more)

        return read_noted

    monkeypatch.setattr(Warehouse, "read_days", noted(read_days))
    monkeypatch.setattr(Warehouse, "read", noted(read))
    (there,) = explain(home, name, day=day)
    assert isinstance(there, ConversionExplained | ImpressionExplained)
    assert {str(days) for table, days in searched if table in (feed, f"{feed}_repeated", "quarantine")} == {f"['{day}']"}
    alone = f"looked for in the delivery of {day} alone: without --day all days are searched"
    assert there == dataclasses.replace(everywhere, elsewhere=[alone])


def test_a_day_on_which_an_event_came_again_or_was_refused_says_so(home: Home) -> None:
    repeated, refused = (explain(home, name, day=day)[0] for name, day in (("ctv-1", OCT29), ("torn", OCT30)))
    assert isinstance(repeated, RowsExplained) and isinstance(refused, RowsExplained)
    assert repeated.elsewhere == [
        f"delivered again on {OCT29}, part-0.csv row 5: dropped as a duplicate, the same content",
        f"looked for in the delivery of {OCT29} alone: without --day all days are searched",
    ]
    assert refused.elsewhere[0].startswith(f"refused on {OCT30}, part-0.csv row 6: bad_order_value")


def test_an_event_that_is_not_in_the_day_that_was_named_is_one_clear_error(home: Home) -> None:
    day = next(day for day in home.days_run() if day != conversion(home, "buy-1").event["delivery_day"])
    refused = adledger(home.root, "explain", "buy-1", "--day", day, expect=1).stderr
    assert refused == (
        f"error: buy-1: no conversion or impression of the delivery of {day} has this id\n"
        "  -> leave out --day to search all days: the delivery day may be another than that of the event's time\n"
    )
    with pytest.raises(BooksError) as absent:
        explain(home, "buy-1", day=date(2030, 1, 1))
    assert absent.value.what == "the delivery of 2030-01-01 is not in"
    assert absent.value.remedy.startswith("leave out --day to search all days")


def test_text_and_data_say_the_same(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    found = explain(home, ACME_INVOICE)
    print_explained(found)
    text = capsys.readouterr().out
    (data,) = as_data(found)
    assert (data["explains"], data["ties"], data["amounts"]["total"]) == ("document", True, "57.58")
    for own in data["lines"]:
        assert all(step in text for step in own["arithmetic"])
    assert "ties: every sum above comes to what is stored, to the last digit" in text


def test_the_command_prints_json_with_amounts_as_text(home: Home) -> None:
    done = adledger(home.root, "explain", "buy-1", "--json")
    (data,) = json.loads(done.stdout)
    assert (data["explains"], data["status"], data["fees"][1]["amount"]) == ("conversion", "attributed", "1.500000000")
    refused = adledger(home.root, "explain", "nothing", expect=1)
    assert refused.stderr.startswith("error: nothing: there is no document, conversion or impression")


def test_a_sum_that_does_not_tie_is_said_loudly_and_fails(amended: Home, tmp_path: Path) -> None:
    shutil.copytree(amended.root, tmp_path / "home")
    tampered = Home.open(tmp_path / "home")
    accruals = tampered.warehouse.read("accruals", [str(OCTOBER)]).collect()
    cent = pl.lit(Decimal("0.01"), pl.Decimal(38, 9))
    more = accruals.with_columns(
        uncapped=pl.when(pl.col("term_id") == "capped").then(pl.col("uncapped") + cent).otherwise("uncapped")
    )
    tampered.warehouse.publish([tampered.warehouse.write("accruals", str(OCTOBER), more)])
    done = adledger(tampered.root, "explain", "DRAFT-adv-1", "--month", OCTOBER, expect=1)
    assert "DOES NOT TIE" in done.stdout
    assert "this comes to 3.01 USD, the line says 3.00 USD" in done.stderr
