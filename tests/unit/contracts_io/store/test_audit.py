from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from books_rows import without_triggers

from contracts_io.contract import Contract, content_hash, parse_document
from contracts_io.errors import BooksError, UsageError
from contracts_io.store import audit
from contracts_io.store.base import metadata, reading, writing
from contracts_io.store.contracts import ContractStore

AT = datetime(2026, 10, 20, 2, 19, 53, 172230, tzinfo=UTC)
LATER = AT + timedelta(hours=1)
_COLUMNS = [column.name for column in metadata.tables["contract_version"].columns]
SECOND_VERSION = ", ".join("2" if name == "version" else name for name in _COLUMNS)


def contract(contract_id: str) -> Contract:
    document = {
        "contract_id": contract_id,
        "side": "partner",
        "party": {"id": contract_id, "name": "Streamco", "country": "US"},
        "currency": "USD",
        "timezone": "UTC",
        "starts_on": "2026-10-01",
        "terms": [{"term_id": "all", "pricing": {"model": "cpm", "rate": "9"}}],
    }
    return parse_document(json.dumps(document), name=f"{contract_id}.json")


@pytest.fixture
def filled(engine: sa.Engine) -> sa.Engine:
    """Records: 1 and 2 submit stream-1 and stream-2, 3 approves stream-1, 4 rejects stream-2, 5 submits stream-3."""
    store = ContractStore(engine)
    store.import_documents([(name, contract(name)) for name in ("stream-1", "stream-2")], by="ana", at=AT)
    store.approve("stream-1", 1, by="bo", at=LATER, content_hash=content_hash(contract("stream-1")))
    store.reject("stream-2", by="bo", at=LATER, reason="not agreed")
    store.import_documents([("stream-3", contract("stream-3"))], by="ana", at=LATER)
    return engine


def test_an_empty_trail_holds_and_its_head_is_64_zeros(engine: sa.Engine) -> None:
    assert audit.verify(engine) == audit.Verified(0, "0" * 64)
    assert audit.head(engine) == "0" * 64


def test_a_trail_that_nobody_touched_holds(filled: sa.Engine) -> None:
    verified = audit.verify(filled)
    assert verified.records == 5
    assert verified.head == audit.head(filled)


def test_a_record_is_hashed_as_canonical_json_with_the_hash_before_it(filled: sa.Engine) -> None:
    with reading(filled) as connection:
        first, second = connection.execute(sa.select(audit.audit_record).order_by("sequence").limit(2)).all()
    assert first.previous_hash == "0" * 64
    assert second.previous_hash == first.record_hash
    text = (
        f'{{"action":"submit","actor":"ana","content_hash":"{first.content_hash}","contract_id":"stream-1",'
        f'"instant":"2026-10-20T02:19:53.172230Z","previous_hash":"{audit.FIRST_PREVIOUS_HASH}","reason":null,"sequence":1,"version":1}}'
    )
    assert first.record_hash == hashlib.sha256(text.encode()).hexdigest()


def test_records_run_without_gaps_over_transactions_and_what_is_rolled_back_leaves_none(engine: sa.Engine) -> None:
    def write(*actions: str) -> None:
        with writing(engine) as connection:
            audit.append(connection, [audit.Change(action) for action in actions], instant=AT, actor="ana")
            if "fail" in actions:
                raise RuntimeError

    write("one", "two")
    with pytest.raises(RuntimeError):
        write("fail")
    write("three")
    with reading(engine) as connection:
        rows = connection.execute(sa.select(audit.audit_record.c.sequence, audit.audit_record.c.action)).all()
    assert [tuple(row) for row in rows] == [(1, "one"), (2, "two"), (3, "three")]
    assert audit.verify(engine).records == 3


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ("UPDATE audit_record SET actor = 'eve' WHERE sequence = 2", "audit record 2", "does not fit its record_hash"),
        ("UPDATE audit_record SET instant = '2020' WHERE sequence = 4", "audit record 4", "does not fit its record_hash"),
        ("UPDATE audit_record SET record_hash = 'f' WHERE sequence = 2", "audit record 2", "does not fit its record_hash"),
        (
            "UPDATE audit_record SET previous_hash = 'f' WHERE sequence = 3",
            "audit record 3",
            "not the hash of the record before",
        ),
        ("DELETE FROM audit_record WHERE sequence = 3", "audit record 3", "is missing; the next one stored is 4"),
        ("DELETE FROM audit_record WHERE sequence = 1", "audit record 1", "is missing; the next one stored is 2"),
        ("DELETE FROM audit_record WHERE sequence = 5", "audit trail", "version 1 of contract stream-3 is stored without"),
        (
            "UPDATE contract_version SET document = replace(document, '\"9\"', '\"8\"') WHERE contract_id = 'stream-1'",
            "audit record 1",
            "the stored document of contract stream-1 version 1 is not the recorded one",
        ),
        (
            "UPDATE contract_version SET content_hash = 'f' WHERE contract_id = 'stream-2'",
            "audit record 2",
            "the stored document of contract stream-2 version 1 is not the recorded one",
        ),
        ("DELETE FROM contract_version WHERE contract_id = 'stream-2'", "audit record 2", "is no longer stored"),
        (
            "UPDATE contract_version SET state = 'approved' WHERE contract_id = 'stream-2'",
            "audit record 4",
            "is approved, by its record it is rejected",
        ),
        (
            "UPDATE contract_version SET decided_by = 'eve' WHERE contract_id = 'stream-1'",
            "audit record 3",
            "person or reason of the decision",
        ),
        (
            "UPDATE contract_version SET decided_at = '2026-01-01T00:00:00.000000Z' WHERE contract_id = 'stream-1'",
            "audit record 3",
            "person or reason of the decision",
        ),
        (
            "UPDATE contract_version SET retroactive = true WHERE contract_id = 'stream-1'",
            "audit record 1",
            "person or reason of the submission",
        ),
        (
            "UPDATE contract_version SET closed_months = '2026-10' WHERE contract_id = 'stream-1'",
            "audit record 1",
            "person or reason of the submission",
        ),
        (
            "UPDATE contract_version SET decided_by = 'eve' WHERE contract_id = 'stream-3'",
            "audit record 5",
            "has a decision that is not recorded",
        ),
        (
            f"INSERT INTO contract_version SELECT {SECOND_VERSION} FROM contract_version WHERE contract_id = 'stream-1'",
            "audit trail",
            "version 2 of contract stream-1 is stored without an audit record",
        ),
        (
            "UPDATE contract_version SET effective_from = '2026-12-01' WHERE contract_id = 'stream-1'",
            "audit record 1",
            "what is stored beside the document of contract stream-1 version 1 is not what it says",
        ),
        (
            "DELETE FROM contract_claim WHERE contract_id = 'stream-3'",
            "audit record 5",
            "what is stored beside the document of contract stream-3 version 1 is not what it says",
        ),
        (
            "INSERT INTO contract_notice VALUES ('stream-1', '2027-09-30', '2027-07-01', 'eve', '2027-07-01', NULL)",
            "audit trail",
            "a notice of contract stream-1 has no audit record",
        ),
        (
            "INSERT INTO contract_decision VALUES ('stream-3', 1, 'eve', '2027-07-01', 'f')",
            "audit trail",
            "a first approval of contract stream-3 has no audit record",
        ),
        (
            "INSERT INTO contract_claim VALUES ('line_item', 'li-9', 'stream-9', 2)",
            "audit trail",
            "claims are stored for version 2 of contract stream-9, which is not",
        ),
        (
            "UPDATE contract_version SET warnings = 'none' WHERE contract_id = 'stream-1'",
            "audit trail",
            "the warnings stored with a contract version cannot be read",
        ),
    ],
)
def test_whatever_is_changed_past_adledger_is_named(filled: sa.Engine, change: str, where: str, what: str) -> None:
    if filled.dialect.name == "postgresql" and "warnings" in change:
        pytest.skip("PostgreSQL takes no text that is not JSON for a JSON column")
    without_triggers(filled)
    with writing(filled) as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(BooksError) as broken:
        audit.verify(filled)
    assert broken.value.where == where
    assert what in broken.value.what
    assert "restore a backup that verifies" in broken.value.remedy


@pytest.mark.parametrize("document", ["replace(document, '\"9\"', '\"8\"')", "'{}'", "'nothing'"])
def test_a_document_that_was_changed_past_adledger_is_not_priced_by(filled: sa.Engine, document: str) -> None:
    without_triggers(filled)
    with writing(filled) as connection:
        connection.exec_driver_sql(f"UPDATE contract_version SET document = {document} WHERE contract_id = 'stream-1'")
    with pytest.raises(BooksError, match="contract stream-1 version 1: the stored document cannot be read any more"):
        ContractStore(filled).approved()


@pytest.mark.parametrize("expect", ["", "nope", "0" * 12, "0" * 65])
def test_what_is_no_head_is_not_taken_for_one_that_is_missing(filled: sa.Engine, expect: str) -> None:
    with pytest.raises(UsageError, match="64 hexadecimal digits"):
        audit.verify(filled, expect=expect)


def test_a_head_may_be_given_in_capitals_and_with_blanks(filled: sa.Engine) -> None:
    head = audit.head(filled)
    assert audit.verify(filled, expect=f" {head.upper()}\n").head == head
