"""Books as ``adledger init`` makes them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from contracts_io.store.base import open_engine
from contracts_io.store.revision import upgrade


@contextmanager
def _books_at(url: str) -> Iterator[sa.Engine]:
    engine = open_engine(url)
    upgrade(engine, init="adledger init")
    yield engine
    engine.dispose()


@pytest.fixture
def engine(database_url: str | None, tmp_path: Path) -> Iterator[sa.Engine]:
    """Empty books of the latest revision, in SQLite and in PostgreSQL."""
    with _books_at(database_url or f"sqlite:///{tmp_path / 'books.db'}") as books:
        yield books


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[sa.Engine]:
    """The same in SQLite alone."""
    with _books_at(f"sqlite:///{tmp_path / 'books.db'}") as books:
        yield books


@pytest.fixture
def postgresql(postgresql_url: str) -> Iterator[sa.Engine]:
    """The same in PostgreSQL alone."""
    with _books_at(postgresql_url) as books:
        yield books
