"""Whether the triggers that keep what is written once stand in the books as ``init`` made them.

Who owns the tables, or can write the file of an SQLite database, can take them away or put others in their place.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from contracts_io.errors import BooksError
from contracts_io.store.migrations.first_triggers import MAKE_REFUSE, REFUSE, Trigger, of_postgresql, of_sqlite

_GONE = "is gone"
_ANOTHER = "is not the one that was made"
_ASLEEP = "is switched off, or off for some sessions"

# How PostgreSQL keeps the level and the events of a trigger (``tgtype``).
_BITS = {"ROW": 1, "BEFORE": 2, "DELETE": 8, "UPDATE": 16, "TRUNCATE": 32}
_QUERY = """
    SELECT c.relname AS of_table, t.tgname AS name, t.tgtype AS type, t.tgenabled AS enabled, p.prosrc AS body,
        p.proconfig IS NULL AS is_plain, l.lanname AS language, pg_get_triggerdef(t.oid, true) AS text,
        ARRAY(
            SELECT a.attname FROM pg_attribute a WHERE a.attrelid = t.tgrelid AND a.attnum = ANY(t.tgattr) ORDER BY a.attnum
        ) AS columns
    FROM pg_trigger t
    JOIN pg_class c ON c.oid = t.tgrelid
    JOIN pg_proc p ON p.oid = t.tgfoid
    JOIN pg_language l ON l.oid = p.prolang
    WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace
"""


def check(connection: sa.Connection) -> None:
    """BooksError that names the first trigger that does not stand as it was made, with the statements that make it again."""
    found = fallen(connection)
    if not found:
        return
    trigger, how = found[0]
    others = f", and {len(found) - 1} more do not stand" if len(found) > 1 else ""
    raise BooksError(
        f"the trigger, which keeps what is written once, {how}{others}",
        where=f"trigger {trigger.name} of the table {trigger.table}",
        remedy="what it refuses may have been done since: compare the books with a backup, then have their owner make it "
        f"again, and verify once more:\n{_made_again(trigger, connection.dialect.name)}",
    )


def fallen(connection: sa.Connection) -> list[tuple[Trigger, str]]:
    """The triggers that do not stand as they were made, each with what is wrong with it."""
    return _fallen_in_sqlite(connection) if connection.dialect.name == "sqlite" else _fallen_in_postgresql(connection)


def _made_again(trigger: Trigger, dialect: str) -> str:
    if dialect == "sqlite":
        statements = [f"DROP TRIGGER IF EXISTS {trigger.name}", trigger.in_sqlite()]
    else:
        drop = f"DROP TRIGGER IF EXISTS {trigger.name} ON {trigger.table}"
        statements = [MAKE_REFUSE, drop, *trigger.in_postgresql()]
    return "\n".join(f"     {statement};" for statement in statements)


def _fallen_in_sqlite(connection: sa.Connection) -> list[tuple[Trigger, str]]:
    rows = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"))
    standing = {row.name: row.sql for row in rows}
    return [
        (trigger, _ANOTHER if trigger.name in standing else _GONE)
        for trigger in of_sqlite()
        if standing.get(trigger.name) != trigger.in_sqlite()
    ]


def _fallen_in_postgresql(connection: sa.Connection) -> list[tuple[Trigger, str]]:
    standing = {(row["of_table"], row["name"]): row for row in connection.execute(sa.text(_QUERY)).mappings()}
    found = ((trigger, _fault(trigger, standing.get((trigger.table, trigger.name)))) for trigger in of_postgresql())
    return [(trigger, fault) for trigger, fault in found if fault]


def _fault(trigger: Trigger, row: Any) -> str | None:
    """What is wrong with a trigger of PostgreSQL, given the ``row`` of ``_QUERY`` about it."""
    if row is None:
        return _GONE
    level = _BITS["ROW"] if trigger.when else 0
    made = (
        level + _BITS["BEFORE"] + sum(_BITS[event] for event in trigger.events),
        sorted(trigger.columns),
        _plain(trigger.when),
        ("plpgsql", REFUSE, True),
    )
    is_there = (
        row["type"],
        sorted(row["columns"]),
        _plain(row["text"].partition(" WHEN ")[2].partition(" EXECUTE ")[0]),
        (row["language"], row["body"], row["is_plain"]),
    )
    if is_there != made:
        return _ANOTHER
    return None if row["enabled"] == "A" else _ASLEEP


def _plain(condition: str) -> str:
    """A condition as we write it and as PostgreSQL prints it, in one form."""
    return condition.lower().replace("::text", "").strip("() ")
