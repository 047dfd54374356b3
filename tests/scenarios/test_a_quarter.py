"""A quarter of a customer's life: three closes, late events, reversals and a retroactive amendment after them.

The advertiser pays 2 USD for each of a month's first ten impressions and 1 USD for each more, at most 40 impressions in all;
12 USD for a purchase, at most three a month; 10 % of media goes to the agency, and a month comes to at least 50 USD; tax is
19 %. The partner gets half of what its impressions are charged, and 5 USD for a purchase that was charged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
import small_world
from small_world import Rows, adjustment, agree, click, deliver, impression, purchase

from assets.adjusting import pending
from assets.intake import ingest
from assets.upkeep import Upkeep
from contracts_io.calendar import Month, days_between
from contracts_io.contract import parse_document
from contracts_io.home import Home
from contracts_io.store.document_tables import Invoice, Line, Payout
from contracts_io.store.documents import Act
from services import billing, comparison, verification
from services.explaining.explain import explain
from services.explaining.explained import DocumentExplained
from services.status import status

OCTOBER, NOVEMBER, DECEMBER = Month(2025, 10), Month(2025, 11), Month(2025, 12)

ADVERTISER = """
contract_id: acme-1
side: advertiser
party: {id: acme, name: "Acme Stores, Inc.", country: US}
currency: USD
timezone: UTC
starts_on: 2025-10-01
ends_on: null
effective_from: 2025-10-01
agency_commission: "0.10"
minimum_monthly: "50.00"
tax: {category: S, rate: "0.19"}
attribution: {model: last_touch, lookback: {view: 0d, click: 2d}}
terms:
  - term_id: brand
    line_items: [li-brand]
    pricing:
      model: cpm
      tiers: {mode: graduated, steps: [{up_to: 10, rate: "2000.00"}, {rate: "1000.00"}]}
      impression_cap: 40
  - term_id: sales
    line_items: [li-sales]
    pricing: {model: cpa, event: purchase, fee: {type: flat, amount: "12.00"}, monthly_cap: 3}
"""
AMENDED = ADVERTISER.replace("effective_from: 2025-10-01", "effective_from: 2025-11-01").replace('"2000.00"', '"3000.00"')
PARTNER = """
contract_id: pub-1
side: partner
party: {id: pub, name: Publisher, country: DE}
currency: USD
timezone: UTC
starts_on: 2025-10-01
ends_on: null
terms:
  - {term_id: share, line_items: [li-brand], pricing: {model: revenue_share, share: "0.50"}}
  - {term_id: fees, pricing: {model: cpa, event: purchase, fee: {type: flat, amount: "5.00"}}}
"""


def impressions(day: date, count: int, name: str = "") -> Rows:
    return [impression(f"imp-{name or day}-{n}", f"{day}T08:{n:02}:00Z") for n in range(count)]


def bought(day: date, count: int) -> tuple[Rows, Rows]:
    """Clicks and the purchases an hour after each."""
    clicks = [click(f"clk-{day}-{n}", f"{day}T{n + 8:02}:00:00Z", f"hh-{day}-{n}") for n in range(count)]
    return clicks, [purchase(f"buy-{day}-{n}", f"{day}T{n + 9:02}:00:00Z", f"hh-{day}-{n}", "99.00") for n in range(count)]


def live_through(home: Home, first: date, last: date) -> None:
    """Take in every day; what nothing was delivered for is delivered empty."""
    for day in days_between(first, last):
        for feed in ("impressions", "conversions"):
            if not (home.landing / feed / str(day)).exists():
                deliver(home, feed, day, [])
        ingest(home, day)
    for _ in Upkeep(home).delivery():
        pass


def notes(home: Home, month: Month) -> list[tuple[Invoice, list[Line]]]:
    return [(document, lines) for document, lines in home.books.invoices(month) if document.kind != "invoice"]


def told(lines: Sequence[Line]) -> list[tuple[str, str | None, int | None, int | None, int, str | None]]:
    return [(line.kind, line.term_id, line.version, line.quantity, line.amount_minor, line.cause) for line in lines]


def sums(document: Invoice) -> tuple[int, int, int]:
    return document.net_minor, document.tax_minor, document.total_minor


def money(statement: Payout) -> tuple[int, int, int, int]:
    return (
        statement.brought_forward_minor,
        statement.earnings_minor,
        statement.payable_minor,
        statement.carried_forward_minor,
    )


def everything_issued_is_the_entitlement(home: Home, month: Month, folder: Path) -> bool:
    """The sums of all documents of a month are those of its export as known now."""
    billing.export(home, month, folder, "parquet", draft=True)
    net = sum(document.net_minor for document, _ in home.books.invoices(month))
    paid = sum(line.amount_minor for _, lines in home.books.payouts(month) for line in lines if line.kind != "adjustment")
    paid += sum(line.amount_minor for line in home.books.adjustments_of(month))
    invoices = pl.read_parquet(folder / "invoices.parquet")
    payouts = pl.read_parquet(folder / "payouts.parquet")
    return (net, paid) == (int(invoices["net"].sum() * 100), int(payouts["earnings"].sum() * 100))


@pytest.fixture(scope="module")
def quarter(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The quarter, with October, November and December closed and November adjusted twice."""
    home = Home.create(tmp_path_factory.mktemp("quarter") / "home")
    agree(home, ADVERTISER, PARTNER, at=datetime(2025, 10, 1, tzinfo=UTC))
    oct30, nov10, dec10 = date(2025, 10, 30), date(2025, 11, 10), date(2025, 12, 10)
    for day, served, purchases in ((oct30, 12, 2), (nov10, 15, 4), (dec10, 10, 1)):
        clicks, conversions = bought(day, purchases)
        deliver(home, "impressions", day, impressions(day, served))
        deliver(home, "clicks", day, clicks)
        deliver(home, "conversions", day, conversions)
    live_through(home, oct30, date(2025, 11, 2))
    billing.close(home, OCTOBER, date(2025, 11, 3))
    # Three impressions of October come after its close.
    deliver(home, "impressions", date(2025, 11, 5), impressions(date(2025, 10, 31), 3))
    live_through(home, date(2025, 11, 3), date(2025, 12, 2))
    assert billing.adjust(home, OCTOBER, date(2025, 12, 3)) == []
    billing.close(home, NOVEMBER, date(2025, 12, 3))
    # Two impressions of November, and the reversal of two of its four purchases.
    deliver(home, "impressions", date(2025, 12, 4), impressions(date(2025, 11, 28), 2))
    reversals = [adjustment(f"adj-{n}", f"buy-{nov10}-{n}", "2025-12-05T09:00:00Z", "reverse") for n in range(2)]
    deliver(home, "conversion_adjustments", date(2025, 12, 5), reversals)
    live_through(home, date(2025, 12, 3), date(2025, 12, 6))
    assert billing.adjust(home, NOVEMBER, date(2025, 12, 6)) == ["CN-2025-000001"]
    # The first ten impressions of a month cost 3 USD, from the first of November.
    amended = [("amended.yaml", parse_document(AMENDED, name="amended.yaml"))]
    at = datetime(2025, 12, 8, tzinfo=UTC)
    kept = home.contracts.import_documents(
        amended, by="alice", at=at, retroactive=True, closed_through=home.closed_through()
    )
    home.contracts.approve(*kept[0][:2], by="bob", at=at, content_hash=kept[0].content_hash)
    assert billing.adjust(home, NOVEMBER, date(2025, 12, 8)) == ["DN-2025-000001"]
    live_through(home, date(2025, 12, 7), date(2026, 1, 2))
    billing.close(home, DECEMBER, date(2026, 1, 3))
    return home


def test_each_month_was_invoiced_as_it_was_known_at_its_close(quarter: Home) -> None:
    first = {month: quarter.books.invoices(month)[-1] for month in (OCTOBER, NOVEMBER, DECEMBER)}
    assert [document.kind for document, _ in first.values()] == ["invoice"] * 3
    # October: 10 x 2 + 2 x 1 = 22.00; 2 x 12 = 24.00; commission 2.20; 43.80, so 6.20 lack to 50.00; tax 9.50.
    assert [line.amount_minor for line in first[OCTOBER][1]] == [200, 2_000, 2_400, -220, 620]
    assert sums(first[OCTOBER][0]) == (5_000, 950, 5_950)
    # November: 10 x 2 + 5 x 1 = 25.00; three of four purchases 36.00; commission 2.50; 58.50; tax 11.115, so 11.12.
    assert [line.amount_minor for line in first[NOVEMBER][1]] == [500, 2_000, 3_600, -250]
    assert sums(first[NOVEMBER][0]) == (5_850, 1_112, 6_962)
    # December: 40 - 15 - 17 = 8 are left of the cap, 8 x 3 = 24.00; 12.00; commission 2.40; 33.60, so 16.40 lack.
    assert [line.amount_minor for line in first[DECEMBER][1]] == [2_400, 1_200, -240, 1_640]
    assert sums(first[DECEMBER][0]) == (5_000, 950, 5_950)


def test_late_events_under_the_minimum_change_no_invoice_and_pay_the_partner(quarter: Home) -> None:
    # October now: 15 impressions are 25.00, the commission 2.50; 46.50, so the minimum lacks 3.50 in place of 6.20.
    assert notes(quarter, OCTOBER) == []
    ((statement, lines),) = quarter.books.payouts(NOVEMBER)
    # Half of 25.00, three purchases at 5.00, and half of the 3.00 that came late for October.
    assert told(lines) == [
        ("action", "fees", 1, 3, 1_500, None),
        ("revenue_share", "share", 1, 15, 1_250, None),
        ("adjustment", "share", 1, 3, 150, "late event"),
    ]
    assert lines[-1].description.startswith("2025-10 adjusted: ")
    assert lines[-1].description.endswith(" (late event)")
    assert money(statement) == (0, 2_900, 2_900, 0)


def test_the_first_note_says_what_came_late_and_what_was_reversed(quarter: Home) -> None:
    # 10 x 2 + 7 x 1 = 27.00; two purchases 24.00; commission 2.70; 48.30, so 1.70 lack: 50.00 in place of 58.50.
    credit, lines = notes(quarter, NOVEMBER)[0]
    assert (credit.kind, credit.adjusts) == ("credit_note", "INV-2025-000002")
    assert sums(credit) == (-850, -162, -1_012)
    assert told(lines) == [
        ("media", "brand", 1, 2, 200, "late event"),
        ("action", "sales", 1, -1, -1_200, "reversal"),
        ("agency_commission", None, None, None, -20, "late event; reversal"),
        ("minimum", None, None, None, 170, "late event; reversal"),
    ]


def test_the_second_note_says_the_amendment_and_nothing_of_what_was_adjusted_before(quarter: Home) -> None:
    # 10 x 3 + 7 x 1 = 37.00; 24.00; commission 3.70; 57.30 in place of 50.00; tax 10.887, so 10.89 in place of 9.50.
    debit, lines = notes(quarter, NOVEMBER)[1]
    assert (debit.kind, debit.adjusts) == ("debit_note", "INV-2025-000002")
    assert sums(debit) == (730, 139, 869)
    assert sorted((line.kind, line.version or 0, line.amount_minor) for line in lines) == [
        ("action", 1, -2_400),
        ("action", 2, 2_400),
        ("agency_commission", 0, -100),
        ("media", 1, -2_000),
        ("media", 1, -700),
        ("media", 2, 700),
        ("media", 2, 3_000),
        ("minimum", 0, -170),
    ]
    assert {line.cause for line in lines} == {"amendment to version 2"}


def test_the_next_statement_carries_what_changed_for_the_partner(quarter: Home) -> None:
    ((statement, lines),) = quarter.books.payouts(DECEMBER)
    # Half of 24.00 and one purchase; of November half of 37.00 in place of 25.00, and two purchases in place of three.
    assert sorted(told(lines)) == sorted(
        [
            ("action", "fees", 1, 1, 500, None),
            ("revenue_share", "share", 1, 8, 1_200, None),
            ("adjustment", "fees", 1, -1, -500, "reversal"),
            ("adjustment", "share", 1, 2, 600, "late event; amendment to version 2"),
        ]
    )
    assert money(statement) == (0, 1_800, 1_800, 0)


def test_a_further_adjustment_issues_nothing(quarter: Home) -> None:
    for month in (OCTOBER, NOVEMBER, DECEMBER):
        assert billing.adjust(quarter, month, date(2026, 1, 4)) == []
        assert pending(quarter, Upkeep(quarter), month) == (0, {}, {}, {}, 0)
        assert comparison.compare(quarter, month, None, None, stored=True).filter(pl.col("difference") != 0).is_empty() or (
            month == OCTOBER  # whose lines differ under the same minimum
        )
    assert [found.pending for found in status(quarter, date(2026, 1, 4)).months if found.closed_on] == [None, None, None]


def test_all_documents_of_a_month_come_to_its_entitlement(quarter: Home, tmp_path: Path) -> None:
    for month in (OCTOBER, NOVEMBER, DECEMBER):
        assert everything_issued_is_the_entitlement(quarter, month, tmp_path / str(month))


def test_the_home_verifies(quarter: Home) -> None:
    found = verification.verify(quarter, billing.unseen)
    assert found.broken == []
    assert (found.documents, found.entries) == (3 + 2 + 3, 8)


@pytest.fixture(scope="module")
def october_closed(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The small world's contracts a year earlier; October closed, with an impression on 30 October."""
    home = Home.create(tmp_path_factory.mktemp("october") / "home")
    contracts = (text.replace("2026", "2025") for text in (small_world.ADVERTISER, small_world.PARTNER))
    agree(home, *contracts, at=datetime(2025, 10, 1, tzinfo=UTC))
    deliver(home, "impressions", date(2025, 10, 30), impressions(date(2025, 10, 30), 1))
    live_through(home, date(2025, 10, 30), date(2025, 11, 2))
    billing.close(home, OCTOBER, date(2025, 11, 3))
    return home


@pytest.mark.parametrize(("carrying", "other"), [(NOVEMBER, DECEMBER), (DECEMBER, NOVEMBER)])
def test_what_adjusts_a_closed_month_is_in_the_draft_of_the_next_statement_alone(
    october_closed: Home, copy_of: Callable[[Home], Home], carrying: Month, other: Month
) -> None:
    """3.00 came late for October: they go with November, or with December where nothing is to be issued for November."""
    home = copy_of(october_closed)
    late = impressions(date(2025, 10, 31), 3)
    own = impressions(date(2025, 11, 3), 1) if carrying == NOVEMBER else []
    deliver(home, "impressions", date(2025, 11, 3), [*late, *own])
    deliver(home, "impressions", date(2025, 12, 1), impressions(date(2025, 12, 1), 1))
    live_through(home, date(2025, 11, 3), date(2025, 12, 2))
    found = {}
    for month in (NOVEMBER, DECEMBER):
        folder = home.root / "documents" / str(month)
        billing.export(home, month, folder, "parquet", draft=True)
        drafted = pl.read_parquet(folder / "payout_lines.parquet").filter(kind="adjustment")["amount"].to_list()
        would_issue = billing.dry_run(home, Act.CLOSE, month, date(2026, 1, 20)).documents
        assert would_issue
        lines = [line for _, lines in would_issue.payouts for line in lines if line.kind == "adjustment"]
        found[month] = [float(amount) for amount in drafted], [line.amount_minor for line in lines]
        assert comparison.compare(home, month, None, None, stored=True).is_empty()
    assert found == {carrying: ([3.0], [300]), other: ([], [])}
    (draft,) = explain(home, "DRAFT-pub-1", month=carrying)
    assert isinstance(draft, DocumentExplained)
    assert [line.cause for line in draft.lines] == [None, "late event"]
    assert draft.problems == []
    if other == DECEMBER:
        (later,) = explain(home, "DRAFT-pub-1", month=other)
        assert isinstance(later, DocumentExplained)
        assert [line.kind for line in later.lines] == ["media"]
        billing.close(home, NOVEMBER, date(2025, 12, 20))
        assert [line.kind for _, lines in home.books.payouts(NOVEMBER) for line in lines] == ["media", "adjustment"]
