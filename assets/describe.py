"""What an analyst sees of an asset and of its materializations: columns, what it was made from, rows, amounts, top rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg
import polars as pl

from contracts_io.calendar import format_instant
from contracts_io.frames import TABLES
from contracts_io.store.documents import Adjusted, Closed
from contracts_io.warehouse import PartitionFile

OWNERS = ["team:billing"]
KINDS = {"polars", "parquet"}


def spec(table: str, *, deps: Sequence[str | dg.AssetDep], group: str) -> dg.AssetSpec:
    """The asset of a warehouse table: its description and column schema are the table's own."""
    return dg.AssetSpec(
        table,
        deps=deps,
        group_name=group,
        owners=OWNERS,
        kinds=KINDS,
        description=TABLES[table].description,
        metadata={"dagster/column_schema": column_schema(table)},
    )


def column_schema(table: str) -> dg.TableSchema:
    """Names, types, meanings and constraints of a table's columns."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name,
                str(column.dtype),
                description=column.description,
                constraints=dg.TableColumnConstraints(nullable=column.nullable),
            )
            for name, column in TABLES[table].schema.columns.items()
        ]
    )


def rows(count: int) -> dict[str, Any]:
    """Metadata of a partition's number of rows."""
    return {"dagster/row_count": count}


def made_from(file: PartitionFile | None, known_at: datetime | None) -> dict[str, Any]:
    """Metadata of a live file: ``inputs``, the fingerprint of what it was made from, and the ``sha256`` of its content.

    ``known_at``: the instant of the latest approval of a contract that the run went by; None where none is read.
    """
    of_file = {"sha256": file.sha256} | ({"inputs": file.inputs} if file.inputs else {}) if file else {}
    return of_file | ({"known_at": format_instant(known_at)} if known_at else {})


def issued_by(act: Closed | Adjusted) -> dict[str, Any]:
    """Metadata of issued documents: the ``snapshot`` of the tables and the ``known_at`` of the contracts that they went by."""
    return {"snapshot": act.snapshot, "known_at": act.known_at}


def by_currency(frame: pl.DataFrame, amount: str) -> dict[str, Any]:
    """Sums of ``amount`` per currency as text metadata; ``frame`` has a ``currency``."""
    sums = frame.group_by("currency").agg(pl.col(amount).sum()).sort("currency")
    return {f"{amount} {currency}": str(total) for currency, total in sums.iter_rows()}


def top(frame: pl.DataFrame, by: str, columns: list[str], most: int = 10) -> dict[str, Any]:
    """The ``most`` largest rows by ``by`` as a Markdown table."""
    shown = frame.sort(by, descending=True, nulls_last=True).head(most).select(columns)
    return {f"top {most} by {by}": dg.MetadataValue.md(markdown(shown))}


def markdown(frame: pl.DataFrame) -> str:
    """A small frame as a Markdown table."""
    head = "| " + " | ".join(frame.columns) + " |\n|" + "---|" * frame.width
    body = ["| " + " | ".join("" if cell is None else str(cell) for cell in row) + " |" for row in frame.iter_rows()]
    return "\n".join([head, *body])


def counts(figures: Mapping[str, int]) -> dict[str, Any]:
    """Named whole numbers as metadata."""
    return {name: int(value) for name, value in figures.items()}
