"""Fixtures that more than one folder of tests uses."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from contracts_io.home import Home

OF_A_HOME = ("ADLEDGER_HOME", "DAGSTER_HOME", "ADLEDGER_DATABASE_URL", "ADLEDGER_FIRST_DAY")


@pytest.fixture(autouse=True)
def _no_home_from_outside() -> Iterator[None]:
    """No test sees a home named in the environment, nor leaves one behind."""
    kept = {name: os.environ.pop(name) for name in OF_A_HOME if name in os.environ}
    yield
    for name in OF_A_HOME:
        os.environ.pop(name, None)
    os.environ.update(kept)


@pytest.fixture
def copy_of(tmp_path: Path) -> Callable[[Home], Home]:
    """A function that copies a home to a place of its own, so that a test may change it."""

    def copied(home: Home) -> Home:
        target = tmp_path / "copied-home"
        shutil.copytree(home.root, target)
        return Home.open(target)

    return copied
