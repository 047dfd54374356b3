from __future__ import annotations

from typing import Any

import pytest

from contracts_io.contract_text import Unquoted, read_tree
from contracts_io.errors import ContractError


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("NO", "NO"),
        ("yes", "yes"),
        ("off", "off"),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("12:30:45", "12:30:45"),
        ("1_000", "1_000"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("017", Unquoted("017")),
        ("+5", Unquoted("+5")),
        ("5", 5),
        ("-5", -5),
        ("32.50", Unquoted("32.50")),
        ("1e5", Unquoted("1e5")),
        (".inf", Unquoted(".inf")),
        ("9" * 5000, Unquoted("9" * 5000)),
        ("2026-10-01", "2026-10-01"),
        ("2026-10-01T12:00:00Z", "2026-10-01T12:00:00Z"),
        ('"32.50"', "32.50"),
        ("'true'", "true"),
        ("[a, 1]", ("a", 1)),
        ("{NO: 1}", {"NO": 1}),
    ],
)
def test_a_yaml_value_means_what_is_written(written: str, read: Any) -> None:
    assert read_tree(f"key: {written}\n", "c.yaml") == {"key": read}


def test_json_and_yaml_give_the_same_tree() -> None:
    tree = {"a": ("x", 1, Unquoted("2.50"), True, None), "b": {"NO": "1"}}
    assert read_tree('{"a": ["x", 1, 2.50, true, null], "b": {"NO": "1"}}', "c.json") == tree
    assert read_tree("a: [x, 1, 2.50, true, null]\nb: {NO: '1'}\n", "c.yaml") == tree


def test_json_in_a_file_of_another_name_is_read_as_json() -> None:
    assert read_tree('\ufeff{\n\t"a": "\\ud83d\\ude00"\n}', "contract.yaml") == {"a": "😀"}


def test_a_yaml_flow_mapping_begins_with_a_brace_as_well() -> None:
    assert read_tree("{a: 1, b: [x]}", "c.yaml") == {"a": 1, "b": ("x",)}


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("", "c.yaml", "c.yaml: the file is empty"),
        ("# nothing\n", "c.yaml", "c.yaml: the file is empty"),
        ("- a\n- b\n", "c.yaml", "c.yaml: the file holds a list, not a contract document"),
        ("just words", "c.yaml", "c.yaml: the file holds a single value, not a contract document"),
        ("[]", "c.json", "c.json: the file holds a list, not a contract document"),
        ("a: [1, 2\nb: 3\n", "c.yaml", "c.yaml, line 2, column 2: the file is not YAML"),
        ("a: 1\n  b: 2\n", "c.yaml", "c.yaml, line 2, column 4: the file is not YAML"),
        ("a: \x01", "c.yaml", "c.yaml: the file is not YAML: character 4 may not stand in it"),
        ('{"a": 1,\n "b"}', "c.json", "c.json, line 2, column 5: the file is not JSON"),
        ("a: 1\n---\na: 2\n", "c.yaml", "c.yaml, line 2, column 1: the file holds more than one document"),
        ("a:\n  b: 1\n  c: 2\n  b: 3\n", "c.yaml", "c.yaml, line 4, column 3: the key 'b' stands twice in one mapping"),
        ('{"a": {\n "b": 1,\n "b": 2}}', "c.json", "c.json, line 3, column 2: the key 'b' stands twice in one mapping"),
        ('{\n\t"b": 1,\n\t"b": 2}', "c.json", "c.json: the key 'b' stands twice in one mapping"),
        ("a: &x [1]\nb: *x\n", "c.yaml", "c.yaml, line 1, column 4: anchors and aliases (& and *) are not read"),
        ("a: *x\n", "c.yaml", "c.yaml, line 1, column 4: anchors and aliases (& and *) are not read"),
        ("a: !!float 3\n", "c.yaml", "c.yaml, line 1, column 4: tags"),
        ("a: !!python/name:os.system\n", "c.yaml", "c.yaml, line 1, column 4: tags"),
        ('{"a": "x\\ud800"}', "c.json", "c.json: the text 'x\\ud800' has half of a character"),
        ('{"\\ud800": 1}', "c.json", "c.json: the text '\\ud800' has half of a character"),
        ('a: "\\ud800"', "c.yaml", "c.yaml: the text '\\ud800' has half of a character"),
        ("? [a]\n: 1\n", "c.yaml", "c.yaml, line 1, column 3: a key is a list or a mapping"),
        ("a: " + "[" * 20_000, "c.yaml", "c.yaml: the document is nested too deeply"),
        ('{"a": ' + "[" * 200_000, "c.json", "c.json: the document is nested too deeply"),
    ],
)
def test_a_file_that_is_not_one_mapping_is_one_clear_error(text: str, name: str, message: str) -> None:
    with pytest.raises(ContractError) as caught:
        read_tree(text, name)
    assert str(caught.value).startswith(message)
    assert "\n  -> " in str(caught.value)
