"""The life of a contract version: who may do what, and which version is in force on which day (spec 4.4).

    draft --submit--> submitted --approve--> approved        (where two approvals are needed: by two persons)
                                --reject---> rejected
    draft --renew----> approved                             (by adledger itself, the one approval without a second person)

Pure: instants and persons come from the caller, storing is done elsewhere.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from contracts_io.calendar import ONE_DAY, Month, format_instant
from contracts_io.contract import Contract, Cpm, Dcpm, InForce
from contracts_io.errors import ContractError

PERSON_LENGTH = 100
REASON_LENGTH = 1000
CONTENT_LENGTH = 12
"""How many digits of a content hash name a content at least."""
SYSTEM = "adledger"
"""Who renews; no person has this name."""

_ALIKE = frozenset(("LATIN", "CYRILLIC", "GREEK"))
# What Unicode lets a display leave out and str.isprintable takes for a letter or a mark.
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]")


class State(StrEnum):
    """Where a version stands; only an approved one is ever in force."""

    DRAFT = "draft"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    REJECTED = "rejected"


class Action(StrEnum):
    """What is done to a version or, by a notice, to its renewal; also the action of its audit record."""

    SUBMIT = "submit"
    APPROVE = "approve"
    REJECT = "reject"
    RENEW = "renew"
    NOTICE = "notice"


class ApprovedVersion(NamedTuple):
    """An approved version of a contract; ``approved_at`` carries its zone."""

    contract: Contract
    version: int
    approved_at: datetime


class Approval(NamedTuple):
    """The first of two approvals of a version that needs two."""

    by: str
    at: datetime


class ApprovalLimits(NamedTuple):
    """Above which amounts, in micros of the contract's currency, a version needs two approvals; None: never for that."""

    minimum_monthly: int | None = None
    budget: int | None = None


NO_LIMITS = ApprovalLimits()
"""One approval is enough for every version."""


class StoredVersion(NamedTuple):
    """A version as the books hold it; who decided, when and why are None while it waits.

    ``closed_months``: those that it changes, as far as they were closed when it was submitted. ``first_approval``: that of the
    first of two persons, where two were needed.
    """

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
    first_approval: Approval | None = None
    closed_months: tuple[Month, ...] = ()


_NEXT = {
    (State.DRAFT, Action.SUBMIT): State.SUBMITTED,
    (State.DRAFT, Action.RENEW): State.APPROVED,
    (State.SUBMITTED, Action.APPROVE): State.APPROVED,
    (State.SUBMITTED, Action.REJECT): State.REJECTED,
}

_REMEDY = {
    State.DRAFT: "import the document first: that submits it",
    State.SUBMITTED: "approve or reject it",
    State.APPROVED: "an approved version stays as it is: import an amendment as the next version",
    State.REJECTED: "a rejected version stays rejected: import the corrected document as the next version",
}


def advance(
    state: State, action: Action, *, by: str, submitted_by: str, where: str, decided: Approval | None = None
) -> State:
    """The state after ``action`` by the person ``by`` on a version in ``state`` that ``submitted_by`` submitted.

    Raises ContractError, naming ``where``, for a step that does not exist from ``state``, with who ``decided`` and when, and
    for an approval by the submitter; persons are the same where only capitals or look-alike forms differ. A submitter may
    reject: that withdraws the version.
    """
    after = _NEXT.get((state, action))
    if after is None:
        since = f": {decided.by} {state} it at {format_instant(decided.at)}" if decided else ""
        raise ContractError(f"cannot {action} a version that is {state}{since}", where=where, remedy=_REMEDY[state])
    if action is Action.APPROVE and same_person(by, submitted_by):
        raise ContractError(
            f"{by} submitted this version and so cannot approve it", where=where, remedy="have another person approve it"
        )
    return after


def approvals_needed(contract: Contract, limits: ApprovalLimits) -> int:
    """How many persons besides the submitter must approve: 2 where the minimum or a term's budget is above the limit."""
    budgets = [term.pricing.budget for term in contract.terms if isinstance(term.pricing, Cpm | Dcpm)]
    above = [(contract.minimum_monthly, limits.minimum_monthly), *((budget, limits.budget) for budget in budgets)]
    return 2 if any(amount is not None and limit is not None and amount > limit for amount, limit in above) else 1


def after_approval(version: StoredVersion, *, by: str, limits: ApprovalLimits, where: str) -> State:
    """The state after an approval by ``by``: approved, or submitted still where it is the first of the two that are needed.

    ContractError as of ``advance``, and where two are needed and ``by`` gave the first.
    """
    decided = Approval(version.decided_by, version.decided_at) if version.decided_by and version.decided_at else None
    after = advance(version.state, Action.APPROVE, by=by, submitted_by=version.submitted_by, where=where, decided=decided)
    if approvals_needed(version.contract, limits) == 1:
        return after
    first = version.first_approval
    if first is None:
        return State.SUBMITTED
    if same_person(by, first.by):
        raise ContractError(
            f"{first.by} approved this version at {format_instant(first.at)}; it needs the approvals of two persons",
            where=where,
            remedy="have another person approve it",
        )
    return after


def check_closed_months(
    version: StoredVersion, approved: Sequence[ApprovedVersion], closed: Iterable[Month], *, retroactive: bool, where: str
) -> bool:
    """Whether an approval of ``version`` now changes a month that was closed after it was submitted without --retroactive.

    ``approved``: the contract's versions that are approved. ContractError, naming these months, unless the approval is
    ``retroactive``.
    """
    if version.retroactive:
        return False
    now_approved = ApprovedVersion(version.contract, version.version, version.submitted_at)
    since = [month for month in months_changed(approved, now_approved, closed) if month not in version.closed_months]
    if since and not retroactive:
        months = ", ".join(map(str, since))
        raise ContractError(
            f"it changes {months}, closed since it was submitted",
            where=where,
            remedy="approve it with --retroactive, then issue the difference with `adledger adjust "
            f"{since[0]}`; or reject it, and have it submitted again from a later day on",
        )
    return bool(since)


def check_content(given: str, content_hash: str, *, where: str) -> None:
    """ContractError where ``given``, a hash or the first 12 digits of it at least, is not that of the version."""
    if re.fullmatch(f"[0-9a-f]{{{CONTENT_LENGTH},64}}", given) is None:
        raise ContractError(
            f"{given!r} names no content: it takes {CONTENT_LENGTH} to 64 hexadecimal digits in small letters",
            where=where,
            remedy="copy the content hash that `adledger contract show` prints",
        )
    if not content_hash.startswith(given):
        raise ContractError(
            f"its content is {content_hash[: max(CONTENT_LENGTH, len(given))]}, not {given}",
            where=where,
            remedy="look at it with `adledger contract show`, then approve what you saw",
        )


def same_person(one: str, other: str) -> bool:
    """Whether two names are one person's: only capitals or look-alike forms differ."""
    return _same(one) == _same(other)


def _alphabets(name: str) -> set[str]:
    """Which of the alphabets that share the shapes of letters a name is written in."""
    return {word for c in name if c.isalpha() and (word := unicodedata.name(c, "").partition(" ")[0]) in _ALIKE}


def _same(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


def person(text: str) -> str:
    """A person's name as it is recorded, without outer blanks; ContractError where it is not of its form."""
    name = _written(text, "the name of the person who acts", PERSON_LENGTH, "name the person, for example --by ana")
    if _INVISIBLE.search(name) or len(_alphabets(name)) > 1:
        what = f"the name of the person who acts has letters that cannot be seen, or that look like others: {name!a}"
        raise ContractError(what, remedy="write it in the letters of one alphabet, so that nobody has a second name")
    if _same(name) == SYSTEM:
        raise ContractError(f"{name} is what renews contracts, not a person", remedy="name the person, for example --by ana")
    return name


def rejection_reason(text: str) -> str:
    """Why a version is rejected as it is recorded, without outer blanks; ContractError where it is not of its form."""
    return _written(text, "the reason of a rejection", REASON_LENGTH, "say in one line why the version is rejected")


def notice_reason(text: str) -> str:
    """What a notice of non-renewal says as it is recorded, without outer blanks; ContractError where it is not of its form."""
    return _written(text, "the reason of a notice", REASON_LENGTH, "leave it out, or write one line")


def _written(text: str, what: str, longest: int, remedy: str) -> str:
    text = text.strip()
    if not text:
        raise ContractError(f"{what} is empty", remedy=remedy)
    if len(text) > longest:
        raise ContractError(f"{what} has {len(text)} characters, at most {longest} are kept", remedy="shorten it")
    if not text.isprintable():
        raise ContractError(f"{what} holds control characters: {text!r}", remedy="write it in plain letters on one line")
    return text


def approved_of(versions: Iterable[StoredVersion]) -> list[ApprovedVersion]:
    """Those of a contract's versions that are approved."""
    return [
        ApprovedVersion(stored.contract, stored.version, stored.decided_at)
        for stored in versions
        if stored.state is State.APPROVED and stored.decided_at is not None
    ]


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


def stretches_of(approved: Mapping[str, Sequence[ApprovedVersion]]) -> list[InForce]:
    """The stretches of all contracts, given each contract's approved versions by its id: by contract id, then by day."""
    return [stretch for contract_id in sorted(approved) for stretch in in_force(approved[contract_id])]


def months_changed(approved: Sequence[ApprovedVersion], version: ApprovedVersion, months: Iterable[Month]) -> list[Month]:
    """Those of ``months`` in which something else is in force, or billed, once ``version`` is approved too."""
    before, after = in_force(approved), in_force([*approved, version])
    return [month for month in months if _reaching(before, month) != _reaching(after, month)]


def _reaching(stretches: Sequence[InForce], month: Month) -> list[tuple[int, date, date]]:
    """The versions whose stretches reach into a month, also by conversions that are billed days after, with first and last day."""
    cut = []
    for contract, version, first, last in stretches:
        billed = month.last if last is None else last + timedelta(days=contract.validation_days)
        if first <= month.last and billed >= month.first:
            cut.append((version, max(first, month.first), min(billed, month.last)))
    return cut
