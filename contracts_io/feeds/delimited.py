"""CSV: comma separated, a header, double quotes as in RFC 4180.

Lines that are rows by themselves, which is nearly all of them, flow through Polars. The others (a field over several lines,
a quote that does not close, a wrong number of fields) are settled one by one. Polars' own CSV reader is not used: it fills
missing fields with null and refuses a whole file for one row too long.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

import polars as pl

from contracts_io.errors import FeedError
from contracts_io.feeds.landing import LandingFile
from contracts_io.feeds.lines import BLANK, INDEX, LINE, Lines, open_lines
from contracts_io.feeds.rows import FileRows, content_frame, line_content, raw_rows, source_columns
from contracts_io.settings import FeedSettings

# A quoted field that has not closed within so many characters never will.
_LONGEST_RECORD = 1 << 20
_FIELD = r'(?:[^",]*|"(?:[^"]|"")*")'
_BOM = "\ufeff"


def read_delimited(file: LandingFile, feed: str, settings: FeedSettings) -> FileRows:
    """The rows of a .csv or .csv.gz; row 1 is the first after the header, blank lines are none."""
    lines = open_lines(file)
    header, last_of_header = _header(lines)
    if not header:
        nothing = raw_rows(pl.LazyFrame(schema={"row": pl.Int64}), {}, file, feed, settings)
        return FileRows(file, nothing, content_frame(file, ()), 0, lambda _: {})
    if (
        any("\r" in name for name in header)
        and lines.frame.filter(pl.col(INDEX) > last_of_header).head(1).collect().is_empty()
    ):
        raise FeedError(
            "its lines end with CR alone, so all of it is one line",
            where=str(file.path),
            remedy="end each line with LF or CR LF",
        )
    sources = source_columns(file, feed, settings, header)
    for name in sources.values():
        if header.count(name) > 1:
            raise FeedError(
                f"has {header.count(name)} columns named {name!r}", where=str(file.path), remedy="keep one of them"
            )
    body = lines.frame.filter(pl.col(INDEX) > last_of_header)
    blank, regular, quoted = _kinds(len(header), lines.not_text)
    counts = body.select(
        lines=pl.len(),
        quoted=(regular & quoted).sum(),
        aside=(~regular).sum(),
    ).collect(engine="streaming")
    aside = body.filter(~regular).with_columns(blank=blank).collect(engine="streaming") if counts["aside"][0] else None
    settled = _Settled() if aside is None else _settle(lines, aside, len(header))
    rows = body
    not_rows: list[int] = []
    if aside is not None:
        blanks = set(aside.filter("blank")[INDEX].to_list())
        not_rows = sorted(blanks | settled.continued)
        set_aside = pl.Series(sorted({*aside[INDEX], *settled.continued}), dtype=pl.Int64)
        rows = body.filter(~pl.col(INDEX).is_in(set_aside.implode()))
    number = pl.col(INDEX) - last_of_header
    if not_rows:
        number -= pl.lit(pl.Series(not_rows, dtype=pl.Int64)).search_sorted(pl.col(INDEX)).cast(pl.Int64)
    rows = rows.with_columns(row=number)
    numbers = _numbers(settled, last_of_header, not_rows)
    recovered = {numbers[index]: cells for index, cells in settled.recovered.items()}
    positions = {name: header.index(source) for name, source in sources.items()}
    cells_of = _cells_with_quotes if counts["quoted"][0] else _cells
    raw = raw_rows(*cells_of(rows, positions, len(header)), file, feed, settings)
    if recovered:
        raw = raw.merge_sorted(_recovered_rows(recovered, positions, file, feed, settings), key="row")

    def find_contents(wanted: Sequence[int]) -> Mapping[int, str]:
        found = rows.filter(pl.col("row").is_in(pl.Series(wanted, dtype=pl.Int64).implode()))
        texts = found.select("row", LINE).collect(engine="streaming")
        cells = {row: _record(text).cells for row, text in texts.iter_rows()}
        cells.update((row, recovered[row]) for row in wanted if row in recovered)
        return {row: _content(header, values) for row, values in cells.items()}

    return FileRows(
        file=file,
        raw=raw,
        unreadable=content_frame(file, ((numbers[index], line_content(text)) for index, text in settled.unreadable.items())),
        rows=int(counts["lines"][0]) - len(not_rows),
        find_contents=find_contents,
    )


def _kinds(width: int, not_text: Collection[int]) -> tuple[pl.Expr, pl.Expr, pl.Expr]:
    """Whether a line is blank, is a row by itself with ``width`` fields, and has a quote."""
    text = pl.col(LINE)
    blank = text.str.contains(BLANK)
    quoted = text.str.contains('"', literal=True)
    tidy = text.str.contains(f"^{_FIELD}(?:,{_FIELD}){{{width - 1}}}$")
    regular = ~blank & pl.when(quoted).then(tidy).otherwise(text.str.count_matches(",", literal=True) == width - 1)
    if not_text:
        regular &= ~pl.col(INDEX).is_in(pl.Series(sorted(not_text), dtype=pl.Int64).implode())
    return blank, regular, quoted


def _cells(rows: pl.LazyFrame, positions: Mapping[str, int], width: int) -> tuple[pl.LazyFrame, dict[str, pl.Expr]]:
    """The fields of lines without quotes, by canonical name."""
    split = rows.with_columns(pl.col(LINE).str.split_exact(",", width - 1).alias("cells"))
    return split, {name: pl.col("cells").struct.field(f"field_{at}") for name, at in positions.items()}


def _cells_with_quotes(
    rows: pl.LazyFrame, positions: Mapping[str, int], width: int
) -> tuple[pl.LazyFrame, dict[str, pl.Expr]]:
    """The same where some lines have quotes, each of them closed in its line."""
    wanted = sorted(set(positions.values()))
    pattern = ",".join(f"({_FIELD})" if at in wanted else _FIELD for at in range(width))
    quoted = pl.col(LINE).str.contains('"', literal=True)
    split = rows.with_columns(
        pl.when(~quoted).then(pl.col(LINE)).str.split_exact(",", width - 1).alias("cells"),
        pl.when(quoted).then(pl.col(LINE)).str.extract_groups(f"^{pattern}$").alias("groups"),
    )
    values = {}
    for name, at in positions.items():
        group = pl.col("groups").struct.field(str(wanted.index(at) + 1))
        inner = group.str.strip_prefix('"').str.strip_suffix('"').str.replace_all('""', '"', literal=True)
        unquoted = pl.when(group.str.starts_with('"')).then(inner).otherwise(group)
        values[name] = pl.when(quoted).then(unquoted).otherwise(pl.col("cells").struct.field(f"field_{at}"))
    return split, values


def _recovered_rows(
    recovered: Mapping[int, list[str]], positions: Mapping[str, int], file: LandingFile, feed: str, settings: FeedSettings
) -> pl.LazyFrame:
    """The rows that were put together one by one, as ``raw`` has them."""
    order = sorted(recovered)
    columns = {name: [recovered[row][at] for row in order] for name, at in positions.items()}
    frame = pl.LazyFrame({"row": order, **columns}, schema={"row": pl.Int64, **dict.fromkeys(columns, pl.String)})
    return raw_rows(frame, {name: pl.col(name) for name in columns}, file, feed, settings)


def _content(header: Sequence[str], cells: Sequence[str]) -> str:
    # A name that stands twice in the header is told apart by its position.
    names = [name if name not in header[:at] else f"{name} ({at + 1})" for at, name in enumerate(header)]
    return json.dumps(dict(zip(names, cells, strict=True)), ensure_ascii=False)


class _State(Enum):
    DONE = auto()
    OPEN = auto()
    BROKEN = auto()


@dataclass
class _Record:
    """One record, fed line by line: ``OPEN`` while a quoted field has not closed, ``BROKEN`` where text follows its end."""

    cells: list[str] = field(default_factory=list)
    state: _State = _State.OPEN
    size: int = 0
    quoted: list[str] | None = None

    def add(self, text: str) -> None:
        self.size += len(text) + 1
        at = 0
        while True:
            if self.quoted is None and not text.startswith('"', at):
                end = text.find(",", at)
                self.cells.append(text[at:] if end < 0 else text[at:end])
            else:
                at, self.quoted = (at + 1, []) if self.quoted is None else (at, self.quoted)
                end = _closing_quote(text, at)
                self.quoted.append(text[at:end] if end >= 0 else text[at:] + "\n")
                if end < 0:
                    self.state = _State.OPEN if self.size < _LONGEST_RECORD else _State.BROKEN
                    return
                self.cells.append("".join(self.quoted).replace('""', '"'))
                self.quoted = None
                end += 1
                if end == len(text):
                    end = -1
                elif text[end] != ",":
                    self.state = _State.BROKEN
                    return
            if end < 0:
                self.state = _State.DONE
                return
            at = end + 1


def _closing_quote(text: str, at: int) -> int:
    """Where the quoted field that began before ``at`` closes; -1 where it does not in this line."""
    while (at := text.find('"', at)) >= 0 and text.startswith('""', at):
        at += 2
    return at


def _record(text: str) -> _Record:
    record = _Record()
    record.add(text)
    return record


def _header(lines: Lines) -> tuple[list[str], int]:
    """The column names and the number of the last line of the header; no names where the file has no line."""
    record = _Record()
    for number, text in lines:
        if number in lines.not_text:
            raise FeedError("is not UTF-8 text", where=str(lines.file.path), remedy="write it as UTF-8")
        line = text.removeprefix(_BOM) if number == 0 else text
        if not record.size and not line.strip(" \t\r"):
            continue
        record.add(line)
        if record.state is _State.DONE:
            return record.cells, number
        if record.state is _State.BROKEN:
            break
    if record.size:
        raise FeedError(
            "its header has a quote that does not close", where=str(lines.file.path), remedy="correct the header"
        )
    return [], -1


@dataclass
class _Settled:
    """By line number: records put together, lines that cannot be parsed, lines that only continue a record."""

    recovered: dict[int, list[str]] = field(default_factory=dict)
    unreadable: dict[int, str] = field(default_factory=dict)
    continued: set[int] = field(default_factory=set)


def _settle(lines: Lines, aside: pl.DataFrame, width: int) -> _Settled:
    """What the lines set aside (i, line, blank) are.

    A record over several lines counts only where it is whole, with ``width`` fields; else its first line alone is
    unreadable and reading goes on with the next, so that a quote that does not close costs one row.
    """
    suspects = {number: text for number, text, blank in aside.iter_rows() if not blank}
    for number in suspects.keys() & lines.not_text.keys():
        suspects[number] = lines.not_text[number]
    several = any(_record(text).state is _State.OPEN for number, text in suspects.items() if number not in lines.not_text)
    source: Iterable[tuple[int, str]] = lines if several else suspects.items()
    settled = _Settled()
    for number, text, following in _with_following(source):
        if number not in suspects:
            continue
        record = _Record()
        if number not in lines.not_text:
            record.add(text)
        taken: list[tuple[int, str]] = []
        while record.size and record.state is _State.OPEN and (line := following.take()):
            taken.append(line)
            if line[0] in lines.not_text:
                break
            record.add(line[1])
        if record.state is _State.DONE and len(record.cells) == width:
            settled.recovered[number] = record.cells
            settled.continued.update(taken_number for taken_number, _ in taken)
        else:
            settled.unreadable[number] = text
            following.give_back(taken)
    return settled


class _Following:
    """Lines that can be taken and given back."""

    def __init__(self, lines: Iterable[tuple[int, str]]) -> None:
        self._lines = iter(lines)
        self._given_back: deque[tuple[int, str]] = deque()

    def take(self) -> tuple[int, str] | None:
        return self._given_back.popleft() if self._given_back else next(self._lines, None)

    def give_back(self, lines: Sequence[tuple[int, str]]) -> None:
        self._given_back.extendleft(reversed(lines))


def _with_following(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str, _Following]]:
    following = _Following(lines)
    while line := following.take():
        yield (*line, following)


def _numbers(settled: _Settled, last_of_header: int, not_rows: Sequence[int]) -> dict[int, int]:
    """The row number of each settled line, by its line number."""
    indices = pl.Series(sorted({*settled.recovered, *settled.unreadable}), dtype=pl.Int64)
    before = pl.Series(not_rows, dtype=pl.Int64).search_sorted(indices) if not_rows else pl.zeros(len(indices), eager=True)
    return {index: index - last_of_header - int(skipped) for index, skipped in zip(indices, before, strict=True)}
