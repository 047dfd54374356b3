"""Laws of money: one rounding, the same in Python and in Polars, and nothing lost in sharing or in writing."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Context, Decimal

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from contracts_io.money import (
    NANOS_TYPE,
    decimal_to_minor,
    divide_half_up,
    divide_half_up_expr,
    format_scaled,
    from_nanos,
    minor_to_decimal,
    nanos,
    parse_scaled,
    share_out,
)

LIMIT = 2**126 - 1  # 2 x |numerator| stays below 2^127
EXACT = Context(prec=120, rounding=ROUND_HALF_UP)
NUMERATORS = st.integers(-LIMIT + 2**60, LIMIT - 2**60)
DENOMINATORS = st.one_of(st.integers(1, 12), st.sampled_from([10**n for n in range(18)]), st.integers(1, 2**60))
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF"])


@given(NUMERATORS, DENOMINATORS)
def test_a_quotient_is_rounded_half_away_from_zero(numerator: int, denominator: int) -> None:
    exact = EXACT.divide(Decimal(numerator), Decimal(denominator))
    assert divide_half_up(numerator, denominator) == int(exact.quantize(Decimal(1), context=EXACT))
    assert divide_half_up(-numerator, denominator) == -divide_half_up(numerator, denominator)


@given(st.lists(st.tuples(NUMERATORS, DENOMINATORS), min_size=1, max_size=30))
def test_polars_rounds_as_python_does(pairs: list[tuple[int, int]]) -> None:
    frame = pl.DataFrame({"n": pl.Series([n for n, _ in pairs], dtype=pl.Int128), "d": [d for _, d in pairs]})
    rounded = frame.select(by_column=divide_half_up_expr(pl.col("n"), pl.col("d")), by_value=_by_first(pairs))
    assert rounded["by_column"].to_list() == [divide_half_up(n, d) for n, d in pairs]
    assert rounded["by_value"].to_list() == [divide_half_up(n, pairs[0][1]) for n, _ in pairs]


def _by_first(pairs: list[tuple[int, int]]) -> pl.Expr:
    return divide_half_up_expr(pl.col("n"), pairs[0][1])


WEIGHTS = st.lists(st.integers(0, 10**12), min_size=1, max_size=40).filter(any)


@given(st.integers(-(10**15), 10**15), WEIGHTS)
def test_sharing_loses_nothing_and_no_part_is_a_whole_unit_off(total: int, weights: list[int]) -> None:
    parts = share_out(total, weights)
    assert sum(parts) == total
    assert all(abs(part * sum(weights) - total * weight) < sum(weights) for part, weight in zip(parts, weights, strict=True))
    assert share_out(-total, weights) == [-part for part in parts]


@given(st.integers(0, 10**15), WEIGHTS)
def test_what_is_left_goes_to_the_largest_remainders_and_at_a_tie_to_the_earlier(total: int, weights: list[int]) -> None:
    whole = sum(weights)
    gained = [part - total * weight // whole for part, weight in zip(share_out(total, weights), weights, strict=True)]
    remainders = [total * weight % whole for weight in weights]
    ranked = sorted(range(len(weights)), key=lambda i: (-remainders[i], i))
    assert [gained[i] for i in ranked] == sorted(gained, reverse=True)
    assert set(gained) <= {0, 1}


@given(st.integers(-(10**37), 10**37), st.integers(0, 12))
def test_what_is_written_is_read_back(value: int, places: int) -> None:
    text = format_scaled(value, places)
    assert parse_scaled(text, places) == value
    assert Decimal(text).scaleb(places, context=EXACT) == value


@given(st.lists(st.integers(-(10**38) + 1, 10**38 - 1), max_size=20))
def test_an_exact_amount_is_stored_digit_for_digit(values: list[int]) -> None:
    stored = pl.DataFrame({"n": pl.Series(values, dtype=pl.Int128)}).select(amount=from_nanos(pl.col("n")))
    assert stored.schema == {"amount": NANOS_TYPE}
    assert stored.select(nanos("amount")).to_series().to_list() == values


@given(st.integers(-(2**63), 2**63 - 1), CURRENCIES)
def test_a_billed_amount_survives_being_shown(minor: int, currency: str) -> None:
    assert decimal_to_minor(minor_to_decimal(minor, currency), currency) == minor
