"""Figures as an explanation writes them: every digit that says something, and no other.

39.000000 -> 39.00;  8.641975231 -> 8.641975231;  1500 units -> 1,500
"""

from __future__ import annotations

from decimal import Decimal

import polars as pl

from contracts_io.money import (
    MICRO,
    NANO,
    decimal_to_minor,
    divide_half_up,
    minor_digits,
    minor_to_decimal,
    minor_unit_nanos,
)

_PLACES = 2
NANO_PLACES, MICRO_PLACES = 9, 6


def exact(amount: Decimal, *, least: int = _PLACES) -> str:
    """An exact decimal with thousands separators, all its digits and at least ``least`` places."""
    text = f"{amount:,f}"
    whole, _, fraction = text.partition(".")
    fraction = fraction.rstrip("0").ljust(least, "0")
    return f"{whole}.{fraction}" if fraction else whole


def factor(number: Decimal) -> str:
    """A multiplier or share: all its digits, no more."""
    return exact(number, least=0)


def billed(amount: Decimal, currency: str) -> str:
    """A rounded amount with its currency."""
    return f"{amount:,.{minor_digits(currency)}f} {currency}"


def counted(units: int) -> str:
    """A number of units in words: ``1 unit``, ``1,500 units``."""
    return "1 unit" if units == 1 else f"{units:,} units"


def of_micros(micros: int) -> Decimal:
    """Micros as an exact decimal."""
    return Decimal(micros).scaleb(-MICRO_PLACES)


def of_nanos(nanos: int) -> Decimal:
    """Nanos as an exact decimal."""
    return Decimal(nanos).scaleb(-NANO_PLACES)


def in_nanos(amount: Decimal) -> int:
    """An exact amount in nanos."""
    return int(amount.scaleb(NANO_PLACES))


def rounded(amount: Decimal, currency: str) -> Decimal:
    """An exact amount of at most 15 places, rounded once to the currency's minor unit."""
    scale = NANO * MICRO
    minor = divide_half_up(int(amount.scaleb(NANO_PLACES + MICRO_PLACES)), minor_unit_nanos(currency) * scale // NANO)
    return minor_to_decimal(minor, currency)


def minor(amount: Decimal, currency: str) -> int:
    """A billed amount in minor units."""
    return decimal_to_minor(amount, currency)


def total(column: pl.Series) -> Decimal:
    """The exact sum of a decimal column; 0 where it has no rows."""
    return sum((value for value in column if value is not None), Decimal(0))


def rounding(amount: Decimal, currency: str) -> str:
    """The one rounding, written out."""
    return f"{exact(amount)} rounded once to {minor_digits(currency)} places = {billed(rounded(amount, currency), currency)}"
