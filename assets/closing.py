"""Closing a month: what stands against it, and issuing its documents in one transaction.

The documents are the drafts, digit for digit; added here are numbers, dates, and the balances that only the books know.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import polars as pl

from assets.adjusting import drafted_months, missing_rates, pending_lines
from assets.composing import Documents, compose
from assets.intake import delivery_inputs
from assets.preparing import (
    issued_before,
    keep,
    numbers_to_come,
    prepared_for,
    require_as_prepared,
    require_nothing_against,
)
from assets.upkeep import DRAFTS, EARLY_DAYS, Upkeep
from contracts_io.calendar import ONE_DAY, Month, days_between, format_instant, last_utc_day_of
from contracts_io.errors import BooksError, FeedError
from contracts_io.feeds.landing import find_delivery
from contracts_io.frames import FEED_NAMES
from contracts_io.home import Home
from contracts_io.store.documents import Act, Prepared, already_closed, not_over


def reasons_against_close(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    """Everything that stops the close of ``month`` (spec 7.2), each with its remedy; empty: it can be closed."""
    return [
        *_missing_days(home, month, upkeep),
        *_earlier_open_months(home, month, upkeep),
        # What closed months come to else than before goes on the statements of this one.
        *(said for m in [*home.books.closed_months(), month] if m <= month for said in missing_rates(upkeep, m)),
        *_unknown_agents(home, upkeep),
    ]


def _missing_days(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    needed = last_day_needed(home, month, upkeep)
    run = set(home.days_run())
    delivered = home.days_delivered()
    known = sorted([*run, *delivered])
    if not known:
        return ["no delivery day has been run: run `adledger backfill FIRST LAST` first"]
    if needed < known[0] and not any(
        upkeep.warehouse.rows(table, str(month)) for table in ("draft_invoices", "draft_payouts")
    ):
        return [nothing_delivered(home, month)]
    missing = [day for day in days_between(known[0], needed) if day not in run] if known[0] <= needed else []
    if not missing:
        return []
    named = ", ".join(str(day) for day in missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    return [f"delivery days that are not in: {named}: run `adledger backfill {missing[0]} {missing[-1]}`"]


def nothing_delivered(home: Home, month: Month) -> str:
    """What to say of a month that no delivery day reaches."""
    days = sorted({*home.days_run(), *home.days_delivered()})
    return f"nothing was delivered for {month}: delivery days go from {days[0]} to {days[-1]}"


def _delivered_again(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    """Days whose landing folders are not what was taken in: delivered again, or run again and failed.

    A folder that is gone was archived and says nothing. Every file is hashed, which takes its time and is done once a month.
    """
    needed = last_day_needed(home, month, upkeep)
    reasons = []
    for feed in FEED_NAMES:
        first = _first_day_billed(month, feed, upkeep)
        for text, live in home.warehouse.catalogue.live(feed).items():
            day = date.fromisoformat(text)
            if day > needed or day < first or not (home.landing / feed / text).is_dir():
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


def _first_day_billed(month: Month, feed: str, upkeep: Upkeep) -> date:
    """The first delivery day that can hold rows of a feed which are billed in the month.

    An event may lie after its delivery day, and has the date of a zone that is ahead; validation days make that of a
    conversion later.
    """
    validation = upkeep.known.longest_validation if feed.startswith("conversion") else timedelta()
    return month.first - validation - (EARLY_DAYS + 1) * ONE_DAY


def last_day_needed(home: Home, month: Month, upkeep: Upkeep) -> date:
    """The delivery day that holds the month's last local instant in the latest contract zone, plus the grace days."""
    in_force = upkeep.terms.contracts.filter(pl.col("first_on") <= month.last, pl.col("last_on") >= month.first)
    latest = last_utc_day_of(month, in_force["timezone"].unique())
    return latest + timedelta(days=home.settings.grace_days)


def _earlier_open_months(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    closed = home.books.closed_months()
    stale = [earlier for earlier in upkeep.stale_months() if earlier < month and earlier not in closed]
    open_months = drafted_months(upkeep) - closed.keys() - set(stale)
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


def _unknown_agents(home: Home, upkeep: Upkeep) -> list[str]:
    advertisers = upkeep.terms.contracts.filter(pl.col("side") == "advertiser")["contract_id"].unique().to_list()
    return [
        f"[journal] in adledger.toml names {contract_id}, which no approved advertiser contract is: correct the id"
        for contract_id in home.settings.journal.unknown(advertisers)
    ]


def standing_against(home: Home, month: Month, issued_on: date, upkeep: Upkeep) -> list[str]:
    """Everything that stops issuing ``month`` on a date, each with its remedy; empty: it can be closed.

    Also what only the date of issue and the landing folders say, which takes longer than ``reasons_against_close``.
    """
    refusals = []
    if closed := home.books.closed_months().get(month):
        refusals.append(already_closed(month, closed.closed_on))
    if issued_on <= month.last:
        refusals.append(not_over(month, issued_on))
    return [
        *(f"{refusal.what}: {refusal.remedy}" for refusal in refusals),
        *issued_before(home, month, issued_on),
        *reasons_against_close(home, month, upkeep),
        *_delivered_again(home, month, upkeep),
    ]


def as_they_would_be(home: Home, month: Month, issued_on: date, upkeep: Upkeep) -> Documents:
    """The documents that a close would issue, with the numbers that they would have; nothing is written."""
    pending, number = pending_lines(home, upkeep, month), numbers_to_come(home, issued_on)
    return compose(home.settings, upkeep, month, issued_on, number, home.books.balances(), pending)


def prepare(home: Home, month: Month, issued_on: date, by: str, at: datetime) -> Prepared:
    """Keep the documents that a close would issue for another person to approve; the same once more changes nothing.

    BooksError where the month is closed, or with every reason that stands against closing it.
    """
    upkeep = Upkeep(home)
    require_nothing_against(Act.CLOSE, month, standing_against(home, month, issued_on, upkeep))
    documents = as_they_would_be(home, month, issued_on, upkeep)
    return keep(home, Act.CLOSE, month, issued_on, documents, by, at)


def close(home: Home, month: Month, issued_on: date, by: str | None = None) -> None:
    """Issue the documents that the month's drafts are, and close it, in one transaction.

    Where ``[roles] close_approval`` is set, these must be the documents that another person prepared, on their date of issue.
    BooksError where the month is closed, with every reason that stands against it, or with what changed since it was
    prepared; then nothing has changed.
    """
    if closed := home.books.closed_months().get(month):
        raise already_closed(month, closed.closed_on)
    prepared = prepared_for(home, Act.CLOSE, month, by) if home.settings.roles.close_approval else None
    upkeep = Upkeep(home)
    require_nothing_against(Act.CLOSE, month, standing_against(home, month, issued_on, upkeep))
    stale = upkeep.is_stale(month)
    drafts = {table: home.warehouse.catalogue.live(table, [str(month)]).get(str(month)) for table in DRAFTS}
    with home.books.closing(month) as closing:
        closing.require_not_before(issued_on)
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
        if prepared:
            require_as_prepared(prepared, issued_on, documents)
        for document, lines, entry in documents.issued():
            closing.issue(document, lines, entry)
        closing.close_month(
            issued_on,
            known_at=format_instant(upkeep.known.known_at),
            by=by,
            prepared_by=prepared.prepared_by if prepared else None,
        )
