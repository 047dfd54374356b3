from __future__ import annotations

import pytest

from contracts_io.expression import parse
from contracts_io.expression_words import in_words

WORDS = [
    ("order_value >= 50 AND country = 'US'", "order value is at least 50 and country is US"),
    ("country IN ('US', 'DE', 'FR')", "country is US, DE or FR"),
    ("country NOT IN ('US', 'DE')", "country is neither US nor DE"),
    ("country NOT IN ('US')", "country is not US"),
    ("NOT (category = 'giftcard')", "category is not giftcard"),
    ("NOT (order_value > 5)", "order value is at most 5"),
    ("order_value BETWEEN 10 AND 150 OR coupon IS NULL", "order value is from 10 to 150 or coupon is not given"),
    ("coupon LIKE 'S%' OR new_customer = TRUE", "coupon begins with S or customer is new"),
    ("coupon NOT LIKE '%-X'", 'coupon does not end with "-X"'),
    ("coupon LIKE '%A%'", "coupon contains A"),
    ("coupon LIKE 'A_'", 'coupon is of the form "A_" (% for any characters, _ for one)'),
    ("coupon IS NOT NULL", "coupon is given"),
    ("new_customer = FALSE AND NOT new_customer", "customer is not new and customer is not new"),
    ("(new_customer OR TRUE) AND order_id <> ''", '(customer is new or always) and order number is not ""'),
    ("NOT (new_customer OR event = 'a b')", 'it is not so that (customer is new or event is "a b")'),
    ("(order_value - 5) * 0.8 < 10", "(order value minus 5) times 0.8 is less than 10"),
    ("-order_value / 2 < 0", "(minus order value) divided by 2 is less than 0"),
    ("event >= 'a'", "event is or comes after a"),
]


@pytest.mark.parametrize(("text", "words"), WORDS)
def test_a_condition_is_told_in_plain_words(text: str, words: str) -> None:
    assert in_words(parse(text)) == words
