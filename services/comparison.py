"""Two computations of a month beside each other: which lines differ, and why; nothing is written.

A computation is what is issued or drafted already, or what the month comes to under the contracts known at an instant.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from assets.adjusting import issued_invoice_lines, issued_payout_lines, known_to_invoices, known_to_statements
from assets.causes import Look, causes, drafted_by, look_of
from assets.upkeep import Upkeep
from contracts_io.calendar import Month
from contracts_io.errors import UsageError
from contracts_io.home import Home
from contracts_io.money import NANOS_TYPE
from contracts_io.overlay import overlaid
from contracts_io.warehouse import Warehouse
from pipelines.adjustments import OWN_KIND, SUM_OF_KNOWN

_KEY = ["side", "contract_id", "invoiced_kind", "term_id", "version", "step", "rate", "advertiser_contract_id"]
DRAFTED = {"advertiser": "invoice", "partner": "payout"}
"""What is drafted for each side."""
CHANGES = [
    *("side", "contract_id", "kind", "term_id", "version", "advertiser_contract_id", "description", "currency"),
    *("old_quantity", "new_quantity", "old", "new", "difference", "cause"),
]
"""The columns of what differs: a line of an invoice or a payout, its quantity and amount before and after, and why."""


@dataclass(frozen=True)
class Computed:
    """The lines of a month by side, ``advertiser`` and ``partner``, each with what they were made from."""

    lines: pl.DataFrame
    looks: dict[str, Look]


def differences(home: Home, month: Month, before: Computed, after: Computed) -> pl.DataFrame:
    """The lines (CHANGES) whose quantity or amount differs, by contract."""
    signs = (("old", before.lines), ("new", after.lines))
    sides = [
        lines.group_by([*_KEY, "currency"], maintain_order=True).agg(
            OWN_KIND,
            pl.col("description").first(),
            SUM_OF_KNOWN.alias(f"{name}_quantity"),
            pl.col("amount").sum().cast(NANOS_TYPE).alias(name),
        )
        for name, lines in signs
    ]
    joined = (
        sides[0]
        .join(sides[1], on=[*_KEY, "currency"], how="full", coalesce=True, nulls_equal=True, suffix="_new")
        .with_columns(
            pl.coalesce("kind_new", "kind").alias("kind"),
            pl.coalesce("description_new", "description").alias("description"),
            pl.col("old", "new").fill_null(0).cast(NANOS_TYPE),
        )
        .with_columns(difference=(pl.col("new") - pl.col("old")).cast(NANOS_TYPE))
    )
    # A line that a note took back whole still has its quantity of nothing.
    other = (pl.col("difference") != 0) | (pl.col("old_quantity").fill_null(0) != pl.col("new_quantity").fill_null(0))
    changed = joined.filter(other).sort("side", "contract_id", "term_id", "version", "kind", "rate")
    is_late = month in home.books.closed_months()
    named = [
        causes(month, before.looks[side], after.looks[side], home.settings.horizon_days, is_late=is_late).named(mine)
        for (side,), mine in changed.group_by("side", maintain_order=True)
    ]
    return pl.concat([changed.clear().with_columns(cause=pl.lit(None, pl.String)), *named]).select(CHANGES)


def compare(home: Home, month: Month, known_at: datetime | None, other: datetime | None, *, stored: bool) -> pl.DataFrame:
    """How two computations of ``month`` differ (CHANGES); nothing is written.

    ``stored``: what is issued, or drafted where the month is open, against what it comes to under the contracts known at
    ``known_at`` (None: now). Else what it comes to as known at ``known_at`` against ``other`` (None: now). UsageError where
    nothing was delivered for the month.
    """
    with home.lock(), ExitStack() as stack:
        first = as_stored(home, month) if stored else stack.enter_context(_computed(home, month, known_at))
        second = stack.enter_context(_computed(home, month, known_at if stored else other))
        return differences(home, month, first, second)


def as_stored(home: Home, month: Month) -> Computed:
    """What is issued for a closed month, or drafted for an open one."""
    if month not in home.books.closed_months():
        return as_drafted(home.warehouse, month, drafted_by(home))
    upkeep = Upkeep(home)
    partner = issued_payout_lines(home, upkeep, month)
    advertiser = issued_invoice_lines(home, month)
    currencies = {document.contract_id: document.currency for document, _ in home.books.invoices(month)}
    currencies |= {document.contract_id: document.currency for document, _ in home.books.payouts(month)}
    currencies |= dict(upkeep.terms.contracts.select("contract_id", "currency").unique().iter_rows())
    currency = pl.col("contract_id").replace_strict(currencies, return_dtype=pl.String)
    lines = [advertiser.with_columns(currency=currency), partner.with_columns(currency=currency)]
    return Computed(
        _keyed(*lines), {"advertiser": known_to_invoices(home, month), "partner": known_to_statements(home, month)}
    )


def as_drafted(warehouse: Warehouse, month: Month, look: Look) -> Computed:
    """The drafts of a month that are live in ``warehouse``."""
    return Computed(_keyed(*(drafted_lines(warehouse, month, side) for side in DRAFTED)), dict.fromkeys(DRAFTED, look))


def drafted_lines(warehouse: Warehouse, month: Month, side: str) -> pl.DataFrame:
    """The lines of the month's draft invoices (``side`` advertiser) or payouts (partner), each with the currency of its document."""
    document = DRAFTED[side]
    heads = warehouse.read(f"draft_{document}s", [str(month)]).select("contract_id", "currency")
    return warehouse.read(f"draft_{document}_lines", [str(month)]).join(heads, on="contract_id").collect()


@contextmanager
def _computed(home: Home, month: Month, known_at: datetime | None) -> Iterator[Computed]:
    with overlaid(home.warehouse) as apart:
        upkeep = Upkeep(home, known_at, warehouse=apart)
        if month not in upkeep.months():
            raise UsageError(f"nothing was delivered for {month}", remedy="name a month that was run: see `adledger status`")
        for _ in upkeep.everything(month):
            pass
        yield as_drafted(apart, month, look_of(upkeep))


def _keyed(advertiser: pl.DataFrame, partner: pl.DataFrame) -> pl.DataFrame:
    """Both sides' lines with the rest of their key; an adjusting line of a partner has lost its kind, so that is none of it."""
    nothing = pl.lit(None, pl.String)
    return pl.concat(
        [
            advertiser.with_columns(side=pl.lit("advertiser"), invoiced_kind="kind", advertiser_contract_id=nothing),
            partner.with_columns(side=pl.lit("partner"), invoiced_kind=nothing),
        ],
        how="diagonal",
    )
