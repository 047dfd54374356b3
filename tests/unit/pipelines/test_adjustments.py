"""The order of the lines of a note: term by term, kind by kind, what is of the whole contract last."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl

from contracts_io.frames import TABLES
from pipelines.adjustments import INVOICE_LINE_KEY, line_changes

COLUMNS = TABLES["draft_invoice_lines"].polars_schema
OLD = (
    ("media", "a", 1, "5.00"),
    ("tier_fee", "a", 1, "2.00"),
    ("media", "b", 1, "7.00"),
    ("agency_commission", None, 1, "-1.40"),
)
NEW = (
    ("media", "a", 1, "4.00"),
    ("media", "a", 2, "1.50"),
    ("tier_fee", "a", 2, "3.00"),
    ("media", "b", 2, "9.00"),
    ("action", "c", 2, "6.00"),
    ("agency_commission", None, 2, "-1.85"),
)


def lines(*rows: tuple[str, str | None, int, str]) -> pl.DataFrame:
    listed: list[dict[str, Any]] = [
        {
            "contract_id": "acme-1",
            "line": at,
            "kind": kind,
            "term_id": term,
            "version": version,
            "description": kind,
            "amount": Decimal(amount),
        }
        for at, (kind, term, version, amount) in enumerate(rows, start=1)
    ]
    return pl.DataFrame([pl.Series(name, [row.get(name) for row in listed], dtype) for name, dtype in COLUMNS.items()])


def test_changed_lines_stand_term_by_term_and_the_commission_comes_last() -> None:
    changed = line_changes(lines(*NEW), lines(*OLD), INVOICE_LINE_KEY)
    told = changed.select("line", "kind", "term_id", "version", pl.col("amount").cast(pl.Float64)).rows()
    assert told == [
        (1, "media", "a", 1, -1.0),
        (2, "media", "a", 2, 1.5),
        (3, "tier_fee", "a", 1, -2.0),
        (4, "tier_fee", "a", 2, 3.0),
        (5, "media", "b", 1, -7.0),
        (6, "media", "b", 2, 9.0),
        (7, "action", "c", 2, 6.0),
        (8, "agency_commission", None, 1, 1.4),
        (9, "agency_commission", None, 2, -1.85),
    ]
