"""The audit trail: one record per change, each holding the hash of the one before.

``audit_record``: sequence (1, 2, 3, ... without gaps) · instant (UTC text, ``2026-10-20T02:19:53.172230Z``) · actor ·
action · contract_id · version · content_hash (SHA-256 of the version's canonical JSON) · reason · previous_hash (64 zeros
in the first) · record_hash (SHA-256 of the canonical JSON of all columns before it).

Whoever changes a stored row after the fact would have to rewrite every record from there on, and then the head differs from
the one that was noted down elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from contracts_io.admission import claims_of
from contracts_io.bulk import many_objects
from contracts_io.calendar import format_instant
from contracts_io.contract_stored import read_stored
from contracts_io.errors import BooksError, UsageError
from contracts_io.lifecycle import Action, State
from contracts_io.store import triggers
from contracts_io.store.base import metadata, reading
from contracts_io.store.contract_tables import (
    columns_of,
    contract_claim,
    contract_decision,
    contract_notice,
    contract_version,
)

FIRST_PREVIOUS_HASH = "0" * 64

# An arbitrary number, which the locks of other programs in the same database hardly have.
_ADVISORY_LOCK = 415_003

audit_record = sa.Table(
    "audit_record",
    metadata,
    sa.Column("sequence", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("instant", sa.Text, nullable=False),
    sa.Column("actor", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("contract_id", sa.Text),
    sa.Column("version", sa.Integer),
    sa.Column("content_hash", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("previous_hash", sa.Text, nullable=False),
    sa.Column("record_hash", sa.Text, nullable=False),
)

RETROACTIVE = "retroactive"
"""The reason in the record of a version that was submitted for a closed month, or approved for one that was closed since."""

FIRST_OF_TWO = "first of two; waits for a second approval"
"""The reason in the record of an approval after which the version waits for a second one."""

_STATE_AFTER = {
    Action.SUBMIT: State.SUBMITTED,
    Action.APPROVE: State.APPROVED,
    Action.REJECT: State.REJECTED,
    Action.RENEW: State.APPROVED,
}
_RESTORE = "someone changed the books past adledger: restore a backup that verifies, then repeat what was done since"


class Verified(NamedTuple):
    """A chain that holds: how many records it has, and the hash of the last one (64 zeros where there is none)."""

    records: int
    head: str


def lock(connection: sa.Connection) -> None:
    """Let nobody else decide on contracts, prepare or issue until the caller's transaction ends.

    SQLite's write transaction lets no other writer in already.

    On PostgreSQL this is an advisory lock: to lock a table or a row takes the right to change it, which nobody has here.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_ADVISORY_LOCK}, 'audit_record'::regclass::oid::integer)")


class Change(NamedTuple):
    """What a record says was done: ``content_hash`` where it is about a contract version as it stands then."""

    action: str
    contract_id: str | None = None
    version: int | None = None
    content_hash: str | None = None
    reason: str | None = None


def append(connection: sa.Connection, changes: Sequence[Change], *, instant: datetime, actor: str) -> None:
    """Write one record for each change, in order, inside the caller's write transaction, which holds the ``lock``."""
    last = _last(connection)
    records: list[dict[str, Any]] = []
    previous = last.head
    for sequence, change in enumerate(changes, start=last.records + 1):
        record: dict[str, Any] = {
            "sequence": sequence,
            "instant": format_instant(instant),
            "actor": actor,
            **change._asdict(),
            "previous_hash": previous,
        }
        previous = record["record_hash"] = _hash(record)
        records.append(record)
    if records:
        connection.execute(audit_record.insert(), records)


def submission_text(retroactive: bool, closed_months: str) -> str | None:
    """What the record of a submission says of its version: whether it was retroactive, which closed months it changes."""
    said = [RETROACTIVE] if retroactive else []
    return "; ".join([*said, f"changes {closed_months}, closed then"] if closed_months else said) or None


def notice_text(row: Mapping[str, Any]) -> str:
    """What the record of a notice of non-renewal says of its row, besides who recorded it, and when."""
    return f"for the end on {row['ends_on']}, received on {row['received_on']}: {row['reason'] or 'no reason given'}"


def head(engine: sa.Engine) -> str:
    """The hash of the last record, 64 zeros where there is none: noted down elsewhere, it vouches for all records so far."""
    with reading(engine) as connection:
        return _last(connection).head


class Record(NamedTuple):
    """One entry of the trail: who did what when, to which content."""

    sequence: int
    instant: datetime
    actor: str
    action: str
    version: int | None
    content_hash: str | None
    reason: str | None


def trail(engine: sa.Engine, contract_id: str) -> list[Record]:
    """Everything that was done to a contract, in order."""
    query = sa.select(audit_record).where(audit_record.c.contract_id == contract_id).order_by(audit_record.c.sequence)
    with reading(engine) as connection:
        rows = _rows(connection, query)
    fields = [name for name in Record._fields if name != "instant"]
    return [Record(instant=datetime.fromisoformat(row["instant"]), **{name: row[name] for name in fields}) for row in rows]


def verify(engine: sa.Engine, expect: str | None = None) -> Verified:
    """Recompute the chain, and set every stored contract version against its records.

    ``expect`` is a head that was noted down elsewhere: it must be the hash of a record of this chain, or the chain was
    rebuilt since, however well it hangs together.

    Raises BooksError that names the first broken record: a gap in the sequence, a hash that does not fit, a version whose
    document or state is not what was recorded, a version, notice or approval without a record, columns that are not what
    the document beside them says; where all records hold, the first trigger that does not stand as it was made. UsageError
    where ``expect`` is no hash.
    """
    if expect is not None:
        expect = expect.strip().lower()
        if re.fullmatch("[0-9a-f]{64}", expect) is None:
            what = f"{expect!r} is no head of a trail: that has 64 hexadecimal digits"
            raise UsageError(what, remedy="give the whole hash, as `adledger audit verify` and every close print it")
    with many_objects():
        verified = _verify(engine, expect)
    with reading(engine) as connection:
        triggers.check(connection)
    return verified


def _verify(engine: sa.Engine, expect: str | None) -> Verified:
    with reading(engine) as connection:
        records = _rows(connection, sa.select(audit_record).order_by(audit_record.c.sequence))
        try:
            rows = _rows(connection, sa.select(contract_version).order_by("contract_id", "version"))
        except ValueError:  # of the column that holds JSON
            what = "the warnings stored with a contract version cannot be read"
            raise BooksError(what, where="audit trail", remedy=_RESTORE) from None
        notices = _rows(connection, sa.select(contract_notice).order_by("contract_id", "ends_on"))
        first_approvals = _rows(connection, sa.select(contract_decision).order_by("contract_id", "version"))
        claims: dict[tuple[str, int], set[tuple[str, str]]] = defaultdict(set)
        for claim in _rows(connection, sa.select(contract_claim)):
            claims[claim["contract_id"], claim["version"]].add((claim["kind"], claim["claim"]))
    versions = {(row["contract_id"], row["version"]): row for row in rows}
    content = {key: hashlib.sha256(row["document"].encode()).hexdigest() for key, row in versions.items()}
    previous = FIRST_PREVIOUS_HASH
    history: dict[tuple[str, int], list[Mapping[str, Any]]] = {}
    for expected, record in enumerate(records, start=1):
        _check_link(record, expected, previous)
        previous = record["record_hash"]
        if record["action"] not in _STATE_AFTER:
            continue
        key = (record["contract_id"], record["version"])
        if key not in versions:
            raise _broken(record["sequence"], f"version {key[1]} of contract {key[0]} is no longer stored")
        if {content[key], versions[key]["content_hash"]} != {record["content_hash"]}:
            raise _broken(
                record["sequence"], f"the stored document of contract {key[0]} version {key[1]} is not the recorded one"
            )
        history.setdefault(key, []).append(record)
    for key, row in versions.items():
        _check_version(row, history.get(key, []))
        _check_beside_document(row, claims[key], history[key][0]["sequence"])
    if orphans := sorted(claims.keys() - versions.keys()):
        what = f"claims are stored for version {orphans[0][1]} of contract {orphans[0][0]}, which is not"
        raise BooksError(what, where="audit trail", remedy=_RESTORE)
    _check_beside(records, notices, first_approvals)
    if expect is not None and expect not in {FIRST_PREVIOUS_HASH, *(record["record_hash"] for record in records)}:
        raise BooksError(
            f"no record has the hash {expect}, which was the head once: the trail was rebuilt or cut since",
            where="audit trail",
            remedy=_RESTORE,
        )
    return Verified(len(records), previous)


def _check_link(record: Mapping[str, Any], expected: int, previous: str) -> None:
    if record["sequence"] != expected:
        raise _broken(expected, f"the record is missing; the next one stored is {record['sequence']}")
    if record["previous_hash"] != previous:
        raise _broken(expected, "its previous_hash is not the hash of the record before")
    if record["record_hash"] != _hash({name: value for name, value in record.items() if name != "record_hash"}):
        raise _broken(expected, "its content does not fit its record_hash")


def _check_version(row: Mapping[str, Any], records: Sequence[Mapping[str, Any]]) -> None:
    name = f"version {row['version']} of contract {row['contract_id']}"
    submitted = next((record for record in records if record["action"] in (Action.SUBMIT, Action.RENEW)), None)
    if submitted is None:
        raise BooksError(f"{name} is stored without an audit record", where="audit trail", remedy=_RESTORE)
    told = submission_text(row["retroactive"], row["closed_months"])
    reason = row["reason"] if submitted["action"] == Action.RENEW and told is None else told
    _compare(row, submitted, "submission", ("submitted_at", "submitted_by"), (submitted["reason"], reason), name)
    last = [record for record in records if not _is_first_of_two(record)][-1]
    if row["state"] != _STATE_AFTER[last["action"]]:
        raise _broken(last["sequence"], f"{name} is {row['state']}, by its record it is {_STATE_AFTER[last['action']]}")
    if last["action"] == Action.SUBMIT:
        if (row["decided_at"], row["decided_by"], row["reason"]) != (None, None, None):
            raise _broken(last["sequence"], f"{name} has a decision that is not recorded")
    else:
        _compare(row, last, "decision", ("decided_at", "decided_by"), (last["reason"], row["reason"]), name)


def _check_beside_document(row: Mapping[str, Any], claims: Collection[tuple[str, str]], sequence: int) -> None:
    """Set what is stored so that no query has to read the document against the document."""
    contract = read_stored(row["document"])
    columns = columns_of(contract)
    if columns != {name: row[name] for name in columns} or claims_of(contract) != claims:
        name = f"contract {row['contract_id']} version {row['version']}"
        raise _broken(sequence, f"what is stored beside the document of {name} is not what it says")


def _is_first_of_two(record: Mapping[str, Any]) -> bool:
    return bool(record["action"] == Action.APPROVE and record["reason"] == FIRST_OF_TWO)


def _check_beside(
    records: Sequence[Mapping[str, Any]], notices: Sequence[Mapping[str, Any]], approvals: Sequence[Mapping[str, Any]]
) -> None:
    """Set the notices and the first approvals against their records."""
    stored: dict[tuple[Any, ...], str] = {
        **{
            (Action.NOTICE.value, row["contract_id"], row["recorded_at"], row["recorded_by"], notice_text(row)): "notice"
            for row in notices
        },
        **{
            (
                Action.APPROVE.value,
                row["contract_id"],
                row["approved_at"],
                row["approved_by"],
                FIRST_OF_TWO,
                row["version"],
                row["content_hash"],
            ): "first approval"
            for row in approvals
        },
    }
    of_both = ("action", "contract_id", "instant", "actor", "reason")
    recorded: dict[tuple[Any, ...], int] = {}
    for record in records:
        if record["action"] == Action.NOTICE:
            recorded[tuple(record[name] for name in of_both)] = record["sequence"]
        elif _is_first_of_two(record):
            recorded[tuple(record[name] for name in (*of_both, "version", "content_hash"))] = record["sequence"]
    for key, sequence in recorded.items():
        if key not in stored:
            raise _broken(sequence, f"the {key[0]} by {key[3]} for contract {key[1]} is no longer stored as recorded")
    for key, what in stored.items():
        if key not in recorded:
            raise BooksError(f"a {what} of contract {key[1]} has no audit record", where="audit trail", remedy=_RESTORE)


def _compare(
    row: Mapping[str, Any],
    record: Mapping[str, Any],
    step: str,
    columns: tuple[str, str],
    reasons: tuple[str | None, str | None],
    name: str,
) -> None:
    recorded = (record["instant"], record["actor"], reasons[0])
    if recorded != (row[columns[0]], row[columns[1]], reasons[1]):
        raise _broken(record["sequence"], f"instant, person or reason of the {step} of {name} differ from the record")


def _rows(connection: sa.Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    return [dict(row) for row in connection.execute(query).mappings()]


def _last(connection: sa.Connection) -> Verified:
    columns = (audit_record.c.sequence, audit_record.c.record_hash)
    row = connection.execute(sa.select(*columns).order_by(audit_record.c.sequence.desc()).limit(1)).one_or_none()
    return Verified(0, FIRST_PREVIOUS_HASH) if row is None else Verified(row.sequence, row.record_hash)


def _hash(record: Mapping[str, Any]) -> str:
    text = json.dumps(dict(record), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _broken(sequence: int, what: str) -> BooksError:
    return BooksError(f"the audit chain is broken: {what}", where=f"audit record {sequence}", remedy=_RESTORE)
