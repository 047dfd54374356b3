"""Text files as numbered lines, compressed or not: lazily through Polars, and one by one for what needs a closer look.

A line ends with LF; one CR before it belongs to the end. Both ways number the lines alike, from 0.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import BinaryIO, cast

import polars as pl

from contracts_io.errors import FeedError
from contracts_io.feeds.landing import LandingFile

INDEX = "i"
LINE = "line"
BLANK = r"^[ \t\r]*$"
_GZIP = b"\x1f\x8b"
_OTHERS = {b"\x28\xb5\x2f\xfd": "zstd", b"\x78\x01": "zlib", b"\x78\x9c": "zlib", b"\x78\xda": "zlib"}
"""How files begin that Polars would unpack, whatever their name says."""
# Stands in the lazy frame for a line that is not UTF-8; no such line is ever taken for a row.
_NOT_TEXT = b"\x00"


@dataclass(frozen=True)
class Lines:
    """The lines of a file: ``frame`` (i Int64, line String) and, by number, those that are not UTF-8, as readable text."""

    file: LandingFile
    frame: pl.LazyFrame
    not_text: dict[int, str] = field(default_factory=dict)

    def __iter__(self) -> Iterator[tuple[int, str]]:
        """Number and text of each line, one at a time; a line that is not UTF-8 is in ``not_text``."""
        with _open(self.file) as stream:
            for number, line in enumerate(stream):
                yield number, _strip_end(line).decode("utf-8", "backslashreplace")


def open_lines(file: LandingFile) -> Lines:
    """The lines of ``file``, read once to its end; FeedError where it cannot be opened or its compression is broken."""
    _check_compression(file)
    try:
        frame = _frame(pl.scan_lines(file.path, name=LINE, row_index_name=INDEX, glob=False))
        frame.select(pl.col(LINE).str.len_bytes().sum()).collect(engine="streaming")
        return Lines(file, frame)
    except pl.exceptions.ComputeError:
        return _with_lines_that_are_not_text(file)
    except OSError as error:
        raise unreadable_file(file, str(error)) from None


def unreadable_file(file: LandingFile, why: str) -> FeedError:
    """The error of a file that cannot be opened at all."""
    return FeedError(f"cannot be opened: {why}", where=str(file.path), remedy="deliver it again, complete")


def _frame(lines: pl.LazyFrame) -> pl.LazyFrame:
    return lines.with_columns(pl.col(INDEX).cast(pl.Int64))


def _open(file: LandingFile) -> BinaryIO:
    return cast(BinaryIO, gzip.open(file.path, "rb")) if file.name.endswith(".gz") else file.path.open("rb")


def _strip_end(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _check_compression(file: LandingFile) -> None:
    # Polars goes by the first bytes, not by the name: text named .gz would be read as text, and the reverse.
    try:
        with file.path.open("rb") as stream:
            begins = stream.read(4)
    except OSError as error:
        raise unreadable_file(file, str(error.strerror)) from None
    is_gzip = begins.startswith(_GZIP)
    if is_gzip != file.name.endswith(".gz"):
        raise unreadable_file(file, "it is gzip, which its name does not say" if is_gzip else "it is not a gzip stream")
    for magic, name in _OTHERS.items():
        if begins.startswith(magic):
            raise unreadable_file(file, f"it is compressed by {name}: text comes as it is or as gzip")


def _with_lines_that_are_not_text(file: LandingFile) -> Lines:
    """The same, in memory, for a file in which a line is not UTF-8, which Polars refuses as a whole."""
    not_text: dict[int, str] = {}
    kept: list[bytes] = []
    try:
        with _open(file) as stream:
            for number, line in enumerate(stream):
                try:
                    line.decode("utf-8")
                    kept.append(line)
                except UnicodeDecodeError:
                    not_text[number] = _strip_end(line).decode("utf-8", "backslashreplace")
                    kept.append(_NOT_TEXT + b"\n")
    except (OSError, EOFError) as error:
        raise unreadable_file(file, str(error)) from None
    return Lines(file, _frame(pl.scan_lines(b"".join(kept), name=LINE, row_index_name=INDEX)), not_text)
