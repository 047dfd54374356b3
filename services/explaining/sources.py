"""What a month was made from: the tables as they are, or as the close pinned them, and the contracts that were known then.

Nothing is brought up to date here: an explanation reads what was stored.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property

import polars as pl

from assets.causes import latest_known
from assets.known_contracts import KnownContracts
from contracts_io.calendar import Month, days_between, parse_instant
from contracts_io.home import Home
from contracts_io.terms import TermFrames
from contracts_io.warehouse import Warehouse
from pipelines.documents import headers
from pipelines.media import with_version
from services.explaining.explained import Agreed

_EARLY = timedelta(days=3)
_NOW = "the tables as they are now"


@dataclass(frozen=True)
class Source:
    """The tables and contracts of one month; ``said`` names them for people.

    ``known`` is the latest approval that counted; None: the month's drafts say it.
    """

    home: Home
    warehouse: Warehouse
    month: Month
    said: str
    known: datetime | None = None

    @property
    def is_pinned(self) -> bool:
        """Whether it is what a close pinned."""
        return self.said != _NOW

    @cached_property
    def known_at(self) -> datetime | None:
        """The latest approval that was known; None where nobody says: all that is approved is known."""
        return self.known or latest_known(self.warehouse, [str(self.month)])

    @cached_property
    def terms(self) -> TermFrames:
        """The contracts in force as they were known."""
        return KnownContracts(self.home.contracts.approved(self.known_at)).terms

    def terms_of(self, contract_id: str) -> TermFrames:
        """Those of one contract."""
        return TermFrames(*(frame.filter(pl.col("contract_id") == contract_id) for frame in self.terms))

    def head(self, contract_id: str) -> dict[str, object] | None:
        """The row of ``terms.contracts`` of the version that holds for the month's document; None where there is none."""
        rows = headers(self.terms_of(contract_id), self.month).to_dicts()
        return rows[0] if rows else None

    def of_contract(self, table: str, contract_id: str, month: Month | None = None) -> pl.DataFrame:
        """The rows of a monthly table for a contract."""
        rows = self.warehouse.read(table, [str(month or self.month)])
        return rows.filter(pl.col("contract_id") == contract_id).collect()

    def judged(self, contract_id: str) -> pl.DataFrame:
        """The billed rows of ``judged_impressions`` of a contract whose date lies in the month.

        With their ``delivery_day``, and the ``version`` in force.
        """
        late = timedelta(days=self.home.settings.horizon_days + 2)
        days = [str(day) for day in days_between(self.month.first - _EARLY, self.month.last + late)]
        rows = self.warehouse.read_days("judged_impressions", days).filter(
            pl.col("contract_id") == contract_id,
            pl.col("outcome") == "billed",
            pl.col("month_date").is_between(self.month.first, self.month.last),
        )
        return with_version(rows.collect(), self.terms)

    @cached_property
    def rates(self) -> pl.DataFrame:
        """Table ``fx_rates``."""
        return self.warehouse.read("fx_rates").collect()


def source_now(home: Home, month: Month) -> Source:
    """The live tables, as a document of the month was drafted from them."""
    return Source(home, home.warehouse, month, _NOW)


def source_of_events(home: Home, month: Month) -> Source:
    """The live tables, as events were judged: whatever was known to the latest draft of any month was known to all."""
    return Source(home, home.warehouse, month, _NOW, latest_known(home.warehouse))


def source_of(home: Home, month: Month) -> Source:
    """The tables that the month's close pinned; the live ones where it is open."""
    closed = home.books.closed_months().get(month)
    if closed is None:
        return source_now(home, month)
    return pinned(home, month, closed.snapshot, closed.known_at, "the close")


def sources_of_adjustments(home: Home, month: Month) -> list[Source]:
    """The tables that each adjustment of a month pinned, the latest last."""
    adjusted = [done for done in home.books.adjusted() if done.month == month]
    return [pinned(home, month, done.snapshot, done.known_at, f"adjustment {done.sequence}") for done in adjusted]


def pinned(home: Home, month: Month, snapshot: int, known_at: str, what: str) -> Source:
    """The tables of a snapshot, with the contracts that were known then."""
    said = f"the tables that {what} of {month} pinned (snapshot {snapshot})"
    return Source(home, home.warehouse_as_of(snapshot), month, said, parse_instant(known_at))


def agreed(home: Home, contract_id: str, version: int) -> Agreed:
    """Who submitted and who approved a version, and when; both persons, where two approved."""
    found = next(v for v in home.contracts.versions(contract_id) if v.version == version)
    by = [found.first_approval.by] if found.first_approval else []
    assert found.decided_by is not None and found.decided_at is not None  # only approved versions decide anything
    return Agreed(
        contract_id,
        version,
        found.contract.effective_from,
        found.submitted_by,
        found.submitted_at,
        " and ".join([*by, found.decided_by]),
        found.decided_at,
        found.content_hash,
    )
