"""Exact numbers: rounding half away from zero, sharing by largest remainder, their text."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

NANO = 10**9
MINOR_DIGITS = {"JPY": 0, "KWD": 3}


def half_up(value: Fraction, places: int) -> Fraction:
    """``value`` at ``places`` decimals, halves away from zero."""
    scaled = abs(value) * 10**places
    whole = (2 * scaled.numerator + scaled.denominator) // (2 * scaled.denominator)
    return Fraction(whole if value >= 0 else -whole, 10**places)


def nine(value: Fraction) -> Fraction:
    return half_up(value, 9)


def minor(value: Fraction, currency: str) -> Fraction:
    """``value`` in whole minor units of its currency."""
    return half_up(value, MINOR_DIGITS.get(currency, 2))


def share_out(total: int, weights: Sequence[Fraction | int]) -> list[int]:
    """Whole parts of ``total`` in proportion to ``weights``, by largest remainder; of equals the earlier has it."""
    whole = Fraction(sum(weights))
    exact = [total * Fraction(weight) / whole for weight in weights]
    parts = [part.numerator // part.denominator for part in exact]
    places = sorted(range(len(exact)), key=lambda i: (parts[i] - exact[i], i))
    for i in places[: total - sum(parts)]:
        parts[i] += 1
    return parts


def text(value: Fraction | int | None) -> str:
    """Plain digits without trailing zeros; empty for None. The value is a decimal of at most 18 places."""
    if value is None:
        return ""
    scaled = Fraction(value) * 10**18
    if scaled.denominator != 1:
        raise ValueError(f"{value} is no decimal")
    digits = str(abs(scaled.numerator)).rjust(19, "0")
    written = f"{digits[:-18]}.{digits[-18:]}".rstrip("0").rstrip(".")
    return f"-{written}" if scaled < 0 else written
