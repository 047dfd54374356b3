"""The chart of accounts, and for whom we are agent, as adledger.toml says it."""

from __future__ import annotations

import pytest

from contracts_io.accounts import Accounts, JournalSettings, is_account
from contracts_io.errors import SettingsError
from contracts_io.settings import parse_settings


def test_without_a_chart_the_accounts_are_the_defaults_and_we_are_principal() -> None:
    settings = parse_settings("")
    assert settings.accounts == Accounts()
    assert settings.accounts.chart == (
        "Assets:Receivable",
        "Assets:Unbilled",
        "Expenses:PartnerCost",
        "Income:Revenue",
        "Liabilities:AccruedPayable",
        "Liabilities:PartnerClearing",
        "Liabilities:PartnerPayable",
        "Liabilities:Tax",
        "Liabilities:Withholding",
    )
    assert not settings.journal.is_agent("acme-1")


def test_an_account_that_is_named_replaces_its_default_and_two_kinds_may_share_one() -> None:
    settings = parse_settings('[accounts]\nreceivable = "Assets:1200"\nunbilled = "Assets:1200"')
    assert settings.accounts == Accounts(receivable="Assets:1200", unbilled="Assets:1200")
    assert len(settings.accounts.chart) == 8


@pytest.mark.parametrize("name", ["Assets:Receivable", "Income:8400", "Expenses:US:Partner-Cost", "Equity:A"])
def test_a_name_that_beancount_takes_is_an_account(name: str) -> None:
    assert is_account(name)


@pytest.mark.parametrize(
    "name",
    ["", "Assets", "Assets:", "assets:Receivable", "Revenue:Ads", "Assets:receivable", "Assets:Due To", "Assets::A", "Assets:Ä",
     "Assets:A\n", "Assets:A_B", "Assets:-A", "Assets:" + "A" * 300],
)  # fmt: skip
def test_any_other_name_is_not(name: str) -> None:
    assert not is_account(name)


def test_agent_is_said_by_contract_with_a_reason() -> None:
    journal = parse_settings('[journal.agent]\n"acme.ctv" = "the partner sets the price"').journal
    assert journal == JournalSettings(agent={"acme.ctv": "the partner sets the price"})
    assert journal.is_agent("acme.ctv")
    assert not journal.is_agent("acme-2")


def test_who_is_agent_by_default_names_the_contracts_in_which_it_is_principal() -> None:
    journal = parse_settings(
        '[journal]\ndefault = "agent"\nreason = "a network"\n[journal.principal]\nacme-1 = "we buy ahead"'
    ).journal
    assert journal.is_agent("acme-2")
    assert not journal.is_agent("acme-1")


def test_contracts_that_do_not_exist_are_found() -> None:
    journal = JournalSettings(agent={"acme-1": "r", "amce-2": "r"}, principal={"pub-1": "r"})
    assert journal.unknown({"acme-1", "acme-2"}) == ["amce-2", "pub-1"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            '[accounts]\nrecievable = "Assets:A"',
            "accounts.recievable: there is no such account; the closest is 'receivable'",
        ),
        ('[accounts]\ntax = "Tax"', "accounts.tax: 'Tax' is not an account: expected a name such as 'Assets:Receivable'"),
        ("[accounts]\ntax = 1776", "accounts.tax: expected a text in quotes that is not empty, not 1776"),
        ("accounts = 1", "accounts: expected a table"),
        ('[journal]\ndefault = "broker"', "journal.default: 'broker' is not one of principal, agent"),
        ('[journal]\ndefault = "agent"', "journal.reason: expected the reason why we are agent by default"),
        ('[journal]\nagents = "a"', "journal.agents: there is no such setting; the closest is 'agent'"),
        ('[journal.agent]\nacme-1 = ""', "journal.agent.acme-1: expected a text in quotes that is not empty"),
        ('[journal.agent]\nacme.ctv = "r"', "journal.agent.acme: expected the reason in quotes; a contract id with a dot"),
        (
            '[journal.agent]\nacme-1 = "r"\n[journal.principal]\nacme-1 = "r"',
            "journal.agent.acme-1: stands under [journal.principal], too",
        ),
    ],
)
def test_what_cannot_be_followed_is_refused_by_its_name(text: str, problem: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_settings(text)
    assert problem in str(refused.value)
