"""From accepted rows to counts, touches, statuses and credits, delivery day by delivery day.

Thin: what is computed is ``pipelines``, what is out of date is ``assets.upkeep``. An asset run for some days also brings other
days up to date that depend on them, and says so in the log of materializations.
"""

import dagster as dg

from assets import checks
from assets.describe import spec
from assets.partitions import a_month_a_run, daily
from assets.resources import HomeResource, known_at
from assets.upkeep import Upkeep
from assets.working import Published, Results, brought_up_to_date

_JUDGED_BY = ["conversions", "conversion_states", "household_conversions", "contracts", "fx_rates"]
"""What says which conversions may earn a credit at all; which touches they are looked for among comes to it."""


@dg.multi_asset(
    name="count_delivery",
    specs=[
        spec("delivery_counts", deps=["impressions"], group="delivery"),
        spec("touches", deps=["impressions", "clicks"], group="delivery"),
    ],
    partitions_def=daily,
    backfill_policy=a_month_a_run,
    check_specs=[checks.COUNTS_ADD_UP.spec],
)
def count_delivery(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Count the day's impressions by what contracts can price, and lay out its touches by household; no contract is read."""
    with home.open().lock() as here:
        upkeep = Upkeep(here)
        yield from brought_up_to_date(context, Published(here.warehouse), upkeep.delivery(), upkeep.delivery_of)


@dg.multi_asset(
    name="attribute",
    specs=[
        spec("attribution_candidates", deps=[*_JUDGED_BY, "touches"], group="attribution"),
        spec("attributions", deps=[*_JUDGED_BY, "attribution_candidates"], group="attribution"),
        spec("attribution_credits", deps=[*_JUDGED_BY, "attribution_candidates"], group="attribution"),
    ],
    partitions_def=daily,
    backfill_policy=a_month_a_run,
    check_specs=[checks.ONE_STATUS_EACH.spec, checks.EXCHANGE_RATES_THERE.spec, checks.CREDITS_ADD_UP.spec],
)
def attribute(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Give each conversion its one status and, where a touch earned it, the credit; under the contracts as approved now."""
    with home.open().lock() as here:
        upkeep = Upkeep(here, known_at(context))
        touched = upkeep.attributions(through=max(context.partition_keys))
        published = Published(here.warehouse, upkeep.known.known_at)
        yield from brought_up_to_date(context, published, touched, upkeep.attributions_of)


@dg.multi_asset(
    name="judge_impressions",
    specs=[
        spec("judged_impressions", deps=["delivery_counts", "contracts"], group="rating"),
        spec("impression_claims", deps=["delivery_counts", "contracts"], group="rating"),
    ],
    partitions_def=daily,
    backfill_policy=a_month_a_run,
    check_specs=[checks.BOTH_SIDES_TIE.spec],
)
def judge_impressions(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Say of the day's impressions, on both sides, which contract bills them and why the others are not billed."""
    with home.open().lock() as here:
        upkeep = Upkeep(here, known_at(context))
        published = Published(here.warehouse, upkeep.known.known_at)
        yield from brought_up_to_date(context, published, upkeep.judgements(), upkeep.judgements_of)
