"""The small world, run once for all scenarios."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from commands import without_history
from small_world import DAYS, TOOK, close, exported, make_home, run

from contracts_io.home import Home

REMEMBERING = dg.DagsterInstance.get
OF_HISTORY = ("test_sudden_death",)
"""The modules that look at what the orchestrator remembers."""


@pytest.fixture(scope="module", autouse=True)
def _history(request: pytest.FixtureRequest) -> Iterator[None]:
    """Scenarios are about the tables: but for some, no run history is written, which costs more than a small day."""
    if request.module.__name__.split(".")[-1] in OF_HISTORY:
        yield
        return
    with without_history():
        yield


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small world, run in order of days; a test that changes it takes a copy."""
    home = make_home(tmp_path_factory.mktemp("undisturbed") / "home")
    begun = time.monotonic()
    with pytest.MonkeyPatch.context() as patch:  # how long it takes is what kills are timed by
        patch.setattr(dg.DagsterInstance, "get", REMEMBERING)
        run(home, *DAYS)
    (home.root / TOOK).write_text(str(time.monotonic() - begun))
    return home


@pytest.fixture(scope="session")
def closed(undisturbed: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The same, with October closed."""
    target = tmp_path_factory.mktemp("closed") / "home"
    shutil.copytree(undisturbed.root, target)
    home = Home.open(target)
    close(home)
    return home


@pytest.fixture(scope="session")
def closed_tables(closed: Home, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Every exported table of that home."""
    return exported(closed, tmp_path_factory.mktemp("closed-tables"))
