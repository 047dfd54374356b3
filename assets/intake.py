"""From landing files to accepted, duplicate and quarantined rows: one delivery day, published whole or not at all.

A day may be run again, or after a later one. An id counts on the earliest day that delivered it, so the days after a changed
one are settled again from what they hold (accepted rows and the repeats that were dropped), never from their files.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from assets import checks
from assets.touched import Touched
from assets.upkeep import EARLY_DAYS
from contracts_io.errors import FeedError
from contracts_io.feeds.columns import FEEDS
from contracts_io.feeds.formats import read_delivery
from contracts_io.feeds.landing import Delivery, check_manifest_rows, find_delivery, require_unchanged
from contracts_io.feeds.rates import read_rates
from contracts_io.feeds.rows import FileRows
from contracts_io.frames import FEED_NAMES, TABLES
from contracts_io.home import Home
from contracts_io.ids import packed, parts, unpacked
from contracts_io.texts import MOST_VALUES, as_codes
from contracts_io.warehouse import PartitionFile, fingerprint
from pipelines.conversions import EVENT, HOUSEHOLD_KEY, ORDER_KEY, conversion_states, household_conversions
from pipelines.duplicates import key, settle, suspects
from pipelines.intake import REFUSAL, UNREADABLE, USABLE, judge

ARRIVAL = ["file", "row"]
"""The order in which the rows of a delivery day arrived."""
_ID = parts("conversion_id")


class _FeedDay(NamedTuple):
    """One feed of the day: its files written but not yet published, and what is counted of it."""

    files: list[PartitionFile]
    counts: dict[str, int]
    quarantine: pl.DataFrame
    delivered: pl.DataFrame


def ingest(home: Home, day: date) -> list[Touched]:
    """Take in delivery ``day`` and settle the later days that it changes; one transaction makes all of it live.

    Gives what was written, the day itself first. FeedError where a delivery cannot be used; then nothing has changed.
    """
    text = str(day)
    deliveries = [find_delivery(home.landing, feed, day, home.settings.feeds[feed]) for feed in FEED_NAMES]
    taken = {delivery.feed: _take_in(home, delivery, day) for delivery in deliveries}
    unpublished = [file for feed_day in taken.values() for file in feed_day.files]
    feed_counts = [_counts_row(feed, day, feed_day.counts) for feed, feed_day in taken.items()]
    tables = {
        "feed_counts": pl.DataFrame(feed_counts, schema=TABLES["feed_counts"].polars_schema),
        "quarantine": pl.concat(feed_day.quarantine for feed_day in taken.values()),
        "delivered_files": pl.concat(feed_day.delivered for feed_day in taken.values()),
    }
    judged = [
        checks.every_row_accounted_for(tables["feed_counts"]),
        checks.quarantine_within_limit(tables["feed_counts"], home.settings.quarantine_limit),
    ]
    checks.require(judged, where=f"delivery day {day}")
    warehouse = home.warehouse
    unpublished += [warehouse.write(table, text, frame) for table, frame in tables.items()]
    unpublished.append(warehouse.write("fx_rates", "all", read_rates(home.landing)))
    for feed in FEED_NAMES:
        unpublished += _settle_later_days(home, feed, day, unpublished)
    unpublished += _states(home, unpublished)
    published = warehouse.publish(unpublished)
    days = sorted({file.partition for file in published} - {text, "all"})
    return [Touched(d, {f.table: f.rows for f in unpublished if f.partition == d}) for d in (text, *days)]


def delivery_inputs(home: Home, delivery: Delivery) -> str:
    """The fingerprint of what a day's rows of one feed are made from: files, mapping and horizon."""
    return fingerprint(delivery.fingerprint, home.settings.horizon_days)


def _take_in(home: Home, delivery: Delivery, day: date) -> _FeedDay:
    read = read_delivery(delivery, home.settings.feeds[delivery.feed])
    check_manifest_rows(delivery, {file.file.name: file.rows for file in read})
    try:
        taken = _settled(home, delivery, day, read)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        require_unchanged(delivery)
        for file in read:
            file.require_sound()  # a damaged file is named rather than what its bytes led to
        if isinstance(error, OSError):
            raise
        raise FeedError(
            f"cannot be read: {str(error).splitlines()[0]}",
            where=str(delivery.folder),
            remedy="the files are whole: report it with what they hold; other days are taken in meanwhile",
        ) from error
    require_unchanged(delivery)  # columns are read more than once
    return taken


def _settled(home: Home, delivery: Delivery, day: date, read: tuple[FileRows, ...]) -> _FeedDay:
    feed, inputs = delivery.feed, delivery_inputs(home, delivery)
    is_usable = pl.col(USABLE)
    with ExitStack() as stack:
        judged = {file.file.name: stack.enter_context(_judged(home, file, feed, day)) for file in read}
        earlier = home.warehouse.read_packed(feed, _earlier_days(home, feed, day))
        keys = pl.concat([rows.keys for rows in judged.values()]) if judged else pl.Series(dtype=pl.Int64)
        doubtful = pl.col(key(feed)).is_in(suspects(keys, earlier, feed).implode())
        looked_at = [rows.look(doubtful | ~is_usable) for rows in judged.values()]
        looked = pl.concat(found.rows for found in looked_at) if looked_at else pl.DataFrame(schema=_judged_schema(feed))
        refused = looked.filter(~is_usable).select(*ARRIVAL, reason=pl.col(REFUSAL))
        before = earlier.filter(doubtful).collect(engine="streaming")
        settled = settle(_as_text(feed, looked.filter(is_usable).drop(USABLE, REFUSAL)), _as_text(feed, before), feed)
        left_out = pl.concat(rows.select(ARRIVAL) for rows in (refused, settled.dropped, settled.repeats))
        counting = [
            rows.judged.filter(~pl.col("row").is_in(left_out.filter(file=name)["row"].implode())).drop(USABLE, REFUSAL)
            for name, rows in judged.items()
        ]
        rows = pl.concat(counting) if counting else TABLES[feed].empty().lazy()
        quarantine = _quarantine(feed, day, refused, [found.source for found in looked_at])
        others = _told([found.others for found in looked_at])
        if others is not None:
            kept = looked.filter(is_usable).join(left_out, on=ARRIVAL, how="anti")
            rows = as_codes(rows, {name: {*texts, *kept[name].drop_nulls()} for name, texts in others.items()})
        accepted = home.warehouse.write(feed, str(day), rows, inputs, is_coded=others is not None)
        repeated = home.warehouse.write(f"{feed}_repeated", str(day), settled.repeats, inputs)
    total = sum(file.rows for file in read)
    return _FeedDay(
        [accepted, repeated],
        {
            "read": total,
            "accepted": accepted.rows,
            "duplicate": settled.dropped.height + repeated.rows,
            "quarantined": quarantine.height,
            "conflicting_within_day": int(settled.dropped["conflict"].sum()),
            "conflicting_across_days": int(settled.repeats["conflict"].sum()),
        },
        quarantine,
        _delivered(delivery, {file.file.name: file.rows for file in read}),
    )


class _Looked(NamedTuple):
    """What was found in a file: ``rows`` as ``pipelines.intake.judge`` gives them, ``source`` to ask for their contents.

    ``others``: of the rows that were left, the values of each column that the feed's table keeps as codes; None: not known.
    """

    rows: pl.DataFrame
    source: FileRows
    others: Mapping[str, set[str]] | None


class _Judged(NamedTuple):
    """The rows of a file as ``pipelines.intake.judge`` gives them, to be read more than once, and the keys of their ids.

    ``look`` looks for those that an expression is true of.
    """

    judged: pl.LazyFrame
    keys: pl.Series
    look: Callable[[pl.Expr], _Looked]


@contextmanager
def _judged(home: Home, file: FileRows, feed: str, day: date) -> Iterator[_Judged]:
    """Rows that are columns in the source are read from it each time but for the id, which is packed once; others are kept."""
    readings, horizon_days, id_column = home.settings.feeds[feed].readings, home.settings.horizon_days, FEEDS[feed].id_column

    def judged(raw: pl.LazyFrame) -> pl.LazyFrame:
        return judge(raw, feed, day, horizon_days, readings)

    if (only := file.only) is not None:
        with home.warehouse.staged(packed(file.raw.select(id_column), [id_column])) as ids:
            rows = judged(pl.concat([ids, file.raw.drop(id_column)], how="horizontal"))

            def looked_up(where: pl.Expr) -> _Looked:
                numbers, others = _looked_through(rows, where, TABLES[feed].coded)
                chosen = only(numbers)
                return _Looked(judged(chosen.raw).collect(), chosen, others)

            yield _Judged(rows, _collected(ids.select(key(feed))), looked_up)
    else:
        with home.warehouse.staged(judged(file.raw)) as rows:

            def looked_through(where: pl.Expr) -> _Looked:
                return _Looked(rows.filter(where).collect(engine="streaming"), file, None)

            yield _Judged(rows, _collected(rows.select(key(feed))), looked_through)


def _looked_through(rows: pl.LazyFrame, where: pl.Expr, coded: Sequence[str]) -> tuple[list[int], dict[str, set[str]]]:
    """The numbers of the rows that ``where`` is true of, and of the others the values of each column of ``coded``.

    Of a column of too many values to be codes not all are given.
    """
    others: dict[str, set[str]] = {name: set() for name in coded}

    def look(part: pl.DataFrame) -> pl.DataFrame:
        for name, texts in others.items():
            if len(texts) <= MOST_VALUES and not texts.issuperset(part[name].unique().drop_nulls()):
                texts.update(part[name].filter(~part["chosen"]).unique().drop_nulls())
        return part

    marked = rows.select("row", *coded, where.alias("chosen"))
    passed = marked.map_batches(look, streamable=True) if coded else marked
    return _collected(passed.filter("chosen").select("row")).to_list(), others


def _told(of_files: Sequence[Mapping[str, set[str]] | None]) -> dict[str, set[str]] | None:
    """The values that all files together have; None where those of one are not known."""
    together: dict[str, set[str]] = {}
    for texts in of_files:
        if texts is None:
            return None
        for name, found in texts.items():
            together.setdefault(name, set()).update(found)
    return together if of_files else None


def _collected(column: pl.LazyFrame) -> pl.Series:
    return column.collect(engine="streaming").to_series()


def _as_text(feed: str, rows: pl.DataFrame) -> pl.DataFrame:
    return unpacked(rows.lazy(), TABLES[feed].packed).collect()


def _judged_schema(feed: str) -> pl.Schema:
    return pl.Schema({**TABLES[feed].stored_schema, USABLE: pl.Boolean(), REFUSAL: pl.String()})


def _quarantine(feed: str, day: date, refused: pl.DataFrame, read: Sequence[FileRows]) -> pl.DataFrame:
    """The day's refused rows of one feed with their content, in order of file and row."""
    parts = []
    for file in read:
        mine = refused.filter(pl.col("file") == file.file.name)
        parts.append(mine.join(file.contents(mine["row"].to_list()), on=ARRIVAL))
        parts.append(file.unreadable.with_columns(reason=pl.lit(UNREADABLE)))
    rows = pl.concat([part.select(*ARRIVAL, "reason", "content") for part in parts]) if parts else None
    if rows is None or rows.is_empty():
        return TABLES["quarantine"].empty()
    return (
        rows.with_columns(pl.lit(feed).alias("feed"), pl.lit(day).alias("delivery_day"))
        .sort(ARRIVAL)
        .select(TABLES["quarantine"].columns)
    )


def _delivered(delivery: Delivery, row_counts: dict[str, int]) -> pl.DataFrame:
    return pl.DataFrame(
        [(delivery.feed, delivery.day, file.name, file.size, row_counts[file.name], file.sha256) for file in delivery.files],
        schema=TABLES["delivered_files"].polars_schema,
        orient="row",
    )


def _counts_row(feed: str, day: date, figures: dict[str, int]) -> dict[str, object]:
    return {"feed": feed, "delivery_day": day, **figures}


def _earlier_days(home: Home, feed: str, day: date) -> list[str]:
    """The days before ``day`` whose ids count against it: as far apart as one event can be delivered twice (spec 3.4)."""
    return [d for d in home.warehouse.catalogue.live(feed) if d < str(day) and _in_reach(home, feed, d, str(day))]


def _settle_later_days(home: Home, feed: str, day: date, unpublished: list[PartitionFile]) -> Iterator[PartitionFile]:
    """The later days of a feed whose accepted rows change because ``day``, or a day settled before them, did."""
    warehouse, read, half = home.warehouse, home.warehouse.read_packed, key(feed)
    if not _is_new(home, next(f for f in unpublished if f.table == feed and f.partition == str(day))):
        return
    pending = list(unpublished)
    changed = [str(day)]
    for later in [d for d in warehouse.catalogue.live(feed) if d > str(day)]:
        earlier = _earlier_days(home, feed, date.fromisoformat(later))
        earlier = sorted({*earlier, *(d for d in changed if _in_reach(home, feed, d, later))})
        sources = [d for d in changed if d in earlier]
        if not sources:
            continue
        delivered = pl.concat([read(feed, sources).select(half), read(feed, sources, pending).select(half)]).unique()
        accepted, repeated = read(feed, [later]), read(f"{feed}_repeated", [later])
        whole = pl.concat([accepted, repeated.drop("conflict")])
        shared = _collected(whole.select(half).join(delivered, on=half, how="semi"))
        if shared.is_empty():
            continue
        is_shared = pl.col(half).is_in(shared.implode())
        several = _as_text(feed, whole.filter(is_shared).collect(engine="streaming")).sort(ARRIVAL)
        before = _as_text(feed, read(feed, earlier, pending).filter(is_shared).collect(engine="streaming"))
        settled = settle(several, before, feed)
        live = warehouse.catalogue.live(feed, [later])[later]
        counts_before = warehouse.read("feed_counts", [later], pending).collect()
        gone = settled.repeats.select(ARRIVAL).lazy()
        counting = accepted.join(gone, on=ARRIVAL, how="anti", maintain_order="left")
        back = repeated.filter(is_shared).drop("conflict").join(gone, on=ARRIVAL, how="anti").collect()
        if not back.is_empty():
            counting = pl.concat([counting, back.lazy()]).sort(ARRIVAL)
        still = _as_text(feed, repeated.filter(~is_shared).collect())
        repeats = pl.concat([still, settled.repeats]).sort(ARRIVAL)
        files = [
            warehouse.write(feed, later, counting, live.inputs),
            warehouse.write(f"{feed}_repeated", later, repeats, live.inputs),
        ]
        files.append(warehouse.write("feed_counts", later, _recounted(counts_before, feed, files, repeats)))
        pending += files
        changed.append(later)
        yield from files


def _in_reach(home: Home, feed: str, day: str, later: str) -> bool:
    if not FEEDS[feed].timely:  # an adjustment may be delivered again at any time
        return True
    reach = timedelta(days=home.settings.horizon_days + EARLY_DAYS)
    return date.fromisoformat(later) - date.fromisoformat(day) <= reach


def _recounted(before: pl.DataFrame, feed: str, files: list[PartitionFile], repeats: pl.DataFrame) -> pl.DataFrame:
    """A day's ``feed_counts`` after one feed of it was settled again."""
    here = pl.col("feed") == feed
    accepted = files[0].rows
    return before.with_columns(
        accepted=pl.when(here).then(accepted).otherwise("accepted").cast(pl.Int64),
        duplicate=pl.when(here).then(pl.col("read") - pl.col("quarantined") - accepted).otherwise("duplicate"),
        conflicting_across_days=pl.when(here)
        .then(int(repeats["conflict"].sum()))
        .otherwise("conflicting_across_days")
        .cast(pl.Int64),
    )


def _is_new(home: Home, file: PartitionFile) -> bool:
    """Whether a file's content is not the live one of its partition."""
    live = home.warehouse.catalogue.live(file.table, [file.partition]).get(file.partition)
    return live is None or live.sha256 != file.sha256


def _states(home: Home, unpublished: list[PartitionFile]) -> Iterator[PartitionFile]:
    """The ``conversion_states`` and ``household_conversions`` of every day on which they can differ now."""
    warehouse = home.warehouse
    columns = ["delivery_day", *_ID, "event_time", *ORDER_KEY, "household_id"]
    converted = [f.partition for f in unpublished if f.table == "conversions" and _is_new(home, f)]
    adjusted = [f.partition for f in unpublished if f.table == "conversion_adjustments" and _is_new(home, f)]
    conversions = warehouse.read_days_packed("conversions", None, unpublished).select(columns)
    adjustments = warehouse.read("conversion_adjustments", None, unpublished)
    adjusted_ids = pl.concat(
        [
            warehouse.read("conversion_adjustments", adjusted).select("conversion_id"),
            warehouse.read("conversion_adjustments", adjusted, unpublished).select("conversion_id"),
        ]
    ).unique()
    moved = _found(
        pl.concat(
            [
                warehouse.read_days_packed("conversions", converted).select(columns),
                warehouse.read_days_packed("conversions", converted, unpublished).select(columns),
                conversions.join(packed(adjusted_ids, ["conversion_id"]), on=_ID, how="semi", nulls_equal=True),
            ]
        )
    )
    # An order changes the state of those that come after it, and a changed state what is known of later ones of its household.
    changed = pl.concat([moved, _found(_sharing(ORDER_KEY, conversions, moved))])
    since = changed.group_by(HOUSEHOLD_KEY).agg(pl.col("event_time").min().alias("since")).lazy()
    later = conversions.join(since, on=HOUSEHOLD_KEY).filter(pl.col("event_time") >= pl.col("since"))
    in_house = {*warehouse.catalogue.live("conversions"), *converted}
    days = {
        "conversion_states": in_house & {*converted, *_days(changed)},
        "household_conversions": in_house & {*converted, *_days(later.select("delivery_day").unique().collect())},
    }
    own = _found(warehouse.read_days_packed("conversions", set().union(*days.values()), unpublished).select(columns))
    household = pl.concat([own, _found(_sharing(HOUSEHOLD_KEY, conversions, own))])
    peers = pl.concat([household, _found(_sharing(ORDER_KEY, conversions, household))]).unique(EVENT).lazy()
    for day in sorted(days["conversion_states"]):
        of_day = warehouse.read("conversions", [day], unpublished)
        orders = _sharing(ORDER_KEY, peers, of_day)
        yield warehouse.write("conversion_states", day, conversion_states(of_day, orders, adjustments))
    for day in sorted(days["household_conversions"]):
        of_day = warehouse.read("conversions", [day], unpublished)
        yield warehouse.write("household_conversions", day, household_conversions(of_day, peers, adjustments))


def _sharing(key: list[str], rows: pl.LazyFrame, others: pl.DataFrame | pl.LazyFrame) -> pl.LazyFrame:
    return rows.join(others.lazy().select(key).drop_nulls().unique(), on=key, how="semi")


def _found(rows: pl.LazyFrame) -> pl.DataFrame:
    return unpacked(rows, ["conversion_id"]).collect()


def _days(rows: pl.DataFrame) -> set[str]:
    return {str(day) for day in rows["delivery_day"].unique()}
