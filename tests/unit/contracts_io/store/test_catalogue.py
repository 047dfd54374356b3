from __future__ import annotations

import threading

import pytest
import sqlalchemy as sa

from contracts_io.store.base import reading
from contracts_io.store.catalogue import Catalogue, current_snapshot, lake_file
from contracts_io.warehouse import PartitionFile


@pytest.fixture
def catalogue(engine: sa.Engine) -> Catalogue:
    return Catalogue(engine)


def file(content: str, partition: str = "2026-10-05", table: str = "touches", inputs: str = "") -> PartitionFile:
    return PartitionFile(table, partition, f"{table}/{partition}/{content}.parquet", content, 0, 1, inputs)


def snapshot(engine: sa.Engine) -> int:
    with reading(engine) as connection:
        return current_snapshot(connection)


def test_nothing_is_live_before_the_first_publication(engine: sa.Engine, catalogue: Catalogue) -> None:
    assert catalogue.live("touches") == {}
    assert catalogue.paths() == set()
    assert snapshot(engine) == 0
    assert catalogue.publish([]) == []
    assert snapshot(engine) == 0


def test_files_of_one_publication_share_a_snapshot(engine: sa.Engine, catalogue: Catalogue) -> None:
    files = [file("a"), file("b", "2026-10-06"), file("c", table="clicks")]
    assert catalogue.publish(iter(files)) == files
    assert snapshot(engine) == 1
    assert catalogue.live("touches") == {"2026-10-05": files[0], "2026-10-06": files[1]}
    assert catalogue.live("clicks") == {"2026-10-05": files[2]}
    assert catalogue.live("touches", ["2026-10-06", "2026-10-07"]) == {"2026-10-06": files[1]}
    assert catalogue.live("touches", []) == {}


def test_live_files_come_in_ascending_order_of_partition(catalogue: Catalogue) -> None:
    catalogue.publish([file("a", day) for day in ("2026-10-07", "2026-10-05", "2026-10-06")])
    assert list(catalogue.live("touches")) == ["2026-10-05", "2026-10-06", "2026-10-07"]


def test_of_several_files_of_a_partition_the_last_stands(engine: sa.Engine, catalogue: Catalogue) -> None:
    first, last, other = file("a"), file("b"), file("c", "2026-10-06")
    assert catalogue.publish([first, other, last]) == [last, other]
    assert catalogue.live("touches") == {"2026-10-05": last, "2026-10-06": other}
    assert snapshot(engine) == 1


def test_what_is_live_already_is_not_published_again(engine: sa.Engine, catalogue: Catalogue) -> None:
    catalogue.publish([file("a")])
    new = file("b", "2026-10-06")
    assert catalogue.publish([file("a"), new]) == [new]
    assert catalogue.publish([file("a"), new]) == []
    assert snapshot(engine) == 2


def test_a_new_file_replaces_the_live_one_which_stays_listed(catalogue: Catalogue) -> None:
    catalogue.publish([file("a")])
    catalogue.publish([file("b")])
    assert catalogue.live("touches") == {"2026-10-05": file("b")}
    assert catalogue.paths() == {file("a").path, file("b").path}


def test_the_same_file_made_from_other_inputs_replaces_itself(engine: sa.Engine, catalogue: Catalogue) -> None:
    catalogue.publish([file("a", inputs="x")])
    assert catalogue.publish([file("a", inputs="y")]) == [file("a", inputs="y")]
    assert catalogue.live("touches")["2026-10-05"].inputs == "y"
    assert snapshot(engine) == 2


def test_a_file_may_come_back(catalogue: Catalogue) -> None:
    for content in ("a", "b", "a"):
        catalogue.publish([file(content)])
    catalogue.forget_removed([])
    assert catalogue.live("touches") == {"2026-10-05": file("a")}
    assert catalogue.paths() == {file("a").path}


@pytest.mark.parametrize(
    ("pinned", "kept"),
    [([], "d"), ([1], "ad"), ([2], "bd"), ([3], "cd"), ([4], "d"), ([1, 3], "acd"), ([0, 9], "d"), ([1, 2, 3, 4], "abcd")],
)
def test_a_pinned_snapshot_keeps_what_was_live_in_it(catalogue: Catalogue, pinned: list[int], kept: str) -> None:
    for content in "abcd":
        catalogue.publish([file(content)])
    catalogue.forget_removed(pinned)
    assert catalogue.paths() == {file(content).path for content in kept}
    assert catalogue.live("touches") == {"2026-10-05": file("d")}


def test_forgetting_where_there_is_nothing_to_forget_leaves_everything(catalogue: Catalogue) -> None:
    catalogue.publish([file("a"), file("b", "2026-10-06")])
    catalogue.forget_removed([])
    assert len(catalogue.paths()) == 2


def test_a_partition_has_one_live_file_however_many_publish_at_once(engine: sa.Engine, catalogue: Catalogue) -> None:
    contents = [f"w{n}" for n in range(8)]
    start = threading.Barrier(len(contents))
    errors: list[BaseException] = []

    def publish(content: str) -> None:
        start.wait()
        try:
            catalogue.publish([file(content), file(content, "2026-10-06")])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=publish, args=(content,)) for content in contents]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    live = catalogue.live("touches")
    assert len({found.sha256 for found in live.values()}) == 1, "both partitions are of one publication"
    with reading(engine) as connection:
        added = connection.scalars(sa.select(lake_file.c.added).order_by(lake_file.c.added)).all()
    assert list(added) == sorted([*range(1, 9), *range(1, 9)])
