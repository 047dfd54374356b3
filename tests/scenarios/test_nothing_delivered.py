"""A month for which nothing was delivered: what is written of it is empty and said to be, and nothing advises to close it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from small_world import FIRST, LAST, deliver, delivered_late

from contracts_io.errors import BooksError
from contracts_io.home import Home
from services.cli import cli

Copy = Callable[[Home], Home]


def typed(home: Home, *words: object) -> Result:
    return CliRunner().invoke(cli, [*map(str, words), "--home", str(home.root)])


@pytest.mark.parametrize("month", ["2025-12", "2026-09", "2027-01"])
def test_what_is_written_of_it_is_empty_and_said_to_be(undisturbed: Home, copy_of: Copy, tmp_path: Path, month: str) -> None:
    home = copy_of(undisturbed)
    warning = f"warning: nothing was delivered for {month}: delivery days go from {FIRST} to {LAST}\n"
    exported = typed(home, "export", month, "--draft", "--to", tmp_path, "--json")
    assert (exported.exit_code, exported.stderr) == (0, warning)
    assert set(json.loads(exported.stdout).values()) == {0}
    accrued = typed(home, "journal", month, "--accruals", "--to", "-")
    assert (accrued.exit_code, accrued.stderr) == (0, warning)
    assert accrued.stdout.count("\n") == 1
    written = typed(home, "journal", month, "--accruals", "--to", tmp_path)
    assert (written.exit_code, written.stderr) == (0, warning)


def test_a_month_that_something_was_delivered_for_is_written_without_a_warning(
    closed: Home, copy_of: Copy, tmp_path: Path
) -> None:
    home = copy_of(closed)
    for words in (
        ("export", "2026-11", "--draft"),
        ("export", "2026-10"),
        ("journal", "2026-11", "--accruals"),
        ("journal", "2026-10"),
    ):
        done = typed(home, *words, "--to", tmp_path)
        assert (done.exit_code, done.stderr) == (0, "")


def test_what_came_late_for_a_month_before_the_first_delivery_is_no_nothing(tmp_path: Path) -> None:
    home = delivered_late(tmp_path / "home")
    assert typed(home, "export", "2026-10", "--draft", "--to", tmp_path / "out").stderr == ""


def test_of_days_that_are_delivered_and_not_in_it_is_said_how_they_come_in(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    for day in (FIRST, LAST):
        deliver(home, "impressions", day, [])
    exported = typed(home, "export", "2026-10", "--draft", "--to", tmp_path / "out")
    assert (
        exported.stderr
        == f"warning: nothing that was delivered for 2026-10 is in: run `adledger backfill {FIRST} {FIRST}`\n"
    )


@pytest.mark.parametrize(
    ("words", "wanted"), [(("journal", "2025-01"), "issued entries"), (("export", "2025-01"), "issued documents")]
)
def test_nothing_advises_to_close_it(
    undisturbed: Home, copy_of: Copy, tmp_path: Path, words: tuple[str, ...], wanted: str
) -> None:
    refused = typed(copy_of(undisturbed), *words, "--to", tmp_path)
    assert isinstance(refused.exception, BooksError)
    assert str(refused.exception) == (
        f"2025-01 has no {wanted}: nothing was delivered for 2025-01: delivery days go from {FIRST} to {LAST}\n"
        "  -> see with `adledger status` which days are in and which months have some"
    )
    empty = Home.create(tmp_path / "empty")
    assert "nothing was delivered for 2025-01: there is no delivery day" in str(typed(empty, *words, "--to", "x").exception)
