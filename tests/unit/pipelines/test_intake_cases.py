"""Reading, judging and removing duplicates over whole worked cases, against what they expect."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest
from days_taken_in import nothing, take_in

from contracts_io.calendar import days_between, parse_day
from contracts_io.feeds.columns import FEEDS
from contracts_io.feeds.formats import read_delivery
from contracts_io.feeds.landing import check_manifest_rows, find_delivery
from contracts_io.frames import TABLES
from contracts_io.settings import FeedSettings
from pipelines.intake import UNREADABLE, judge

CASES = Path(__file__).parents[2] / "cases"
HORIZON = 7


def run_feed(landing: Path, feed: str, first: str, last: str) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    """Rows of feed_counts and of quarantine (without content) for the days from ``first`` to ``last``."""
    settings = FeedSettings()
    accepted: dict[date, pl.DataFrame] = {}
    counts, quarantine = [], []
    for day in days_between(parse_day(first), parse_day(last)):
        delivery = find_delivery(landing, feed, day, settings)
        files = read_delivery(delivery, settings)
        check_manifest_rows(delivery, {rows.file.name: rows.rows for rows in files})
        earlier = [frame for known, frame in accepted.items() if feed == "conversion_adjustments" or known >= day - _REACH]
        taken = take_in(feed, [judge(rows.raw, feed, day, HORIZON) for rows in files], pl.concat([nothing(feed), *earlier]))
        accepted[day] = taken.accepted
        assert accepted[day].schema == TABLES[feed].stored_schema
        bad = [*taken.refused.iter_rows()]
        bad += [(rows.file.name, row, UNREADABLE) for rows in files for row in rows.unreadable["row"]]
        quarantine += [
            {"feed": feed, "delivery_day": str(day), "file": file, "row": row, "reason": reason} for file, row, reason in bad
        ]
        counts.append(
            {
                "feed": feed,
                "delivery_day": str(day),
                "read": sum(rows.rows for rows in files),
                "accepted": accepted[day].height,
                "duplicate": taken.dropped.height + taken.repeats.height,
                "quarantined": len(bad),
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
