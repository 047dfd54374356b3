"""What the impressions of a month cost, to the nano: CPM and dynamic CPM on both sides, then revenue shares (spec 5.2).

The rated group is (term, version, local date, line item, partner, product of multipliers). Its units are put in steps or
over the cap, priced, held by budgets, and what advertisers are charged is shared with partners: each of these has a module
of its own, here they follow each other.

    1,000 units at step rate 32.50 and multiplier 1.2 -> 39.000000 per mille -> 39.000000000
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import polars as pl

from contracts_io.calendar import Month
from contracts_io.frames import OUTCOMES, TABLES
from contracts_io.money import from_micros, from_nanos, nanos
from contracts_io.terms import TermFrames
from pipelines.flights import GROUP, TERM, RatedTerms, flights_after, rated_terms, with_charges, with_steps
from pipelines.limits import OVER_CAP
from pipelines.media import with_version
from pipelines.outcomes import told_apart
from pipelines.packing import Packing, Texts, looked_up
from pipelines.prices import priced_by_cost, priced_by_mille
from pipelines.revenue_share import revenue_shares

_SIDES = pl.Enum(["advertiser", "partner"])
_KINDS = ["media", "revenue_share"]
_OUTCOME = pl.Enum(sorted(OUTCOMES))
_BILLED = sorted(OUTCOMES).index("billed")
_STRETCH = ["delivery_day", "side", "month_date", "contract_id", "term_id"]
_CELL = ["side", "delivery_day", "contract_id", "term_id"]
_TERM_DAY = ["side", "billing_date", *TERM, "kind"]
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
    found = _collected(judged.filter(pl.col("month_date").is_between(month.first, month.last)), rated, terms)
    if found.rows.is_empty():
        return RatedMedia(
            TABLES["impression_outcomes"].empty(),
            TABLES["accruals"].empty(),
            flights.select("contract_id", "term_id", "impressions", "charged").sort("contract_id", "term_id"),
            TABLES["missing_rates"].empty(),
        )
    stepped = with_steps(_groups(found), rated, flights)
    outcomes = _outcomes(found, stepped)
    lines, partners = found.lines, found.partners
    del found
    kept = stepped.filter(pl.col("step") != OVER_CAP)
    del stepped
    by_mille = priced_by_mille(kept, rated).select(_PRICED)
    by_cost, lacking = priced_by_cost(kept, rated, rates, cost_currency)
    charged = with_charges(pl.concat([by_mille, by_cost.select(_PRICED)]), rated, flights)
    flown = flights_after(flights, kept, charged, rated)
    del kept, by_mille, by_cost
    shares, lacking_too = revenue_shares(charged, rated, terms, rates)
    missing = pl.concat([lacking, lacking_too]).unique()
    accruals = _accruals(charged, shares, rated, terms, lines, partners)
    return RatedMedia(outcomes, accruals, flown, missing.sort(missing.columns))


def accruals_in_order(parts: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Table ``accruals`` of parts of it, each in its order and none with a kind of another's: what is left is to merge them."""
    parts = [part for part in parts if part.height]
    if not parts:
        return TABLES["accruals"].empty()
    if len(parts) == 1:
        return parts[0]
    rows = pl.concat(parts)
    is_first = rows.lazy().select(_is_other(_TERM_DAY)).collect().to_series()
    stretches = rows.lazy().filter(is_first).select(pl.struct(_TERM_DAY).rank("dense")).collect().to_series()
    places = stretches.gather(is_first.cum_sum() - 1).to_frame("place")
    order = places.select(pl.arg_sort_by("place", maintain_order=True)).to_series()
    return pl.DataFrame([column.gather(order) for column in rows])


class _Judged(NamedTuple):
    """A month's judged impressions, told by numbers.

    ``rows``: ``stretch``, ``line_item_id`` and ``partner_id`` as codes of ``lines`` and ``partners``, ``outcome``,
    ``multiplier`` (Int128 of 1e-18), ``units``, ``cost`` in nanos. A stretch are rows that follow each other and do not differ
    in _STRETCH; ``stretches``: of each, by its number, these, the ``version`` in force, and ``term``, that of a rated term.
    """

    rows: pl.DataFrame
    stretches: pl.DataFrame
    lines: Texts
    partners: Texts

    def is_rated(self) -> pl.Expr:
        """Whether a row is billed by a cpm or dcpm term."""
        is_billed = pl.col("outcome").to_physical() == _BILLED
        return is_billed & looked_up(self.stretches["term"].is_not_null(), pl.col("stretch"))


def _collected(rows: pl.LazyFrame, rated: RatedTerms, terms: TermFrames) -> _Judged:
    by_line, by_partner = (pl.Categorical(pl.Categories.random()) for _ in range(2))
    collected = rows.select(
        "delivery_day",
        "side",
        "month_date",
        "contract_id",
        "term_id",
        pl.col("line_item_id").cast(by_line),
        pl.col("partner_id").cast(by_partner),
        pl.col("outcome").cast(_OUTCOME),
        pl.col("multiplier").to_physical(),
        units="impressions",
        cost=nanos("cost"),
    ).collect(engine="streaming")
    is_first = collected.lazy().select(_is_other(_STRETCH)).collect().to_series()
    stretches = with_version(collected.lazy().filter(is_first).select(_STRETCH).collect(), terms)
    lines, line_codes = _coded(collected["line_item_id"])
    partners, partner_codes = _coded(collected["partner_id"])
    return _Judged(
        collected.select(
            line_codes, partner_codes, "outcome", "multiplier", "units", "cost", stretch=is_first.cum_sum() - 1
        ),
        stretches.join(rated.terms.select(*TERM, "term"), on=TERM, how="left", maintain_order="left"),
        lines,
        partners,
    )


def _is_other(columns: Sequence[str], offset: int = 1) -> pl.Expr:
    """Whether a row differs in one of the columns from the one before it, or that ``offset`` says; true where there is none."""
    differs = pl.any_horizontal(pl.col(name).ne_missing(pl.col(name).shift(offset)) for name in columns)
    return differs | (pl.int_range(pl.len()) == (0 if offset > 0 else pl.len() - 1))


def _coded(ids: pl.Series) -> tuple[Texts, pl.Series]:
    """The texts that a categorical column of its own knows, and the code of each of its values."""
    assert isinstance(ids.dtype, pl.Categorical)
    by_number = ids.dtype.categories.to_series().to_frame("text")
    texts = Texts(by_number["text"].drop_nulls())
    return texts, by_number.select(texts.code("text")).to_series().gather(ids.to_physical()).alias(ids.name)


def _groups(found: _Judged) -> pl.DataFrame:
    """What rated terms bill: GROUP with ``units`` and ``cost``."""
    term_days = found.stretches.select("term", on="month_date").unique().drop_nulls().sort("term", "on")
    of_stretch = found.stretches.join(
        term_days.with_row_index("at"),
        left_on=["term", "month_date"],
        right_on=["term", "on"],
        how="left",
        maintain_order="left",
    )["at"]
    factors = found.rows["multiplier"].unique().sort()
    sizes = {"at": term_days.height, "line_item_id": found.lines.size, "partner_id": found.partners.size}
    group = Packing(sizes | {"factor": factors.len()})
    codes = {
        "at": looked_up(of_stretch, pl.col("stretch")),
        "factor": pl.lit(factors).search_sorted(pl.col("multiplier")),
    }
    rows = found.rows.lazy().filter(found.is_rated()).select(*group.packed(codes), "units", "cost")
    return _added_up(rows, group).select(
        *(looked_up(term_days[name], group.code("at")).alias(name) for name in ("term", "on")),
        looked_up(_in_text_order(found.lines), group.code("line_item_id")).alias("line_item_id"),
        looked_up(_in_text_order(found.partners), group.code("partner_id")).alias("partner_id"),
        looked_up(factors, group.code("factor")).alias("multiplier"),
        "units",
        "cost",
    )


def _added_up(rows: pl.LazyFrame, packing: Packing) -> pl.DataFrame:
    """``rows`` with the words of ``packing`` and integers, these added up over equal words; sorted by the words."""
    words, sums = packing.words, pl.exclude(packing.words)
    # They come in long runs that are in order, of which a sort that keeps equal ones as they are makes use.
    in_order = rows.collect(engine="streaming").sort(words, maintain_order=True).lazy()
    # The sum up to the last row of some, less that up to the last one before them: a number that wraps here wraps back.
    to_date = in_order.with_columns(sums.cum_sum()).filter(_is_other(words, -1))
    return to_date.with_columns(sums - sums.shift(fill_value=0)).collect()


def _in_text_order(texts: Texts) -> pl.Series:
    """The texts by code, as numbers whose order is theirs."""
    return texts.values.cast(texts.known)


def _outcomes(found: _Judged, stepped: pl.DataFrame) -> pl.DataFrame:
    """Table ``impression_outcomes``: as judged, but for what lies over a cap."""
    cells = found.stretches.select(_CELL).unique().sort(_CELL)
    of_stretch = found.stretches.join(
        cells.with_row_index("cell"), on=_CELL, how="left", nulls_equal=True, maintain_order="left"
    )["cell"]
    told = Packing(
        {
            "cell": cells.height,
            "line_item_id": found.lines.size,
            "partner_id": found.partners.size,
            "outcome": len(OUTCOMES),
        }
    )
    codes = {
        "cell": looked_up(of_stretch, pl.col("stretch")),
        "line_item_id": pl.col("line_item_id"),
        "partner_id": pl.col("partner_id"),
        "outcome": pl.col("outcome").to_physical(),
    }
    rows = _by_outcome(found, stepped).select(*told.packed(codes), impressions="units")
    return _added_up(rows, told).select(
        *(looked_up(cells[name], told.code("cell")).alias(name) for name in _CELL),
        found.lines.text(told.code("line_item_id")).alias("line_item_id"),
        found.partners.text(told.code("partner_id")).alias("partner_id"),
        looked_up(pl.Series(sorted(OUTCOMES)), told.code("outcome")).alias("outcome"),
        "impressions",
    )


def _by_outcome(found: _Judged, stepped: pl.DataFrame) -> pl.LazyFrame:
    """The rows of ``found`` by ``stretch``, ``line_item_id``, ``partner_id``, ``outcome``, with their ``units``."""
    over = stepped.filter(pl.col("step") == OVER_CAP).select(*GROUP, "group_units", over="units")
    columns = ["stretch", "line_item_id", "partner_id", "outcome", "units"]
    rows = found.rows.lazy()
    if over.is_empty():
        return rows.select(columns)
    term = looked_up(found.stretches["term"], pl.col("stretch"))
    is_capped = found.is_rated() & term.is_in(over["term"].unique().implode())
    billed = rows.filter(is_capped).select(
        "stretch",
        "multiplier",
        "units",
        line_code="line_item_id",
        partner_code="partner_id",
        term=term,
        on=looked_up(found.stretches["month_date"], pl.col("stretch")),
        delivery_day=looked_up(found.stretches["delivery_day"], pl.col("stretch")),
        line_item_id=looked_up(_in_text_order(found.lines), pl.col("line_item_id")),
        partner_id=looked_up(_in_text_order(found.partners), pl.col("partner_id")),
    )
    told = told_apart(billed.collect(engine="streaming"), over).lazy()
    coded = {"line_item_id": "line_code", "partner_id": "partner_code", "outcome": pl.col("outcome").cast(_OUTCOME)}
    return pl.concat([rows.filter(~is_capped).select(columns), told.with_columns(**coded).select(columns)])


def _accruals(
    charged: pl.DataFrame, shares: pl.DataFrame, rated: RatedTerms, terms: TermFrames, lines: Texts, partners: Texts
) -> pl.DataFrame:
    """Table ``accruals`` of rated groups and of revenue shares; a share has no budget, so that it is charged as it is.

    Groups that differ by a multiplier without a difference in rate are one row.
    """
    named = terms.terms.select(*TERM, "side").unique(TERM).sort(TERM)
    number = named.select(TERM).with_row_index("number")
    number_of_rated = rated.terms.join(number, on=TERM, how="left", maintain_order="left")["number"]
    contracts = Texts(pl.concat([named["contract_id"], pl.Series([None], dtype=pl.String)]))
    # What a share has none of is null, the first of its values.
    days, steps, rates = (
        pl.concat([charged[name], pl.Series([None], dtype=charged[name].dtype)]).unique().sort()
        for name in ("on", "step", "rate")
    )
    packing = Packing(
        {
            "side": len(_SIDES.categories),
            "on": days.len(),
            "number": named.height,
            "kind": len(_KINDS),
            "line_item_id": lines.size,
            "partner_id": partners.size,
            "advertiser_contract_id": contracts.size,
            "step": steps.len(),
            "rate": rates.len(),
        }
    )
    sides = named["side"].cast(_SIDES).to_physical()
    of_both = {
        "side": looked_up(sides, pl.col("number")),
        "on": pl.lit(days).search_sorted(pl.col("on")),
        "line_item_id": pl.col("line_item_id").to_physical(),
        "partner_id": pl.col("partner_id").to_physical(),
    }
    nothing, sums = pl.lit(0), ("units", "uncapped", "amount")
    of_media = {
        "kind": pl.lit(_KINDS.index("media")),
        "advertiser_contract_id": nothing,
        "step": pl.lit(steps).search_sorted(pl.col("step")),
        "rate": pl.lit(rates).search_sorted(pl.col("rate")),
    }
    of_shares = {
        "kind": pl.lit(_KINDS.index("revenue_share")),
        "advertiser_contract_id": contracts.code("advertiser_contract_id"),
        "step": nothing,
        "rate": nothing,
    }
    media = charged.lazy().with_columns(number=looked_up(number_of_rated, pl.col("term")))
    shared = shares.lazy().join(number.lazy(), on=TERM).with_columns(uncapped="amount")
    rows = pl.concat(
        [
            media.select(*packing.packed(of_both | of_media), *sums),
            shared.select(*packing.packed(of_both | of_shares), *sums),
        ]
    )
    rate = from_micros(looked_up(rates, packing.code("rate"))).alias("rate")
    return _added_up(rows, packing).select(
        looked_up(_SIDES.categories, packing.code("side")).alias("side"),
        looked_up(days, packing.code("on")).alias("billing_date"),
        *(looked_up(named[name], packing.code("number")).alias(name) for name in TERM),
        looked_up(pl.Series(_KINDS), packing.code("kind")).alias("kind"),
        lines.text(packing.code("line_item_id")).alias("line_item_id"),
        partners.text(packing.code("partner_id")).alias("partner_id"),
        pl.lit(None, pl.String).alias("event"),
        contracts.text(packing.code("advertiser_contract_id")).alias("advertiser_contract_id"),
        looked_up(steps, packing.code("step")).alias("step"),
        rate,
        pl.when(rate.is_not_null()).then(pl.lit("per_mille")).alias("rate_kind"),
        "units",
        from_nanos(pl.col("uncapped")).alias("uncapped"),
        from_nanos(pl.col("amount")).alias("amount"),
    )
