"""Documents become balanced postings.

An invoice is owed by the advertiser and earned by us; a payout statement is a cost and owed to the partner, what is withheld
of it to the tax office. What a partner carries forward stays in the payable account. Where we are agent for an advertiser
contract, what partners earned on it is no revenue and no cost: it goes through the clearing account. An open month is
accrued on its last day and the accrual reversed on the day after. Each entry balances in its currency.

    INV of 119.00, 19.00 of it tax -> debit Assets:Receivable 119.00, credit Income:Revenue 100.00, Liabilities:Tax 19.00
    as agent, 70.00 to partners    -> debit Assets:Receivable 119.00, credit Liabilities:PartnerClearing 70.00,
                                      Income:Revenue 30.00, Liabilities:Tax 19.00

All amounts are integers of minor units, signed: a credit note has negative ones, and its entry is the mirror of an invoice's.
What does not belong here: the chart of accounts and for whom we are agent (``contracts_io.accounts``), numbers and dates of
issue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from contracts_io.accounts import Accounts
from contracts_io.calendar import Month


@dataclass(frozen=True)
class Posting:
    """One side of an entry in minor units; exactly one of ``debit`` and ``credit`` is above zero."""

    account: str
    debit: int
    credit: int


class PartnerLine(NamedTuple):
    """What the journal needs to know of a payout line: the advertiser contract it names, if any, and its amount."""

    advertiser_contract_id: str | None
    currency: str
    amount: int


class Earned(NamedTuple):
    """The net of an open month's draft; ``cleared``: the part of it that goes through the clearing account as agent.

    That is what partners earned on an advertiser contract, and of a partner's earnings what ``owed_to_partners`` finds.
    """

    contract_id: str
    party_id: str
    currency: str
    amount: int
    cleared: int = 0


@dataclass(frozen=True)
class AccrualEntry:
    """An entry of an open month, or with ``reverses`` the one that takes it back."""

    entry: str
    posted_on: date
    contract_id: str
    party_id: str
    currency: str
    postings: tuple[Posting, ...]
    reverses: str | None = None


def owed_to_partners(lines: Iterable[PartnerLine], agent_invoices: Mapping[str, str]) -> dict[str, int]:
    """What payout lines come to on each contract that we are agent for, where it is not zero.

    ``agent_invoices``: the agent contracts that are invoiced in the same month, with the currency of the invoice. A line that
    names no such contract, or is in another currency, stays a cost: so the clearing account is even after every close.
    """
    owed: dict[str, int] = defaultdict(int)
    for line in lines:
        contract_id = line.advertiser_contract_id
        if contract_id is not None and agent_invoices.get(contract_id) == line.currency:
            owed[contract_id] += line.amount
    return {contract_id: amount for contract_id, amount in owed.items() if amount}


def invoice_postings(accounts: Accounts, net: int, tax: int, *, owed: int = 0) -> list[Posting]:
    """The entry of an invoice, or of a credit or debit note.

    ``owed``: as agent, what ``owed_to_partners`` finds for the contract; the margin may be negative, then it is a debit.
    """
    return _entry(
        [
            (accounts.receivable, net + tax),
            (accounts.partner_clearing, -owed),
            (accounts.revenue, owed - net),
            (accounts.tax, -tax),
        ]
    )


def payout_postings(accounts: Accounts, earnings: int, withholding: int, *, cleared: int = 0) -> list[Posting]:
    """The entry of a payout statement; ``cleared``: the sum of what ``owed_to_partners`` finds in its lines."""
    return _entry(
        [
            (accounts.partner_cost, earnings - cleared),
            (accounts.partner_clearing, cleared),
            (accounts.partner_payable, withholding - earnings),
            (accounts.withholding, -withholding),
        ]
    )


def accrual_entries(
    accounts: Accounts, month: Month, invoices: Iterable[Earned], payouts: Iterable[Earned]
) -> list[AccrualEntry]:
    """The entries of an open month's drafts, dated its last day, each followed by its reversal on the day after.

    Amounts are net of tax: tax is owed when the invoice is issued. As agent, what partners earned on a contract is accrued
    with its invoice, and left out of their own accrual. Entries are ``ACC-<month>-<contract_id>`` and ``REV-...``, in
    order of contract; a draft on which nothing is to post has none.
    """
    signed = [
        *((draft, _accrued_invoice(accounts, draft)) for draft in invoices),
        *((draft, _accrued_payout(accounts, draft)) for draft in payouts),
    ]
    entries = []
    for draft, amounts in sorted(signed, key=lambda pair: pair[0].contract_id):
        if not (postings := _entry(amounts)):
            continue
        name = f"ACC-{month}-{draft.contract_id}"
        of = (draft.contract_id, draft.party_id, draft.currency)
        entries.append(AccrualEntry(name, month.last, *of, tuple(postings)))
        reversal = tuple(_entry([(account, -amount) for account, amount in amounts]))
        entries.append(AccrualEntry(f"REV-{month}-{draft.contract_id}", month.next.first, *of, reversal, reverses=name))
    return entries


def _accrued_invoice(accounts: Accounts, draft: Earned) -> list[tuple[str, int]]:
    return [
        (accounts.unbilled, draft.amount),
        (accounts.accrued_payable, -draft.cleared),
        (accounts.revenue, draft.cleared - draft.amount),
    ]


def _accrued_payout(accounts: Accounts, draft: Earned) -> list[tuple[str, int]]:
    return [
        (accounts.partner_cost, draft.amount - draft.cleared),
        (accounts.accrued_payable, draft.cleared - draft.amount),
    ]


def _entry(signed: list[tuple[str, int]]) -> list[Posting]:
    """Signed amounts, debit above zero, as postings; accounts that nothing happens on are left out."""
    if sum(amount for _, amount in signed):
        raise ValueError(f"an entry that does not balance: {signed}")
    return [Posting(account, max(amount, 0), max(-amount, 0)) for account, amount in signed if amount]
