"""The benchmarks measure what they say: the log has the faults it claims, and the baselines come to the product's results."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"
ROWS, DAYS = 300_000, 3


def _run(program: str, *arguments: object) -> str:
    command = [sys.executable, str(BENCHMARKS / program), *map(str, arguments)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _hashes(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("log")
    _run("generate.py", "--to", folder, "--rows", ROWS, "--days", DAYS, "--last-day-rows", ROWS // 2)
    return folder


def _feed(log: Path, feed: str) -> pl.DataFrame:
    days = sorted((log / "landing" / feed).iterdir())
    frames = [pl.read_parquet(day / "*.parquet").with_columns(day=pl.lit(day.name).str.to_date()) for day in days]
    return pl.concat(frames)


def test_the_same_arguments_give_the_same_bytes(tmp_path: Path) -> None:
    for name in ("once", "again"):
        _run("generate.py", "--to", tmp_path / name, "--rows", 20_000, "--days", 2, "--line-items", 50)
    assert _hashes(tmp_path / "once") == _hashes(tmp_path / "again")


def test_a_day_written_alone_is_that_day_of_the_whole_log(log: Path, tmp_path: Path) -> None:
    size = ["--rows", ROWS, "--days", DAYS, "--last-day-rows", ROWS // 2]
    _run("generate.py", "--to", tmp_path, *size, "--only-last-day")
    whole = _hashes(log / "landing")
    alone = _hashes(tmp_path / "landing")
    assert len(alone) == 3
    assert {name: whole[name] for name in alone} == alone


def test_the_last_day_has_the_rows_that_are_asked_for(log: Path) -> None:
    assert _feed(log, "impressions").group_by("day").len().sort("day")["len"].to_list() == [ROWS // 4, ROWS // 4, ROWS // 2]


def test_one_id_in_two_hundred_comes_twice_some_on_another_day_and_some_with_other_content(log: Path) -> None:
    rows = _feed(log, "impressions").filter(pl.col("impression_id").is_not_null())
    copies = rows.group_by("impression_id").agg(
        copies=pl.len(), days=pl.col("day").n_unique(), contents=pl.struct("completed", "cost").n_unique()
    )
    again = copies.filter(pl.col("copies") > 1)
    assert (rows.height - copies.height) / ROWS == pytest.approx(0.005, rel=0.2)
    assert again.filter(pl.col("days") > 1).height / again.height == pytest.approx(0.25, abs=0.1)
    assert again.filter(pl.col("contents") > 1).height / again.height == pytest.approx(0.1, abs=0.04)


def test_the_faults_of_impressions_have_the_shares_that_are_said(log: Path) -> None:
    rows = _feed(log, "impressions")
    age = pl.col("day") - pl.col("event_time").dt.date()
    required = ["impression_id", "event_time", "line_item_id", "partner_id"]
    shares = {
        "late": (age.is_between(timedelta(days=1), timedelta(days=3)), 0.01),
        "too early": (age > timedelta(days=8), 0.001),
        "too late": (age < timedelta(days=-2), 0.001),
        "without household": (pl.col("household_id").is_null(), 0.01),
        "invalid traffic": (pl.col("invalid_reason").is_not_null(), 0.02),
        "lacking": (pl.any_horizontal(pl.col(required).is_null()), 0.001),
        "no code": (~pl.col("country").str.contains("^([A-Z]{2})?$"), 0.002),
        "negative": (pl.col("cost") < 0, 0.0005),
    }
    found = rows.select(condition.fill_null(value=False).mean().alias(name) for name, (condition, _) in shares.items()).row(
        0
    )
    for (name, (_, share)), measured in zip(shares.items(), found, strict=True):
        assert measured == pytest.approx(share, rel=0.25), name


def test_ids_of_16_bytes_are_those_of_the_text(tmp_path: Path) -> None:
    for ids in ("uuid-text", "uuid-binary"):
        _run("generate.py", "--to", tmp_path / ids, "--rows", 5_000, "--days", 1, "--line-items", 50, "--ids", ids)
    for feed, column in (("impressions", "impression_id"), ("clicks", "click_id")):
        text, binary = (_feed(tmp_path / ids, feed)[column] for ids in ("uuid-text", "uuid-binary"))
        assert binary.drop_nulls().bin.size().unique().to_list() == [16]
        assert binary.bin.encode("hex").equals(text.str.replace_all("-", ""))


def test_the_night_agrees_with_plain_sql_and_its_figures_become_a_table(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    size = ["--rows", 30_000, "--days", 2, "--line-items", 50]
    _run("night.py", *size, "--tasks", "day", "--work", tmp_path / "work", "--json", figures)
    report = json.loads(figures.read_text(encoding="utf-8"))
    assert {what: found["agrees"] for what, found in report["agreement"].items()} == {
        "day, duckdb": True,
        "day, polars": True,
    }
    assert set(report["medians"]["day"]) == {"adledger", "duckdb", "polars"}
    assert report["missing"] == [], "what is timed apart is there under that name"
    assert {"intake", "counts and touches", "attribution", "judging impressions", "rating and drafts"} <= set(
        report["shares"]
    )
    assert "| day | plain DuckDB |" in _run("shown.py", figures)
