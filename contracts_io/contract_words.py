"""A contract in plain sentences, so that who approves it reads what it means and not how it is written.

Every field that is agreed on is said, also where it has its default; amounts are exact, at least with the places of their currency.

    q4-brand covers line items li-100 and li-101 from 2026-10-01 to 2026-12-31: 32.50 USD per 1,000 served impressions
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta

from contracts_io.contract import (
    Attribution,
    Bank,
    Contract,
    Cpa,
    Cpm,
    Dcpm,
    Eligibility,
    FlatFee,
    Lookback,
    Multipliers,
    PercentFee,
    Renewal,
    RevenueShare,
    Step,
    Term,
    Tiers,
    term_days,
)
from contracts_io.contract_fields import MICRO_PLACES
from contracts_io.expression import parse
from contracts_io.expression_words import in_words
from contracts_io.money import format_scaled, minor_digits
from contracts_io.renewal import renews_on

_PERCENT_PLACES = 4
_MODELS = {
    "first_touch": "all of it to the first touch",
    "last_touch": "all of it to the last touch",
    "linear": "in equal parts to every touch",
    "position_based": "40% to the first touch, 40% to the last, 20% in equal parts to those between",
    "time_decay": "more to later touches",
}
_DAYS = {"mon": "Mon", "tue": "Tue", "wed": "Wed", "thu": "Thu", "fri": "Fri", "sat": "Sat", "sun": "Sun"}


def sentences(contract: Contract) -> list[str]:
    """The contract in sentences, without full stops: who and when, what holds for all of it, then its terms in order."""
    return [
        *_parties(contract),
        *_money(contract),
        *([_renewal(contract, contract.renewal)] if contract.renewal else []),
        *(_attribution(contract.attribution) if contract.attribution else []),
        *(_eligibility(contract, contract.eligibility) if contract.eligibility else []),
        *_overrides(contract),
        *(_term(contract, term) for term in contract.terms),
    ]


def _parties(contract: Contract) -> Iterator[str]:
    party = contract.party
    does = "pays us" if contract.side == "advertiser" else "is paid by us"
    yield f"{party.name} ({party.id}, {party.country}) {does}, in {contract.currency}; days are those of {contract.timezone}"
    details = [
        ("address", party.address if isinstance(party.address, str) else ", ".join(_parts(party.address))),
        ("tax id", party.tax_id),
        ("e-mail", party.email),
        ("bank", _bank(party.bank) if party.bank else None),
    ]
    if said := [f"{name} {value}" for name, value in details if value]:
        yield f"{party.name}: {'; '.join(said)}"
    yield f"the contract runs {_period(contract.starts_on, contract.ends_on)}; this version from {contract.effective_from} on"


def _parts(address: object) -> list[str]:
    return [str(part) for part in vars(address).values() if part] if address else []


def _bank(bank: Bank) -> str:
    number = f"IBAN {bank.iban}" if bank.iban else f"account {bank.account}"
    return " ".join(
        [number, *([f"BIC {bank.bic}"] if bank.bic else []), *([f"routing {bank.routing}"] if bank.routing else [])]
    )


def _money(contract: Contract) -> Iterator[str]:
    if contract.side == "advertiser":
        yield f"invoices are due {_counted(contract.payment_terms_days, 'day')} after their date"
    else:
        yield f"payouts are due {_counted(contract.payment_terms_days, 'day')} after their date"
    if contract.agency_commission is not None:
        yield f"the agency keeps {_percent(contract.agency_commission)} of media lines"
    if contract.minimum_monthly is not None:
        yield f"at least {_amount(contract, contract.minimum_monthly)} a month is charged, prorated by days in force"
    if contract.tax:
        yield f"tax of category {contract.tax.category}: {_percent(contract.tax.rate)} of the net amount"
    if contract.minimum_payout is not None:
        yield f"less than {_amount(contract, contract.minimum_payout)} is not paid out but carried forward"
    if contract.withholding is not None:
        yield f"{_percent(contract.withholding)} of what is due is withheld"
    if any(isinstance(term.pricing, Cpa) for term in contract.terms):
        after = f"{_counted(contract.validation_days, 'day')} after" if contract.validation_days else "on"
        yield f"a conversion is billed {after} its day"


def _renewal(contract: Contract, renewal: Renewal) -> str:
    if renewal.mode == "none":
        return "the contract is not renewed"
    months = f" by {_counted(renewal.months, 'month')}" if renewal.months else ""
    uplift = (
        f", with CPM rates, flat amounts, flat fees and the monthly minimum up by {_percent(renewal.uplift)}"
        if renewal.uplift
        else ", at the same prices"
    )
    if renewal.mode == "manual":
        notice = f", to be talked about {_counted(renewal.notice_days, 'day')} before the end" if renewal.notice_days else ""
        return f"the contract is renewed only by agreement{months}{uplift if renewal.uplift else ''}{notice}"
    day = renews_on(contract)
    at = f" on {day}, {_counted(renewal.notice_days, 'day')} before its end," if day else ", where it has an end,"
    return f"the contract renews by itself{at} {months.strip()} unless a notice of non-renewal is on record{uplift}"


def _attribution(attribution: Attribution) -> Iterator[str]:
    split = _MODELS[attribution.model]
    if attribution.half_life:
        split += f", the weight of a touch halves every {_counted(attribution.half_life, 'day')}"
    yield f"conversions are credited to touches by {attribution.model.replace('_', ' ')}: {split}"
    basis = (
        "impressions count as views"
        if attribution.view_basis == "served"
        else (f"{attribution.view_basis} impressions count as views")
    )
    clicks = "where there is a click, views do not count" if attribution.click_over_view else "views count beside clicks"
    yield f"{_lookback(attribution.lookback)}; {basis}; {clicks}"


def _lookback(lookback: Lookback) -> str:
    said = []
    for kind, back in (("views", lookback.view), ("clicks", lookback.click)):
        if back is not None:
            said.append(f"{kind} count for {_duration(back)}" if back else f"{kind} do not count")
    return ", ".join(said)


def _eligibility(contract: Contract, rules: Eligibility) -> Iterator[str]:
    if any(isinstance(term.pricing, Cpa) for term in contract.terms):
        yield f"an order counts once within {_counted(rules.order_dedup_days, 'day')}"
    if rules.new_customers_only:
        yield "only conversions of new customers count"
    if rules.countries:
        yield f"only conversions from {_listed(rules.countries)} count"
    if rules.minimum_order_value is not None:
        yield f"only orders of at least {_amount(contract, rules.minimum_order_value)} count"
    if rules.excluded_categories:
        yield f"conversions of the category {_listed(rules.excluded_categories, 'or')} do not count"
    if rules.excluded_coupons:
        yield f"conversions with the coupon {_listed(rules.excluded_coupons, 'or')} do not count"
    if rules.repeat_household_days is not None:
        yield f"a household counts once for an event within {_counted(rules.repeat_household_days, 'day')}"
    if rules.eligible_when is not None:
        yield f"conversions count where {in_words(parse(rules.eligible_when))}"


def _overrides(contract: Contract) -> Iterator[str]:
    for override in contract.partner_overrides:
        if override.lookback:
            yield f"of touches by {override.partner_id}, {_lookback(override.lookback)}"
        if override.excluded:
            yield f"touches by {override.partner_id} never count"
        if not override.lookback and not override.excluded:
            yield f"touches by {override.partner_id} count like all others"


def _term(contract: Contract, term: Term) -> str:
    line_items = f"line items {_listed(term.line_items)}" if term.line_items else "every line item"
    if term.line_items and len(term.line_items) == 1:
        line_items = f"line item {term.line_items[0]}"
    of = f" of {_listed(term.advertisers, 'or')}" if term.advertisers else ""
    return f"{term.term_id} covers {line_items}{of} {_period(*term_days(contract, term))}: {_pricing(contract, term)}"


def _pricing(contract: Contract, term: Term) -> str:
    match term.pricing:
        case Cpm() as pricing:
            return "; ".join(_cpm(contract, pricing))
        case Dcpm() as pricing:
            markup = f" plus {_percent(pricing.markup)}" if pricing.markup else ""
            paid = f"the cleared price of each {pricing.billable_on} impression{markup}"
            return "; ".join([paid, *_flight(contract, pricing)])
        case RevenueShare(share=share):
            return f"{_percent(share)} of what advertisers are charged on this partner's impressions"
        case pricing:
            return "; ".join(_cpa(contract, pricing))


def _cpm(contract: Contract, pricing: Cpm) -> Iterator[str]:
    per = f"per 1,000 {pricing.billable_on} impressions"
    if pricing.rate is not None:
        yield f"{_amount(contract, pricing.rate)} {per}"
    if pricing.tiers:
        yield _tiers(contract, pricing.tiers, per)
    if pricing.multipliers:
        yield from _multipliers(pricing.multipliers)
    yield from _flight(contract, pricing)


def _flight(contract: Contract, pricing: Cpm | Dcpm) -> Iterator[str]:
    limits = []
    if pricing.impression_cap is not None:
        limits.append(f"{pricing.impression_cap:,} impressions")
    if pricing.budget is not None:
        limits.append(_amount(contract, pricing.budget))
    if limits:
        yield f"at most {_listed(limits)} over the flight"


def _multipliers(multipliers: Multipliers) -> Iterator[str]:
    for name, factors in (("device type", multipliers.device_type), ("country", multipliers.country)):
        if factors:
            yield f"by {name} times {_listed([f'{_plain(factor)} for {value}' for value, factor in sorted(factors.items())])}"
    parts = [
        f"{_plain(part.factor)} on {_listed([_DAYS[day] for day in part.days])} from {part.from_hour:02}:00 to "
        f"{part.to_hour:02}:00"
        for part in multipliers.daypart
    ]
    if parts:
        first = ", the first that fits" if len(parts) > 1 else ""
        yield f"by local hour times {_listed(parts)}{first}"


def _cpa(contract: Contract, pricing: Cpa) -> Iterator[str]:
    per = f"per {pricing.event}"
    match pricing.fee:
        case FlatFee(amount=amount):
            yield f"{_amount(contract, amount)} {per}"
        case PercentFee() as fee:
            bounds = []
            if fee.minimum is not None:
                bounds.append(f"at least {_amount(contract, fee.minimum)}")
            if fee.maximum is not None:
                bounds.append(f"at most {_amount(contract, fee.maximum)}")
            held = f", {' and '.join(bounds)}" if bounds else ""
            yield f"{_percent(fee.rate)} of the value {per}{held}"
    if pricing.tiers:
        yield _tiers(contract, pricing.tiers, per)
    if pricing.monthly_cap is not None:
        yield f"at most {pricing.monthly_cap:,} conversions a month"


def _tiers(contract: Contract, tiers: Tiers, per: str) -> str:
    """The first step says what is counted, and the mode: each unit at its step, or all of a month at one step."""
    of_media = per.startswith("per 1,000")
    said = []
    for place, step in enumerate(tiers.steps):
        price = _step(contract, step, of_media)
        if place == 0:
            price = f"{price} {per}"
        price += f" plus {_amount(contract, step.flat_fee)} once" if step.flat_fee is not None else ""
        said.append(f"{price} up to {step.up_to:,} a month" if step.up_to is not None else price)
    text = ", then ".join(said)
    mode = "each unit at its step" if tiers.mode == "graduated" else "all units of a month at the step of its total"
    return f"{text} ({mode})" if len(said) > 1 else text


def _step(contract: Contract, step: Step, of_media: bool) -> str:
    if step.amount is not None:
        return _amount(contract, step.amount)
    rate = step.rate or 0
    return _amount(contract, rate) if of_media else f"{_percent(rate)} of the value"


def _period(first: date, last: date | None) -> str:
    if last is None:
        return f"from {first} without an end"
    return f"from {first} to {last}" if first <= last else "on no day"


def _amount(contract: Contract, micros: int) -> str:
    """An exact amount with thousands separators and at least the currency's places: ``150,000.00 USD``."""
    whole, _, fraction = format_scaled(micros, MICRO_PLACES).partition(".")
    places = fraction.ljust(minor_digits(contract.currency), "0")
    return f"{int(whole):,}{'.' if places else ''}{places} {contract.currency}"


def _plain(micros: int) -> str:
    return format_scaled(micros, MICRO_PLACES)


def _percent(micros: int) -> str:
    return f"{format_scaled(micros, _PERCENT_PLACES)}%"


def _counted(number: int | None, noun: str) -> str:
    return f"1 {noun}" if number == 1 else f"{number:,} {noun}s"


def _duration(back: timedelta) -> str:
    hours = back // timedelta(hours=1)
    return _counted(hours, "hour") if hours % 24 else _counted(hours // 24, "day")


def _listed(names: Sequence[str], last: str = "and") -> str:
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end
