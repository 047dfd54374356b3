"""Laws of the language of eligible_when: the table's answer is the row's, the normal form reads back, no text breaks it."""

from __future__ import annotations

from decimal import Decimal

import polars as pl
from expression_model import evaluate
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts_io.expression import Expression, ExpressionError, parse, to_polars
from contracts_io.expression_nodes import (
    COLUMNS,
    And,
    Arithmetic,
    Between,
    Column,
    Comparison,
    In,
    IsNull,
    Like,
    Negative,
    Not,
    Number,
    Or,
    Text,
    Truth,
    to_sql,
)

SCHEMA = {
    "event": pl.String,
    "order_value": pl.Decimal(38, 9),
    "country": pl.String,
    "category": pl.String,
    "coupon": pl.String,
    "new_customer": pl.Boolean,
    "order_id": pl.String,
}
TEXTS = ["US", "DE", "us", "", "S", "S1", "S%", "a_b", "axb", "ü", "it's", "𝄞", "US.", "(a|b)", 'say "x"']
WHOLE = [0, 1, 2, 3, 5, 10, 50, 99, 999_999_999]

text_columns = st.sampled_from([name for name, kind in COLUMNS.items() if kind == "text"]).map(Column)
text_constants = (
    st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=("C", "Z"), exclude_characters="\\"))
).map(lambda text: Text(text[:20]))
texts = text_columns | text_constants
micros = (
    st.sampled_from(WHOLE).map(lambda n: n * 10**6) | st.integers(-(10**7), 10**7) | st.integers(-(10**15) + 1, 10**15 - 1)
)
number_constants = micros.map(Number)
numbers = st.recursive(
    st.just(Column("order_value")) | number_constants,
    lambda inner: st.one_of(
        st.builds(Arithmetic, st.sampled_from("+-*/"), inner, inner),
        inner.filter(lambda n: not isinstance(n, Number)).map(Negative),
    ),
    max_leaves=5,
)
truths = st.sampled_from([Column("new_customer"), Truth(True), Truth(False)])
patterns = st.sampled_from(["%", "_", "S%", "%S", "%S%", "a_b", "S_", "", "__", "%_%", "U%S%", "S%%", "(a|_)", "US."])
compared = st.sampled_from(["=", "<>", "<", "<=", ">", ">="])
predicates = st.one_of(
    truths,
    st.builds(Comparison, compared, numbers, numbers),
    st.builds(Comparison, compared, texts, texts),
    st.builds(Comparison, st.sampled_from(["=", "<>"]), truths, truths),
    st.builds(In, numbers, st.lists(number_constants, min_size=1, max_size=4).map(tuple)),
    st.builds(In, texts, st.lists(text_constants, min_size=1, max_size=4).map(tuple)),
    st.builds(Between, numbers, numbers, numbers),
    st.builds(Between, texts, texts, texts),
    st.builds(Like, texts, patterns),
    st.builds(IsNull, st.one_of(numbers, texts, truths)),
)


def joined(kind: type[And] | type[Or], parts: list[Expression]) -> Expression:
    return kind(tuple(part for one in parts for part in (one.parts if isinstance(one, kind) else (one,))))


conditions: st.SearchStrategy[Expression] = st.recursive(
    predicates,
    lambda inner: st.one_of(
        inner.map(Not),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: joined(And, parts)),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: joined(Or, parts)),
        st.builds(Comparison, st.sampled_from(["=", "<>"]), inner, inner),
        inner.map(IsNull),
    ),
    max_leaves=5,
)
nanos = st.one_of(
    st.sampled_from(WHOLE).flatmap(lambda n: st.integers(n * 10**9 - 1, n * 10**9 + 1)),
    st.integers(-(10**11), 10**11),
    st.integers(-(10**38) + 1, 10**38 - 1),
)
values = nanos.map(lambda n: Decimal((int(n < 0), tuple(int(d) for d in str(abs(n))), -9)))
rows = st.fixed_dictionaries(
    {
        name: st.none()
        | {"number": values, "text": st.sampled_from(TEXTS) | st.text(max_size=5), "truth": st.booleans()}[kind]
        for name, kind in COLUMNS.items()
    }
)


def readable(expression: Expression) -> Expression:
    """The expression as read from its normal form, where it is not more than may be written."""
    try:
        return parse(to_sql(expression))
    except ExpressionError as error:
        assume("more than 2 times" not in error.what and "too long" not in error.what)
        raise


@settings(max_examples=400, deadline=None)
@given(conditions)
def test_the_normal_form_reads_back_as_what_it_says(expression: Expression) -> None:
    assert readable(expression) == expression


@settings(max_examples=400, deadline=None)
@given(conditions, st.lists(rows, min_size=1, max_size=12))
def test_a_table_is_answered_as_each_of_its_rows(expression: Expression, table: list[dict[str, object]]) -> None:
    expression = readable(expression)
    frame = pl.DataFrame(table, schema=SCHEMA, orient="row")
    found = frame.with_columns(answer=to_polars(expression))["answer"]
    assert found.dtype == pl.Boolean
    assert found.to_list() == [evaluate(expression, row) for row in table]


@settings(max_examples=300, deadline=None)
@given(st.builds(Comparison, compared, numbers, numbers), st.lists(values, min_size=1, max_size=20))
def test_arithmetic_is_exact_up_to_38_digits(expression: Expression, amounts: list[Decimal]) -> None:
    expression = readable(expression)
    frame = pl.DataFrame({"order_value": amounts}, schema={"order_value": pl.Decimal(38, 9)})
    found = frame.with_columns(answer=to_polars(expression))["answer"].to_list()
    assert found == [evaluate(expression, {"order_value": amount}) for amount in amounts]


PIECES = [
    *COLUMNS, "AND", "OR", "NOT", "IN", "BETWEEN", "LIKE", "IS", "NULL", "TRUE", "FALSE", "=", "<>", "!=", "<", "<=", ">",
    ">=", "+", "-", "*", "/", "(", ")", ",", "1", "2.5", ".5", "1e5", "'US'", "'S%'", "''", "'", '"US"', ";", "--", "/*", "*/",
    "::", "?", "$1", ":x", "@x", "{", "}", "[", "]", "||", "%", "^", "~", "\\", "SELECT", "FROM", "CASE", "WHEN", "THEN", "END",
    "CAST", "AS", "INT", "lower", "count", "EXISTS", "ANY", "ALL", "INTERVAL", "DATE", "ESCAPE", "ILIKE", "RLIKE", "GLOB", "DIV",
    "XOR", "ISNULL", "NOTNULL", "DISTINCT", "COLLATE", "AT", "OVER", "x", ".", "\n", "\t", "\x00", "ü", "N'x'", "E'x'", "0x1",
]  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=14).map(" ".join) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
)
def test_no_row_of_words_gives_anything_but_a_condition_or_a_refusal(text: str) -> None:
    read_or_refused(text)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=60))
def test_no_text_gives_anything_but_a_condition_or_a_refusal(text: str) -> None:
    read_or_refused(text)


@settings(max_examples=500, deadline=None)
@given(conditions.map(to_sql), st.data())
def test_no_condition_with_a_piece_put_in_gives_anything_but_a_condition_or_a_refusal(
    text: str, data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(text)))
    piece = data.draw(st.sampled_from(PIECES))
    read_or_refused(f"{text[:place]} {piece} {text[place:]}")


def read_or_refused(text: str) -> None:
    try:
        expression = parse(text)
    except ExpressionError as error:
        assert error.what
        assert error.position is None or 1 <= error.position <= len(text) + 1
        return
    assert parse(to_sql(expression)) == expression
    assert to_sql(parse(to_sql(expression))) == to_sql(expression)
