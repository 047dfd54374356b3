"""What stands where: which days are in, which months are open, what is missing, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

import polars as pl

from assets.adjusting import missing_rates, pending
from assets.closing import reasons_against_close
from assets.upkeep import Upkeep
from contracts_io.calendar import Month, days_between, start_of
from contracts_io.home import Home
from contracts_io.lifecycle import CONTENT_LENGTH, State
from contracts_io.money import minor_to_decimal
from contracts_io.store.documents import Act


@dataclass(frozen=True)
class MonthStatus:
    """A month that something was delivered for.

    ``invoices``, totals, and ``earnings``, of payout statements, are sums by currency: of what was issued where it is closed,
    else of the drafts, which no balance is brought forward to and nothing withheld from. ``against`` says what stands against
    closing it, or where it is closed against adjusting it; ``is_stale`` that its drafts are older than its data or contracts;
    ``prepared``: the close, or the adjustment of a closed month, that waits for another person; ``pending`` what a closed month
    would be adjusted by, by the drafts as they stand.
    """

    month: Month
    closed_on: date | None
    documents: int
    invoices: Mapping[str, Decimal]
    earnings: Mapping[str, Decimal]
    against: Sequence[str]
    is_stale: bool
    prepared: PreparedStatus | None = None
    pending: PendingStatus | None = None


@dataclass(frozen=True)
class PreparedStatus:
    """Who prepared an act, and the hash of what it would issue."""

    by: str
    content: str


@dataclass(frozen=True)
class PendingStatus:
    """The notes that a closed month needs, their net and tax by currency, and how many lines statements will carry for it.

    ``tax_changes``: why the tax of a note changes where its lines do not say it, by contract.
    """

    notes: int
    net: Mapping[str, Decimal]
    tax: Mapping[str, Decimal]
    tax_changes: Mapping[str, str]
    partner_lines: int


@dataclass(frozen=True)
class NotRenewed:
    """A contract whose renewal is due and cannot be made, why, and what to do."""

    contract_id: str
    reason: str
    remedy: str


@dataclass(frozen=True)
class Status:
    """One look at a home."""

    contracts: Mapping[str, int]
    waiting: Sequence[str]
    days_in: Sequence[date]
    days_waiting: Sequence[date]
    days_missing: Sequence[date]
    months: Sequence[MonthStatus]
    quarantined: int
    next_steps: Sequence[str]
    not_renewed: Sequence[NotRenewed] = ()


def status(home: Home, today: date) -> Status:
    """The state of the home on ``today``; reads only."""
    contracts = home.contracts.list_contracts(on=today)
    by_state = {state.value: sum(c.state == state for c in contracts) for state in State if state is not State.DRAFT}
    waiting = [c.contract_id for c in contracts if c.state is State.SUBMITTED]
    days_in = home.days_run()
    delivered = [day for day in home.days_delivered() if day not in set(days_in)]
    span = sorted({*days_in, *delivered})
    missing = [day for day in days_between(span[0], span[-1]) if day not in set(span)] if span else []
    upkeep = Upkeep(home)
    stale = upkeep.stale_months()
    months = [found for month in upkeep.months() if (found := _month(home, month, upkeep, is_stale=month in stale))]
    quarantined = home.warehouse.read("feed_counts").select(pl.col("quarantined").sum()).collect().item()
    # Renewals go by the delivery day, which in a home of past or future days is not the clock's.
    day = max([today, *days_in[-1:]])
    refused = home.contracts.not_renewed(day=day, at=start_of(day), closed_through=home.closed_through())
    return Status(
        contracts=by_state,
        waiting=waiting,
        days_in=days_in,
        days_waiting=delivered,
        days_missing=missing,
        months=months,
        quarantined=int(quarantined),
        next_steps=_next_steps(
            by_state, waiting, days_in, delivered, missing, months, by_two=home.settings.roles.close_approval
        ),
        not_renewed=[NotRenewed(e.contract_id, f"{e.where}: {e.what}", e.remedy) for e in refused],
    )


def _month(home: Home, month: Month, upkeep: Upkeep, *, is_stale: bool) -> MonthStatus | None:
    """None for an open month in which nothing is to be issued."""
    closed = home.books.closed_months().get(month)
    if closed:
        invoices = [(d.currency, d.total_minor) for d, _ in home.books.invoices(month)]
        earnings = [(d.currency, d.earnings_minor) for d, _ in home.books.payouts(month)]
        return MonthStatus(
            month,
            closed.closed_on,
            len(invoices) + len(earnings),
            _minor_sums(invoices),
            _minor_sums(earnings),
            against=missing_rates(upkeep, month),
            is_stale=is_stale,
            prepared=_prepared(home, Act.ADJUST, month),
            pending=_pending(home, month, upkeep),
        )
    invoiced = home.warehouse.read("draft_invoices", [str(month)]).collect()
    paid = home.warehouse.read("draft_payouts", [str(month)]).collect()
    if invoiced.is_empty() and paid.is_empty() and not is_stale:
        return None
    return MonthStatus(
        month,
        None,
        invoiced.height + paid.height,
        _sums(invoiced, "total"),
        _sums(paid, "earnings"),
        reasons_against_close(home, month, upkeep),
        is_stale,
        prepared=_prepared(home, Act.CLOSE, month),
    )


def _prepared(home: Home, act: Act, month: Month) -> PreparedStatus | None:
    found = home.books.prepared(act, month) if home.settings.roles.close_approval else None
    return PreparedStatus(found.prepared_by, found.content_hash) if found else None


def _pending(home: Home, month: Month, upkeep: Upkeep) -> PendingStatus | None:
    found = pending(home, upkeep, month)
    if not found.notes and not found.partner_lines:
        return None
    return PendingStatus(found.notes, found.net, found.tax, found.tax_changes, found.partner_lines)


def _next_steps(
    contracts: Mapping[str, int],
    waiting: Sequence[str],
    days_in: Sequence[date],
    delivered: Sequence[date],
    missing: Sequence[date],
    months: Sequence[MonthStatus],
    *,
    by_two: bool,
) -> list[str]:
    steps = []
    if not sum(contracts.values()):
        steps.append("import contracts: adledger contract import FILE... --by USER")
    if waiting:
        steps.append(f"have a colleague approve: adledger contract approve {waiting[0]} --by USER")
    if delivered:
        whole = f"run {delivered[0]}" if len(delivered) == 1 else f"backfill {delivered[0]} {delivered[-1]}"
        steps.append(f"take in what was delivered: adledger {whole}")
    elif not days_in:
        steps.append("deliver files under landing/<feed>/<day>/, then: adledger run DAY")
    if missing:
        steps.append(f"ask for the delivery of {missing[0]}" + (f" and {len(missing) - 1} more" if len(missing) > 1 else ""))
    if closable := [found for found in months if not found.closed_on and not found.against]:
        steps.append(_issued("close the month", Act.CLOSE, closable[0], by_two=by_two))
    for found in months:
        if found.closed_on and ((found.pending and found.pending.notes) or found.is_stale):
            first = f"add the exchange rates that {found.month} lacks, then " if found.against else ""
            steps.append(_issued(f"{first}issue the notes that {found.month} needs", Act.ADJUST, found, by_two=by_two))
    if stale := [found.month for found in months if found.is_stale and not found.closed_on]:
        steps.append(f"renew the drafts of {stale[0]}: adledger export {stale[0]} --draft --to DIR, or the next run")
    if closed := [found.month for found in months if found.closed_on]:
        steps.append(f"hand out the documents: adledger export {closed[-1]} --to DIR")
    return steps


def _issued(step: str, act: Act, found: MonthStatus, *, by_two: bool) -> str:
    command = f"adledger {act} {found.month}"
    if not by_two:
        return f"{step}: {command}"
    if found.prepared is None:
        return f"{step}, which another person then approves: {command} --by USER"
    content = f"content {found.prepared.content[:CONTENT_LENGTH]}"
    return f"{step}, as {found.prepared.by} prepared it ({content}), another person: {command} --approve --by USER"


def _sums(frame: pl.DataFrame, amount: str) -> dict[str, Decimal]:
    return dict(frame.group_by("currency").agg(pl.col(amount).sum()).sort("currency").iter_rows())


def _minor_sums(amounts: Sequence[tuple[str, int]]) -> dict[str, Decimal]:
    sums: dict[str, int] = {}
    for currency, minor in amounts:
        sums[currency] = sums.get(currency, 0) + minor
    return {currency: minor_to_decimal(sums[currency], currency) for currency in sorted(sums)}
