"""Revenue share: what partners earn of what advertisers are charged on their impressions (spec 5.2).

An advertiser's rated group is shared under the partner's version in force on the group's local date, by its first term in
document order that matches and is paid by impressions or by share, where that is a revenue_share term.

    charged 10 EUR at 1.25 USD, share 0.70 -> 8.750000000 USD
"""

from __future__ import annotations

import polars as pl

from contracts_io.money import MICRO, divide_half_up_expr
from contracts_io.terms import TermFrames
from pipelines.flights import GROUP, TERM, RatedTerms
from pipelines.media import PAID_BY_IMPRESSIONS, matches_filters
from pipelines.prices import in_contract_currency

_ASKED = ["partner_id", "line_item_id", "advertiser_id"]


def revenue_shares(
    charged: pl.DataFrame, rated: RatedTerms, terms: TermFrames, rates: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The shares of advertisers' charges, one row per rated group that is shared, and the rates that lack.

    ``charged``: rows of GROUP and step with ``units`` and ``amount`` in nanos. The shares have the partner's ``contract_id``,
    ``version``, ``term_id``, and ``on``, ``line_item_id``, ``partner_id``, ``advertiser_contract_id``, ``units`` and
    ``amount``; a share whose rate lacks is left out.
    """
    offered = _offered(terms.terms)
    advertisers = rated.terms.filter(pl.col("side") == "advertiser").select(
        "term", advertiser_id="party_id", advertiser_contract_id="contract_id", charged_currency="currency"
    )
    partners = charged["partner_id"].cast(pl.String).is_in(offered["partner_id"].unique().implode())
    groups = (
        charged.filter(partners, pl.col("term").is_in(advertisers["term"].implode()))
        .group_by(GROUP)
        .agg(pl.col("units").sum(), pl.col("amount").sum())
        .join(advertisers, on="term")
    )
    taken = _taken(groups.select(*_ASKED, "on").unique(), offered)
    rows, missing = in_contract_currency(
        groups.join(taken, on=[*_ASKED, "on"]), rates, value="amount", source="charged_currency"
    )
    shared = divide_half_up_expr(pl.col("amount") * pl.col("share_micros"), MICRO)
    columns = [*TERM, "on", "line_item_id", "partner_id", "advertiser_contract_id", "units"]
    return rows.select(*columns, amount=shared), missing


def _taken(asked: pl.DataFrame, offered: pl.DataFrame) -> pl.DataFrame:
    """Those of ``asked`` (_ASKED, ``on``) whose first offer of the day is a share: with its TERM, currency and share."""
    keys = asked.select(_ASKED).unique()
    texts = keys.with_columns(pl.col("partner_id", "line_item_id").cast(pl.String), key=pl.int_range(pl.len()))
    matching = texts.join(offered, on="partner_id").filter(matches_filters()).select("key", "offer", "first_on", "last_on")
    first = (
        asked.join(keys.with_columns(texts["key"]), on=_ASKED)
        .join(matching, on="key")
        .filter(pl.col("on").is_between("first_on", "last_on"))
        .group_by(*_ASKED, "on")
        .agg(pl.col("offer").min())
    )
    shares = offered.filter(pl.col("model") == "revenue_share").select("offer", *TERM, "currency", "share_micros")
    return first.join(shares, on="offer")


def _offered(terms: pl.DataFrame) -> pl.DataFrame:
    """The terms paid by impressions or by share of the partners who have a share at all, ``offer`` their precedence."""
    return (
        terms.filter(pl.col("side") == "partner", pl.col("model").is_in(PAID_BY_IMPRESSIONS))
        .drop("hour_factors")
        .rename({"party_id": "partner_id"})
        .filter((pl.col("model") == "revenue_share").any().over("partner_id"))
        .sort("contract_id", "position", "version")
        .with_row_index("offer")
    )
