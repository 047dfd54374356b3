"""Several delivery days worked on at once: a query costs as much for the few rows of a day as for those of a month.

What becomes of a day does not depend on the days beside it, nor does a day that fails stop those before it: where days fail
together they are worked on again one by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import polars as pl

from assets.touched import Touched
from contracts_io.errors import WarehouseError
from contracts_io.warehouse import PartitionFile, Warehouse

_AHEAD = 8


class Unwritten(NamedTuple):
    """A file that is to be written: ``frame``, and the fingerprint of what its rows were made from."""

    table: str
    partition: str
    frame: pl.DataFrame
    inputs: str

    @property
    def rows(self) -> int:
        """How many it will have."""
        return self.frame.height


def days_at_once(rows: Mapping[str, int], most: int) -> Iterator[list[str]]:
    """The days of ``rows``, how many each has, in their order and together up to ``most``; a day that has more is alone."""
    together: list[str] = []
    count = 0
    for day, height in rows.items():
        if together and count + height > most:
            yield together
            together, count = [], 0
        together.append(day)
        count += height
    if together:
        yield together


def one_by_one_where_they_fail(work: Callable[[Sequence[str]], Sequence[Touched]], days: Sequence[str]) -> Iterator[Touched]:
    """What ``work``, which publishes either all of the days it is given or none, makes of ``days``."""
    try:
        touched = work(days)
    except WarehouseError:
        if len(days) == 1:
            raise
        for day in days:
            yield from work([day])
    else:
        yield from touched


def there(warehouse: Warehouse, table: str, days: Collection[str]) -> dict[str, PartitionFile]:
    """The live files of these days, where they are listed and there."""
    return {day: file for day, file in warehouse.catalogue.live(table, days).items() if warehouse.has(file)}


def by_delivery_day(rows: pl.DataFrame) -> dict[str, pl.DataFrame]:
    """The rows of each day that has some, in their order."""
    return {str(day): own for (day,), own in rows.partition_by("delivery_day", as_dict=True).items()}


def written(warehouse: Warehouse, files: Iterable[PartitionFile | Unwritten]) -> list[PartitionFile]:
    """Write those of ``files`` that are not, one after the other, while the next ones are being made.

    WarehouseError where a disk or a table refuses one.
    """
    return [warehouse.write(*file) if isinstance(file, Unwritten) else file for file in _made_ahead(iter(files))]


def _made_ahead(files: Iterator[PartitionFile | Unwritten]) -> Iterator[PartitionFile | Unwritten]:
    """``files``, some of them made, in their order, before they are asked for."""
    with ThreadPoolExecutor(1) as maker:
        coming = deque(maker.submit(next, files, None) for _ in range(_AHEAD))
        while (file := coming.popleft().result()) is not None:
            coming.append(maker.submit(next, files, None))
            yield file
