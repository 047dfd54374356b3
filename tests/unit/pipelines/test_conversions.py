from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, at, rows_of

from contracts_io.frames import TABLES
from pipelines.conversions import conversion_states, household_conversions

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


# What a household did before


def households(
    conversions: list[dict[str, Any]], day: list[str], adjustments: list[dict[str, Any]] | None = None
) -> list[dict[str, Any]]:
    everyone = rows_of("conversions", conversions)
    own = everyone.filter(pl.col("conversion_id").is_in(day)).lazy()
    adjusted_rows = rows_of("conversion_adjustments", adjustments or []).lazy()
    frame = household_conversions(own, everyone.lazy(), adjusted_rows).collect()
    TABLES["household_conversions"].check(frame.lazy(), has_rows=frame.height > 0)
    return frame.to_dicts()


def listed(conversions: list[dict[str, Any]], day: list[str]) -> list[str]:
    return [row["conversion_id"] for row in households(conversions, day)]


def test_a_day_lists_what_its_households_did_up_to_its_own_latest_in_order() -> None:
    everyone = [order(name, hours) for name, hours in (("late", 9), ("today-2", 2), ("before", -700), ("today-1", 0))]
    assert listed(everyone, ["today-1", "today-2"]) == ["before", "today-1", "today-2"]
    assert listed(everyone, ["today-1"]) == ["before", "today-1"]
    assert listed(everyone, ["late"]) == ["before", "today-1", "today-2", "late"]


def test_of_conversions_at_one_instant_those_up_to_the_latest_id_are_listed() -> None:
    assert listed([order(name, 0) for name in ("c", "a", "b")], ["b"]) == ["a", "b"]


def test_a_conversion_that_nothing_came_before_is_not_listed() -> None:
    assert listed([order("a", 0), order("b", 1)], ["a"]) == []


@pytest.mark.parametrize("other", [{"household_id": "h2"}, {"advertiser_id": "zeta"}, {"event": "signup"}])
def test_another_household_advertiser_or_event_is_listed_apart(other: dict[str, Any]) -> None:
    assert listed([order("a", 0), order("b", 1, **other)], ["a", "b"]) == []
    pairs = [order("a", 0), order("b", 1), order("c", 0, **other), order("d", 1, **other)]
    assert sorted(listed(pairs, ["b", "d"])) == ["a", "b", "c", "d"]


def test_conversions_of_no_known_household_are_not_listed() -> None:
    assert listed([order(name, 0, household_id=None) for name in ("a", "b")], ["a", "b"]) == []


def test_a_listed_conversion_says_whether_it_is_reversed_and_when_its_order_came_before() -> None:
    everyone = [
        order("first", -9, household_id="h7"),  # of another household: listed nowhere, and still the earlier order
        order("second", -5),
        order("today", 0, order_id=None),
    ]
    found = households(everyone, ["today"], [adjusted("a1", "reverse", of="second")])
    known = [(row["conversion_id"], row["is_reversed"], row["earlier_order_at"]) for row in found]
    assert known == [("second", True, NOON - 9 * HOUR), ("today", False, None)]


def test_an_id_that_came_again_after_its_days_were_over_is_another_conversion() -> None:
    everyone = rows_of("conversions", [order("c1", -2_000, "o8"), order("c0", -1, "o9"), order("c1", 0, "o9")])
    today = everyone.filter(pl.col("event_time") == NOON).lazy()
    none = rows_of("conversion_adjustments", []).lazy()
    frame = household_conversions(today, everyone.lazy(), none).collect()
    assert frame["earlier_order_at"].to_list() == [None, None, NOON - HOUR]
    assert conversion_states(today, everyone.lazy(), none).collect()["earlier_order_id"].to_list() == ["c0"]
