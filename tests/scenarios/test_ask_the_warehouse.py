"""What the analysts' page says of the files in SQL is run as it stands there, on a home with ids of every form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from small_world import DAYS, click, deliver, impression, make_home, purchase, run

PAGE = Path(__file__).parents[2] / "docs" / "analysts.md"
OCT28 = DAYS[0]
IDS = [
    "00112233-4455-6677-8899-aabbccddeeff",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "00000000-0000-0000-0000-000000000000",
    "00112233-4455-6677-8899-AABBCCDDEEFF",
    "00112233445566778899aabbccddeeff",
    *("7", ".", "0" * 16, "imp-104-00000001", "imp-104-000000001", "é", "日本語", "00000000é日日", "x" * 300),
]


def code() -> list[str]:
    return re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


@pytest.fixture
def namespace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[dict[str, Any]]:
    """What the page's first program leaves behind, on the small world with impressions and clicks under all of IDS."""
    home = make_home(tmp_path / "demo-home")
    at = f"{OCT28}T12:00:00Z"
    served = [impression(name, at, "li-sales", name) for name in IDS] + [impression("unknown", at)]
    bad = [impression("bad", at) | {"country": "usa"}]
    deliver(home, "impressions", OCT28, served + bad)
    deliver(home, "clicks", OCT28, [click(name, at, name) for name in IDS])
    deliver(home, "conversions", OCT28, [purchase(name, f"{OCT28}T13:00:00Z", name, "1.00") for name in IDS])
    deliver(home, "impressions", OCT28 + timedelta(days=1), served)
    run(home, *DAYS)
    first = code()[0]
    assert 'Path("demo-home")' in first
    found: dict[str, Any] = {}
    exec(first.replace('Path("demo-home")', f"Path({str(home.root)!r})"), found)
    assert "bad_country" in capsys.readouterr().out
    yield found
    found["con"].close()
    found.clear()  # what DuckDB holds is told as leaked, at the end of the process, while a name keeps it


def asked(namespace: dict[str, Any], query: str) -> list[Any]:
    return [row[0] if len(row) == 1 else row for row in namespace["con"].sql(query).fetchall()]


def test_ids_are_the_texts_that_were_delivered(namespace: dict[str, Any]) -> None:
    for table, column in (
        ("impressions", "impression_id"),
        ("impressions_repeated", "impression_id"),
        ("clicks", "click_id"),
        ("conversions", "conversion_id"),
        ("touches", "touch_id"),
        ("touches", "household_id"),
        ("impressions", "household_id"),
    ):
        found = asked(namespace, f"SELECT {column} FROM {table}")
        assert set(IDS) <= set(found), (table, column)
    one = asked(
        namespace, "SELECT household_id, impression_id FROM impressions WHERE impression_id IN ('é', 'unknown') ORDER BY 2"
    )
    assert one == [(None, "unknown"), ("é", "é")]


def test_each_id_is_found_by_its_text_and_joins_tables_that_keep_it_as_text(namespace: dict[str, Any]) -> None:
    for name in IDS:
        told = "SELECT file, row FROM impressions WHERE impression_id = $name"
        assert namespace["con"].execute(told, {"name": name}).fetchall() == [("part-0.csv", IDS.index(name) + 1)]
    joined = "SELECT conversion_id FROM attributions JOIN conversions USING (conversion_id) WHERE status = 'attributed'"
    assert set(IDS) <= set(asked(namespace, joined))


def test_what_the_page_asks_from_a_line_down_to_events_can_be_asked(
    namespace: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    (down_to_events,) = code()[1:]
    exec(down_to_events.replace("northlane-ctv", "acme-1").replace("'orders'", "'sales'"), namespace)
    assert capsys.readouterr().out.count("part-0.csv") == 3
