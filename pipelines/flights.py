"""Caps, steps and budgets over frames of rated groups: who is walked, what is shared, what the flights come to.

Arithmetic on a day's totals and the sharing of a day are ``limits``'; here they meet the groups. A group is a row with
``term`` (its number in ``RatedTerms.terms``), ``on`` (local date), ``line_item_id``, ``partner_id`` and ``multiplier``
(Int128 of 1e-18). A day that lies in one step, or is charged whole or not at all, is a join; only the groups of a day that
crosses a boundary are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import polars as pl

from contracts_io.money import MICRO, NANO, from_nanos, nanos, share_out
from contracts_io.terms import TermFrames
from pipelines.limits import Limits, Parts, month_charges, month_parts, share_day

TERM = ["contract_id", "version", "term_id"]
DAY = ["term", "on"]
GROUP = [*DAY, "line_item_id", "partner_id", "multiplier"]

_CROSSED = -1
_NANOS_PER_MICRO = NANO // MICRO
_DAY_STEP = {"term": pl.UInt32, "on": pl.Date, "step": pl.Int32}
_SHARED_STEP = {"row": pl.UInt32, "step": pl.Int32, "units": pl.Int64}
_DAY_CHARGE = {"term": pl.UInt32, "on": pl.Date, "charged": pl.Int128, "crossed": pl.Boolean}
_SHARED_CHARGE = {"row": pl.UInt32, "amount": pl.Int128}


class RatedTerms(NamedTuple):
    """The terms that are rated by impressions, cpm and dcpm of both sides.

    ``terms``: TERMS_SCHEMA's columns with ``term``, a number in order of contract, version and term, and ``flight``, the
    number of the term in all its versions. ``steps``: STEPS_SCHEMA's of cpm terms with ``term``. ``limits``: by ``term``, of
    the flights that have a cap or a second step in any version; ``budgets``: of those that have a budget.
    """

    terms: pl.DataFrame
    steps: pl.DataFrame
    limits: dict[int, Limits]
    budgets: dict[int, Limits]


def rated_terms(terms: TermFrames) -> RatedTerms:
    """The cpm and dcpm terms in force."""
    flight = pl.struct("contract_id", "term_id").rank("dense").cast(pl.UInt32).alias("flight")
    numbered = (
        terms.terms.filter(pl.col("model").is_in(["cpm", "dcpm"]))
        .unique(TERM, keep="first", maintain_order=True)
        .sort(TERM)
        .with_row_index("term")
        .with_columns(flight)
    )
    steps = numbered.select("term", *TERM).join(terms.steps, on=TERM).sort("term", "step")
    ends = steps.filter(pl.col("up_to").is_not_null()).group_by("term", maintain_order=True).agg(ends="up_to")
    rows = numbered.join(ends, on="term", how="left", maintain_order="left").select(
        "term",
        "flight",
        pl.col("ends").is_not_null().alias("tiered"),
        pl.col("ends").fill_null([]),
        "tier_mode",
        "impression_cap",
        "budget_micros",
    )
    walked = rows.filter((pl.col("tiered") | pl.col("impression_cap").is_not_null()).any().over("flight"))
    budgeted = rows.filter(pl.col("budget_micros").is_not_null().any().over("flight"))
    return RatedTerms(numbered, steps, _limits(walked), _limits(budgeted))


def _limits(rows: pl.DataFrame) -> dict[int, Limits]:
    return {
        term: Limits(tuple(ends), mode == "volume", cap, None if budget is None else budget * _NANOS_PER_MICRO)
        for term, _, _, ends, mode, cap, budget in rows.iter_rows()
    }


def with_steps(groups: pl.DataFrame, rated: RatedTerms, flights: pl.DataFrame) -> pl.DataFrame:
    """Each group's ``units`` by the ``step`` that they fall in, OVER_CAP where they lie beyond the cap.

    Rows of GROUP with ``units``; adds ``step`` and ``group_units``, the units before they were parted. ``flights``: the
    table as of the end of the month before.
    """
    groups = groups.with_columns(group_units="units")
    whole: list[tuple[int, Any, int]] = []
    crossed: dict[tuple[int, Any], Parts] = {}
    before = _at_start(rated, flights, pl.col("impressions"))
    for flight, days in _days(groups, rated, rated.limits, pl.col("units").sum()):
        parted = month_parts([(rated.limits[term], units) for term, _, units in days], before.get(flight, 0))
        for (term, on, _), parts in zip(days, parted, strict=True):
            if len(parts) == 1:
                whole.append((term, on, parts[0][0]))
            else:
                whole.append((term, on, _CROSSED))
                crossed[term, on] = parts
    if not whole:
        return groups.with_columns(step=pl.lit(1, pl.Int32))
    steps = pl.DataFrame(whole, schema=_DAY_STEP, orient="row")
    stepped = groups.join(steps, on=DAY, how="left").with_columns(pl.col("step").fill_null(1))
    if not crossed:
        return stepped
    split = stepped.filter(pl.col("step") == _CROSSED).sort(GROUP).drop("step").with_row_index("row")
    shared = [
        (rows[place][0], step, units)
        for day, rows in _by_day(split, pl.col("units"))
        for place, step, units in share_day(crossed[day], [row[-1] for row in rows])
    ]
    by_row = pl.DataFrame(shared, schema=_SHARED_STEP, orient="row")
    parted_rows = split.drop("units").join(by_row, on="row").select(stepped.columns)
    return pl.concat([stepped.filter(pl.col("step") != _CROSSED), parted_rows])


def with_charges(accrued: pl.DataFrame, rated: RatedTerms, flights: pl.DataFrame) -> pl.DataFrame:
    """Add ``amount``: what is charged of each row's ``uncapped`` under the budgets, both Int128 nanos.

    Rows of GROUP with ``step`` and ``uncapped``; ``flights``: the table as of the end of the month before.
    """
    charges: list[tuple[Any, ...]] = []
    before = _at_start(rated, flights, nanos("charged"))
    for flight, days in _days(accrued, rated, rated.budgets, pl.col("uncapped").sum()):
        charged = month_charges([(rated.budgets[term], sum_) for term, _, sum_ in days], before.get(flight, 0))
        for (term, on, total), charge in zip(days, charged, strict=True):
            if charge < total:
                charges.append((term, on, charge, charge > 0))
    if not charges:
        return accrued.with_columns(amount="uncapped")
    short = pl.DataFrame(charges, schema=_DAY_CHARGE, orient="row")
    amount = pl.when(pl.col("charged").is_null()).then("uncapped").otherwise(pl.lit(0, pl.Int128))
    rows = accrued.join(short, on=DAY, how="left").with_columns(pl.col("crossed").fill_null(False), amount=amount)
    split = rows.filter("crossed").sort(*GROUP, "step").with_row_index("row")
    shared = []
    due = {(term, on): charge for term, on, charge, _ in charges}
    for day, parts in _by_day(split, pl.col("uncapped")):
        amounts = share_out(due[day], [row[-1] for row in parts])
        shared += [(row[0], amount) for row, amount in zip(parts, amounts, strict=True)]
    by_row = pl.DataFrame(shared, schema=_SHARED_CHARGE, orient="row")
    columns = [*accrued.columns, "amount"]
    return pl.concat(
        [rows.filter(~pl.col("crossed")).select(columns), split.drop("amount").join(by_row, on="row").select(columns)]
    )


def flights_after(flights: pl.DataFrame, billed: pl.DataFrame, charged: pl.DataFrame, rated: RatedTerms) -> pl.DataFrame:
    """``flights`` carried over the month: columns ``contract_id``, ``term_id``, ``impressions``, ``charged``, sorted.

    ``billed``: rows with ``term`` and ``units``; ``charged``: rows with ``term`` and ``amount`` in nanos.
    """
    key = ["contract_id", "term_id"]
    named = rated.terms.select("term", *key)
    units = billed.group_by("term").agg(impressions=pl.col("units").sum())
    amounts = charged.group_by("term").agg(charged=pl.col("amount").sum())
    of_month = units.join(amounts, on="term", how="left").join(named, on="term")
    return (
        pl.concat(
            [
                flights.select(*key, "impressions", nanos("charged").alias("charged")),
                of_month.select(*key, "impressions", pl.col("charged").fill_null(0)),
            ]
        )
        .group_by(key)
        .agg(pl.col("impressions").sum(), from_nanos(pl.col("charged").sum()).alias("charged"))
        .sort(key)
    )


def _at_start(rated: RatedTerms, flights: pl.DataFrame, count: pl.Expr) -> dict[int, int]:
    key = ["contract_id", "term_id"]
    numbered = rated.terms.select("flight", *key).unique()
    return dict(numbered.join(flights.select(*key, count.alias("before")), on=key).select("flight", "before").iter_rows())


def _days(
    rows: pl.DataFrame, rated: RatedTerms, walked: dict[int, Limits], total: pl.Expr
) -> Iterator[tuple[int, list[tuple[int, Any, int]]]]:
    """Per flight of ``walked`` its days in order: (term, date, total)."""
    numbers = pl.Series("term", list(walked), pl.UInt32)
    totals = (
        rows.filter(pl.col("term").is_in(numbers.implode()))
        .group_by(DAY)
        .agg(total=total)
        .join(rated.terms.select("term", "flight"), on="term")
        .sort("flight", "on")
        .select("flight", "term", "on", "total")
    )
    for flight, days in groupby(zip(*totals.get_columns(), strict=True), key=itemgetter(0)):
        yield flight, [day[1:] for day in days]


def _by_day(split: pl.DataFrame, weight: pl.Expr) -> Iterator[tuple[tuple[int, Any], list[tuple[Any, ...]]]]:
    """The rows of each day, in their order: (row, term, date, weight)."""
    rows = split.select("row", *DAY, weight.alias("weight")).iter_rows()
    for day, of_day in groupby(rows, key=itemgetter(1, 2)):
        yield day, list(of_day)
