"""The close of a month: drafts become issued documents with numbers, in one transaction, and the month is closed."""

import dagster as dg

from assets import checks
from assets.adjusting import adjust
from assets.closing import close
from assets.describe import OWNERS, by_currency, issued_by, rows, top
from assets.partitions import monthly, of_the_month_before
from assets.resources import HomeResource
from assets.working import Results
from contracts_io.calendar import Month, parse_day
from contracts_io.formats.exports import EXPORTS, document_frames

_ISSUED = {
    "invoices": "Issued invoices of the month, numbered without gaps in order of contract.",
    "invoice_lines": "The lines of issued invoices.",
    "payout_lines": "The lines of issued payout statements: the month's own, and what closed months come to else than was paid.",
    "payouts": "Issued payout statements of the month, with the balances brought and carried forward.",
    "journal": "The balanced journal entries of issued documents.",
}
_CAUSES = ["contracts", "action_units"]
"""What says, beside the tables that drafts are made from, why a closed month comes to something else."""
# While an exchange rate is missing nothing is issued.
_MADE_FROM: dict[str, list[str | dg.AssetDep]] = {
    "invoices": ["draft_invoices", "missing_rates"],
    "invoice_lines": ["draft_invoice_lines", "invoices"],
    "payout_lines": ["draft_payout_lines", "missing_rates", *_CAUSES, of_the_month_before("payout_lines")],
    "payouts": ["draft_payouts", "contracts", "payout_lines", of_the_month_before("payouts")],
    "journal": ["invoices", "payouts", "payout_lines"],
    "notes": ["draft_invoices", "draft_invoice_lines", "invoices", "invoice_lines", "missing_rates", *_CAUSES],
}


class IssueConfig(dg.Config):
    """How documents are issued: ``issued_on`` is the date, YYYY-MM-DD, ``by`` who issues them where ``[roles]`` says who may.

    ``content``: 12 digits or more of the hash of what was prepared, where only that very content may be issued.
    The date is asked for, so that nobody closes a month by materializing everything.
    """

    issued_on: str
    by: str = ""
    content: str = ""


def _columns(table: str) -> dg.TableSchema:
    return dg.TableSchema(columns=[dg.TableColumn(column, str(dtype)) for column, dtype in EXPORTS[table].items()])


def _issued_spec(name: str) -> dg.AssetSpec:
    return dg.AssetSpec(
        name,
        deps=_MADE_FROM[name],
        group_name="issued",
        owners=OWNERS,
        kinds={"sqlalchemy"},
        description=_ISSUED[name],
        metadata={"dagster/column_schema": _columns(name)},
    )


@dg.multi_asset(
    name="issue",
    specs=[_issued_spec(name) for name in _ISSUED],
    partitions_def=monthly,
    check_specs=[checks.JOURNAL_BALANCES.spec],
)
def issue(context: dg.AssetExecutionContext, config: IssueConfig, home: HomeResource) -> Results:
    """Issue the month's documents and close it; refused, with every reason, while something is missing."""
    month = Month.parse(context.partition_key[:7])
    issued_on = parse_day(config.issued_on)
    with home.open().lock() as here:
        here.settings.roles.require("close", config.by or None)
        close(here, month, issued_on, config.by or None, config.content or None)
        tables = document_frames(here.books.invoices(month), here.books.payouts(month), here.books.journal(month))
        described = {
            "invoices": by_currency(tables["invoices"], "total"),
            "payouts": by_currency(tables["payouts"], "payable"),
            "invoice_lines": top(tables["invoice_lines"], "amount", ["number", "description", "amount"]),
            "payout_lines": top(tables["payout_lines"], "amount", ["number", "kind", "term_id", "amount"]),
        }
        went_by = issued_by(here.books.closed_months()[month])
        for name in _ISSUED:
            told = rows(tables[name].height) | went_by | described.get(name, {})
            yield dg.MaterializeResult(asset_key=name, metadata=told)
        yield checks.journal_balances(here.books.journal(month)).result


@dg.multi_asset(
    name="issue_notes",
    specs=[
        dg.AssetSpec(
            "notes",
            deps=_MADE_FROM["notes"],
            group_name="issued",
            owners=OWNERS,
            kinds={"sqlalchemy"},
            description="Credit and debit notes of closed months: what they entitle to now, minus what was issued for them.",
            metadata={"dagster/column_schema": _columns("invoices")},
        )
    ],
    partitions_def=monthly,
)
def issue_notes(context: dg.AssetExecutionContext, config: IssueConfig, home: HomeResource) -> Results:
    """Issue the notes that a closed month needs, in one transaction; none where nothing changed."""
    month = Month.parse(context.partition_key[:7])
    with home.open().lock() as here:
        here.settings.roles.require("close", config.by or None)
        numbers = adjust(here, month, parse_day(config.issued_on), config.by or None, config.content or None)
        went_by = issued_by([done for done in here.books.adjusted() if done.month == month][-1]) if numbers else {}
        told = rows(len(numbers)) | went_by | {"numbers": ", ".join(numbers) or "none"}
        yield dg.MaterializeResult(asset_key="notes", metadata=told)
