"""Which package may import what: services -> assets -> pipelines -> the pure floor of contracts_io, and no way back."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest
from source_tree import PACKAGES, REPOSITORY, Module, imports, is_standard, modules

MAY_IMPORT = {
    "contracts_io": {"contracts_io"},
    "pipelines": {"contracts_io", "pipelines"},
    "assets": {"contracts_io", "pipelines", "assets"},
    "services": {"contracts_io", "pipelines", "assets", "services"},
}
PURE_FLOOR = {
    "contracts_io.accounts",
    "contracts_io.money",
    "contracts_io.calendar",
    "contracts_io.errors",
    "contracts_io.feeds.columns",
    "contracts_io.frames",
    "contracts_io.ids",
    "contracts_io.lifecycle",
    "contracts_io.pricing",
    "contracts_io.renewal",
    "contracts_io.terms",
    "contracts_io.texts",
    *(m.name for m in modules() if m.name.startswith(("contracts_io.contract", "contracts_io.expression"))),
}
OUTSIDE_WORLD = {
    "asyncio", "glob", "http", "io", "logging", "multiprocessing", "os", "pathlib", "random", "secrets", "shutil", "socket",
    "sqlite3", "subprocess", "sys", "tempfile", "threading", "time", "urllib", "uuid",
}  # fmt: skip

every_module = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)


def _of(package: str) -> list[Module]:
    return [module for module in modules() if module.package == package]


@every_module
def test_no_module_imports_against_the_arrows(module: Module) -> None:
    against = [
        f"line {found.line}: {found.name}"
        for found in imports(module)
        if found.package in PACKAGES and found.package not in MAY_IMPORT[module.package]
    ]
    assert against == []


@every_module
def test_dagster_is_known_to_assets_and_services_only(module: Module) -> None:
    known = [found.name for found in imports(module) if found.package == "dagster"]
    assert known == [] or module.package in ("assets", "services")


@every_module
def test_sqlalchemy_is_known_to_the_store_only_and_to_the_home_by_name(module: Module) -> None:
    if module.name.startswith("contracts_io.store"):
        return
    known = [found for found in imports(module) if found.package in ("sqlalchemy", "alembic")]
    assert known == [] or (module.name == "contracts_io.home" and all(found.typing_only for found in known))


@pytest.mark.parametrize("module", _of("pipelines"), ids=lambda module: module.name)
def test_pipelines_import_frames_engines_the_pure_floor_and_nothing_that_reaches_outside(module: Module) -> None:
    for found in imports(module):
        if found.package == "contracts_io":
            assert found.name in PURE_FLOOR, f"line {found.line}"
        elif is_standard(found.package):
            assert found.package not in OUTSIDE_WORLD, f"line {found.line}"
        else:
            assert found.package in ("pipelines", "polars", "duckdb", "pandera"), f"line {found.line}"


@pytest.mark.parametrize("module", _of("pipelines"), ids=lambda module: module.name)
def test_pipelines_open_no_file_and_read_no_clock(module: Module) -> None:
    calls = {_called(node) for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    assert calls & {"open", "now", "today", "utcnow", "getenv", "input", "print"} == set()
    assert {name for name in calls if name.startswith(("read_", "scan_", "sink_", "write_"))} == set()


@pytest.mark.parametrize("name", sorted(PURE_FLOOR))
def test_the_pure_floor_rests_on_nothing_but_itself(name: str) -> None:
    module = next(module for module in modules() if module.name == name)
    below = {found.name for found in imports(module) if found.package == "contracts_io"}
    assert below <= PURE_FLOOR


def test_pipelines_load_neither_dagster_nor_a_database() -> None:
    names = [module.name for module in _of("pipelines")]
    program = f"import sys, {', '.join(names)}\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"pipelines", "polars", "contracts_io"} <= set(loaded)
    assert {"dagster", "sqlalchemy", "assets", "services"} & set(loaded) == set()


def _called(node: ast.Call) -> str:
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
