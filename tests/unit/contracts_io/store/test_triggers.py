"""The trail is whole only where the triggers that keep what is written once stand (``contracts_io.store.triggers``)."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
import sqlalchemy as sa
from books_rows import without_triggers

from contracts_io.errors import BooksError
from contracts_io.store import audit
from contracts_io.store.base import reading, writing
from contracts_io.store.migrations.first_triggers import Trigger, of_postgresql, of_sqlite
from contracts_io.store.triggers import fallen

AT = datetime(2026, 10, 20, tzinfo=UTC)


def done(engine: sa.Engine, *statements: str) -> None:
    with writing(engine) as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def refusal(engine: sa.Engine) -> BooksError:
    with pytest.raises(BooksError) as refused:
        audit.verify(engine)
    return refused.value


def how_many_fell(engine: sa.Engine) -> int:
    with reading(engine) as connection:
        return len(fallen(connection))


def made_again(engine: sa.Engine, refused: BooksError) -> None:
    """Do what the remedy says."""
    _, _, statements = refused.remedy.partition(":\n")
    done(engine, *(line.strip().removesuffix(";") for line in statements.splitlines()))


@pytest.mark.parametrize("trigger", of_sqlite(), ids=lambda trigger: trigger.name)
def test_each_trigger_of_sqlite_that_is_gone_is_named_with_what_makes_it_again(sqlite: sa.Engine, trigger: Trigger) -> None:
    name, table = trigger.name, trigger.table
    done(sqlite, f"DROP TRIGGER {name}")
    refused = refusal(sqlite)
    assert refused.where == f"trigger {name} of the table {table}"
    assert refused.what == "the trigger, which keeps what is written once, is gone"
    assert "compare the books with a backup, then have their owner make it again, and verify once more" in refused.remedy
    made_again(sqlite, refused)
    assert audit.verify(sqlite).records == 0


@pytest.mark.parametrize("trigger", of_postgresql(), ids=lambda trigger: trigger.name)
def test_each_trigger_of_postgresql_that_is_gone_or_asleep_is_named_with_what_makes_it_again(
    postgresql: sa.Engine, trigger: Trigger
) -> None:
    name, table = trigger.name, trigger.table
    for statement, how in (
        (f"DROP TRIGGER {name} ON {table}", "is gone"),
        (f"ALTER TABLE {table} DISABLE TRIGGER {name}", "is switched off, or off for some sessions"),
        (f"ALTER TABLE {table} ENABLE TRIGGER {name}", "is switched off, or off for some sessions"),
        (f"ALTER TABLE {table} ENABLE REPLICA TRIGGER {name}", "is switched off, or off for some sessions"),
    ):
        done(postgresql, statement)
        refused = refusal(postgresql)
        assert refused.where == f"trigger {name} of the table {table}"
        assert refused.what == f"the trigger, which keeps what is written once, {how}"
        made_again(postgresql, refused)
        assert audit.verify(postgresql).records == 0


def test_a_trigger_of_sqlite_that_does_nothing_does_not_stand_for_the_one_that_was_made(sqlite: sa.Engine) -> None:
    done(
        sqlite,
        "DROP TRIGGER invoice_no_update",
        "CREATE TRIGGER invoice_no_update BEFORE UPDATE ON invoice FOR EACH ROW BEGIN SELECT 1; END",
    )
    refused = refusal(sqlite)
    assert (refused.where, "is not the one that was made" in refused.what) == (
        "trigger invoice_no_update of the table invoice",
        True,
    )
    made_again(sqlite, refused)
    audit.verify(sqlite)


@pytest.mark.parametrize(
    ("named", "statements"),
    [
        (
            "audit_record_no_change of the table audit_record",
            ["CREATE OR REPLACE FUNCTION books_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$"],
        ),
        (
            "invoice_no_change of the table invoice",
            [
                "CREATE FUNCTION harmless() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NULL; END $$",
                "DROP TRIGGER invoice_no_change ON invoice",
                "CREATE TRIGGER invoice_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON invoice EXECUTE FUNCTION harmless()",
                "ALTER TABLE invoice ENABLE ALWAYS TRIGGER invoice_no_change",
            ],
        ),
        (
            "invoice_no_change of the table invoice",
            [
                "DROP TRIGGER invoice_no_change ON invoice",
                "CREATE TRIGGER invoice_no_change BEFORE DELETE OR TRUNCATE ON invoice EXECUTE FUNCTION books_refuse('no')",
                "ALTER TABLE invoice ENABLE ALWAYS TRIGGER invoice_no_change",
            ],
        ),
        (
            "contract_version_no_change of the table contract_version",
            [
                "DROP TRIGGER contract_version_no_change ON contract_version",
                "CREATE TRIGGER contract_version_no_change BEFORE UPDATE OF version OR DELETE OR TRUNCATE ON contract_version "
                "EXECUTE FUNCTION books_refuse('no')",
                "ALTER TABLE contract_version ENABLE ALWAYS TRIGGER contract_version_no_change",
            ],
        ),
        (
            "contract_version_no_change_decided of the table contract_version",
            [
                "DROP TRIGGER contract_version_no_change_decided ON contract_version",
                "CREATE TRIGGER contract_version_no_change_decided BEFORE UPDATE ON contract_version FOR EACH ROW "
                "WHEN (OLD.state <> 'submitted' AND false) EXECUTE FUNCTION books_refuse('no')",
                "ALTER TABLE contract_version ENABLE ALWAYS TRIGGER contract_version_no_change_decided",
            ],
        ),
        ("audit_record_no_change of the table audit_record", ["DROP FUNCTION books_refuse CASCADE"]),
    ],
    ids=["a function that does nothing", "another function", "an event less", "columns less", "another condition", "no function"],
)  # fmt: skip
def test_a_trigger_of_postgresql_that_refuses_less_does_not_stand_for_the_one_that_was_made(
    postgresql: sa.Engine, named: str, statements: list[str]
) -> None:
    done(postgresql, *statements)
    refused = refusal(postgresql)
    assert refused.where == f"trigger {named}"
    assert "is not the one that was made" in refused.what or "is gone" in refused.what
    made_again(postgresql, refused)
    while how_many_fell(postgresql):
        made_again(postgresql, refusal(postgresql))
    assert audit.verify(postgresql).records == 0


def test_of_many_triggers_the_first_is_named_and_the_others_are_counted(engine: sa.Engine) -> None:
    without_triggers(engine)
    others = len(of_sqlite() if engine.dialect.name == "sqlite" else of_postgresql()) - 1
    refused = refusal(engine)
    assert refused.where.startswith("trigger audit_record_no_")
    assert refused.what.endswith(f", and {others} more do not stand")


def test_a_broken_record_is_named_before_a_trigger(engine: sa.Engine) -> None:
    with writing(engine) as connection:
        audit.append(connection, [audit.Change("one")], instant=AT, actor="ana")
    without_triggers(engine)
    done(engine, "UPDATE audit_record SET actor = 'eve'")
    assert refusal(engine).where == "audit record 1"
