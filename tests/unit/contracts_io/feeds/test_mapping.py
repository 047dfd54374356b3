"""A mapping in adledger.toml: other names, constants and words for null, in every format."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from contracts_io.errors import FeedError
from contracts_io.feeds.columns import FEEDS
from contracts_io.feeds.formats import read_delivery
from contracts_io.feeds.landing import find_delivery
from contracts_io.frames import TABLES
from contracts_io.settings import ColumnMapping, FeedSettings

DAY = date(2026, 10, 5)
ROWS = [{"id": "c1", "who": "null", "partner_id": "p"}, {"id": "-", "who": "h2", "partner_id": ""}]
WRITERS: dict[str, Callable[[Path], object]] = {
    "a.csv": lambda path: path.write_text("id,who,partner_id\nc1,null,p\n-,h2,\n"),
    "a.ndjson": lambda path: path.write_text("".join(json.dumps(row) + "\n" for row in ROWS)),
    "a.parquet": lambda path: pl.DataFrame(ROWS).write_parquet(path),
}
MAPPED = FeedSettings(
    null_values=("null", "-"),
    columns={
        "click_id": ColumnMapping(column="id"),
        "household_id": ColumnMapping(column="who"),
        "line_item_id": ColumnMapping(constant="-"),
        "invalid_reason": ColumnMapping(column="who"),
    },
)


@pytest.mark.parametrize("name", WRITERS)
def test_a_mapping_means_the_same_in_every_format(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "clicks" / "2026-10-05"
    folder.mkdir(parents=True)
    WRITERS[name](folder / name)
    (found,) = read_delivery(find_delivery(tmp_path, "clicks", DAY, MAPPED), MAPPED)
    assert found.raw.collect().columns == ["file", "row", *FEEDS["clicks"].column_names]
    assert found.raw.drop("event_time").collect().rows() == [
        (name, 1, "c1", None, "-", "p", None),
        (name, 2, None, "h2", "-", None, "h2"),
    ]
    assert json.loads(found.contents([2])["content"][0]) == ROWS[1]


@pytest.mark.parametrize("name", WRITERS)
def test_a_mapping_to_a_column_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "clicks" / "2026-10-05"
    folder.mkdir(parents=True)
    WRITERS[name](folder / name)
    mapped = FeedSettings(columns={"click_id": ColumnMapping(column="ID")})
    with pytest.raises(FeedError) as refused:
        read_delivery(find_delivery(tmp_path, "clicks", DAY, mapped), mapped)
    assert "clicks.click_id is mapped to column 'ID'" in str(refused.value)
    assert "'id', 'who', 'partner_id'" in str(refused.value)
    assert name in str(refused.value)


def test_the_tables_of_accepted_rows_have_the_canonical_columns_in_order() -> None:
    assert TABLES["conversion_adjustments"].polars_schema == pl.Schema(
        {
            "file": pl.String,
            "row": pl.Int64,
            "adjustment_id": pl.String,
            "conversion_id": pl.String,
            "adjusted_at": pl.Datetime("us", "UTC"),
            "action": pl.String,
            "order_value": pl.Decimal(38, 9),
            "reason": pl.String,
        }
    )
    assert TABLES["impressions"].polars_schema["viewable"] == pl.Boolean
    assert [feed for feed in FEEDS.values() if feed.awaited] == [FEEDS["impressions"], FEEDS["conversions"]]
