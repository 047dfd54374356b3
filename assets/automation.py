"""Jobs and when they run: the night, a period, the drafts of a month, the close; and a word when one fails.

The schedule asks the catalogue, not Dagster's record of materializations, which days are in: a failed day counts as missing
and is asked for again the next night.
"""

from collections.abc import Iterator

import dagster as dg

from assets.attribution import attribute, count_delivery, judge_impressions
from assets.documents import issue, issue_notes
from assets.partitions import monthly
from assets.rating import rate
from assets.resources import HomeResource
from assets.taking_in import intake
from assets.upkeep import Upkeep

DAYS_BACK = 45

take_in = dg.define_asset_job(
    "take_in",
    selection=dg.AssetSelection.assets(intake, count_delivery),
    description="Take in a delivery day: accept, drop or quarantine its rows, count its impressions, lay out its touches.",
)
count_day = dg.define_asset_job(
    "count_day",
    selection=dg.AssetSelection.assets(count_delivery),
    description="Count the impressions of a delivery day that is in, and lay out its touches.",
)
attribute_day = dg.define_asset_job(
    "attribute_day",
    selection=dg.AssetSelection.assets(attribute, judge_impressions),
    description="Attribute and judge a delivery day, and the days before it that are out of date, under the contracts as approved.",
)
nightly = dg.define_asset_job(
    "nightly",
    selection=dg.AssetSelection.assets(intake, count_delivery, attribute, judge_impressions),
    description="A delivery day from landing files to credits. Launch a backfill of this job for a period of days.",
)
rate_month = dg.define_asset_job(
    "rate_month",
    selection=dg.AssetSelection.assets(rate),
    description="Rate a month under the contracts as approved now and draft its documents; issues nothing.",
)
close_month = dg.define_asset_job(
    "close_month",
    selection=dg.AssetSelection.assets(rate, issue),
    description="Rate a month, issue its documents in one transaction and close it; refused while something is missing.",
)
adjust_month = dg.define_asset_job(
    "adjust_month",
    selection=dg.AssetSelection.assets(issue_notes),
    description="Issue the credit and debit notes that a closed month needs, in one transaction; nothing where nothing changed.",
)
JOBS = [take_in, count_day, attribute_day, nightly, rate_month, close_month, adjust_month]


@dg.schedule(
    job=nightly,
    cron_schedule="0 3 * * *",
    execution_timezone="UTC",
    description=f"Takes in every delivery day that has come and is not in, the latest {DAYS_BACK} of them, today's excepted.",
)
def every_night(
    context: dg.ScheduleEvaluationContext, home: dg.ResourceParam[HomeResource]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """At 03:00 UTC: every delivery day of the last weeks that has come and is not in."""
    at = context.scheduled_execution_time
    here = home.open()
    run = set(here.days_run())
    due = [day for day in here.days_delivered() if day < at.date() and day not in run][-DAYS_BACK:]
    if not due:
        yield dg.SkipReason("every delivery day that has come is in")
    for day in due:
        yield dg.RunRequest(run_key=f"{day}@{at:%Y-%m-%d}", partition_key=str(day))


@dg.schedule(
    job=rate_month,
    cron_schedule="0 5 * * *",
    execution_timezone="UTC",
    description="Rates and drafts every month whose drafts are out of date: one run, for the latest month.",
)
def every_morning(
    context: dg.ScheduleEvaluationContext, home: dg.ResourceParam[HomeResource]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """At 05:00 UTC: the latest month, and with it every month before it whose drafts are out of date."""
    upkeep = Upkeep(home.open())
    if not upkeep.stale_months():
        yield dg.SkipReason("every month's drafts are up to date")
        return
    # A month so far ahead that there is no partition for it yet is drafted when it comes nearer.
    latest = [month for month in upkeep.months() if monthly.has_partition_key(str(month.first))][-1]
    yield dg.RunRequest(run_key=f"{latest}@{context.scheduled_execution_time:%Y-%m-%d}", partition_key=str(latest.first))


@dg.run_failure_sensor(
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Writes the job, partition and reasons of a failed run to the log, where an alert can pick them up.",
)
def tell_of_failure(context: dg.RunFailureSensorContext) -> None:
    """Write the job, partition and reasons of a failed run to the log, where an alert can pick them up.

    Any run of the location: also one that was launched by materializing assets, without one of the jobs.
    """
    run = context.dagster_run
    partition = run.tags.get("dagster/partition", "")
    reasons = [_reason(event) for event in context.get_step_failure_events()] or [context.failure_event.message or ""]
    context.log.error(f"{run.job_name} {partition} failed: {'; '.join(reasons)}")


def _reason(event: dg.DagsterEvent) -> str:
    """What the error of a step says, in its own words."""
    error = event.step_failure_data.error
    while error and error.cause:
        error = error.cause
    return error.message.strip() if error else ""
