"""Currency rates: exact, and refused as a whole where one row is wrong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from contracts_io.errors import FeedError
from contracts_io.feeds.rates import RATES_SCHEMA, read_rates


def rates(landing: Path, **files: str) -> pl.DataFrame:
    (landing / "fx_rates").mkdir()
    for name, text in files.items():
        (landing / "fx_rates" / f"{name}.csv").write_text(text)
    return read_rates(landing)


def test_without_a_folder_there_are_no_rates(tmp_path: Path) -> None:
    assert read_rates(tmp_path).equals(pl.DataFrame(schema=RATES_SCHEMA))


def test_rates_of_all_files_are_sorted_and_keep_every_digit(tmp_path: Path) -> None:
    found = rates(
        tmp_path,
        b="\ufeffdate,base,quote,rate\r\n2026-10-05,USD,JPY,152.123456789\r\n\r\n2026-10-04,EUR,USD,1.1\r\n",
        a="date,quote,base,rate\n2026-10-04,USD,EUR,1.10\n",
        c="",
    )
    assert found.schema == RATES_SCHEMA
    assert found.rows() == [
        (date(2026, 10, 4), "EUR", "USD", Decimal("1.1")),
        (date(2026, 10, 5), "USD", "JPY", Decimal("152.123456789")),
    ]


@pytest.mark.parametrize(
    ("row", "what"),
    [
        ("2026-10-04,EUR,USD,0", "the rate 0 is not above zero"),
        ("2026-10-04,EUR,USD,-1", "the rate -1 is not above zero"),
        ("2026-10-04,EUR,USD,1e3", "'1e3' is not a plain decimal number"),
        ("2026-10-04,EUR,USD,1.0123456789", "more than 9 decimal places"),
        ("2026-10-04,EUR,USD,", "'' is not a plain decimal number"),
        ("2026-10-04,EUR,USX,1", "'USX' is not a currency"),
        ("2026-10-04,EUR,EUR,1", "a rate from EUR to itself"),
        ("2026-13-04,EUR,USD,1", "'2026-13-04' is not a day"),
        ("2026-10-04,EUR,USD", "3 fields where 4 are expected"),
        ('2026-10-04,EUR,USD,"1', "unexpected end of data"),
    ],
)
def test_a_bad_row_is_refused_with_file_and_line(tmp_path: Path, row: str, what: str) -> None:
    with pytest.raises(FeedError) as refused:
        rates(tmp_path, a=f"date,base,quote,rate\n2026-10-03,EUR,USD,1\n{row}\n")
    assert what in str(refused.value)
    assert "a.csv, line " in str(refused.value)


def test_two_rates_of_one_day_and_pair_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FeedError, match=r"b\.csv, line 2: the rate EUR/USD of 2026-10-04 differs from the one in a\.csv, line 2"
    ):
        rates(
            tmp_path,
            a="date,base,quote,rate\n2026-10-04,EUR,USD,1.1\n",
            b="date,base,quote,rate\n2026-10-04,EUR,USD,1.2\n",
        )


def test_other_columns_other_files_and_other_encodings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="the columns are day, pair"):
        rates(tmp_path, a="day,pair\n")
    (tmp_path / "fx_rates" / "a.csv").write_bytes(b"date,base,quote,rate\n\xff")
    with pytest.raises(FeedError, match="cannot be read"):
        read_rates(tmp_path)
    (tmp_path / "fx_rates" / "a.csv").rename(tmp_path / "fx_rates" / "a.xlsx")
    with pytest.raises(FeedError, match="is not a file of rates"):
        read_rates(tmp_path)
