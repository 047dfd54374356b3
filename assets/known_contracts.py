"""The contracts as known at an instant: what a run goes by, and how a partition says which of it it was made from.

Made once per look at a home. Without an instant everything that is approved is known; with one, only what was approved by
then, so that a run of tonight can be made again a year later. What does not belong here: which version is in force
(``contracts_io.lifecycle``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property

from contracts_io.contract import InForce, content_hash
from contracts_io.lifecycle import ApprovedVersion, stretches_of
from contracts_io.terms import AttributionTerms, TermFrames, terms_in_force

NOTHING_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)


class KnownContracts:
    """Each contract's approved versions that are known, by contract id."""

    def __init__(self, approved: Mapping[str, Sequence[ApprovedVersion]]) -> None:
        self.approved = approved

    @cached_property
    def known_at(self) -> datetime:
        """The instant of the latest approval that is known: with it given, everything comes out the same again.

        1970 where nothing is approved.
        """
        return self.known_for(date.max)

    def known_for(self, last: date) -> datetime:
        """The instant of the latest approval that is known of a version in effect by local day ``last``."""
        approvals = (
            version.approved_at
            for versions in self.approved.values()
            for version in versions
            if version.contract.effective_from <= last
        )
        return max(approvals, default=NOTHING_KNOWN)

    @cached_property
    def terms(self) -> TermFrames:
        """The contracts in force, as frames."""
        return terms_in_force(self._stretches)

    @cached_property
    def attribution(self) -> AttributionTerms:
        """What attribution depends on."""
        return AttributionTerms(self._stretches)

    @cached_property
    def longest_validation(self) -> timedelta:
        """The most days between a conversion and its billing date, under any contract."""
        longest = self.terms.contracts["validation_days"].max()
        return timedelta(days=int(longest) if isinstance(longest, int) else 0)

    def in_force(self, first: date, last: date) -> list[tuple[object, ...]]:
        """Contract, version, content and days, of these, of every version in force from one local day to another.

        It is a part of fingerprints: what is agreed for other days does not change it.
        """
        return [
            (s.contract.contract_id, s.version, max(s.first, first), min(s.last or last, last), digest)
            for s, digest in zip(self._stretches, self._content_hashes, strict=True)
            if s.first <= last and (s.last is None or s.last >= first)
        ]

    @cached_property
    def _stretches(self) -> list[InForce]:
        return stretches_of(self.approved)

    @cached_property
    def _content_hashes(self) -> list[str]:
        return [content_hash(s.contract) for s in self._stretches]
