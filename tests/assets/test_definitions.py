"""What the orchestrator is shown: assets and what they rest on, jobs, schedules, and how each is described."""

from __future__ import annotations

import dagster as dg
import pytest

from assets import checks
from assets.definitions import defs
from contracts_io.feeds.columns import FEEDS
from contracts_io.formats.exports import EXPORTS
from contracts_io.frames import TABLES

DAY, MONTH, WHOLE = "day", "month", "whole"
LANDING = [f"landing_{feed}" for feed in FEEDS]
ASSETS: dict[str, tuple[str, str, list[str]]] = {
    # asset: group, partition, what it is made from
    **{name: ("landing", DAY, []) for name in LANDING},
    "landing_fx_rates": ("landing", WHOLE, []),
    "contracts": ("contracts", WHOLE, []),
    "impressions": ("intake", DAY, ["landing_impressions"]),
    "clicks": ("intake", DAY, ["landing_clicks"]),
    "conversions": ("intake", DAY, ["landing_conversions"]),
    "conversion_adjustments": ("intake", DAY, ["landing_conversion_adjustments"]),
    "conversion_states": ("intake", DAY, ["landing_conversion_adjustments", "landing_conversions"]),
    "household_conversions": ("intake", DAY, ["landing_conversion_adjustments", "landing_conversions"]),
    "delivered_files": ("intake", DAY, sorted(LANDING)),
    "feed_counts": ("intake", DAY, sorted(LANDING)),
    "quarantine": ("intake", DAY, sorted(LANDING)),
    "fx_rates": ("intake", DAY, ["landing_fx_rates"]),
    "delivery_counts": ("delivery", DAY, ["impressions"]),
    "touches": ("delivery", DAY, ["clicks", "impressions"]),
    "attributions": (
        "attribution",
        DAY,
        ["contracts", "conversion_states", "conversions", "fx_rates", "household_conversions", "touches"],
    ),
    "attribution_candidates": ("attribution", DAY, ["contracts", "conversions", "touches"]),
    "attribution_credits": ("attribution", DAY, ["contracts", "conversions", "touches"]),
    "judged_impressions": ("rating", DAY, ["contracts", "delivery_counts"]),
    "impression_claims": ("rating", DAY, ["contracts"]),
    "impression_outcomes": ("rating", MONTH, ["judged_impressions"]),
    "accruals": (
        "rating",
        MONTH,
        ["attribution_credits", "attributions", "contracts", "fx_rates", "judged_impressions"],
    ),
    "action_units": ("rating", MONTH, ["attribution_credits", "attributions", "contracts", "fx_rates"]),
    "flights": ("rating", MONTH, ["contracts", "fx_rates", "judged_impressions"]),
    "missing_rates": ("rating", MONTH, ["attributions", "contracts", "fx_rates", "judged_impressions"]),
    "draft_invoices": ("documents", MONTH, ["accruals", "contracts"]),
    "draft_invoice_lines": ("documents", MONTH, ["accruals", "contracts"]),
    "draft_payouts": ("documents", MONTH, ["accruals", "contracts"]),
    "draft_payout_lines": ("documents", MONTH, ["accruals", "contracts"]),
    "invoices": ("issued", MONTH, ["draft_invoices"]),
    "invoice_lines": ("issued", MONTH, ["draft_invoice_lines"]),
    "payouts": ("issued", MONTH, ["draft_payouts"]),
    "payout_lines": ("issued", MONTH, ["draft_payout_lines"]),
    "journal": ("issued", MONTH, ["draft_invoices", "draft_payouts"]),
    "notes": ("issued", MONTH, ["draft_invoice_lines", "draft_invoices", "invoice_lines", "invoices"]),
}
INTAKE = {name for name, (group, _, _) in ASSETS.items() if group == "intake"}
DELIVERY = {"delivery_counts", "touches"}
JUDGED = {"attributions", "attribution_candidates", "attribution_credits", "judged_impressions", "impression_claims"}
RATED = {name for name, (group, of, _) in ASSETS.items() if group in ("rating", "documents") and of == MONTH}
ISSUED = {name for name, (group, _, _) in ASSETS.items() if group == "issued" and name != "notes"}
JOBS = {
    "take_in": (DAY, INTAKE | DELIVERY),
    "count_day": (DAY, DELIVERY),
    "attribute_day": (DAY, JUDGED),
    "nightly": (DAY, INTAKE | DELIVERY | JUDGED),
    "rate_month": (MONTH, RATED),
    "close_month": (MONTH, RATED | ISSUED),
    "adjust_month": (MONTH, {"notes"}),
}
SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
RULES = [found for found in vars(checks).values() if isinstance(found, checks.Rule)]


def _partition(partitions: dg.PartitionsDefinition[str] | None) -> str:
    if isinstance(partitions, dg.DailyPartitionsDefinition):
        return DAY
    return MONTH if isinstance(partitions, dg.MonthlyPartitionsDefinition) else WHOLE


def test_the_definitions_load() -> None:
    dg.Definitions.validate_loadable(defs)


def test_each_asset_stands_in_its_group_with_its_partitions_and_what_it_is_made_from() -> None:
    shown = {
        name: (spec.group_name, _partition(spec.partitions_def), sorted(dep.asset_key.to_user_string() for dep in spec.deps))
        for name, spec in SPECS.items()
    }
    assert shown == ASSETS


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
    reached, ahead = set(), {"invoices"}
    while ahead:
        reached |= ahead
        ahead = {dep.asset_key.to_user_string() for name in ahead for dep in SPECS[name].deps} - reached
    assert source in reached
