"""Closing a month: what stands against it, and issuing its documents in one transaction.

The documents are the drafts, digit for digit; added here are numbers, dates, and the balances that only the books know.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from assets.adjusting import pending_lines
from assets.composing import compose
from assets.intake import delivery_inputs
from assets.upkeep import Upkeep
from contracts_io.calendar import Month, days_between, last_utc_day_of
from contracts_io.errors import BooksError, FeedError
from contracts_io.feeds.landing import find_delivery
from contracts_io.frames import FEED_NAMES
from contracts_io.home import Home
from contracts_io.store.documents import already_closed, not_over

DRAFTS = ("draft_invoices", "draft_invoice_lines", "draft_payouts", "draft_payout_lines")


def reasons_against_close(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    """Everything that stops the close of ``month`` (spec 7.2), each with its remedy; empty: it can be closed."""
    return [
        *_missing_days(home, month, upkeep),
        *_earlier_open_months(home, month, upkeep),
        *_missing_rates(home, month),
        *_unknown_agents(home, upkeep),
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


def _unknown_agents(home: Home, upkeep: Upkeep) -> list[str]:
    advertisers = upkeep.terms.contracts.filter(pl.col("side") == "advertiser")["contract_id"].unique().to_list()
    return [
        f"[journal] in adledger.toml names {contract_id}, which no approved advertiser contract is: correct the id"
        for contract_id in home.settings.journal.unknown(advertisers)
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
    drafts = {table: home.warehouse.catalogue.live(table, [str(month)]).get(str(month)) for table in DRAFTS}
    with home.books.closing(month) as closing:
        closing.require_not_before(issued_on)
        if issued_on <= month.last:
            raise not_over(month, issued_on)
        if stale or any(closing.live_content(table) != (file and file.sha256) for table, file in drafts.items()):
            raise BooksError(
                f"the drafts of {month} are older than its data or contracts",
                remedy=f"run `adledger close {month}`, which rates the month first, or the job close_month",
            )
        documents = compose(
            home.settings,
            upkeep,
            month,
            issued_on,
            lambda series, _: closing.next_number(series, issued_on.year),
            closing.balances(),
            pending_lines(home, upkeep, month),
        )
        for invoice, lines in documents.invoices:
            closing.add_invoice(invoice, lines)
        for payout, lines in documents.payouts:
            closing.add_payout(payout, lines)
        for entry in documents.entries:
            closing.add_journal(entry)
        closing.close_month(issued_on)
