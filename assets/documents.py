"""The close of a month: drafts become issued documents with numbers, in one transaction, and the month is closed."""

import dagster as dg

from assets import checks
from assets.adjusting import adjust
from assets.closing import close
from assets.describe import OWNERS, by_currency, rows, top
from assets.partitions import monthly
from assets.resources import HomeResource
from assets.working import Results
from contracts_io.calendar import Month, parse_day
from contracts_io.formats.exports import EXPORTS, document_frames

_ISSUED = {
    "invoices": "Issued invoices of the month, numbered without gaps in order of contract.",
    "invoice_lines": "The lines of issued invoices.",
    "payouts": "Issued payout statements of the month, with the balances brought and carried forward.",
    "payout_lines": "The lines of issued payout statements.",
    "journal": "The balanced journal entries of issued documents.",
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
    heads = ["draft_invoices", "draft_payouts"] if name == "journal" else [f"draft_{name}"]
    return dg.AssetSpec(
        name,
        deps=heads,
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
        for name in _ISSUED:
            yield dg.MaterializeResult(asset_key=name, metadata=rows(tables[name].height) | described.get(name, {}))
        yield checks.journal_balances(here.books.journal(month)).result


@dg.multi_asset(
    name="issue_notes",
    specs=[
        dg.AssetSpec(
            "notes",
            deps=["draft_invoices", "draft_invoice_lines", "invoices", "invoice_lines"],
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
        yield dg.MaterializeResult(
            asset_key="notes", metadata=rows(len(numbers)) | {"numbers": ", ".join(numbers) or "none"}
        )
