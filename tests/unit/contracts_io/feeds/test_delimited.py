"""CSV: which lines are rows, which are unreadable, and that one bad line costs one row."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zlib
from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.errors import FeedError
from contracts_io.feeds.formats import read_file
from contracts_io.feeds.landing import LandingFile
from contracts_io.feeds.rows import FileRows
from contracts_io.settings import ColumnMapping, FeedSettings

zipped = partial(gzip.compress, mtime=0)  # test ids show the bytes: they must not change with the clock

HEADER = "click_id,event_time,line_item_id\n"


def read(folder: Path, content: str | bytes, name: str = "a.csv", settings: FeedSettings | None = None) -> FileRows:
    data = content.encode() if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(zipped(data) if name.endswith(".gz") else data)
    return read_file(LandingFile(name, path, path.stat().st_size, ""), "clicks", settings or FeedSettings())


def rows(found: FileRows) -> list[tuple[object, ...]]:
    return found.raw.select("row", "click_id", "event_time", "line_item_id").collect(engine="streaming").rows()


def unreadable(found: FileRows) -> list[tuple[int, str]]:
    return [(row, json.loads(content)["line"]) for _, row, content in found.unreadable.rows()]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_rows_are_numbered_from_the_first_after_the_header(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, HEADER + "c1,t1,l1\nc2,t2,\n", name)
    assert rows(found) == [(1, "c1", "t1", "l1"), (2, "c2", "t2", None)]
    assert found.raw.select("file").collect()["file"].to_list() == [name, name]
    assert (found.rows, found.unreadable.height) == (2, 0)


def test_a_column_that_is_not_there_is_null_and_one_that_is_unknown_is_ignored(tmp_path: Path) -> None:
    found = read(tmp_path, "extra,click_id\nx,c1\n")
    assert found.raw.drop("file").collect().rows() == [(1, "c1", None, None, None, None, None)]


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + HEADER + "c1,t1,l1\nc2,t2,l2",
        HEADER.replace("\n", "\r\n") + "c1,t1,l1\r\nc2,t2,l2\r\n",
        "\n  \n" + HEADER + "\n \t\r\nc1,t1,l1\n\n\nc2,t2,l2\n\n",
        '"click_id","event_time","line_item_id"\n"c1","t1","l1"\nc2,"t2",l2\n',
        '"click_id",event_time,line_item_id\r\n\r\n"c1",t1,"l1"\r\n"c2",t2,l2',
    ],
    ids=["byte order mark", "crlf", "blank lines", "quotes", "quotes and crlf"],
)
def test_the_ways_to_write_a_csv_mean_the_same(tmp_path: Path, content: str) -> None:
    found = read(tmp_path, content)
    assert rows(found) == [(1, "c1", "t1", "l1"), (2, "c2", "t2", "l2")]
    assert (found.rows, found.unreadable.height) == (2, 0)


def test_quoted_fields_may_hold_separators_quotes_and_line_ends(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + 'c0,t,l\n"a,b","say ""hi""","two\nlines, ""three""\n\nfour"\n"",t2,""""\nc3,t3,l3\n')
    assert rows(found) == [
        (1, "c0", "t", "l"),
        (2, "a,b", 'say "hi"', 'two\nlines, "three"\n\nfour'),
        (3, None, "t2", '"'),
        (4, "c3", "t3", "l3"),
    ]
    assert found.rows == 4


def test_too_few_and_too_many_fields_are_unreadable(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + 'c1,t1\nc2,t2,l2\nc3,t3,l3,x\n\n"c,4","t4"\nc5,t5,l5\n')
    assert rows(found) == [(2, "c2", "t2", "l2"), (5, "c5", "t5", "l5")]
    assert unreadable(found) == [(1, "c1,t1"), (3, "c3,t3,l3,x"), (4, '"c,4","t4"')]
    assert found.rows == 5


@pytest.mark.parametrize("line", ['"c1,t1,l1', 'c1,"t1,l1', 'c1,t1,"l1', '"c1"x,t1,l1', 'c1,"t"1",l1', 'c1,t1,"'], ids=str)
def test_a_quote_that_does_not_close_costs_one_row(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, HEADER + f'c0,t0,l0\n{line}\nc2,t2,l2\nc3,"t,3",l3\nc4,t4,l4\n')
    assert rows(found) == [(1, "c0", "t0", "l0"), (3, "c2", "t2", "l2"), (4, "c3", "t,3", "l3"), (5, "c4", "t4", "l4")]
    assert unreadable(found) == [(2, line)]
    assert found.rows == 5


def test_many_quotes_that_do_not_close_cost_as_many_rows(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + 'c1,t1,"l1\nc2,"t2,l2\n"c3,t3,l3\n"c4","t\n4",l4\n"c5')
    assert unreadable(found) == [(1, 'c1,t1,"l1'), (2, 'c2,"t2,l2'), (3, '"c3,t3,l3'), (5, '"c5')]
    assert rows(found) == [(4, "c4", "t\n4", "l4")]


def test_a_quote_that_never_closes_is_given_up_in_time(tmp_path: Path) -> None:
    many = "c,t,l\n" * 200_000
    found = read(tmp_path, HEADER + 'c1,t1,"l1\n' + many + 'c9,t9,l9"\n')
    assert unreadable(found) == [(1, 'c1,t1,"l1')]
    assert found.raw.select("row", "line_item_id").tail(1).collect().row(0) == (200_002, 'l9"')


def test_a_quote_within_an_unquoted_field_is_text(tmp_path: Path) -> None:
    found = read(tmp_path, HEADER + 'c1,12" screen,l"1"\n')
    assert rows(found) == [(1, "c1", '12" screen', 'l"1"')]


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
def test_a_line_that_is_not_utf_8_is_unreadable(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, HEADER.encode() + b'c1,t1,l1\nc2,\xff,l2\n"c3",t3,"l\n3"\n"c4\n\xfe\nc5,\xc3\xa9,l5\n', name)
    assert rows(found) == [(1, "c1", "t1", "l1"), (3, "c3", "t3", "l\n3"), (6, "c5", "é", "l5")]
    assert unreadable(found) == [(2, "c2,\\xff,l2"), (4, '"c4'), (5, "\\xfe")]


@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", HEADER, HEADER.rstrip()])
def test_a_file_without_rows_is_an_empty_file(tmp_path: Path, content: str) -> None:
    found = read(tmp_path, content)
    assert rows(found) == []
    assert found.rows == 0


def test_a_file_of_one_column_has_no_row_on_a_blank_line(tmp_path: Path) -> None:
    found = read(tmp_path, 'click_id\nc1\n\n"c2"\n   \nc3\n')
    assert found.raw.select("row", "click_id").collect().rows() == [(1, "c1"), (2, "c2"), (3, "c3")]


def test_the_content_of_a_row_has_every_source_column_as_it_stood(tmp_path: Path) -> None:
    mapped = FeedSettings(columns={"click_id": ColumnMapping(column="")}, null_values=("null",))
    found = read(tmp_path, ',"odd ""name""",x,x\nc1,null,,é\nc2,a\nc3,"b\nc",1,2\n\nc4,"d,e",3,4\n', settings=mapped)
    assert [(row, json.loads(content)) for _, row, content in found.contents([4, 1, 3]).rows()] == [
        (1, {"": "c1", 'odd "name"': "null", "x": "", "x (4)": "é"}),
        (3, {"": "c3", 'odd "name"': "b\nc", "x": "1", "x (4)": "2"}),
        (4, {"": "c4", 'odd "name"': "d,e", "x": "3", "x (4)": "4"}),
    ]
    assert found.contents([]).is_empty()


@pytest.mark.parametrize(
    ("name", "data", "what"),
    [
        ("a.csv.gz", b"click_id\n1\n", "it is not a gzip stream"),
        ("a.csv.gz", b"", "it is not a gzip stream"),
        ("a.csv.gz", zipped(b"click_id\n1\n" * 1000)[:-20], "cannot be opened"),
        ("a.csv.gz", zipped(b"click_id\n1\n")[:-8] + b"\0" * 8, "cannot be opened"),
        ("a.csv.gz", zipped(b"click_id\n1\n") + b"garbage", "cannot be opened"),
        ("a.csv.gz", zipped(b"click_id\n\xff\n" * 1000)[:-8] + b"\0" * 8, "cannot be opened"),
        ("a.csv", zipped(b"click_id\n1\n"), "it is gzip, which its name does not say"),
        ("a.csv", b"\x28\xb5\x2f\xfd" + b"click_id\n1\n", "it is compressed by zstd"),
        ("a.csv", zlib.compress(b"click_id\n1\n"), "it is compressed by zlib"),
        ("a.csv", b"click_id,event_time\r1,2026-10-05\r", "its lines end with CR alone"),
        ("a.csv", b"click_id,event_time\r1,2026-10-05\r\n", "its lines end with CR alone"),
        ("a.csv", "click_id\n1\n".encode("utf-16"), "is not UTF-8 text"),
        ("a.csv", b'click_id,"event_time\n1,2\n', "its header has a quote that does not close"),
        ("a.csv", b'"click_id"x,event_time\n1,2\n', "its header has a quote that does not close"),
        ("a.csv", b"click_id,click_id\n1,2\n", "has 2 columns named 'click_id'"),
    ],
)
def test_a_file_that_cannot_be_opened_is_named(tmp_path: Path, name: str, data: bytes, what: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(FeedError) as refused:
        read_file(LandingFile(name, path, len(data), ""), "clicks", FeedSettings())
    assert what in str(refused.value)
    assert str(path) in str(refused.value)


def test_gzip_members_in_a_row_are_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.csv.gz"
    path.write_bytes(zipped(HEADER.encode()) + zipped(b"c1,t1,l1\n"))
    found = read_file(LandingFile("a.csv.gz", path, 1, ""), "clicks", FeedSettings())
    assert rows(found) == [(1, "c1", "t1", "l1")]


CELL = st.text(st.sampled_from('ab,"\n é'), max_size=5)


@given(
    table=st.lists(st.lists(CELL, min_size=3, max_size=3).filter(lambda cells: cells != ["", "", ""]), max_size=8),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    end=st.sampled_from(["\n", "\r\n"]),
)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_csv_writer_writes_is_read_back(tmp_path: Path, table: list[list[str]], quoting: int, end: str) -> None:
    stream = io.StringIO()
    writer = csv.writer(stream, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(["click_id", "event_time", "line_item_id"])
    writer.writerows(table)
    found = read(tmp_path, stream.getvalue())
    assert rows(found) == [(number, *(cell or None for cell in cells)) for number, cells in enumerate(table, 1)]
    contents = [list(json.loads(content).values()) for content in found.contents(range(1, len(table) + 1))["content"]]
    assert contents == table
