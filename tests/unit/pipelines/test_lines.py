"""The lines that stand beside media and actions: tier fees, budgets, shares, commission, minimum."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import advertiser, at, cpm, flat, frames, partner, percent, rows_of, term

from contracts_io.calendar import Month
from contracts_io.contract import InForce
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE
from pipelines.documents import Drafts, draft

Row = dict[str, Any]
OCTOBER = Month(2026, 10)
PAID: Row = {"side": "partner", "contract_id": "pub-1-2026", "partner_id": "pub-1"}
SOLD: Row = {"kind": "action", "term_id": "sale", "line_item_id": None, "partner_id": None, "event": "purchase"}
BRAND = term("brand", cpm(), "li-1")


def flights(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    """Table ``flights`` of (contract, term, charged, lined)."""
    exact = [pl.col(name).cast(NANOS_TYPE) for name in ("charged", "lined")]
    frame = pl.DataFrame(list(rows), schema=["contract_id", "term_id", "charged", "lined"], orient="row")
    frame = frame.cast(pl.String).with_columns(*exact, impressions=pl.lit(1_000, pl.Int64))
    return frame.select(TABLES["flights"].columns)


def drafted(
    accruals: list[Row],
    *contracts: InForce,
    before: pl.DataFrame | None = None,
    now: pl.DataFrame | None = None,
    month: Month = OCTOBER,
    minimums: bool = True,
) -> Drafts:
    made = draft(
        rows_of("accruals", [{"uncapped": row["amount"]} | row for row in accruals]),
        frames(*contracts),
        month,
        flights_before=flights() if before is None else before,
        flights=(flights() if now is None else now).drop("lined"),
        minimums=minimums,
        known_at=at("2026-10-01T09:00Z"),
    )
    for name, frame in made._asdict().items():
        TABLES[name if name == "flights" else f"draft_{name}"].check(frame.lazy(), has_rows=frame.height > 0)
    return made


def lines(made: Drafts, kind: str | None = None, *columns: str) -> list[tuple[Any, ...]]:
    """The invoice lines of a kind, by default as (kind, term, amount)."""
    of = made.invoice_lines if kind is None else made.invoice_lines.filter(pl.col("kind") == kind)
    return of.select(columns or ("kind", "term_id", "amount")).rows()


TIERED = {
    "model": "cpm",
    "tiers": {
        "mode": "graduated",
        "steps": [
            {"up_to": 10, "rate": "10"},
            {"up_to": 20, "rate": "9", "flat_fee": "4.125"},
            {"rate": "8", "flat_fee": "7"},
        ],
    },
}
TIERED_SALE = {
    "model": "cpa",
    "event": "purchase",
    "tiers": {"mode": "volume", "steps": [{"up_to": 2, "amount": "12", "flat_fee": "2.5"}, {"amount": "10"}]},
}


@pytest.mark.parametrize(
    ("steps", "fees"),
    [([1], []), ([2], [(2, "4.125", "4.13")]), ([1, 3], [(3, "7", "7")]), ([2, 3], [(2, "4.125", "4.13"), (3, "7", "7")])],
)
def test_a_flat_fee_is_charged_once_for_a_step_at_which_a_unit_is_priced(
    steps: list[int], fees: list[tuple[int, str, str]]
) -> None:
    rows = [{"step": step, "rate": str(11 - step), "amount": "1", "line_item_id": li} for step in steps for li in ("a", "b")]
    made = drafted(rows, advertiser(term("brand", TIERED, "li-1")))
    found = lines(made, "tier_fee", "term_id", "version", "step", "quantity", "rate", "amount", "description")
    assert found == [
        ("brand", 1, step, 1, Decimal(rate), Decimal(amount), f"brand: flat fee of step {step}")
        for step, rate, amount in fees
    ]


def test_a_flat_fee_of_actions_stands_with_them_on_both_sides() -> None:
    row = SOLD | {"step": 1, "rate": "12", "rate_kind": "flat", "units": 2, "amount": "24"}
    contracts = [advertiser(term("sale", TIERED_SALE, "li-1")), partner(term("sale", TIERED_SALE))]
    made = drafted([row, row | PAID | {"advertiser_contract_id": "acme-1"}], *contracts)
    assert lines(made) == [("action", "sale", Decimal(24)), ("tier_fee", "sale", Decimal("2.5"))]
    assert made.payout_lines["kind"].to_list() == ["action", "tier_fee"]
    assert lines(made, "action", "step", "description") == [(1, "sale: purchase at 12.00 USD, step 1")]


def test_each_version_has_its_own_flat_fee() -> None:
    contracts = [
        advertiser(term("brand", TIERED, "li-1"), last=date(2026, 10, 9)),
        advertiser(term("brand", TIERED, "li-1"), version=2, first=date(2026, 10, 10)),
    ]
    made = drafted([{"step": 3, "rate": "8", "version": v, "amount": "1"} for v in (1, 2)], *contracts)
    assert lines(made, "tier_fee", "version", "amount") == [(1, Decimal(7)), (2, Decimal(7))]


def test_a_media_line_is_before_any_budget_and_of_one_rate_whatever_its_steps() -> None:
    rows = [{"step": step, "rate": "10", "units": 5, "uncapped": "0.05", "amount": "0.01"} for step in (1, 2)]
    assert lines(drafted(rows, advertiser(BRAND)), None, "quantity", "amount") == [(10, Decimal("0.1"))]


@pytest.mark.parametrize(
    ("markup", "said"), [({}, ""), ({"markup": "0.15"}, " plus 15 %"), ({"markup": "0.125"}, " plus 12.5 %")]
)
def test_dynamic_media_has_one_line_without_a_rate(markup: Row, said: str) -> None:
    contract = advertiser(term("brand", {"model": "dcpm"} | markup, "li-1"))
    rows = [{"rate": None, "rate_kind": None, "amount": "0.004", "line_item_id": f"li-{n}"} for n in range(3)]
    found = lines(drafted(rows, contract), None, "quantity", "rate", "amount", "description")
    assert found == [(3, None, Decimal("0.01"), f"brand: impressions at cleared prices{said}")]


def capped(budget: str | None, **more: Any) -> InForce:
    return advertiser(term("brand", cpm(**({"budget": budget} if budget else {})), "li-1"), **more)


@pytest.mark.parametrize(
    ("budget", "lined_before", "media", "charged", "cap"),
    [
        ("150000", "0", "150000", "150000", None),
        ("150000", "0", "150000.01", "150000", "-0.01"),
        ("150", "140", "25", "150", "-15"),
        ("150", "150", "25", "150", "-25"),
        ("150", "149.99", "0.02", "150", "-0.01"),
        ("150", "100", "25", "125", None),
        ("150", "149.99", "0.01", "149.994", None),  # lines that come to the budget are not more than it
        ("80", "100", "5", "100", "-5"),  # lowered below what was charged before: that stays
        ("0.001", "0", "0.01", "0.001", "-0.01"),
        ("0.006", "0", "0.01", "0.006", None),  # more than the budget, yet what was charged, rounded
        (None, "100", "5", "105", None),
    ],
)
def test_a_flight_that_comes_to_more_than_its_budget_is_brought_to_what_was_charged(
    budget: str | None, lined_before: str, media: str, charged: str, cap: str | None
) -> None:
    made = drafted(
        [{"uncapped": media, "amount": "0"}],
        capped(budget),
        before=flights(("acme-1", "brand", "0", lined_before)),
        now=flights(("acme-1", "brand", charged, "0")),
    )
    caps = lines(made, "budget_cap", "term_id", "version", "quantity", "rate", "amount")
    assert caps == ([("brand", 1, None, None, Decimal(cap))] if cap else [])
    lined = Decimal(lined_before) + Decimal(media) + Decimal(cap or 0)
    assert made.flights.select("contract_id", "term_id", "impressions", "charged", "lined").rows() == [
        ("acme-1", "brand", 1_000, Decimal(charged), lined)
    ]


def test_a_budget_runs_over_months_and_its_lines_always_come_to_what_was_charged() -> None:
    contract, before = capped("100"), flights()
    total, sums = Decimal(0), []
    for month in (8, 9, 10, 11):
        charged = min(Decimal(100), (month - 7) * Decimal("40.005"))
        made = drafted(
            [{"uncapped": "40.005", "amount": "0"}],
            contract,
            before=before,
            now=flights(("acme-1", "brand", str(charged), "0")),
            month=Month(2026, month),
        )
        before, total = made.flights, total + made.invoices["net"].item()
        sums.append(total)
    assert sums == [Decimal("40.01"), Decimal("80.02"), Decimal(100), Decimal(100)]
    assert lines(made) == [("media", "brand", Decimal("40.01")), ("budget_cap", "brand", Decimal("-40.01"))]


def test_the_budget_is_that_of_the_highest_version_among_the_months_lines() -> None:
    contracts = [
        capped("10", last=date(2026, 10, 9)),
        capped("20", version=2, first=date(2026, 10, 10), last=date(2026, 10, 19)),
        capped("5", version=3, first=date(2026, 10, 20)),
    ]
    rows = [{"version": version, "uncapped": "12", "amount": "10"} for version in (1, 2)]
    made = drafted(rows, *contracts, now=flights(("acme-1", "brand", "20", "0")))
    assert lines(made, "budget_cap", "version", "amount", "description") == [
        (2, Decimal(-4), "brand: budget of 20.00 USD reached")
    ]
    assert lines(drafted(rows[:1], *contracts, now=flights(("acme-1", "brand", "10", "0"))), "budget_cap") == [
        ("budget_cap", "brand", Decimal(-2))
    ]


def test_a_budget_says_itself_in_words() -> None:
    for currency, budget, said in (
        ("USD", "150000.00", "150,000.00 USD"),
        ("JPY", "1500000", "1,500,000 JPY"),
        ("USD", "0.001", "0.001 USD"),
    ):
        made = drafted(
            [{"amount": "2000000"}], capped(budget, currency=currency), now=flights(("acme-1", "brand", "0", "0"))
        )
        assert lines(made, "budget_cap", "description") == [(f"brand: budget of {said} reached",)]


def test_flights_of_terms_without_media_this_month_are_carried_over() -> None:
    before = flights(("acme-1", "brand", "7", "7.01"), ("acme-1", "old", "3", "3"))
    made = drafted([], advertiser(BRAND), before=before, now=flights(("acme-1", "brand", "7", "0")))
    assert made.flights.select("term_id", "charged", "lined").rows() == [
        ("brand", Decimal(7), Decimal("7.01")),
        ("old", Decimal(3), Decimal(3)),
    ]
    assert made.invoice_lines.is_empty()


def test_a_share_of_revenue_has_a_line_for_each_charged_contract() -> None:
    share = PAID | {"kind": "revenue_share", "term_id": "share", "rate": None, "rate_kind": None, "units": 2}
    rows = [
        share | {"advertiser_contract_id": f"acme-{n}", "amount": "0.004", "line_item_id": li} for n in (1, 2) for li in "ab"
    ]
    made = drafted(rows, partner(term("share", {"model": "revenue_share", "share": "0.7"})))
    columns = ("kind", "term_id", "advertiser_contract_id", "quantity", "rate", "amount", "description")
    assert made.payout_lines.select(columns).rows() == [
        ("revenue_share", "share", f"acme-{n}", 4, None, Decimal("0.01"), f"share: 70 % of media charged under acme-{n}")
        for n in (1, 2)
    ]


@pytest.mark.parametrize(
    ("currency", "share", "amounts", "commission"),
    [
        ("USD", "0.15", ["100"], "-15"),
        ("USD", "0.15", ["0.10"], "-0.02"),  # 0.015: half goes up, away from zero
        ("USD", "0.15", ["0.004", "0.03"], None),  # 0.0045, of lines that are rounded
        ("USD", "0.15", ["-0.10"], "0.02"),  # what is taken back has its commission back
        ("JPY", "0.15", ["6"], "-1"),
        ("KWD", "0.1", ["0.005"], "-0.001"),
        ("USD", "0", ["100"], None),
    ],
)
def test_commission_is_a_share_of_the_rounded_lines_of_media(
    currency: str, share: str, amounts: list[str], commission: str | None
) -> None:
    rows = [{"term_id": f"t{n}", "amount": amount} for n, amount in enumerate(amounts)]
    made = drafted(rows, advertiser(currency=currency, agency_commission=share))
    columns = ("term_id", "version", "step", "quantity", "rate", "amount")
    assert lines(made, "agency_commission", *columns) == ([(None,) * 5 + (Decimal(commission),)] if commission else [])


def test_commission_is_taken_on_tier_fees_and_budget_caps_too_but_not_on_actions() -> None:
    contract = advertiser(
        term("brand", TIERED | {"budget": "50"}, "li-1"), term("sale", TIERED_SALE, "li-2"), agency_commission="0.1"
    )
    rows = [
        {"step": 3, "rate": "8", "uncapped": "100", "amount": "50"},
        SOLD | {"step": 1, "rate": "12", "rate_kind": "flat", "amount": "12"},
    ]
    made = drafted(rows, contract, now=flights(("acme-1", "brand", "50", "0")))
    assert lines(made) == [
        ("media", "brand", Decimal(100)),
        ("tier_fee", "brand", Decimal(7)),
        ("budget_cap", "brand", Decimal(-50)),
        ("action", "sale", Decimal(12)),
        ("tier_fee", "sale", Decimal("2.5")),
        ("agency_commission", None, Decimal("-5.95")),  # of 100 + 7 - 50 + 2.5
    ]
    assert lines(made, "agency_commission", "description") == [("agency commission of 10 %",)]
    assert made.invoices["net"].to_list() == [Decimal("65.55")]


WHOLE: Row = {"first": date(2026, 8, 1)}


@pytest.mark.parametrize(
    ("currency", "minimum", "days", "amount", "lacking"),
    [
        ("USD", "5000", {}, "1200", "3800"),
        ("USD", "5000", {}, "5000", None),
        ("USD", "5000", {}, "5000.01", None),
        ("USD", "5000", {"last": date(2026, 10, 12)}, "0.48", "1935"),  # 12 of 31: 1,935.48
        ("USD", "5000", {"first": date(2026, 10, 31)}, "0.01", "161.28"),  # 1 of 31: 161.29
        ("JPY", "500", {"first": date(2026, 10, 28)}, "1", "64"),  # 64.5: half goes up
        ("JPY", "100", {"last": date(2026, 10, 1)}, "1", "2"),  # 3.2
        ("KWD", "1", {"last": date(2026, 10, 1)}, "0.001", "0.031"),  # 0.03226
        ("USD", "0.01", {"last": date(2026, 10, 15)}, "0", None),  # 0.0048
        ("USD", "100", {"last": date(2026, 9, 30)}, "1", None),  # billed after its end: no day in force
        ("USD", "100", {}, "-50", "150"),
    ],
)
def test_a_minimum_is_what_all_lines_lack_for_the_days_in_force(
    currency: str, minimum: str, days: Row, amount: str, lacking: str | None
) -> None:
    made = drafted([{"amount": amount}], advertiser(currency=currency, minimum_monthly=minimum, **(WHOLE | days)))
    columns = ("term_id", "version", "step", "quantity", "rate", "amount")
    assert lines(made, "minimum", *columns) == ([(None,) * 5 + (Decimal(lacking),)] if lacking else [])


def test_days_in_force_are_those_of_all_versions_and_the_minimum_is_that_of_the_last() -> None:
    contracts = [
        advertiser(BRAND, minimum_monthly="9999", last=date(2026, 10, 3)),
        advertiser(BRAND, minimum_monthly="310", version=2, first=date(2026, 10, 11)),
    ]
    made = drafted([{"amount": "1"}], *contracts)  # 3 and 21 days
    assert lines(made, "minimum", "amount", "description") == [
        (Decimal(239), "minimum of 310.00 USD a month, for 24 of 31 days")
    ]


def test_a_contract_without_any_other_line_is_charged_its_minimum_and_a_partner_has_none() -> None:
    made = drafted([], advertiser(minimum_monthly="310"), partner())
    assert lines(made, None, "line", "kind", "amount", "description") == [
        (1, "minimum", Decimal(310), "minimum of 310.00 USD a month")
    ]
    assert made.invoices["net"].to_list() == [Decimal(310)]
    assert made.payouts.is_empty()


def test_no_minimum_is_charged_for_a_month_that_was_not_served() -> None:
    assert drafted([], advertiser(minimum_monthly="310"), minimums=False).invoices.is_empty()


def test_the_minimum_counts_actions_and_commission() -> None:
    rows = [{"amount": "100"}, SOLD | {"step": 1, "rate": "12", "rate_kind": "flat", "amount": "12"}]
    made = drafted(rows, advertiser(BRAND, agency_commission="0.5", minimum_monthly="100"))
    assert [kind for kind, *_ in lines(made)] == ["media", "action", "agency_commission", "minimum"]
    assert lines(made, "minimum", "amount") == [(Decimal(38),)]


def test_a_document_runs_from_media_by_term_to_actions_commission_and_minimum() -> None:
    contract = advertiser(
        term("b", TIERED, "li-1"),
        term("a", cpm(budget="1"), "li-2"),
        term("c", percent(), "li-3"),
        term("aa", flat(event="signup"), "li-4"),
        agency_commission="0.1",
        minimum_monthly="1000",
    )
    rows = [
        SOLD | {"term_id": "c", "step": 1, "rate": "0.08", "rate_kind": "percent", "amount": "8"},
        SOLD | {"term_id": "aa", "event": "signup", "step": 1, "rate": "12", "rate_kind": "flat", "amount": "12"},
        {"term_id": "b", "step": 3, "rate": "8", "amount": "1"},
        {"term_id": "a", "step": 1, "rate": "10", "uncapped": "2", "amount": "1"},
        {"term_id": "b", "step": 1, "rate": "10", "amount": "1"},
    ]
    made = drafted(rows, contract, now=flights(("acme-1", "a", "1", "0"), ("acme-1", "b", "2", "0")))
    assert lines(made, None, "line", "kind", "term_id", "rate") == [
        (1, "media", "a", Decimal(10)),
        (2, "budget_cap", "a", None),
        (3, "media", "b", Decimal(8)),
        (4, "media", "b", Decimal(10)),
        (5, "tier_fee", "b", Decimal(7)),
        (6, "action", "aa", Decimal(12)),
        (7, "action", "c", Decimal("0.08")),
        (8, "agency_commission", None, None),
        (9, "minimum", None, None),
    ]
