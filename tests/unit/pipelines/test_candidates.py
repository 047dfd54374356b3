"""What a person is told of each touch that was looked at: whether it counts, why not, and what it earned."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
import pytest
from billing_samples import DAY, MICROSECOND, NOON, advertiser, attributed_in_parts, cpm, flat, given_day, term

from contracts_io.contract import InForce
from pipelines.attribution import looked_at

HOUR = timedelta(hours=1)
ATTRIBUTION: dict[str, Any] = {"model": "linear", "lookback": {"view": "2d", "click": "7d"}}
COLUMNS = [
    "touch_id", "touch_kind", "touch_time", "partner_id", "line_item_id", "term_id", "counts", "why", "credit",
]  # fmt: skip


def seen(
    touches: list[dict[str, Any]], *contracts: InForce, conversion: dict[str, Any] | None = None, **more: Any
) -> pl.DataFrame:
    given = given_day([conversion or {}, {"conversion_id": "c2", "household_id": "h2"}], *contracts, touches=touches, **more)
    found = looked_at("c1", *given)
    assert found.columns == COLUMNS
    credits = attributed_in_parts(*given).credits.filter(pl.col("conversion_id") == "c1")
    same = ["touch_id", "touch_kind", "touch_time", "partner_id", "line_item_id", "term_id", "credit"]
    assert found.filter(pl.col("credit") > 0).select(same).equals(credits.select(same))
    return found


def why(touch: dict[str, Any], **attribution: Any) -> str | None:
    contract = advertiser(
        term("sale", flat(), "li-1"),
        term("brand", cpm(), "li-brand"),
        term("join", flat(event="signup"), "li-signup"),
        attribution=ATTRIBUTION | attribution,
        partner_overrides=[
            {"partner_id": "out", "excluded": True},
            {"partner_id": "short", "lookback": {"view": "1h"}},
            {"partner_id": "long", "lookback": {"view": "9d"}},
            {"partner_id": "none", "lookback": {"view": "0d"}},
        ],
    )
    found = seen([{"touch_time": NOON - HOUR} | touch], contract)
    ((counts, reason, credit),) = found.select("counts", "why", "credit").rows()
    assert counts is (reason is None) is (credit == 1_000_000)
    return None if reason is None else str(reason)


OLD = {"touch_time": NOON - timedelta(days=2) - MICROSECOND}


@pytest.mark.parametrize(
    ("touch", "attribution", "reason"),
    [
        ({}, {}, None),
        ({"touch_time": NOON}, {}, None),
        ({"touch_time": NOON + MICROSECOND}, {}, "after the conversion"),
        ({"line_item_id": "li-9"}, {}, "line item not in a cpa term for the event"),
        ({"line_item_id": "li-brand"}, {}, "line item not in a cpa term for the event"),
        ({"line_item_id": "li-signup"}, {}, "line item not in a cpa term for the event"),
        ({"partner_id": "out"}, {}, "partner excluded"),
        ({"partner_id": "none"}, {}, "kind switched off"),
        ({}, {"lookback": {"click": "7d"}}, "kind switched off"),
        ({"touch_time": NOON - timedelta(days=2)}, {}, None),
        (OLD, {}, "older than the window"),
        (OLD | {"partner_id": "long"}, {}, None),
        ({"partner_id": "short"}, {}, None),
        ({"partner_id": "short", "touch_time": NOON - HOUR - MICROSECOND}, {}, "older than the window"),
        ({}, {"view_basis": "viewable"}, "not viewable"),
        ({"viewable": True}, {"view_basis": "viewable"}, None),
        ({"viewable": True}, {"view_basis": "completed"}, "not completed"),
        ({"touch_kind": "click"}, {"view_basis": "completed"}, None),
        # the first of several
        ({"touch_time": NOON + HOUR, "line_item_id": "li-9"}, {}, "after the conversion"),
        ({"line_item_id": "li-9", "partner_id": "out"}, {}, "line item not in a cpa term for the event"),
        (OLD | {"partner_id": "out"}, {"view_basis": "viewable"}, "partner excluded"),
        (OLD, {"view_basis": "viewable"}, "older than the window"),
    ],
)
def test_a_touch_that_does_not_count_has_the_first_reason(
    touch: dict[str, Any], attribution: dict[str, Any], reason: str | None
) -> None:
    assert why(touch, **attribution) == reason


def test_touches_are_shown_as_far_back_as_the_longest_lookback_and_no_other_household() -> None:
    at_the_end = NOON - timedelta(days=7)
    touches = [
        {"touch_id": "end", "touch_time": at_the_end},
        {"touch_id": "beyond", "touch_time": at_the_end - MICROSECOND},
        {"touch_id": "other", "household_id": "h2"},
    ]
    found = seen(touches, advertiser(attribution=ATTRIBUTION))
    assert found.select("touch_id", "why").rows() == [("end", "older than the window")]
    longer = advertiser(attribution=ATTRIBUTION, partner_overrides=[{"partner_id": "pub-9", "lookback": {"view": "8d"}}])
    assert seen(touches, longer)["touch_id"].to_list() == ["beyond", "end"]


def test_a_view_goes_after_a_click_that_counts_and_only_after_such_a_one() -> None:
    view, other = {"touch_id": "v"}, {"touch_id": "k", "touch_kind": "click", "line_item_id": "li-9"}
    click = {"touch_id": "k2", "touch_kind": "click", "touch_time": NOON - HOUR}
    contract = advertiser(attribution=ATTRIBUTION)
    told = seen([view, other, click], contract).select("touch_id", "why", "credit").rows()
    assert told == [
        ("k2", None, 1_000_000),
        ("v", "a click goes before views", 0),
        ("k", "line item not in a cpa term for the event", 0),
    ]
    assert seen([view, other], contract)["counts"].to_list() == [True, False]
    together = advertiser(attribution=ATTRIBUTION | {"click_over_view": False})
    assert seen([view, other, click], together)["credit"].to_list() == [500_000, 500_000, 0]


def test_a_touch_can_count_and_earn_nothing() -> None:
    touches = [{"touch_id": "t1", "touch_time": NOON - HOUR}, {"touch_id": "t2"}]
    found = seen(touches, advertiser(attribution=ATTRIBUTION | {"model": "last_touch"}))
    assert found.select("counts", "credit").rows() == [(True, 0), (True, 1_000_000)]


def test_touches_of_a_conversion_that_earned_nothing_are_told_without_credit() -> None:
    reversal = [{"conversion_id": "c1"}]
    found = seen([{}], advertiser(attribution=ATTRIBUTION), adjustments=reversal)
    assert found.select("counts", "why", "credit").rows() == [(True, None, 0)]


@pytest.mark.parametrize("conversion", [{"household_id": None}, {"event": "signup"}, {"conversion_id": "c9"}])
def test_nothing_is_looked_at_without_household_contract_or_conversion(conversion: dict[str, Any]) -> None:
    assert seen([{}], advertiser(attribution=ATTRIBUTION), conversion=conversion).is_empty()


def test_without_any_contract_nothing_is_looked_at_and_the_columns_are_the_same() -> None:
    assert seen([{}]).schema == seen([{}], advertiser(attribution=ATTRIBUTION)).schema


def test_a_line_item_that_moves_from_one_term_to_another_counts_once_for_the_term_of_the_day() -> None:
    tomorrow = DAY + timedelta(days=1)
    contract = advertiser(
        term("old", flat(), "li-1", ends_on=str(DAY)),
        term("new", flat(), "li-1", starts_on=str(tomorrow)),
        attribution=ATTRIBUTION,
    )
    for conversion, name in (({}, "old"), ({"event_time": NOON + timedelta(days=1)}, "new")):
        assert seen([{}], contract, conversion=conversion).select("term_id", "credit").rows() == [(name, 1_000_000)]
