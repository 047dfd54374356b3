"""Closing a month: what stands against it, and issuing its documents in one transaction.

The documents are the drafts, digit for digit; added here are numbers, dates, and the balances that only the books know.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from assets.intake import delivery_inputs
from assets.upkeep import Upkeep
from contracts_io.calendar import Month, days_between, last_utc_day_of
from contracts_io.errors import BooksError, FeedError
from contracts_io.feeds.landing import find_delivery
from contracts_io.frames import FEED_NAMES
from contracts_io.home import Home
from contracts_io.money import NANOS_TYPE, decimal_to_minor
from contracts_io.store.documents import Invoice, JournalLine, Line, Payout, already_closed, not_over
from pipelines.documents import headers, payout_heads, settle
from pipelines.journal import Posting, invoice_postings, payout_postings

_DRAFTS = ("draft_invoices", "draft_invoice_lines", "draft_payouts", "draft_payout_lines")


def reasons_against_close(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    """Everything that stops the close of ``month`` (spec 7.2), each with its remedy; empty: it can be closed."""
    return [
        *_missing_days(home, month, upkeep),
        *_earlier_open_months(home, month, upkeep),
        *_missing_rates(home, month),
    ]


def _missing_days(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    needed = last_day_needed(home, month, upkeep)
    run = set(home.days_run())
    delivered = home.days_delivered()
    known = sorted([*run, *delivered])
    if not known:
        return ["no delivery day has been run: run `adledger backfill FIRST LAST` first"]
    missing = [day for day in days_between(min(known[0], needed), needed) if day not in run]
    if not missing:
        return []
    named = ", ".join(str(day) for day in missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return [f"delivery days that are not in: {named}: run `adledger backfill {missing[0]} {missing[-1]}`"]


def _delivered_again(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    """Days whose landing folders are not what was taken in: delivered again, or run again and failed.

    A folder that is gone was archived and says nothing. Every file is hashed, which takes its time and is done once a month.
    """
    needed = last_day_needed(home, month, upkeep)
    reasons = []
    for feed in FEED_NAMES:
        for text, live in home.warehouse.catalogue.live(feed).items():
            day = date.fromisoformat(text)
            if day > needed or day < month.first or not (home.landing / feed / text).is_dir():
                continue
            try:
                changed = (
                    delivery_inputs(home, find_delivery(home.landing, feed, day, home.settings.feeds[feed])) != live.inputs
                )
            except FeedError as error:
                reasons.append(f"{error.where}: {error.what}: put it right, then run `adledger run {day}`")
                continue
            if changed:
                reasons.append(f"the {feed} of {day} are not what was taken in: run `adledger run {day}`")
    return reasons


def last_day_needed(home: Home, month: Month, upkeep: Upkeep) -> date:
    """The delivery day that holds the month's last local instant in the latest contract zone, plus the grace days."""
    in_force = upkeep.terms.contracts.filter(pl.col("first_on") <= month.last, pl.col("last_on") >= month.first)
    latest = last_utc_day_of(month, in_force["timezone"].unique())
    return latest + timedelta(days=home.settings.grace_days)


def _earlier_open_months(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    closed = home.books.closed_months()
    stale = [earlier for earlier in upkeep.stale_months() if earlier < month and earlier not in closed]
    drafted = [
        *home.warehouse.catalogue.live("draft_invoices").values(),
        *home.warehouse.catalogue.live("draft_payouts").values(),
    ]
    open_months = {Month.parse(file.partition) for file in drafted if file.rows} - closed.keys() - set(stale)
    return [
        *(
            f"{earlier} is open and its drafts are out of date: run the job rate_month for it, or `adledger run DAY` of any day"
            for earlier in stale
        ),
        *(
            f"{earlier} is open and has documents to issue: run `adledger close {earlier}` first"
            for earlier in sorted(open_months)
            if earlier < month
        ),
    ]


def _missing_rates(home: Home, month: Month) -> list[str]:
    missing = home.warehouse.read("missing_rates", [str(month)]).collect()
    return [
        f"no exchange rate {base}/{quote} for {day}, needed by {contract_id}: "
        f"add it to landing/fx_rates and run `adledger run {day}`"
        for day, base, quote, contract_id in missing.rows()
    ]


def close(home: Home, month: Month, issued_on: date) -> None:
    """Issue the documents that the month's drafts are, and close it, in one transaction.

    BooksError where the month is closed, or with every reason that stands against it; then nothing has changed.
    """
    if closed := home.books.closed_months().get(month):
        raise already_closed(month, closed.closed_on)
    upkeep = Upkeep(home)
    if reasons := [*reasons_against_close(home, month, upkeep), *_delivered_again(home, month, upkeep)]:
        raise BooksError(
            f"{month} cannot be closed:" + "".join(f"\n  - {reason}" for reason in reasons),
            remedy="nothing was issued; put these right, then close again",
        )
    stale = upkeep.is_stale(month)
    drafts = {table: home.warehouse.catalogue.live(table, [str(month)]).get(str(month)) for table in _DRAFTS}
    with home.books.closing(month) as closing:
        latest = closing.latest_issue()
        if latest is not None and issued_on < latest:
            raise BooksError(
                f"documents were issued on {latest}, so {month} cannot be issued on {issued_on}",
                remedy=f"dates of issue never go back: close with --on {latest} or later",
            )
        if issued_on <= month.last:
            raise not_over(month, issued_on)
        if stale or any(closing.live_content(table) != (file and file.sha256) for table, file in drafts.items()):
            raise BooksError(
                f"the drafts of {month} are older than its data or contracts",
                remedy=f"run `adledger close {month}`, which rates the month first, or the job close_month",
            )
        documents = compose(
            home, month, upkeep, issued_on, lambda series, _: closing.next_number(series, issued_on.year), closing.balances()
        )
        for invoice, lines in documents.invoices:
            closing.add_invoice(invoice, lines)
        for payout, lines in documents.payouts:
            closing.add_payout(payout, lines)
        for entry in documents.entries:
            closing.add_journal(entry)
        closing.close_month(issued_on)


class Documents(NamedTuple):
    """A month's documents with their lines and journal entries, in order of contract."""

    invoices: list[tuple[Invoice, list[Line]]]
    payouts: list[tuple[Payout, list[Line]]]
    entries: list[list[JournalLine]]


def compose(
    home: Home,
    month: Month,
    upkeep: Upkeep,
    issued_on: date | None,
    number: Callable[[str, str], str],
    balances: Mapping[str, int],
) -> Documents:
    """The documents that the month's drafts come to.

    ``number`` gives the number for a series and contract id, called in order of contract; ``balances`` is what each partner
    contract carried forward, in minor units; ``issued_on`` is None for drafts.
    """
    invoices, entries = [], []
    lines = _lines(home, "draft_invoice_lines", month)
    for head in home.warehouse.read("draft_invoices", [str(month)]).sort("contract_id").collect().iter_rows(named=True):
        document = _invoice(head, month, issued_on, number("INV", head["contract_id"]))
        invoices.append((document, [_line(row, document.currency) for row in lines.get(document.contract_id, [])]))
        postings = invoice_postings(document.net_minor, document.tax_minor)
        entries.append(_entry(document.number, document.party_id, month, issued_on, document.currency, postings))
    payouts = []
    lines = _lines(home, "draft_payout_lines", month)
    for head in _payout_heads(home, month, upkeep, balances):
        statement = _payout(head, month, issued_on, number("PAY", head["contract_id"]), balances.get(head["contract_id"], 0))
        payouts.append((statement, [_line(row, statement.currency) for row in lines.get(statement.contract_id, [])]))
        postings = payout_postings(statement.earnings_minor, statement.withholding_minor)
        entries.append(_entry(statement.number, statement.partner_id, month, issued_on, statement.currency, postings))
    return Documents(invoices, payouts, [entry for entry in entries if entry])


def _payout_heads(home: Home, month: Month, upkeep: Upkeep, balances: Mapping[str, int]) -> list[dict[str, Any]]:
    """The month's drafts, and for a balance whose contract has no line this month a statement without earnings."""
    drafts = home.warehouse.read("draft_payouts", [str(month)]).collect()
    only_carried = headers(upkeep.terms, month).filter(
        pl.col("contract_id").is_in(sorted(balances.keys() - set(drafts["contract_id"])))
    )
    nothing_earned = payout_heads(only_carried.with_columns(net=pl.lit(0).cast(NANOS_TYPE)))
    return pl.concat([drafts, nothing_earned]).sort("contract_id").to_dicts()


def _invoice(head: dict[str, Any], month: Month, issued_on: date | None, number: str) -> Invoice:
    currency = head["currency"]
    return Invoice(
        number=number,
        kind="invoice",
        contract_id=head["contract_id"],
        version=head["version"],
        party_id=head["party_id"],
        month=str(month),
        currency=currency,
        issued_on=issued_on,
        due_on=issued_on + timedelta(days=head["payment_terms_days"]) if issued_on else None,
        net_minor=decimal_to_minor(head["net"], currency),
        tax_minor=decimal_to_minor(head["tax"], currency),
        total_minor=decimal_to_minor(head["total"], currency),
        adjusts=None,
    )


def _payout(head: dict[str, Any], month: Month, issued_on: date | None, number: str, balance: int) -> Payout:
    currency = head["currency"]
    earnings = decimal_to_minor(head["earnings"], currency)
    settled = settle(earnings, balance, _micros(head["minimum_payout"]), _micros(head["withholding"]), currency)
    return Payout(
        number=number,
        partner_id=head["partner_id"],
        contract_id=head["contract_id"],
        month=str(month),
        currency=currency,
        issued_on=issued_on,
        earnings_minor=settled.earnings,
        withholding_minor=settled.withholding,
        brought_forward_minor=settled.brought_forward,
        payable_minor=settled.payable,
        carried_forward_minor=settled.carried_forward,
    )


def _lines(home: Home, table: str, month: Month) -> dict[str, list[dict[str, Any]]]:
    """The month's draft lines by contract, in their order."""
    of: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in home.warehouse.read(table, [str(month)]).sort("contract_id", "line").collect().iter_rows(named=True):
        of[row["contract_id"]].append(row)
    return of


def _line(row: dict[str, Any], currency: str) -> Line:
    return Line(
        line=row["line"],
        kind=row["kind"],
        contract_id=row["contract_id"],
        term_id=row["term_id"],
        version=row["version"],
        description=row["description"],
        quantity=row["quantity"],
        rate=None if row["rate"] is None else str(row["rate"]),
        amount_minor=decimal_to_minor(row["amount"], currency),
        advertiser_contract_id=row.get("advertiser_contract_id"),
    )


def _entry(
    number: str, party_id: str, month: Month, on: date | None, currency: str, postings: list[Posting]
) -> list[JournalLine]:
    return [
        JournalLine(
            entry=f"J-{number}",
            line=line,
            posted_on=on,
            document=number,
            account=posting.account,
            party_id=party_id,
            month=str(month),
            currency=currency,
            debit_minor=posting.debit,
            credit_minor=posting.credit,
        )
        for line, posting in enumerate(postings, start=1)
    ]


def _micros(rate: Decimal) -> int:
    return int(rate.scaleb(6))
