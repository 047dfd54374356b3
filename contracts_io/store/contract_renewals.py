"""Which renewals a day brings, given what the books hold, and what stands in the way of one."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from contracts_io.admission import Agreed, as_if_approved, closed_month
from contracts_io.calendar import ONE_DAY, format_instant
from contracts_io.contract import Contract, ContractDocumentError, content_hash
from contracts_io.errors import ContractError
from contracts_io.lifecycle import SYSTEM, ApprovedVersion, State, StoredVersion, approved_of
from contracts_io.renewal import due_renewals, renewed, renews_on


class Renewed(NamedTuple):
    """A contract that was renewed just now: its new version and its new end."""

    contract_id: str
    version: int
    content_hash: str
    ends_on: date


class NotRenewedError(ContractError):
    """Why the renewal of ``contract_id``, which is due, cannot be made."""

    def __init__(self, contract_id: str, error: ContractError, remedy: str) -> None:
        self.contract_id = contract_id
        what = error.what
        if isinstance(error, ContractDocumentError):
            what = "".join(["what it would be is refused:", *(f"\n  {problem}" for problem in error.problems)])
        super().__init__(what, where=error.where, remedy=remedy)


class Renewals(NamedTuple):
    """What a day's renewals came to; ``refused``: what could not be renewed, and why. Nothing of it was stored."""

    made: list[Renewed]
    refused: list[NotRenewedError]


class Renewal(NamedTuple):
    """The version that renews a contract, to be stored, and the approved one that it renews."""

    contract: Contract
    version: int
    content_hash: str
    renews: ApprovedVersion

    @property
    def summary(self) -> Renewed:
        """What is told of it."""
        ends_on = self.contract.ends_on
        assert ends_on is not None
        return Renewed(self.contract.contract_id, self.version, self.content_hash, ends_on)


def renewals(
    due: Sequence[str],
    stored: Mapping[str, Sequence[StoredVersion]],
    notices: Collection[tuple[str, date]],
    day: date,
    at: datetime,
    closed_through: date | None,
) -> tuple[list[Renewal], list[NotRenewedError]]:
    """The renewals of the contracts ``due`` that can be made, in their order, and why others cannot.

    ``stored`` holds all versions of these contracts and of those that share a claim with one.
    """
    agreed = Agreed({contract_id: as_if_approved(versions) for contract_id, versions in stored.items()})
    made: list[Renewal] = []
    refused: list[NotRenewedError] = []
    for contract_id in due:
        versions = stored[contract_id]
        current, number = approved_of(versions)[-1], len(versions)
        remedy = (
            "import an amendment that can stand, or put a notice of non-renewal on record: "
            f"`adledger contract notice {contract_id} --by USER`"
        )
        try:
            _check_that_none_waits(versions, day)
            while due_renewals([current.contract], notices, day):
                number += 1
                contract = renewed(current.contract)
                following = ApprovedVersion(contract, number, at)
                closed = list(closed_month(contract, versions, closed_through))
                if closed:
                    remedy = "import the renewed contract as an amendment: `adledger contract import FILE --by USER --retroactive`"
                if problems := [*closed, *agreed.problems(contract_id, following)]:
                    name = f"the renewal of contract {contract_id} after {current.contract.ends_on}"
                    raise ContractDocumentError(problems, name=name)
                agreed.add(following)
                made.append(Renewal(contract, number, content_hash(contract), current))
                current = following
        except ContractDocumentError as error:
            refused.append(NotRenewedError(contract_id, error, remedy))
        except ContractError as error:
            refused.append(NotRenewedError(contract_id, error, error.remedy))
    return made, refused


def _check_that_none_waits(versions: Sequence[StoredVersion], day: date) -> None:
    # Terms are agreed on anew: to renew the old ones now would bring them back after their end.
    waiting = next((stored for stored in versions if stored.state is State.SUBMITTED), None)
    if waiting:
        raise ContractError(
            f"its renewal, due by {day}, waits for the decision on version {waiting.version}",
            where=f"contract {waiting.contract.contract_id}",
            remedy="approve or reject that version; the next run renews what is agreed then",
        )


def renewable(versions: Sequence[StoredVersion], received_on: date) -> StoredVersion:
    """The approved version whose renewal a notice received on a day prevents; ContractError where there is none."""
    contract_id = versions[0].contract.contract_id
    where = f"contract {contract_id}"
    approved = [stored for stored in versions if stored.state is State.APPROVED]
    if not approved:
        raise ContractError("no version of it is approved", where=where, remedy="reject the version that waits instead")
    current = approved[-1]
    contract = current.contract
    if renews_on(contract) is None:
        remedy = f"nothing is left to do: it ends on {contract.ends_on}" if contract.ends_on else "terminate it instead"
        raise ContractError("it does not renew by itself", where=where, remedy=remedy)
    if current.submitted_by == SYSTEM and received_on < contract.effective_from:
        old_end = contract.effective_from - ONE_DAY
        raise ContractError(
            f"it was renewed already, at {format_instant(current.submitted_at)}: "
            f"version {current.version} ends on {contract.ends_on}",
            where=where,
            remedy=f"to end it on {old_end} all the same: adledger contract terminate {contract_id} --on {old_end}",
        )
    return current
