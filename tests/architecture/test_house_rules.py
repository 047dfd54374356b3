"""How modules are written: docstrings, sizes, names, and where money may be rounded."""

from __future__ import annotations

import ast

import pytest
from source_tree import REPOSITORY, Module, modules

MOST_LINES = 400
LONGER_WITH_REASON = {
    "contracts_io.frames": "one declaration per table, side by side: split, a column's meaning would be looked for twice",
}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "misc", "shared", "base_utils", "tools"}
PATHS = {"root", "_root", "folder", "landing"}

every_module = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
where_money_is = pytest.mark.parametrize(
    "module",
    [m for m in modules() if m.package in ("contracts_io", "pipelines") and m.name != "contracts_io.money"],
    ids=lambda module: module.name,
)


@every_module
def test_every_module_opens_with_a_docstring(module: Module) -> None:
    assert ast.get_docstring(module.tree)


@pytest.mark.parametrize("module", [m for m in modules() if m.path.name == "__init__.py"], ids=lambda module: module.name)
def test_a_package_file_is_a_docstring_and_nothing_else(module: Module) -> None:
    assert len(module.tree.body) == 1


@every_module
def test_no_module_is_longer_than_can_be_read_in_one_sitting(module: Module) -> None:
    assert module.lines <= MOST_LINES or module.name in LONGER_WITH_REASON


def test_every_exception_to_the_length_is_still_needed() -> None:
    assert {module.name for module in modules() if module.lines > MOST_LINES} == LONGER_WITH_REASON.keys()


@every_module
def test_no_module_is_a_drawer_for_odds_and_ends(module: Module) -> None:
    assert module.name.split(".")[-1] not in EMPTY_NAMES


@where_money_is
def test_money_is_rounded_and_divided_in_the_money_module_only(module: Module) -> None:
    """No rounding call, no cast to a decimal, no true division: ``/`` joins paths and nothing else."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in ("round", "quantize", "round_sig_figs", "truediv", "float", "mean"):
                found.append(f"line {node.lineno}: {name}")
            narrower = ("Decimal(", "RATE_TYPE", "FACTOR_TYPE")  # a sum of nanos is cast to nanos, without a loss
            if name == "cast" and any(dtype in ast.unparse(argument) for argument in node.args for dtype in narrower):
                found.append(f"line {node.lineno}: cast to a decimal")
        elif isinstance(node, (ast.BinOp, ast.AugAssign)) and isinstance(node.op, ast.Div) and not _joins_paths(node):
            found.append(f"line {node.lineno}: {ast.unparse(node)}")
        elif isinstance(node, ast.Attribute) and node.attr in ("Float32", "Float64"):
            found.append(f"line {node.lineno}: {node.attr}")
    assert found == []


def _joins_paths(node: ast.BinOp | ast.AugAssign) -> bool:
    first: ast.expr = node.left if isinstance(node, ast.BinOp) else node.target
    while isinstance(first, ast.BinOp) and isinstance(first.op, ast.Div):
        first = first.left
    name = first.attr if isinstance(first, ast.Attribute) else getattr(first, "id", "")
    return name in PATHS


@pytest.mark.parametrize(
    ("expression", "joins"),
    [
        ("root / 'landing'", True),
        ("self._root / table / partition", True),
        ("units / 1000", False),
        ("pl.col('amount') / pl.col('folder')", False),
    ],
)
def test_the_rule_tells_a_path_from_a_division(expression: str, joins: bool) -> None:
    node = ast.parse(expression, mode="eval").body
    assert isinstance(node, ast.BinOp)
    assert _joins_paths(node) is joins


def test_workspace_and_project_point_at_the_same_definitions() -> None:
    assert "module_name: assets.definitions" in (REPOSITORY / "workspace.yaml").read_text()
    assert 'module_name = "assets.definitions"' in (REPOSITORY / "pyproject.toml").read_text()
