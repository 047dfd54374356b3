"""Closing a month: what stands against it, and issuing its documents in one transaction.

The documents are the drafts, digit for digit; added here are numbers, dates, and the balances that only the books know.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl

from assets.adjusting import missing_rates, pending_lines
from assets.composing import Documents, compose
from assets.intake import delivery_inputs
from assets.upkeep import DRAFTS, Upkeep
from contracts_io.calendar import Month, days_between, format_instant, last_utc_day_of
from contracts_io.errors import BooksError, FeedError, RoleError
from contracts_io.feeds.landing import find_delivery
from contracts_io.frames import FEED_NAMES
from contracts_io.home import Home
from contracts_io.lifecycle import CONTENT_LENGTH, person, same_person
from contracts_io.money import minor_to_decimal
from contracts_io.store.document_tables import Invoice, Line, Payout, row_of
from contracts_io.store.documents import PreparedClose, already_closed, not_over
from contracts_io.store.issuing import document_hash, issued_later, number_text, series_of
from contracts_io.warehouse import fingerprint


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
        *upkeep.warehouse.catalogue.live("draft_invoices").values(),
        *upkeep.warehouse.catalogue.live("draft_payouts").values(),
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
    if (latest := home.books.last_issued_on()) and issued_on < latest:
        refusals.append(issued_later(month, issued_on, latest))
    return [
        *(f"{refusal.what}: {refusal.remedy}" for refusal in refusals),
        *reasons_against_close(home, month, upkeep),
        *_delivered_again(home, month, upkeep),
    ]


def as_they_would_be(home: Home, month: Month, issued_on: date, upkeep: Upkeep) -> Documents:
    """The documents that a close would issue, with the numbers that they would have; nothing is written."""
    taken = home.books.last_numbers()

    def number(series: str, _contract_id: str) -> str:
        key = series_of(number_text(series, issued_on.year, 0))
        taken[key] = taken.get(key, 0) + 1
        return number_text(series, issued_on.year, taken[key])

    pending = pending_lines(home, upkeep, month)
    return compose(home.settings, upkeep, month, issued_on, number, home.books.balances(), pending)


def prepare(home: Home, month: Month, issued_on: date, by: str, at: datetime) -> PreparedClose:
    """Keep the documents that a close would issue for another person to approve; the same once more changes nothing.

    BooksError where the month is closed, or with every reason that stands against closing it.
    """
    upkeep = Upkeep(home)
    _require_nothing_against(home, month, issued_on, upkeep)
    documents = as_they_would_be(home, month, issued_on, upkeep)
    prepared = PreparedClose(
        month=month,
        issued_on=issued_on,
        prepared_by=person(by),
        prepared_at=format_instant(at),
        content_hash=content_hash(month, issued_on, documents),
        documents=_listed(documents),
    )
    before = home.books.prepared(month)
    if before and before.content_hash == prepared.content_hash and same_person(before.prepared_by, prepared.prepared_by):
        return before
    home.books.prepare(prepared)
    return prepared


def prepared_for(home: Home, month: Month, by: str | None, content: str | None = None) -> PreparedClose:
    """The prepared close that ``by`` may approve; BooksError or RoleError where there is none, or they prepared it.

    ``content``: 12 digits or more of the hash of what they looked at.
    """
    prepared = home.books.prepared(month)
    if prepared is None:
        raise BooksError(
            f"nobody has prepared the close of {month}",
            remedy=f"prepare it with `adledger close {month} --by USER`; another person approves it then",
        )
    if not by or same_person(by, prepared.prepared_by):
        raise RoleError(
            f"{by} prepared the close of {month} and so cannot approve it" if by else "say who approves",
            where="[roles] close_approval in adledger.toml",
            remedy=f"have another person approve it: `adledger close {month} --approve --by USER`",
        )
    if content is not None and (len(content) < CONTENT_LENGTH or not prepared.content_hash.startswith(content)):
        raise BooksError(
            f"what was prepared for {month} is {prepared.content_hash[: max(CONTENT_LENGTH, len(content))]}, not {content}",
            remedy=f"look at it with `adledger close {month} --dry-run`, then approve what you saw",
        )
    return prepared


def close(home: Home, month: Month, issued_on: date, by: str | None = None) -> None:
    """Issue the documents that the month's drafts are, and close it, in one transaction.

    Where ``[roles] close_approval`` is set, these must be the documents that another person prepared, on their date of issue.
    BooksError where the month is closed, with every reason that stands against it, or with what changed since it was
    prepared; then nothing has changed.
    """
    if closed := home.books.closed_months().get(month):
        raise already_closed(month, closed.closed_on)
    prepared = prepared_for(home, month, by) if home.settings.roles.close_approval else None
    upkeep = Upkeep(home)
    _require_nothing_against(home, month, issued_on, upkeep)
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
            _require_as_prepared(prepared, issued_on, documents)
        for invoice, lines in documents.invoices:
            closing.add_invoice(invoice, lines)
        for payout, lines in documents.payouts:
            closing.add_payout(payout, lines)
        for entry in documents.entries:
            closing.add_journal(entry)
        closing.close_month(
            issued_on,
            known_at=format_instant(upkeep.known.known_at),
            by=by,
            prepared_by=prepared.prepared_by if prepared else None,
        )


def _require_nothing_against(home: Home, month: Month, issued_on: date, upkeep: Upkeep) -> None:
    if reasons := standing_against(home, month, issued_on, upkeep):
        raise BooksError(
            f"{month} cannot be closed:" + "".join(f"\n  - {reason}" for reason in reasons),
            remedy="nothing was issued; put these right, then close again",
        )


def _listed(documents: Documents) -> list[list[Any]]:
    """Number, contract, currency, total in minor units and content hash of each document, its journal entry in the hash."""
    entries = {entry[0].document: entry for entry in documents.entries}
    listed: list[list[Any]] = []
    issued: list[tuple[Invoice | Payout, list[Line]]] = [*documents.invoices, *documents.payouts]
    for document, lines in issued:
        amount = document.total_minor if isinstance(document, Invoice) else document.earnings_minor
        posted = fingerprint(*(row_of(line) for line in entries.get(document.number, [])))
        # An approval that changes nothing of it makes no other document of it.
        digest = document_hash(replace(document, known_at=""), lines, posted)
        listed.append([document.number, document.contract_id, document.currency, amount, digest])
    return listed


def content_hash(month: Month, issued_on: date, documents: Documents) -> str:
    """SHA-256 of all that documents of a close say: lines, entries, numbers and dates."""
    return fingerprint(month, issued_on, *(json.dumps(row) for row in _listed(documents)))


def _require_as_prepared(prepared: PreparedClose, issued_on: date, documents: Documents) -> None:
    """BooksError, naming each document that is not as it was prepared, unless all are."""
    if content_hash(prepared.month, issued_on, documents) == prepared.content_hash:
        return
    listed = _listed(documents)
    was = {(row[0].partition("-")[0], row[1]): row for row in prepared.documents}
    now = {(row[0].partition("-")[0], row[1]): row for row in listed}
    changes = [f"the date of issue was {prepared.issued_on}"] if issued_on != prepared.issued_on else []
    for key in sorted({*was, *now}):
        before, after = was.get(key), now.get(key)
        if before is None or after is None or list(before[:4]) != list(after[:4]):
            changes.append(f"{key[1]}: {_shown(before)} is {_shown(after)} now")
        elif before[4] != after[4] and issued_on == prepared.issued_on:
            changes.append(f"{key[1]}: the lines of {_shown(before)} are others now")
    raise BooksError(
        f"{prepared.month} is not what {prepared.prepared_by} prepared:" + "".join(f"\n  - {change}" for change in changes),
        remedy=f"nothing was issued; have it prepared again with `adledger close {prepared.month} --by USER`",
    )


def _shown(row: Sequence[Any] | None) -> str:
    return "no document" if row is None else f"{row[0]} over {minor_to_decimal(row[3], row[2])} {row[2]}"
