"""What stands in the books stays: triggers refuse it, whoever asks (``contracts_io.store.migrations``)."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from books_rows import row_of

from contracts_io import home as _every_table_of_the_books  # noqa: F401
from contracts_io.errors import BooksError
from contracts_io.store.base import metadata, reading, writing
from contracts_io.store.rights import CHANGEABLE, REMOVABLE

VERSION = metadata.tables["contract_version"]
WRITTEN_ONCE = [table for table in metadata.sorted_tables if table.name not in CHANGEABLE]
KEPT = [*WRITTEN_ONCE, VERSION]
ROW_OF = {"contract_version": {"state": "approved"}, "invoice": {"kind": "invoice"}}

every_kept_table = pytest.mark.parametrize("table", KEPT, ids=lambda table: table.name)


def insert(engine: sa.Engine, table: sa.Table, **given: Any) -> None:
    """A row of the table, and one of each table that it refers to."""
    needed = {key.column.table for key in table.foreign_keys}
    with writing(engine) as connection:
        for parent in needed:
            connection.execute(parent.insert().values(_row(parent)))
        connection.execute(table.insert().values(_row(table) | given))


def _row(table: sa.Table, *, other: bool = False) -> dict[str, Any]:
    return row_of(table, other=other) | ROW_OF.get(table.name, {})


def rows(engine: sa.Engine, table: sa.Table) -> list[tuple[Any, ...]]:
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(table.select())]


def assert_refused(engine: sa.Engine, table: sa.Table, *statements: str | sa.Executable) -> None:
    before = rows(engine, table)
    for statement in statements:
        with pytest.raises(BooksError, match="written once: ") as refused, writing(engine) as connection:
            connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
        assert "correct it by a new entry" in str(refused.value)
        assert "CONTEXT" not in str(refused.value)
    assert rows(engine, table) == before
    assert len(before) == 1


def test_the_books_have_tables_that_are_written_once() -> None:
    names = {table.name for table in WRITTEN_ONCE}
    assert names >= {"audit_record", "month_close", "invoice", "invoice_line", "payout", "payout_line", "journal_line"}


@pytest.mark.parametrize("table", WRITTEN_ONCE, ids=lambda table: table.name)
def test_no_column_of_what_is_written_once_can_be_changed(engine: sa.Engine, table: sa.Table) -> None:
    insert(engine, table)
    other = row_of(table, other=True)
    assert_refused(engine, table, *(table.update().values({name: other[name]}) for name in other))


@every_kept_table
def test_what_is_written_once_cannot_be_deleted(engine: sa.Engine, table: sa.Table) -> None:
    insert(engine, table)
    assert_refused(engine, table, table.delete())


@every_kept_table
def test_what_is_written_once_cannot_be_truncated(postgresql: sa.Engine, table: sa.Table) -> None:
    insert(postgresql, table)
    assert_refused(postgresql, table, f"TRUNCATE {table.name} CASCADE")


@every_kept_table
def test_an_upsert_does_not_change_what_is_written_once(engine: sa.Engine, table: sa.Table) -> None:
    insert(engine, table)
    key = ", ".join(column.name for column in table.primary_key)
    for column in table.columns:
        upsert = f"ON CONFLICT ({key}) DO UPDATE SET {column.name} = EXCLUDED.{column.name}"
        assert_refused(engine, table, f"INSERT INTO {table.name} SELECT * FROM {table.name} WHERE true {upsert}")


@every_kept_table
def test_sqlite_does_not_replace_what_is_written_once(sqlite: sa.Engine, table: sa.Table) -> None:
    insert(sqlite, table)
    replace = sa.insert(table).prefix_with("OR REPLACE")
    row, other = _row(table), _row(table, other=True)
    for key in _keys(table):
        assert_refused(sqlite, table, replace.values(other | {name: row[name] for name in key}))
    values = ", ".join(_another(column) for column in table.columns)
    names = ", ".join(table.columns.keys())
    by_rowid = f"INSERT OR REPLACE INTO {table.name} (rowid, {names}) SELECT rowid, {values} FROM {table.name}"
    if table.name != "audit_record":  # its key is the rowid
        assert_refused(sqlite, table, by_rowid)


def _keys(table: sa.Table) -> list[list[str]]:
    unique = [constraint for constraint in table.constraints if isinstance(constraint, sa.UniqueConstraint)]
    indexes = [index for index in table.indexes if index.unique]
    return [[column.name for column in key.columns] for key in (table.primary_key, *unique, *indexes)]


def _another(column: sa.Column[Any]) -> str:
    """Another value of the column in SQL, where it can be part of a key."""
    if isinstance(column.type, sa.String):
        return f"{column.name} || '2'"
    return f"{column.name} + 1" if isinstance(column.type, sa.Integer) else column.name


@pytest.mark.parametrize("column", [name for name in row_of(VERSION) if name not in CHANGEABLE[VERSION.name]])
def test_a_version_that_waits_keeps_what_was_submitted(engine: sa.Engine, column: str) -> None:
    insert(engine, VERSION, state="submitted")
    changed = {column: row_of(VERSION, other=True)[column]}
    assert_refused(engine, VERSION, VERSION.update().values(changed), VERSION.update().values(state="approved", **changed))


@pytest.mark.parametrize("state", ["approved", "rejected"])
@pytest.mark.parametrize("column", list(row_of(VERSION)))
def test_a_version_that_was_decided_on_keeps_everything(engine: sa.Engine, state: str, column: str) -> None:
    insert(engine, VERSION, state=state)
    changed = {column: "submitted" if column == "state" else row_of(VERSION, other=True)[column]}
    assert_refused(engine, VERSION, VERSION.update().values(changed))


def test_a_version_that_waits_does_not_take_the_place_of_another(sqlite: sa.Engine) -> None:
    insert(sqlite, VERSION, state="approved")
    insert(sqlite, VERSION, state="submitted", version=2)
    before = rows(sqlite, VERSION)
    with pytest.raises(BooksError, match="written once: "), writing(sqlite) as connection:
        connection.exec_driver_sql("UPDATE OR REPLACE contract_version SET rowid = 1 WHERE version = 2")
    assert rows(sqlite, VERSION) == before


@pytest.mark.parametrize("state", ["approved", "rejected"])
def test_a_version_that_waits_is_decided_on_once(engine: sa.Engine, state: str) -> None:
    insert(engine, VERSION, state="submitted", decided_by=None, decided_at=None, reason=None)
    decision = {"state": state, "decided_by": "robin", "decided_at": "2026-10-01T00:00:00.000000Z", "reason": "r"}
    with writing(engine) as connection:
        connection.execute(VERSION.update().values(decision))
    assert_refused(engine, VERSION, VERSION.update().values(decision))


@pytest.mark.parametrize("name", [name for name in CHANGEABLE if name != VERSION.name])
def test_counters_and_the_catalogue_can_be_changed(engine: sa.Engine, name: str) -> None:
    table = metadata.tables[name]
    insert(engine, table)
    changed = {column: row_of(table, other=True)[column] for column in CHANGEABLE[name]}
    with writing(engine) as connection:
        connection.execute(table.update().values(changed))
    assert rows(engine, table) == [tuple((row_of(table) | changed).values())]


@pytest.mark.parametrize("name", sorted(REMOVABLE))
def test_what_the_catalogue_lists_can_be_forgotten(engine: sa.Engine, name: str) -> None:
    insert(engine, metadata.tables[name])
    with writing(engine) as connection:
        connection.execute(metadata.tables[name].delete())
    assert rows(engine, metadata.tables[name]) == []


@pytest.mark.parametrize("name", sorted(CHANGEABLE))
def test_what_is_there_already_is_a_clear_error(engine: sa.Engine, name: str) -> None:
    insert(engine, metadata.tables[name])
    with pytest.raises(BooksError, match="already") as refused:
        insert(engine, metadata.tables[name])
    assert "nothing of it was kept" in str(refused.value)


def test_a_session_that_says_it_is_a_replica_is_refused_too(postgresql: sa.Engine) -> None:
    table = metadata.tables["audit_record"]
    insert(postgresql, table)
    with pytest.raises(BooksError, match="an audit record cannot be changed"), writing(postgresql) as connection:
        connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
        connection.execute(table.delete())
    assert len(rows(postgresql, table)) == 1
