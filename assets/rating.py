"""From counts and credits to exact accruals and draft documents, one billing month at a time."""

import dagster as dg

from assets import checks
from assets.describe import by_currency, spec, top
from assets.partitions import monthly, of_the_month_before
from assets.resources import HomeResource, known_at, swept
from assets.upkeep import DRAFTS, Upkeep
from assets.working import Published, Results, materializations
from contracts_io.calendar import Month

_COUNTED: list[str | dg.AssetDep] = ["judged_impressions", "contracts", of_the_month_before("flights")]
_MEDIA = [*_COUNTED, "fx_rates"]
_ACTIONS: list[str | dg.AssetDep] = ["attributions", "attribution_credits", "contracts", "fx_rates"]
_BOTH = [*_MEDIA, *_ACTIONS[:2]]
_OWED: list[str | dg.AssetDep] = ["contracts", "accruals", "flights"]
# A minimum is charged from the month of the first day that is in.
_CHARGED = [*_OWED, "feed_counts"]
_MADE_FROM = {
    "flights": _MEDIA,
    "impression_outcomes": _COUNTED,
    "accruals": _BOTH,
    "action_units": _ACTIONS,
    "missing_rates": _BOTH,
    "draft_invoices": _CHARGED,
    "draft_invoice_lines": _CHARGED,
    "draft_payouts": _OWED,
    "draft_payout_lines": _OWED,
}
"""The tables of a month: what a flight has had by the end of the month before counts against its caps and budgets."""


@dg.multi_asset(
    name="rate",
    specs=[spec(table, deps=deps, group="documents" if table in DRAFTS else "rating") for table, deps in _MADE_FROM.items()],
    partitions_def=monthly,
    check_specs=[
        checks.OUTCOMES_ADD_UP.spec,
        checks.AMOUNTS_HAVE_RATES.spec,
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
        published = Published(here.warehouse, upkeep.known.known_at)
        yield from materializations(published, earlier)
        tables = {table: here.warehouse.read(table, [str(month)]).collect() for table in ("missing_rates", *DRAFTS)}
        described = {
            "draft_invoices": by_currency(tables["draft_invoices"], "total"),
            "draft_payouts": by_currency(tables["draft_payouts"], "earnings"),
            "draft_invoice_lines": top(tables["draft_invoice_lines"], "amount", ["contract_id", "description", "amount"]),
            "draft_payout_lines": top(tables["draft_payout_lines"], "amount", ["contract_id", "description", "amount"]),
        }
        for table in _MADE_FROM:  # one after those of them that it is made from
            ((_, told),) = published.metadata([rated], table)
            yield dg.MaterializeResult(asset_key=table, metadata=told | described.get(table, {}))
        swept(here)
        for finding in (*rated.findings, checks.amounts_have_rates(tables["missing_rates"])):
            yield finding.result
