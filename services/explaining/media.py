"""Media, flat fees, budgets and revenue shares of a line, written out from the accruals that it sums.

The price of a unit comes from the functions that priced it (``pipelines.prices``); what is checked here is that stored rows,
written-out steps and the line come to the same amount.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from contracts_io.money import FACTOR_TYPE, NANOS_TYPE, RATE_TYPE, divide_half_up, from_nanos, minor_to_decimal, nanos
from contracts_io.store.document_tables import Line
from contracts_io.terms import TermFrames
from pipelines.exchange import converted
from pipelines.flights import rated_terms
from pipelines.prices import priced_by_cost, priced_by_mille
from services.explaining.explained import Sum
from services.explaining.figures import (
    billed,
    counted,
    exact,
    factor,
    in_nanos,
    of_micros,
    of_nanos,
    rounded,
    rounding,
    total,
)
from services.explaining.sources import Source

_GROUP = ["billing_date", "line_item_id", "partner_id"]
_NO_UNITS = 0


class Context(NamedTuple):
    """A line at hand: the month's tables, its contract and currency, and every line of the same document."""

    source: Source
    contract_id: str
    currency: str
    lines: list[Line]

    @property
    def terms(self) -> TermFrames:
        """The contract's terms."""
        return self.source.terms_of(self.contract_id)

    def amount(self, line: Line) -> Decimal:
        """A line's amount."""
        return minor_to_decimal(line.amount_minor, self.currency)


def term_row(context: Context, line: Line) -> dict[str, Any]:
    """The row of ``terms.terms`` that priced a line."""
    own = context.terms.terms.filter(pl.col("term_id") == line.term_id, pl.col("version") == line.version)
    return own.to_dicts()[0]


def accrued(context: Context, line: Line, *kinds: str) -> pl.DataFrame:
    """The accruals of these kinds under a line's contract, term and version."""
    return context.source.of_contract("accruals", context.contract_id).filter(
        pl.col("kind").is_in(kinds), pl.col("term_id") == line.term_id, pl.col("version") == line.version
    )


def media_rows(context: Context, line: Line) -> pl.DataFrame:
    """The accruals that a media line sums."""
    rate = None if line.rate is None else Decimal(line.rate)
    return accrued(context, line, "media").filter(pl.col("rate").eq_missing(pl.lit(rate, RATE_TYPE)))


def judged_of(context: Context, line: Line) -> pl.DataFrame:
    """The billed rows of ``judged_impressions`` of a line's term and version, with their delivery day."""
    own = (pl.col("term_id") == line.term_id) & (pl.col("version") == line.version)
    return context.source.judged(context.contract_id).filter(own)


def media(context: Context, line: Line) -> Sum:
    """Units at an effective rate, step by step; or cleared prices, day by day."""
    rows, own = media_rows(context, line), judged_of(context, line)
    sums = total(rows["uncapped"])
    written, days, problems = (
        _at_cleared_prices(context, line, rows, own) if line.rate is None else _per_mille(context, line, rows, own)
    )
    arithmetic = [*written, rounding(sums, context.currency), *_limits(context, line, rows)]
    if line.quantity != rows["units"].sum():
        problems.append(f"the line says {line.quantity} units, the accruals {rows['units'].sum()}")
    return Sum(arithmetic, rounded(sums, context.currency), sums, days, problems)


def _per_mille(
    context: Context, line: Line, rows: pl.DataFrame, judged: pl.DataFrame
) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    assert line.rate is not None
    rate = Decimal(line.rate)
    prices = _prices(context, line, rows, judged)
    steps = steps_of(context.terms, line.term_id, line.version)
    written, problems, sums = [], [], Decimal(0)
    for step in rows["step"].unique().sort():
        units = int(rows.filter(pl.col("step") == step)["units"].sum())
        charge = units * rate.scaleb(-3)
        factors = prices.filter(pl.col("step") == step)["multiplier"].sort().to_list()
        if not factors:
            problems.append(f"no impression has a multiplier that makes {exact(rate)} of the rate of step {step}")
        stepped = of_micros(steps[step]["rate_micros"])
        named = f"{span(steps, step)}: " if len(steps) > 1 else ""
        times = " or ".join(factor(f) for f in factors)
        written.append(f"{named}rate {exact(stepped)} x multiplier {times} = {exact(rate)} per 1,000 (6 places)")
        written.append(f"{named}{counted(units)} x {exact(rate)} / 1,000 = {exact(charge)}")
        sums += charge
    if sums != total(rows["uncapped"]):
        problems.append(f"the steps come to {exact(sums)}, the accruals to {exact(total(rows['uncapped']))}")
    mine = judged.filter(pl.col("multiplier").is_in(prices["multiplier"].implode()))
    return written, list(_days(rows, mine)), problems


def _prices(context: Context, line: Line, rows: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """``step`` and ``multiplier`` of every pair that comes to the line's rate."""
    terms = context.terms
    rated = rated_terms(terms)
    number = rated.terms.filter(pl.col("term_id") == line.term_id, pl.col("version") == line.version)["term"].item()
    pairs = effective_rates(terms, number, rows["step"].unique(), judged["multiplier"].unique())
    return pairs.filter(pl.col("rate") == pl.lit(Decimal(line.rate or 0), RATE_TYPE))


def multipliers_of(context: Context, line: Line, rows: pl.DataFrame, judged: pl.DataFrame) -> pl.Series:
    """The products of multipliers that come to a line's rate, at whichever of its steps."""
    return _prices(context, line, rows, judged)["multiplier"].unique()


def effective_rates(terms: TermFrames, number: int, steps: pl.Series, multipliers: pl.Series) -> pl.DataFrame:
    """``step``, ``multiplier`` and ``rate`` of every pair of them under the term with this number in ``rated_terms``."""
    pairs = steps.drop_nulls().alias("step").to_frame().join(multipliers.alias("multiplier").to_frame(), how="cross")
    stepped = pairs.select(
        "step",
        term=pl.lit(number, pl.UInt32),
        multiplier=pl.col("multiplier").to_physical(),
        units=pl.lit(_NO_UNITS, pl.Int64),
    )
    return priced_by_mille(stepped, rated_terms(terms)).select(
        "step",
        pl.col("multiplier").reinterpret(dtype=FACTOR_TYPE),
        rate=pl.col("rate").cast(pl.Int128).reinterpret(dtype=RATE_TYPE),
    )


def steps_of(terms: TermFrames, term_id: str | None, version: int | None) -> dict[int, dict[str, Any]]:
    """The rows of ``terms.steps`` of a term of one contract, by step, each with its ``tier_mode``."""
    own = (pl.col("term_id") == term_id) & (pl.col("version") == version)
    mode = terms.terms.filter(own)["tier_mode"][0]
    return {row["step"]: row | {"tier_mode": mode} for row in terms.steps.filter(own).unique("step").sort("step").to_dicts()}


def span(steps: dict[int, dict[str, Any]], step: int) -> str:
    """A step by the units that it prices: ``step 2 (units 1,001 to 5,000 of the month)``.

    By volume it prices every unit: ``step 2 (all units of a month of 1,001 to 5,000)``.
    """
    first = (steps[step - 1]["up_to"] if step > 1 else 0) + 1
    last = steps[step]["up_to"]
    if steps[step]["tier_mode"] == "volume":
        return f"step {step} (all units of a month of {first:,} {'and more' if last is None else f'to {last:,}'})"
    return f"step {step} (units {first:,} {'and on' if last is None else f'to {last:,}'} of the month)"


def _days(rows: pl.DataFrame, judged: pl.DataFrame) -> Iterator[dict[str, Any]]:
    """The rows by billing date, line item, partner and step, with the delivery days that their impressions came on."""
    delivered = judged.group_by(billing_date="month_date", line_item_id="line_item_id", partner_id="partner_id").agg(
        delivery_days=pl.col("delivery_day").unique().sort()
    )
    summed = rows.group_by(*_GROUP, "step").agg(pl.col("units").sum(), pl.col("uncapped").sum())
    for row in summed.join(delivered, on=_GROUP, how="left").sort(*_GROUP, "step").iter_rows(named=True):
        yield {
            "billing_date": row["billing_date"],
            "delivery_days": row["delivery_days"] or [],
            "line_item_id": row["line_item_id"],
            "partner_id": row["partner_id"],
            **({} if row["step"] is None else {"step": row["step"]}),
            "units": row["units"],
            "exact": row["uncapped"],
        }


def _at_cleared_prices(
    context: Context, line: Line, rows: pl.DataFrame, judged: pl.DataFrame
) -> tuple[list[str], list[dict[str, Any]], list[str]]:
    source, terms = context.source, context.terms
    rated = rated_terms(terms)
    number = rated.terms.filter(pl.col("term_id") == line.term_id, pl.col("version") == line.version)["term"].item()
    base = source.home.settings.cost_currency
    groups = judged.group_by(billing_date="month_date", line_item_id="line_item_id", partner_id="partner_id").agg(
        group_units=pl.col("impressions").sum(), cost=nanos("cost").sum()
    )
    stepped = rows.select(*_GROUP, "units", "uncapped").join(groups, on=_GROUP, how="left")
    priced, _ = priced_by_cost(
        stepped.select(
            *_GROUP, "units", "group_units", "cost", term=pl.lit(number, pl.UInt32), on="billing_date", step=pl.lit(1)
        ),
        rated,
        source.rates,
        base,
    )
    worked_out = priced.select(*_GROUP, from_nanos(pl.col("uncapped"))).iter_rows()
    again = {(day, item, partner): amount for day, item, partner, amount in worked_out}
    markup = of_micros(term_row(context, line)["markup_micros"] or 0)
    days, problems = list(_days(rows, judged)), []
    for day in days:
        key = tuple(day[name] for name in _GROUP)
        group = stepped.filter(*(pl.col(name) == value for name, value in zip(_GROUP, key, strict=True))).to_dicts()[0]
        day["arithmetic"] = _cleared(group, source.rates, base, context.currency, markup)
        if again.get(key) != day["exact"]:
            problems.append(f"{key}: cleared prices come to {again.get(key)}, the accrual is {day['exact']}")
    units = int(rows["units"].sum())
    written = [
        f"{counted(units)} at their cleared prices in {base}, converted by the rate of each local date, "
        f"x (1 + markup {factor(markup)}), each group rounded to 9 places: {exact(total(rows['uncapped']))}"
    ]
    return written, days, problems


def _cleared(group: dict[str, Any], rates: pl.DataFrame, base: str, currency: str, markup: Decimal) -> str:
    cost, on = group["cost"], group["billing_date"]
    said = f"cost {exact(of_nanos(cost))}"
    if group["units"] != group["group_units"]:
        cost = divide_half_up(cost * group["units"], group["group_units"])
        said += f" x {group['units']:,} of {group['group_units']:,} units = {exact(of_nanos(cost))}"
    if base != currency:
        converted_cost = exact(of_nanos(exchanged(cost, rates, base, currency, on)))
        said += f" {base} {exchange(rates, base, currency, on)} = {converted_cost} {currency}"
    return f"{said} x {factor(1 + markup)}"


def exchanged(amount: int, rates: pl.DataFrame, base: str, quote: str, on: date) -> int:
    """``amount`` in nanos of ``base`` in nanos of ``quote``, as ``pipelines.exchange`` converts it."""
    row = pl.DataFrame({"on": [on], "source": [base], "target": [quote]}).with_columns(
        value=from_nanos(pl.lit(amount, pl.Int128))
    )
    found = converted(row, rates, value="value", source="source", target="target", on="on").item()
    return in_nanos(found or Decimal(0))


def exchange(rates: pl.DataFrame, base: str, quote: str, on: date) -> str:
    """How a rate of a date is applied: ``x 1.25 (EUR/USD of 2026-10-05)``; the inverse pair divides."""
    for pair, sign in (((base, quote), "x"), ((quote, base), "/")):
        found = rates.filter(pl.col("date") == on, pl.col("base") == pair[0], pl.col("quote") == pair[1])
        if found.height:
            return f"{sign} {factor(found['rate'].item())} ({pair[0]}/{pair[1]} of {on})"
    return f"(no rate {base}/{quote} of {on})"


def _limits(context: Context, line: Line, rows: pl.DataFrame) -> list[str]:
    """What the term's cap and budget have to say to the line."""
    term, source = term_row(context, line), context.source
    key = (pl.col("contract_id") == context.contract_id) & (pl.col("term_id") == line.term_id)
    said = []
    if term["impression_cap"] is not None:
        before = source.of_contract("flights", context.contract_id, source.month.previous).filter(key)["impressions"].sum()
        now = source.of_contract("accruals", context.contract_id).filter(key, pl.col("kind") == "media")["units"].sum()
        outcomes = source.of_contract("impression_outcomes", context.contract_id)
        over = outcomes.filter(key, pl.col("outcome") == "over_cap")["impressions"].sum()
        said.append(
            f"impression cap {term['impression_cap']:,} over the flight: {before:,} billed before {source.month}, "
            f"{now:,} in it, {over:,} over the cap"
        )
    uncharged = total(rows["uncapped"]) - total(rows["amount"])
    if uncharged:
        said.append(f"of this, {exact(uncharged)} lies beyond the budget: it comes off on the line budget_cap")
    return said


def tier_fee(context: Context, line: Line) -> Sum:
    """The flat fee of a step that prices at least one unit of the month."""
    steps = steps_of(context.terms, line.term_id, line.version)
    assert line.step is not None
    fee = of_micros(steps[line.step]["flat_fee_micros"])
    rows = accrued(context, line, "media", "action").filter(pl.col("step") == line.step)
    units = int(rows["units"].sum())
    written = [
        f"{span(steps, line.step)}: priced at it: {counted(units)}; its flat fee of {exact(fee)} is added once",
        rounding(fee, context.currency),
    ]
    problems = [] if units else [f"no unit is priced at step {line.step}"]
    days = rows.group_by("billing_date").agg(pl.col("units").sum()).sort("billing_date").to_dicts()
    return Sum(written, rounded(fee, context.currency), fee, days, problems)


def budget_cap(context: Context, line: Line) -> Sum:
    """What brings the lines of a flight to what was charged over it."""
    source, currency = context.source, context.currency
    key = pl.col("term_id") == line.term_id
    before = total(source.of_contract("flights", context.contract_id, source.month.previous).filter(key)["lined"])
    flight = source.of_contract("flights", context.contract_id).filter(key).to_dicts()[0]
    lines = [own for own in context.lines if own.kind == "media" and own.term_id == line.term_id]
    now = sum((context.amount(own) for own in lines), Decimal(0))
    budget = of_micros(term_row(context, line)["budget_micros"])
    charged = rounded(flight["charged"], currency)
    amount = charged - before - now
    written = [
        f"lines of the flight before {source.month}: {billed(before, currency)}",
        f"media lines of {source.month}: {' + '.join(exact(context.amount(own)) for own in lines)} = {billed(now, currency)}",
        f"together {billed(before + now, currency)}, more than the budget of {exact(budget)} {currency}",
        f"charged over the flight to the end of {source.month}: {rounding(flight['charged'], currency)}",
        f"{billed(charged, currency)} - {billed(before + now, currency)} = {billed(amount, currency)}",
    ]
    problems = [] if flight["lined"] == before + now + amount else [f"the flight's lines come to {flight['lined']}"]
    if before + now <= budget:
        problems.append("the lines do not come to more than the budget")
    rows = source.of_contract("accruals", context.contract_id).filter(key, pl.col("kind") == "media")
    days = (
        rows.group_by("billing_date")
        .agg(
            pl.col("units").sum(),
            exact=pl.col("uncapped").sum().cast(NANOS_TYPE),
            charged=pl.col("amount").sum().cast(NANOS_TYPE),
        )
        .sort("billing_date")
    )
    return Sum(written, amount, flight["charged"], days.to_dicts(), problems)


def revenue_share(context: Context, line: Line) -> Sum:
    """A share of what was charged to an advertiser on the partner's impressions."""
    source, currency = context.source, context.currency
    assert line.advertiser_contract_id is not None
    rows = accrued(context, line, "revenue_share").filter(pl.col("advertiser_contract_id") == line.advertiser_contract_id)
    base = source.terms_of(line.advertiser_contract_id).contracts["currency"][0]
    charges = (
        source.of_contract("accruals", line.advertiser_contract_id)
        .filter(pl.col("kind") == "media")
        .group_by(_GROUP)
        .agg(charged=pl.col("amount").sum(), charged_units=pl.col("units").sum())
    )
    share = of_micros(term_row(context, line)["share_micros"])
    days, problems = [], []
    for row in rows.join(charges, on=_GROUP, how="left").sort(*_GROUP).iter_rows(named=True):
        charge, on = row["charged"] or Decimal(0), row["billing_date"]
        said = f"{exact(charge)} {base}"
        if base != currency:
            charge = of_nanos(exchanged(in_nanos(charge), source.rates, base, currency, on))
            said += f" {exchange(source.rates, base, currency, on)} = {exact(charge)} {currency}"
        days.append(
            {
                **{name: row[name] for name in _GROUP},
                "units": row["units"],
                "charged": row["charged"],
                "exact": row["amount"],
                "arithmetic": f"{said} x {factor(share)}",
            }
        )
        # A group is rated once for each product of multipliers, and rounded twice: each may be off by a nano.
        if abs(charge * share - row["amount"]) > of_nanos(2 * row["units"]) or row["charged_units"] != row["units"]:
            problems.append(f"{on} {row['line_item_id']}: {exact(charge)} x {factor(share)} is not {exact(row['amount'])}")
    sums = total(rows["amount"])
    charged = sum((day["charged"] for day in days), Decimal(0))
    written = [
        f"charged under {line.advertiser_contract_id} on this partner's impressions, after budgets: {exact(charged)} {base}",
        f"x share {factor(share)}, each rated group rounded to 9 places: {exact(sums)}",
        rounding(sums, currency),
    ]
    return Sum(written, rounded(sums, currency), sums, days, problems)
