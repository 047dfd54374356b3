"""The command line as tests use it: one process a command, as a user or a scheduler runs it."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from click.testing import CliRunner

from services.cli import cli

COMMAND = [sys.executable, "-m", "services.cli"]
SECONDS = 300


def adledger(
    home: Path,
    *words: object,
    expect: int = 0,
    database_url: str | None = None,
    owner_url: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run ``adledger`` on a home; the exit status must be ``expect`` and no traceback may be printed.

    The books are in the home, or at ``database_url``; ``owner_url`` is the same as the role that owns the tables.
    """
    environment = {key: value for key, value in os.environ.items() if not key.startswith("ADLEDGER_")}
    if database_url:
        environment["ADLEDGER_DATABASE_URL"] = database_url
    if owner_url:
        environment["ADLEDGER_OWNER_DATABASE_URL"] = owner_url
    done = subprocess.run(
        [*COMMAND, *(str(word) for word in words), "--home", str(home)],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=environment,
        check=False,
    )
    assert done.returncode == expect, f"{words}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


@contextmanager
def without_history() -> Iterator[None]:
    """Have the orchestrator of this process remember its runs in memory only: writing them costs more than a small day."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dg.DagsterInstance, "get", dg.DagsterInstance.ephemeral)
        yield


def typed(home: Path, *words: object, database_url: str | None = None, owner_url: str | None = None) -> None:
    """The same in this process, which saves starting one; the command must succeed."""
    environment: dict[str, str | None] = {
        "ADLEDGER_DATABASE_URL": database_url,
        "ADLEDGER_OWNER_DATABASE_URL": owner_url,
        "ADLEDGER_HOME": None,
    }
    with without_history():
        done = CliRunner(env=environment).invoke(cli, [*(str(word) for word in words), "--home", str(home)])
    assert done.exit_code == 0, f"{words}: exit {done.exit_code}\n{done.output}\n{done.exception!r}"


def table(folder: Path, name: str) -> list[dict[str, str]]:
    """An exported CSV table as a list of rows."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counted(rows: Iterable[Mapping[str, str]], columns: list[str]) -> Counter[tuple[str, ...]]:
    """Rows as a multiset of the values of ``columns``."""
    return Counter(tuple(row[column] for column in columns) for row in rows)
