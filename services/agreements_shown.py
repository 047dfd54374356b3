"""What people see of contracts: the list, one contract in words, its history, what changed between versions."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from rich.cells import cell_len

from contracts_io.calendar import ONE_DAY, format_instant
from contracts_io.contract import canonical_json
from contracts_io.contract_diff import diff
from contracts_io.contract_words import sentences
from contracts_io.errors import ContractError
from contracts_io.home import Home
from contracts_io.lifecycle import Approval, State, StoredVersion, approved_of, in_force
from contracts_io.store.audit import trail
from contracts_io.store.contract_queries import Summary
from services import show
from services.agreements import version_of

LONG_LIST = 200
"""From how many rows on a table is laid out without the niceties of the terminal, which cost half a millisecond a row."""


def show_list(home: Home, on: date, *, json_output: bool) -> None:
    """Print every contract with its party, dates and state."""
    contracts = home.contracts.list_contracts(on=on)
    if json_output:
        show.as_json([contract._asdict() | {"next_event": next_event(contract, on)} for contract in contracts])
        return
    rows = [
        (
            c.contract_id,
            c.side,
            f"{c.party_name} ({c.party_id})",
            c.currency,
            c.timezone,
            c.starts_on,
            c.ends_on or "open",
            f"{c.state} v{c.version}",
            f"v{c.version_in_force}" if c.version_in_force else "none",
            next_event(c, on),
        )
        for c in contracts
    ]
    columns = ["contract", "side", "party", "currency", "time zone", "from", "to", "latest", f"in force {on}", "next"]
    title = "1 contract" if len(rows) == 1 else f"{len(rows):,} contracts"
    if len(rows) > LONG_LIST:
        sys.stdout.writelines(_lines(title, columns, [[str(cell) for cell in row] for row in rows]))
        return
    show.console().print(show.table(title, columns, rows))
    if not rows:
        show.console().print("none yet: adledger contract import FILE... --by USER")


def _lines(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """The lines of a table that looks like others, laid out in a fraction of the time."""
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *rows, strict=True)]
    yield f"{title}\n\n"
    for place, row in enumerate([columns, *rows]):
        cells = (cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True))
        yield f"{'   '.join(cells).rstrip()}\n"
        if place == 0:
            yield f"{'─' * (sum(widths) + 3 * len(widths) - 3)}\n"


def next_event(contract: Summary, on: date) -> str:
    """What happens to a contract next, as seen on a day: a decision, a start, a renewal, an end."""
    renews_on, ends_on = contract.renews_on, contract.ends_on
    if contract.state is State.SUBMITTED:
        if renews_on and renews_on <= on:
            return f"renewal waits for the decision on version {contract.version}"
        return "waits for a second approval" if contract.first_approval else "waits for approval"
    if contract.approved_version is None:
        return "rejected"
    if on < contract.starts_on:
        return f"starts in {_days((contract.starts_on - on).days)}"
    if renews_on and on < renews_on:
        return f"renews in {_days((renews_on - on).days)} unless notice is given by {renews_on - ONE_DAY}"
    if renews_on:
        return f"renewal is due: the run of delivery day {renews_on} or a later one makes it, or says why not"
    if ends_on is None:
        return ""
    days = (ends_on - on).days
    return f"expires in {_days(days)}" if days > 0 else "expires today" if days == 0 else f"expired {_days(-days)} ago"


def _days(number: int) -> str:
    return "1 day" if number == 1 else f"{number:,} days"


def show_contract(
    home: Home,
    contract_id: str,
    version: int | None,
    *,
    on: date | None = None,
    known_at: datetime | None = None,
    json_output: bool,
) -> None:
    """Print the versions of a contract and the document of one of them.

    That is ``version``; or the one in force ``on`` a local date; or the latest. With ``known_at`` all of it is as the books
    knew it at that instant: what was submitted, decided or noted down later is left out.
    """
    versions = _as_known(home.contracts.versions(contract_id), known_at)
    chosen = version_of(home, contract_id, _in_force_on(home, contract_id, on, known_at) if on else version)
    notices = [n for n in home.contracts.notices(contract_id) if known_at is None or n.recorded_at <= known_at]
    document = json.loads(canonical_json(chosen.contract))
    said = sentences(chosen.contract)
    if json_output:
        shown = [v._asdict() | {"contract": contract_id, "first_approval": _as_dict(v.first_approval)} for v in versions]
        show.as_json(
            {
                "versions": shown,
                "notices": [notice._asdict() for notice in notices],
                "version": chosen.version,
                "content_hash": chosen.content_hash,
                "sentences": said,
                "document": document,
            }
        )
        return
    out = show.console()
    rows = [
        (v.version, _state(v), v.contract.effective_from, v.submitted_by, _decided_by(v), v.reason, v.content_hash[:12])
        for v in versions
    ]
    columns = ["version", "state", "effective from", "submitted by", "decided by", "reason", "content"]
    out.print(show.table(contract_id, columns, rows))
    for notice in notices:
        reason = f": {notice.reason}" if notice.reason else ""
        text = f"notice of non-renewal for {notice.ends_on}, received {notice.received_on}, by {notice.recorded_by}{reason}"
        out.print(text, markup=False, soft_wrap=True)
    for warning in chosen.warnings:
        out.print(f"warning: {warning}", markup=False, soft_wrap=True)
    out.print(f"version {chosen.version} in words:", style="bold")
    for sentence in said:
        out.print(f"  {sentence}", markup=False, soft_wrap=True)
    out.print(f"document of version {chosen.version}, content {chosen.content_hash}:", style="bold", soft_wrap=True)
    out.print(json.dumps(document, ensure_ascii=False, indent=2), markup=False, soft_wrap=True)


def _as_known(versions: Sequence[StoredVersion], known_at: datetime | None) -> list[StoredVersion]:
    """The versions as they stood at ``known_at``: one that was decided on later waits."""
    if known_at is None:
        return list(versions)
    return [_undone(version, known_at) for version in versions if version.submitted_at <= known_at]


def _undone(version: StoredVersion, known_at: datetime) -> StoredVersion:
    """The version without what was decided on it after ``known_at``."""
    if version.decided_at is not None and version.decided_at > known_at:
        version = version._replace(state=State.SUBMITTED, decided_by=None, decided_at=None, reason=None)
    if version.first_approval is not None and version.first_approval.at > known_at:
        version = version._replace(first_approval=None)
    return version


def _as_dict(approval: Approval | None) -> dict[str, object] | None:
    return approval._asdict() if approval else None


def _waits_for_a_second(version: StoredVersion) -> bool:
    return version.state is State.SUBMITTED and version.first_approval is not None


def _state(version: StoredVersion) -> str:
    return "waits for a second approval" if _waits_for_a_second(version) else version.state.value


def _decided_by(version: StoredVersion) -> str:
    first = version.first_approval.by if version.first_approval else None
    return " and ".join(name for name in (first, version.decided_by) if name)


def _in_force_on(home: Home, contract_id: str, on: date, known_at: datetime | None) -> int:
    """The version in force on ``on``, as known at ``known_at``; ContractError where none was."""
    approved = approved_of(home.contracts.versions(contract_id))
    for stretch in in_force(approved, known_at):
        if stretch.first <= on and (stretch.last is None or on <= stretch.last):
            return stretch.version
    known = f" as known at {format_instant(known_at)}" if known_at else ""
    raise ContractError(
        f"no version is in force on {on}{known}",
        where=f"contract {contract_id}",
        remedy=f"see its versions with `adledger contract show {contract_id}`",
    )


def show_history(home: Home, contract_id: str, *, json_output: bool) -> None:
    """Print everything that was done to a contract, in order."""
    home.contracts.versions(contract_id)  # an unknown contract is refused with the closest id
    records = trail(home.engine, contract_id)
    if json_output:
        show.as_json([record._asdict() | {"instant": format_instant(record.instant)} for record in records])
        return
    rows = [
        (r.sequence, format_instant(r.instant), r.actor, r.action, r.version, (r.content_hash or "")[:12], r.reason)
        for r in records
    ]
    columns = ["record", "instant", "who", "what", "version", "content", "reason"]
    show.console().print(show.table(contract_id, columns, rows))


def show_diff(home: Home, contract_id: str, before: int | None, after: int | None, *, json_output: bool) -> None:
    """Print what changed from one version to another; None: from the one approved before ``after``, to the latest."""
    latest = version_of(home, contract_id, after)
    earlier = version_of(home, contract_id, before or _version_before(home, latest))
    changes = diff(earlier.contract, latest.contract)
    if json_output:
        show.as_json([vars(change) for change in changes])
        return
    out = show.console()
    count = "1 change" if len(changes) == 1 else f"{len(changes)} changes"
    out.print(f"{contract_id}: version {earlier.version} to {latest.version}, {count}", style="bold")
    for change in changes:
        out.print(f"  {change}", markup=False, soft_wrap=True)


def _version_before(home: Home, version: StoredVersion) -> int:
    """The highest approved version below ``version``, else the one before it; ContractError where it is the first."""
    if version.version == 1:
        where = f"contract {version.contract.contract_id}"
        raise ContractError("version 1 is the first", where=where, remedy="import an amendment to compare it with")
    below = [v.version for v in approved_of(home.contracts.versions(version.contract.contract_id))]
    return max((number for number in below if number < version.version), default=version.version - 1)
