"""The schema of the books and its revisions (``contracts_io.store.revision``, ``contracts_io.store.migrations``)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from contracts_io.errors import BooksError
from contracts_io.home import Home
from contracts_io.store import revision
from contracts_io.store.base import metadata, open_engine, reading, writing

INIT = "adledger init --home /books"


def scripts() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", "contracts_io.store:migrations")
    return ScriptDirectory.from_config(config)


def set_revision(engine: sa.Engine, to: str) -> None:
    with writing(engine) as connection:
        connection.execute(sa.text(f"UPDATE {revision.TABLE} SET version_num = :to"), {"to": to})


def test_the_migrations_make_what_the_code_works_with(engine: sa.Engine) -> None:
    with engine.connect() as connection:
        options = {"version_table": revision.TABLE, "compare_type": True, "compare_server_default": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []


def test_the_program_knows_every_revision_in_order() -> None:
    in_order = [script.revision for script in scripts().walk_revisions()][::-1]
    assert tuple(in_order) == revision.REVISIONS
    assert scripts().get_heads() == [revision.HEAD]


def test_no_revision_can_be_taken_back() -> None:
    assert [script.revision for script in scripts().walk_revisions() if hasattr(script.module, "downgrade")] == []


def test_books_of_the_latest_revision_are_opened_and_upgrading_them_changes_nothing(engine: sa.Engine) -> None:
    revision.check(engine, init=INIT)
    with reading(engine) as connection:
        before = sorted(sa.inspect(connection).get_table_names())
    revision.upgrade(engine, init=INIT)
    with reading(engine) as connection:
        assert sorted(sa.inspect(connection).get_table_names()) == before


def test_books_are_checked_with_one_query(engine: sa.Engine) -> None:
    statements = []
    sa.event.listen(engine, "before_cursor_execute", lambda *arguments: statements.append(arguments[2]))
    revision.check(engine, init=INIT)
    assert [statement for statement in statements if not statement.startswith("BEGIN")] == [
        f"SELECT version_num FROM {revision.TABLE}"
    ]


def test_older_books_are_refused_with_the_command_that_upgrades_them(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revision, "REVISIONS", ("0001", "0002"))
    monkeypatch.setattr(revision, "HEAD", "0002")
    with pytest.raises(BooksError) as refused:
        revision.check(engine, init=INIT)
    assert "the books are of revision 0001, this adledger works with 0002" in str(refused.value)
    assert f"back them up, then run `{INIT}`" in str(refused.value)


def test_books_of_a_newer_program_are_neither_opened_nor_upgraded(engine: sa.Engine) -> None:
    set_revision(engine, "0999")
    for door in (revision.check, revision.upgrade):
        with pytest.raises(BooksError, match="revision 0999, which this adledger does not know: a newer one was here"):
            door(engine, init=INIT)


@pytest.mark.parametrize("statement", [f"DROP TABLE {revision.TABLE}", f"DELETE FROM {revision.TABLE}"])
def test_books_without_a_revision_are_neither_opened_nor_upgraded(engine: sa.Engine, statement: str) -> None:
    with writing(engine) as connection:
        connection.exec_driver_sql(statement)
    for door in (revision.check, revision.upgrade):
        with pytest.raises(BooksError, match="these books have no revision"):
            door(engine, init=INIT)


def test_an_empty_database_has_no_books_and_gets_them(database_url: str | None, tmp_path: Path) -> None:
    file = tmp_path / "empty.db"
    engine = open_engine(database_url or f"sqlite:///{file}")
    with pytest.raises(BooksError) as refused:
        revision.check(engine, init=INIT)
    assert "there are no books here" in str(refused.value)
    assert f"make them with `{INIT}`" in str(refused.value)
    assert not file.exists()
    revision.upgrade(engine, init=INIT)
    revision.check(engine, init=INIT)
    engine.dispose()


def test_an_upgrade_that_fails_leaves_nothing_behind(
    database_url: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = open_engine(database_url or f"sqlite:///{tmp_path / 'books.db'}")
    first = scripts().get_revision(revision.HEAD).path
    broken = Path(first).read_text(encoding="utf-8").replace("def upgrade() -> None:", "def _upgrade() -> None:")
    versions = tmp_path / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions / "v0001.py").write_text(f"{broken}\n\ndef upgrade():\n    _upgrade()\n    raise OSError('power cut')\n")
    environment = Path(scripts().env_py_location).read_text(encoding="utf-8")
    (tmp_path / "migrations" / "env.py").write_text(environment)
    monkeypatch.setattr(revision, "SCRIPTS", str(tmp_path / "migrations"))
    with pytest.raises(OSError, match="power cut"):
        revision.upgrade(engine, init=INIT)
    with reading(engine) as connection:
        assert sa.inspect(connection).get_table_names() == []
    engine.dispose()


def test_two_programs_that_upgrade_at_once_wait_for_each_other(database_url: str | None, tmp_path: Path) -> None:
    url = database_url or f"sqlite:///{tmp_path / 'books.db'}"
    program = (
        "import sys, contracts_io.home; from contracts_io.store import base, revision\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "revision.upgrade(base.open_engine(sys.argv[1]), init='init')"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", program, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for one in started:
        assert one.stdout is not None and one.stdout.readline() == "ready\n"
    for one in started:
        assert one.stdin is not None
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [(one.communicate(timeout=60), one.returncode)[1] for one in started] == [0, 0, 0]


def test_opening_a_home_does_not_import_alembic(tmp_path: Path) -> None:
    Home.create(tmp_path)
    program = (
        "import sys; from pathlib import Path; from contracts_io.home import Home\n"
        "home = Home.open(Path(sys.argv[1])); home.books.closed_months(); Home.create(home.root)\n"
        "print('alembic' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_what_upgrades_the_books_is_installed_with_the_package() -> None:
    from setuptools import find_packages  # noqa: PLC0415

    root = Path(revision.__file__).parents[2]
    found = find_packages(str(root), include=["contracts_io*"])
    assert {"contracts_io.store.migrations", "contracts_io.store.migrations.versions"} <= set(found)
