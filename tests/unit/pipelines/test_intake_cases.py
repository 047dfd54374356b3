"""Reading, judging and removing duplicates over whole worked cases, against what they expect."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

from contracts_io.calendar import days_between, parse_day
from contracts_io.feeds.columns import FEEDS, accepted_schema
from contracts_io.feeds.formats import read_delivery
from contracts_io.feeds.landing import check_manifest_rows, find_delivery
from contracts_io.settings import FeedSettings
from pipelines.duplicates import across_days, within_day
from pipelines.intake import REFUSAL, UNREADABLE, judge

CASES = Path(__file__).parents[2] / "cases"
HORIZON = 7


def run_feed(landing: Path, feed: str, first: str, last: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows of feed_counts and of quarantine (without content) for the days from ``first`` to ``last``."""
    settings = FeedSettings()
    accepted: dict[object, pl.DataFrame] = {}
    counts, quarantine = [], []
    for day in days_between(parse_day(first), parse_day(last)):
        delivery = find_delivery(landing, feed, day, settings)
        files = read_delivery(delivery, settings)
        check_manifest_rows(delivery, {rows.file.name: rows.rows for rows in files})
        judged = [judge(rows.raw, feed, day, HORIZON) for rows in files]
        valid = pl.concat([frame.filter(pl.col(REFUSAL).is_null()) for frame in judged]) if judged else None
        valid = pl.LazyFrame(schema=accepted_schema(feed)) if valid is None else valid
        within = within_day(valid, feed)
        earlier = [frame for known, frame in accepted.items() if feed in {"conversion_adjustments"} or known >= day - _REACH]
        across = across_days(within.kept, feed, pl.concat([pl.DataFrame(schema=accepted_schema(feed)), *earlier]).lazy())
        accepted[day] = across.accepted.select(FEEDS[feed].column_names).collect()
        assert accepted[day].schema == accepted_schema(feed)
        refused = 0
        for rows, frame in zip(files, judged, strict=True):
            bad = [
                (row, reason)
                for row, reason in frame.filter(pl.col(REFUSAL).is_not_null()).select("row", REFUSAL).collect().iter_rows()
            ]
            bad += [(row, UNREADABLE) for row in rows.unreadable["row"]]
            refused += len(bad)
            quarantine += [
                {"feed": feed, "delivery_day": str(day), "file": rows.file.name, "row": row, "reason": reason}
                for row, reason in bad
            ]
        counts.append(
            {
                "feed": feed,
                "delivery_day": str(day),
                "read": sum(rows.rows for rows in files),
                "accepted": accepted[day].height,
                "duplicate": within.dropped.height + across.repeats.height,
                "quarantined": refused,
            }
        )
    return counts, quarantine


_REACH = timedelta(days=HORIZON + 2)


@pytest.mark.parametrize("case", ["1-flat", "4-world"])
def test_every_row_of_a_worked_case_is_accepted_dropped_or_refused_as_expected(case: str) -> None:
    expected_counts = pl.read_csv(CASES / case / "expected" / "feed_counts.csv")
    expected_quarantine = pl.read_csv(CASES / case / "expected" / "quarantine.csv")
    first, last = expected_counts["delivery_day"].min(), expected_counts["delivery_day"].max()
    counts, quarantine = [], []
    for feed in FEEDS:
        of_feed = run_feed(CASES / case / "landing", feed, str(first), str(last))
        counts += of_feed[0]
        quarantine += of_feed[1]
    assert sorted(counts, key=_key) == sorted(expected_counts.to_dicts(), key=_key)
    assert sorted(quarantine, key=_key) == sorted(expected_quarantine.to_dicts(), key=_key)
    assert all(row["read"] == row["accepted"] + row["duplicate"] + row["quarantined"] for row in counts)


def _key(row: dict[str, object]) -> tuple[str, ...]:
    return (str(row["feed"]), str(row["delivery_day"]), str(row.get("file")), f"{row.get('row')!s:>6}")
