"""The contracts as known at an instant: what a run goes by, and how a partition says which of it it was made from.

Made once per look at a home. Without an instant everything that is approved is known; with one, only what was approved by
then, so that a run of tonight can be made again a year later. What does not belong here: which version is in force
(``contracts_io.lifecycle``).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import NamedTuple

import polars as pl

from contracts_io.calendar import ONE_DAY
from contracts_io.contract import InForce, content_hash
from contracts_io.lifecycle import ApprovedVersion, stretches_of
from contracts_io.terms import OPEN_END, AttributionTerms, TermFrames, terms_in_force
from contracts_io.warehouse import fingerprint
from pipelines.claims import claims_between, impression_claims

NOTHING_KNOWN = datetime(1970, 1, 1, tzinfo=UTC)


class Claims(NamedTuple):
    """Table ``impression_claims`` of some local days, and its fingerprint."""

    rows: pl.DataFrame
    fingerprint: str


_LATEST: list[KnownContracts] = []


def known_contracts(approved: Mapping[str, Sequence[ApprovedVersion]]) -> KnownContracts:
    """What is known where these versions are approved: while they stay the same, the same, with all that was made of them."""
    if not _LATEST or _LATEST[0].approved != approved:
        _LATEST[:] = [KnownContracts(approved)]
    return _LATEST[0]


class KnownContracts:
    """Each contract's approved versions that are known, by contract id."""

    def __init__(self, approved: Mapping[str, Sequence[ApprovedVersion]]) -> None:
        self.approved = approved
        self._claims: dict[tuple[int, int], Claims] = {}

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

    def claims(self, first: date, last: date) -> Claims:
        """What terms claim of impressions from one local day to another."""
        turns = self._turns
        between = bisect_right(turns, first), bisect_right(turns, last)  # the same turns between: the same rows
        if between not in self._claims:
            rows = claims_between(self._all_claims, first, last)
            self._claims[between] = Claims(rows, fingerprint(*rows.iter_rows()))
        return self._claims[between]

    @cached_property
    def _all_claims(self) -> pl.DataFrame:
        return impression_claims(self.terms)

    @cached_property
    def _turns(self) -> list[date]:
        """The days on which terms begin to claim, or claim no more, ascending."""
        ends = self._all_claims["last_on"].unique()
        return sorted({*self._all_claims["first_on"].unique(), *(on + ONE_DAY for on in ends if on != OPEN_END)})

    @cached_property
    def _stretches(self) -> list[InForce]:
        return stretches_of(self.approved)

    @cached_property
    def _content_hashes(self) -> list[str]:
        return [content_hash(s.contract) for s in self._stretches]
