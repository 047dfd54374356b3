"""What a command does not load, so that it is there at once, and what it leaves to the process as it was."""

from __future__ import annotations

import gc
import subprocess
import sys

import pytest

from services import cli


@pytest.mark.parametrize(
    ("modules", "unneeded"),
    [
        ("services.cli", {"polars", "pandera", "sqlalchemy", "sqlglot", "dagster", "rich"}),
        ("services.status, services.reports, services.show, services.billing", {"dagster", "sqlglot", "alembic.command"}),
    ],
    ids=["help", "status"],
)
def test_a_command_that_runs_nothing_loads_no_library_that_it_does_not_need(modules: str, unneeded: set[str]) -> None:
    program = f"import sys, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert unneeded & set(done.stdout.split()) == set()


def test_a_command_in_a_process_that_goes_on_leaves_garbage_collection_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["adledger", "--version"])
    before = gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(SystemExit) as ended:
        cli.answer()
    assert ended.value.code == 0
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
