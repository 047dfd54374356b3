"""Laws of documents: every cent of a line is an accrual's, every cent due is paid, withheld or carried, every entry balances."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
from billing_samples import advertiser, frames, partner, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.calendar import Month
from contracts_io.money import decimal_to_minor, minor_unit_nanos
from pipelines.documents import Drafts, draft, settle
from pipelines.journal import invoice_postings, payout_postings

Row = dict[str, Any]
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF"])

PLACES: dict[str, Row] = {
    "advertiser": {"contract_id": "acme-1"},
    "partner": {"side": "partner", "contract_id": "pub-1-2026", "advertiser_contract_id": "acme-1"},
}
ACCRUAL = st.builds(
    lambda side, more, action: PLACES[side] | more | ({"kind": "action", "event": "purchase"} if action else {}),
    st.sampled_from(["advertiser", "partner"]),
    st.fixed_dictionaries(
        {
            "term_id": st.sampled_from(["a", "b"]),
            "version": st.sampled_from([1, 2]),
            "rate": st.sampled_from(["10", "10.5"]),
            "units": st.integers(1, 10**12),
            "amount": st.one_of(
                st.decimals(-(10**12), 10**12, places=9, allow_nan=False).map("{:f}".format),
                st.sampled_from(["0.005", "-0.005", "0.5", "0.0005", "0.00005", "0.004999999"]),
            ),
        }
    ),
    st.booleans(),
)
ACCRUALS = st.lists(ACCRUAL, max_size=12)


def drafted(rows: list[Row], currency: str) -> Drafts:
    contracts = [advertiser(currency=currency), partner(currency=currency)]
    return draft(rows_of("accruals", rows), frames(*contracts), Month(2026, 10))


def of_both_sides(made: Drafts) -> list[tuple[str, pl.DataFrame, pl.DataFrame]]:
    return [("net", made.invoices, made.invoice_lines), ("earnings", made.payouts, made.payout_lines)]


@SLOW
@given(ACCRUALS, CURRENCIES)
def test_lines_tie_to_accruals_within_half_a_minor_unit_each(rows: list[Row], currency: str) -> None:
    made = drafted(rows, currency)
    half = Decimal(minor_unit_nanos(currency)).scaleb(-9) / 2
    for contract_id, lines in (("acme-1", made.invoice_lines), ("pub-1-2026", made.payout_lines)):
        own = [row for row in rows if row["contract_id"] == contract_id]
        exact = sum((Decimal(row["amount"]) for row in own), Decimal(0))
        assert abs(sum(lines["amount"].to_list(), Decimal(0)) - exact) <= half * lines.height
        assert lines["quantity"].sum() == sum(row["units"] for row in own)
        for line in lines.to_dicts():
            key = ("kind", "term_id", "version", "rate")
            mine = [r for r in own if [str(r.get(k, "media")) for k in key[:3]] == [str(line[k]) for k in key[:3]]]
            of_line = sum((Decimal(r["amount"]) for r in mine if Decimal(r["rate"]) == line["rate"]), Decimal(0))
            assert abs(line["amount"] - of_line) <= half


@SLOW
@given(ACCRUALS, CURRENCIES)
def test_a_documents_net_is_the_sum_of_its_lines_in_whole_minor_units(rows: list[Row], currency: str) -> None:
    for net, heads, lines in of_both_sides(drafted(rows, currency)):
        assert heads["contract_id"].to_list() == lines["contract_id"].unique().to_list()
        for head in heads.to_dicts():
            own = lines.filter(pl.col("contract_id") == head["contract_id"])
            assert own["line"].to_list() == list(range(1, own.height + 1))
            assert head[net] == own["amount"].sum()
            assert sum(decimal_to_minor(amount, currency) for amount in own["amount"]) == decimal_to_minor(
                head[net], currency
            )


@SLOW
@given(ACCRUALS, CURRENCIES)
def test_documents_of_mirrored_accruals_are_mirrored(rows: list[Row], currency: str) -> None:
    mirrored = [row | {"amount": str(-Decimal(row["amount"]).quantize(Decimal("1e-9")))} for row in rows]
    for (_, _, lines), (_, _, mirror) in zip(
        of_both_sides(drafted(rows, currency)), of_both_sides(drafted(mirrored, currency)), strict=True
    ):
        assert mirror["amount"].to_list() == [-amount for amount in lines["amount"]]


@SLOW
@given(ACCRUALS, CURRENCIES, st.randoms(use_true_random=False))
def test_the_order_of_accruals_is_irrelevant(rows: list[Row], currency: str, chance: Any) -> None:
    made, again = drafted(rows, currency), drafted(chance.sample(rows, len(rows)), currency)
    assert all(one.equals(other) for one, other in zip(made, again, strict=True))


AMOUNTS = st.integers(-(10**12), 10**12)
SHARES = st.integers(0, 1_000_000)


@given(AMOUNTS, AMOUNTS, st.integers(0, 10**12), SHARES, CURRENCIES)
def test_what_is_due_is_withheld_paid_or_carried_and_nothing_of_it_is_lost(
    earnings: int, brought_forward: int, minimum: int, share: int, currency: str
) -> None:
    settled = settle(earnings, brought_forward, minimum, share, currency)
    assert settled.withholding + settled.payable + settled.carried_forward == earnings + brought_forward
    assert settled.payable >= 0 <= settled.withholding
    assert settled.carried_forward == 0 or (settled.payable, settled.withholding) == (0, 0)


@given(AMOUNTS, AMOUNTS)
def test_every_entry_balances(net: int, tax: int) -> None:
    for entry in (invoice_postings(net, tax), payout_postings(net, tax)):
        assert sum(posting.debit - posting.credit for posting in entry) == 0
        assert all(min(posting.debit, posting.credit) == 0 < max(posting.debit, posting.credit) for posting in entry)


@given(st.lists(st.tuples(AMOUNTS, SHARES), min_size=1, max_size=12), st.integers(0, 10**10))
def test_over_the_months_a_partner_has_all_it_earned_but_for_what_is_still_carried(
    months: list[tuple[int, int]], minimum: int
) -> None:
    balance = paid = 0
    for earnings, share in months:
        settled = settle(earnings, balance, minimum, share, "USD")
        balance = settled.carried_forward
        paid += settled.payable + settled.withholding
    assert paid + balance == sum(earnings for earnings, _ in months)
