"""What changes with contracts in the books: each change and its audit record, in the caller's transaction.

Whether a change may be made is decided before: here it is written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from contracts_io.admission import Candidate, claims_of
from contracts_io.calendar import Month, format_instant
from contracts_io.contract import Contract, canonical_json
from contracts_io.lifecycle import SYSTEM, Action, State, StoredVersion, advance
from contracts_io.renewal import terms_left_behind
from contracts_io.store import audit
from contracts_io.store.contract_queries import Notice
from contracts_io.store.contract_renewals import Renewal
from contracts_io.store.contract_tables import (
    columns_of,
    contract_claim,
    contract_decision,
    contract_notice,
    contract_version,
)


class Decision(NamedTuple):
    """A version that was decided on just now; ``state`` submitted: approved by the first of two, the second is awaited.

    ``retroactive``: the approval says that it changes months that were closed after the version was submitted.
    """

    contract_id: str
    version: int
    state: State
    content_hash: str
    decided_by: str
    decided_at: datetime
    retroactive: bool = False


def _row(contract: Contract, version: int, digest: str, by: str, at: datetime, warnings: list[str]) -> dict[str, Any]:
    return {
        "contract_id": contract.contract_id,
        "version": version,
        "document": canonical_json(contract),
        "content_hash": digest,
        "submitted_by": by,
        "submitted_at": format_instant(at),
        "warnings": warnings,
        **columns_of(contract),
    }


def _insert(connection: sa.Connection, rows: Sequence[Mapping[str, Any]], versions: Sequence[tuple[Contract, int]]) -> None:
    if not rows:
        return
    connection.execute(contract_version.insert(), rows)
    claims = [
        {"kind": kind, "claim": claim, "contract_id": contract.contract_id, "version": version}
        for contract, version in versions
        for kind, claim in sorted(claims_of(contract))
    ]
    if claims:
        connection.execute(contract_claim.insert(), claims)


def record_submissions(
    connection: sa.Connection,
    candidates: Sequence[Candidate],
    by: str,
    at: datetime,
    retroactive: bool,
    closed: Mapping[str, Sequence[Month]],
    warnings: Mapping[str, Sequence[str]],
) -> None:
    """Store the candidates as versions that wait; by contract id the ``closed`` months that they change, and ``warnings``."""
    closed_months = {contract_id: " ".join(map(str, months)) for contract_id, months in closed.items()}
    rows = [
        _row(contract, version, digest, by, at, list(warnings.get(contract.contract_id, ())))
        | {
            "state": advance(State.DRAFT, Action.SUBMIT, by=by, submitted_by=by, where=name).value,
            "retroactive": retroactive,
            "closed_months": closed_months.get(contract.contract_id, ""),
        }
        for name, contract, version, digest in candidates
    ]
    _insert(connection, rows, [(candidate.contract, candidate.version) for candidate in candidates])
    changes = [
        audit.Change(
            Action.SUBMIT.value,
            contract.contract_id,
            version,
            digest,
            audit.submission_text(retroactive, closed_months.get(contract.contract_id, "")),
        )
        for _, contract, version, digest in candidates
    ]
    audit.append(connection, changes, instant=at, actor=by)


def record_rejection(connection: sa.Connection, decision: Decision, reason: str) -> None:
    """Store that a version is rejected."""
    _set_decided(connection, [(decision, reason)])
    change = audit.Change(Action.REJECT.value, decision.contract_id, decision.version, decision.content_hash, reason)
    audit.append(connection, [change], instant=decision.decided_at, actor=decision.decided_by)


def record_notice(connection: sa.Connection, notice: Notice, version: StoredVersion) -> None:
    """Store a notice that the approved ``version`` is not to be renewed."""
    row = {
        "contract_id": notice.contract_id,
        "ends_on": str(notice.ends_on),
        "received_on": str(notice.received_on),
        "recorded_by": notice.recorded_by,
        "recorded_at": format_instant(notice.recorded_at),
        "reason": notice.reason,
    }
    connection.execute(contract_notice.insert(), row)
    text = audit.notice_text(row)
    change = audit.Change(Action.NOTICE.value, notice.contract_id, version.version, version.content_hash, text)
    audit.append(connection, [change], instant=notice.recorded_at, actor=notice.recorded_by)


def record_renewals(connection: sa.Connection, renewals: Sequence[Renewal], at: datetime) -> None:
    """Store renewals as versions that adledger submitted and approved itself, at ``at``."""
    rows, changes = [], []
    for contract, version, digest, renews in renewals:
        reason = f"renewal of version {renews.version}"
        state = advance(State.DRAFT, Action.RENEW, by=SYSTEM, submitted_by=SYSTEM, where=contract.contract_id)
        rows.append(
            _row(contract, version, digest, SYSTEM, at, terms_left_behind(contract))
            | {
                "state": state.value,
                "decided_by": SYSTEM,
                "decided_at": format_instant(at),
                "reason": reason,
                "retroactive": False,
                "closed_months": "",
            }
        )
        changes.append(audit.Change(Action.RENEW.value, contract.contract_id, version, digest, reason))
    _insert(connection, rows, [(renewal.contract, renewal.version) for renewal in renewals])
    audit.append(connection, changes, instant=at, actor=SYSTEM)


def _set_decided(connection: sa.Connection, decisions: Sequence[tuple[Decision, str | None]]) -> None:
    if not decisions:
        return
    version = contract_version.c
    is_it = (version.contract_id == sa.bindparam("of_contract")) & (version.version == sa.bindparam("of_version"))
    rows = [
        {
            "of_contract": decision.contract_id,
            "of_version": decision.version,
            "state": decision.state.value,
            "decided_by": decision.decided_by,
            "decided_at": format_instant(decision.decided_at),
            "reason": reason,
        }
        for decision, reason in decisions
    ]
    connection.execute(contract_version.update().where(is_it), rows)


def record_approvals(connection: sa.Connection, decisions: Sequence[Decision], by: str, at: datetime) -> None:
    """Store the approvals that one person gave: those after which a version is approved, and first ones of two."""
    first = [decision for decision in decisions if decision.state is State.SUBMITTED]
    if first:
        rows = [
            {
                "contract_id": decision.contract_id,
                "version": decision.version,
                "approved_by": by,
                "approved_at": format_instant(at),
                "content_hash": decision.content_hash,
            }
            for decision in first
        ]
        connection.execute(contract_decision.insert(), rows)
    reasons = [audit.RETROACTIVE if decision.retroactive else None for decision in decisions]
    told = list(zip(decisions, reasons, strict=True))
    _set_decided(connection, [(decision, reason) for decision, reason in told if decision.state is State.APPROVED])
    changes = [
        audit.Change(
            Action.APPROVE.value,
            decision.contract_id,
            decision.version,
            decision.content_hash,
            audit.FIRST_OF_TWO if decision.state is State.SUBMITTED else reason,
        )
        for decision, reason in told
    ]
    audit.append(connection, changes, instant=at, actor=by)
