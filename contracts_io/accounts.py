"""What the journal is told by the settings: the chart of accounts, and for which contracts we are agent.

A principal shows what an advertiser pays as revenue and what partners earn as cost (gross); an agent shows the margin
(net). This decides how an entry is split, never what a document says. What does not belong here: the entries themselves
(``pipelines.journal``).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType

PRINCIPAL = "principal"
AGENT = "agent"
_ACCOUNT = re.compile(r"(Assets|Liabilities|Equity|Income|Expenses)(:[A-Z0-9][A-Za-z0-9-]*)+")
_LONGEST = 255


@dataclass(frozen=True)
class Accounts:
    """The account that each kind of amount is posted on, by names that beancount and hledger take."""

    receivable: str = "Assets:Receivable"
    unbilled: str = "Assets:Unbilled"
    revenue: str = "Income:Revenue"
    tax: str = "Liabilities:Tax"
    partner_cost: str = "Expenses:PartnerCost"
    partner_payable: str = "Liabilities:PartnerPayable"
    partner_clearing: str = "Liabilities:PartnerClearing"
    accrued_payable: str = "Liabilities:AccruedPayable"
    withholding: str = "Liabilities:Withholding"

    @property
    def chart(self) -> tuple[str, ...]:
        """Every account once, in order of name."""
        return tuple(sorted({getattr(self, kind) for kind in ACCOUNT_KINDS}))


ACCOUNT_KINDS = tuple(f.name for f in fields(Accounts))
"""The kinds of amount that have an account."""


def is_account(name: str) -> bool:
    """Whether ``name`` can be an account: a top account of beancount, then parts that begin with a capital or a digit."""
    return len(name) <= _LONGEST and _ACCOUNT.fullmatch(name) is not None


@dataclass(frozen=True)
class JournalSettings:
    """Whether we are principal or agent: by ``default``, and for the contracts in ``agent`` and ``principal``.

    Those two give the reason for each advertiser contract by its id; ``reason`` is the one for being agent by default.
    """

    default: str = PRINCIPAL
    reason: str | None = None
    agent: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    principal: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def is_agent(self, contract_id: str) -> bool:
        """Whether we are agent for an advertiser contract."""
        return contract_id in self.agent or (self.default == AGENT and contract_id not in self.principal)

    def unknown(self, advertiser_contracts: Collection[str]) -> list[str]:
        """The contracts named here that are not among the advertiser contracts there are: misspelt, or a partner's."""
        return sorted({*self.agent, *self.principal} - set(advertiser_contracts))
