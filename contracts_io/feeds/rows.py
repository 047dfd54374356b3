"""What every format delivers: raw rows under canonical names, unreadable rows, and rows as they stood in the source."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from contracts_io.errors import FeedError
from contracts_io.feeds.columns import FEEDS
from contracts_io.feeds.landing import LandingFile
from contracts_io.settings import FeedSettings

CONTENT_SCHEMA = pl.Schema({"file": pl.String(), "row": pl.Int64(), "content": pl.String()})


@dataclass(frozen=True)
class FileRows:
    """The rows of one file.

    ``raw``, lazy, in file order: ``file`` String, ``row`` Int64 (as in spec 3.3), and each canonical column as String, as
    it stood (null: absent, empty, or a word for null). Where a Parquet file has them so, instants are ``INSTANT``, amounts
    decimals or integers, marks booleans, and ids 16 bytes. ``unreadable``: file, row, content of the rows that cannot be
    parsed. ``rows`` counts both. ``only``, there where a column is read without the others, so that to read twice
    costs little: the same with the given rows of ``raw`` alone, held in memory. ``require_sound`` raises FeedError where the
    file turns out to be damaged; it is for a reader of ``raw`` that failed.
    """

    file: LandingFile
    raw: pl.LazyFrame
    unreadable: pl.DataFrame
    rows: int
    find_contents: Callable[[Sequence[int]], Mapping[int, str]]
    only: Callable[[Sequence[int]], FileRows] | None = None
    require_sound: Callable[[], None] = lambda: None

    def contents(self, rows: Sequence[int]) -> pl.DataFrame:
        """The given rows of ``raw`` as they stood, sorted: file, row, content (a JSON object of all source columns)."""
        found = self.find_contents(sorted(set(rows))) if rows else {}
        return content_frame(self.file, found.items())


def content_frame(file: LandingFile, contents: Iterable[tuple[int, str]]) -> pl.DataFrame:
    """Rows and their contents as a frame of ``CONTENT_SCHEMA``, sorted by row."""
    return pl.DataFrame([(file.name, row, text) for row, text in sorted(contents)], schema=CONTENT_SCHEMA, orient="row")


def line_content(text: str) -> str:
    """The content of a row that cannot be parsed: its line."""
    return json.dumps({"line": text}, ensure_ascii=False)


def source_columns(file: LandingFile, feed: str, settings: FeedSettings, present: Collection[str]) -> dict[str, str]:
    """The source column of each canonical column that has one among those ``present``.

    FeedError where a mapping names a source column that is not there.
    """
    sources: dict[str, str] = {}
    for name in FEEDS[feed].column_names:
        mapping = settings.columns.get(name)
        if mapping is None:
            if name in present:
                sources[name] = name
        elif mapping.column is not None:
            if mapping.column not in present:
                raise FeedError(
                    f"{feed}.{name} is mapped to column {mapping.column!r}, which is not there; the columns are "
                    + ", ".join(repr(column) for column in present),
                    where=str(file.path),
                    remedy=f"correct [feeds.{feed}.columns] in adledger.toml, or the file",
                )
            sources[name] = mapping.column
    return sources


def raw_rows(
    rows: pl.LazyFrame, values: Mapping[str, pl.Expr], file: LandingFile, feed: str, settings: FeedSettings
) -> pl.LazyFrame:
    """``raw`` of FileRows from a frame with ``row`` and, by canonical name, the expressions of the values that it has."""
    columns = []
    for name in FEEDS[feed].column_names:
        mapping = settings.columns.get(name)
        if mapping is not None and mapping.constant is not None:
            value = pl.lit(mapping.constant)
        elif name in values:
            value = values[name]
            if rows.select(value).collect_schema().dtypes() == [pl.String]:
                value = pl.when(_is_value(value, settings.null_values)).then(value)
        else:
            value = pl.lit(None, pl.String)
        columns.append(value.alias(name))
    return rows.select(pl.lit(file.name).alias("file"), "row", *columns)


def _is_value(text: pl.Expr, null_values: Sequence[str]) -> pl.Expr:
    """Whether a text is neither empty nor a word for null; most feeds have no such word, and a length costs less than a look-up."""
    is_there = text.str.len_bytes() > 0
    return is_there & ~text.is_in(list(null_values)) if null_values else is_there
