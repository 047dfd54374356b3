"""The verbs of the house: run, backfill, close, export; each brings the tables up to date and gives what happened.

Verbs hold the home's lock, so that two of them never write at once, and leave no file behind that nobody lists.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from assets.failures import DaysFailedError
from contracts_io.calendar import Month, days_between, months_between
from contracts_io.errors import AdledgerError, BooksError, RoleError, UsageError
from contracts_io.formats.exports import EXPORTS, document_frames, projected
from contracts_io.formats.tables import write_tables
from contracts_io.home import Home
from contracts_io.overlay import overlaid
from contracts_io.store.documents import Act, Prepared, already_closed, not_over, still_open
from services.orchestrator import Orchestrator, Progress, Steps, orchestrated

if TYPE_CHECKING:
    from assets.composing import Documents
    from assets.upkeep import Upkeep
    from contracts_io.warehouse import Warehouse


@dataclass(frozen=True)
class RunReport:
    """What a run did: ``feed_counts`` of its days, conversions by status, and the months whose drafts it renewed.

    ``changes``: of the months that were drafted before, the lines that differ now and why (``comparison.CHANGES``); None where
    they were not compared.
    """

    days: list[date]
    feed_counts: pl.DataFrame
    statuses: dict[str, int]
    months: list[Month]
    failed: dict[date, AdledgerError] = field(default_factory=dict)
    changes: dict[Month, pl.DataFrame] | None = None


def unseen(_what: str, _done: int, _of: int) -> None:
    """Progress that is shown to nobody."""


def run(
    home: Home,
    days: Sequence[date],
    progress: Progress = unseen,
    known_at: datetime | None = None,
    *,
    compare: bool = False,
) -> RunReport:
    """Take in, attribute and rate delivery ``days``, then every month that they touch.

    A day that fails stops neither the others nor what can be done without it; the report names it and its error. With
    ``known_at`` the contracts are those that were approved by then: the tables are those of a run at that instant, until the
    next run without it. ``compare``: the report says what changed of the months that were drafted before.
    """
    with _writing(home) as orchestrator:
        before = _Drafted(home) if compare else None
        told = Steps(progress, {"intake": ("taking in", len(days)), "count_delivery": ("counting", len(days))})
        failed = orchestrator.run_days("take_in", days, known_at, told)
        taken = [day for day in days if day not in failed]
        months = _bring_up_to_date(home, orchestrator, progress, known_at) if taken else []
        changes = before.changes(months, known_at) if before else None
    here = [str(day) for day in taken]
    statuses = home.warehouse.read("attributions", here).group_by("status").len().sort("status").collect()
    counts = home.warehouse.read("feed_counts", here).collect()
    return RunReport(taken, counts, dict(statuses.iter_rows()), months, failed, changes)


def some_days_failed(report: RunReport) -> DaysFailedError:
    """What to say of a backfill in which days failed: each with its error."""
    return DaysFailedError(report.failed, len(report.days) + len(report.failed))


class _Drafted:
    """The drafts of a home as they are when it is made, to compare later ones with."""

    def __init__(self, home: Home) -> None:
        from assets.causes import drafted_by  # noqa: PLC0415 - loads the pipelines

        self._home = home
        self._look = drafted_by(home)
        self._months = home.warehouse.catalogue.live("draft_payouts")

    def changes(self, months: Sequence[Month], known_at: datetime | None) -> dict[Month, pl.DataFrame]:
        """The lines of those of ``months`` that were drafted before which differ now."""
        from assets.causes import look_of  # noqa: PLC0415 - loads the pipelines
        from assets.upkeep import Upkeep  # noqa: PLC0415
        from services.comparison import as_drafted, differences  # noqa: PLC0415

        after = look_of(Upkeep(self._home, known_at))
        return {
            month: differences(
                self._home,
                month,
                as_drafted(self._look.warehouse, month, self._look),
                as_drafted(self._home.warehouse, month, after),
            )
            for month in months
            if str(month) in self._months
        }


def close(
    home: Home,
    month: Month,
    issued_on: date,
    by: str | None = None,
    progress: Progress = unseen,
    *,
    content: str | None = None,
) -> None:
    """Bring everything up to date, issue the month's documents and close it; RoleError where ``by`` may not.

    Where ``[roles] close_approval`` is set, this is the approval of what another person prepared; ``content`` as of
    ``preparing.prepared_for``. BooksError where the month is closed already or something stands against closing it; then
    nothing was issued.
    """
    _require_closable(home, month, issued_on, by)
    with _writing(home) as orchestrator:
        _bring_up_to_date(home, orchestrator, progress)
        progress("closing", 0, 1)
        config = {"ops": {"issue": {"config": _issue_config(issued_on, by, content)}}}
        orchestrator.run("close_month", month.first, config)
        progress("closing", 1, 1)


def _issue_config(issued_on: date, by: str | None, content: str | None) -> dict[str, str]:
    return {"issued_on": str(issued_on), "by": by or "", "content": content or ""}


def prepare(
    home: Home, act: Act, month: Month, issued_on: date, by: str | None, at: datetime, progress: Progress = unseen
) -> Prepared | None:
    """Bring everything up to date and keep what an act would issue for another person to approve; RoleError as of ``close``.

    None where a closed month needs no notes. BooksError where something stands against it.
    """
    if not by:
        what = f"say who prepares the {act.noun}"
        raise RoleError(what, where="[roles] close_approval in adledger.toml", remedy="--by USER")
    if act is Act.CLOSE:
        _require_closable(home, month, issued_on, by)
    else:
        _require_adjustable(home, month, by)
    with _writing(home) as orchestrator:
        from assets.adjusting import prepare_notes  # noqa: PLC0415 - loads the pipelines
        from assets.closing import prepare as prepare_documents  # noqa: PLC0415

        _bring_up_to_date(home, orchestrator, progress)
        kept = prepare_documents if act is Act.CLOSE else prepare_notes
        return kept(home, month, issued_on, by, at)


def to_approve(home: Home, act: Act, month: Month, by: str | None, content: str | None = None) -> Prepared:
    """What another person prepared and ``by`` may approve; the act itself, done by them on its date of issue, approves it.

    ``content`` as of ``preparing.prepared_for``. UsageError where nothing asks for an approval, RoleError where ``by`` may
    not give it, BooksError where nothing is prepared or the month is not one for the act.
    """
    from assets.preparing import prepared_for  # noqa: PLC0415 - loads the pipelines

    if not home.settings.roles.close_approval:
        raise UsageError(
            f"{act.noun}s are not approved here: [roles] close_approval is not set in adledger.toml",
            remedy=f"leave out --approve: `adledger {act} {month}` issues the documents",
        )
    home.settings.roles.require("close", by)
    closed = home.books.closed_months().get(month)
    if closed and act is Act.CLOSE:
        raise already_closed(month, closed.closed_on)
    if not closed and act is Act.ADJUST:
        raise still_open(month)
    return prepared_for(home, act, month, by, content)


@dataclass(frozen=True)
class DryRun:
    """What an act would do: the documents with the numbers they would have, and every reason that would stop it.

    ``content_hash`` is what an approval is bound to; ``prepared``: what waits for one.
    """

    documents: Documents | None
    against: list[str]
    content_hash: str | None
    prepared: Prepared | None


def dry_run(home: Home, act: Act, month: Month, issued_on: date) -> DryRun:
    """What an act would issue and what stands against it; everything is rated apart, and nothing is written."""
    from assets import adjusting, closing  # noqa: PLC0415 - loads the pipelines
    from assets.preparing import content_hash  # noqa: PLC0415
    from assets.upkeep import Upkeep  # noqa: PLC0415

    _require_something_delivered(home, month)
    is_closed = month in home.books.closed_months()
    if act is Act.ADJUST and not is_closed:
        raise still_open(month)
    with home.lock(), overlaid(home.warehouse) as apart:
        upkeep = Upkeep(home, warehouse=apart)
        for _ in upkeep.everything(month):
            pass
        if act is Act.ADJUST:
            against = adjusting.standing_against_notes(home, month, issued_on, upkeep)
            documents = adjusting.notes_as_they_would_be(home, month, issued_on, upkeep)
        else:
            against = closing.standing_against(home, month, issued_on, upkeep)
            if is_closed:
                return DryRun(None, against, None, None)
            documents = closing.as_they_would_be(home, month, issued_on, upkeep)
    return DryRun(documents, against, content_hash(month, issued_on, documents), home.books.prepared(act, month))


def _require_closable(home: Home, month: Month, issued_on: date, by: str | None) -> None:
    home.settings.roles.require("close", by)
    if closed := home.books.closed_months().get(month):
        raise already_closed(month, closed.closed_on)
    if issued_on <= month.last:
        raise not_over(month, issued_on)
    _require_something_delivered(home, month)


def _require_adjustable(home: Home, month: Month, by: str | None) -> None:
    home.settings.roles.require("close", by)
    if month not in home.books.closed_months():
        raise still_open(month)


def _require_something_delivered(home: Home, month: Month) -> None:
    """BooksError where nothing was delivered that could be billed in ``month``: it would be drafted, and from then on kept up."""
    from assets.closing import nothing_delivered  # noqa: PLC0415 - loads the pipelines
    from assets.upkeep import Upkeep  # noqa: PLC0415

    if (months := Upkeep(home).months()) and month not in months:
        raise BooksError(
            f"{month} cannot be closed: {nothing_delivered(home, month)}",
            remedy="see with `adledger status` which months can be",
        )


def adjust(
    home: Home,
    month: Month,
    issued_on: date,
    by: str | None = None,
    progress: Progress = unseen,
    *,
    content: str | None = None,
) -> list[str]:
    """Bring everything up to date and issue the notes that a closed month needs; gives their numbers, none: nothing changed.

    Where ``[roles] close_approval`` is set, this is the approval of what another person prepared; ``content`` as of
    ``preparing.prepared_for``. RoleError where ``by`` may not, BooksError where the month is open or something stands against
    adjusting it; then nothing was issued.
    """
    _require_adjustable(home, month, by)
    with _writing(home) as orchestrator:
        _bring_up_to_date(home, orchestrator, progress)
        before = {document.number for document, _ in home.books.invoices(month)}
        config = {"ops": {"issue_notes": {"config": _issue_config(issued_on, by, content)}}}
        orchestrator.run("adjust_month", month.first, config)
        return [document.number for document, _ in home.books.invoices(month) if document.number not in before]


def export(
    home: Home, month: Month, folder: Path, kind: str, *, draft: bool, known_at: datetime | None = None
) -> dict[Path, int]:
    """Write every table of spec 8.2 for a month to ``folder``; gives the rows of each file.

    With ``draft`` the documents are the drafts as known now, numbered ``DRAFT-<contract_id>``, or with ``known_at`` as they
    were under the contracts that were approved by then; without it the month must be closed. BooksError where it is open.
    """
    from assets.upkeep import Upkeep  # noqa: PLC0415 - loads the pipelines

    if not draft and month not in home.books.closed_months():
        raise BooksError(
            f"{month} is open: it has no issued documents",
            remedy=f"export the drafts with --draft, or close the month with `adledger close {month}`",
        )
    if known_at:
        with home.lock(), overlaid(home.warehouse) as apart:
            upkeep = Upkeep(home, known_at, warehouse=apart)
            for _ in upkeep.everything(month):
                pass
            tables = draft_documents(home, month, upkeep) | event_tables(home, month, apart)
    else:
        with _writing(home) as orchestrator:
            _bring_up_to_date(home, orchestrator, unseen)
            documents = draft_documents(home, month, Upkeep(home)) if draft else issued_documents(home, month)
            tables = documents | event_tables(home, month, home.warehouse)
    ordered = {name: tables[name] for name in EXPORTS}
    written = write_tables(folder, ordered, kind)
    return dict(zip(written, (frame.height for frame in ordered.values()), strict=True))


def issued_documents(home: Home, month: Month) -> dict[str, pl.DataFrame]:
    """The month's issued documents, their lines and entries."""
    books = home.books
    return document_frames(books.invoices(month), books.payouts(month), books.journal(month))


def draft_documents(home: Home, month: Month, upkeep: Upkeep) -> dict[str, pl.DataFrame]:
    """The month's documents as ``upkeep`` knows them, numbered ``DRAFT-<contract_id>``, without dates."""
    from assets.adjusting import drafted  # noqa: PLC0415 - loads the pipelines

    documents = drafted(home, upkeep, month)
    return document_frames(documents.invoices, documents.payouts, [line for entry in documents.entries for line in entry])


def event_tables(home: Home, month: Month, warehouse: Warehouse) -> dict[str, pl.DataFrame]:
    """The month's accruals, conversions by billing date, and feed tables by delivery day."""
    delivery_days = [str(day) for day in days_between(month.first, month.last)]
    billed_on = pl.coalesce("billing_date", pl.col("event_time").dt.date())
    judged = warehouse.read("attributions").filter(billed_on.is_between(month.first, month.last)).collect(engine="streaming")
    credits = warehouse.read("attribution_credits").join(
        judged.lazy().select("conversion_id", "delivery_day"), on=["conversion_id", "delivery_day"], how="semi"
    )
    earliest = month.first - timedelta(days=home.settings.horizon_days + 1)
    near = [str(m) for m in months_between(Month.of(earliest), month.next)]
    outcomes = warehouse.read("impression_outcomes", near).filter(pl.col("delivery_day").is_between(month.first, month.last))
    keys = list(EXPORTS["impression_outcomes"])[:-1]
    accrued = warehouse.read("accruals", [str(month)])
    accrual_keys = list(EXPORTS["accruals"])[:-2]
    frames = {
        "attributions": judged.lazy(),
        "attribution_credits": credits,
        "impression_outcomes": outcomes.group_by(keys).agg(pl.col("impressions").sum()),
        "quarantine": warehouse.read("quarantine", delivery_days),
        "feed_counts": warehouse.read("feed_counts", delivery_days),
        "accruals": accrued.group_by(accrual_keys).agg(pl.col("units").sum(), pl.col("amount").sum()),
    }
    return {name: projected(name, frame.collect(engine="streaming")) for name, frame in frames.items()}


@contextmanager
def _writing(home: Home) -> Iterator[Orchestrator]:
    with home.lock():
        with orchestrated(home) as orchestrator:
            yield orchestrator
        home.sweep()


def _bring_up_to_date(
    home: Home, orchestrator: Orchestrator, progress: Progress, known_at: datetime | None = None
) -> list[Month]:
    """Attribute and rate whatever is out of date; gives the months whose drafts were renewed."""
    from assets.partitions import monthly  # noqa: PLC0415 - loads Dagster, which the orchestrator has done
    from assets.upkeep import Upkeep  # noqa: PLC0415

    upkeep = Upkeep(home, known_at)
    if uncounted := upkeep.stale_delivery():  # a process that ended too early, or a day that failed, left them behind
        told = Steps(progress, {"count_delivery": ("counting", len(uncounted))})
        orchestrator.run("count_day", date.fromisoformat(uncounted[-1]), told=told)  # and every other one
    unattributed, unjudged = upkeep.stale_attributions(), upkeep.stale_judgements()
    if stale := sorted({*unattributed, *unjudged}):
        steps = {"attribute": ("attributing", len(unattributed)), "judge_impressions": ("judging", len(unjudged))}
        # The last one, and every one before it.
        orchestrator.run("attribute_day", date.fromisoformat(stale[-1]), known_at=known_at, told=Steps(progress, steps))
    if not upkeep.stale_months():
        return []
    # A month so far ahead that Dagster has no partition for it yet is drafted when it comes nearer.
    months = [month for month in upkeep.months() if monthly.has_partition_key(str(month.first))]
    before = home.warehouse.catalogue.live("draft_payouts")
    progress("rating", 0, len(months))
    orchestrator.run("rate_month", months[-1].first, known_at=known_at)  # and every one before it that is out of date
    progress("rating", len(months), len(months))
    after = home.warehouse.catalogue.live("draft_payouts")
    return [month for month in months if after.get(str(month)) != before.get(str(month))]
