"""Partitions: a day is the UTC date under which files were dropped, a month is a calendar month of billing dates.

The first day offered is ``ADLEDGER_FIRST_DAY`` where it is set (``adledger ui`` sets it to the month of the home's first
delivery), so that the pages of the UI show the days of this home and not fifteen empty years.
"""

from __future__ import annotations

import os
import warnings

import dagster as dg

FIRST_DAY = os.environ.get("ADLEDGER_FIRST_DAY", "2010-01-01")

daily = dg.DailyPartitionsDefinition(FIRST_DAY, timezone="UTC", end_offset=1)
"""Delivery days, today's among them: a delivery may be complete before its day is."""

monthly = dg.MonthlyPartitionsDefinition(FIRST_DAY, timezone="UTC", end_offset=4)
"""Billing months, some of the future among them: validation days put a billing date months after its conversion."""

a_month_a_run = dg.BackfillPolicy.multi_run(max_partitions_per_run=31)
"""A backfill that is launched in the UI starts one run for up to 31 days: a run costs more than a small day."""

with warnings.catch_warnings():  # that the first month has none before it is said by a parameter which is called beta
    warnings.simplefilter("ignore", dg.BetaWarning)
    _the_month_before = dg.TimeWindowPartitionMapping(
        start_offset=-1, end_offset=-1, allow_nonexistent_upstream_partitions=True
    )


def of_the_month_before(table: str) -> dg.AssetDep:
    """A month's table as it was at the end of the month before."""
    return dg.AssetDep(table, partition_mapping=_the_month_before)
