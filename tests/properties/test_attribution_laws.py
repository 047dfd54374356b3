"""Laws of attribution, and a slow model of spec 6.1 to 6.3 in plain Python that small random worlds are held against."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from billing_samples import DAY, NOON, advertiser, cpm, flat, frames, fx_rates, rows_of, term
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.contract import Cpa, InForce, term_days
from pipelines.attribution import Attributed, attribute
from pipelines.conversions import conversion_states

Row = dict[str, Any]
RATES = [(DAY, "EUR", "USD", "1.25"), (DAY, "USD", "GBP", "0.7")]
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


# Instants are few, so that ties and both ends of a window are met often.
def _around_noon(*hours: int) -> st.SearchStrategy[datetime]:
    micros = st.sampled_from([0, 0, 0, 0, 1, -1])
    return st.builds(lambda h, us: NOON + timedelta(hours=h, microseconds=us), st.sampled_from(hours), micros)


INSTANTS = _around_noon(0, 0, 4, 12, -8, 24, -24)
EARLIER = _around_noon(0, -12, -24, -36, -8, 4, -48, 12)
ZONES = st.sampled_from(["UTC", "America/Los_Angeles", "Asia/Tokyo", "Asia/Kathmandu"])
LENGTHS = st.sampled_from(["7d", "36h", "1d", "12h", "0d"])

CONVERSION = st.fixed_dictionaries(
    {
        "event_time": INSTANTS,
        "household_id": st.sampled_from(["h1", "h1", "h1", "h2", "h2", None]),
        "advertiser_id": st.sampled_from(["acme"] * 7 + ["zeta"]),
        "event": st.sampled_from(["purchase", "purchase", "purchase", "signup"]),
        "order_id": st.sampled_from([None, None, "o1", "o2"]),
        "order_value": st.sampled_from([None, "10", "7.5"]),
        "currency": st.sampled_from([None, None, "USD", "USD", "EUR", "GBP", "JPY"]),
    }
)
TOUCH = st.fixed_dictionaries(
    {
        "household_id": st.sampled_from(["h1", "h1", "h2"]),
        "touch_kind": st.sampled_from(["view", "view", "click"]),
        "touch_time": EARLIER,
        "line_item_id": st.sampled_from(["li-1", "li-1", "li-1", "li-2", "li-3", "li-9"]),
        "partner_id": st.sampled_from(["pub-1", "pub-2"]),
        "viewable": st.booleans(),
        "completed": st.booleans(),
    }
)
ADJUSTMENT = st.fixed_dictionaries(
    {
        "conversion_id": st.sampled_from(["c0", "c1", "c2", "c3"]),
        "adjusted_at": INSTANTS,
        "action": st.sampled_from(["reverse", "restate"]),
        "order_value": st.sampled_from(["3", "9.75"]),
    }
)
LOOKBACKS = st.fixed_dictionaries({}, optional={"view": LENGTHS, "click": LENGTHS}).filter(bool)
OVERRIDE = st.fixed_dictionaries(
    {"partner_id": st.just("pub-2"), "excluded": st.sampled_from([False, False, True])}, optional={"lookback": LOOKBACKS}
)


@st.composite
def contracts(draw: st.DrawFn) -> list[InForce]:
    """Up to two contracts of acme in neighbouring zones, the first with up to two versions."""

    def one(contract_id: str, zone: str, first: date, last: date | None, version: int) -> InForce:
        attribution = {
            "model": "last_touch",
            "lookback": {"view": draw(LENGTHS), "click": draw(LENGTHS)},
            "click_over_view": draw(st.booleans()),
            "view_basis": draw(st.sampled_from(["served", "served", "viewable", "completed"])),
        }
        terms = [
            term("buy", flat(), "li-1"),
            term("also", flat(), "li-2", **draw(st.sampled_from([{}, {"ends_on": str(DAY)}, {"starts_on": str(DAY)}]))),
            term("join", flat(event="signup"), "li-3"),
            term("brand", cpm(), "li-9"),
        ]
        return advertiser(
            *terms[: draw(st.sampled_from([4, 3, 2, 1]))],
            contract_id=contract_id,
            timezone=zone,
            first=first,
            last=last,
            version=version,
            attribution=attribution,
            eligibility={"order_dedup_days": draw(st.integers(0, 2))},
            validation_days=draw(st.integers(0, 2)),
            partner_overrides=draw(st.lists(OVERRIDE, max_size=1)),
        )

    zone, end = draw(ZONES), draw(st.sampled_from([DAY - timedelta(days=1), DAY]))
    found = [one("b-1", zone, date(2026, 8, 1), end, 1), one("b-1", zone, end + timedelta(days=1), None, 2)]
    if draw(st.booleans()):
        found.append(one("a-1", draw(ZONES), date(2026, 8, 1), end, 1))
    return found


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Row], list[Row], list[Row], list[InForce]]:
    conversions = [
        row | {"conversion_id": f"c{n}"} for n, row in enumerate(draw(st.lists(CONVERSION, min_size=2, max_size=5)))
    ]
    touches = [row | {"touch_id": f"t{n}"} for n, row in enumerate(draw(st.lists(TOUCH, min_size=4, max_size=10)))]
    adjustments = [row | {"adjustment_id": f"a{n}"} for n, row in enumerate(draw(st.lists(ADJUSTMENT, max_size=3)))]
    return conversions, touches, adjustments, draw(contracts())


def attributed(conversions: list[Row], touches: list[Row], adjustments: list[Row], agreed: list[InForce]) -> Attributed:
    rows = rows_of("conversions", conversions)
    states = conversion_states(rows.lazy(), rows.lazy(), rows_of("conversion_adjustments", adjustments).lazy())
    laid_out = rows_of("touches", touches).lazy()
    return attribute(rows.lazy(), states, laid_out, frames(*agreed), fx_rates(*RATES), DAY)


def verdicts(made: Attributed) -> dict[str, tuple[Any, ...]]:
    credit = {row["conversion_id"]: (row["touch_kind"], row["touch_id"], row["term_id"]) for row in made.credits.to_dicts()}
    return {
        row["conversion_id"]: (
            row["status"],
            row["contract_id"],
            row["version"],
            row["billing_date"],
            credit.get(row["conversion_id"]),
        )
        for row in made.attributions.to_dicts()
    }


# The model: one conversion at a time, every rule as it is written.


def model(conversions: list[Row], touches: list[Row], adjustments: list[Row], agreed: list[InForce]) -> dict[str, Any]:
    return {c["conversion_id"]: _verdict(c, conversions, touches, adjustments, agreed) for c in conversions}


def _verdict(
    conversion: Row, conversions: list[Row], touches: list[Row], adjustments: list[Row], agreed: list[InForce]
) -> tuple[Any, ...]:
    claims = sorted((s.contract.contract_id, s.version) for s in agreed if _lines(s, conversion))
    if not claims:
        return "no_contract", None, None, None, None
    (stretch,) = [s for s in agreed if (s.contract.contract_id, s.version) == claims[0]]
    contract = stretch.contract
    assert contract.attribution is not None
    assert contract.eligibility is not None
    billed = _local(stretch, conversion) + timedelta(days=contract.validation_days)
    touch = _last_touch(conversion, touches, stretch)
    latest = _latest(conversion, adjustments)
    value = latest["order_value"] if latest and latest["action"] == "restate" else conversion["order_value"]
    dedup = timedelta(days=contract.eligibility.order_dedup_days)
    if any(_is_duplicate(conversion, other, dedup) and not _reversed(other, adjustments) for other in conversions):
        status = "duplicate_order"
    elif _reversed(conversion, adjustments):
        status = "reversed"
    elif value is not None and _in_usd(value, conversion) is None:
        status = "no_fx_rate"
    elif conversion["household_id"] is None:
        status = "no_household"
    else:
        status = "attributed" if touch else "unattributed"
    return status, *claims[0], billed, touch if status == "attributed" else None


def _local(stretch: InForce, conversion: Row) -> date:
    at: datetime = conversion["event_time"]
    return at.astimezone(ZoneInfo(stretch.contract.timezone)).date()


def _lines(stretch: InForce, conversion: Row) -> dict[str, str]:
    """The lines of cpa terms in force for the event on the conversion's local date, with their term."""
    on, contract = _local(stretch, conversion), stretch.contract
    if contract.party.id != conversion["advertiser_id"] or not stretch.first <= on <= (stretch.last or date.max):
        return {}
    found: dict[str, str] = {}
    for agreed in contract.terms:
        first, last = term_days(contract, agreed)
        if (
            isinstance(agreed.pricing, Cpa)
            and agreed.pricing.event == conversion["event"]
            and first <= on <= (last or date.max)
        ):
            found |= dict.fromkeys(agreed.line_items or (), agreed.term_id)
    return found


def _latest(conversion: Row, adjustments: list[Row]) -> Row | None:
    own = [a for a in adjustments if a["conversion_id"] == conversion["conversion_id"]]
    return max(own, key=lambda a: (a["adjusted_at"], a["adjustment_id"]), default=None)


def _reversed(conversion: Row, adjustments: list[Row]) -> bool:
    latest = _latest(conversion, adjustments)
    return latest is not None and latest["action"] == "reverse"


def _is_duplicate(conversion: Row, other: Row, within: timedelta) -> bool:
    key = ("advertiser_id", "event", "order_id")
    if conversion["order_id"] is None or [conversion[k] for k in key] != [other[k] for k in key]:
        return False
    when = [(c["event_time"], c["conversion_id"]) for c in (other, conversion)]
    return when[0] < when[1] and when[1][0] - when[0][0] <= within


def _in_usd(value: str, conversion: Row) -> Fraction | None:
    pair = (conversion["event_time"].date(), conversion["currency"] or "USD", "USD")
    table = {(on, base, quote): Fraction(rate) for on, base, quote, rate in RATES}
    inverse = table.get((pair[0], "USD", pair[1]))
    rate = Fraction(1) if pair[1] == "USD" else table.get(pair) or (1 / inverse if inverse else None)
    return None if rate is None else Fraction(value) * rate


def _last_touch(conversion: Row, touches: list[Row], stretch: InForce) -> tuple[str, str, str] | None:
    contract, lines = stretch.contract, _lines(stretch, conversion)
    attribution = contract.attribution
    assert attribution is not None
    overrides = {o.partner_id: o for o in contract.partner_overrides}
    candidates = []
    for touch in touches:
        kind, override = touch["touch_kind"], overrides.get(touch["partner_id"])
        lookback = getattr(attribution.lookback, kind)
        if override and override.lookback and getattr(override.lookback, kind) is not None:
            lookback = getattr(override.lookback, kind)
        age = conversion["event_time"] - touch["touch_time"]
        counts = kind == "click" or attribution.view_basis == "served" or touch[attribution.view_basis]
        if (
            touch["household_id"] == conversion["household_id"]
            and touch["line_item_id"] in lines
            and not (override and override.excluded)
            and lookback > timedelta(0)
            and timedelta(0) <= age <= lookback
            and counts
        ):
            candidates.append(touch)
    clicks = [touch for touch in candidates if touch["touch_kind"] == "click"]
    candidates = clicks if clicks and attribution.click_over_view else candidates
    if not candidates:
        return None
    last = max(candidates, key=lambda t: (t["touch_time"], t["touch_kind"] == "click", t["touch_id"]))
    return last["touch_kind"], last["touch_id"], lines[last["line_item_id"]]


@SLOW
@given(worlds())
def test_attribution_does_what_the_slow_model_says(world: tuple[list[Row], list[Row], list[Row], list[InForce]]) -> None:
    assert verdicts(attributed(*world)) == model(*world)


@SLOW
@given(worlds(), st.randoms(use_true_random=False))
def test_the_order_in_which_events_arrive_is_irrelevant(
    world: tuple[list[Row], list[Row], list[Row], list[InForce]], chance: Any
) -> None:
    expected = verdicts(attributed(*world))
    shuffled = [chance.sample(rows, len(rows)) for rows in world]
    assert verdicts(attributed(shuffled[0], shuffled[1], shuffled[2], shuffled[3])) == expected


@SLOW
@given(worlds(), st.integers(0, 8))
def test_how_touches_are_split_over_files_is_irrelevant(
    world: tuple[list[Row], list[Row], list[Row], list[InForce]], cut: int
) -> None:
    conversions, touches, adjustments, agreed = world
    rows = rows_of("conversions", conversions)
    states = conversion_states(rows.lazy(), rows.lazy(), rows_of("conversion_adjustments", adjustments).lazy())
    parts = pl.concat([rows_of("touches", touches[cut:]).lazy(), rows_of("touches", touches[:cut]).lazy()])
    made = attribute(rows.lazy(), states, parts, frames(*agreed), fx_rates(*RATES), DAY)
    whole = attributed(*world)
    assert made.attributions.equals(whole.attributions)
    assert made.credits.equals(whole.credits)


@SLOW
@given(worlds())
def test_every_conversion_has_one_status_and_the_credits_of_an_attributed_one_add_up_to_a_million(
    world: tuple[list[Row], list[Row], list[Row], list[InForce]],
) -> None:
    made = attributed(*world)
    assert made.attributions["conversion_id"].to_list() == [row["conversion_id"] for row in world[0]]
    sums = made.credits.group_by("conversion_id").agg(pl.col("credit").sum())
    won = made.attributions.filter(pl.col("status") == "attributed")["conversion_id"]
    assert dict(sums.iter_rows()) == dict.fromkeys(won, 1_000_000)
