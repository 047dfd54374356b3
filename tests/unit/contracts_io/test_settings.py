"""What adledger.toml may say, and how everything else is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from contracts_io.errors import SettingsError
from contracts_io.feeds.columns import Reading
from contracts_io.lifecycle import ApprovalLimits
from contracts_io.roles import Roles
from contracts_io.settings import (
    DEFAULT_SETTINGS,
    ColumnMapping,
    Company,
    FeedSettings,
    Settings,
    load_settings,
    parse_settings,
)


def test_the_text_that_init_writes_says_the_defaults() -> None:
    assert parse_settings(DEFAULT_SETTINGS) == Settings()
    assert parse_settings("") == Settings()


def test_a_section_can_be_added_at_the_end_of_the_text_that_init_writes() -> None:
    settings = parse_settings(DEFAULT_SETTINGS + 'horizon_days = 3\n[feeds.impressions.columns]\nimpression_id = "bidid"\n')
    assert settings.horizon_days == 3
    assert settings.feeds["impressions"].columns["impression_id"].column == "bidid"


def test_every_example_in_the_text_that_init_writes_is_accepted() -> None:
    lines = [line.removeprefix("# ") for line in DEFAULT_SETTINGS.splitlines()]
    examples = [line for line in lines if " = " in line]
    sections = [line for line in lines if line.startswith("[")]
    assert len(examples) == 33
    assert sections == [
        "[company]",
        "[roles]",
        "[accounts]",
        "[journal]",
        "[journal.agent]",
        "[feeds.impressions]",
        "[feeds.impressions.columns]",
    ]
    first_event_time = next(line for line in examples if "format" in line)
    text = "\n".join(line for line in lines if (line in examples or line in sections) and line != first_event_time)
    settings = parse_settings(text)
    assert settings.company.name == "Example Media, Inc."
    assert settings.feeds["impressions"].null_values == ("null", "\\N")
    assert settings.feeds["impressions"].columns["event_time"].reading.unit == "ms"
    assert parse_settings(f"[feeds.impressions.columns]\n{first_event_time}").feeds["impressions"].columns[
        "event_time"
    ].reading == (Reading(format="%Y%m%d%H%M%S%3f", zone="Asia/Shanghai"))


def test_what_is_set_is_what_counts() -> None:
    settings = parse_settings("""
        database_url = "postgresql+psycopg://adledger@db/adledger"
        horizon_days = 60
        grace_days = 0
        cost_currency = "EUR"
        [company]
        name = "Media"
        country = "DE"
        bank = {iban = "DE89370400440532013000", bic = "COBADEFFXXX"}
        [roles]
        submit = ["ann"]
        two_approvals_above = {minimum_monthly = "10000.00"}
        close = []
        close_approval = true
        [feeds.clicks]
        enabled = false
        null_values = ["null", "-"]
        [feeds.impressions.columns]
        impression_id = "bid"
        partner_id = {constant = "streamco"}
        cost = {column = "micros", factor = "0.000001"}
        device_type = ""
        """)
    assert (settings.horizon_days, settings.grace_days, settings.cost_currency) == (60, 0, "EUR")
    assert settings.database_url == "postgresql+psycopg://adledger@db/adledger"
    assert settings.company == Company(
        name="Media", country="DE", bank={"iban": "DE89370400440532013000", "bic": "COBADEFFXXX"}
    )
    limits = ApprovalLimits(minimum_monthly=10_000_000_000, budget=None)
    assert settings.roles == Roles(submit=("ann",), approve=None, close=(), two_approvals_above=limits, close_approval=True)
    assert settings.feeds["clicks"] == FeedSettings(enabled=False, null_values=("null", "-"))
    assert settings.feeds["impressions"].columns == {
        "impression_id": ColumnMapping(column="bid"),
        "partner_id": ColumnMapping(constant="streamco"),
        "device_type": ColumnMapping(column=""),
        "cost": ColumnMapping(column="micros", reading=Reading(factor="0.000001")),
    }
    assert settings.feeds["impressions"].readings["cost"] == Reading(factor="0.000001")
    assert settings.feeds["conversions"] == FeedSettings()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("horizon_day = 3", "horizon_day: there is no such setting; the closest is 'horizon_days'"),
        ("horizon_days = 61", "horizon_days: expected a whole number from 0 to 60, not 61"),
        ("horizon_days = -1", "horizon_days: expected a whole number from 0 to 60, not -1"),
        ("horizon_days = true", "horizon_days: expected a whole number from 0 to 60, not True"),
        ('grace_days = "1"', "grace_days: expected a whole number from 0 to 30, not '1'"),
        ("grace_days = 31", "grace_days: expected a whole number from 0 to 30, not 31"),
        ('cost_currency = "XXX"', "cost_currency: 'XXX' is not a currency"),
        ("cost_currency = 1", "cost_currency: expected a text in quotes"),
        ('database_url = ""', "database_url: expected a text in quotes that is not empty"),
        ("company = 1", "company: expected a table"),
        ('[company]\ncountry = "Germany"', "company.country: 'Germany' is not a country"),
        ('[company]\nvat = "1"', "company.vat: there is no such setting"),
        ('[company.bank]\nibn = "1"', "company.bank.ibn: there is no such setting; the closest is 'iban'"),
        ('[roles]\nsubmit = "ann"', "roles.submit: expected a list of texts"),
        ('[roles]\nclose_approval = "yes"', "roles.close_approval: expected true or false, not 'yes'"),
        ('[roles]\ntwo_approvals_above = "10000"', "roles.two_approvals_above: expected a table"),
        (
            "[roles]\ntwo_approvals_above = {budget = 100000}",
            "roles.two_approvals_above.budget: expected a decimal in quotes",
        ),
        (
            '[roles]\ntwo_approvals_above = {budgte = "1"}',
            "two_approvals_above.budgte: there is no such amount; the closest is",
        ),
        ('[roles]\nclos = ["ann"]', "roles.clos: there is no such role; the closest is 'close'"),
        ("[feeds.impression]\n", "feeds.impression: there is no such feed; the closest is 'impressions'"),
        ("[feeds.clicks]\nenabled = 0", "feeds.clicks.enabled: expected true or false, not 0"),
        ("[feeds.clicks]\nnull_values = [1]", "feeds.clicks.null_values: expected a list of texts"),
        (
            '[feeds.clicks.columns]\nhousehold = "h"',
            "feeds.clicks.columns.household: there is no such column; the closest is 'household_id'",
        ),
        (
            "[feeds.clicks.columns]\nhousehold_id = 3",
            "feeds.clicks.columns.household_id: expected the name of a source column",
        ),
        ("[feeds.clicks.columns]\nhousehold_id = {}", "household_id: expected exactly one of 'column' and 'constant'"),
        (
            '[feeds.clicks.columns]\nhousehold_id = {column = "a", constant = "b"}',
            "household_id: expected exactly one of 'column' and 'constant'",
        ),
        (
            '[feeds.clicks.columns]\nhousehold_id = {column = "a", zone = "UTC"}',
            "household_id.zone: does not fit a column of kind text",
        ),
        (
            '[feeds.clicks.columns]\nevent_time = {column = "a", factor = "2"}',
            "event_time.factor: does not fit a column of kind instant",
        ),
        ('[feeds.clicks.columns]\nevent_time = {column = "a", zones = "UTC"}', "event_time.zones: there is no such setting"),
        ('[feeds.clicks.columns]\nevent_time = {column = "a", zone = "Mars"}', "event_time.zone: 'Mars' is not a time zone"),
        (
            '[feeds.clicks.columns]\nevent_time = {column = "a", unit = "h"}',
            "event_time.unit: 'h' is not one of s, ms, us, ns",
        ),
        (
            '[feeds.clicks.columns]\nevent_time = {column = "a", format = "YYYY"}',
            "event_time.format: 'YYYY' does not describe a time",
        ),
        (
            '[feeds.clicks.columns]\nevent_time = {column = "a", unit = "s", format = "%s"}',
            "expected 'format' or 'unit', not both",
        ),
        (
            '[feeds.clicks.columns]\nevent_time = {column = "a", unit = "s", zone = "UTC"}',
            "event_time.zone: does not fit 'unit'",
        ),
        (
            '[feeds.clicks.columns]\nevent_time = {column = "a", format = "%Y-%m-%d %H:%M:%S %Z"}',
            "event_time.format: %Z, the name of a zone, is not understood",
        ),
        (
            '[feeds.clicks.columns]\nevent_time = {column = "a", format = "%s", zone = "America/New_York"}',
            "event_time.zone: does not fit %s",
        ),
        ('[feeds.impressions.columns]\ncost = {column = "a", factor = "-1"}', "cost.factor: '-1' is not a factor"),
        ('[feeds.impressions.columns]\ncost = {column = "a", factor = "0"}', "cost.factor: '0' is not a factor"),
        ('[feeds.impressions.columns]\ncost = {column = "a", factor = 0.1}', "cost.factor: expected a text in quotes"),
        ('[feeds.impressions.columns]\ncost = {column = "a", factor = "1e-5"}', "cost.factor: '1e-5' is not a factor"),
    ],
)
def test_what_cannot_be_followed_is_refused_by_its_name(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(text)
    assert problem in str(refused.value)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings('horizon_days = 99\ncost_currency = "?"\n[feeds.clicks]\nenabled = "no"', where="adledger.toml")
    assert str(refused.value).startswith("adledger.toml: 3 settings cannot be followed:")
    assert all(name in str(refused.value) for name in ("horizon_days", "cost_currency", "feeds.clicks.enabled"))


def test_a_file_that_is_absent_or_no_toml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "adledger.toml"
    with pytest.raises(SettingsError, match="there is no settings file"):
        load_settings(path)
    path.write_text("horizon_days = \n")
    with pytest.raises(SettingsError, match=r"adledger\.toml: is not TOML"):
        load_settings(path)
    path.write_bytes(b"\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        load_settings(path)
    path.write_text("\ufeffgrace_days = 2\n", encoding="utf-8")
    assert load_settings(path).grace_days == 2
