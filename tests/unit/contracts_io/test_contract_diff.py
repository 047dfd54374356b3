"""What a colleague is told of an amendment before approving it."""

from __future__ import annotations

import json
from typing import Any

from contracts_io.contract import Contract, parse_document
from contracts_io.contract_diff import diff

TERM: dict[str, Any] = {"term_id": "brand", "line_items": ["li-1"], "pricing": {"model": "cpm", "rate": "32.50"}}
DOCUMENT: dict[str, Any] = {
    "contract_id": "acme-1",
    "side": "advertiser",
    "party": {"id": "acme", "name": "Acme", "country": "US"},
    "currency": "USD",
    "timezone": "UTC",
    "starts_on": "2026-10-01",
    "ends_on": "2027-09-30",
    "terms": [TERM],
}


def agreed(**changes: Any) -> Contract:
    return parse_document(json.dumps(DOCUMENT | changes), name="acme.json")


def told(before: Contract, after: Contract) -> list[str]:
    return [str(change) for change in diff(before, after)]


def test_the_same_contract_has_no_changes() -> None:
    assert told(agreed(), agreed(effective_from="2026-10-01")) == []


def test_a_field_that_changes_is_told_with_both_values() -> None:
    dearer = TERM | {"pricing": {"model": "cpm", "rate": "28"}}
    assert told(agreed(), agreed(terms=[dearer], ends_on="2026-12-31", effective_from="2026-11-01")) == [
        'effective_from: "2026-10-01" becomes "2026-11-01"',
        'ends_on: "2027-09-30" becomes "2026-12-31"',
        'terms[brand].pricing.rate: "32.5" becomes "28"',
    ]


def test_terms_are_told_apart_by_their_id_and_not_by_their_place() -> None:
    other = TERM | {"term_id": "reach", "line_items": ["li-2"]}
    assert told(agreed(terms=[TERM, other]), agreed(terms=[other, TERM])) == []
    added = diff(agreed(), agreed(terms=[other, TERM]))
    assert [(change.path, change.before) for change in added] == [("terms[reach]", None)]
    assert str(added[0]).startswith("terms[reach]: new, {")
    gone = diff(agreed(terms=[TERM, other]), agreed())
    assert [(change.path, change.after) for change in gone] == [("terms[reach]", None)]
    assert str(gone[0]).startswith("terms[reach]: gone, was {")


def test_an_open_end_is_a_value_that_goes() -> None:
    assert told(agreed(), agreed(ends_on=None)) == ['ends_on: gone, was "2027-09-30"']
