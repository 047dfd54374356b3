"""Laws of judging again after amendments: it comes to what judging from nothing comes to, and reads no count that it need not."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import polars as pl
from billing_samples import NOON, advertiser, cpm, flat, frames, partner, rows_of, term
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.calendar import ONE_DAY
from contracts_io.contract import InForce
from contracts_io.frames import TABLES
from contracts_io.terms import TermFrames
from pipelines.claims import changed_places, claims_between, impression_claims, judged_again
from pipelines.media import judge_delivery

Row = dict[str, Any]
Book = dict[str, list[InForce]]
SLOW = settings(deadline=None, max_examples=75, suppress_health_check=[HealthCheck.too_slow])
FIRST, LAST = date(2026, 10, 3), date(2026, 10, 7)
"""All local dates, in any zone, of the counts below."""
LINES = ["li-1", "li-2", "li-3", "li-4"]
ADVERTISERS = {"acme-1": "acme", "beta-1": "beta", "acme-2": "acme"}
PARTNERS = {"one-1": "pub-1", "one-2": "pub-1", "two-1": "pub-2"}

ZONES = st.sampled_from(["UTC", "America/New_York", "Asia/Kathmandu"])
DATES = st.dates(FIRST - ONE_DAY, LAST + ONE_DAY)
MULTIPLIERS = st.fixed_dictionaries(
    {},
    optional={
        "device_type": st.sampled_from([{"ctv": "1.2"}, {"ctv": "1.3", "mobile": "0.8"}]),
        "country": st.just({"US": "1.1"}),
        "daypart": st.sampled_from([[{"days": [day], "from": 18, "to": 23, "factor": "1.5"}] for day in ("mon", "tue")]),
    },
)
COUNT = st.fixed_dictionaries(
    {
        "line_item_id": st.sampled_from([*LINES, "li-9"]),
        "partner_id": st.sampled_from(["pub-1", "pub-2", "pub-9"]),
        "quarter_hour": st.integers(-4 * 36, 4 * 36).map(lambda quarters: NOON + quarters * timedelta(minutes=15)),
        "device_type": st.sampled_from([None, "ctv", "mobile"]),
        "country": st.sampled_from([None, "US", "DE"]),
        "viewable": st.booleans(),
        "completed": st.booleans(),
        "valid": st.sampled_from([True, True, True, False]),
        "impressions": st.integers(1, 10**6),
        "cost": st.sampled_from([None, "0.000000001", "1.5"]),
    }
)


@st.composite
def documents(draw: st.DrawFn, contract_id: str) -> Row:
    """What a version of the contract says."""
    is_advertiser = contract_id in ADVERTISERS
    by_impression = {"billable_on": draw(st.sampled_from(["served", "viewable", "completed"]))}
    rate = {"rate": f"{draw(st.integers(1, 3))}.50"}
    pricings: list[Row] = [
        cpm(**rate, **by_impression, multipliers=draw(MULTIPLIERS)),
        {"model": "dcpm", **by_impression},
        flat(),
    ]
    if not is_advertiser:
        pricings[2] = {"model": "revenue_share", "share": "0.5"}
    terms = []
    lines = draw(st.permutations(LINES))
    for number, line_items in enumerate((lines[:2], lines[2:3])):
        pricing = pricings[draw(st.sampled_from([0, 0, 1]))] if number or is_advertiser else draw(st.sampled_from(pricings))
        if is_advertiser and number:
            pricing = draw(st.sampled_from(pricings))
        dates = draw(st.fixed_dictionaries({}, optional={"starts_on": DATES.map(str)}))
        filters = {} if is_advertiser else {"line_items": line_items}
        if not is_advertiser and draw(st.booleans()):
            filters = {"advertisers": [draw(st.sampled_from(["acme", "beta"]))], "line_items": line_items}
        name = draw(st.sampled_from(["a", "b"])) + str(number)
        terms.append(term(name, pricing, *(line_items if is_advertiser else []), **dates, **filters))
    return {"terms": terms, "timezone": draw(ZONES)}


def in_force(contract_id: str, said: Row, version: int, first: date, last: date | None = None) -> InForce:
    more = {"version": version, "first": first, "last": last, "timezone": said["timezone"], "contract_id": contract_id}
    if contract_id in ADVERTISERS:
        return advertiser(*said["terms"], party=ADVERTISERS[contract_id], **more)
    return partner(*said["terms"], party=PARTNERS[contract_id], **more)


LONG_AGO = date(2026, 9, 1)
History = list[tuple[Row, int, date, date | None]]
"""What versions said, and their days."""


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, History]]:
    """Contracts by id as they were, and after each of some amendments."""
    ids = [*ADVERTISERS, *PARTNERS]
    states: list[dict[str, History]] = [
        {name: [(draw(documents(name)), 1, LONG_AGO, None)] for name in ids if draw(st.integers(0, 3))}
    ]
    for _ in range(draw(st.integers(1, 2))):
        state = dict(states[-1])
        for name in draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True)):
            state[name] = draw(amended(name, state.get(name, [])))
        states.append(state)
    return states


@st.composite
def amended(draw: st.DrawFn, contract_id: str, history: History) -> History:
    """The history with one more version, or gone as if it were not known."""
    how = draw(st.sampled_from(["said anew", "same again", "dearer", "ended", "gone"]))
    version = history[-1][1] + 1 if history else 1
    since = draw(DATES)
    if not history or how == "said anew":
        said = draw(documents(contract_id))
    elif how == "gone":
        return []
    else:
        said = history[-1][0]
    if how == "dearer":
        said = said | {"terms": [one | {"pricing": dearer(one["pricing"])} for one in said["terms"]]}
    cut = [
        (before, number, first, min(last or since - ONE_DAY, since - ONE_DAY))
        for before, number, first, last in history
        if first < since
    ]
    return [*cut, (said, version, since, draw(DATES.filter(lambda day: day >= since)) if how == "ended" else None)]


def dearer(pricing: Row) -> Row:
    return pricing | {"rate": "99.00"} if "rate" in pricing else pricing


def book_of(state: dict[str, History]) -> Book:
    return {name: [in_force(name, *version) for version in versions] for name, versions in state.items()}


def terms_of(book: Book) -> TermFrames:
    return frames(*(stretch for name in sorted(book) for stretch in book[name]))


def claims_of(terms: TermFrames) -> pl.DataFrame:
    found = claims_between(impression_claims(terms), FIRST, LAST)
    TABLES["impression_claims"].check(found.lazy())
    return found


def again(judged: pl.DataFrame, counts: pl.LazyFrame, before: TermFrames, now: TermFrames) -> pl.DataFrame:
    return judged_again(judged, lambda: counts, now, changed_places(claims_of(before), claims_of(now), FIRST, LAST))


def named(versions: list[InForce]) -> tuple[set[str], set[str]]:
    """The line items and the partners that a contract names."""
    lines: set[str] = set()
    partners = set()
    for stretch in versions:
        if stretch.contract.side == "partner":
            partners.add(stretch.contract.party.id)
        else:
            lines.update(*(offered.line_items or [] for offered in stretch.contract.terms))
    return lines, partners


def read_at_most(rows: list[Row], before: Book, now: Book) -> list[Row]:
    """The counts on line items, and by partners, that a contract names which is not what it was."""
    lines, partners = set[str](), set[str]()
    for name in {*before, *now}:
        if before.get(name) != now.get(name):
            more = named([*before.get(name, []), *now.get(name, [])])
            lines, partners = lines | more[0], partners | more[1]
    return [row for row in rows if row["line_item_id"] in lines or row["partner_id"] in partners]


def table(rows: list[Row]) -> pl.LazyFrame:
    return rows_of("delivery_counts", rows).lazy()


@SLOW
@given(st.lists(COUNT, min_size=1, max_size=25), histories())
def test_judging_again_what_amendments_changed_comes_to_judging_all_of_it(
    rows: list[Row], states: list[dict[str, History]]
) -> None:
    books = [book_of(state) for state in states]
    judged = judge_delivery(table(rows), terms_of(books[0]))
    for before, now in pairwise(books):
        whole = judge_delivery(table(rows), terms_of(now))
        judged = again(judged, table(read_at_most(rows, before, now)), terms_of(before), terms_of(now))
        assert judged.schema == whole.schema
        assert judged.rows() == whole.rows()


@SLOW
@given(st.lists(COUNT, min_size=1, max_size=25), histories(), DATES)
def test_a_price_that_changes_reads_no_count(rows: list[Row], states: list[dict[str, History]], since: date) -> None:
    state = states[0]
    dear: dict[str, History] = {}
    for name, [(said, version, first, _)] in state.items():
        changed = said | {"terms": [one | {"pricing": dearer(one["pricing"])} for one in said["terms"]]}
        dear[name] = [(said, version, first, since - ONE_DAY), (changed, version + 1, since, None)]
    before, now = terms_of(book_of(state)), terms_of(book_of(dear))
    whole = judge_delivery(table(rows), now)
    assert again(judge_delivery(table(rows), before), table([]), before, now).rows() == whole.rows()
