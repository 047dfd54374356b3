"""Lines, invoices and payout statements of closed months (spec 7.1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction

from plain_model.actions import Unit
from plain_model.agreements import Agreement, Tree, Version, days_of, month_of, number
from plain_model.exact import minor, text
from plain_model.media import Media, Rated

Table = list[dict[str, str]]


@dataclass(frozen=True)
class Line:
    kind: str
    term_id: str
    version: int | None
    quantity: int | None
    rate: Fraction | None
    amount: Fraction

    def row(self, month: str, contract_id: str) -> dict[str, str]:
        return {
            "month": month,
            "contract_id": contract_id,
            "kind": self.kind,
            "term_id": self.term_id,
            "version": text(self.version),
            "quantity": text(self.quantity),
            "rate": text(self.rate),
            "amount": text(self.amount),
        }


@dataclass
class Documents:
    invoices: Table = field(default_factory=list)
    invoice_lines: Table = field(default_factory=list)
    payouts: Table = field(default_factory=list)
    payout_lines: Table = field(default_factory=list)


def documents(contracts: Sequence[Agreement], media: Media, units: Sequence[Unit], months: Sequence[str]) -> Documents:
    """The documents of ``months``, in order; flights and their budgets run from the first month with an accrual."""
    made = Documents()
    for contract in contracts:
        account = _Account(contract, media, units)
        balance = Fraction(0)
        for month in _months(account, months):
            lines = list(account.lines(month))
            if month not in months:
                continue
            if contract.side == "advertiser":
                _invoice(made, contract, month, lines)
            else:
                balance = _statement(made, contract, month, lines, balance)
    return made


def _months(account: _Account, months: Sequence[str]) -> list[str]:
    return sorted({*months, *(month for month in account.months() if month < max(months))})


class _Account:
    """What one contract accrued, and its media lines over the flights so far."""

    def __init__(self, contract: Agreement, media: Media, units: Sequence[Unit]) -> None:
        self.contract = contract
        self.rated = [one for one in media.rated if one.group.version.agreement is contract]
        self.shares = [one for one in media.shares if one.version.agreement is contract]
        self.units = [one for one in units if one.version.agreement is contract]
        self.lined: dict[str, Fraction] = defaultdict(Fraction)

    def months(self) -> set[str]:
        days = [one.group.day for one in self.rated] + [one.group.day for one in self.shares]
        days += [one.billing_date for one in self.units]
        return {month_of(day) for day in days}

    def lines(self, month: str) -> Iterator[Line]:
        """The lines of accruals of a month; months are asked for in order, once each."""
        rated = [one for one in self.rated if month_of(one.group.day) == month]
        units = [one for one in self.units if month_of(one.billing_date) == month]
        media = list(self._media(rated))
        for line in media:
            self.lined[line.term_id] += line.amount
        yield from media
        yield from self._tier_fees(rated, units)
        yield from self._budget_caps(media, month)
        yield from self._actions(units)
        yield from self._shares(month)

    def _minor(self, amount: Fraction) -> Fraction:
        return minor(amount, self.contract.currency)

    def _media(self, rated: Sequence[Rated]) -> Iterator[Line]:
        lines: dict[tuple[str, int, Fraction | None], list[Rated]] = defaultdict(list)
        for one in rated:
            lines[one.group.term["term_id"], one.group.version.number, one.rate].append(one)
        for (term_id, version, rate), parts in lines.items():
            amount = sum((one.uncapped for one in parts), Fraction(0))
            yield Line("media", term_id, version, sum(one.units for one in parts), rate, self._minor(amount))

    def _tier_fees(self, rated: Sequence[Rated], units: Sequence[Unit]) -> Iterator[Line]:
        priced = {(one.group.term["term_id"], one.group.version.number, one.step) for one in rated}
        priced |= {(one.term["term_id"], one.version.number, one.step) for one in units}
        for term_id, version, step in priced:
            if step is None:
                continue
            pricing = self.contract.versions[version - 1].term(term_id)["pricing"]
            fee = number(pricing["tiers"]["steps"][step - 1], "flat_fee")
            if fee is not None:
                yield Line("tier_fee", term_id, version, 1, fee, self._minor(fee))

    def _budget_caps(self, media: Sequence[Line], month: str) -> Iterator[Line]:
        for term_id in dict.fromkeys(line.term_id for line in media):
            highest = max(line.version or 0 for line in media if line.term_id == term_id)
            budget = number(self.contract.versions[highest - 1].term(term_id)["pricing"], "budget")
            if budget is None or self.lined[term_id] <= budget:
                continue
            of_flight = [one for one in self.rated if one.group.term["term_id"] == term_id]
            charged = sum((one.charged for one in of_flight if month_of(one.group.day) <= month), Fraction(0))
            amount = self._minor(charged) - self.lined[term_id]
            self.lined[term_id] += amount
            if amount:
                yield Line("budget_cap", term_id, highest, None, None, amount)

    def _actions(self, units: Sequence[Unit]) -> Iterator[Line]:
        lines: dict[tuple[str, int, str, int | None, str], list[Unit]] = defaultdict(list)
        for one in units:
            charged_by = one.charged_by if self.contract.side == "partner" else ""
            event = one.term["pricing"]["event"]
            lines[one.term["term_id"], one.version.number, event, one.step, charged_by].append(one)
        for (term_id, version, *_), parts in lines.items():
            amount = sum((one.amount for one in parts), Fraction(0))
            yield Line("action", term_id, version, len(parts), parts[0].rate, self._minor(amount))

    def _shares(self, month: str) -> Iterator[Line]:
        quantities: dict[tuple[str, int, str], int] = defaultdict(int)
        amounts: dict[tuple[str, int, str], Fraction] = defaultdict(Fraction)
        for one in self.shares:
            if month_of(one.group.day) == month:
                key = one.term_id, one.version.number, one.group.version.agreement.contract_id
                quantities[key] += one.units
                amounts[key] += one.amount
        for (term_id, version, _), amount in amounts.items():
            quantity = quantities[term_id, version, _]
            yield Line("revenue_share", term_id, version, quantity, None, self._minor(amount))


def _governing(contract: Agreement, month: str) -> Version | None:
    """The version in force on the last day, up to the month's end, on which the contract is in force."""
    day = days_of(month)[-1]
    while day >= contract.first_day():
        if version := contract.in_force(day):
            return version
        day -= timedelta(days=1)
    return None


def _invoice(made: Documents, contract: Agreement, month: str, lines: list[Line]) -> None:
    governing = _governing(contract, month)
    if governing is None:
        return
    document, currency = governing.document, contract.currency
    lines = [line for line in [*lines, *_closing_lines(contract, document, month, lines)] if line.quantity or line.amount]
    if not lines:
        return
    made.invoice_lines += [line.row(month, contract.contract_id) for line in lines]
    net = sum((line.amount for line in lines), Fraction(0))
    tax = minor(net * (number(document.get("tax") or {}, "rate") or 0), currency)
    head = {"month": month, "contract_id": contract.contract_id, "party_id": contract.party, "currency": currency}
    made.invoices.append({**head, "net": text(net), "tax": text(tax), "total": text(net + tax)})


def _closing_lines(contract: Agreement, document: Tree, month: str, lines: Sequence[Line]) -> Iterator[Line]:
    """The commission and what lacks to the minimum."""
    share = number(document, "agency_commission") or Fraction(0)
    of_media = (line.amount for line in lines if line.kind in ("media", "tier_fee", "budget_cap"))
    commission = -minor(share * sum(of_media, Fraction(0)), contract.currency)
    yield Line("agency_commission", "", None, None, None, commission)
    days: list[date] = days_of(month)
    in_force = sum(contract.in_force(day) is not None for day in days)
    minimum = minor((number(document, "minimum_monthly") or 0) * Fraction(in_force, len(days)), contract.currency)
    lacking = minimum - commission - sum((line.amount for line in lines), Fraction(0))
    yield Line("minimum", "", None, None, None, max(Fraction(0), lacking))


def _statement(made: Documents, contract: Agreement, month: str, lines: list[Line], balance: Fraction) -> Fraction:
    """The month's statement, where there is one; the balance that it carries forward."""
    governing = _governing(contract, month)
    lines = [line for line in lines if line.quantity or line.amount]
    if governing is None or not (lines or balance):
        return balance
    made.payout_lines += [line.row(month, contract.contract_id) for line in lines]
    earnings = sum((line.amount for line in lines), Fraction(0))
    due = earnings + balance
    withheld = payable = Fraction(0)
    carried = due
    if due > 0 and due >= (number(governing.document, "minimum_payout") or 0):
        withheld = minor((number(governing.document, "withholding") or 0) * due, contract.currency)
        payable, carried = due - withheld, Fraction(0)
    head = {"month": month, "contract_id": contract.contract_id, "partner_id": contract.party, "currency": contract.currency}
    amounts = (earnings, withheld, balance, payable, carried)
    names = ("earnings", "withholding", "brought_forward", "payable", "carried_forward")
    made.payouts.append({**head, **dict(zip(names, map(text, amounts), strict=True))})
    return carried
