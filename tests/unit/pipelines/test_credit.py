"""Credit (spec 6.3): the five models, rounding, ties, and the exact weights of time_decay."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from billing_samples import MICROSECOND, NOON, advertiser, judged
from hypothesis import given
from hypothesis import strategies as st

from pipelines.credit import decay


def credits_of(model: str, ages: list[timedelta], **more: Any) -> list[int]:
    """The credit of each of a conversion's views, in the order of ``ages``; 0 where it has no row."""
    attribution = {"model": model, "lookback": {"view": "9000d"}} | more
    touches = [{"touch_id": f"t{n}", "touch_time": NOON - age} for n, age in enumerate(ages)]
    made = judged([{}], advertiser(attribution=attribution), touches=touches)
    assert made.attributions["model"].to_list() == [model]
    found: dict[str, int] = dict(made.credits.select("touch_id", "credit").iter_rows())
    assert 0 not in found.values()
    return [found.get(f"t{n}", 0) for n in range(len(ages))]


def days(*ages: float) -> list[timedelta]:
    return [timedelta(days=age) for age in ages]


@pytest.mark.parametrize(
    ("model", "touches", "credits"),
    [
        ("first_touch", 1, [1_000_000]),
        ("first_touch", 3, [1_000_000, 0, 0]),
        ("last_touch", 3, [0, 0, 1_000_000]),
        ("linear", 1, [1_000_000]),
        ("linear", 2, [500_000, 500_000]),
        ("linear", 3, [333_333, 333_333, 333_334]),  # the millionth left over goes to the later touch
        ("linear", 6, [166_666, 166_666, 166_667, 166_667, 166_667, 166_667]),
        ("linear", 7, [142_857, 142_857, 142_857, 142_857, 142_857, 142_857, 142_858]),
        ("position_based", 1, [1_000_000]),
        ("position_based", 2, [500_000, 500_000]),
        ("position_based", 3, [400_000, 200_000, 400_000]),
        ("position_based", 4, [400_000, 100_000, 100_000, 400_000]),
        ("position_based", 5, [400_000, 66_666, 66_667, 66_667, 400_000]),
        ("position_based", 8, [400_000, 33_333, 33_333, 33_333, 33_333, 33_334, 33_334, 400_000]),
    ],
)
def test_a_model_shares_the_million_over_the_touches_in_time(model: str, touches: int, credits: list[int]) -> None:
    assert credits_of(model, days(*range(touches, 0, -1))) == credits


@pytest.mark.parametrize(
    ("half_life", "ages", "credits"),
    [
        (7, days(7, 0), [333_333, 666_667]),
        (7, days(14, 7, 0), [142_857, 285_714, 571_429]),
        (1, [timedelta(days=1), timedelta(days=1) - MICROSECOND], [333_333, 666_667]),  # whole days only
        (1, [timedelta(days=2) - MICROSECOND, timedelta(0)], [333_333, 666_667]),
        (3, [timedelta(days=1), timedelta(0)], [442_493, 557_507]),
        (1, days(30, 0), [0, 1_000_000]),  # weight 1 of 1,000,000,001
        (1, days(31, 31), [0, 1_000_000]),  # all weights 0: all to the last
        (1, days(31, 30), [0, 1_000_000]),
        (1, days(30, 30), [500_000, 500_000]),
        (1, days(40, 35, 33), [0, 0, 1_000_000]),
    ],
)
def test_time_decay_halves_the_weight_with_each_half_life(half_life: int, ages: list[timedelta], credits: list[int]) -> None:
    assert credits_of("time_decay", ages, half_life=half_life) == credits


@pytest.mark.parametrize(
    ("age", "half_life", "weight"),
    [
        (0, 7, 1_000_000_000),
        (7, 7, 500_000_000),
        (1, 7, 905_723_664),
        (1, 3, 793_700_526),
        (9, 1, 1_953_125),
        (10, 1, 976_563),  # 976,562.5: half up
        (30, 1, 1),  # 0.93
        (31, 1, 0),  # 0.47
        (9_999, 1, 0),
        (1, 3_660, 999_810_633),
    ],
)
def test_the_weight_of_a_touch_is_a_billionth_rounded_half_up(age: int, half_life: int, weight: int) -> None:
    assert decay(age, half_life) == weight


@given(st.integers(0, 400), st.integers(1, 60))
def test_the_weight_is_exact(age: int, half_life: int) -> None:
    """w - 1/2 <= 10^9 x 2^(-d/h) < w + 1/2, as powers of whole numbers."""
    weight, bound = decay(age, half_life), (2 * 10**9) ** half_life
    assert max(2 * weight - 1, 0) ** half_life * 2**age <= bound < (2 * weight + 1) ** half_life * 2**age


def test_touches_are_in_order_of_time_then_views_before_clicks_then_id() -> None:
    attribution = {"model": "position_based", "lookback": {"view": "7d", "click": "7d"}, "click_over_view": False}
    hour = timedelta(hours=1)
    rows = [("click", "a", 0), ("view", "z", 0), ("view", "b", 0), ("click", "k", 1), ("view", "c", 2)]
    touches = [{"touch_kind": kind, "touch_id": name, "touch_time": NOON - n * hour} for kind, name, n in rows]
    for given_in in (touches, touches[::-1]):
        made = judged([{}], advertiser(attribution=attribution), touches=given_in).credits
        assert made.select("touch_id", "credit").rows() == [
            ("c", 400_000), ("k", 66_666), ("b", 66_667), ("z", 66_667), ("a", 400_000),
        ]  # fmt: skip


def test_a_view_and_a_click_with_one_id_are_two_touches() -> None:
    attribution = {"model": "linear", "lookback": {"view": "7d", "click": "7d"}, "click_over_view": False}
    touches = [{"touch_kind": kind, "touch_id": "x"} for kind in ("click", "view")]
    made = judged([{}], advertiser(attribution=attribution), touches=touches).credits
    assert made.select("touch_kind", "credit").rows() == [("view", 500_000), ("click", 500_000)]


def test_contracts_with_different_models_share_each_by_its_own() -> None:
    models = ["first_touch", "last_touch", "linear", "position_based", "time_decay"]
    contracts = [
        advertiser(
            contract_id=f"c-{model}",
            party=model,
            attribution={"model": model, "lookback": {"view": "30d"}} | ({"half_life": 1} if model == "time_decay" else {}),
        )
        for model in models
    ]
    conversions = [{"conversion_id": model, "advertiser_id": model} for model in models]
    touches = [{"touch_id": f"t{n}", "touch_time": NOON - timedelta(days=3 - n)} for n in range(3)]
    made = judged(conversions, *contracts, touches=touches).credits
    found = {model: made.filter(conversion_id=model)["credit"].to_list() for model in models}
    assert found == {
        "first_touch": [1_000_000],
        "last_touch": [1_000_000],
        "linear": [333_333, 333_333, 333_334],
        "position_based": [400_000, 200_000, 400_000],
        "time_decay": [142_857, 285_714, 571_429],
    }
