"""What a command does not load, so that it is there at once, and what it leaves to the process as it was."""

from __future__ import annotations

import gc
import os
import subprocess
import sys

import pytest

from services import cli, process


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


def said_by_a_process(program: str, **environment: str) -> list[str]:
    inherited = {name: value for name, value in os.environ.items() if name != process.ALLOCATOR}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60, env=inherited | environment
    )
    return [line.strip() for line in (done.stdout + done.stderr).splitlines()]


@pytest.mark.skipif(sys.platform == "win32", reason="Polars has another allocator there")
def test_polars_keeps_freed_memory_in_an_arena_for_each_processor_and_for_a_second() -> None:
    set_up = "import os; from services import process; process.set_up()"
    shown = "os.environ[process.ALLOCATOR] += ',stats_print:true'; import polars"
    options = [line for line in said_by_a_process(f"{set_up}; {shown}") if line.startswith("opt.")]
    assert [
        line for line in options if line.split()[0] in ("opt.narenas:", "opt.dirty_decay_ms:", "opt.muzzy_decay_ms:")
    ] == [
        f"opt.narenas: {os.cpu_count()}",
        "opt.dirty_decay_ms: 1000 (arenas.dirty_decay_ms: 1000)",
        "opt.muzzy_decay_ms: 0 (arenas.muzzy_decay_ms: 0)",
    ]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, f"narenas:{os.cpu_count()},dirty_decay_ms:1000,muzzy_decay_ms:0"),
        ({process.ALLOCATOR: "narenas:7"}, "narenas:7"),
    ],
    ids=["nothing set", "set by an operator"],
)
def test_the_command_tells_the_allocator_what_no_operator_has(environment: dict[str, str], expected: str) -> None:
    told = "import atexit, os, sys; from services import cli, process; sys.argv = ['adledger', '--version']"
    program = f"{told}; atexit.register(lambda: print(os.environ[process.ALLOCATOR])); cli.main()"
    assert said_by_a_process(program, **environment)[-1] == expected
