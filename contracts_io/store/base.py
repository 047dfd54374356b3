"""How the books are opened: one engine, one metadata, one way to write.

Every table of the books hangs on ``metadata``. On SQLite a write transaction takes the write lock at its start (BEGIN
IMMEDIATE), waits for another writer, and is on disk when it returns; on PostgreSQL it is an ordinary transaction whose first
statement locks the row it counts on. Amounts are integers of the unit named in the column: SQLite keeps NUMERIC as a double.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from contracts_io.errors import BooksError

metadata = sa.MetaData()

BUSY_SECONDS = 60

WRITTEN_ONCE = "written once: "
"""How the messages begin with which triggers refuse to change a row that stays as it is."""

# SQLSTATE, which PostgreSQL gives, and the names that SQLite gives.
_NO_RIGHT = "42501"
_THERE_ALREADY = {"23505", "SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}


def in_file(path: Path) -> sa.URL:
    """Where the books are that lie in a file of SQLite's, whatever letters its path has."""
    return sa.URL.create("sqlite", database=str(path.absolute()))


def open_engine(url: str | sa.URL) -> sa.Engine:
    """An engine on the books at ``url`` (``sqlite:///…`` or ``postgresql+psycopg://…``); nothing is created yet."""
    if not str(url).startswith("sqlite"):
        try:
            return sa.create_engine(url)
        except (sa.exc.ArgumentError, sa.exc.NoSuchModuleError, ModuleNotFoundError) as error:
            raise BooksError(
                f"there is no way to that database: {error}",
                where="database_url",
                remedy="write it as postgresql+psycopg://user@host/name, and pip install 'adledger[postgres]'",
            ) from error
    engine = sa.create_engine(url, connect_args={"timeout": BUSY_SECONDS})

    @sa.event.listens_for(engine, "connect")
    def _settings(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins no transaction by itself
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA synchronous = FULL")

    @sa.event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("begin", "BEGIN"))

    return engine


@contextmanager
def reading(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection for queries that sees one state of the books."""
    with _transaction(engine, "BEGIN") as connection:
        yield connection


@contextmanager
def writing(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A connection for one transaction: everything in it is kept, or, when an error leaves it, nothing."""
    with _transaction(engine, "BEGIN IMMEDIATE") as connection:
        yield connection


@contextmanager
def _transaction(engine: sa.Engine, begin: str) -> Iterator[sa.Connection]:
    try:
        connection = engine.connect().execution_options(begin=begin)
    except sa.exc.DBAPIError as error:
        where = engine.url.render_as_string(hide_password=True)
        raise _damage(error, where) or BooksError(
            f"the books cannot be opened: {error.orig}",
            where=where,
            remedy="check database_url in adledger.toml and that the database is there",
        ) from error
    with connection:
        try:
            with connection.begin():
                yield connection
        except sa.exc.DBAPIError as error:
            refusal = _refusal(error, engine.url.render_as_string(hide_password=True))
            if refusal is None:
                raise
            raise refusal from error


def _damage(error: sa.exc.DBAPIError, where: str) -> BooksError | None:
    """What to say of a file that is no database any more; None where that is not it."""
    if not (getattr(error.orig, "sqlite_errorname", None) or "").startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return None
    return BooksError(
        f"the books are damaged: {error.orig}",
        where=where,
        remedy="nothing of it was kept; restore the home from a backup, books and warehouse together, and run the days since again",
    )


def _refusal(error: sa.exc.DBAPIError, where: str) -> BooksError | None:
    """What a person can put right about a statement that the database refused; None: the mistake is ours."""
    message = str(error.orig).partition("\n")[0]
    if message.startswith(WRITTEN_ONCE):
        remedy = "nothing of it was kept; correct it by a new entry: an amendment, a credit note or a debit note"
        return BooksError(message, where=where, remedy=remedy)
    if damage := _damage(error, where):
        return damage
    codes = {getattr(error.orig, "sqlstate", None), getattr(error.orig, "sqlite_errorname", None)}
    if codes & _THERE_ALREADY:
        remedy = "nothing of it was kept; another command wrote it meanwhile: see what it did before you run the same again"
        return BooksError(f"the books have that already: {message}", where=where, remedy=remedy)
    if _NO_RIGHT in codes:
        return BooksError(
            f"the role that adledger has there may not do that: {message}",
            where=where,
            remedy="run `adledger init` on this home with ADLEDGER_OWNER_DATABASE_URL set: it gives the rights that are needed",
        )
    if isinstance(error, sa.exc.OperationalError):
        return BooksError(
            f"the books did not take it: {error.orig}",
            where=where,
            remedy="nothing of it was kept; free space, or see that the database is well, then run the same command again",
        )
    return None
