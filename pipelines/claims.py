"""What an amendment changes of a day that was judged: the places to be judged again.

What becomes of an impression depends on its place, its line item and its partner, by the terms that claim either
(``media``). So a day is judged again where the claims on a place are others than those it was judged by. A price is no part
of a claim: where it alone is another, nothing is judged again and no count is read.

    li-1 moves from acme-1 to acme-2, acme-2's price of li-7 rises -> li-1 is judged again, li-7 is as it was
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import date

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
_VERSIONED = ["contract_id", "version", "term_id"]


def impression_claims(terms: TermFrames) -> pl.DataFrame:
    """All that terms claim of impressions, on whatever days: table ``impression_claims``, its dates not null."""
    factors = defaultdict(list)
    for *of_term, dimension, value, factor in terms.factors.select(
        *_VERSIONED, "dimension", "value", "factor_micros"
    ).rows():
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


def changed_places(before: pl.DataFrame, now: pl.DataFrame, first: date, last: date) -> dict[str, pl.Series]:
    """The line items and the partners to be judged again, whatever was delivered of them, where claims differ.

    ``before`` and ``now`` are tables ``impression_claims`` of the local days from ``first`` to ``last``. What is found holds for
    each delivery day with the same claims before and now, where these days are between the first and the last of all local
    days that its counts can have: claims that begin or end have the same days in either then.
    """
    whole = (_asked(claims, _HOLDER, "term_id", "agreed", "first_on", "last_on") for claims in (before, now))
    holders = _on_one_side(*whole).select(_HOLDER).unique()
    of_days = (
        claims.join(holders, on=_HOLDER, how="semi", nulls_equal=True, maintain_order="left")
        .with_columns(day=pl.date_ranges(pl.col("first_on").fill_null(first), pl.col("last_on").fill_null(last)))
        .explode("day", empty_as_null=False)
        for claims in (before, now)
    )
    changed = _on_one_side(*(_asked(claims, [*_HOLDER, "day"], "term_id", "agreed") for claims in of_days))
    return {name: changed[name].drop_nulls().unique() for name in _PLACE}


def judged_again(
    judged: pl.DataFrame, counts: Callable[[], pl.LazyFrame], terms: TermFrames, places: Mapping[str, pl.Series]
) -> pl.DataFrame:
    """``judge_delivery(counts(), terms)``, given ``judged``, what that came to before the claims on ``places`` changed.

    Counts are read of the places alone, and not asked for where there are none. Where nothing differs it is ``judged`` itself.
    """
    at_hand = {name: judged[name].unique().sort() for name, changed in places.items() if not changed.is_empty()}
    ids = {name: of.filter(of.is_in(places[name].implode())) for name, of in at_hand.items()}
    is_changed = [pl.col(name).is_in(of.implode()) for name, of in ids.items() if not of.is_empty()]
    if not is_changed:
        return judged
    again = judge_delivery(counts().filter(pl.any_horizontal(is_changed)), terms)
    now = _sorted(pl.concat([judged.filter(~pl.any_horizontal(is_changed)), again]))
    return judged if now.equals(judged) else now


def _asked(claims: pl.DataFrame, by: list[str], *said: str) -> pl.DataFrame:
    """What is ``asked`` of a contract on a place: what is ``said`` of its terms, in the order in which they are asked."""
    texts = [pl.col(name).cast(pl.String).fill_null("") for name in said]
    return claims.group_by(by, maintain_order=True).agg(asked=pl.concat_str(texts, separator=" ").str.join("\n"))


def _on_one_side(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """The rows that are in one and not in the other."""
    pairs = ((before, now), (now, before))
    return pl.concat(one.join(other, on=one.columns, how="anti", nulls_equal=True) for one, other in pairs)


def _sorted(judged: pl.DataFrame) -> pl.DataFrame:
    """The rows in the order of the table, by numbers: as texts they would take ten times as long."""
    texts = {name: Texts(judged[name]) for name in (*_SORTED_BY, "advertiser_id") if judged.schema[name] == pl.String}
    dates = judged["month_date"].unique().sort()
    codes = {name: of.code(name) for name, of in texts.items()} | {
        "month_date": pl.lit(dates.search_sorted(judged["month_date"]))
    }
    sizes = {name: of.size for name, of in texts.items()} | {"month_date": dates.len()}
    packing = Packing({name: sizes[name] for name in _SORTED_BY})
    coded = judged.with_columns(*packing.packed(codes), advertiser=codes["advertiser_id"])
    return coded.sort(*packing.words, "multiplier", "advertiser").select(_JUDGED.columns)


def _hash(*agreed: object) -> str:
    return hashlib.sha256(json.dumps(agreed, ensure_ascii=False).encode()).hexdigest()
