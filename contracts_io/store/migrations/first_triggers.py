"""The triggers of the first release, which keep what is written once.

Whoever may write to the database can do so past adledger; the triggers refuse it there too. Their messages begin with
``written once: ``, by which adledger knows them from its own mistakes.
"""

from __future__ import annotations

from typing import NamedTuple

WRITTEN_ONCE = {
    "audit_record": "an audit record",
    "contract_claim": "a claim of a contract version",
    "contract_decision": "an approval of a contract version",
    "contract_notice": "a notice on a contract",
    "month_close": "a closed month",
    "month_adjustment": "an adjustment of a closed month",
    "prepared_documents": "what was prepared to be issued",
    "invoice": "an issued invoice",
    "invoice_line": "a line of an issued invoice",
    "payout": "an issued payout statement",
    "payout_line": "a line of an issued payout statement",
    "journal_line": "a posting of the journal",
}

SUBMITTED = (
    "contract_id",
    "version",
    "document",
    "content_hash",
    "submitted_by",
    "submitted_at",
    "retroactive",
    "closed_months",
    "warnings",
    "side",
    "party_id",
    "party_name",
    "currency",
    "timezone",
    "starts_on",
    "ends_on",
    "effective_from",
    "renews_on",
)
"""The columns of ``contract_version`` that submission fills; its decision fills the others, once."""

IS_SUBMITTED = "written once: a contract version cannot be changed or deleted, only decided on"
IS_DECIDED = "written once: a contract version that was decided on cannot be changed"
_DECIDED = "OLD.state <> 'submitted'"


def _same(*columns: str) -> str:
    return " AND ".join(f"{column} = NEW.{column}" for column in columns)


# SQLite removes what INSERT OR REPLACE puts a row in the place of without running a trigger for it: an insert is refused
# where a row has the same key, the hidden rowid among the keys.
KEYS = {
    "audit_record": [_same("sequence")],
    "contract_version": [_same("contract_id", "version"), _same("rowid")],
    "contract_claim": [_same("kind", "claim", "contract_id", "version"), _same("rowid")],
    "contract_decision": [_same("contract_id", "version", "approved_by"), _same("rowid")],
    "contract_notice": [_same("contract_id", "ends_on"), _same("rowid")],
    "month_close": [_same("month"), _same("rowid")],
    "month_adjustment": [_same("month", "sequence"), _same("rowid")],
    "prepared_documents": [_same("act", "month", "sequence"), _same("rowid")],
    "invoice": [_same("number"), _same("rowid"), f"{_same('contract_id', 'month', 'kind')} AND kind = 'invoice'"],
    "invoice_line": [_same("number", "line"), _same("rowid")],
    "payout": [_same("number"), _same("rowid"), _same("contract_id", "month")],
    "payout_line": [_same("number", "line"), _same("rowid")],
    "journal_line": [_same("entry", "line"), _same("rowid")],
}


class Trigger(NamedTuple):
    """Refuses ``events`` on a table, with a message: an update of ``columns`` (none: of any), a row for which ``when`` holds."""

    table: str
    what: str
    events: tuple[str, ...]
    message: str
    columns: tuple[str, ...] = ()
    when: str = ""

    @property
    def name(self) -> str:
        """Its name in the database."""
        return f"{self.table}_no_{self.what}"

    @property
    def _before(self) -> str:
        columns = f" OF {', '.join(self.columns)}" if self.columns else ""
        return f"BEFORE {' OR '.join(e + columns if e == 'UPDATE' else e for e in self.events)} ON {self.table}"

    def in_sqlite(self) -> str:
        """The statement that makes it in SQLite."""
        when = f"WHEN {self.when} " if self.when else ""
        return (
            f"CREATE TRIGGER {self.name} {self._before} FOR EACH ROW {when}BEGIN SELECT RAISE(ABORT, '{self.message}'); END"
        )

    def in_postgresql(self) -> tuple[str, str]:
        """The statements that make it in PostgreSQL, where ``MAKE_REFUSE`` was done."""
        each = f"ROW WHEN ({self.when})" if self.when else "STATEMENT"
        made = f"CREATE TRIGGER {self.name} {self._before} FOR EACH {each} EXECUTE FUNCTION books_refuse('{self.message}')"
        # Also where a session says that it is a replica, which puts ordinary triggers to sleep.
        return made, f"ALTER TABLE {self.table} ENABLE ALWAYS TRIGGER {self.name}"


REFUSE = " BEGIN RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation'; END "
"""What the function does that the triggers of PostgreSQL run."""

MAKE_REFUSE = f"CREATE OR REPLACE FUNCTION books_refuse() RETURNS trigger LANGUAGE plpgsql AS $${REFUSE}$$"


def statements(dialect: str) -> list[str]:
    """What makes all of them in a database of ``sqlite`` or ``postgresql``."""
    if dialect == "sqlite":
        return [trigger.in_sqlite() for trigger in of_sqlite()]
    return [MAKE_REFUSE, *(statement for trigger in of_postgresql() for statement in trigger.in_postgresql())]


def of_sqlite() -> list[Trigger]:
    """Those of SQLite, where each is for one event."""
    made = [
        Trigger(table, event.lower(), (event,), f"written once: {noun} cannot be changed or deleted")
        for table, noun in WRITTEN_ONCE.items()
        for event in ("UPDATE", "DELETE")
    ]
    return [
        *made,
        *(_against_replacing(table, noun) for table, noun in WRITTEN_ONCE.items()),
        Trigger("contract_version", "delete", ("DELETE",), IS_SUBMITTED),
        Trigger("contract_version", "update", ("UPDATE",), IS_SUBMITTED, columns=SUBMITTED),
        Trigger(
            "contract_version",
            "update_decided",
            ("UPDATE",),
            IS_DECIDED,
            when=f"{_DECIDED} OR NEW.rowid <> OLD.rowid",
        ),
        _against_replacing("contract_version", "a contract version"),
    ]


def _against_replacing(table: str, noun: str) -> Trigger:
    there = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {key})" for key in KEYS[table])
    return Trigger(
        table, "replace", ("INSERT",), f"written once: {noun} is there already and cannot be replaced", when=there
    )


def of_postgresql() -> list[Trigger]:
    """Those of PostgreSQL, where one is for several events."""
    changes = ("UPDATE", "DELETE", "TRUNCATE")
    made = [
        Trigger(table, "change", changes, f"written once: {noun} cannot be changed or deleted")
        for table, noun in WRITTEN_ONCE.items()
    ]
    return [
        *made,
        Trigger("contract_version", "change", changes, IS_SUBMITTED, columns=SUBMITTED),
        Trigger("contract_version", "change_decided", ("UPDATE",), IS_DECIDED, when=_DECIDED),
    ]
