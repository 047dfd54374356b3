"""The life of a contract version: who may do what, and which version is in force on which day (spec 4.4).

    draft --submit--> submitted --approve--> approved
                                --reject---> rejected

Pure: instants and persons come from the caller, storing is done elsewhere.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from enum import StrEnum
from typing import NamedTuple

from contracts_io.calendar import ONE_DAY
from contracts_io.contract import Contract, InForce
from contracts_io.errors import ContractError

PERSON_LENGTH = 100
REASON_LENGTH = 1000


class State(StrEnum):
    """Where a version stands; only an approved one is ever in force."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


class Action(StrEnum):
    """What a person does to a version; also the action of its audit record."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"


class ApprovedVersion(NamedTuple):
    """An approved version of a contract; ``approved_at`` carries its zone."""

    contract: Contract
    version: int
    approved_at: datetime


class StoredVersion(NamedTuple):
    """A version as the books hold it; who decided, when and why are None while it waits."""

    contract: Contract
    version: int
    state: State
    content_hash: str
    submitted_by: str
    submitted_at: datetime
    decided_by: str | None
    decided_at: datetime | None
    reason: str | None
    retroactive: bool
    warnings: tuple[str, ...] = ()


_NEXT = {
    (State.DRAFT, Action.SUBMIT): State.SUBMITTED,
    (State.SUBMITTED, Action.APPROVE): State.APPROVED,
    (State.SUBMITTED, Action.REJECT): State.REJECTED,
}

_REMEDY = {
    State.DRAFT: "import the document first: that submits it",
    State.SUBMITTED: "approve or reject it",
    State.APPROVED: "an approved version stays as it is: import an amendment as the next version",
    State.REJECTED: "a rejected version stays rejected: import the corrected document as the next version",
}


def advance(state: State, action: Action, *, by: str, submitted_by: str, where: str) -> State:
    """The state after ``action`` by the person ``by`` on a version in ``state`` that ``submitted_by`` submitted.

    Raises ContractError, naming ``where``, for a step that does not exist from ``state`` and for an approval by the
    submitter; persons are the same where only capitals or look-alike forms differ. A submitter may
    reject: that withdraws the version.
    """
    after = _NEXT.get((state, action))
    if after is None:
        raise ContractError(f"cannot {action} a version that is {state}", where=where, remedy=_REMEDY[state])
    if action is Action.APPROVE and _same(by) == _same(submitted_by):
        raise ContractError(
            f"{by} submitted this version and so cannot approve it", where=where, remedy="have another person approve it"
        )
    return after


def _same(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def person(text: str) -> str:
    """A person's name as it is recorded, without outer blanks; ContractError where it is not of its form."""
    return _written(text, "the name of the person who acts", PERSON_LENGTH, "name the person, for example --by ana")


def rejection_reason(text: str) -> str:
    """Why a version is rejected as it is recorded, without outer blanks; ContractError where it is not of its form."""
    return _written(text, "the reason of a rejection", REASON_LENGTH, "say in one line why the version is rejected")


def _written(text: str, what: str, longest: int, remedy: str) -> str:
    text = text.strip()
    if not text:
        raise ContractError(f"{what} is empty", remedy=remedy)
    if len(text) > longest:
        raise ContractError(f"{what} has {len(text)} characters, at most {longest} are kept", remedy="shorten it")
    if not text.isprintable():
        raise ContractError(f"{what} holds control characters: {text!r}", remedy="write it in plain letters on one line")
    return text


def in_force(versions: Sequence[ApprovedVersion], known_at: datetime | None = None) -> list[InForce]:
    """The stretches of local days on which each of one contract's approved versions is in force.

    As known at ``known_at`` (None: everything approved counts). On a day the highest version number that is effective by
    then rules, and the contract is in force where that day lies within that version's own dates: a later version that ends
    early cuts, whatever an earlier one said. Disjoint and ascending; ``last`` is inclusive, None where the stretch
    has no end.
    """
    known = [v for v in versions if known_at is None or v.approved_at <= known_at]
    stretches = []
    taken_from: date | None = None  # from this day on a higher version rules
    for contract, version, _ in sorted(known, key=lambda v: v.version, reverse=True):
        effective = contract.effective_from
        if taken_from is not None and effective >= taken_from:
            continue
        first = max(effective, contract.starts_on)
        last = contract.ends_on
        if taken_from is not None:
            day_before = taken_from - ONE_DAY
            last = day_before if last is None else min(last, day_before)
        if last is None or first <= last:
            stretches.append(InForce(contract, version, first, last))
        taken_from = effective
    return stretches[::-1]


def stretches_of(approved: Mapping[str, Sequence[ApprovedVersion]], known_at: datetime | None = None) -> list[InForce]:
    """The stretches of all contracts, given each contract's approved versions by its id: by contract id, then by day."""
    return [stretch for contract_id in sorted(approved) for stretch in in_force(approved[contract_id], known_at)]
