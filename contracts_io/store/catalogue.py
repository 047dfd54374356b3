"""The catalogue: which file of the warehouse is the live one of each partition, and from which snapshot on.

Publishing is one transaction over any number of tables: the files become live together or not at all. A file that was live
stays listed with the snapshot in which it was replaced, so a snapshot number pins everything that a document was made from.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

import sqlalchemy as sa

from contracts_io.store.base import metadata, reading, writing
from contracts_io.warehouse import PartitionFile

lake_head = sa.Table(
    "lake_head",
    metadata,
    sa.Column("one", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("snapshot", sa.BigInteger, nullable=False),
)
lake_file = sa.Table(
    "lake_file",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("table_name", sa.String(64), nullable=False),
    sa.Column("partition", sa.String(32), nullable=False),
    sa.Column("path", sa.String(255), nullable=False),
    sa.Column("sha256", sa.String(64), nullable=False),
    sa.Column("crc32", sa.BigInteger, nullable=False),
    sa.Column("rows", sa.BigInteger, nullable=False),
    sa.Column("inputs", sa.String(64), nullable=False),
    sa.Column("added", sa.BigInteger, nullable=False),
    sa.Column("removed", sa.BigInteger, nullable=True),
)
sa.Index(
    "uq_lake_file_live",
    lake_file.c.table_name,
    lake_file.c.partition,
    unique=True,
    sqlite_where=lake_file.c.removed.is_(None),
    postgresql_where=lake_file.c.removed.is_(None),
)


_FEW = 100
"""So many partitions are asked for by name; of more, all are read and those that are wanted are picked."""


class Catalogue:
    """The catalogue of one home's warehouse, as it is, or with ``snapshot`` as that had it, to be read only."""

    def __init__(self, engine: sa.Engine, snapshot: int | None = None) -> None:
        self._engine = engine
        self._snapshot = snapshot

    def live(self, table: str, partitions: Collection[str] | None = None) -> dict[str, PartitionFile]:
        """The live files of a table by partition, in ascending order; ``partitions`` narrows them."""
        with reading(self._engine) as connection:
            return _live(connection, table, partitions, self._is_live())

    def publish(self, files: Iterable[PartitionFile]) -> list[PartitionFile]:
        """Make the files live in one transaction; gives those that were not live already (none: nothing is written).

        Of several files of one partition the last stands.
        """
        if self._snapshot is not None:
            raise ValueError("a snapshot is read, never written to")
        last = {(file.table, file.partition): file for file in files}.values()
        with reading(self._engine) as connection:
            if not (new := _not_live(connection, last)):
                return []
        with writing(self._engine) as connection:
            snapshot = next_snapshot(connection)
            new = _not_live(connection, new)
            replaced = (
                lake_file.update()
                .where(
                    lake_file.c.table_name == sa.bindparam("table"),
                    lake_file.c.partition == sa.bindparam("of"),
                    lake_file.c.removed.is_(None),
                )
                .values(removed=snapshot)
            )
            if new:
                connection.execute(replaced, [{"table": file.table, "of": file.partition} for file in new])
                connection.execute(lake_file.insert(), [_row(file) | {"added": snapshot} for file in new])
        return new

    def _is_live(self) -> sa.ColumnElement[bool]:
        if self._snapshot is None:
            return lake_file.c.removed.is_(None)
        still = lake_file.c.removed.is_(None) | (lake_file.c.removed > self._snapshot)
        return (lake_file.c.added <= self._snapshot) & still

    def forget_removed(self, pinned: Collection[int]) -> None:
        """Drop the entries of replaced files that no snapshot in ``pinned`` needs."""
        kept = [(lake_file.c.added <= snapshot) & (lake_file.c.removed > snapshot) for snapshot in pinned]
        gone = lake_file.c.removed.is_not(None) & ~sa.or_(sa.false(), *kept)
        with reading(self._engine) as connection:
            if connection.execute(sa.select(lake_file.c.id).where(gone).limit(1)).first() is None:
                return
        with writing(self._engine) as connection:
            connection.execute(lake_file.delete().where(gone))

    def paths(self) -> set[str]:
        """The path of every file that the catalogue lists."""
        with reading(self._engine) as connection:
            return set(connection.scalars(sa.select(lake_file.c.path)))


def next_snapshot(connection: sa.Connection) -> int:
    """Take the next snapshot number; the row lock makes numbers follow the order of commits."""
    first = sa.text("INSERT INTO lake_head (one, snapshot) VALUES (1, 0) ON CONFLICT DO NOTHING")
    connection.execute(first)  # two processes may publish the first one at once
    connection.execute(lake_head.update().values(snapshot=lake_head.c.snapshot + 1))
    return current_snapshot(connection)


def current_snapshot(connection: sa.Connection) -> int:
    """The number of the latest published snapshot, 0 before the first."""
    return connection.scalar(sa.select(lake_head.c.snapshot)) or 0


def _live(
    connection: sa.Connection, table: str, partitions: Collection[str] | None, is_live: sa.ColumnElement[bool]
) -> dict[str, PartitionFile]:
    query = sa.select(lake_file).where(lake_file.c.table_name == table, is_live)
    if partitions is not None and len(partitions) <= _FEW:
        query = query.where(lake_file.c.partition.in_(partitions))
    rows = connection.execute(query.order_by(lake_file.c.partition)).all()
    wanted = None if partitions is None else set(partitions)
    return {row.partition: _partition_file(row) for row in rows if wanted is None or row.partition in wanted}


def _not_live(connection: sa.Connection, files: Iterable[PartitionFile]) -> list[PartitionFile]:
    asked = list(files)
    partitions: dict[str, list[str]] = defaultdict(list)
    for file in asked:
        partitions[file.table].append(file.partition)
    live = {table: _live(connection, table, of_it, lake_file.c.removed.is_(None)) for table, of_it in partitions.items()}
    return [file for file in asked if live[file.table].get(file.partition) != file]


def _row(file: PartitionFile) -> dict[str, object]:
    return {
        "table_name": file.table,
        "partition": file.partition,
        "path": file.path,
        "sha256": file.sha256,
        "crc32": file.crc32,
        "rows": file.rows,
        "inputs": file.inputs,
    }


def _partition_file(row: sa.Row[tuple[object, ...]]) -> PartitionFile:
    return PartitionFile(row.table_name, row.partition, row.path, row.sha256, row.crc32, row.rows, row.inputs)
