"""Rows of a feed found by their id: what was accepted, what an earlier day had delivered already, what was refused."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import polars as pl

from contracts_io.feeds.columns import FEEDS
from contracts_io.home import Home


def accepted(home: Home, feed: str, event_id: str, day: date | None = None) -> list[dict[str, Any]]:
    """The accepted rows with this id, each with its ``delivery_day``; an id may come again once its days are over.

    Those of one delivery ``day``; None: of all.
    """
    rows = home.warehouse.read_id(feed, FEEDS[feed].id_column, event_id, _days(day))
    return rows.collect(engine="streaming").sort("delivery_day").to_dicts()


def elsewhere(home: Home, feed: str, event_id: str, day: date | None = None) -> list[str]:
    """Where else a row with this id came: dropped as a repeat, or refused; repeats within one day are counted, not kept.

    Among the rows of one delivery ``day``; None: of all.
    """
    repeated = home.warehouse.read_id(f"{feed}_repeated", FEEDS[feed].id_column, event_id, _days(day))
    said = [
        f"delivered again on {row['delivery_day']}, {row['file']} row {row['row']}: dropped as a duplicate, "
        + ("its content differs from the row that counts" if row["conflict"] else "the same content")
        for row in repeated.collect(engine="streaming").sort("delivery_day", "file", "row").iter_rows(named=True)
    ]
    refused = home.warehouse.read("quarantine", _days(day)).filter(
        pl.col("feed") == feed, pl.col("content").str.contains(json.dumps(event_id, ensure_ascii=False), literal=True)
    )
    return said + [
        f"refused on {row['delivery_day']}, {row['file']} row {row['row']}: {row['reason']}, in quarantine as {row['content']}"
        for row in refused.collect(engine="streaming").sort("delivery_day", "file", "row").iter_rows(named=True)
        if event_id in _values(row["content"])
    ]


def only(day: date | None) -> list[str]:
    """What is to be said where the rows of one day alone were looked at."""
    return [] if day is None else [f"looked for in the delivery of {day} alone: without --day all days are searched"]


def _days(day: date | None) -> list[str] | None:
    return None if day is None else [str(day)]


def _values(content: str) -> list[Any]:
    read = json.loads(content)
    return list(read.values()) if isinstance(read, dict) else []
