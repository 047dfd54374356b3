"""Every row that arrives is usable or refused with a reason (spec 3.3); repeats are found in ``pipelines.duplicates``."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType

import polars as pl

from contracts_io.calendar import INSTANT, ONE_DAY, start_of
from contracts_io.feeds.columns import CANONICAL, FEEDS, Feed, Kind, Reading
from pipelines.reading import typed, within_calendar

UNREADABLE = "unreadable"
"""The refusal of a row that could not be parsed, which therefore never comes here."""
REFUSAL = "refusal"
"""The column in which ``judge`` says why a row is refused: adjustments have a ``reason`` of their own."""
_AFTER_ITS_DAY = timedelta(hours=24)
_ALL_CANONICAL: Mapping[str, Reading] = MappingProxyType({})


def judge(
    raw: pl.LazyFrame, feed: str, day: date, horizon_days: int, readings: Mapping[str, Reading] = _ALL_CANONICAL
) -> pl.LazyFrame:
    """Each row of one file typed and judged, in the order of ``raw``: file, row, the canonical columns, ``refusal``.

    ``raw`` has file, row and each canonical column as String (null: missing), a column of instants also as ``INSTANT``.
    ``readings`` says by canonical column how its text is understood; ``day`` is the delivery day. Types are those of
    ``accepted_schema(feed)``. ``refusal`` is null for a usable row, else ``missing_<column>``, ``bad_<column>``,
    ``too_early`` or ``too_late``, the first that applies; the values of a refused row that are not acceptable are null.
    """
    of_feed = FEEDS[feed]
    types = raw.collect_schema()
    values = []
    for column in of_feed.columns:
        source = pl.col(column.name)
        if types[column.name] == INSTANT:
            value = within_calendar(source)
        else:
            value = typed(source, column.kind, readings.get(column.name, CANONICAL))
        values.append(value.alias(_value(column.name)))
    refusal = pl.coalesce(*_missing(of_feed), *_bad(of_feed), *_untimely(of_feed, day, horizon_days)).alias(REFUSAL)
    results = [_result(column.name, column.kind) for column in of_feed.columns]
    return raw.with_columns(values).select("file", "row", *results, refusal)


def _value(name: str) -> str:
    return f"value of {name}"


def _result(name: str, kind: Kind) -> pl.Expr:
    value = pl.col(_value(name))
    return (value.fill_null(value=False) if kind is Kind.BOOLEAN else value).alias(name)


def _refuse(where: pl.Expr, refusal: str) -> pl.Expr:
    return pl.when(where).then(pl.lit(refusal))


def _missing(feed: Feed) -> list[pl.Expr]:
    """What is required and not there; a restatement requires the value that it states."""
    refusals = []
    for column in feed.columns:
        absent = pl.col(column.name).is_null()
        if column.required:
            refusals.append(_refuse(absent, f"missing_{column.name}"))
        elif column.required_by_action is not None:
            refusals.append(_refuse(absent & (pl.col("action") == column.required_by_action), f"missing_{column.name}"))
    return refusals


def _bad(feed: Feed) -> list[pl.Expr]:
    """What is there and not acceptable."""
    return [
        _refuse(pl.col(column.name).is_not_null() & pl.col(_value(column.name)).is_null(), f"bad_{column.name}")
        for column in feed.columns
        if column.kind is not Kind.TEXT
    ]


def _untimely(feed: Feed, day: date, horizon_days: int) -> list[pl.Expr]:
    """What happened too far from its delivery day; both limits are still in time."""
    if not feed.timely:
        return []
    time = pl.col(_value(feed.time_column))
    start = start_of(day)
    earliest = pl.lit(start - timedelta(days=horizon_days), INSTANT)
    latest = pl.lit(start + ONE_DAY + _AFTER_ITS_DAY, INSTANT)
    return [_refuse(time < earliest, "too_early"), _refuse(time > latest, "too_late")]
