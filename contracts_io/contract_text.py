"""The text of a contract document as a plain tree: mappings, tuples, texts, whole numbers, true, false and null.

YAML is read with the scalars of YAML 1.2, so that what a person writes is what is meant: ``NO`` is a country and not false,
``12:30`` is a text and not a number, a day stays the text that it is. A number that is not a plain whole number is kept as
written (``Unquoted``), since money must not pass through a binary float. What can make a document say something else than
it shows is refused: a key that stands twice, anchors and aliases, tags.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

import yaml

from contracts_io.errors import ContractError

_WHOLE = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WORDS = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
}


@dataclass(frozen=True)
class Unquoted:
    """A number as the file writes it, where it is not a plain whole number of at most 18 digits: 32.50, 007, 1e5."""

    text: str


class _UnreadableError(Exception):
    """What cannot be read, in one sentence, and its line and column in the text (0: not known)."""

    def __init__(self, what: str, at: tuple[int, int] | None = None) -> None:
        self.what = what
        self.line, self.column = at or (0, 0)
        super().__init__(what)


def read_tree(text: str, name: str) -> dict[str, Any]:
    """The document's tree; ``name`` is the file's name, for messages. ContractError where the text is not one mapping."""
    text = text.removeprefix("\ufeff")
    try:
        tree = _settled(_read_json(text) if _is_json(text, name) else _read_yaml(text))
        if not isinstance(tree, dict):
            raise _UnreadableError(_instead_of_a_mapping(tree))
    except _UnreadableError as refused:
        where = f"{name}, line {refused.line}, column {refused.column}" if refused.line else name
        remedy = "write one mapping of keys and values in YAML or JSON, beginning with contract_id"
        raise ContractError(refused.what, where=where, remedy=remedy) from None
    except RecursionError:
        raise ContractError(
            "the document is nested too deeply", where=name, remedy="write it without such nesting"
        ) from None
    return tree


def _settled(value: Any) -> Any:
    """The tree with its lists as tuples; refused where a text has half of a character, which no file can hold."""
    if isinstance(value, dict):
        return {_settled(key): _settled(part) for key, part in value.items()}
    if isinstance(value, list):
        return tuple(_settled(part) for part in value)
    if isinstance(value, str) and any("\ud800" <= c <= "\udfff" for c in value):
        raise _UnreadableError(f"the text {value!a} has half of a character (a lone surrogate)")
    return value


def _instead_of_a_mapping(tree: object) -> str:
    if tree is None:
        return "the file is empty"
    return f"the file holds {'a list' if isinstance(tree, tuple) else 'a single value'}, not a contract document"


def _number(text: str) -> int | Unquoted:
    return int(text) if _WHOLE.fullmatch(text) else Unquoted(text)


def _is_json(text: str, name: str) -> bool:
    if PurePath(name).suffix.lower() == ".json":
        return bool(text.strip())
    if not text.lstrip().startswith("{"):
        return False
    try:
        json.loads(text)
    except ValueError:
        return False  # a flow mapping of YAML begins with the same brace
    return True


def _read_json(text: str) -> Any:
    def mapping(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise _UnreadableError(f"the key {key!r} stands twice in one mapping", _second_place(text, key))
            found[key] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=mapping, parse_int=_number, parse_float=Unquoted, parse_constant=Unquoted)
    except json.JSONDecodeError as error:
        at = (error.lineno, error.colno)
        raise _UnreadableError(f"the file is not JSON: {error.msg}", at) from None


def _second_place(text: str, key: str) -> tuple[int, int] | None:
    # The json module keeps no places; JSON that YAML can read as well shows where the key comes again.
    try:
        _read_yaml(text)
    except _UnreadableError as refused:
        if f"{key!r} stands twice" in refused.what:
            return (refused.line, refused.column)
    return None


def _at(mark: yaml.Mark | None) -> tuple[int, int] | None:
    return (mark.line + 1, mark.column + 1) if mark else None


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or event.anchor is not None:
            raise _UnreadableError("anchors and aliases (& and *) are not read; write the value out", _at(event.start_mark))
        if event.tag is not None:
            raise _UnreadableError(f"tags (here {event.tag}) are not read; write the plain value", _at(event.start_mark))
        return super().compose_node(parent, index)


def _read_yaml(text: str) -> Any:
    try:
        node = _Loader(text).get_single_node()
    except yaml.composer.ComposerError as error:
        raise _UnreadableError("the file holds more than one document", _at(error.problem_mark)) from None
    except yaml.MarkedYAMLError as error:
        raise _UnreadableError(f"the file is not YAML: {error.problem or error.context}", _at(error.problem_mark)) from None
    except yaml.reader.ReaderError as error:
        raise _UnreadableError(f"the file is not YAML: character {error.position + 1} may not stand in it") from None
    return None if node is None else _value(node)


def _value(node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return _mapping(node)
    if isinstance(node, yaml.SequenceNode):
        return [_value(part) for part in node.value]
    text: str = node.value
    if node.style is not None:  # type: ignore[attr-defined]  # quoted, or a block of text
        return text
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if _NUMBER.fullmatch(text) else text


def _mapping(node: yaml.MappingNode) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key_node, value_node in node.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise _UnreadableError("a key is a list or a mapping; a key is a plain word", _at(key_node.start_mark))
        key = key_node.value
        if key in found:
            raise _UnreadableError(f"the key {key!r} stands twice in one mapping", _at(key_node.start_mark))
        found[key] = _value(value_node)
    return found
