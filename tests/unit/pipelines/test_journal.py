from __future__ import annotations

import pytest

from pipelines import journal
from pipelines.journal import Posting, invoice_postings, payout_postings


def test_an_invoice_is_owed_by_the_advertiser_and_earned_by_us_and_its_tax_is_not_ours() -> None:
    assert invoice_postings(10_000, 1_900) == [
        Posting("Assets:Receivable", 11_900, 0),
        Posting("Income:Revenue", 0, 10_000),
        Posting("Liabilities:Tax", 0, 1_900),
    ]


def test_a_credit_note_mirrors_its_invoice() -> None:
    mirrored = [Posting(p.account, p.credit, p.debit) for p in invoice_postings(10_000, 1_900)]
    assert invoice_postings(-10_000, -1_900) == mirrored


def test_a_payout_statement_is_a_cost_and_owed_to_the_partner_and_what_is_withheld_to_the_tax_office() -> None:
    assert payout_postings(10_000, 1_500) == [
        Posting("Expenses:PartnerCost", 10_000, 0),
        Posting("Liabilities:PartnerPayable", 0, 8_500),
        Posting("Liabilities:Withholding", 0, 1_500),
    ]


def test_what_is_withheld_of_a_balance_brought_forward_is_taken_from_the_payable_account() -> None:
    assert payout_postings(100, 1_500) == [
        Posting("Expenses:PartnerCost", 100, 0),
        Posting("Liabilities:PartnerPayable", 1_400, 0),
        Posting("Liabilities:Withholding", 0, 1_500),
    ]
    assert payout_postings(0, 1_500) == [
        Posting("Liabilities:PartnerPayable", 1_500, 0),
        Posting("Liabilities:Withholding", 0, 1_500),
    ]


def test_accounts_on_which_nothing_happens_are_left_out() -> None:
    assert invoice_postings(0, 0) == payout_postings(0, 0) == []
    assert [p.account for p in invoice_postings(5, 0)] == [journal.RECEIVABLE, journal.REVENUE]
    assert [p.account for p in payout_postings(-5, 0)] == [journal.PARTNER_COST, journal.PARTNER_PAYABLE]


@pytest.mark.parametrize("net", [-119, -1, 0, 1, 10_000])
@pytest.mark.parametrize("tax", [-19, 0, 1, 1_900])
def test_every_entry_balances_and_each_posting_is_on_one_side(net: int, tax: int) -> None:
    for entry in (invoice_postings(net, tax), payout_postings(net, tax)):
        assert sum(p.debit for p in entry) == sum(p.credit for p in entry)
        assert all(min(p.debit, p.credit) == 0 < max(p.debit, p.credit) for p in entry)
