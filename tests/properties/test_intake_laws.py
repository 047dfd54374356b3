"""Laws of intake: every row is accounted for, and neither files nor order nor repetition change what is accepted."""

from __future__ import annotations

import csv
import random
import tempfile
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from pathlib import Path

import polars as pl
from days_taken_in import as_text, take_in
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_io.feeds.columns import FEEDS
from contracts_io.feeds.formats import read_delivery
from contracts_io.feeds.landing import find_delivery
from contracts_io.settings import FeedSettings
from pipelines.intake import REFUSAL, judge

DAY, NEXT_DAY = date(2026, 10, 20), date(2026, 10, 21)
NAMES = FEEDS["conversions"].column_names
Row = dict[str, str]

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "conversion_id": st.sampled_from(["", "c1", "c2", "c3", "c4"]),
            "event_time": st.sampled_from(["2026-10-20T01:00Z", "2026-10-20T02:00Z", "2026-10-01T00:00Z", "soon"]),
            "household_id": st.sampled_from(["", "h1", "h,2"]),
            "advertiser_id": st.just("a"),
            "event": st.sampled_from(["purchase", 'sign"up"']),
            "order_value": st.sampled_from(["", "1", "1.0", "x", "2"]),
            "currency": st.sampled_from(["", "USD", "usd"]),
        }
    ),
    max_size=12,
)


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery day; ``accepted`` as it is kept."""

    accepted: pl.DataFrame
    read: int
    duplicate: int
    conflicts: int
    refusals: dict[str, int]

    @property
    def rows(self) -> pl.DataFrame:
        """What was accepted, wherever it came in."""
        return as_text("conversions", self.accepted).select(NAMES)


def drop(landing: Path, day: date, files: list[list[Row]]) -> None:
    folder = landing / "conversions" / day.isoformat()
    folder.mkdir(parents=True)
    for number, rows in enumerate(files):
        with (folder / f"part-{number}.csv").open("w", newline="", encoding="utf-8") as stream:
            writer = csv.DictWriter(stream, NAMES)
            writer.writeheader()
            writer.writerows(rows)


def run(landing: Path, day: date, earlier: pl.DataFrame | None = None) -> Outcome:
    files = read_delivery(find_delivery(landing, "conversions", day, FeedSettings()), FeedSettings())
    taken = take_in("conversions", [judge(rows.raw, "conversions", day, 7) for rows in files], earlier)
    return Outcome(
        accepted=taken.accepted,
        read=sum(rows.rows for rows in files),
        duplicate=taken.dropped.height + taken.repeats.height,
        conflicts=taken.conflicts,
        refusals=dict(taken.refused[REFUSAL].value_counts().rows())
        | {"unreadable": sum(rows.unreadable.height for rows in files)},
    )


def summary(outcome: Outcome) -> tuple[object, ...]:
    return (
        outcome.rows.sort(NAMES).rows(),
        outcome.read,
        outcome.duplicate,
        outcome.conflicts,
        sorted(outcome.refusals.items()),
    )


@given(rows=ROWS, order=st.randoms(use_true_random=False), cuts=st.lists(st.integers(0, 12), max_size=2))
@settings(max_examples=60, deadline=None)
def test_how_a_day_is_cut_into_files_and_ordered_changes_nothing(
    rows: list[Row], order: random.Random, cuts: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        drop(Path(one), DAY, [rows])
        shuffled = order.sample(rows, len(rows))
        bounds = [0, *sorted(cuts), len(rows)]
        drop(Path(other), DAY, [shuffled[start:end] for start, end in pairwise(bounds)])
        whole = run(Path(one), DAY)
        cut = run(Path(other), DAY)
    assert summary(whole) == summary(cut)


@given(rows=ROWS)
@settings(max_examples=40, deadline=None)
def test_every_row_is_accepted_dropped_or_refused(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as home:
        drop(Path(home), DAY, [rows])
        outcome = run(Path(home), DAY)
        again = run(Path(home), DAY)
    assert outcome.read == len(rows)
    assert outcome.read == outcome.accepted.height + outcome.duplicate + sum(outcome.refusals.values())
    assert outcome.rows["conversion_id"].is_unique().all()
    assert again.accepted.equals(outcome.accepted)
    assert summary(again) == summary(outcome)


@given(rows=ROWS)
@settings(max_examples=40, deadline=None)
def test_the_same_events_on_two_days_are_kept_once(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as home:
        drop(Path(home), DAY, [rows])
        drop(Path(home), NEXT_DAY, [rows])
        first = run(Path(home), DAY)
        second = run(Path(home), NEXT_DAY, first.accepted)
    assert second.accepted.is_empty()
    assert second.duplicate == first.accepted.height + first.duplicate
    assert second.conflicts == first.conflicts


@given(rows=ROWS)
@settings(max_examples=30, deadline=None)
def test_delivering_every_row_twice_changes_only_the_count_of_duplicates(rows: list[Row]) -> None:
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as twice:
        drop(Path(home), DAY, [rows])
        drop(Path(twice), DAY, [rows, rows])
        once = run(Path(home), DAY)
        doubled = run(Path(twice), DAY)
    assert doubled.accepted.equals(once.accepted)
    assert doubled.duplicate == 2 * once.duplicate + once.accepted.height
