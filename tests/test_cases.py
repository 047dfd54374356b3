"""The worked cases, through the command line: every table of ``expected/`` and ``expected-after/``, to the cent.

The expected tables come from an independent implementation of the specification (``tests/cases/README.md``). They leave out
what a clock or a counter decides, so rows are compared by the columns that they have.
"""

from __future__ import annotations

import csv
import json
import re
import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from commands import adledger, counted, table, typed

CASES = Path(__file__).parent / "cases"
REFERENCE = Path(__file__).parents[1] / "docs" / "reference" / "tables.md"
EVENT_MONTHS = ["2026-09", "2026-10", "2026-11"]
"""The months that hold something of a case; those before and after are empty."""
ON_POSTGRESQL = ["6-amended"]
IN_PROCESSES = ["1-flat"]
"""The case whose commands are run as a user or a scheduler does, a process each; the others are typed in this process."""
NAMES = sorted(path.parent.name for path in CASES.glob("*/case.json"))


@pytest.mark.parametrize(
    ("case", "database"), [*((name, "sqlite") for name in NAMES), *((name, "postgresql") for name in ON_POSTGRESQL)]
)
def test_a_worked_case_agrees_in_every_table(
    case: str, database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    # On PostgreSQL the tables belong to another role than works with them.
    roles: Any = request.getfixturevalue("roles") if database == "postgresql" else None
    folder, home = CASES / case, tmp_path / "home"
    run = partial(adledger if case in IN_PROCESSES else typed, home, database_url=roles and roles.adledger)
    shutil.copytree(folder / "landing", home / "landing")
    run("init", owner_url=roles and roles.owner)
    closed: list[str] = []

    def submit_and_approve(documents: Sequence[Path], *words: str) -> None:
        run("contract", "import", *documents, "--by", "casey", *words)
        for document in documents:
            run("contract", "approve", document.stem, "--by", "robin")

    def export(*words: str) -> Path:
        into = tmp_path / "-".join(["out", *words])
        for month in EVENT_MONTHS:
            run("export", month, "--to", into / month, *(words if month in closed else ["--draft"]))
        _assert_the_reference_names_what_is_in(into)
        return into

    for step in json.loads((folder / "case.json").read_text(encoding="utf-8"))["steps"]:
        word, *rest = step.split()
        if word in ("backfill", "close", "adjust"):
            run(word, *rest)
            closed += rest if word == "close" else []
        elif word.startswith("contracts/"):
            submit_and_approve(sorted((folder / "contracts").glob("*.json")))
        elif word.startswith("amendments/"):
            submit_and_approve(sorted((folder / "amendments").glob("*.json")), "--retroactive")
        elif rest[0] == "expected/":
            _assert_tables_agree(folder / "expected", export())
        else:
            _assert_tables_agree(folder / "expected-after", export("--draft"), export())
    assert (home / "books.db").exists() is (database == "sqlite")


def _assert_tables_agree(expected: Path, exported: Path, issued: Path | None = None) -> None:
    """The tables in ``exported`` say what those in ``expected`` say; ``issued`` has the notes that it calls adjustments."""
    differences = []
    for file in sorted(expected.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns, wanted = list(reader.fieldnames or []), list(reader)
        if file.stem == "adjustments":
            assert issued
            found = [row for row in _rows(issued, "invoices") if row["kind"] != "invoice"]
        else:
            found = _rows(exported, file.stem)
        if "month" in columns:
            months = {row["month"] for row in wanted}
            found = [row for row in found if row["month"] in months]
        missing = counted(wanted, columns) - counted(found, columns)
        extra = counted(found, columns) - counted(wanted, columns)
        if missing or extra:
            differences.append(f"{file.stem}: missing {dict(missing)}, extra {dict(extra)}")
    assert not differences, "\n".join(differences)


def _rows(exported: Path, name: str) -> list[dict[str, str]]:
    return [{"month": month, **row} for month in EVENT_MONTHS for row in table(exported / month, name)]


def _assert_the_reference_names_what_is_in(exported: Path) -> None:
    """The page of tables names every kind of document and line and every account that is exported."""
    page = REFERENCE.read_text(encoding="utf-8")
    for name, column in (("invoices", "kind"), ("invoice_lines", "kind"), ("payout_lines", "kind"), ("journal", "account")):
        of_table = page.partition(f"### `{name}` (exported)\n")[2].partition("\n### ")[0]
        (meaning,) = re.findall(rf"^\| `{column}` \| text \| (.*) \|$", of_table, re.MULTILINE)
        unnamed = {row[column] for row in _rows(exported, name)} - set(re.findall("`([^`]+)`", meaning))
        assert not unnamed, f"{REFERENCE.name} does not know {unnamed} in {name}.{column}"
