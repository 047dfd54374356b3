from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from contracts_io.calendar import INSTANT
from contracts_io.errors import WarehouseError
from contracts_io.frames import FEED_NAMES, OUTCOMES, STATUSES, TABLES, Table
from contracts_io.ids import packed, parts
from contracts_io.money import FACTOR_TYPE, NANOS_TYPE

QUARTER = datetime(2026, 10, 5, 12, 15, tzinfo=UTC)

# A good row is made from the types alone, but where a rule asks for more.
BY_TYPE: dict[Any, Any] = {
    pl.String: "x",
    pl.Int64: 1,
    pl.Int32: 1,
    pl.Boolean: True,
    pl.Date: date(2026, 10, 5),
    pl.Datetime: QUARTER,
    pl.Decimal: Decimal("1.5"),
}
BY_COLUMN: dict[str, Any] = {
    "action": "reverse",
    "agreed": "0" * 64,
    "base": "EUR",
    "currency": "USD",
    "feed": "clicks",
    "kind": "media",
    "outcome": "billed",
    "quote": "USD",
    "rate_kind": "flat",
    "sha256": "0" * 64,
    "side": "partner",
    "status": "attributed",
    "touch_kind": "click",
}
BY_TABLE: dict[str, dict[str, Any]] = {"feed_counts": {"read": 3}}

# One row per table that its rules refuse, by the rule that is broken.
REFUSED: dict[str, list[tuple[dict[str, Any], str]]] = {
    "impressions": [({"impression_id": ""}, "not_empty"), ({"cost": Decimal("-0.000000001")}, "not_negative")],
    "clicks": [({"row": 0}, "greater_than_or_equal_to"), ({"click_id": ""}, "not_empty")],
    "conversions": [({"order_value": Decimal(-1)}, "not_negative"), ({"event": ""}, "str_length")],
    "conversion_adjustments": [({"action": "undo"}, "isin"), ({"order_value": Decimal(-1)}, "not_negative")],
    "impressions_repeated": [({"line_item_id": ""}, "str_length")],
    "clicks_repeated": [({"partner_id": ""}, "str_length")],
    "conversions_repeated": [({"advertiser_id": ""}, "str_length")],
    "conversion_adjustments_repeated": [({"action": "undo"}, "isin")],
    "quarantine": [({"feed": "views"}, "isin"), ({"reason": ""}, "str_length")],
    "feed_counts": [({"read": 4}, "every_row_accounted_for"), ({"read": -3, "accepted": -5}, "greater_than_or_equal_to")],
    "delivered_files": [({"sha256": "0" * 63}, "str_length"), ({"bytes": -1}, "greater_than_or_equal_to")],
    "fx_rates": [({"base": "EURO"}, "str_length"), ({"rate": Decimal(-1)}, "not_negative")],
    "conversion_states": [({"restated_value": Decimal(-1)}, "not_negative")],
    "delivery_counts": [
        ({"quarter_hour": QUARTER.replace(minute=16)}, "quarter_hour"),
        ({"impressions": 0}, "greater_than_or_equal_to"),
    ],
    "touches": [
        ({"touch_kind": "impression"}, "isin"),
        ({"household_id": ""}, "not_empty"),
        ({"touch_id": ""}, "not_empty"),
    ],
    "attributions": [({"status": "maybe"}, "isin"), ({"value": Decimal(-1)}, "not_negative")],
    "attribution_candidates": [({"touch_kind": "glance"}, "isin"), ({"touch_id": ""}, "not_empty")],
    "attribution_credits": [({"credit": 1_000_001}, "credit_within_whole"), ({"credit": -1}, "credit_within_whole")],
    "judged_impressions": [({"outcome": "free"}, "isin"), ({"impressions": 0}, "greater_than_or_equal_to")],
    "impression_claims": [({"agreed": "0" * 63}, "str_length"), ({"contract_id": ""}, "str_length")],
    "impression_outcomes": [({"outcome": "free"}, "isin"), ({"impressions": 0}, "greater_than_or_equal_to")],
    "accruals": [({"side": "house"}, "isin"), ({"kind": "gift"}, "isin"), ({"units": 0}, "greater_than_or_equal_to")],
    "household_conversions": [({"household_id": ""}, "str_length")],
    "flights": [({"impressions": -1}, "greater_than_or_equal_to")],
    "action_units": [({"credit": 1_000_001}, "credit_within_whole"), ({"fee": Decimal(-1)}, "not_negative")],
    "missing_rates": [({"quote": "US"}, "str_length")],
    "draft_invoices": [({"currency": "US"}, "str_length"), ({"payment_terms_days": -1}, "greater_than_or_equal_to")],
    "draft_invoice_lines": [({"line": 0}, "greater_than_or_equal_to"), ({"kind": "revenue_share"}, "isin")],
    "draft_payouts": [({"currency": "DOLLAR"}, "str_length")],
    "draft_payout_lines": [({"description": ""}, "str_length"), ({"kind": "minimum"}, "isin")],
}
EACH_TABLE = pytest.mark.parametrize("table", TABLES.values(), ids=TABLES.keys())


def good_row(table: Table) -> dict[str, Any]:
    row = {name: BY_COLUMN.get(name, BY_TYPE[type(dtype)]) for name, dtype in table.polars_schema.items()}
    return row | BY_TABLE.get(table.name, {})


def frame_of(table: Table, *changes: dict[str, Any]) -> pl.LazyFrame:
    """Rows of a table as its files have them."""
    columns = []
    for name, dtype in table.polars_schema.items():
        values = [(good_row(table) | change)[name] for change in changes]
        texts = [None if value is None else str(value) for value in values]
        exact = isinstance(dtype, pl.Decimal)
        columns.append(pl.Series(name, texts).cast(dtype) if exact else pl.Series(name, values, dtype))
    return packed(pl.LazyFrame(columns), table.packed)


@EACH_TABLE
def test_a_good_row_is_taken(table: Table) -> None:
    table.check(frame_of(table, {}, {}))


@EACH_TABLE
def test_every_table_refuses_a_row_that_breaks_a_rule(table: Table) -> None:
    """On a LazyFrame pandera looks at names and types only, unless it is told to look at the rows."""
    assert REFUSED.get(table.name), f"no row is known that table {table.name} refuses"
    for change, rule in REFUSED[table.name]:
        with pytest.raises(WarehouseError) as refused:
            table.check(frame_of(table, {}, change, {}))
        (column,) = set(change) - {"accepted"}
        assert f"table {table.name}" in str(refused.value)
        assert rule in str(refused.value)
        assert column in str(refused.value) or rule == "every_row_accounted_for"


def test_a_rule_is_looked_at_in_the_last_row_of_many() -> None:
    table = TABLES["touches"]
    many = pl.concat([frame_of(table, *([{}] * 5000)), frame_of(table, {"touch_kind": "glance"})])
    with pytest.raises(WarehouseError, match="glance"):
        table.check(many)


@EACH_TABLE
def test_a_null_is_refused_in_every_column_that_does_not_allow_one(table: Table) -> None:
    demanded = [name for name, column in table.schema.columns.items() if not column.nullable]
    assert demanded
    for name in demanded:
        with pytest.raises(WarehouseError, match=name):
            table.check(frame_of(table, {}, {name: None}))


@EACH_TABLE
def test_a_null_is_taken_where_it_is_allowed(table: Table) -> None:
    allowed = {name: None for name, column in table.schema.columns.items() if column.nullable}
    table.check(frame_of(table, allowed))


@EACH_TABLE
@pytest.mark.parametrize("has_rows", [True, False])
def test_a_column_too_many_or_too_few_or_of_another_type_is_refused_with_and_without_rows(
    table: Table, has_rows: bool
) -> None:
    frame = frame_of(table, *([{}] if has_rows else []))
    first, *others = table.stored_schema
    wrong_shapes = [
        frame.with_columns(surprise=pl.lit(1)),
        frame.drop(first),
        frame.with_columns(pl.lit(1, pl.Int8).alias(first)),
        frame.select(*others, first),
    ]
    for wrong in wrong_shapes:
        with pytest.raises(WarehouseError, match=f"table {table.name}"):
            table.check(wrong, has_rows=has_rows)


@pytest.mark.parametrize("wrong", [pl.Float64, pl.Decimal(38, 6), pl.Decimal(20, 9), pl.Int64])
def test_money_is_a_decimal_of_nine_places_and_nothing_else(wrong: pl.DataType) -> None:
    table = TABLES["accruals"]
    with pytest.raises(WarehouseError, match="amount"):
        table.check(frame_of(table, {}).with_columns(pl.col("amount").cast(wrong)))


@pytest.mark.parametrize("wrong", [pl.Datetime("us"), pl.Datetime("ns", "UTC"), pl.Datetime("us", "Europe/Berlin")])
def test_an_instant_is_microseconds_in_utc_and_nothing_else(wrong: pl.DataType) -> None:
    table = TABLES["touches"]
    frame = frame_of(table, {}).with_columns(pl.lit(None, wrong).alias("touch_time"))
    with pytest.raises(WarehouseError, match="touch_time"):
        table.check(frame)


@EACH_TABLE
def test_an_empty_table_has_its_columns_and_passes(table: Table) -> None:
    empty = table.empty()
    assert (empty.columns, empty.height) == (table.columns, 0)
    for has_rows in (False, True):
        table.check(packed(empty.lazy(), table.packed), has_rows=has_rows)


@pytest.mark.parametrize("table", [table for table in TABLES.values() if table.packed], ids=lambda table: table.name)
def test_an_id_is_refused_that_lacks_one_of_its_halves_or_is_kept_as_text(table: Table) -> None:
    id_column = next(name for name in table.packed if not table.schema.columns[name].nullable)
    for half in parts(id_column)[:2]:
        with pytest.raises(WarehouseError, match=half):
            table.check(frame_of(table, {}).with_columns(pl.lit(None, pl.Int64).alias(half)))
    as_text = frame_of(table, {}).drop(parts(id_column)).with_columns(pl.lit("x").alias(id_column))
    with pytest.raises(WarehouseError, match=id_column):
        table.check(as_text)


def test_a_short_id_that_ends_in_bytes_of_zero_is_not_the_empty_one() -> None:
    table = TABLES["touches"]
    table.check(frame_of(table, {"touch_id": "a" + "\0" * 8}, {"touch_id": "\0"}, {"touch_id": "\0" * 16}))


@EACH_TABLE
def test_every_table_and_column_says_what_it_means(table: Table) -> None:
    assert table.partition in ("day", "month", "all")
    assert table.description
    assert [name for name, column in table.schema.columns.items() if not column.description] == []
    assert {str(t) for t in table.polars_schema.values() if isinstance(t, pl.Decimal)} <= {
        str(NANOS_TYPE),
        str(pl.Decimal(38, 6)),
        str(FACTOR_TYPE),
    }
    assert {t for t in table.polars_schema.values() if isinstance(t, pl.Datetime)} <= {INSTANT}


def test_the_names_of_feeds_statuses_and_outcomes_are_those_of_the_vocabulary() -> None:
    assert FEED_NAMES == ("impressions", "clicks", "conversions", "conversion_adjustments")
    assert len(set(STATUSES)) == 8
    assert len(set(OUTCOMES)) == 7
    assert set(TABLES) == set(REFUSED)
