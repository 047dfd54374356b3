"""The demo: a sample month from nothing to issued documents, through the same verbs that a real one takes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from contracts_io.calendar import ONE_DAY, Month
from contracts_io.errors import HomeError
from contracts_io.home import SETTINGS_FILE, Home
from services import agreements, billing, reports, show
from services.delivery_days import refuse_days
from services.sample import delivery_days, write_sample

SUBMITTER, APPROVER = "casey", "robin"


def show_demo(root: Path, month: Month) -> None:
    """Make a home at ``root`` with sample contracts and ``month`` of events, run and close it, print what happened.

    HomeError where a home is there already: a demo never writes into one. It or FeedError where the days of the sample cannot
    be run; then nothing was made.
    """
    if (root / SETTINGS_FILE).exists():
        raise HomeError("there is a home already", where=str(root), remedy="name another folder with --home, or remove it")
    today, days = datetime.now(tz=UTC), delivery_days(month)
    if days[-1] > today.date():
        what = f"the sample of {month} goes to {days[-1]}, and today is {today.date()} in UTC"
        raise HomeError(what, where="--month", remedy="choose an earlier month")
    refuse_days(days, today.date())
    out = show.console()
    home = Home.create(root)
    sample = write_sample(home.root, month)
    rows = sample.impressions + sample.clicks + sample.conversions + sample.conversion_adjustments
    out.print(f"made a home at {root}: {rows:,} rows of events, {sample.first} to {sample.last}", markup=False)
    files = sorted((home.root / "contracts").glob("*.yaml"))
    imported = agreements.import_files(home, files, by=SUBMITTER, at=today, retroactive=False)
    for contract in imported:
        agreements.approve(home, contract.contract_id, contract.version, by=APPROVER, at=today)
    out.print(f"{len(imported)} contracts submitted by {SUBMITTER}, approved by {APPROVER}")
    with show.progress() as progress:
        report = billing.run(home, days, progress)
        if report.failed:
            raise billing.some_days_failed(report)
        billing.close(home, month, max(sample.last + ONE_DAY, month.last + timedelta(days=4)), progress=progress)
    out.print()
    reports.print_run(home, report)
    reports.print_documents(home, month)
    _print_what_next(home, month)


def _print_what_next(home: Home, month: Month) -> None:
    out = show.console()
    out.print("Try next", style="bold")
    at = f"--home {home.root}"
    for command, why in (
        (f"adledger status {at}", "which days are in, which months are open, what to do next"),
        (f"adledger export {month} --to {home.root}/documents/{month} {at}", "every table of the month as CSV"),
        (f"adledger export {month.next} --draft --to {home.root}/documents/draft {at}", "the next month as known so far"),
        (f"adledger contract list {at}", "who agreed to what"),
        (f"adledger audit verify {at}", "that nobody changed the trail of contracts"),
        (f"adledger ui {at}", "the asset graph, from landing files to invoices, at http://127.0.0.1:3000"),
    ):
        out.print(f"  {why}:\n    {command}", markup=False)
