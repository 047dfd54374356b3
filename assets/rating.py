"""From counts and credits to exact accruals and draft documents, one billing month at a time."""

import dagster as dg

from assets import checks
from assets.describe import by_currency, rows, spec, top
from assets.partitions import monthly
from assets.resources import HomeResource, known_at
from assets.upkeep import DRAFTS, Upkeep
from assets.working import Results, materializations
from contracts_io.calendar import Month


@dg.multi_asset(
    name="rate",
    specs=[
        spec("impression_outcomes", deps=["judged_impressions"], group="rating"),
        spec(
            "accruals",
            deps=["judged_impressions", "attributions", "attribution_credits", "contracts", "fx_rates"],
            group="rating",
        ),
        spec("action_units", deps=["attributions", "attribution_credits", "contracts", "fx_rates"], group="rating"),
        spec("flights", deps=["judged_impressions", "contracts", "fx_rates"], group="rating"),
        spec("missing_rates", deps=["judged_impressions", "attributions", "fx_rates", "contracts"], group="rating"),
        *(spec(table, deps=["contracts", "accruals"], group="documents") for table in DRAFTS),
    ],
    partitions_def=monthly,
    check_specs=[
        checks.OUTCOMES_ADD_UP.spec,
        checks.PARTNER_RATES_THERE.spec,
        checks.LINES_TIE_TO_ACCRUALS.spec,
        checks.PAID_ON_CHARGED_CREDIT.spec,
    ],
)
def rate(context: dg.AssetExecutionContext, home: HomeResource) -> Results:
    """Bring the month's days up to date, price them under the contracts as approved now, and draft the documents."""
    month = Month.parse(context.partition_key[:7])
    with home.open().lock() as here:
        upkeep = Upkeep(here, known_at(context))
        *earlier, rated = upkeep.everything(month)
        yield from materializations(earlier)
        tables = {table: here.warehouse.read(table, [str(month)]).collect() for table in ("missing_rates", *DRAFTS)}
        described = {
            "draft_invoices": by_currency(tables["draft_invoices"], "total"),
            "draft_payouts": by_currency(tables["draft_payouts"], "earnings"),
            "draft_invoice_lines": top(tables["draft_invoice_lines"], "amount", ["contract_id", "description", "amount"]),
            "draft_payout_lines": top(tables["draft_payout_lines"], "amount", ["contract_id", "description", "amount"]),
        }
        for table, count in rated.rows.items():
            yield dg.MaterializeResult(asset_key=table, metadata=rows(count) | described.get(table, {}))
        here.sweep()
        for finding in (*rated.findings, checks.partner_rates_there(tables["missing_rates"])):
            yield finding.result
