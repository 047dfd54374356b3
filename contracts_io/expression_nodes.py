"""What a condition of ``eligible_when`` is made of: a closed set of frozen values, and their text in normal form.

Numbers are integers of micros (1e-6). A condition that was read is of right kinds throughout (``expression_reading``), and
its normal form reads back as itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from contracts_io.errors import ContractError
from contracts_io.money import format_scaled

Kind = Literal["number", "text", "truth"]
COLUMNS: Mapping[str, Kind] = {
    "event": "text",
    "order_value": "number",
    "country": "text",
    "category": "text",
    "coupon": "text",
    "new_customer": "truth",
    "order_id": "text",
}
"""What a condition may name, and of which kind it is; ``order_value`` is in the contract's currency."""

PLACES = 6
EXAMPLE = "order_value >= 50 AND country = 'US'"
ALLOWED = (
    "a condition on event, order_value, country, category, coupon, new_customer and order_id with = <> < <= > >=, AND, OR, "
    "NOT, IN, BETWEEN, LIKE, IS NULL and + - * /"
)


class ExpressionError(ContractError):
    """A text that is no condition: ``what`` names the piece, ``expected`` what may stand there.

    ``position`` is the piece's first character, counted from 1; None where the piece is known by its words only.
    """

    def __init__(self, what: str, expected: str = ALLOWED, *, position: int | None = None) -> None:
        self.expected, self.position = expected, position
        where = f"character {position}" if position else "eligible_when"
        super().__init__(what, where=where, remedy=f"write {expected}")


@dataclass(frozen=True)
class Column:
    """A column, one of ``COLUMNS``."""

    name: str


@dataclass(frozen=True)
class Number:
    """A number in micros (1e-6)."""

    micros: int


@dataclass(frozen=True)
class Text:
    """A text in quotes."""

    value: str


@dataclass(frozen=True)
class Truth:
    """TRUE or FALSE."""

    value: bool


@dataclass(frozen=True)
class Negative:
    """Minus a number that is not a constant."""

    operand: Expression


@dataclass(frozen=True)
class Arithmetic:
    """Two numbers joined by ``+ - *`` or ``/``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class Comparison:
    """Two values of one kind, compared by ``= <> < <= >`` or ``>=``."""

    operator: str
    left: Expression
    right: Expression


@dataclass(frozen=True)
class In:
    """A value among constants of its kind."""

    operand: Expression
    choices: tuple[Number | Text | Truth, ...]


@dataclass(frozen=True)
class Between:
    """A value from ``low`` to ``high``, both inclusive."""

    operand: Expression
    low: Expression
    high: Expression


@dataclass(frozen=True)
class Like:
    """A text of the form of ``pattern``: ``%`` is any characters, ``_`` is one, all others are themselves."""

    operand: Expression
    pattern: str


@dataclass(frozen=True)
class IsNull:
    """A value that is not there."""

    operand: Expression


@dataclass(frozen=True)
class Not:
    """The contrary of a condition."""

    operand: Expression


@dataclass(frozen=True)
class And:
    """Conditions that all hold; two at least, none of them an ``And``."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True)
class Or:
    """Conditions of which one holds; two at least, none of them an ``Or``."""

    parts: tuple[Expression, ...]


Expression: TypeAlias = (
    Column | Number | Text | Truth | Negative | Arithmetic | Comparison | In | Between | Like | IsNull | Not | And | Or
)


def kind_of(expression: Expression) -> Kind:
    """Whether the expression is a number, a text or a truth value."""
    match expression:
        case Column(name):
            return COLUMNS[name]
        case Number() | Negative() | Arithmetic():
            return "number"
        case Text():
            return "text"
        case _:
            return "truth"


def parts_of(expression: Expression) -> tuple[Expression, ...]:
    """The expressions that this one is made of, from left to right."""
    match expression:
        case And(parts) | Or(parts):
            return parts
        case Arithmetic(_, left, right) | Comparison(_, left, right):
            return (left, right)
        case Between(operand, low, high):
            return (operand, low, high)
        case In(operand, choices):
            return (operand, *choices)
        case Negative(operand) | Like(operand, _) | IsNull(operand) | Not(operand):
            return (operand,)
        case _:
            return ()


def names_column(expression: Expression) -> bool:
    """Whether any column stands in the expression."""
    return isinstance(expression, Column) or any(names_column(part) for part in parts_of(expression))


# How tightly each form binds in SQL; what binds less than its place asks for stands in parentheses.
_OR, _AND, _NOT, _PREDICATE, _SUM, _PRODUCT, _SIGN, _ATOM = range(1, 9)


def to_sql(expression: Expression) -> str:
    """The expression's one text: keywords in capitals, columns in small letters, no parenthesis that is not needed."""
    return _written(expression)[0]


def _written(expression: Expression) -> tuple[str, int]:
    match expression:
        case Column(name):
            return name, _ATOM
        case Number(micros):
            return format_scaled(micros, PLACES), _SIGN if micros < 0 else _ATOM
        case Text(value):
            return _in_quotes(value), _ATOM
        case Truth(value):
            return ("TRUE" if value else "FALSE"), _ATOM
        case Negative(operand):
            return f"-{_within(operand, _ATOM)}", _SIGN
        case Arithmetic(symbol, left, right):
            level = _SUM if symbol in "+-" else _PRODUCT
            return f"{_within(left, level)} {symbol} {_within(right, level + 1)}", level
        case Not(In() | Between() | Like() | IsNull() as denied):
            return _predicate(denied, " NOT"), _PREDICATE
        case Not(operand):
            return f"NOT {_within(operand, _PREDICATE)}", _NOT
        case And(parts):
            return " AND ".join(_within(part, _NOT) for part in parts), _AND
        case Or(parts):
            return " OR ".join(_within(part, _AND) for part in parts), _OR
        case _:
            return _predicate(expression, ""), _PREDICATE


def _predicate(expression: Comparison | In | Between | Like | IsNull, no: str) -> str:
    match expression:
        case Comparison(symbol, left, right):
            return f"{_within(left, _SUM)} {symbol} {_within(right, _SUM)}"
        case In(operand, choices):
            return f"{_within(operand, _SUM)}{no} IN ({', '.join(to_sql(choice) for choice in choices)})"
        case Between(operand, low, high):
            return f"{_within(operand, _SUM)}{no} BETWEEN {_within(low, _SUM)} AND {_within(high, _SUM)}"
        case Like(operand, pattern):
            return f"{_within(operand, _SUM)}{no} LIKE {_in_quotes(pattern)}"
        case IsNull(operand):
            return f"{_within(operand, _SUM)} IS{no} NULL"


def _within(expression: Expression, level: int) -> str:
    text, own = _written(expression)
    return text if own >= level else f"({text})"


def _in_quotes(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
