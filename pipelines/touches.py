"""Views and clicks of a household, ready to be looked up by attribution.

A touch is an impression (a view) or a click of a known household that is valid traffic (spec 6.2). Whether a view counts
only when it was viewable or completed is the contract's to say, so both marks are kept.
"""

from __future__ import annotations

import polars as pl

from contracts_io.frames import TABLES
from contracts_io.ids import parts
from contracts_io.texts import as_codes, distinct

_KINDS = ("view", "click")
_PLACES = ("line_item_id", "partner_id")


def touches(impressions: pl.LazyFrame, clicks: pl.LazyFrame) -> pl.LazyFrame:
    """A delivery day's accepted impressions and clicks as table ``touches``: views, then clicks, in order of arrival.

    Both come as they are kept (``Warehouse.read_as_kept``), and so do the touches: ids packed, texts of few values as codes.
    """
    known = [distinct(events, *_PLACES) for events in (impressions, clicks)]
    values = {
        name: {text for found in columns for text in found.drop_nulls().to_list()}
        for name, *columns in zip(_PLACES, *known, strict=True)
    } | {"touch_kind": _KINDS}
    views = _usable(impressions).select(
        *parts("household_id"),
        pl.lit("view").alias("touch_kind"),
        *_ids("impression_id"),
        pl.col("event_time").alias("touch_time"),
        "line_item_id",
        "partner_id",
        "viewable",
        "completed",
    )
    clicked = _usable(clicks).select(
        *parts("household_id"),
        pl.lit("click").alias("touch_kind"),
        *_ids("click_id"),
        pl.col("event_time").alias("touch_time"),
        "line_item_id",
        "partner_id",
        pl.lit(False).alias("viewable"),
        pl.lit(False).alias("completed"),
    )
    return pl.concat([as_codes(views, values), as_codes(clicked, values)]).select(*TABLES["touches"].stored_schema)


def _ids(name: str) -> list[pl.Expr]:
    return [pl.col(part).alias(of_touch) for part, of_touch in zip(parts(name), parts("touch_id"), strict=True)]


def _usable(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.filter(pl.col("household_id_lo").is_not_null(), pl.col("invalid_reason").is_null())
