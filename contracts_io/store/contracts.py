"""Contracts in the books: imported, decided on, renewed, and read back as they were approved.

The tables are in ``contract_tables``, what is asked of them in ``contract_queries``. A version's document never changes; its
state changes once. Every change and its audit record are one transaction, and writers come one after the other: of two who
decide at once the first has it, the second is told so.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

import sqlalchemy as sa

from contracts_io.admission import Agreed, Candidate, ImportRefusedError, claims_of, refusals
from contracts_io.bulk import many_objects
from contracts_io.calendar import Month, format_instant
from contracts_io.contract import Contract, ContractDocumentError, content_hash
from contracts_io.errors import ContractError
from contracts_io.lifecycle import (
    NO_LIMITS,
    Action,
    Approval,
    ApprovalLimits,
    ApprovedVersion,
    State,
    StoredVersion,
    advance,
    after_approval,
    approved_of,
    check_closed_months,
    check_content,
    months_changed,
    notice_reason,
    person,
    rejection_reason,
)
from contracts_io.store import audit, contract_changes, contract_queries, contract_renewals
from contracts_io.store.base import reading, writing
from contracts_io.store.contract_changes import Decision
from contracts_io.store.contract_queries import Documents, Notice, Summary
from contracts_io.store.contract_renewals import NotRenewedError, Renewal, Renewals


class Imported(NamedTuple):
    """What an import made of a document; ``unchanged``: the books held it already as this version, nothing was written.

    ``warnings``: what was odd in it when it was submitted.
    """

    contract_id: str
    version: int
    state: State
    content_hash: str
    unchanged: bool = False
    warnings: tuple[str, ...] = ()


class ToApprove(NamedTuple):
    """A version to approve, and the hash (or its first 12 digits at least) of the content that the approver saw."""

    contract_id: str
    version: int
    content_hash: str


class ContractStore:
    """The contracts in the books at ``engine``, whose tables are there."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._documents = Documents()

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
        once, where one differs from its contract's versions in what may not differ, claims what
        another contract has (those that wait, or are in this import, count as approved), amends a closed month without
        ``retroactive``, is of a contract with a version that waits, or of one that another document is of.
        """
        by = person(by)
        with many_objects(), writing(self._engine) as connection:
            audit.lock(connection)
            stored = self._with_rivals(connection, [contract for _, contract in documents])
            all_candidates = [_candidate(name, contract, stored) for name, contract in documents]
            results = [_same_content(stored.get(c.contract.contract_id, ()), c.content_hash) for c in all_candidates]
            candidates = [c for c, known in zip(all_candidates, results, strict=True) if known is None]
            _raise_if_refused(candidates, stored, at, None if retroactive else closed_through)
            odd, closed = warnings or {}, contract_queries.closed_months(connection)
            changed = {c.contract.contract_id: _months_changed(c, stored, at, closed) for c in candidates}
            contract_changes.record_submissions(connection, candidates, by, at, retroactive, changed, odd)
        submitted = (
            Imported(
                candidate.contract.contract_id,
                candidate.version,
                State.SUBMITTED,
                candidate.content_hash,
                warnings=tuple(odd.get(candidate.contract.contract_id, ())),
            )
            for candidate in candidates
        )
        return [result or next(submitted) for result in results]

    def check(self, documents: Sequence[tuple[str, Contract]], *, at: datetime, closed_through: date | None = None) -> None:
        """ImportRefusedError where an import of these (name, contract) at ``at`` would be refused.

        ``closed_through`` as of ``import_documents``; None: closed months do not count.

        A document that the books hold as its contract's latest version was taken before, and is not looked at again.
        """
        with reading(self._engine) as connection:
            stored = self._with_rivals(connection, [contract for _, contract in documents])
        candidates = [_candidate(name, contract, stored) for name, contract in documents]
        held = [_same_content(stored.get(c.contract.contract_id, ()), c.content_hash) for c in candidates]
        _raise_if_refused(
            [c for c, known in zip(candidates, held, strict=True) if known is None], stored, at, closed_through
        )

    def approve(
        self,
        contract_id: str,
        version: int,
        *,
        by: str,
        at: datetime,
        content_hash: str,
        limits: ApprovalLimits = NO_LIMITS,
        retroactive: bool = False,
    ) -> Decision:
        """Approve a version with this content; where no second approval is needed, it is in force by its dates from then on.

        ContractError where it does not wait (with who decided, and when), where its content is another, where ``by``
        submitted it or approved it already, where another contract that was approved meanwhile claims the same, or where it
        changes a month that was closed after it was submitted without ``retroactive``, unless the approval is.
        """
        seen = ToApprove(contract_id, version, content_hash)
        return self.approve_all([seen], by=by, at=at, limits=limits, retroactive=retroactive)[0]

    def approve_all(
        self,
        versions: Sequence[ToApprove],
        *,
        by: str,
        at: datetime,
        limits: ApprovalLimits = NO_LIMITS,
        retroactive: bool = False,
    ) -> list[Decision]:
        """The same for many versions, one after the other in one transaction: all of them, or none."""
        by, versions = person(by), list(dict.fromkeys(versions))
        decisions = []
        with many_objects(), writing(self._engine) as connection:
            audit.lock(connection)
            stored = contract_queries.versions_of_all(connection, self._documents, {v.contract_id for v in versions})
            chosen = [self._choose(connection, stored, contract_id, version) for contract_id, version, _ in versions]
            stored = self._with_rivals(connection, [version.contract for version in chosen], stored)
            agreed = Agreed({contract_id: approved_of(versions) for contract_id, versions in stored.items()})
            closed = contract_queries.closed_months(connection)
            for waiting, (contract_id, version, seen) in zip(chosen, versions, strict=True):
                where = f"contract {contract_id} version {version}"
                state = after_approval(waiting, by=by, limits=limits, where=where)
                check_content(seen, waiting.content_hash, where=where)
                now_approved = ApprovedVersion(waiting.contract, version, at)
                if problems := agreed.problems(contract_id, now_approved):
                    raise ContractDocumentError(problems, name=where)
                approved = approved_of(stored[contract_id])
                past = check_closed_months(waiting, approved, closed, retroactive=retroactive, where=where)
                if state is State.APPROVED:
                    agreed.add(now_approved)
                decisions.append(Decision(contract_id, version, state, waiting.content_hash, by, at, past))
            contract_changes.record_approvals(connection, decisions, by, at)
        return decisions

    def reject(self, contract_id: str, version: int | None = None, *, by: str, at: datetime, reason: str) -> Decision:
        """Reject a version, None: the one that waits; it stays rejected.

        ContractError where it does not wait, with who decided, and when.
        """
        by, reason = person(by), rejection_reason(reason)
        with writing(self._engine) as connection:
            audit.lock(connection)
            stored = contract_queries.versions_of_all(connection, self._documents, [contract_id])
            chosen = self._choose(connection, stored, contract_id, version)
            where = f"contract {contract_id} version {chosen.version}"
            decided = Approval(chosen.decided_by, chosen.decided_at) if chosen.decided_by and chosen.decided_at else None
            state = advance(
                chosen.state, Action.REJECT, by=by, submitted_by=chosen.submitted_by, where=where, decided=decided
            )
            decision = Decision(contract_id, chosen.version, state, chosen.content_hash, by, at)
            contract_changes.record_rejection(connection, decision, reason)
        return decision

    def give_notice(
        self, contract_id: str, *, by: str, at: datetime, received_on: date, reason: str | None = None
    ) -> Notice:
        """Put on record that the contract is not renewed at its end.

        ContractError where it does not renew by itself, where a notice for that end is on record, and where the renewal was
        made before the notice was received: then it takes a termination.
        """
        by, reason = person(by), notice_reason(reason) if reason is not None else None
        with writing(self._engine) as connection:
            audit.lock(connection)
            versions = contract_queries.versions_of(connection, self._documents, contract_id)
            current = contract_renewals.renewable(versions, received_on)
            ends_on = current.contract.ends_on
            assert ends_on is not None
            notice = Notice(contract_id, ends_on, received_on, by, at, reason)
            there = contract_queries.notices_of(connection, [contract_id]).get((contract_id, ends_on))
            if there:
                raise ContractError(
                    f"a notice for the end on {ends_on} is on record already: {there.recorded_by} recorded it at "
                    f"{format_instant(there.recorded_at)}",
                    where=f"contract {contract_id}",
                    remedy="nothing is left to do: the contract is not renewed",
                )
            contract_changes.record_notice(connection, notice, current)
        return notice

    def renew(self, *, day: date, at: datetime, closed_through: date | None = None) -> Renewals:
        """Renew the contracts that are due on or before ``day``, approved at ``at`` by adledger itself.

        One that is behind is renewed as often as it takes. Refused, each by itself: where another contract (those that wait
        count as approved) claims the same after the old end, where a version waits for a decision, and where the renewal
        would take effect on a day up to ``closed_through``, through which the books are closed. Again: nothing.
        """
        with reading(self._engine) as connection:
            if not contract_queries.due_for_renewal(connection, day):
                return Renewals([], [])
        with many_objects(), writing(self._engine) as connection:
            audit.lock(connection)
            renewals, refused = self._renewals(connection, day, at, closed_through)
            contract_changes.record_renewals(connection, renewals, at)
        return Renewals([renewal.summary for renewal in renewals], refused)

    def not_renewed(self, *, day: date, at: datetime, closed_through: date | None = None) -> list[NotRenewedError]:
        """Why contracts that are due on or before ``day`` would not be renewed by ``renew``; writes nothing."""
        with many_objects(), reading(self._engine) as connection:
            return self._renewals(connection, day, at, closed_through)[1]

    def _renewals(
        self, connection: sa.Connection, day: date, at: datetime, closed_through: date | None
    ) -> tuple[list[Renewal], list[NotRenewedError]]:
        due = contract_queries.due_for_renewal(connection, day)
        own = contract_queries.versions_of_all(connection, self._documents, due)
        latest = [approved_of(versions)[-1].contract for versions in own.values()]
        stored = self._with_rivals(connection, latest, own)
        notices = contract_queries.notices_of(connection, due)
        return contract_renewals.renewals(due, stored, notices, day, at, closed_through)

    def versions(self, contract_id: str) -> list[StoredVersion]:
        """All versions of a contract, ascending; ContractError naming the closest id where there is no such contract."""
        with reading(self._engine) as connection:
            return contract_queries.versions_of(connection, self._documents, contract_id)

    def notices(self, contract_id: str) -> list[Notice]:
        """The notices of non-renewal of a contract, by the end that they are for."""
        with reading(self._engine) as connection:
            return list(contract_queries.notices_of(connection, [contract_id]).values())

    def list_contracts(self, *, on: date) -> list[Summary]:
        """All contracts by id; ``on`` is the local day that ``version_in_force`` is told for."""
        with reading(self._engine) as connection:
            return contract_queries.summaries(connection, on)

    def approved(
        self, known_at: datetime | None = None, first: date | None = None, last: date | None = None
    ) -> dict[str, list[ApprovedVersion]]:
        """The approved versions of every contract that has one, ascending, contracts by id.

        ``known_at``: only those approved by then. ``first``, ``last``: only those that are in force on one of these local
        days, both inclusive (None: no bound); on these days ``lifecycle.in_force`` says of them what it says of all
        versions, on others it may not.
        """
        with reading(self._engine) as connection:
            return contract_queries.approved(connection, self._documents, known_at, first, last)

    def _with_rivals(
        self,
        connection: sa.Connection,
        contracts: Sequence[Contract],
        known: Mapping[str, list[StoredVersion]] | None = None,
    ) -> dict[str, list[StoredVersion]]:
        """All versions of these contracts that are stored, and of those that share a claim with one; ``known`` is read."""
        claims = {claim for contract in contracts for claim in claims_of(contract)}
        ids = {contract.contract_id for contract in contracts} | contract_queries.rivals_of(connection, claims)
        known = known or {}
        return {**known, **contract_queries.versions_of_all(connection, self._documents, ids - known.keys())}

    def _choose(
        self,
        connection: sa.Connection,
        stored: Mapping[str, Sequence[StoredVersion]],
        contract_id: str,
        version: int | None,
    ) -> StoredVersion:
        versions = stored.get(contract_id) or contract_queries.versions_of(connection, self._documents, contract_id)
        return choose(versions, version)


def choose(versions: Sequence[StoredVersion], version: int | None) -> StoredVersion:
    """A version of a contract, None: the one that waits; ContractError where there is none, with who decided last."""
    contract_id = versions[0].contract.contract_id
    if version is None:
        waiting = next((stored for stored in versions if stored.state is State.SUBMITTED), None)
        if waiting is None:
            latest = versions[-1]
            since = f" by {latest.decided_by} at {format_instant(latest.decided_at)}" if latest.decided_at else ""
            what = f"no version waits for a decision: the latest, {latest.version}, is {latest.state}{since}"
            raise ContractError(what, where=f"contract {contract_id}", remedy="import a document to submit the next version")
        return waiting
    chosen = next((stored for stored in versions if stored.version == version), None)
    if chosen is None:
        what = f"there is no version {version}"
        raise ContractError(what, where=f"contract {contract_id}", remedy=f"name one from 1 to {versions[-1].version}")
    return chosen


def _candidate(name: str, contract: Contract, stored: Mapping[str, Sequence[StoredVersion]]) -> Candidate:
    return Candidate(name, contract, len(stored.get(contract.contract_id, ())) + 1, content_hash(contract))


def _months_changed(
    candidate: Candidate, stored: Mapping[str, Sequence[StoredVersion]], at: datetime, closed: Sequence[Month]
) -> list[Month]:
    approved = approved_of(stored.get(candidate.contract.contract_id, ()))
    return months_changed(approved, ApprovedVersion(candidate.contract, candidate.version, at), closed)


def _raise_if_refused(
    candidates: Sequence[Candidate],
    stored: Mapping[str, Sequence[StoredVersion]],
    at: datetime,
    closed_through: date | None,
) -> None:
    if refused := refusals(candidates, stored, at, closed_through):
        raise ImportRefusedError(refused)


def _same_content(versions: Sequence[StoredVersion], digest: str) -> Imported | None:
    standing = [stored for stored in versions if stored.state is not State.REJECTED]
    if not standing or standing[-1].content_hash != digest:
        return None
    latest = standing[-1]
    return Imported(latest.contract.contract_id, latest.version, latest.state, digest, True, latest.warnings)
