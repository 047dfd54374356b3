"""Writes ``tables.md`` from what the code declares; run it after a table or an export has changed.

    .venv/bin/python docs/reference/generate.py

A test compares the page with ``page()``, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl

from assets.adjusting import SERIES
from contracts_io.accounts import Accounts
from contracts_io.formats.exports import EXPORTS
from contracts_io.frames import INVOICE_LINE_KINDS, LINE_QUANTITY, LINE_RATE, PAYOUT_LINE_KINDS, TABLES, Table
from contracts_io.store.catalogue import lake_file

PAGE = Path(__file__).with_name("tables.md")

_PARTITIONS = {"day": "one per delivery day", "month": "one per billing month", "all": "one for everything"}

_NOTES = " and ".join(f"`{series}-`" for series in SERIES.values())
_POSTED = ("receivable", "revenue", "tax", "partner_cost", "partner_payable", "partner_clearing", "withholding")
"""The kinds of amount that documents post; the others are of accruals only."""


def _any_of(names: Iterable[str]) -> str:
    *others, last = (f"`{name}`" for name in names)
    return f"{', '.join(others)} or {last}"


_LINE = {
    "line": "line number, from 1",
    "contract_id": "contract",
    "term_id": "term that priced the line; empty where it is of the whole contract",
    "version": "contract version that priced the line; empty where it is of the whole contract",
    "quantity": LINE_QUANTITY.replace("null", "empty"),
    "rate": LINE_RATE.replace("null", "empty"),
}
_EXPORTED: dict[str, tuple[str, dict[str, str]]] = {
    "invoices": (
        "One row per invoice, credit note and debit note of the month. Amounts are signed: of a note they are differences, and "
        "of a credit note the total is negative.",
        {
            "number": f"`INV-`, of notes {_NOTES}, then `<year>-<6 digits>`, gapless within the series and the year of issue; "
            "of a draft `DRAFT-<contract_id>`",
            "kind": f"{_any_of(('invoice', *SERIES))}; a draft is an `invoice`",
            "contract_id": "contract",
            "version": "contract version in force on the last day, up to the month's end, on which the contract is in force",
            "party_id": "advertiser",
            "month": "billing month, `YYYY-MM`; of a note the month that it adjusts",
            "currency": "ISO 4217, of the contract and of every amount in the row",
            "issued_on": "date of issue; empty on a draft",
            "due_on": "date of issue plus the contract's payment terms; empty on a draft",
            "net": "sum of the lines",
            "tax": "tax on the net, rounded once; of a note the difference of the taxes",
            "total": "net plus tax",
            "adjusts": "of a note the number of the invoice that it adjusts, or where none was issued of the first debit note "
            "of contract and month; empty on an invoice and on that first note",
        },
    ),
    "invoice_lines": (
        "The lines of the invoices and notes, each rounded once to the currency's minor unit. A note has a line for each line "
        "that changed: quantity and amount are the differences.",
        {
            "number": "invoice or note",
            "kind": f"{_any_of(INVOICE_LINE_KINDS)} ([what each is](rules.md#lines-and-rounding))",
            "description": "the line in words; of a note also its cause",
            "amount": "amount in the invoice's currency",
            **_LINE,
        },
    ),
    "payouts": (
        "One row per payout statement of the month. due = earnings + brought_forward = payable + withholding + carried_forward.",
        {
            "number": "`PAY-<year>-<6 digits>`, gapless within the year of issue; of a draft `DRAFT-<contract_id>`",
            "partner_id": "partner",
            "contract_id": "partner contract",
            "month": "billing month, `YYYY-MM`",
            "currency": "ISO 4217, of the contract and of every amount in the row",
            "earnings": "sum of the lines",
            "withholding": "what is held back for the tax office",
            "brought_forward": "balance carried forward by the partner's last statement",
            "payable": "what is paid",
            "carried_forward": "what is left for the next statement",
        },
    ),
    "payout_lines": (
        "The lines of the payout statements, each rounded once to the currency's minor unit.",
        {
            "number": "payout statement",
            "kind": f"{_any_of((*PAYOUT_LINE_KINDS, 'adjustment'))} ([what each is](rules.md#lines-and-rounding)); "
            f"an `adjustment` is the difference of a line of a closed month, with that line's term, version and rate",
            "advertiser_contract_id": "on `action` and `revenue_share`, and on an adjustment of these: the advertiser contract "
            "that was charged; else empty",
            "amount": "amount in the statement's currency",
            **_LINE,
            "contract_id": "partner contract",
            "term_id": "term that priced the line",
            "version": "contract version that priced the line",
        },
    ),
    "attributions": (
        "Each accepted conversion billed in the month with its one status; of `no_contract`, by UTC date of the event.",
        {},
    ),
    "attribution_credits": ("Who earned those conversions: one row per touch with credit.", {}),
    "impression_outcomes": ("Why each impression of the month's delivery days was billed or not, on both sides.", {}),
    "quarantine": ("Rows of the month's delivery days that could not be used.", {}),
    "feed_counts": ("Rows read, accepted, duplicate and quarantined per feed and delivery day of the month.", {}),
    "journal": (
        "The balanced journal entries of the month's documents; of drafts, the entries that their issue would post.",
        {
            "entry": "journal entry; its lines balance in its currency",
            "posted_on": "date of issue; empty on a draft",
            "document": "number of the document that the entry belongs to",
            "account": f"{_any_of(getattr(Accounts(), kind) for kind in _POSTED)}, or the name that the "
            "settings gave it when the entry was posted ([accounts](../accounting.md#the-chart-of-accounts))",
            "party_id": "advertiser or partner",
            "currency": "ISO 4217",
            "debit": "amount; 0 where the line is a credit",
            "credit": "amount; 0 where the line is a debit",
        },
    ),
    "accruals": (
        "Exact, unrounded amounts by billing date, budgets taken off: what lines come to before they are rounded. Flat fees, "
        "commission and minimum are of lines only.",
        {},
    ),
}

# Where the declarations name a section of the specification, the page links to the rule in words.
_SECTIONS = {
    "of spec 3.3": "of [these](rules.md#quarantine)",
    "of spec 5.1": "([list](rules.md#impressions))",
    "of spec 6.1": "([list](rules.md#conversions))",
    "of spec 7.1": "([list](rules.md#lines-and-rounding))",
}

_CATALOGUE = {
    "id": "number of the entry",
    "table_name": "table of the warehouse",
    "partition": "`YYYY-MM-DD`, `YYYY-MM` or `all`",
    "path": "file, below `warehouse/`",
    "sha256": "SHA-256 of the file, and its name",
    "crc32": "CRC-32 of the file, compared before it is read",
    "rows": "rows in the file",
    "inputs": "fingerprint of what the file was made from",
    "added": "snapshot from which on the file is live",
    "removed": "snapshot in which it was replaced; null: it is live",
}


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([*_head(), *_warehouse(), *_exports(), *_catalogue()]) + "\n"


def _head() -> Iterator[str]:
    yield "# Tables"
    yield ""
    yield "Every table of the warehouse, every exported table, and the catalogue that says which files are live. This page is"
    yield "written by `docs/reference/generate.py` from the declarations that the code checks every write against."
    yield ""
    yield "| type | meaning |"
    yield "|---|---|"
    yield "| text | UTF-8 text |"
    yield "| id | a text that is kept in three columns: [ids](#ids) |"
    yield "| integer | whole number, 64 bits; a contract version has 32 |"
    yield "| boolean | true or false |"
    yield "| date | a date; the column says in which zone |"
    yield "| instant | UTC, microseconds; in CSV and JSON `2026-10-20T02:19:53.172230Z` |"
    yield "| decimal(9) | an exact amount, nine places; decimal(4), decimal(6) and decimal(18) likewise |"
    yield ""
    yield "Amounts are in the currency that the row names or, where it names none, in that of the row's contract. CSV and JSON"
    yield "show decimals as plain digits without trailing zeros. A column that may be null has a yes under null."
    yield ""
    yield "- [The warehouse](#the-warehouse)"
    yield "- [Exported tables](#exported-tables)"
    yield "- [The catalogue](#the-catalogue)"
    yield ""


def _warehouse() -> Iterator[str]:
    yield "## The warehouse"
    yield ""
    yield "Parquet files under `warehouse/<table>/<partition>/`. How to read them: [analysts](../analysts.md#ask-the-warehouse)."
    yield ""
    yield from _ids()
    for table in TABLES.values():
        yield f"### `{table.name}`"
        yield ""
        yield f"{table.description} Partitions: {_PARTITIONS[table.partition]}."
        yield ""
        yield from _columns(
            (name, "id" if name in table.packed else _type(column.dtype.type), column.nullable, _meaning(table, name))
            for name, column in table.schema.columns.items()
        )


def _ids() -> Iterator[str]:
    yield "### Ids"
    yield ""
    yield "A column of type id is three columns of the file: `<id>_hi` and `<id>_lo`, 128 bits as two integers of 64, and"
    yield "`<id>_text`. All three are null where the id is. The text comes back letter by letter, in SQL as well:"
    yield "[analysts](../analysts.md#ask-the-warehouse)."
    yield ""
    yield "| `<id>_text` | the id |"
    yield "|---|---|"
    yield "| null | a UUID in small letters, 8-4-4-4-12, whose bits these are |"
    yield "| `.` | a text of at most 16 bytes, in ASCII: the bits are its bytes, filled up with zeros on the left |"
    yield "| else | that text; `hi` is 0, `lo` a sum of its last 32 bytes that never changes |"
    yield ""


def _exports() -> Iterator[str]:
    yield "## Exported tables"
    yield ""
    yield "What `adledger export MONTH --to DIR` writes: one file each, as CSV, Parquet or JSON, columns in this order, rows sorted"
    yield "by their columns from the left."
    yield ""
    for name, schema in EXPORTS.items():
        description, meanings = _EXPORTED[name]
        yield f"### `{name}` (exported)"
        yield ""
        yield description
        yield ""
        yield from _columns(
            (column, _type(dtype), None, meanings[column] if meanings else _meaning(TABLES[name], column))
            for column, dtype in schema.items()
        )


def _catalogue() -> Iterator[str]:
    yield "## The catalogue"
    yield ""
    yield f"### `{lake_file.name}` (books)"
    yield ""
    yield "Table of the books (`books.db`, or the database that `database_url` names): which file is the live one of each"
    yield "partition. Entries of replaced files stay for as long as a closed month pins the snapshot that they belong to."
    yield ""
    yield from _columns((c.name, _sql_type(c.type.python_type), c.nullable, _CATALOGUE[c.name]) for c in lake_file.columns)


def _columns(rows: Any) -> Iterator[str]:
    listed = list(rows)
    with_null = any(null is not None for _, _, null, _ in listed)
    yield "| column | type | null | meaning |" if with_null else "| column | type | meaning |"
    yield "|---|---|---|---|" if with_null else "|---|---|---|"
    for name, kind, null, meaning in listed:
        middle = f" {'yes' if null else ''} |".replace("  ", " ") if with_null else ""
        yield f"| `{name}` | {kind} |{middle} {meaning} |"
    yield ""


def _meaning(table: Table, column: str) -> str:
    meaning = str(table.schema.columns[column].description)
    for section, linked in _SECTIONS.items():
        meaning = meaning.replace(section, linked)
    return meaning


def _type(dtype: Any) -> str:
    if isinstance(dtype, pl.Decimal):
        return f"decimal({dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return "instant"
    return {"String": "text", "Boolean": "boolean", "Date": "date", "Int64": "integer", "Int32": "integer"}[str(dtype)]


def _sql_type(python_type: type) -> str:
    return {str: "text", int: "integer"}[python_type]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
