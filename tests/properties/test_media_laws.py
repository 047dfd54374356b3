"""Laws of media rating: nothing is lost between counting and pricing, and a slow model agrees to the last digit."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from billing_samples import DAY, advertiser, at, counts, cpm, flat, frames, partner, rows_of, term
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from media_samples import OCTOBER, Rated, rated_media

from contracts_io.calendar import Month
from contracts_io.contract import Cpa, Cpm, InForce, term_days
from pipelines.delivery import delivery_counts

Row = dict[str, Any]
SLOW = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
MONTHS = [OCTOBER.previous, OCTOBER, OCTOBER.next]

# Quarters of an hour around the turn of a month, from the earliest zone to the latest.
QUARTERS = st.builds(
    lambda turn, quarters: at(turn) + quarters * timedelta(minutes=15),
    st.sampled_from(["2026-10-01T00:00Z", "2026-11-01T00:00Z"]),
    st.integers(-60, 60),
)
ZONES = st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Tokyo", "Asia/Kathmandu", "America/New_York"])
RATES = st.decimals(min_value=0, max_value=9999, places=6, allow_nan=False).map("{:f}".format)
BASES = st.sampled_from(["served", "viewable", "completed"])
PLACES = {"line_item_id": st.sampled_from(["li-1", "li-2", "li-9"]), "partner_id": st.sampled_from(["pub-1", "pub-2"])}
MARKS = {"viewable": st.booleans(), "completed": st.booleans()}
COUNT = st.fixed_dictionaries(
    PLACES
    | MARKS
    | {
        "quarter_hour": QUARTERS,
        "valid": st.sampled_from([True, True, True, False]),
        "impressions": st.integers(1, 10**9),
        "delivery_day": st.sampled_from([DAY, DAY + timedelta(days=30)]),
    }
)


@st.composite
def contracts(draw: st.DrawFn) -> list[InForce]:
    zone, end = draw(ZONES), DAY.replace(day=draw(st.sampled_from([1, 31])))

    def brand() -> list[Row]:
        priced = cpm(draw(RATES), billable_on=draw(BASES))
        return [
            term("brand", priced, "li-1"),
            draw(st.sampled_from([term("sale", flat(), "li-2"), term("more", priced, "li-2")])),
        ]

    def paid() -> list[Row]:
        filters = st.fixed_dictionaries(
            {}, optional={"line_items": st.just(["li-1", "li-9"]), "advertisers": st.just(["acme"])}
        )
        return [term(f"p{n}", cpm(draw(RATES), billable_on=draw(BASES)), **draw(filters)) for n in range(2)]

    return [
        advertiser(*brand(), timezone=zone, last=end),
        advertiser(*brand(), timezone=zone, first=end + timedelta(days=1), version=2),
        partner(*paid(), timezone=draw(ZONES), last=draw(st.sampled_from([None, end]))),
    ]


def rated(rows: list[Row], agreed: list[InForce], month: Month = OCTOBER) -> Rated:
    return rated_media(counts(*rows), frames(*agreed), month)


def outcomes(made: Rated) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for *key, impressions in made.outcomes.rows():
        found[tuple(key)] += impressions
    return found


# The model: one count at a time.


def claim(row: Row, agreed: list[InForce], side: str, advertiser_id: str | None) -> tuple[Any, ...] | None:
    """(stretch, term, local date) of the first term that covers the count."""
    for stretch in agreed:
        contract = stretch.contract
        on = row["quarter_hour"].astimezone(ZoneInfo(contract.timezone)).date()
        if contract.side != side or not stretch.first <= on <= (stretch.last or on):
            continue
        for offered in contract.terms:
            first, last = term_days(contract, offered)
            if not first <= on <= (last or on) or (side == "partner" and contract.party.id != row["partner_id"]):
                continue
            on_line = offered.line_items is None or row["line_item_id"] in offered.line_items
            if on_line and (offered.advertisers is None or advertiser_id in offered.advertisers):
                return stretch, offered, on
    return None


def model(rows: list[Row], agreed: list[InForce], month: Month) -> tuple[Counter[Any], Counter[Any]]:
    """Impressions by outcome key and nanos by accrual key."""
    by_outcome: Counter[Any] = Counter()
    by_accrual: Counter[Any] = Counter()
    for row in rows:
        advertiser_id = None
        for side in ("advertiser", "partner"):
            found = claim(row, agreed, side, advertiser_id)
            stretch, offered, on = found or (None, None, row["quarter_hour"].date())
            if side == "advertiser" and stretch is not None:
                advertiser_id = stretch.contract.party.id
            outcome = _outcome(row, offered.pricing if offered else None)
            if not month.first <= on <= month.last:
                continue
            of = (
                (stretch.contract.contract_id, offered.term_id) if offered and outcome != "invalid_traffic" else (None, None)
            )
            place = (row["line_item_id"], row["partner_id"])
            by_outcome[(side, row["delivery_day"], *of, *place, outcome)] += row["impressions"]
            if outcome == "billed":
                key = (side, on, of[0], stretch.version, of[1], *place)
                by_accrual[key] += row["impressions"] * offered.pricing.rate
    return by_outcome, by_accrual


def _outcome(row: Row, pricing: Cpm | Cpa | None) -> str:
    if not row["valid"]:
        return "invalid_traffic"
    if pricing is None:
        return "no_contract"
    if isinstance(pricing, Cpa):
        return "priced_by_action"
    if pricing.billable_on != "served" and not row[pricing.billable_on]:
        return f"not_{pricing.billable_on}"
    return "billed"


COUNTS = st.lists(COUNT, max_size=10)


@SLOW
@given(COUNTS, contracts(), st.sampled_from(MONTHS))
def test_rating_does_what_the_slow_model_says(rows: list[Row], agreed: list[InForce], month: Month) -> None:
    made = rated(rows, agreed, month)
    by_outcome, by_accrual = model(rows, agreed, month)
    assert outcomes(made) == by_outcome
    keys = ("side", "billing_date", "contract_id", "version", "term_id", "line_item_id", "partner_id")
    found = dict(zip(made.accruals.select(keys).rows(), made.accruals["amount"].to_list(), strict=True))
    assert {key: int(amount.scaleb(9)) for key, amount in found.items()} == dict(by_accrual)


@SLOW
@given(COUNTS, contracts())
def test_over_all_months_each_side_gives_every_accepted_impression_one_outcome(
    rows: list[Row], agreed: list[InForce]
) -> None:
    accepted = sum(row["impressions"] for row in rows)
    by_side: Counter[str] = Counter(advertiser=0, partner=0)
    for month in MONTHS:
        made = rated(rows, agreed, month)
        assert (made.counted, made.placed) == (accepted, {"advertiser": accepted, "partner": accepted})
        by_side.update(dict(made.outcomes.group_by("side").agg(pl.col("impressions").sum()).iter_rows()))
    assert by_side == {"advertiser": accepted, "partner": accepted}


@SLOW
@given(COUNTS, contracts(), st.randoms(use_true_random=False))
def test_the_order_of_counts_is_irrelevant(rows: list[Row], agreed: list[InForce], chance: Any) -> None:
    made, again = rated(rows, agreed), rated(chance.sample(rows, len(rows)), agreed)
    assert made.outcomes.equals(again.outcomes)
    assert made.accruals.equals(again.accruals)


IMPRESSION = st.fixed_dictionaries(
    PLACES
    | MARKS
    | {
        "event_time": QUARTERS,
        "invalid_reason": st.sampled_from([None, None, "bot"]),
        "device_type": st.sampled_from([None, "ctv"]),
        "country": st.sampled_from([None, "US"]),
        "cost": st.sampled_from([None, "0.000000001", "1.5"]),
    }
)


@SLOW
@given(st.lists(IMPRESSION, max_size=12), st.integers(0, 12), contracts())
def test_how_impressions_are_split_over_files_is_irrelevant_to_what_is_counted_and_billed(
    rows: list[Row], cut: int, agreed: list[InForce]
) -> None:
    rows = [row | {"impression_id": f"i{n}"} for n, row in enumerate(rows)]
    whole = delivery_counts(rows_of("impressions", rows).lazy()).collect()
    parts = pl.concat([rows_of("impressions", rows[cut:]).lazy(), rows_of("impressions", rows[:cut]).lazy()])
    assert delivery_counts(parts).collect().equals(whole)
    assert whole["impressions"].sum() == len(rows)
    assert whole["cost"].sum() == sum(Decimal(row["cost"] or 0) for row in rows)
    on_day = whole.insert_column(0, pl.lit(DAY).alias("delivery_day"))
    one_by_one = [
        {
            "line_item_id": row["line_item_id"],
            "partner_id": row["partner_id"],
            "viewable": row["viewable"],
            "completed": row["completed"],
            "quarter_hour": row["event_time"],
            "valid": row["invalid_reason"] is None,
        }
        for row in rows
    ]
    for month in MONTHS:
        made = rated_media(on_day.lazy(), frames(*agreed), month)
        assert made.accruals.equals(rated(one_by_one, agreed, month).accruals)
