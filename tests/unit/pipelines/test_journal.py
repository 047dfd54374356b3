from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from contracts_io.accounts import Accounts
from contracts_io.calendar import Month
from pipelines.journal import (
    AccrualEntry,
    Earned,
    PartnerLine,
    Posting,
    accrual_entries,
    invoice_postings,
    owed_to_partners,
    payout_postings,
)

CHART = Accounts()
OCTOBER = Month(2026, 10)


def test_an_invoice_is_owed_by_the_advertiser_and_earned_by_us_and_its_tax_is_not_ours() -> None:
    assert invoice_postings(CHART, 10_000, 1_900) == [
        Posting("Assets:Receivable", 11_900, 0),
        Posting("Income:Revenue", 0, 10_000),
        Posting("Liabilities:Tax", 0, 1_900),
    ]


def test_an_agent_shows_the_margin_as_revenue_and_the_partners_part_in_clearing() -> None:
    assert invoice_postings(CHART, 10_000, 1_900, owed=7_000) == [
        Posting("Assets:Receivable", 11_900, 0),
        Posting("Liabilities:PartnerClearing", 0, 7_000),
        Posting("Income:Revenue", 0, 3_000),
        Posting("Liabilities:Tax", 0, 1_900),
    ]


def test_a_margin_below_zero_is_a_debit_on_revenue() -> None:
    assert invoice_postings(CHART, 10_000, 0, owed=12_000) == [
        Posting("Assets:Receivable", 10_000, 0),
        Posting("Liabilities:PartnerClearing", 0, 12_000),
        Posting("Income:Revenue", 2_000, 0),
    ]


@pytest.mark.parametrize("owed", [0, 7_000])
def test_a_credit_note_mirrors_its_invoice(owed: int) -> None:
    mirrored = [Posting(p.account, p.credit, p.debit) for p in invoice_postings(CHART, 10_000, 1_900, owed=owed)]
    assert invoice_postings(CHART, -10_000, -1_900, owed=-owed) == mirrored


def test_a_payout_statement_is_a_cost_and_owed_to_the_partner_and_what_is_withheld_to_the_tax_office() -> None:
    assert payout_postings(CHART, 10_000, 1_500) == [
        Posting("Expenses:PartnerCost", 10_000, 0),
        Posting("Liabilities:PartnerPayable", 0, 8_500),
        Posting("Liabilities:Withholding", 0, 1_500),
    ]


def test_what_a_partner_earned_on_agent_contracts_is_no_cost() -> None:
    assert payout_postings(CHART, 10_000, 1_500, cleared=7_000) == [
        Posting("Expenses:PartnerCost", 3_000, 0),
        Posting("Liabilities:PartnerClearing", 7_000, 0),
        Posting("Liabilities:PartnerPayable", 0, 8_500),
        Posting("Liabilities:Withholding", 0, 1_500),
    ]


def test_what_is_withheld_of_a_balance_brought_forward_is_taken_from_the_payable_account() -> None:
    assert payout_postings(CHART, 100, 1_500) == [
        Posting("Expenses:PartnerCost", 100, 0),
        Posting("Liabilities:PartnerPayable", 1_400, 0),
        Posting("Liabilities:Withholding", 0, 1_500),
    ]
    assert payout_postings(CHART, 0, 1_500) == [
        Posting("Liabilities:PartnerPayable", 1_500, 0),
        Posting("Liabilities:Withholding", 0, 1_500),
    ]


def test_accounts_on_which_nothing_happens_are_left_out() -> None:
    assert invoice_postings(CHART, 0, 0) == payout_postings(CHART, 0, 0) == []
    assert [p.account for p in invoice_postings(CHART, 5, 0)] == [CHART.receivable, CHART.revenue]
    assert [p.account for p in payout_postings(CHART, -5, 0)] == [CHART.partner_cost, CHART.partner_payable]


def test_entries_are_posted_on_the_accounts_of_the_chart() -> None:
    chart = replace(CHART, receivable="Assets:1200", revenue="Income:8400")
    assert [p.account for p in invoice_postings(chart, 5, 0)] == ["Assets:1200", "Income:8400"]


def test_only_lines_that_name_an_agent_contract_in_the_currency_of_its_invoice_are_cleared() -> None:
    lines = [
        PartnerLine("acme-1", "USD", 700),
        PartnerLine("acme-1", "USD", 50),
        PartnerLine("acme-1", "EUR", 900),  # another currency than the invoice: stays a cost
        PartnerLine("zeta-1", "USD", 40),  # principal, or agent without an invoice this month: stays a cost
        PartnerLine(None, "USD", 3_000),  # the partner's own cpm: tied to no advertiser contract
        PartnerLine("acme-2", "USD", 5),
        PartnerLine("acme-2", "USD", -5),
    ]
    assert owed_to_partners(lines, {"acme-1": "USD", "acme-2": "USD"}) == {"acme-1": 750}
    assert owed_to_partners(lines, {}) == {}


def test_an_open_month_is_accrued_on_its_last_day_and_reversed_on_the_day_after() -> None:
    accrued = (Posting("Assets:Unbilled", 10_000, 0), Posting("Income:Revenue", 0, 10_000))
    reversed_ = (Posting("Assets:Unbilled", 0, 10_000), Posting("Income:Revenue", 10_000, 0))
    assert accrual_entries(CHART, OCTOBER, [Earned("acme-1", "acme", "USD", 10_000)], []) == [
        AccrualEntry("ACC-2026-10-acme-1", date(2026, 10, 31), "acme-1", "acme", "USD", accrued),
        AccrualEntry(
            "REV-2026-10-acme-1", date(2026, 11, 1), "acme-1", "acme", "USD", reversed_, reverses="ACC-2026-10-acme-1"
        ),
    ]


def test_what_partners_earned_is_accrued_once_with_the_invoice_of_an_agent_contract_else_as_a_cost() -> None:
    invoices = [Earned("acme-1", "acme", "USD", 10_000, cleared=7_000)]
    payouts = [Earned("pub-1", "pub", "USD", 7_500, cleared=7_000), Earned("pub-2", "pub", "USD", 7_000, cleared=7_000)]
    entries = accrual_entries(CHART, OCTOBER, invoices, payouts)
    assert [entry.entry for entry in entries] == [
        "ACC-2026-10-acme-1",
        "REV-2026-10-acme-1",
        "ACC-2026-10-pub-1",
        "REV-2026-10-pub-1",
    ]
    assert entries[0].postings == (
        Posting("Assets:Unbilled", 10_000, 0),
        Posting("Liabilities:AccruedPayable", 0, 7_000),
        Posting("Income:Revenue", 0, 3_000),
    )
    assert entries[2].postings == (
        Posting("Expenses:PartnerCost", 500, 0),
        Posting("Liabilities:AccruedPayable", 0, 500),
    )


def test_a_draft_of_nothing_is_not_accrued() -> None:
    assert accrual_entries(CHART, OCTOBER, [Earned("acme-1", "acme", "USD", 0)], [Earned("pub-1", "pub", "USD", 0)]) == []
