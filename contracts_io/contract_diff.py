"""What changed from one version of a contract to another, field by field, in words.

Terms are told apart by ``term_id`` and overrides by ``partner_id``, so that a term that moved in the document is not a change.

    terms[brand].pricing.rate: "32.50" becomes "28.00"
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts_io.contract import Contract, canonical_json

_IDENTIFIED_BY = {"terms": "term_id", "partner_overrides": "partner_id"}


@dataclass(frozen=True)
class Change:
    """One field that differs; None: the field is not there in that version."""

    path: str
    before: Any
    after: Any

    def __str__(self) -> str:
        if self.before is None:
            return f"{self.path}: new, {_shown(self.after)}"
        if self.after is None:
            return f"{self.path}: gone, was {_shown(self.before)}"
        return f"{self.path}: {_shown(self.before)} becomes {_shown(self.after)}"


def diff(before: Contract, after: Contract) -> list[Change]:
    """The fields in which two versions differ, in the order of their paths; empty where they say the same."""
    return list(_changes("", json.loads(canonical_json(before)), json.loads(canonical_json(after))))


def _changes(path: str, before: Any, after: Any) -> Iterator[Change]:
    name = path.rpartition(".")[2]
    if name in _IDENTIFIED_BY:
        before, after = _by_id(before, _IDENTIFIED_BY[name]), _by_id(after, _IDENTIFIED_BY[name])
        for key in sorted({*before, *after}):
            yield from _changes(f"{path}[{key}]", before.get(key), after.get(key))
    elif isinstance(before, dict) and isinstance(after, dict):
        for key in sorted({*before, *after}):
            yield from _changes(f"{path}.{key}" if path else key, before.get(key), after.get(key))
    elif before != after:
        yield Change(path, before, after)


def _by_id(items: list[dict[str, Any]] | None, key: str) -> dict[str, dict[str, Any]]:
    return {item[key]: item for item in items or []}


def _shown(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
