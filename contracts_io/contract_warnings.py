"""What is odd in a contract and yet may be meant: shown when it is submitted, stored with the version, never a refusal.

A warning says what the figures are, so that the reader can judge without calculating.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from contracts_io.contract_model import Contract, Cpa, Cpm, Dcpm, Step, Term
from contracts_io.money import format_scaled

# Amounts are compared in units of 10^-9: micros per 1,000 impressions, and micros x 1,000, are both that.
_PLACES = 9
_PER_MICRO = 1_000


@dataclass(frozen=True)
class ContractWarning:
    """One thing to look at: its path as in the file (``terms[2].pricing.impression_cap``), and what it is, in a sentence."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def warnings(contract: Contract, delivered: Mapping[str, int] | None) -> list[ContractWarning]:
    """What to look at before the contract is approved, in the order of its terms.

    ``delivered``: the impressions of last month by line item, for a partner's contract those by this partner; None where
    nothing is known yet.
    """
    return [warning for i, term in enumerate(contract.terms) for warning in _of_term(contract, term, i, delivered)]


def _of_term(contract: Contract, term: Term, i: int, delivered: Mapping[str, int] | None) -> Iterator[ContractWarning]:
    path = f"terms[{i}]"
    if delivered is not None:
        yield from _traffic(term, path, delivered)
    pricing = term.pricing
    if isinstance(pricing, Cpm | Cpa) and pricing.tiers and pricing.tiers.mode == "volume":
        for k, (step, following) in enumerate(pairwise(pricing.tiers.steps)):
            compared = (step, following, contract.currency)
            what = _of_media(pricing, *compared) if isinstance(pricing, Cpm) else _of_actions(pricing, *compared)
            if what:
                yield ContractWarning(f"{path}.pricing.tiers.steps[{k + 1}]", what)


def _traffic(term: Term, path: str, delivered: Mapping[str, int]) -> Iterator[ContractWarning]:
    covered = delivered.keys() if term.line_items is None else term.line_items
    impressions = sum(delivered.get(line_item, 0) for line_item in covered)
    if not impressions:
        names = "no line item at all" if term.line_items is None else f"none of its line items ({_some(term.line_items)})"
        yield ContractWarning(
            f"{path}.line_items", f"the term is without traffic: {names} delivered an impression last month"
        )
    cap = term.pricing.impression_cap if isinstance(term.pricing, Cpm | Dcpm) else None
    # Which part of them the advertisers named here had is not known.
    if cap is not None and cap < impressions and term.advertisers is None:
        what = f"the cap of {cap:,} impressions is under last month's delivery of its line items, {impressions:,}"
        yield ContractWarning(f"{path}.pricing.impression_cap", what)


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def _of_media(pricing: Cpm, step: Step, following: Step, currency: str) -> str | None:
    """Within a step more units never cost less, so it is enough to look where one step ends and the next begins."""
    last = step.up_to or 0
    if pricing.impression_cap is not None and last >= pricing.impression_cap:
        return None

    def cost(units: int, at: Step) -> int:
        media = units * (at.rate or 0)
        held = media if pricing.budget is None else min(media, pricing.budget * _PER_MICRO)
        return held + (at.flat_fee or 0) * _PER_MICRO

    return _less(last, cost(last, step), cost(last + 1, following), "impressions", currency)


def _of_actions(pricing: Cpa, step: Step, following: Step, currency: str) -> str | None:
    last = step.up_to or 0
    if pricing.monthly_cap is not None and last >= pricing.monthly_cap:
        return None
    fees = ((step.flat_fee or 0) * _PER_MICRO, (following.flat_fee or 0) * _PER_MICRO)
    if step.amount is not None and following.amount is not None:
        before, after = (last * step.amount * _PER_MICRO, (last + 1) * following.amount * _PER_MICRO)
        return _less(last, before + fees[0], after + fees[1], "conversions", currency)
    if step.rate is not None and following.rate is not None and last * step.rate > (last + 1) * following.rate:
        shares = (format_scaled(last * step.rate, 6), format_scaled((last + 1) * following.rate, 6))
        return (
            f"more conversions cost less: of equal order values, {last:,} cost {shares[0]} times the value, "
            f"{last + 1:,} only {shares[1]} times"
        )
    return None


def _less(last: int, before: int, after: int, units: str, currency: str) -> str | None:
    if after >= before:
        return None
    costs = (format_scaled(before, _PLACES), format_scaled(after, _PLACES))
    return f"more {units} cost less: {last:,} cost {costs[0]} {currency}, {last + 1:,} only {costs[1]} {currency}"
