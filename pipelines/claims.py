"""What an amendment changes of a day that was judged: the places to be judged again, and versions that are told anew.

What becomes of an impression depends on its place, its line item and its partner, by the terms that claim either
(``media``). So a day is judged again where the claims on a place are others than those it was judged by. Where they are the
same under another version, as of a new price, the rows are told the version in force and no count is read.

    li-1 moves from acme-1 to acme-2, acme-2's price of li-7 rises -> li-1 is judged again, li-7's rows name the new version
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from typing import NamedTuple

import polars as pl

from contracts_io.frames import TABLES
from contracts_io.terms import TermFrames
from pipelines.media import claiming, judge_delivery
from pipelines.packing import Packing, Texts

_JUDGED = TABLES["judged_impressions"]
_CLAIMS = TABLES["impression_claims"]
_SORTED_BY = [name for name in _JUDGED.columns if name not in ("multiplier", "advertiser_id", "impressions", "cost")]
_PLACE = ["line_item_id", "partner_id"]
_HOLDER = ["contract_id", *_PLACE]
_TERM = ["contract_id", "version", "term_id"]


def impression_claims(terms: TermFrames) -> pl.DataFrame:
    """All that terms claim of impressions, on whatever days: table ``impression_claims``, its dates not null."""
    factors = defaultdict(list)
    for *of_term, dimension, value, factor in terms.factors.select(*_TERM, "dimension", "value", "factor_micros").rows():
        factors[tuple(of_term)].append([dimension, value, factor])
    live = claiming(terms.terms)
    agreed = [
        _hash(
            row["side"],
            row["party_id"],
            row["timezone"],
            row["model"],
            row["billable_on"],
            row["hour_factors"],
            row["line_items"] if row["side"] == "partner" else None,
            row["advertisers"],
            sorted(factors[row["contract_id"], row["version"], row["term_id"]]),
        )
        for row in live.iter_rows(named=True)
    ]
    is_partner = pl.col("side") == "partner"
    return (
        live.with_columns(
            pl.Series("agreed", agreed, pl.String),
            line_item_id=pl.when(~is_partner).then("line_items"),
            partner_id=pl.when(is_partner).then("party_id"),
        )
        .explode("line_item_id", empty_as_null=True)
        .select(_CLAIMS.columns)
    )


def claims_between(claims: pl.DataFrame, first: date, last: date) -> pl.DataFrame:
    """Table ``impression_claims``: of ``claims``, as ``impression_claims`` gives them, those from one local day to another."""
    return claims.filter(pl.col("first_on") <= last, pl.col("last_on") >= first).with_columns(
        first_on=pl.when(pl.col("first_on") > first).then("first_on"),
        last_on=pl.when(pl.col("last_on") < last).then("last_on"),
    )


class Amendment(NamedTuple):
    """What other claims than before say of a day that was judged.

    ``places``: the line items and the partners to be judged again, whatever was delivered of them. ``versions``:
    ``contract_id``, ``month_date`` and the ``version`` in force, of contracts whose claims are not the same.
    """

    places: dict[str, pl.Series]
    versions: pl.DataFrame


def amendment(before: pl.DataFrame, now: pl.DataFrame, first: date, last: date) -> Amendment:
    """What lies between two tables ``impression_claims``, of the local days from ``first`` to ``last``.

    It is that of each delivery day with the same claims before and now, where these days are between the first and the last of
    all local days that its counts can have: claims that begin or end have the same days in either then.
    """
    then_by_day, now_by_day = _different(before, now, first, last)
    versions = now_by_day.select("contract_id", "version", month_date="day").unique()
    return Amendment(_changed_places(then_by_day, now_by_day), versions)


def judged_again(
    judged: pl.DataFrame, counts: Callable[[], pl.LazyFrame], terms: TermFrames, amended: Amendment
) -> pl.DataFrame:
    """``judge_delivery(counts(), terms)``, given ``judged``, what that came to before contracts were ``amended`` to ``terms``.

    Counts are read of the places alone whose claims differ, and not asked for where there are none. Where nothing differs it
    is ``judged`` itself.
    """
    kept = _told_versions(judged, amended.versions)
    at_hand = {name: judged[name].unique().sort() for name, changed in amended.places.items() if not changed.is_empty()}
    ids = {name: of.filter(of.is_in(amended.places[name].implode())) for name, of in at_hand.items()}
    is_changed = [pl.col(name).is_in(of.implode()) for name, of in ids.items() if not of.is_empty()]
    if not is_changed:
        return kept
    again = judge_delivery(counts().filter(pl.any_horizontal(is_changed)), terms)
    now = _sorted(pl.concat([kept.filter(~pl.any_horizontal(is_changed)), again]))
    return judged if now.equals(judged) else now


def _different(before: pl.DataFrame, now: pl.DataFrame, first: date, last: date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """By contract, place and local ``day`` what ``before`` and ``now`` say, of the contracts and places where they differ.

    ``version``, and ``asked``: the contract's terms in the order in which they are asked, and what is agreed in them.
    """
    differing = pl.concat(
        [one.join(other, on=_CLAIMS.columns, how="anti", nulls_equal=True) for one, other in ((before, now), (now, before))]
    )
    holders = differing.select(_HOLDER).unique()
    then_by_day, now_by_day = (
        claims.join(holders, on=_HOLDER, how="semi", nulls_equal=True, maintain_order="left")
        .with_columns(day=pl.date_ranges(pl.col("first_on").fill_null(first), pl.col("last_on").fill_null(last)))
        .explode("day", empty_as_null=False)
        .group_by(*_HOLDER, "day", maintain_order=True)
        .agg(pl.col("version").first(), asked=pl.concat_str("term_id", "agreed", separator=" ").str.join("\n"))
        for claims in (before, now)
    )
    return then_by_day, now_by_day


def _changed_places(before: pl.DataFrame, now: pl.DataFrame) -> dict[str, pl.Series]:
    """The line items and the partners on which a contract's claims are not the same, whatever their version."""
    same = [*_HOLDER, "day", "asked"]
    pairs = ((before, now), (now, before))
    changed = pl.concat([one.join(other, on=same, how="anti", nulls_equal=True) for one, other in pairs])
    return {name: changed[name].drop_nulls().unique() for name in _PLACE}


def _told_versions(judged: pl.DataFrame, versions: pl.DataFrame) -> pl.DataFrame:
    """The rows with the version that is in force now on their date."""
    key = ["contract_id", "month_date"]
    told = (
        judged.lazy()
        .select(*key, "version")
        .join(versions.lazy(), on=key, how="left", maintain_order="left", suffix="_now")
        .select(pl.coalesce("version_now", "version").alias("version"))
        .collect()
        .to_series()
    )
    return judged if told.equals(judged["version"]) else judged.with_columns(told)


def _sorted(judged: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order of the table, by numbers: as texts they would take ten times as long."""
    texts = {name: Texts(judged[name]) for name in (*_SORTED_BY, "advertiser_id") if judged.schema[name] == pl.String}
    dates, versions = (judged[name].unique().sort() for name in ("month_date", "version"))
    codes = {name: of.code(name) for name, of in texts.items()} | {
        "month_date": pl.lit(dates.search_sorted(judged["month_date"])),
        "version": pl.lit(versions.search_sorted(judged["version"])),
    }
    sizes = {name: of.size for name, of in texts.items()} | {"month_date": dates.len(), "version": versions.len()}
    packing = Packing({name: sizes[name] for name in _SORTED_BY})
    coded = judged.with_columns(*packing.packed(codes), advertiser=codes["advertiser_id"])
    return coded.sort(*packing.words, "multiplier", "advertiser").select(_JUDGED.columns)


def _hash(*agreed: object) -> str:
    return hashlib.sha256(json.dumps(agreed, ensure_ascii=False).encode()).hexdigest()
