"""Which documents of an import are refused, and why: all problems of all documents at once (spec 4.3, 4.4).

Pure: what the books hold, the instant and the last closed day come from the caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from contracts_io.calendar import ONE_DAY, format_instant
from contracts_io.contract import (
    Contract,
    ContractDocumentError,
    Cpa,
    InForce,
    Problem,
    check_against_others,
    check_against_versions,
)
from contracts_io.errors import ContractError
from contracts_io.lifecycle import ApprovedVersion, State, StoredVersion, in_force


class ImportRefusedError(ContractError):
    """Documents of one import with problems: all of them in ``documents``, by file; none of the import was stored."""

    def __init__(self, documents: Sequence[ContractDocumentError]) -> None:
        self.documents = tuple(documents)
        names = ", ".join(document.where for document in documents)
        super().__init__(
            "the import is refused, nothing was stored", where=names, remedy="correct the documents and import again"
        )

    def __str__(self) -> str:
        return "\n".join([*map(str, self.documents), f"{self.what}\n  -> {self.remedy}"])


class Candidate(NamedTuple):
    """A document that an import is to store."""

    name: str
    contract: Contract
    version: int
    content_hash: str


def claims_of(contract: Contract) -> set[tuple[str, str]]:
    """What a contract claims for itself alone, as (kind, claim): contracts that share none are not in each other's way."""
    if contract.side == "partner":
        return {("partner", contract.party.id)}
    claims = {("line_item", line_item) for term in contract.terms for line_item in term.line_items or ()}
    events = {term.pricing.event for term in contract.terms if isinstance(term.pricing, Cpa)}
    # Neither a party id nor an event holds a line break, so it keeps them apart.
    return claims | {("event", f"{contract.party.id}\n{event}") for event in events}


class Agreed:
    """What is agreed with everybody, and whether one contract's part of it is in the way of another's."""

    def __init__(self, versions: Mapping[str, Sequence[ApprovedVersion]]) -> None:
        self._versions: dict[str, list[ApprovedVersion]] = defaultdict(list)
        self._stretches: dict[str, list[InForce]] = {}
        self._holders: dict[tuple[str, str], set[str]] = defaultdict(set)
        for each in versions.values():
            for version in each:
                self.add(version)

    def add(self, version: ApprovedVersion) -> None:
        """Count a further version as approved."""
        contract_id = version.contract.contract_id
        self._versions[contract_id].append(version)
        self._stretches.pop(contract_id, None)
        for claim in claims_of(version.contract):
            self._holders[claim].add(contract_id)

    def problems(self, contract_id: str, version: ApprovedVersion | None = None) -> list[Problem]:
        """What the contract, counting ``version`` of it as approved, may not share with the others."""
        own = in_force([*self._versions[contract_id], version]) if version else self._in_force(contract_id)
        claims = {claim for stretch in own for claim in claims_of(stretch.contract)}
        rivals = {holder for claim in claims for holder in self._holders[claim]} - {contract_id}
        return check_against_others(own, [stretch for rival in sorted(rivals) for stretch in self._in_force(rival)])

    def _in_force(self, contract_id: str) -> list[InForce]:
        if contract_id not in self._stretches:
            self._stretches[contract_id] = in_force(self._versions[contract_id])
        return self._stretches[contract_id]


def refusals(
    candidates: Sequence[Candidate],
    stored: Mapping[str, Sequence[StoredVersion]],
    at: datetime,
    closed_through: date | None,
) -> list[ContractDocumentError]:
    """The candidates that cannot be submitted at ``at``, each with its problems; empty where all can.

    ``stored`` holds all versions of the candidates' contracts, and of every contract in the books that shares a claim with one;
    ``closed_through`` is the last closed day that an amendment may not reach, None where there is none. Versions that wait,
    and the other candidates, count as approved.
    """
    names: dict[str, list[str]] = defaultdict(list)
    agreed = Agreed({contract_id: as_if_approved(versions) for contract_id, versions in stored.items()})
    for candidate in candidates:
        names[candidate.contract.contract_id].append(candidate.name)
        agreed.add(ApprovedVersion(candidate.contract, candidate.version, at))
    refused = []
    for candidate in candidates:
        contract = candidate.contract
        versions = stored.get(contract.contract_id, ())
        problems = [
            *_repeated(contract, names[contract.contract_id]),
            *_waiting(contract, versions),
            *closed_month(contract, versions, closed_through),
            *check_against_versions(
                contract, [version.contract for version in versions if version.state is not State.REJECTED]
            ),
            *agreed.problems(contract.contract_id),
        ]
        if problems:
            refused.append(ContractDocumentError(problems, name=candidate.name))
    return refused


def as_if_approved(versions: Sequence[StoredVersion]) -> list[ApprovedVersion]:
    """The versions of a contract that are approved, or would be if who decides agrees."""
    return [
        ApprovedVersion(stored.contract, stored.version, stored.decided_at or stored.submitted_at)
        for stored in versions
        if stored.state is not State.REJECTED
    ]


def _repeated(contract: Contract, names: Sequence[str]) -> Iterator[Problem]:
    if len(names) > 1:
        expected = f"each contract once in an import; these are of one contract: {', '.join(names)}"
        yield Problem("contract_id", contract.contract_id, expected, "")


def _waiting(contract: Contract, versions: Sequence[StoredVersion]) -> Iterator[Problem]:
    for stored in versions:
        if stored.state is State.SUBMITTED:
            since = f"{stored.submitted_by} submitted version {stored.version} at {format_instant(stored.submitted_at)}"
            expected = f"a contract without a version that waits; approve or reject version {stored.version} first ({since})"
            yield Problem("contract_id", contract.contract_id, expected, "")


def closed_month(contract: Contract, versions: Sequence[StoredVersion], closed_through: date | None) -> Iterator[Problem]:
    """The problem of an amendment that takes effect on a day through which the books are closed."""
    amends = any(stored.state is State.APPROVED for stored in versions)
    if amends and closed_through is not None and contract.effective_from <= closed_through:
        expected = (
            f"a day after {closed_through}, through which the books are closed; to amend closed months use --retroactive"
        )
        yield Problem("effective_from", str(contract.effective_from), expected, str(closed_through + ONE_DAY))
