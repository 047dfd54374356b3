from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from billing_samples import DAY, advertiser, at, frames, partner, rows_of

from contracts_io.calendar import Month
from contracts_io.contract import InForce
from contracts_io.frames import TABLES
from pipelines.documents import Drafts, Settlement, draft, headers, settle

OCTOBER = Month(2026, 10)
ACTION: dict[str, Any] = {
    "kind": "action",
    "term_id": "sale",
    "line_item_id": None,
    "partner_id": None,
    "event": "purchase",
    "rate": "12",
}
PAID: dict[str, Any] = {"side": "partner", "contract_id": "pub-1-2026", "partner_id": "pub-1"}


KNOWN_AT = at("2026-10-01T09:00Z")
NO_FLIGHTS = TABLES["flights"].empty()


def drafted(accruals: list[dict[str, Any]], *contracts: InForce, month: Month = OCTOBER) -> Drafts:
    rows = [{"uncapped": row["amount"]} | row for row in accruals]
    made = draft(
        rows_of("accruals", rows),
        frames(*contracts),
        month,
        flights_before=NO_FLIGHTS,
        flights=NO_FLIGHTS.drop("lined"),
        minimums=True,
        known_at=KNOWN_AT,
    )
    for name, frame in made._asdict().items():
        TABLES[name if name == "flights" else f"draft_{name}"].check(frame.lazy(), has_rows=frame.height > 0)
    return made


@pytest.mark.parametrize(
    ("currency", "amounts", "rounded"),
    [
        ("USD", ["0.004", "0.004", "0.004"], "0.01"),
        ("USD", ["0.005"], "0.01"),
        ("USD", ["0.004999999"], "0"),
        ("USD", ["0.002", "0.002999999"], "0"),
        ("USD", ["0.125"], "0.13"),
        ("USD", ["1.135"], "1.14"),
        ("USD", ["-0.125"], "-0.13"),
        ("JPY", ["0.5"], "1"),
        ("JPY", ["149.499999999"], "149"),
        ("KWD", ["0.0005"], "0.001"),
        ("KWD", ["0.1", "0.0004"], "0.1"),
        ("CLF", ["0.00005"], "0.0001"),
    ],
)
def test_a_line_sums_exact_accruals_and_is_rounded_once_to_the_minor_unit(
    currency: str, amounts: list[str], rounded: str
) -> None:
    rows = [{"amount": amount, "billing_date": date(2026, 10, n + 1)} for n, amount in enumerate(amounts)]
    made = drafted(rows, advertiser(currency=currency))
    assert made.invoice_lines.select("quantity", "amount").rows() == [(len(amounts), Decimal(rounded))]
    assert made.invoices.select("currency", "net").rows() == [(currency, Decimal(rounded))]


def test_net_is_the_sum_of_rounded_lines_and_not_rounded_again() -> None:
    rows = [{"term_id": f"t{n}", "amount": "0.005"} for n in range(3)]
    made = drafted(rows, advertiser())
    assert made.invoice_lines["amount"].to_list() == [Decimal("0.01")] * 3
    assert made.invoices.select("net", "tax", "total").rows() == [(Decimal("0.03"), Decimal(0), Decimal("0.03"))]


def test_a_media_line_stands_for_a_term_version_and_rate() -> None:
    apart: list[dict[str, Any]] = [{}, {"term_id": "other"}, {"version": 2}, {"rate": "11"}]
    together: list[dict[str, Any]] = [
        {},
        {"line_item_id": "li-2"},
        {"partner_id": "pub-2"},
        {"billing_date": date(2026, 10, 9)},
    ]
    rows = [a | t | {"amount": "1.001"} for a in apart for t in together]
    made = drafted(rows, advertiser())
    assert made.invoice_lines.select("line", "kind", "term_id", "version", "rate", "quantity", "amount").rows() == [
        (1, "media", "brand", 1, Decimal(10), 4, Decimal(4)),
        (2, "media", "brand", 1, Decimal(11), 4, Decimal(4)),
        (3, "media", "brand", 2, Decimal(10), 4, Decimal(4)),
        (4, "media", "other", 1, Decimal(10), 4, Decimal(4)),
    ]


def test_a_line_says_what_its_rate_is() -> None:
    rows = [
        {"term_id": "a", "rate": "32.5", "amount": "1"},
        ACTION | {"term_id": "b", "rate": "12", "rate_kind": "flat", "amount": "1"},
        ACTION | {"term_id": "c", "rate": "0.085", "rate_kind": "percent", "amount": "1"},
    ]
    assert drafted(rows, advertiser()).invoice_lines["description"].to_list() == [
        "a: impressions at 32.50 USD per 1,000",
        "b: purchase at 12.00 USD",
        "c: purchase at 8.5 % of value",
    ]


def test_an_action_line_stands_for_a_term_version_event_and_rate_and_on_the_partner_side_for_the_charged_contract() -> None:
    apart: list[dict[str, Any]] = [{}, {"event": "signup"}, {"rate": "13"}]
    rows = [ACTION | a | {"amount": "12"} for a in apart]
    paid = [row | PAID | {"advertiser_contract_id": charged} for row in rows for charged in ("acme-1", "zeta-1")]
    made = drafted(rows + paid, advertiser(), partner())
    assert made.invoice_lines["description"].to_list() == [
        "sale: purchase at 12.00 USD",
        "sale: purchase at 13.00 USD",
        "sale: signup at 12.00 USD",
    ]
    assert made.payout_lines.select("line", "advertiser_contract_id", "description").rows()[:2] == [
        (1, "acme-1", "sale: purchase at 12.00 USD, charged under acme-1"),
        (2, "zeta-1", "sale: purchase at 12.00 USD, charged under zeta-1"),
    ]
    assert made.payout_lines.height == 6
    assert made.payouts["earnings"].to_list() == [Decimal(72)]


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        ("10", "10.00"),
        ("100", "100.00"),
        ("10.5", "10.50"),
        ("12.345", "12.345"),
        ("0.08", "0.08"),
        ("0.000001", "0.000001"),
    ],
)
def test_a_line_says_its_rate_with_two_places_or_as_many_as_say_something(rate: str, shown: str) -> None:
    made = drafted([{"rate": rate, "amount": "1"}], advertiser())
    assert made.invoice_lines["description"].to_list() == [f"brand: impressions at {shown} USD per 1,000"]


def test_media_lines_stand_before_action_lines() -> None:
    made = drafted([ACTION | {"term_id": "a", "amount": "1"}, {"term_id": "z", "amount": "1"}], advertiser())
    assert made.invoice_lines.select("line", "kind", "term_id").rows() == [(1, "media", "z"), (2, "action", "a")]


def test_each_contract_has_its_own_document_and_lines_from_one() -> None:
    rows: list[dict[str, Any]] = [{"contract_id": c, "term_id": t, "amount": "1"} for c in ("b-1", "a-1") for t in "yx"]
    made = drafted(
        rows, advertiser(contract_id="a-1"), advertiser(contract_id="b-1", party="beta"), advertiser(contract_id="c-1")
    )
    assert made.invoices.select("contract_id", "party_id", "net").rows() == [
        ("a-1", "acme", Decimal(2)),
        ("b-1", "beta", Decimal(2)),
    ]
    assert made.invoice_lines.select("contract_id", "line", "term_id").rows() == [
        ("a-1", 1, "x"),
        ("a-1", 2, "y"),
        ("b-1", 1, "x"),
        ("b-1", 2, "y"),
    ]
    assert made.payouts.is_empty()


def test_a_line_whose_amount_rounds_to_nothing_exists_where_it_has_a_quantity() -> None:
    made = drafted([{"amount": "0", "units": 7}], advertiser())
    assert made.invoice_lines.select("quantity", "amount").rows() == [(7, Decimal(0))]
    assert made.invoices["net"].to_list() == [Decimal(0)]


@pytest.mark.parametrize(
    ("stretches", "version"),
    [
        ([(1, date(2026, 8, 1), None)], 1),
        ([(1, date(2026, 8, 1), date(2026, 10, 30)), (2, date(2026, 10, 31), None)], 2),
        ([(1, date(2026, 8, 1), date(2026, 10, 31)), (2, date(2026, 11, 1), None)], 1),
        ([(1, date(2026, 8, 1), date(2026, 10, 10))], 1),
        ([(1, date(2026, 8, 1), date(2026, 9, 10))], 1),  # billed after its end: still by its last day
        ([(1, date(2026, 8, 1), date(2026, 9, 10)), (2, date(2026, 9, 11), date(2026, 9, 20))], 2),
        ([(3, date(2026, 8, 1), date(2026, 10, 5)), (2, date(2026, 10, 6), date(2026, 10, 20))], 2),
        ([(1, date(2026, 8, 1), date(2026, 8, 31)), (2, date(2026, 12, 1), None)], 1),
    ],
)
def test_what_holds_for_a_whole_document_is_of_the_version_in_force_on_the_last_day_up_to_the_months_end(
    stretches: list[tuple[int, date, date | None]], version: int
) -> None:
    contracts = [
        advertiser(version=v, first=first, last=last, payment_terms_days=10 * v) for v, first, last in reversed(stretches)
    ]
    assert headers(frames(*contracts), OCTOBER).select("contract_id", "version").rows() == [("acme-1", version)]
    made = drafted([{"amount": "1"}], *contracts)
    assert made.invoices.select("version", "payment_terms_days").rows() == [(version, 10 * version)]


@pytest.mark.parametrize(
    ("currency", "net", "rate", "tax", "total"),
    [
        ("USD", "100", "0.19", "19", "119"),
        ("USD", "0.03", "0.19", "0.01", "0.04"),  # 0.0057
        ("USD", "0.50", "0.19", "0.1", "0.6"),  # 0.095: half goes up
        ("USD", "0.10", "0.05", "0.01", "0.11"),  # 0.005
        ("USD", "0.10", "0.049999", "0", "0.1"),
        ("USD", "-0.10", "0.05", "-0.01", "-0.11"),
        ("JPY", "50", "0.19", "10", "60"),  # 9.5
        ("JPY", "52", "0.19", "10", "62"),  # 9.88
        ("KWD", "0.050", "0.05", "0.003", "0.053"),  # 0.0025
        ("USD", "100", "0", "0", "100"),
    ],
)
def test_tax_is_rounded_once_on_the_net(currency: str, net: str, rate: str, tax: str, total: str) -> None:
    made = drafted([{"amount": net}], advertiser(currency=currency, tax={"category": "S", "rate": rate}))
    assert made.invoices.select("net", "tax", "total").rows() == [(Decimal(net), Decimal(tax), Decimal(total))]


def test_tax_is_taken_on_the_net_and_not_line_by_line() -> None:
    rows = [{"term_id": f"t{n}", "amount": "0.10"} for n in range(3)]
    made = drafted(rows, advertiser(tax={"category": "S", "rate": "0.05"}))
    assert made.invoices["tax"].to_list() == [Decimal("0.02")]  # 0.015, and not three times 0.005


def test_a_document_says_what_was_known_of_contracts_when_it_was_made() -> None:
    made = drafted([{"amount": "1"}, PAID | {"amount": "1"}], advertiser(), partner())
    assert (made.invoices["known_at"].item(), made.payouts["known_at"].item()) == (KNOWN_AT, KNOWN_AT)


def test_a_contract_that_starts_after_the_month_has_no_document() -> None:
    assert headers(frames(advertiser(first=date(2026, 11, 1))), OCTOBER).is_empty()


def test_a_payout_carries_what_its_settlement_needs() -> None:
    contract = partner(minimum_payout="50.00", withholding="0.15", currency="EUR")
    made = drafted([PAID | {"amount": "1.005"}], contract, partner(contract_id="pub-2-2026", party="pub-2"))
    assert made.payouts.rows(named=True) == [
        {
            "contract_id": "pub-1-2026",
            "version": 1,
            "partner_id": "pub-1",
            "currency": "EUR",
            "known_at": KNOWN_AT,
            "minimum_payout": Decimal(50),
            "withholding": Decimal("0.15"),
            "earnings": Decimal("1.01"),
        }
    ]


def test_a_month_without_accruals_has_no_documents() -> None:
    for made in (drafted([], advertiser(), partner()), drafted([])):
        assert [frame.height for frame in made] == [0, 0, 0, 0, 0]


def test_the_sides_do_not_mix() -> None:
    made = drafted([{"amount": "2"}, PAID | {"amount": "1"}], advertiser(), partner())
    assert made.invoice_lines["contract_id"].to_list() == ["acme-1"]
    assert made.payout_lines["contract_id"].to_list() == ["pub-1-2026"]
    assert (made.invoices["net"].item(), made.payouts["earnings"].item()) == (Decimal(2), Decimal(1))
    assert DAY.month == OCTOBER.number


MICRO = 1_000_000


@pytest.mark.parametrize(
    ("earnings", "brought_forward", "minimum", "withholding", "currency", "withheld", "payable", "carried"),
    [
        (10_000, 0, 0, 0, "USD", 0, 10_000, 0),
        (10_000, 500, 0, 0, "USD", 0, 10_500, 0),
        (4_999, 0, 50 * MICRO, 0, "USD", 0, 0, 4_999),
        (5_000, 0, 50 * MICRO, 0, "USD", 0, 5_000, 0),  # exactly the minimum is paid
        (1, 4_999, 50 * MICRO, 0, "USD", 0, 5_000, 0),
        (0, 0, 0, 0, "USD", 0, 0, 0),
        (0, 0, 0, 100_000, "USD", 0, 0, 0),
        (-300, 0, 0, 150_000, "USD", 0, 0, -300),
        (-300, 100, 0, 150_000, "USD", 0, 0, -200),
        (300, -300, 0, 150_000, "USD", 0, 0, 0),
        (300, -299, 0, 0, "USD", 0, 1, 0),
        (0, 700, 0, 0, "USD", 0, 700, 0),
        (10_000, 0, 0, 150_000, "USD", 1_500, 8_500, 0),
        (10, 0, 0, 150_000, "USD", 2, 8, 0),  # 1.5 cents withheld: half goes up
        (10, 0, 0, 149_999, "USD", 1, 9, 0),
        (10_000, 0, 0, 1_000_000, "USD", 10_000, 0, 0),
        (49, 0, 50 * MICRO, 0, "JPY", 0, 0, 49),
        (50, 0, 50 * MICRO, 0, "JPY", 0, 50, 0),
        (49_999, 0, 50 * MICRO, 0, "KWD", 0, 0, 49_999),
        (50_000, 0, 50 * MICRO, 0, "KWD", 0, 50_000, 0),
        (1, 0, 5_001, 0, "USD", 0, 1, 0),  # a minimum finer than a cent
        (1, 0, 10_001, 0, "USD", 0, 0, 1),
        (9_999, 1, 50 * MICRO, 333_333, "USD", 3_333, 6_667, 0),  # of what is due, with what was brought forward
    ],
)
def test_what_is_due_is_paid_from_the_minimum_on_and_else_carried_forward_whole(
    earnings: int,
    brought_forward: int,
    minimum: int,
    withholding: int,
    currency: str,
    withheld: int,
    payable: int,
    carried: int,
) -> None:
    settled = settle(earnings, brought_forward, minimum, withholding, currency)
    assert settled == Settlement(brought_forward, earnings, withheld, payable, carried)
    assert withheld + payable + carried == earnings + brought_forward
