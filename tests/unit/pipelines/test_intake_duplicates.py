"""One event counts once: which row is kept, what is dropped, and when a repeat is a conflict."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

import pipelines.duplicates
from contracts_io.feeds.columns import accepted_schema
from pipelines.duplicates import across_days, within_day


def at(second: int) -> datetime:
    return datetime(2026, 10, 20, 0, 0, second, tzinfo=UTC)


def clicks(*rows: tuple[object, ...]) -> pl.DataFrame:
    """Rows of click_id, second, household_id, line_item_id."""
    full = [(click, at(second), household, line_item, "p", None) for click, second, household, line_item in rows]  # type: ignore[arg-type]
    return pl.DataFrame(full, schema=accepted_schema("clicks"), orient="row")


def test_without_repeats_every_row_is_kept_in_its_order() -> None:
    rows = clicks(("b", 2, None, "l"), ("a", 1, "h", "l"))
    result = within_day(rows.lazy(), "clicks")
    assert result.kept.collect().equals(rows)
    assert result.dropped.schema == {"id": pl.String, "conflict": pl.Boolean}
    assert result.dropped.is_empty()


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (("a", 1, "z", "z"), ("a", 2, None, "a")),
        (("a", 1, None, "z"), ("a", 1, "a", "a")),
        (("a", 1, "h", "l-10"), ("a", 1, "h", "l-9")),
    ],
    ids=["the earlier", "nulls first", "then as text"],
)
def test_within_a_day_the_earliest_is_kept_then_the_least_by_its_columns(
    first: tuple[object, ...], second: tuple[object, ...]
) -> None:
    for order in ([first, second], [second, first]):
        result = within_day(clicks(("0", 9, None, "l"), *order, ("z", 0, None, "l")).lazy(), "clicks")
        assert result.kept.collect().equals(clicks(("0", 9, None, "l"), first, ("z", 0, None, "l")))
        assert result.dropped.rows() == [("a", True)]


def test_money_and_booleans_decide_too() -> None:
    row = ("i", at(1), None, "l", "p", None, None)
    rows = [
        (*row, True, False, None, Decimal("0.1")),
        (*row, False, True, None, Decimal("10")),
        (*row, False, True, None, Decimal("9")),
    ]
    frame = pl.DataFrame(rows, schema=accepted_schema("impressions"), orient="row")
    result = within_day(frame.lazy(), "impressions")
    assert result.kept.collect().rows() == [rows[2]]
    assert result.dropped.rows() == [("i", True), ("i", True)]


def test_an_identical_copy_is_dropped_without_conflict() -> None:
    result = within_day(clicks(("a", 1, None, "l"), ("a", 1, None, "l"), ("a", 1, "h", "l")).lazy(), "clicks")
    assert result.kept.collect().equals(clicks(("a", 1, None, "l")))
    assert result.dropped.rows() == [("a", False), ("a", True)]


def test_where_a_row_came_from_stays_with_it_and_makes_no_conflict() -> None:
    rows = clicks(("a", 1, None, "l"), ("b", 1, None, "l"), ("a", 1, None, "l")).with_columns(
        file=pl.lit("f"), row=pl.int_range(1, 4, dtype=pl.Int64, eager=True)
    )
    within = within_day(rows.lazy(), "clicks")
    assert within.kept.collect().equals(rows[:2])
    assert within.dropped.rows() == [("a", False)]
    across = across_days(within.kept, "clicks", clicks(("a", 1, None, "l")).lazy())
    assert across.accepted.collect().equals(rows[1:2])
    assert across.repeats.equals(rows[:1].with_columns(conflict=False))


def test_across_days_the_row_accepted_earlier_wins() -> None:
    today = clicks(("a", 1, None, "l"), ("b", 2, "h", "l"), ("c", 3, None, "l"), ("d", 4, None, "l"))
    earlier = clicks(("b", 2, "h", "l"), ("x", 5, None, "l"), ("d", 3, None, "l"))
    result = across_days(today.lazy(), "clicks", earlier.lazy())
    assert result.accepted.collect().equals(clicks(("a", 1, None, "l"), ("c", 3, None, "l")))
    assert result.repeats.drop("conflict").equals(clicks(("b", 2, "h", "l"), ("d", 4, None, "l")))
    assert result.repeats["conflict"].to_list() == [False, True]


def test_with_nothing_earlier_everything_is_accepted() -> None:
    today = clicks(("a", 1, None, "l"))
    result = across_days(today.lazy(), "clicks", pl.LazyFrame(schema=accepted_schema("clicks")))
    assert result.accepted.collect().equals(today)
    assert result.repeats.schema == {**accepted_schema("clicks"), "conflict": pl.Boolean}
    assert result.repeats.is_empty()


def test_a_day_without_rows_has_no_duplicates() -> None:
    nothing = pl.LazyFrame(schema=accepted_schema("clicks"))
    within = within_day(nothing, "clicks")
    across = across_days(within.kept, "clicks", clicks(("a", 1, None, "l")).lazy())
    assert across.accepted.collect().equals(nothing.collect())
    assert (within.dropped.height, across.repeats.height) == (0, 0)


def test_ids_whose_hashes_collide_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines.duplicates, "_hash", lambda column: pl.col(column).str.len_bytes().cast(pl.UInt64))
    today = clicks(("a", 1, None, "l"), ("b", 2, None, "l"), ("a", 3, None, "l"), ("cc", 3, None, "l"))
    within = within_day(today.lazy(), "clicks")
    assert within.kept.collect().equals(clicks(("a", 1, None, "l"), ("b", 2, None, "l"), ("cc", 3, None, "l")))
    across = across_days(within.kept, "clicks", clicks(("b", 2, None, "l"), ("dd", 2, None, "l")).lazy())
    assert across.accepted.collect().equals(clicks(("a", 1, None, "l"), ("cc", 3, None, "l")))
    assert across.repeats["click_id"].to_list() == ["b"]
