"""Whether what stands is what was written: warehouse files, issued documents, their numbers and entries, the audit trail.

Everything is read and recomputed; nothing is changed.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from contracts_io.errors import BooksError
from contracts_io.frames import FEED_NAMES, TABLES
from contracts_io.home import Home
from contracts_io.money import minor_to_decimal
from contracts_io.store import audit
from contracts_io.store.catalogue import Catalogue
from contracts_io.store.document_tables import Invoice, JournalLine, Payout
from contracts_io.store.documents import Chained
from contracts_io.store.issuing import document_hash, series_of
from contracts_io.warehouse import PartitionFile

RESTORE = "restore the books from a backup from before it was changed, and find out who wrote to them"

_TAKEN_IN = {*FEED_NAMES, *(f"{feed}_repeated" for feed in FEED_NAMES), "quarantine", "feed_counts", "delivered_files"}
"""The tables that a run of their day writes anew, whatever is there."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Verification:
    """How much was looked at, and what is broken: each thing named, with what to do."""

    files: int
    documents: int
    entries: int
    audit_records: int
    broken: list[str] = field(default_factory=list)


def verify(home: Home, progress: Progress) -> Verification:
    """Recompute every hash and sum of a home."""
    files = _listed(home)
    broken = list(_broken_files(home, files, progress))
    chained = home.books.chains()
    broken += _broken_chains(chained)
    broken += _broken_numbers(home, chained)
    entries = home.books.entries()
    broken += _broken_entries(entries, chained)
    broken += _broken_balances(chained)
    closed = {str(month) for month in home.books.closed_months()}
    broken += [
        f"documents of {month} are issued, and it is not closed: {RESTORE}"
        for month in sorted({issued.document.month for issued in chained} - closed)
    ]
    records = 0
    try:
        records = audit.verify(home.engine).records
    except BooksError as error:
        broken.append(f"audit trail: {error.where + ': ' if error.where else ''}{error.what}: {error.remedy or RESTORE}")
    return Verification(len(files), len(chained), len({line.entry for line in entries}), records, broken)


def refusal(found: Verification) -> BooksError:
    """What to say of a home in which something is broken."""
    count = f"{len(found.broken)} things are" if len(found.broken) > 1 else "one thing is"
    return BooksError(
        f"{count} not as written:" + "".join(f"\n  - {broken}" for broken in found.broken),
        remedy="put these right in this order, then verify again",
    )


def _listed(home: Home) -> dict[str, tuple[PartitionFile, bool]]:
    """Every file that a live table or an issued document needs, by path, and whether it is live."""
    listed: dict[str, tuple[PartitionFile, bool]] = {}
    pinned = [Catalogue(home.engine, snapshot) for snapshot in sorted(home.books.pinned())]
    for table in TABLES:
        for catalogue in pinned:
            listed |= {file.path: (file, False) for file in catalogue.live(table).values()}
        listed |= {file.path: (file, True) for file in home.warehouse.catalogue.live(table).values()}
    return listed


def _broken_files(home: Home, files: dict[str, tuple[PartitionFile, bool]], progress: Progress) -> Iterator[str]:
    for done, (path, (file, is_live)) in enumerate(sorted(files.items())):
        progress("files", done, len(files))
        try:
            with (home.warehouse.root / path).open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
        except OSError as error:
            what = f"cannot be read ({error.strerror})"
        else:
            if digest == file.sha256:
                continue
            what = "is not what was written"
        yield f"warehouse/{path} {what}: {_remedy(file, is_live)}"
    progress("files", len(files), len(files))


def _remedy(file: PartitionFile, is_live: bool) -> str:
    if not is_live:
        return "restore it from a backup; issued documents were made from it"
    again = (
        f", or run `adledger run {file.partition}`, which reads its landing files again" if file.table in _TAKEN_IN else ""
    )
    return f"restore it from a backup{again}"


def _broken_chains(chained: list[Chained]) -> Iterator[str]:
    before: dict[str, str] = {}
    for issued in chained:
        number = issued.document.number
        series = series_of(number)
        if issued.content_hash != document_hash(issued.document, issued.lines, issued.entry, issued.previous_hash):
            yield f"document {number} is not as it was issued (its head, a line or its journal entry): {RESTORE}"
        elif issued.previous_hash != before.get(series):
            yield f"document {number} does not follow the one that stands before it: {RESTORE}"
        before[series] = issued.content_hash


def _broken_numbers(home: Home, chained: list[Chained]) -> Iterator[str]:
    used: dict[str, set[int]] = defaultdict(set)
    for issued in chained:
        series = series_of(issued.document.number)
        used[series].add(int(issued.document.number.removeprefix(series)))
    taken = home.books.last_numbers()
    for series in sorted({*used, *taken}):
        last = max([taken.get(series, 0), *used[series]])
        missing = sorted(set(range(1, last + 1)) - used[series])
        if missing:
            numbers = ", ".join(f"{series}{number:06}" for number in missing[:5])
            more = f" and {len(missing) - 5} more" if len(missing) > 5 else ""
            yield f"no document has the number {numbers}{more}: {RESTORE}"
        if taken.get(series, 0) != last:
            yield f"the counter of {series} stands at {taken.get(series, 0)}, the last document is {last}: {RESTORE}"


def _broken_entries(entries: list[JournalLine], chained: list[Chained]) -> Iterator[str]:
    sums: dict[tuple[str, str], int] = defaultdict(int)
    documents = {issued.document.number for issued in chained}
    posted: dict[str, list[JournalLine]] = defaultdict(list)
    for line in entries:
        sums[line.entry, line.currency] += line.debit_minor - line.credit_minor
        posted[line.document].append(line)
    for (entry, currency), minor in sums.items():
        if minor:
            yield f"journal entry {entry} does not balance in {currency}: {RESTORE}"
    for number in sorted({line.document for line in entries} - documents):
        yield f"the journal has an entry for {number}, which is no document: {RESTORE}"
    for issued in chained:
        document, lines = issued.document, posted[issued.document.number]
        amounts = {line.debit_minor - line.credit_minor for line in lines}
        if missing := _to_post(document) - amounts:
            sides = " and ".join(
                f"{minor_to_decimal(abs(minor), document.currency)} {document.currency} {'debit' if minor > 0 else 'credit'}"
                for minor in sorted(missing, reverse=True)
            )
            yield f"the journal does not have what {document.number} posts, {sides}: {RESTORE}"
        elif any(
            (line.month, line.currency, line.posted_on) != (document.month, document.currency, document.issued_on)
            for line in lines
        ):
            yield f"the journal entry of {document.number} has another month, currency or date than it: {RESTORE}"


def _to_post(document: Invoice | Payout) -> set[int]:
    """What a document posts to accounts of its own, in minor units, debit above zero; the rest balances it."""
    if isinstance(document, Invoice):
        return {document.total_minor, -document.tax_minor} - {0}
    return {document.withholding_minor - document.earnings_minor, -document.withholding_minor} - {0}


def _broken_balances(chained: list[Chained]) -> Iterator[str]:
    carried: dict[str, int] = {}
    for issued in chained:
        document = issued.document
        if isinstance(document, Payout):
            before = carried.get(document.contract_id, 0)
            if document.brought_forward_minor != before:
                brought, left = (minor_to_decimal(m, document.currency) for m in (document.brought_forward_minor, before))
                yield (
                    f"{document.number} brings {brought} {document.currency} forward, the statement of {document.contract_id} "
                    f"before it carries {left}: {RESTORE}"
                )
            carried[document.contract_id] = document.carried_forward_minor
