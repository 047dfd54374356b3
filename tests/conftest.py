"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import sqlalchemy as sa

from contracts_io.home import Home

OF_A_HOME = (
    "ADLEDGER_HOME",
    "DAGSTER_HOME",
    "ADLEDGER_DATABASE_URL",
    "ADLEDGER_OWNER_DATABASE_URL",
    "ADLEDGER_FIRST_DAY",
)


@pytest.fixture(autouse=True)
def _no_home_from_outside() -> Iterator[None]:
    """No test sees a home named in the environment, nor leaves one behind."""
    kept = {name: os.environ.pop(name) for name in OF_A_HOME if name in os.environ}
    yield
    for name in OF_A_HOME:
        os.environ.pop(name, None)
    os.environ.update(kept)


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """An empty schema of the PostgreSQL that ``ADLEDGER_TEST_DATABASE_URL`` names; tests run side by side."""
    url = os.environ.get("ADLEDGER_TEST_DATABASE_URL")
    if not url:
        pytest.skip("ADLEDGER_TEST_DATABASE_URL names no PostgreSQL (postgresql+psycopg://user@host/name)")
    schema = f"adledger_test_{os.getpid()}"
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        there = engine.url.update_query_dict({"options": f"-csearch_path={schema}"})
        yield there.render_as_string(hide_password=False)
        connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
    engine.dispose()


class Roles(NamedTuple):
    """The URLs of the same books for the role that owns the tables, and for the one that adledger works with."""

    owner: str
    adledger: str


@pytest.fixture
def roles(postgresql_url: str) -> Iterator[Roles]:
    """Two roles on the ``postgresql_url``: the schema is the owner's, the other may do nothing yet."""
    admin = sa.create_engine(postgresql_url, isolation_level="AUTOCOMMIT")
    owner, adledger = (f"adledger_test_{role}_{os.getpid()}" for role in ("owner", "works"))
    with admin.connect() as connection:
        if not connection.scalar(sa.text("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")):
            pytest.skip("ADLEDGER_TEST_DATABASE_URL names a role that is no superuser, which cannot make roles for a test")
        schema = connection.scalar(sa.text("SELECT current_schema()"))
        for role in (owner, adledger):
            connection.exec_driver_sql(f"DROP ROLE IF EXISTS {role}")
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
        connection.exec_driver_sql(f"ALTER SCHEMA {schema} OWNER TO {owner}")
        urls = (admin.url.set(username=role, password="secret") for role in (owner, adledger))
        yield Roles(*(url.render_as_string(hide_password=False) for url in urls))
        for role in (owner, adledger):
            connection.exec_driver_sql(f"DROP OWNED BY {role} CASCADE")
            connection.exec_driver_sql(f"DROP ROLE {role}")
    admin.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str | None:
    """None: the home's own SQLite; else the ``postgresql_url``."""
    if request.param == "sqlite":
        return None
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Home], Home]:
    """A function that copies a home to a place of its own, so that a test may change it."""

    def copied(home: Home) -> Home:
        target = tmp_path / "copied-home"
        shutil.copytree(home.root, target)
        return Home.open(target)

    return copied
