"""One event counts once: which row is kept, what is dropped, and when a repeat is a conflict."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from days_taken_in import DayTakenIn, as_text, take_in

from contracts_io.frames import TABLES
from contracts_io.ids import pack_one, packed
from pipelines.duplicates import key, settle, suspects
from pipelines.intake import REFUSAL, USABLE


def at(second: int) -> datetime:
    return datetime(2026, 10, 20, 0, 0, second, tzinfo=UTC)


def arrived(feed: str, rows: list[tuple[Any, ...]], file: str = "f") -> pl.DataFrame:
    """Accepted rows of a feed in the order of their arrival, ids as text, numbered from 1."""
    return pl.DataFrame(
        [(file, number, *row) for number, row in enumerate(rows, 1)], schema=TABLES[feed].polars_schema, orient="row"
    )


def clicks(*rows: tuple[Any, ...], file: str = "f") -> pl.DataFrame:
    """Rows of click_id, second, household_id, line_item_id."""
    full = [(click, at(second), household, line_item, "p", None) for click, second, household, line_item in rows]
    return arrived("clicks", full, file)


def taken_in(today: pl.DataFrame, *earlier: pl.DataFrame, feed: str = "clicks", at_once: int = 1 << 20) -> DayTakenIn:
    kept, *before = (packed(rows.lazy(), TABLES[feed].packed) for rows in (today, *earlier))
    judged = kept.with_columns(pl.lit(value=True).alias(USABLE), pl.lit(None, pl.String).alias(REFUSAL))
    return take_in(feed, [judged], pl.concat(before).collect() if before else None, at_once)


def accepted(taken: DayTakenIn, feed: str = "clicks") -> pl.DataFrame:
    return as_text(feed, taken.accepted)


def test_without_repeats_every_row_is_kept_in_its_order() -> None:
    rows = clicks(("b", 2, None, "l"), ("a", 1, "h", "l"))
    taken = taken_in(rows)
    assert accepted(taken).equals(rows)
    assert taken.dropped.schema == {"file": pl.String, "row": pl.Int64, "conflict": pl.Boolean}
    assert taken.dropped.is_empty()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a", 1, "z", "z"), ("a", 2, None, "a")),
        (("a", 1, None, "z"), ("a", 1, "a", "a")),
        (("a", 1, "h", "l-10"), ("a", 1, "h", "l-9")),
        (("a", 1, "11111111-0000-0000-0000-000000000000", "z"), ("a", 1, "2", "a")),
        (("a", 1, "10", "z"), ("a", 1, "9", "a")),
    ],
    ids=["the earlier", "nulls first", "then as text", "and ids as text", "of whatever length"],
)
def test_within_a_day_the_earliest_is_kept_then_the_least_by_its_columns(
    first: tuple[object, ...], second: tuple[object, ...]
) -> None:
    for order in ([first, second], [second, first]):
        rows = clicks(("0", 9, None, "l"), *order, ("z", 0, None, "l"))
        place = 1 + order.index(first)
        taken = taken_in(rows)
        assert accepted(taken).equals(rows[[0, place, 3]])
        assert taken.dropped.rows() == [("f", rows["row"][3 - place], True)]


def test_money_and_booleans_decide_too() -> None:
    row = ("i", at(1), None, "l", "p", None, None)
    rows = arrived(
        "impressions",
        [
            (*row, True, False, None, Decimal("0.1")),
            (*row, False, True, None, Decimal("10")),
            (*row, False, True, None, Decimal("9")),
        ],
    )
    taken = taken_in(rows, feed="impressions")
    assert accepted(taken, "impressions").equals(rows[2:])
    assert taken.dropped.rows() == [("f", 1, True), ("f", 2, True)]


def test_an_identical_copy_is_dropped_without_conflict() -> None:
    rows = clicks(("a", 1, None, "l"), ("a", 1, None, "l"), ("a", 1, "h", "l"))
    taken = taken_in(rows)
    assert accepted(taken).equals(rows[:1])
    assert taken.dropped.rows() == [("f", 2, False), ("f", 3, True)]


def test_where_a_row_came_from_stays_with_it_and_makes_no_conflict() -> None:
    rows = clicks(("a", 1, None, "l"), ("b", 1, None, "l"), ("a", 1, None, "l"))
    within = taken_in(rows)
    assert accepted(within).equals(rows[:2])
    assert within.dropped.rows() == [("f", 3, False)]
    across = taken_in(rows, clicks(("x", 1, None, "l"), ("a", 1, None, "l"), file="other"))
    assert accepted(across).equals(rows[1:2])
    assert across.repeats.equals(rows[:1].with_columns(conflict=False))
    assert across.dropped.equals(within.dropped)


def test_across_days_the_row_accepted_earlier_wins() -> None:
    today = clicks(("a", 1, None, "l"), ("b", 2, "h", "l"), ("c", 3, None, "l"), ("d", 4, None, "l"))
    earlier = clicks(("b", 2, "h", "l"), ("x", 5, None, "l"), ("d", 3, None, "l"))
    taken = taken_in(today, earlier)
    assert accepted(taken).equals(today[[0, 2]])
    assert taken.repeats.drop("conflict").equals(today[[1, 3]])
    assert taken.repeats["conflict"].to_list() == [False, True]


def test_an_id_that_several_earlier_days_hold_is_compared_with_the_first_of_them() -> None:
    """As it may be for a moment: a day that is settled again is read beside later ones that are not yet."""
    today = clicks(("a", 1, "h", "l"))
    one, other = clicks(("a", 1, "h", "l")), clicks(("a", 1, "g", "l"))
    assert taken_in(today, one, other).repeats["conflict"].to_list() == [False]
    assert taken_in(today, other, one).repeats["conflict"].to_list() == [True]


def test_with_nothing_earlier_everything_is_accepted() -> None:
    today = clicks(("a", 1, None, "l"))
    taken = taken_in(today, clicks())
    assert accepted(taken).equals(today)
    assert taken.repeats.schema == {**TABLES["clicks"].polars_schema, "conflict": pl.Boolean}
    assert taken.repeats.is_empty()


def test_a_day_without_rows_has_no_duplicates() -> None:
    taken = taken_in(clicks(), clicks(("a", 1, None, "l")))
    assert accepted(taken).equals(clicks())
    assert (taken.dropped.height, taken.repeats.height) == (0, 0)


def with_half(number: int, half: int = 7) -> str:
    """A UUID whose second half is the same as that of the others."""
    text = f"{number:016x}{half:016x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


SAME_HALF = {
    "uuids": [with_half(number) for number in (0, 1, 2)],
    "short": ["left-0 right-01", "left-1 right-01", "l-2 right-01"],
    "long": ["a" + "x" * 40, "b" + "x" * 40, "c" + "x" * 32],
    "of different forms": ["0" * 16, "30303030-3030-3030-3030-303030303030", "30303030-3030-3031-3030-303030303030"],
    "without a half of their own": ["é", "\0", "日"],
}


@pytest.mark.parametrize("ids", SAME_HALF.values(), ids=SAME_HALF.keys())
def test_ids_that_share_a_half_are_told_apart(ids: list[str]) -> None:
    one, two, three = ids
    assert len({pack_one(name)[1] for name in ids}) == 1
    today = clicks((one, 1, None, "l"), (two, 2, None, "l"), (one, 3, None, "l"), ("cc", 3, None, "l"))
    within = taken_in(today)
    assert accepted(within).equals(today[[0, 1, 3]])
    assert within.dropped.rows() == [("f", 3, True)]
    across = taken_in(today, clicks((two, 2, None, "l"), (three, 2, None, "l")))
    assert accepted(across).equals(today[[0, 3]])
    assert across.repeats["click_id"].to_list() == [two]
    assert across.dropped.equals(within.dropped)


HALVES = [3, -5, 3, None, 0, -(2**63), 2**63 - 1, -5, 8, None, -1]
EARLIER = [8, -(2**63), 100, -1, -100]


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 7, 15, 16, 1000])
def test_what_occurs_twice_is_found_however_few_are_looked_at_in_one_go(at_once: int) -> None:
    today = pl.Series(HALVES, dtype=pl.Int64)
    earlier = pl.LazyFrame({"click_id_lo": EARLIER, "another": [0] * len(EARLIER)})
    found = suspects(today, earlier, "clicks", at_once)
    assert sorted(found) == [-(2**63), -5, -1, 3, 8]
    assert found.dtype == pl.Int64


def test_without_rows_nothing_occurs_twice() -> None:
    none = pl.Series([], dtype=pl.Int64)
    assert suspects(none, pl.LazyFrame(schema={"click_id_lo": pl.Int64}), "clicks").to_list() == []
    assert suspects(pl.Series([None, None], dtype=pl.Int64), pl.LazyFrame({"click_id_lo": [1]}), "clicks").to_list() == []


@pytest.mark.parametrize(
    ("feed", "column"),
    [
        ("impressions", "impression_id_lo"),
        ("clicks", "click_id_lo"),
        ("conversions", "conversion_id_lo"),
        ("conversion_adjustments", "adjustment_id_lo"),
    ],
)
def test_repeats_are_looked_for_by_half_of_the_id_that_identifies_a_row(feed: str, column: str) -> None:
    assert key(feed) == column
    assert TABLES[feed].stored_schema[column] == pl.Int64


def test_rows_without_a_companion_may_be_settled_too_and_stay() -> None:
    today, before = clicks(("a", 1, None, "l"), ("b", 1, None, "l"), ("b", 2, None, "l")), clicks(("c", 1, None, "l"))
    settled = settle(today, before, "clicks")
    assert settled.dropped.rows() == [("f", 3, True)]
    assert settled.repeats.is_empty()
