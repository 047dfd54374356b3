"""Automatic renewal (spec 4.4): which contracts are due, and what the version is that renews one.

Pure: what is approved, which notices are on record and the day come from the caller. What is not named by the rule stays: the
dates of terms, shares and percent rates, the bounds of a percent fee, caps, budgets, factors, the minimum payout.
"""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Collection, Iterable, Iterator
from datetime import date, timedelta
from typing import Any

from contracts_io.calendar import ONE_DAY
from contracts_io.contract import Contract, canonical_json, parse_document
from contracts_io.money import MICRO, divide_half_up, format_scaled, parse_scaled

_PLACES = 6


def renews_on(contract: Contract) -> date | None:
    """The first day on which the contract renews by itself, unless a notice is on record by then; None: it never does."""
    renewal = contract.renewal
    if contract.ends_on is None or renewal is None or renewal.mode != "auto":
        return None
    return contract.ends_on - timedelta(days=renewal.notice_days)


def due_renewals(latest_approved: Iterable[Contract], notices: Collection[tuple[str, date]], day: date) -> list[Contract]:
    """The contracts that renew on or before ``day``, given each contract's highest approved version, in their order.

    ``notices``: contract id and the end that a notice of non-renewal is for.
    """
    return [contract for contract in latest_approved if _is_due(contract, notices, day)]


def _is_due(contract: Contract, notices: Collection[tuple[str, date]], day: date) -> bool:
    from_day = renews_on(contract)
    return from_day is not None and from_day <= day and (contract.contract_id, contract.ends_on) not in notices


def renewed(contract: Contract) -> Contract:
    """The version that renews a contract that ends and renews by itself: the same with another end and higher prices.

    ContractDocumentError where it would break a rule of the document, such as a rate that grew beyond what can be written.
    """
    renewal, end = contract.renewal, contract.ends_on
    if renewal is None or renewal.months is None or end is None:
        raise ValueError(f"contract {contract.contract_id} does not renew by itself")
    document: dict[str, Any] = json.loads(canonical_json(contract))
    document["effective_from"] = str(end + ONE_DAY)
    document["ends_on"] = str(months_later(end, renewal.months))
    for holder, key in _uplifted(document):
        holder[key] = _raised(holder[key], renewal.uplift)
    return parse_document(json.dumps(document), name=f"the renewal of contract {contract.contract_id} after {end}")


def terms_left_behind(contract: Contract) -> list[str]:
    """Warnings on the terms of a renewal that ended by their own dates with the old end, so that it does not go on."""
    old_end = contract.effective_from - ONE_DAY
    return [
        f"terms[{i}].ends_on: the term {term.term_id} ended on {old_end} by its own date and is not renewed"
        for i, term in enumerate(contract.terms)
        if term.ends_on == old_end
    ]


def months_later(day: date, months: int) -> date:
    """The same day so many months on: the last of a month stays the last, any other day is cut to the month's length."""
    months_since_0 = day.year * 12 + day.month - 1 + months
    year, month = months_since_0 // 12, months_since_0 % 12 + 1
    length = monthrange(year, month)[1]
    is_last = day.day == monthrange(day.year, day.month)[1]
    return date(year, month, length if is_last else min(day.day, length))


def _uplifted(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """The places of what rises: a mapping of the document and its key."""
    if "minimum_monthly" in document:
        yield document, "minimum_monthly"
    for pricing in (term["pricing"] for term in document["terms"]):
        steps = pricing.get("tiers", {}).get("steps", [])
        holders = {"cpm": [pricing, *steps], "cpa": [pricing.get("fee", {}), *steps]}.get(pricing["model"], [])
        for holder in holders:
            rising = ("rate", "flat_fee") if pricing["model"] == "cpm" else ("amount", "flat_fee")
            yield from ((holder, key) for key in rising if key in holder)


def _raised(amount: str, uplift: int) -> str:
    micros = parse_scaled(amount, _PLACES)
    return format_scaled(divide_half_up(micros * (MICRO + uplift), MICRO), _PLACES)
