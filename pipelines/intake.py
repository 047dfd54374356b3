"""Every row that arrives is usable or refused with a reason (spec 3.3); repeats are found in ``pipelines.duplicates``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date, timedelta
from types import MappingProxyType

import polars as pl

from contracts_io.calendar import INSTANT, ONE_DAY, start_of
from contracts_io.feeds.columns import CANONICAL, FEEDS, Column, Feed, Kind, Reading
from contracts_io.frames import TABLES
from contracts_io.ids import packed, parts
from pipelines.reading import exact_amount, typed, within_calendar

UNREADABLE = "unreadable"
"""The refusal of a row that could not be parsed, which therefore never comes here."""
REFUSAL = "refusal"
"""The column in which ``judge`` says why a row is refused: adjustments have a ``reason`` of their own."""
USABLE = "is_usable"
"""The column in which ``judge`` says whether a row is not refused."""
_AFTER_ITS_DAY = timedelta(hours=24)
_ALL_CANONICAL: Mapping[str, Reading] = MappingProxyType({})


def judge(
    raw: pl.LazyFrame, feed: str, day: date, horizon_days: int, readings: Mapping[str, Reading] = _ALL_CANONICAL
) -> pl.LazyFrame:
    """Each row of one file typed and judged, in the order of ``raw``: file, row, the feed's table as it is kept, ``refusal``.

    ``raw`` has file, row and each canonical column as in ``feeds.rows.FileRows``; ids that the table packs may be packed.
    ``readings`` says by canonical column how its text is understood; ``day`` is the delivery day. ``refusal`` is null for a
    usable row, else ``missing_<column>``, ``bad_<column>``, ``too_early`` or ``too_late``, the first that applies; the values
    of a refused row that are not acceptable are null. ``is_usable``, the last column but one, says whether it is null: to
    filter by it costs less, for the reasons are then those of the rows that are left.
    """
    of_feed, table = FEEDS[feed], TABLES[feed]
    types = raw.collect_schema()
    columns = [column for column in of_feed.columns if column.name not in table.packed]
    values = [_typed(column, types[column.name], readings.get(column.name, CANONICAL)) for column in columns]
    unpacked = [name for name in table.packed if name in types]
    refusals = {**_missing(of_feed, {*table.packed} - {*unpacked}), **_bad(of_feed), **_untimely(of_feed, day, horizon_days)}
    is_usable = ~pl.any_horizontal(where.fill_null(value=False) for where in refusals.values())
    refusal = pl.coalesce(pl.when(where).then(pl.lit(reason)) for reason, where in refusals.items())
    results = {column.name: _result(column.name, column.kind) for column in columns}
    kept = [name for name in table.columns if name not in table.packed or name in unpacked]
    already = [part for name in table.packed if name not in unpacked for part in parts(name)]
    judged = (
        raw.with_columns(value.alias(_value(column.name)) for column, value in zip(columns, values, strict=True))
        .with_columns(is_usable.alias(USABLE))
        .select(*(results.get(name, pl.col(name)) for name in kept), *already, USABLE, refusal.alias(REFUSAL))
    )
    # Ids are packed last, so that whoever asks for some of the rows packs only theirs.
    return packed(judged, unpacked).select(*table.stored_schema, USABLE, REFUSAL)


def _typed(column: Column, dtype: pl.DataType, reading: Reading) -> pl.Expr:
    source = pl.col(column.name)
    match column.kind:
        case Kind.INSTANT if dtype == INSTANT:
            return within_calendar(source)
        case Kind.DECIMAL if dtype != pl.String:
            return exact_amount(source)
        case Kind.BOOLEAN if dtype == pl.Boolean:
            return source
    return typed(source, column.kind, reading)


def _value(name: str) -> str:
    return f"value of {name}"


def _result(name: str, kind: Kind) -> pl.Expr:
    value = pl.col(_value(name))
    return (value.fill_null(value=False) if kind is Kind.BOOLEAN else value).alias(name)


def _missing(feed: Feed, packed_already: Collection[str]) -> dict[str, pl.Expr]:
    """What is required and not there; a restatement requires the value that it states."""
    refusals = {}
    for column in feed.columns:
        absent = pl.col(parts(column.name)[1] if column.name in packed_already else column.name).is_null()
        if column.required:
            refusals[f"missing_{column.name}"] = absent
        elif column.required_by_action is not None:
            refusals[f"missing_{column.name}"] = absent & (pl.col("action") == column.required_by_action)
    return refusals


def _bad(feed: Feed) -> dict[str, pl.Expr]:
    """What is there and not acceptable."""
    return {
        f"bad_{column.name}": pl.col(column.name).is_not_null() & pl.col(_value(column.name)).is_null()
        for column in feed.columns
        if column.kind is not Kind.TEXT
    }


def _untimely(feed: Feed, day: date, horizon_days: int) -> dict[str, pl.Expr]:
    """What happened too far from its delivery day; both limits are still in time."""
    if not feed.timely:
        return {}
    time = pl.col(_value(feed.time_column))
    start = start_of(day)
    earliest = pl.lit(start - timedelta(days=horizon_days), INSTANT)
    latest = pl.lit(start + ONE_DAY + _AFTER_ITS_DAY, INSTANT)
    return {"too_early": time < earliest, "too_late": time > latest}
