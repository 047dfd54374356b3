"""The journal for ledgers, on the command line."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from services.cli_options import MONTH, open_home, warn_where_nothing_was_delivered, with_home, with_json

if TYPE_CHECKING:
    from contracts_io.calendar import Month

FORMATS = ("csv", "beancount", "hledger")


@click.command()
@click.argument("month", type=MONTH)
@click.option(
    "--to",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to write; - for standard output.",
)
@click.option("--format", "kind", type=click.Choice(FORMATS), default="csv", show_default=True)
@click.option("--accruals", is_flag=True, help="Of an open month: what is earned so far, and its reversal on the day after.")
@with_home
@with_json
def journal(month: Month, folder: Path, kind: str, accruals: bool, home: str | None, json_output: bool) -> None:
    """Write a month's journal for a ledger."""
    from services import ledger, show  # noqa: PLC0415

    here = open_home(home)
    if str(folder) == "-":
        if json_output:
            raise click.UsageError("--json goes with --to DIR: with --to - the journal itself is printed")
        click.echo(ledger.journal_text(here, month, kind, accruals=accruals), nl=False)
        warn_where_nothing_was_delivered(here, month)
        return
    written = ledger.write_journal(here, month, folder, kind, accruals=accruals)
    warn_where_nothing_was_delivered(here, month)
    if json_output:
        show.as_json({"file": str(written)})
    else:
        click.echo(f"{month} written to {written}")
