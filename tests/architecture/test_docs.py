"""The pages say what the code does: links lead somewhere, commands can be typed, documents and settings are accepted."""

from __future__ import annotations

import importlib.util
import re
import shlex
from pathlib import Path

import click
import pytest
from source_tree import REPOSITORY

from contracts_io.accounts import Accounts
from contracts_io.contract import parse_document
from contracts_io.frames import INVOICE_LINE_KINDS, OUTCOMES, PAYOUT_LINE_KINDS, STATUSES
from contracts_io.settings import parse_settings
from pipelines.journal import invoice_postings, payout_postings
from pipelines.lines import LINE_KINDS
from services.cli import cli

PAGES = sorted([REPOSITORY / "README.md", REPOSITORY / "CHANGELOG.md", *(REPOSITORY / "docs").rglob("*.md")])
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def _name(page: Path) -> str:
    return str(page.relative_to(REPOSITORY))


def _blocks(language: str) -> list[tuple[str, str]]:
    return [
        (_name(page), text)
        for page in PAGES
        for found, text in _FENCE.findall(page.read_text(encoding="utf-8"))
        if found == language
    ]


def _headings(page: Path) -> set[str]:
    text = _FENCE.sub("", page.read_text(encoding="utf-8"))
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


def _commands() -> list[tuple[str, str]]:
    found = []
    for language in ("sh", "console"):
        for page, text in _blocks(language):
            for line in text.splitlines():
                typed = line.removeprefix("$ ") if language == "console" else line
                if (language == "sh" or line.startswith("$ ")) and typed.startswith("adledger "):
                    found.append((page, typed))
    return found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_link_leads_to_a_page_and_a_heading_that_are_there(page: Path) -> None:
    broken = []
    for target in _LINK.findall(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        if target.startswith("http"):
            continue
        path, _, heading = target.partition("#")
        linked = (page.parent / path).resolve() if path else page
        if not linked.exists() or (heading and heading not in _headings(linked)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize(("page", "typed"), _commands())
def test_a_command_that_a_page_shows_can_be_typed(page: str, typed: str) -> None:
    typed = re.sub(r"\$\(date [^)]*\)", "2026-10-05", typed)
    words = shlex.split(typed.split(" > ", maxsplit=1)[0].split(" | ", maxsplit=1)[0], comments=True)[1:]
    command: click.Command = cli
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.commands[words.pop(0)]
    if "-h" not in words and "--version" not in words:
        command.make_context(page, words)


@pytest.mark.parametrize(("page", "text"), [(p, t) for p, t in _blocks("yaml") if "contract_id:" in t])
def test_a_contract_that_a_page_shows_is_a_contract(page: str, text: str) -> None:
    assert parse_document(text, name=page).contract_id


@pytest.mark.parametrize(("page", "text"), _blocks("toml"))
def test_settings_that_a_page_shows_are_accepted(page: str, text: str) -> None:
    parse_settings(text, where=page)


def test_the_reference_of_tables_is_what_the_code_declares() -> None:
    spec = importlib.util.spec_from_file_location("generate", REPOSITORY / "docs" / "reference" / "generate.py")
    assert spec is not None and spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    assert generate.PAGE.read_text(encoding="utf-8") == generate.page(), "run docs/reference/generate.py"


def test_the_reference_names_every_account_that_a_document_posts_on() -> None:
    accounts = Accounts()
    posted = [*invoice_postings(accounts, 100, 19, owed=70), *payout_postings(accounts, 100, 10, cleared=70)]
    of_journal = (REPOSITORY / "docs" / "reference" / "tables.md").read_text(encoding="utf-8").partition("### `journal`")[2]
    (named,) = re.findall(r"^\| `account` \| text \| (.*) \|$", of_journal, re.MULTILINE)
    assert set(re.findall("`([^`]+)`", named)) == {posting.account for posting in posted}


def test_the_lines_of_invoices_and_of_statements_are_of_every_kind_that_a_month_can_entitle_to() -> None:
    assert {*INVOICE_LINE_KINDS, *PAYOUT_LINE_KINDS} == set(LINE_KINDS)


@pytest.mark.parametrize("word", [*STATUSES, *OUTCOMES, *LINE_KINDS, "adjustment"])
def test_the_page_of_rules_explains_every_status_outcome_and_kind_of_line(word: str) -> None:
    assert f"`{word}`" in (REPOSITORY / "docs" / "reference" / "rules.md").read_text(encoding="utf-8")
