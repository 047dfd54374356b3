"""Laws of counting and judging a day: a plain loop over the rows comes to the same rows in the same order, in words of any size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from billing_samples import advertiser, at, cpm, flat, frames, partner, term
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.frames import TABLES
from contracts_io.money import MICRO, NANOS_TYPE
from contracts_io.terms import TermFrames
from pipelines import packing
from pipelines.delivery import DIMENSIONS, delivery_counts
from pipelines.media import judge_delivery, with_version

Row = dict[str, Any]
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
WORDS = st.sampled_from([64, 33, 9, 4, 1])
TURN = at("2026-11-01T00:00Z")
COUNTED = TABLES["delivery_counts"].polars_schema
JUDGED = TABLES["judged_impressions"].polars_schema


@contextmanager
def words_of(bits: int) -> Iterator[None]:
    with patch.object(packing, "WORD_BITS", bits):
        yield


def ordered(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Sorted, null first."""
    return sorted(rows, key=lambda row: [(value is not None, value) for value in row])


# Counting

LATE = st.timedeltas(timedelta(hours=-80), timedelta(hours=30))
SERVED = {
    "event_time": st.builds(lambda late: TURN + late, LATE),
    "viewable": st.booleans(),
    "completed": st.booleans(),
    "invalid_reason": st.sampled_from([None, "bot", "datacenter"]),
    "cost": st.none() | st.sampled_from(["0", "0.000000001", "1000000000", "999999999.999999999"]),
}
NAMES = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=3)
FEW = {
    "line_item_id": st.sampled_from(["li-10", "li-2", "Li-2", "ü"]),
    "partner_id": st.just("pub-1"),
    "device_type": st.sampled_from([None, "ctv"]),
    "country": st.none(),
}
MANY = {"line_item_id": NAMES, "partner_id": NAMES, "device_type": st.none() | NAMES, "country": st.none() | NAMES}
SERVED_SCHEMA = {
    "id": pl.Int64(),
    "event_time": pl.Datetime("us", "UTC"),
    **{name: COUNTED[name] for name in (*FEW, "viewable", "completed")},
    "invalid_reason": pl.String(),
    "cost": pl.String(),
}


def served(rows: list[Row]) -> pl.LazyFrame:
    numbered = [{"id": number} | row for number, row in enumerate(rows)]
    return pl.DataFrame(numbered, schema=SERVED_SCHEMA).with_columns(pl.col("cost").cast(NANOS_TYPE)).lazy()


def counted(rows: list[Row], *kept: str) -> list[tuple[Any, ...]]:
    impressions: Counter[Any] = Counter()
    cost: Counter[Any] = Counter()
    for number, row in enumerate(rows):
        when: datetime = row["event_time"]
        quarter = when.replace(minute=when.minute // 15 * 15, second=0, microsecond=0)
        told = row | {"id": number, "quarter_hour": quarter, "valid": row["invalid_reason"] is None}
        key = tuple(told[name] for name in (*kept, *DIMENSIONS))
        impressions[key] += 1
        cost[key] += int(Decimal(row["cost"] or 0).scaleb(9))
    return ordered([(*key, n, Decimal(cost[key]).scaleb(-9)) for key, n in impressions.items()])


@SLOW
@given(st.lists(st.fixed_dictionaries(FEW | SERVED), max_size=60), WORDS)
def test_a_plain_loop_counts_the_same_rows_in_the_same_order(rows: list[Row], bits: int) -> None:
    with words_of(bits):
        found = delivery_counts(served(rows)).collect(engine="streaming")
        alone = delivery_counts(served(rows), ["id"]).collect()
    assert found.schema == COUNTED
    assert found.rows() == counted(rows)
    assert alone.rows() == counted(rows, "id")


@SLOW
@given(st.lists(st.fixed_dictionaries(MANY | SERVED), max_size=30), WORDS)
def test_values_of_any_letters_are_counted_in_the_order_of_their_texts(rows: list[Row], bits: int) -> None:
    with words_of(bits):
        assert delivery_counts(served(rows)).collect().rows() == counted(rows)


def test_costs_past_sixty_three_bits_of_nanos_are_summed_exactly() -> None:
    row = {"line_item_id": "li-1", "partner_id": "pub-1", "event_time": TURN, "viewable": True, "completed": True}
    rows = [row | {"device_type": None, "country": None, "invalid_reason": None, "cost": "999999999.999999999"}] * 100
    found = delivery_counts(served(rows)).collect()
    assert found["cost"].to_list() == [Decimal("99999999999.9999999")]


# Judging


def _daypart(first: int, last: int, factor: str, *days: str) -> Row:
    return {"days": list(days), "from": first, "to": last, "factor": factor}


_ALL = {
    "device_type": {"ctv": "1.2", "mobile": "0.5"},
    "country": {"US": "1.1", "CA": "2"},
    "daypart": [_daypart(18, 23, "1.5", "sat", "sun"), _daypart(0, 6, "0.5", "sun", "mon")],
}
_DEVICE = {"device_type": {"ctv": "2", "desktop": "0.5"}}
_HOURS = {"daypart": [_daypart(0, 12, "3", "sun")]}
_DCPM = {"model": "dcpm", "markup": "0.1"}
_SHARE = {"model": "revenue_share", "share": "0.4"}
_LAST, _FIRST = date(2026, 10, 31), date(2026, 11, 1)
WORLDS = {
    "nothing agreed": frames(),
    "one side": frames(advertiser(term("brand", cpm(multipliers=_DEVICE), "li-1", "li-2"), timezone="Asia/Tokyo")),
    "no multipliers": frames(
        advertiser(term("brand", cpm(billable_on="viewable"), "li-1"), term("sale", flat(), "li-2"), last=_LAST),
        advertiser(term("brand", cpm(billable_on="completed"), "li-2"), first=_FIRST, version=2),
        partner(term("all", _SHARE), timezone="America/New_York"),
    ),
    "a line goes to another advertiser": frames(
        advertiser(term("brand", cpm(), "li-1"), contract_id="zeta-1", party="zeta", last=_LAST),
        advertiser(term("brand", cpm(), "li-1"), first=_FIRST),
        partner(term("all", cpm(multipliers=_HOURS | _DEVICE)), timezone="America/New_York"),
        partner(term("all", _DCPM), contract_id="pub-2-2026", party="pub-2", timezone="America/New_York"),
    ),
    "everything": frames(
        advertiser(
            term("brand", cpm(multipliers=_ALL, billable_on="viewable"), "li-1"),
            term("cost", _DCPM, "li-3"),
            timezone="America/New_York",
            last=_LAST,
        ),
        advertiser(
            term("brand", cpm(multipliers=_DEVICE), "li-1"),
            term("sale", flat(), "li-3"),
            first=_FIRST,
            timezone="America/New_York",
            version=2,
        ),
        advertiser(
            term("brand", cpm(multipliers=_HOURS), "li-2"), contract_id="zeta-1", party="zeta", timezone="Asia/Kathmandu"
        ),
        partner(
            term("zeta", cpm(multipliers=_HOURS | _DEVICE), advertisers=["zeta"]),
            term("first", _DCPM, line_items=["li-1", "li-9"]),
            timezone="Pacific/Kiritimati",
        ),
        partner(term("all", cpm(multipliers=_ALL)), contract_id="pub-2-2026", party="pub-2", timezone="Asia/Tokyo"),
    ),
}
COUNT = st.fixed_dictionaries(
    {
        "line_item_id": st.sampled_from(["li-1", "li-1", "li-1", "li-2", "li-3", "li-9"]),
        "partner_id": st.sampled_from(["pub-1", "pub-1", "pub-2", "pub-3"]),
        "quarter_hour": (st.integers(-16, 16) | st.integers(-120, 120)).map(
            lambda quarters: TURN + quarters * timedelta(minutes=15)
        ),
        "device_type": st.sampled_from([None, "ctv", "mobile", "desktop", "tablet"]),
        "country": st.sampled_from([None, "US", "CA", "DE"]),
        "viewable": st.booleans(),
        "completed": st.booleans(),
        "valid": st.sampled_from([True, True, True, False]),
        "impressions": st.integers(1, 10**12),
        "cost": st.sampled_from(["0", "0.000000001", "99999999999.999999999"]),
    }
)
PAYING = {"advertiser": ("cpm", "dcpm", "cpa"), "partner": ("cpm", "dcpm", "revenue_share")}


def judged(rows: list[Row], terms: TermFrames, *kept: str) -> list[tuple[Any, ...]]:
    impressions: Counter[Any] = Counter()
    cost: Counter[Any] = Counter()
    agreed = terms.terms.sort("contract_id", "position", "version").to_dicts()
    factors = {
        (*key, dimension, value): factor
        for *key, dimension, value, factor in terms.factors.select(
            "contract_id", "version", "term_id", "dimension", "value", "factor_micros"
        ).rows()
    }
    for number, row in enumerate(rows):
        advertiser_id = None
        for side in PAYING:
            claim = next((offer for offer in agreed if _covers(offer, side, row, advertiser_id)), None)
            advertiser_id = claim["party_id"] if claim and side == "advertiser" else advertiser_id
            outcome = _outcome(row, claim)
            of = tuple(claim[name] for name in ("contract_id", "version", "term_id")) if claim else (None, None, None)
            local: datetime = row["quarter_hour"].astimezone(ZoneInfo(claim["timezone"] if claim else "UTC"))
            product = MICRO**3
            if claim and outcome == "billed":
                hour = (claim["hour_factors"] or [MICRO] * 168)[local.weekday() * 24 + local.hour]
                device, country = (factors.get((*of, name, row[name]), MICRO) for name in ("device_type", "country"))
                product = device * country * hour
            key = (
                *(number for _ in kept),
                side,
                local.date(),
                *(of if outcome != "invalid_traffic" else (None, None, None)),
                row["line_item_id"],
                row["partner_id"],
                outcome,
                Decimal(product).scaleb(-18),
                advertiser_id if outcome == "billed" else None,
            )
            impressions[key] += row["impressions"]
            counts = claim is not None and outcome == "billed" and claim["model"] == "dcpm"
            cost[key] += int(Decimal(row["cost"]).scaleb(9)) if counts else 0
    return ordered([(*key, n, Decimal(cost[key]).scaleb(-9)) for key, n in impressions.items()])


def versioned(found: pl.DataFrame, terms: TermFrames, *kept: str) -> pl.DataFrame:
    """What was judged with the version in force, after the contract."""
    before, after = JUDGED.names()[:3], JUDGED.names()[3:]
    return with_version(found, terms).select(*kept, *before, "version", *after)


def _covers(offer: Row, side: str, row: Row, advertiser_id: str | None) -> bool:
    on = row["quarter_hour"].astimezone(ZoneInfo(offer["timezone"])).date()
    return (
        offer["side"] == side
        and offer["model"] in PAYING[side]
        and offer["first_on"] <= on <= offer["last_on"]
        and (side == "advertiser" or offer["party_id"] == row["partner_id"])
        and (offer["line_items"] is None or row["line_item_id"] in offer["line_items"])
        and (offer["advertisers"] is None or advertiser_id in offer["advertisers"])
    )


def _outcome(row: Row, claim: Row | None) -> str:
    if not row["valid"]:
        return "invalid_traffic"
    if claim is None:
        return "no_contract"
    if claim["model"] == "cpa":
        return "priced_by_action"
    basis = claim["billable_on"]
    return f"not_{basis}" if basis in ("viewable", "completed") and not row[basis] else "billed"


def as_counts(rows: list[Row]) -> pl.LazyFrame:
    numbered = [{"id": number} | row for number, row in enumerate(rows)]
    frame = pl.DataFrame(numbered, schema={"id": pl.Int64()} | dict(COUNTED) | {"cost": pl.String()})
    return frame.with_columns(pl.col("cost").cast(NANOS_TYPE)).lazy()


@pytest.mark.parametrize("terms", WORLDS.values(), ids=WORLDS)
@SLOW
@given(rows=st.lists(COUNT, max_size=40), bits=WORDS)
def test_a_plain_loop_judges_the_same_rows_in_the_same_order(terms: TermFrames, rows: list[Row], bits: int) -> None:
    with words_of(bits):
        found = judge_delivery(as_counts(rows).drop("id"), terms)
        alone = judge_delivery(as_counts(rows), terms, ["id"])
    assert found.schema == JUDGED
    assert versioned(found, terms).rows() == judged(rows, terms)
    assert versioned(alone, terms, "id").rows() == judged(rows, terms, "id")
