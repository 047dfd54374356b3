"""Contracts to put in the books, and the shortest way there."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts_io.contract import Contract, parse_document
from contracts_io.lifecycle import NO_LIMITS, ApprovalLimits
from contracts_io.store.contract_changes import Decision
from contracts_io.store.contracts import ContractStore, Imported

AT = datetime(2026, 9, 1, 12, 0, 0, 5, tzinfo=UTC)
LATER = AT + timedelta(hours=1)


def contract(contract_id: str = "acme-1", **changes: Any) -> Contract:
    """An open-ended advertiser contract with a line item of its own."""
    document = {
        "contract_id": contract_id,
        "side": "advertiser",
        "party": {"id": f"party-of-{contract_id}", "name": "Acme Stores, Inc.", "country": "US"},
        "currency": "USD",
        "timezone": "America/New_York",
        "starts_on": "2026-10-01",
        "terms": cpm(f"li-{contract_id}"),
    }
    return parse_document(json.dumps(document | changes), name=f"{contract_id}.json")


def cpm(*line_items: str, rate: str = "32.50") -> list[dict[str, Any]]:
    """Terms that price these line items."""
    return [{"term_id": "brand", "line_items": list(line_items), "pricing": {"model": "cpm", "rate": rate}}]


def partner(contract_id: str, **changes: Any) -> Contract:
    """A partner's contract."""
    terms = [{"term_id": "all", "pricing": {"model": "cpm", "rate": "9"}}]
    return contract(contract_id, side="partner", terms=terms, **changes)


def take(store: ContractStore, *contracts: Contract, **options: Any) -> list[Imported]:
    """An import by ana."""
    return store.import_documents([(f"{c.contract_id}.json", c) for c in contracts], by="ana", at=AT, **options)


def approve(
    store: ContractStore, contract_id: str, *, by: str = "bo", at: datetime = LATER, limits: ApprovalLimits = NO_LIMITS
) -> Decision:
    """An approval of the latest version as it is."""
    latest = store.versions(contract_id)[-1]
    return store.approve(contract_id, latest.version, by=by, at=at, content_hash=latest.content_hash, limits=limits)


def agree(store: ContractStore, *contracts: Contract, **options: Any) -> None:
    """An import by ana that bo approves."""
    for imported in take(store, *contracts, **options):
        approve(store, imported.contract_id)
