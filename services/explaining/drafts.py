"""The draft of a contract and month as a document: the same that an export of drafts shows."""

from __future__ import annotations

from contracts_io.calendar import Month
from contracts_io.errors import BooksError, UsageError
from contracts_io.home import Home
from contracts_io.store.document_tables import Invoice, Line, Payout
from services.explaining.sources import source_now


def drafted(home: Home, number: str, month: Month | None) -> tuple[Invoice | Payout, list[Line], list[str]]:
    """The draft ``DRAFT-<contract_id>`` of ``month`` with its lines, and a remark where it is out of date.

    Of a closed month it is the whole entitlement as it is known now. BooksError where the contract has no draft in the month.
    """
    from assets.adjusting import drafted as drafts_of  # noqa: PLC0415 - loads Polars and the pipelines
    from assets.upkeep import Upkeep  # noqa: PLC0415

    if month is None:
        raise UsageError("a draft is of a month", where=number, remedy="add --month YYYY-MM")
    closed = home.books.closed_months()
    upkeep = Upkeep(home, source_now(home, month).known_at)
    documents = drafts_of(home, upkeep, month)
    found: list[tuple[Invoice | Payout, list[Line]]] = [*documents.invoices, *documents.payouts]
    for document, lines in found:
        if document.number == number:
            return document, lines, _remarks(home, month, is_closed=month in closed)
    raise BooksError(
        f"{month} has no draft of this contract: nothing in it is charged or paid",
        where=number,
        remedy=f"see the drafts with `adledger export {month} --to DIR --draft`",
    )


def _remarks(home: Home, month: Month, *, is_closed: bool) -> list[str]:
    from assets.upkeep import Upkeep  # noqa: PLC0415 - loads Polars and the pipelines

    said = [f"{month} is closed: this is what it entitles to as known now, not what was issued"] if is_closed else []
    if Upkeep(home).is_stale(month):
        said.append("the draft is older than its data or contracts: `adledger run DAY` of any day brings it up to date")
    return said
