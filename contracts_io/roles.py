"""The section ``[roles]`` of the settings: who may do what, where two persons are needed, and what is refused in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from contracts_io.contract_fields import AMOUNT, as_micros
from contracts_io.errors import RoleError
from contracts_io.journal_settings import Check
from contracts_io.lifecycle import NO_LIMITS, ApprovalLimits

_ROLES = ("submit", "approve", "close")
_TWO_APPROVALS = "two_approvals_above"
_CLOSE_APPROVAL = "close_approval"


@dataclass(frozen=True)
class Roles:
    """Who may do what; None: anyone. ``two_approvals_above``: where one person's approval of a contract is not enough.

    ``close_approval``: a close, or the notes of an adjustment, is prepared by one person and approved by another.
    """

    submit: tuple[str, ...] | None = None
    approve: tuple[str, ...] | None = None
    close: tuple[str, ...] | None = None
    two_approvals_above: ApprovalLimits = NO_LIMITS
    close_approval: bool = False

    def require(self, role: str, user: str | None) -> None:
        """RoleError where a list for ``role`` (submit, approve or close) is set and ``user`` is not on it."""
        allowed: tuple[str, ...] | None = getattr(self, role)
        if allowed is None or user in allowed:
            return
        raise RoleError(
            f"{user} may not {role}" if user else f"say who wants to {role}",
            where="[roles] in adledger.toml",
            remedy=f"those who may are {', '.join(allowed) or 'nobody'}: ask one of them, or have the settings changed",
        )


class _RolesCheck(Check, Protocol):
    def texts(self, table: Mapping[str, Any], key: str, at: str) -> tuple[str, ...] | None:
        """The list of texts under ``key``, None where there is none."""


def read_roles(check: _RolesCheck, table: Mapping[str, Any]) -> Roles:
    """The section ``[roles]``: anyone may do what it does not name."""
    check.keys(table, (*_ROLES, _TWO_APPROVALS, _CLOSE_APPROVAL), "roles.", "role")
    submit, approve, close = (check.texts(table, role, "roles.") for role in _ROLES)
    needed = table.get(_CLOSE_APPROVAL, False)
    if not isinstance(needed, bool):
        check.problems.append(f"roles.{_CLOSE_APPROVAL}: expected true or false, not {needed!r}")
    limits = _limits(check, check.table(table, _TWO_APPROVALS, "roles."))
    return Roles(submit, approve, close, limits, close_approval=needed is True)


def _limits(check: Check, table: Mapping[str, Any]) -> ApprovalLimits:
    at = f"roles.{_TWO_APPROVALS}."
    check.keys(table, ApprovalLimits._fields, at, "amount")
    return ApprovalLimits(**{name: _amount(check, table, name, at) for name in ApprovalLimits._fields})


def _amount(check: Check, table: Mapping[str, Any], key: str, at: str) -> int | None:
    value = table.get(key)
    if value is None:
        return None
    micros = as_micros(value)
    if micros is None:
        check.problems.append(f'{at}{key}: expected {AMOUNT}, such as "10000.00", not {value!r}')
    return micros
