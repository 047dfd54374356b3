"""A warehouse on top of another: reads what is there, keeps what is written to itself, and is gone when the block ends.

What a draft contract would change is computed by the same functions on the same tables, and nothing of it reaches the home.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from contracts_io.warehouse import Listing, PartitionFile, Warehouse


@contextmanager
def overlaid(base: Warehouse) -> Iterator[Warehouse]:
    """A warehouse that shows the live tables of ``base`` until it has its own."""
    with tempfile.TemporaryDirectory(prefix="adledger-") as folder:
        yield Warehouse(Path(folder), _Above(base.catalogue, base.root.resolve()))


class _Above:
    """The listing of an overlay: its own files, else those of the listing below, which is never written to."""

    def __init__(self, below: Listing, root: Path) -> None:
        self._below = below
        self._root = root
        self._own: dict[str, dict[str, PartitionFile]] = {}

    def live(self, table: str, partitions: Collection[str] | None = None) -> dict[str, PartitionFile]:
        """The live files of a table by partition, ascending."""
        below = {
            partition: replace(file, path=str(self._root / file.path))
            for partition, file in self._below.live(table, partitions).items()
        }
        own = {p: file for p, file in self._own.get(table, {}).items() if partitions is None or p in partitions}
        return dict(sorted((below | own).items()))

    def publish(self, files: Iterable[PartitionFile]) -> list[PartitionFile]:
        """Make files live here; gives those that were not."""
        new = [file for file in files if self.live(file.table, [file.partition]).get(file.partition) != file]
        for file in new:
            self._own.setdefault(file.table, {})[file.partition] = file
        return new

    def forget_removed(self, pinned: Collection[int]) -> None:
        """Nothing: an overlay is dropped as a whole."""

    def paths(self) -> set[str]:
        """The path of every file of its own."""
        return {file.path for files in self._own.values() for file in files.values()}
