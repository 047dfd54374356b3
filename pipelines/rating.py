"""What the impressions of a month cost, to the nano: CPM and dynamic CPM on both sides, then revenue shares (spec 5.2).

The rated group is (term, version, local date, line item, partner, product of multipliers). Its units are put in steps or
over the cap, priced, held by budgets, and what advertisers are charged is shared with partners: each of these has a module
of its own, here they follow each other.

    1,000 units at step rate 32.50 and multiplier 1.2 -> 39.000000 per mille -> 39.000000000
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from contracts_io.calendar import Month
from contracts_io.frames import OUTCOMES, TABLES
from contracts_io.money import from_micros, from_nanos, nanos
from contracts_io.terms import TermFrames
from pipelines.flights import GROUP, TERM, RatedTerms, flights_after, rated_terms, with_charges, with_steps
from pipelines.limits import OVER_CAP
from pipelines.outcomes import told_apart
from pipelines.prices import priced_by_cost, priced_by_mille
from pipelines.revenue_share import revenue_shares

_SIDES = pl.Enum(["advertiser", "partner"])
_KINDS = pl.Enum(["media", "revenue_share"])
_OUTCOME = TABLES["impression_outcomes"].columns[:-1]
_ACCRUAL = ["side", "billing_date", *TERM, "kind", "line_item_id", "partner_id", "advertiser_contract_id", "step", "rate"]
_PRICED = [*GROUP, "step", "rate", "units", "uncapped"]


class RatedMedia(NamedTuple):
    """A month's media.

    ``outcomes``: table ``impression_outcomes``; ``accruals``: the ``media`` and ``revenue_share`` rows of table ``accruals``;
    ``flights``: columns ``contract_id``, ``term_id``, ``impressions``, ``charged`` of table ``flights``, as of the month's
    end; ``missing_rates``: table ``missing_rates``, whose amounts are left out of the accruals. All sorted.
    """

    outcomes: pl.DataFrame
    accruals: pl.DataFrame
    flights: pl.DataFrame
    missing_rates: pl.DataFrame


def rate_media(
    judged: pl.LazyFrame, terms: TermFrames, rates: pl.DataFrame, flights: pl.DataFrame, cost_currency: str, month: Month
) -> RatedMedia:
    """Price the judged impressions whose date lies in ``month``.

    ``judged``: table ``judged_impressions`` with ``delivery_day``, of every day that can hold impressions of the month, under
    ``terms``; ``rates``: table ``fx_rates``; ``flights``: table ``flights`` as of the end of the month before (its ``lined``
    is not read); ``cost_currency``: that of the cleared prices.
    """
    rated = rated_terms(terms)
    billed, others = _collected(judged.filter(pl.col("month_date").is_between(month.first, month.last)), rated)
    ids = _Ids.of(billed, others, terms)
    billed, others = ids.numbered(billed), ids.numbered(others)
    stepped = with_steps(billed.group_by(GROUP).agg(pl.col("units").sum(), pl.col("cost").sum()), rated, flights)
    outcomes = _outcomes(told_apart(billed, stepped), others, rated, ids)
    del billed, others
    kept = stepped.filter(pl.col("step") != OVER_CAP)
    del stepped
    by_mille = priced_by_mille(kept, rated).select(_PRICED)
    by_cost, lacking = priced_by_cost(kept, rated, rates, cost_currency)
    charged = with_charges(pl.concat([by_mille, by_cost.select(_PRICED)]), rated, flights)
    shares, lacking_too = revenue_shares(charged, rated, terms, rates)
    missing = pl.concat([lacking, lacking_too]).unique()
    return RatedMedia(
        outcomes,
        _accruals([_media(charged, rated, ids), _shares(shares, ids)]),
        flights_after(flights, kept, charged, rated),
        missing.sort(missing.columns),
    )


class _Ids(NamedTuple):
    """The ids at hand, sorted: as an Enum a column of them is grouped and sorted by small numbers, in the order of texts."""

    contract: pl.Enum
    term: pl.Enum
    line_item: pl.Enum
    partner: pl.Enum

    @classmethod
    def of(cls, billed: pl.DataFrame, others: pl.DataFrame, terms: TermFrames) -> _Ids:
        """Every id in what was collected and agreed."""
        return cls(
            *(_known(terms.terms[name], others[name]) for name in ("contract_id", "term_id")),
            *(_known(billed[name], others[name]) for name in ("line_item_id", "partner_id")),
        )

    def numbered(self, frame: pl.DataFrame) -> pl.DataFrame:
        """``frame`` with its ids and other words as Enums."""
        words = {
            "side": _SIDES,
            "contract_id": self.contract,
            "advertiser_contract_id": self.contract,
            "term_id": self.term,
            "line_item_id": self.line_item,
            "partner_id": self.partner,
            "outcome": pl.Enum(sorted(OUTCOMES)),
            "kind": _KINDS,
        }
        return frame.cast({name: dtype for name, dtype in words.items() if name in frame.columns})


def _known(*columns: pl.Series) -> pl.Enum:
    return pl.Enum(pl.concat([column.unique() for column in columns]).unique().drop_nulls().sort())


def _collected(rows: pl.LazyFrame, rated: RatedTerms) -> tuple[pl.DataFrame, pl.DataFrame]:
    """What cpm and dcpm terms bill: GROUP, ``delivery_day``, ``units``, ``cost`` in nanos; and the outcomes of all else."""
    told = rows.join(rated.terms.lazy().select(*TERM, "term"), on=TERM, how="left")
    is_rated = (pl.col("outcome") == "billed") & pl.col("term").is_not_null()
    billed = told.filter(is_rated).select(
        "term",
        "line_item_id",
        "partner_id",
        "delivery_day",
        on="month_date",
        multiplier=pl.col("multiplier").to_physical(),
        units="impressions",
        cost=nanos("cost"),
    )
    others = told.filter(~is_rated).group_by(_OUTCOME).agg(pl.col("impressions").sum())
    first, second = pl.collect_all([billed, others], engine="streaming")
    return first, second


def _outcomes(told: list[pl.DataFrame], others: pl.DataFrame, rated: RatedTerms, ids: _Ids) -> pl.DataFrame:
    """Table ``impression_outcomes``: those of rated terms, told by ``term``, and all others, added up."""
    names = ids.numbered(rated.terms.select("term", "side", "contract_id", "term_id"))
    columns = [*_OUTCOME, "impressions"]
    rows = [ids.numbered(frame.join(names, on="term").select(columns)) for frame in told if frame.height]
    added = pl.concat([*rows, others.select(columns)]).group_by(_OUTCOME).agg(pl.col("impressions").sum())
    return added.sort(_OUTCOME).cast(TABLES["impression_outcomes"].polars_schema)


def _accruals(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """Table ``accruals`` of these rows, which may lack columns: null."""
    schema = TABLES["accruals"].polars_schema
    rows = pl.concat(parts, how="diagonal").sort(_ACCRUAL)
    return (
        rows.with_columns(pl.lit(None).alias(name) for name in schema if name not in rows.columns)
        .select(*schema)
        .cast(schema)
    )


def _media(charged: pl.DataFrame, rated: RatedTerms, ids: _Ids) -> pl.DataFrame:
    """The accruals of rated groups; those that differ by a multiplier without a difference in rate are one row."""
    return (
        charged.group_by("term", "line_item_id", "partner_id", "step", "rate", billing_date="on")
        .agg(pl.col("units").sum(), pl.col("uncapped").sum(), pl.col("amount").sum())
        .join(ids.numbered(rated.terms.select("term", "side", *TERM)), on="term")
        .drop("term")
        .with_columns(
            from_micros(pl.col("rate")).alias("rate"),
            pl.when(pl.col("rate").is_not_null()).then(pl.lit("per_mille")).alias("rate_kind"),
            from_nanos(pl.col("uncapped")).alias("uncapped"),
            from_nanos(pl.col("amount")).alias("amount"),
            kind=pl.lit("media", _KINDS),
        )
    )


def _shares(shares: pl.DataFrame, ids: _Ids) -> pl.DataFrame:
    """The accruals of revenue shares; a share has no budget, so that it is charged as it is."""
    key = [*TERM, "line_item_id", "partner_id", "advertiser_contract_id"]
    amount = from_nanos(pl.col("amount"))
    return (
        ids.numbered(shares)
        .group_by(*key, billing_date="on")
        .agg(pl.col("units").sum(), pl.col("amount").sum())
        .with_columns(uncapped=amount, amount=amount, side=pl.lit("partner", _SIDES), kind=pl.lit("revenue_share", _KINDS))
    )
