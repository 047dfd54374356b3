"""Closing, adjusting, comparing and verifying, on the command line."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

import click

from services.cli_options import DAY, INSTANT, MONTH, now, open_home, with_home, with_json

if TYPE_CHECKING:
    from contracts_io.calendar import Month
    from contracts_io.home import Home


@click.command()
@click.argument("month", type=MONTH)
@click.option("--on", "issued_on", type=DAY, help="The date of issue; today (UTC) by default.")
@click.option("--by", metavar="USER", help="Who closes; needed where [roles] close or close_approval is set.")
@click.option("--dry-run", is_flag=True, help="Show what would be issued and what stands against it; change nothing.")
@click.option("--approve", is_flag=True, help="With [roles] close_approval: issue what another person prepared.")
@click.option("--content", metavar="HASH", help="With --approve: only if this is the content that was prepared.")
@with_home
@with_json
def close(
    month: Month,
    issued_on: date | None,
    by: str | None,
    dry_run: bool,
    approve: bool,
    content: str | None,
    home: str | None,
    json_output: bool,
) -> None:
    """Issue a month's documents and close it.

    Invoices, payout statements and journal entries are issued in one transaction, or none of them. Where [roles]
    close_approval is set, one person prepares a close with this command and another approves it with --approve.
    """
    from services import billing, reports, show  # noqa: PLC0415

    if dry_run and (approve or content):
        raise click.UsageError("--dry-run shows what would be issued, --approve issues it: give one of them")
    if content and not approve:
        raise click.UsageError("--content goes with --approve")
    here = open_home(home)
    if dry_run:
        reports.print_dry_run(month, billing.dry_close(here, month, issued_on or now().date()), json_output=json_output)
        return
    with show.progress() as progress:
        if approve:
            billing.approve_close(here, month, by, content, issued_on, progress)
        elif here.settings.roles.close_approval:
            at = now()
            prepared = billing.prepare_close(here, month, issued_on or at.date(), by, at, progress)
            reports.print_prepared(prepared, json_output=json_output)
            return
        else:
            billing.close(here, month, issued_on or now().date(), by, progress)
    _print_closed(here, month, json_output=json_output)


def _print_closed(home: Home, month: Month, *, json_output: bool) -> None:
    from contracts_io.store.audit import head  # noqa: PLC0415
    from services import reports, show  # noqa: PLC0415

    if json_output:
        show.as_json(reports.documents_as_json(home, month) | {"audit_head": head(home.engine)})
    else:
        reports.print_documents(home, month)
        click.echo(f"audit trail: head {head(home.engine)} (note it down elsewhere, for `adledger audit verify --expect`)")


@click.command()
@click.argument("month", type=MONTH)
@click.option("--on", "issued_on", type=DAY, help="The date of issue; today (UTC) by default.")
@click.option("--by", metavar="USER", help="Who adjusts; needed where [roles] close is set.")
@with_home
@with_json
def adjust(month: Month, issued_on: date | None, by: str | None, home: str | None, json_output: bool) -> None:
    """Issue the credit and debit notes that a closed month needs.

    Late events, reversals and retroactive amendments are in them; run again, it issues nothing.
    """
    from services import billing, reports, show  # noqa: PLC0415

    here = open_home(home)
    with show.progress() as progress:
        numbers = billing.adjust(here, month, issued_on or now().date(), by, progress)
    if json_output:
        show.as_json(reports.notes_as_json(here, month, numbers))
    else:
        reports.print_notes(here, month, numbers)


@click.command()
@click.argument("month", type=MONTH)
@click.option("--known-at", type=INSTANT, help="Under the contracts as they were approved at this instant.")
@click.option("--and", "other", type=INSTANT, help="Compared with those approved at this one; now by default.")
@click.option("--stored", is_flag=True, help="Compare with what is issued, or drafted where the month is open.")
@with_home
@with_json
def diff(
    month: Month, known_at: datetime | None, other: datetime | None, stored: bool, home: str | None, json_output: bool
) -> None:
    """Compare two computations of a month, line by line.

    Without options: what is issued, or drafted where the month is open, against what it comes to now. The cause of each
    difference is named; nothing is written.
    """
    from services import reports  # noqa: PLC0415
    from services.comparison import compare  # noqa: PLC0415

    if other and (stored or not known_at):
        raise click.UsageError("--and goes with --known-at, and without --stored")
    changes = compare(open_home(home), month, known_at, other, stored=stored or not known_at)
    reports.print_changes({month: changes}, json_output=json_output)


@click.command()
@with_home
@with_json
def verify(home: str | None, json_output: bool) -> None:
    """Recompute every hash, number and sum of this home.

    Warehouse files, the chain of documents, their numbers, the journal and the audit trail; whatever is not as it was
    written is named.
    """
    from services import show, verification  # noqa: PLC0415

    here = open_home(home)
    with show.progress() as progress:
        found = verification.verify(here, progress)
    if found.broken:
        raise verification.refusal(found)
    figures = {
        "files": found.files,
        "documents": found.documents,
        "entries": found.entries,
        "audit_records": found.audit_records,
    }
    if json_output:
        show.as_json(figures)
    else:
        click.echo(
            f"all is as it was written: {found.files} warehouse files, {found.documents} documents, "
            f"{found.entries} journal entries, {found.audit_records} audit records"
        )
