"""From accepted rows to counts, touches, statuses and credits, one delivery day at a time.

Thin: what is computed is ``pipelines``, what is out of date is ``assets.upkeep``. An asset run for one day also brings other
days up to date that depend on it, and says so in the log of materializations.
"""

from collections.abc import Iterable, Iterator

import dagster as dg
import polars as pl

from assets import checks
from assets.describe import counts, rows, spec
from assets.partitions import daily
from assets.resources import HomeResource, known_at
from assets.upkeep import Touched, Upkeep

Results = Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]


def log_other_days(context: dg.AssetExecutionContext, touched: Iterable[Touched]) -> None:
    """Record materializations of partitions other than the one that this run is for."""
    for other in touched:
        if not context.has_partition_key or other.partition != context.partition_key:
            for table, count in other.rows.items():
                context.log_event(dg.AssetMaterialization(table, partition=other.partition, metadata=rows(count)))


@dg.multi_asset(
    name="count_delivery",
    specs=[
        spec("delivery_counts", deps=["impressions"], group="delivery"),
        spec("touches", deps=["impressions", "clicks"], group="delivery"),
    ],
    partitions_def=daily,
    check_specs=[checks.COUNTS_ADD_UP.spec],
)
def count_delivery(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Count the day's impressions by what contracts can price, and lay out its touches by household; no contract is read."""
    day = context.partition_key
    with home.open().lock() as here:
        log_other_days(context, Upkeep(here).delivery())
        for table in ("delivery_counts", "touches"):
            yield dg.MaterializeResult(asset_key=table, metadata=rows(here.warehouse.rows(table, day)))
        counted = here.warehouse.read("delivery_counts", [day]).select("impressions").sum().collect().item()
        yield checks.counts_add_up(counted, here.warehouse.rows("impressions", day)).result


@dg.multi_asset(
    name="attribute",
    specs=[
        spec(
            "attributions",
            deps=["conversions", "conversion_states", "household_conversions", "touches", "contracts", "fx_rates"],
            group="attribution",
        ),
        spec("attribution_credits", deps=["conversions", "touches", "contracts"], group="attribution"),
    ],
    partitions_def=daily,
    check_specs=[checks.ONE_STATUS_EACH.spec, checks.EXCHANGE_RATES_THERE.spec, checks.CREDITS_ADD_UP.spec],
)
def attribute(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Give each conversion its one status and, where a touch earned it, the credit; under the contracts as approved now."""
    day = context.partition_key
    with home.open().lock() as here:
        log_other_days(context, Upkeep(here, known_at(context)).attributions(through=day))
        judged = here.warehouse.read("attributions", [day]).collect()
        credits = here.warehouse.read("attribution_credits", [day]).collect()
        by_status = dict(judged.group_by("status").len().sort("status").iter_rows())
        yield dg.MaterializeResult(asset_key="attributions", metadata=rows(judged.height) | counts(by_status))
        yield dg.MaterializeResult(asset_key="attribution_credits", metadata=rows(credits.height))
        yield checks.one_status_each(judged.height, here.warehouse.rows("conversions", day)).result
        yield checks.exchange_rates_there(judged).result
        yield checks.credits_add_up(judged, credits).result


@dg.multi_asset(
    name="judge_impressions",
    specs=[spec("judged_impressions", deps=["delivery_counts", "contracts"], group="rating")],
    partitions_def=daily,
    check_specs=[checks.BOTH_SIDES_TIE.spec],
)
def judge_impressions(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Say of the day's impressions, on both sides, which contract bills them and why the others are not billed."""
    day = context.partition_key
    with home.open().lock() as here:
        log_other_days(context, Upkeep(here, known_at(context)).judgements())
        judged = here.warehouse.read("judged_impressions", [day])
        by_outcome = judged.group_by("side", "outcome").agg(pl.col("impressions").sum()).sort("side", "outcome").collect()
        figures = {f"{side} {outcome}": impressions for side, outcome, impressions in by_outcome.iter_rows()}
        count = rows(here.warehouse.rows("judged_impressions", day))
        yield dg.MaterializeResult(asset_key="judged_impressions", metadata=count | counts(figures))
        yield checks.both_sides_tie(judged.collect()).result
