"""What assets are given: the home, as a plain object that has never heard of Dagster."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from functools import cache
from pathlib import Path

import dagster as dg

from contracts_io.calendar import parse_instant
from contracts_io.home import SETTINGS_FILE, Home

_LENT: ContextVar[Home | None] = ContextVar("lent", default=None)


@contextmanager
def lent(home: Home) -> Iterator[None]:
    """Have the assets that run in this block, and in this process, work on ``home`` itself: what it has read stays read."""
    token = _LENT.set(home)
    try:
        yield
    finally:
        _LENT.reset(token)


def swept(home: Home) -> None:
    """Remove replaced files, unless the home is lent: who lent it may compare with them, and sweeps it afterwards."""
    if _LENT.get() is None:
        home.sweep()


@cache
def _opened(path: str, _settings_changed_at: int) -> Home:
    """One home object for as long as its settings stay as they are: contracts are parsed once, not once a step."""
    return Home.open(Path(path))


class HomeResource(dg.ConfigurableResource):  # type: ignore[type-arg]
    """The home whose tables the assets keep: ``path``, else the environment variable ``ADLEDGER_HOME``, else ./adledger-home."""

    path: str = ""

    def open(self) -> Home:
        """The home; HomeError where there is none."""
        path = self.path or os.environ.get("ADLEDGER_HOME") or "adledger-home"
        if (home := _LENT.get()) and home.root.resolve() == Path(path).resolve():
            return home
        settings = Path(path) / SETTINGS_FILE
        return _opened(path, settings.stat().st_mtime_ns if settings.exists() else 0)


KNOWN_AT_TAG = "adledger/known_at"
"""The tag of a run that goes by the contracts as they were known at an instant, for example 2026-10-20T02:19:53Z."""


def known_at(context: dg.AssetExecutionContext) -> datetime | None:
    """The instant that the run's tag names; None: everything that is approved is known."""
    text = context.run.tags.get(KNOWN_AT_TAG)
    return parse_instant(text) if text else None
