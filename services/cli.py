"""The command line: the verbs of the house for people and for the nightly run (spec 8.1).

Exit status: 0 done; 1 refused or failed, with one clear message on standard error; 2 wrong usage. Results go to standard
output, progress and messages to standard error. What a command needs is imported when it runs, so that help is quick.
"""

from __future__ import annotations

import gc
import os
import sys
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from contracts_io.errors import AdledgerError, UsageError
from services import process
from services.cli_books import adjust, close, diff, verify
from services.cli_contracts import contract
from services.cli_explain import explain
from services.cli_journal import journal
from services.cli_options import (
    DAY,
    INSTANT,
    MONTH,
    home_root,
    now,
    open_home,
    warn_where_nothing_was_delivered,
    with_home,
    with_json,
)

if TYPE_CHECKING:
    from contracts_io.calendar import Month
    from contracts_io.home import Home


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@with_home
@click.version_option(package_name="adledger")
def cli(home: str | None) -> None:
    """Contracts, impression logs and conversions become invoices and payouts, exact to the cent."""


@cli.command()
@with_home
@with_json
def init(home: str | None, json_output: bool) -> None:
    """Make a home, also around a landing folder."""
    from contracts_io.home import SETTINGS_FILE, Home  # noqa: PLC0415
    from services import show  # noqa: PLC0415

    root = home_root(home)
    existed = (root / SETTINGS_FILE).exists() and (root / "warehouse").exists()
    Home.create(root)
    if json_output:
        show.as_json({"home": str(root), "created": not existed})
    elif existed:
        click.echo(f"{root} is a home already; what was missing of it was made, nothing else was touched")
    else:
        click.echo(f"made a home at {root}")
        click.echo(f"  settings   {root / SETTINGS_FILE}")
        click.echo(f"  deliveries go to {root / 'landing'}/<feed>/<YYYY-MM-DD>/")
        click.echo("next: adledger contract import FILE... --by USER")


@cli.command()
@with_home
@click.option("--month", type=MONTH, default="2026-10", show_default=True, help="The month to make events for.")
def demo(home: str | None, month: Month) -> None:
    """Make a home with a sample month, run and closed.

    Sample contracts and a month of events take the same way as real ones; what happened is printed.
    """
    from services.demo import show_demo  # noqa: PLC0415

    show_demo(home_root(home), month)


cli.add_command(contract)
cli.add_command(explain)
cli.add_command(journal)
cli.add_command(close)
cli.add_command(adjust)
cli.add_command(diff)
cli.add_command(verify)


_KNOWN_AT = click.option(
    "--known-at",
    type=INSTANT,
    help="Go by the contracts as they were approved at this instant; the next run without it ends that.",
)


@cli.command()
@click.argument("day", type=DAY)
@_KNOWN_AT
@with_home
@with_json
def run(day: date, known_at: datetime | None, home: str | None, json_output: bool) -> None:
    """Take in, attribute and rate one delivery day."""
    _run(open_home(home), day, day, known_at, json_output)


@cli.command()
@click.argument("first", type=DAY)
@click.argument("last", type=DAY)
@_KNOWN_AT
@with_home
@with_json
def backfill(first: date, last: date, known_at: datetime | None, home: str | None, json_output: bool) -> None:
    """Run every delivery day from FIRST to LAST, then rate the months that they touch."""
    if last < first:
        raise click.UsageError(f"{last} is before {first}: give the first day, then the last")
    _run(open_home(home), first, last, known_at, json_output, compare=True)


def _run(
    home: Home, first: date, last: date, known_at: datetime | None, json_output: bool, *, compare: bool = False
) -> None:
    from contracts_io.calendar import days_between  # noqa: PLC0415
    from services import billing, delivery_days, reports, show  # noqa: PLC0415

    days = list(days_between(first, last))
    delivery_days.refuse_days(days, now().date())
    with show.progress() as progress:
        report = billing.run(home, days, progress, known_at, compare=compare)
    if known_at is None:
        for refused in home.contracts.not_renewed(day=last, at=now(), closed_through=home.closed_through()):
            click.echo(f"warning: a contract was not renewed: {refused}", err=True)
    if json_output:
        show.as_json(reports.run_as_json(home, report))
    elif report.days:
        reports.print_run(home, report)
    if report.failed:
        if len(days) == 1:
            raise report.failed[first]
        raise billing.some_days_failed(report)


@cli.command()
@click.argument("month", type=MONTH)
@click.option(
    "--to", "folder", required=True, type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Where to write."
)
@click.option("--format", "kind", type=click.Choice(["csv", "parquet", "json"]), default="csv", show_default=True)
@click.option("--draft", is_flag=True, help="The documents as known now, numbered DRAFT-<contract>; nothing is issued.")
@click.option("--known-at", type=INSTANT, help="With --draft: under the contracts as they were approved at this instant.")
@with_home
@with_json
def export(
    month: Month, folder: Path, kind: str, draft: bool, known_at: datetime | None, home: str | None, json_output: bool
) -> None:
    """Write every table of a month as files."""
    from services import billing, delivery_days, show  # noqa: PLC0415

    if known_at and not draft:
        raise click.UsageError("--known-at needs --draft: issued documents stay as they were issued")
    here = open_home(home)
    if not draft:
        delivery_days.refuse_undelivered(here, month, "issued documents")
    written = billing.export(here, month, folder, kind, draft=draft, known_at=known_at)
    warn_where_nothing_was_delivered(here, month)
    if json_output:
        show.as_json({str(path): rows for path, rows in written.items()})
        return
    rows = [(path.name, rows) for path, rows in written.items()]
    show.console().print(show.table(f"{month} written to {folder}", ["file", "rows"], rows, numbers=["rows"]))


@cli.group()
def audit() -> None:
    """The audit trail of contracts."""


@audit.command("verify")
@click.option("--expect", metavar="HASH", help="A head noted down earlier: the trail must still contain it.")
@with_home
@with_json
def audit_verify(expect: str | None, home: str | None, json_output: bool) -> None:
    """Recompute the hash chain of the audit trail; name the first broken record."""
    from contracts_io.store.audit import verify  # noqa: PLC0415
    from services import show  # noqa: PLC0415

    verified = verify(open_home(home).engine, expect)
    if json_output:
        show.as_json({"records": verified.records, "head": verified.head})
    else:
        click.echo(f"the audit trail is whole: {verified.records} records, head {verified.head}")


@cli.command()
@with_home
@with_json
def status(home: str | None, json_output: bool) -> None:
    """Show what is in, open and missing, and what to do next."""
    from services import reports  # noqa: PLC0415
    from services.status import status as look  # noqa: PLC0415

    here = open_home(home)
    found = look(here, now().date())
    if json_output:
        reports.status_as_json(found)
    else:
        reports.print_status(here, found)


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Dagster has no log-in: keep it local, or use a proxy.")
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65535))
@with_home
def ui(host: str, port: int, home: str | None) -> None:
    """Open the Dagster UI on this home.

    It shows the asset graph, checks, backfills and schedules. Stop it with Ctrl-C.
    """
    from services.orchestrator import serve_ui  # noqa: PLC0415

    serve_ui(open_home(home), host, port)


def main() -> NoReturn:
    """The entry point of a process, which ends with it."""
    process.set_up()
    try:
        answer()
    finally:
        gc.freeze()  # nor is what the system takes back anyway looked through at the end


def answer() -> NoReturn:
    """Do what the command line says and exit; every refusal becomes one message on standard error and exit status 1."""
    try:
        sys.exit(cli.main(standalone_mode=False) or 0)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except UsageError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(2)
    except AdledgerError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        if os.environ.get("ADLEDGER_TRACEBACK"):
            raise
        click.echo(
            f"error: a defect in adledger: {type(error).__name__}: {error}\n"
            "  -> set ADLEDGER_TRACEBACK=1 to see where, and report it; run again when it is mended",
            err=True,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
