"""A month's media from delivery counts, on the way that a run takes, with the tables checked as at a write."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any, NamedTuple

import polars as pl
from billing_samples import advertiser, at, counts, frames, fx_rates, term

from contracts_io.calendar import Month
from contracts_io.contract import InForce
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE
from contracts_io.terms import TermFrames
from pipelines.media import judge_delivery
from pipelines.rating import rate_media

Row = dict[str, Any]
OCTOBER = Month(2026, 10)
NO_FLIGHTS = TABLES["flights"].empty()


class Rated(NamedTuple):
    """What a month's delivery counts come to, and how many impressions were counted and judged on the way."""

    outcomes: pl.DataFrame
    accruals: pl.DataFrame
    flights: pl.DataFrame
    missing_rates: pl.DataFrame
    counted: int
    placed: dict[str, int]

    def of(self, side: str, kind: str = "media") -> pl.DataFrame:
        """The accruals of a side and kind."""
        return self.accruals.filter(side=side, kind=kind)

    def outcome_sums(self, side: str = "advertiser") -> dict[str, int]:
        """Impressions by outcome."""
        return dict(self.outcomes.filter(side=side).group_by("outcome").agg(pl.col("impressions").sum()).iter_rows())


def judged_days(of_days: pl.LazyFrame, terms: TermFrames) -> pl.DataFrame:
    """Table ``judged_impressions`` with ``delivery_day`` of ``delivery_counts`` with ``delivery_day``, judged day by day."""
    rows = of_days.collect()
    judged = [_judged_day(rows.filter(delivery_day=day), day, terms) for day in sorted(set(rows["delivery_day"]))]
    return pl.concat(judged) if judged else TABLES["judged_impressions"].empty().insert_column(0, _NO_DAYS)


def rated_media(
    of_days: pl.LazyFrame,
    terms: TermFrames,
    month: Month = OCTOBER,
    *,
    flights: pl.DataFrame = NO_FLIGHTS,
    rates: pl.DataFrame | None = None,
) -> Rated:
    """Judge each delivery day's counts, then rate the month, as a run does; costs are in USD."""
    judged = judged_days(of_days, terms)
    made = rate_media(judged.lazy(), terms, fx_rates() if rates is None else rates, flights, "USD", month)
    for table, frame in (
        ("impression_outcomes", made.outcomes),
        ("accruals", made.accruals),
        ("flights", carried(made.flights)),
        ("missing_rates", made.missing_rates),
    ):
        TABLES[table].check(frame.lazy(), has_rows=frame.height > 0)
    counted = int(of_days.select(pl.col("impressions").sum()).collect().item())
    placed = {side: int(judged.filter(side=side)["impressions"].sum()) for side in ("advertiser", "partner")}
    return Rated(*made, counted, placed)


def carried(flights: pl.DataFrame) -> pl.DataFrame:
    """Flights as rated, as the table that the next month reads."""
    return flights.with_columns(lined=pl.lit(0).cast(NANOS_TYPE))


def flown(*rows: tuple[str, str, int, str]) -> pl.DataFrame:
    """Table ``flights`` of (contract, term, impressions, charged)."""
    texts = {"contract_id": pl.String, "term_id": pl.String, "impressions": pl.Int64, "charged": pl.String}
    frame = pl.DataFrame(list(rows), schema=texts, orient="row")
    return carried(frame.with_columns(pl.col("charged").cast(NANOS_TYPE)))


def rated(rows: Iterable[Row], *contracts: InForce, month: Month = OCTOBER, **given: Any) -> Rated:
    """``rated_media`` of counts written as ``counts`` takes them; every count is placed on both sides."""
    made = rated_media(counts(*rows), frames(*contracts), month, **given)
    assert made.placed == {"advertiser": made.counted, "partner": made.counted}
    return made


def on(day: int, impressions: int, line: str = "li-1", partner_id: str = "pub-1", **more: Any) -> Row:
    """A count on a day of October 2026, served and delivered on it at noon, UTC."""
    noon = {"quarter_hour": at(f"2026-10-{day:02}T12:00Z"), "delivery_day": date(2026, 10, day)}
    return {"line_item_id": line, "partner_id": partner_id, "impressions": impressions} | noon | more


def brand(pricing: Row, *, version: int = 1, first: int = 1, last: int | None = None, **more: Any) -> InForce:
    """A version of acme-1 with the one term ``brand`` on li-1 and li-2, in force on these days of October 2026."""
    days = {"first": date(2026, 10, first), "last": date(2026, 10, last) if last else None}
    return advertiser(term("brand", pricing, "li-1", "li-2"), version=version, **days, **more)


def tiers(*steps: tuple[int | None, str], mode: str = "graduated", fee: str | None = None) -> Row:
    """Steps of (up_to, rate) as a cpm price; ``fee`` is a flat fee of each."""
    given = [
        {"rate": rate} | ({"up_to": up_to} if up_to else {}) | ({"flat_fee": fee} if fee else {}) for up_to, rate in steps
    ]
    return {"model": "cpm", "tiers": {"mode": mode, "steps": given}}


_NO_DAYS = pl.Series("delivery_day", [], pl.Date)


def _judged_day(of_day: pl.DataFrame, day: date, terms: TermFrames) -> pl.DataFrame:
    judged = judge_delivery(of_day.drop("delivery_day").lazy(), terms)
    TABLES["judged_impressions"].check(judged.lazy())
    return judged.insert_column(0, pl.Series("delivery_day", [day] * judged.height, pl.Date))
