"""Issuing documents: numbers, rows and the closed month in one transaction, all kept or nothing.

Numbers are gapless within series and year: they are taken from a counter row inside the transaction that inserts the
document, so that a rollback gives them back. What does not belong here: what a document says (``pipelines``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date

import sqlalchemy as sa

from contracts_io.calendar import Month
from contracts_io.errors import BooksError
from contracts_io.lifecycle import ApprovedVersion, State
from contracts_io.store.catalogue import current_snapshot, lake_file
from contracts_io.store.contract_tables import contract_version
from contracts_io.store.document_tables import (
    Invoice,
    JournalLine,
    Line,
    Payout,
    invoice,
    invoice_line,
    journal_line,
    month_adjustment,
    month_close,
    number_series,
    payout,
    payout_line,
    row_of,
)

_NAMED = 3


class Issuing:
    """Documents being issued for a month: everything done through it is kept together, or nothing is."""

    def __init__(self, connection: sa.Connection, month: Month) -> None:
        self._connection = connection
        self._month = month

    def require_not_before(self, issued_on: date) -> None:
        """BooksError where documents were issued later than on ``issued_on``, or the month closed: dates of issue never go back."""
        latest = not_before(self._connection, self._month)
        if latest is not None and issued_on < latest:
            raise issued_later(self._month, issued_on, latest)

    def require_known(self, approved: Mapping[str, Sequence[ApprovedVersion]]) -> None:
        """BooksError where a contract version was approved that is not among ``approved``, which the drafts went by.

        None can be until the transaction ends: whoever approves waits for it.
        """
        is_approved = contract_version.c.state == State.APPROVED.value
        count = self._connection.scalar(sa.select(sa.func.count()).where(is_approved))
        if count == sum(map(len, approved.values())):  # what is approved stays so
            return
        columns = (contract_version.c[name] for name in ("contract_id", "version", "decided_by", "decided_at"))
        known = {contract_id: {version.version for version in versions} for contract_id, versions in approved.items()}
        since = [
            f"{contract_id} version {version} (by {by} at {at})"
            for contract_id, version, by, at in self._connection.execute(
                sa.select(*columns).where(is_approved).order_by("decided_at", "contract_id", "version")
            )
            if version not in known.get(contract_id, ())
        ]
        named = ", ".join(since[:_NAMED]) + (f" and {len(since) - _NAMED} more" if len(since) > _NAMED else "")
        raise BooksError(
            f"contracts were approved since its drafts were made: {named}",
            where=str(self._month),
            remedy="nothing was issued; run the same command again, which goes by them",
        )

    def live_content(self, table: str) -> str | None:
        """The content hash of the month's live partition of a warehouse table, as this transaction sees it."""
        return self._connection.scalar(
            sa.select(lake_file.c.sha256).where(
                lake_file.c.table_name == table,
                lake_file.c.partition == str(self._month),
                lake_file.c.removed.is_(None),
            )
        )

    def next_number(self, series: str, year: int) -> str:
        """The next number of a series, ``INV-2026-000001``; gapless, because it goes back if issuing fails."""
        here = (number_series.c.series == series) & (number_series.c.year == year)
        self._connection.execute(
            sa.text("INSERT INTO number_series (series, year, last) VALUES (:series, :year, 0) ON CONFLICT DO NOTHING"),
            {"series": series, "year": year},
        )
        self._connection.execute(number_series.update().where(here).values(last=number_series.c.last + 1))
        last = self._connection.scalar(sa.select(number_series.c.last).where(here))
        return number_text(series, year, last or 0)

    def balances(self) -> dict[str, int]:
        """What each partner contract carries into its next statement, in minor units, where it is not zero."""
        return carried_balances(self._connection)

    def issue(self, document: Invoice | Payout, lines: Sequence[Line], entry: Sequence[JournalLine]) -> None:
        """Issue an invoice, a note or a payout statement with its lines, and post its journal entry, which must balance."""
        is_invoice = isinstance(document, Invoice)
        heads, own_lines = (invoice, invoice_line) if is_invoice else (payout, payout_line)
        chained = self._chained(heads, document, lines, entry)
        self._connection.execute(heads.insert().values(**row_of(document), **chained))
        for line in lines:
            values = {name: value for name, value in row_of(line).items() if name in own_lines.c}
            self._connection.execute(own_lines.insert().values(number=document.number, **values))
        self._post(document, entry)

    def close_month(self, on: date, *, known_at: str, by: str | None = None, prepared_by: str | None = None) -> None:
        """Mark the month closed, pinning the warehouse as this transaction sees it, and the contracts by ``known_at``."""
        self._connection.execute(
            month_close.insert().values(
                month=str(self._month),
                closed_on=on,
                closed_by=by,
                prepared_by=prepared_by,
                snapshot=current_snapshot(self._connection),
                known_at=known_at,
            )
        )

    def record_adjustment(self, on: date, *, known_at: str, by: str | None = None, prepared_by: str | None = None) -> None:
        """Note that the month was adjusted, pinning what the notes went by as ``close_month`` does."""
        here = month_adjustment.c.month == str(self._month)
        last = self._connection.scalar(sa.select(sa.func.max(month_adjustment.c.sequence)).where(here)) or 0
        self._connection.execute(
            month_adjustment.insert().values(
                month=str(self._month),
                sequence=last + 1,
                adjusted_on=on,
                adjusted_by=by,
                prepared_by=prepared_by,
                snapshot=current_snapshot(self._connection),
                known_at=known_at,
            )
        )

    def _post(self, document: Invoice | Payout, entry: Sequence[JournalLine]) -> None:
        if sum(line.debit_minor - line.credit_minor for line in entry):
            raise ValueError(f"an entry that does not balance: {entry}")
        if any(line.document != document.number for line in entry):
            raise ValueError(f"an entry of another document than {document.number}: {entry}")
        for line in entry:
            self._connection.execute(journal_line.insert().values(**row_of(line)))

    def _chained(
        self, table: sa.Table, document: Invoice | Payout, lines: Sequence[Line], entry: Sequence[JournalLine]
    ) -> dict[str, str | None]:
        series = series_of(document.number)
        before = sa.select(table.c.content_hash).where(table.c.number.startswith(series, autoescape=True))
        previous = self._connection.scalar(before.order_by(table.c.number.desc()).limit(1))
        return {"content_hash": document_hash(document, lines, entry, previous), "previous_hash": previous}


def number_text(series: str, year: int, last: int) -> str:
    """A document number, ``INV-2026-000001``."""
    return f"{series}-{year:04}-{last:06}"


def series_of(number: str) -> str:
    """The series of a document number with its year, ``INV-2026-``."""
    return number[: -len("000000")]


def document_hash(
    document: Invoice | Payout, lines: Sequence[Line], entry: Sequence[JournalLine], previous: str | None
) -> str:
    """SHA-256, as hex, of a document with its lines and journal entry, and of the hash of the one before it in its series."""
    content = {
        "document": row_of(document),
        "lines": [row_of(line) for line in lines],
        "entry": [row_of(line) for line in entry],
        "previous": previous,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def not_before(connection: sa.Connection, month: Month) -> date | None:
    """The first date that a document of ``month`` can have: the latest date of issue of any, or that of the month's close."""
    dates = [sa.select(sa.func.max(column)) for column in (invoice.c.issued_on, payout.c.issued_on)]
    dates.append(sa.select(month_close.c.closed_on).where(month_close.c.month == str(month)))
    return max(filter(None, (connection.scalar(query) for query in dates)), default=None)


def issued_later(month: Month, issued_on: date, latest: date) -> BooksError:
    """The refusal to issue before what was issued already."""
    return BooksError(
        f"documents were issued on {latest}, so {month} cannot be issued on {issued_on}",
        remedy=f"dates of issue never go back: name {latest} or a later day with --on",
    )


def carried_balances(connection: sa.Connection) -> dict[str, int]:
    """The carried-forward amount of each partner contract's last statement, in the order of issue.

    A month in which something is found to issue only after a later one was closed is issued last: it takes the balance on.
    """
    last = sa.select(sa.func.max(payout.c.number)).group_by(payout.c.contract_id)
    query = sa.select(payout.c.contract_id, payout.c.carried_forward_minor).where(payout.c.number.in_(last))
    return {contract_id: amount for contract_id, amount in connection.execute(query) if amount}
