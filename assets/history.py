"""Where Dagster keeps what it knows of this home: run history, schedules and sensors, in three SQLite files.

Dagster's own SQLite storage opens and closes a database, and syncs the disk, several times for every event; a run has some
fifty, and that cost more than the work of a small day. Here all events of all runs stand in one database that stays open, an
event or a batch of them is one transaction, and a commit waits for no disk: after a power cut the last events may be missing,
never one before them, and no table of money.

It overrides methods of Dagster that open connections, so it goes with the version that ``pyproject.toml`` asks for.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from dagster._config import StringSource
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.base_storage import DagsterStorage
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage
from dagster._core.storage.event_log.polling_event_watcher import SqlPollingEventWatcher
from dagster._core.storage.runs import SqliteRunStorage
from dagster._core.storage.schedules import SqliteScheduleStorage
from dagster._core.storage.sql import create_engine
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS, create_db_conn_string
from dagster._serdes import ConfigurableClass, ConfigurableClassData


def _engine(url: str) -> Any:
    def connect() -> sqlite3.Connection:
        path = url.removeprefix("sqlite:///")
        connection = sqlite3.connect(path, timeout=SQLITE_BUSY_TIMEOUT_SECONDS, check_same_thread=False)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        return connection

    return create_engine(url, creator=connect)


class _Runs(SqliteRunStorage):
    @cached_property
    def _engine(self) -> Any:
        return _engine(self._conn_string)

    @contextmanager
    def connect(self) -> Iterator[Any]:
        with self._engine.begin() as connection:
            yield connection

    def dispose(self) -> None:
        self._engine.dispose()


class _Events(ConsolidatedSqliteEventLogStorage):
    def __init__(self, base_dir: str) -> None:
        self._begun = threading.local()
        self._there: set[str] = set()
        super().__init__(base_dir)

    @cached_property
    def _engine(self) -> Any:
        return _engine(self._conn_string)

    @cached_property
    def _watcher(self) -> SqlPollingEventWatcher:
        return SqlPollingEventWatcher(self)

    @contextmanager
    def _connect(self) -> Iterator[Any]:
        if begun := getattr(self._begun, "connection", None):
            yield begun
            return
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _one_transaction(self) -> Iterator[None]:
        with self._connect() as connection:
            outer = getattr(self._begun, "connection", None)
            self._begun.connection = connection
            try:
                yield
            finally:
                self._begun.connection = outer

    def store_event(self, event: EventLogEntry) -> None:
        with self._one_transaction():
            super().store_event(event)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        with self._one_transaction():
            super().store_event_batch(events)

    def has_table(self, table_name: str) -> bool:
        # Asked anew for every check and for many an event; a table that is there stays.
        if table_name not in self._there and super().has_table(table_name):
            self._there.add(table_name)
        return table_name in self._there

    def watch(self, run_id: str, cursor: str | None, callback: Callable[[EventLogEntry, str], None]) -> None:
        # The file of a database that stays open does not change with every event.
        self._watcher.watch_run(run_id, cursor, callback)

    def end_watch(self, run_id: str, handler: Callable[[EventLogEntry, str], None]) -> None:
        self._watcher.unwatch_run(run_id, handler)

    def dispose(self) -> None:
        self._watcher.close()
        self._engine.dispose()


_DATABASES = {"runs": SqliteRunStorage.from_local, "event_log": ConsolidatedSqliteEventLogStorage}


def _made(folder: str) -> str:
    """The folder of the runs and events; where a database is not there, Dagster makes it: whole or not at all."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    for name, make in _DATABASES.items():
        there = Path(folder) / f"{name}.db"
        if not there.exists():
            with tempfile.TemporaryDirectory(dir=folder) as apart:
                make(apart)
                with suppress(FileExistsError):  # another process was quicker
                    os.link(Path(apart) / there.name, there)
    return folder


class History(DagsterStorage, ConfigurableClass):
    """The storage of the instance in a home; ``base_dir`` is the folder of its databases."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._inst_data = inst_data
        folder = _made(f"{base_dir}/history")
        self._runs = _Runs(create_db_conn_string(folder, "runs"))
        self._events = _Events(folder)
        self._schedules = SqliteScheduleStorage.from_local(f"{base_dir}/schedules")

    @property
    def inst_data(self) -> ConfigurableClassData | None:
        """Where Dagster made it from."""
        return self._inst_data

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        """What ``dagster.yaml`` says of it."""
        return {"base_dir": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]) -> History:
        """From what ``dagster.yaml`` says."""
        return cls(inst_data=inst_data, **config_value)

    def register_instance(self, instance: Any) -> None:
        """Have its parts know the instance that they are of."""
        super().register_instance(instance)
        for part in (self._runs, self._events, self._schedules):
            part.register_instance(instance)

    @property
    def event_log_storage(self) -> _Events:
        """The events of runs, materializations and checks."""
        return self._events

    @property
    def run_storage(self) -> _Runs:
        """The runs."""
        return self._runs

    @property
    def schedule_storage(self) -> SqliteScheduleStorage:
        """Schedules, sensors and their ticks."""
        return self._schedules

    def dispose(self) -> None:
        """Close the databases."""
        for part in (self._runs, self._events, self._schedules):
            part.dispose()
