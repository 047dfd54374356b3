"""The pages name every command and every table."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

import click
import pytest
from source_tree import REPOSITORY, Module, modules

from contracts_io.formats.exports import EXPORTS
from contracts_io.frames import TABLES
from services import cli


def _commands(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[str]:
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
    else:
        yield " ".join(path)


def _group() -> click.Group:
    return next(found for found in (getattr(cli, name, None) for name in ("cli", "main")) if isinstance(found, click.Group))


COMMANDS = sorted(_commands(_group()))


@pytest.mark.parametrize("command", COMMANDS)
def test_the_page_of_commands_names_every_command(command: str) -> None:
    assert f"adledger {command}" in (REPOSITORY / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("command", sorted({command.split()[0] for command in COMMANDS}))
def test_the_readme_names_every_command(command: str) -> None:
    assert f"adledger {command}" in (REPOSITORY / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", sorted({*TABLES, *EXPORTS}))
def test_the_reference_names_every_table(table: str) -> None:
    page = (REPOSITORY / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    assert f"`{table}`" in page


@pytest.mark.parametrize("table", sorted(TABLES))
def test_the_reference_names_every_column_of_the_warehouse(table: str) -> None:
    page = (REPOSITORY / "docs" / "reference" / "tables.md").read_text(encoding="utf-8")
    assert [column for column in TABLES[table].columns if f"`{column}`" not in page] == []


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_every_command_that_a_message_recommends_exists(module: Module) -> None:
    """What stands in a message as `adledger <command>` can be typed."""
    texts = [n.value for n in ast.walk(module.tree) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    named = {words for text in texts for words in re.findall(r"(?:`|see |run )adledger ([a-z]+(?: [a-z]+)?)", text)}
    unknown = {words for words in named if words not in COMMANDS and words.split()[0] not in COMMANDS}
    assert unknown == set()
