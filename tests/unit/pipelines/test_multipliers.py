from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, advertiser, at, counts, cpm, flat, frames, partner, term
from media_samples import Row, judged_days, rated

FACTORS = {"device_type": {"ctv": "1.2", "mobile": "0.8"}, "country": {"US": "1.1", "CA": "0.933333"}}


def priced(multipliers: Row, **more: Any) -> Any:
    return advertiser(term("brand", cpm("10", multipliers=multipliers), "li-1"), **more)


def daypart(first: int, last: int, factor: str, *days: str) -> Row:
    return {
        "days": list(days or ("mon", "tue", "wed", "thu", "fri", "sat", "sun")),
        "from": first,
        "to": last,
        "factor": factor,
    }


def multiplier(row: Row, *contracts: Any, side: str = "advertiser") -> Decimal:
    found: Decimal = judged_days(counts(row), frames(*contracts)).filter(side=side)["multiplier"].item()
    return found


@pytest.mark.parametrize(
    ("row", "product"),
    [
        ({"device_type": "ctv", "country": "US"}, "1.32"),
        ({"device_type": "ctv", "country": "CA"}, "1.1199996"),
        ({"device_type": "ctv"}, "1.2"),
        ({"device_type": "ctv", "country": "DE"}, "1.2"),
        ({"device_type": "desktop", "country": "CA"}, "0.933333"),
        ({"device_type": "CTV", "country": "us"}, "1"),
        ({}, "1"),
    ],
    ids=["both", "exact", "no-country", "country-not-listed", "device-not-listed", "by-the-letter", "neither"],
)
def test_the_multiplier_is_the_product_of_the_factors_and_what_is_not_listed_counts_one(row: Row, product: str) -> None:
    assert multiplier(row, priced(FACTORS)) == Decimal(product)


def test_a_product_of_three_factors_keeps_all_eighteen_places() -> None:
    factors = {"device_type": {"ctv": "0.000001"}, "country": {"US": "0.000003"}, "daypart": [daypart(0, 24, "999.999999")]}
    assert multiplier({"device_type": "ctv", "country": "US"}, priced(factors)) == Decimal("0.000000002999999997")


@pytest.mark.parametrize(
    ("quarter", "factor"),
    [
        ("2026-10-05T17:45Z", "1"),
        ("2026-10-05T18:00Z", "1.5"),
        ("2026-10-05T22:45Z", "1.5"),
        ("2026-10-05T23:00Z", "1"),
        ("2026-10-06T18:00Z", "1"),
        ("2026-10-12T18:00Z", "1.5"),
    ],
    ids=["before", "from", "last-quarter", "to", "other-day", "a-week-later"],
)
def test_a_daypart_counts_from_its_first_hour_to_before_its_last(quarter: str, factor: str) -> None:
    contract = priced({"daypart": [daypart(18, 23, "1.5", "mon")]})
    assert multiplier({"quarter_hour": at(quarter)}, contract) == Decimal(factor)


def test_of_two_dayparts_that_match_the_first_counts() -> None:
    contract = priced({"daypart": [daypart(12, 13, "2"), daypart(0, 24, "3")]})
    assert multiplier({"quarter_hour": NOON}, contract) == 2
    assert multiplier({"quarter_hour": at("2026-10-05T13:00Z")}, contract) == 3


@pytest.mark.parametrize(
    ("zone", "quarter", "factor"),
    [
        ("America/New_York", "2026-10-06T03:45Z", "2"),  # Monday 23:45
        ("America/New_York", "2026-10-06T04:00Z", "1"),
        ("Asia/Kathmandu", "2026-10-05T17:00Z", "2"),  # Monday 22:45
        ("Asia/Kathmandu", "2026-10-05T18:15Z", "1"),  # Tuesday 00:00
        ("Asia/Kathmandu", "2026-10-05T16:15Z", "2"),  # Monday 22:00
        ("Asia/Kathmandu", "2026-10-05T16:00Z", "1"),  # Monday 21:45
        ("Pacific/Kiritimati", "2026-10-05T09:45Z", "2"),  # Monday 23:45
        ("Pacific/Kiritimati", "2026-10-05T10:00Z", "1"),
    ],
)
def test_the_hour_and_the_day_of_the_week_are_local_to_the_contract(zone: str, quarter: str, factor: str) -> None:
    contract = priced({"daypart": [daypart(22, 24, "2", "mon")]}, timezone=zone)
    assert multiplier({"quarter_hour": at(quarter)}, contract) == Decimal(factor)


@pytest.mark.parametrize(
    ("first", "hour", "quarters"),
    [
        ("2026-11-01T04:00Z", 1, 8),  # the day of 25 hours has 1 o'clock twice
        ("2026-03-08T05:00Z", 2, 0),  # the day of 23 hours has no 2 o'clock
        ("2026-03-08T05:00Z", 3, 4),
        ("2026-03-09T04:00Z", 2, 4),
    ],
)
def test_where_the_clock_changes_each_quarter_counts_by_the_hour_that_the_clock_shows(
    first: str, hour: int, quarters: int
) -> None:
    contract = priced({"daypart": [daypart(hour, hour + 1, "2")]}, timezone="America/New_York", first=date(2026, 1, 1))
    hours = 25 if "11-01" in first else 23 if "03-08" in first else 24
    rows = [{"quarter_hour": at(first) + n * (at("2026-01-01T00:15Z") - at("2026-01-01T00:00Z"))} for n in range(hours * 4)]
    judged = judged_days(counts(*rows), frames(contract)).filter(side="advertiser", outcome="billed")
    assert judged.filter(multiplier=2)["impressions"].sum() == quarters
    assert judged["impressions"].sum() == hours * 4
    assert judged["month_date"].n_unique() == 1


def test_each_side_multiplies_by_its_own_factors_in_its_own_zone() -> None:
    paid = partner(term("all", cpm("4", multipliers={"daypart": [daypart(21, 22, "0.5")]})), timezone="Asia/Tokyo")
    row = {"device_type": "ctv", "quarter_hour": NOON}
    assert multiplier(row, priced(FACTORS), paid) == Decimal("1.2")
    assert multiplier(row, priced(FACTORS), paid, side="partner") == Decimal("0.5")


def test_what_is_not_billed_or_has_another_price_has_no_multiplier() -> None:
    multiplied = cpm("10", multipliers=FACTORS, billable_on="viewable")
    contract = advertiser(term("brand", multiplied, "li-1"), term("sale", flat(), "li-2"))
    rows = [
        {"device_type": device, "country": "US", "line_item_id": f"li-{n}"} for n in (1, 2, 3) for device in ("ctv", None)
    ]
    judged = judged_days(counts(*rows), frames(contract)).filter(side="advertiser")
    assert judged.select("outcome", "multiplier", "impressions").sort("outcome").rows() == [
        ("no_contract", 1, 2),
        ("not_viewable", 1, 2),
        ("priced_by_action", 1, 2),
    ]


def test_a_count_is_kept_apart_only_by_what_a_term_that_covers_it_prices() -> None:
    other = advertiser(term("brand", cpm("10", multipliers=FACTORS), "li-9"), contract_id="other-1", party="other")
    rows = [
        {"device_type": device, "country": country, "quarter_hour": at(f"2026-10-05T{hour}:00Z"), "line_item_id": line}
        for device in ("ctv", "mobile", None)
        for country in ("US", "DE")
        for hour in (10, 18)
        for line in ("li-1", "li-9")
    ]
    judged = judged_days(counts(*rows), frames(advertiser(term("plain", cpm(), "li-1")), other)).filter(side="advertiser")
    sizes = dict(judged.group_by("line_item_id").agg(pl.len()).iter_rows())
    assert sizes == {"li-1": 1, "li-9": 6}  # three devices by US or not; no hours


def test_the_price_of_a_version_goes_with_its_own_factors() -> None:
    versions = [
        priced({"device_type": {"ctv": "2"}}, last=date(2026, 10, 4)),
        priced({"device_type": {"ctv": "3"}}, first=date(2026, 10, 5), version=2),
    ]
    rows = [{"device_type": "ctv", "quarter_hour": at(f"2026-10-0{day}T12:00Z")} for day in (4, 5)]
    made = rated(rows, *versions)
    assert made.accruals.select("version", "rate", "amount").rows() == [
        (1, Decimal(20), Decimal("0.02")),
        (2, Decimal(30), Decimal("0.03")),
    ]


@pytest.mark.parametrize(
    ("rate", "factor", "effective"),
    [
        ("0.333333", "1.5", "0.5"),  # 0.4999995: half goes up
        ("0.000001", "0.5", "0.000001"),  # 0.0000005
        ("0.000001", "0.499999", "0"),
        ("999999999.999999", "1000", "999999999999.999"),
        ("3.25", "0", "0"),
    ],
)
def test_the_effective_rate_is_rounded_to_six_places_half_up(rate: str, factor: str, effective: str) -> None:
    contract = advertiser(term("brand", cpm(rate, multipliers={"device_type": {"ctv": factor}}), "li-1"))
    made = rated([{"device_type": "ctv", "impressions": 1000}], contract)
    assert made.accruals.select("rate", "amount").rows() == [(Decimal(effective), Decimal(effective))]


def test_groups_whose_products_differ_without_a_difference_in_rate_are_one_accrual() -> None:
    multiplied = cpm("0.000001", multipliers={"device_type": {"ctv": "1.2", "mobile": "0.8"}})
    rows = [{"device_type": device, "impressions": 5} for device in ("ctv", "mobile", None)]
    made = rated(rows, advertiser(term("brand", multiplied, "li-1")))
    assert made.accruals.select("rate", "units", "amount").rows() == [(Decimal("0.000001"), 15, Decimal("0.000000015"))]


def test_three_largest_factors_are_multiplied_without_overflow() -> None:
    most = {"device_type": {"ctv": "1000"}, "country": {"US": "1000"}, "daypart": [daypart(0, 24, "1000")]}
    contract = advertiser(term("brand", cpm("999999999.999999", multipliers=most), "li-1"))
    made = rated([{"device_type": "ctv", "country": "US", "impressions": 1000}], contract)
    assert made.accruals["amount"].item() == Decimal("999999999999999000")
