"""A condition of ``eligible_when`` in words: ``order value is at least 50 and country is US``."""

from __future__ import annotations

from collections.abc import Mapping

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
    to_sql,
)

_NUMBERS: Mapping[str, str] = {
    "=": "is", "<>": "is not", "<": "is less than", "<=": "is at most", ">": "is more than", ">=": "is at least",
}  # fmt: skip
_OPPOSITE: Mapping[str, str] = {"=": "<>", "<>": "=", "<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_TEXTS: Mapping[str, str] = {
    "=": "is", "<>": "is not", "<": "comes before", "<=": "is or comes before", ">": "comes after", ">=": "is or comes after",
}  # fmt: skip
_CALCULATED: Mapping[str, str] = {"+": "plus", "-": "minus", "*": "times", "/": "divided by"}
_NAMES: Mapping[str, str] = {"order_value": "order value", "order_id": "order number", "new_customer": "customer is new"}


def in_words(expression: Expression) -> str:
    """The condition as a plain sentence, without a capital and without a full stop."""
    match expression:
        case And(parts):
            return " and ".join(_joined(part) for part in parts)
        case Or(parts):
            return " or ".join(_joined(part) for part in parts)
        case Not(operand):
            return _denied(operand)
        case Comparison("=" | "<>" as symbol, Column("new_customer"), Truth(value)):
            return in_words(Column("new_customer")) if value == (symbol == "=") else _denied(Column("new_customer"))
        case Comparison(symbol, left, right):
            words = _NUMBERS if kind_of(left) == "number" else _TEXTS
            return f"{_value(left)} {words[symbol]} {_value(right)}"
        case In(operand, choices):
            return f"{_value(operand)} is {_listed([_value(choice) for choice in choices], 'or')}"
        case Between(operand, low, high):
            return f"{_value(operand)} is from {_value(low)} to {_value(high)}"
        case Like(operand, pattern):
            return f"{_value(operand)} {_form(pattern, 'begins', 'ends', 'contains', 'is')}"
        case IsNull(operand):
            return f"{_value(operand)} is not given"
        case Truth(value):
            return "always" if value else "never"
        case _:
            return _value(expression)


def _denied(operand: Expression) -> str:
    match operand:
        case Column("new_customer"):
            return "customer is not new"
        case Comparison(symbol, left, right):
            return in_words(Comparison(_OPPOSITE[symbol], left, right))
        case IsNull(value):
            return f"{_value(value)} is given"
        case In(value, choices):
            names = [_value(choice) for choice in choices]
            return f"{_value(value)} is {'not' if len(names) == 1 else 'neither'} {_listed(names, 'nor')}"
        case Between(value, low, high):
            return f"{_value(value)} is not from {_value(low)} to {_value(high)}"
        case Like(value, pattern):
            return f"{_value(value)} {_form(pattern, 'does not begin', 'does not end', 'does not contain', 'is not')}"
        case _:
            return f"it is not so that ({in_words(operand)})"


def _joined(part: Expression) -> str:
    return f"({in_words(part)})" if isinstance(part, And | Or) else in_words(part)


def _listed(names: list[str], last: str) -> str:
    *first, end = names
    return f"{', '.join(first)} {last} {end}" if first else end


def _form(pattern: str, begins: str, ends: str, contains: str, exactly: str) -> str:
    inner = pattern.strip("%")
    if not inner or "%" in inner or "_" in inner:
        return f'{exactly} of the form "{pattern}" (% for any characters, _ for one)'
    opens, closes = pattern.startswith("%"), pattern.endswith("%")
    if opens and closes:
        return f"{contains} {_quoted(inner)}"
    if opens or closes:
        return f"{ends if opens else begins} with {_quoted(inner)}"
    return f"{exactly} {_quoted(inner)}"


def _value(expression: Expression) -> str:
    match expression:
        case Column(name):
            return _NAMES.get(name, name)
        case Number():
            return to_sql(expression)
        case Text(value):
            return _quoted(value)
        case Truth(value):
            return "true" if value else "false"
        case Negative(operand):
            return f"minus {_operand(operand)}"
        case Arithmetic(symbol, left, right):
            return f"{_operand(left)} {_CALCULATED[symbol]} {_operand(right)}"
        case _:
            return f"({in_words(expression)})"


def _operand(expression: Expression) -> str:
    return f"({_value(expression)})" if isinstance(expression, Arithmetic | Negative) else _value(expression)


def _quoted(text: str) -> str:
    return text if text.isalnum() else f'"{text}"'
