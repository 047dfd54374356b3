from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest
from billing_samples import fx_rates

from contracts_io.errors import FeedError
from contracts_io.feeds.rates import read_rates
from contracts_io.money import NANOS_TYPE
from pipelines.exchange import converted

DAY = date(2026, 10, 5)
RATES = fx_rates(
    (DAY, "EUR", "USD", "1.25"),
    (DAY, "USD", "JPY", "150.5"),
    (DAY, "GBP", "EUR", "1.15"),
    (DAY, "EUR", "GBP", "0.9"),
    (date(2026, 10, 6), "EUR", "USD", "2"),
)


def convert(value: str | None, source: str | None, target: str | None, on: date = DAY) -> Decimal | None:
    rows = pl.DataFrame(
        {"amount": [value], "given": [source], "wanted": [target], "day": [on]},
        schema={"amount": pl.String, "given": pl.String, "wanted": pl.String, "day": pl.Date},
    ).with_columns(pl.col("amount").cast(NANOS_TYPE))
    series = converted(rows, RATES, value="amount", source="given", target="wanted", on="day")
    assert (series.dtype, series.name) == (NANOS_TYPE, "amount")
    result: Decimal | None = series.item()
    return result


@pytest.mark.parametrize(
    ("value", "source", "target", "result"),
    [
        ("100", "EUR", "USD", "125"),
        ("100", "USD", "EUR", "80"),
        ("1", "USD", "JPY", "150.5"),
        ("1", "JPY", "USD", "0.006644518"),  # 1 / 150.5 = 0.0066445182...
        ("0.000000001", "EUR", "USD", "0.000000001"),  # 1.25 nanos
        ("0.000000002", "EUR", "USD", "0.000000003"),  # 2.5 nanos: half goes up
        ("0.000000001", "USD", "EUR", "0.000000001"),  # 0.8 nanos
        ("100", "USD", "USD", "100"),
        ("100", None, "USD", "100"),
        ("0", "EUR", "USD", "0"),
        ("1000000000", "EUR", "USD", "1250000000"),
        ("999999999.999999999", "USD", "JPY", "150499999999.999999850"),  # ...9998495
    ],
)
def test_a_value_is_converted_by_the_rate_or_divided_by_the_inverse_one_and_rounded_to_nine_places(
    value: str, source: str | None, target: str, result: str
) -> None:
    assert convert(value, source, target) == Decimal(result)


def test_the_direct_rate_goes_before_the_inverse_one() -> None:
    assert convert("100", "GBP", "EUR") == 115
    assert convert("100", "EUR", "GBP") == 90


@pytest.mark.parametrize(
    ("value", "source", "target", "on"),
    [
        (None, "EUR", "USD", DAY),
        (None, "USD", "USD", DAY),
        ("100", "EUR", "JPY", DAY),  # there is a way over USD: a cross rate is nobody's agreement
        ("100", "EUR", "USD", date(2026, 10, 4)),
        ("100", "CHF", "USD", DAY),
    ],
)
def test_without_a_value_or_a_rate_of_that_day_there_is_no_result(
    value: str | None, source: str, target: str, on: date
) -> None:
    assert convert(value, source, target, on) is None


def test_each_row_takes_the_rate_of_its_own_day_and_keeps_its_place() -> None:
    rows = pl.DataFrame(
        {
            "v": ["1", "1", "1", "1"],
            "s": ["EUR", "USD", "EUR", "EUR"],
            "t": ["USD", "EUR", "EUR", "USD"],
            "d": [date(2026, 10, 6), date(2026, 10, 6), DAY, DAY],
        }
    ).with_columns(pl.col("v").cast(NANOS_TYPE))
    result = converted(rows, RATES, value="v", source="s", target="t", on="d").to_list()
    assert result == [Decimal(2), Decimal("0.5"), Decimal(1), Decimal("1.25")]


def test_a_rate_too_high_to_convert_the_highest_value_by_is_refused_where_it_is_read(tmp_path: Path) -> None:
    (tmp_path / "fx_rates").mkdir()
    (tmp_path / "fx_rates" / "rates.csv").write_text(
        "date,base,quote,rate\n2026-10-05,EUR,USD,90000000000\n", encoding="utf-8"
    )
    with pytest.raises(FeedError, match="beyond all reason"):
        read_rates(tmp_path)
