"""Contracts in force as frames: what applies, by contract, version and local day, and what attribution depends on.

A stretch (``InForce``) is a run of local days on which one version of a contract is in force. Days in the frames are local
dates of the contract's zone, both ends inclusive; an open end is ``OPEN_END``. Rates, amounts and shares are micros (1e-6)
of the contract's currency. What does not belong here: which version is in force (``lifecycle``), and any arithmetic on
prices.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any, NamedTuple

import polars as pl

from contracts_io.calendar import ONE_DAY
from contracts_io.contract import Contract, Cpa, Cpm, Dcpm, InForce, RevenueShare, Term, term_days
from contracts_io.pricing import FACTORS_SCHEMA, STEPS_SCHEMA, factor_rows, hour_factors, step_rows

OPEN_END = date(9999, 12, 31)
"""The last day of what has no end."""

OFF = timedelta(0)
"""A lookback that switches its kind of touch off."""

DURATION = pl.Duration("us")

TERMS_SCHEMA = pl.Schema(
    {
        "side": pl.String(),
        "contract_id": pl.String(),
        "version": pl.Int32(),
        "party_id": pl.String(),
        "currency": pl.String(),
        "timezone": pl.String(),
        "term_id": pl.String(),
        "position": pl.Int32(),
        "model": pl.String(),
        "event": pl.String(),
        "billable_on": pl.String(),
        "tier_mode": pl.String(),
        "hour_factors": pl.List(pl.Int64()),
        "impression_cap": pl.Int64(),
        "budget_micros": pl.Int64(),
        "monthly_cap": pl.Int64(),
        "markup_micros": pl.Int64(),
        "share_micros": pl.Int64(),
        "line_items": pl.List(pl.String()),
        "advertisers": pl.List(pl.String()),
        "first_on": pl.Date(),
        "last_on": pl.Date(),
    }
)
CONTRACTS_SCHEMA = pl.Schema(
    {
        "side": pl.String(),
        "contract_id": pl.String(),
        "version": pl.Int32(),
        "party_id": pl.String(),
        "currency": pl.String(),
        "timezone": pl.String(),
        "validation_days": pl.Int32(),
        "attribution_model": pl.String(),
        "view_lookback": DURATION,
        "click_lookback": DURATION,
        "click_over_view": pl.Boolean(),
        "view_basis": pl.String(),
        "half_life": pl.Int32(),
        "new_customers_only": pl.Boolean(),
        "countries": pl.List(pl.String()),
        "minimum_order_value_micros": pl.Int64(),
        "excluded_categories": pl.List(pl.String()),
        "excluded_coupons": pl.List(pl.String()),
        "repeat_household_days": pl.Int32(),
        "order_dedup_days": pl.Int32(),
        "eligible_when": pl.String(),
        "payment_terms_days": pl.Int32(),
        "agency_commission_micros": pl.Int64(),
        "minimum_monthly_micros": pl.Int64(),
        "tax_rate_micros": pl.Int64(),
        "withholding_micros": pl.Int64(),
        "minimum_payout_micros": pl.Int64(),
        "first_on": pl.Date(),
        "last_on": pl.Date(),
    }
)
OVERRIDES_SCHEMA = pl.Schema(
    {
        "contract_id": pl.String(),
        "version": pl.Int32(),
        "partner_id": pl.String(),
        "view_lookback": DURATION,
        "click_lookback": DURATION,
        "excluded": pl.Boolean(),
    }
)


class TermFrames(NamedTuple):
    """Contracts in force, as five frames.

    ``terms`` (TERMS_SCHEMA): one row per contract, version and term, on the days that the version's stretch and the term
    share; ``position`` is the term's place in the document from 0, ``event`` and ``monthly_cap`` are of cpa,
    ``billable_on``, ``impression_cap`` and ``budget_micros`` of cpm and dcpm, ``tier_mode`` of cpm and cpa (a flat price is
    one graduated step), ``markup_micros`` of dcpm, ``share_micros`` of revenue share; a cap or budget is null where there is
    none; ``hour_factors`` has the daypart factor in micros of each of the 168 local hours of a week from Monday 00:00, null
    where there are no dayparts; ``line_items`` and ``advertisers`` null: no filter.
    ``steps`` (STEPS_SCHEMA): the price steps of each cpm and cpa term of a version.
    ``factors`` (FACTORS_SCHEMA): its factors by device type and country.
    ``contracts`` (CONTRACTS_SCHEMA): one row per contract and version in force; the columns of attribution and of
    eligibility are null where the contract has none, a rule of eligibility that is not agreed is null (``new_customers_only``
    false); commission, minimum, tax, withholding and minimum payout are 0 where not agreed.
    ``overrides`` (OVERRIDES_SCHEMA): one row per contract, version and partner; a null lookback is the contract's own.

    A lookback of 0 switches its kind of touch off, in both frames.
    """

    terms: pl.DataFrame
    steps: pl.DataFrame
    factors: pl.DataFrame
    contracts: pl.DataFrame
    overrides: pl.DataFrame


def terms_in_force(stretches: Sequence[InForce]) -> TermFrames:
    """The frames of these stretches, rows in the order given, then of the document; typed also where there are none."""
    terms: list[tuple[Any, ...]] = []
    contracts: list[tuple[Any, ...]] = []
    steps, factors, overrides = _Once(), _Once(), _Once()
    for stretch in stretches:
        contract, version, first, last = stretch
        key = (contract.side, contract.contract_id, version, contract.party.id, contract.currency, contract.timezone)
        contracts.append((*key, *_document_columns(contract), first, last or OPEN_END))
        for position, term in enumerate(contract.terms):
            days = _shared_days(stretch, term)
            if days is None:
                continue
            terms.append((*key, term.term_id, position, *_pricing_columns(term), term.line_items, term.advertisers, *days))
            named = (contract.contract_id, version, term.term_id)
            steps[named] = [(*named, *row) for row in step_rows(term.pricing)]
            factors[named] = [(*named, *row) for row in factor_rows(term.pricing)]
        overrides[contract.contract_id, version] = _override_rows(contract, version)
    return TermFrames(
        _frame(terms, TERMS_SCHEMA),
        _frame(steps.rows, STEPS_SCHEMA),
        _frame(factors.rows, FACTORS_SCHEMA),
        _frame(contracts, CONTRACTS_SCHEMA),
        _frame(overrides.rows, OVERRIDES_SCHEMA),
    )


class _Once(dict[tuple[Any, ...], list[tuple[Any, ...]]]):
    """Rows of a version, or of a term of it, which are listed once however many stretches the version has."""

    @property
    def rows(self) -> list[tuple[Any, ...]]:
        return [row for rows in self.values() for row in rows]


class AttributionTerms:
    """What the attribution of conversions depends on, of advertiser contracts with a cpa term.

    Made once from the stretches in force, then asked for many windows of local days, both ends inclusive.
    """

    def __init__(self, stretches: Sequence[InForce]) -> None:
        self._agreed = sorted(
            (part for stretch in stretches if (part := _attributed(stretch)) is not None),
            key=lambda part: (part.key, part.first),
        )
        self._fingerprints: dict[tuple[date, date], str] = {}

    def fingerprint(self, first: date, last: date) -> str:
        """SHA-256, as hex, of all that a conversion with a local date in the window can be attributed by.

        That is contract, version, party, currency, zone, validation days, attribution, eligibility, overrides, and of each
        cpa term its event, line items and days within the window. Where a repeat by a household matters, also what makes
        the party's earlier conversions duplicate orders: zone, ``order_dedup_days`` and the events and days of cpa terms, as
        far back as a repeat reaches. CPM terms, fees and names leave it as it is.
        """
        if (first, last) not in self._fingerprints:
            self._fingerprints[first, last] = self._fingerprint(first, last)
        return self._fingerprints[first, last]

    def _fingerprint(self, first: date, last: date) -> str:
        digest = hashlib.sha256(f"{first}/{last}".encode())
        repeats: dict[str, timedelta] = {}
        for part in self._agreed:
            if part.inner_first <= first and last <= part.inner_last:
                digest.update(part.filled)
            elif part.first <= last and first <= part.last:
                digest.update(_within(part, first, last))
            else:
                continue
            if part.repeat is not None:
                repeats[part.party] = max(part.repeat, repeats.get(part.party, OFF))
        for part in self._agreed if repeats else ():
            since = first - repeats.get(part.party, OFF)
            digest.update(_deduplicated(part, since, first - ONE_DAY))
        return digest.hexdigest()

    def longest_lookback(self, first: date, last: date) -> timedelta:
        """The longest lookback of any kind and partner in the window; 0 where no conversion can be attributed."""
        return max((p.longest_lookback for p in self._agreed if p.last >= first and p.first <= last), default=OFF)

    def longest_repeat(self, first: date, last: date) -> timedelta | None:
        """The most days that a repeat by a household reaches back in the window; None where no contract asks for it."""
        repeats = (p.repeat for p in self._agreed if p.last >= first and p.first <= last)
        return max((repeat for repeat in repeats if repeat is not None), default=None)


class _Attributed(NamedTuple):
    """One stretch with cpa terms, as bytes to be hashed.

    ``first`` to ``last`` are days on which any of its terms may be in force, the inner days those on which all of them are:
    a window within these needs no look at the terms one by one.
    """

    key: tuple[str, int]
    party: str
    first: date
    last: date
    inner_first: date
    inner_last: date
    agreed: bytes
    terms: tuple[tuple[bytes, date, date], ...]
    filled: bytes
    longest_lookback: timedelta
    repeat: timedelta | None
    dedup: bytes
    events: tuple[tuple[str, date, date], ...]


_FILLS = b"*"


def _attributed(stretch: InForce) -> _Attributed | None:
    contract = stretch.contract
    attribution = contract.attribution
    if contract.side != "advertiser" or attribution is None:
        return None
    by_action = [
        (term.term_id, term.pricing.event, term.line_items, days)
        for term in contract.terms
        if isinstance(term.pricing, Cpa) and (days := _shared_days(stretch, term)) is not None
    ]
    if not by_action:
        return None
    terms = tuple((_hash([term_id, event, line_items]), *days) for term_id, event, line_items, days in by_action)
    eligibility = contract.eligibility
    repeat = eligibility.repeat_household_days if eligibility else None
    dedup = eligibility.order_dedup_days if eligibility else None
    agreed = _hash(
        [
            contract.contract_id,
            stretch.version,
            contract.party.id,
            contract.currency,
            contract.timezone,
            contract.validation_days,
            attribution.model_dump_json(),
            eligibility.model_dump_json() if eligibility else None,
            [override.model_dump_json() for override in contract.partner_overrides],
        ]
    )
    lookbacks = [attribution.lookback, *(o.lookback for o in contract.partner_overrides if o.lookback and not o.excluded)]
    return _Attributed(
        key=(contract.contract_id, stretch.version),
        party=contract.party.id,
        first=min(first for _, first, _ in terms),
        last=max(last for _, _, last in terms),
        inner_first=max(first for _, first, _ in terms),
        inner_last=min(last for _, _, last in terms),
        agreed=agreed,
        terms=terms,
        filled=agreed + b"".join(term + _FILLS for term, _, _ in terms),
        longest_lookback=max(lookback or OFF for pair in lookbacks for lookback in (pair.view, pair.click)),
        repeat=None if repeat is None else timedelta(days=repeat),
        dedup=_hash([contract.contract_id, contract.timezone, dedup]),
        events=tuple((event, *days) for _, event, _, days in by_action),
    )


def _within(part: _Attributed, first: date, last: date) -> bytes:
    meeting = [
        term + (_FILLS if on <= first and last <= until else f"{max(on, first)}/{min(until, last)}".encode())
        for term, on, until in part.terms
        if on <= last and first <= until
    ]
    return part.agreed + b"".join(meeting) if meeting else b""


def _deduplicated(part: _Attributed, first: date, last: date) -> bytes:
    """What the duplicate orders among the party's conversions of the window depend on."""
    days = sorted(
        {(event, max(on, first), min(until, last)) for event, on, until in part.events if on <= last and first <= until}
    )
    return part.dedup + _hash([[event, str(on), str(until)] for event, on, until in days]) if days else b""


def _hash(content: list[Any]) -> bytes:
    return hashlib.sha256(json.dumps(content, ensure_ascii=False).encode()).digest()


def _shared_days(stretch: InForce, term: Term) -> tuple[date, date] | None:
    term_first, term_last = term_days(stretch.contract, term)
    first, last = max(stretch.first, term_first), min(stretch.last or OPEN_END, term_last or OPEN_END)
    return (first, last) if first <= last else None


def _pricing_columns(term: Term) -> tuple[Any, ...]:
    pricing = term.pricing
    delivered = pricing if isinstance(pricing, Cpm | Dcpm) else None
    tiers = pricing.tiers if isinstance(pricing, Cpm | Cpa) else None
    return (
        pricing.model,
        pricing.event if isinstance(pricing, Cpa) else None,
        delivered.billable_on if delivered else None,
        (tiers.mode if tiers else "graduated") if isinstance(pricing, Cpm | Cpa) else None,
        hour_factors(pricing),
        delivered.impression_cap if delivered else None,
        delivered.budget if delivered else None,
        pricing.monthly_cap if isinstance(pricing, Cpa) else None,
        pricing.markup if isinstance(pricing, Dcpm) else None,
        pricing.share if isinstance(pricing, RevenueShare) else None,
    )


def _document_columns(contract: Contract) -> tuple[Any, ...]:
    attribution, eligibility = contract.attribution, contract.eligibility
    return (
        contract.validation_days,
        attribution.model if attribution else None,
        (attribution.lookback.view or OFF) if attribution else None,
        (attribution.lookback.click or OFF) if attribution else None,
        attribution.click_over_view if attribution else None,
        attribution.view_basis if attribution else None,
        attribution.half_life if attribution else None,
        eligibility.new_customers_only if eligibility else None,
        eligibility.countries if eligibility else None,
        eligibility.minimum_order_value if eligibility else None,
        (eligibility.excluded_categories or None) if eligibility else None,
        (eligibility.excluded_coupons or None) if eligibility else None,
        eligibility.repeat_household_days if eligibility else None,
        eligibility.order_dedup_days if eligibility else None,
        eligibility.eligible_when if eligibility else None,
        contract.payment_terms_days,
        contract.agency_commission or 0,
        contract.minimum_monthly or 0,
        contract.tax.rate if contract.tax else 0,
        contract.withholding or 0,
        contract.minimum_payout or 0,
    )


def _override_rows(contract: Contract, version: int) -> list[tuple[Any, ...]]:
    return [
        (
            contract.contract_id,
            version,
            override.partner_id,
            override.lookback.view if override.lookback else None,
            override.lookback.click if override.lookback else None,
            override.excluded,
        )
        for override in contract.partner_overrides
    ]


def _frame(rows: list[tuple[Any, ...]], schema: pl.Schema) -> pl.DataFrame:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    return pl.DataFrame(
        [pl.Series(name, values, dtype) for (name, dtype), values in zip(schema.items(), columns, strict=True)]
    )
