from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from contracts_io import home as home_module
from contracts_io.calendar import Month
from contracts_io.errors import BooksError, HomeError
from contracts_io.frames import TABLES
from contracts_io.home import Home
from contracts_io.warehouse import PartitionFile


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_a_new_home_has_its_settings_books_and_folders(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "deep" / "home")
    assert {path.name for path in home.root.iterdir()} == {"adledger.toml", "landing", "warehouse", "documents", "books.db"}
    assert (home.settings.horizon_days, home.settings.grace_days, home.settings.cost_currency) == (7, 1, "USD")
    assert Home.open(home.root).books.closed_months() == {}


def test_making_a_home_again_changes_nothing_of_what_is_there(tmp_path: Path) -> None:
    landed = tmp_path / "landing" / "clicks" / "2026-10-05" / "part-0.csv"
    landed.parent.mkdir(parents=True)
    landed.write_text("click_id\n", encoding="utf-8")
    (tmp_path / "adledger.toml").write_text("horizon_days = 3\n", encoding="utf-8")
    Home.create(tmp_path)
    before = contents(tmp_path)
    home = Home.create(tmp_path)
    assert contents(tmp_path) == before
    assert home.settings.horizon_days == 3


def test_where_there_is_no_home_the_message_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(HomeError) as refused:
        Home.open(tmp_path / "nowhere")
    assert "there is no adledger home here" in str(refused.value)
    assert f"adledger init --home {tmp_path / 'nowhere'}" in str(refused.value)
    assert not (tmp_path / "nowhere").exists()


def test_a_home_cannot_be_made_where_a_file_is_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("", encoding="utf-8")
    with pytest.raises(HomeError, match=r"a home cannot be made here \(.+\)"):
        Home.create(tmp_path / "home")


def test_the_books_named_in_the_environment_go_before_those_of_the_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.create(tmp_path / "home")
    monkeypatch.setenv("ADLEDGER_DATABASE_URL", f"sqlite:///{tmp_path / 'other.db'}")
    Home.create(home.root)
    assert Home.open(home.root).engine.url.database == str(tmp_path / "other.db")
    monkeypatch.delenv("ADLEDGER_DATABASE_URL")
    assert Home.open(home.root).engine.url.database == str(home.root / "books.db")


def test_books_that_cannot_be_opened_are_a_clear_error(tmp_path: Path) -> None:
    home = Home.create(tmp_path / "home")
    (home.root / "books.db").unlink()
    (home.root / "books.db").mkdir()
    with pytest.raises(BooksError, match="the books cannot be opened"):
        Home.open(home.root).books.closed_months()


def test_books_that_are_gone_are_a_clear_error_and_are_not_made_by_looking(tmp_path: Path) -> None:
    home = Home.create(tmp_path)
    (home.root / "books.db").unlink()
    with pytest.raises(BooksError) as refused:
        Home.open(home.root).books.closed_months()
    assert "there are no books here" in str(refused.value)
    assert f"make them with `adledger init --home {tmp_path}`" in str(refused.value)
    assert not (home.root / "books.db").exists()


def test_delivered_days_are_those_with_a_folder_of_any_feed(tmp_path: Path) -> None:
    home = Home.create(tmp_path)
    for place in (
        "clicks/2026-10-06",
        "impressions/2026-10-05",
        "conversions/2026-10-05",
        "clicks/2026-13-01",
        "clicks/spare",
    ):
        (home.landing / place).mkdir(parents=True)
    assert home.days_delivered() == [date(2026, 10, 5), date(2026, 10, 6)]


def test_a_file_in_the_place_of_a_day_counts_as_delivered_so_that_its_run_refuses_it(tmp_path: Path) -> None:
    home = Home.create(tmp_path)
    (home.landing / "clicks").mkdir()
    (home.landing / "clicks" / "2026-10-05").write_text("", encoding="utf-8")
    assert home.days_delivered() == [date(2026, 10, 5)]


def counted(day: date) -> pl.DataFrame:
    row = {"feed": "clicks", "delivery_day": day} | dict.fromkeys(TABLES["feed_counts"].columns[2:], 0)
    return pl.DataFrame([row], schema=TABLES["feed_counts"].polars_schema)


def test_days_that_are_in_are_those_with_counts(tmp_path: Path) -> None:
    home = Home.create(tmp_path)
    assert home.days_run() == []
    days = [date(2026, 10, 6), date(2026, 10, 5)]
    home.warehouse.publish([home.warehouse.write("feed_counts", str(day), counted(day)) for day in days])
    assert Home.open(tmp_path).days_run() == sorted(days)


def test_a_sweep_keeps_what_closed_months_were_made_from(tmp_path: Path) -> None:
    home = Home.create(tmp_path)
    assert home.closed_through() is None

    def publish(read: int) -> PartitionFile:
        made = counted(date(2026, 10, 5)).with_columns(
            pl.lit(read, pl.Int64).alias("read"), pl.lit(read, pl.Int64).alias("accepted")
        )
        file = home.warehouse.write("feed_counts", "2026-10-05", made)
        home.warehouse.publish([file])
        return file

    before_close, at_close = publish(1), publish(2)
    with home.books.closing(Month(2026, 10)) as closing:
        closing.close_month(date(2026, 11, 3), known_at="1970-01-01T00:00:00.000000Z")
    after_close, live = publish(3), publish(4)
    home.sweep()
    left = {path.name for path in (tmp_path / "warehouse").rglob("*.parquet")}
    assert left == {Path(file.path).name for file in (at_close, live)}
    assert not {before_close.sha256, after_close.sha256} & {Path(name).stem for name in left}
    assert home.closed_through() == date(2026, 10, 31)


def test_the_lock_may_be_taken_again_by_who_holds_it_and_is_free_afterwards(tmp_path: Path) -> None:
    home = Home.create(tmp_path)
    for _ in range(2):
        with home.lock() as outer, Home.open(tmp_path).lock() as inner:
            assert outer is home
            assert inner.root == home.root


HOLDER = """
import sys, time
from pathlib import Path
from contracts_io.home import Home
with Home.open(Path(sys.argv[1])).lock():
    print("held", flush=True)
    time.sleep(60)
"""


def test_another_process_waits_for_the_lock_and_has_it_when_the_holder_dies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home.create(tmp_path)
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        monkeypatch.setattr(home_module, "LOCK_SECONDS", 0)
        with pytest.raises(HomeError, match="another adledger process has been writing here"), home.lock():
            pytest.fail("two processes hold one home")
        holder.kill()
        holder.wait(10)
    monkeypatch.setattr(home_module, "LOCK_SECONDS", 10)
    began = datetime.now(UTC)
    with home.lock():
        assert (datetime.now(UTC) - began).total_seconds() < 5
