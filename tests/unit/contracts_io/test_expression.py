from __future__ import annotations

from decimal import Decimal
from typing import Any

import polars as pl
import pytest
from expression_model import evaluate

from contracts_io.errors import AdledgerError
from contracts_io.expression import ExpressionError, parse, to_polars
from contracts_io.expression_nodes import to_sql

ROW: dict[str, Any] = {
    "event": "purchase",
    "order_value": Decimal("50.000000000"),
    "country": "US",
    "category": "toys",
    "coupon": None,
    "new_customer": True,
    "order_id": "o-1",
}
SCHEMA = {**dict.fromkeys(ROW, pl.String), "order_value": pl.Decimal(38, 9), "new_customer": pl.Boolean}


def of_a_table(text: str, row: dict[str, Any]) -> bool | None:
    frame = pl.DataFrame([row], schema=SCHEMA, orient="row")
    answer: bool | None = frame.with_columns(answer=to_polars(parse(text)))["answer"].item()
    return answer


ANSWERS: list[tuple[str, dict[str, Any], bool | None]] = [
    ("order_value >= 50 AND country = 'US'", {}, True),
    ("order_value >= 50 AND country = 'US'", {"order_value": Decimal("49.999999999")}, False),
    ("order_value >= 50 AND country = 'US'", {"order_value": None}, None),
    ("order_value >= 50 AND country = 'US'", {"order_value": None, "country": "DE"}, False),
    ("order_value >= 50 OR country = 'US'", {"order_value": None}, True),
    ("order_value >= 50 OR country = 'US'", {"order_value": None, "country": "DE"}, None),
    ("new_customer", {}, True),
    ("new_customer", {"new_customer": None}, None),
    ("NOT new_customer", {"new_customer": None}, None),
    ("new_customer = true", {"new_customer": False}, False),
    ("new_customer <> true", {"new_customer": None}, None),
    ("(order_value > 5) = new_customer", {}, True),
    ("country = 'us'", {}, False),
    ("country <> 'DE'", {"country": None}, None),
    ("country < 'USA'", {}, True),
    ("country IN ('DE', 'US')", {}, True),
    ("country IN ('DE', 'FR')", {}, False),
    ("country IN ('DE', 'US')", {"country": None}, None),
    ("country NOT IN ('DE')", {"country": None}, None),
    ("order_value IN (1, 50)", {}, True),
    ("order_value IN (-50)", {"order_value": Decimal(-50)}, True),
    ("new_customer IN (TRUE, FALSE)", {"new_customer": None}, None),
    ("order_value BETWEEN 50 AND 50", {}, True),
    ("order_value BETWEEN 50.000001 AND 60", {}, False),
    ("order_value NOT BETWEEN 60 AND 50", {}, True),
    ("order_value BETWEEN order_value / 0 AND 40", {}, False),
    ("order_value BETWEEN order_value / 0 AND 60", {}, None),
    ("country BETWEEN 'DE' AND 'US'", {}, True),
    ("coupon IS NULL", {}, True),
    ("coupon IS NOT NULL", {"coupon": ""}, True),
    ("(order_value / 0) IS NULL", {}, True),
    ("(coupon = 'x') IS NULL", {}, True),
    ("coupon LIKE 'S%'", {"coupon": "SAVE"}, True),
    ("coupon LIKE 'S%'", {"coupon": "save"}, False),
    ("coupon LIKE 'S%'", {}, None),
    ("coupon NOT LIKE 'S%'", {}, None),
    ("coupon LIKE 'S_V%'", {"coupon": "SAVE"}, True),
    ("coupon LIKE '_'", {"coupon": "ü"}, True),
    ("coupon LIKE '_'", {"coupon": "ab"}, False),
    ("coupon LIKE 'a.c'", {"coupon": "abc"}, False),
    ("coupon LIKE '%'", {"coupon": ""}, True),
    ("coupon LIKE 'a%'", {"coupon": "a\nb"}, True),
    ("coupon LIKE ''", {"coupon": ""}, True),
    ("coupon = 'it''s'", {"coupon": "it's"}, True),
    ("order_value / 3 * 3 = 50", {}, True),
    ("order_value * 0.1 = 5", {}, True),
    ("order_value / 7 > 7.142857", {}, True),
    ("order_value / 7 < 7.142858", {}, True),
    ("order_value - 0.000001 < 50", {}, True),
    ("-order_value < -49", {}, True),
    ("100 / order_value = 2", {}, True),
    ("100 / order_value = 2", {"order_value": Decimal(0)}, None),
    ("100 / (order_value - 50) > 1", {}, None),
    ("1 / (1 / order_value) = 0", {"order_value": Decimal(0)}, None),
    ("order_value * order_value = 2500", {}, True),
    ("order_value * order_value < 2", {"order_value": Decimal("1.414213562")}, True),
    ("order_value * order_value > 2", {"order_value": Decimal("1.414213563")}, True),
    ("order_value * order_value > 0", {"order_value": Decimal("-99999999999999999999999999999.999999999")}, True),
    ("order_value - order_value = 0", {}, True),
    ("order_value - order_value = 0", {"order_value": None}, None),
    ("1 = 1", {}, True),
    ("1 / 0 = 1", {}, None),
    ("'a' < 'b' AND TRUE", {}, True),
]


@pytest.mark.parametrize(("text", "changes", "answer"), ANSWERS)
def test_a_condition_answers_as_sql_does_with_exact_numbers(text: str, changes: dict[str, Any], answer: bool | None) -> None:
    row = {**ROW, **changes}
    assert evaluate(parse(text), row) is answer
    assert of_a_table(text, row) is answer


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("Order_Value>=50 and COUNTRY='US'", "order_value >= 50 AND country = 'US'"),
        ("((new_customer))", "new_customer"),
        ("NOT (coupon IS NULL)", "coupon IS NOT NULL"),
        ("not country in ('US')", "country NOT IN ('US')"),
        ("order_value != 1.50", "order_value <> 1.5"),
        ("new_customer AND (new_customer AND (TRUE))", "new_customer AND new_customer AND TRUE"),
        ("new_customer AND (TRUE OR FALSE)", "new_customer AND (TRUE OR FALSE)"),
        ("TRUE OR (TRUE AND FALSE)", "TRUE OR TRUE AND FALSE"),
        ("NOT (TRUE AND FALSE)", "NOT (TRUE AND FALSE)"),
        ("order_value - (1 - 2) > 0", "order_value - (1 - 2) > 0"),
        ("(order_value - 1) - 2 > 0", "order_value - 1 - 2 > 0"),
        ("2 / (order_value / 3) > -(-1)", "2 / (order_value / 3) > 1"),
        ("-(-order_value) > - 1", "-(-order_value) > -1"),
        ("\torder_value >\n5 ", "order_value > 5"),
    ],
)
def test_a_condition_has_one_normal_form(text: str, normal: str) -> None:
    assert to_sql(parse(text)) == normal
    assert parse(normal) == parse(text)


# (text, a part of what is wrong, its first character)
REFUSED: list[tuple[str, str, int | None]] = [
    ("", "empty", None),
    ("order_value", "is a number, not a condition", None),
    ("country", "is a text, not a condition", None),
    ("order_valu > 5", "not a column", 1),
    ("t.country = 'US'", '"t" is not a column', 1),
    ("household_id = 'h'", "not a column", 1),
    ("country.x = 'US'", '"."', 8),
    ('country = "US"', "double quotes", 11),
    ("country = `US`", "", None),
    ("lower(country) = 'us'", '"lower"', 1),
    ("country(1) = 'us'", "no functions", 8),
    ("CAST(order_value AS INT) > 1", '"CAST"', 1),
    ("order_value::int > 1", '"::"', 12),
    ("order_value > 'x'", "sets a number against a text", None),
    ("new_customer = 'true'", "sets true or false against a text", None),
    ("new_customer = 1", "sets true or false against a number", None),
    ("new_customer < TRUE", "in an order", None),
    ("new_customer BETWEEN FALSE AND TRUE", "in an order", None),
    ("country + 1 > 1", "is a text", None),
    ("new_customer * 1 > 1", "is true or false", None),
    ("-country = 'x'", "is a text", None),
    ("NOT order_value", "is a number", None),
    ("order_value AND new_customer", "is a number", None),
    ("order_value LIKE '5%'", "is a number", None),
    ("order_value IN (1, 'x')", "sets a number against a text", None),
    ("country IN ('US', category)", "in the list of IN", None),
    ("country IN ()", "no value after", 12),
    ("country IN ('US',)", "no value after", 17),
    ("country IN 'US'", "no list", 9),
    ("country IN (SELECT 'US')", '"SELECT"', 13),
    ("country = (SELECT 'US')", '"SELECT"', 12),
    ("country IN ('US', NULL)", '"NULL"', 19),
    ("country = NULL", '"NULL"', 11),
    ("NULL", '"NULL"', 1),
    ("coupon NOT NULL", '"NOT"', 8),
    ("coupon NOT IS NULL", '"NOT"', 8),
    ("new_customer IS TRUE", "IS after", None),
    ("country IS NOT DISTINCT FROM 'US'", '"DISTINCT"', 16),
    ("country LIKE category", "no text in quotes", 9),
    ("country LIKE ('U%')", "no text in quotes", 9),
    ("LIKE('U%', country)", '"LIKE"', 1),
    ("country LIKE 'U!%' ESCAPE '!'", '"ESCAPE"', 20),
    ("country ILIKE 'u%'", '"ILIKE"', 9),
    ("country || 'x' = 'USx'", '"||"', 9),
    ("order_value % 2 = 0", '"%"', 13),
    ("country == 'US'", '"=="', 9),
    ("country <=> 'US'", '"<=>"', 9),
    ("country = 'US' -- but not yet", "comment", 16),
    ("country = /* where */ 'US'", "comment", 11),
    ("country = 'US';", '";"', 15),
    ("country = 'US'; DROP TABLE x", '";"', 15),
    ("country = :country", '":"', 11),
    ("country = ?", '"?"', 11),
    ("country = $1", '"$1"', 11),
    ("country = @c", '"@"', 11),
    ("*", '"*"', None),
    ("country = 'US", "does not end", None),
    ("country = 'U\\S'", "not plain", 11),
    ("country = N'US'", "N'US'", 11),
    ("country = 'U' 'S'", "nothing joins", 15),
    ("CASE WHEN TRUE THEN TRUE END", '"CASE"', 1),
    ("order_value > 1e3", '"1e3"', 15),
    ("order_value > .5", '"."', 15),
    ("order_value > 5.", '"5."', 15),
    ("order_value > 1.0000001", '"1.0000001"', 15),
    ("order_value > 1000000000", '"1000000000"', 15),
    ("order_value > 1 000", "nothing joins", 17),
    ("order_value > +5", '"+"', 15),
    ("order_value BETWEEN 1 2", "nothing joins", 23),
    ("order_value > 5 AND", "cannot be read", 17),
    ("(order_value > 5", "cannot be read", 16),
    ("order_value > 5)", "cannot be read", 16),
    ("(country, event) = ('US', 'x')", "may not stand", None),
    ("order_value > 5 XOR new_customer", '"XOR"', 17),
    ("order_value * order_value * order_value / order_value > 1", "more than 2 times", None),
    ("NOT " * 21 + "TRUE", "too deeply", 81),
    ("(" * 21 + "TRUE" + ")" * 21, "too deeply", 21),
    (" + ".join(["1"] * 30) + " > 1", "too deeply", None),
    ("TRUE AND " * 300 + "TRUE", "2,704 characters", None),
    ("TRUE=" * 390 + "TRUE", "", None),
]


@pytest.mark.parametrize(("text", "what", "position"), REFUSED)
def test_nothing_else_parses_and_the_piece_is_named(text: str, what: str, position: int | None) -> None:
    with pytest.raises(ExpressionError) as refused:
        parse(text)
    assert what in refused.value.what
    assert refused.value.position == position or (position is None and not what)
    assert refused.value.expected
    assert isinstance(refused.value, AdledgerError)


def test_a_refusal_says_what_where_and_what_to_do() -> None:
    with pytest.raises(ExpressionError) as refused:
        parse("order_value >= 50 AND contry = 'US'")
    assert str(refused.value) == (
        'character 23: "contry" is not a column of a condition\n'
        "  -> write one of the columns event, order_value, country, category, coupon, new_customer, order_id"
    )


def test_a_condition_as_long_as_may_be_is_answered_by_a_table() -> None:
    many = "order_value IN (" + ", ".join(str(n) for n in range(390)) + ")"
    wide = "coupon LIKE '" + "_" * 1900 + "'"
    chain = " AND ".join(["new_customer"] * 110)
    for text in (many, wide, chain):
        assert len(text) > 1800
        assert of_a_table(text, {**ROW, "coupon": "x" * 1900}) is True


def test_a_condition_without_a_column_is_one_value() -> None:
    frame = pl.DataFrame({"order_id": ["a", "b"]})
    assert frame.filter(to_polars(parse("1 < 2"))).height == 2
    assert frame.filter(to_polars(parse("1 / 0 < 2"))).height == 0
