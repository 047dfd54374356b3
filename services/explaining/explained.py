"""What an explanation says, as data: amounts are exact decimals, ``arithmetic`` is written out in words and figures.

One shape for the terminal and for programs: ``printed`` shows it, JSON has it with the same names.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class Agreed:
    """The contract version that something was decided by, and the two persons behind it."""

    contract_id: str
    version: int
    effective_from: date
    submitted_by: str
    submitted_at: datetime
    approved_by: str
    approved_at: datetime
    content_hash: str


@dataclass(frozen=True)
class Sum:
    """An amount worked out again: step by step, exact, and rounded once; ``problems`` says where it does not tie.

    ``days`` are the rows behind it, all with the same names; ``exact`` is None where there is nothing to round.
    """

    arithmetic: list[str]
    amount: Decimal
    exact: Decimal | None = None
    days: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class LineExplained:
    """A line of a document, and where it comes from; ``cause`` is why an adjusting one is there, ``events`` None if not asked for."""

    line: int
    kind: str
    contract_id: str
    term_id: str | None
    version: int | None
    step: int | None
    description: str
    quantity: int | None
    rate: str | None
    amount: Decimal
    cause: str | None
    agreed: Agreed | None
    arithmetic: list[str]
    exact: Decimal | None
    days: list[dict[str, Any]]
    problems: list[str]
    events: list[dict[str, Any]] | None = None


@dataclass(frozen=True)
class DocumentExplained:
    """A document: head, lines, sums. ``amounts`` are those of the head by name; ``remarks`` say what it was read from.

    ``cause`` is why the tax of a note changed where its lines do not say it.
    """

    number: str
    kind: str
    contract_id: str
    party_id: str
    month: str
    currency: str
    issued_on: date | None
    due_on: date | None
    adjusts: str | None
    cause: str | None
    known_at: str
    agreed: Agreed | None
    amounts: dict[str, Decimal]
    remarks: list[str]
    lines: list[LineExplained]
    arithmetic: list[str]
    problems: list[str]


@dataclass(frozen=True)
class Fee:
    """A conversion as a unit of a term: what it costs or earns there, and the documents that say so."""

    side: str
    contract_id: str
    version: int
    term_id: str
    partner_id: str | None
    billing_date: date
    amount: Decimal | None
    arithmetic: list[str]
    documents: list[str]


@dataclass(frozen=True)
class ConversionExplained:
    """A conversion: its status and why, every touch, its credit, its fees; ``as_of`` says which tables were read."""

    conversion_id: str
    as_of: str
    event: dict[str, Any]
    status: str
    reason: str | None
    why: list[str]
    agreed: Agreed | None
    touches: list[dict[str, Any]]
    fees: list[Fee]
    documents: list[str]
    elsewhere: list[str]
    problems: list[str]


@dataclass(frozen=True)
class Outcome:
    """What one side's contracts make of an impression; ``rates`` are the priced rows of its group."""

    side: str
    as_of: str
    outcome: str
    why: list[str]
    local_date: date
    agreed: Agreed | None
    contract_id: str | None
    version: int | None
    term_id: str | None
    multiplier: Decimal | None
    group: list[dict[str, Any]]
    documents: list[str]


@dataclass(frozen=True)
class ImpressionExplained:
    """An impression: its outcome on both sides, and the conversions that it was credited with as a touch."""

    impression_id: str
    event: dict[str, Any]
    outcomes: list[Outcome]
    touch: list[str]
    credited: list[dict[str, Any]]
    elsewhere: list[str]
    problems: list[str]


@dataclass(frozen=True)
class RowsExplained:
    """Rows of a feed that were delivered with this id and are not used: refused, or dropped as repeats."""

    event_id: str
    feed: str
    elsewhere: list[str]
    problems: list[str] = field(default_factory=list)


Explained = DocumentExplained | ConversionExplained | ImpressionExplained | RowsExplained
