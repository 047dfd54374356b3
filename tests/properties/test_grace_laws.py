"""Touches come in days of grace, in any order, again and otherwise: a day's attribution is that of attributing it whole."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl
import pytest
from billing_samples import DAY, NOON, advertiser, fx_rates, rows_of
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from assets.attributing import ATTRIBUTED, CANDIDATES
from assets.known_contracts import KnownContracts
from assets.upkeep import Upkeep
from contracts_io.home import Home
from contracts_io.lifecycle import ApprovedVersion
from pipelines.attribution import ConversionDay, attribute, candidate_touches, judge
from pipelines.conversions import conversion_states, household_conversions

Row = dict[str, Any]
DAYS = 3
AT_A_TIME = settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.too_slow])
NUMBERS = count()


class Delivery(NamedTuple):
    """What is there of a delivery day from now on, the contract in force then, and whether all is brought up to date.

    Of the conversions of the day, those from number ``since`` on are there.
    """

    number: int
    since: int
    touches: list[Row]
    contract: int
    is_run: bool


def _hours(*hours: int) -> st.SearchStrategy[timedelta]:
    return st.builds(
        lambda h, us: timedelta(hours=h, microseconds=us), st.sampled_from(hours), st.sampled_from([0, 0, 1, -1])
    )


# Instants are few and relative to the delivery day, so that a conversion meets touches of later days, and ties.
CONVERSION = st.fixed_dictionaries(
    {
        "event_time": _hours(0, 0, 0, -12, -24),
        "household_id": st.sampled_from(["h1", "h1", "h1", "h2", None]),
        "order_id": st.sampled_from([None, None, None, "o1"]),
    }
)
TOUCH = st.fixed_dictionaries(
    {
        "touch_time": _hours(0, -24, -24, -36, -36, -48, -72),
        "household_id": st.sampled_from(["h1", "h1", "h1", "h2"]),
        "touch_kind": st.sampled_from(["view", "view", "click"]),
        "line_item_id": st.sampled_from(["li-1", "li-1", "li-1", "li-1", "li-9"]),
        "partner_id": st.sampled_from(["pub-1", "pub-2"]),
        "viewable": st.booleans(),
    }
)
DELIVERY = st.builds(
    Delivery,
    st.integers(0, DAYS - 1),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.lists(TOUCH, max_size=4),
    st.sampled_from([0, 0, 0, 0, 1]),
    st.sampled_from([True, True, False]),
)


@st.composite
def contracts(draw: st.DrawFn) -> KnownContracts:
    model = draw(st.sampled_from(["first_touch", "last_touch", "linear", "position_based", "time_decay"]))
    lengths = st.sampled_from(["36h", "2d", "3d", "12h"])
    agreed = advertiser(
        attribution={
            "model": model,
            "lookback": {"view": draw(lengths), "click": draw(lengths)},
            "click_over_view": draw(st.booleans()),
            "view_basis": draw(st.sampled_from(["served", "served", "viewable"])),
        }
        | ({"half_life": 1} if model == "time_decay" else {}),
        partner_overrides=draw(st.sampled_from([[], [{"partner_id": "pub-2", "lookback": {"view": "60h"}}]])),
    )
    return KnownContracts({"acme-1": [ApprovedVersion(agreed.contract, 1, datetime(2026, 8, 1, tzinfo=UTC))]})


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home that nothing was delivered to."""
    root = tmp_path_factory.mktemp("grace")
    Home.create(root / "empty")
    yield root / "empty"
    shutil.rmtree(root)


def home_like(empty: Path, grace_days: int) -> Home:
    root = shutil.copytree(empty, empty.with_name(f"home-{next(NUMBERS)}"))
    with (root / "adledger.toml").open("a", encoding="utf-8") as file:
        file.write(f"\ngrace_days = {grace_days}\n")
    home = Home.open(root)
    home.warehouse.publish([home.warehouse.write("fx_rates", "all", fx_rates())])
    return home


def day_of(number: int) -> date:
    return DAY + timedelta(days=number)


def deliver(home: Home, conversions: list[Row], delivery: Delivery) -> None:
    number, day = delivery.number, str(day_of(delivery.number))
    noon = NOON + timedelta(days=number)
    rows = [
        row | {"conversion_id": f"c{number}-{n}", "event_time": noon + row["event_time"]}
        for n, row in enumerate(conversions[delivery.since :], delivery.since)
    ]
    touches = [
        row | {"touch_id": f"t{number}-{n}", "touch_time": noon + row["touch_time"]}
        for n, row in enumerate(delivery.touches)
    ]
    bought, adjusted = rows_of("conversions", rows).lazy(), rows_of("conversion_adjustments", []).lazy()
    tables = {
        "conversions": bought,
        "conversion_states": conversion_states(bought, bought, adjusted),
        "household_conversions": household_conversions(bought, bought, adjusted),
        "touches": rows_of("touches", touches).lazy(),
    }
    home.warehouse.publish([home.warehouse.write(table, day, frame) for table, frame in tables.items()])


def bring_up_to_date(home: Home, agreed: KnownContracts) -> None:
    for _ in Upkeep(home, contracts=agreed).attributions():
        pass


def made(home: Home) -> dict[tuple[str, str], tuple[str, str]]:
    """Hash and inputs of every day's candidates, statuses and credits."""
    live = home.warehouse.catalogue.live
    tables = (CANDIDATES, *ATTRIBUTED)
    return {(table, day): (file.sha256, file.inputs) for table in tables for day, file in live(table).items()}


def attributed_whole(home: Home, day: str, agreed: KnownContracts, grace_days: int) -> dict[str, pl.DataFrame]:
    """A day's statuses and credits, all touches delivered by the end of its grace looked up at once."""
    read, on = home.warehouse.read_days, date.fromisoformat(day)
    bought, states, households = (
        read(table, [day]) for table in ("conversions", "conversion_states", "household_conversions")
    )
    conversions = judge(ConversionDay(bought, states, households, agreed.terms, fx_rates()))
    until = str(on + timedelta(days=grace_days))
    there = [d for d in home.warehouse.catalogue.live("touches") if d <= until]
    touches = home.warehouse.read_packed("touches", there)
    found = candidate_touches(conversions, touches, agreed.terms, in_grace=False)
    return dict(zip(ATTRIBUTED, attribute(conversions, found), strict=True))


@AT_A_TIME
@given(
    grace_days=st.sampled_from([0, 1, 1, 2]),
    agreed=st.tuples(contracts(), contracts()),
    conversions=st.tuples(*[st.lists(CONVERSION, min_size=1, max_size=3)] * DAYS),
    deliveries=st.lists(DELIVERY, min_size=5, max_size=9),
)
def test_in_whatever_pieces_touches_come_a_day_is_attributed_as_if_they_had_come_at_once(
    empty: Path,
    grace_days: int,
    agreed: tuple[KnownContracts, KnownContracts],
    conversions: tuple[list[Row], ...],
    deliveries: list[Delivery],
) -> None:
    home, scratch = home_like(empty, grace_days), home_like(empty, grace_days)
    for delivery in deliveries:
        deliver(home, conversions[delivery.number], delivery)
        if delivery.is_run:
            bring_up_to_date(home, agreed[delivery.contract])
    in_force = agreed[deliveries[-1].contract]
    bring_up_to_date(home, in_force)
    for delivery in {delivery.number: delivery for delivery in deliveries}.values():
        deliver(scratch, conversions[delivery.number], delivery)
    bring_up_to_date(scratch, in_force)
    assert made(home) == made(scratch)
    for day in home.warehouse.catalogue.live("conversions"):
        for table, whole in attributed_whole(home, day, in_force, grace_days).items():
            assert home.warehouse.read(table, [day]).collect().equals(whole)
    for root in (home.root, scratch.root):
        shutil.rmtree(root)
