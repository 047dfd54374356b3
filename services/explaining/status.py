"""Why a conversion has its status, in words, with the values that were compared (spec 6.1).

The status itself is the one that was stored; what is said of it comes from the same tables.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, NamedTuple

import polars as pl

from contracts_io.calendar import INSTANT, format_instant
from services.explaining.figures import exact, of_micros
from services.explaining.media import exchange
from services.explaining.sources import Source

_CONDITIONED = ("event", "country", "category", "coupon", "new_customer", "order_id")


class Case(NamedTuple):
    """A conversion with what was stored of it.

    ``row``: its accepted row; ``judged``: its row of ``attributions``; ``state``: of ``conversion_states``; ``rules``: of
    ``terms.contracts``, of the version that judged it, empty where none did.
    """

    source: Source
    row: dict[str, Any]
    judged: dict[str, Any]
    state: dict[str, Any]
    rules: dict[str, Any]


def why(case: Case) -> list[str]:
    """The status in words; also of a restatement, which may change it."""
    said = _STATUSES[case.judged["status"]](case)
    if case.state["is_restated"]:
        said.append(
            f"its value is restated by {_latest_adjustment(case)}: "
            f"{_amount(case.row['order_value'])} became {_amount(case.state['restated_value'])}"
        )
    return said


def _no_contract(case: Case) -> list[str]:
    row = case.row
    own = case.source.terms.terms.filter(
        pl.col("side") == "advertiser", pl.col("model") == "cpa", pl.col("party_id") == row["advertiser_id"]
    )
    offered = [
        f"{term['contract_id']} version {term['version']} has {term['term_id']} for {term['event']}, "
        f"{term['first_on']} to {term['last_on']} in {term['timezone']}"
        for term in own.sort("contract_id", "version", "position").iter_rows(named=True)
    ]
    return [
        f"no advertiser contract of {row['advertiser_id']} has a cpa term for {row['event']} in force on the local date of "
        f"{format_instant(row['event_time'])}",
        *(offered or [f"{row['advertiser_id']} has no approved contract with a cpa term at all"]),
    ]


def _duplicate_order(case: Case) -> list[str]:
    gap = case.row["event_time"] - case.state["earlier_order_at"]
    return [
        f"order {case.row['order_id']} was reported before: conversion {case.state['earlier_order_id']} at "
        f"{format_instant(case.state['earlier_order_at'])}, {gap} before, "
        f"which is within order_dedup_days {case.rules['order_dedup_days']}"
    ]


def _reversed(case: Case) -> list[str]:
    return [f"reversed by {_latest_adjustment(case)}"]


def _latest_adjustment(case: Case) -> str:
    adjustments = case.source.warehouse.read_days("conversion_adjustments").filter(
        pl.col("conversion_id") == case.row["conversion_id"]
    )
    latest = adjustments.collect(engine="streaming").sort("adjusted_at", "adjustment_id").tail(1).to_dicts()[0]
    reason = f" ({latest['reason']})" if latest["reason"] else ""
    return (
        f"its latest adjustment {latest['adjustment_id']} of {format_instant(latest['adjusted_at'])}{reason}, "
        f"delivered {latest['delivery_day']}, {latest['file']} row {latest['row']}"
    )


def _no_fx_rate(case: Case) -> list[str]:
    base, quote, on = case.judged["currency"], case.rules["currency"], case.row["event_time"].date()
    return [
        f"its value {_amount(case.judged['value'])} {base} has no rate {base}/{quote} nor {quote}/{base} "
        f"for its UTC date {on}: add it to landing/fx_rates and run the day again"
    ]


def _ineligible(case: Case) -> list[str]:
    rule = case.judged["reason"]
    return [f"rule {rule} of {case.judged['contract_id']} version {case.judged['version']} fails: {_RULES[rule](case)}"]


def _new_customer(case: Case) -> str:
    return f"only new customers count, new_customer is {str(case.row['new_customer']).lower()}"


def _country(case: Case) -> str:
    return f"country is {_text(case.row['country'])}, only {', '.join(case.rules['countries'])} count"


def _order_value(case: Case) -> str:
    least = exact(of_micros(case.rules["minimum_order_value_micros"]))
    value = case.judged["contract_value"]
    return f"value {_amount(value)} {case.rules['currency']} is below minimum_order_value {least}{_conversion(case)}"


def _conversion(case: Case) -> str:
    """How the value came into the contract's currency; nothing where it was reported in it."""
    base, quote, value = case.judged["currency"], case.rules["currency"], case.judged["value"]
    if base == quote or value is None:
        return ""
    on: date = case.row["event_time"].date()
    return f" ({_amount(value)} {base} {exchange(case.source.rates, base, quote, on)})"


def _category(case: Case) -> str:
    return f"category {case.row['category']} is among the excluded: {', '.join(case.rules['excluded_categories'])}"


def _coupon(case: Case) -> str:
    return f"coupon {case.row['coupon']} is among the excluded: {', '.join(case.rules['excluded_coupons'])}"


def _repeat_household(case: Case) -> str:
    row = case.row
    same = ["advertiser_id", "event", "household_id"]
    warehouse = case.source.warehouse
    kin = warehouse.read("household_conversions", [str(row["delivery_day"])]).filter(
        *(pl.col(name) == row[name] for name in same), ~pl.col("is_reversed")
    )
    duplicates = warehouse.read("attributions").filter(pl.col("status") == "duplicate_order")
    earlier = (
        kin.join(duplicates, on=["conversion_id", "event_time"], how="anti")
        .filter(_is_before(row))
        .collect(engine="streaming")
        .sort("event_time", "conversion_id")
        .tail(1)
        .to_dicts()
    )
    last = earlier[0]
    gap: timedelta = row["event_time"] - last["event_time"]
    return (
        f"household {row['household_id']} converted before: {last['conversion_id']} at {format_instant(last['event_time'])}, "
        f"{gap} before, which is within repeat_household_days {case.rules['repeat_household_days']}"
    )


def _is_before(row: dict[str, Any]) -> pl.Expr:
    at, name = pl.lit(row["event_time"], INSTANT), pl.lit(row["conversion_id"])
    return (pl.col("event_time") < at) | ((pl.col("event_time") == at) & (pl.col("conversion_id") < name))


def _eligible_when(case: Case) -> str:
    values = [f"order_value {_amount(case.judged['contract_value'])}{_conversion(case)}"]
    values += [f"{name} {_text(case.row[name])}" for name in _CONDITIONED]
    return f"{case.rules['eligible_when']} does not hold, with {', '.join(values)}"


def _no_household(_case: Case) -> list[str]:
    return ["its household is not known, so that no touch can be looked for"]


def _unattributed(_case: Case) -> list[str]:
    return ["no touch of its household counts: see each of them below"]


def _attributed(case: Case) -> list[str]:
    value = case.judged["contract_value"]
    said = f"credit by {case.judged['model']}, billed on {case.judged['billing_date']}"
    if value is None:
        return [f"{said}; it has no value"]
    return [f"{said}; value {_amount(value)} {case.rules['currency']}{_conversion(case)}"]


def _amount(value: Any) -> str:
    return "none" if value is None else exact(value)


def _text(value: Any) -> str:
    return "missing" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


_STATUSES: dict[str, Callable[[Case], list[str]]] = {
    "no_contract": _no_contract,
    "duplicate_order": _duplicate_order,
    "reversed": _reversed,
    "no_fx_rate": _no_fx_rate,
    "ineligible": _ineligible,
    "no_household": _no_household,
    "unattributed": _unattributed,
    "attributed": _attributed,
}
_RULES: dict[str, Callable[[Case], str]] = {
    "new_customer": _new_customer,
    "country": _country,
    "order_value": _order_value,
    "category": _category,
    "coupon": _coupon,
    "repeat_household": _repeat_household,
    "eligible_when": _eligible_when,
}
