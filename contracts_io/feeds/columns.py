"""The four feeds and their canonical columns (spec 3.2): the one declaration that reading, judging and storing project from.

It is pure: no file is opened here. What a kind of column accepts is decided in ``pipelines.intake``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import polars as pl

from contracts_io.calendar import INSTANT
from contracts_io.money import NANOS_TYPE


class Kind(StrEnum):
    """What a column holds: the text that is accepted, and the type that it becomes."""

    TEXT = "text"
    INSTANT = "instant"
    BOOLEAN = "boolean"
    DECIMAL = "decimal"
    COUNTRY = "country"
    CURRENCY = "currency"
    ACTION = "action"

    @property
    def dtype(self) -> pl.DataType:
        """Its type in a table of accepted rows."""
        return _TYPES.get(self, pl.String())


_TYPES: Mapping[Kind, pl.DataType] = {Kind.INSTANT: INSTANT, Kind.BOOLEAN: pl.Boolean(), Kind.DECIMAL: NANOS_TYPE}


@dataclass(frozen=True)
class Reading:
    """How the raw text of a mapped column is understood; the default is the canonical form of spec 3.2.

    ``format`` (strptime) or ``unit`` (``s``, ``ms``, ``us``, ``ns`` since 1970 in UTC) for instants; ``zone`` is the IANA
    zone of instants written without one: of an ambiguous local time the earlier instant is meant, a local time that does
    not exist is bad. ``factor`` is the exact multiplier of decimals, plain digits, above zero.
    """

    format: str | None = None
    unit: str | None = None
    zone: str = "UTC"
    factor: str | None = None


CANONICAL = Reading()


@dataclass(frozen=True)
class Column:
    """A canonical column: never null in an accepted row where it is required, or where the row's action requires it."""

    name: str
    kind: Kind = Kind.TEXT
    required: bool = False
    required_by_action: str | None = None


@dataclass(frozen=True)
class Feed:
    """A feed: its columns in canonical order, the one that identifies a row, the one that says when, and its rules.

    ``awaited``: a delivery day without a folder is a missing delivery, not an empty one. ``timely``: a row far from its
    delivery day is refused.
    """

    name: str
    columns: tuple[Column, ...]
    id_column: str
    time_column: str
    awaited: bool
    timely: bool = True

    @property
    def column_names(self) -> tuple[str, ...]:
        """The canonical names, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; KeyError where there is none."""
        return {column.name: column for column in self.columns}[name]


FEEDS: Mapping[str, Feed] = MappingProxyType(
    {
        feed.name: feed
        for feed in (
            Feed(
                "impressions",
                (
                    Column("impression_id", required=True),
                    Column("event_time", Kind.INSTANT, required=True),
                    Column("household_id"),
                    Column("line_item_id", required=True),
                    Column("partner_id", required=True),
                    Column("device_type"),
                    Column("country", Kind.COUNTRY),
                    Column("viewable", Kind.BOOLEAN),
                    Column("completed", Kind.BOOLEAN),
                    Column("invalid_reason"),
                    Column("cost", Kind.DECIMAL),
                ),
                id_column="impression_id",
                time_column="event_time",
                awaited=True,
            ),
            Feed(
                "clicks",
                (
                    Column("click_id", required=True),
                    Column("event_time", Kind.INSTANT, required=True),
                    Column("household_id"),
                    Column("line_item_id", required=True),
                    Column("partner_id", required=True),
                    Column("invalid_reason"),
                ),
                id_column="click_id",
                time_column="event_time",
                awaited=False,
            ),
            Feed(
                "conversions",
                (
                    Column("conversion_id", required=True),
                    Column("event_time", Kind.INSTANT, required=True),
                    Column("household_id"),
                    Column("advertiser_id", required=True),
                    Column("event", required=True),
                    Column("order_id"),
                    Column("order_value", Kind.DECIMAL),
                    Column("currency", Kind.CURRENCY),
                    Column("new_customer", Kind.BOOLEAN),
                    Column("country", Kind.COUNTRY),
                    Column("category"),
                    Column("coupon"),
                ),
                id_column="conversion_id",
                time_column="event_time",
                awaited=True,
            ),
            Feed(
                "conversion_adjustments",
                (
                    Column("adjustment_id", required=True),
                    Column("conversion_id", required=True),
                    Column("adjusted_at", Kind.INSTANT, required=True),
                    Column("action", Kind.ACTION, required=True),
                    Column("order_value", Kind.DECIMAL, required_by_action="restate"),
                    Column("reason"),
                ),
                id_column="adjustment_id",
                time_column="adjusted_at",
                awaited=False,
                timely=False,
            ),
        )
    }
)
