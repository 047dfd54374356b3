"""What the orchestrator is shown: assets and what they rest on, jobs, schedules, and how each is described."""

from __future__ import annotations

import dagster as dg
import pytest
from assets_shown import SPECS, upstream

from assets import automation, checks
from assets.definitions import defs
from contracts_io.feeds.columns import FEEDS
from contracts_io.formats.exports import EXPORTS
from contracts_io.frames import TABLES

DAY, MONTH, WHOLE = "day", "month", "whole"
LANDING = [f"landing_{feed}" for feed in FEEDS]
ASSETS: dict[str, tuple[str, str]] = {
    # asset: group, partition; what it is made from is asked of the steps themselves, in test_lineage
    **dict.fromkeys(LANDING, ("landing", DAY)),
    "landing_fx_rates": ("landing", WHOLE),
    "contracts": ("contracts", WHOLE),
    **dict.fromkeys(FEEDS, ("intake", DAY)),
    **{f"{feed}_repeated": ("intake", DAY) for feed in FEEDS},
    "conversion_states": ("intake", DAY),
    "household_conversions": ("intake", DAY),
    "delivered_files": ("intake", DAY),
    "feed_counts": ("intake", DAY),
    "quarantine": ("intake", DAY),
    "fx_rates": ("intake", DAY),
    "delivery_counts": ("delivery", DAY),
    "touches": ("delivery", DAY),
    "attributions": ("attribution", DAY),
    "attribution_candidates": ("attribution", DAY),
    "attribution_credits": ("attribution", DAY),
    "judged_impressions": ("rating", DAY),
    "impression_claims": ("rating", DAY),
    "impression_outcomes": ("rating", MONTH),
    "accruals": ("rating", MONTH),
    "action_units": ("rating", MONTH),
    "flights": ("rating", MONTH),
    "missing_rates": ("rating", MONTH),
    "draft_invoices": ("documents", MONTH),
    "draft_invoice_lines": ("documents", MONTH),
    "draft_payouts": ("documents", MONTH),
    "draft_payout_lines": ("documents", MONTH),
    "invoices": ("issued", MONTH),
    "invoice_lines": ("issued", MONTH),
    "payouts": ("issued", MONTH),
    "payout_lines": ("issued", MONTH),
    "journal": ("issued", MONTH),
    "notes": ("issued", MONTH),
}
FOR_PEOPLE = {
    *(f"{feed}_repeated" for feed in FEEDS),
    "delivered_files",
    "quarantine",
    "impression_claims",
    "impression_outcomes",
    "journal",
    "notes",
}
"""What nothing else is made from."""
INTAKE = {name for name, (group, _) in ASSETS.items() if group == "intake"}
DELIVERY = {"delivery_counts", "touches"}
JUDGED = {"attributions", "attribution_candidates", "attribution_credits", "judged_impressions", "impression_claims"}
RATED = {name for name, (group, of) in ASSETS.items() if group in ("rating", "documents") and of == MONTH}
ISSUED = {name for name, (group, _) in ASSETS.items() if group == "issued" and name != "notes"}
JOBS = {
    "take_in": (DAY, INTAKE | DELIVERY),
    "count_day": (DAY, DELIVERY),
    "attribute_day": (DAY, JUDGED),
    "nightly": (DAY, INTAKE | DELIVERY | JUDGED),
    "rate_month": (MONTH, RATED),
    "close_month": (MONTH, RATED | ISSUED),
    "adjust_month": (MONTH, {"notes"}),
}
RULES = [found for found in vars(checks).values() if isinstance(found, checks.Rule)]


def _partition(partitions: dg.PartitionsDefinition[str] | None) -> str:
    if isinstance(partitions, dg.DailyPartitionsDefinition):
        return DAY
    return MONTH if isinstance(partitions, dg.MonthlyPartitionsDefinition) else WHOLE


def test_the_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_each_asset_stands_in_its_group_with_its_partitions() -> None:
    shown = {name: (spec.group_name, _partition(spec.partitions_def)) for name, spec in SPECS.items()}
    assert shown == ASSETS


def test_every_table_of_the_warehouse_is_an_asset() -> None:
    assert TABLES.keys() - SPECS.keys() == set()


def test_only_what_people_look_at_feeds_nothing() -> None:
    fed = {dep.asset_key.to_user_string() for spec in SPECS.values() for dep in spec.deps}
    assert SPECS.keys() - fed == FOR_PEOPLE


@pytest.mark.parametrize(("table", "source"), [("flights", "flights"), ("accruals", "flights"), ("payouts", "payouts")])
def test_a_month_goes_on_from_the_one_before_it(table: str, source: str) -> None:
    mapping = next(d.partition_mapping for d in SPECS[table].deps if d.asset_key.to_user_string() == source)
    assert isinstance(mapping, dg.TimeWindowPartitionMapping)
    assert (mapping.start_offset, mapping.end_offset) == (-1, -1)


def test_each_job_makes_its_assets_for_its_partition() -> None:
    jobs = {job.name: job for job in defs.get_repository_def().get_all_jobs() if not job.name.startswith("__")}
    shown = {
        name: (
            _partition(job.partitions_def),
            {key.to_user_string() for key in job.asset_layer.executable_asset_keys},
        )
        for name, job in jobs.items()
    }
    assert shown == JOBS


def test_nights_and_mornings_are_scheduled_and_failures_are_told() -> None:
    repository = defs.get_repository_def()
    assert {s.name: (s.cron_schedule, s.execution_timezone, s.job_name) for s in repository.schedule_defs} == {
        "every_night": ("0 3 * * *", "UTC", "nightly"),
        "every_morning": ("0 5 * * *", "UTC", "rate_month"),
    }
    assert [(s.name, s.default_status) for s in repository.sensor_defs] == [
        ("tell_of_failure", dg.DefaultSensorStatus.RUNNING)
    ]
    assert all(automated.description for automated in (*repository.schedule_defs, *repository.sensor_defs, *automation.JOBS))


@pytest.mark.parametrize("name", sorted(ASSETS))
def test_each_asset_says_what_it_is_whose_it_is_and_what_its_columns_mean(name: str) -> None:
    spec = SPECS[name]
    assert spec.description
    assert spec.owners == ["team:billing"]
    assert spec.kinds
    assert spec.metadata["dagster/column_schema"].columns


@pytest.mark.parametrize("name", sorted(ASSETS.keys() & TABLES.keys()))
def test_the_columns_shown_of_a_table_are_its_columns_with_their_meaning(name: str) -> None:
    shown = SPECS[name].metadata["dagster/column_schema"].columns
    assert [column.name for column in shown] == TABLES[name].columns
    assert all(column.description for column in shown)


@pytest.mark.parametrize("name", sorted(ISSUED))
def test_the_columns_shown_of_issued_documents_are_those_of_the_export(name: str) -> None:
    assert [column.name for column in SPECS[name].metadata["dagster/column_schema"].columns] == list(EXPORTS[name])


@pytest.mark.parametrize("feed", FEEDS)
def test_the_columns_shown_of_a_landing_feed_are_its_canonical_ones(feed: str) -> None:
    shown = SPECS[f"landing_{feed}"].metadata["dagster/column_schema"].columns
    assert [(column.name, column.constraints.nullable) for column in shown] == [
        (column.name, not column.required) for column in FEEDS[feed].columns
    ]


def test_each_check_is_shown_on_its_asset_and_blocks_where_money_would_be_wrong() -> None:
    shown = {
        (spec.asset_key.to_user_string(), spec.name): (spec.blocking, spec.description)
        for definition in defs.assets or ()
        if isinstance(definition, dg.AssetsDefinition)
        for spec in definition.check_specs
    }
    assert shown == {(rule.asset, rule.name): (rule.blocking, rule.description) for rule in RULES}


@pytest.mark.parametrize("source", [*LANDING, "landing_fx_rates", "contracts"])
def test_from_the_invoices_upstream_one_reaches_everything_that_they_rest_on(source: str) -> None:
    assert source in upstream(["invoices"])
