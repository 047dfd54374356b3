"""The asset that takes delivery days in; what is done with their files is ``assets.intake``."""

from datetime import UTC, date, datetime

import dagster as dg

from assets import checks
from assets.describe import spec
from assets.intake import ingest
from assets.partitions import a_month_a_run, daily
from assets.resources import HomeResource, known_at
from assets.touched import Touched
from assets.working import Published, Results, each_day
from contracts_io.calendar import days_between
from contracts_io.frames import FEED_NAMES
from contracts_io.home import Home

_DAY_TABLES = {
    **{feed: [f"landing_{feed}"] for feed in FEED_NAMES},
    **{f"{feed}_repeated": [f"landing_{feed}", feed] for feed in FEED_NAMES},
    **{table: [f"landing_{feed}" for feed in FEED_NAMES] for table in ("quarantine", "delivered_files")},
    "feed_counts": [*(f"landing_{feed}" for feed in FEED_NAMES), *FEED_NAMES],
    "conversion_states": ["conversions", "conversion_adjustments"],
    "household_conversions": ["conversions", "conversion_adjustments"],
}


@dg.multi_asset(
    name="intake",
    specs=[
        *(spec(table, deps=deps, group="intake") for table, deps in _DAY_TABLES.items()),
        spec("fx_rates", deps=["landing_fx_rates"], group="intake"),
    ],
    partitions_def=daily,
    backfill_policy=a_month_a_run,
    check_specs=[
        checks.EVERY_ROW_ACCOUNTED_FOR.spec,
        checks.NO_CONFLICTING_DUPLICATES.spec,
        checks.LITTLE_QUARANTINED.spec,
        checks.QUARANTINE_WITHIN_LIMIT.spec,
        checks.VOLUME_AS_USUAL.spec,
    ],
)
def intake(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Read the day's landing files; accept each row, drop it as a duplicate, or quarantine it with its reason.

    Contracts that renew themselves by that day are renewed first: the night is when they do.
    """
    with home.open().lock() as here:

        def take_in(text: str) -> list[Touched]:
            day = date.fromisoformat(text)
            if known_at(context) is None:  # a run as of then changes nothing that is agreed
                _renew(context, here, day)
            itself, *later = ingest(here, day)
            return [_taken_in(here, day, itself.rows), *later]

        yield from each_day(context, Published(here.warehouse), take_in)


def _taken_in(home: Home, day: date, written: dict[str, int]) -> Touched:
    """What there is to say of a day that is in; ``written`` has the rows of the tables that the run wrote."""
    text = str(day)
    fed = home.warehouse.read("feed_counts", [str(d) for d in days_between(day - checks.TRAILING, day)]).collect()
    read = fed.filter(delivery_day=day)
    rows = {table: written[table] if table in written else home.warehouse.rows(table, text) for table in _DAY_TABLES}
    findings = [
        checks.every_row_accounted_for(read),
        checks.no_conflicting_duplicates(read),
        checks.little_quarantined(read),
        checks.quarantine_within_limit(read, home.settings.quarantine_limit),
        checks.volume_as_usual(fed, day),
    ]
    figures = {row.pop("feed"): row for row in read.drop("delivery_day").iter_rows(named=True)}
    return Touched(text, rows | {"fx_rates": home.warehouse.rows("fx_rates", "all")}, findings, figures)


def _renew(context: dg.AssetExecutionContext, home: Home, day: date) -> None:
    renewals = home.contracts.renew(day=day, at=datetime.now(tz=UTC), closed_through=home.closed_through())
    for made in renewals.made:
        context.log.info(f"contract {made.contract_id} was renewed: version {made.version}")
    for refused in renewals.refused:
        context.log.warning(f"a contract was not renewed: {refused}")
