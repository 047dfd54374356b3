"""The revision of the books' schema: read at every start in one query, brought up to date by Alembic on demand.

``books_revision``: version_num, in one row. Revisions go up only: what is written once cannot be given up again.
"""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from contracts_io.errors import BooksError
from contracts_io.store.base import metadata, reading, writing

REVISIONS = ("0001",)
"""The modules of ``migrations/versions``, in their order; this program works with the last."""

HEAD = REVISIONS[-1]

TABLE = "books_revision"
"""Not Alembic's own name for it, so that another program's tables may be beside ours."""

SCRIPTS = "contracts_io.store:migrations"

# An arbitrary number: two programs that bring the same PostgreSQL up to date wait for each other.
_ADVISORY_LOCK = 4_150_030


def check(engine: sa.Engine, *, init: str) -> None:
    """BooksError unless the books at ``engine`` are there and of revision ``HEAD``; ``init`` is the command to name."""
    found = _revision(engine, init)
    if found is None:
        raise BooksError("there are no books here", where=_place(engine), remedy=f"make them with `{init}`")
    if found != HEAD:
        raise BooksError(
            f"the books are of revision {found}, this adledger works with {HEAD}",
            where=_place(engine),
            remedy=f"back them up, then run `{init}`, which brings them up to date",
        )


def upgrade(engine: sa.Engine, *, init: str) -> None:
    """Bring the books at ``engine`` to ``HEAD``, from an empty database or any revision before: all of it, or nothing.

    BooksError where they are newer than this program, have no revision, or where the role may not make tables.
    """
    if _revision(engine, init) == HEAD:
        return
    from alembic import command  # noqa: PLC0415  (takes a while to import; no other start needs it)
    from alembic.config import Config  # noqa: PLC0415

    config = Config()
    config.set_main_option("script_location", SCRIPTS)
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK})")
        config.attributes["connection"] = connection
        command.upgrade(config, HEAD)


def _revision(engine: sa.Engine, init: str) -> str | None:
    """One of ``REVISIONS``, or None where there is nothing yet; BooksError where we cannot work with what is there."""
    if engine.dialect.name == "sqlite" and not Path(str(engine.url.database)).exists():
        return None  # to connect would be to make an empty file
    try:
        with reading(engine) as connection:
            found: str | None = connection.scalar(sa.text(f"SELECT version_num FROM {TABLE}"))
    except (BooksError, sa.exc.ProgrammingError):
        tables = _tables(engine)
        if TABLE in tables:
            raise
        if tables.isdisjoint(metadata.tables):
            return None
        found = None
    if found is None:
        raise BooksError(
            "these books have no revision: they were made before the first release, or not by adledger",
            where=_place(engine),
            remedy=f"keep them for the program that made them, move them away, and make others with `{init}`",
        )
    if found not in REVISIONS:
        raise BooksError(
            f"the books are of revision {found}, which this adledger does not know: a newer one was here",
            where=_place(engine),
            remedy="install that release of adledger; books never go back to an earlier revision",
        )
    return found


def _tables(engine: sa.Engine) -> set[str]:
    with reading(engine) as connection:
        return set(sa.inspect(connection).get_table_names())


def _place(engine: sa.Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
