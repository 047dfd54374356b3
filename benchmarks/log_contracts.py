"""Contracts for a generated log: every line item is priced, three of an advertiser's five by impression and two by action."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

LINE_ITEMS_PER_ADVERTISER = 5
BY_IMPRESSION = 3
PARTNERS = 40

_ZONES = ("America/New_York", "America/Los_Angeles", "UTC", "Europe/Berlin")


def write_contracts(folder: Path, line_items: int, first: date) -> int:
    """Write the contracts of advertisers and partners, in force from ``first`` on, as JSON; gives how many."""
    folder.mkdir(parents=True, exist_ok=True)
    advertisers = -(-line_items // LINE_ITEMS_PER_ADVERTISER)
    documents = [_advertiser(i, line_items, first) for i in range(advertisers)] + [
        _partner(i, first) for i in range(PARTNERS)
    ]
    for document in documents:
        (folder / f"{document['contract_id']}.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return len(documents)


def _contract(contract_id: str, side: str, number: int, first: date) -> dict[str, Any]:
    return {
        "contract_id": contract_id,
        "side": side,
        "party": {"id": contract_id, "name": f"{side.title()} {number}, Inc.", "country": "US"},
        "currency": "USD",
        "timezone": _ZONES[number % len(_ZONES)],
        "starts_on": str(first),
        "ends_on": None,
    }


def _advertiser(number: int, line_items: int, first: date) -> dict[str, Any]:
    start = number * LINE_ITEMS_PER_ADVERTISER
    lines = [f"li-{i}" for i in range(start, min(start + LINE_ITEMS_PER_ADVERTISER, line_items))]
    terms = [_media(line, number + place) for place, line in enumerate(lines[:BY_IMPRESSION])]
    purchase = {"type": "percent", "rate": f"0.0{4 + number % 6}", "minimum": "1.00", "maximum": "25.00"}
    fees = {"purchase": purchase, "signup": {"type": "flat", "amount": f"{4 + number % 9}.50"}}
    for event, fee in fees.items():
        if by_action := lines[BY_IMPRESSION:]:
            terms.append(
                {"term_id": event, "line_items": by_action, "pricing": {"model": "cpa", "event": event, "fee": fee}}
            )
    lookback = {"view": f"{(7, 14, 30)[number % 3]}d", "click": "30d"}
    return {
        **_contract(f"adv-{number}", "advertiser", number, first),
        "attribution": {"model": "last_touch", "lookback": lookback},
        "terms": terms,
    }


def _media(line: str, number: int) -> dict[str, Any]:
    billable_on = ("served", "viewable", "completed")[number % 3]
    pricing = {"model": "cpm", "rate": f"{18 + number % 24}.{number % 100:02}", "billable_on": billable_on}
    return {"term_id": f"media-{line}", "line_items": [line], "pricing": pricing}


def _partner(number: int, first: date) -> dict[str, Any]:
    cpm = {"model": "cpm", "rate": f"{8 + number % 10}.75", "billable_on": "completed"}
    cpa = {"model": "cpa", "event": "purchase", "fee": {"type": "percent", "rate": f"0.0{2 + number % 3}"}}
    terms = [{"term_id": "media", "pricing": cpm}, {"term_id": "orders", "pricing": cpa}]
    return {**_contract(f"pub-{number}", "partner", number, first), "terms": terms}
