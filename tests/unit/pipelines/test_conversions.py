from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, at, rows_of

from contracts_io.frames import TABLES
from pipelines.conversions import conversion_states

HOUR = timedelta(hours=1)


def states(
    conversions: list[dict[str, Any]], adjustments: list[dict[str, Any]], day: list[str] | None = None
) -> dict[str, dict[str, Any]]:
    peers = rows_of("conversions", conversions)
    own = peers if day is None else peers.filter(pl.col("conversion_id").is_in(day))
    frame = conversion_states(own.lazy(), peers.lazy(), rows_of("conversion_adjustments", adjustments).lazy()).collect()
    TABLES["conversion_states"].check(frame.lazy(), has_rows=frame.height > 0)
    assert frame["conversion_id"].to_list() == own["conversion_id"].to_list()
    return {row["conversion_id"]: row for row in frame.to_dicts()}


def order(conversion_id: str, hours: float, order_id: str | None = "o1", **more: Any) -> dict[str, Any]:
    return {"conversion_id": conversion_id, "order_id": order_id, "event_time": NOON + hours * HOUR} | more


def adjusted(adjustment_id: str, action: str, value: str | None = None, hours: float = 0, of: str = "c1") -> dict[str, Any]:
    return {
        "adjustment_id": adjustment_id,
        "conversion_id": of,
        "action": action,
        "order_value": value,
        "adjusted_at": NOON + hours * HOUR,
    }


@pytest.mark.parametrize(
    ("adjustments", "is_reversed", "restated"),
    [
        ([], False, None),
        ([adjusted("a1", "reverse")], True, None),
        ([adjusted("a1", "restate", "9.50")], False, Decimal("9.5")),
        ([adjusted("a1", "reverse"), adjusted("a2", "restate", "9.50", hours=1)], False, Decimal("9.5")),
        ([adjusted("a1", "restate", "9.50", hours=1), adjusted("a2", "reverse")], False, Decimal("9.5")),
        ([adjusted("a1", "restate", "9.50"), adjusted("a2", "reverse")], True, None),  # same instant: the later id
        ([adjusted("a2", "restate", "9.50"), adjusted("a1", "reverse")], False, Decimal("9.5")),
        ([adjusted("a10", "reverse"), adjusted("a9", "restate", "0")], False, Decimal(0)),  # ids compare as text
        ([adjusted("a1", "reverse", of="c2")], False, None),
    ],
)
def test_the_latest_adjustment_decides(
    adjustments: list[dict[str, Any]], is_reversed: bool, restated: Decimal | None
) -> None:
    state = states([order("c1", 0)], adjustments)["c1"]
    assert (state["is_reversed"], state["is_restated"], state["restated_value"]) == (
        is_reversed,
        restated is not None,
        restated,
    )


def earlier(conversions: list[dict[str, Any]], *reversed_ids: str) -> dict[str, str | None]:
    adjustments = [adjusted(f"a-{i}", "reverse", of=i) for i in reversed_ids]
    return {name: state["earlier_order_id"] for name, state in states(conversions, adjustments).items()}


def test_the_earlier_order_is_the_nearest_one_before_it() -> None:
    chain = [order("a", 0), order("b", 1), order("c", 2)]
    assert earlier(chain) == {"a": None, "b": "a", "c": "b"}
    found = states(chain, [])["c"]["earlier_order_at"]
    assert found == at("2026-10-05T13:00Z")
    assert isinstance(found, datetime)


def test_a_reversed_order_comes_before_nothing_and_may_itself_come_after_another() -> None:
    chain = [order("a", 0), order("b", 1), order("c", 2)]
    assert earlier(chain, "b") == {"a": None, "b": "a", "c": "a"}
    assert earlier(chain, "a") == {"a": None, "b": None, "c": "b"}
    assert earlier(chain, "a", "b") == {"a": None, "b": None, "c": None}


def test_a_restated_order_still_comes_before_the_next() -> None:
    found = states([order("a", 0), order("b", 1)], [adjusted("a1", "restate", "1", of="a")])
    assert found["b"]["earlier_order_id"] == "a"


def test_of_two_orders_at_one_instant_the_lower_conversion_id_is_the_earlier() -> None:
    assert earlier([order("b", 0), order("a", 0)]) == {"a": None, "b": "a"}


@pytest.mark.parametrize("other", [{"advertiser_id": "zeta"}, {"event": "signup"}, {"order_id": "o2"}, {"order_id": None}])
def test_another_advertiser_event_or_order_comes_before_nothing(other: dict[str, Any]) -> None:
    assert earlier([order("a", 0, **{"order_id": "o1"} | other), order("b", 1)]) == {"a": None, "b": None}


def test_conversions_without_an_order_come_before_nothing() -> None:
    assert earlier([order("a", 0, None), order("b", 1, None)]) == {"a": None, "b": None}


def test_an_earlier_order_of_another_delivery_day_is_found_whichever_came_first() -> None:
    everyone = [order("yesterday", -20), order("today", 0), order("tomorrow", 20)]
    assert states(everyone, [], day=["today"])["today"]["earlier_order_id"] == "yesterday"


def test_the_states_of_a_day_follow_its_conversions_row_by_row() -> None:
    many = [order(f"c{n * 7 % 50}", n, f"o{n % 3}") for n in range(50)]
    assert list(states(many, [adjusted("a1", "reverse", of="c7")])) == [row["conversion_id"] for row in many]
