"""Figures of explanations (``services.explaining.figures``)."""

from __future__ import annotations

from decimal import Decimal

import pytest

from services.explaining.figures import billed, counted, exact, factor, in_nanos, of_micros, of_nanos, rounded, rounding


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("39.000000", "39.00"),
        ("8.641975231", "8.641975231"),
        ("0.0015", "0.0015"),
        ("1234567.5", "1,234,567.50"),
        ("-1.710", "-1.71"),
        ("0", "0.00"),
    ],
)
def test_an_exact_amount_has_every_digit_that_says_something(amount: str, text: str) -> None:
    assert exact(Decimal(amount)) == text


def test_a_factor_has_no_places_that_say_nothing() -> None:
    assert [factor(Decimal(number)) for number in ("1.200000", "1.000", "0.15")] == ["1.2", "1", "0.15"]


@pytest.mark.parametrize(
    ("amount", "currency", "to"),
    [
        ("0.005", "USD", "0.01"),
        ("-0.005", "USD", "-0.01"),
        ("0.004999999", "USD", "0.00"),
        ("0.004999999999999", "USD", "0.00"),
        ("17.5", "JPY", "18"),
        ("1.0005", "KWD", "1.001"),
    ],
)
def test_an_amount_is_rounded_half_away_from_zero_to_the_minor_unit(amount: str, currency: str, to: str) -> None:
    assert str(rounded(Decimal(amount), currency)) == to


def test_the_rounding_is_written_out() -> None:
    assert rounding(Decimal("1.157"), "USD") == "1.157 rounded once to 2 places = 1.16 USD"
    assert rounding(Decimal("17.792980788"), "JPY") == "17.792980788 rounded once to 0 places = 18 JPY"


def test_one_unit_is_not_units() -> None:
    assert [counted(1), counted(1500)] == ["1 unit", "1,500 units"]


def test_integers_and_decimals_are_the_same_amount() -> None:
    assert (of_micros(32_500_000), of_nanos(39), in_nanos(Decimal("0.000000039"))) == (
        Decimal("32.5"),
        Decimal("0.000000039"),
        39,
    )
    assert billed(Decimal("1234.5"), "USD") == "1,234.50 USD"
