"""Why a month comes to something else than before: what was delivered, corrected or agreed in between (spec 7.2).

Evidence is gathered row by row: which delivered rows differ, which conversions and touches they are, and which terms these
are counted on. A line's cause is the evidence on its term; a line of a whole contract has that of all its terms.

    late event: delivered on a day that was not in        re-delivery of 2026-10-28: that day's accepted rows differ
    reversal, restatement: a conversion adjustment that was not in      amendment to version 2: approved in between
    exchange rate: a rate that was added or corrected

A tax rate that was amended changes no line: the document has that cause itself.

Days are UTC delivery days; months are billing months.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, NamedTuple

import polars as pl

from contracts_io.lifecycle import ApprovedVersion, in_force

LATE, REDELIVERED, REVERSED, RESTATED, AMENDED, RATE = (
    "late event",
    "re-delivery",
    "reversal",
    "restatement",
    "amendment",
    "exchange rate",
)
_ORDER = (LATE, REDELIVERED, REVERSED, RESTATED, AMENDED, RATE)
OTHERWISE = "the settings or the release"
"""The cause of a line that nothing delivered or agreed explains."""

EVIDENCE = pl.Schema(
    {
        "contract_id": pl.String(),
        "term_id": pl.String(),
        "basis": pl.String(),
        "kind": pl.String(),
        "day": pl.String(),
        "version": pl.Int32(),
    }
)
"""One finding on a term, or where ``term_id`` is null on a contract.

``basis``: media, actions, agreement, rates, or earlier: impressions of earlier months, which count towards caps and budgets.
"""

_ON = list(EVIDENCE)[:2]
_PLACED = ["delivery_day", "line_item_id", "partner_id"]
_UNIT = ["side", "contract_id", "term_id", "conversion_id"]
_PARTNER_BASIS = {"revenue_share": "media", "action": "actions"}


class Sides(NamedTuple):
    """The same table before and after."""

    before: pl.LazyFrame
    after: pl.LazyFrame

    def both(self) -> pl.LazyFrame:
        """The rows of either."""
        return pl.concat([self.before, self.after])

    def differing(self, columns: Sequence[str]) -> pl.LazyFrame:
        """The rows that only one side has, by ``columns``; nulls are equal."""
        gone = self.before.join(self.after, on=columns, how="anti", nulls_equal=True)
        new = self.after.join(self.before, on=columns, how="anti", nulls_equal=True)
        return pl.concat([gone.select(columns), new.select(columns)])


def changed_days(before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """Each delivery day of a feed whose rows are others now, and why: LATE where it was not in, else REDELIVERED.

    Given are, by day, the fingerprint of what was delivered and the hash of the accepted rows. A day that lost a row to
    another day which was delivered later is not among them: that other day is.
    """
    return {
        day: REDELIVERED if day in before else LATE
        for day, (inputs, rows) in after.items()
        if day not in before or (before[day][0] != inputs and before[day][1] != rows)
    }


def media_evidence(counts: Sides, judged: Sides, days: Mapping[str, str], first: date, last: date) -> pl.DataFrame:
    """EVIDENCE on the terms that cover impressions which were delivered, or not any more, on changed ``days``.

    ``counts`` and ``judged`` are tables ``delivery_counts`` and ``judged_impressions`` of these days with ``delivery_day``;
    the terms are those under which they are billed up to local date ``last``, those before ``first`` as ``earlier``.
    """
    key = _PLACED
    columns = counts.before.collect_schema().names()
    changed = counts.differing(columns).select(key).unique()
    found = (
        judged.both()
        .filter(pl.col("month_date") <= last, pl.col("term_id").is_not_null())
        .join(changed, on=key, how="semi")
        .select(*_ON, day=pl.col("delivery_day").cast(pl.String), is_earlier=pl.col("month_date") < first)
        .unique()
        .collect()
    )
    basis = pl.when(pl.col("is_earlier")).then(pl.lit("earlier")).otherwise(pl.lit("media"))
    return _evidence(found, basis, pl.col("day").replace_strict(dict(days), return_dtype=pl.String))


def conversion_changes(conversions: Sides, days: Mapping[str, str]) -> pl.DataFrame:
    """Conversions that are new, gone or other on changed ``days``: conversion_id, kind, day.

    Table ``conversions`` of these days with ``delivery_day``.
    """
    columns = [name for name in conversions.before.collect_schema().names() if name not in ("file", "row")]
    return _with_kind(conversions.differing(columns), days)


def adjustment_changes(adjustments: Sides) -> pl.DataFrame:
    """Conversions with an adjustment that is new (REVERSED, RESTATED) or gone (REDELIVERED): conversion_id, kind, day.

    Table ``conversion_adjustments`` of the days that changed, with ``delivery_day``.
    """
    key = ["adjustment_id", "conversion_id", "adjusted_at", "action", "order_value"]
    new = adjustments.after.join(adjustments.before, on=key, how="anti", nulls_equal=True)
    gone = adjustments.before.join(adjustments.after, on=key, how="anti", nulls_equal=True)
    kinds = pl.when(pl.col("action") == "reverse").then(pl.lit(REVERSED)).otherwise(pl.lit(RESTATED))
    still = pl.col("conversion_id").is_in(new.select("conversion_id").collect()["conversion_id"].implode())
    return pl.concat(
        [
            new.select("conversion_id", kind=kinds, day=pl.lit(None, pl.String)),
            gone.filter(~still).select(
                "conversion_id", kind=pl.lit(REDELIVERED), day=pl.col("delivery_day").cast(pl.String)
            ),
        ]
    ).collect()


def touch_changes(touches: Sides, credits: Sides, days: Mapping[str, str]) -> pl.DataFrame:
    """Conversions whose credit holds, or held, a touch of changed ``days`` that is new or gone: conversion_id, kind, day.

    Tables ``touches`` of these days with ``delivery_day``, and ``attribution_credits``.
    """
    credited = credits.both().select("conversion_id", "touch_kind", "touch_id").unique()
    key = ["touch_kind", "touch_id"]
    columns = touches.before.collect_schema().names()
    mine = Sides(*(side.join(credited, on=key, how="semi") for side in touches))
    moved = mine.differing(columns).select("delivery_day", *key)
    return _with_kind(moved.join(credited, on=key), days)


def rate_changes(units: Sides, attributions: Sides) -> pl.DataFrame:
    """Conversions whose value is other, or whose value could be converted on one side only: conversion_id, kind, day.

    Tables ``action_units`` and ``attributions``; to be asked for where rates of exchange changed.
    """
    values = [side.select(*_UNIT, "value") for side in units]
    other = values[0].join(values[1], on=_UNIT, suffix="_after").filter(pl.col("value") != pl.col("value_after"))
    without = attributions.both().filter(pl.col("status") == "no_fx_rate")
    return (
        pl.concat([other.select("conversion_id"), without.select("conversion_id")])
        .unique()
        .with_columns(kind=pl.lit(RATE), day=pl.lit(None, pl.String))
        .collect()
    )


def action_evidence(units: Sides, changes: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """EVIDENCE on the terms that changed conversions are, or were, units of; ``units`` is table ``action_units``.

    A change of the value is one of the rate only where nothing else happened to the conversion.
    """
    listed = pl.concat(changes).unique()
    others = listed.filter(pl.col("kind") != RATE)["conversion_id"]
    listed = listed.filter((pl.col("kind") != RATE) | ~pl.col("conversion_id").is_in(others.implode()))
    found = units.both().select(*_ON, "conversion_id").unique().join(listed.lazy(), on="conversion_id").collect()
    return _evidence(found.select(*_ON, "kind", "day").unique(), pl.lit("actions"), pl.col("kind"))


def rate_evidence(rates: Sides, currencies: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """EVIDENCE on contracts in a currency that a rate of ``first`` to ``last`` was added or corrected for.

    Table ``fx_rates``; ``currencies``: contract_id, currency.
    """
    columns = ["date", "base", "quote", "rate"]
    changed = rates.differing(columns).filter(pl.col("date").is_between(first, last)).collect()
    named = pl.concat([changed["base"], changed["quote"]]).unique()
    found = currencies.filter(pl.col("currency").is_in(named.implode())).select(
        "contract_id", term_id=pl.lit(None, pl.String), day=pl.lit(None, pl.String)
    )
    return _evidence(found.unique(), pl.lit("rates"), pl.lit(RATE))


def amendment_evidence(
    before: Mapping[str, Sequence[ApprovedVersion]],
    after: Mapping[str, Sequence[ApprovedVersion]],
    first: date,
    last: date,
) -> pl.DataFrame:
    """EVIDENCE on contracts of which another version is in force on a day from ``first`` to ``last``.

    The versions named are those that only one side knows, of these the ones in force on such a day where there are any.
    """
    rows = []
    for contract_id in sorted({*before, *after}):
        known = before.get(contract_id, ()), after.get(contract_id, ())
        ruled = [_ruling(versions, first, last) for versions in known]
        if ruled[0] != ruled[1]:
            rows += [(contract_id, version) for version in only_one_knows(*known, first, last)]
    found = pl.DataFrame(rows, schema={"contract_id": pl.String, "version": pl.Int32}, orient="row")
    nothing = pl.lit(None, pl.String)
    return found.select(
        "contract_id",
        term_id=nothing,
        basis=pl.lit("agreement"),
        kind=pl.lit(AMENDED),
        day=nothing,
        version=pl.col("version"),
    )


def tax_changes(before: pl.DataFrame, after: pl.DataFrame) -> dict[str, str]:
    """Why documents of contracts have another tax where their lines are the same, by contract.

    Given are the versions that documents go by (contract_id, version, tax_rate_micros), before and after.
    """
    both = before.join(after, on="contract_id", suffix="_after").sort("contract_id")
    changed = both.filter(pl.col("tax_rate_micros") != pl.col("tax_rate_micros_after"))
    columns = ["contract_id", "version_after", "tax_rate_micros", "tax_rate_micros_after"]
    return {
        contract_id: f"{AMENDED} to version {version}: tax rate {_share(old)} -> {_share(new)}"
        for contract_id, version, old, new in changed.select(columns).iter_rows()
    }


def _share(micros: int) -> str:
    return f"{Decimal(micros).scaleb(-6).normalize():f}"


def only_one_knows(
    before: Sequence[ApprovedVersion], after: Sequence[ApprovedVersion], first: date, last: date
) -> list[int]:
    """The versions of a contract that only one side knows, ascending: where some are in force from ``first`` to ``last``, these."""
    known = {v.version for v in before} ^ {v.version for v in after}
    in_these_days = {version for versions in (before, after) for version, *_ in _ruling(versions, first, last)}
    return sorted(known & in_these_days or known)


def _ruling(versions: Sequence[ApprovedVersion], first: date, last: date) -> list[tuple[int, date, date]]:
    return [
        (stretch.version, max(stretch.first, first), min(stretch.last or last, last))
        for stretch in in_force(versions)
        if stretch.first <= last and (stretch.last is None or stretch.last >= first)
    ]


class Causes:
    """What was found, ready to name the cause of lines.

    ``agreed``: each contract's versions that only one side knows (``only_one_knows``): they are named where nothing else was
    found. ``is_late``: whether what was delivered on a day that was not in came late, as it
    does for a closed month; else the days are named.
    """

    def __init__(
        self, evidence: pl.DataFrame, agreed: Mapping[str, Sequence[int]] = MappingProxyType({}), *, is_late: bool
    ) -> None:
        self._is_late = is_late
        self._agreed = agreed
        self._of: dict[str, list[dict[str, Any]]] = defaultdict(list)
        for found in evidence.iter_rows(named=True):
            self._of[found["contract_id"]].append(found)

    def named(self, lines: pl.DataFrame) -> pl.DataFrame:
        """``lines`` (contract_id, kind, term_id, rate, maybe advertiser_contract_id) with their ``cause``, never null."""
        causes = [self._cause(line) for line in lines.iter_rows(named=True)]
        return lines.with_columns(pl.Series("cause", causes, pl.String))

    def _cause(self, line: Mapping[str, Any]) -> str:
        own = self._of.get(line["contract_id"], [])
        charged = self._of.get(line.get("advertiser_contract_id") or "", [])
        basis = _PARTNER_BASIS.get(line["kind"])
        agreed = [found for found in charged if found["basis"] == "agreement"]
        candidates = (
            # A share of what is charged changes with the contract that charges it, a fee of the partner's own does not.
            [*_on_term(own, line), *(agreed if basis == "media" else ())],
            agreed,
            [found for found in charged if found["basis"] == basis],
            own,
            charged,
            [{"kind": AMENDED, "version": version, "day": None} for version in self._agreed.get(line["contract_id"], ())],
            [found for of_contract in self._of.values() for found in of_contract],
        )
        return self._text(next(filter(None, candidates), ()))

    def _text(self, found: Collection[Mapping[str, Any]]) -> str:
        parts = []
        for kind in _ORDER:
            mine = [one for one in found if one["kind"] == kind]
            if not mine:
                continue
            days = sorted({one["day"] for one in mine if one["day"]})
            if kind == AMENDED:
                parts += [_approved(version) for version in sorted({one["version"] for one in mine})]
            elif kind == REDELIVERED or (kind == LATE and not self._is_late):
                more = f" and {len(days) - 1} more days" if len(days) > 2 else f" and {days[1]}" if len(days) == 2 else ""
                parts.append(f"{'delivery' if kind == LATE else kind} of {days[0]}{more}")
            else:
                parts.append(kind)
        return "; ".join(parts) or OTHERWISE


def _approved(version: int) -> str:
    return f"{AMENDED} to version {version}" if version > 1 else "approval of version 1"


def _on_term(own: Iterable[dict[str, Any]], line: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The evidence on a line's term; all of the contract's for a line of the whole contract."""
    by_rates = line["kind"] == "revenue_share" or (line["kind"] == "media" and line["rate"] is None)
    return [
        found
        for found in own
        if found["basis"] != "earlier"
        and (
            line["term_id"] is None
            or found["term_id"] == line["term_id"]
            or (found["term_id"] is None and (found["basis"] == "agreement" or by_rates))
        )
    ]


def _with_kind(rows: pl.LazyFrame, days: Mapping[str, str]) -> pl.DataFrame:
    day = pl.col("delivery_day").cast(pl.String)
    kind = day.replace_strict(dict(days), return_dtype=pl.String)
    return rows.select("conversion_id", kind=kind, day=day).unique().collect()


def _evidence(found: pl.DataFrame, basis: pl.Expr, kind: pl.Expr) -> pl.DataFrame:
    return found.select(*_ON, basis.alias("basis"), kind.alias("kind"), "day", pl.lit(None, pl.Int32).alias("version"))
