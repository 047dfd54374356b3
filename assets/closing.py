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
from contracts_io.feeds.landing import Delivery, find_delivery
from contracts_io.feeds.rates import RATES_FOLDER, read_rates
from contracts_io.home import Home
from contracts_io.store.documents import Act, Prepared, already_closed, not_over

_TOUCHES = ("impressions", "clicks")


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
    if needed < known[0] and month not in drafted_months(upkeep):
        return [nothing_delivered(home, month)]
    missing = [day for day in days_between(known[0], needed) if day not in run] if known[0] <= needed else []
    if not missing:
        return []
    named = ", ".join(str(day) for day in missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
    once = "" if set(missing) <= set(delivered) else " once they are delivered"
    return [f"delivery days that are not in: {named}: run `adledger backfill {missing[0]} {missing[-1]}`{once}"]


def nothing_delivered(home: Home, month: Month) -> str:
    """What to say of a month that no delivery day reaches."""
    days = sorted({*home.days_run(), *home.days_delivered()})
    known = f"delivery days go from {days[0]} to {days[-1]}" if days else "there is no delivery day"
    return f"nothing was delivered for {month}: {known}"


def _delivered_again(home: Home, month: Month, upkeep: Upkeep) -> list[str]:
    """Days whose landing folders are not what was taken in: delivered again, or run again and failed.

    A folder that is gone was archived and says nothing. Of a day that is only looked back at, for touches, the files count
    alone: settings may have changed since it was right to read it by those of then. Every file is hashed, which takes its time
    and is done once a month.
    """
    needed = last_day_needed(home, month, upkeep)
    reasons = _rates_delivered_again(home, needed)
    for feed, settings in home.settings.feeds.items():
        billed_from = _first_day_billed(month, feed, upkeep)
        first = min(billed_from, _first_day_looked_back_at(month, upkeep)) if feed in _TOUCHES else billed_from
        for text, live in home.warehouse.catalogue.live(feed).items():
            day = date.fromisoformat(text)
            if day > needed or day < first or not (home.landing / feed / text).is_dir():
                continue
            if day < billed_from and not settings.enabled:
                continue
            try:
                delivery = find_delivery(home.landing, feed, day, settings)
            except FeedError as error:
                reasons.append(f"{error.where}: {error.what}: put it right, then run `adledger run {day}`")
                continue
            if delivery_inputs(home, delivery) != live.inputs and (day >= billed_from or not _was_taken_in(home, delivery)):
                reasons.append(f"the {feed} of {day} are not what was taken in: run `adledger run {day}`")
    return reasons


def _rates_delivered_again(home: Home, needed: date) -> list[str]:
    """That exchange rates up to a day are not those that the last run read; without a file of them they were archived."""
    folder, days = home.landing / RATES_FOLDER, home.days_run()
    if not (days and folder.is_dir() and any(folder.iterdir())):
        return []
    last = days[-1]
    try:
        delivered = read_rates(home.landing)
    except FeedError as error:
        return [f"{error.where}: {error.what}: put it right, then run `adledger run {last}`"]
    until = pl.col("date") <= needed
    if delivered.filter(until).equals(home.warehouse.read("fx_rates").filter(until).collect()):
        return []
    return [f"the exchange rates are not what was taken in: run `adledger run {last}`"]


def _was_taken_in(home: Home, delivery: Delivery) -> bool:
    """Whether the day's rows of the feed were made from these very files, under whatever settings."""
    taken_in = (
        home.warehouse.read("delivered_files", [str(delivery.day)]).filter(feed=delivery.feed).select("file", "sha256")
    )
    return set(taken_in.collect().iter_rows()) == {(file.name, file.sha256) for file in delivery.files}


def _first_day_looked_back_at(month: Month, upkeep: Upkeep) -> date:
    """The first delivery day that can hold touches of conversions which are billed in the month."""
    first = month.first - upkeep.known.longest_validation
    lookback = upkeep.known.attribution.longest_lookback(first, month.last)
    whole_days = -(-lookback // ONE_DAY)
    return first - (whole_days + EARLY_DAYS + 1) * ONE_DAY if lookback else month.first


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


def close(home: Home, month: Month, issued_on: date, by: str | None = None, content: str | None = None) -> None:
    """Issue the documents that the month's drafts are, and close it, in one transaction.

    Where ``[roles] close_approval`` is set, these must be the documents that another person prepared, on their date of issue,
    and their hash begin with ``content`` where it is given. BooksError where the month is closed, with every reason that stands
    against it, with what changed since it was prepared, or where contracts were approved meanwhile; then nothing has changed.
    """
    if closed := home.books.closed_months().get(month):
        raise already_closed(month, closed.closed_on)
    by_two = home.settings.roles.close_approval
    if by_two:
        prepared_for(home, Act.CLOSE, month, by, content)  # what can be refused at once is
    upkeep = Upkeep(home)
    require_nothing_against(Act.CLOSE, month, standing_against(home, month, issued_on, upkeep))
    stale = upkeep.is_stale(month)
    drafts = {table: home.warehouse.catalogue.live(table, [str(month)]).get(str(month)) for table in DRAFTS}
    with home.books.closing(month) as closing:
        closing.require_not_before(issued_on)
        closing.require_known(upkeep.known.approved)
        prepared = prepared_for(home, Act.CLOSE, month, by, content) if by_two else None
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
