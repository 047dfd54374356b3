"""Laws of attribution, and a slow model of spec 6.1 to 6.3 in plain Python that small random worlds are held against."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from billing_samples import (
    DAY,
    NOON,
    advertiser,
    as_kept,
    attributed_in_parts,
    cpm,
    flat,
    fx_rates,
    given_day,
    judged,
    rows_of,
    term,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.contract import Attribution, Cpa, InForce, term_days
from pipelines.attribution import Attributed, looked_at

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
MODELS = ["first_touch", "last_touch", "linear", "position_based", "time_decay"]
RULES: dict[str, st.SearchStrategy[Any]] = {
    "new_customers_only": st.just(True),
    "countries": st.just(["US", "CA"]),
    "minimum_order_value": st.sampled_from(["8", "10", "12.5"]),
    "excluded_categories": st.just(["giftcard"]),
    "excluded_coupons": st.just(["STAFF"]),
    "repeat_household_days": st.integers(0, 2),
    "eligible_when": st.just("order_value > 8 OR country = 'US'"),
}
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
        "new_customer": st.booleans(),
        "country": st.sampled_from([None, "US", "US", "DE"]),
        "category": st.sampled_from([None, "toys", "giftcard"]),
        "coupon": st.sampled_from([None, "STAFF"]),
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
        model = draw(st.sampled_from(MODELS))
        rules = draw(st.sets(st.sampled_from([*RULES, "repeat_household_days"]), max_size=2))
        eligibility = {rule: draw(RULES[rule]) for rule in sorted(rules)}
        attribution = {
            "model": model,
            **({"half_life": draw(st.integers(1, 3))} if model == "time_decay" else {}),
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
            eligibility={"order_dedup_days": draw(st.integers(0, 2))} | eligibility,
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
    return judged(conversions, *agreed, touches=touches, adjustments=adjustments, rates=fx_rates(*RATES))


def verdicts(made: Attributed) -> dict[str, tuple[Any, ...]]:
    credit: dict[str, dict[tuple[str, str, str], int]] = {}
    for row in made.credits.to_dicts():
        credit.setdefault(row["conversion_id"], {})[row["touch_kind"], row["touch_id"], row["term_id"]] = row["credit"]
    return {
        row["conversion_id"]: (
            row["status"],
            row["reason"],
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
    judge = _judge(conversion, agreed)
    if judge is None:
        return "no_contract", None, None, None, None, None
    contract = judge.contract
    assert contract.attribution is not None
    billed = _local(judge, conversion) + timedelta(days=contract.validation_days)
    shares = _shares(conversion, touches, judge)
    latest = _latest(conversion, adjustments)
    value = latest["order_value"] if latest and latest["action"] == "restate" else conversion["order_value"]
    reason = None
    if _is_duplicate(conversion, conversions, adjustments, agreed):
        status = "duplicate_order"
    elif _reversed(conversion, adjustments):
        status = "reversed"
    elif value is not None and _in_usd(value, conversion) is None:
        status = "no_fx_rate"
    elif (reason := _failing(conversion, value, conversions, adjustments, agreed)) is not None:
        status = "ineligible"
    elif conversion["household_id"] is None:
        status = "no_household"
    else:
        status = "attributed" if shares else "unattributed"
    return status, reason, contract.contract_id, judge.version, billed, shares if status == "attributed" else None


def _judge(conversion: Row, agreed: list[InForce]) -> InForce | None:
    return min((s for s in agreed if _lines(s, conversion)), key=lambda s: s.contract.contract_id, default=None)


def _failing(
    conversion: Row, value: str | None, conversions: list[Row], adjustments: list[Row], agreed: list[InForce]
) -> str | None:
    judge = _judge(conversion, agreed)
    assert judge is not None
    rules = judge.contract.eligibility
    assert rules is not None
    amount = None if value is None else _in_usd(value, conversion)
    least, days, country = rules.minimum_order_value, rules.repeat_household_days, conversion["country"]
    before = [
        other
        for other in conversions
        if conversion["household_id"] is not None
        and _comes_before(other, conversion, "household_id")
        and not _reversed(other, adjustments)
        and not _is_duplicate(other, conversions, adjustments, agreed)
    ]
    fails = {
        "new_customer": rules.new_customers_only and not conversion["new_customer"],
        "country": rules.countries is not None and country not in rules.countries,
        "order_value": least is not None and (amount is None or amount < Fraction(least, 10**6)),
        "category": conversion["category"] in rules.excluded_categories,
        "coupon": conversion["coupon"] in rules.excluded_coupons,
        "repeat_household": days is not None
        and any(conversion["event_time"] - other["event_time"] <= timedelta(days=days) for other in before),
        "eligible_when": rules.eligible_when is not None and not ((amount is not None and amount > 8) or country == "US"),
    }
    return next((rule for rule, failed in fails.items() if failed), None)


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


def _comes_before(other: Row, conversion: Row, same: str) -> bool:
    key = ("advertiser_id", "event", same)
    if [conversion[k] for k in key] != [other[k] for k in key]:
        return False
    return bool((other["event_time"], other["conversion_id"]) < (conversion["event_time"], conversion["conversion_id"]))


def _is_duplicate(conversion: Row, conversions: list[Row], adjustments: list[Row], agreed: list[InForce]) -> bool:
    judge = _judge(conversion, agreed)
    if judge is None or conversion["order_id"] is None:
        return False
    assert judge.contract.eligibility is not None
    within = timedelta(days=judge.contract.eligibility.order_dedup_days)
    return any(
        _comes_before(other, conversion, "order_id")
        and conversion["event_time"] - other["event_time"] <= within
        and not _reversed(other, adjustments)
        for other in conversions
    )


def _in_usd(value: str, conversion: Row) -> Fraction | None:
    pair = (conversion["event_time"].date(), conversion["currency"] or "USD", "USD")
    table = {(on, base, quote): Fraction(rate) for on, base, quote, rate in RATES}
    inverse = table.get((pair[0], "USD", pair[1]))
    rate = Fraction(1) if pair[1] == "USD" else table.get(pair) or (1 / inverse if inverse else None)
    return None if rate is None else Fraction(value) * rate


def _shares(conversion: Row, touches: list[Row], stretch: InForce) -> dict[tuple[str, str, str], int]:
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
    candidates.sort(key=lambda t: (t["touch_time"], t["touch_kind"] == "click", t["touch_id"]))
    weights = _weights(attribution, [(conversion["event_time"] - touch["touch_time"]).days for touch in candidates])
    if candidates and not any(weights):
        weights[-1] = Fraction(1)
    return {
        (touch["touch_kind"], touch["touch_id"], lines[touch["line_item_id"]]): credit
        for touch, credit in zip(candidates, _millionths(weights), strict=True)
        if credit
    }


def _weights(attribution: Attribution, ages: list[int]) -> list[Fraction]:
    n, one = len(ages), Fraction(1)
    match attribution.model:
        case "first_touch":
            return [one, *[Fraction(0)] * (n - 1)][:n]
        case "last_touch":
            return [*[Fraction(0)] * (n - 1), one][-n:] if n else []
        case "position_based" if n > 2:
            return [Fraction(2, 5), *[Fraction(1, 5 * (n - 2))] * (n - 2), Fraction(2, 5)]
        case "time_decay":
            assert attribution.half_life is not None
            return [Fraction(_decayed(age, attribution.half_life)) for age in ages]
        case _:
            return [one] * n


def _decayed(age: int, half_life: int) -> int:
    """The one whole number w with w - 1/2 <= 10^9 x 2^(-age / half_life) < w + 1/2, by halves."""
    low, high = 0, 10**9 + 1
    while low + 1 < high:
        middle = (low + high) // 2
        if (2 * middle - 1) ** half_life * 2**age <= (2 * 10**9) ** half_life:
            low = middle
        else:
            high = middle
    return low


def _millionths(weights: list[Fraction]) -> list[int]:
    exact = [Fraction(1_000_000) * weight / sum(weights) for weight in weights]
    credits = [int(part) for part in exact]
    by_remainder = sorted(range(len(exact)), key=lambda i: (exact[i] - credits[i], i), reverse=True)
    for i in by_remainder[: 1_000_000 - sum(credits) if credits else 0]:
        credits[i] += 1
    return credits


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
    day, _ = given_day(conversions, *agreed, adjustments=adjustments, rates=fx_rates(*RATES))
    parts = [as_kept("touches", rows_of("touches", part)) for part in (touches[cut:], touches[:cut])]
    whole = attributed(*world)
    for made in (attributed_in_parts(day, pl.concat(parts)), attributed_in_parts(day, *parts)):
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
    assert made.credits["credit"].is_between(1, 1_000_000).all()


@SLOW
@given(worlds())
def test_what_is_told_of_each_touch_is_what_was_credited(
    world: tuple[list[Row], list[Row], list[Row], list[InForce]],
) -> None:
    conversions, touches, adjustments, agreed = world
    given_it = given_day(conversions, *agreed, touches=touches, adjustments=adjustments, rates=fx_rates(*RATES))
    made = attributed_in_parts(*given_it)
    for conversion_id, status in made.attributions.select("conversion_id", "status").iter_rows():
        told = looked_at(conversion_id, *given_it)
        assert told["counts"].equals(told["why"].is_null())
        credited = made.credits.filter(conversion_id=conversion_id).select("touch_kind", "touch_id", "term_id", "credit")
        assert told.filter(pl.col("credit") > 0).select(credited.columns).equals(credited)
        assert status not in ("attributed", "unattributed") or told["counts"].any() == (status == "attributed")


@SLOW
@given(worlds())
def test_a_single_candidate_has_it_all_under_every_model(
    world: tuple[list[Row], list[Row], list[Row], list[InForce]],
) -> None:
    conversions, touches, adjustments, agreed = world
    first = [dict(touches[0])]
    found = set()
    for model in MODELS:
        changed = {"model": model, "half_life": 1 if model == "time_decay" else None}
        alike = [
            s._replace(
                contract=s.contract.model_copy(update={"attribution": s.contract.attribution.model_copy(update=changed)})
            )
            for s in agreed
            if s.contract.attribution is not None
        ]
        credits = attributed(conversions, first, adjustments, alike).credits
        assert credits["credit"].is_in([1_000_000]).all()
        found.add(tuple(credits["conversion_id"]))
    assert len(found) == 1
