"""Reading a condition of ``eligible_when``: SQL text in, a closed set of values of our own out (spec 6.4).

A maintained SQL parser (sqlglot) reads the text; what it read is taken over piece by piece, and no engine ever sees the text.
Three walls keep the parser's breadth out: only known tokens may come in, what stands between tokens is blank, and each node
that comes out is of a known kind with known parts. Kinds are checked on the way: a number is never set against a text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import cast

import sqlglot
from sqlglot import Token, TokenType, exp
from sqlglot.errors import SqlglotError

from contracts_io.expression_nodes import (
    COLUMNS,
    PLACES,
    And,
    Arithmetic,
    Between,
    Column,
    Comparison,
    Expression,
    ExpressionError,
    In,
    IsNull,
    Kind,
    Like,
    Negative,
    Not,
    Number,
    Or,
    Text,
    Truth,
    kind_of,
    names_column,
    parts_of,
    to_sql,
)
from contracts_io.money import parse_scaled

LONGEST = 2_000
DEEPEST = 20
MOST_PRODUCTS = 2


def parse(text: str) -> Expression:
    """The condition that ``text`` says; ExpressionError with the first piece that may not stand in one."""
    if len(text) > LONGEST:
        raise ExpressionError(f"the condition has {len(text):,} characters", f"at most {LONGEST:,} characters")
    _check_tokens(text)
    try:
        tree = sqlglot.parse_one(text, into=exp.Condition)
    except SqlglotError as error:
        raise _unreadable(text, error) from None
    expression = _read(tree, 1)
    if kind_of(expression) != "truth":
        raise ExpressionError(f"{_shown(expression)} is {_A[kind_of(expression)]}, not a condition", "a comparison with it")
    if len(to_sql(expression)) > LONGEST:
        raise ExpressionError("the condition is too long", f"at most {LONGEST:,} characters, with a blank around operators")
    return expression


# --- reading: the tokens that may come in -------------------------------------------------------------------------------

_KEYWORDS = frozenset("AND OR NOT IN BETWEEN LIKE IS NULL TRUE FALSE".split())
_OPERATORS = frozenset("= <> != < <= > >= + - * / ( ) ,".split())
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_NUMBER_EXPECTED = "a number in plain digits below 1,000,000,000, with at most 6 decimals"
_TEXT_EXPECTED = "a text in single quotes, without control characters and backslashes; a quote inside is written twice"


def _check_tokens(text: str) -> None:
    try:
        tokens = sqlglot.tokenize(text)
    except SqlglotError:
        raise ExpressionError("a text in quotes or a comment does not end", _TEXT_EXPECTED) from None
    if not tokens:
        raise ExpressionError("the condition is empty")
    ended = depth = prefixes = 0
    words: list[str] = []
    for token in tokens:
        _check_between(text, ended, token.start)
        ended = token.end + 1
        words.append(_word(text[token.start : ended], token))
        depth += {"(": 1, ")": -1}.get(words[-1], 0)
        prefixes = prefixes + 1 if words[-1] in ("NOT", "-") else 0
        if max(depth, prefixes) > DEEPEST:
            raise _too_deep(token.start + 1)
    _check_between(text, ended, len(text))
    for i, token in enumerate(tokens):
        if reason := _out_of_order(words[:i], words[i], words[i + 1] if i + 1 < len(words) else ""):
            raise ExpressionError(f"{_quoted(text[token.start : token.end + 1])} {reason}", position=token.start + 1)


def _check_between(text: str, first: int, last: int) -> None:
    between = text[first:last]
    if odd := between.strip(" \t\r\n"):
        raise ExpressionError(
            f"{_quoted(odd)} may not stand in a condition, nor may any comment", position=first + between.index(odd) + 1
        )


def _word(written: str, token: Token) -> str:
    """The token in capitals, or what it stands for: ``a column``, ``a text``, ``a number``."""
    position, word = token.start + 1, written.upper()
    if token.token_type is TokenType.STRING:
        if "\\" in written or any(not c.isprintable() for c in written) or not written.startswith("'"):
            raise ExpressionError(f"the text {_quoted(written)} is not plain", _TEXT_EXPECTED, position=position)
        return "a text"
    if token.token_type is TokenType.NUMBER:
        if not _NUMBER.fullmatch(written) or len(written.partition(".")[2]) > PLACES or Decimal(written) >= 10**9:
            raise ExpressionError(f"{_quoted(written)} is not a number of a condition", _NUMBER_EXPECTED, position=position)
        return "a number"
    if token.token_type is TokenType.IDENTIFIER:
        raise ExpressionError(f"{_quoted(written)} is in double quotes", _TEXT_EXPECTED, position=position)
    if written.lower() in COLUMNS:
        return "a column"
    if token.token_type is TokenType.VAR:
        columns = f"one of the columns {', '.join(COLUMNS)}"
        raise ExpressionError(f"{_quoted(written)} is not a column of a condition", columns, position=position)
    if word not in _KEYWORDS | _OPERATORS:
        raise ExpressionError(f"{_quoted(written)} may not stand in a condition", position=position)
    return word


_VALUES = ("a column", "a text", "a number", "TRUE", "FALSE")


def _out_of_order(before: list[str], word: str, after: str) -> str:
    """Why the word may not stand where it does, or nothing; only what the parser would let pass."""
    last = before[-1] if before else ""
    after_value = last in (*_VALUES, "NULL", ")")
    if word in (*_VALUES, "(") and after_value:
        return "follows a value, and nothing joins them; there are no functions"
    if word == "+" and not after_value:
        return "has no value before it"
    if word == "NOT" and ((after_value and after not in ("IN", "BETWEEN", "LIKE")) or (last == "IS" and after != "NULL")):
        return "has none of IN, BETWEEN and LIKE after it, nor IS before it and NULL after it"
    if word == "NULL" and before[-1:] != ["IS"] and before[-2:] != ["IS", "NOT"]:
        return "stands where a value should; only IS NULL and IS NOT NULL ask for it"
    if (word == "LIKE" and after != "a text") or (word == "IN" and after != "("):
        return "has no text in quotes after it" if word == "LIKE" else "has no list in parentheses after it"
    if word in ("(", ",") and after in (")", ",", ""):
        return "has no value after it"
    return ""


def _too_deep(position: int | None = None) -> ExpressionError:
    return ExpressionError("the condition is nested too deeply", f"at most {DEEPEST} levels", position=position)


def _unreadable(text: str, error: SqlglotError) -> ExpressionError:
    found = (getattr(error, "errors", None) or [{}])[0]
    before, piece = (str(found.get(key) or "") for key in ("start_context", "highlight"))
    place = text.find(before + piece) + len(before)  # the context is cut at its beginning, never at its end
    return ExpressionError(f"the condition cannot be read at {_quoted(piece or text)}", position=place + 1)


# --- reading: the nodes that may come out -------------------------------------------------------------------------------

_COMPARISONS: Mapping[type[exp.Expr], str] = {
    exp.EQ: "=", exp.NEQ: "<>", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">=",
}  # fmt: skip
_ARITHMETIC: Mapping[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/"}
_A: Mapping[Kind, str] = {"number": "a number", "text": "a text", "truth": "true or false"}
_WITH_OPERAND = {exp.Not, exp.Neg, exp.Is, exp.Like, exp.In, exp.Between, *_ARITHMETIC, *_COMPARISONS}
# The parts that a node may have beside ``this`` and ``expression``; whatever else it has says what we do not know.
_OTHER_PARTS: Mapping[type[exp.Expr], frozenset[str]] = {
    exp.Literal: frozenset({"is_string"}),
    exp.In: frozenset({"expressions"}),
    exp.Between: frozenset({"low", "high"}),
    exp.Like: frozenset({"negate"}),
}


def _read(node: exp.Expr, depth: int) -> Expression:
    while type(node) is exp.Paren:
        node = node.this
    if depth > DEEPEST:
        raise _too_deep()
    known = _OTHER_PARTS.get(type(node), frozenset()) | {"this", "expression"}
    if any(value not in (None, False, []) and name not in known for name, value in node.args.items()):
        raise _unknown(node)
    kind = type(node)
    if kind in (exp.And, exp.Or):
        parts = tuple(_of_kind(_read(part, depth + 1), "truth", kind.__name__.upper()) for part in _chain(node))
        return And(parts) if kind is exp.And else Or(parts)
    if kind is exp.Column and node.name.lower() in COLUMNS:
        return Column(node.name.lower())
    if kind is exp.Literal:
        return Text(node.this) if node.args["is_string"] else Number(parse_scaled(node.this, PLACES))
    if kind is exp.Boolean:
        return Truth(node.this)
    if kind not in _WITH_OPERAND:
        raise _unknown(node)
    return _read_with_operand(node, kind, _read(node.this, depth + 1), depth)


def _read_with_operand(node: exp.Expr, kind: type[exp.Expr], operand: Expression, depth: int) -> Expression:
    if kind is exp.Not:
        return Not(_of_kind(operand, "truth", "NOT"))
    if kind is exp.Neg:
        number = _of_kind(operand, "number", "-")
        return Number(-number.micros) if isinstance(number, Number) else Negative(number)
    if kind is exp.Is and type(node.expression) is exp.Null:
        return IsNull(operand)
    if kind is exp.Is:
        raise ExpressionError(f"IS after {_shown(operand)}", "IS NULL or IS NOT NULL; for true and false write = TRUE")
    if kind is exp.Like and type(node.expression) is exp.Literal:
        like = Like(_of_kind(operand, "text", "LIKE"), node.expression.this)
        return Not(like) if node.args.get("negate") else like
    if kind is exp.In and node.expressions:
        choices = [_read(choice, depth + 1) for choice in node.expressions]
        if odd := next((choice for choice in choices if not isinstance(choice, Number | Text | Truth)), None):
            raise ExpressionError(f"{_shown(odd)} in the list of IN", "constants: texts in quotes, numbers, TRUE or FALSE")
        return _alike(In(operand, cast(tuple[Number | Text | Truth, ...], tuple(choices))))
    if kind is exp.Between:
        return _alike(Between(operand, _read(node.args["low"], depth + 1), _read(node.args["high"], depth + 1)))
    if kind in _ARITHMETIC:
        symbol = _ARITHMETIC[kind]
        right = _of_kind(_read(node.expression, depth + 1), "number", symbol)
        return Arithmetic(symbol, _of_kind(operand, "number", symbol), right)
    if kind in _COMPARISONS:
        return _alike(Comparison(_COMPARISONS[kind], operand, _read(node.expression, depth + 1)))
    raise _unknown(node)


def _chain(node: exp.Expr) -> Iterator[exp.Expr]:
    """The members of ``a AND (b AND c) AND …``, from left to right, however long it is."""
    waiting = [node]
    while waiting:
        part = waiting.pop()
        while type(part) is exp.Paren:
            part = part.this
        if type(part) is type(node):
            waiting += [part.expression, part.this]
        else:
            yield part


def _unknown(node: exp.Expr) -> ExpressionError:
    return ExpressionError(f"{_quoted(node.sql(comments=False))} may not stand in a condition")


def _of_kind(expression: Expression, kind: Kind, where: str) -> Expression:
    if kind_of(expression) != kind:
        raise ExpressionError(f"{_shown(expression)} beside {where} is {_A[kind_of(expression)]}", f"{_A[kind]} there")
    return expression


def _alike(expression: Comparison | In | Between) -> Expression:
    first, *others = parts_of(expression)
    for other in others:
        if kind_of(other) != kind_of(first):
            mixed = f"{_shown(expression)} sets {_A[kind_of(first)]} against {_A[kind_of(other)]}"
            raise ExpressionError(mixed, f"values of one kind: {_shown(first)} is {_A[kind_of(first)]}")
    if kind_of(first) == "truth" and not (isinstance(expression, In) or getattr(expression, "operator", "") in ("=", "<>")):
        raise ExpressionError(f"{_shown(expression)} puts true and false in an order", "= or <> between them")
    if _products(expression) > MOST_PRODUCTS:
        many = f"{_shown(expression)} multiplies order_value by itself or divides by it more than {MOST_PRODUCTS} times"
        raise ExpressionError(many, "arithmetic of order_value with constants")
    return expression


def _products(expression: Expression) -> int:
    own = 0
    if isinstance(expression, Arithmetic):
        both = names_column(expression.left) and names_column(expression.right)
        own = both if expression.operator == "*" else expression.operator == "/" and names_column(expression.right)
    return own + sum(_products(part) for part in parts_of(expression))


def _quoted(piece: str) -> str:
    short = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in piece[:60])
    mark = "'" if '"' in short else '"'
    return f"{mark}{short}{'…' if len(piece) > 60 else ''}{mark}"


def _shown(expression: Expression) -> str:
    return _quoted(to_sql(expression))
