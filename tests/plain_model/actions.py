"""What conversions are charged and paid at: fees, steps and monthly caps, on both sides (spec 6.5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, timedelta
from fractions import Fraction

from plain_model.agreements import Agreement, Rates, Tree, Version, matches, month_of, number
from plain_model.attribution import MILLION, Judged, cpa_terms
from plain_model.exact import nine
from plain_model.media import step_at


@dataclass
class Unit:
    """One conversion as a unit of one term, with its credit there in millionths; ``charged_by``: the advertiser contract."""

    conversion: Judged
    version: Version
    term: Tree
    charged_by: str
    partner: str
    billing_date: date
    credit: int = 0
    value: Fraction | None = None
    charged: bool = False
    step: int | None = None
    rate: Fraction = Fraction(0)
    amount: Fraction = Fraction(0)


def rate_actions(judged: Sequence[Judged], contracts: Sequence[Agreement], rates: Rates) -> list[Unit]:
    """The charged units of all terms."""
    charged = _priced(_advertiser_units(judged), None)
    paid = _priced(_partner_units(charged, contracts), rates)
    return [*charged, *paid]


def _advertiser_units(judged: Sequence[Judged]) -> list[Unit]:
    units: dict[tuple[str, str], Unit] = {}
    for one in judged:
        for credit in one.credits:
            assert one.version is not None and one.billing_date is not None
            term, contract_id = one.version.term(credit.term_id), one.version.agreement.contract_id
            made = Unit(one, one.version, term, contract_id, "", one.billing_date, value=one.contract_value)
            units.setdefault((one.conversion_id, credit.term_id), made).credit += credit.millionths
    return list(units.values())


def _partner_units(charged: Iterable[Unit], contracts: Sequence[Agreement]) -> list[Unit]:
    units: dict[tuple[str, str, str], Unit] = {}
    for unit in charged:
        for credit in unit.conversion.credits:
            claim = _claim(unit, credit.touch.row, contracts) if credit.term_id == unit.term["term_id"] else None
            if claim is None:
                continue
            version, term, day = claim
            billed = day + timedelta(days=version.document.get("validation_days", 0))
            made = Unit(unit.conversion, version, term, unit.charged_by, version.agreement.party, billed)
            key = (unit.conversion.conversion_id, version.agreement.contract_id, term["term_id"])
            units.setdefault(key, made).credit += credit.millionths
    return list(units.values())


def _claim(unit: Unit, touch: Tree, contracts: Sequence[Agreement]) -> tuple[Version, Tree, date] | None:
    conversion = unit.conversion.row
    for contract in contracts:
        if contract.side != "partner" or contract.party != touch["partner_id"]:
            continue
        day = contract.local_date(conversion["event_time"])
        version = contract.in_force(day)
        for term in cpa_terms(version, conversion["event"], day) if version else ():
            if version and matches(term, touch["line_item_id"], unit.version.agreement.party):
                return version, term, day
    return None


def _priced(units: Iterable[Unit], rates: Rates | None) -> list[Unit]:
    """The units that are charged, with step, rate and amount; ``rates`` where their values are not converted yet."""
    by_term: dict[tuple[str, str, str], list[Unit]] = defaultdict(list)
    for unit in sorted(units, key=lambda unit: unit.conversion.order):
        key = unit.version.agreement.contract_id, unit.term["term_id"], month_of(unit.billing_date)
        by_term[key].append(unit)
    priced = []
    for of_month in by_term.values():
        charged: list[Unit] = []
        for unit in of_month:
            cap = unit.term["pricing"].get("monthly_cap")
            if cap is None or len(charged) < cap:
                charged.append(unit)
        for position, unit in enumerate(charged, 1):
            if rates is not None and unit.conversion.value is not None:
                one, currency = unit.conversion, unit.version.agreement.currency
                day = one.row["event_time"].astimezone(UTC).date()
                unit.value = rates.need(unit.conversion.value, one.currency, currency, day)
            _price(unit, position, len(charged))
        priced += charged
    return priced


def _price(unit: Unit, position: int, month_total: int) -> None:
    pricing = unit.term["pricing"]
    node = pricing.get("fee")
    if not node:
        tiers = pricing["tiers"]
        unit.step = step_at(tiers, month_total if tiers["mode"] == "volume" else position)
        node = tiers["steps"][unit.step - 1]
    amount, rate = number(node, "amount"), number(node, "rate")
    if amount is not None:
        fee = unit.rate = amount
    else:
        assert rate is not None
        unit.rate = rate
        fee = nine((unit.value or 0) * rate)
        low, high = number(node, "minimum"), number(node, "maximum")
        fee = fee if low is None else max(fee, low)
        fee = fee if high is None else min(fee, high)
    unit.amount = nine(fee * unit.credit / MILLION)
