"""Tables as CSV, Parquet and JSON files.

CSV: a header, LF line ends, null empty, instants as ``2026-10-20T02:19:53.172230Z``, decimals as plain digits without trailing
zeros. JSON: a list of objects with the same texts, whole numbers as numbers. Parquet: the types themselves. A file is written
under a temporary name and renamed, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import polars as pl

from contracts_io.errors import AdledgerError
from contracts_io.warehouse import disk_refusal


def write_tables(folder: Path, tables: Mapping[str, pl.DataFrame], kind: str) -> list[Path]:
    """Write each table to ``folder/<name>.<kind>``; ``kind`` is csv, parquet or json. AdledgerError where the disk refuses."""
    paths = {name: folder / f"{name}.{kind}" for name in tables}
    for name, frame in tables.items():
        with written_whole(paths[name], "the tables") as temporary:
            _WRITERS[kind](frame, temporary)
    return list(paths.values())


@contextmanager
def written_whole(path: Path, what: str) -> Iterator[Path]:
    """The temporary path of a file that becomes ``path`` when the block ends well, in a folder that is made.

    AdledgerError, saying ``what`` cannot be written, where the disk refuses; then nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(path)
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
    except (OSError, pl.exceptions.ComputeError) as error:
        reason = disk_refusal(error)
        if reason is None:
            raise
        raise AdledgerError(
            f"{what} cannot be written ({reason})",
            where=str(path.parent),
            remedy="free space, or choose a folder you can write, then run the same command again",
        ) from error


def plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Decimals, instants and dates of ``frame`` as the text that CSV and JSON show; other columns as they are."""
    columns = []
    for name, dtype in frame.schema.items():
        column = pl.col(name)
        if isinstance(dtype, pl.Decimal):
            digits = column.cast(pl.String)
            if dtype.scale:
                digits = digits.str.strip_chars_end("0").str.strip_chars_end(".")
            column = digits
        elif isinstance(dtype, pl.Datetime):
            column = column.dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ")
        elif dtype == pl.Date:
            column = column.cast(pl.String)
        columns.append(column.alias(name))
    return frame.select(columns)


def _csv(frame: pl.DataFrame, path: Path) -> None:
    plain(frame).write_csv(path, line_terminator="\n", null_value="")


def _parquet(frame: pl.DataFrame, path: Path) -> None:
    frame.write_parquet(path, compression="zstd")


def _json(frame: pl.DataFrame, path: Path) -> None:
    rows = ",\n".join(json.dumps(row, ensure_ascii=False) for row in plain(frame).iter_rows(named=True))
    path.write_text(f"[\n{rows}\n]\n" if rows else "[]\n", encoding="utf-8")


_WRITERS: dict[str, Callable[[pl.DataFrame, Path], None]] = {"csv": _csv, "parquet": _parquet, "json": _json}
FORMATS = tuple(_WRITERS)
"""The kinds of file that tables can be written as."""
