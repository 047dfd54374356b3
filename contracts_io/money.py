"""Money: minor units, the one rounding, exact decimals and sharing without loss.

An exact amount is an integer of nanos (1e-9 currency units); a billed amount is an integer of the currency's minor units; a
rate, a share or a factor is an integer of micros (1e-6). Rounding is half up, away from zero (spec 5.2), and stands here
only, once for Python integers and once for Polars, whose own ``round`` and decimal casts are half to even and whose decimal
products keep too few places.

    0.125 USD = 125,000,000 nanos -> 13 cents;  -0.125 USD -> -13 cents, so that a credit mirrors its invoice

What does not belong here: what is charged, and when.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from functools import cache

import polars as pl
import pycountry

NANO = 1_000_000_000
MICRO = 1_000_000
NANOS_TYPE = pl.Decimal(38, 9)
"""How an exact amount is stored in a table: human readable, nine places, read back unchanged by every engine."""
RATE_TYPE = pl.Decimal(38, 6)
"""How a rate, share or factor is stored in a table: six places."""
FACTOR_TYPE = pl.Decimal(38, 18)
"""How the exact product of three factors is stored."""

# ISO 4217: every currency that does not have two minor units. Codes without a minor unit (gold, testing) are no money.
_MINOR_DIGITS = {
    **dict.fromkeys("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF".split(), 0),
    **dict.fromkeys("BHD IQD JOD KWD LYD OMR TND".split(), 3),
    **dict.fromkeys("CLF UYW".split(), 4),
}
_NOT_MONEY = frozenset("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX".split())
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@cache
def is_currency(code: str) -> bool:
    """Whether ``code`` is an ISO 4217 currency in which a document can be written."""
    found = pycountry.currencies.get(alpha_3=code)  # found in any case of its letters
    return code not in _NOT_MONEY and found is not None and found.alpha_3 == code


def minor_digits(currency: str) -> int:
    """Decimal places of the currency's minor unit (ISO 4217): USD 2, JPY 0, KWD 3."""
    return _MINOR_DIGITS.get(currency, 2)


def minor_unit_nanos(currency: str) -> int:
    """One minor unit of the currency in nanos: USD 10,000,000, JPY 1,000,000,000."""
    return int(10 ** (9 - minor_digits(currency)))


def divide_half_up(numerator: int, denominator: int) -> int:
    """``numerator / denominator`` rounded to an integer, half away from zero; ``denominator`` is above zero."""
    quotient = (2 * abs(numerator) + denominator) // (2 * denominator)
    return quotient if numerator >= 0 else -quotient


def divide_half_up_expr(numerator: pl.Expr, denominator: pl.Expr | int) -> pl.Expr:
    """The same in Polars, as Int128; the caller keeps ``2 * |numerator| + denominator`` below 2^127."""
    n = numerator.cast(pl.Int128)
    d = denominator.cast(pl.Int128) if isinstance(denominator, pl.Expr) else pl.lit(denominator, pl.Int128)
    return (2 * n.abs() + d) // (2 * d) * n.sign()


def parse_scaled(text: str, places: int) -> int:
    """A plain decimal text as an integer of 10^-``places``; raises ValueError where it is not one or has more places."""
    if not _DECIMAL.fullmatch(text):
        raise ValueError(f"{text!r} is not a plain decimal number")
    whole, _, fraction = text.lstrip("-").partition(".")
    if len(fraction) > places:
        raise ValueError(f"{text!r} has more than {places} decimal places")
    value = int(whole + fraction.ljust(places, "0"))
    return -value if text.startswith("-") else value


def format_scaled(value: int, places: int) -> str:
    """The plain decimal text of ``value`` x 10^-``places``, no trailing zeros: ``(2061, 2) -> '20.61'``; zero is ``0``."""
    digits = str(abs(value)).rjust(places + 1, "0")
    whole, fraction = (digits[:-places], digits[-places:].rstrip("0")) if places else (digits, "")
    text = f"{whole}.{fraction}" if fraction else whole
    return f"-{text}" if value < 0 else text


def minor_to_decimal(minor: int, currency: str) -> Decimal:
    """A billed amount as an exact decimal with the currency's places: ``(2061, 'USD') -> Decimal('20.61')``."""
    return Decimal(minor).scaleb(-minor_digits(currency))


def decimal_to_minor(amount: Decimal, currency: str) -> int:
    """A billed amount in minor units; ValueError where it has more places than the currency."""
    minor = amount.scaleb(minor_digits(currency))
    if minor != int(minor):
        raise ValueError(f"{amount} {currency} is not a whole number of minor units")
    return int(minor)


def nanos(column: str | pl.Expr) -> pl.Expr:
    """The Int128 nanos of a ``NANOS_TYPE`` column (null stays null): exact, to be calculated with."""
    expr = pl.col(column) if isinstance(column, str) else column
    return expr.cast(NANOS_TYPE).to_physical()


def from_nanos(expr: pl.Expr) -> pl.Expr:
    """Int128 nanos as a ``NANOS_TYPE`` column, digit for digit."""
    return expr.cast(pl.Int128).reinterpret(dtype=NANOS_TYPE)


def from_micros(expr: pl.Expr) -> pl.Expr:
    """Integer micros as a ``RATE_TYPE`` column, digit for digit."""
    return expr.cast(pl.Int128).reinterpret(dtype=RATE_TYPE)


def share_out(total: int, weights: Sequence[int]) -> list[int]:
    """``total`` in parts proportional to ``weights`` by largest remainder; ties go to the earlier weight; nothing is lost.

    Weights are not negative and not all zero. A negative total is shared as its mirror image.
    """
    if total < 0:
        return [-part for part in share_out(-total, weights)]
    whole = sum(weights)
    parts = [total * w // whole for w in weights]
    by_remainder = sorted(range(len(weights)), key=lambda i: (-(total * weights[i] % whole), i))
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return parts
