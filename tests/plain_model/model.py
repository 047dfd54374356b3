"""The door: a folder in the form of ``tests/cases`` in, every table of its entitlement out."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from fractions import Fraction
from pathlib import Path

from plain_model.actions import Unit, rate_actions
from plain_model.agreements import Rates, agreements
from plain_model.attribution import Judged, judge
from plain_model.delivered import delivered
from plain_model.documents import Table, documents
from plain_model.exact import text
from plain_model.media import Media, rate_media

Tables = dict[str, Table]


def entitlement(case: Path, *, amended: bool = False) -> Tables:
    """The tables of a case by name: before its amendments and late days, or after them.

    ``case.json`` says which days are run and which months are closed. Rows have the columns and texts of ``expected/*.csv``;
    ``accruals`` and ``impression_outcomes`` have the columns of their export, over all days that were run.
    """
    steps = [step.split() for step in json.loads((case / "case.json").read_text(encoding="utf-8"))["steps"]]
    runs = [(date.fromisoformat(step[1]), date.fromisoformat(step[2])) for step in steps if step[0] == "backfill"]
    months = [step[1] for step in steps if step[0] == "close"]
    documents_in = sorted((case / "contracts").glob("*.json"))
    if amended:
        documents_in += sorted((case / "amendments").glob("*.json"))
    last = runs[-1][1] if amended else runs[0][1]
    return tables(documents_in, case / "landing", runs[0][0], last, months)


def tables(contracts: Sequence[Path], landing: Path, first: date, last: date, months: Sequence[str]) -> Tables:
    """The tables of contract documents (of one id: its versions, in this order) and of the delivery days from first to last.

    ``months``, as ``2026-10``, are those whose documents are wanted, in ascending order: balances run through them.
    """
    agreed = agreements(contracts)
    found = delivered(landing, [first + timedelta(days=n) for n in range((last - first).days + 1)])
    rates = Rates(landing / "fx_rates")
    judged = judge(found.rows, agreed, rates)
    units = rate_actions(judged, agreed, rates)
    media = rate_media(found.rows["impressions"], agreed, rates)
    issued = documents(agreed, media, units, months)
    return {
        "invoices": issued.invoices,
        "invoice_lines": issued.invoice_lines,
        "payouts": issued.payouts,
        "payout_lines": issued.payout_lines,
        "attributions": [_attribution(one) for one in judged],
        "attribution_credits": [row for one in judged for row in _credits(one)],
        "quarantine": found.quarantine,
        "feed_counts": found.counts,
        "impression_outcomes": _outcomes(media),
        "accruals": _accruals(media, units),
    }


def adjustments(before: Tables, after: Tables) -> Table:
    """The credit and debit notes that ``adjust`` issues between two states, as month, contract_id, kind, net and tax."""
    notes: Table = []
    heads = [{(row["month"], row["contract_id"]): row for row in side["invoices"]} for side in (before, after)]
    for month, contract_id in sorted(heads[0].keys() | heads[1].keys()):
        old, new = (found.get((month, contract_id), {}) for found in heads)
        net, tax = (Fraction(new.get(name, "0")) - Fraction(old.get(name, "0")) for name in ("net", "tax"))
        if net or tax:
            kind = "credit_note" if net + tax < 0 else "debit_note"
            notes.append({"month": month, "contract_id": contract_id, "kind": kind, "net": text(net), "tax": text(tax)})
    return notes


def _attribution(one: Judged) -> dict[str, str]:
    version = one.version
    return {
        "conversion_id": one.conversion_id,
        "delivery_day": str(one.row["delivery_day"]),
        "contract_id": version.agreement.contract_id if version else "",
        "version": str(version.number) if version else "",
        "status": one.status,
        "reason": one.reason,
        "billing_date": str(one.billing_date or ""),
        "model": version.document["attribution"]["model"] if version else "",
    }


def _credits(one: Judged) -> Table:
    return [
        {
            "conversion_id": one.conversion_id,
            "touch_id": credit.touch.touch_id,
            "touch_kind": credit.touch.kind,
            "partner_id": credit.touch.row["partner_id"],
            "line_item_id": credit.touch.row["line_item_id"],
            "term_id": credit.term_id,
            "touch_time": _instant(credit.touch.time),
            "credit": str(credit.millionths),
        }
        for credit in one.credits
    ]


def _instant(instant: datetime) -> str:
    return instant.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _outcomes(media: Media) -> Table:
    names = ("side", "delivery_day", "contract_id", "term_id", "line_item_id", "partner_id", "outcome")
    counted = sorted((key, count) for key, count in media.outcomes.items() if count)
    return [{**dict(zip(names, key, strict=True)), "impressions": str(count)} for key, count in counted]


def _accruals(media: Media, units: Sequence[Unit]) -> Table:
    """Units and charged amounts, as one row for each billing date, contract, version, term, line item and partner."""
    sums: dict[tuple[str, ...], list[Fraction]] = defaultdict(lambda: [Fraction(0), Fraction(0)])

    def add(key: tuple[object, ...], count: int, amount: Fraction) -> None:
        entry = sums[tuple(map(str, key))]
        entry[0] += count
        entry[1] += amount

    for one in media.rated:
        version, group = one.group.version, one.group
        where = (group.line_item, group.partner)
        key = (
            version.agreement.side,
            group.day,
            version.agreement.contract_id,
            version.number,
            group.term["term_id"],
            *where,
        )
        add(key, one.units, one.charged)
    for share in media.shares:
        version, group = share.version, share.group
        where = (group.line_item, group.partner)
        key = ("partner", group.day, version.agreement.contract_id, version.number, share.term_id, *where)
        add(key, share.units, share.amount)
    for unit in units:
        version = unit.version
        side, contract_id = version.agreement.side, version.agreement.contract_id
        add((side, unit.billing_date, contract_id, version.number, unit.term["term_id"], "", unit.partner), 1, unit.amount)
    names = ("side", "billing_date", "contract_id", "version", "term_id", "line_item_id", "partner_id", "units", "amount")
    return [dict(zip(names, (*key, *map(text, entry)), strict=True)) for key, entry in sorted(sums.items())]
