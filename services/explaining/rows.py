"""Rows of a feed found by their id: what was accepted, what an earlier day had delivered already, what was refused."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from contracts_io.feeds.columns import FEEDS
from contracts_io.home import Home


def accepted(home: Home, feed: str, event_id: str) -> list[dict[str, Any]]:
    """The accepted rows with this id, each with its ``delivery_day``; an id may come again once its days are over."""
    rows = home.warehouse.read_days(feed).filter(pl.col(FEEDS[feed].id_column) == event_id)
    return rows.collect(engine="streaming").sort("delivery_day").to_dicts()


def elsewhere(home: Home, feed: str, event_id: str) -> list[str]:
    """Where else a row with this id came: dropped as a repeat, or refused; repeats within one day are counted, not kept."""
    repeated = home.warehouse.read_days(f"{feed}_repeated").filter(pl.col(FEEDS[feed].id_column) == event_id)
    said = [
        f"delivered again on {row['delivery_day']}, {row['file']} row {row['row']}: dropped as a duplicate, "
        + ("its content differs from the row that counts" if row["conflict"] else "the same content")
        for row in repeated.collect(engine="streaming").sort("delivery_day", "file", "row").iter_rows(named=True)
    ]
    refused = home.warehouse.read("quarantine").filter(
        pl.col("feed") == feed, pl.col("content").str.contains(json.dumps(event_id, ensure_ascii=False), literal=True)
    )
    return said + [
        f"refused on {row['delivery_day']}, {row['file']} row {row['row']}: {row['reason']}, in quarantine as {row['content']}"
        for row in refused.collect(engine="streaming").sort("delivery_day", "file", "row").iter_rows(named=True)
        if event_id in _values(row["content"])
    ]


def _values(content: str) -> list[Any]:
    read = json.loads(content)
    return list(read.values()) if isinstance(read, dict) else []
