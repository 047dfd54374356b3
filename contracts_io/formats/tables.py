"""Tables as CSV, Parquet and JSON files.

CSV: a header, LF line ends, null empty, instants as ``2026-10-20T02:19:53.172230Z``, decimals as plain digits without trailing
zeros. JSON: a list of objects with the same texts, whole numbers as numbers. Parquet: the types themselves. A file is written
under a temporary name and renamed, so that a reader never sees half of one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

import polars as pl

from contracts_io.errors import AdledgerError
from contracts_io.warehouse import disk_refusal


def write_tables(folder: Path, tables: Mapping[str, pl.DataFrame], kind: str) -> list[Path]:
    """Write each table to ``folder/<name>.<kind>``; ``kind`` is csv, parquet or json. AdledgerError where the disk refuses."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, frame in tables.items():
            path = folder / f"{name}.{kind}"
            temporary = folder / f".{name}.{kind}.tmp"
            try:
                _WRITERS[kind](frame, temporary)
                os.replace(temporary, path)  # noqa: PTH105 - the same, said as what it is
            finally:
                with suppress(OSError):
                    temporary.unlink(missing_ok=True)
            written.append(path)
    except (OSError, pl.exceptions.ComputeError) as error:
        reason = disk_refusal(error)
        if reason is None:
            raise
        raise AdledgerError(
            f"the tables cannot be written ({reason})",
            where=str(folder),
            remedy="free space, or choose a folder you can write, then run the same command again",
        ) from error
    return written


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
