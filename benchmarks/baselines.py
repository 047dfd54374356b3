"""What an analyst would write on the landing files: plain DuckDB and plain Polars, each run as a process of its own.

    python benchmarks/baselines.py (duckdb | polars) LOG OUT FIRST LAST

``OUT/counts.parquet`` has the impressions of the delivery days FIRST to LAST that count once, by the dimensions that
contracts price; ``OUT/credits.parquet`` the last touch of each of their conversions. The columns are those of the
product's tables ``delivery_counts`` and ``attribution_credits``. Nothing else of a night is done: no row is checked,
quarantined or kept, nothing is rated.

An id counts on the earliest delivery day of the nine days before that delivered it, and there at its earliest event time. A
conversion is credited to the last click within its lookback, else to the last view, of the household on a line item that its
advertiser pays by action for its event.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from contracts_io.calendar import days_between, parse_day

EARLIER_DAYS = 9
LOOKBACK_DAYS = 30 + 7 + 1
"""The longest lookback, the most that an event is late by, and the day itself."""

COUNTED_BY = ["delivery_day", "line_item_id", "partner_id", "quarter_hour", "device_type", "country"]
MARKS = ["viewable", "completed", "valid"]


def agreed_lines(log: Path) -> pl.DataFrame:
    """Line items paid by action: advertiser, event, line item, zone, first day, hours of lookback; from the contracts."""
    rows = []
    for file in sorted((log / "contracts").glob("adv-*.json")):
        contract = json.loads(file.read_text(encoding="utf-8"))
        lookback = contract["attribution"]["lookback"]
        view, click = (24 * int(lookback[kind].removesuffix("d")) for kind in ("view", "click"))
        starts_on = date.fromisoformat(contract["starts_on"])
        for term in contract["terms"]:
            if term["pricing"]["model"] == "cpa":
                rows += [
                    (contract["party"]["id"], term["pricing"]["event"], line, contract["timezone"], starts_on, view, click)
                    for line in term["line_items"]
                ]
    names = ["advertiser_id", "event", "line_item_id", "timezone", "starts_on", "view_hours", "click_hours"]
    return pl.DataFrame(rows, schema=names, orient="row")


def folders(log: Path, feed: str, first: date, last: date) -> list[Path]:
    """The folders of a feed that are there, of these delivery days."""
    found = (log / "landing" / feed / str(day) for day in days_between(first, last))
    return [folder for folder in found if folder.is_dir()]


def duckdb_night(log: Path, out: Path, first: date, last: date) -> None:
    """Plain SQL: a window over the raw log to find the first copy, a join with a window to find the last touch."""
    import duckdb  # noqa: PLC0415 - the other baseline does not load it

    def files(feed: str, since: date) -> str:
        listed = ", ".join(f"'{folder}/*.parquet'" for folder in folders(log, feed, since, last))
        day = "regexp_extract(filename, '(\\d{4}-\\d{2}-\\d{2})/[^/]*$', 1)::date"
        return f"(select * exclude (filename), {day} as delivery_day from read_parquet([{listed}], filename = true))"

    connection = duckdb.connect(config={"threads": 2})
    connection.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
    agreed_lines(log).write_parquet(out / "agreed.parquet")
    connection.execute(f"""
        copy (
            with ranked as (
                select *, row_number() over (
                    partition by impression_id order by delivery_day, event_time, completed, cost nulls first
                ) as copy
                from {files("impressions", first - timedelta(days=EARLIER_DAYS))}
            )
            select delivery_day, line_item_id, partner_id, time_bucket(interval '15 minutes', event_time) as quarter_hour,
                device_type, country, coalesce(viewable, false) as viewable, coalesce(completed, false) as completed,
                invalid_reason is null as valid, count(*) as impressions, sum(cost) as cost
            from ranked
            where copy = 1 and delivery_day >= date '{first}'
            group by all
        ) to '{out / "counts.parquet"}' (format parquet)
    """)
    since = first - timedelta(days=LOOKBACK_DAYS)
    connection.execute(f"""
        copy (
            with touches as (
                select impression_id as touch_id, event_time, household_id, line_item_id, partner_id, delivery_day,
                    false as is_click
                from {files("impressions", since)} where household_id is not null and invalid_reason is null
                union all
                select click_id, event_time, household_id, line_item_id, partner_id, delivery_day, true
                from {files("clicks", since)} where household_id is not null and invalid_reason is null
            ),
            copies as (
                select *, row_number() over (partition by conversion_id order by delivery_day, event_time) as copy
                from {files("conversions", first - timedelta(days=EARLIER_DAYS))}
            ),
            candidates as (
                select c.conversion_id, t.touch_id, t.partner_id, t.line_item_id, row_number() over (
                    partition by c.conversion_id order by t.is_click desc, t.event_time desc, t.touch_id desc
                ) as place
                from copies c
                join '{out / "agreed.parquet"}' a on a.advertiser_id = c.advertiser_id and a.event = c.event
                join touches t on t.household_id = c.household_id and t.line_item_id = a.line_item_id
                where c.copy = 1 and c.delivery_day >= date '{first}'
                    and (c.event_time at time zone a.timezone)::date >= a.starts_on
                    and t.event_time <= c.event_time
                    and t.event_time >= c.event_time - to_hours(if(t.is_click, a.click_hours, a.view_hours))
                    and t.delivery_day <= c.delivery_day + 1
            )
            select conversion_id, touch_id, partner_id, line_item_id from candidates where place = 1
        ) to '{out / "credits.parquet"}' (format parquet)
    """)


def polars_night(log: Path, out: Path, first: date, last: date) -> None:
    """Plain Polars: sort and unique to find the first copy, join, sort and unique to find the last touch."""

    def scan(feed: str, since: date) -> pl.LazyFrame:
        return pl.concat(
            pl.scan_parquet(folder / "*.parquet").with_columns(delivery_day=pl.lit(date.fromisoformat(folder.name)))
            for folder in folders(log, feed, since, last)
        )

    (
        scan("impressions", first - timedelta(days=EARLIER_DAYS))
        .sort("delivery_day", "event_time", "completed", "cost")
        .unique("impression_id", keep="first", maintain_order=True)
        .filter(pl.col("delivery_day") >= first)
        .with_columns(
            pl.col("viewable", "completed").fill_null(value=False),
            quarter_hour=pl.col("event_time").dt.truncate("15m"),
            valid=pl.col("invalid_reason").is_null(),
        )
        .group_by(COUNTED_BY + MARKS)
        .agg(impressions=pl.len(), cost=pl.col("cost").sum())
        .sink_parquet(out / "counts.parquet")
    )
    since = first - timedelta(days=LOOKBACK_DAYS)
    columns = ["touch_id", "touch_time", "household_id", "line_item_id", "partner_id", "touch_day", "is_click"]
    touches = pl.concat(
        scan(feed, since)
        .filter(pl.col("household_id").is_not_null(), pl.col("invalid_reason").is_null())
        .rename({name: "touch_id", "event_time": "touch_time", "delivery_day": "touch_day"})
        .with_columns(is_click=pl.lit(value=feed == "clicks"))
        .select(columns)
        for feed, name in (("impressions", "impression_id"), ("clicks", "click_id"))
    )
    agreed = agreed_lines(log)
    zones = agreed["timezone"].unique()
    local_on = pl.coalesce(
        pl.when(pl.col("timezone") == zone).then(pl.col("event_time").dt.convert_time_zone(zone).dt.date()) for zone in zones
    )
    age = pl.col("event_time") - pl.col("touch_time")
    (
        scan("conversions", first - timedelta(days=EARLIER_DAYS))
        .sort("delivery_day", "event_time")
        .unique("conversion_id", keep="first", maintain_order=True)
        .filter(pl.col("delivery_day") >= first)
        .join(agreed.lazy(), on=["advertiser_id", "event"])
        .filter(local_on >= pl.col("starts_on"))
        .join(touches, on=["household_id", "line_item_id"])
        .filter(
            age >= timedelta(0),
            age <= pl.duration(hours=pl.when("is_click").then("click_hours").otherwise("view_hours")),
            pl.col("touch_day") <= pl.col("delivery_day") + timedelta(days=1),
        )
        .sort("is_click", "touch_time", "touch_id", descending=True)
        .unique("conversion_id", keep="first", maintain_order=True)
        .select("conversion_id", "touch_id", "partner_id", "line_item_id")
        .sink_parquet(out / "credits.parquet")
    )


if __name__ == "__main__":
    who, log_folder, out_folder, first_day, last_day = sys.argv[1:]
    night = {"duckdb": duckdb_night, "polars": polars_night}[who]
    night(Path(log_folder), Path(out_folder), parse_day(first_day), parse_day(last_day))
