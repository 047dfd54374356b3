from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
from billing_samples import at, rows_of

from contracts_io.frames import TABLES
from pipelines.delivery import DIMENSIONS, delivery_counts


def counted(*rows: dict[str, Any]) -> pl.DataFrame:
    frame = delivery_counts(rows_of("impressions", rows).lazy()).collect()
    TABLES["delivery_counts"].check(frame.lazy(), has_rows=bool(rows))
    return frame


def test_impressions_of_one_quarter_of_an_hour_are_one_count() -> None:
    times = ["10:00:00", "10:14:59.999999", "10:15:00", "10:29:59", "09:59:59.999999"]
    frame = counted(*({"impression_id": f"i{n}", "event_time": at(f"2026-10-05T{t}Z")} for n, t in enumerate(times)))
    assert frame.select("quarter_hour", "impressions").rows() == [
        (at("2026-10-05T09:45Z"), 1),
        (at("2026-10-05T10:00Z"), 2),
        (at("2026-10-05T10:15Z"), 2),
    ]


def test_every_dimension_that_a_contract_can_price_keeps_counts_apart() -> None:
    apart: list[dict[str, Any]] = [
        {},
        {"line_item_id": "li-2"},
        {"partner_id": "pub-2"},
        {"event_time": at("2026-10-05T12:15Z")},
        {"device_type": "ctv"},
        {"country": "US"},
        {"viewable": True},
        {"completed": True},
        {"invalid_reason": "bot"},
    ]
    frame = counted(*(row | {"impression_id": f"i{n}-{copy}"} for n, row in enumerate(apart) for copy in range(2)))
    assert frame["impressions"].to_list() == [2] * 9
    assert frame.select(DIMENSIONS).is_duplicated().sum() == 0


def test_why_traffic_is_invalid_household_and_file_do_not_keep_counts_apart() -> None:
    frame = counted(
        {"impression_id": "i1", "invalid_reason": "bot", "household_id": None, "file": "a.csv"},
        {"impression_id": "i2", "invalid_reason": "datacenter", "household_id": "h2", "row": 7},
    )
    assert frame.select("valid", "impressions").rows() == [(False, 2)]


def test_cleared_prices_are_summed_exactly_and_a_missing_one_is_nothing() -> None:
    costs = ["0.000000001", "999999999.999999999", None, "0.1", "0.2"]
    frame = counted(*({"impression_id": f"i{n}", "cost": cost} for n, cost in enumerate(costs)))
    assert frame["cost"].to_list() == [Decimal("1000000000.300000000")]
    assert counted({"cost": None})["cost"].to_list() == [Decimal(0)]


def test_counts_come_in_one_order_and_a_day_without_impressions_has_none() -> None:
    rows: list[dict[str, Any]] = [{"impression_id": f"i{n}", "line_item_id": f"li-{n % 3}"} for n in range(9)]
    assert counted(*rows).equals(counted(*reversed(rows)))
    assert counted(*rows)["line_item_id"].to_list() == ["li-0", "li-1", "li-2"]
    assert counted().equals(TABLES["delivery_counts"].empty())
