"""The packages of the house as syntax trees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("contracts_io", "pipelines", "assets", "services")


class Module(NamedTuple):
    """A module: dotted name, file, source, tree."""

    name: str
    path: Path
    source: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return self.name.split(".")[0]

    @property
    def lines(self) -> int:
        return len(self.source.splitlines())


class Import(NamedTuple):
    """An imported module; ``typing_only``: under ``if TYPE_CHECKING``."""

    name: str
    line: int
    typing_only: bool

    @property
    def package(self) -> str:
        return self.name.split(".")[0]


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the four packages, ``__init__`` among them."""
    found = []
    for package in PACKAGES:
        for path in sorted((REPOSITORY / package).rglob("*.py")):
            name = ".".join(path.relative_to(REPOSITORY).with_suffix("").parts).removesuffix(".__init__")
            source = path.read_text(encoding="utf-8")
            found.append(Module(name, path, source, ast.parse(source)))
    return tuple(found)


def imports(module: Module) -> Iterator[Import]:
    """Everything that a module imports, at any depth; ``from x import y`` is ``x.y`` where that is a module, else ``x``."""
    names = {other.name for other in modules()}
    typing_only = {
        id(inner)
        for node in ast.walk(module.tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, id(node) in typing_only)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.name}:{node.lineno}: a relative import"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield Import(whole if whole in names else str(node.module), node.lineno, id(node) in typing_only)


def is_standard(package: str) -> bool:
    return package in sys.stdlib_module_names
