"""On PostgreSQL adledger works with a role that could not change the books if it wanted to (``contracts_io.store.rights``)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from books_rows import row_of, without_triggers

from contracts_io.calendar import Month
from contracts_io.errors import BooksError
from contracts_io.home import Home
from contracts_io.store import audit, revision
from contracts_io.store.base import metadata, open_engine, reading, writing
from contracts_io.store.migrations.first_triggers import of_postgresql
from contracts_io.store.rights import CHANGEABLE, REMOVABLE
from contracts_io.warehouse import PartitionFile

TABLES = metadata.sorted_tables
NO_RIGHT = "the role that adledger has there may not do that: permission denied"

every_table = pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)


@pytest.fixture
def owner(roles: Any) -> Iterator[sa.Engine]:
    engine = open_engine(roles.owner)
    yield engine
    engine.dispose()


@pytest.fixture
def home(roles: Any, owner: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """A home that was made with both roles, opened by the one that works with it, with every trigger out of the way."""
    monkeypatch.setenv("ADLEDGER_DATABASE_URL", roles.adledger)
    monkeypatch.setenv("ADLEDGER_OWNER_DATABASE_URL", roles.owner)
    Home.create(tmp_path)
    monkeypatch.delenv("ADLEDGER_OWNER_DATABASE_URL")
    without_triggers(owner)
    home = Home.open(tmp_path)
    yield home
    home.engine.dispose()


def fill(home: Home) -> None:
    with writing(home.engine) as connection:
        for table in TABLES:
            connection.execute(table.insert().values(row_of(table)))


def assert_no_right(engine: sa.Engine, statement: str | sa.Executable) -> None:
    with pytest.raises(BooksError) as refused, writing(engine) as connection:
        connection.execute(sa.text(statement) if isinstance(statement, str) else statement)
    assert NO_RIGHT in str(refused.value)
    assert "run `adledger init` on this home with ADLEDGER_OWNER_DATABASE_URL set" in str(refused.value)


def test_what_is_changed_and_removed_is_listed_by_its_names() -> None:
    for name, columns in CHANGEABLE.items():
        assert set(columns) <= set(metadata.tables[name].columns.keys())
    assert set(CHANGEABLE) >= REMOVABLE


@every_table
def test_the_role_may_do_to_a_table_what_is_listed_and_nothing_else(home: Home, table: sa.Table) -> None:
    fill(home)
    for name, value in row_of(table, other=True).items():
        change = table.update().values({name: value})
        if name in CHANGEABLE.get(table.name, ()):
            with writing(home.engine) as connection:
                connection.execute(change)
        else:
            assert_no_right(home.engine, change)
    assert_no_right(home.engine, f"TRUNCATE {table.name} CASCADE")
    if table.name in REMOVABLE:
        with writing(home.engine) as connection:
            connection.execute(table.delete())
    else:
        assert_no_right(home.engine, table.delete())
    with reading(home.engine) as connection:
        assert len(connection.execute(table.select()).all()) == (0 if table.name in REMOVABLE else 1)


@pytest.mark.parametrize(
    "statement",
    [
        "ALTER TABLE {} DISABLE TRIGGER ALL",
        "DROP TABLE {} CASCADE",
        "CREATE TRIGGER t BEFORE UPDATE ON {} FOR EACH ROW EXECUTE FUNCTION books_refuse('x')",
    ],
)
def test_the_role_cannot_take_the_guard_away(home: Home, statement: str) -> None:
    for table in TABLES:
        with pytest.raises(BooksError, match="may not do that"), writing(home.engine) as connection:
            connection.exec_driver_sql(statement.format(table.name))


def test_the_role_can_count_numbers_and_keep_the_catalogue(home: Home) -> None:
    for content in ("a", "b"):
        home.warehouse.catalogue.publish([PartitionFile("touches", "2026-10-05", content, content, 0, 1, "")])
    home.warehouse.catalogue.forget_removed([])
    assert home.warehouse.catalogue.paths() == {"b"}
    with home.books.closing(Month(2026, 10)) as closing:
        assert [closing.next_number("INV", 2026) for _ in range(2)] == ["INV-2026-000001", "INV-2026-000002"]
        closing.close_month(date(2026, 11, 3), known_at="1970-01-01T00:00:00.000000Z")
    assert home.closed_through() == date(2026, 10, 31)


def test_the_role_cannot_change_the_revision(home: Home) -> None:
    for statement in (f"UPDATE {revision.TABLE} SET version_num = '0'", f"DELETE FROM {revision.TABLE}"):
        assert_no_right(home.engine, statement)


def test_one_writer_waits_for_another_without_a_right_to_change_the_trail(home: Home) -> None:
    with writing(home.engine) as first:
        audit.lock(first)
        with pytest.raises(BooksError, match="lock timeout"), writing(home.engine) as second:
            second.exec_driver_sql("SET LOCAL lock_timeout = '100ms'")
            audit.lock(second)
    with writing(home.engine) as third:
        audit.lock(third)


def test_init_takes_back_a_right_that_was_given_by_hand(
    home: Home, owner: sa.Engine, roles: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with writing(owner) as connection:
        connection.exec_driver_sql(f"GRANT UPDATE, DELETE ON audit_record TO {home.engine.url.username}")
        connection.exec_driver_sql(f"GRANT UPDATE (document) ON contract_version TO {home.engine.url.username}")
    monkeypatch.setenv("ADLEDGER_OWNER_DATABASE_URL", roles.owner)
    Home.create(home.root)
    assert_no_right(home.engine, "UPDATE audit_record SET actor = 'eve'")
    assert_no_right(home.engine, "UPDATE contract_version SET document = ''")


def test_books_that_the_role_was_given_no_rights_on_say_how_to_give_them(
    roles: Any, owner: sa.Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    revision.upgrade(owner, init="adledger init")
    with writing(owner) as connection:
        schema, role = connection.scalar(sa.text("SELECT current_schema()")), sa.make_url(roles.adledger).username
        connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
    (tmp_path / "adledger.toml").write_text("", encoding="utf-8")
    monkeypatch.setenv("ADLEDGER_DATABASE_URL", roles.adledger)
    with pytest.raises(BooksError) as refused:
        _ = Home.open(tmp_path).engine
    assert "ADLEDGER_OWNER_DATABASE_URL" in str(refused.value)


def made_with(monkeypatch: pytest.MonkeyPatch, root: Path, *, ours: str | None, owner: str | None) -> None:
    for name, url in {"ADLEDGER_DATABASE_URL": ours, "ADLEDGER_OWNER_DATABASE_URL": owner}.items():
        if url:
            monkeypatch.setenv(name, url)
        else:
            monkeypatch.delenv(name, raising=False)
    Home.create(root)


def test_an_owner_who_is_the_role_itself_or_a_superuser_is_refused(
    roles: Any, postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for ours in (roles.owner, postgresql_url):
        with pytest.raises(BooksError, match="a member of it, or a superuser"):
            made_with(monkeypatch, tmp_path, ours=ours, owner=roles.owner)


def test_tables_that_belong_to_the_role_itself_have_to_be_handed_over(
    roles: Any, owner: sa.Engine, postgresql_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin, works = open_engine(postgresql_url), sa.make_url(roles.adledger).username
    with writing(admin) as connection:
        schema = connection.scalar(sa.text("SELECT current_schema()"))
        connection.exec_driver_sql(f"GRANT ALL ON SCHEMA {schema} TO {works}")
    made_with(monkeypatch, tmp_path, ours=roles.adledger, owner=None)
    with writing(admin) as connection:
        connection.exec_driver_sql(f"GRANT SELECT ON {revision.TABLE} TO {owner.url.username}")
    with pytest.raises(BooksError) as refused:
        made_with(monkeypatch, tmp_path, ours=roles.adledger, owner=roles.owner)
    assert f"REASSIGN OWNED BY {works} TO" in str(refused.value)
    with writing(admin) as connection:
        connection.exec_driver_sql(f"REASSIGN OWNED BY {works} TO {owner.url.username}")
    made_with(monkeypatch, tmp_path, ours=roles.adledger, owner=roles.owner)
    assert_no_right(Home.open(tmp_path).engine, "DELETE FROM audit_record")
    admin.dispose()


def test_an_owner_of_books_that_are_in_sqlite_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(BooksError, match="only books on PostgreSQL have an owner of their own"):
        made_with(monkeypatch, tmp_path, ours=None, owner=f"sqlite:///{tmp_path / 'other.db'}")


def test_the_role_sees_whether_the_triggers_stand(home: Home, owner: sa.Engine) -> None:
    with pytest.raises(BooksError, match="trigger audit_record_no_change of the table audit_record: the trigger"):
        audit.verify(home.engine)
    with writing(owner) as connection:
        for trigger in of_postgresql():
            connection.exec_driver_sql(f"ALTER TABLE {trigger.table} ENABLE ALWAYS TRIGGER {trigger.name}")
    assert audit.verify(home.engine).records == 0
