"""NDJSON: one JSON object a line.

Polars reads JSON numbers through a binary double, which loses digits of money and of ids. So a line whose numbers can
safely be put in quotes first, which is nearly every line, flows through Polars; any other line is parsed by itself,
exactly.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence

import polars as pl

from contracts_io.feeds.columns import FEEDS
from contracts_io.feeds.landing import LandingFile
from contracts_io.feeds.lines import BLANK, INDEX, LINE, Lines, open_lines
from contracts_io.feeds.rows import FileRows, content_frame, line_content, raw_rows, source_columns
from contracts_io.settings import FeedSettings

_SAMPLE = 1000
_MOST_SHAPES = 8
_SPACE = r"[ \t\r]*"
_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_ESCAPE = r"\\(?:[\\/bfnrt]|u(?:[0-9a-cA-CeEfF][0-9a-fA-F]{3}|[dD][0-7][0-9a-fA-F]{2}))"
# A text without an escaped quote that does not begin with a colon: in a line of such texts, a quote before a colon always
# ends a key, and what follows the colon is its value.
_TEXT = rf'"[ \t]*(?:(?:[^"\\: \t\x00-\x1f]|{_ESCAPE})(?:[^"\\\x00-\x1f]|{_ESCAPE})*)?"'
_SCALAR = f"(?:{_TEXT}|{_NUMBER}|true|false|null)"
_ITEMS = f"{_SCALAR}{_SPACE}(?:,{_SPACE}{_SCALAR}{_SPACE})*"
_PAIRS = f"{_TEXT}{_SPACE}:{_SPACE}{_SCALAR}{_SPACE}(?:,{_SPACE}{_TEXT}{_SPACE}:{_SPACE}{_SCALAR}{_SPACE})*"
_VALUE = rf"(?:{_SCALAR}|\[{_SPACE}(?:{_ITEMS})?\]|\{{{_SPACE}(?:{_PAIRS})?\}})"
_BOM = "\ufeff"


def read_ndjson(file: LandingFile, feed: str, settings: FeedSettings) -> FileRows:
    """The rows of a .ndjson or .ndjson.gz; a row's number is its line, blank lines are no rows."""
    lines = open_lines(file)
    shapes = _shapes(lines)
    present = list(dict.fromkeys(key for shape in shapes for key in shape))
    wanted = {mapping.column or name for name, mapping in settings.columns.items()} | set(FEEDS[feed].column_names)
    regular = _is_regular(shapes, wanted, lines.not_text.keys())
    blank = pl.col(LINE).str.contains(BLANK)
    counts = lines.frame.select(rows=(~blank).sum(), aside=(~blank & ~regular).sum()).collect(engine="streaming")
    objects: dict[int, Mapping[str, object]] = {}
    unreadable: dict[int, str] = {}
    if counts["aside"][0]:
        for number, text in lines.frame.filter(~blank & ~regular).collect(engine="streaming").iter_rows():
            parsed = None if number in lines.not_text else _parse(text.removeprefix(_BOM) if number == 0 else text)
            if parsed is None:
                unreadable[number + 1] = lines.not_text.get(number, text)
            else:
                objects[number + 1] = parsed
    present = list(dict.fromkeys([*present, *(key for parsed in objects.values() for key in parsed)]))
    sources = source_columns(file, feed, settings, present) if counts["rows"][0] else {}
    plain = lines.frame.with_columns(row=pl.col(INDEX) + 1).filter(regular)
    raw = raw_rows(*_decoded(plain, sources), file, feed, settings)
    if objects:
        raw = raw.merge_sorted(_parsed_rows(objects, sources, file, feed, settings), key="row")

    def find_contents(found: Sequence[int]) -> Mapping[int, str]:
        wanted_lines = pl.Series([row - 1 for row in found], dtype=pl.Int64).implode()
        texts = lines.frame.filter(pl.col(INDEX).is_in(wanted_lines)).collect(engine="streaming")
        return {number + 1: text.removeprefix(_BOM).strip(" \t\r") for number, text in texts.iter_rows()}

    return FileRows(
        file=file,
        raw=raw,
        unreadable=content_frame(file, ((row, line_content(text)) for row, text in unreadable.items())),
        rows=int(counts["rows"][0]),
        find_contents=find_contents,
    )


def _shapes(lines: Lines) -> list[tuple[str, ...]]:
    """The orders of keys that occur in the first lines."""
    shapes: dict[tuple[str, ...], None] = {}
    for number, text in lines:
        if number >= _SAMPLE:
            break
        if parsed := _parse(text):
            shapes[tuple(parsed)] = None
    return list(shapes)


def _is_regular(shapes: Sequence[tuple[str, ...]], wanted: set[str], not_text: Iterable[int]) -> pl.Expr:
    """Whether a line is an object of one of the shapes, its wanted values no arrays or objects; then it is valid JSON."""
    patterns = [_pattern(shape, wanted) for shape in shapes[:_MOST_SHAPES] if not any(_is_odd(key) for key in shape)]
    regular = pl.any_horizontal(pl.lit(False), *(pl.col(LINE).str.contains(pattern) for pattern in patterns))
    if skipped := sorted(not_text):
        regular &= ~pl.col(INDEX).is_in(pl.Series(skipped, dtype=pl.Int64).implode())
    return regular


def _is_odd(key: str) -> bool:
    return any(letter in '"\\' or letter < " " for letter in key) or key.lstrip(" \t").startswith(":")


def _pattern(shape: tuple[str, ...], wanted: set[str]) -> str:
    pairs = (f'"{pl.escape_regex(key)}"{_SPACE}:{_SPACE}{_SCALAR if key in wanted else _VALUE}{_SPACE}' for key in shape)
    return rf"^{_SPACE}\{{{_SPACE}{f',{_SPACE}'.join(pairs)}\}}{_SPACE}$"


def _decoded(lines: pl.LazyFrame, sources: Mapping[str, str]) -> tuple[pl.LazyFrame, dict[str, pl.Expr]]:
    """The values of regular lines as text, by canonical name."""
    keys = dict.fromkeys(sources.values(), pl.String)
    if not keys:
        return lines, {}
    in_quotes = pl.col(LINE).str.replace_all(rf'("{_SPACE}:{_SPACE})({_NUMBER})({_SPACE}[,}}])', '$1"$2"$3')
    decoded = lines.with_columns(in_quotes.str.json_decode(pl.Struct(keys)).alias("object"))
    return decoded, {name: pl.col("object").struct.field(key) for name, key in sources.items()}


def _parsed_rows(
    objects: Mapping[int, Mapping[str, object]],
    sources: Mapping[str, str],
    file: LandingFile,
    feed: str,
    settings: FeedSettings,
) -> pl.LazyFrame:
    """The rows that were parsed one by one, as ``raw`` has them."""
    columns = {name: [_as_text(parsed.get(key)) for parsed in objects.values()] for name, key in sources.items()}
    frame = pl.LazyFrame({"row": list(objects), **columns}, schema={"row": pl.Int64, **dict.fromkeys(columns, pl.String)})
    return raw_rows(frame, {name: pl.col(name) for name in columns}, file, feed, settings)


class _Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _parse(text: str) -> dict[str, object] | None:
    """The object in a line, the last of several equal keys; None where it is none, or has text that is not Unicode."""
    try:
        parsed = json.loads(text.strip(" \t\r"), parse_float=_Number, parse_int=_Number, parse_constant=_refuse)
        if not isinstance(parsed, dict):
            return None
        _to_json(parsed).encode("utf-8")
    except (ValueError, RecursionError):
        return None
    return parsed


def _as_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(value)
    return _to_json(value)


def _to_json(value: object) -> str:
    """JSON in which every number stands as it was written."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{" + ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {_to_json(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(map(_to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
