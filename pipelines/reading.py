"""Raw text becomes typed values: what each kind of column accepts (spec 3.2), as Polars expressions.

Each function gives null for a text that is not acceptable; a null stays null.
"""

from __future__ import annotations

from datetime import UTC, datetime
from string import ascii_uppercase

import polars as pl

from contracts_io.calendar import INSTANT
from contracts_io.feeds.columns import Kind, Reading
from contracts_io.money import NANO, NANOS_TYPE, from_nanos, parse_scaled

HIGHEST_AMOUNT = 10**9
_FIRST = datetime(1, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
_TWO_LETTERS = pl.Series([first + second for first in ascii_uppercase for second in ascii_uppercase]).implode()
_TRUE = ("true", "t", "yes", "1")
_FALSE = ("false", "f", "no", "0")
_ISO = (
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ](?:[01][0-9]|2[0-3]):[0-5][0-9](?::[0-5][0-9](?:\.[0-9]{1,6})?)?"
    r"(?:Z|[+-](?:[01][0-9]|2[0-3])(?::?[0-5][0-9])?)?$"
)
_OFFSET = r"([+-])([0-9]{2}):?([0-9]{2})?$"
_PLAIN = r"^-?[0-9]+(?:\.[0-9]+)?$"
_NANOS_IN_MICROSECOND = {"s": 10**3, "ms": 10**6, "us": 10**9, "ns": 10**12}
# A value that is multiplied may have twice the places of an amount: what is left of them after the product decides.
_WIDE_PLACES = 18
_WIDE = pl.Decimal(38, _WIDE_PLACES)
_FACTOR_PLACES = 9


def typed(raw: pl.Expr, kind: Kind, reading: Reading) -> pl.Expr:
    """``raw`` (String) as the type of ``kind``, null where it is not acceptable."""
    match kind:
        case Kind.INSTANT:
            return instant(raw, reading)
        case Kind.DECIMAL:
            return amount(raw, reading)
        case Kind.BOOLEAN:
            return boolean(raw)
        case Kind.COUNTRY:
            return pl.when(raw.is_in(_TWO_LETTERS)).then(raw)
        case Kind.CURRENCY:
            return pl.when(raw.str.contains("^[A-Z]{3}$")).then(raw)
        case Kind.ACTION:
            return pl.when(raw.is_in(["reverse", "restate"])).then(raw)
        case Kind.TEXT:
            return raw


def boolean(raw: pl.Expr) -> pl.Expr:
    """``true/false``, ``t/f``, ``yes/no``, ``1/0`` in any case."""
    word = raw.str.to_lowercase()
    return pl.when(word.is_in(_TRUE)).then(pl.lit(True)).when(word.is_in(_FALSE)).then(pl.lit(False))


def amount(raw: pl.Expr, reading: Reading) -> pl.Expr:
    """Plain digits, times the reading's factor, as ``NANOS_TYPE``: from 0 to 10^9, at most 9 places."""
    if reading.factor is None:
        text = pl.when(raw.str.contains(r"^-?[0-9]+(?:\.[0-9]{1,9})?$")).then(raw)
        value = text.cast(NANOS_TYPE, strict=False)
    else:
        value = _product(raw, parse_scaled(reading.factor, _FACTOR_PLACES))
    return _in_range(value)


def exact_amount(number: pl.Expr) -> pl.Expr:
    """An integer, or a decimal of at most 9 places, as ``NANOS_TYPE``: from 0 to 10^9."""
    return _in_range(number.cast(NANOS_TYPE, strict=False))


def _in_range(value: pl.Expr) -> pl.Expr:
    return pl.when((value >= 0) & (value <= HIGHEST_AMOUNT)).then(value)


def _product(raw: pl.Expr, factor: int) -> pl.Expr:
    """Plain digits times ``factor`` x 10^-9, exact; null where a product has more than 9 places or is out of range."""
    wide = _digits(raw, _WIDE_PLACES).cast(_WIDE, strict=False).to_physical()
    scale = 10 ** (_WIDE_PLACES + _FACTOR_PLACES - 9)
    most = min(HIGHEST_AMOUNT * NANO * scale // factor, 2**127 - 1)
    product = pl.when((wide >= 0) & (wide <= pl.lit(most, pl.Int128))).then(wide) * pl.lit(factor, pl.Int128)
    exact = pl.when(product % pl.lit(scale, pl.Int128) == 0).then(product // pl.lit(scale, pl.Int128))
    return from_nanos(exact)


def _digits(raw: pl.Expr, places: int) -> pl.Expr:
    """A plain decimal text with at most ``places`` places after zeros at its end are taken away."""
    short = raw.str.replace(r"(\.[0-9]*?)0+$", "$1").str.strip_suffix(".")
    return pl.when(raw.str.contains(_PLAIN) & short.str.contains(rf"^-?[0-9]+(?:\.[0-9]{{1,{places}}})?$")).then(short)


def instant(raw: pl.Expr, reading: Reading) -> pl.Expr:
    """A time as ``INSTANT``: by the reading's format or unit, else ISO 8601; without a zone it is in the reading's zone."""
    if reading.unit is not None:
        value = _epoch(raw, reading.unit)
    elif reading.format is not None:
        value = _formatted(raw, reading.format, reading.zone)
    else:
        value = _iso(raw, reading.zone)
    return within_calendar(value)


def within_calendar(value: pl.Expr) -> pl.Expr:
    """Null for an instant outside of the years 1 to 9999 in UTC."""
    return pl.when((value >= pl.lit(_FIRST, INSTANT)) & (value <= pl.lit(_LAST, INSTANT))).then(value)


def _epoch(raw: pl.Expr, unit: str) -> pl.Expr:
    nanos = _digits(raw, 9).cast(NANOS_TYPE, strict=False).to_physical()
    micros = nanos // pl.lit(_NANOS_IN_MICROSECOND[unit], pl.Int128)
    return micros.cast(pl.Int64, strict=False).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _formatted(raw: pl.Expr, pattern: str, zone: str) -> pl.Expr:
    if any(code in pattern for code in ("%z", "%:z", "%#z", "%+")):
        return raw.str.to_datetime(pattern, time_unit="us", strict=False).dt.convert_time_zone("UTC")
    return _in_utc(raw.str.to_datetime(pattern, time_unit="us", strict=False), zone)


def _in_utc(local: pl.Expr, zone: str) -> pl.Expr:
    """A local time in UTC: the earlier of two instants, null for a time that the zone leaves out."""
    placed = local.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null")
    return placed.dt.convert_time_zone("UTC")


def _iso(raw: pl.Expr, zone: str) -> pl.Expr:
    text = pl.when(raw.str.contains(_ISO)).then(raw)

    def digits(start: int) -> pl.Expr:
        return text.str.slice(start, 2).cast(pl.Int64, strict=False)

    fraction = text.str.extract(r"\.([0-9]+)").str.pad_end(6, "0").cast(pl.Int64, strict=False)
    # Without seconds, what stands at their place is a zone or nothing.
    seconds = pl.when(text.str.slice(16, 1) == ":").then(digits(17)).otherwise(0)
    day = pl.when(text.str.slice(0, 4) != "0000").then(text.str.slice(0, 10)).str.to_date("%Y-%m-%d", strict=False)
    clock = pl.duration(hours=digits(11), minutes=digits(14), seconds=seconds, microseconds=fraction.fill_null(0))
    written = day.cast(pl.Datetime("us")) + clock
    elsewhere = pl.when(~text.str.ends_with("Z")).then(text)
    sign = elsewhere.str.extract(_OFFSET, 1)
    hours = elsewhere.str.extract(_OFFSET, 2).cast(pl.Int64, strict=False)
    minutes = elsewhere.str.extract(_OFFSET, 3).cast(pl.Int64, strict=False).fill_null(0)
    offset = pl.duration(hours=hours, minutes=minutes) * pl.when(sign == "-").then(-1).otherwise(1)
    zoned = pl.when(sign.is_null()).then(written).otherwise(written - offset).dt.replace_time_zone("UTC")
    if zone == "UTC":
        return zoned
    unzoned = ~text.str.ends_with("Z") & sign.is_null()
    return pl.when(unzoned).then(_in_utc(pl.when(unzoned).then(written), zone)).otherwise(zoned)
