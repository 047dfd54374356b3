from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, rows_of

from contracts_io.frames import TABLES
from pipelines.touches import touches


def laid_out(impressions: list[dict[str, Any]], clicks: list[dict[str, Any]]) -> pl.DataFrame:
    frame = touches(rows_of("impressions", impressions).lazy(), rows_of("clicks", clicks).lazy()).collect()
    TABLES["touches"].check(frame.lazy(), has_rows=frame.height > 0)
    return frame


def test_an_impression_is_a_view_and_a_click_is_a_click_with_all_that_attribution_asks_for() -> None:
    frame = laid_out([{"impression_id": "i1", "viewable": True}], [{"click_id": "k1", "partner_id": "pub-2"}])
    assert frame.rows() == [
        ("h1", "view", "i1", NOON, "li-1", "pub-1", True, False),
        ("h1", "click", "k1", NOON, "li-1", "pub-2", False, False),
    ]


@pytest.mark.parametrize("unusable", [{"household_id": None}, {"invalid_reason": "bot"}])
def test_invalid_traffic_and_unknown_households_touch_nobody(unusable: dict[str, Any]) -> None:
    assert laid_out([unusable], [unusable]).equals(TABLES["touches"].empty())


def test_touches_keep_the_order_in_which_they_came() -> None:
    frame = laid_out([{"impression_id": i} for i in "cab"], [{"click_id": i} for i in "zy"])
    assert frame["touch_id"].to_list() == ["c", "a", "b", "z", "y"]
