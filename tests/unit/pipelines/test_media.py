from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import DAY, NOON, advertiser, at, counts, cpm, flat, frames, partner, term
from media_samples import OCTOBER, Rated, judged_days, rated

from contracts_io.contract import InForce
from contracts_io.frames import TABLES


def outcome(row: dict[str, Any], *contracts: InForce, side: str = "advertiser") -> tuple[Any, ...]:
    """Outcome, contract and term of one count."""
    found = rated([row], *contracts).outcomes.filter(pl.col("side") == side)
    (named,) = found.select("outcome", "contract_id", "term_id").rows()
    return tuple(named)


def amounts(made: Rated, side: str) -> list[tuple[Any, ...]]:
    of_side = made.accruals.filter(pl.col("side") == side)
    return of_side.select("billing_date", "contract_id", "version", "term_id", "rate", "units", "amount").rows()


@pytest.mark.parametrize(
    ("billable_on", "marks", "expected"),
    [
        ("served", {}, "billed"),
        ("viewable", {}, "not_viewable"),
        ("viewable", {"completed": True}, "not_viewable"),
        ("viewable", {"viewable": True}, "billed"),
        ("completed", {}, "not_completed"),
        ("completed", {"viewable": True}, "not_completed"),
        ("completed", {"completed": True}, "billed"),
        ("viewable", {"valid": False}, "invalid_traffic"),
        ("completed", {"valid": False}, "invalid_traffic"),
        ("served", {"valid": False}, "invalid_traffic"),
    ],
)
def test_an_impression_has_the_first_outcome_that_applies_on_both_sides(
    billable_on: str, marks: dict[str, bool], expected: str
) -> None:
    contracts = [
        advertiser(term("brand", cpm(billable_on=billable_on), "li-1")),
        partner(term("all", cpm(billable_on=billable_on))),
    ]
    named = expected != "invalid_traffic"
    assert outcome(marks, *contracts) == (expected, *(("acme-1", "brand") if named else (None, None)))
    assert outcome(marks, *contracts, side="partner") == (expected, *(("pub-1-2026", "all") if named else (None, None)))


def test_a_contract_is_told_where_one_was_asked_and_found_and_the_advertiser_of_what_is_billed_only() -> None:
    marks = {"billed": {"viewable": True}, "not_viewable": {}, "invalid_traffic": {"valid": False}}
    rows = [*marks.values(), {"line_item_id": "li-2"}, {"line_item_id": "li-none"}]
    contracts = [
        advertiser(term("seen", cpm(billable_on="viewable"), "li-1"), term("sale", flat(), "li-2")),
        partner(term("all", cpm())),
    ]
    judged = judged_days(counts(*rows), frames(*contracts))
    told = {
        (row["side"], row["line_item_id"], row["outcome"]): (row["contract_id"], row["term_id"], row["advertiser_id"])
        for row in judged.iter_rows(named=True)
    }
    assert told == {
        ("advertiser", "li-1", "billed"): ("acme-1", "seen", "acme"),
        ("advertiser", "li-1", "not_viewable"): ("acme-1", "seen", None),
        ("advertiser", "li-1", "invalid_traffic"): (None, None, None),
        ("advertiser", "li-2", "priced_by_action"): ("acme-1", "sale", None),
        ("advertiser", "li-none", "no_contract"): (None, None, None),
        ("partner", "li-1", "billed"): ("pub-1-2026", "all", "acme"),
        ("partner", "li-1", "invalid_traffic"): (None, None, None),
        ("partner", "li-2", "billed"): ("pub-1-2026", "all", "acme"),
        ("partner", "li-none", "billed"): ("pub-1-2026", "all", None),
    }


@pytest.mark.parametrize("valid", [True, False])
def test_invalid_traffic_goes_before_no_contract(valid: bool) -> None:
    expected = "no_contract" if valid else "invalid_traffic"
    assert outcome({"valid": valid}) == (expected, None, None)
    assert outcome({"valid": valid}, side="partner") == (expected, None, None)


@pytest.mark.parametrize("marks", [{}, {"viewable": True, "completed": True}])
def test_what_a_cpa_term_covers_is_priced_by_action_and_pays_the_partner_all_the_same(marks: dict[str, bool]) -> None:
    contracts = [advertiser(), partner(term("all", cpm("4"), advertisers=["acme"]))]
    assert outcome(marks, *contracts) == ("priced_by_action", "acme-1", "sale")
    assert outcome(marks, *contracts, side="partner") == ("billed", "pub-1-2026", "all")
    assert outcome({"valid": False} | marks, *contracts) == ("invalid_traffic", None, None)


@pytest.mark.parametrize(
    "contract",
    [
        advertiser(term("brand", cpm(), "li-9")),
        advertiser(term("brand", cpm(), "li-1"), last=DAY - timedelta(days=1)),
        advertiser(term("brand", cpm(), "li-1"), first=DAY + timedelta(days=1)),
        advertiser(term("brand", cpm(), "li-1", starts_on=str(DAY + timedelta(days=1)))),
        advertiser(term("brand", cpm(), "li-1", ends_on=str(DAY - timedelta(days=1)))),
        partner(party="pub-9"),
    ],
    ids=["line", "ended", "not-yet", "term-not-yet", "term-ended", "partner"],
)
def test_an_impression_that_no_term_in_force_covers_has_no_contract(contract: InForce) -> None:
    assert outcome({}, contract) == ("no_contract", None, None)
    assert outcome({}, contract, side="partner") == ("no_contract", None, None)


def test_outcomes_of_each_side_add_up_to_what_was_accepted() -> None:
    contracts = [
        advertiser(term("brand", cpm(billable_on="viewable"), "li-1"), term("sale", flat(), "li-2")),
        partner(term("all", cpm(billable_on="completed"))),
    ]
    rows = [
        {"line_item_id": f"li-{line}", "viewable": viewable, "completed": done, "valid": valid, "impressions": 2**n}
        for n, (line, viewable, done, valid) in enumerate(
            (line, v, c, ok) for line in (1, 2, 3) for v in (True, False) for c in (True, False) for ok in (True, False)
        )
    ]
    made = rated(rows, *contracts)
    assert made.counted == 2**24 - 1
    sums = made.outcomes.group_by("side").agg(pl.col("impressions").sum())
    assert dict(sums.iter_rows()) == {"advertiser": 2**24 - 1, "partner": 2**24 - 1}
    assert made.outcomes.select(pl.all().exclude("impressions")).is_duplicated().sum() == 0
    assert made.accruals.group_by("side").agg(pl.col("units").sum()).sort("side").rows() == [
        ("advertiser", sum(2**n for n in (0, 2))),
        ("partner", sum(2**n for n in range(24) if n % 4 == 0)),
    ]


FILTERS = [
    ({}, {}, True),
    ({"line_items": ["li-1", "li-2"]}, {}, True),
    ({"line_items": ["li-2"]}, {}, False),
    ({"advertisers": ["acme"]}, {}, True),
    ({"advertisers": ["zeta"]}, {}, False),
    ({"line_items": ["li-1"], "advertisers": ["acme"]}, {}, True),
    ({"line_items": ["li-2"], "advertisers": ["acme"]}, {}, False),
    ({"line_items": ["li-1"], "advertisers": ["zeta"]}, {}, False),
    ({"advertisers": ["acme"]}, {"line_item_id": "li-unknown"}, False),  # nobody's line: no advertiser
    ({"advertisers": ["acme", "zeta"]}, {"line_item_id": "li-unknown"}, False),
    ({"line_items": ["li-unknown"]}, {"line_item_id": "li-unknown"}, True),
    ({}, {"line_item_id": "li-unknown"}, True),
]


@pytest.mark.parametrize(("filters", "row", "matches"), FILTERS)
def test_a_partner_term_pays_what_its_filters_let_pass(filters: dict[str, Any], row: dict[str, Any], matches: bool) -> None:
    contracts = [advertiser(term("brand", cpm(), "li-1")), partner(term("some", cpm("4"), **filters))]
    found = outcome(row, *contracts, side="partner")
    assert found == (("billed", "pub-1-2026", "some") if matches else ("no_contract", None, None))


def test_a_partner_is_paid_by_the_first_term_in_document_order_that_matches_and_is_paid_by_impression() -> None:
    terms = [
        term("z-sale", flat()),
        term("y-zeta", cpm("9"), advertisers=["zeta"]),
        term("x-acme", cpm("8", billable_on="viewable"), advertisers=["acme"]),
        term("a-rest", cpm("7")),
    ]
    contracts = [advertiser(term("brand", cpm(), "li-1")), partner(*terms)]
    assert outcome({}, *contracts, side="partner") == ("not_viewable", "pub-1-2026", "x-acme")
    assert outcome({"line_item_id": "li-9"}, *contracts, side="partner") == ("billed", "pub-1-2026", "a-rest")
    reordered = [contracts[0], partner(*reversed(terms))]
    assert outcome({}, *reordered, side="partner") == ("billed", "pub-1-2026", "a-rest")


def test_each_partner_is_paid_by_its_own_contract() -> None:
    contracts = [partner(), partner(term("own", cpm("5")), contract_id="pub-2-2026", party="pub-2")]
    made = rated([{"impressions": 3}, {"partner_id": "pub-2", "impressions": 5}], *contracts)
    assert amounts(made, "partner") == [
        (DAY, "pub-1-2026", 1, "all", Decimal(4), 3, Decimal("0.012")),
        (DAY, "pub-2-2026", 1, "own", Decimal(5), 5, Decimal("0.025")),
    ]


@pytest.mark.parametrize(
    ("rate", "units", "amount"),
    [
        ("32.50", 1000, "32.5"),
        ("32.50", 1, "0.0325"),
        ("0.000001", 1, "0.000000001"),
        ("3987.319999", 123_456_789, "492261723.792023211"),
        ("999999.999999", 10**12, "999999999999000"),
        ("0", 5, "0"),
        ("0.333333", 3, "0.000999999"),
    ],
)
def test_an_accrual_is_units_by_rate_by_the_mille_to_the_last_digit(rate: str, units: int, amount: str) -> None:
    made = rated([{"impressions": units}], advertiser(term("brand", cpm(rate), "li-1")), partner(term("all", cpm(rate))))
    for side in ("advertiser", "partner"):
        found = made.accruals.filter(pl.col("side") == side)
        assert found.select("rate", "units", "amount").rows() == [(Decimal(rate), units, Decimal(amount))]


@pytest.mark.parametrize(
    ("zone", "last_quarter", "first_quarter"),
    [
        ("UTC", "2026-10-31T23:45Z", "2026-11-01T00:00Z"),
        ("America/New_York", "2026-11-01T03:45Z", "2026-11-01T04:00Z"),
        ("Asia/Kathmandu", "2026-10-31T18:00Z", "2026-10-31T18:15Z"),
        ("Asia/Tokyo", "2026-10-31T14:45Z", "2026-10-31T15:00Z"),
    ],
)
def test_a_month_ends_at_local_midnight_of_the_contract_at_hand(zone: str, last_quarter: str, first_quarter: str) -> None:
    contract = advertiser(term("brand", cpm(), "li-1"), timezone=zone)
    rows = [
        {"quarter_hour": at(last_quarter), "impressions": 3},
        {"quarter_hour": at(first_quarter), "impressions": 5},
    ]
    october = amounts(rated(rows, contract), "advertiser")
    november = amounts(rated(rows, contract, month=OCTOBER.next), "advertiser")
    assert [(row[0], row[-2]) for row in october] == [(date(2026, 10, 31), 3)]
    assert [(row[0], row[-2]) for row in november] == [(date(2026, 11, 1), 5)]


def test_each_side_has_its_own_local_date_and_what_has_no_contract_has_the_utc_one() -> None:
    contracts = [
        advertiser(term("brand", cpm(), "li-1"), timezone="America/New_York"),
        partner(timezone="Asia/Tokyo"),
    ]
    rows: list[dict[str, Any]] = [
        {"quarter_hour": at("2026-11-01T02:00Z")},
        {"quarter_hour": at("2026-11-01T02:00Z"), "line_item_id": "li-9"},
    ]
    october, november = rated(rows, *contracts), rated(rows, *contracts, month=OCTOBER.next)
    columns = ("side", "line_item_id", "outcome")
    assert october.outcomes.select(columns).rows() == [("advertiser", "li-1", "billed")]
    assert sorted(november.outcomes.select(columns).rows()) == [
        ("advertiser", "li-9", "no_contract"),
        ("partner", "li-1", "billed"),
        ("partner", "li-9", "billed"),
    ]


@pytest.mark.parametrize(
    ("quarter", "version"),
    [
        ("2026-10-05T03:45Z", 1),
        ("2026-10-05T04:00Z", 2),
    ],
)
def test_the_price_is_that_of_the_version_in_force_on_the_local_date(quarter: str, version: int) -> None:
    versions = [
        advertiser(term("brand", cpm("10"), "li-1"), timezone="America/New_York", last=date(2026, 10, 4)),
        advertiser(term("brand", cpm("20"), "li-1"), timezone="America/New_York", first=date(2026, 10, 5), version=2),
    ]
    made = amounts(rated([{"quarter_hour": at(quarter)}], *versions), "advertiser")
    assert [(row[2], row[4], row[6]) for row in made] == [(version, Decimal(10 * version), Decimal("0.01") * version)]


def test_a_day_of_25_hours_is_one_billing_date() -> None:
    contract = advertiser(term("brand", cpm(), "li-1"), timezone="America/New_York")
    quarters = [at("2026-11-01T04:00Z") + n * timedelta(minutes=15) for n in range(100)]
    made = rated([{"quarter_hour": q, "impressions": 1} for q in quarters], contract, month=OCTOBER.next)
    assert [(row[0], row[5]) for row in amounts(made, "advertiser")] == [(date(2026, 11, 1), 100)]


def test_where_two_contracts_claim_an_impression_the_lowest_id_has_it() -> None:
    east = advertiser(term("brand", cpm(), "li-1"), contract_id="b-east", party="zeta", timezone="Asia/Tokyo", first=DAY)
    west = advertiser(
        term("brand", cpm(), "li-1"), contract_id="a-west", timezone="America/Los_Angeles", last=date(2026, 10, 4)
    )
    for order in ([east, west], [west, east]):
        assert outcome({"quarter_hour": at("2026-10-05T01:00Z")}, *order) == ("billed", "a-west", "brand")
        assert outcome({"quarter_hour": at("2026-10-05T07:00Z")}, *order) == ("billed", "b-east", "brand")


def test_accruals_are_grouped_by_day_line_and_partner_whatever_else_is_counted_apart() -> None:
    rows = [
        {"impressions": n + 1, "device_type": device, "country": country, "quarter_hour": NOON + n * timedelta(hours=1)}
        for n, (device, country) in enumerate([("ctv", "US"), ("mobile", None), (None, "DE")])
    ]
    made = rated(
        [*rows, {"partner_id": "pub-2"}, {"delivery_day": DAY + timedelta(days=1)}], advertiser(term("b", cpm(), "li-1"))
    )
    assert made.accruals.select("partner_id", "units").rows() == [("pub-1", 7), ("pub-2", 1)]
    assert made.outcomes.filter(pl.col("side") == "advertiser").select(
        "delivery_day", "partner_id", "impressions"
    ).rows() == [
        (DAY, "pub-1", 6),
        (DAY, "pub-2", 1),
        (DAY + timedelta(days=1), "pub-1", 1),
    ]


def test_a_month_without_impressions_or_contracts_is_two_empty_tables() -> None:
    for made in (rated([], advertiser(), partner()), rated([])):
        assert made.outcomes.equals(TABLES["impression_outcomes"].empty())
        assert made.accruals.equals(TABLES["accruals"].empty())
        assert made.counted == 0
