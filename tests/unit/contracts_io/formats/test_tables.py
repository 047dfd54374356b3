from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from contracts_io.calendar import INSTANT
from contracts_io.errors import AdledgerError
from contracts_io.formats.tables import FORMATS, plain, write_tables

AT = datetime(2026, 10, 20, 2, 19, 53, 172230, tzinfo=UTC)
FRAME = pl.DataFrame(
    {
        "name": ["a,b", 'say "x"', "", None],
        "count": [1, -2, 0, None],
        "amount": pl.Series([Decimal("20.6100"), Decimal("-0.5000"), Decimal("100.0000"), None], dtype=pl.Decimal(38, 4)),
        "exact": pl.Series([Decimal("0.000000001"), Decimal(0), Decimal("-1200"), None], dtype=pl.Decimal(38, 9)),
        "at": pl.Series([AT, AT.replace(microsecond=0), AT, None], dtype=INSTANT),
        "on": [date(2026, 10, 20), date(2026, 1, 2), date(2026, 1, 2), None],
    }
)


def test_csv_has_a_header_lf_ends_empty_nulls_and_plain_digits(tmp_path: Path) -> None:
    (path,) = write_tables(tmp_path, {"things": FRAME}, "csv")
    assert path == tmp_path / "things.csv"
    assert path.read_bytes().decode() == (
        "name,count,amount,exact,at,on\n"
        '"a,b",1,20.61,0.000000001,2026-10-20T02:19:53.172230Z,2026-10-20\n'
        '"say ""x""",-2,-0.5,0,2026-10-20T02:19:53.000000Z,2026-01-02\n'
        '"",0,100,-1200,2026-10-20T02:19:53.172230Z,2026-01-02\n'
        ",,,,,\n"
    )


def test_json_has_the_same_texts_and_whole_numbers_as_numbers(tmp_path: Path) -> None:
    (path,) = write_tables(tmp_path, {"things": FRAME}, "json")
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert rows[1] == {
        "name": 'say "x"',
        "count": -2,
        "amount": "-0.5",
        "exact": "0",
        "at": "2026-10-20T02:19:53.000000Z",
        "on": "2026-01-02",
    }
    assert rows[3] == dict.fromkeys(FRAME.columns)


def test_parquet_keeps_types_and_values(tmp_path: Path) -> None:
    (path,) = write_tables(tmp_path, {"things": FRAME}, "parquet")
    assert pl.read_parquet(path).equals(FRAME)
    assert pl.read_parquet(path).schema == FRAME.schema


@pytest.mark.parametrize(("kind", "text"), [("csv", "name,count,amount,exact,at,on\n"), ("json", "[]\n")])
def test_a_table_without_rows_is_still_a_file(tmp_path: Path, kind: str, text: str) -> None:
    (path,) = write_tables(tmp_path, {"things": FRAME.clear()}, kind)
    assert path.read_text(encoding="utf-8") == text


@pytest.mark.parametrize("kind", FORMATS)
def test_tables_are_written_into_a_new_folder_over_what_was_there_and_leave_nothing_else(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "new" / "folder"
    for _ in range(2):
        written = write_tables(folder, {"one": FRAME, "two": FRAME.head(1)}, kind)
    assert sorted(path.name for path in folder.iterdir()) == [f"one.{kind}", f"two.{kind}"]
    assert written == [folder / f"one.{kind}", folder / f"two.{kind}"]


def test_trailing_zeros_before_the_point_stay() -> None:
    frame = pl.DataFrame({"n": pl.Series([Decimal(100), Decimal(0)], dtype=pl.Decimal(38, 0)), "m": ["1.50", "0"]})
    assert plain(frame).rows() == [("100", "1.50"), ("0", "0")]


def test_a_folder_that_is_a_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("", encoding="utf-8")
    with pytest.raises(AdledgerError, match=r"the tables cannot be written \(.+\)") as refused:
        write_tables(tmp_path / "out", {"things": FRAME}, "csv")
    assert str(tmp_path / "out") in str(refused.value)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 kB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)], capture_output=True, timeout=10, check=False
        )
    except OSError:
        pytest.skip("there is no mount command here")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], timeout=10, check=True)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_full_disk_is_a_clear_error_and_the_old_file_stays(small_disk: Path, kind: str) -> None:
    (path,) = write_tables(small_disk, {"things": FRAME}, kind)
    before = path.read_bytes()
    too_much = pl.DataFrame({"n": pl.Series(range(100_000)).hash(1)})
    with pytest.raises(AdledgerError, match=r"cannot be written \(No space left on device\)"):
        write_tables(small_disk, {"things": too_much}, kind)
    assert path.read_bytes() == before
    assert [found.name for found in small_disk.iterdir()] == [f"things.{kind}"]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_read_only_disk_is_a_clear_error(small_disk: Path, kind: str) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], timeout=10, check=True)
    with pytest.raises(AdledgerError, match=r"cannot be written \(Read-only file system\)"):
        write_tables(small_disk, {"things": FRAME}, kind)
