"""What pages show under a command is what the command prints: figures, hashes and all, in the homes that the pages speak of.

``...`` stands for any number of lines. The head of a trail hangs on the clock and stands for any other; nothing else does.
"""

from __future__ import annotations

import re
import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from difflib import unified_diff
from pathlib import Path

import pytest
from click.testing import CliRunner
from explained_world import make_explained_home
from small_world import ADVERTISER, DAYS, close, make_home, run
from test_simulation import AT, DEARER, SHARING

from contracts_io.calendar import days_between
from contracts_io.contract import parse_document
from contracts_io.errors import AdledgerError
from contracts_io.home import Home
from services.cli import cli

REPOSITORY = Path(__file__).parents[2]
PAGES = ["docs/commands.md", "docs/contracts.md", "docs/auditors.md", "docs/operators.md"]
ELSEWHERE = "/srv/adledger"
OCT_5, NOV_2 = date(2026, 10, 5), date(2026, 11, 2)
DELIVERED = {
    "impressions": f"""impression_id,event_time,household_id,line_item_id,partner_id
imp-1,{OCT_5}T15:00:00Z,hh-1,li-100,streamco
imp-2,{OCT_5}T16:00:00Z,hh-2,li-100,streamco
imp-2,{OCT_5}T16:00:00Z,hh-2,li-100,streamco
imp-3,{OCT_5}T17:00:00Z,hh-1,li-200,streamco
imp-4,{OCT_5}T18:00:00Z,hh-2,,streamco
""",
    "conversions": f"""conversion_id,event_time,household_id,advertiser_id,event,order_value,currency
buy-1,{OCT_5}T20:00:00Z,hh-1,acme,purchase,80.00,USD
""",
}
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEAD = re.compile(r'(head[": ]+)[0-9a-f]{64}')
Said = dict[str, list[str]]


def shown() -> list[tuple[str, str, str]]:
    """Page, command and what stands under it."""
    return [
        (page, command.strip(), output)
        for page in PAGES
        for block in _BLOCK.findall((REPOSITORY / page).read_text(encoding="utf-8"))
        for command, _, output in (part.partition("\n") for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:])
        if command.startswith("adledger ") and output.strip()
    ]


def plain(output: str) -> str:
    """Without blanks at the ends of lines, and with any head of a trail the same."""
    return _HEAD.sub(r"\1<head>", "\n".join(line.rstrip() for line in output.strip().splitlines()))


def agrees(expected: str, said: str) -> bool:
    parts = (re.escape(part) for part in re.split(r"^\.\.\.$", plain(expected), flags=re.MULTILINE))
    return re.fullmatch("(?s:.*)".join(parts), plain(said)) is not None


def teller(said: Said) -> Callable[..., None]:
    """Types a command and keeps what it prints, of one that is refused the message."""

    def tell(command: str, *, fails: bool = False) -> None:
        done = CliRunner(env={"ADLEDGER_DATABASE_URL": None, "ADLEDGER_HOME": "books"}).invoke(cli, command.split())
        refused = isinstance(done.exception, AdledgerError)
        assert refused if fails else done.exit_code == 0, done.output
        printed = f"error: {done.exception}" if refused else done.stdout
        said[f"adledger {command}"].append(printed)
        # The pages on running it have the home elsewhere.
        said[f"adledger {command} --home {ELSEWHERE}"].append(printed.replace("books/", f"{ELSEWHERE}/"))

    return tell


def example(page: str, heading: str, nth: int) -> str:
    """The nth YAML example from a heading on, from 0."""
    text = (REPOSITORY / page).read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    return re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)[nth]


def deliver_to(landing: Path) -> None:
    """One day with rows, the others of the month without."""
    for day in days_between(OCT_5, NOV_2):
        for feed, rows in DELIVERED.items():
            folder = landing / feed / str(day)
            folder.mkdir(parents=True)
            if day == OCT_5:
                (folder / "part-0.csv").write_text(rows, encoding="utf-8")


def in_the_first_home(said: Said) -> None:
    """The home of the README: one day with rows, its month closed."""
    tell = teller(said)
    acme, streamco = (example("README.md", "A first real home", nth) for nth in (0, 1))
    Path("acme.yaml").write_text(acme, encoding="utf-8")
    Path("streamco.yaml").write_text(streamco, encoding="utf-8")
    tell("init --home books")
    deliver_to(Path("books/landing"))
    tell("contract import acme.yaml streamco.yaml --by ann")
    tell("contract approve acme-2026 --by ann", fails=True)
    content = Home.open(Path("books")).contracts.versions("acme-2026")[0].content_hash
    tell(f"contract approve acme-2026 --by bob --content {content[:12]}")
    tell("contract approve streamco-2026 --by bob")
    tell("run 2026-10-05")
    tell("run 2026-10-05 --json")
    tell("close 2026-10", fails=True)
    tell("backfill 2026-10-05 2026-11-02")
    tell("close 2026-10 --on 2026-11-03")
    tell("status")
    tell("export 2026-10 --to out --json")
    tell("journal 2026-10 --to october --format beancount")
    tell("audit verify")
    tell("audit verify --json")
    tell("verify")
    tell("run 2026-11-05", fails=True)
    Path("acme.yaml").write_text(acme.replace("USD", "dollars").replace('"32.50"', "32.50"), encoding="utf-8")
    tell("contract import acme.yaml --by ann", fails=True)
    with sqlite3.connect("books/books.db") as books:
        books.execute("DROP TRIGGER audit_record_no_delete")
    tell("audit verify", fails=True)


def in_a_home_that_is_amended(said: Said) -> None:
    """The small world with a publisher who has a share: the brand becomes dearer after October was closed."""
    tell = teller(said)
    home = make_home(Path("books"), contracts=[ADVERTISER, SHARING])
    run(home, *DAYS)
    Path("dearer.yaml").write_text(DEARER, encoding="utf-8")
    tell("contract simulate dearer.yaml --month 2026-10")
    close(home)
    amended = [("dearer.yaml", parse_document(DEARER, name="dearer.yaml"))]
    (kept,) = home.contracts.import_documents(
        amended, by="alice", at=AT, retroactive=True, closed_through=home.closed_through()
    )
    home.contracts.approve(kept.contract_id, kept.version, by="bob", at=AT, content_hash=kept.content_hash)
    tell("diff 2026-10")
    tell("adjust 2026-10 --on 2026-12-07")


def in_a_home_that_is_explained(said: Said) -> None:
    tell = teller(said)
    make_explained_home(Path("books"))
    tell("explain INV-2026-000001 --line 3")
    tell("explain buy-3")


def test_what_a_page_shows_under_a_command_is_what_it_prints(tmp_path: Path) -> None:
    said: Said = defaultdict(list)
    for told in (in_the_first_home, in_a_home_that_is_amended, in_a_home_that_is_explained):
        with pytest.MonkeyPatch.context() as patch:
            (folder := tmp_path / told.__name__).mkdir()
            patch.chdir(folder)
            told(said)
    examples = shown()
    assert {page for page, _, _ in examples} == set(PAGES)
    differences = [
        line
        for page, command, output in examples
        if not any(agrees(output, printed) for printed in said[command])
        for line in difference(page, command, output, said[command])
    ]
    assert not differences, "\n".join(differences)


def difference(page: str, command: str, output: str, printed: list[str]) -> Iterator[str]:
    yield f"{page}: {command}" if printed else f"{page}: {command}: no home of these tests has printed this"
    for found in printed[:1]:
        yield from unified_diff(plain(output).splitlines(), plain(found).splitlines(), "shown", "printed", lineterm="")
