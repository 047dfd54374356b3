"""Ids as integers: what a table of millions of rows keeps of an id, and the text that it stands for.

An id is text in every feed, document and export. In the large tables of the warehouse it is kept in three columns, from
which the text comes back letter by letter:

    <id>_hi, <id>_lo   128 bits as two Int64
    <id>_text          null: the bits are a UUID, written as 8-4-4-4-12 digits 0-9a-f
                       ".": the bits are a text of 16 bytes, or of fewer letters of one byte each, right-aligned
                       else the text itself; ``hi`` is 0, ``lo`` a sum of its last 32 bytes that never changes

All three are null where the id is. Equal ids have equal columns, and ``lo`` alone tells almost all of them apart: what looks
for an id looks for its ``lo`` first and compares the whole then.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

_UUID_LENGTH = 36
_SHORT = 16
# No text that is kept as text has one byte; Parquet's writer is ten times slower on empty ones.
_IS_SHORT = "."
_BYTES = 0x0101010101010101
_ID = pl.col("id")
_HEX = pl.Series([f"{word:04x}" for word in range(65_536)])
# Odd numbers, one for each of the last four words of a long text: part of the file format.
_ODD = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93)


def parts(name: str) -> list[str]:
    """The columns that an id column is kept in."""
    return [f"{name}_hi", f"{name}_lo", f"{name}_text"]


def parts_schema(name: str) -> dict[str, pl.DataType]:
    """These columns with their types."""
    return dict(zip(parts(name), (pl.Int64(), pl.Int64(), pl.String()), strict=True))


def packed(rows: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """``rows`` with each column of ``names`` (String, or Binary of 16 bytes: a UUID) in its three parts, in place."""
    if not names:
        return rows
    schema = rows.collect_schema()
    steps: dict[str, pl.Expr] = {}
    columns: list[pl.Expr] = []
    for name, dtype in schema.items():
        if name not in names:
            columns.append(pl.col(name))
        elif dtype == pl.Binary:
            steps[name] = _halves(pl.col(name))
            columns += [pl.col(name).arr.get(half).alias(part) for half, part in enumerate(parts(name)[:2])]
            columns.append(pl.lit(None, pl.String).alias(parts(name)[2]))
        else:
            whole, rest = f"{name} of {_SHORT} bytes", f"rest of {name}"
            fills = (pl.col(name).str.len_bytes() == _SHORT) & ~pl.col(name).str.starts_with("\0")
            steps[whole] = _halves(pl.when(fills).then(pl.col(name)).cast(pl.Binary))
            others = pl.when(~fills).then(pl.col(name))
            steps[rest] = others.map_batches(_parts_of, return_dtype=pl.Struct(parts_schema("id")), is_elementwise=True)
            own = [pl.col(whole).arr.get(0), pl.col(whole).arr.get(1), pl.lit(_IS_SHORT)]
            columns += [
                pl.when(pl.col(whole).is_not_null()).then(value).otherwise(pl.col(rest).struct.field(field)).alias(part)
                for value, field, part in zip(own, parts("id"), parts(name), strict=True)
            ]
    return rows.with_columns(**steps).select(columns)


def _halves(raw: pl.Expr) -> pl.Expr:
    """16 bytes as two numbers, highest byte first."""
    return raw.bin.reinterpret(dtype=pl.Array(pl.Int64, 2), endianness="big")


def packed_schema(schema: pl.Schema, names: Sequence[str]) -> pl.Schema:
    """The schema of a frame after ``packed``."""
    return pl.Schema(
        {
            column: kept
            for name, dtype in schema.items()
            for column, kept in (parts_schema(name) if name in names else {name: dtype}).items()
        }
    )


def unpacked(rows: pl.LazyFrame, names: Sequence[str]) -> pl.LazyFrame:
    """The inverse of ``packed``: each id of ``names`` as text, in place of its first part."""
    if not names:
        return rows
    inner = {column for name in names for column in parts(name)[1:]}
    firsts = {parts(name)[0]: name for name in names}
    return rows.select(
        text_of(firsts[column]) if column in firsts else pl.col(column)
        for column in rows.collect_schema()
        if column not in inner
    )


def text_of(name: str) -> pl.Expr:
    """The id as text, from its parts; named ``name``."""
    hi, lo, text = (pl.col(part) for part in parts(name))
    words = [*hex_words(hi.reinterpret(dtype=pl.UInt64)), *hex_words(lo.reinterpret(dtype=pl.UInt64))]
    digits = pl.when(text == _IS_SHORT).then(pl.concat_str(words))  # of others, bytes that need not be text
    short = digits.str.decode("hex").cast(pl.String).str.strip_chars_start("\0")
    return pl.when(text.is_null()).then(_joined(words)).when(text == _IS_SHORT).then(short).otherwise(text).alias(name)


def uuid_text(high: pl.Expr, low: pl.Expr) -> pl.Expr:
    """128 bits (two UInt64) as a text in the form of a UUID."""
    return _joined([*hex_words(high), *hex_words(low)])


def hex_words(bits: pl.Expr, words: int = 4) -> list[pl.Expr]:
    """The lowest ``words`` times 16 bits of a UInt64 as texts of four hexadecimal digits each, highest first."""
    return [pl.lit(_HEX).gather(bits // (1 << 16 * k) % 65_536) for k in reversed(range(words))]


def is_id(name: str, value: str) -> pl.Expr:
    """Whether the id kept in the parts of ``name`` is ``value``."""
    return pl.all_horizontal(
        pl.col(part).eq_missing(pl.lit(found, dtype=dtype))
        for (part, dtype), found in zip(parts_schema(name).items(), pack_one(value), strict=True)
    )


def pack_one(value: str) -> tuple[int, int, str | None]:
    """The parts of one id."""
    hi, lo, text = packed(pl.LazyFrame({"id": [value]}), ["id"]).collect().row(0)
    return hi, lo, text


def _joined(words: list[pl.Expr]) -> pl.Expr:
    a, b, c, d, e, f, g, h = words
    dash = pl.lit("-")
    return pl.concat_str(a, b, dash, c, dash, d, dash, e, dash, f, g, h)


def _parts_of(ids: pl.Series) -> pl.Series:
    """The parts of some ids as a struct; those that come together are mostly all UUIDs or all short, which is less work."""
    there = ids.is_not_null()
    uuids = _uuid_bits(ids)
    if bool((uuids["is_uuid"] | ~there).all()):
        return _struct(uuids["hi"], uuids["lo"], pl.repeat(None, len(ids), dtype=pl.String, eager=True), there)
    starts = ids.str.starts_with("\0")  # to be told from what is filled up with
    aligned = ids.str.pad_start(_SHORT, "\0").cast(pl.Binary)
    short = _numbers(aligned, _SHORT, pl.UInt64)
    rows = uuids.with_columns(
        id=ids, there=there, is_short=(aligned.bin.size() == _SHORT) & ~starts, short_hi=short[0], short_lo=short[1]
    )
    is_long = ~pl.col("is_uuid") & ~pl.col("is_short")
    long = rows.select(pl.when(is_long).then("id").alias("id"))
    told = rows.select(
        "there",
        hi=pl.when("is_uuid").then("hi").when("is_short").then("short_hi").otherwise(_u64(0)),
        lo=pl.when("is_uuid").then("lo").when("is_short").then("short_lo").otherwise(long.select(_long_lo(_ID))["id"]),
        text=pl.when("is_short").then(pl.lit(_IS_SHORT)).otherwise(long["id"]),
    )
    return _struct(told["hi"], told["lo"], told["text"], there)


def _struct(hi: pl.Series, lo: pl.Series, text: pl.Series, there: pl.Series) -> pl.Series:
    values = zip(parts("id"), (hi.reinterpret(dtype=pl.Int64), lo.reinterpret(dtype=pl.Int64), text), strict=True)
    rows = pl.DataFrame([value.alias(part) for part, value in values])
    if not there.all():
        rows = rows.select(pl.when(there).then(pl.col(part)).alias(part) for part in rows.columns)
    return rows.to_struct("id")


def _numbers(raw: pl.Series, size: int, dtype: type[pl.UInt32 | pl.UInt64]) -> list[pl.Series]:
    """The numbers, highest byte first, that values of ``size`` bytes consist of; zeros for a value of another size."""
    fits = raw.bin.size() == size
    if not fits.fill_null(value=False).all():
        raw = pl.select(pl.when(fits).then(raw).otherwise(pl.lit(bytes(size)))).to_series()
    count = size // (4 if dtype == pl.UInt32 else 8)
    flat = raw.bin.reinterpret(dtype=pl.Array(dtype, count), endianness="big").arr.explode()
    return [flat.gather_every(count, number) for number in range(count)]


def _uuid_bits(ids: pl.Series) -> pl.DataFrame:
    """``is_uuid``, and the bits ``hi`` and ``lo`` (UInt64) of those that are UUIDs; of others anything.

    The digits are read, and checked, eight at a time as 64-bit numbers. The 36 letters are nine numbers of four:
    "xxxx" "xxxx" "-xxx" "x-xx" "xx-x" "xxx-" "xxxx" "xxxx" "xxxx"; m and n are the digits between the first eight and d.
    """
    if not (ids.str.len_bytes() == _UUID_LENGTH).any():
        nothing = pl.repeat(0, len(ids), dtype=pl.UInt64, eager=True)
        return pl.DataFrame(
            [pl.repeat(False, len(ids), eager=True).alias("is_uuid"), nothing.alias("hi"), nothing.alias("lo")]
        )
    numbers = _numbers(ids.cast(pl.Binary), _UUID_LENGTH, pl.UInt32)
    read = pl.DataFrame([number.cast(pl.UInt64).alias(f"u{n}") for n, number in enumerate(numbers)])
    u0, u1, u2, u3, u4, u5, u6, u7, u8 = (pl.col(name) for name in read.columns)
    words = read.select(
        a=u0 * _u64(1 << 32) | u1,
        m=(u2 & _u64(0xFFFFFF)) * _u64(1 << 40)
        | u3 // _u64(1 << 24) * _u64(1 << 32)
        | (u3 & _u64(0xFFFF)) * _u64(1 << 16)
        | u4 // _u64(1 << 16),
        d=u6 * _u64(1 << 32) | u7,
        n=(u4 & _u64(0xFF)) * _u64(1 << 56) | u5 // _u64(1 << 8) * _u64(1 << 32) | u8,
        dashes=(u2 // _u64(1 << 24) == _u64(0x2D))
        & (u3 & _u64(0x00FF0000) == _u64(0x002D0000))
        & (u4 & _u64(0x0000FF00) == _u64(0x00002D00))
        & (u5 & _u64(0x000000FF) == _u64(0x0000002D)),
    )
    digits = words.with_columns(_nibbles(pl.col(word)).alias(f"digits of {word}") for word in "amdn")
    sound = pl.all_horizontal("dashes", *(_are_digits(pl.col(f"digits of {word}"), pl.col(word)) for word in "amdn"))
    first, second, third, fourth = (_gathered(pl.col(f"digits of {word}")) for word in "amdn")
    bits = digits.select(is_uuid=sound, hi=first * _u64(1 << 32) | second, low=third, ends=fourth)
    low, ends = pl.col("low"), pl.col("ends")
    lo = ends // _u64(1 << 16) * _u64(1 << 48) | low * _u64(1 << 16) | ends & _u64(0xFFFF)
    return bits.select("is_uuid", "hi", lo.alias("lo"))


def _long_lo(text: pl.Expr) -> pl.Expr:
    raw = text.cast(pl.Binary)
    words = [raw.bin.tail(8 * k).bin.head(8).bin.reinterpret(dtype=pl.UInt64, endianness="big") for k in (1, 2, 3, 4)]
    total = pl.sum_horizontal(word.fill_null(0) * _u64(odd) for word, odd in zip(words, _ODD, strict=True))
    return pl.when(text.is_not_null()).then(total)


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, pl.UInt64)


def _nibbles(text: pl.Expr) -> pl.Expr:
    """The values of eight hexadecimal digits, one in each byte; anything where they are not digits."""
    return (text & _u64(0x0F * _BYTES)) + (text // _u64(64) & _u64(_BYTES)) * _u64(9)


def _digits(nibbles: pl.Expr) -> pl.Expr:
    """The eight digits 0-9a-f of such values: what was read if and only if it was written so."""
    return nibbles + _u64(0x30 * _BYTES) + ((nibbles + _u64(6 * _BYTES)) // _u64(16) & _u64(_BYTES)) * _u64(0x27)


def _are_digits(nibbles: pl.Expr, text: pl.Expr) -> pl.Expr:
    """Whether ``text`` is eight of the digits 0-9a-f, given what ``_nibbles`` makes of it."""
    return (_digits(nibbles) == text) & (nibbles & _u64(0xF0 * _BYTES) == _u64(0))


def _gathered(nibbles: pl.Expr) -> pl.Expr:
    """Eight values of four bits, one in each byte, as 32 bits."""
    twos = (nibbles | nibbles // _u64(16)) & _u64(0x00FF00FF00FF00FF)
    fours = (twos | twos // _u64(256)) & _u64(0x0000FFFF0000FFFF)
    return (fours | fours // _u64(65_536)) & _u64(0xFFFFFFFF)
