"""What people do with contracts: bring documents in, decide on them, end them.

Files are read and checked all together, so that one import reports every problem of every file and stores all or none.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from pathlib import Path

import polars as pl

from contracts_io.admission import ImportRefusedError
from contracts_io.bulk import many_objects
from contracts_io.calendar import ONE_DAY, format_instant
from contracts_io.contract import Contract, ContractDocumentError, canonical_json, parse_document
from contracts_io.contract_fields import LAST_DAY
from contracts_io.contract_warnings import warnings
from contracts_io.errors import ContractError
from contracts_io.home import Home
from contracts_io.lifecycle import State, StoredVersion, approved_of, in_force
from contracts_io.store.contract_changes import Decision
from contracts_io.store.contract_queries import Notice
from contracts_io.store.contracts import Imported, choose

DAYS_LOOKED_AT = 31


def import_files(home: Home, files: Sequence[Path], *, by: str, at: datetime, retroactive: bool) -> list[Imported]:
    """Submit the documents in ``files``; ContractError with the problems of all of them, then nothing is stored."""
    home.settings.roles.require("submit", by)
    documents: list[tuple[str, Contract]] = []
    refused: list[ContractError] = []
    with many_objects():
        for file in files:
            try:
                documents.append((str(file), parse_document(read_text(file), name=str(file))))
            except ContractError as error:
                refused.append(error)
    if refused:
        closed_through = None if retroactive else home.closed_through()
        raise _together([*refused, *_refused_by_books(home, documents, at, closed_through)])
    return _submit(home, documents, by=by, at=at, retroactive=retroactive)


def _refused_by_books(
    home: Home, documents: Sequence[tuple[str, Contract]], at: datetime, closed_through: date | None
) -> Sequence[ContractError]:
    """What the books have against the documents that can be read."""
    try:
        home.contracts.check(documents, at=at, closed_through=closed_through)
    except ImportRefusedError as error:
        return error.documents
    return ()


def _submit(
    home: Home, documents: Sequence[tuple[str, Contract]], *, by: str, at: datetime, retroactive: bool
) -> list[Imported]:
    return home.contracts.import_documents(
        documents,
        by=by,
        at=at,
        retroactive=retroactive,
        closed_through=home.closed_through(),
        warnings=_warnings(home, [contract for _, contract in documents]),
    )


def _warnings(home: Home, contracts: Sequence[Contract]) -> dict[str, list[str]]:
    """What is odd in each document, by contract id, given what was delivered in the last month of days that are in."""
    days = home.days_run()[-DAYS_LOOKED_AT:]
    if not days:
        return {c.contract_id: [str(warning) for warning in warnings(c, None)] for c in contracts}
    counts = home.warehouse.read("delivery_counts", [str(day) for day in days])
    by_partner = counts.group_by("partner_id", "line_item_id").agg(pl.col("impressions").sum())
    total: dict[str, int] = defaultdict(int)
    of_partner: dict[str, dict[str, int]] = defaultdict(dict)
    for partner_id, line_item, impressions in by_partner.collect(engine="streaming").iter_rows():
        total[line_item] += impressions
        of_partner[partner_id][line_item] = impressions
    return {
        c.contract_id: [
            str(warning) for warning in warnings(c, of_partner.get(c.party.id, {}) if c.side == "partner" else total)
        ]
        for c in contracts
    }


def terminate(home: Home, contract_id: str, on: date, *, by: str, at: datetime, retroactive: bool) -> Imported:
    """Submit the amendment that ends a contract after the local date ``on`` (spec 4.4): it waits for approval like any other.

    It is the version in force on ``on`` with another end, in force from its last day on, so that no day is priced by what was
    agreed for later, such as a renewal; terms that would begin later go. ContractError where no version is approved, ``on``
    is not before the end that it has, no term has begun by then, another version waits, or ``on`` lies in a closed month and
    the termination is not ``retroactive``.
    """
    home.settings.roles.require("submit", by)
    approved = approved_of(home.contracts.versions(contract_id))
    where = f"contract {contract_id}"
    if not approved:
        raise ContractError("no version of it is approved", where=where, remedy="reject the version that waits instead")
    latest = approved[-1].contract
    if on < latest.starts_on or (latest.ends_on is not None and on >= latest.ends_on):
        until = latest.ends_on or "open"
        raise ContractError(
            f"it cannot end on {on}: it runs from {latest.starts_on} to {until}",
            where=where,
            remedy="choose a day within, before its end",
        )
    if on > LAST_DAY:
        what = f"it cannot end on {on}: the last day that a contract can have is {LAST_DAY}"
        raise ContractError(what, where=where, remedy="choose an earlier day with --on, or leave it without an end")
    agreed = (s.contract for s in in_force(approved) if s.first <= on and (s.last is None or on <= s.last))
    document = json.loads(canonical_json(next(agreed, latest)))
    document["ends_on"] = document["effective_from"] = str(on)
    document["terms"] = [term for term in document["terms"] if (term.get("starts_on") or "") <= str(on)]
    if not document["terms"]:
        raise ContractError(
            f"it cannot end on {on}: no term of it begins by then", where=where, remedy="choose a day on which a term runs"
        )
    if "renewal" in document:
        document["renewal"]["mode"] = "none"  # or the contract that was ended would go on by itself
    name = f"termination of {contract_id}"
    amended = parse_document(json.dumps(document), name=name)
    try:
        return _submit(home, [(name, amended)], by=by, at=at, retroactive=retroactive)[0]
    except ImportRefusedError as refused:
        raise _not_terminated(home, contract_id, on, refused, retroactive=retroactive) from None


def _not_terminated(
    home: Home, contract_id: str, on: date, refused: ImportRefusedError, *, retroactive: bool
) -> ContractError:
    """The refusal of a termination, in its own words; ``refused`` is that of the amendment which it would be."""
    where = f"contract {contract_id}"
    for stored in home.contracts.versions(contract_id):
        if stored.state is State.SUBMITTED:
            since = f"{stored.submitted_by} submitted it at {format_instant(stored.submitted_at)}"
            what = f"it cannot be terminated while version {stored.version} waits for a decision: {since}"
            remedy = f"approve or reject version {stored.version} first, then terminate the contract"
            return ContractError(what, where=where, remedy=remedy)
    closed_through = home.closed_through()
    if not retroactive and closed_through is not None and on <= closed_through:
        return ContractError(
            f"it cannot end on {on}: the books are closed through {closed_through}",
            where=where,
            remedy=f"choose a day from {closed_through + ONE_DAY} on with --on, or end it in a closed month with --retroactive",
        )
    return refused


def give_notice(
    home: Home, contract_id: str, *, by: str, at: datetime, received_on: date, reason: str | None = None
) -> Notice:
    """Put a notice of non-renewal on record, as somebody who may submit: the contract ends with the end that it has."""
    home.settings.roles.require("submit", by)
    return home.contracts.give_notice(contract_id, by=by, at=at, received_on=received_on, reason=reason)


def approve(
    home: Home,
    contract_id: str,
    version: int | None,
    *,
    by: str,
    at: datetime,
    content: str | None = None,
    retroactive: bool = False,
) -> Decision:
    """Approve a submitted version, as somebody who may; None: the one that waits.

    ``content``: the hash of the content that was seen, or its first 12 digits at least; None: that of the version as it is now.
    ``retroactive``: also where it changes a month that was closed after it was submitted.
    """
    roles = home.settings.roles
    roles.require("approve", by)
    chosen = choose(home.contracts.versions(contract_id), version)
    seen = chosen.content_hash if content is None else content
    limits = roles.two_approvals_above
    return home.contracts.approve(
        contract_id, chosen.version, by=by, at=at, content_hash=seen, limits=limits, retroactive=retroactive
    )


def reject(home: Home, contract_id: str, version: int | None, *, by: str, at: datetime, reason: str) -> Decision:
    """Reject a submitted version, as somebody who may."""
    home.settings.roles.require("approve", by)
    return home.contracts.reject(contract_id, version, by=by, at=at, reason=reason)


def version_of(home: Home, contract_id: str, version: int | None) -> StoredVersion:
    """A version of a contract as the books hold it, None: the latest; ContractError where there is none."""
    versions = home.contracts.versions(contract_id)
    for stored in versions:
        if stored.version == (version or versions[-1].version):
            return stored
    raise ContractError(
        f"there is no version {version}", where=f"contract {contract_id}", remedy=f"the latest is {versions[-1].version}"
    )


def read_text(file: Path) -> str:
    """The text of a document's file; ContractError where it cannot be read."""
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
