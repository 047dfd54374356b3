"""The assets as the orchestrator shows them, and what they are declared to be made from."""

from __future__ import annotations

from collections.abc import Iterable

from assets.definitions import defs

SPECS = {spec.key.to_user_string(): spec for spec in defs.resolve_all_asset_specs()}
"""By name."""
DECLARED = {name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in SPECS.items()}
"""What each is made from."""


def upstream(tables: Iterable[str]) -> set[str]:
    """Everything that ``tables`` are made from, by what is declared."""
    reached: set[str] = set()
    ahead = set().union(*(DECLARED[table] for table in tables))
    while ahead:
        reached |= ahead
        ahead = set().union(*(DECLARED[table] for table in ahead)) - reached
    return reached
