"""A contract against what is agreed already: its own other versions, and the contracts of others (spec 4.3)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from typing import NamedTuple

from contracts_io.contract_fields import LAST_DAY, Problem, shown
from contracts_io.contract_model import Contract, Cpa, Term


class InForce(NamedTuple):
    """A stretch of days, ends inclusive, in which ``version`` of a contract is the one in force; ``last`` None: open."""

    contract: Contract
    version: int
    first: date
    last: date | None


class _Claim(NamedTuple):
    """A term's days within a stretch, ends inclusive."""

    stretch: InForce
    place: int
    term: Term
    first: date
    last: date


# What a problem is told once for: our term's place and id, the kind of refusal, the other contract, the other term.
_Pair = tuple[int, str, str, str, str]


def term_days(contract: Contract, term: Term) -> tuple[date, date | None]:
    """The term's days within the contract's, both ends inclusive; None: open. Local dates in the contract's zone."""
    first = max(contract.starts_on, term.starts_on or contract.starts_on)
    ends = [day for day in (contract.ends_on, term.ends_on) if day is not None]
    return first, min(ends) if ends else None


def check_against_versions(contract: Contract, others: Sequence[Contract]) -> list[Problem]:
    """What may not differ between the versions of one contract id: side, party, currency, time zone."""
    problems = []
    for path in ("side", "party.id", "currency", "timezone"):
        mine = _at(contract, path)
        theirs = next((value for value in (_at(other, path) for other in others) if value != mine), None)
        if theirs is not None:
            expected = f"{shown(theirs)}, as in the contract's other versions; what differs needs a contract of its own"
            problems.append(Problem(path, shown(mine), expected, theirs))
    return problems


def _at(contract: Contract, path: str) -> str:
    return contract.party.id if path == "party.id" else str(getattr(contract, path))


def check_against_others(stretches: Sequence[InForce], others: Sequence[InForce]) -> list[Problem]:
    """What a contract may not share with other contracts on one day, each named once with the first day on which they meet.

    ``stretches`` are those of the contract at hand, ``others`` those of all contracts; its own among them are passed over.
    Refused: an advertiser's line item that another term claims (unless both are cpa, with different events), a second cpa
    contract of an advertiser for one event, a second contract of a partner. Takes one pass over ``others``.
    """
    own_ids = {stretch.contract.contract_id for stretch in stretches}
    rivals = [other for other in others if other.contract.contract_id not in own_ids]
    return [*_partner_problems(stretches, rivals), *_advertiser_problems(stretches, rivals)]


def _partner_problems(stretches: Sequence[InForce], rivals: Sequence[InForce]) -> Iterator[Problem]:
    mine: dict[str, list[InForce]] = defaultdict(list)
    for stretch in stretches:
        if stretch.contract.side == "partner":
            mine[stretch.contract.party.id].append(stretch)
    met: dict[str, tuple[date, InForce]] = {}
    for rival in rivals:
        if rival.contract.side != "partner":
            continue
        for stretch in mine.get(rival.contract.party.id, ()):
            first = max(stretch.first, rival.first)
            if first <= min(stretch.last or LAST_DAY, rival.last or LAST_DAY):
                key = rival.contract.contract_id
                met[key] = min(met.get(key, (first, rival)), (first, rival), key=lambda found: found[0])
    for contract_id, (first, rival) in sorted(met.items()):
        who = f"contract {shown(contract_id)}, version {rival.version},"
        expected = f"a partner with no other contract on {first}; {who} is in force"
        yield Problem("party.id", shown(rival.contract.party.id), expected, f"starts_on after the end of {contract_id}")


def _advertiser_problems(stretches: Sequence[InForce], rivals: Sequence[InForce]) -> Iterator[Problem]:
    by_line_item: dict[str, list[_Claim]] = defaultdict(list)
    by_event: dict[tuple[str, str], list[_Claim]] = defaultdict(list)
    for stretch in stretches:
        for claim in _claims(stretch):
            for line_item in claim.term.line_items or ():
                by_line_item[line_item].append(claim)
            if isinstance(claim.term.pricing, Cpa):
                by_event[stretch.contract.party.id, claim.term.pricing.event].append(claim)
    met: dict[_Pair, tuple[date, Problem]] = {}
    for rival in rivals:
        for theirs in _claims(rival):
            for line_item in theirs.term.line_items or ():
                for claim in by_line_item.get(line_item, ()):
                    if not _different_events(claim.term, theirs.term):
                        _note(met, claim, theirs, "line_items", line_item, "a line item that no other contract claims")
            if isinstance(theirs.term.pricing, Cpa):
                event = theirs.term.pricing.event
                for claim in by_event.get((rival.contract.party.id, event), ()):
                    expected = "an event that no other cpa contract of the advertiser pays for"
                    _note(met, claim, theirs, "pricing.event", event, expected)
    for _, (_, problem) in sorted(met.items()):
        yield problem


def _claims(stretch: InForce) -> Iterator[_Claim]:
    if stretch.contract.side != "advertiser":
        return
    for place, term in enumerate(stretch.contract.terms):
        first, last = term_days(stretch.contract, term)
        first, last = max(first, stretch.first), min(last or LAST_DAY, stretch.last or LAST_DAY)
        if first <= last:
            yield _Claim(stretch, place, term, first, last)


def _different_events(one: Term, other: Term) -> bool:
    both = isinstance(one.pricing, Cpa) and isinstance(other.pricing, Cpa)
    return both and one.pricing.event != other.pricing.event  # type: ignore[union-attr]


def _note(
    met: dict[_Pair, tuple[date, Problem]], claim: _Claim, theirs: _Claim, path: str, found: str, expected: str
) -> None:
    """Keep the problem of two claims, where they meet, unless an earlier day of the same terms is known."""
    first = max(claim.first, theirs.first)
    if first > min(claim.last, theirs.last):
        return
    contract_id = theirs.stretch.contract.contract_id
    pair = (claim.place, claim.term.term_id, path, contract_id, theirs.term.term_id)
    if pair in met and met[pair][0] <= first:
        return
    who = f"contract {shown(contract_id)}, version {theirs.stretch.version}, term {shown(theirs.term.term_id)}"
    remedy = f"dates that do not meet those of {contract_id}"
    met[pair] = first, Problem(f"terms[{claim.place}].{path}", shown(found), f"{expected} on {first}; {who} does", remedy)
