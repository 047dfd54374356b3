"""Contracts read from the books: one contract's versions, those in force in a period, the list.

A document is read only where it is needed, and checked against its hash; what is asked of all contracts at once is answered
from the columns beside it.
"""

from __future__ import annotations

import difflib
import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from datetime import date, datetime
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from contracts_io.bulk import many_objects
from contracts_io.calendar import Month, format_instant
from contracts_io.contract import Contract
from contracts_io.contract_stored import read_stored
from contracts_io.errors import BooksError, ContractError
from contracts_io.lifecycle import Approval, ApprovedVersion, State, StoredVersion
from contracts_io.store.contract_tables import contract_claim, contract_decision, contract_notice, contract_version
from contracts_io.store.document_tables import month_close

_AT_ONCE = 5_000
_IS_APPROVED = contract_version.c.state == State.APPROVED.value


class Summary(NamedTuple):
    """A contract in the list.

    ``state`` and ``version`` are of its latest version; the dates of the latest that was not rejected, where there is one.
    ``version_in_force`` None: none on that day. ``approved_version``: the highest, None where none is. ``renews_on``: the day
    from which that one renews by itself; None: it does not, or a notice is on record. ``first_approval``: the latest version
    waits for a second one.
    """

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
    approved_version: int | None
    renews_on: date | None
    first_approval: bool


class Notice(NamedTuple):
    """A notice of non-renewal: the contract ends with ``ends_on``."""

    contract_id: str
    ends_on: date
    received_on: date
    recorded_by: str
    recorded_at: datetime
    reason: str | None


class Documents:
    """Contracts by the hash of their document; each is read once."""

    def __init__(self) -> None:
        self._read: dict[str, Contract] = {}

    def contract(self, row: Mapping[Any, Any]) -> Contract:
        """The contract of a row's document; BooksError where it is not the one whose hash stands beside it."""
        digest = row["content_hash"]
        if digest not in self._read:
            try:
                if hashlib.sha256(row["document"].encode()).hexdigest() != digest:
                    raise ValueError(digest)
                self._read[digest] = read_stored(row["document"])
            except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
                raise BooksError(
                    "the stored document cannot be read any more",
                    where=f"contract {row['contract_id']} version {row['version']}",
                    remedy="run adledger audit verify: it says what was changed",
                ) from error
        return self._read[digest]


def versions_of(connection: sa.Connection, documents: Documents, contract_id: str) -> list[StoredVersion]:
    """All versions of a contract, ascending; ContractError naming the closest id where there is no such contract."""
    stored = versions_of_all(connection, documents, [contract_id])
    if contract_id in stored:
        return stored[contract_id]
    ids = {found.lower(): found for found in connection.scalars(sa.select(contract_version.c.contract_id).distinct())}
    closest = difflib.get_close_matches(contract_id.lower(), ids, n=1, cutoff=0.4)
    remedy = f"did you mean {ids[closest[0]]}?" if closest else "see `adledger contract list`, or import its document"
    raise ContractError(f"there is no contract {contract_id}", remedy=remedy)


def versions_of_all(
    connection: sa.Connection, documents: Documents, contract_ids: Collection[str]
) -> dict[str, list[StoredVersion]]:
    """All versions of the contracts with these ids, ascending; an id without a contract is not among them."""
    first = contract_decision
    query = (
        sa.select(contract_version, first.c.approved_by, first.c.approved_at)
        .outerjoin(
            first,
            (first.c.contract_id == contract_version.c.contract_id) & (first.c.version == contract_version.c.version),
        )
        .order_by(contract_version.c.contract_id, contract_version.c.version)
    )
    stored: dict[str, list[StoredVersion]] = defaultdict(list)
    with many_objects():
        for some in _parts(contract_ids):
            for row in connection.execute(query.where(contract_version.c.contract_id.in_(some))).mappings():
                stored[row["contract_id"]].append(_version(row, documents))
    return dict(stored)


def closed_months(connection: sa.Connection) -> list[Month]:
    """The months that are closed, as this transaction sees it; ascending."""
    return [Month.parse(month) for month in connection.scalars(sa.select(month_close.c.month).order_by(month_close.c.month))]


def rivals_of(connection: sa.Connection, claims: Collection[tuple[str, str]]) -> set[str]:
    """The ids of the contracts that have a version, in whatever state, with one of these claims."""
    found: set[str] = set()
    for some in _parts({claim for _, claim in claims}):
        columns = (contract_claim.c.kind, contract_claim.c.claim, contract_claim.c.contract_id)
        rows = connection.execute(sa.select(*columns).distinct().where(contract_claim.c.claim.in_(some)))
        found.update(contract_id for kind, claim, contract_id in rows if (kind, claim) in claims)
    return found


def _parts(values: Collection[str]) -> Iterator[list[str]]:
    rest = iter(sorted(values))
    while part := list(islice(rest, _AT_ONCE)):
        yield part


def _version(row: Mapping[Any, Any], documents: Documents) -> StoredVersion:
    first = Approval(row["approved_by"], datetime.fromisoformat(row["approved_at"])) if row["approved_by"] else None
    return StoredVersion(
        contract=documents.contract(row),
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
        first_approval=first,
        closed_months=tuple(map(Month.parse, row["closed_months"].split())),
    )


def approved(
    connection: sa.Connection,
    documents: Documents,
    known_at: datetime | None,
    first: date | None,
    last: date | None,
) -> dict[str, list[ApprovedVersion]]:
    """The approved versions as ``ContractStore.approved`` gives them."""
    mine, higher = contract_version, contract_version.alias("higher")
    query = sa.select(mine.c.contract_id, mine.c.version, mine.c.document, mine.c.content_hash, mine.c.decided_at)
    query = query.where(_IS_APPROVED)
    above = (
        (higher.c.contract_id == mine.c.contract_id)
        & (higher.c.version > mine.c.version)
        & (higher.c.state == State.APPROVED.value)
    )
    if known_at is not None:
        query = query.where(mine.c.decided_at <= format_instant(known_at))
        above &= higher.c.decided_at <= format_instant(known_at)
    if last is not None:
        query = query.where(mine.c.effective_from <= str(last))
    # A version is in force nowhere in the period where its dates do not reach it, or a higher one rules from its beginning.
    rules_from_then = higher.c.effective_from <= mine.c.effective_from
    if first is not None:
        query = query.where(mine.c.ends_on.is_(None) | (mine.c.ends_on >= str(first)))
        rules_from_then |= higher.c.effective_from <= str(first)
    if first is not None or last is not None:
        query = query.where(~sa.exists().where(above & rules_from_then))
    found: dict[str, list[ApprovedVersion]] = defaultdict(list)
    with many_objects():
        for row in connection.execute(query.order_by(mine.c.contract_id, mine.c.version)).mappings():
            approved_at = datetime.fromisoformat(row["decided_at"])
            found[row["contract_id"]].append(ApprovedVersion(documents.contract(row), row["version"], approved_at))
    return dict(sorted(found.items()))


def due_for_renewal(connection: sa.Connection, day: date) -> list[str]:
    """The ids of the contracts whose highest approved version renews by itself by ``day``, without a notice; ascending."""
    version, highest = contract_version, _highest_approved()
    query = (
        sa.select(version.c.contract_id)
        .join(highest, (highest.c.contract_id == version.c.contract_id) & (highest.c.version == version.c.version))
        .where(version.c.renews_on <= str(day), ~_has_notice(version))
        .order_by(version.c.contract_id)
    )
    return list(connection.scalars(query))


def notices_of(connection: sa.Connection, contract_ids: Collection[str]) -> dict[tuple[str, date], Notice]:
    """The notices of non-renewal of these contracts, by contract and the end that they are for; ascending."""
    query = sa.select(contract_notice).order_by(contract_notice.c.contract_id, contract_notice.c.ends_on)
    found = {}
    for some in _parts(contract_ids):
        for row in connection.execute(query.where(contract_notice.c.contract_id.in_(some))):
            notice = Notice(
                row.contract_id,
                _day(row.ends_on),
                _day(row.received_on),
                row.recorded_by,
                datetime.fromisoformat(row.recorded_at),
                row.reason,
            )
            found[notice.contract_id, notice.ends_on] = notice
    return found


def _highest_approved() -> sa.Subquery:
    version = contract_version.c
    highest = sa.select(version.contract_id, sa.func.max(version.version).label("version")).where(_IS_APPROVED)
    return highest.group_by(version.contract_id).subquery()


def _has_notice(version: sa.FromClause) -> sa.ColumnElement[bool]:
    notice = contract_notice.c
    return sa.exists().where(notice.contract_id == version.c.contract_id, notice.ends_on == version.c.ends_on)


def summaries(connection: sa.Connection, on: date) -> list[Summary]:
    """The list as ``ContractStore.list_contracts`` gives it."""
    version = contract_version.c
    approved_then = _IS_APPROVED & (version.effective_from <= str(on))
    highest = (
        sa.select(
            version.contract_id,
            sa.func.max(version.version).label("latest"),
            sa.func.max(sa.case((version.state != State.REJECTED.value, version.version))).label("standing"),
            sa.func.max(sa.case((_IS_APPROVED, version.version))).label("approved"),
            sa.func.max(sa.case((approved_then, version.version))).label("ruling"),
        )
        .group_by(version.contract_id)
        .subquery()
    )
    latest, shown, agreed, ruling = (contract_version.alias(name) for name in ("latest", "shown", "agreed", "ruling"))

    def of(alias: sa.FromClause, number: sa.ColumnElement[Any]) -> sa.ColumnElement[bool]:
        return (alias.c.contract_id == highest.c.contract_id) & (alias.c.version == number)

    runs = (ruling.c.starts_on <= str(on)) & (ruling.c.ends_on.is_(None) | (ruling.c.ends_on >= str(on)))
    first_approval = sa.exists().where(
        latest.c.state == State.SUBMITTED.value,
        contract_decision.c.contract_id == highest.c.contract_id,
        contract_decision.c.version == highest.c.latest,
    )
    query = (
        sa.select(
            highest.c.contract_id,
            *(shown.c[name] for name in ("side", "party_id", "party_name", "currency", "timezone")),
            latest.c.state,
            highest.c.latest,
            sa.case((runs, highest.c.ruling)),
            shown.c.starts_on,
            shown.c.ends_on,
            highest.c.approved,
            sa.case((~_has_notice(agreed), agreed.c.renews_on)),
            first_approval,
        )
        .join(latest, of(latest, highest.c.latest))
        .join(shown, of(shown, sa.func.coalesce(highest.c.standing, highest.c.latest)))
        .outerjoin(agreed, of(agreed, highest.c.approved))
        .outerjoin(ruling, of(ruling, highest.c.ruling))
        .order_by(highest.c.contract_id)
    )
    return [_summary(row) for row in connection.execute(query)]


def _summary(row: Any) -> Summary:
    contract_id, side, party_id, party_name, currency, timezone, state, version, ruling, *days, agreed, renews, waits = row
    starts_on, ends_on = days
    return Summary(
        contract_id,
        side,
        party_id,
        party_name,
        currency,
        timezone,
        State(state),
        version,
        ruling,
        _day(starts_on),
        _day(ends_on) if ends_on else None,
        agreed,
        _day(renews) if renews else None,
        bool(waits),
    )


def _day(text: str) -> date:
    return date.fromisoformat(text)
