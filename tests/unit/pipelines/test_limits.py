from __future__ import annotations

import pytest

from pipelines.limits import OVER_CAP, Limits, Parts, month_charges, month_parts, share_day

STEPS = Limits(ends=(3, 8))
VOLUME = Limits(ends=(3, 8), by_total=True)


@pytest.mark.parametrize(
    ("days", "parts"),
    [
        ([3], [[(1, 3)]]),
        ([3, 1], [[(1, 3)], [(2, 1)]]),
        ([4], [[(1, 3), (2, 1)]]),
        ([3, 5, 1], [[(1, 3)], [(2, 5)], [(3, 1)]]),
        ([2, 7], [[(1, 2)], [(1, 1), (2, 5), (3, 1)]]),
        ([9], [[(1, 3), (2, 5), (3, 1)]]),
        ([100, 100], [[(1, 3), (2, 5), (3, 92)], [(3, 100)]]),
    ],
    ids=["last", "first-of-next", "across", "last-of-second", "two-boundaries", "whole", "no-end"],
)
def test_a_unit_is_priced_by_the_step_that_it_falls_in_and_up_to_is_the_last_unit_of_its_step(
    days: list[int], parts: list[Parts]
) -> None:
    assert month_parts([(STEPS, units) for units in days], 0) == parts


@pytest.mark.parametrize(
    ("total", "step"),
    [(1, 1), (3, 1), (4, 2), (8, 2), (9, 3), (10**9, 3)],
    ids=["one", "last", "next", "last2", "next2", "far"],
)
def test_under_volume_tiers_the_total_of_the_month_decides_for_all(total: int, step: int) -> None:
    assert month_parts([(VOLUME, total)], 0) == [[(step, total)]]
    if total > 1:
        assert month_parts([(VOLUME, 1), (VOLUME, total - 1)], 0) == [[(step, 1)], [(step, total - 1)]]


@pytest.mark.parametrize(
    ("before", "days", "parts"),
    [
        (0, [12], [[(1, 12)]]),
        (0, [13], [[(1, 12), (OVER_CAP, 1)]]),
        (0, [12, 1], [[(1, 12)], [(OVER_CAP, 1)]]),
        (11, [2], [[(1, 1), (OVER_CAP, 1)]]),
        (12, [2], [[(OVER_CAP, 2)]]),
        (20, [2], [[(OVER_CAP, 2)]]),
    ],
    ids=["reached", "passed", "next-day", "earlier-months", "reached-earlier", "lowered"],
)
def test_what_lies_beyond_the_cap_of_the_flight_is_over_it(before: int, days: list[int], parts: list[Parts]) -> None:
    capped = Limits(cap=12)
    assert month_parts([(capped, units) for units in days], before) == parts


def test_steps_count_what_the_cap_has_left_and_start_anew_with_the_month() -> None:
    limits = Limits(ends=(3, 8), cap=12)
    assert month_parts([(limits, 2), (limits, 5)], 8) == [[(1, 2)], [(1, 1), (2, 1), (OVER_CAP, 3)]]
    assert month_parts([(limits._replace(by_total=True), 100)], 4) == [[(2, 8), (OVER_CAP, 92)]]


def test_positions_run_on_across_versions_each_with_its_own_steps() -> None:
    first, second = Limits(ends=(3,)), Limits(ends=(5, 6))
    assert month_parts([(first, 4), (second, 3)], 0) == [[(1, 3), (2, 1)], [(1, 1), (2, 1), (3, 1)]]


def test_each_version_s_volume_step_is_where_the_total_of_all_versions_falls() -> None:
    first, second = Limits(ends=(3,), by_total=True), Limits(ends=(5, 9), by_total=True)
    assert month_parts([(first, 2), (second, 4)], 0) == [[(2, 2)], [(2, 4)]]
    assert month_parts([(STEPS, 4), (second, 1)], 0) == [[(1, 3), (2, 1)], [(1, 1)]]


def test_the_cap_of_the_day_s_version_holds_raised_or_lowered() -> None:
    raised = month_parts([(Limits(cap=2), 3), (Limits(cap=5), 4)], 0)
    lowered = month_parts([(Limits(cap=5), 3), (Limits(cap=2), 4), (Limits(), 1)], 0)
    assert raised == [[(1, 2), (OVER_CAP, 1)], [(1, 3), (OVER_CAP, 1)]]
    assert lowered == [[(1, 3)], [(OVER_CAP, 4)], [(1, 1)]]


@pytest.mark.parametrize(
    ("parts", "groups", "shared"),
    [
        ([(1, 3), (2, 3)], [4, 2], [(0, 1, 2), (1, 1, 1), (0, 2, 2), (1, 2, 1)]),
        ([(1, 1), (2, 1)], [1, 1], [(0, 1, 1), (1, 2, 1)]),
        ([(1, 1), (2, 2)], [1, 1, 1], [(0, 1, 1), (1, 2, 1), (2, 2, 1)]),
        ([(1, 2), (OVER_CAP, 4)], [1, 5], [(0, OVER_CAP, 1), (1, OVER_CAP, 3), (1, 1, 2)]),
        ([(1, 1), (2, 1), (3, 2)], [3, 1], [(0, 1, 1), (0, 2, 1), (0, 3, 1), (1, 3, 1)]),
        ([(1, 2), (2, 1), (OVER_CAP, 3)], [3, 3], [(0, OVER_CAP, 1), (1, OVER_CAP, 2), (0, 1, 1), (1, 1, 1), (0, 2, 1)]),
    ],
    ids=["proportion", "tie", "tie-of-three", "cap", "of-what-is-left", "cap-before-steps"],
)
def test_the_part_up_to_a_boundary_is_shared_in_proportion_and_ties_go_to_the_first_key(
    parts: Parts, groups: list[int], shared: list[tuple[int, int, int]]
) -> None:
    assert list(share_day(parts, groups)) == shared


@pytest.mark.parametrize(
    ("before", "days", "charges"),
    [
        (0, [(10, 4), (10, 6), (10, 1)], [4, 6, 0]),
        (0, [(10, 4), (10, 7), (10, 1)], [4, 6, 0]),
        (9, [(10, 4), (10, 1)], [1, 0]),
        (12, [(10, 4)], [0]),
        (0, [(10, 8), (5, 4), (20, 4)], [8, 0, 4]),
        (0, [(2, 5), (None, 3), (9, 9)], [2, 3, 4]),
        (0, [(0, 5)], [0]),
    ],
    ids=["reached", "crossed", "earlier-months", "lowered-between", "lowered-and-raised", "taken-off", "nothing"],
)
def test_what_is_charged_stops_at_the_budget_in_force(
    before: int, days: list[tuple[int | None, int]], charges: list[int]
) -> None:
    assert month_charges([(Limits(budget=budget), accrued) for budget, accrued in days], before) == charges
