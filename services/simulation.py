"""What a month would come to with a draft contract, beside what it comes to now; nothing of it is stored.

The month is rated twice by the same functions, each on an overlay of the warehouse: under the contracts as approved, and
under those and the draft.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.table import Table

from assets.known_contracts import KnownContracts
from assets.upkeep import Upkeep
from contracts_io.calendar import Month
from contracts_io.contract import parse_document
from contracts_io.errors import BooksError
from contracts_io.home import Home
from contracts_io.lifecycle import ApprovedVersion
from contracts_io.money import NANOS_TYPE
from contracts_io.overlay import overlaid
from pipelines.adjustments import SUM_OF_KNOWN
from services import show
from services.agreements import read_text
from services.comparison import DRAFTED, drafted_lines

_LINE = ["contract_id", "kind", "term_id", "advertiser_contract_id"]


def simulate(home: Home, file: Path, month: Month, at: datetime) -> pl.DataFrame:
    """Both prices of ``month``, line by line: under the approved contracts, and with the document in ``file`` approved at ``at``.

    Columns: contract_id, kind, term_id, advertiser_contract_id, currency, old_quantity, new_quantity, old, new, difference
    (decimals with the places of the currency), and side, advertiser or partner; the lines of one kind, term and charged contract
    are one row, whatever their versions and rates. ContractError where an import of the document would be refused (closed
    months do not count), BooksError where the month was never run.
    """
    contract = parse_document(read_text(file), name=str(file))
    home.contracts.check([(str(file), contract)], at=at)
    approved = dict(home.contracts.approved())
    own = approved.get(contract.contract_id, [])
    version = max((v.version for v in own), default=0) + 1
    approved[contract.contract_id] = [*own, ApprovedVersion(contract, version, at)]
    with home.lock(), overlaid(home.warehouse) as now, overlaid(home.warehouse) as then:
        old = _lines(Upkeep(home, warehouse=now), month)
        new = _lines(Upkeep(home, contracts=KnownContracts(approved), warehouse=then), month)
    return (
        old.rename({"quantity": "old_quantity", "amount": "old"})
        .join(
            new.rename({"quantity": "new_quantity", "amount": "new"}),
            on=[*_LINE, "currency", "side"],
            how="full",
            coalesce=True,
            nulls_equal=True,
        )
        .with_columns(pl.col("old", "new").fill_null(0).cast(NANOS_TYPE))
        .with_columns(difference=pl.col("new") - pl.col("old"))
        .select("side", *_LINE, "currency", "old_quantity", "new_quantity", "old", "new", "difference")
        .sort("side", *_LINE)
    )


def _lines(upkeep: Upkeep, month: Month) -> pl.DataFrame:
    months = upkeep.months()
    if month not in months:
        remedy = (
            f"simulate one from {months[0]} to {months[-1]}"
            if months
            else "run its days first: adledger backfill FIRST LAST"
        )
        raise BooksError(f"{month} was never run: there is nothing to price", remedy=remedy)
    for _ in upkeep.everything(month):
        pass
    lines = [drafted_lines(upkeep.warehouse, month, side).with_columns(side=pl.lit(side)) for side in DRAFTED]
    return (
        pl.concat(lines, how="diagonal")
        .group_by(*_LINE, "currency", "side")
        .agg(SUM_OF_KNOWN.alias("quantity"), pl.col("amount").sum())
    )


def print_simulation(lines: pl.DataFrame, month: Month, *, json_output: bool) -> None:
    """Print the lines that differ, and what they make of all invoices and of all payout statements, by currency."""
    if json_output:
        show.as_json(lines.to_dicts())
        return
    out = show.console()
    changed = lines.filter(pl.col("difference") != 0)
    if lines.is_empty():
        out.print(f"{month} has no line, with the draft or without it")
    elif changed.is_empty():
        out.print(f"no line of {month} would differ")
    else:
        out.print(_table(changed, month))
        _print_sums(out, lines)
    out.print("nothing was stored")


def _table(changed: pl.DataFrame, month: Month) -> Table:
    columns = ["contract", "line", "term", "charged contract", "currency"]
    numbers = ["old units", "new units", "old", "new", "difference"]
    rows = [
        (*line, currency, before, after, *(show.money(amount, currency) for amount in amounts))
        for _, *line, currency, before, after, old, new, difference in changed.iter_rows()
        for amounts in [(old, new, difference)]
    ]
    return show.table(f"{month} with the draft", [*columns, *numbers], rows, numbers=numbers)


def _print_sums(out: Console, lines: pl.DataFrame) -> None:
    """What all lines of a side come to, without tax, where that differs."""
    amounts = pl.col("old", "new", "difference").sum()
    sums = lines.group_by("side", "currency").agg(amounts).filter(pl.col("difference") != 0).sort("side", "currency")
    for side, currency, *figures in sums.iter_rows():
        old, new, difference = (show.money(figure, currency) for figure in figures)
        what = "invoices, net" if side == "advertiser" else "payouts, earnings"
        out.print(f"all {what}: {old} {currency}, with the draft {new}, difference {difference}")
