"""Entitlement minus everything issued for the month: what a credit note, a debit note or the next statement has to say (spec 7.2).

Lines are compared by their key; a line whose sum is the same is left out. Nothing is clamped: a difference keeps its sign.

    issued: t0 version 1, 54 at 824.4324 -> 45 JPY; entitled: version 1, 13 -> 11, version 2, 41 at 741.9892 -> 30
    changes: t0 version 1, -41, -34 JPY; t0 version 2, +41, +30 JPY
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE
from pipelines.lines import LINE_KINDS

INVOICE_LINE_KEY = ["contract_id", "kind", "term_id", "version", "step", "rate"]
PAYOUT_LINE_KEY = [*INVOICE_LINE_KEY, "advertiser_contract_id"]
OWN_KIND = pl.coalesce(pl.col("kind").filter(pl.col("kind") != "adjustment").first(), pl.col("kind").first())
"""Of lines that are summed, the kind of one that is no adjustment, where there is one."""
SUM_OF_KNOWN = pl.when(pl.col("quantity").is_not_null().any()).then(pl.col("quantity").sum())
"""Of lines that are summed, the quantity, null where none has one."""


class Adjustments(NamedTuple):
    """What changed of a month's invoices.

    ``notes``: a row of ``draft_invoices`` per contract whose net or tax changed, amounts as differences, and ``kind``
    (credit_note where the total goes down, else debit_note). ``lines``: rows of ``draft_invoice_lines`` of these contracts,
    quantities and amounts as differences.
    """

    notes: pl.DataFrame
    lines: pl.DataFrame


def invoice_adjustments(
    entitled: pl.DataFrame, entitled_lines: pl.DataFrame, issued: pl.DataFrame, issued_lines: pl.DataFrame
) -> Adjustments:
    """The notes that bring what was issued for a month to what it entitles to.

    ``entitled`` and ``entitled_lines`` are tables ``draft_invoices`` and ``draft_invoice_lines`` of the month; ``issued`` has
    their columns with the sums of all documents of a contract and month, ``issued_lines`` the lines of all of these.
    """
    amounts = ["net", "tax", "total"]
    both = pl.concat([entitled, issued.with_columns(-pl.col(amounts))])
    notes = (
        both.group_by("contract_id", maintain_order=True)
        .agg(pl.exclude(amounts).first(), pl.col(amounts).sum().cast(NANOS_TYPE))
        .filter((pl.col("net") != 0) | (pl.col("tax") != 0))
        .sort("contract_id")
        .with_columns(kind=pl.when(pl.col("total") < 0).then(pl.lit("credit_note")).otherwise(pl.lit("debit_note")))
    )
    lines = line_changes(entitled_lines, issued_lines, INVOICE_LINE_KEY)
    mine = lines.filter(pl.col("contract_id").is_in(notes["contract_id"].implode()))
    return Adjustments(
        notes.select("kind", *TABLES["draft_invoices"].columns), mine.select(TABLES["draft_invoice_lines"].columns)
    )


def line_changes(entitled: pl.DataFrame, issued: pl.DataFrame, key: list[str]) -> pl.DataFrame:
    """Each line key whose sum of amounts changed, with the differences of quantity and amount, numbered within its contract.

    Both frames have the columns of a draft's lines; a quantity that neither side has stays null. Where ``kind`` is not in
    the key, it is that of a line that is no adjustment, where there is one.
    """
    signed = pl.concat([entitled, issued.with_columns(-pl.col("quantity", "amount"))])
    placed = {name: at for at, name in enumerate(LINE_KINDS)}
    # Term by term, each kind of line together, an old version before a new one; what is of the whole contract comes last.
    order = [
        pl.col("contract_id"),
        pl.col("term_id").is_null(),
        pl.col("line").min().over("contract_id", "term_id"),
        pl.col("term_id"),
        pl.col("kind").replace_strict(placed, default=len(placed), return_dtype=pl.Int32),
        pl.col("version", "step", "rate", "line"),
    ]
    return (
        signed.sort(order, maintain_order=True)
        .group_by(key, maintain_order=True)
        .agg(
            *([] if "kind" in key else [OWN_KIND.alias("kind")]),
            pl.col("description").first(),
            SUM_OF_KNOWN.alias("quantity"),
            pl.col("amount").sum().cast(NANOS_TYPE),
        )
        .filter(pl.col("amount") != 0)
        .sort("contract_id", maintain_order=True)
        .with_columns(line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("contract_id"))
    )
