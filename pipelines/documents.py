"""Accruals become lines, lines become invoices and payout statements (spec 7.1).

A line sums exact accruals and is rounded once, to the currency's minor unit; net is the sum of rounded lines and is never
rounded again. Drafts and issued documents come from these same lines; numbers, dates and balances are given at issue.

    accruals 0.004, 0.004 and 0.004 USD of one term and rate -> one line of 0.01
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from contracts_io.calendar import Month
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

LINE_KINDS = ["media", "action"]


class Drafts(NamedTuple):
    """A month's tables ``draft_invoices``, ``draft_invoice_lines``, ``draft_payouts`` and ``draft_payout_lines``."""

    invoices: pl.DataFrame
    invoice_lines: pl.DataFrame
    payouts: pl.DataFrame
    payout_lines: pl.DataFrame


def draft(accruals: pl.DataFrame, terms: TermFrames, month: Month) -> Drafts:
    """The documents that the month's table ``accruals`` comes to, one per contract that has a line."""
    heads = headers(terms, month)
    lines = _lines(accruals, heads)
    sums = lines.group_by("contract_id").agg(pl.col("amount").sum().cast(NANOS_TYPE).alias("net"))
    documents = heads.join(sums, on="contract_id").sort("contract_id")
    no_tax = pl.lit(0).cast(NANOS_TYPE)
    invoices = documents.filter(pl.col("side") == "advertiser").with_columns(tax=no_tax, total=pl.col("net"))
    return Drafts(
        invoices.select(TABLES["draft_invoices"].columns),
        _of_side(lines, "advertiser").select(TABLES["draft_invoice_lines"].columns),
        payout_heads(documents.filter(pl.col("side") == "partner")),
        _of_side(lines, "partner").select(TABLES["draft_payout_lines"].columns),
    )


def payout_heads(documents: pl.DataFrame) -> pl.DataFrame:
    """Table ``draft_payouts`` from ``headers`` of partner contracts with their ``net``."""
    return documents.select(
        "contract_id",
        "version",
        pl.col("party_id").alias("partner_id"),
        "currency",
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


def _lines(accruals: pl.DataFrame, headers: pl.DataFrame) -> pl.DataFrame:
    keys = ["contract_id", "kind", "term_id", "version", "event", "rate", "rate_kind", "advertiser_contract_id"]
    order = ["contract_id", "kind_order", *keys[2:]]
    unit = pl.col("currency").replace_strict(
        {c: minor_unit_nanos(c) for c in headers["currency"].unique()}, return_dtype=pl.Int64
    )
    return (
        accruals.group_by("side", *keys)
        .agg(pl.col("units").sum().alias("quantity"), pl.col("amount").sum().cast(NANOS_TYPE))
        .join(headers.select("contract_id", "currency"), on="contract_id")
        .with_columns(
            amount=from_nanos(divide_half_up_expr(nanos("amount"), unit) * unit),
            kind_order=pl.col("kind").cast(pl.Enum(LINE_KINDS)),
            description=_description(),
        )
        .sort(order)
        .with_columns(line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("contract_id"))
    )


def _description() -> pl.Expr:
    # At least two places, as people write prices, and as many of the six as say something.
    rate = pl.col("rate").cast(pl.String).str.replace(r"(\.\d\d\d*?)0+$", "${1}")
    media = pl.format("{}: impressions at {} {} per 1,000", "term_id", rate, "currency")
    percent = (pl.col("rate") * 100).cast(pl.String).str.strip_chars_end("0").str.strip_chars_end(".")
    fee = (
        pl.when(pl.col("rate_kind") == "percent")
        .then(pl.format("{} % of value", percent))
        .otherwise(pl.format("{} {}", rate, "currency"))
    )
    action = pl.format("{}: {} at {}", "term_id", "event", fee)
    paid_on = pl.format("{}: {} at {}, charged under {}", "term_id", "event", fee, "advertiser_contract_id")
    return (
        pl.when(pl.col("kind") == "media")
        .then(media)
        .when(pl.col("advertiser_contract_id").is_null())
        .then(action)
        .otherwise(paid_on)
    )


def _of_side(lines: pl.DataFrame, side: str) -> pl.DataFrame:
    return lines.filter(pl.col("side") == side)


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
