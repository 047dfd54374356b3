"""A condition of ``eligible_when`` for a whole table, exactly: texts by code point, LIKE minds capitals, x / 0 is null.

No arithmetic is left to the engine. The only number of a conversion is ``order_value``, a whole number of nanos; so whatever is
calculated from it is a fraction of two polynomials in that whole number, and a comparison of two such fractions holds on a few
ranges of it. The ranges are found once, in Python's integers; the table is only asked in which range each value lies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import TypeAlias

import polars as pl

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
    kind_of,
    names_column,
)
from contracts_io.money import MICRO, NANO, nanos

Polynomial: TypeAlias = tuple[int, ...]
"""Whole coefficients, that of the lowest power first; zero has none."""
Steps: TypeAlias = list[tuple[int, int]]
"""``(first, sign)``, ascending: from ``first`` to the next step's first, the sign is -1, 0 or 1."""
Range: TypeAlias = tuple[int, int]
"""From and to, both inclusive."""

# What 38 digits can hold: the values of a column of exact amounts.
_LEAST, _MOST = -(10**38 - 1), 10**38 - 1

_SIGNS: Mapping[str, frozenset[int]] = {
    "=": frozenset({0}),
    "<>": frozenset({-1, 1}),
    "<": frozenset({-1}),
    "<=": frozenset({-1, 0}),
    ">": frozenset({1}),
    ">=": frozenset({0, 1}),
}


def to_polars(expression: Expression) -> pl.Expr:
    """The condition as a Boolean expression, null where SQL calls it unknown.

    Columns, those that the condition names: ``order_value`` Decimal(38, 9), ``new_customer`` Boolean, the others String. A
    condition that names none is one value and not a column of them.
    """
    match expression:
        case Column(name):
            return pl.col(name)
        case Text(value) | Truth(value):
            return pl.lit(value)
        case Not(operand):
            return ~to_polars(operand)
        case And(parts):
            return pl.all_horizontal([to_polars(part) for part in parts])
        case Or(parts):
            return pl.any_horizontal([to_polars(part) for part in parts])
        case Between(operand, low, high):
            return _compared(">=", operand, low) & _compared("<=", operand, high)
        case In(operand, choices):
            return pl.any_horizontal([_compared("=", operand, choice) for choice in choices])
        case Comparison(symbol, left, right):
            return _compared(symbol, left, right)
        case Like(operand, pattern):
            return to_polars(operand).str.contains(_pattern(pattern))
        case IsNull(operand):
            return _number_is_null(operand) if kind_of(operand) == "number" else to_polars(operand).is_null()
        case Number() | Negative() | Arithmetic():
            raise TypeError("not a condition")


def _compared(symbol: str, left: Expression, right: Expression) -> pl.Expr:
    if kind_of(left) == "number":
        return _numbers_compared(symbol, left, right)
    one, other = to_polars(left), to_polars(right)
    compared: Mapping[str, Callable[[pl.Expr], pl.Expr]] = {
        "=": one.eq, "<>": one.ne, "<": one.lt, "<=": one.le, ">": one.gt, ">=": one.ge,
    }  # fmt: skip
    return compared[symbol](other)


def _numbers_compared(symbol: str, left: Expression, right: Expression) -> pl.Expr:
    (over, under), (other_over, other_under) = _fraction(left), _fraction(right)
    denominator = _times(under, other_under)
    difference = _plus(_times(over, other_under), _times(other_over, under), -1)
    unknown = _ranges(denominator, frozenset({0}))
    holds = _ranges(_times(difference, denominator), _SIGNS[symbol])
    if not (names_column(left) or names_column(right)):
        return pl.lit(None if unknown else bool(holds), pl.Boolean)
    value = nanos("order_value")
    return pl.when(value.is_not_null() & ~_lies_in(value, unknown)).then(_lies_in(value, holds))


def _number_is_null(operand: Expression) -> pl.Expr:
    unknown = _ranges(_fraction(operand)[1], frozenset({0}))
    if not names_column(operand):
        return pl.lit(bool(unknown))
    value = nanos("order_value")
    return value.is_null() | (value.is_not_null() & _lies_in(value, unknown))


def _lies_in(value: pl.Expr, ranges: list[Range]) -> pl.Expr:
    parts = [value.is_between(pl.lit(low, pl.Int128), pl.lit(high, pl.Int128)) for low, high in ranges]
    return pl.any_horizontal(parts) if parts else pl.lit(value=False)


def _fraction(expression: Expression) -> tuple[Polynomial, Polynomial]:
    """Numerator and denominator in the nanos of ``order_value``; the number is null where the denominator is zero."""
    match expression:
        case Number(micros):
            return _plus((micros,), ()), (MICRO,)
        case Negative(operand):
            over, under = _fraction(operand)
            return _plus((), over, -1), under
        case Arithmetic(symbol, left, right):
            (over, under), (other_over, other_under) = _fraction(left), _fraction(right)
            if symbol == "*":
                return _times(over, other_over), _times(under, other_under)
            if symbol == "/":
                # The divisor's own denominator goes along on both sides, so that where it is zero the whole is null.
                return _times(over, _times(other_under, other_under)), _times(under, _times(other_over, other_under))
            sign = 1 if symbol == "+" else -1
            return _plus(_times(over, other_under), _times(other_over, under), sign), _times(under, other_under)
        case _:
            return (0, 1), (NANO,)


def _plus(one: Polynomial, other: Polynomial, sign: int = 1) -> Polynomial:
    size = max(len(one), len(other))
    total = [(one[i] if i < len(one) else 0) + sign * (other[i] if i < len(other) else 0) for i in range(size)]
    while total and total[-1] == 0:
        total.pop()
    return tuple(total)


def _times(one: Polynomial, other: Polynomial) -> Polynomial:
    total = [0] * (len(one) + len(other) - 1) if one and other else []
    for i, a in enumerate(one):
        for j, b in enumerate(other):
            total[i + j] += a * b
    return tuple(total)


def _at(polynomial: Polynomial, value: int) -> int:
    total = 0
    for coefficient in reversed(polynomial):
        total = total * value + coefficient
    return total


def _ranges(polynomial: Polynomial, signs: frozenset[int]) -> list[Range]:
    steps = [*_steps(polynomial), (_MOST + 1, 0)]
    found: list[Range] = []
    for (first, sign), (following, _) in pairwise(steps):
        if sign not in signs:
            continue
        if found and found[-1][1] == first - 1:
            found[-1] = (found[-1][0], following - 1)
        else:
            found.append((first, following - 1))
    return found


def _steps(polynomial: Polynomial) -> Steps:
    """The signs of the polynomial on all whole numbers from ``_LEAST`` to ``_MOST``."""
    if len(polynomial) <= 1:
        return [(_LEAST, _sign(_at(polynomial, 0)))]
    # Where the differences of neighbours have one sign, the values only rise or only fall and can be searched by halves.
    ways = [*_steps(_differences(polynomial)), (_MOST + 1, 0)]
    found: Steps = []
    for (first, way), (following, _) in pairwise(ways):
        place = first
        while place < following:
            sign = _sign(_at(polynomial, place))
            if not found or found[-1][1] != sign:
                found.append((place, sign))
            place = _first_other(polynomial, sign, place, following) if way else following
    return found


def _first_other(polynomial: Polynomial, sign: int, low: int, high: int) -> int:
    """The first number after ``low`` and before ``high`` with another sign than ``low`` has; ``high`` where there is none."""
    while low + 1 < high:
        middle = (low + high) // 2
        if _sign(_at(polynomial, middle)) == sign:
            low = middle
        else:
            high = middle
    return high


def _differences(polynomial: Polynomial) -> Polynomial:
    """``p(x + 1) - p(x)``."""
    shifted: Polynomial = ()
    for coefficient in reversed(polynomial):
        shifted = _plus(_times(shifted, (1, 1)), (coefficient,))
    return _plus(shifted, polynomial, -1)


def _sign(value: int) -> int:
    return (value > 0) - (value < 0)


def _pattern(like: str) -> str:
    """The regular expression of a LIKE pattern; it matches the whole text, line breaks too."""
    parts = {"%": ".*", "_": "."}
    return r"\A(?s:" + "".join(parts.get(c) or (c if c.isalnum() else f"\\x{{{ord(c):X}}}") for c in like) + r")\z"
