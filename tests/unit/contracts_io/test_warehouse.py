from __future__ import annotations

import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import duckdb
import polars as pl
import pytest

from contracts_io import texts
from contracts_io.errors import WarehouseError
from contracts_io.frames import TABLES
from contracts_io.ids import packed
from contracts_io.store.base import open_engine, reading
from contracts_io.store.catalogue import Catalogue, current_snapshot
from contracts_io.store.revision import upgrade
from contracts_io.texts import as_codes
from contracts_io.warehouse import PartitionFile, Warehouse, fingerprint

DAY, NEXT_DAY = "2026-10-05", "2026-10-06"


@pytest.fixture
def warehouse(tmp_path: Path) -> Warehouse:
    return warehouse_at(tmp_path / "warehouse", tmp_path / "books.db")


def warehouse_at(root: Path, books: Path) -> Warehouse:
    engine = open_engine(f"sqlite:///{books}")
    upgrade(engine, init="adledger init")
    return Warehouse(root, Catalogue(engine))


def touches(*ids: str) -> pl.DataFrame:
    at = datetime(2026, 10, 5, tzinfo=UTC)
    rows = [("h1", "view", touch_id, at, "li-1", "pub-1", True, False) for touch_id in ids]
    return pl.DataFrame(rows, schema=TABLES["touches"].polars_schema, orient="row")


def live_ids(warehouse: Warehouse, *partitions: str) -> list[str]:
    frame = warehouse.read("touches", list(partitions) or None).collect()
    return frame["touch_id"].to_list()


def files_below(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def put(warehouse: Warehouse, partition: str, *ids: str, inputs: str = "") -> PartitionFile:
    file = warehouse.write("touches", partition, touches(*ids), inputs)
    warehouse.publish([file])
    return file


def test_what_was_written_is_read_after_it_was_published_and_not_before(warehouse: Warehouse, tmp_path: Path) -> None:
    file = warehouse.write("touches", DAY, touches("t1", "t2"), "made-from-this")
    assert file == PartitionFile(
        "touches", DAY, f"touches/{DAY}/{file.sha256}.parquet", file.sha256, file.crc32, 2, "made-from-this"
    )
    assert live_ids(warehouse) == []
    assert warehouse.publish([file]) == [file]
    assert live_ids(warehouse) == ["t1", "t2"]
    assert warehouse.rows("touches", DAY) == 2
    assert warehouse.rows("touches", NEXT_DAY) == 0
    assert files_below(tmp_path / "warehouse") == {file.path}


def test_a_file_is_listed_with_the_hash_and_the_checksum_of_its_bytes(warehouse: Warehouse, tmp_path: Path) -> None:
    file = put(warehouse, DAY, "t1")
    content = (tmp_path / "warehouse" / file.path).read_bytes()
    assert hashlib.sha256(content).hexdigest() == file.sha256 == (tmp_path / "warehouse" / file.path).stem
    assert zlib.crc32(content) == file.crc32


def test_a_repeat_gives_the_same_bytes_and_publishes_nothing(warehouse: Warehouse, tmp_path: Path) -> None:
    first = put(warehouse, DAY, "t1", "t2")
    before = files_below(tmp_path / "warehouse")
    again = warehouse.write("touches", DAY, touches("t1", "t2").lazy())
    assert again == first
    assert warehouse.publish([again]) == []
    assert files_below(tmp_path / "warehouse") == before
    assert snapshot(tmp_path) == 1


def snapshot(folder: Path) -> int:
    with reading(open_engine(f"sqlite:///{folder / 'books.db'}")) as connection:
        return current_snapshot(connection)


def test_the_same_rows_made_from_something_else_are_published_and_keep_their_file(
    warehouse: Warehouse, tmp_path: Path
) -> None:
    first = put(warehouse, DAY, "t1", inputs="a")
    again = warehouse.write("touches", DAY, touches("t1"), "b")
    assert again.path == first.path
    assert warehouse.publish([again]) == [again]
    assert warehouse.catalogue.live("touches")[DAY].inputs == "b"
    warehouse.sweep([])
    assert live_ids(warehouse) == ["t1"]
    assert snapshot(tmp_path) == 2


def test_rows_that_break_a_rule_leave_nothing_and_the_old_partition_stays_live(warehouse: Warehouse, tmp_path: Path) -> None:
    put(warehouse, DAY, "t1")
    before = files_below(tmp_path / "warehouse")
    with pytest.raises(WarehouseError, match="table touches"):
        warehouse.write("touches", DAY, touches("t2", ""))
    assert files_below(tmp_path / "warehouse") == before
    assert live_ids(warehouse) == ["t1"]


def test_a_calculation_that_fails_leaves_nothing_and_is_not_taken_for_the_disk(warehouse: Warehouse, tmp_path: Path) -> None:
    put(warehouse, DAY, "t1")
    before = files_below(tmp_path / "warehouse")
    broken = touches("t2").lazy().with_columns(pl.col("touch_id").str.to_integer(strict=True).cast(pl.String))
    with pytest.raises(pl.exceptions.PolarsError):
        warehouse.write("touches", DAY, broken)
    with pytest.raises(pl.exceptions.PolarsError), warehouse.staged(broken):
        pass
    warehouse.sweep([])  # the thread that writes may make its file a moment after the error
    assert files_below(tmp_path / "warehouse") == before
    assert live_ids(warehouse) == ["t1"]


def test_a_staged_frame_is_there_for_its_block_only(warehouse: Warehouse, tmp_path: Path) -> None:
    with warehouse.staged(touches("t1").lazy()) as staged:
        assert staged.collect().height == 1
        assert len(files_below(tmp_path / "warehouse")) == 1
    assert files_below(tmp_path / "warehouse") == set()


IDS = ["00112233-4455-6677-8899-aabbccddeeff", "00112233-4455-6677-8899-AABBCCDDEEFF", "t1", ".", "é", "\0", "t" * 40]


def test_ids_are_kept_in_their_parts_and_read_as_text_unless_their_parts_are_asked_for(warehouse: Warehouse) -> None:
    put(warehouse, DAY, *IDS)
    assert warehouse.read("touches").collect().equals(touches(*IDS))
    assert warehouse.read_days("touches").collect().drop("delivery_day").equals(touches(*IDS))
    assert warehouse.read("touches").filter(pl.col("touch_id") == IDS[1]).collect().equals(touches(IDS[1]))
    kept = warehouse.read_packed("touches").collect()
    assert kept.schema == TABLES["touches"].stored_schema
    assert kept.equals(packed(touches(*IDS).lazy(), ["household_id", "touch_id"]).collect())
    assert kept.row(0, named=True).items() >= {"touch_id_hi": 0x0011223344556677, "touch_id_text": None}.items()
    for table in ("touches", "impressions"):
        assert warehouse.read_packed(table, ["2026-10-09"]).collect_schema() == TABLES[table].stored_schema
        assert warehouse.read(table, ["2026-10-09"]).collect_schema() == TABLES[table].polars_schema


def test_the_rows_of_one_id_are_found_on_every_day_that_has_it(warehouse: Warehouse) -> None:
    put(warehouse, NEXT_DAY, "t2", *IDS)
    put(warehouse, DAY, *IDS[1:], "t2")
    for name in IDS:
        on = warehouse.read_id("touches", "touch_id", name).select("delivery_day", "touch_id").collect().rows()
        days = [date(2026, 10, 5), date(2026, 10, 6)][name == IDS[0] :]
        assert on == [(day, name) for day in days]
    chosen = warehouse.read_id("touches", "touch_id", "t2", [NEXT_DAY]).collect()
    assert chosen["delivery_day"].to_list() == [date(2026, 10, 6)]
    nowhere = warehouse.read_id("touches", "touch_id", "t3")
    assert nowhere.collect().is_empty()
    assert nowhere.collect_schema() == warehouse.read_days("touches", ["2026-10-09"]).collect_schema()
    packed_days = warehouse.read_days_packed("touches").collect()
    assert packed_days.schema == {"delivery_day": pl.Date, **TABLES["touches"].stored_schema}
    assert packed_days.height == 15


def test_ids_may_be_written_as_text_or_in_their_parts_and_come_to_the_same_file(warehouse: Warehouse) -> None:
    whole = warehouse.write("touches", DAY, touches(*IDS))
    for names in (["touch_id"], ["household_id", "touch_id"]):
        assert warehouse.write("touches", DAY, packed(touches(*IDS).lazy(), names)) == whole


def placed(*places: tuple[str, str]) -> pl.DataFrame:
    rows = touches(*(f"t{number}" for number in range(len(places))))
    lines, partners = zip(*places, strict=True)
    return rows.with_columns(pl.Series("line_item_id", lines), pl.Series("partner_id", partners))


def served(*places: tuple[str, str]) -> pl.DataFrame:
    at = datetime(2026, 10, 5, tzinfo=UTC)
    rows = [
        ("a.csv", n, f"i{n}", at, "h1", line, partner, None, "US", True, False, None, None)
        for n, (line, partner) in enumerate(places, 1)
    ]
    return pl.DataFrame(rows, schema=TABLES["impressions"].polars_schema, orient="row")


def codes_of(rows: pl.LazyFrame) -> dict[str, list[str]]:
    schema = rows.collect_schema()
    return {name: dtype.categories.to_list() for name, dtype in schema.items() if isinstance(dtype, pl.Enum)}


def test_a_table_that_keeps_codes_has_those_of_the_very_values_and_is_read_as_texts(warehouse: Warehouse) -> None:
    rows = served(("li-2", "pub-1"), ("li-10", "pub-1"), ("li-2", "é"))
    warehouse.publish([warehouse.write("impressions", DAY, rows)])
    codes = codes_of(warehouse.read_as_kept("impressions", DAY))
    places = {"line_item_id": ["li-10", "li-2"], "partner_id": ["pub-1", "é"]}
    assert codes == {"file": ["a.csv"], "device_type": [], "country": ["US"], "invalid_reason": []} | places
    assert warehouse.read("impressions", [DAY]).collect().equals(rows)
    assert warehouse.read_days("impressions").drop("delivery_day").collect().equals(rows)


def test_codes_that_a_table_does_not_keep_are_texts_to_every_reader(warehouse: Warehouse) -> None:
    rows = placed(("li-2", "pub-1"), ("li-10", "pub-1"), ("li-2", "é"))
    file = warehouse.write("touches", DAY, rows)
    warehouse.publish([file])
    assert warehouse.read_as_kept("touches", DAY).collect_schema() == TABLES["touches"].stored_schema
    assert warehouse.read("touches", [DAY]).collect().equals(rows)
    dictionary = duckdb.sql(
        f"select distinct encodings from parquet_metadata('{warehouse.root / file.path}') where path_in_schema = 'line_item_id'"
    )
    assert "RLE_DICTIONARY" in str(dictionary.fetchall())


@pytest.mark.parametrize("form", ["texts", "lazy texts", "codes of more values", "codes"])
def test_the_same_rows_have_the_same_bytes_whether_they_come_as_texts_or_as_codes(warehouse: Warehouse, form: str) -> None:
    rows = placed(("li-2", "pub-1"), ("li-10", "pub-1"))
    codes = {"touch_kind": ["view"], "line_item_id": ["li-2", "li-10"], "partner_id": ["pub-1"]}
    more = {name: [*values, "more"] for name, values in codes.items()}
    given: dict[str, pl.LazyFrame | pl.DataFrame] = {
        "texts": rows,
        "lazy texts": rows.lazy().filter(pl.col("touch_kind") == "view"),
        "codes of more values": as_codes(rows.lazy(), more),
        "codes": as_codes(rows.lazy(), codes),
    }
    file = warehouse.write("touches", DAY, given[form], is_coded=form == "codes")
    assert file == warehouse.write("touches", DAY, rows)


def test_days_with_other_values_or_too_many_of_them_to_be_codes_are_read_together(warehouse: Warehouse) -> None:
    days = {DAY: [("li-1", "pub-1"), ("li-2", "pub-1")], NEXT_DAY: [("li-3", "pub-2")], "2026-10-07": [("li-2", "pub-3")]}
    with patch.object(texts, "MOST_VALUES", 1):
        warehouse.publish(warehouse.write("impressions", day, served(*places)) for day, places in days.items())
    kinds = [type(warehouse.read_as_kept("impressions", day).collect_schema()["line_item_id"]) for day in days]
    assert kinds == [pl.String, pl.Enum, pl.Enum]
    found = warehouse.read("impressions").collect()
    assert found["line_item_id"].to_list() == ["li-1", "li-2", "li-3", "li-2"]
    assert found.schema == TABLES["impressions"].polars_schema
    narrowed = warehouse.read_days_packed("impressions").filter(pl.col("line_item_id") == "li-2").select("delivery_day")
    assert [str(day) for day in narrowed.collect().to_series()] == [DAY, "2026-10-07"]


def test_a_rule_is_broken_by_a_value_of_codes_as_by_a_text(warehouse: Warehouse) -> None:
    wrong = placed(("li-1", "pub-1"), ("", "pub-1"))
    codes = {"touch_kind": ["view"], "line_item_id": ["", "li-1"], "partner_id": ["pub-1"]}
    for rows, is_coded in ((wrong.lazy(), False), (as_codes(wrong.lazy(), codes), True)):
        with pytest.raises(WarehouseError, match="line_item_id: str_length"):
            warehouse.write("touches", DAY, rows, is_coded=is_coded)
    assert files_below(warehouse.root) == set()


def test_how_the_rows_of_a_table_were_cut_and_read_changes_none_of_its_bytes(warehouse: Warehouse, tmp_path: Path) -> None:
    """More rows than a group of the file has: a day that is settled again has the hash of a run from scratch."""
    n = 260_000
    at = datetime(2026, 10, 5, tzinfo=UTC)
    rows = touches("t").select(
        pl.format("{}", pl.int_range(n) % 9999).alias("household_id"),
        pl.lit("view").alias("touch_kind"),
        pl.int_range(n).cast(pl.String).str.pad_start(20, "t").alias("touch_id"),
        pl.lit(at, TABLES["touches"].polars_schema["touch_time"]).alias("touch_time"),
        *(pl.lit(value).alias(name) for name, value in (("line_item_id", "l"), ("partner_id", "p"))),
        *(pl.lit(value).alias(name) for name, value in (("viewable", True), ("completed", False))),
    )
    whole = warehouse.write("touches", DAY, rows)
    bounds = [0, 1000, 123_456, 123_457, n]
    pieces = [rows[start:end] for start, end in pairwise(bounds)]
    files = [tmp_path / f"piece-{number}.parquet" for number in range(len(pieces))]
    for number, (piece, file) in enumerate(zip(pieces, files, strict=True)):
        piece.write_parquet(file, row_group_size=(777, 50_000)[number % 2])
    assert warehouse.write("touches", DAY, pl.concat(pieces, rechunk=False)) == whole
    assert warehouse.write("touches", DAY, pl.concat([pl.scan_parquet(file) for file in files])) == whole
    more = pl.concat([pl.concat([piece, piece.with_columns(touch_kind=pl.lit("click"))]) for piece in pieces])
    with warehouse.staged(packed(more.lazy(), ["household_id"])) as staged:
        assert warehouse.write("touches", DAY, staged.filter(pl.col("touch_kind") == "view")) == whole
        clicks = staged.filter(pl.col("touch_kind") == "click").select("touch_kind")
        left = staged.join(clicks, on="touch_kind", how="anti", maintain_order="left")
        assert warehouse.write("touches", DAY, left) == whole


def test_publishing_is_all_or_nothing_over_tables(warehouse: Warehouse, tmp_path: Path) -> None:
    old = put(warehouse, DAY, "t1")
    new = warehouse.write("touches", DAY, touches("t2"))
    broken = PartitionFile("quarantine", DAY, None, "0" * 64, 0, 1, "")  # type: ignore[arg-type]
    with pytest.raises(Exception, match="NOT NULL"):
        warehouse.publish([new, broken])
    assert live_ids(warehouse) == ["t1"]
    assert warehouse.catalogue.live("quarantine") == {}
    assert warehouse.catalogue.live("touches") == {DAY: old}
    assert snapshot(tmp_path) == 1


def test_partitions_are_read_in_ascending_order_and_can_be_chosen(warehouse: Warehouse) -> None:
    put(warehouse, NEXT_DAY, "t3", "t2")
    put(warehouse, DAY, "t1")
    put(warehouse, "2026-10-07")
    assert live_ids(warehouse) == ["t1", "t3", "t2"]
    assert live_ids(warehouse, NEXT_DAY, "2026-10-09") == ["t3", "t2"]
    assert warehouse.read("touches", []).collect().is_empty()
    assert list(warehouse.catalogue.live("touches")) == [DAY, NEXT_DAY, "2026-10-07"]


def test_a_daily_table_is_read_with_the_delivery_day_of_each_row(warehouse: Warehouse) -> None:
    put(warehouse, NEXT_DAY, "t2")
    put(warehouse, DAY, "t1")
    rows = warehouse.read_days("touches").select("delivery_day", "touch_id").collect().rows()
    assert rows == [(date(2026, 10, 5), "t1"), (date(2026, 10, 6), "t2")]
    none = warehouse.read_days("touches", ["2026-10-09"]).collect()
    assert none.is_empty()
    assert none.columns[0] == "delivery_day"


def test_an_unpublished_file_is_read_in_place_of_the_live_one_of_its_partition(warehouse: Warehouse) -> None:
    put(warehouse, DAY, "t1")
    put(warehouse, NEXT_DAY, "t2")
    waiting = warehouse.write("touches", NEXT_DAY, touches("t9"))
    assert warehouse.read("touches", None, [waiting]).collect()["touch_id"].to_list() == ["t1", "t9"]
    assert warehouse.read_days("touches", [DAY], [waiting]).collect()["touch_id"].to_list() == ["t1"]
    assert live_ids(warehouse) == ["t1", "t2"]


def test_a_sweep_removes_unlisted_and_replaced_files_and_keeps_the_live_ones(warehouse: Warehouse, tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    replaced = put(warehouse, DAY, "t1")
    live = put(warehouse, DAY, "t2")
    unlisted = warehouse.write("touches", NEXT_DAY, touches("t3"))
    (root / ".staging" / "left-behind.parquet").write_bytes(b"half a file")
    assert {replaced.path, live.path, unlisted.path} < files_below(root)
    warehouse.sweep([])
    assert files_below(root) == {live.path}
    assert live_ids(warehouse) == ["t2"]


def test_a_sweep_keeps_what_a_pinned_snapshot_was_made_from(warehouse: Warehouse, tmp_path: Path) -> None:
    root = tmp_path / "warehouse"
    first = put(warehouse, DAY, "t1")  # snapshot 1
    pinned = put(warehouse, DAY, "t2")  # snapshot 2
    put(warehouse, NEXT_DAY, "t8")  # snapshot 3
    third = put(warehouse, DAY, "t3")  # snapshot 4
    live = put(warehouse, DAY, "t4")  # snapshot 5
    warehouse.sweep([3])
    left = files_below(root)
    assert pinned.path in left
    assert live.path in left
    assert first.path not in left
    assert third.path not in left
    assert live_ids(warehouse, DAY) == ["t4"]
    warehouse.sweep([])
    assert pinned.path not in files_below(root)


def test_a_file_that_is_gone_is_named_and_never_read_as_no_rows(warehouse: Warehouse) -> None:
    file = put(warehouse, DAY, "t1")
    (warehouse.root / file.path).unlink()
    with pytest.raises(WarehouseError) as refused:
        warehouse.read("touches")
    assert refused.value.what == "the file of a partition is gone"
    assert refused.value.where == str(warehouse.root / file.path)
    assert "restore it from a backup" in refused.value.remedy


@pytest.mark.parametrize("bit", range(8))
def test_a_changed_bit_is_refused_whatever_it_would_have_read_as(bit: int, warehouse: Warehouse) -> None:
    file = put(warehouse, DAY, "t1", "t2")
    path = warehouse.root / file.path
    content = bytearray(path.read_bytes())
    content[len(content) * bit // 8] ^= 1 << bit
    path.write_bytes(content)
    for read in (warehouse.read, warehouse.read_days):
        with pytest.raises(WarehouseError, match="is not what was written") as refused:
            read("touches")
        assert refused.value.where == str(path)
    assert put(warehouse, DAY, "t1", "t2") == file
    assert live_ids(warehouse) == ["t1", "t2"]  # written again it is sound


def test_a_folder_that_cannot_be_made_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "warehouse").write_text("a file in the way", encoding="utf-8")
    blocked = warehouse_at(tmp_path / "warehouse", tmp_path / "books.db")
    with pytest.raises(WarehouseError, match=r"the disk did not take it \(Not a directory\)"):
        blocked.write("touches", DAY, touches("t1"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 kB of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mounted = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], capture_output=True, timeout=10, check=False
        )
    except OSError:
        pytest.skip("there is no mount command here")
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], timeout=10, check=True)


def test_a_full_disk_is_a_clear_error_and_the_old_partition_stays_live(small_disk: Path, tmp_path: Path) -> None:
    warehouse = warehouse_at(small_disk / "warehouse", tmp_path / "books.db")
    put(warehouse, DAY, "t1")
    before = files_below(small_disk)
    too_much = touches(*(os.urandom(32).hex() for _ in range(20_000)))
    with pytest.raises(WarehouseError, match=r"\(No space left on device\)") as refused:
        warehouse.write("touches", DAY, too_much)
    assert "nothing was published; free space" in str(refused.value)
    with pytest.raises(WarehouseError, match="No space left on device"), warehouse.staged(too_much.lazy()):
        pass
    assert files_below(small_disk) == before
    assert live_ids(warehouse) == ["t1"]
    put(warehouse, DAY, "t2")
    assert live_ids(warehouse) == ["t2"]


def test_a_read_only_disk_is_a_clear_error_and_can_still_be_read(small_disk: Path, tmp_path: Path) -> None:
    warehouse = warehouse_at(small_disk / "warehouse", tmp_path / "books.db")
    put(warehouse, DAY, "t1")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], timeout=10, check=True)
    with pytest.raises(WarehouseError, match=r"\(Read-only file system\)"):
        warehouse.write("touches", DAY, touches("t2"))
    assert live_ids(warehouse) == ["t1"]


WRITER = """
import json, sys
from pathlib import Path
import polars as pl
from contracts_io.frames import TABLES
from contracts_io.ids import packed
from contracts_io.store.base import open_engine
from contracts_io.store.catalogue import Catalogue
from contracts_io.store.revision import upgrade
from contracts_io.texts import as_codes
from contracts_io.warehouse import Warehouse

home, start = Path(sys.argv[1]), int(sys.argv[2])
engine = open_engine(f"sqlite:///{home / 'books.db'}")
upgrade(engine, init="adledger init")
warehouse = Warehouse(home / "warehouse", Catalogue(engine))
rows = TABLES["missing_rates"].polars_schema
print("ready", flush=True)
for turn in range(start, start + 10_000):
    made = pl.DataFrame(
        {"date": [turn] * 50_000, "base": "EUR", "quote": "USD", "contract_id": [f"c{n}" for n in range(50_000)]}
    ).cast(dict(rows))
    files = [warehouse.write("missing_rates", month, made) for month in ("2026-10", "2026-11")]
    warehouse.publish(files)
    print(turn, flush=True)
"""


def test_a_writer_killed_at_any_moment_leaves_whole_partitions_of_one_publication(tmp_path: Path) -> None:
    warehouse = warehouse_at(tmp_path / "warehouse", tmp_path / "books.db")
    delays = random.Random(20261005)
    said = -1
    for attempt in range(10):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path), str(attempt * 10_000)], stdout=subprocess.PIPE, text=True
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
        time.sleep(delays.uniform(0.0, 0.4))
        writer.send_signal(signal.SIGKILL)
        said = max([said, *(int(line) for line in writer.stdout.read().splitlines() if line)])
        assert writer.wait(10) == -signal.SIGKILL
        writer.stdout.close()
        turns = {}
        for month in ("2026-10", "2026-11"):
            rows = warehouse.read("missing_rates", [month]).collect()
            assert rows.height in (0, 50_000)
            turns[month] = rows["date"].cast(pl.Int32).unique().to_list()
        assert turns["2026-10"] == turns["2026-11"], json.dumps(turns)
        (turn,) = turns["2026-10"] or [-1]
        assert turn >= said, "what was said to be published is there"
        warehouse.sweep([])
        live = {file.path for file in warehouse.catalogue.live("missing_rates").values()}
        assert files_below(tmp_path / "warehouse") == live
    assert said >= 0, "at least one publication came through"


def test_a_fingerprint_tells_apart_what_its_parts_say() -> None:
    assert fingerprint("a", "b") == fingerprint("a", "b")
    assert (
        len({fingerprint("a", "b"), fingerprint("ab"), fingerprint("b", "a"), fingerprint("a", "", "b"), fingerprint()}) == 5
    )
