from __future__ import annotations

import csv
import os
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from contracts_io.money import (
    NANOS_TYPE,
    RATE_TYPE,
    decimal_to_minor,
    divide_half_up,
    divide_half_up_expr,
    format_scaled,
    from_micros,
    from_nanos,
    is_currency,
    minor_digits,
    minor_to_decimal,
    minor_unit_nanos,
    nanos,
    parse_scaled,
    share_out,
)

HALVES = [
    (125_000_000, 10_000_000, 13),
    (-125_000_000, 10_000_000, -13),
    (124_999_999, 10_000_000, 12),
    (-124_999_999, 10_000_000, -12),
    (135_000_000, 10_000_000, 14),  # half to even would give 14 here and 12 for 0.125
    (5, 10, 1),
    (-5, 10, -1),
    (4, 10, 0),
    (-4, 10, 0),
    (0, 7, 0),
    (1, 3, 0),
    (2, 3, 1),
    (7, 1, 7),
    (3, 5, 1),
    (-3, 5, -1),
    (10**36 + 1, 2, (10**36 + 2) // 2),
]


@pytest.mark.parametrize(("numerator", "denominator", "rounded"), HALVES)
def test_a_half_is_rounded_away_from_zero_on_both_sides(numerator: int, denominator: int, rounded: int) -> None:
    assert divide_half_up(numerator, denominator) == rounded
    frame = pl.DataFrame({"n": pl.Series([numerator], dtype=pl.Int128)})
    assert frame.select(divide_half_up_expr(pl.col("n"), denominator)).item() == rounded


def test_a_division_in_a_frame_takes_its_divisor_from_a_column_and_keeps_nulls() -> None:
    frame = pl.DataFrame({"n": [5, -5, None, 7], "d": [2, 2, 2, None]}, schema={"n": pl.Int64, "d": pl.Int64})
    assert frame.select(divide_half_up_expr(pl.col("n"), pl.col("d"))).to_series().to_list() == [3, -3, None, None]


@pytest.mark.parametrize(
    ("total", "weights", "parts"),
    [
        (100, [1, 1, 1], [34, 33, 33]),
        (-100, [1, 1, 1], [-34, -33, -33]),
        (1_000_000, [40, 20, 40], [400_000, 200_000, 400_000]),
        (2, [1, 1, 1], [1, 1, 0]),
        (10, [0, 3, 0], [0, 10, 0]),
        (0, [5, 5], [0, 0]),
        (10, [1, 2, 3], [2, 3, 5]),  # 1.67, 3.33, 5: the largest remainder gets what is left
        (7, [3, 3, 1], [3, 3, 1]),
        (1, [1], [1]),
    ],
)
def test_a_total_is_shared_by_largest_remainder_and_ties_go_to_the_earlier(
    total: int, weights: list[int], parts: list[int]
) -> None:
    assert share_out(total, weights) == parts


@pytest.mark.parametrize(
    ("text", "places", "value"),
    [
        ("0", 6, 0),
        ("-0.0", 6, 0),
        ("32.50", 6, 32_500_000),
        ("-32.5", 6, -32_500_000),
        ("-0.000001", 6, -1),
        ("0.123456789", 9, 123_456_789),
        ("007", 0, 7),
        ("123456789012345678901234567890.1", 1, 1234567890123456789012345678901),
    ],
)
def test_a_plain_decimal_keeps_every_digit(text: str, places: int, value: int) -> None:
    assert parse_scaled(text, places) == value


@pytest.mark.parametrize(
    "text", ["", " ", "1.", ".5", "+1", "1e3", "1,000", "1_000", "--1", "NaN", "inf", "0x1", " 1", "1\n", "٣", "1.1.1", "-"]
)
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not a plain decimal"):
        parse_scaled(text, 6)


def test_more_places_than_are_kept_are_refused_and_not_rounded() -> None:
    with pytest.raises(ValueError, match="more than 6 decimal places"):
        parse_scaled("0.0000001", 6)
    with pytest.raises(ValueError, match="more than 6 decimal places"):
        parse_scaled("0.1234560", 6)


@pytest.mark.parametrize(
    ("value", "places", "text"),
    [
        (2061, 2, "20.61"),
        (-2061, 2, "-20.61"),
        (2000, 2, "20"),
        (0, 2, "0"),
        (5, 2, "0.05"),
        (-5, 2, "-0.05"),
        (42, 0, "42"),
    ],
)
def test_a_number_is_written_plainly_without_trailing_zeros(value: int, places: int, text: str) -> None:
    assert format_scaled(value, places) == text


@pytest.mark.parametrize(
    ("currency", "digits", "nanos_of_one"), [("USD", 2, 10**7), ("JPY", 0, 10**9), ("KWD", 3, 10**6), ("CLF", 4, 10**5)]
)
def test_a_minor_unit_has_the_places_of_its_currency(currency: str, digits: int, nanos_of_one: int) -> None:
    assert minor_digits(currency) == digits
    assert minor_unit_nanos(currency) == nanos_of_one


def test_a_billed_amount_is_shown_with_the_places_of_its_currency() -> None:
    assert str(minor_to_decimal(2061, "USD")) == "20.61"
    assert str(minor_to_decimal(-5, "KWD")) == "-0.005"
    assert str(minor_to_decimal(2061, "JPY")) == "2061"
    assert decimal_to_minor(Decimal("20.61"), "USD") == 2061
    assert decimal_to_minor(Decimal("-0.005"), "KWD") == -5
    assert decimal_to_minor(Decimal("2061.000000000"), "JPY") == 2061


def test_an_amount_finer_than_the_minor_unit_is_refused() -> None:
    with pytest.raises(ValueError, match="not a whole number of minor units"):
        decimal_to_minor(Decimal("20.615"), "USD")


def test_exact_amounts_pass_between_integers_and_decimals_digit_for_digit() -> None:
    values = [0, 1, -1, 10**9, 123_456_789_012_345_678_901_234_567, -(10**37) + 1, None]
    frame = pl.DataFrame({"n": pl.Series(values, dtype=pl.Int128)})
    stored = frame.select(from_nanos(pl.col("n")).alias("amount"), from_micros(pl.col("n")).alias("rate"))
    assert stored.schema == {"amount": NANOS_TYPE, "rate": RATE_TYPE}
    assert stored.select(nanos("amount")).to_series().to_list() == values
    assert stored["amount"][:4].to_list() == [Decimal(0), Decimal("1e-9"), Decimal("-1e-9"), Decimal(1)]
    assert stored["rate"][3] == Decimal(1000)


@pytest.mark.parametrize("code", ["USD", "EUR", "JPY", "KWD", "CLF"])
def test_a_currency_of_the_standard_is_money(code: str) -> None:
    assert is_currency(code)


@pytest.mark.parametrize("code", ["XAU", "XTS", "XXX", "usd", "US", "DEM", "", "ABC"])
def test_metals_tests_and_what_is_not_in_the_standard_are_no_money(code: str) -> None:
    assert not is_currency(code)


def test_currencies_and_their_minor_units_are_those_of_the_official_list() -> None:
    folder = os.environ.get("ADLEDGER_TEST_DATA")
    official = Path(folder, "standards", "currency", "iso4217.csv") if folder else None
    if official is None or not official.is_file():
        pytest.skip("ADLEDGER_TEST_DATA names no folder with standards/currency/iso4217.csv")
    with official.open(encoding="utf-8", newline="") as stream:
        listed = {row["code"]: row["minor_units"] for row in csv.DictReader(stream)}
    assert len(listed) > 150
    assert {code for code in listed if is_currency(code)} == {code for code, units in listed.items() if units}
    assert {code: minor_digits(code) for code, units in listed.items() if units} == {
        code: int(units) for code, units in listed.items() if units
    }
