"""Laws of documents: every cent of a line is an accrual's, every cent due is paid, withheld or carried."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
from billing_samples import advertiser, frames, partner, rows_of, term
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contracts_io.calendar import Month
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE, decimal_to_minor, divide_half_up, format_scaled, minor_unit_nanos, parse_scaled
from pipelines.documents import Drafts, draft, settle

Row = dict[str, Any]
SLOW = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
MILLION = 1_000_000
CURRENCIES = st.sampled_from(["USD", "JPY", "KWD", "CLF"])

PLACES: dict[str, Row] = {
    "advertiser": {"contract_id": "acme-1"},
    "partner": {"side": "partner", "contract_id": "pub-1-2026", "advertiser_contract_id": "acme-1"},
}
ACCRUAL = st.builds(
    lambda side, more, action: PLACES[side] | more | ({"kind": "action", "event": "purchase"} if action else {}),
    st.sampled_from(["advertiser", "partner"]),
    st.fixed_dictionaries(
        {
            "term_id": st.sampled_from(["a", "b"]),
            "version": st.sampled_from([1, 2]),
            "rate": st.sampled_from(["10", "10.5"]),
            "units": st.integers(1, 10**12),
            "amount": st.one_of(
                st.decimals(-(10**12), 10**12, places=9, allow_nan=False).map("{:f}".format),
                st.sampled_from(["0.005", "-0.005", "0.5", "0.0005", "0.00005", "0.004999999"]),
            ),
        }
    ),
    st.booleans(),
)
ACCRUALS = st.lists(ACCRUAL, max_size=12)


NO_FLIGHTS = TABLES["flights"].empty()
AT = datetime(2026, 10, 1, tzinfo=UTC)


def drafted(rows: list[Row], currency: str, **agreed: Any) -> Drafts:
    contracts = [advertiser(currency=currency, **agreed), partner(currency=currency)]
    exact = [{"uncapped": row["amount"]} | row for row in rows]
    return draft(
        rows_of("accruals", exact),
        frames(*contracts),
        Month(2026, 10),
        flights_before=NO_FLIGHTS,
        flights=NO_FLIGHTS.drop("lined"),
        minimums=True,
        known_at=AT,
    )


def of_both_sides(made: Drafts) -> list[tuple[str, pl.DataFrame, pl.DataFrame]]:
    return [("net", made.invoices, made.invoice_lines), ("earnings", made.payouts, made.payout_lines)]


@SLOW
@given(ACCRUALS, CURRENCIES)
def test_lines_tie_to_accruals_within_half_a_minor_unit_each(rows: list[Row], currency: str) -> None:
    made = drafted(rows, currency)
    half = Decimal(minor_unit_nanos(currency)).scaleb(-9) / 2
    for contract_id, lines in (("acme-1", made.invoice_lines), ("pub-1-2026", made.payout_lines)):
        own = [row for row in rows if row["contract_id"] == contract_id]
        exact = sum((Decimal(row["amount"]) for row in own), Decimal(0))
        assert abs(sum(lines["amount"].to_list(), Decimal(0)) - exact) <= half * lines.height
        assert lines["quantity"].sum() == sum(row["units"] for row in own)
        for line in lines.to_dicts():
            key = ("kind", "term_id", "version", "rate")
            mine = [r for r in own if [str(r.get(k, "media")) for k in key[:3]] == [str(line[k]) for k in key[:3]]]
            of_line = sum((Decimal(r["amount"]) for r in mine if Decimal(r["rate"]) == line["rate"]), Decimal(0))
            assert abs(line["amount"] - of_line) <= half


@SLOW
@given(ACCRUALS, CURRENCIES)
def test_a_documents_net_is_the_sum_of_its_lines_in_whole_minor_units(rows: list[Row], currency: str) -> None:
    for net, heads, lines in of_both_sides(drafted(rows, currency)):
        assert heads["contract_id"].to_list() == lines["contract_id"].unique().to_list()
        for head in heads.to_dicts():
            own = lines.filter(pl.col("contract_id") == head["contract_id"])
            assert own["line"].to_list() == list(range(1, own.height + 1))
            assert head[net] == own["amount"].sum()
            assert sum(decimal_to_minor(amount, currency) for amount in own["amount"]) == decimal_to_minor(
                head[net], currency
            )


@SLOW
@given(ACCRUALS, CURRENCIES)
def test_documents_of_mirrored_accruals_are_mirrored(rows: list[Row], currency: str) -> None:
    mirrored = [row | {"amount": str(-Decimal(row["amount"]).quantize(Decimal("1e-9")))} for row in rows]
    for (_, _, lines), (_, _, mirror) in zip(
        of_both_sides(drafted(rows, currency)), of_both_sides(drafted(mirrored, currency)), strict=True
    ):
        assert mirror["amount"].to_list() == [-amount for amount in lines["amount"]]


@SLOW
@given(ACCRUALS, CURRENCIES, st.randoms(use_true_random=False))
def test_the_order_of_accruals_is_irrelevant(rows: list[Row], currency: str, chance: Any) -> None:
    made, again = drafted(rows, currency), drafted(chance.sample(rows, len(rows)), currency)
    assert all(one.equals(other) for one, other in zip(made, again, strict=True))


AMOUNTS = st.integers(-(10**12), 10**12)
SHARES = st.integers(0, 1_000_000)


@given(AMOUNTS, AMOUNTS, st.integers(0, 10**12), SHARES, CURRENCIES)
def test_what_is_due_is_withheld_paid_or_carried_and_nothing_of_it_is_lost(
    earnings: int, brought_forward: int, minimum: int, share: int, currency: str
) -> None:
    settled = settle(earnings, brought_forward, minimum, share, currency)
    assert settled.withholding + settled.payable + settled.carried_forward == earnings + brought_forward
    assert settled.payable >= 0 <= settled.withholding
    assert settled.carried_forward == 0 or (settled.payable, settled.withholding) == (0, 0)


@given(st.lists(st.tuples(AMOUNTS, SHARES), min_size=1, max_size=12), st.integers(0, 10**10))
def test_over_the_months_a_partner_has_all_it_earned_but_for_what_is_still_carried(
    months: list[tuple[int, int]], minimum: int
) -> None:
    balance = paid = 0
    for earnings, share in months:
        settled = settle(earnings, balance, minimum, share, "USD")
        balance = settled.carried_forward
        paid += settled.payable + settled.withholding
    assert paid + balance == sum(earnings for earnings, _ in months)


AGREED = st.fixed_dictionaries(
    {
        "agency_commission": st.integers(0, MILLION).map(lambda micros: format_scaled(micros, 6)),
        "minimum_monthly": st.integers(0, 10**10).map(lambda micros: format_scaled(micros, 6)),
        "tax": st.integers(0, MILLION).map(lambda micros: {"category": "S", "rate": format_scaled(micros, 6)}),
    }
)


@SLOW
@given(ACCRUALS, CURRENCIES, AGREED)
def test_an_invoice_has_at_least_its_minimum_and_is_the_sum_of_its_lines_and_tax(
    rows: list[Row], currency: str, agreed: Row
) -> None:
    made = drafted(rows, currency, **agreed)
    least = divide_half_up(parse_scaled(agreed["minimum_monthly"], 9), minor_unit_nanos(currency))
    for head in made.invoices.to_dicts():
        net, tax, total = (decimal_to_minor(head[name], currency) for name in ("net", "tax", "total"))
        assert head["net"] == made.invoice_lines["amount"].sum()
        assert (tax, total) == (divide_half_up(net * parse_scaled(agreed["tax"]["rate"], 6), MILLION), net + tax)
        assert net >= least or least == 0
    assert made.invoices.height == (1 if made.invoice_lines.height else 0)


@SLOW
@given(ACCRUALS, CURRENCIES, AGREED, st.randoms(use_true_random=False))
def test_how_units_are_split_over_days_changes_nothing(rows: list[Row], currency: str, agreed: Row, chance: Any) -> None:
    parts: list[Row] = []
    for row in rows:
        units, nanos = row["units"], parse_scaled(row["amount"], 9)
        first = chance.randint(0, units)
        of_first = chance.randint(min(nanos, 0), max(nanos, 0))
        split = [(first, of_first, date(2026, 10, 3)), (units - first, nanos - of_first, date(2026, 10, 30))]
        if 0 in (first, units - first):
            split = [(units, nanos, date(2026, 10, 3))]
        parts += [row | {"units": n, "amount": format_scaled(a, 9), "billing_date": on} for n, a, on in split]
    for one, other in zip(drafted(rows, currency, **agreed), drafted(parts, currency, **agreed), strict=True):
        assert one.equals(other)


@SLOW
@given(st.lists(st.integers(0, 10**11), min_size=1, max_size=5), st.integers(0, 10**8), CURRENCIES)
def test_over_a_flight_the_lines_never_come_to_more_than_the_budget_but_for_rounding(
    media: list[int], budget_micros: int, currency: str
) -> None:
    priced = {"model": "cpm", "rate": "10", "budget": format_scaled(budget_micros, 6)}
    terms = frames(advertiser(term("a", priced, "li-1"), currency=currency))
    before, month, charged = NO_FLIGHTS, Month(2026, 8), 0
    for nanos in media:
        charged = min(charged + nanos, budget_micros * 1000)
        now = pl.DataFrame({"contract_id": ["acme-1"], "term_id": ["a"], "impressions": [1]}).with_columns(
            pl.lit(format_scaled(charged, 9)).cast(NANOS_TYPE).alias("charged")
        )
        row = PLACES["advertiser"] | {"term_id": "a", "amount": format_scaled(nanos, 9), "uncapped": format_scaled(nanos, 9)}
        options: Row = {"flights_before": before, "flights": now, "minimums": False, "known_at": AT}
        before = draft(rows_of("accruals", [row]), terms, month, **options).flights
        month = month.next
        lined = before["lined"].item()
        unit = minor_unit_nanos(currency)
        rounded = Decimal(divide_half_up(charged, unit) * unit).scaleb(-9)
        assert lined == rounded or lined <= Decimal(budget_micros).scaleb(-6)
        assert abs(lined - rounded) * 2 <= len(media) * Decimal(unit).scaleb(-9)
