"""Contracts by their documents: which version is in force, which terms, which rates of exchange (spec 4, 6.1)."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from plain_model.exact import nine

Tree = dict[str, Any]
MEDIA = ("cpm", "dcpm", "revenue_share")


class MissingRateError(Exception):
    """A rate of exchange that rating cannot do without; the text names pair and date."""


@dataclass(frozen=True)
class Version:
    """One approved version of a contract."""

    agreement: Agreement
    number: int
    document: Tree

    def covers(self, day: date) -> bool:
        return _within(self.document, day)

    def terms(self, day: date) -> Iterator[Tree]:
        """The terms in force on a local date on which the version is, in document order."""
        return (term for term in self.document["terms"] if _within(term, day))

    def term(self, term_id: str) -> Tree:
        term: Tree = next(term for term in self.document["terms"] if term["term_id"] == term_id)
        return term


class Agreement:
    """A contract with its versions by number."""

    def __init__(self, documents: list[Tree]) -> None:
        first = documents[0]
        self.contract_id: str = first["contract_id"]
        self.side: str = first["side"]
        self.party: str = first["party"]["id"]
        self.currency: str = first["currency"]
        self.zone = ZoneInfo(first["timezone"])
        self.versions = [Version(self, number, document) for number, document in enumerate(documents, 1)]

    def local_date(self, instant: datetime) -> date:
        return instant.astimezone(self.zone).date()

    def in_force(self, day: date) -> Version | None:
        """The version in force on a local date; None where the contract is not."""
        begun = [version for version in self.versions if _effective_from(version.document) <= day]
        return begun[-1] if begun and begun[-1].covers(day) else None

    def first_day(self) -> date:
        return min(date.fromisoformat(version.document["starts_on"]) for version in self.versions)


def _effective_from(document: Tree) -> date:
    return date.fromisoformat(document.get("effective_from") or document["starts_on"])


def _within(node: Tree, day: date) -> bool:
    first, last = node.get("starts_on"), node.get("ends_on")
    return (not first or date.fromisoformat(first) <= day) and (not last or day <= date.fromisoformat(last))


def agreements(paths: Iterable[Path]) -> list[Agreement]:
    """The contracts of the documents, by id; documents of one id are its versions, in the order given."""
    documents: dict[str, list[Tree]] = {}
    for path in paths:
        document = json.loads(path.read_text(encoding="utf-8"))
        documents.setdefault(document["contract_id"], []).append(document)
    return [Agreement(documents[contract_id]) for contract_id in sorted(documents)]


def matches(term: Tree, line_item: str, advertiser: str | None) -> bool:
    """Whether a partner's term covers a line item of an advertiser."""
    items, names = term.get("line_items"), term.get("advertisers")
    return (not items or line_item in items) and (not names or advertiser in names)


def is_met(billable_on: str | None, impression: Tree) -> bool:
    return (billable_on or "served") == "served" or bool(impression[str(billable_on)])


def number(node: Tree, key: str) -> Fraction | None:
    """The exact number of a field; None where it is not there."""
    return None if node.get(key) is None else Fraction(str(node[key]))


def month_of(day: date) -> str:
    return day.isoformat()[:7]


def days_of(month: str) -> list[date]:
    day, days = date.fromisoformat(f"{month}-01"), []
    while month_of(day) == month:
        days.append(day)
        day += timedelta(days=1)
    return days


class Rates:
    """Rates of exchange by date and pair."""

    def __init__(self, folder: Path) -> None:
        self._rates: dict[tuple[date, str, str], Fraction] = {}
        for path in sorted(folder.glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as stream:
                for row in csv.DictReader(stream):
                    key = date.fromisoformat(row["date"]), row["base"], row["quote"]
                    self._rates[key] = Fraction(row["rate"])

    def convert(self, value: Fraction, base: str, quote: str, day: date) -> Fraction | None:
        """``value`` in the other currency, at 9 decimals; None where there is no rate."""
        if base == quote:
            return value
        if (straight := self._rates.get((day, base, quote))) is not None:
            return nine(value * straight)
        if (inverse := self._rates.get((day, quote, base))) is not None:
            return nine(value / inverse)
        return None

    def need(self, value: Fraction, base: str, quote: str, day: date) -> Fraction:
        converted = self.convert(value, base, quote, day)
        if converted is None:
            raise MissingRateError(f"{base}/{quote} on {day}")
        return converted
