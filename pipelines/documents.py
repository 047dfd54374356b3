"""Lines become invoices and payout statements (spec 7.1).

Net is the sum of rounded lines and is never rounded again; tax is rounded once, on the net. Drafts and issued documents come
from these same lines; numbers, dates and balances are given at issue.

    lines 0.01, 0.01 and 0.01 USD -> net 0.03; tax at 19 % 0.0057 -> 0.01; total 0.04
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

import polars as pl

from contracts_io.calendar import INSTANT, Month
from contracts_io.frames import TABLES
from contracts_io.money import (
    MICRO,
    NANOS_TYPE,
    divide_half_up,
    divide_half_up_expr,
    from_micros,
    from_nanos,
    minor_unit_nanos,
    nanos,
)
from contracts_io.terms import TermFrames
from pipelines.lines import document_lines

_FLIGHT = ["contract_id", "term_id"]


class Drafts(NamedTuple):
    """A month's tables ``draft_invoices``, ``draft_invoice_lines``, ``draft_payouts``, ``draft_payout_lines``, ``flights``."""

    invoices: pl.DataFrame
    invoice_lines: pl.DataFrame
    payouts: pl.DataFrame
    payout_lines: pl.DataFrame
    flights: pl.DataFrame


def draft(
    accruals: pl.DataFrame,
    terms: TermFrames,
    month: Month,
    *,
    flights_before: pl.DataFrame,
    flights: pl.DataFrame,
    minimums: bool,
    known_at: datetime,
) -> Drafts:
    """The documents that the month's table ``accruals`` comes to, one per contract that has a line.

    ``flights_before`` is table ``flights`` of the month before; ``flights`` has its columns but ``lined`` for the terms that
    this month knows of, the others are carried over. ``minimums``: whether agreed minimums are charged for the month.
    ``known_at`` is the latest approval of a contract in ``terms``.
    """
    heads = headers(terms, month)
    units = pl.Series("unit", [minor_unit_nanos(currency) for currency in heads["currency"]], pl.Int64)
    heads = heads.with_columns(units)
    lines = document_lines(accruals, heads, terms, month, flights_before=flights_before, flights=flights, minimums=minimums)
    sums = lines.group_by("contract_id").agg(pl.col("amount").sum().cast(NANOS_TYPE).alias("net"))
    documents = heads.join(sums, on="contract_id").sort("contract_id")
    is_advertiser = pl.col("side") == "advertiser"
    unit = pl.col("unit").cast(pl.Int128)
    tax = from_nanos(divide_half_up_expr(nanos("net") * pl.col("tax_rate_micros"), unit * MICRO) * unit)
    invoices = (
        documents.filter(is_advertiser)
        .with_columns(pl.lit(known_at, INSTANT).alias("known_at"), tax=tax)
        .with_columns(total=(pl.col("net") + pl.col("tax")).cast(NANOS_TYPE))
    )
    return Drafts(
        invoices.select(TABLES["draft_invoices"].columns),
        lines.filter(is_advertiser).select(TABLES["draft_invoice_lines"].columns),
        payout_heads(documents.filter(~is_advertiser), known_at),
        lines.filter(~is_advertiser).select(TABLES["draft_payout_lines"].columns),
        _lined(flights_before, flights, lines),
    )


def payout_heads(documents: pl.DataFrame, known_at: datetime) -> pl.DataFrame:
    """Table ``draft_payouts`` from ``headers`` of partner contracts with their ``net``."""
    return documents.select(
        "contract_id",
        "version",
        pl.col("party_id").alias("partner_id"),
        "currency",
        pl.lit(known_at, INSTANT).alias("known_at"),
        from_micros(pl.col("minimum_payout_micros").fill_null(0)).alias("minimum_payout"),
        from_micros(pl.col("withholding_micros").fill_null(0)).alias("withholding"),
        pl.col("net").alias("earnings"),
    ).select(TABLES["draft_payouts"].columns)


def headers(terms: TermFrames, month: Month) -> pl.DataFrame:
    """Per contract the version in force on the last day, up to the month's end, on which the contract is in force."""
    return (
        terms.contracts.filter(pl.col("first_on") <= month.last)
        .sort("contract_id", pl.min_horizontal("last_on", pl.lit(month.last)))
        .unique("contract_id", keep="last", maintain_order=True)
    )


def _lined(before: pl.DataFrame, flights: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Table ``flights``: each flight with its media and budget_cap lines to date."""
    of_month = (
        lines.filter(pl.col("kind").is_in(["media", "budget_cap"]))
        .group_by(_FLIGHT)
        .agg(pl.col("amount").sum().cast(NANOS_TYPE).alias("lined_now"))
    )
    known = flights.select(*_FLIGHT, "impressions", "charged")
    carried = before.drop("lined").join(known, on=_FLIGHT, how="anti")
    to_date = nanos("lined").fill_null(0) + nanos("lined_now").fill_null(0)
    return (
        pl.concat([known, carried.select(known.columns)])
        .join(before.select(*_FLIGHT, "lined"), on=_FLIGHT, how="left")
        .join(of_month, on=_FLIGHT, how="left")
        .with_columns(lined=from_nanos(to_date))
        .select(TABLES["flights"].columns)
        .sort(_FLIGHT)
    )


@dataclass(frozen=True)
class Settlement:
    """What becomes of a partner's due amount, all in minor units: ``due = brought_forward + earnings``."""

    brought_forward: int
    earnings: int
    withholding: int
    payable: int
    carried_forward: int


def settle(
    earnings: int, brought_forward: int, minimum_payout_micros: int, withholding_micros: int, currency: str
) -> Settlement:
    """Pay what is due, or carry it forward (spec 7.1); ``earnings`` and ``brought_forward`` are minor units, signed.

    Paid where due is positive and at least the minimum payout; then the withholding share is rounded once.
    """
    due = earnings + brought_forward
    minimum_nanos = minimum_payout_micros * 1000
    if due > 0 and due * minor_unit_nanos(currency) >= minimum_nanos:
        withheld = divide_half_up(due * withholding_micros, MICRO)
        return Settlement(brought_forward, earnings, withheld, due - withheld, 0)
    return Settlement(brought_forward, earnings, 0, 0, due)
