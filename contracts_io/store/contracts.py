"""Contracts in the books: imported, decided on, and read back as they were approved.

``contract_version``: contract_id · version (1, 2, ...) · state · document (canonical JSON) · content_hash (SHA-256 of it) ·
submitted_by, submitted_at · decided_by, decided_at, reason (null while it waits) · retroactive (submitted for a closed
month) · warnings (JSON list: what was odd in it at submission). Instants are UTC text (``2026-10-20T02:19:53.172230Z``),
which sorts as it runs. A version's document never changes;
its state changes once. Every change and its audit record are one transaction.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import sqlalchemy as sa

from contracts_io.admission import Candidate, ImportRefusedError, refusals
from contracts_io.calendar import format_instant
from contracts_io.contract import (
    Contract,
    ContractDocumentError,
    canonical_json,
    check_against_others,
    content_hash,
    parse_document,
)
from contracts_io.errors import BooksError, ContractError
from contracts_io.lifecycle import Action, ApprovedVersion, State, StoredVersion, advance, in_force, person, rejection_reason
from contracts_io.store import audit
from contracts_io.store.base import metadata, reading, writing

contract_version = sa.Table(
    "contract_version",
    metadata,
    sa.Column("contract_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("submitted_by", sa.Text, nullable=False),
    sa.Column("submitted_at", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("retroactive", sa.Boolean, nullable=False),
    sa.Column("warnings", sa.JSON, nullable=False),
)


class Imported(NamedTuple):
    """What an import made of a document; ``unchanged``: the books held it already as this version, nothing was written."""

    contract_id: str
    version: int
    state: State
    content_hash: str
    unchanged: bool = False


class Decision(NamedTuple):
    """A version that was approved or rejected just now."""

    contract_id: str
    version: int
    state: State
    content_hash: str
    decided_by: str
    decided_at: datetime


class Summary(NamedTuple):
    """A contract in the list: ``state`` and dates are of its latest version; ``version_in_force`` None: none on that day."""

    contract_id: str
    side: str
    party_id: str
    party_name: str
    currency: str
    timezone: str
    state: State
    version: int
    version_in_force: int | None
    starts_on: date
    ends_on: date | None


class ContractStore:
    """The contracts in the books at ``engine``, whose tables are there."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._parsed: dict[str, Contract] = {}

    def import_documents(
        self,
        documents: Sequence[tuple[str, Contract]],
        *,
        by: str,
        at: datetime,
        retroactive: bool = False,
        closed_through: date | None = None,
        warnings: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Imported]:
        """Submit each (name, contract) as a new contract or the next version of one: all of them, or none.

        ``closed_through`` is the last day of the last closed month; ``warnings``, by contract id, are kept with the version
        for whoever decides on it. A document that the books hold as the contract's latest
        version (rejected ones aside) is given back ``unchanged``. ImportRefusedError, with the problems of all documents at
        once, where one is not supported yet, differs from its contract's versions in what may not differ, claims what
        another contract has (those that wait, or are in this import, count as approved), amends a closed month without
        ``retroactive``, is of a contract with a version that waits, or of one that another document is of.
        """
        by = person(by)
        with writing(self._engine) as connection:
            audit.lock(connection)
            stored = self._stored(connection)
            results: list[Imported | None] = []
            candidates = []
            for name, contract in documents:
                digest = content_hash(contract)
                known = _same_content(stored.get(contract.contract_id, ()), digest)
                results.append(known)
                if known is None:
                    version = len(stored.get(contract.contract_id, ())) + 1
                    candidates.append(Candidate(name, contract, version, digest))
            refused = refusals(candidates, stored, at, None if retroactive else closed_through)
            if refused:
                raise ImportRefusedError(refused)
            self._submit(connection, candidates, by, at, retroactive, warnings or {})
        submitted = (Imported(c.contract.contract_id, c.version, State.SUBMITTED, c.content_hash) for c in candidates)
        return [result or next(submitted) for result in results]

    def approve(self, contract_id: str, version: int | None = None, *, by: str, at: datetime) -> Decision:
        """Approve a version, None: the one that waits; it is in force by its dates from ``at`` on.

        ContractError where it does not wait, where ``by`` submitted it, or where another contract that was approved
        meanwhile claims the same.
        """
        return self._decide(Action.APPROVE, contract_id, version, by=by, at=at, reason=None)

    def reject(self, contract_id: str, version: int | None = None, *, by: str, at: datetime, reason: str) -> Decision:
        """Reject a version, None: the one that waits; it stays rejected. ContractError where it does not wait."""
        return self._decide(Action.REJECT, contract_id, version, by=by, at=at, reason=rejection_reason(reason))

    def versions(self, contract_id: str) -> list[StoredVersion]:
        """All versions of a contract, ascending; ContractError naming the closest id where there is no such contract."""
        with reading(self._engine) as connection:
            return self._versions(connection, contract_id)

    def list_contracts(self, *, on: date) -> list[Summary]:
        """All contracts by id; ``on`` is the local day that ``version_in_force`` is told for."""
        with reading(self._engine) as connection:
            stored = self._stored(connection)
        return [_summary(versions, on) for _, versions in sorted(stored.items())]

    def approved(self, known_at: datetime | None = None) -> dict[str, list[ApprovedVersion]]:
        """The approved versions of every contract that has one, ascending; ``known_at``: only those approved by then."""
        is_approved = contract_version.c.state == State.APPROVED.value
        if known_at is not None:
            is_approved &= contract_version.c.decided_at <= format_instant(known_at)
        with reading(self._engine) as connection:
            stored = self._stored(connection, is_approved)
        return {contract_id: _approved(stored[contract_id]) for contract_id in sorted(stored)}

    def _decide(
        self, action: Action, contract_id: str, version: int | None, *, by: str, at: datetime, reason: str | None
    ) -> Decision:
        by = person(by)
        with writing(self._engine) as connection:
            audit.lock(connection)
            chosen = _choose(self._versions(connection, contract_id), version)
            where = f"contract {contract_id} version {chosen.version}"
            state = advance(chosen.state, action, by=by, submitted_by=chosen.submitted_by, where=where)
            if action is Action.APPROVE:
                self._check_against_approved(connection, chosen, at, where)
            decision = Decision(contract_id, chosen.version, state, chosen.content_hash, by, at)
            _record_decision(connection, decision, action, reason)
        return decision

    def _check_against_approved(self, connection: sa.Connection, chosen: StoredVersion, at: datetime, where: str) -> None:
        stored = self._stored(connection, contract_version.c.state == State.APPROVED.value)
        approved = {contract_id: _approved(versions) for contract_id, versions in stored.items()}
        contract_id = chosen.contract.contract_id
        own = [*approved.pop(contract_id, []), ApprovedVersion(chosen.contract, chosen.version, at)]
        others = [stretch for versions in approved.values() for stretch in in_force(versions)]
        if problems := check_against_others(in_force(own), others):
            raise ContractDocumentError(problems, name=where)

    def _submit(
        self,
        connection: sa.Connection,
        candidates: Sequence[Candidate],
        by: str,
        at: datetime,
        retroactive: bool,
        warnings: Mapping[str, Sequence[str]],
    ) -> None:
        if not candidates:
            return
        rows = [
            {
                "contract_id": contract.contract_id,
                "version": version,
                "state": advance(State.DRAFT, Action.SUBMIT, by=by, submitted_by=by, where=name).value,
                "document": canonical_json(contract),
                "content_hash": digest,
                "submitted_by": by,
                "submitted_at": format_instant(at),
                "retroactive": retroactive,
                "warnings": list(warnings.get(contract.contract_id, ())),
            }
            for name, contract, version, digest in candidates
        ]
        connection.execute(contract_version.insert(), rows)
        reason = audit.RETROACTIVE if retroactive else None
        changes = [
            audit.Change(Action.SUBMIT.value, contract.contract_id, version, digest, reason)
            for _, contract, version, digest in candidates
        ]
        audit.append(connection, changes, instant=at, actor=by)

    def _versions(self, connection: sa.Connection, contract_id: str) -> list[StoredVersion]:
        stored = self._stored(connection, contract_version.c.contract_id == contract_id)
        if contract_id in stored:
            return stored[contract_id]
        ids = connection.scalars(sa.select(contract_version.c.contract_id).distinct()).all()
        closest = difflib.get_close_matches(contract_id, ids, n=1, cutoff=0.4)
        remedy = f"did you mean {closest[0]}?" if closest else "see `adledger contract list`, or import its document"
        raise ContractError(f"there is no contract {contract_id}", remedy=remedy)

    def _stored(
        self, connection: sa.Connection, condition: sa.ColumnElement[bool] | None = None
    ) -> dict[str, list[StoredVersion]]:
        query = sa.select(contract_version).order_by(contract_version.c.contract_id, contract_version.c.version)
        stored: dict[str, list[StoredVersion]] = defaultdict(list)
        for row in connection.execute(query if condition is None else query.where(condition)).mappings():
            stored[row["contract_id"]].append(self._version(dict(row)))
        return dict(stored)

    def _version(self, row: Mapping[str, Any]) -> StoredVersion:
        return StoredVersion(
            contract=self._contract(row),
            version=row["version"],
            state=State(row["state"]),
            content_hash=row["content_hash"],
            submitted_by=row["submitted_by"],
            submitted_at=datetime.fromisoformat(row["submitted_at"]),
            decided_by=row["decided_by"],
            decided_at=datetime.fromisoformat(row["decided_at"]) if row["decided_at"] else None,
            reason=row["reason"],
            retroactive=row["retroactive"],
            warnings=tuple(row["warnings"]),
        )

    def _contract(self, row: Mapping[str, Any]) -> Contract:
        text = row["document"]
        if text not in self._parsed:
            try:
                self._parsed[text] = parse_document(text, name="document.json")
            except ContractError as error:
                where = f"contract {row['contract_id']} version {row['version']}"
                what = "the stored document cannot be read any more"
                raise BooksError(what, where=where, remedy="run adledger audit verify: it says what was changed") from error
        return self._parsed[text]


def _same_content(versions: Sequence[StoredVersion], digest: str) -> Imported | None:
    standing = [stored for stored in versions if stored.state is not State.REJECTED]
    if not standing or standing[-1].content_hash != digest:
        return None
    latest = standing[-1]
    return Imported(latest.contract.contract_id, latest.version, latest.state, digest, unchanged=True)


def _approved(versions: Iterable[StoredVersion]) -> list[ApprovedVersion]:
    return [
        ApprovedVersion(stored.contract, stored.version, stored.decided_at)
        for stored in versions
        if stored.state is State.APPROVED and stored.decided_at is not None
    ]


def _summary(versions: Sequence[StoredVersion], on: date) -> Summary:
    latest = versions[-1]
    contract = latest.contract
    ruling = (s.version for s in in_force(_approved(versions)) if s.first <= on and (s.last is None or on <= s.last))
    return Summary(
        contract_id=contract.contract_id,
        side=contract.side,
        party_id=contract.party.id,
        party_name=contract.party.name,
        currency=contract.currency,
        timezone=contract.timezone,
        state=latest.state,
        version=latest.version,
        version_in_force=next(ruling, None),
        starts_on=contract.starts_on,
        ends_on=contract.ends_on,
    )


def _choose(versions: Sequence[StoredVersion], version: int | None) -> StoredVersion:
    contract_id = versions[0].contract.contract_id
    if version is None:
        waiting = next((stored for stored in versions if stored.state is State.SUBMITTED), None)
        if waiting is None:
            latest = versions[-1]
            what = f"no version waits for a decision: the latest, {latest.version}, is {latest.state}"
            raise ContractError(what, where=f"contract {contract_id}", remedy="import a document to submit the next version")
        return waiting
    chosen = next((stored for stored in versions if stored.version == version), None)
    if chosen is None:
        what = f"there is no version {version}"
        raise ContractError(what, where=f"contract {contract_id}", remedy=f"name one from 1 to {versions[-1].version}")
    return chosen


def _record_decision(connection: sa.Connection, decision: Decision, action: Action, reason: str | None) -> None:
    key = (contract_version.c.contract_id == decision.contract_id) & (contract_version.c.version == decision.version)
    connection.execute(
        contract_version.update()
        .where(key)
        .values(
            state=decision.state.value,
            decided_by=decision.decided_by,
            decided_at=format_instant(decision.decided_at),
            reason=reason,
        )
    )
    change = audit.Change(action.value, decision.contract_id, decision.version, decision.content_hash, reason)
    audit.append(connection, [change], instant=decision.decided_at, actor=decision.decided_by)
