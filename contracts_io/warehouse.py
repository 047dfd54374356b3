"""Partitions on disk: one immutable Parquet file per table and partition, written whole or not at all.

    warehouse/<table>/<partition>/<sha256 of the content>.parquet

A file is written under a temporary name, its rows checked against their table's rules on the way, synced, and renamed to the
hash of its bytes; only then can the catalogue make it live. A process that dies at any moment leaves the old partition live
and at most a file that nobody lists, which the next ``sweep`` removes. The same rows in the same order give the same bytes,
so a repeat changes nothing. A file that is no longer what was written is never read: that raises WarehouseError. What a disk
does to a file shows in a checksum of 32 bits, which costs a seventh of the hash that ``adledger verify`` goes by.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import uuid
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO, Protocol

import polars as pl
from isal.isal_zlib import crc32 as add_crc32

from contracts_io.errors import WarehouseError
from contracts_io.frames import ARROW_SCHEMA, TABLES, Table
from contracts_io.ids import is_id, packed, unpacked
from contracts_io.texts import as_codes, as_texts, distinct

ROW_GROUP_ROWS = 122_880
_STAGING = ".staging"
_AT_ONCE = 1 << 20
# A changed bit mostly reads as other rows: Parquet as written here has no checksums of its own. Inode, time and size of what
# was looked at, so that a process looks at each file once.
_SOUND: dict[Path, tuple[int, int, int]] = {}
_SYSTEM_ERROR = re.compile(r"\(os error ([0-9]+)\)")


@dataclass(frozen=True)
class PartitionFile:
    """One file of the warehouse: ``inputs`` is the fingerprint of what it was made from, ``path`` is below the root.

    ``crc32`` is the checksum of the content by which a file is known to be as it was written before it is read.
    """

    table: str
    partition: str
    path: str
    sha256: str
    crc32: int
    rows: int
    inputs: str


class Listing(Protocol):
    """What the warehouse asks of a catalogue (``store.catalogue.Catalogue``)."""

    def live(self, table: str, partitions: Collection[str] | None = None) -> dict[str, PartitionFile]:
        """The live files of a table by partition, ascending."""
        ...

    def publish(self, files: Iterable[PartitionFile]) -> list[PartitionFile]:
        """Make files live in one transaction; gives those that were not."""
        ...

    def forget_removed(self, pinned: Collection[int]) -> None:
        """Drop the entries of replaced files that no pinned snapshot needs."""
        ...

    def paths(self) -> set[str]:
        """The path of every listed file."""
        ...


class Warehouse:
    """The tables of one home; ``root`` is the folder of their files."""

    def __init__(self, root: Path, catalogue: Listing) -> None:
        self.root = root
        self.catalogue = catalogue

    def write(
        self,
        table: str,
        partition: str,
        frame: pl.LazyFrame | pl.DataFrame,
        inputs: str = "",
        *,
        is_coded: bool = False,
    ) -> PartitionFile:
        """Write a partition's rows, checked, under their final name; it becomes live by ``publish``.

        Ids that the table packs may come as text or in their parts. ``is_coded``: what texts are to be codes are
        (``texts.as_codes``), else the rows are calculated first, and then looked through for the values of these. ``inputs`` is
        the fingerprint of what the rows were made from. Raises WarehouseError where rows break the table's rules or the disk
        does not take them; then nothing is left behind.
        """
        rules = TABLES[table]
        present = frame.lazy().collect_schema()
        rows = packed(frame.lazy(), [name for name in rules.packed if name in present])
        rules.check(rows, has_rows=False)
        if is_coded or not rules.coded:
            return self._written(rules, partition, rows, inputs)
        with ExitStack() as stack:
            held = rows if isinstance(frame, pl.DataFrame) else stack.enter_context(self.staged(rows))
            texts = as_texts(held, rules.coded)
            values = dict(zip(rules.coded, distinct(texts, *rules.coded), strict=True))
            coded = as_codes(texts, {name: found.drop_nulls().to_list() for name, found in values.items()})
            return self._written(rules, partition, coded, inputs)

    def _written(self, rules: Table, partition: str, rows: pl.LazyFrame, inputs: str) -> PartitionFile:
        folder = self.root / rules.name / partition
        seen: list[tuple[int, bool]] = []

        def look(part: pl.DataFrame) -> pl.DataFrame:
            seen.append((part.height, rules.takes(part)))
            return part

        with self._temporary() as path:
            # Rows with ids lie in order of arrival and are looked for by them, of which the least and the greatest tell nothing.
            with_bounds = not rules.packed
            with _new_file(path) as file:
                rows.map_batches(look, streamable=True, schema=rows.collect_schema()).sink_parquet(
                    file,
                    compression="zstd",
                    compression_level=1,
                    row_group_size=ROW_GROUP_ROWS,
                    statistics={"min": with_bounds, "max": with_bounds, "null_count": True},
                    # What a file says of its columns is its own: a column of codes that is called text is read as text.
                    metadata={ARROW_SCHEMA: rules.stored_schema_text} if rules.coded and not rules.keeps_codes else None,
                )
                os.fsync(file.fileno())
            if not all(taken for _, taken in seen):
                rules.check(pl.scan_parquet(path, glob=False))
            sha256, crc32 = _hashes(path)
            target = folder / f"{sha256}.parquet"
            with _disk_errors(target):
                is_new = not folder.exists()
                folder.mkdir(parents=True, exist_ok=True)
                path.replace(target)
                _SOUND[target] = _stamp(target)  # it was hashed just now
                _sync_folder(folder)
                if is_new:  # or a power cut could lose the folder that the catalogue lists
                    _sync_folder(folder.parent)
                    _sync_folder(self.root)
        height = sum(height for height, _ in seen)
        return PartitionFile(rules.name, partition, str(target.relative_to(self.root)), sha256, crc32, height, inputs)

    @contextmanager
    def staged(self, frame: pl.LazyFrame) -> Iterator[pl.LazyFrame]:
        """The rows of ``frame``, calculated once and kept in a temporary file for as long as the block runs."""
        with self._temporary() as path:
            with _new_file(path) as file:
                frame.sink_parquet(file, compression="uncompressed", statistics=False, row_group_size=ROW_GROUP_ROWS)
            yield pl.scan_parquet(path, glob=False)

    def publish(self, files: Iterable[PartitionFile]) -> list[PartitionFile]:
        """Make the files live in one transaction; gives those that changed something."""
        return self.catalogue.publish(files)

    def read(
        self, table: str, partitions: Collection[str] | None = None, unpublished: Iterable[PartitionFile] = ()
    ) -> pl.LazyFrame:
        """The live rows of a table, partitions in ascending order; none there: the table without rows.

        A file in ``unpublished`` is read in place of the live one of its partition.
        """
        return unpacked(self.read_packed(table, partitions, unpublished), TABLES[table].packed)

    def read_packed(
        self, table: str, partitions: Collection[str] | None = None, unpublished: Iterable[PartitionFile] = ()
    ) -> pl.LazyFrame:
        """The same as it is kept, ids that the table packs in their parts: what reads millions of rows handles no text."""
        files = [file for file in self._files(table, partitions, unpublished) if file.rows]
        if not files:
            return pl.LazyFrame(schema=TABLES[table].stored_schema)
        if TABLES[table].keeps_codes:
            return pl.concat(self._as_text(file) for file in files)
        return pl.scan_parquet([self._existing(file) for file in files], glob=False)

    def read_as_kept(self, table: str, partition: str) -> pl.LazyFrame:
        """The live rows of one partition with ids in their parts, and codes where the table keeps them."""
        file = self._files(table, [partition], ())
        return (
            pl.scan_parquet(self._existing(file[0]), glob=False)
            if file
            else pl.LazyFrame(schema=TABLES[table].stored_schema)
        )

    def read_days(
        self, table: str, days: Collection[str] | None = None, unpublished: Iterable[PartitionFile] = ()
    ) -> pl.LazyFrame:
        """As ``read``, of a daily table, with the ``delivery_day`` of each row as first column."""
        return unpacked(self.read_days_packed(table, days, unpublished), TABLES[table].packed)

    def read_days_packed(
        self, table: str, days: Collection[str] | None = None, unpublished: Iterable[PartitionFile] = ()
    ) -> pl.LazyFrame:
        """The same as it is kept, ids in their parts: what looks for few rows among many makes text of those alone."""
        frames = [
            self._as_text(file).select(pl.lit(date.fromisoformat(file.partition)).alias("delivery_day"), pl.all())
            for file in self._files(table, days, unpublished)
            if file.rows
        ]
        if not frames:
            return pl.LazyFrame(schema={"delivery_day": pl.Date(), **TABLES[table].stored_schema})
        return pl.concat(frames)

    def read_id(self, table: str, column: str, value: str, days: Collection[str] | None = None) -> pl.LazyFrame:
        """As ``read_days``, the rows whose id is ``value`` alone; the table packs ids of ``column``."""
        return unpacked(self.read_days_packed(table, days).filter(is_id(column, value)), TABLES[table].packed)

    def has(self, file: PartitionFile) -> bool:
        """Whether the file is there; what is in it is looked at when it is read."""
        return (self.root / file.path).is_file()

    def rows(self, table: str, partition: str) -> int:
        """The number of rows of a live partition, 0 where there is none."""
        file = self.catalogue.live(table, [partition]).get(partition)
        return file.rows if file else 0

    def _files(
        self, table: str, partitions: Collection[str] | None, unpublished: Iterable[PartitionFile]
    ) -> list[PartitionFile]:
        wanted = None if partitions is None else set(partitions)
        files = self.catalogue.live(table, partitions)
        for file in unpublished:
            if file.table == table and (wanted is None or file.partition in wanted):
                files[file.partition] = file
        return [files[partition] for partition in sorted(files)]

    def sweep(self, pinned: Collection[int]) -> None:
        """Remove files that nobody lists, and replaced ones that no snapshot in ``pinned`` needs."""
        self.catalogue.forget_removed(pinned)
        listed = self.catalogue.paths()
        shutil.rmtree(self.root / _STAGING, ignore_errors=True)
        for path in self.root.glob("*/*/*.parquet"):
            if str(path.relative_to(self.root)) not in listed:
                path.unlink()

    def _as_text(self, file: PartitionFile) -> pl.LazyFrame:
        rows, rules = pl.scan_parquet(self._existing(file), glob=False), TABLES[file.table]
        return as_texts(rows, rules.coded) if rules.keeps_codes else rows

    def _existing(self, file: PartitionFile) -> Path:
        """The path of a file that is as it was written, by its checksum when a process reads it for the first time."""
        path = self.root / file.path
        try:
            seen = _stamp(path)
            if _SOUND.get(path) != seen:
                if _crc32(path) != file.crc32:
                    raise _damaged(path, "is not what was written")
                _SOUND[path] = seen
        except FileNotFoundError as error:
            raise _damaged(path, "is gone") from error
        except OSError as error:
            raise _damaged(path, f"cannot be read ({error.strerror})") from error
        return path

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        folder = self.root / _STAGING
        path = folder / f"{uuid.uuid4().hex}.parquet"
        with _disk_errors(folder):
            folder.mkdir(parents=True, exist_ok=True)
        try:
            yield path
        finally:
            with suppress(OSError):  # what stays is swept; the error that led here says more
                path.unlink(missing_ok=True)


@contextmanager
def _new_file(path: Path) -> Iterator[BinaryIO]:
    """A file to be written.

    Polars writes to the file, not to its path: threads of a query that failed would make the file anew after it was removed.
    """
    with _disk_errors(path), path.open("xb", buffering=0) as file:
        yield file


def fingerprint(*parts: object) -> str:
    """One hash over the texts of ``parts``, each kept apart: what a partition was made from."""
    return hashlib.sha256("\x1f".join(str(part) for part in parts).encode()).hexdigest()


def _stamp(path: Path) -> tuple[int, int, int]:
    found = path.stat()
    return found.st_ino, found.st_mtime_ns, found.st_size


def _hashes(path: Path) -> tuple[str, int]:
    """SHA-256 and CRC-32 of a file."""
    sha256, crc32 = hashlib.sha256(), 0
    for part in _parts(path):
        sha256.update(part)
        crc32 = add_crc32(part, crc32)
    return sha256.hexdigest(), crc32


def _crc32(path: Path) -> int:
    crc32 = 0
    for part in _parts(path):
        crc32 = add_crc32(part, crc32)
    return crc32


def _parts(path: Path) -> Iterator[memoryview]:
    """The bytes of a file, each part overwritten by the next."""
    into = memoryview(bytearray(_AT_ONCE))
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(into):
            yield into[:size]


def _damaged(path: Path, how: str) -> WarehouseError:
    return WarehouseError(
        f"the file of a partition {how}",
        where=str(path),
        remedy="restore it from a backup, or, where it holds rows of a feed, run its day again; "
        "`adledger verify` names every such file",
    )


def disk_refusal(error: Exception) -> str | None:
    """Why the system refused to write, in its words; None for an error that is not the system's.

    Polars raises a full disk as a ComputeError, and other refusals as an OSError without number, told by the text alone.
    """
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    told = _SYSTEM_ERROR.search(str(error))
    return os.strerror(int(told[1])) if told else str(error) if isinstance(error, OSError) else None


@contextmanager
def _disk_errors(place: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, pl.exceptions.ComputeError) as error:
        reason = disk_refusal(error)
        if reason is None:
            raise
        raise WarehouseError(
            f"the disk did not take it ({reason})",
            where=str(place),
            remedy="nothing was published; free space or mend the rights, then run the same command again",
        ) from error


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
