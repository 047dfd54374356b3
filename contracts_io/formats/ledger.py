"""The journal as texts that ledgers read: journal CSV (the master), beancount and hledger.

Every text is in order of posting date, entry and line, so that the same journal gives the same bytes. Amounts have the
places of their currency. Pure: lines in, text out.

    INV of 119.00 USD -> 2026-11-04 * "acme" "invoice for 2026-10" ^INV-2026-000001 ...
"""

from __future__ import annotations

import csv
import io
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from contracts_io.errors import BooksError
from contracts_io.money import minor_digits, minor_to_decimal

COLUMNS = (
    "journal_id",
    "line_no",
    "posting_date",
    "document_id",
    "document_type",
    "party_id",
    "account",
    "debit",
    "credit",
    "currency",
    "base_debit",
    "base_credit",
    "base_currency",
    "description",
    "cost_object",
    "reverses",
)
"""The columns of the journal CSV, in order."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x85\u2028\u2029]+")


@dataclass(frozen=True)
class LedgerLine:
    """One posting of an entry; amounts in minor units, exactly one of them above zero; ``month`` is the service month."""

    entry: str
    line: int
    posted_on: date
    document: str
    document_type: str
    contract_id: str
    party_id: str
    month: str
    account: str
    currency: str
    debit_minor: int
    credit_minor: int
    description: str
    reverses: str = ""


def journal_csv(lines: Iterable[LedgerLine], _chart: Sequence[str] = ()) -> str:
    """The journal CSV: UTF-8, LF; no base currency is kept, so its columns are empty; the cost object is the contract.

    A text that a spreadsheet would take for a formula begins with a quote. BooksError where an entry does not balance.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for line in _in_order(lines):
        texts = [_cell(text) for text in (line.document, line.document_type, line.party_id, line.account)]
        amounts = [_amount(minor, line.currency) if minor else "" for minor in (line.debit_minor, line.credit_minor)]
        told = [_cell(text) for text in (line.description, line.contract_id, line.reverses)]
        writer.writerow([_cell(line.entry), line.line, line.posted_on, *texts, *amounts, line.currency, "", "", "", *told])
    return out.getvalue()


def beancount(lines: Iterable[LedgerLine], chart: Sequence[str]) -> str:
    """A beancount file that stands alone: it opens the ``chart`` and whatever else is posted on, in all currencies used.

    BooksError where an entry does not balance.
    """
    ordered = _in_order(lines)
    months = sorted({line.month for line in ordered})
    parts = [f'option "title" {_quoted(" ".join(["adledger", *months]))}\n']
    if ordered:
        currencies = ",".join(_currencies(ordered))
        opens = [f"{ordered[0].posted_on} open {account} {currencies}\n" for account in _accounts(ordered, chart)]
        parts.append("".join(opens))
    for entry, of_entry in _entries(ordered):
        head = of_entry[0]
        metadata = {"journal": entry, "contract": head.contract_id, "month": head.month, "reverses": head.reverses}
        parts.append(
            f"{head.posted_on} * {_quoted(head.party_id)} {_quoted(head.description)} ^{head.document}\n"
            + "".join(f"  {key}: {_quoted(value)}\n" for key, value in metadata.items() if value)
            + "".join(f"  {line.account}  {_signed(line)} {line.currency}\n" for line in of_entry)
        )
    return "\n".join(parts)


def hledger(lines: Iterable[LedgerLine], chart: Sequence[str]) -> str:
    """An hledger journal that ``hledger check --strict`` takes: accounts and commodities are declared.

    BooksError where an entry does not balance.
    """
    ordered = _in_order(lines)
    declared = [f"account {account}\n" for account in _accounts(ordered, chart)]
    # The point is part of a commodity's declaration, also where the currency has no places.
    declared += [f"commodity 1000.{'0' * minor_digits(currency)} {currency}\n" for currency in _currencies(ordered)]
    parts = ["decimal-mark .\n" + "".join(declared)]
    for entry, of_entry in _entries(ordered):
        head = of_entry[0]
        tags = {"journal": entry, "contract": head.contract_id, "month": head.month, "reverses": head.reverses}
        told = ", ".join(f"{key}:{value}" for key, value in tags.items() if value)
        parts.append(
            f"{head.posted_on} * ({head.document}) {_described(head.party_id)} | {_described(head.description)}  ; {told}\n"
            + "".join(f"    {line.account}  {_signed(line)} {line.currency}\n" for line in of_entry)
        )
    return "\n".join(parts)


WRITERS: dict[str, Callable[[Iterable[LedgerLine], Sequence[str]], str]] = {
    "csv": journal_csv,
    "beancount": beancount,
    "hledger": hledger,
}
"""How the journal can be written; the names are the endings of files, too. Each takes the lines and the chart of accounts."""


def _in_order(lines: Iterable[LedgerLine]) -> list[LedgerLine]:
    ordered = sorted(lines, key=lambda line: (line.posted_on, line.entry, line.line))
    sums: dict[tuple[str, str], int] = defaultdict(int)
    for line in ordered:
        sums[line.entry, line.currency] += line.debit_minor - line.credit_minor
    for (entry, currency), difference in sums.items():
        if difference:
            raise BooksError(
                f"its debits and credits differ by {_amount(abs(difference), currency)} {currency}",
                where=f"journal entry {entry}",
                remedy="the books were changed from outside: restore them from a backup",
            )
    return ordered


def _entries(ordered: Sequence[LedgerLine]) -> list[tuple[str, list[LedgerLine]]]:
    return [(entry, list(lines)) for entry, lines in groupby(ordered, key=lambda line: line.entry)]


def _accounts(lines: Sequence[LedgerLine], chart: Sequence[str]) -> list[str]:
    return sorted({*chart, *(line.account for line in lines)})


def _currencies(lines: Sequence[LedgerLine]) -> list[str]:
    return sorted({line.currency for line in lines})


def _amount(minor: int, currency: str) -> str:
    return format(minor_to_decimal(minor, currency), "f")


def _signed(line: LedgerLine) -> str:
    return _amount(line.debit_minor - line.credit_minor, line.currency)


def _cell(text: str) -> str:
    return _on_one_line(f"'{text}" if text.startswith(_FORMULA) else text)


def _quoted(text: str) -> str:
    escaped = _on_one_line(text).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _described(text: str) -> str:
    """A text for hledger, where ``;`` begins a comment and ``|`` ends the payee."""
    return _on_one_line(text).replace(";", ",").replace("|", "/")


def _on_one_line(text: str) -> str:
    return _CONTROL.sub(" ", text)
