"""The home: one folder with everything of one installation, and the doors into it.

    adledger.toml   settings            landing/    what upstream systems drop, never written by adledger
    books.db        contracts, documents, journal   warehouse/  tables of the pipeline   documents/  exports

The books may live elsewhere: ``database_url`` in the settings, or the environment variable ``ADLEDGER_DATABASE_URL``, which
goes first, so that a password never stands in a file. ``ADLEDGER_OWNER_DATABASE_URL``, where it is set, is the same database
as the role that owns its tables: it is used to make and upgrade them, and for nothing else.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from contracts_io.calendar import Month
from contracts_io.errors import HomeError
from contracts_io.settings import DEFAULT_SETTINGS, Settings, load_settings
from contracts_io.store import rights
from contracts_io.store.base import in_file, open_engine
from contracts_io.store.catalogue import Catalogue
from contracts_io.store.contracts import ContractStore
from contracts_io.store.documents import Books
from contracts_io.store.revision import check, upgrade
from contracts_io.warehouse import Warehouse

if TYPE_CHECKING:
    import sqlalchemy as sa

SETTINGS_FILE = "adledger.toml"
OWNER_URL = "ADLEDGER_OWNER_DATABASE_URL"
LOCK_SECONDS = 600
_HELD: set[Path] = set()


class Home:
    """An installation, opened. ``Home.open`` raises HomeError where there is none."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def open(cls, root: Path) -> Home:
        """The home at ``root``."""
        if not (root / SETTINGS_FILE).is_file():
            raise HomeError(
                f"there is no adledger home here (no {SETTINGS_FILE})",
                where=str(root),
                remedy=f"make one with `adledger init --home {root}`, or name another with --home or ADLEDGER_HOME",
            )
        return cls(root)

    @classmethod
    def create(cls, root: Path) -> Home:
        """A home at ``root``: whatever of it is not there yet is made, whatever is there stays as it is.

        Books of an earlier revision are brought up to date. BooksError where that cannot be.
        """
        try:
            for folder in (root, root / "landing", root / "warehouse", root / "documents"):
                folder.mkdir(parents=True, exist_ok=True)
            settings = root / SETTINGS_FILE
            if not settings.exists():
                unfinished = settings.with_suffix(".tmp")
                unfinished.write_text(DEFAULT_SETTINGS, encoding="utf-8")
                unfinished.replace(settings)
        except OSError as error:
            raise HomeError(
                f"a home cannot be made here ({error.strerror})", where=str(root), remedy="choose a folder you can write"
            ) from error
        home = cls(root)
        home._upgrade_books()
        return home

    def _upgrade_books(self) -> None:
        ours = open_engine(self._database_url)
        owner_url = os.environ.get(OWNER_URL)
        if owner_url:
            owner = open_engine(owner_url)
            role = rights.role_besides(owner, ours)
            upgrade(owner, init=self._init)
            rights.grant(owner, role)
            owner.dispose()
            check(ours, init=self._init)
        else:
            upgrade(ours, init=self._init)
        ours.dispose()

    @cached_property
    def settings(self) -> Settings:
        """What ``adledger.toml`` says; SettingsError where it cannot be followed."""
        return load_settings(self.root / SETTINGS_FILE)

    @cached_property
    def engine(self) -> sa.Engine:
        """The books; BooksError where they are not there, or of another revision than this program works with."""
        engine = open_engine(self._database_url)
        check(engine, init=self._init)
        return engine

    @property
    def _database_url(self) -> str | sa.URL:
        url = os.environ.get("ADLEDGER_DATABASE_URL") or self.settings.database_url
        return url or in_file(self.root / "books.db")

    @property
    def _init(self) -> str:
        return f"adledger init --home {self.root}"

    @cached_property
    def warehouse(self) -> Warehouse:
        """The tables of the pipeline."""
        return Warehouse(self.root / "warehouse", Catalogue(self.engine))

    def warehouse_as_of(self, snapshot: int) -> Warehouse:
        """The tables as a snapshot had them, to be read only; whole where the books pin it."""
        return Warehouse(self.warehouse.root, Catalogue(self.engine, snapshot))

    @cached_property
    def contracts(self) -> ContractStore:
        """The contracts and their audit trail."""
        return ContractStore(self.engine)

    @cached_property
    def books(self) -> Books:
        """The issued documents, the journal and the closed months."""
        return Books(self.engine)

    @property
    def landing(self) -> Path:
        """What upstream systems drop."""
        return self.root / "landing"

    def days_run(self) -> list[date]:
        """The delivery days that are in, ascending."""
        return [date.fromisoformat(day) for day in self.warehouse.catalogue.live("feed_counts")]

    def days_delivered(self) -> list[date]:
        """The delivery days for which a landing folder of any feed is there, ascending."""
        found = set()
        for folder in self.landing.glob("*/????-??-??"):
            try:
                found.add(date.fromisoformat(folder.name))
            except ValueError:
                continue
        return sorted(found)

    def closed_through(self) -> date | None:
        """The last day of the latest closed month; None where no month is closed."""
        closed: list[Month] = list(self.books.closed_months())
        return closed[-1].last if closed else None

    def sweep(self) -> None:
        """Remove warehouse files that no live table and no issued document needs."""
        self.warehouse.sweep(self.books.pinned())

    @contextmanager
    def lock(self) -> Iterator[Home]:
        """Hold the home for one writer at a time; another process waits, HomeError after ten minutes.

        The lock is the kernel's and goes with the process, however it ends. It may be taken again by who holds it.
        """
        path = (self.root / "warehouse" / ".lock").resolve()
        if path in _HELD:
            yield self
            return
        with self._lock_file(path) as file:
            self._wait_for(file.fileno())
            _HELD.add(path)
            try:
                yield self
            finally:
                _HELD.discard(path)

    def _lock_file(self, path: Path) -> TextIO:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path.open("w")
        except OSError as error:
            raise HomeError(
                f"nothing can be written here ({error.strerror})",
                where=str(path.parent),
                remedy="nothing was changed; free space or mend the rights, then run the same command again",
            ) from error

    def _wait_for(self, handle: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                return fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise HomeError(
                        f"another adledger process has been writing here for {LOCK_SECONDS // 60} minutes",
                        where=str(self.root),
                        remedy="wait until it is done, or stop it, then run the same command again",
                    ) from None
                time.sleep(0.1)
