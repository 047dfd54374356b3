"""Which of a contract's rules a conversion fails first, in the order of spec 6.1, rule 5.

A null fails ``new_customers_only``, ``countries``, ``minimum_order_value`` and ``eligible_when``, and passes the two lists of
exclusions; a household that is not known repeats nothing. The value is the one restated and converted into the contract's
currency.

    a purchase of 15 EUR with coupon STAFF, at least 20 EUR asked and STAFF excluded: ``order_value``
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from contracts_io.expression import parse, to_polars
from contracts_io.money import MICRO, NANO, nanos
from contracts_io.terms import TermFrames

_VERSION = ["contract_id", "version"]


def failing_rule(rows: pl.DataFrame, terms: TermFrames) -> pl.Series:
    """The first rule that each row fails, null where it fails none or no contract judges it.

    ``rows``: conversions with contract, version and its rules as ``statuses.judged`` joins them, ``contract_value`` and
    ``earlier_purchase_at``, the latest earlier conversion of the household that counts.
    """
    marked = rows.with_columns(
        _on_list(rows, terms, "countries", "country"),
        _on_list(rows, terms, "excluded_categories", "category"),
        _on_list(rows, terms, "excluded_coupons", "coupon"),
        _meets_condition(rows),
    )
    least = pl.col("minimum_order_value_micros").cast(pl.Int128) * (NANO // MICRO)
    since_purchase = pl.col("event_time") - pl.col("earlier_purchase_at")
    first = (
        pl.when(pl.col("new_customers_only") & ~_holds(pl.col("new_customer")))
        .then(pl.lit("new_customer"))
        .when(pl.col("has_countries") & ~pl.col("countries"))
        .then(pl.lit("country"))
        .when(least.is_not_null() & ~_holds(nanos("contract_value") >= least))
        .then(pl.lit("order_value"))
        .when("excluded_categories")
        .then(pl.lit("category"))
        .when("excluded_coupons")
        .then(pl.lit("coupon"))
        .when(since_purchase <= pl.duration(days="repeat_household_days"))
        .then(pl.lit("repeat_household"))
        .when(pl.col("eligible_when").is_not_null() & ~_holds(pl.col("meets_condition")))
        .then(pl.lit("eligible_when"))
    )
    return marked.select(first.alias("reason")).to_series()


def _holds(condition: pl.Expr) -> pl.Expr:
    return condition.fill_null(value=False)


def _on_list(rows: pl.DataFrame, terms: TermFrames, listing: str, column: str) -> pl.Series:
    """Whether the row's ``column`` is on its version's list; lists are looked up, so that none is copied to each row."""
    listed = (
        terms.contracts.select(*_VERSION, pl.col(listing).alias(column))
        .filter(pl.col(column).is_not_null())
        .explode(column)
        .unique()
        .with_columns(pl.lit(value=True).alias(listing))
    )
    found = rows.select(*_VERSION, column).join(listed, on=[*_VERSION, column], how="left", maintain_order="left")
    return found[listing].fill_null(value=False)


def _meets_condition(rows: pl.DataFrame) -> pl.Series:
    """What the version's ``eligible_when`` says of each row; null where it is unknown or there is none."""
    asked = rows.select(
        "event", pl.col("contract_value").alias("order_value"), "country", "category", "coupon", "new_customer", "order_id",
        "eligible_when",
    ).with_row_index("place").filter(pl.col("eligible_when").is_not_null())  # fmt: skip
    answers = [
        part.with_columns(meets_condition=_condition(str(text))).select("place", "meets_condition")
        for (text,), part in asked.partition_by("eligible_when", as_dict=True).items()
    ]
    nothing = pl.DataFrame(schema={"place": pl.get_index_type(), "meets_condition": pl.Boolean()})
    places = rows.select(pl.int_range(pl.len(), dtype=pl.get_index_type()).alias("place"))
    return places.join(pl.concat([nothing, *answers]), on="place", how="left", maintain_order="left")["meets_condition"]


@lru_cache(maxsize=4096)
def _condition(text: str) -> pl.Expr:
    return to_polars(parse(text))
