"""What commands say: amounts that mean the same before and after a close, plain digits for programs, steps that can be taken."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner
from commands import adledger
from small_world import (
    ADVERTISER,
    DAYS,
    FIRST,
    ISSUED_ON,
    OCTOBER,
    PARTNER,
    adjustment,
    agree,
    close,
    deliver,
    impression,
    run,
)

from contracts_io.errors import BooksError
from contracts_io.home import SETTINGS_FILE, Home
from contracts_io.store.documents import Act
from services import billing, show
from services.cli import cli
from services.status import MonthStatus, status

Copy = Callable[[Home], Home]
AT = datetime(2026, 11, 20, 9, tzinfo=UTC)


def october(home: Home) -> MonthStatus:
    return next(found for found in status(home, ISSUED_ON).months if found.month == OCTOBER)


def told(home: Home, *words: object) -> str:
    """What a command that succeeds prints."""
    done = CliRunner().invoke(cli, [*map(str, words), "--home", str(home.root)])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_what_partners_earned_is_the_same_before_and_after_a_close(tmp_path: Path) -> None:
    """Six views at 1,000.00 per thousand are 6.00, below the least that is paid: nothing is payable, and all of it earned."""
    home = Home.create(tmp_path / "home")
    agree(home, ADVERTISER)
    agree(home, PARTNER.replace('minimum_payout: "0.00"', 'minimum_payout: "1000.00"'))
    for day in DAYS:
        deliver(home, "impressions", day, [impression(f"i-{day}", f"{day}T12:00:00Z")])
        deliver(home, "conversions", day, [])
    run(home, *DAYS)
    before = october(home)
    assert (before.invoices, before.earnings) == ({"USD": Decimal("8.00")}, {"USD": Decimal("4.00")})
    assert "earnings" in told(home, "status")
    close(home)
    after = october(home)
    assert (after.invoices, after.earnings) == (before.invoices, before.earnings)
    assert [statement.payable_minor for statement, _ in home.books.payouts(OCTOBER)] == [0]


def test_amounts_are_plain_digits_and_instants_end_with_z_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    show.as_json([Decimal("0E-9"), Decimal("6.400000000"), Decimal("-1200"), Decimal("0.07"), AT, date(2026, 11, 20)])
    assert json.loads(capsys.readouterr().out) == ["0", "6.4", "-1200", "0.07", "2026-11-20T09:00:00.000000Z", "2026-11-20"]


def test_a_backfill_says_what_changed_and_why_also_where_no_month_is_closed(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    deliver(home, "conversion_adjustments", FIRST, [adjustment("a-1", "buy-28", f"{FIRST}T21:00:00Z", "reverse")])
    assert "changes" not in json.loads(told(home, "run", FIRST, "--json"))
    deliver(home, "conversion_adjustments", FIRST, [])
    changes = json.loads(told(home, "backfill", FIRST, FIRST, "--json"))["changes"]
    assert [tuple(line[name] for name in ("side", "old", "new", "difference", "cause")) for line in changes] == [
        ("advertiser", "25.49", "28.34", "2.85", "re-delivery of 2026-10-28"),
        ("partner", "12", "15", "3", "re-delivery of 2026-10-28"),
    ]


def test_the_next_step_of_a_close_by_two_goes_to_whom_it_is_the_turn_of(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    assert "close the month: adledger close 2026-10" in status(home, ISSUED_ON).next_steps
    (home.root / SETTINGS_FILE).write_text("[roles]\nclose_approval = true\n", encoding="utf-8")
    home = Home.open(home.root)
    first = "close the month, which another person then approves: adledger close 2026-10 --by USER"
    assert first in status(home, ISSUED_ON).next_steps
    prepared = billing.prepare(home, Act.CLOSE, OCTOBER, ISSUED_ON, "ann", AT)
    assert prepared
    found = october(home).prepared
    assert found
    assert (found.by, found.content) == ("ann", prepared.content_hash)
    assert (
        f"close the month, as ann prepared it (content {prepared.content_hash[:12]}), another person: "
        "adledger close 2026-10 --approve --by USER"
    ) in status(home, ISSUED_ON).next_steps
    with pytest.raises(BooksError, match=f"{prepared.content_hash[:3]} is too little of a hash"):
        billing.to_approve(home, Act.CLOSE, OCTOBER, "bob", prepared.content_hash[:3])


@pytest.mark.parametrize("damage", ["cut", "replaced"])
@pytest.mark.parametrize("command", ["status", "verify", "audit verify", "contract list"])
def test_damaged_books_are_named_with_what_to_do(undisturbed: Home, copy_of: Copy, command: str, damage: str) -> None:
    home = copy_of(undisturbed)
    home.engine.dispose()
    books = home.root / "books.db"
    for beside in home.root.glob("books.db-*"):
        beside.unlink()
    if damage == "cut":
        os.truncate(books, books.stat().st_size // 2)
    else:
        books.write_text("junk")
    said = adledger(home.root, *command.split(), expect=1).stderr
    assert "books.db: the books are damaged: " in said
    assert "restore the home from a backup" in said
    assert "a defect in adledger" not in said


@pytest.mark.parametrize("name", ["q?x=1", "100%20", "a[1]", "a*{b}"])
def test_a_home_may_have_any_letters_in_its_path(tmp_path: Path, name: str) -> None:
    home = Home.create(tmp_path / name)
    agree(home, ADVERTISER)
    deliver(home, "impressions", FIRST, [impression("i-1", f"{FIRST}T12:00:00Z")])
    deliver(home, "conversions", FIRST, [])
    run(home, FIRST)
    assert home.warehouse.read("draft_invoices").collect()["total"].to_list() == [Decimal(2)]
    assert (home.root / "books.db").is_file()
    assert [found.name for found in tmp_path.iterdir()] == [name]


def test_a_folder_that_cannot_be_read_fails_its_day_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Home.create(tmp_path / "home")
    for day in DAYS[:2]:
        deliver(home, "impressions", day, [impression(f"i-{day}", f"{day}T12:00:00Z")])
        deliver(home, "conversions", day, [])
    closed = home.landing / "impressions" / str(FIRST)
    listed = Path.iterdir

    def iterdir(folder: Path) -> Iterator[Path]:
        if folder == closed:
            raise PermissionError(errno.EACCES, "Permission denied", str(folder))
        return listed(folder)

    monkeypatch.setattr(Path, "iterdir", iterdir)
    report = billing.run(home, DAYS[:2])
    assert {day: str(error) for day, error in report.failed.items()} == {
        FIRST: f"{closed}: cannot be read: Permission denied\n  -> make it readable"
    }
    assert report.days == [DAYS[1]]


def test_a_column_of_intervals_that_nobody_needs_stops_nothing(tmp_path: Path) -> None:
    """Polars by itself panics at such a file; the row that is refused has its other columns as content."""
    home = Home.create(tmp_path / "home")
    deliver(home, "conversions", FIRST, [])
    folder = home.landing / "impressions" / str(FIRST)
    folder.mkdir(parents=True)
    rows = f"""SELECT *
        FROM (VALUES ('i-1', TIMESTAMP '{FIRST} 12:00:00'), ('i-2', TIMESTAMP 'infinity')) t (impression_id, event_time),
        (SELECT 'li-brand' AS line_item_id, 'pub' AS partner_id, INTERVAL 1 DAY AS shown_for)"""
    duckdb.sql(f"COPY ({rows}) TO '{folder / 'a.parquet'}'")
    told = json.loads(adledger(home.root, "run", FIRST, "--json").stdout)
    assert told["feeds"]["impressions"] == {"read": 2, "accepted": 1, "duplicate": 0, "quarantined": 1}
    ((reason, content),) = Home.open(home.root).warehouse.read("quarantine").select("reason", "content").collect().rows()
    assert reason == "bad_event_time"
    refused = {"impression_id": "i-2", "event_time": 2**63 - 1, "line_item_id": "li-brand", "partner_id": "pub"}
    assert json.loads(content) == refused


def test_a_close_waits_for_rates_of_its_month_to_be_taken_in_and_for_no_others(undisturbed: Home, copy_of: Copy) -> None:
    home = copy_of(undisturbed)
    folder = home.landing / "fx_rates"
    folder.mkdir(exist_ok=True)
    (folder / "later.csv").write_text("date,base,quote,rate\n2026-11-20,EUR,USD,1.1\n", encoding="utf-8")
    assert billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON).against == []
    (folder / "october.csv").write_text("date,base,quote,rate\n2026-10-30,EUR,USD,1.1\n", encoding="utf-8")
    changed = "the exchange rates are not what was taken in: run `adledger run 2026-11-02`"
    assert billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON).against == [changed]
    with pytest.raises(BooksError, match="the exchange rates are not what was taken in"):
        close(home)
    (folder / "half.csv").write_text("date,base,quote,rate\n2026-10-3", encoding="utf-8")
    (half,) = billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON).against
    assert "half.csv, line 2" in half
    for file in folder.iterdir():
        file.unlink()
    assert billing.dry_run(home, Act.CLOSE, OCTOBER, ISSUED_ON).against == []  # archived
    (folder / "october.csv").write_text("date,base,quote,rate\n2026-10-30,EUR,USD,1.1\n", encoding="utf-8")
    run(home, DAYS[-1])
    close(home)
    assert home.books.closed_months().keys() == {OCTOBER}
