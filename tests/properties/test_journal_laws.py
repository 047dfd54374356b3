"""Laws of the journal: every entry balances, the clearing account is even after every close, an accrual leaves nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from contracts_io.accounts import Accounts
from contracts_io.calendar import Month
from pipelines.journal import (
    Earned,
    PartnerLine,
    Posting,
    accrual_entries,
    invoice_postings,
    owed_to_partners,
    payout_postings,
)

CHART = Accounts()
AMOUNTS = st.integers(-(10**12), 10**12)
CONTRACTS = st.sampled_from(["acme-1", "acme-2", "zeta-1"])
CURRENCIES = st.sampled_from(["USD", "EUR"])
PARTNER_LINES = st.lists(st.builds(PartnerLine, st.none() | CONTRACTS, CURRENCIES, AMOUNTS), max_size=8)
STATEMENTS = st.lists(PARTNER_LINES, max_size=4)
AGENT_INVOICES = st.dictionaries(CONTRACTS, CURRENCIES)


def balance(postings: Iterable[Posting]) -> Counter[str]:
    found: Counter[str] = Counter()
    for posting in postings:
        found[posting.account] += posting.debit - posting.credit
    return found


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_every_entry_balances_and_each_posting_is_on_one_side(net: int, tax: int, cleared: int) -> None:
    for entry in (invoice_postings(CHART, net, tax, owed=cleared), payout_postings(CHART, net, tax, cleared=cleared)):
        assert sum(balance(entry).values()) == 0
        assert all(min(posting.debit, posting.credit) == 0 < max(posting.debit, posting.credit) for posting in entry)


@given(AMOUNTS, AMOUNTS, AMOUNTS)
def test_an_entry_of_mirrored_amounts_is_mirrored(net: int, tax: int, cleared: int) -> None:
    mirrored = [Posting(p.account, p.credit, p.debit) for p in invoice_postings(CHART, net, tax, owed=cleared)]
    assert invoice_postings(CHART, -net, -tax, owed=-cleared) == mirrored


@given(STATEMENTS, AGENT_INVOICES)
def test_after_a_close_the_clearing_account_is_even_and_the_margin_is_net_less_what_partners_earned(
    statements: list[list[PartnerLine]], agent_invoices: dict[str, str]
) -> None:
    net = 1_000
    owed = owed_to_partners([line for lines in statements for line in lines], agent_invoices)
    books: Counter[str] = Counter()
    for contract_id, currency in agent_invoices.items():
        entry = balance(invoice_postings(CHART, net, 0, owed=owed.get(contract_id, 0)))
        earned = sum(line.amount for lines in statements for line in lines if line[:2] == (contract_id, currency))
        assert -entry[CHART.revenue] == net - earned
        books.update(entry)
    for lines in statements:
        cleared = sum(owed_to_partners(lines, agent_invoices).values())
        books.update(balance(payout_postings(CHART, sum(line.amount for line in lines), 0, cleared=cleared)))
    assert books[CHART.partner_clearing] == 0
    # Agent or principal, what is left of the month is the same.
    left = -books[CHART.revenue] - books[CHART.partner_cost]
    assert left == net * len(agent_invoices) - sum(line.amount for lines in statements for line in lines)


DRAFTS = st.lists(st.builds(Earned, CONTRACTS, st.just("party"), CURRENCIES, AMOUNTS, AMOUNTS), max_size=3)


@given(DRAFTS, DRAFTS)
def test_an_accrual_and_its_reversal_leave_nothing_on_any_account(invoices: list[Earned], payouts: list[Earned]) -> None:
    entries = accrual_entries(CHART, Month(2026, 10), invoices, payouts)
    assert all(sum(balance(entry.postings).values()) == 0 for entry in entries)
    assert not any(balance(posting for entry in entries for posting in entry.postings).values())
