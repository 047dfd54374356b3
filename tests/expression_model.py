"""What the tests hold conditions of ``eligible_when`` against: the answer for one row, slow and exact."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, TypeAlias

from contracts_io.expression_nodes import (
    And,
    Arithmetic,
    Between,
    Column,
    Comparison,
    Expression,
    In,
    IsNull,
    Like,
    Negative,
    Not,
    Number,
    Or,
    Text,
    Truth,
)
from contracts_io.money import MICRO

Value: TypeAlias = Fraction | str | bool | None

_COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_CALCULATED: Mapping[str, Callable[[Fraction, Fraction], Fraction | None]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": lambda left, right: Fraction(left, right) if right else None,
}


def evaluate(expression: Expression, row: Mapping[str, object]) -> bool | None:
    """Whether the condition holds for ``row``; None where SQL calls it unknown.

    ``row``: ``order_value`` as Decimal or int, ``new_customer`` as bool, the others as str; a column that is None or not there
    is null. Texts compare by code point, LIKE minds capitals, a division by zero is null.
    """
    value = _value(expression, row)
    if value is None or isinstance(value, bool):
        return value
    raise TypeError("not a condition")


def _value(expression: Expression, row: Mapping[str, object]) -> Value:
    match expression:
        case Column(name):
            return _of_row(row.get(name))
        case Number(micros):
            return Fraction(micros, MICRO)
        case Text(value) | Truth(value):
            return value
        case Negative(operand):
            return _strict(operator.neg, _value(operand, row))
        case Arithmetic(symbol, left, right):
            return _strict(_CALCULATED[symbol], _value(left, row), _value(right, row))
        case IsNull(operand):
            return _value(operand, row) is None
        case Not(operand):
            return _strict(operator.not_, _value(operand, row))
        case And(parts):
            return _all(_value(part, row) for part in parts)
        case Or(parts):
            return _any(_value(part, row) for part in parts)
        case Comparison(symbol, left, right):
            return _strict(_COMPARED[symbol], _value(left, row), _value(right, row))
        case Between(operand, low, high):
            middle = _value(operand, row)
            ends = (_strict(operator.ge, middle, _value(low, row)), _strict(operator.le, middle, _value(high, row)))
            return _all(ends)
        case In(operand, choices):
            one = _value(operand, row)
            return _any(_strict(operator.eq, one, _value(choice, row)) for choice in choices)
        case Like(operand, pattern):
            return _strict(_is_like, _value(operand, row), pattern)


def _of_row(value: object) -> Value:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | Decimal):
        return Fraction(value)
    raise TypeError(f"{value!r} is no value of a conversion")


def _strict(function: Callable[..., Value], *values: Value) -> Value:
    """The function's value; null where any of ``values`` is."""
    return None if any(value is None for value in values) else function(*values)


def _all(values: Iterable[Value]) -> bool | None:
    found = list(values)
    return False if False in found else None if None in found else True


def _any(values: Iterable[Value]) -> bool | None:
    found = list(values)
    return True if True in found else None if None in found else False


def _is_like(text: str, pattern: str) -> bool:
    # The places in the pattern that the text so far can have come to; % stands still or is passed over.
    places = _past_any({0}, pattern)
    for character in text:
        stay = {place for place in places if pattern[place : place + 1] == "%"}
        go = {
            place + 1 for place in places - stay if pattern[place : place + 1] in (character, "_") and place < len(pattern)
        }
        places = _past_any(stay | go, pattern)
    return len(pattern) in places


def _past_any(places: set[int], pattern: str) -> set[int]:
    found = set()
    for start in places:
        place = start
        found.add(place)
        while pattern[place : place + 1] == "%":
            place += 1
            found.add(place)
    return found
