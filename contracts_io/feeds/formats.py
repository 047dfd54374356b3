"""The file formats of the landing folder: one reader each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from contracts_io.feeds.delimited import read_delimited
from contracts_io.feeds.landing import Delivery, LandingFile
from contracts_io.feeds.ndjson import read_ndjson
from contracts_io.feeds.parquet import read_parquet
from contracts_io.feeds.rows import FileRows
from contracts_io.settings import FeedSettings

_Reader = Callable[[LandingFile, str, FeedSettings], FileRows]
_READERS: Mapping[str, _Reader] = {".parquet": read_parquet, ".csv": read_delimited, ".ndjson": read_ndjson}


def read_file(file: LandingFile, feed: str, settings: FeedSettings) -> FileRows:
    """The rows of a file of ``feed``, mapped; FeedError where it cannot be opened or the mapping does not fit it."""
    extension = next(known for known in _READERS if file.name.removesuffix(".gz").endswith(known))
    return _READERS[extension](file, feed, settings)


def read_delivery(delivery: Delivery, settings: FeedSettings) -> tuple[FileRows, ...]:
    """The rows of every file of a delivery, in the order of their names."""
    return tuple(read_file(file, delivery.feed, settings) for file in delivery.files)
