"""NDJSON: every digit is kept, and one bad line costs one row."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.errors import FeedError
from contracts_io.feeds.formats import read_file
from contracts_io.feeds.landing import LandingFile
from contracts_io.feeds.rows import FileRows
from contracts_io.settings import ColumnMapping, FeedSettings

COLUMNS = ("conversion_id", "order_id", "order_value", "new_customer")


def read(folder: Path, content: str | bytes, name: str = "a.ndjson", settings: FeedSettings | None = None) -> FileRows:
    data = content.encode() if isinstance(content, str) else content
    path = folder / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return read_file(LandingFile(name, path, path.stat().st_size, ""), "conversions", settings or FeedSettings())


def rows(found: FileRows) -> list[tuple[object, ...]]:
    return found.raw.select("row", *COLUMNS).collect(engine="streaming").rows()


def unreadable(found: FileRows) -> list[tuple[int, str]]:
    return [(row, json.loads(content)["line"]) for _, row, content in found.unreadable.rows()]


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_rows_are_numbered_by_their_line_and_blank_lines_are_none(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, '\ufeff{"conversion_id": "c1"}\r\n\n  \n{"conversion_id":"c2","other":1}\n{ }\n', name)
    assert rows(found) == [(1, "c1", None, None, None), (4, "c2", None, None, None), (5, None, None, None, None)]
    assert (found.rows, found.unreadable.height) == (3, 0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("1.10", "1.10"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        ("1e5", "1e5"),
        ("-0", "-0"),
        ("0.0000001", "0.0000001"),
        ("12345678901234567890", "12345678901234567890"),
        ('"1.10"', "1.10"),
        ('""', None),
        ("null", None),
        ("true", "true"),
        ('{"a": [1.50, "x", null, true]}', '{"a": [1.50, "x", null, true]}'),
        ("[1.50]", "[1.50]"),
        ('":5, "', ":5, "),
        ('"a\\"b: 1}"', 'a"b: 1}'),
        ('"\\u00e9\\n\\/"', "é\n/"),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"a:1,b"', "a:1,b"),
        ('"order_value"', "order_value"),
    ],
)
def test_a_value_is_taken_as_it_was_written(tmp_path: Path, value: str, text: str | None) -> None:
    line = f'{{"conversion_id": "c1", "order_value": {value}, "x": {value}, "order_id": {value}}}\n'
    found = read(tmp_path, line + '{"conversion_id": "c2", "order_value": "1", "x": 2, "order_id": 3}\n')
    assert rows(found) == [(1, "c1", text, text, None), (2, "c2", "3", "1", None)]


@pytest.mark.parametrize(
    "line",
    [
        '{"conversion_id": "c1"',
        '{"conversion_id": "c1",}',
        '{"conversion_id": c1}',
        "{'conversion_id': 'c1'}",
        '["c1"]',
        '"c1"',
        "1",
        "null",
        '{"conversion_id": "c1"} {"conversion_id": "c2"}',
        '{"conversion_id": 01}',
        '{"conversion_id": 1.}',
        '{"conversion_id": .5}',
        '{"conversion_id": +1}',
        '{"conversion_id": NaN}',
        '{"conversion_id": Infinity}',
        '{"conversion_id": "a\tb"}',
        '{"conversion_id": "\\x41"}',
        '{"conversion_id": "\\ud800"}',
        '{"conversion_id": "c1", "order_id": 1.2.3}',
        '{"conversion_id" "c1"}',
        "[" * 100_000,
        '{"a":' * 100_000,
    ],
    ids=lambda line: line[:40],
)
def test_a_line_that_is_no_json_object_is_unreadable(tmp_path: Path, line: str) -> None:
    found = read(tmp_path, f'{{"conversion_id": "c0", "order_id": 1}}\n{line}\n{{"conversion_id": "c2"}}\n')
    assert rows(found) == [(1, "c0", "1", None, None), (3, "c2", None, None, None)]
    assert unreadable(found) == [(2, line)]
    assert found.rows == 3


def test_a_file_of_nothing_but_bad_lines_has_no_rows_to_judge(tmp_path: Path) -> None:
    found = read(tmp_path, "junk\n\n[1]")
    assert rows(found) == []
    assert unreadable(found) == [(1, "junk"), (3, "[1]")]


def test_of_equal_keys_the_last_counts(tmp_path: Path) -> None:
    twice = '{"conversion_id": "c1", "order_value": 1, "order_value": 2}\n'
    found = read(tmp_path, twice + '{"conversion_id": "c2", "order_value": 3}\n')
    assert rows(found) == [(1, "c1", None, "2", None), (2, "c2", None, "3", None)]


def test_objects_of_many_shapes_are_all_read_in_their_order(tmp_path: Path) -> None:
    names = ["conversion_id", "order_id", "order_value", "new_customer", "x", "y"]
    lines = [
        json.dumps({name: f"{name[0]}{number}" for name in names[number % 6 :] + names[: number % 5]})
        for number in range(60)
    ]
    expected = [(number + 1, *(json.loads(line).get(name) for name in COLUMNS)) for number, line in enumerate(lines)]
    assert rows(read(tmp_path, "\n".join(lines))) == expected


def test_a_shape_that_comes_late_is_read_too(tmp_path: Path) -> None:
    early = '{"conversion_id": "c", "order_id": 1}\n' * 1500
    found = read(tmp_path, early + '{"order_value": 1.50, "conversion_id": "late"}\n')
    assert found.raw.select("row", *COLUMNS).tail(1).collect().row(0) == (1501, "late", None, "1.50", None)


@pytest.mark.parametrize("name", ["a.ndjson", "a.ndjson.gz"])
def test_a_line_that_is_not_utf_8_is_unreadable(tmp_path: Path, name: str) -> None:
    found = read(tmp_path, b'{"conversion_id": "c1"}\n{"conversion_id": "\xff"}\n{"conversion_id": "\xc3\xa9"}\n', name)
    assert rows(found) == [(1, "c1", None, None, None), (3, "é", None, None, None)]
    assert unreadable(found) == [(2, '{"conversion_id": "\\xff"}')]


def test_the_content_of_a_row_is_its_object(tmp_path: Path) -> None:
    lines = ['  {"conversion_id": 1.10, "x": [1]} ', '{"order_id": "a", "order_id": "b"}']
    found = read(tmp_path, "\n".join(lines))
    assert found.contents([2, 1])["content"].to_list() == [lines[0].strip(), lines[1]]


def test_a_mapped_key_must_be_in_some_row(tmp_path: Path) -> None:
    mapped = FeedSettings(columns={"conversion_id": ColumnMapping(column="id")})
    with pytest.raises(FeedError, match=r"conversions\.conversion_id is mapped to column 'id'.*the columns are 'a', 'b'"):
        read(tmp_path, '{"a": 1}\n{"b": "id"}\n', settings=mapped)
    assert rows(read(tmp_path, "\n", settings=mapped)) == []
    assert rows(read(tmp_path, '{"a": 1}\n{"id": 2}\n', settings=mapped))[1][1] == "2"
    assert rows(read(tmp_path, '{"a": 1}\n' * 2000 + '{"id": 2}\n', settings=mapped))[2000][1] == "2"


@pytest.mark.parametrize(
    "data", [b'{"conversion_id": "c1"}\n', gzip.compress(b'{"conversion_id": "c1"}\n' * 1000, mtime=0)[:-20], b""]
)
def test_a_broken_gzip_stream_is_named(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(data)
    with pytest.raises(FeedError, match=r"a\.ndjson\.gz: cannot be opened"):
        read_file(LandingFile(path.name, path, len(data), ""), "conversions", FeedSettings())


SCALAR = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.sampled_from('a":,{}[]\\ \n1é\U0001f600'), max_size=6),
)
OBJECT = st.dictionaries(
    st.sampled_from([*COLUMNS, "x", 'y"', ":z"]), st.one_of(SCALAR, st.lists(SCALAR, max_size=2)), max_size=5
)


@given(objects=st.lists(OBJECT, max_size=6), ascii_only=st.booleans(), compact=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_a_json_writer_writes_is_read_back(
    tmp_path: Path, objects: list[dict[str, object]], ascii_only: bool, compact: bool
) -> None:
    separators = (",", ":") if compact else None
    lines = [json.dumps(row, ensure_ascii=ascii_only, separators=separators) for row in objects]
    found = read(tmp_path, "\n".join(lines))
    assert found.unreadable.is_empty()
    expected = [(number, *(_text(row.get(name)) for name in COLUMNS)) for number, row in enumerate(objects, 1)]
    assert rows(found) == expected


def _text(value: object) -> str | None:
    return (value or None) if isinstance(value, str) or value is None else json.dumps(value, ensure_ascii=False)
