"""What one person prepares and another approves: the documents of a close, or the notes of an adjustment.

An approval is of a content: what was prepared is kept with the hash of all that its documents say, and what is issued must
come to the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from assets.composing import Documents, Number
from contracts_io.calendar import Month, format_instant
from contracts_io.errors import BooksError, RoleError
from contracts_io.home import Home
from contracts_io.lifecycle import CONTENT_LENGTH, person, same_person
from contracts_io.money import minor_to_decimal
from contracts_io.store.document_tables import Invoice
from contracts_io.store.documents import Act, Prepared
from contracts_io.store.issuing import document_hash, issued_later, number_text, series_of
from contracts_io.warehouse import fingerprint

_DONE = {Act.CLOSE: "closed", Act.ADJUST: "adjusted"}


def numbers_to_come(home: Home, issued_on: date) -> Number:
    """The numbers that documents issued on a date would have; none is taken."""
    taken = home.books.last_numbers()

    def number(series: str, _contract_id: str) -> str:
        key = series_of(number_text(series, issued_on.year, 0))
        taken[key] = taken.get(key, 0) + 1
        return number_text(series, issued_on.year, taken[key])

    return number


def issued_before(home: Home, month: Month, issued_on: date) -> list[str]:
    """That documents were issued on a later date, or the month closed, with the remedy; empty where none were."""
    latest = home.books.not_before(month)
    if latest is None or issued_on >= latest:
        return []
    refusal = issued_later(month, issued_on, latest)
    return [f"{refusal.what}: {refusal.remedy}"]


def require_nothing_against(act: Act, month: Month, reasons: Sequence[str]) -> None:
    """BooksError with every one of ``reasons``, if there are any."""
    if reasons:
        raise BooksError(
            f"{month} cannot be {_DONE[act]}:" + "".join(f"\n  - {reason}" for reason in reasons),
            remedy=f"nothing was issued; put these right, then {act} again",
        )


def keep(home: Home, act: Act, month: Month, issued_on: date, documents: Documents, by: str, at: datetime) -> Prepared:
    """Keep documents for another person to approve; the same once more changes nothing."""
    prepared = Prepared(
        act=act,
        month=month,
        issued_on=issued_on,
        prepared_by=person(by),
        prepared_at=format_instant(at),
        content_hash=content_hash(month, issued_on, documents),
        documents=_listed(documents),
    )
    before = home.books.prepared(act, month)
    if before and before.content_hash == prepared.content_hash and same_person(before.prepared_by, prepared.prepared_by):
        return before
    home.books.prepare(prepared)
    return prepared


def prepared_for(home: Home, act: Act, month: Month, by: str | None, content: str | None = None) -> Prepared:
    """What was prepared and ``by`` may approve; BooksError or RoleError where there is nothing, or they prepared it.

    ``content``: 12 digits or more of the hash of what they looked at.
    """
    prepared = home.books.prepared(act, month)
    if prepared is None:
        raise BooksError(
            f"nobody has prepared the {act.noun} of {month}",
            remedy=f"prepare it with `adledger {act} {month} --by USER`; another person approves it then",
        )
    if not by or same_person(by, prepared.prepared_by):
        raise RoleError(
            f"{by} prepared the {act.noun} of {month} and so cannot approve it" if by else "say who approves",
            where="[roles] close_approval in adledger.toml",
            remedy=f"have another person approve it: `adledger {act} {month} --approve --by USER`",
        )
    if content is not None and len(content) < CONTENT_LENGTH:
        remedy = f"name {CONTENT_LENGTH} digits of it or more, as `adledger {act} {month} --dry-run` prints it"
        raise BooksError(f"{content} is too little of a hash", remedy=remedy)
    if content is not None and not prepared.content_hash.startswith(content):
        raise BooksError(
            f"what was prepared for {month} is {prepared.content_hash[: len(content)]}, not {content}",
            remedy=f"look at it with `adledger {act} {month} --dry-run`, then approve what you saw",
        )
    return prepared


def content_hash(month: Month, issued_on: date, documents: Documents) -> str:
    """SHA-256 of all that documents say: lines, entries, numbers and dates."""
    return fingerprint(month, issued_on, *(json.dumps(row) for row in _listed(documents)))


def require_as_prepared(prepared: Prepared, issued_on: date, documents: Documents) -> None:
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
    again = f"have it prepared again with `adledger {prepared.act} {prepared.month} --by USER`"
    raise BooksError(
        f"{prepared.month} is not what {prepared.prepared_by} prepared:" + "".join(f"\n  - {change}" for change in changes),
        remedy=f"nothing was issued; {again}",
    )


def _listed(documents: Documents) -> list[list[Any]]:
    """Number, contract, currency, total in minor units and content hash of each document, its journal entry in the hash."""
    listed: list[list[Any]] = []
    for document, lines, entry in documents.issued():
        amount = document.total_minor if isinstance(document, Invoice) else document.earnings_minor
        # An approval that changes nothing of it makes no other document of it.
        digest = document_hash(replace(document, known_at=""), lines, entry, None)
        listed.append([document.number, document.contract_id, document.currency, amount, digest])
    return listed


def _shown(row: Sequence[Any] | None) -> str:
    return "no document" if row is None else f"{row[0]} over {minor_to_decimal(row[3], row[2])} {row[2]}"
