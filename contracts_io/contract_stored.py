"""Canonical documents read back: what was checked when it was stored is not checked again, only laid out as the model.

``parse_document`` takes a document from a person and says all that is wrong with it; ``read_stored`` takes the text that
``canonical_json`` wrote and gives the same contract several times faster, which counts where all contracts are read at once.
The readers are made from the model's own fields, so that a new field is read without a word here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from functools import cache, lru_cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import PlainSerializer

from contracts_io.contract_fields import MICRO_PLACES
from contracts_io.contract_model import Contract, Node
from contracts_io.money import parse_scaled

_Read = Callable[[Any], Any]


def read_stored(text: str) -> Contract:
    """The contract of a text that ``canonical_json`` wrote. Of any other text: some exception, or a contract unchecked."""
    contract = _node(Contract)(json.loads(text))
    assert isinstance(contract, Contract)
    return contract


@lru_cache(maxsize=100_000)
def _micros(text: str) -> int:
    return parse_scaled(text, MICRO_PLACES)


@lru_cache(maxsize=100_000)
def _day(text: str) -> date:
    return date.fromisoformat(text)


@lru_cache(maxsize=10_000)
def _duration(text: str) -> timedelta:
    return timedelta(days=int(text[:-1])) if text.endswith("d") else timedelta(hours=int(text[:-1]))


def _as_it_is(value: Any) -> Any:
    return value


_WRITTEN_AS_TEXT: Mapping[Any, _Read] = {int: _micros, date: _day, timedelta: _duration}


def _reader(hint: Any) -> _Read:
    if isinstance(hint, type) and issubclass(hint, Node):
        return _node(hint)
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Annotated:
        whole = parts[0] is int and not any(isinstance(part, PlainSerializer) for part in parts[1:])
        return _as_it_is if whole else _WRITTEN_AS_TEXT.get(parts[0]) or _reader(parts[0])
    if origin in (Union, UnionType):
        return _one_of([part for part in parts if part is not NoneType])
    if origin is tuple:
        each = _reader(parts[0])
        return tuple if each is _as_it_is else lambda values: tuple([each(value) for value in values])
    if isinstance(origin, type) and issubclass(origin, Mapping):
        of_value = _reader(parts[1])
        return lambda values: {key: of_value(value) for key, value in values.items()}
    return _as_it_is


def _one_of(hints: list[Any]) -> _Read:
    """One kind; one of several nodes, told apart by the word that each requires; or a text or a node."""
    if len(hints) == 1:
        return _reader(hints[0])
    nodes = [part for part in map(_bare, hints) if isinstance(part, type) and issubclass(part, Node)]
    if len(nodes) == 1:
        read = _node(nodes[0])
        return lambda value: read(value) if isinstance(value, dict) else value
    words = [{name: get_args(hint)[0] for name, hint in _hints(node).items() if _is_word(hint)} for node in nodes]
    (key,) = set.intersection(*map(set, words))
    readers = {word[key]: _node(node) for word, node in zip(words, nodes, strict=True)}
    return lambda value: readers[value[key]](value)


def _bare(hint: Any) -> Any:
    return _bare(get_args(hint)[0]) if get_origin(hint) is Annotated else hint


def _is_word(hint: Any) -> bool:
    return get_origin(hint) is Literal and len(get_args(hint)) == 1


@cache
def _hints(model: type[Node]) -> dict[str, Any]:
    hints = get_type_hints(model, include_extras=True)
    return {name: hints[name] for name in model.model_fields}


@cache
def _node(model: type[Node]) -> _Read:
    hints = _hints(model)
    optional = {name: info for name, info in model.model_fields.items() if not info.is_required()}
    defaults = {name: info.default for name, info in optional.items() if info.default_factory is None}
    computed = {name: info for name, info in optional.items() if info.default_factory is not None}
    fields = {info.alias or name: (name, _reader(hints[name])) for name, info in model.model_fields.items()}
    required = model.model_fields.keys() - optional.keys()
    given: dict[tuple[str, ...], set[str]] = {}  # which fields were: never changed, so it is one for all alike
    set_attribute = object.__setattr__

    def read(tree: Mapping[str, Any]) -> Node:
        known = defaults.copy()
        for key, value in tree.items():
            name, value_of = fields[key]
            known[name] = value if value_of is _as_it_is else value_of(value)
        for name, info in computed.items():
            if name not in known:
                known[name] = info.get_default(call_default_factory=True, validated_data=known)
        if not required <= known.keys():
            raise KeyError(*required - known.keys())
        keys = tuple(tree)
        if keys not in given:
            given[keys] = {fields[key][0] for key in keys}
        node = model.__new__(model)
        # What pydantic's model_construct does, without its search for aliases.
        set_attribute(node, "__dict__", known)
        set_attribute(node, "__pydantic_fields_set__", given[keys])
        set_attribute(node, "__pydantic_extra__", None)
        set_attribute(node, "__pydantic_private__", None)
        return node

    return read
