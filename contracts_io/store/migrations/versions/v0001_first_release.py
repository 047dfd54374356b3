"""The books of the first release: their tables, and the triggers that keep what is written once.

Whoever may write to the database can do so past adledger; the triggers refuse it there too. Their messages begin with
``written once: ``, by which adledger knows them from its own mistakes.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

WRITTEN_ONCE = {
    "audit_record": "an audit record",
    "contract_claim": "a claim of a contract version",
    "contract_decision": "an approval of a contract version",
    "contract_notice": "a notice on a contract",
    "month_close": "a closed month",
    "month_adjustment": "an adjustment of a closed month",
    "prepared_close": "a prepared close",
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
    "prepared_close": [_same("month", "sequence"), _same("rowid")],
    "invoice": [_same("number"), _same("rowid"), f"{_same('contract_id', 'month', 'kind')} AND kind = 'invoice'"],
    "invoice_line": [_same("number", "line"), _same("rowid")],
    "payout": [_same("number"), _same("rowid"), _same("contract_id", "month")],
    "payout_line": [_same("number", "line"), _same("rowid")],
    "journal_line": [_same("entry", "line"), _same("rowid")],
}


def upgrade() -> None:
    """Make the tables and their triggers."""
    _make_tables()
    if op.get_context().dialect.name == "sqlite":
        _make_triggers_of_sqlite()
    else:
        _make_triggers_of_postgresql()


def _make_tables() -> None:
    op.create_table(
        "audit_record",
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("instant", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("content_hash", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("previous_hash", sa.Text(), nullable=False),
        sa.Column("record_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_table(
        "contract_claim",
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("claim", sa.Text(), nullable=False),
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("kind", "claim", "contract_id", "version"),
    )
    op.create_table(
        "contract_decision",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("approved_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", "version", "approved_by"),
    )
    op.create_table(
        "contract_notice",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("ends_on", sa.Text(), nullable=False),
        sa.Column("received_on", sa.Text(), nullable=False),
        sa.Column("recorded_by", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("contract_id", "ends_on"),
    )
    op.create_table(
        "contract_version",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("content_hash", sa.Text(), nullable=False),
        sa.Column("submitted_by", sa.Text(), nullable=False),
        sa.Column("submitted_at", sa.Text(), nullable=False),
        sa.Column("decided_by", sa.Text(), nullable=True),
        sa.Column("decided_at", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("retroactive", sa.Boolean(), nullable=False),
        sa.Column("warnings", sa.JSON(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("party_id", sa.Text(), nullable=False),
        sa.Column("party_name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Text(), nullable=False),
        sa.Column("ends_on", sa.Text(), nullable=True),
        sa.Column("effective_from", sa.Text(), nullable=False),
        sa.Column("renews_on", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("contract_id", "version"),
    )
    op.create_index(
        "contract_version_in_time",
        "contract_version",
        ["contract_id", "version", "state", "effective_from", "starts_on", "ends_on", "decided_at", "renews_on"],
        unique=False,
    )
    op.create_table(
        "invoice",
        sa.Column("number", sa.String(length=30), nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("contract_id", sa.String(length=255), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("party_id", sa.String(length=255), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("net_minor", sa.BigInteger(), nullable=False),
        sa.Column("tax_minor", sa.BigInteger(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False),
        sa.Column("adjusts", sa.String(length=30), nullable=True),
        sa.Column("known_at", sa.String(length=32), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_index(
        "uq_invoice_of_month",
        "invoice",
        ["contract_id", "month"],
        unique=True,
        sqlite_where=sa.text("kind = 'invoice'"),
        postgresql_where=sa.text("kind = 'invoice'"),
    )
    op.create_table(
        "journal_line",
        sa.Column("entry", sa.String(length=40), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("posted_on", sa.Date(), nullable=False),
        sa.Column("document", sa.String(length=30), nullable=False),
        sa.Column("account", sa.String(length=255), nullable=False),
        sa.Column("party_id", sa.String(length=255), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("debit_minor", sa.BigInteger(), nullable=False),
        sa.Column("credit_minor", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entry", "line"),
    )
    op.create_table(
        "lake_file",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("table_name", sa.String(length=64), nullable=False),
        sa.Column("partition", sa.String(length=32), nullable=False),
        sa.Column("path", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("inputs", sa.String(length=64), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("removed", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "uq_lake_file_live",
        "lake_file",
        ["table_name", "partition"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
        postgresql_where=sa.text("removed IS NULL"),
    )
    op.create_table(
        "lake_head",
        sa.Column("one", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("snapshot", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("one"),
    )
    op.create_table(
        "month_close",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("closed_on", sa.Date(), nullable=False),
        sa.Column("closed_by", sa.String(length=255), nullable=True),
        sa.Column("prepared_by", sa.String(length=255), nullable=True),
        sa.Column("snapshot", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("month"),
    )
    op.create_table(
        "number_series",
        sa.Column("series", sa.String(length=8), nullable=False),
        sa.Column("year", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("last", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("series", "year"),
    )
    op.create_table(
        "payout",
        sa.Column("number", sa.String(length=30), nullable=False),
        sa.Column("partner_id", sa.String(length=255), nullable=False),
        sa.Column("contract_id", sa.String(length=255), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("earnings_minor", sa.BigInteger(), nullable=False),
        sa.Column("withholding_minor", sa.BigInteger(), nullable=False),
        sa.Column("brought_forward_minor", sa.BigInteger(), nullable=False),
        sa.Column("payable_minor", sa.BigInteger(), nullable=False),
        sa.Column("carried_forward_minor", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.String(length=32), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("number"),
        sa.UniqueConstraint("contract_id", "month"),
    )
    op.create_table(
        "prepared_close",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("prepared_by", sa.String(length=255), nullable=False),
        sa.Column("prepared_at", sa.String(length=32), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("documents", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("month", "sequence"),
    )
    op.create_table(
        "invoice_line",
        sa.Column("number", sa.String(length=30), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("contract_id", sa.String(length=255), nullable=False),
        sa.Column("term_id", sa.String(length=255), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("description", sa.String(length=1000), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("rate", sa.String(length=40), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["number"],
            ["invoice.number"],
        ),
        sa.PrimaryKeyConstraint("number", "line"),
    )
    op.create_table(
        "month_adjustment",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("adjusted_on", sa.Date(), nullable=False),
        sa.Column("adjusted_by", sa.String(length=255), nullable=True),
        sa.Column("snapshot", sa.BigInteger(), nullable=False),
        sa.Column("known_at", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["month"],
            ["month_close.month"],
        ),
        sa.PrimaryKeyConstraint("month", "sequence"),
    )
    op.create_table(
        "payout_line",
        sa.Column("number", sa.String(length=30), nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("kind", sa.String(length=255), nullable=False),
        sa.Column("contract_id", sa.String(length=255), nullable=False),
        sa.Column("term_id", sa.String(length=255), nullable=True),
        sa.Column("version", sa.Integer(), nullable=True),
        sa.Column("step", sa.Integer(), nullable=True),
        sa.Column("description", sa.String(length=1000), nullable=False),
        sa.Column("quantity", sa.BigInteger(), nullable=True),
        sa.Column("rate", sa.String(length=40), nullable=True),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.String(length=500), nullable=True),
        sa.Column("advertiser_contract_id", sa.String(length=255), nullable=True),
        sa.Column("adjusts_month", sa.String(length=7), nullable=True),
        sa.ForeignKeyConstraint(
            ["number"],
            ["payout.number"],
        ),
        sa.PrimaryKeyConstraint("number", "line"),
    )


def _make_triggers_of_sqlite() -> None:
    for table, noun in WRITTEN_ONCE.items():
        for event in ("UPDATE", "DELETE"):
            _sqlite_trigger(table, event.lower(), event, "", f"written once: {noun} cannot be changed or deleted")
        _refuse_replacing(table, f"written once: {noun} is there already and cannot be replaced")
    _sqlite_trigger("contract_version", "delete", "DELETE", "", IS_SUBMITTED)
    _sqlite_trigger("contract_version", "update", f"UPDATE OF {', '.join(SUBMITTED)}", "", IS_SUBMITTED)
    decided = "WHEN OLD.state <> 'submitted' OR NEW.rowid <> OLD.rowid"
    _sqlite_trigger("contract_version", "update_decided", "UPDATE", decided, IS_DECIDED)
    _refuse_replacing("contract_version", "written once: a contract version is there already and cannot be replaced")


def _refuse_replacing(table: str, message: str) -> None:
    there = " OR ".join(f"EXISTS (SELECT 1 FROM {table} WHERE {key})" for key in KEYS[table])
    _sqlite_trigger(table, "replace", "INSERT", f"WHEN {there}", message)


def _sqlite_trigger(table: str, name: str, event: str, when: str, message: str) -> None:
    op.execute(
        f"CREATE TRIGGER {table}_no_{name} BEFORE {event} ON {table} FOR EACH ROW {when} "
        f"BEGIN SELECT RAISE(ABORT, '{message}'); END"
    )


def _make_triggers_of_postgresql() -> None:
    op.execute(
        "CREATE FUNCTION books_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
        "RAISE EXCEPTION USING MESSAGE = TG_ARGV[0], ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for table, noun in WRITTEN_ONCE.items():
        message = f"written once: {noun} cannot be changed or deleted"
        _postgresql_trigger(table, "change", "UPDATE OR DELETE OR TRUNCATE", "STATEMENT", message)
    of_submitted = f"UPDATE OF {', '.join(SUBMITTED)} OR DELETE OR TRUNCATE"
    _postgresql_trigger("contract_version", "change", of_submitted, "STATEMENT", IS_SUBMITTED)
    decided = "ROW WHEN (OLD.state <> 'submitted')"
    _postgresql_trigger("contract_version", "change_decided", "UPDATE", decided, IS_DECIDED)


def _postgresql_trigger(table: str, name: str, event: str, each: str, message: str) -> None:
    trigger = f"{table}_no_{name}"
    op.execute(
        f"CREATE TRIGGER {trigger} BEFORE {event} ON {table} FOR EACH {each} EXECUTE FUNCTION books_refuse('{message}')"
    )
    # Also where a session says that it is a replica, which puts ordinary triggers to sleep.
    op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {trigger}")
