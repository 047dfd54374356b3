"""What is known of a household's earlier conversions, day by day, whatever the order in which they are delivered."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from small_world import Rows, adjustment, deliver, purchase

from assets.intake import ingest
from contracts_io.home import Home

FIRST = date(2026, 10, 10)
DAYS = [FIRST + timedelta(days=n) for n in range(4)]
FEEDS = ("impressions", "clicks", "conversions", "conversion_adjustments")


def come_in(home: Home, day: date, conversions: Rows, adjustments: Rows | None = None) -> list[str]:
    """Deliver and take in a day; the days whose household table was written."""
    for feed, rows in zip(FEEDS, ([], [], conversions, adjustments or []), strict=True):
        deliver(home, feed, day, rows)
    return [touched.partition for touched in ingest(home, day) if "household_conversions" in touched.rows]


def bought(name: str, day: date, household: str = "hh-1", order: str = "") -> dict[str, str]:
    return purchase(name, f"{day}T12:00:00Z", household, "10", order)


def known(home: Home, day: date) -> list[tuple[str, bool, bool]]:
    """Of each conversion listed for ``day``: its id, whether it is reversed, whether its order came before."""
    rows = home.warehouse.read("household_conversions", [str(day)]).collect()
    return [(row["conversion_id"], row["is_reversed"], row["earlier_order_at"] is not None) for row in rows.to_dicts()]


def test_a_purchase_delivered_late_is_known_to_the_days_that_hold_a_later_one_and_to_no_other(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    come_in(home, DAYS[0], [bought("a", DAYS[0])])
    come_in(home, DAYS[1], [bought("x", DAYS[1], "hh-2")])
    come_in(home, DAYS[2], [bought("c", DAYS[2])])
    written = come_in(home, DAYS[3], [bought("b", DAYS[1])])
    assert written == [str(DAYS[3]), str(DAYS[2])]
    assert known(home, DAYS[0]) == known(home, DAYS[1]) == []
    assert known(home, DAYS[2]) == [("a", False, False), ("b", False, False), ("c", False, False)]
    assert known(home, DAYS[3]) == [("a", False, False), ("b", False, False)]


def test_a_reversal_is_known_to_every_day_with_a_later_purchase_of_the_household(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    for name, day in zip("abc", DAYS[:3], strict=True):
        come_in(home, day, [bought(name, day)])
    written = come_in(home, DAYS[3], [], [adjustment("adj", "b", f"{DAYS[3]}T00:00:00Z", "reverse")])
    assert written == [str(DAYS[3]), str(DAYS[1]), str(DAYS[2])]
    assert known(home, DAYS[2]) == [("a", False, False), ("b", True, False), ("c", False, False)]


def test_an_order_of_another_household_that_came_before_is_known(tmp_path: Path) -> None:
    """b becomes a duplicate order by what another household is reported to have bought, and so no repeat of c's."""
    home = Home.create(tmp_path / "home")
    come_in(home, DAYS[1], [bought("b", DAYS[1], order="o-1")])
    come_in(home, DAYS[2], [bought("c", DAYS[2])])
    come_in(home, DAYS[3], [bought("first", DAYS[0], "hh-9", order="o-1")])
    assert known(home, DAYS[2]) == [("b", False, True), ("c", False, False)]


def test_a_purchase_that_is_no_longer_delivered_is_forgotten(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    for name, day in zip("ab", DAYS[:2], strict=True):
        come_in(home, day, [bought(name, day)])
    assert known(home, DAYS[1]) != []
    come_in(home, DAYS[0], [])
    assert known(home, DAYS[1]) == []
