"""The events behind a line: conversions as table ``action_units`` has them, impressions judged one by one.

Impressions are judged by the function that judged the day's counts, each as a count of its own.
"""

from __future__ import annotations

from typing import Any

import polars as pl

from contracts_io.store.document_tables import Line
from pipelines.delivery import delivery_counts
from pipelines.media import judge_delivery, with_version
from services.explaining.lines import action_units
from services.explaining.media import Context, accrued, judged_of, media_rows, multipliers_of
from services.explaining.notes import adjusted_by
from services.explaining.sources import Source

_ID = "impression_id"
_GROUP = ["month_date", "line_item_id", "partner_id"]
_UNIT = ["conversion_id", "delivery_day", "billing_date", "position", "value", "fee", "credit", "amount"]


def events_behind(context: Context, line: Line) -> list[dict[str, Any]]:
    """The conversions or impressions of a line; of a line that adjusts, those of what it now entitles to; else none.

    Where a day's impressions are shared between steps or with the cap, all of the group are given: which of them lie
    beyond a boundary is not said of a single one.
    """
    if line.adjusts_month:
        adjusted, entitled = adjusted_by(context, line)
        return [event for own in entitled for event in events_behind(adjusted._replace(lines=entitled), own)]
    if line.kind == "action":
        return action_units(context, line).select(_UNIT).to_dicts()
    if line.kind == "media":
        return _media(context, line)
    if line.kind == "revenue_share":
        return _shared(context, line)
    return []


def _media(context: Context, line: Line) -> list[dict[str, Any]]:
    rows, judged = media_rows(context, line), judged_of(context, line)
    if rows.is_empty():  # a line of a version that prices nothing any more
        return []
    if line.rate is not None:
        judged = judged.filter(pl.col("multiplier").is_in(multipliers_of(context, line, rows, judged).implode()))
    groups = rows.select(pl.col("billing_date").alias("month_date"), "line_item_id", "partner_id").unique()
    mine = judged.join(groups, on=_GROUP, how="semi")
    key = ["contract_id", "version", "term_id", "multiplier", *_GROUP]
    return _impressions(context.source, mine, key)


def _shared(context: Context, line: Line) -> list[dict[str, Any]]:
    assert line.advertiser_contract_id is not None
    rows = accrued(context, line, "revenue_share").filter(pl.col("advertiser_contract_id") == line.advertiser_contract_id)
    groups = rows.select(pl.col("billing_date").alias("month_date"), "line_item_id", "partner_id").unique()
    mine = context.source.judged(line.advertiser_contract_id).join(groups, on=_GROUP, how="semi")
    return _impressions(context.source, mine, ["contract_id", *_GROUP])


def _impressions(source: Source, groups: pl.DataFrame, key: list[str]) -> list[dict[str, Any]]:
    """The billed impressions of judged ``groups``, by delivery day and id."""
    found = []
    for (day,), of_day in groups.partition_by("delivery_day", as_dict=True).items():
        alone = judge_alone(
            source.warehouse.read("impressions", [str(day)]).filter(
                pl.col("line_item_id").is_in(of_day["line_item_id"].unique().implode()),
                pl.col("partner_id").is_in(of_day["partner_id"].unique().implode()),
            ),
            source,
        )
        mine = alone.filter(pl.col("outcome") == "billed").join(of_day, on=["side", *key], how="semi")
        found.append(mine.select(_ID, "month_date", "line_item_id", "partner_id", delivery_day=pl.lit(day)))
    if not found:
        return []
    columns = [_ID, "delivery_day", pl.col("month_date").alias("billing_date"), "line_item_id", "partner_id"]
    return pl.concat(found).sort("delivery_day", _ID).select(columns).to_dicts()


def judge_alone(impressions: pl.LazyFrame, source: Source) -> pl.DataFrame:
    """Table ``judged_impressions`` of rows of ``impressions``, both sides, each with its ``impression_id`` and by itself.

    With the ``version`` in force, as of ``Source.judged``.
    """
    return with_version(judge_delivery(delivery_counts(impressions, [_ID]), source.terms, [_ID]), source.terms)
