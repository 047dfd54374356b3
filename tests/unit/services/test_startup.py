"""What a command does not load, so that it is there at once."""

from __future__ import annotations

import subprocess
import sys

import pytest


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
