"""Which impressions are billed, by which term and at which multiplier, on both sides (spec 5.1).

Works on delivery counts alone. A count is billed by the term that covers its line item on its local date in the contract's
zone; the partner's own contract is asked the same question about the same count, knowing whose advertiser it was. What they
come to in money is ``rating``'s.

    1,500 impressions of li-1, 1,000 of them viewable, billable on viewable -> billed 1,000; not_viewable 500
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import NamedTuple

import polars as pl

from contracts_io.frames import OUTCOMES
from contracts_io.money import FACTOR_TYPE, NANOS_TYPE, from_nanos
from contracts_io.terms import TermFrames
from contracts_io.texts import distinct
from pipelines.multipliers import PRICED, Multipliers, multipliers, with_product
from pipelines.packing import Packing, Texts, looked_up

PAID_BY_IMPRESSIONS = ["cpm", "dcpm", "revenue_share"]
"""The models of a partner term that cover an impression; cpa pays by the action."""

_MODELS = {"advertiser": ["cpm", "dcpm", "cpa"], "partner": PAID_BY_IMPRESSIONS}
_TERM = ["contract_id", "term_id"]
_SIDES = ["advertiser", "partner"]
_OUTCOME = pl.Enum(sorted(OUTCOMES))
_BILLED, _INVALID = (sorted(OUTCOMES).index(name) for name in ("billed", "invalid_traffic"))
_MARKS = ["viewable", "completed", "valid"]
_FURTHEST_ZONE = timedelta(days=1)


class _Merged(NamedTuple):
    """A day's counts, added up over what no term that could cover them prices apart.

    ``places``: their ``line_item_id`` and ``partner_id`` with ``on``, the first quarter of an hour with the same local dates;
    sorted, with a number ``place`` from 0. ``rows``: the columns kept, the words of ``packing``, ``place``, ``impressions``,
    ``cost``. ``packing`` has the codes of _MARKS and of PRICED, these 0 where they make no difference. ``lines`` and
    ``partners`` are the ids at hand.
    """

    places: pl.DataFrame
    rows: pl.DataFrame
    packing: Packing
    lines: Texts
    partners: Texts


def judge_delivery(counts: pl.LazyFrame, terms: TermFrames, kept: Sequence[str] = ()) -> pl.DataFrame:
    """Judge a delivery day's ``delivery_counts`` on both sides: table ``judged_impressions``, sorted.

    A count belongs to its local date, or to its UTC date where no contract covers it. Contract and term are null of invalid
    traffic; advertiser, multiplier and cost are told of billed rows only. Columns of ``counts`` in ``kept`` are
    kept apart and stand first: an id of each count, to see what becomes of it alone. With ``kept`` the counts are held in
    memory; else they are read twice.
    """
    counts = counts.collect(engine="streaming").lazy() if kept else counts
    lines, partners, quarters = distinct(counts, "line_item_id", "partner_id", "quarter_hour")
    claims = _claims(terms.terms, quarters)
    factors = multipliers(terms, claims, quarters)
    same_dates = _same_dates(quarters, claims["timezone"].unique().to_list())
    merged = _merged(counts, Texts(lines), Texts(partners), same_dates, factors, kept)
    clock = _clock(merged.places["on"].unique(), claims)
    advertiser = _claimed_by_advertiser(merged.places, claims, clock)
    partner = _claimed_by_partner(advertiser, claims, clock)
    sides = [_placed(side, claims, clock, factors) for side in (advertiser, partner)]
    judged = [_judged(merged, places, factors, kept) for places in sides]
    return _told(judged, sides, merged, claims, kept)


def with_version(judged: pl.DataFrame, terms: TermFrames) -> pl.DataFrame:
    """Rows with ``contract_id`` and ``month_date``, in their order, with the ``version`` in force then; null without contract.

    It is not kept with what was judged: a new version under which a contract claims the same judges nothing anew.
    """
    key = ["contract_id", "month_date"]
    in_force = terms.contracts.lazy().select("contract_id", "version", "first_on", "last_on")
    versions = (
        judged.lazy()
        .select(key)
        .unique()
        .join(in_force, on="contract_id")
        .filter(pl.col("month_date").is_between("first_on", "last_on"))
        .select(*key, "version")
    )
    return judged.lazy().join(versions, on=key, how="left", maintain_order="left").collect()


def matches_filters() -> pl.Expr:
    """Whether a partner term's optional filters, lists ``line_items`` and ``advertisers``, let the row's ids pass.

    An unknown advertiser does not pass a filter on advertisers.
    """
    line_item = pl.col("line_items").is_null() | pl.col("line_items").list.contains(pl.col("line_item_id"))
    advertiser = pl.col("advertisers").is_null() | (
        pl.col("advertiser_id").is_not_null() & pl.col("advertisers").list.contains(pl.col("advertiser_id"))
    )
    return line_item & advertiser


def claiming(terms: pl.DataFrame) -> pl.DataFrame:
    """Those of ``terms`` (TERMS_SCHEMA) that claim impressions, in the order in which they are asked."""
    priced = pl.any_horizontal((pl.col("side") == side) & pl.col("model").is_in(models) for side, models in _MODELS.items())
    return terms.filter(priced).sort("contract_id", "position", "version")


def _claims(terms: pl.DataFrame, quarters: pl.Series) -> pl.DataFrame:
    """The terms that can cover a count of these quarters, numbered by ``claim``: of two that cover one, the lower has it."""
    utc = quarters.dt.date()
    if utc.is_empty():
        return terms.clear().with_row_index("claim")
    first, last = _day(utc.min()) - _FURTHEST_ZONE, _day(utc.max()) + _FURTHEST_ZONE
    live = terms.filter(pl.col("first_on") <= last, pl.col("last_on") >= first)
    return claiming(live).with_row_index("claim")


def _day(value: object) -> date:
    assert isinstance(value, date)
    return value


def _same_dates(quarters: pl.Series, zones: list[str]) -> pl.DataFrame:
    """Per ``quarter_hour`` the first, ``on``, with the same date in UTC and in each of ``zones``."""
    quarter = pl.col("quarter_hour")
    dates = {f"date {zone}": quarter.dt.convert_time_zone(zone).dt.date() for zone in {"UTC", *zones}}
    return quarters.to_frame().with_columns(**dates).select("quarter_hour", on=quarter.min().over(list(dates)))


def _clock(ons: pl.Series, claims: pl.DataFrame) -> pl.DataFrame:
    """The local date of each quarter of an hour ``on`` in each zone at hand: ``on``, ``timezone``, ``local_on``."""
    return pl.concat(
        ons.to_frame().with_columns(timezone=pl.lit(zone), local_on=pl.col("on").dt.convert_time_zone(zone).dt.date())
        for zone in sorted(set(claims["timezone"])) or ["UTC"]
    )


def _merged(
    counts: pl.LazyFrame,
    lines: Texts,
    partners: Texts,
    same_dates: pl.DataFrame,
    factors: Multipliers,
    kept: Sequence[str],
) -> _Merged:
    """The counts, added up on the codes of what tells them apart."""
    ons = same_dates["on"].unique().sort()
    place_sizes = {"line_item_id": lines.size, "partner_id": partners.size, "on": ons.len()}
    packing = Packing(place_sizes | {"marks": 2 ** len(_MARKS)} | factors.sizes)
    marks = pl.lit(0, pl.UInt8)
    for mark in _MARKS:
        marks = marks * 2 + pl.col(mark)
    quarters = same_dates.with_columns(pl.col("on").rank("dense") - 1).join(factors.hours, on="quarter_hour")
    rows = (
        counts.join(quarters.lazy(), on="quarter_hour")
        .with_columns(lines.code("line_item_id"), partners.code("partner_id"))
        .group_by(*kept, *packing.packed({"marks": marks} | factors.codes(lines, partners)))
        .agg(pl.col("impressions").sum(), pl.col("cost").sum().cast(NANOS_TYPE))
        .collect(engine="streaming")
        .lazy()
    )
    by_place = Packing(place_sizes, "place")
    rows = rows.with_columns(by_place.packed({name: packing.code(name) for name in place_sizes}))
    numbered = rows.select(by_place.words).unique().sort(by_place.words).with_row_index("place").collect(engine="streaming")
    places = numbered.select(
        "place",
        line_item_id=lines.text(by_place.code("line_item_id")),
        partner_id=partners.text(by_place.code("partner_id")),
        on=looked_up(ons, by_place.code("on")),
    )
    placed = rows.join(numbered.lazy(), on=by_place.words).drop(by_place.words).collect(engine="streaming")
    return _Merged(places, placed, packing, lines, partners)


def _claimed_by_advertiser(rows: pl.DataFrame, claims: pl.DataFrame, clock: pl.DataFrame) -> pl.DataFrame:
    """Each count with the ``claim`` on its line item and its ``advertiser_id``; null where no term covers it."""
    lines = (
        claims.filter(pl.col("side") == "advertiser")
        .select("claim", "timezone", "first_on", "last_on", "line_items")
        .rename({"line_items": "line_item_id"})
        .explode("line_item_id")
    )
    key = ["line_item_id", "on"]
    claimed = _with_first_claim(rows, rows.select(key).unique().join(lines, on="line_item_id"), key, clock)
    return claimed.join(claims.select("claim", advertiser_id="party_id"), on="claim", how="left")


def _claimed_by_partner(advertiser: pl.DataFrame, claims: pl.DataFrame, clock: pl.DataFrame) -> pl.DataFrame:
    """Each count with the first ``claim`` of its partner's contract whose filters match it; null where none does."""
    own = claims.filter(pl.col("side") == "partner").select(
        "claim", "timezone", "first_on", "last_on", "line_items", "advertisers", partner_id="party_id"
    )
    rows = advertiser.drop("claim")
    ids = ["partner_id", "line_item_id", "advertiser_id"]
    key = [*ids, "on"]
    offers = rows.select(ids).unique().join(own, on="partner_id").filter(matches_filters())
    return _with_first_claim(rows, offers.join(rows.select(key).unique(), on=ids, nulls_equal=True), key, clock)


def _with_first_claim(rows: pl.DataFrame, offers: pl.DataFrame, key: list[str], clock: pl.DataFrame) -> pl.DataFrame:
    """Add ``claim``: of the key's offers in force on the local date the first, by contract id, then by document order."""
    first = (
        offers.select(*key, "claim", "timezone", "first_on", "last_on")
        .join(clock, on=["on", "timezone"])
        .filter(pl.col("local_on").is_between("first_on", "last_on"))
        .group_by(key)
        .agg(pl.col("claim").min())
    )
    return rows.join(first, on=key, how="left", nulls_equal=True)


def _placed(claimed: pl.DataFrame, claims: pl.DataFrame, clock: pl.DataFrame, factors: Multipliers) -> pl.DataFrame:
    """The places that one side has claimed, by ``place``, with what their term says of them and the date they belong to.

    ``first_place`` is the first of those that differ in nothing that is told of them.
    """
    of_term = claims.select("claim", "timezone", "model", "billable_on").join(
        factors.terms.select("claim", "^by_.*$"), on="claim", how="left"
    )
    return (
        claimed.join(of_term, on="claim", how="left")
        .join(clock, on=["on", "timezone"], how="left")
        .with_columns(pl.col("^by_.*$").fill_null(False), month_date=pl.coalesce("local_on", pl.col("on").dt.date()))
        .with_columns(
            first_place=pl.col("place").min().over("line_item_id", "partner_id", "claim", "month_date", "advertiser_id")
        )
        .sort("place")
    )


def _judged(merged: _Merged, places: pl.DataFrame, factors: Multipliers, kept: Sequence[str]) -> pl.DataFrame:
    """One side's counts, each with its ``outcome``, a code of _OUTCOME, and ``multiplier``, added up by ``place`` and these."""
    cases = _cases(places)
    place, case = pl.col("place"), pl.col("place") * 2 ** len(_MARKS) + merged.packing.code("marks")
    told = Packing({"place": places.height, "outcome": len(OUTCOMES)} | factors.sizes)
    codes = {
        "place": looked_up(places["first_place"], place),
        "outcome": pl.col("outcome"),
        **{name: pl.when(pl.col("priced") & 2**bit > 0).then(name).otherwise(0) for bit, name in enumerate(PRICED)},
    }
    rows = (
        merged.rows.lazy()
        .with_columns(merged.packing.code(name) for name in PRICED)
        .with_columns(outcome=looked_up(cases["outcome"], case), priced=looked_up(cases["priced"], case))
        .group_by(*kept, *told.packed(codes))
        .agg(pl.col("impressions").sum(), pl.col("cost").sum())
        .select(*kept, *(told.code(name) for name in codes), "impressions", "cost")
        .with_columns(claim=pl.when(pl.col("outcome") == _BILLED).then(looked_up(places["claim"], place)))
    )
    columns = [*kept, "place", "outcome", "multiplier", "impressions", "cost"]
    return with_product(rows, factors).select(columns).collect(engine="streaming")


def _cases(places: pl.DataFrame) -> pl.DataFrame:
    """Of each place the code of the ``outcome`` of counts by their marks, in order, and what ``priced`` them: a bit each."""
    priced = pl.sum_horizontal(pl.col(f"by_{name}").cast(pl.UInt8) * 2**bit for bit, name in enumerate(PRICED))
    cases = places.select("place", "claim", "model", "billable_on", priced=priced)
    for mark in _MARKS:
        cases = cases.join(pl.DataFrame({mark: [False, True]}), how="cross")
    outcome = pl.col("outcome")
    return (
        cases.sort("place", *_MARKS)
        .select(_outcome().to_physical().alias("outcome"), "priced")
        .select(outcome, pl.when(outcome == _BILLED).then("priced").otherwise(0))
    )


def _told(
    judged: list[pl.DataFrame], sides: list[pl.DataFrame], merged: _Merged, claims: pl.DataFrame, kept: Sequence[str]
) -> pl.DataFrame:
    """Table ``judged_impressions`` of what was judged at the places of either side."""
    terms = claims.select(_TERM).unique().sort(_TERM).with_row_index("term", offset=1)
    advertisers = Texts(pl.concat([claims["party_id"], pl.Series([None], dtype=pl.String)]))
    dates = pl.concat([places["month_date"] for places in sides]).unique().sort()
    told = Packing(
        {
            "side": len(_SIDES),
            "month_date": dates.len(),
            "term": terms.height + 1,
            "line_item_id": merged.lines.size,
            "partner_id": merged.partners.size,
            "outcome": len(OUTCOMES),
        }
    )
    billed = pl.col("outcome") == _BILLED
    rows = []
    for side, (judged_rows, places) in enumerate(zip(judged, sides, strict=True)):
        of_place = (
            places.join(claims.select("claim", *_TERM), on="claim", how="left", maintain_order="left")
            .join(terms, on=_TERM, how="left", maintain_order="left")
            .select(
                pl.col("term").fill_null(0),
                merged.lines.code("line_item_id"),
                merged.partners.code("partner_id"),
                advertisers.code("advertiser_id"),
                month_date=dates.search_sorted(places["month_date"]),
                by_cost=(pl.col("model") == "dcpm").fill_null(False),
            )
        )
        at_place = {name: looked_up(of_place[name], pl.col("place")) for name in of_place.columns}
        codes = at_place | {
            "side": pl.lit(side),
            "outcome": pl.col("outcome"),
            "term": pl.when(pl.col("outcome") != _INVALID).then(at_place["term"]).otherwise(0),
        }
        rows.append(
            judged_rows.lazy().select(
                *kept,
                *told.packed(codes),
                "multiplier",
                "impressions",
                advertiser=pl.when(billed).then(at_place["advertiser_id"]).otherwise(0),
                cost=pl.when(billed & at_place["by_cost"]).then("cost").otherwise(from_nanos(pl.lit(0))),
            )
        )
    named = pl.concat([terms.clear(1), terms])
    keys = [*kept, *told.words, "multiplier", "advertiser"]
    return (
        pl.concat(rows)
        .group_by(keys)
        .agg(pl.col("impressions").sum(), pl.col("cost").sum().cast(NANOS_TYPE))
        .sort(keys)
        .select(
            *kept,
            looked_up(pl.Series(_SIDES), told.code("side")).alias("side"),
            looked_up(dates, told.code("month_date")).alias("month_date"),
            *(looked_up(named[name], told.code("term")).alias(name) for name in _TERM),
            merged.lines.text(told.code("line_item_id")).alias("line_item_id"),
            merged.partners.text(told.code("partner_id")).alias("partner_id"),
            looked_up(pl.Series(sorted(OUTCOMES)), told.code("outcome")).alias("outcome"),
            pl.col("multiplier").reinterpret(dtype=FACTOR_TYPE),
            advertisers.text(pl.col("advertiser")).alias("advertiser_id"),
            "impressions",
            "cost",
        )
        .collect(engine="streaming")
    )


def _outcome() -> pl.Expr:
    """The first outcome of spec 5.1 that applies."""
    return (
        pl.when(~pl.col("valid"))
        .then(pl.lit("invalid_traffic", _OUTCOME))
        .when(pl.col("claim").is_null())
        .then(pl.lit("no_contract", _OUTCOME))
        .when(pl.col("model") == "cpa")
        .then(pl.lit("priced_by_action", _OUTCOME))
        .when((pl.col("billable_on") == "viewable") & ~pl.col("viewable"))
        .then(pl.lit("not_viewable", _OUTCOME))
        .when((pl.col("billable_on") == "completed") & ~pl.col("completed"))
        .then(pl.lit("not_completed", _OUTCOME))
        .otherwise(pl.lit("billed", _OUTCOME))
    )
