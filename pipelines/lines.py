"""The lines of invoices and payout statements: exact accruals summed and rounded once, and what is agreed on top (spec 7.1).

Media lines stand before any budget; where a flight has come to more than its budget, one budget_cap line takes back the rest.
Commission and minimum are reckoned on lines, so on amounts that are rounded.

    accruals 0.004, 0.004 and 0.004 USD of one term and rate -> one line of 0.01
    budget 150.00, lines of earlier months 140.00, media of this month 25.00, charged over the flight 150.00
    -> media 25.00, budget_cap -15.00

What does not belong here: net, tax and what becomes of a document (``documents``).
"""

from __future__ import annotations

import polars as pl

from contracts_io.calendar import Month
from contracts_io.frames import TABLES
from contracts_io.money import (
    MICRO,
    NANO,
    NANOS_TYPE,
    divide_half_up_expr,
    format_scaled,
    from_micros,
    from_nanos,
    minor_digits,
    nanos,
)
from contracts_io.terms import TermFrames

LINE_KINDS = ["media", "action", "revenue_share", "tier_fee", "budget_cap", "agency_commission", "minimum"]
"""Every kind of line that entitlement comes to; those of one term stand in this order."""

_TERM = ["contract_id", "term_id"]
_PRICED_BY = ["contract_id", "version", "term_id"]
_APART = [*_PRICED_BY, "kind", "event", "advertiser_contract_id", "step", "rate", "rate_kind"]
_HEAD = ["side", "contract_id", "currency", "unit"]
_MEDIA, _ACTIONS, _SHARES, _COMMISSION, _MINIMUM = range(5)
_UNDER_COMMISSION = ["media", "tier_fee", "budget_cap"]
_NANOS_PER_MICRO = NANO // MICRO
_LINE = {
    "side": pl.String(),
    "block": pl.Int32(),
    "event": pl.String(),
    "advertiser_contract_id": pl.String(),
    **TABLES["draft_invoice_lines"].polars_schema,
}


def document_lines(
    accruals: pl.DataFrame,
    heads: pl.DataFrame,
    terms: TermFrames,
    month: Month,
    *,
    flights_before: pl.DataFrame,
    flights: pl.DataFrame,
    minimums: bool,
) -> pl.DataFrame:
    """Every line of the month, of both sides, numbered from 1 within its contract.

    ``accruals`` is that table; ``heads`` has the columns of ``terms.contracts`` for the version that holds for the document,
    and ``unit``, the nanos of its minor unit; ``flights_before`` is table ``flights`` of the month before, ``flights`` this
    month's impressions and charges. Columns: ``side``, ``event``, ``advertiser_contract_id`` and those of table
    ``draft_invoice_lines``.
    """
    rows = _condensed(accruals).join(heads.select(_HEAD), on="contract_id")
    media = _media(rows, terms)
    priced = [
        media,
        _tier_fees(rows, terms),
        _budget_caps(media, heads, terms, flights_before, flights),
        _actions(rows, terms),
        _revenue_shares(rows, terms),
    ]
    lines = pl.concat([_as_lines(frame) for frame in priced])
    lines = pl.concat([lines, _as_lines(_commissions(lines, heads))])
    if minimums:
        lines = pl.concat([lines, _as_lines(_minimums(lines, heads, terms, month))])
    order = ["contract_id", "block", "term_id", "place", "version", "event", "step", "rate", "advertiser_contract_id"]
    return (
        lines.filter((pl.col("quantity").fill_null(0) != 0) | (pl.col("amount") != 0))
        .with_columns(place=pl.col("kind").cast(pl.Enum(LINE_KINDS)))
        .sort(order)
        .with_columns(line=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("contract_id"))
    )


def _condensed(accruals: pl.DataFrame) -> pl.DataFrame:
    """``accruals`` without ``side``, date, line item and partner; rows that follow each other and differ in no more are one."""
    numbered = accruals.select(*_APART, "units", "uncapped", "amount", run=pl.struct(_APART).rle_id())
    sums = numbered.group_by("run", maintain_order=True).agg(
        pl.col("units").sum(), *(from_nanos(nanos(name).sum()).alias(name) for name in ("uncapped", "amount"))
    )
    is_first = pl.col("run").ne_missing(pl.col("run").shift())
    return numbered.filter(is_first).select(_APART).hstack(sums.drop("run"))


def _as_lines(frame: pl.DataFrame) -> pl.DataFrame:
    absent = [pl.lit(None, dtype).alias(name) for name, dtype in _LINE.items() if name not in frame.columns]
    return frame.with_columns(absent).select(pl.col(name).cast(dtype) for name, dtype in _LINE.items())


def _rounded(exact_nanos: pl.Expr, denominator: int = 1) -> pl.Expr:
    """Nanos over ``denominator``, rounded once to the row's minor ``unit``."""
    return from_nanos(divide_half_up_expr(exact_nanos, pl.col("unit").cast(pl.Int128) * denominator) * pl.col("unit"))


def _media(rows: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """One line per term, version and effective rate, before any budget."""
    markup = pl.format(" plus {} %", _percent("markup_micros"))
    cleared = pl.format(
        "{}: impressions at cleared prices{}",
        "term_id",
        pl.when(pl.col("markup_micros").fill_null(0) > 0).then(markup).otherwise(pl.lit("")),
    )
    per_mille = pl.format("{}: impressions at {} {} per 1,000", "term_id", _rate(), "currency")
    return (
        rows.filter(pl.col("kind") == "media")
        .group_by(*_HEAD, "version", "term_id", "rate")
        .agg(quantity=pl.col("units").sum(), exact=nanos("uncapped").sum())
        .join(terms.terms.select(*_PRICED_BY, "markup_micros"), on=_PRICED_BY, how="left")
        .with_columns(
            kind=pl.lit("media"),
            block=_MEDIA,
            amount=_rounded(pl.col("exact")),
            description=pl.when(pl.col("rate").is_null()).then(cleared).otherwise(per_mille),
        )
    )


def _tier_fees(rows: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """One line per step with a flat fee at which a unit of the month is priced."""
    fees = terms.steps.filter(pl.col("flat_fee_micros") > 0).select(*_PRICED_BY, "step", "flat_fee_micros")
    return (
        rows.filter(pl.col("kind").is_in(["media", "action"]))
        .select(*_HEAD, "version", "term_id", "step", "kind")
        .unique()
        .join(fees, on=[*_PRICED_BY, "step"])
        .with_columns(
            kind=pl.lit("tier_fee"),
            block=pl.when(pl.col("kind") == "media").then(_MEDIA).otherwise(_ACTIONS),
            quantity=1,
            rate=from_micros(pl.col("flat_fee_micros")),
            amount=_rounded(pl.col("flat_fee_micros").cast(pl.Int128) * _NANOS_PER_MICRO),
            description=pl.format("{}: flat fee of step {}", "term_id", "step"),
        )
    )


def _budget_caps(
    media: pl.DataFrame, heads: pl.DataFrame, terms: TermFrames, flights_before: pl.DataFrame, flights: pl.DataFrame
) -> pl.DataFrame:
    """What brings the lines of a flight to what was charged over it, where they come to more than the budget."""
    lined = nanos("lined").fill_null(0) + nanos("amount")
    found = (
        media.group_by(_TERM)
        .agg(pl.col("version").max(), pl.col("amount").sum().cast(NANOS_TYPE))
        .join(terms.terms.select(*_PRICED_BY, "budget_micros"), on=_PRICED_BY)
        .filter(pl.col("budget_micros").is_not_null())
        .join(flights_before.select(*_TERM, "lined"), on=_TERM, how="left")
        .join(flights.select(*_TERM, "charged"), on=_TERM)
        .join(heads.select(_HEAD), on="contract_id")
        .filter(lined > pl.col("budget_micros").cast(pl.Int128) * _NANOS_PER_MICRO)
        .with_columns(
            kind=pl.lit("budget_cap"),
            block=_MEDIA,
            amount=from_nanos(nanos(_rounded(nanos("charged"))) - lined),
        )
    )
    described = [
        f"{row['term_id']}: budget of {_in_words(row['budget_micros'], row['currency'])} reached"
        for row in found.iter_rows(named=True)
    ]
    return found.with_columns(description=pl.Series(described, dtype=pl.String))


def _actions(rows: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """One line per term, version, event and step, on the partner side also per charged contract."""
    steps = terms.steps.group_by(_PRICED_BY).agg(steps=pl.len())
    fee = (
        pl.when(pl.col("rate_kind") == "percent")
        .then(pl.format("{} % of value", _percent(pl.col("rate") * MICRO)))
        .otherwise(pl.format("{} {}", _rate(), "currency"))
    )
    step = pl.when(pl.col("steps") > 1).then(pl.format(", step {}", "step")).otherwise(pl.lit(""))
    charged = pl.coalesce(pl.format(", charged under {}", "advertiser_contract_id"), pl.lit(""))
    return (
        rows.filter(pl.col("kind") == "action")
        .group_by(*_HEAD, "version", "term_id", "event", "step", "rate", "rate_kind", "advertiser_contract_id")
        .agg(quantity=pl.col("units").sum(), exact=nanos("amount").sum())
        .join(steps, on=_PRICED_BY, how="left")
        .with_columns(
            kind=pl.lit("action"),
            block=_ACTIONS,
            amount=_rounded(pl.col("exact")),
            description=pl.format("{}: {} at {}{}{}", "term_id", "event", fee, step, charged),
        )
    )


def _revenue_shares(rows: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """One line per term, version and charged contract."""
    share = _percent("share_micros")
    return (
        rows.filter(pl.col("kind") == "revenue_share")
        .group_by(*_HEAD, "version", "term_id", "advertiser_contract_id")
        .agg(quantity=pl.col("units").sum(), exact=nanos("amount").sum())
        .join(terms.terms.select(*_PRICED_BY, "share_micros"), on=_PRICED_BY, how="left")
        .with_columns(
            kind=pl.lit("revenue_share"),
            block=_SHARES,
            amount=_rounded(pl.col("exact")),
            description=pl.format(
                "{}: {} % of media charged under {}", "term_id", pl.coalesce(share, pl.lit("")), "advertiser_contract_id"
            ),
        )
    )


def _commissions(lines: pl.DataFrame, heads: pl.DataFrame) -> pl.DataFrame:
    """The agency's share of an advertiser's media, tier fees and budget caps, taken off."""
    exact = nanos("amount") * pl.col("agency_commission_micros")
    return (
        _sums(lines.filter(pl.col("kind").is_in(_UNDER_COMMISSION)))
        .join(_agreed(heads, "agency_commission_micros"), on="contract_id")
        .with_columns(
            kind=pl.lit("agency_commission"),
            block=_COMMISSION,
            amount=_rounded(0 - exact, MICRO),
            description=pl.format("agency commission of {} %", _percent("agency_commission_micros")),
        )
    )


def _minimums(lines: pl.DataFrame, heads: pl.DataFrame, terms: TermFrames, month: Month) -> pl.DataFrame:
    """What all lines of an advertiser lack to its minimum, for the days of the month on which its contract is in force."""
    days_of_month = (month.last - month.first).days + 1
    first, last = pl.max_horizontal("first_on", pl.lit(month.first)), pl.min_horizontal("last_on", pl.lit(month.last))
    days = (
        terms.contracts.filter(first <= last)
        .group_by("contract_id")
        .agg(days=((last - first).dt.total_days() + 1).sum().cast(pl.Int64))
    )
    agreed = (
        _agreed(heads, "minimum_monthly_micros")
        .join(days, on="contract_id")
        .join(_sums(lines), on="contract_id", how="left")
        .with_columns(pl.col("amount").fill_null(pl.lit(0).cast(NANOS_TYPE)))
    )
    minimum = pl.col("minimum_monthly_micros").cast(pl.Int128) * _NANOS_PER_MICRO * pl.col("days")
    found = agreed.with_columns(
        kind=pl.lit("minimum"), block=_MINIMUM, amount=from_nanos(nanos(_rounded(minimum, days_of_month)) - nanos("amount"))
    ).filter(pl.col("amount") > 0)
    described = [
        f"minimum of {_in_words(row['minimum_monthly_micros'], row['currency'])} a month"
        + (f", for {row['days']} of {days_of_month} days" if row["days"] < days_of_month else "")
        for row in found.iter_rows(named=True)
    ]
    return found.with_columns(description=pl.Series(described, dtype=pl.String))


def _agreed(heads: pl.DataFrame, column: str) -> pl.DataFrame:
    return heads.filter(pl.col("side") == "advertiser", pl.col(column) > 0).select(*_HEAD, column)


def _sums(lines: pl.DataFrame) -> pl.DataFrame:
    return lines.group_by("contract_id").agg(pl.col("amount").sum().cast(NANOS_TYPE))


def _rate() -> pl.Expr:
    # At least two places, as people write prices, and as many of the six as say something.
    return pl.col("rate").cast(pl.String).str.replace(r"(\.\d\d\d*?)0+$", "${1}")


def _percent(micros: str | pl.Expr) -> pl.Expr:
    """A share in micros as a percentage: ``85_000 -> 8.5``."""
    share = pl.col(micros) if isinstance(micros, str) else micros
    text = (from_micros(share.cast(pl.Int64)) * 100).cast(pl.String)
    return text.str.strip_chars_end("0").str.strip_chars_end(".")


def _in_words(micros: int, currency: str) -> str:
    """``(150_000_000_000, 'USD') -> '150,000.00 USD'``: with the currency's places, or as many of the six as say something."""
    whole, _, fraction = format_scaled(micros, 6).partition(".")
    fraction = fraction.ljust(minor_digits(currency), "0")
    return f"{int(whole):,}{'.' if fraction else ''}{fraction} {currency}"
