"""Rows for any table of the books, and the way of someone who goes past their triggers."""

from __future__ import annotations

from datetime import date
from typing import Any

import sqlalchemy as sa

from contracts_io.store.base import metadata, writing

_VALUES: dict[type[Any], tuple[Any, Any]] = {
    sa.String: ("x", "y"),
    sa.Integer: (1, 2),
    sa.Date: (date(2026, 10, 1), date(2026, 10, 2)),
    sa.Boolean: (True, False),
    sa.JSON: (["x"], ["y"]),
}


def row_of(table: sa.Table, *, other: bool = False) -> dict[str, Any]:
    """A row with a value in every column; the ``other`` one differs in each of them."""
    return {column.name: _value(column, other) for column in table.columns}


def without_triggers(engine: sa.Engine) -> None:
    """Take away every trigger of the books, as who owns the database can."""
    with writing(engine) as connection:
        if engine.dialect.name == "sqlite":
            for name in connection.scalars(sa.text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).all():
                connection.exec_driver_sql(f"DROP TRIGGER {name}")
        else:
            for table in metadata.tables:
                connection.exec_driver_sql(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def _value(column: sa.Column[Any], other: bool) -> Any:
    return next(values[other] for kind, values in _VALUES.items() if isinstance(column.type, kind))
