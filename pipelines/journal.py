"""Documents become balanced postings.

An invoice is owed by the advertiser and earned by us; a payout statement is a cost and owed to the partner, what is withheld
of it to the tax office. What a partner carries forward stays in the payable account. Each entry balances in its currency.

    INV of 119.00, 19.00 of it tax -> debit Assets:Receivable 119.00, credit Income:Revenue 100.00, Liabilities:Tax 19.00
"""

from __future__ import annotations

from dataclasses import dataclass

RECEIVABLE = "Assets:Receivable"
REVENUE = "Income:Revenue"
TAX = "Liabilities:Tax"
PARTNER_COST = "Expenses:PartnerCost"
PARTNER_PAYABLE = "Liabilities:PartnerPayable"
WITHHOLDING = "Liabilities:Withholding"


@dataclass(frozen=True)
class Posting:
    """One side of an entry in minor units; exactly one of ``debit`` and ``credit`` is above zero."""

    account: str
    debit: int
    credit: int


def invoice_postings(net: int, tax: int) -> list[Posting]:
    """The entry of an invoice, or with negative amounts of a credit note; amounts in minor units."""
    return _entry([(RECEIVABLE, net + tax), (REVENUE, -net), (TAX, -tax)])


def payout_postings(earnings: int, withholding: int) -> list[Posting]:
    """The entry of a payout statement; amounts in minor units."""
    return _entry([(PARTNER_COST, earnings), (PARTNER_PAYABLE, withholding - earnings), (WITHHOLDING, -withholding)])


def _entry(signed: list[tuple[str, int]]) -> list[Posting]:
    """Signed amounts, debit above zero, as postings; accounts that nothing happens on are left out."""
    if sum(amount for _, amount in signed):
        raise ValueError(f"an entry that does not balance: {signed}")
    return [Posting(account, max(amount, 0), max(-amount, 0)) for account, amount in signed if amount]
