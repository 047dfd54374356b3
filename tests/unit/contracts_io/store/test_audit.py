from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts_io.contract import Contract, parse_document
from contracts_io.errors import BooksError
from contracts_io.store import audit
from contracts_io.store.base import create_tables, open_engine, reading, writing
from contracts_io.store.contracts import ContractStore

AT = datetime(2026, 10, 20, 2, 19, 53, 172230, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


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
def empty(tmp_path: Path) -> sa.Engine:
    engine = open_engine(f"sqlite:///{tmp_path / 'books.db'}")
    create_tables(engine)
    return engine


@pytest.fixture
def engine(empty: sa.Engine) -> sa.Engine:
    """Records: 1 and 2 submit stream-1 and stream-2, 3 approves stream-1, 4 rejects stream-2, 5 submits stream-3."""
    store = ContractStore(empty)
    store.import_documents([(name, contract(name)) for name in ("stream-1", "stream-2")], by="ana", at=AT)
    store.approve("stream-1", by="bo", at=LATER)
    store.reject("stream-2", by="bo", at=LATER, reason="not agreed")
    store.import_documents([("stream-3", contract("stream-3"))], by="ana", at=LATER)
    return empty


def test_an_empty_trail_holds_and_its_head_is_64_zeros(empty: sa.Engine) -> None:
    assert audit.verify(empty) == audit.Verified(0, "0" * 64)
    assert audit.head(empty) == "0" * 64


def test_a_trail_that_nobody_touched_holds(engine: sa.Engine) -> None:
    verified = audit.verify(engine)
    assert verified.records == 5
    assert verified.head == audit.head(engine)


def test_a_record_is_hashed_as_canonical_json_with_the_hash_before_it(engine: sa.Engine) -> None:
    with reading(engine) as connection:
        first, second = connection.execute(sa.select(audit.audit_record).order_by("sequence").limit(2)).all()
    assert first.previous_hash == "0" * 64
    assert second.previous_hash == first.record_hash
    text = (
        f'{{"action":"submit","actor":"ana","content_hash":"{first.content_hash}","contract_id":"stream-1",'
        f'"instant":"2026-10-20T02:19:53.172230Z","previous_hash":"{audit.FIRST_PREVIOUS_HASH}","reason":null,"sequence":1,"version":1}}'
    )
    assert first.record_hash == hashlib.sha256(text.encode()).hexdigest()


def test_records_run_without_gaps_over_transactions_and_what_is_rolled_back_leaves_none(empty: sa.Engine) -> None:
    def write(*actions: str) -> None:
        with writing(empty) as connection:
            audit.append(connection, [audit.Change(action) for action in actions], instant=AT, actor="ana")
            if "fail" in actions:
                raise RuntimeError

    write("one", "two")
    with pytest.raises(RuntimeError):
        write("fail")
    write("three")
    with reading(empty) as connection:
        rows = connection.execute(sa.select(audit.audit_record.c.sequence, audit.audit_record.c.action)).all()
    assert [tuple(row) for row in rows] == [(1, "one"), (2, "two"), (3, "three")]
    assert audit.verify(empty).records == 3


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
            "UPDATE contract_version SET retroactive = 1 WHERE contract_id = 'stream-1'",
            "audit record 1",
            "person or reason of the submission",
        ),
        (
            "UPDATE contract_version SET decided_by = 'eve' WHERE contract_id = 'stream-3'",
            "audit record 5",
            "has a decision that is not recorded",
        ),
        (
            "INSERT INTO contract_version SELECT contract_id, 2, state, document, content_hash, submitted_by, submitted_at, "
            "decided_by, decided_at, reason, retroactive, warnings FROM contract_version WHERE contract_id = 'stream-1'",
            "audit trail",
            "version 2 of contract stream-1 is stored without an audit record",
        ),
    ],
)
def test_whatever_is_changed_past_adledger_is_named(engine: sa.Engine, change: str, where: str, what: str) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql(change)
    with pytest.raises(BooksError) as broken:
        audit.verify(engine)
    assert broken.value.where == where
    assert what in broken.value.what
    assert "restore a backup that verifies" in broken.value.remedy
