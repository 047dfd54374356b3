"""The sections ``[accounts]`` and ``[journal]`` of the settings: how they are read, and what is refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Protocol

from contracts_io.accounts import ACCOUNT_KINDS, AGENT, PRINCIPAL, Accounts, JournalSettings, is_account


class Check(Protocol):
    """What reads a settings document and notes its ``problems``: of a section, the keys, tables and texts in it."""

    problems: list[str]

    def keys(self, table: Mapping[str, Any], known: Sequence[str], at: str, noun: str = "setting") -> None:
        """Note the keys that are not known."""

    def table(self, table: Mapping[str, Any], key: str, at: str) -> Mapping[str, Any]:
        """The table under ``key``, empty where there is none."""

    def text(self, table: Mapping[str, Any], key: str, at: str) -> str | None:
        """The text under ``key``, None where there is none."""


def read_accounts(check: Check, table: Mapping[str, Any]) -> Accounts:
    """The section ``[accounts]``: defaults for what it does not name."""
    check.keys(table, ACCOUNT_KINDS, "accounts.", "account")
    given = {kind: check.text(table, kind, "accounts.") for kind in ACCOUNT_KINDS}
    named = {kind: name for kind, name in given.items() if name is not None}
    check.problems += [
        f"accounts.{kind}: {name!r} is not an account: expected a name such as 'Assets:Receivable', under Assets, "
        f"Liabilities, Equity, Income or Expenses, each part with a capital letter or a digit first"
        for kind, name in named.items()
        if not is_account(name)
    ]
    return Accounts(**named)


def read_journal(check: Check, table: Mapping[str, Any]) -> JournalSettings:
    """The section ``[journal]``: principal or agent by default, and the exceptions with their reasons."""
    check.keys(table, ("default", "reason", AGENT, PRINCIPAL), "journal.")
    default = check.text(table, "default", "journal.") or PRINCIPAL
    reason = check.text(table, "reason", "journal.")
    agent = _reasons(check, check.table(table, AGENT, "journal."), f"journal.{AGENT}.")
    principal = _reasons(check, check.table(table, PRINCIPAL, "journal."), f"journal.{PRINCIPAL}.")
    if default not in (PRINCIPAL, AGENT):
        check.problems.append(f"journal.default: {default!r} is not one of {PRINCIPAL}, {AGENT}")
    if default == AGENT and reason is None:
        check.problems.append("journal.reason: expected the reason why we are agent by default, in quotes")
    check.problems += [
        f"journal.{AGENT}.{contract_id}: stands under [journal.{PRINCIPAL}], too: expected one of the two"
        for contract_id in agent
        if contract_id in principal
    ]
    return JournalSettings(default, reason, agent, principal)


def _reasons(check: Check, table: Mapping[str, Any], at: str) -> Mapping[str, str]:
    found = {}
    for key, value in table.items():
        if isinstance(value, dict):
            check.problems.append(
                f"{at}{key}: expected the reason in quotes; a contract id with a dot stands in quotes, too"
            )
        elif reason := check.text(table, key, at):
            found[key] = reason
    return MappingProxyType(found)
