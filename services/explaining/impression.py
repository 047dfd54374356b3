"""An impression explained: what each side's contracts make of it, and which conversions it was credited with."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any, NamedTuple

import polars as pl

from contracts_io.calendar import ONE_DAY, Month
from contracts_io.home import Home
from contracts_io.store.document_tables import DRAFT
from contracts_io.store.issued import issued_for
from pipelines.flights import rated_terms
from services.explaining.events import judge_alone
from services.explaining.explained import ImpressionExplained, Outcome, RowsExplained
from services.explaining.media import effective_rates
from services.explaining.rows import accepted, elsewhere, only
from services.explaining.sources import Source, agreed, source_of, source_of_events

_FEED = "impressions"
_KEY = ["line_item_id", "partner_id", "version", "term_id"]
_PRICED = ["kind", "step", "rate", "units", "uncapped", "amount"]


def explain_impression(home: Home, impression_id: str, day: date | None) -> list[ImpressionExplained | RowsExplained]:
    """What became of the impression with this id; empty where no row with it was ever delivered, or none on ``day``."""
    others = elsewhere(home, _FEED, impression_id, day)
    rows = accepted(home, _FEED, impression_id, day)
    if not rows:
        return [RowsExplained(impression_id, _FEED, [*others, *only(day)])] if others else []
    return [_told(home, row, [*others, *only(day)]) for row in rows]


def _told(home: Home, row: dict[str, Any], others: list[str]) -> ImpressionExplained:
    outcomes = []
    source = source_of_events(home, Month.of(row["event_time"].date()))
    for now in _outcomes(source, row):
        outcomes.append(now)
        month = Month.of(now.local_date)
        if month in home.books.closed_months():
            then = next(o for o in _outcomes(source_of(home, month), row) if o.side == now.side)
            if _as_told(then) != _as_told(now):
                outcomes.append(then)
    touch = row["household_id"] is not None and row["invalid_reason"] is None
    # A conversion after the impression is delivered a day before the UTC date of its time, at the earliest.
    days = [str(day) for day in home.days_run() if day >= row["event_time"].date() - ONE_DAY]
    credited = home.warehouse.read("attribution_credits", days).filter(
        pl.col("touch_kind") == "view", pl.col("touch_id") == row["impression_id"]
    )
    return ImpressionExplained(
        impression_id=row["impression_id"],
        event=row,
        outcomes=outcomes,
        touch=[
            f"a view of household {row['household_id']}: conversions of it may look back at it" if touch else _no_touch(row)
        ],
        credited=credited.select("conversion_id", "delivery_day", "term_id", "credit")
        .collect(engine="streaming")
        .sort("delivery_day", "conversion_id")
        .to_dicts(),
        elsewhere=others,
        problems=_untied(source, row),
    )


def _as_told(outcome: Outcome) -> tuple[Any, ...]:
    return outcome.outcome, outcome.contract_id, outcome.version, outcome.term_id, outcome.multiplier, outcome.group


def _no_touch(row: dict[str, Any]) -> str:
    if row["household_id"] is None:
        return "no touch: its household is not known"
    return f"no touch: it is invalid traffic ({row['invalid_reason']})"


def _outcomes(source: Source, row: dict[str, Any]) -> list[Outcome]:
    """The advertiser's side and the partner's, by the tables and contracts of ``source``."""
    advertiser, partner = _alone(source, row).sort("side").to_dicts()
    return [_outcome(source, row, judged, advertiser["month_date"]) for judged in (advertiser, partner)]


def _alone(source: Source, row: dict[str, Any]) -> pl.DataFrame:
    """The impression's two rows of ``judged_impressions``, judged by itself."""
    impressions = source.warehouse.read(_FEED, [str(row["delivery_day"])])
    return judge_alone(impressions.filter(pl.col("impression_id") == row["impression_id"]), source)


def _outcome(source: Source, row: dict[str, Any], judged: dict[str, Any], charged_on: date) -> Outcome:
    """``charged_on`` is the advertiser's local date, by which a revenue share goes."""
    contract_id, version, term_id = judged["contract_id"], judged["version"], judged["term_id"]
    term: dict[str, Any] = {}
    if contract_id is not None:
        own = (pl.col("version") == version) & (pl.col("term_id") == term_id)
        term = source.terms_of(contract_id).terms.filter(own).to_dicts()[0]
    is_billed = judged["outcome"] == "billed"
    on = charged_on if term.get("model") == "revenue_share" else judged["month_date"]
    of_month = replace(source, month=Month.of(on))
    group = _group(of_month, row, judged, term, on) if is_billed else _Group([], [], is_over_cap=False)
    return Outcome(
        side=judged["side"],
        as_of=source.said,
        outcome="over_cap" if group.is_over_cap else judged["outcome"],
        why=[_why(row, judged, term), *group.said],
        local_date=judged["month_date"],
        agreed=agreed(source.home, contract_id, version) if contract_id is not None else None,
        contract_id=contract_id,
        version=version,
        term_id=term_id,
        multiplier=judged["multiplier"] if is_billed else None,
        group=group.rows,
        documents=_documents(of_month, judged) if group.rows else [],
    )


def _untied(source: Source, row: dict[str, Any]) -> list[str]:
    """Where the impression, judged alone, is not among the impressions as they were judged and stored."""
    stored = source.warehouse.read("judged_impressions", [str(row["delivery_day"])]).collect()
    alone = _alone(source, row)
    key = [name for name in stored.columns if name not in ("impressions", "cost")]
    return [
        f"judged again it is {judged['outcome']} on the {judged['side']} side, under {judged['contract_id']} version "
        f"{judged['version']}, which no stored row says: `adledger run {row['delivery_day']}` brings the tables up to date"
        for judged in alone.join(stored, on=key, how="anti", nulls_equal=True).to_dicts()
    ]


def _why(row: dict[str, Any], judged: dict[str, Any], term: dict[str, Any]) -> str:
    outcome, item, on = judged["outcome"], row["line_item_id"], judged["month_date"]
    if outcome == "invalid_traffic":
        return f"invalid traffic: {row['invalid_reason']}; it is not billed and no touch"
    if outcome == "no_contract":
        if judged["side"] == "advertiser":
            return f"no advertiser term in force on {on} covers line item {item}"
        return f"no term of partner {row['partner_id']} in force on {on} takes it: none by impressions or share whose filters match"
    if outcome == "priced_by_action":
        return f"line item {item} is in term {term['term_id']}, which is paid by {term['event']}, not by impression"
    if outcome in ("not_viewable", "not_completed"):
        return f"term {term['term_id']} is billable on {term['billable_on']} impressions, this one is {outcome.replace('_', ' ')}"
    return f"one unit of term {term['term_id']} ({term['model']}) on {on}, the local date in {term['timezone']}"


class _Group(NamedTuple):
    """The priced rows of an impression's group, what is to be said of it, and whether all of it lies over the cap."""

    rows: list[dict[str, Any]]
    said: list[str]
    is_over_cap: bool


def _group(source: Source, row: dict[str, Any], judged: dict[str, Any], term: dict[str, Any], on: date) -> _Group:
    rows = _priced(source, judged, term, on)
    if term["model"] == "revenue_share":
        said = "paid as a share of what was charged to the advertiser"
        return _Group(rows.select(_PRICED).to_dicts(), [said if rows.height else f"{said}: nothing"], is_over_cap=False)
    counted = source.judged(judged["contract_id"]).filter(
        pl.col("month_date") == on, *(pl.col(name) == judged[name] for name in _KEY)
    )
    of = int(counted["impressions"].sum())
    over = of - int(rows["units"].sum())
    said_too = []
    if over:
        which = "" if over == of else "; of those of one delivery day, which ones is not said of a single one"
        said_too.append(
            f"{over:,} of the {of:,} impressions of its line item, partner and date lie over the impression cap of "
            f"{term['impression_cap']:,}{which}"
        )
    if rows["uncapped"].sum() != rows["amount"].sum():
        said_too.append("the budget of its term is reached: part of its group is not charged")
    if term["model"] == "cpm" and rows.height:
        terms = source.terms_of(judged["contract_id"])
        rated = rated_terms(terms).terms.filter(
            pl.col("version") == judged["version"], pl.col("term_id") == judged["term_id"]
        )
        mine = effective_rates(terms, rated["term"].item(), rows["step"].unique(), pl.Series([judged["multiplier"]]))
        rows = rows.join(mine.select("step", "rate"), on=["step", "rate"], how="semi")
    is_over_cap = over > 0 and (over == of or _outcomes_of_its_day(source, row, judged) == {"over_cap"})
    return _Group([] if is_over_cap else rows.select(_PRICED).to_dicts(), said_too, is_over_cap)


def _outcomes_of_its_day(source: Source, row: dict[str, Any], judged: dict[str, Any]) -> set[str]:
    """The stored outcomes, billed or over_cap, of its delivery day, line item and partner under its term."""
    key = ["side", "term_id", "line_item_id", "partner_id"]
    stored = source.of_contract("impression_outcomes", judged["contract_id"]).filter(
        pl.col("delivery_day") == row["delivery_day"],
        pl.col("outcome").is_in(["billed", "over_cap"]),
        *(pl.col(name) == judged[name] for name in key),
    )
    return set(stored["outcome"])


def _priced(source: Source, judged: dict[str, Any], term: dict[str, Any], on: date) -> pl.DataFrame:
    rows = source.of_contract("accruals", judged["contract_id"])
    kind = "revenue_share" if term["model"] == "revenue_share" else "media"
    return rows.filter(
        pl.col("kind") == kind, pl.col("billing_date") == on, *(pl.col(name) == judged[name] for name in _KEY)
    ).sort("step", "rate")


def _documents(source: Source, judged: dict[str, Any]) -> list[str]:
    """The documents of its contract and month with a line of its term; which of them, where a cap cuts the group, is not said."""
    contract_id, month = judged["contract_id"], source.month
    if month not in source.home.books.closed_months():
        return [f"{DRAFT}{contract_id} of {month}, which is open"]
    return [
        document.number
        for document, lines in issued_for(source.home.engine, contract_id, month)
        if not (source.is_pinned and getattr(document, "adjusts", None))
        and any((line.term_id, line.version) == (judged["term_id"], judged["version"]) for line in lines)
    ]
