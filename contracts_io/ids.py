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
from functools import lru_cache

import polars as pl

_UUID_LENGTH = 36
_SHORT = 16
# No text that is kept as text has one byte; Parquet's writer is ten times slower on empty ones.
_IS_SHORT = "."
EMPTY_ID = (0, 0, _IS_SHORT)
"""The parts of the empty text."""
_NO_UUID = "00000000-0000-0000-0000-000000000000"
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
            of_it = pl.col(name).map_batches(_parts_of, return_dtype=pl.Struct(parts_schema("id")), is_elementwise=True)
            steps[name] = of_it
            columns += [
                pl.col(name).struct.field(field).alias(part) for field, part in zip(parts("id"), parts(name), strict=True)
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
    lengths = ids.str.len_bytes()
    if lengths.min() == lengths.max() == _SHORT and not _starts_with_zero(ids).any():
        return _struct(*_short_bits(ids), pl.repeat(_IS_SHORT, len(ids), eager=True), there)
    is_uuid, hi, lo = _uuid_bits(ids.fill_null(_NO_UUID) if ids.has_nulls() else ids)
    if is_uuid.all():
        return _struct(hi, lo, pl.repeat(None, len(ids), dtype=pl.String, eager=True), there)
    padded = pl.when(lengths == _SHORT).then(ids).otherwise(ids.str.pad_start(_SHORT, "\0"))
    aligned = pl.select(padded).to_series()
    short_hi, short_lo = _short_bits(aligned)
    rows = pl.DataFrame({"id": ids, "is_uuid": is_uuid, "hi": hi, "lo": lo, "short_hi": short_hi, "short_lo": short_lo})
    rows = rows.with_columns(is_short=(aligned.str.len_bytes() == _SHORT) & ~_starts_with_zero(ids))
    long = rows.select(pl.when(~pl.col("is_uuid") & ~pl.col("is_short")).then("id").alias("id"))
    told = rows.select(
        hi=pl.when("is_uuid").then("hi").when("is_short").then("short_hi").otherwise(_u64(0)),
        lo=pl.when("is_uuid").then("lo").when("is_short").then("short_lo").otherwise(long.select(_long_lo(_ID))["id"]),
        text=pl.when("is_short").then(pl.lit(_IS_SHORT)).otherwise(long["id"]),
    )
    return _struct(told["hi"], told["lo"], told["text"], there)


def _starts_with_zero(ids: pl.Series) -> pl.Series:
    """Whether an id starts like what a short one is filled up with, and could not be told from it."""
    return ids.str.starts_with("\0")


def _struct(hi: pl.Series, lo: pl.Series, text: pl.Series, there: pl.Series) -> pl.Series:
    values = zip(parts("id"), (hi.reinterpret(dtype=pl.Int64), lo.reinterpret(dtype=pl.Int64), text), strict=True)
    rows = pl.DataFrame([value.alias(part) for part, value in values])
    if not there.all():
        rows = rows.select(pl.when(there).then(pl.col(part)).alias(part) for part in rows.columns)
    return rows.to_struct("id")


def _short_bits(ids: pl.Series) -> tuple[pl.Series, pl.Series]:
    """The high and low 64 bits of ids of 16 bytes; of others anything."""
    halves = _in_a_row(ids.cast(pl.Binary), pl.Array(pl.UInt64, 2), _SHORT)
    return halves.gather_every(2), halves.gather_every(2, 1)


def _in_a_row(raw: pl.Series, numbers: pl.Array, size: int) -> pl.Series:
    """The numbers, highest byte first, of values of ``size`` bytes, one value's after the other's; zeros for another size."""
    fits = raw.bin.size() == size
    if not fits.fill_null(value=False).all():
        raw = pl.select(pl.when(fits).then(raw).otherwise(pl.lit(bytes(size)))).to_series()
    return raw.bin.reinterpret(dtype=numbers, endianness="big").arr.explode()


def _uuid_bits(ids: pl.Series) -> tuple[pl.Series, pl.Series, pl.Series]:
    """Whether each id is a UUID, and the high and low 64 bits of those that are; of others anything.

    The letters are read, and checked, four at a time as numbers of 32 bits, nine an id, some with a dash:
    "xxxx" "xxxx" "-xxx" "x-xx" "xx-x" "xxx-" "xxxx" "xxxx" "xxxx".
    """
    count = _UUID_LENGTH // 4
    letters = _letters(ids.cast(pl.Binary))
    # The values of four hexadecimal digits, one in each byte; anything where they are not digits.
    nibbles = (letters & 0x0F0F0F0F) + ((letters // 64) & 0x01010101) * 9
    # What was read, if and only if it was written in digits 0-9a-f, whose values are below 16.
    digits = nibbles + 0x30303030 + ((nibbles + 0x06060606) // 16 & 0x01010101) * 0x27
    dashes, elsewhere = _dashes(len(ids))
    differs = ((digits & elsewhere | dashes) ^ letters | nibbles & 0xF0F0F0F0) != 0
    twos = (nibbles | nibbles // 16) & 0x00FF00FF
    words = (twos | twos // 256) & 0xFFFF
    w0, w1, w2, w3, w4, w5, w6, w7, w8 = (words.gather_every(count, n).cast(pl.UInt64) for n in range(count))
    middle = (w2 & 0xFFF) * (1 << 20) | w3 // (1 << 12) * (1 << 16) | (w3 & 0xFF) * (1 << 8) | w4 // (1 << 8)
    hi = w0 * (1 << 48) | w1 * (1 << 32) | middle
    lo = (w4 & 0xF) * (1 << 60) | w5 // (1 << 4) * (1 << 48) | w6 * (1 << 32) | w7 * (1 << 16) | w8
    is_uuid = ~differs.reshape((-1, count)).arr.any() if differs.any() else pl.repeat(True, len(ids), eager=True)
    return is_uuid, hi, lo


def _letters(raw: pl.Series) -> pl.Series:
    return _in_a_row(raw, pl.Array(pl.UInt32, _UUID_LENGTH // 4), _UUID_LENGTH)


@lru_cache(maxsize=4)
def _dashes(ids: int) -> tuple[pl.Series, pl.Series]:
    """Where the dashes are, and where not, in the letters of so many UUIDs: asked for again with every part of a column."""
    dashes = bytes(ord(letter) * (letter == "-") for letter in _NO_UUID)
    elsewhere = bytes(0xFF * (letter != "-") for letter in _NO_UUID)
    dashed, others = (_letters(pl.repeat(marks, ids, dtype=pl.Binary, eager=True)) for marks in (dashes, elsewhere))
    return dashed, others


def _long_lo(text: pl.Expr) -> pl.Expr:
    raw = text.cast(pl.Binary)
    words = [raw.bin.tail(8 * k).bin.head(8).bin.reinterpret(dtype=pl.UInt64, endianness="big") for k in (1, 2, 3, 4)]
    total = pl.sum_horizontal(word.fill_null(0) * _u64(odd) for word, odd in zip(words, _ODD, strict=True))
    return pl.when(text.is_not_null()).then(total)


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, pl.UInt64)
