"""How an asset works through the delivery days of its run, and how Dagster is told of it.

A run is for one day or for a range of them: a run costs more than the work of a small day. Days are published as they are
done, those of few rows several at once (``assets.at_once``).
Dagster takes one result of a table for all days of a run; where some failed, those that did not are recorded one by one, and
the run fails.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import date, datetime
from typing import Any, NamedTuple

import dagster as dg

from assets import checks
from assets.describe import counts, made_from, rows
from assets.failures import DaysFailedError
from assets.touched import Touched
from contracts_io.errors import AdledgerError
from contracts_io.frames import TABLES
from contracts_io.warehouse import PartitionFile, Warehouse

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult | dg.AssetMaterialization]
Told = Callable[[str], None]
"""Told the name of an asset each time it is through with a day or a month."""

_WITHOUT_CONTRACTS = frozenset({"delivery_counts", "touches"})
"""What runs that go by contracts bring up to date as well, and no contract says anything of."""

_TOLD: ContextVar[Told | None] = ContextVar("told", default=None)


class Published(NamedTuple):
    """Where it is looked up what a table was made from: in ``warehouse``, once it is published.

    ``known_at``: the instant of the latest approval of a contract that the run went by; None where it read none.
    """

    warehouse: Warehouse
    known_at: datetime | None = None

    def metadata(self, days: Iterable[Touched], table: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Each of ``days``, or of months, with what is told of its ``table``."""
        touched = list(days)
        files = self._files(table, [day.partition for day in touched])
        known_at = None if table in _WITHOUT_CONTRACTS else self.known_at
        for day in touched:
            told = rows(day.rows[table]) | counts(day.figures.get(table, {}))
            yield day.partition, told | made_from(files.get(day.partition), known_at)

    def _files(self, table: str, partitions: Sequence[str]) -> dict[str, PartitionFile]:
        """The live files by the partition that Dagster has for them."""
        kept_by = {partition: _kept_by(table, partition) for partition in partitions}
        live = self.warehouse.catalogue.live(table, set(kept_by.values()))
        return {partition: live[own] for partition, own in kept_by.items() if own in live}


def _kept_by(table: str, partition: str) -> str:
    """The partition of the warehouse: of Dagster's a month is its first day, and what has no partition is of every day."""
    kept = TABLES[table].partition
    return partition if kept == "day" else partition[:7] if kept == "month" else kept


@contextmanager
def telling(told: Told | None) -> Iterator[None]:
    """Have ``told`` hear of what the assets that run in this block, and in this process, are through with."""
    token = _TOLD.set(told)
    try:
        yield
    finally:
        _TOLD.reset(token)


def each_day(context: dg.AssetExecutionContext, published: Published, work: Callable[[str], Sequence[Touched]]) -> Results:
    """Do ``work``, which gives a day and the others that it touched, for every day of the run.

    One that fails does not stop those after it: when it is through it raises DaysFailedError, in the run of a single day that
    day's error.
    """
    done: list[Touched] = []
    failed: dict[date, AdledgerError] = {}
    for day in context.partition_keys:
        try:
            itself, *others = work(day)
        except AdledgerError as error:
            failed[date.fromisoformat(day)] = error
        else:
            done.append(itself)
            elsewhere = [other for other in others if other.partition not in context.partition_keys]
            yield from materializations(published, elsewhere)
        _tell(context)
    if failed:
        yield from materializations(published, done)
        of = len(context.partition_keys)
        raise DaysFailedError(failed, of) if of > 1 else next(iter(failed.values()))
    yield from _results(context, published, done)


def brought_up_to_date(
    context: dg.AssetExecutionContext, published: Published, touched: Iterable[Touched], as_it_is: Callable[[str], Touched]
) -> Results:
    """Work through ``touched``; days of the run that are not among them are up to date, and looked at by ``as_it_is``."""
    own = dict.fromkeys(context.partition_keys)
    done: dict[str, Touched] = {}
    try:
        for day in touched:
            if day.partition in own:
                done[day.partition] = day
            else:
                yield from materializations(published, [day])
            _tell(context)
    except Exception:
        yield from materializations(published, done.values())
        raise
    yield from _results(context, published, [done.get(day) or as_it_is(day) for day in own])


def materializations(published: Published, touched: Iterable[Touched]) -> Iterator[dg.AssetMaterialization]:
    """What to record of days, or months, that Dagster gets no result for.

    To be yielded: what an asset logs is forgotten when it fails.
    """
    for day in touched:
        for table in day.rows:
            for partition, told in published.metadata([day], table):
                yield dg.AssetMaterialization(table, partition=partition, metadata=told)


def _tell(context: dg.AssetExecutionContext) -> None:
    if told := _TOLD.get():
        told(context.op_execution_context.op.name)


def _results(context: dg.AssetExecutionContext, published: Published, done: Sequence[Touched]) -> Results:
    """One result a table, with metadata a day; one a check: of the first day that did not pass it, or of the last.

    Of a range of days, a check says whose figures it shows and which days did not pass.
    """
    for table in done[-1].rows:
        for partition, told in published.metadata(done, table):
            context.add_asset_metadata(told, asset_key=table, partition_key=partition)
        yield dg.MaterializeResult(asset_key=table)
    found: dict[checks.Rule, list[tuple[str, checks.Finding]]] = defaultdict(list)
    for day in done:
        for finding in day.findings:
            found[finding.rule].append((day.partition, finding))
    for rule, findings in found.items():
        not_passed = [(day, finding) for day, finding in findings if not finding.passed]
        shown, finding = (not_passed or findings[-1:])[0]
        figures = dict(finding.figures)
        if len(findings) > 1:
            figures |= {"day": shown, "days not passed": ", ".join(day for day, _ in not_passed) or "none"}
        yield checks.Finding(rule, not not_passed, figures).result
