"""What an analyst sees of a materialization: column schemas, row counts, amounts by currency, top rows as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dagster as dg
import polars as pl

from contracts_io.frames import TABLES

OWNERS = ["team:billing"]
KINDS = {"polars", "parquet"}


def spec(table: str, *, deps: list[str], group: str) -> dg.AssetSpec:
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
