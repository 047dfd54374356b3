"""What the role that adledger works with may do in PostgreSQL, where another role owns the tables.

Every table may be read and added to. What may be changed or removed is listed here; what is not listed may not be, whatever
becomes of the triggers.
"""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from contracts_io.errors import BooksError
from contracts_io.store.base import metadata, reading, writing
from contracts_io.store.catalogue import lake_file, lake_head
from contracts_io.store.contract_tables import contract_version
from contracts_io.store.document_tables import number_series
from contracts_io.store.revision import TABLE

CHANGEABLE: Mapping[str, tuple[str, ...]] = {
    contract_version.name: ("state", "decided_by", "decided_at", "reason"),
    lake_file.name: ("removed",),
    lake_head.name: ("snapshot",),
    number_series.name: ("last",),
}
"""The columns of a table that may be changed; tables that are not here have none."""

REMOVABLE = frozenset({lake_file.name})
"""The tables whose rows may be deleted."""

_OWNER_URL = "ADLEDGER_OWNER_DATABASE_URL"


def role_besides(owner: sa.Engine, ours: sa.Engine) -> str:
    """The role of ``ours``; BooksError unless both are PostgreSQL and that role is not, by any way, the role of ``owner``."""
    if {owner.dialect.name, ours.dialect.name} != {"postgresql"}:
        what = "only books on PostgreSQL have an owner of their own"
        raise BooksError(what, where=_OWNER_URL, remedy="unset it, or set ADLEDGER_DATABASE_URL to the same database")
    with reading(ours) as connection:
        role: str = connection.scalar(sa.text("SELECT current_user")) or ""
    with reading(owner) as connection:
        is_owner = connection.scalar(sa.text("SELECT pg_has_role(:role, current_user, 'MEMBER')"), {"role": role})
    if is_owner:
        raise BooksError(
            f"the role {role} of the books' ordinary URL is that of {_OWNER_URL}, a member of it, or a superuser",
            where=_OWNER_URL,
            remedy="let adledger work with a role of its own: CREATE ROLE adledger LOGIN, and name it in the ordinary URL",
        )
    return role


def grant(owner: sa.Engine, role: str) -> None:
    """Give ``role`` the rights it needs on the books and take all others; BooksError where ``owner`` does not own them."""
    with writing(owner) as connection:
        quote = connection.dialect.identifier_preparer.quote
        foreign = connection.execute(
            sa.text(
                "SELECT tablename, tableowner FROM pg_tables WHERE schemaname = current_schema() "
                "AND tablename = ANY(:tables) AND tableowner <> current_user ORDER BY tablename"
            ),
            {"tables": [TABLE, *metadata.tables]},
        ).first()
        if foreign is not None:
            raise BooksError(
                f"the table {foreign.tablename} belongs to the role {foreign.tableowner}",
                where=_OWNER_URL,
                remedy=f"as a superuser, in this database: REASSIGN OWNED BY {foreign.tableowner} TO the role of that URL",
            )
        schema, usable = connection.execute(
            sa.text("SELECT current_schema(), has_schema_privilege(:role, current_schema(), 'USAGE')"), {"role": role}
        ).one()
        if not usable:
            connection.exec_driver_sql(f"GRANT USAGE ON SCHEMA {quote(schema)} TO {quote(role)}")
        for name, allowed in _rights().items():
            connection.exec_driver_sql(f"REVOKE ALL ON {quote(name)} FROM {quote(role)}")
            connection.exec_driver_sql(f"GRANT {allowed} ON {quote(name)} TO {quote(role)}")


def _rights() -> dict[str, str]:
    rights = {TABLE: "SELECT", f"{lake_file.name}_{lake_file.c.id.name}_seq": "USAGE"}
    for name in metadata.tables:
        update = f", UPDATE ({', '.join(CHANGEABLE[name])})" if name in CHANGEABLE else ""
        rights[name] = f"SELECT, INSERT{update}{', DELETE' if name in REMOVABLE else ''}"
    return rights
