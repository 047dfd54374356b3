"""Rows of warehouse tables and contracts in force to start from, each written by what a test is about."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import polars as pl

from contracts_io.contract import InForce, parse_document
from contracts_io.frames import TABLES
from contracts_io.ids import packed
from contracts_io.terms import TermFrames, terms_in_force
from pipelines.attribution import Attributed, ConversionDay, attribute, candidate_touches, judge
from pipelines.conversions import conversion_states, household_conversions

DAY = date(2026, 10, 5)
NOON = datetime.fromisoformat("2026-10-05T12:00:00+00:00")
MICROSECOND = timedelta(microseconds=1)

_SERVED = {
    "file": "part-0.csv",
    "row": 1,
    "event_time": NOON,
    "household_id": "h1",
    "line_item_id": "li-1",
    "partner_id": "pub-1",
}
_USUAL: dict[str, dict[str, Any]] = {
    "impressions": _SERVED | {"impression_id": "i1", "viewable": False, "completed": False},
    "clicks": _SERVED | {"click_id": "k1"},
    "conversions": {
        "file": "part-0.csv",
        "row": 1,
        "conversion_id": "c1",
        "event_time": NOON,
        "household_id": "h1",
        "advertiser_id": "acme",
        "event": "purchase",
        "new_customer": False,
    },
    "conversion_adjustments": {
        "file": "part-0.csv",
        "row": 1,
        "adjustment_id": "a1",
        "conversion_id": "c1",
        "adjusted_at": NOON,
        "action": "reverse",
    },
    "touches": {
        "household_id": "h1",
        "touch_kind": "view",
        "touch_id": "t1",
        "touch_time": NOON,
        "line_item_id": "li-1",
        "partner_id": "pub-1",
        "viewable": False,
        "completed": False,
    },
    "delivery_counts": {
        "line_item_id": "li-1",
        "partner_id": "pub-1",
        "quarter_hour": NOON,
        "viewable": False,
        "completed": False,
        "valid": True,
        "impressions": 1,
    },
    "attributions": {
        "conversion_id": "c1",
        "delivery_day": DAY,
        "event_time": NOON,
        "advertiser_id": "acme",
        "event": "purchase",
        "contract_id": "acme-1",
        "version": 1,
        "status": "attributed",
        "billing_date": DAY,
        "model": "last_touch",
        "currency": "USD",
    },
    "attribution_candidates": {
        "conversion_id": "c1",
        "delivery_day": DAY,
        "in_grace": False,
        "touch_id": "t1",
        "touch_kind": "view",
        "partner_id": "pub-1",
        "line_item_id": "li-1",
        "term_id": "sale",
        "touch_time": NOON,
    },
    "attribution_credits": {
        "conversion_id": "c1",
        "delivery_day": DAY,
        "touch_id": "t1",
        "touch_kind": "view",
        "partner_id": "pub-1",
        "line_item_id": "li-1",
        "term_id": "sale",
        "touch_time": NOON,
        "credit": 1_000_000,
    },
    "accruals": {
        "side": "advertiser",
        "billing_date": DAY,
        "contract_id": "acme-1",
        "version": 1,
        "term_id": "brand",
        "kind": "media",
        "line_item_id": "li-1",
        "partner_id": "pub-1",
        "units": 1,
        "rate": Decimal("10"),
        "rate_kind": "per_mille",
    },
}


def at(text: str) -> datetime:
    """An instant, ``2026-10-05T12:00Z``."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def rows_of(table: str, rows: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """A warehouse table of rows that say what differs from the usual one; checked as at a write."""
    usual = dict.fromkeys(TABLES[table].columns) | _USUAL[table]
    given = [usual | row for row in rows]
    assert all(row.keys() == usual.keys() for row in given)
    columns = [
        pl.Series(name, [_exact(row[name], dtype) for row in given], pl.String if isinstance(dtype, pl.Decimal) else dtype)
        for name, dtype in TABLES[table].polars_schema.items()
    ]
    frame = pl.DataFrame(columns).cast(TABLES[table].polars_schema)
    TABLES[table].check(as_kept(table, frame), has_rows=bool(given))
    return frame


def as_kept(table: str, frame: pl.DataFrame) -> pl.LazyFrame:
    """A table as its files have it, ids in their parts."""
    return packed(frame.lazy(), TABLES[table].packed)


def _exact(value: Any, dtype: pl.DataType) -> Any:
    return str(value) if isinstance(dtype, pl.Decimal) and value is not None else value


def counts(*rows: dict[str, Any]) -> pl.LazyFrame:
    """Table ``delivery_counts`` with ``delivery_day``, by default DAY."""
    days = pl.Series("delivery_day", [row.get("delivery_day", DAY) for row in rows], pl.Date)
    plain = [{name: value for name, value in row.items() if name != "delivery_day"} for row in rows]
    return rows_of("delivery_counts", plain).insert_column(0, days).lazy()


def fx_rates(*rows: tuple[date, str, str, str]) -> pl.DataFrame:
    """Table ``fx_rates`` of (date, base, quote, rate)."""
    schema = TABLES["fx_rates"].polars_schema
    texts = pl.DataFrame(list(rows), schema=dict.fromkeys(schema, pl.String) | {"date": pl.Date}, orient="row")
    return texts.cast(schema)


def term(term_id: str, pricing: dict[str, Any], *line_items: str, **more: Any) -> dict[str, Any]:
    """A term of a contract document."""
    return {"term_id": term_id, "pricing": pricing} | ({"line_items": list(line_items)} if line_items else {}) | more


def cpm(rate: str = "10", **more: Any) -> dict[str, Any]:
    """Pricing by the mille."""
    return {"model": "cpm", "rate": rate} | more


def flat(amount: str = "12.00", event: str = "purchase") -> dict[str, Any]:
    """Pricing by the action, a fixed amount each."""
    return {"model": "cpa", "event": event, "fee": {"type": "flat", "amount": amount}}


def percent(rate: str = "0.08", event: str = "purchase", **limits: str) -> dict[str, Any]:
    """Pricing by the action, a share of its value."""
    return {"model": "cpa", "event": event, "fee": {"type": "percent", "rate": rate} | limits}


def agreed(
    contract_id: str,
    side: str,
    party: str,
    terms: list[dict[str, Any]],
    *,
    version: int = 1,
    first: date = date(2026, 8, 1),
    last: date | None = None,
    **more: Any,
) -> InForce:
    """A version of a contract in force from ``first`` to ``last``, in UTC and USD where not said."""
    document = {
        "contract_id": contract_id,
        "side": side,
        "party": {"id": party, "name": f"{party.title()}, Inc.", "country": "US"},
        "currency": "USD",
        "timezone": "UTC",
        "starts_on": str(min(first, date(2026, 8, 1))),
        "terms": terms,
    }
    return InForce(parse_document(json.dumps(document | more), name=contract_id), version, first, last)


def advertiser(*terms: dict[str, Any], contract_id: str = "acme-1", party: str = "acme", **more: Any) -> InForce:
    """A contract with an advertiser; where nothing is said one cpa term, 12.00 for a purchase won on li-1."""
    attribution = {"model": "last_touch", "lookback": {"view": "30d", "click": "7d"}}
    given = {"attribution": attribution} | more
    return agreed(contract_id, "advertiser", party, list(terms) or [term("sale", flat(), "li-1")], **given)


def partner(*terms: dict[str, Any], contract_id: str = "pub-1-2026", party: str = "pub-1", **more: Any) -> InForce:
    """A contract with a partner; where nothing is said one cpm term without filters, at 4.00."""
    return agreed(contract_id, "partner", party, list(terms) or [term("all", cpm("4"))], **more)


class Given(NamedTuple):
    """What attribution of delivery day DAY is given."""

    day: ConversionDay
    touches: pl.LazyFrame


def given_day(
    conversions: Iterable[dict[str, Any]],
    *contracts: InForce,
    touches: Iterable[dict[str, Any]] = (),
    adjustments: Iterable[dict[str, Any]] = (),
    rates: pl.DataFrame | None = None,
    elsewhere: Iterable[dict[str, Any]] = (),
) -> Given:
    """The tables of conversions that were delivered on DAY; those ``elsewhere`` were on other days."""
    rows = rows_of("conversions", conversions).lazy()
    peers = pl.concat([rows, rows_of("conversions", elsewhere).lazy()])
    adjusted = rows_of("conversion_adjustments", adjustments).lazy()
    households = household_conversions(rows, peers, adjusted).collect()
    TABLES["household_conversions"].check(households.lazy(), has_rows=households.height > 0)
    states = conversion_states(rows, peers, adjusted)
    known_rates = fx_rates() if rates is None else rates
    of_day = [table.select(pl.lit(DAY).alias("delivery_day"), pl.all()) for table in (rows, states, households.lazy())]
    day = ConversionDay(*of_day, frames(*contracts), known_rates)
    return Given(day, as_kept("touches", rows_of("touches", touches)))


def attributed_in_parts(day: ConversionDay, *touches: pl.LazyFrame) -> Attributed:
    """What attribution makes of DAY, its candidates looked up in one table of touches after the other."""
    conversions = judge(day)
    found = [candidate_touches(conversions, part, day.terms, in_grace=False) for part in touches]
    for part in found:
        TABLES["attribution_candidates"].check(packed(part.lazy(), ["touch_id"]), has_rows=part.height > 0)
    return attribute(conversions, pl.concat(found))


def judged(conversions: Iterable[dict[str, Any]], *contracts: InForce, **more: Any) -> Attributed:
    """What attribution makes of conversions that were delivered on DAY; ``more`` as of ``given_day``."""
    return attributed_in_parts(*given_day(conversions, *contracts, **more))


def frames(*contracts: InForce) -> TermFrames:
    """The contracts as frames."""
    return terms_in_force(contracts)
