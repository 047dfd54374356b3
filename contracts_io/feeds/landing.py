"""Deliveries: the files of one feed and delivery day, known by their hashes before anything is read from them.

A delivery is what lies in ``landing/<feed>/<delivery-day>/``; with a ``manifest.json`` it is checked against it. Nothing in
the landing folder is ever written.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

from contracts_io.errors import FeedError
from contracts_io.feeds.columns import FEEDS
from contracts_io.settings import FeedSettings

EXTENSIONS = (".parquet", ".csv", ".csv.gz", ".ndjson", ".ndjson.gz")
MANIFEST = "manifest.json"
_BLOCK = 1 << 20


@dataclass(frozen=True)
class LandingFile:
    """A file as it was found: its name in the folder, where it is, bytes, SHA-256 in lower-case hex, time of last change."""

    name: str
    path: Path
    size: int
    sha256: str
    changed_ns: int | None = None


@dataclass(frozen=True)
class Delivery:
    """The files of one feed and delivery day, sorted by name.

    ``fingerprint`` is a SHA-256 over the names and hashes of the files and the feed's settings in force: where it is the
    same, the same rows are read in the same way. ``manifest_rows`` is what the manifest announces by file name, None
    without one.
    """

    feed: str
    day: date
    folder: Path
    files: tuple[LandingFile, ...]
    fingerprint: str
    manifest_rows: Mapping[str, int] | None = None


def find_delivery(landing: Path, feed: str, day: date, settings: FeedSettings) -> Delivery:
    """The delivery of ``feed`` for ``day``, hashed and checked against its manifest.

    Empty where the feed is switched off, and where the folder is absent and the feed is not an awaited one. FeedError where
    an awaited folder is absent, a file is none that can be read, or the manifest is not met.
    """
    folder = landing / feed / day.isoformat()
    try:
        return _found(folder, feed, day, settings)
    except OSError as error:  # of a file that cannot be read FeedError says so
        raise FeedError(f"cannot be read: {error.strerror}", where=str(error.filename or folder), remedy=_READABLE) from None


def _found(folder: Path, feed: str, day: date, settings: FeedSettings) -> Delivery:
    if not settings.enabled:
        return _delivery(feed, day, folder, (), settings, None)
    if not folder.is_dir():
        if folder.exists():
            raise FeedError(
                "is a file, not a folder of files", where=str(folder), remedy="drop the files in a folder of that name"
            )
        if FEEDS[feed].awaited:
            raise FeedError(
                f"the {feed} of {day} have not been delivered: this folder is awaited",
                where=str(folder),
                remedy=f"deliver it (it may be empty), or switch the feed off with 'enabled = false' under [feeds.{feed}]",
            )
        return _delivery(feed, day, folder, (), settings, None)
    entries = sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
    files = tuple(_file(entry) for entry in entries if entry.name != MANIFEST)
    manifest = folder / MANIFEST
    return _delivery(feed, day, folder, files, settings, _verify(manifest, files) if manifest in entries else None)


def check_manifest_rows(delivery: Delivery, rows_by_file: Mapping[str, int]) -> None:
    """FeedError where a file has another number of rows, unreadable ones among them, than its manifest announces."""
    for name, announced in (delivery.manifest_rows or {}).items():
        found = rows_by_file.get(name, 0)
        if found != announced:
            raise FeedError(
                f"has {found} rows where {MANIFEST} announces {announced}", where=str(delivery.folder / name), remedy=_AGAIN
            )


def require_unchanged(delivery: Delivery) -> None:
    """FeedError where a file is no longer the one that was hashed, by size and time of last change."""
    for file in delivery.files:
        found = file.path.stat() if file.path.exists() else None
        if found is None or (found.st_size, found.st_mtime_ns) != (file.size, file.changed_ns):
            raise FeedError(
                "was changed while it was read", where=str(file.path), remedy="run the day again once it is delivered whole"
            )


_READABLE = "make it readable"
_AGAIN = "deliver the folder again, complete, with its manifest"


def _delivery(
    feed: str,
    day: date,
    folder: Path,
    files: tuple[LandingFile, ...],
    settings: FeedSettings,
    manifest_rows: Mapping[str, int] | None,
) -> Delivery:
    in_force = {
        "enabled": settings.enabled,
        "null_values": sorted(settings.null_values),
        "columns": {name: asdict(mapping) for name, mapping in settings.columns.items()},
    }
    made_from = {"feed": feed, "files": [[file.name, file.sha256] for file in files], "settings": in_force}
    fingerprint = hashlib.sha256(json.dumps(made_from, sort_keys=True).encode()).hexdigest()
    return Delivery(feed, day, folder, files, fingerprint, manifest_rows)


def _file(path: Path) -> LandingFile:
    if path.is_dir():
        raise FeedError(
            "is a folder where files are expected", where=str(path), remedy="put its files in the folder of the day"
        )
    if not path.name.endswith(EXTENSIONS):
        raise FeedError("is not a file of a known kind", where=str(path), remedy=f"deliver one of {', '.join(EXTENSIONS)}")
    digest = hashlib.sha256()
    size = 0
    try:
        changed_ns = path.stat().st_mtime_ns
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
                size += len(block)
    except OSError as error:
        raise FeedError(f"cannot be read: {error.strerror}", where=str(path), remedy=_READABLE) from None
    return LandingFile(path.name, path, size, digest.hexdigest(), changed_ns)


def _verify(manifest: Path, files: tuple[LandingFile, ...]) -> Mapping[str, int]:
    """The rows that the manifest announces, by file name, once names and hashes are as it says."""
    announced = _manifest(manifest)
    found = {file.name: file for file in files}
    if missing := sorted(announced.keys() - found.keys()):
        raise FeedError(f"announces files that are not there: {', '.join(missing)}", where=str(manifest), remedy=_AGAIN)
    if extra := sorted(found.keys() - announced.keys()):
        raise FeedError(f"does not announce files that are there: {', '.join(extra)}", where=str(manifest), remedy=_AGAIN)
    for name, (_, sha256) in announced.items():
        if found[name].sha256 != sha256:
            raise FeedError(
                f"is not the file that {MANIFEST} announces: its hash differs", where=str(found[name].path), remedy=_AGAIN
            )
    return {name: rows for name, (rows, _) in announced.items()}


def _manifest(path: Path) -> dict[str, tuple[int, str]]:
    """Rows and hash by file name, as the manifest states them."""
    form = 'write it as {"files": [{"name": "...", "rows": 123, "sha256": "..."}]}'
    try:
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise FeedError(f"is not JSON: {error}", where=str(path), remedy=form) from None
    entries = document.get("files") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise FeedError("has no list of files", where=str(path), remedy=form)
    announced: dict[str, tuple[int, str]] = {}
    for position, entry in enumerate(entries, 1):
        name, rows, sha256 = (entry.get(key) if isinstance(entry, dict) else None for key in ("name", "rows", "sha256"))
        if not (isinstance(name, str) and type(rows) is int and rows >= 0 and isinstance(sha256, str)):
            raise FeedError(
                f"its file number {position} lacks a name, a number of rows or a hash", where=str(path), remedy=form
            )
        if name in announced:
            raise FeedError(f"announces {name} twice", where=str(path), remedy=form)
        announced[name] = (rows, sha256.lower())
    return announced
