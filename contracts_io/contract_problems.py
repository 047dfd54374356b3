"""What pydantic found wrong with a document's fields, said in the words of the document.

Each field of the model carries what it expects and one example (``contract_fields.field``); a problem takes them from there.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from functools import cache
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from contracts_io.contract_fields import Problem, printable, shown
from contracts_io.contract_model import Contract, Node

Place = tuple[str, ...]

# Where one of several models may stand, pydantic names the one it took as a part of the place: pricing, cpm, rate. A key
# says which one it is; an address shows it by being a text or a mapping.
_CHOICES = {"pricing": "model", "fee": "type", "address": ""}
_KINDS = {"model": ("cpm, cpa, dcpm or revenue_share", "cpm"), "type": ("flat or percent", "flat")}
# Follows from a field that is reported already.
_CONSEQUENCE = "default_factory_not_called"


def field_problems(error: ValidationError) -> list[Problem]:
    """The problems of the document's fields, each by itself, in the order of the model."""
    return [_problem(detail) for detail in error.errors(include_url=False) if detail["type"] != _CONSEQUENCE]


def path_of(place: tuple[str | int, ...]) -> str:
    """A place in the tree as a person writes it: ``("terms", 2, "pricing", "rate")`` is ``terms[2].pricing.rate``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{printable(part)}" for part in place).removeprefix(".")


def _problem(detail: ErrorDetails) -> Problem:
    place = tuple(part for part in detail["loc"] if part != "[key]")
    found = shown(detail["input"])
    context: dict[str, Any] = detail.get("ctx", {})
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        key = _CHOICES[str(place[-1])]
        holder = detail["input"]
        found = shown(holder.get(key) if isinstance(holder, dict) else holder)
        return _of_field((*place, key), found, _KINDS[key])
    if detail["type"] == "missing":
        return _of_field(place, "nothing", _described(place))
    if detail["type"] == "extra_forbidden":
        return _unknown_key(place)
    if detail["type"] == "refused":
        expected, example = _described(place)
        return _of_field(place, found, (context["expected"] or expected, context["example"] or example))
    return _of_field(place, found, _described(place))


def _of_field(place: tuple[str | int, ...], found: str, described: tuple[str, str]) -> Problem:
    seen = tuple(part for before, part in zip(("", *place), place, strict=False) if not _is_choice(before, part))
    return Problem(path_of(seen), found, *described)


def _is_choice(before: str | int, part: str | int) -> bool:
    return isinstance(before, str) and before in _CHOICES and part in _choices(before)


def _unknown_key(place: tuple[str | int, ...]) -> Problem:
    key = str(place[-1])
    known = _models()[_names(place[:-1])]
    fields = {info.alias or name: info for name, info in known.model_fields.items()}
    closest = get_close_matches(key, fields, n=1, cutoff=0.0)[0]
    expected = f'a known key; the closest is "{closest}"'
    return _of_field(place, f"the unknown key {shown(key)}", (expected, f"{closest}: {_example(fields[closest])}"))


def _described(place: tuple[str | int, ...]) -> tuple[str, str]:
    fields, names = _fields(), _names(place)
    nearest = next(fields[names[:n]] for n in range(len(names), 0, -1) if names[:n] in fields)
    described = nearest.description or ""
    if isinstance(place[-1], int) and described.startswith("a list of "):
        described = f"an element of {described}"
    return described, _example(nearest)


def _example(info: FieldInfo) -> str:
    return str((info.examples or [""])[0])


def _names(place: tuple[str | int, ...]) -> Place:
    return tuple(part for part in place if isinstance(part, str))


@cache
def _models() -> dict[Place, type[Node]]:
    found: dict[Place, type[Node]] = {}
    _collect(Contract, (), found)
    return found


@cache
def _fields() -> dict[Place, FieldInfo]:
    return {
        (*place, info.alias or name): info for place, model in _models().items() for name, info in model.model_fields.items()
    }


@cache
def _choices(name: str) -> frozenset[str]:
    """What pydantic may put behind ``name`` to say which of several models it took."""
    if not _CHOICES[name]:
        return frozenset(("text", "parts"))
    return frozenset(place[-1] for place in _models() if len(place) > 1 and place[-2] == name)


def _collect(model: type[Node], place: Place, found: dict[Place, type[Node]]) -> None:
    found[place] = model
    for name, info in model.model_fields.items():
        for part in _models_in(info.annotation):
            inner = (*place, info.alias or name)
            _collect(part, (*inner, *_choice_of(name, part)), found)


def _choice_of(name: str, model: type[Node]) -> Place:
    if name not in _CHOICES:
        return ()
    return get_args(model.model_fields[_CHOICES[name]].annotation) if _CHOICES[name] else ("parts",)


def _models_in(annotation: Any) -> Iterator[type[Node]]:
    if isinstance(annotation, type) and issubclass(annotation, Node):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
