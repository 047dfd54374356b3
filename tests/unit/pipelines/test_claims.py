"""What an amendment has judged again of a day: places whose claims are not the same, and nothing else."""

from __future__ import annotations

from datetime import date, timedelta
from itertools import product
from typing import Any

import polars as pl
import pytest
from billing_samples import NOON, advertiser, cpm, flat, frames, partner, rows_of, term

from contracts_io.contract import InForce
from contracts_io.terms import TermFrames
from pipelines import claims
from pipelines.claims import changed_places, claims_between, impression_claims, judged_again
from pipelines.media import judge_delivery, with_version

Place = tuple[str, str]
FIRST, LAST = date(2026, 9, 27), date(2026, 10, 8)
OCT_5 = date(2026, 10, 5)
LINES, PARTNERS = ["li-1", "li-2", "li-3"], ["pub-1", "pub-2"]

COUNTS = rows_of(
    "delivery_counts",
    [
        {
            "line_item_id": line,
            "partner_id": shown_by,
            "quarter_hour": NOON + timedelta(hours=hours),
            "viewable": viewable,
            "device_type": device,
            "country": "US",
            "cost": "0.5",
        }
        for line, shown_by, hours, viewable, device in product(
            LINES, PARTNERS, (-20, -10, 3, 10), (True, False), ("ctv", "mobile")
        )
    ],
)


def acme(*terms: dict[str, Any], **more: Any) -> InForce:
    return advertiser(*(terms or [term("brand", cpm(), "li-1")]), **more)


def beta(*terms: dict[str, Any], **more: Any) -> InForce:
    return advertiser(*(terms or [term("brand", cpm(), "li-2")]), contract_id="beta-1", party="beta", **more)


def one(*terms: dict[str, Any], **more: Any) -> InForce:
    return partner(*terms, **more)


def two(*terms: dict[str, Any], **more: Any) -> InForce:
    return partner(*terms, contract_id="pub-2-2026", party="pub-2", **more)


BOOK = (acme(), beta(), one(), two())
DAYPART = [{"days": ["mon"], "from": 18, "to": 23, "factor": "1.5"}]
BY_PUB_1 = [(line, "pub-1") for line in LINES]


def on(*lines: str) -> list[Place]:
    return [(line, shown_by) for line in lines for shown_by in PARTNERS]


def by_acme(*terms: dict[str, Any], **more: Any) -> tuple[InForce, ...]:
    """The book with another version of acme's contract."""
    return acme(*terms, version=2, **more), *BOOK[1:]


def by_one(*terms: dict[str, Any], **more: Any) -> tuple[InForce, ...]:
    """The book with another version of pub-1's contract."""
    return *BOOK[:2], one(*terms, version=2, **more), BOOK[3]


CASES: dict[str, tuple[tuple[InForce, ...], tuple[InForce, ...], list[Place]]] = {
    # contracts as they were, contracts as they are, the places that are judged again
    "the same contracts": (BOOK, BOOK, []),
    "another price": (BOOK, by_acme(term("brand", cpm("12"), "li-1")), []),
    "a cap and a budget": (BOOK, by_acme(term("brand", cpm(impression_cap=1, budget="1.00"), "li-1")), []),
    "another price of a partner": (BOOK, by_one(term("all", cpm("5"))), []),
    "another price from a day on": (
        BOOK,
        (acme(last=date(2026, 10, 4)), acme(term("brand", cpm("12"), "li-1"), version=2, first=OCT_5), *BOOK[1:]),
        [],
    ),
    "a line item more": (BOOK, by_acme(term("brand", cpm(), "li-1", "li-3")), on("li-3")),
    "a line item less": ((acme(term("brand", cpm(), "li-1", "li-3")), *BOOK[1:]), (acme(version=2), *BOOK[1:]), on("li-3")),
    "a line item that moves": (
        BOOK,
        (acme(term("brand", cpm(), "li-1", "li-2"), version=2), beta(term("brand", cpm(), "li-3"), version=2), *BOOK[2:]),
        on("li-2", "li-3"),
    ),
    "a line item that nothing was delivered of": (BOOK, by_acme(term("brand", cpm(), "li-1", "li-8")), []),
    "another name of a term": (BOOK, by_acme(term("video", cpm(), "li-1")), on("li-1")),
    "by action": (BOOK, by_acme(term("brand", flat(), "li-1")), on("li-1")),
    "at cost": (BOOK, by_acme(term("brand", {"model": "dcpm"}, "li-1")), on("li-1")),
    "billable on viewable": (BOOK, by_acme(term("brand", cpm(billable_on="viewable"), "li-1")), on("li-1")),
    "a multiplier by device": (
        BOOK,
        by_acme(term("brand", cpm(multipliers={"device_type": {"ctv": "1.2"}}), "li-1")),
        on("li-1"),
    ),
    "a multiplier by country, of a partner": (
        BOOK,
        by_one(term("all", cpm(multipliers={"country": {"US": "1.2"}}))),
        BY_PUB_1,
    ),
    "a multiplier by hour": (BOOK, by_acme(term("brand", cpm(multipliers={"daypart": DAYPART}), "li-1")), on("li-1")),
    "an early end": (BOOK, by_acme(last=date(2026, 10, 4)), on("li-1")),
    "an end after the day": (BOOK, by_acme(last=date(2026, 10, 9)), []),
    "a term that starts later": (BOOK, by_acme(term("brand", cpm(), "li-1", starts_on="2026-10-06")), on("li-1")),
    "another zone": (BOOK, by_acme(timezone="Asia/Tokyo"), on("li-1")),
    "another party": (BOOK, by_acme(party="acme-gmbh"), on("li-1")),
    "a contract that is gone": (BOOK, BOOK[1:], on("li-1")),
    "a new advertiser": (BOOK[1:], BOOK, on("li-1")),
    "a new partner": (BOOK[:2] + BOOK[3:], BOOK, BY_PUB_1),
    "a filter on line items": (BOOK, by_one(term("all", cpm("4"), "li-1")), BY_PUB_1),
    "a filter on advertisers": (BOOK, by_one(term("all", cpm("4"), advertisers=["acme"])), BY_PUB_1),
    "an advertiser of a partner's filter": (
        (*BOOK[:2], one(term("all", cpm("4"), advertisers=["acme"])), BOOK[3]),
        (acme(term("brand", cpm(), "li-3"), version=2), BOOK[1], one(term("all", cpm("4"), advertisers=["acme"])), BOOK[3]),
        on("li-1", "li-3"),
    ),
    "another order of a partner's terms": (
        (*BOOK[:2], one(term("some", cpm("4"), "li-1"), term("all", cpm("5"))), BOOK[3]),
        by_one(term("all", cpm("5")), term("some", cpm("4"), "li-1")),
        BY_PUB_1,
    ),
    "an older contract on the same line item": (
        BOOK,
        (*BOOK, advertiser(term("brand", cpm(), "li-2"), contract_id="aaa-1", party="aaa")),
        on("li-2"),
    ),
    "a contract of actions of a partner": (BOOK, (*BOOK, partner(term("orders", flat()), contract_id="pub-1-b")), []),
}


def claimed(terms: TermFrames) -> pl.DataFrame:
    return claims_between(impression_claims(terms), FIRST, LAST)


@pytest.mark.parametrize("case", CASES)
def test_what_is_judged_again_are_the_places_whose_claims_are_not_the_same(
    case: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    was, is_now, places = CASES[case]
    before, now = frames(*was), frames(*is_now)
    read: list[Place] = []

    def judge(counts: pl.LazyFrame, terms: TermFrames) -> pl.DataFrame:
        read.extend(counts.select("line_item_id", "partner_id").unique().sort(pl.all()).collect().rows())
        return judge_delivery(counts, terms)

    monkeypatch.setattr(claims, "judge_delivery", judge)
    judged = judge_delivery(COUNTS.lazy(), before)
    again = judged_again(judged, COUNTS.lazy, now, changed_places(claimed(before), claimed(now), FIRST, LAST))
    assert again.rows() == judge_delivery(COUNTS.lazy(), now).rows()
    assert read == sorted(places)
    assert (judged.rows() != again.rows()) or not places


def test_the_version_of_what_was_judged_is_the_one_in_force_on_the_date() -> None:
    was, is_now, _ = CASES["another price from a day on"]
    before, now = frames(*was), frames(*is_now)
    judged = judge_delivery(COUNTS.lazy(), before)
    again = judged_again(judged, COUNTS.lazy().clear, now, changed_places(claimed(before), claimed(now), FIRST, LAST))
    assert again is judged
    told = with_version(again, now)
    assert told.drop("version").equals(judged)
    versions = told.select("contract_id", "month_date", "version").unique().sort(pl.all(), nulls_last=True)
    assert versions.filter(contract_id="acme-1").rows() == [("acme-1", date(2026, 10, 4), 1), ("acme-1", OCT_5, 2)]
    assert told.filter(pl.col("contract_id").is_null() != pl.col("version").is_null()).is_empty()


def test_claims_say_of_which_days_they_are_where_that_can_matter() -> None:
    terms = frames(acme(first=date(2026, 10, 1)), beta(last=OCT_5), one(), two(last=date(2026, 9, 26)))
    told = claimed(terms).drop("agreed")
    assert told.rows() == [
        ("acme-1", "brand", "li-1", None, date(2026, 10, 1), None),
        ("beta-1", "brand", "li-2", None, None, OCT_5),
        ("pub-1-2026", "all", None, "pub-1", None, None),
    ]
