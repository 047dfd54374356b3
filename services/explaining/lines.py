"""A line of a document as arithmetic that can be followed with a pencil: which kind of line is worked out how.

Media, flat fees, budgets and revenue shares are ``explain_media``'s; actions and what holds for a whole document are here.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import polars as pl

from contracts_io.money import MICRO, NANOS_TYPE, RATE_TYPE, divide_half_up, minor_to_decimal, minor_unit_nanos
from contracts_io.store.document_tables import Line
from services.explaining.explained import Sum
from services.explaining.figures import billed, exact, factor, in_nanos, of_micros, rounded, rounding, total
from services.explaining.media import Context, budget_cap, media, revenue_share, span, steps_of, tier_fee

_FEW = 20
"""So many different fees and credits are written out one by one."""
_UNDER_COMMISSION = ("media", "tier_fee", "budget_cap")
_ABOVE_MINIMUM = ("agency_commission", *_UNDER_COMMISSION, "action")


def action_units(context: Context, line: Line) -> pl.DataFrame:
    """The conversions of a line, of table ``action_units``, by place in the month."""
    rate = None if line.rate is None else Decimal(line.rate)
    return (
        context.source.of_contract("action_units", context.contract_id)
        .filter(
            pl.col("term_id") == line.term_id,
            pl.col("version") == line.version,
            pl.col("step") == line.step,
            pl.col("rate") == pl.lit(rate, RATE_TYPE),
            pl.col("advertiser_contract_id").eq_missing(pl.lit(line.advertiser_contract_id)),
            pl.col("amount").is_not_null(),
        )
        .sort("position")
    )


def action(context: Context, line: Line) -> Sum:
    """Conversions, each a fee times its credit, rounded to 9 places."""
    units = action_units(context, line)
    steps = steps_of(context.terms, line.term_id, line.version)
    assert line.step is not None
    sums = total(units["amount"])
    written = [f"{span(steps, line.step)}: {_fee(steps[line.step])}"] if len(steps) > 1 else [_fee(steps[line.step])]
    valued = [] if units["rate_kind"].eq("flat").all() else ["value"]
    parts = units.group_by(*valued, "fee", "credit", "amount", maintain_order=True).len()
    if parts.height <= _FEW:
        for *value, fee, credit, amount, count in parts.iter_rows():
            of = f" (of {exact(value[0] or Decimal(0))})" if valued else ""
            written.append(f"{count:,} x fee {exact(fee)}{of} x credit {credit:,} / 1,000,000 = {exact(count * amount)}")
    else:
        written.append(f"the sum of fee x credit / 1,000,000 over {units.height:,} conversions = {exact(sums)}")
    problems = [
        f"{name}: fee {exact(fee)} x credit {credit:,} is not {exact(amount)}"
        for name, fee, credit, amount in units.select("conversion_id", "fee", "credit", "amount").iter_rows()
        if divide_half_up(in_nanos(fee) * credit, MICRO) != in_nanos(amount)
    ]
    if line.quantity != units.height:
        problems.append(f"the line says {line.quantity} conversions, table action_units has {units.height}")
    days = units.group_by("billing_date").agg(
        delivery_days=pl.col("delivery_day").unique().sort(),
        units=pl.len().cast(pl.Int64),
        exact=pl.col("amount").sum().cast(NANOS_TYPE),
    )
    written += [*_cap(context, line), rounding(sums, context.currency)]
    return Sum(written, rounded(sums, context.currency), sums, days.sort("billing_date").to_dicts(), problems)


def _fee(step: dict[str, Any]) -> str:
    if step["fee_type"] == "flat":
        return f"fee {exact(of_micros(step['fee_amount_micros']))} for each conversion"
    held = [
        f"{name} {exact(of_micros(step[column]))}"
        for name, column in (("at least", "fee_minimum_micros"), ("at most", "fee_maximum_micros"))
        if step[column] is not None
    ]
    return ", ".join([f"fee value x {factor(of_micros(step['fee_rate_micros']))}, rounded to 9 places", *held])


def _cap(context: Context, line: Line) -> list[str]:
    own = context.terms.terms.filter(pl.col("term_id") == line.term_id, pl.col("version") == line.version)
    cap = own["monthly_cap"][0]
    if cap is None:
        return []
    units = context.source.of_contract("action_units", context.contract_id).filter(pl.col("term_id") == line.term_id)
    over = units["position"].null_count()
    return [f"monthly cap {cap:,}: {units.height - over:,} charged in {context.source.month}, {over:,} over the cap"]


def agency_commission(context: Context, _line: Line) -> Sum:
    """The agency's share of media, flat fees and budget caps, taken off."""
    head = context.source.head(context.contract_id) or {}
    share = of_micros(int(str(head["agency_commission_micros"])))
    under = _sum_of(context, _UNDER_COMMISSION)
    off = -(under * share)
    written = [
        f"media, tier_fee and budget_cap lines: {_added(context, _UNDER_COMMISSION)}",
        f"- ({exact(under)} x {factor(share)}) = {exact(off)}",
        rounding(off, context.currency),
    ]
    return Sum(written, rounded(off, context.currency), off)


def minimum(context: Context, _line: Line) -> Sum:
    """What all lines above lack to the monthly minimum, for the days on which the contract is in force."""
    month, currency = context.source.month, context.currency
    head = context.source.head(context.contract_id) or {}
    least = of_micros(int(str(head["minimum_monthly_micros"])))
    stretches = context.terms.contracts.select("first_on", "last_on").iter_rows()
    days = sum(max(0, (min(last, month.last) - max(first, month.first)).days + 1) for first, last in stretches)
    of = (month.last - month.first).days + 1
    due = minor_to_decimal(divide_half_up(in_nanos(least) * days, of * minor_unit_nanos(currency)), currency)
    above = _sum_of(context, _ABOVE_MINIMUM)
    amount = due - above
    written = [
        f"minimum of a month {exact(least)} x {days} of {of} days in force, rounded once = {billed(due, currency)}",
        f"lines above: {_added(context, _ABOVE_MINIMUM)}",
        f"lacking: {billed(due, currency)} - {billed(above, currency)} = {billed(amount, currency)}",
    ]
    return Sum(written, amount)


def _sum_of(context: Context, kinds: tuple[str, ...]) -> Decimal:
    return sum((context.amount(line) for line in context.lines if line.kind in kinds), Decimal(0))


def _added(context: Context, kinds: tuple[str, ...]) -> str:
    """The lines of these kinds and their sum, as an addition."""
    amounts = [exact(context.amount(line)) for line in context.lines if line.kind in kinds]
    if not amounts:
        return "none"
    return f"{' + '.join(amounts)} = {billed(_sum_of(context, kinds), context.currency)}"


SUMS: dict[str, Callable[[Context, Line], Sum]] = {
    "media": media,
    "action": action,
    "revenue_share": revenue_share,
    "tier_fee": tier_fee,
    "budget_cap": budget_cap,
    "agency_commission": agency_commission,
    "minimum": minimum,
}
"""How the lines that an entitlement comes to are worked out, by kind."""


def line_sum(context: Context, line: Line) -> Sum:
    """How a line comes about; what does not tie to its amount, to the last digit, is among the problems."""
    found = SUMS[line.kind](context, line)
    if found.amount != context.amount(line):
        found.problems.append(
            f"this comes to {billed(found.amount, context.currency)}, "
            f"the line says {billed(context.amount(line), context.currency)}"
        )
    return found
