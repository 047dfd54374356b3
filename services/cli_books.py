"""Closing, adjusting, comparing and verifying, on the command line."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import click

from services.cli_options import DAY, INSTANT, MONTH, now, open_home, with_home, with_json

if TYPE_CHECKING:
    from contracts_io.calendar import Month
    from contracts_io.home import Home
    from contracts_io.store.documents import Act


_Command = TypeVar("_Command", bound=Callable[..., Any])


def _with_issue(command: _Command) -> _Command:
    """The options of a command that issues documents."""
    options = (
        click.option("--on", "issued_on", type=DAY, help="The date of issue; today (UTC) by default."),
        click.option("--by", metavar="USER", help="Who does it; needed where [roles] close or close_approval is set."),
        click.option(
            "--dry-run", is_flag=True, help="Show what would be issued and what stands against it; change nothing."
        ),
        click.option("--approve", is_flag=True, help="With [roles] close_approval: issue what another person prepared."),
        click.option("--content", metavar="HASH", help="With --approve: only if this is the content that was prepared."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@dataclass(frozen=True)
class _Asked:
    """The options of a command that issues documents, as they were given."""

    issued_on: date | None
    by: str | None
    dry_run: bool
    approve: bool
    content: str | None

    def __post_init__(self) -> None:
        if self.dry_run and (self.approve or self.content):
            raise click.UsageError("--dry-run shows what would be issued, --approve issues it: give one of them")
        if self.content and not self.approve:
            raise click.UsageError("--content goes with --approve")
        from contracts_io.contract_fields import LAST_DAY  # noqa: PLC0415

        if self.issued_on and self.issued_on > LAST_DAY:
            raise click.UsageError(f"no document can be dated {self.issued_on}: the last day is {LAST_DAY}")


@click.command()
@click.argument("month", type=MONTH)
@_with_issue
@with_home
@with_json
def close(month: Month, home: str | None, json_output: bool, **options: Any) -> None:
    """Issue a month's documents and close it.

    Invoices, payout statements and journal entries are issued in one transaction, or none of them. Where [roles]
    close_approval is set, one person prepares a close with this command and another approves it with --approve.
    """
    from contracts_io.store.documents import Act  # noqa: PLC0415
    from services import billing, show  # noqa: PLC0415

    asked, here = _Asked(**options), open_home(home)
    if (now_issued := _to_issue(here, Act.CLOSE, month, asked, json_output=json_output)) is None:
        return
    with show.progress() as progress:
        billing.close(here, month, now_issued.on, asked.by, progress, content=now_issued.content)
    if here.books.invoices(month) or here.books.payouts(month):
        _warn_of_future(now_issued.on)
    _print_closed(here, month, json_output=json_output)


class _ToIssue(NamedTuple):
    """The date on which documents are issued, and the hash of what was prepared, which another person approves with it."""

    on: date
    content: str | None


def _to_issue(home: Home, act: Act, month: Month, asked: _Asked, *, json_output: bool) -> _ToIssue | None:
    """What is to be issued now; None where that was only to be shown, or prepared, which is done."""
    from services import billing, reports, show  # noqa: PLC0415

    at = now()
    issued_on, content = asked.issued_on or at.date(), None
    if asked.approve:
        prepared = billing.to_approve(home, act, month, asked.by, asked.content)
        issued_on, content = asked.issued_on or prepared.issued_on, prepared.content_hash
    if asked.dry_run:
        found = billing.dry_run(home, act, month, issued_on)
        if found.documents and (found.documents.invoices or found.documents.payouts):
            _warn_of_future(issued_on, err=json_output)
        reports.print_dry_run(act, month, found, json_output=json_output)
        return None
    if asked.approve or not home.settings.roles.close_approval:
        return _ToIssue(issued_on, content)
    with show.progress() as progress:
        kept = billing.prepare(home, act, month, issued_on, asked.by, at, progress)
    if kept is None:
        _print_notes(home, month, [], json_output=json_output)
        return None
    if kept.documents:
        _warn_of_future(issued_on)
    reports.print_prepared(kept, json_output=json_output)
    return None


def _warn_of_future(issued_on: date, *, err: bool = True) -> None:
    """Say of documents that are dated after tomorrow what follows from it; tomorrow has begun already somewhere."""
    if issued_on > now().date() + timedelta(days=1):
        said = f"documents dated {issued_on} lie in the future: no document can be dated earlier after this"
        click.echo(f"warning: {said}", err=err)


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
@_with_issue
@with_home
@with_json
def adjust(month: Month, home: str | None, json_output: bool, **options: Any) -> None:
    """Issue the credit and debit notes that a closed month needs.

    Late events, reversals and retroactive amendments are in them; run again, it issues nothing. Where [roles]
    close_approval is set, one person prepares the notes with this command and another approves them with --approve.
    """
    from contracts_io.store.documents import Act  # noqa: PLC0415
    from services import billing, show  # noqa: PLC0415

    asked, here = _Asked(**options), open_home(home)
    if (now_issued := _to_issue(here, Act.ADJUST, month, asked, json_output=json_output)) is None:
        return
    with show.progress() as progress:
        numbers = billing.adjust(here, month, now_issued.on, asked.by, progress, content=now_issued.content)
    if numbers:
        _warn_of_future(now_issued.on)
    _print_notes(here, month, numbers, json_output=json_output)


def _print_notes(home: Home, month: Month, numbers: list[str], *, json_output: bool) -> None:
    from services import reports, show  # noqa: PLC0415

    if json_output:
        show.as_json(reports.notes_as_json(home, month, numbers))
    else:
        reports.print_notes(home, month, numbers)


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
