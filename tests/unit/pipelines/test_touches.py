from __future__ import annotations

from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, as_kept, rows_of

from contracts_io.frames import TABLES
from contracts_io.ids import unpacked
from pipelines.touches import touches


def laid_out(impressions: list[dict[str, Any]], clicks: list[dict[str, Any]]) -> pl.DataFrame:
    given = (as_kept(feed, rows_of(feed, rows)) for feed, rows in (("impressions", impressions), ("clicks", clicks)))
    frame = touches(*given).collect()
    TABLES["touches"].check(frame.lazy(), has_rows=frame.height > 0)
    return unpacked(frame.lazy(), TABLES["touches"].packed).collect()


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


@pytest.mark.parametrize(
    "household",
    ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-00000000000A", ".", "\0h", "é", "h" * 17],
)
def test_the_ids_of_a_touch_are_those_of_the_event_whatever_their_form(household: str) -> None:
    ids = {"household_id": household, "impression_id": household.upper(), "click_id": household[::-1]}
    of_impression, of_click = ({name: ids[name] for name in ids if name != other} for other in ("click_id", "impression_id"))
    assert laid_out([of_impression], [of_click]).select("household_id", "touch_id").rows() == [
        (household, household.upper()),
        (household, household[::-1]),
    ]
