"""What counts as a delivery, and what stops a day before anything is read."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from contracts_io.errors import FeedError
from contracts_io.feeds.landing import Delivery, check_manifest_rows, find_delivery, require_unchanged
from contracts_io.settings import ColumnMapping, FeedSettings

DAY = date(2026, 10, 5)
PLAIN = FeedSettings()


def folder_of(landing: Path, feed: str = "clicks") -> Path:
    folder = landing / feed / "2026-10-05"
    folder.mkdir(parents=True)
    return folder


def found(landing: Path, settings: FeedSettings = PLAIN) -> Delivery:
    return find_delivery(landing, "clicks", DAY, settings)


def manifest(*files: tuple[str, object, str]) -> str:
    return json.dumps({"files": [{"name": name, "rows": rows, "sha256": sha256} for name, rows, sha256 in files]})


def test_files_are_found_by_name_with_their_hashes(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    for name in ("b.ndjson.gz", "a.csv", "c.parquet", "d.csv.gz", "e.ndjson", ".hidden.tmp"):
        (folder / name).write_bytes(name.encode())
    delivery = found(tmp_path)
    assert [file.name for file in delivery.files] == ["a.csv", "b.ndjson.gz", "c.parquet", "d.csv.gz", "e.ndjson"]
    assert delivery.files[0].sha256 == hashlib.sha256(b"a.csv").hexdigest()
    assert delivery.files[0].size == 5
    assert delivery.manifest_rows is None


@pytest.mark.parametrize("feed", ["clicks", "conversion_adjustments"])
def test_an_absent_folder_is_an_empty_feed_where_nothing_is_awaited(tmp_path: Path, feed: str) -> None:
    assert find_delivery(tmp_path, feed, DAY, PLAIN).files == ()


@pytest.mark.parametrize("feed", ["impressions", "conversions"])
def test_an_absent_folder_of_an_awaited_feed_is_a_missing_delivery(tmp_path: Path, feed: str) -> None:
    with pytest.raises(FeedError, match=rf"{feed}/2026-10-05.*this folder is awaited"):
        find_delivery(tmp_path, feed, DAY, PLAIN)


def test_an_empty_folder_is_an_empty_delivery(tmp_path: Path) -> None:
    folder_of(tmp_path, "impressions")
    assert find_delivery(tmp_path, "impressions", DAY, PLAIN).files == ()


def test_a_feed_that_is_switched_off_is_empty_whatever_was_dropped(tmp_path: Path) -> None:
    off = FeedSettings(enabled=False)
    assert find_delivery(tmp_path, "impressions", DAY, off).files == ()
    (folder_of(tmp_path, "impressions") / "a.csv").write_text("x")
    assert find_delivery(tmp_path, "impressions", DAY, off).files == ()


@pytest.mark.parametrize("name", ["a.xlsx", "a.CSV", "a.csv.zip", "_SUCCESS", "a.gz"])
def test_a_file_of_an_unknown_kind_is_refused(tmp_path: Path, name: str) -> None:
    (folder_of(tmp_path) / name).write_text("x")
    with pytest.raises(FeedError, match=rf"{name}: is not a file of a known kind"):
        found(tmp_path)


def test_a_folder_in_the_folder_is_refused(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "hour=1").mkdir()
    with pytest.raises(FeedError, match="hour=1: is a folder"):
        found(tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "clicks").mkdir()
    (tmp_path / "clicks" / "2026-10-05").write_text("x")
    with pytest.raises(FeedError, match="is a file, not a folder"):
        found(tmp_path)


def test_the_fingerprint_changes_with_names_contents_and_settings_and_with_nothing_else(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "a.csv").write_text("click_id\n")
    first = found(tmp_path).fingerprint
    assert found(tmp_path).fingerprint == first
    (folder / ".ignored").write_text("x")
    assert found(tmp_path).fingerprint == first
    mapped = replace(PLAIN, columns={"click_id": ColumnMapping(column="id")})
    assert found(tmp_path, mapped).fingerprint != first
    assert found(tmp_path, replace(PLAIN, null_values=("null",))).fingerprint != first
    (folder / "a.csv").rename(folder / "b.csv")
    renamed = found(tmp_path).fingerprint
    assert renamed != first
    (folder / "b.csv").write_text("click_id\n1\n")
    assert found(tmp_path).fingerprint not in {first, renamed}


def test_a_manifest_that_is_met_announces_rows(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    (folder / "a.csv").write_text("x")
    (folder / "manifest.json").write_text(manifest(("a.csv", 3, hashlib.sha256(b"x").hexdigest().upper())))
    delivery = found(tmp_path)
    assert delivery.manifest_rows == {"a.csv": 3}
    check_manifest_rows(delivery, {"a.csv": 3})
    with pytest.raises(FeedError, match=r"a\.csv: has 2 rows where manifest\.json announces 3"):
        check_manifest_rows(delivery, {"a.csv": 2})


def test_without_a_manifest_any_number_of_rows_will_do(tmp_path: Path) -> None:
    (folder_of(tmp_path) / "a.csv").write_text("x")
    check_manifest_rows(found(tmp_path), {"a.csv": 2})


X = hashlib.sha256(b"x").hexdigest()


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (manifest(), r"does not announce files that are there: a\.csv"),
        (manifest(("a.csv", 1, X), ("b.csv", 1, X)), r"announces files that are not there: b\.csv"),
        (manifest(("a.csv", 1, "00")), r"a\.csv: is not the file that manifest\.json announces: its hash differs"),
        (manifest(("a.csv", 1, X), ("a.csv", 1, X)), r"announces a\.csv twice"),
        (manifest(("a.csv", "1", X)), "file number 1 lacks a name, a number of rows or a hash"),
        (manifest(("a.csv", -1, X)), "file number 1 lacks"),
        (manifest(("a.csv", True, X)), "file number 1 lacks"),
        ('{"files": ["a.csv"]}', "file number 1 lacks"),
        ("{}", "has no list of files"),
        ("[]", "has no list of files"),
        ('{"files": ', "is not JSON"),
        ("[" * 100_000, "is not JSON"),
    ],
)
def test_a_manifest_that_is_not_met_stops_the_day(tmp_path: Path, text: str, what: str) -> None:
    folder = folder_of(tmp_path)
    (folder / "a.csv").write_text("x")
    (folder / "manifest.json").write_text(text)
    with pytest.raises(FeedError, match=what):
        found(tmp_path)


def test_a_file_that_changes_while_it_is_read_stops_the_day(tmp_path: Path) -> None:
    part = folder_of(tmp_path) / "part.csv"
    part.write_text("click_id\n1\n", encoding="utf-8")
    delivery = found(tmp_path)
    require_unchanged(delivery)
    part.write_text("click_id\n2\n", encoding="utf-8")
    os.utime(part, ns=(0, 1))
    with pytest.raises(FeedError, match="was changed while it was read"):
        require_unchanged(delivery)
    part.unlink()
    with pytest.raises(FeedError, match="was changed while it was read"):
        require_unchanged(delivery)
