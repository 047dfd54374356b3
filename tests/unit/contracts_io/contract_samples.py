"""Contract documents to start from, and how to change one place of them."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

from contracts_io.contract import Contract, ContractDocumentError, Problem, parse_document

LEFT_OUT = object()

ADVERTISER: dict[str, Any] = {
    "contract_id": "acme-ctv-2026",
    "side": "advertiser",
    "party": {"id": "acme", "name": "Acme Stores, Inc.", "country": "US"},
    "currency": "USD",
    "timezone": "America/New_York",
    "starts_on": "2026-10-01",
    "ends_on": "2027-09-30",
    "attribution": {"model": "last_touch", "lookback": {"view": "30d", "click": "7d"}},
    "terms": [
        {"term_id": "brand", "line_items": ["li-1"], "pricing": {"model": "cpm", "rate": "32.50"}},
        {
            "term_id": "sales",
            "line_items": ["li-2"],
            "pricing": {"model": "cpa", "event": "purchase", "fee": {"type": "flat", "amount": "12.00"}},
        },
    ],
}

PARTNER: dict[str, Any] = {
    "contract_id": "streamco-2026",
    "side": "partner",
    "party": {"id": "streamco", "name": "Streamco Ltd", "country": "GB"},
    "currency": "GBP",
    "timezone": "Europe/London",
    "starts_on": "2026-10-01",
    "terms": [{"term_id": "share", "pricing": {"model": "revenue_share", "share": "0.70"}}],
}


def changed(document: dict[str, Any], *changes: tuple[str, Any]) -> dict[str, Any]:
    """A copy with each ``(path, value)`` put in; a number in the path is a place in a list, LEFT_OUT removes the key."""
    document = deepcopy(document)
    for path, value in changes:
        *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
        node: Any = document
        for part in way:
            node = node[part] if isinstance(part, int) else node.setdefault(part, {})
        if value is LEFT_OUT:
            del node[last]
        elif isinstance(node, list) and last == len(node):
            node.append(value)
        else:
            node[last] = value
    return document


def parsed(document: dict[str, Any], *changes: tuple[str, Any]) -> Contract:
    """The contract of a document with changes."""
    return parse_document(json.dumps(changed(document, *changes)), name="contract.json")


def problems(document: dict[str, Any], *changes: tuple[str, Any]) -> tuple[Problem, ...]:
    """The problems of a document with changes; none where it is accepted."""
    try:
        parsed(document, *changes)
    except ContractDocumentError as error:
        return error.problems
    return ()
