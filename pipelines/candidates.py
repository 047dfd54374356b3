"""Which touches could have earned a conversion (spec 6.2), and of the others why not.

A touch of the same household counts unless one of the reasons below stands against it; each reason is one expression, which
attribution leaves out by and ``explain`` names. Where clicks go before views, a click among those that count leaves only clicks.

    a view 8 days before a purchase, looked back at for 7: ``older than the window``
"""

from __future__ import annotations

from datetime import timedelta
from typing import NamedTuple

import polars as pl

from contracts_io.ids import packed, parts, unpacked
from contracts_io.terms import TermFrames

OFF = timedelta(0)
IS_CLICK = pl.col("touch_kind") == "click"
TOUCH_ORDER = ["conversion", pl.col("touch_time"), IS_CLICK, pl.col("touch_id")]
"""The order of a conversion's candidates (spec 6.3)."""
AFTER_CLICKS = "a click goes before views"

_TOUCH = ["touch_kind", *parts("touch_id"), "touch_time", "partner_id", "line_item_id"]
_AGREED = ["view_lookback", "click_lookback", "needs_viewable", "needs_completed"]
_AGE = pl.col("event_time") - pl.col("touch_time")
_LOOKBACK = (
    pl.when(IS_CLICK)
    .then(pl.coalesce("override_click_lookback", "click_lookback"))
    .otherwise(pl.coalesce("override_view_lookback", "view_lookback"))
)
_TOO_LATE = _AGE < OFF
_AGAINST = {
    "after the conversion": _TOO_LATE,
    "line item not in a cpa term for the event": pl.col("term_id").is_null(),
    "partner excluded": pl.col("excluded").fill_null(value=False),
    "kind switched off": _LOOKBACK == OFF,  # also for a touch at the very instant
    "older than the window": _AGE > _LOOKBACK,
    "not viewable": ~IS_CLICK & pl.col("needs_viewable") & ~pl.col("viewable"),
    "not completed": ~IS_CLICK & pl.col("needs_completed") & ~pl.col("completed"),
}


def candidates(conversions: pl.DataFrame, touches: pl.LazyFrame, terms: TermFrames) -> pl.DataFrame:
    """Conversion x touch against which nothing stands, a click that goes before it aside; no order.

    ``conversions``: rows of ``statuses.judged`` under a contract, with their number ``conversion``. ``touches``: the table as
    it is kept, ids packed. Columns: conversion, touch_kind, touch_id, touch_time, partner_id, line_item_id, term_id.
    """
    _, looking, lines, overrides = _looking(conversions, terms)
    return _in_words(
        _of_households(touches, looking)
        .filter(~_TOO_LATE)
        .join(lines.lazy(), on=["scope", "line_item_id"])
        .join(overrides.lazy(), on=["scope", "partner_id"], how="left")
        .filter(*(~against for against in _AGAINST.values()))
        .select("conversion", *_TOUCH, "term_id")
    )


def asked(conversions: pl.DataFrame, terms: TermFrames) -> list[pl.DataFrame]:
    """Frames that are the same where ``candidates`` are, among the same touches: what else contracts say is not in them.

    Each has ``delivery_day`` first; what one says of a day depends on no conversion of another.
    """
    found = _looking(conversions, terms)
    scope_of_day = found.scopes.select(
        "scope", "delivery_day", scope_of_day=pl.col("scope") - pl.col("scope").min().over("delivery_day")
    )
    ids = conversions.select("conversion", "conversion_id")
    named = found.looking.join(ids, on="conversion").sort("conversion")
    by_scope = found.looking.unique("scope").select("scope", *_AGREED)
    told = [
        frame.join(scope_of_day, on="scope", maintain_order="left").select(
            "delivery_day", pl.col("scope_of_day").alias("scope"), pl.exclude("delivery_day", "scope", "scope_of_day")
        )
        for frame in (
            named.select("scope", *parts("household_id"), "event_time", "conversion_id"),
            by_scope.sort("scope"),
            found.lines,
            found.overrides,
        )
    ]
    return [*told[:2], *(frame.sort(frame.columns) for frame in told[2:])]


def all_touches(conversions: pl.DataFrame, touches: pl.LazyFrame, terms: TermFrames) -> pl.DataFrame:
    """Every touch of the households within the contract's longest lookback, and later ones, with what stands against it.

    As ``candidates``, of few conversions; ``term_id`` null where no term claims the line item; ``why`` is the first reason
    why a touch does not count, null where it does.
    """
    _, looking, lines, overrides = _looking(conversions, terms)
    widest = overrides.group_by("scope").agg(
        longest=pl.max_horizontal(pl.col("override_view_lookback").max(), pl.col("override_click_lookback").max())
    )
    longest = pl.max_horizontal("view_lookback", "click_lookback", "longest")
    why = pl.coalesce(pl.when(against).then(pl.lit(reason)) for reason, against in _AGAINST.items())
    found = _in_words(
        _of_households(touches, looking)
        .join(widest.lazy(), on="scope", how="left")
        .filter(longest >= _AGE)
        .join(lines.lazy(), on=["scope", "line_item_id"], how="left")
        .join(overrides.lazy(), on=["scope", "partner_id"], how="left")
        .select("conversion", *_TOUCH, "term_id", "click_over_view", why=why)
    )
    counts = pl.col("why").is_null()
    return found.with_columns(why=pl.when(counts & goes_after_clicks(counts)).then(pl.lit(AFTER_CLICKS)).otherwise("why"))


def _of_households(touches: pl.LazyFrame, looking: pl.DataFrame) -> pl.LazyFrame:
    """The touches of the households that look back, beside what each looks back for.

    One half of the id settles, as the rows are read, that almost none of them is held.
    """
    half = parts("household_id")[1]
    near = touches.filter(pl.col(half).is_in(looking[half].unique().implode()))
    return near.join(looking.lazy(), on=parts("household_id"), nulls_equal=True)


def _in_words(found: pl.LazyFrame) -> pl.DataFrame:
    """What was found, the ids of touches as text: of millions of touches that were looked at, few are found."""
    return unpacked(found.collect(engine="streaming").lazy(), ["touch_id"]).collect()


def goes_after_clicks(counts: pl.Expr) -> pl.Expr:
    """Whether a touch is a view of a conversion that has a click among the touches that ``counts`` says count."""
    return ~IS_CLICK & pl.col("click_over_view") & (counts & IS_CLICK).any().over("conversion")


class _Looking(NamedTuple):
    """What looks back, the line items that it looks at, and the partners for whom that differs.

    A scope is a contract version, event and local date of a delivery day, in order of day: what conversions share is listed
    once and not for each of them.
    """

    scopes: pl.DataFrame
    looking: pl.DataFrame
    lines: pl.DataFrame
    overrides: pl.DataFrame


def _looking(conversions: pl.DataFrame, terms: TermFrames) -> _Looking:
    scope = ["delivery_day", "contract_id", "version", "event", "local_on"]
    in_order = ["delivery_day", "contract_id", "event", "local_on"]
    scopes = conversions.select(scope).unique().sort(in_order).with_row_index("scope")
    looking = conversions.filter(pl.col("household_id").is_not_null()).join(scopes, on=scope)
    by_action = terms.terms.filter(pl.col("side") == "advertiser", pl.col("model") == "cpa").select(
        "contract_id", "version", "event", "term_id", "line_items", "first_on", "last_on"
    )
    lines = (
        scopes.join(by_action, on=["contract_id", "version", "event"])
        .filter(pl.col("local_on").is_between("first_on", "last_on"))
        .select("scope", "term_id", line_item_id="line_items")
        .explode("line_item_id")
    )
    overrides = scopes.join(terms.overrides, on=["contract_id", "version"]).select(
        "scope",
        "partner_id",
        "excluded",
        override_view_lookback="view_lookback",
        override_click_lookback="click_lookback",
    )
    return _Looking(
        scopes,
        packed(looking.lazy(), ["household_id"])
        .collect()
        .select(
            "conversion",
            *parts("household_id"),
            "event_time",
            "scope",
            "view_lookback",
            "click_lookback",
            "click_over_view",
            needs_viewable=pl.col("view_basis") == "viewable",
            needs_completed=pl.col("view_basis") == "completed",
        ),
        lines,
        overrides,
    )
