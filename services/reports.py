"""What happened, as tables a finance person likes to read, or as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import polars as pl

from contracts_io.calendar import Month
from contracts_io.home import Home
from contracts_io.money import minor_to_decimal
from contracts_io.store.document_tables import Invoice, Line, Payout
from contracts_io.store.documents import Act, Prepared
from services import show
from services.billing import DryRun, RunReport
from services.status import MonthStatus, Status

_STATEMENT = ["brought_forward", "earnings", "withholding", "payable", "carried_forward"]
_FEED_COLUMNS = ["read", "accepted", "duplicate", "quarantined"]


def print_run(home: Home, report: RunReport) -> None:
    """Rows per feed, conversions by status, drafts of the months."""
    out = show.console()
    out.print(_feeds_table(report))
    statuses = sorted(report.statuses.items(), key=lambda item: -item[1])
    if statuses:
        out.print()
        out.print(show.table("Conversions", ["status", "conversions"], statuses, numbers=["conversions"]))
    drafts = [
        (str(month), f"{kind}, {summed}", documents, currency, show.money(total, currency))
        for month in report.months
        for kind, summed, documents, currency, total in _drafts(home, month)
    ]
    if drafts:
        columns = ["month", "", "documents", "currency", "amount"]
        out.print()
        out.print(show.table("Drafts", columns, drafts, numbers=["documents", "amount"]))
    if report.changes:
        print_changes(report.changes, json_output=False)


def run_as_json(home: Home, report: RunReport) -> dict[str, Any]:
    """The same as data."""
    return {
        "days": report.days,
        "feeds": {feed: dict(zip(_FEED_COLUMNS, counts, strict=True)) for feed, *counts in _feed_rows(report)},
        "conversions": report.statuses,
        "months": [str(month) for month in report.months],
        "drafts": [
            {"month": str(month), "kind": kind, "documents": documents, "currency": currency, summed: total}
            for month in report.months
            for kind, summed, documents, currency, total in _drafts(home, month)
        ],
        **({} if report.changes is None else {"changes": _changes_as_json(report.changes)}),
        "failed": {str(day): str(error) for day, error in report.failed.items()},
    }


def print_changes(changes: Mapping[Month, pl.DataFrame], *, json_output: bool) -> None:
    """The lines (``comparison.CHANGES``) of each month that differ, with their cause, and the sum by currency."""
    if json_output:
        show.as_json(_changes_as_json(changes))
        return
    out = show.console()
    columns = ["contract", "line", "currency", "old units", "new units", "old", "new", "difference", "cause"]
    for month, lines in changes.items():
        if lines.is_empty():
            out.print(f"{month}: no line differs")
            continue
        rows = [
            (
                line["contract_id"],
                line["description"],
                line["currency"],
                line["old_quantity"],
                line["new_quantity"],
                *(show.money(line[name], line["currency"]) for name in ("old", "new", "difference")),
                line["cause"],
            )
            for line in lines.iter_rows(named=True)
        ]
        out.print()
        out.print(show.table(f"{month}: what changed", columns, rows, numbers=columns[3:8]))
        sums = lines.group_by("side", "currency").agg(pl.col("difference").sum()).sort("side", "currency")
        for side, currency, total in sums.iter_rows():
            out.print(f"  all {side} lines together: {show.money(total, currency)} {currency}")


def _changes_as_json(changes: Mapping[Month, pl.DataFrame]) -> list[dict[str, Any]]:
    return [{"month": str(month), **line} for month, lines in changes.items() for line in lines.iter_rows(named=True)]


def print_documents(home: Home, month: Month) -> None:
    """The issued documents of a month with their totals."""
    out = show.console()
    invoices = home.books.invoices(month)
    rows: list[tuple[Any, ...]] = [
        (d.number, d.contract_id, d.party_id, len(lines), d.due_on, d.currency, show.money(_decimal(d, "total"), d.currency))
        for d, lines in invoices
    ]
    columns = ["invoice", "contract", "advertiser", "lines", "due", "currency", "total"]
    out.print()
    out.print(show.table(f"Invoices {month}", columns, rows, numbers=["lines", "total"]))
    _print_sums(out, "total", [(d.currency, _decimal(d, "total")) for d, _ in invoices])
    payouts = home.books.payouts(month)
    rows = [
        (
            d.number,
            d.contract_id,
            d.partner_id,
            len(lines),
            d.currency,
            *(show.money(_decimal(d, amount), d.currency) for amount in _STATEMENT),
        )
        for d, lines in payouts
    ]
    amounts = [amount.replace("_", " ") for amount in _STATEMENT]
    columns = ["statement", "contract", "partner", "lines", "currency", *amounts]
    out.print()
    out.print(show.table(f"Payouts {month}", columns, rows, numbers=["lines", *amounts]))
    _print_sums(out, "payable", [(d.currency, _decimal(d, "payable")) for d, _ in payouts])


def documents_as_json(home: Home, month: Month) -> dict[str, Any]:
    """The same as data."""
    return {
        "month": str(month),
        "invoices": [
            {"number": d.number, "contract_id": d.contract_id, "currency": d.currency, "total": _decimal(d, "total")}
            for d, _ in home.books.invoices(month)
        ],
        "payouts": [
            {"number": d.number, "contract_id": d.contract_id, "currency": d.currency, "payable": _decimal(d, "payable")}
            for d, _ in home.books.payouts(month)
        ],
    }


def print_dry_run(act: Act, month: Month, found: DryRun, *, json_output: bool) -> None:
    """What a close or an adjustment would issue, and what stands against it."""
    invoices = found.documents.invoices if found.documents else []
    payouts = found.documents.payouts if found.documents else []
    rows = [
        *((d.number, d.contract_id, d.party_id, len(lines), d.currency, _decimal(d, "total")) for d, lines in invoices),
        *((d.number, d.contract_id, d.partner_id, len(lines), d.currency, _decimal(d, "payable")) for d, lines in payouts),
    ]
    columns = ["number", "contract", "party", "lines", "currency", "amount"]
    prepared = found.prepared
    if json_output:
        show.as_json(
            {
                "month": str(month),
                "documents": [dict(zip(columns, row, strict=True)) for row in rows],
                "against": found.against,
                "content": found.content_hash,
                "prepared": prepared and {"by": prepared.prepared_by, "content": prepared.content_hash},
            }
        )
        return
    out = show.console()
    shown = [(*row[:-1], show.money(row[-1], row[-2])) for row in rows]
    out.print(
        show.table(
            f"{'A close' if act is Act.CLOSE else 'An adjustment'} of {month} would issue",
            columns,
            shown,
            numbers=["lines", "amount"],
        )
    )
    if found.content_hash:
        out.print(f"content {found.content_hash}")
    if prepared:
        same = "this content" if prepared.content_hash == found.content_hash else f"other content, {prepared.content_hash}"
        out.print(f"prepared by {prepared.prepared_by} at {prepared.prepared_at}: {same}")
    if found.against:
        out.print("What stands against it", style="bold")
        for reason in found.against:
            out.print(f"  {reason}", markup=False)
    else:
        out.print("nothing stands against it")
    out.print("nothing was changed")


def print_prepared(prepared: Prepared, *, json_output: bool) -> None:
    """What waits for the approval of another person."""
    act, month, content = prepared.act, prepared.month, prepared.content_hash
    if json_output:
        kept = {"month": str(month), "prepared_by": prepared.prepared_by, "issued_on": prepared.issued_on}
        show.as_json(kept | {"documents": len(prepared.documents), "content": content})
        return
    out = show.console()
    out.print(
        f"the {act.noun} of {month} is prepared by {prepared.prepared_by}: "
        f"{len(prepared.documents)} documents dated {prepared.issued_on}"
    )
    out.print(f"content {content}")
    out.print(f"see them: adledger {act} {month} --dry-run --on {prepared.issued_on}", markup=False)
    out.print(
        f"have another person approve: adledger {act} {month} --approve --by USER --content {content[:12]}", markup=False
    )


def print_notes(home: Home, month: Month, numbers: Sequence[str]) -> None:
    """The credit and debit notes just issued for a month, with the lines that changed."""
    out = show.console()
    if not numbers:
        out.print(f"{month}: what was issued is what it comes to, there is nothing to adjust")
    for d, lines in home.books.invoices(month):
        if d.number not in numbers:
            continue
        columns = ["line", "description", "quantity", "rate", "amount"]
        rows = [
            (line.line, line.description, line.quantity, line.rate, show.money(_line_amount(d, line), d.currency))
            for line in lines
        ]
        title = f"{d.number} {d.kind.replace('_', ' ')} for {d.contract_id}, adjusts {d.adjusts or 'no invoice'}"
        out.print()
        if rows:
            out.print(show.table(title, columns, rows, numbers=["line", "quantity", "rate", "amount"]))
        else:
            out.print(f"{title}: no line changed")
        if d.cause:
            out.print(f"  cause of the tax: {d.cause}", markup=False)
        out.print(
            f"  net {show.money(_decimal(d, 'net'), d.currency)}, tax {show.money(_decimal(d, 'tax'), d.currency)}, "
            f"total {show.money(_decimal(d, 'total'), d.currency)} {d.currency}"
        )


def notes_as_json(home: Home, month: Month, numbers: Sequence[str]) -> dict[str, Any]:
    """The same as data."""
    return {
        "month": str(month),
        "notes": [
            {
                "number": d.number,
                "kind": d.kind,
                "contract_id": d.contract_id,
                "adjusts": d.adjusts,
                "currency": d.currency,
                **{name: _decimal(d, name) for name in ("net", "tax", "total")},
                "cause": d.cause,
                "lines": [
                    {
                        "description": line.description,
                        "quantity": line.quantity,
                        "amount": _line_amount(d, line),
                        "cause": line.cause,
                    }
                    for line in lines
                ],
            }
            for d, lines in home.books.invoices(month)
            if d.number in numbers
        ],
    }


def print_status(home: Home, found: Status) -> None:
    """A home at a glance."""
    out = show.console()
    out.print(f"home {home.root}", style="bold", markup=False)
    out.print(f"contracts  {found.contracts.get('approved', 0)} approved, {len(found.waiting)} waiting for approval")
    if found.days_in:
        out.print(f"days       {found.days_in[0]} to {found.days_in[-1]}: {len(found.days_in)} in" + _rest(found))
        out.print(f"quarantine {found.quarantined:,}")
    else:
        out.print("days       none in" + _rest(found))
    rows = [
        (
            str(m.month),
            (f"closed {m.closed_on}" if m.closed_on else "open") + (", drafts out of date" if m.is_stale else ""),
            m.documents,
            _amounts(m.invoices),
            _amounts(m.earnings),
            "" if m.closed_on else "not yet, see below" if m.against else "can be closed",
            _pending(m),
        )
        for m in found.months
    ]
    if rows:
        columns = ["month", "state", "documents", "invoices", "earnings", "close", "pending"]
        out.print()
        out.print(show.table("Months", columns, rows, numbers=["documents", "invoices", "earnings"]))
    for m in found.months:
        if m.against:
            out.print(f"Before {m.month} can be {'adjusted' if m.closed_on else 'closed'}", style="bold")
            for reason in m.against:
                out.print(f"  {reason}", markup=False)
    if found.not_renewed:
        out.print("Renewals that are due and cannot be made", style="bold")
        for refused in found.not_renewed:
            out.print(f"  {refused.reason}\n-> {refused.remedy}".replace("\n", "\n    "), markup=False)
    if found.next_steps:
        out.print("Next", style="bold")
        for step in found.next_steps:
            out.print(f"  {step}", markup=False)


def status_as_json(found: Status) -> None:
    """The same as data."""
    show.as_json({**asdict(found), "months": [asdict(m) | {"month": str(m.month)} for m in found.months]})


def _pending(found: MonthStatus) -> str:
    parts = []
    if (pending := found.pending) and pending.notes:
        notes = "1 note" if pending.notes == 1 else f"{pending.notes} notes"
        parts += [f"{notes}, net {_amounts(pending.net)}, tax {_amounts(pending.tax)}"]
        parts += [f"{contract_id}: {cause}" for contract_id, cause in pending.tax_changes.items()]
    if found.closed_on and found.against:
        parts.append("an exchange rate is missing, see below")
    if pending and pending.partner_lines:
        lines = "1 partner line" if pending.partner_lines == 1 else f"{pending.partner_lines} partner lines"
        parts.append(f"{lines} on the next statements")
    return "; ".join(parts)


def _rest(found: Status) -> str:
    parts = [
        f", {len(found.days_waiting)} delivered and not in" if found.days_waiting else "",
        f", {len(found.days_missing)} missing ({', '.join(str(day) for day in found.days_missing[:3])})"
        if found.days_missing
        else "",
    ]
    return "".join(parts)


def _feeds_table(report: RunReport) -> Any:
    days = report.days
    title = f"Rows of {days[0]}" if len(days) == 1 else f"Rows of {len(days)} delivery days, {days[0]} to {days[-1]}"
    return show.table(title, ["feed", *_FEED_COLUMNS], _feed_rows(report), numbers=_FEED_COLUMNS)


def _feed_rows(report: RunReport) -> list[tuple[Any, ...]]:
    sums = report.feed_counts.group_by("feed", maintain_order=True).sum().select("feed", *_FEED_COLUMNS)
    return sums.rows()


def _drafts(home: Home, month: Month) -> list[tuple[str, str, int, str, Decimal]]:
    """The kind of document, the amount that is summed, the number of documents, their currency, and the sum."""
    found = []
    for kind, summed in (("invoices", "total"), ("payouts", "earnings")):
        drafts = home.warehouse.read(f"draft_{kind}", [str(month)]).collect()
        sums = drafts.group_by("currency").agg(pl.len().alias("documents"), pl.col(summed).sum()).sort("currency")
        found += [(kind, summed, documents, currency, total) for currency, documents, total in sums.iter_rows()]
    return found


def _decimal(document: Any, amount: str) -> Decimal:
    return minor_to_decimal(getattr(document, f"{amount}_minor"), document.currency)


def _line_amount(document: Invoice | Payout, line: Line) -> Decimal:
    return minor_to_decimal(line.amount_minor, document.currency)


def _print_sums(out: Any, of: str, amounts: Sequence[tuple[str, Decimal]]) -> None:
    sums: dict[str, Decimal] = {}
    for currency, amount in amounts:
        sums[currency] = sums.get(currency, Decimal(0)) + amount
    for currency in sorted(sums):
        out.print(f"  {of} {currency} {show.money(sums[currency], currency)}", style="bold")


def _amounts(sums: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{currency} {show.money(total, currency)}" for currency, total in sums.items())
