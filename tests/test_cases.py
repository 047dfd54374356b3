"""The worked cases, through the command line: every table of ``expected/``, to the cent.

The expected tables come from an independent implementation of the specification (``tests/cases/README.md``). They leave out
what a clock or a counter decides, so rows are compared by the columns that they have.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from commands import adledger, counted, table

CASES = Path(__file__).parent / "cases"
RATED = ["1-flat"]
MONTHS = ["2026-08", "2026-09", "2026-10", "2026-11", "2026-12", "2027-01"]


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> Iterator[str | None]:
    """None: the home's own SQLite; else an empty schema of the PostgreSQL that ``ADLEDGER_TEST_DATABASE_URL`` names."""
    if request.param == "sqlite":
        yield None
        return
    url = os.environ.get("ADLEDGER_TEST_DATABASE_URL")
    if not url:
        pytest.skip("ADLEDGER_TEST_DATABASE_URL names no PostgreSQL (postgresql+psycopg://user@host/name)")
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text("DROP SCHEMA IF EXISTS adledger_test CASCADE"))
        connection.execute(sa.text("CREATE SCHEMA adledger_test"))
        yield f"{url}?options=-csearch_path%3Dadledger_test"
        connection.execute(sa.text("DROP SCHEMA adledger_test CASCADE"))


@pytest.mark.parametrize("case", RATED)
def test_a_worked_case_agrees_in_every_table(case: str, database_url: str | None, tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(CASES / case / "landing", home / "landing")
    run = partial(adledger, home, database_url=database_url)
    contracts = sorted((CASES / case / "contracts").glob("*.json"))
    steps = json.loads((CASES / case / "case.json").read_text())["steps"]
    run("init")
    run("contract", "import", *contracts, "--by", "casey")
    for contract in contracts:
        run("contract", "approve", contract.stem, "--by", "robin")
    closed = []
    for step in steps:
        words = step.split()
        if words[0] in ("backfill", "close"):
            run(*words)
            closed += words[1:] if words[0] == "close" else []
    for month in MONTHS:
        draft = [] if month in closed else ["--draft"]
        run("export", month, "--to", tmp_path / month, *draft)
    assert (home / "books.db").exists() is (database_url is None)
    _assert_tables_agree(CASES / case / "expected", tmp_path)


def _assert_tables_agree(expected: Path, exported: Path) -> None:
    differences = []
    for file in sorted(expected.glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns, wanted = list(reader.fieldnames or []), list(reader)
        found = [row for month in MONTHS for row in _with_month(exported / month, file.stem, month)]
        if "month" in columns:
            months = {row["month"] for row in wanted}
            found = [row for row in found if row["month"] in months]
        missing = counted(wanted, columns) - counted(found, columns)
        extra = counted(found, columns) - counted(wanted, columns)
        if missing or extra:
            differences.append(f"{file.stem}: missing {dict(missing)}, extra {dict(extra)}")
    assert not differences, "\n".join(differences)


def _with_month(folder: Path, name: str, month: str) -> list[dict[str, str]]:
    return [{"month": month, **row} for row in table(folder, name)]


@pytest.mark.parametrize("case", ["2-media", "3-actions", "4-world"])
def test_pricing_that_is_not_rated_yet_is_refused_and_nothing_is_stored(case: str, tmp_path: Path) -> None:
    home = tmp_path / "home"
    adledger(home, "init")
    contracts = sorted((CASES / case / "contracts").glob("*.json"))
    refused = adledger(home, "contract", "import", *contracts, "--by", "casey", expect=1)
    assert "not supported yet: " in refused.stderr
    assert json.loads(adledger(home, "contract", "list", "--json").stdout) == []
    assert "0 records" in adledger(home, "audit", "verify").stdout
