"""Parquet: columns that have the type of their kind as they are, others as text, without loss.

Money in a float column is taken through its shortest decimal text. Instants stay typed where no zone has to be applied to
them, amounts where they are decimals or integers that no factor multiplies, 16-byte ids where the tables pack them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from io import BytesIO
from math import isfinite
from typing import Any

import polars as pl

from contracts_io.calendar import INSTANT
from contracts_io.errors import FeedError
from contracts_io.feeds.columns import CANONICAL, FEEDS, Kind, Reading
from contracts_io.feeds.landing import LandingFile
from contracts_io.feeds.lines import unreadable_file
from contracts_io.feeds.rows import FileRows, content_frame, raw_rows, source_columns
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE
from contracts_io.settings import FeedSettings

_MAGIC = b"PAR1"
_UUID_BYTES = 16
_ESCAPED_IN_JSON = r'["\\\x00-\x1f]'
_PRINTABLE = "^[ -~]*$"
_MOST_PLAIN_PLACES = 6
"""Python writes small decimals of more places with an exponent."""
_AT_ONCE = 1 << 21
"""How many rows are gone through at once for those that are wanted, which until they are apart keep the texts of all of them."""
_DAYS = (-719_162, 2_932_896)
"""The first and the last day that a calendar has, from year 1 to 9999, counted from 1970-01-01."""
_SECONDS_OF_A_DAY = 24 * 60 * 60
_UNITS = {"ms": 10**3, "us": 10**6, "ns": 10**9}
_DAMAGE = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)
# A word for null that is written like a value: then values are compared with it, so they are read as text.
_OF_A_VALUE = re.compile(r"-?[0-9.]+|true|false|[0-9a-f-]{36}")


def read_parquet(file: LandingFile, feed: str, settings: FeedSettings) -> FileRows:
    """The rows of a .parquet, numbered from 1; FeedError where it is damaged or a needed column cannot be text."""
    _check_magic(file)
    scan = pl.scan_parquet(file.path, glob=False, hive_partitioning=False)
    try:
        schema = scan.collect_schema()
        sources = source_columns(file, feed, settings, schema.names())
        (rows,) = _first_row(scan.select(pl.len()))
        # Of a column that Polars does not read, such as intervals, nothing is needed, and contents are without it.
        scan = scan.drop([name for name, dtype in schema.items() if dtype.is_nested() and not _is_read(scan, name)])
        shown = scan.collect_schema().names()
        numbered = scan.with_row_index("row_index").with_columns(row=pl.col("row_index").cast(pl.Int64) + 1)
        values = {}
        may_stay = not any(_OF_A_VALUE.fullmatch(word) for word in settings.null_values)
        for name, source in sources.items():
            mapping = settings.columns.get(name)
            kind = FEEDS[feed].column(name).kind
            dtype = schema[source]
            if dtype == pl.Binary:
                value = _bytes(scan, source, stays=may_stay and name in TABLES[feed].packed)
            else:
                value = _typed(source, dtype, kind, mapping.reading if mapping else CANONICAL, may_stay=may_stay)
            if value is None:
                raise FeedError(
                    f"column {source!r} ({dtype}) cannot be read as {feed}.{name}, a column of {kind}",
                    where=str(file.path),
                    remedy="deliver it as text, a number, a timestamp or a 16-byte UUID",
                )
            values[name] = value
    except _DAMAGE as error:
        raise unreadable_file(file, str(error).splitlines()[0]) from None

    def require_sound() -> None:
        try:  # every needed page is read
            _first_row(scan.select(pl.col(source).hash().max() for source in set(sources.values())))
        except _DAMAGE as error:
            raise unreadable_file(file, str(error).splitlines()[0]) from None

    whole = FileRows(
        file=file,
        raw=raw_rows(numbered, values, file, feed, settings),
        unreadable=content_frame(file, ()),
        rows=rows,
        find_contents=lambda wanted: only(wanted).find_contents(wanted),
        require_sound=require_sound,
    )

    def only(wanted: Sequence[int]) -> FileRows:
        parts = (_among(numbered.slice(first, _AT_ONCE), wanted) for first in range(0, max(rows, 1), _AT_ONCE))
        held = pl.concat(_apart(part.collect(engine="streaming")) for part in parts)

        def find_contents(of: Sequence[int]) -> Mapping[int, str]:
            chosen = _among(held.lazy(), of).collect()
            return dict(zip(chosen["row"], _as_json(chosen.select(shown)), strict=True))

        raw = raw_rows(held.lazy(), values, file, feed, settings)
        return replace(whole, raw=raw, rows=held.height, find_contents=find_contents)

    return replace(whole, only=only)


def _among(rows: pl.LazyFrame, wanted: Sequence[int]) -> pl.LazyFrame:
    return rows.filter(pl.col("row").is_in(pl.Series(wanted, dtype=pl.Int64).implode()))


def _apart(rows: pl.DataFrame) -> pl.DataFrame:
    """The same in memory of its own: rows that were picked hold on to every text of the file that they were picked from."""
    copy = BytesIO()
    rows.write_ipc(copy)
    copy.seek(0)
    return pl.read_ipc(copy)


def _is_read(scan: pl.LazyFrame, name: str) -> bool:
    try:
        scan.select(name).head(1).collect(engine="streaming")
    except _DAMAGE:
        return False
    return True


def _check_magic(file: LandingFile) -> None:
    try:
        with file.path.open("rb") as stream:
            first = stream.read(4)
            stream.seek(max(file.size - 4, 0))
            last = stream.read(4)
    except OSError as error:
        raise unreadable_file(file, str(error.strerror)) from None
    if first != _MAGIC or last != _MAGIC:
        raise unreadable_file(file, "it is truncated, or not Parquet")


def _first_row(query: pl.LazyFrame) -> tuple[Any, ...]:
    return query.collect(engine="streaming").row(0)


def _bytes(scan: pl.LazyFrame, source: str, *, stays: bool) -> pl.Expr | None:
    """Bytes as the UTF-8 text that they are, else as UUIDs where each value has 16; None where they are neither.

    Values of 16 bytes each are text only where all is printable ASCII: a random UUID is UTF-8 once in thousands of times.
    UUIDs that may stay bytes do.
    """
    column = pl.col(source)
    (uuids,) = scan.select((column.bin.size() == _UUID_BYTES).all()).pipe(_first_row)
    expected = column.cast(pl.String).str.contains(_PRINTABLE if uuids else "")
    try:
        (is_text,) = scan.select(expected.all()).pipe(_first_row)
    except pl.exceptions.ComputeError:  # not UTF-8
        is_text = False
    if is_text:
        return column.cast(pl.String)
    if uuids and stays:
        return column
    digits = column.bin.encode("hex")
    parts = [digits.str.slice(start, length) for start, length in ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))]
    return pl.concat_str(parts, separator="-") if uuids else None


def _typed(source: str, dtype: pl.DataType, kind: Kind, reading: Reading, *, may_stay: bool) -> pl.Expr | None:
    """The column as it is where its type is that of its kind, else as text; None where it cannot be."""
    column = pl.col(source)
    if may_stay and kind is Kind.BOOLEAN and dtype == pl.Boolean:
        return column
    if may_stay and kind is Kind.DECIMAL and reading.factor is None and _is_exact(dtype):
        return column
    if isinstance(dtype, pl.Datetime):
        if kind is Kind.INSTANT and (dtype.time_zone or reading.zone == "UTC"):
            # Of microseconds nothing is multiplied, so that nothing can overflow.
            times = column if dtype.time_unit == "us" else _known_to_calendars(column, dtype)
            in_utc = times.dt.convert_time_zone("UTC") if dtype.time_zone else times.dt.replace_time_zone("UTC")
            return in_utc.cast(INSTANT)
        times = _known_to_calendars(column, dtype)
        written = (
            times.dt.convert_time_zone("UTC").cast(INSTANT).dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
            if dtype.time_zone
            else times.cast(pl.Datetime("us")).dt.strftime("%Y-%m-%dT%H:%M:%S%.6f")
        )
        return _or_its_number(written, column, dtype)
    if isinstance(dtype, pl.Date):
        return _or_its_number(_known_to_calendars(column, dtype).cast(pl.String), column, dtype)
    if dtype.is_nested() or dtype in (pl.Object, pl.Duration):
        return None
    text = column.cast(pl.String)
    if dtype.is_float():
        exponent = text.str.contains("e", literal=True)
        plain = pl.when(exponent).then(text).map_elements(_without_exponent, return_dtype=pl.String, skip_nulls=True)
        return pl.when(exponent).then(plain).otherwise(text.str.strip_suffix(".0"))
    if dtype.is_decimal():
        fraction = text.str.contains(".", literal=True)
        return pl.when(fraction).then(text.str.strip_chars_end("0").str.strip_suffix(".")).otherwise(text)
    return text


def _calendar(dtype: pl.Date | pl.Datetime) -> tuple[int, int]:
    """The least and the greatest number of a column of days or times that a calendar knows."""
    first, last = _DAYS
    if isinstance(dtype, pl.Date):
        return first, last
    a_day = _SECONDS_OF_A_DAY * _UNITS[dtype.time_unit]
    return max(first * a_day, -(2**63) + 1), min((last + 1) * a_day - 1, 2**63 - 2)


def _known_to_calendars(column: pl.Expr, dtype: pl.Date | pl.Datetime) -> pl.Expr:
    """The column with what lies beyond all calendars, such as infinity, right before or after them: Polars panics at it."""
    first, last = _calendar(dtype)
    return column.to_physical().clip(first - 1, last + 1).cast(dtype)


def _or_its_number(text: pl.Expr, column: pl.Expr, dtype: pl.Date | pl.Datetime) -> pl.Expr:
    """``text`` of a day or time; of one that no calendar knows the number that stands for it."""
    number = column.to_physical()
    return pl.when(number.is_between(*_calendar(dtype)) | number.is_null()).then(text).otherwise(number.cast(pl.String))


def _is_exact(dtype: pl.DataType) -> bool:
    return dtype.is_integer() or (isinstance(dtype, pl.Decimal) and dtype.scale <= NANOS_TYPE.scale)


def _without_exponent(text: str) -> str:
    return format(Decimal(text), "f")


def _as_json(rows: pl.DataFrame) -> pl.Series:
    """Each row as ``json.dumps`` writes it, a column at a time."""
    members = [
        (f"{json.dumps(values.name, ensure_ascii=False)}: " + _value_as_json(values)).alias(str(at))
        for at, values in enumerate(rows.get_columns())
    ]
    return pl.select("{" + pl.concat_str(members, separator=", ") + "}").to_series()


def _value_as_json(values: pl.Series) -> pl.Series:
    if isinstance(values.dtype, (pl.Date, pl.Datetime)):
        numbers = values.to_physical()
        known = numbers.is_between(*_calendar(values.dtype)).fill_null(value=True)
        if not known.all():
            held = pl.select(pl.when(known).then(values)).to_series()
            return pl.select(pl.when(known).then(_value_as_json(held)).otherwise(numbers.cast(pl.String))).to_series()
    if values.dtype == pl.Boolean or values.dtype.is_integer():
        return values.cast(pl.String).fill_null("null")
    texts = _unescaped(values)
    if texts is not None:
        return ('"' + texts + '"').fill_null("null")
    return pl.Series([json.dumps(_plain(value), ensure_ascii=False) for value in values.to_list()], dtype=pl.String)


def _unescaped(values: pl.Series) -> pl.Series | None:
    """The texts that ``_plain`` gives for a column, where they can be had a column at a time and need no escape in JSON."""
    match values.dtype:
        case pl.String() if not values.str.contains(_ESCAPED_IN_JSON).any():
            return values
        case pl.Decimal(scale=scale) if scale <= _MOST_PLAIN_PLACES:
            return values.cast(pl.String)
        case pl.Datetime(time_unit="us", time_zone="UTC" | None as zone):
            fraction = pl.when(values.dt.microsecond() != 0).then(values.dt.strftime("%.6f")).otherwise(pl.lit(""))
            return pl.select(values.dt.strftime("%Y-%m-%dT%H:%M:%S") + fraction + ("+00:00" if zone else "")).to_series()
    return None


def _plain(value: object) -> object:
    """A value as JSON knows it: what it does not know, as text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if isfinite(value) else str(value)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list():
            return [_plain(item) for item in value]
        case date():
            return value.isoformat()
        case bytes():
            try:
                return value.decode("utf-8")
            except UnicodeDecodeError:
                return value.hex()
    return str(value)
