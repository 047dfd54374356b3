"""Which documents of an import are refused, and why: all problems of all documents at once (spec 4.3, 4.4).

Pure: what the books hold, the instant and the last closed day come from the caller.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from contracts_io.calendar import ONE_DAY
from contracts_io.contract import (
    Contract,
    ContractDocumentError,
    InForce,
    Problem,
    check_against_others,
    check_against_versions,
    unsupported,
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


def refusals(
    candidates: Sequence[Candidate],
    stored: Mapping[str, Sequence[StoredVersion]],
    at: datetime,
    closed_through: date | None,
) -> list[ContractDocumentError]:
    """The candidates that cannot be submitted at ``at``, each with its problems; empty where all can.

    ``stored`` holds all versions of every contract in the books; ``closed_through`` is the last closed day that an amendment
    may not reach, None where there is none. Versions that wait, and the other candidates, count as approved.
    """
    if not candidates:
        return []
    names: dict[str, list[str]] = defaultdict(list)
    agreed = {contract_id: _as_if_approved(versions) for contract_id, versions in stored.items()}
    for candidate in candidates:
        contract_id = candidate.contract.contract_id
        names[contract_id].append(candidate.name)
        agreed[contract_id] = [*agreed.get(contract_id, []), ApprovedVersion(candidate.contract, candidate.version, at)]
    stretches = {contract_id: in_force(versions) for contract_id, versions in agreed.items()}
    neighbours = _Neighbours(stretch for own in stretches.values() for stretch in own)
    refused = []
    for candidate in candidates:
        contract = candidate.contract
        versions = stored.get(contract.contract_id, ())
        own = stretches[contract.contract_id]
        problems = [
            *_unsupported(contract),
            *_repeated(contract, names[contract.contract_id]),
            *_waiting(contract, versions),
            *_closed(contract, versions, closed_through),
            *check_against_versions(
                contract, [version.contract for version in versions if version.state is not State.REJECTED]
            ),
            *check_against_others(own, neighbours.of(own)),
        ]
        if problems:
            refused.append(ContractDocumentError(problems, name=candidate.name))
    return refused


def _as_if_approved(versions: Sequence[StoredVersion]) -> list[ApprovedVersion]:
    return [
        ApprovedVersion(stored.contract, stored.version, stored.decided_at or stored.submitted_at)
        for stored in versions
        if stored.state is not State.REJECTED
    ]


def _unsupported(contract: Contract) -> Iterator[Problem]:
    for path in unsupported(contract):
        yield Problem(f"not supported yet: {path}", "a field that is not followed in billing", "a document without it", "")


def _repeated(contract: Contract, names: Sequence[str]) -> Iterator[Problem]:
    if len(names) > 1:
        expected = f"each contract once in an import; these are of one contract: {', '.join(names)}"
        yield Problem("contract_id", contract.contract_id, expected, "")


def _waiting(contract: Contract, versions: Sequence[StoredVersion]) -> Iterator[Problem]:
    for stored in versions:
        if stored.state is State.SUBMITTED:
            expected = f"a contract without a version that waits; approve or reject version {stored.version} first"
            yield Problem("contract_id", contract.contract_id, expected, "")


def _closed(contract: Contract, versions: Sequence[StoredVersion], closed_through: date | None) -> Iterator[Problem]:
    amends = any(stored.state is State.APPROVED for stored in versions)
    if amends and closed_through is not None and contract.effective_from <= closed_through:
        expected = (
            f"a day after {closed_through}, through which the books are closed; to amend closed months use --retroactive"
        )
        yield Problem("effective_from", str(contract.effective_from), expected, str(closed_through + ONE_DAY))


class _Neighbours:
    """Stretches found by what they could share with another contract, so that an import of many compares only few."""

    def __init__(self, stretches: Iterable[InForce]) -> None:
        self._by_key: dict[tuple[str, str], list[InForce]] = defaultdict(list)
        for stretch in stretches:
            for key in _shareable(stretch):
                self._by_key[key].append(stretch)

    def of(self, stretches: Sequence[InForce]) -> list[InForce]:
        keys = {key for stretch in stretches for key in _shareable(stretch)}
        found = {id(other): other for key in sorted(keys) for other in self._by_key[key]}
        return list(found.values())


def _shareable(stretch: InForce) -> set[tuple[str, str]]:
    contract = stretch.contract
    keys: set[tuple[str, str]] = {(contract.side, contract.party.id)}
    if contract.side == "advertiser":
        keys.update(("line item", line_item) for term in contract.terms for line_item in term.line_items or ())
    return keys
