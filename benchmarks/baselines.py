"""What an analyst would write on the landing files: plain DuckDB and plain Polars, each run as a process of its own.

    python benchmarks/baselines.py (duckdb | polars) LOG OUT FIRST LAST (counts | credits)...

``counts`` writes ``OUT/counts.parquet``: the impressions of the delivery days FIRST to LAST that count once, by the dimensions
that contracts price. ``credits`` writes ``OUT/credits.parquet``: the last touch of each of their conversions. The columns are
those of the product's tables ``delivery_counts`` and ``attribution_credits``. Nothing else of a night is done: a row that
cannot be used is left out by a condition, not kept with its reason; nothing is rated.

An id counts on the earliest delivery day of the nine days before that delivered it, and there at its earliest event time. A
conversion is credited to the last click within its lookback, else to the last view, of the household on a line item that its
advertiser pays by action for its event.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import polars as pl

from contracts_io.calendar import days_between, parse_day

EARLIER_DAYS = 9
LOOKBACK_DAYS = 30 + 7 + 1
"""The longest lookback, the most that an event is late by, and the day itself."""

COUNTED_BY = ["delivery_day", "line_item_id", "partner_id", "quarter_hour", "device_type", "country"]
MARKS = ["viewable", "completed", "valid"]

_TIMELY = "event_time between delivery_day - interval 7 days and delivery_day + interval 2 days"
_COUNTRY = "coalesce(country = '' or (length(country) = 2 and country = upper(country)), true)"
_CURRENCY = "coalesce(currency = '' or (length(currency) = 3 and currency = upper(currency)), true)"
USABLE = {
    "impressions": f"impression_id <> '' and line_item_id <> '' and partner_id <> '' and {_COUNTRY}"
    f" and coalesce(cost, 0) between 0 and 1000000000 and {_TIMELY}",
    "clicks": f"click_id <> '' and line_item_id <> '' and partner_id <> '' and {_TIMELY}",
    "conversions": f"conversion_id <> '' and advertiser_id <> '' and event <> '' and {_COUNTRY} and {_CURRENCY}"
    f" and coalesce(order_value, 0) between 0 and 1000000000 and {_TIMELY}",
}
"""The rows that can be used, in SQL: what is required is there, codes look like codes, amounts and times are in their range."""


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


def _duckdb_files(log: Path, feed: str, since: date, last: date) -> str:
    listed = ", ".join(f"'{folder}/*.parquet'" for folder in folders(log, feed, since, last))
    day = "regexp_extract(filename, '(\\d{4}-\\d{2}-\\d{2})/[^/]*$', 1)::date"
    read = f"read_parquet([{listed}], filename = true)"
    return f"(select * exclude (filename), {day} as delivery_day from {read} where {USABLE[feed]})"


def _duckdb(sql: str) -> None:
    import duckdb  # noqa: PLC0415 - the other baseline does not load it

    connection = duckdb.connect()
    connection.execute("set timezone = 'UTC'; set preserve_insertion_order = false")
    connection.execute(sql)


def duckdb_counts(log: Path, out: Path, first: date, last: date) -> None:
    """Plain SQL: a window over the raw log to find the first copy, then groups."""
    earlier = first - timedelta(days=EARLIER_DAYS)
    _duckdb(f"""
        copy (
            with ranked as (
                select *, row_number() over (
                    partition by impression_id order by delivery_day, event_time, completed, cost nulls first
                ) as copy
                from {_duckdb_files(log, "impressions", earlier, last)}
            )
            select delivery_day, line_item_id, partner_id, time_bucket(interval '15 minutes', event_time) as quarter_hour,
                nullif(device_type, '') as device_type, nullif(country, '') as country,
                coalesce(viewable, false) as viewable, coalesce(completed, false) as completed,
                coalesce(invalid_reason, '') = '' as valid, count(*) as impressions, sum(cost) as cost
            from ranked
            where copy = 1 and delivery_day >= date '{first}'
            group by all
        ) to '{out / "counts.parquet"}' (format parquet)
    """)


def duckdb_credits(log: Path, out: Path, first: date, last: date) -> None:
    """Plain SQL: the conversions joined with the touches of the lookback, a window to find the last touch."""
    since, earlier = first - timedelta(days=LOOKBACK_DAYS), first - timedelta(days=EARLIER_DAYS)
    agreed_lines(log).write_parquet(out / "agreed.parquet")
    _duckdb(f"""
        copy (
            with touches as (
                select impression_id as touch_id, event_time, household_id, line_item_id, partner_id, delivery_day,
                    false as is_click
                from {_duckdb_files(log, "impressions", since, last)}
                where household_id <> '' and coalesce(invalid_reason, '') = ''
                union all
                select click_id, event_time, household_id, line_item_id, partner_id, delivery_day, true
                from {_duckdb_files(log, "clicks", since, last)}
                where household_id <> '' and coalesce(invalid_reason, '') = ''
            ),
            copies as (
                select *, row_number() over (
                    partition by conversion_id order by delivery_day, event_time, order_value nulls first
                ) as copy
                from {_duckdb_files(log, "conversions", earlier, last)}
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


def _polars_files(log: Path, feed: str, since: date, last: date) -> pl.LazyFrame:
    """The usable rows of a feed; what is required is there, codes look like codes, amounts and times are in their range."""
    rows = pl.concat(
        pl.scan_parquet(folder / "*.parquet").with_columns(delivery_day=pl.lit(date.fromisoformat(folder.name)))
        for folder in folders(log, feed, since, last)
    )
    required = {
        "impressions": ["impression_id", "line_item_id", "partner_id"],
        "clicks": ["click_id", "line_item_id", "partner_id"],
        "conversions": ["conversion_id", "advertiser_id", "event"],
    }[feed]
    codes = {"impressions": {"country": 2}, "clicks": {}, "conversions": {"country": 2, "currency": 3}}[feed]
    amounts = {"impressions": ["cost"], "clicks": [], "conversions": ["order_value"]}[feed]
    age = pl.col("delivery_day").cast(pl.Datetime("us", "UTC")) - pl.col("event_time")
    return rows.filter(
        age.is_between(-timedelta(days=2), timedelta(days=7)),
        *(pl.col(name).is_not_null() for name in required),
        *(_is_code(pl.col(name), length) for name, length in codes.items()),
        *(pl.col(name).fill_null(0).is_between(0, 10**9) for name in amounts),
    )


def _is_code(text: pl.Expr, length: int) -> pl.Expr:
    looks_like_one = (text.str.len_bytes() == length) & (text == text.str.to_uppercase())
    return ((text == "") | looks_like_one).fill_null(value=True)


def polars_counts(log: Path, out: Path, first: date, last: date) -> None:
    """Plain Polars: sort and unique to find the first copy, then groups."""
    (
        _polars_files(log, "impressions", first - timedelta(days=EARLIER_DAYS), last)
        .sort("delivery_day", "event_time", "completed", "cost")
        .unique("impression_id", keep="first", maintain_order=True)
        .filter(pl.col("delivery_day") >= first)
        .with_columns(
            pl.col("viewable", "completed").fill_null(value=False),
            pl.col("device_type", "country").replace("", None),
            quarter_hour=pl.col("event_time").dt.truncate("15m"),
            valid=pl.col("invalid_reason").fill_null("") == "",
        )
        .group_by(COUNTED_BY + MARKS)
        .agg(impressions=pl.len(), cost=pl.col("cost").sum())
        .sink_parquet(out / "counts.parquet")
    )


def polars_credits(log: Path, out: Path, first: date, last: date) -> None:
    """Plain Polars: a join of conversions and touches, sort and unique to find the last touch."""
    since, earlier = first - timedelta(days=LOOKBACK_DAYS), first - timedelta(days=EARLIER_DAYS)
    columns = ["touch_id", "touch_time", "household_id", "line_item_id", "partner_id", "touch_day", "is_click"]
    touches = pl.concat(
        _polars_files(log, feed, since, last)
        .filter(pl.col("household_id") != "", pl.col("invalid_reason").fill_null("") == "")
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
        _polars_files(log, "conversions", earlier, last)
        .sort("delivery_day", "event_time", "order_value")
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


NIGHTS: dict[str, dict[str, Callable[[Path, Path, date, date], None]]] = {
    "duckdb": {"counts": duckdb_counts, "credits": duckdb_credits},
    "polars": {"counts": polars_counts, "credits": polars_credits},
}


if __name__ == "__main__":
    who, log_folder, out_folder, first_day, last_day, *halves = sys.argv[1:]
    for half in halves:
        NIGHTS[who][half](Path(log_folder), Path(out_folder), parse_day(first_day), parse_day(last_day))
