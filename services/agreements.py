"""What people do with contracts: bring documents in, decide on them, look at them.

Files are read and checked all together, so that one import reports every problem of every file and stores all or none.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl

from contracts_io.admission import ImportRefusedError
from contracts_io.calendar import format_instant
from contracts_io.contract import Contract, ContractDocumentError, canonical_json, parse_document
from contracts_io.contract_diff import diff
from contracts_io.contract_warnings import warnings
from contracts_io.errors import ContractError
from contracts_io.home import Home
from contracts_io.lifecycle import State, StoredVersion, in_force
from contracts_io.store.audit import trail
from contracts_io.store.contracts import Decision, Imported, Summary
from services import show

DAYS_LOOKED_AT = 31


def import_files(home: Home, files: Sequence[Path], *, by: str, at: datetime, retroactive: bool) -> list[Imported]:
    """Submit the documents in ``files``; ContractError with the problems of all of them, then nothing is stored."""
    home.settings.roles.require("submit", by)
    documents: list[tuple[str, Contract]] = []
    refused: list[ContractError] = []
    for file in files:
        try:
            documents.append((str(file), parse_document(_text(file), name=str(file))))
        except ContractError as error:
            refused.append(error)
    if refused:
        raise _together(refused)
    return home.contracts.import_documents(
        documents,
        by=by,
        at=at,
        retroactive=retroactive,
        closed_through=home.closed_through(),
        warnings={contract.contract_id: _warnings(home, contract) for _, contract in documents},
    )


def _warnings(home: Home, contract: Contract) -> list[str]:
    """What is odd in a document, given what was delivered in the last month of days that are in."""
    days = home.days_run()[-DAYS_LOOKED_AT:]
    delivered: dict[str, int] | None = None
    if days:
        counts = home.warehouse.read("delivery_counts", [str(day) for day in days])
        if contract.side == "partner":
            counts = counts.filter(pl.col("partner_id") == contract.party.id)
        by_line = counts.group_by("line_item_id").agg(pl.col("impressions").sum())
        delivered = dict(by_line.collect(engine="streaming").iter_rows())
    return [str(warning) for warning in warnings(contract, delivered)]


def terminate(home: Home, contract_id: str, on: date, *, by: str, at: datetime, retroactive: bool) -> Imported:
    """Submit the amendment that ends a contract after the local date ``on`` (spec 4.4): it waits for approval like any other.

    It is the latest approved version with another end, in force from its last day on; terms that would begin later go.
    ContractError where no version is approved, or ``on`` is not before the end that it has.
    """
    home.settings.roles.require("submit", by)
    approved = [stored for stored in home.contracts.versions(contract_id) if stored.state is State.APPROVED]
    where = f"contract {contract_id}"
    if not approved:
        raise ContractError("no version of it is approved", where=where, remedy="reject the version that waits instead")
    current = approved[-1].contract
    if on < current.starts_on or (current.ends_on is not None and on >= current.ends_on):
        until = current.ends_on or "open"
        raise ContractError(
            f"it cannot end on {on}: it runs from {current.starts_on} to {until}",
            where=where,
            remedy="choose a day within, before its end",
        )
    document = json.loads(canonical_json(current))
    document["ends_on"] = document["effective_from"] = str(on)
    document["terms"] = [term for term in document["terms"] if (term.get("starts_on") or "") <= str(on)]
    name = f"termination of {contract_id}"
    amended = parse_document(json.dumps(document), name=name)
    return home.contracts.import_documents(
        [(name, amended)],
        by=by,
        at=at,
        retroactive=retroactive,
        closed_through=home.closed_through(),
        warnings={contract_id: _warnings(home, amended)},
    )[0]


def approve(home: Home, contract_id: str, version: int | None, *, by: str, at: datetime) -> Decision:
    """Approve a submitted version, as somebody who may."""
    home.settings.roles.require("approve", by)
    return home.contracts.approve(contract_id, version, by=by, at=at)


def reject(home: Home, contract_id: str, version: int | None, *, by: str, at: datetime, reason: str) -> Decision:
    """Reject a submitted version, as somebody who may."""
    home.settings.roles.require("approve", by)
    return home.contracts.reject(contract_id, version, by=by, at=at, reason=reason)


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
    show.console().print(show.table(f"{len(rows)} contracts", columns, rows))
    if not rows:
        show.console().print("none yet: adledger contract import FILE... --by USER")


def next_event(contract: Summary, on: date) -> str:
    """What happens to a contract next, as seen on a day: a decision, a start, an end."""
    if contract.state is State.SUBMITTED:
        return "waits for approval"
    if on < contract.starts_on:
        return f"starts in {(contract.starts_on - on).days} days"
    if contract.ends_on is None:
        return ""
    days = (contract.ends_on - on).days
    return f"ends in {days} days" if days > 0 else "ends today" if days == 0 else f"ended {-days} days ago"


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

    That is ``version``; or the one in force ``on`` a local date, as known at an instant (now where it is not given); or the latest.
    """
    versions = home.contracts.versions(contract_id)
    chosen = version_of(home, contract_id, _in_force_on(home, contract_id, on, known_at) if on else version)
    document = json.loads(canonical_json(chosen.contract))
    if json_output:
        shown = [v._asdict() | {"contract": v.contract.contract_id} for v in versions]
        show.as_json({"versions": shown, "version": chosen.version, "document": document})
        return
    out = show.console()
    rows = [
        (v.version, v.state, v.contract.effective_from, v.submitted_by, v.decided_by, v.reason, v.content_hash[:12])
        for v in versions
    ]
    columns = ["version", "state", "effective from", "submitted by", "decided by", "reason", "content"]
    out.print(show.table(contract_id, columns, rows))
    for warning in chosen.warnings:
        out.print(f"warning: {warning}", markup=False)
    out.print(f"document of version {chosen.version}:", style="bold")
    out.print(json.dumps(document, ensure_ascii=False, indent=2), markup=False, soft_wrap=True)


def _in_force_on(home: Home, contract_id: str, on: date, known_at: datetime | None) -> int:
    """The version in force on ``on``, as known at ``known_at``; ContractError where none was."""
    approved = home.contracts.approved(known_at).get(contract_id, [])
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
    """Print what changed from one version to another; None: from the one before ``after``, to the latest."""
    latest = version_of(home, contract_id, after)
    earlier = version_of(home, contract_id, before or latest.version - 1) if before or latest.version > 1 else None
    if earlier is None:
        raise ContractError(
            "there is only one version", where=f"contract {contract_id}", remedy="import an amendment to compare it with"
        )
    changes = diff(earlier.contract, latest.contract)
    if json_output:
        show.as_json([vars(change) for change in changes])
        return
    out = show.console()
    out.print(f"{contract_id}: version {earlier.version} to {latest.version}, {len(changes)} changes", style="bold")
    for change in changes:
        out.print(f"  {change}", markup=False, soft_wrap=True)


def version_of(home: Home, contract_id: str, version: int | None) -> StoredVersion:
    """A version of a contract as the books hold it, None: the latest; ContractError where there is none."""
    versions = home.contracts.versions(contract_id)
    for stored in versions:
        if stored.version == (version or versions[-1].version):
            return stored
    raise ContractError(
        f"there is no version {version}", where=f"contract {contract_id}", remedy=f"the latest is {versions[-1].version}"
    )


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ContractError("is not UTF-8 text", where=str(file), remedy="save the document as UTF-8") from None
    except OSError as error:
        raise ContractError(
            f"cannot be read: {error.strerror}", where=str(file), remedy="name a file that is there"
        ) from None


def _together(refused: Sequence[ContractError]) -> ContractError:
    if len(refused) == 1:
        return refused[0]
    if all(isinstance(error, ContractDocumentError) for error in refused):
        return ImportRefusedError([error for error in refused if isinstance(error, ContractDocumentError)])
    return ContractError("\n".join(str(error) for error in refused))
