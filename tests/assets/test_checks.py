"""Each rule passes on tables that keep it and fails on tables made to break it; a blocking one stops the publication."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import dagster as dg
import polars as pl
import pytest

from assets import checks
from assets.checks import Finding, Rule
from contracts_io.errors import WarehouseError
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE, RATE_TYPE
from contracts_io.store.document_tables import JournalLine
from pipelines.documents import Drafts

DAY = date(2026, 10, 20)
RULES = [found for found in vars(checks).values() if isinstance(found, Rule)]


def counts(read: int, accepted: int, duplicate: int, quarantined: int, conflicting: int = 0) -> pl.DataFrame:
    row = ["clicks", None, read, accepted, duplicate, quarantined, 0, conflicting]
    quiet = ["impressions", None, 0, 0, 0, 0, 0, 0]
    return pl.DataFrame([quiet, row], schema=TABLES["feed_counts"].polars_schema, orient="row")


def judged(**status_of: str) -> pl.DataFrame:
    return pl.DataFrame({"conversion_id": list(status_of), "status": list(status_of.values())}).with_columns(
        pl.lit("2026-10-01").alias("delivery_day")
    )


def credited(*shares: tuple[str, int]) -> pl.DataFrame:
    return pl.DataFrame(shares, schema={"conversion_id": pl.String, "credit": pl.Int64}, orient="row").with_columns(
        pl.lit("2026-10-01").alias("delivery_day")
    )


LINE = {"term_id": pl.String, "version": pl.Int32, "kind": pl.String, "quantity": pl.Int64}


def lines(*rows: tuple[Any, ...]) -> pl.DataFrame:
    """Lines of (contract, term, kind, quantity, amount, rate)."""
    return pl.DataFrame(
        [
            (c, t, None if t is None else 1, kind, n, Decimal(amount), *map(Decimal, rate))
            for c, t, kind, n, amount, *rate in rows
        ],
        schema={"contract_id": pl.String, **LINE, "amount": NANOS_TYPE, "rate": RATE_TYPE},
        orient="row",
    )


def line(kind: str, amount: str, quantity: int | None = None, *rate: str) -> tuple[Any, ...]:
    """A line of acme's term t, as ``lines`` takes it."""
    return ("acme", None if kind in ("agency_commission", "minimum") else "t", kind, quantity, amount, *(rate or ("0",)))


def heads(total: str, contract_id: str, amount: str, currency: str = "USD") -> pl.DataFrame:
    return pl.DataFrame(
        [(contract_id, currency, Decimal(amount))],
        schema={"contract_id": pl.String, "currency": pl.String, total: NANOS_TYPE},
        orient="row",
    )


def drafted(net: str, *of_acme: tuple[Any, ...], currency: str = "USD", flight: tuple[str, str] | None = None) -> Drafts:
    """An invoice to acme, a statement of 2.00 to pub; ``flight``: charged and lined of acme's term t."""
    flights = [("acme", "t", 9, *map(Decimal, flight))] if flight else []
    return Drafts(
        heads("net", "acme", net, currency),
        lines(*of_acme),
        heads("earnings", "pub", "2"),
        lines(("pub", "t", "revenue_share", 1, "2", "0")),
        pl.DataFrame(flights, schema=TABLES["flights"].polars_schema, orient="row"),
    )


def documents(amount: str, net: str, currency: str = "USD") -> Drafts:
    """An invoice of one line of two impressions to acme, a statement of 2.00 to pub."""
    return drafted(net, line("media", amount, 2), currency=currency)


def accrued(*rows: tuple[str, str]) -> pl.DataFrame:
    """Accruals of (contract id, amount): media of an advertiser before any budget, of a partner a share of revenue."""
    return pl.DataFrame(
        [
            (c, "t", 1, "revenue_share" if c == "pub" else "media", 1, Decimal(amount), Decimal(amount if c == "pub" else 0))
            for c, amount in rows
        ],
        schema={
            **dict.fromkeys(("contract_id", "term_id"), pl.String),
            "version": pl.Int32,
            "kind": pl.String,
            "units": pl.Int64,
            "uncapped": NANOS_TYPE,
            "amount": NANOS_TYPE,
        },
        orient="row",
    )


def feed_days(*accepted: int) -> pl.DataFrame:
    """``feed_counts`` of the days up to DAY, one a day, with as many impressions, and a click each."""
    days = [DAY - timedelta(days=n) for n in reversed(range(len(accepted)))]
    rows = [["impressions", day, n, n, 0, 0, 0, 0] for day, n in zip(days, accepted, strict=True)]
    clicks = [["clicks", day, 1, 1, 0, 0, 0, 0] for day in days]
    return pl.DataFrame([*rows, *clicks], schema=TABLES["feed_counts"].polars_schema, orient="row")


def on_sides(*rows: tuple[str, str, str, int]) -> pl.DataFrame:
    """``judged_impressions`` of (side, line item, partner, impressions)."""
    columns = {"side": pl.String, "line_item_id": pl.String, "partner_id": pl.String, "impressions": pl.Int64}
    return pl.DataFrame(list(rows), schema=columns, orient="row")


def paid(*rows: tuple[str, str | None, int]) -> pl.DataFrame:
    """Units of partners and advertisers of (conversion, advertiser contract or None on its own side, credit)."""
    return pl.DataFrame(
        [(c, None, "pub-1" if of else "acme-1", "partner" if of else "advertiser", of, credit) for c, of, credit in rows],
        schema={
            "conversion_id": pl.String,
            "delivery_day": pl.Date,
            "contract_id": pl.String,
            "side": pl.String,
            "advertiser_contract_id": pl.String,
            "credit": pl.Int64,
        },
        orient="row",
    )


def charged(*rows: tuple[str, str, int]) -> pl.DataFrame:
    """What was charged: (conversion, contract, credit)."""
    return pl.DataFrame(
        [(c, None, of, credit) for c, of, credit in rows],
        schema={"conversion_id": pl.String, "delivery_day": pl.Date, "contract_id": pl.String, "credit": pl.Int64},
        orient="row",
    )


def posted(*amounts_minor: tuple[str, str, int, int]) -> list[JournalLine]:
    """Lines of (entry, currency, debit, credit)."""
    return [
        JournalLine(entry, n, None, entry, "Assets:Receivable", "acme", "2026-10", currency, debit, credit)
        for n, (entry, currency, debit, credit) in enumerate(amounts_minor)
    ]


class Case(NamedTuple):
    """A rule's function with arguments that keep the rule and arguments that break it."""

    judge: Callable[..., Finding]
    kept: list[tuple[Any, ...]]
    broken: list[tuple[Any, ...]]


EXACT = accrued(("acme", "1.004"), ("acme", "1.001"), ("pub", "2"))
MEDIA = line("media", "2.01", 2)
RATES = TABLES["missing_rates"]
CASES = {
    checks.EVERY_ROW_ACCOUNTED_FOR: Case(
        checks.every_row_accounted_for,
        [(counts(6, 3, 2, 1),), (counts(0, 0, 0, 0),)],
        [(counts(6, 3, 2, 0),), (counts(6, 4, 2, 1),)],
    ),
    checks.NO_CONFLICTING_DUPLICATES: Case(
        checks.no_conflicting_duplicates, [(counts(2, 1, 1, 0),)], [(counts(2, 1, 1, 0, conflicting=1),)]
    ),
    checks.LITTLE_QUARANTINED: Case(
        checks.little_quarantined,
        [(counts(100, 99, 0, 1),), (counts(0, 0, 0, 0),)],
        [(counts(100, 98, 0, 2),), (counts(99, 98, 0, 1),)],
    ),
    checks.QUARANTINE_WITHIN_LIMIT: Case(
        checks.quarantine_within_limit,
        [
            (counts(100, 95, 0, 5), Decimal("0.05")),
            (counts(0, 0, 0, 0), Decimal(0)),
            (counts(3, 0, 0, 3), Decimal(1)),
        ],
        [(counts(100, 94, 0, 6), Decimal("0.05")), (counts(3, 2, 0, 1), Decimal("0.333333"))],
    ),
    checks.VOLUME_AS_USUAL: Case(
        checks.volume_as_usual,
        [
            (feed_days(*[100] * 14, 100), DAY),
            (feed_days(*[100] * 14, 50), DAY),
            (feed_days(*[100] * 14, 200), DAY),
            (feed_days(9_000, *[100] * 14, 100), DAY),  # fifteen days before
            (feed_days(80, 120, 200), DAY),  # of the days that were run
            (feed_days(7), DAY),  # the first day of all
            (feed_days(0, 0), DAY),
        ],
        [
            (feed_days(*[100] * 14, 49), DAY),
            (feed_days(*[100] * 14, 201), DAY),
            (feed_days(*[100] * 14, 0), DAY),
            (feed_days(0, 1), DAY),
        ],
    ),
    checks.COUNTS_ADD_UP: Case(checks.counts_add_up, [(7, 7), (0, 0)], [(6, 7), (8, 7)]),
    checks.ONE_STATUS_EACH: Case(checks.one_status_each, [(7, 7)], [(6, 7), (8, 7)]),
    checks.CREDITS_ADD_UP: Case(
        checks.credits_add_up,
        [
            (judged(a="attributed", b="unattributed"), credited(("a", 1_000_000))),
            (judged(a="attributed"), credited(("a", 333_333), ("a", 333_333), ("a", 333_334))),
            (judged(b="no_household"), credited()),
        ],
        [
            (judged(a="attributed"), credited(("a", 999_999))),
            (judged(a="attributed"), credited(("a", 1_000_000), ("a", 1))),
            (judged(a="attributed"), credited()),
            (judged(a="unattributed"), credited(("a", 1_000_000))),
            (judged(a="attributed", b="attributed"), credited(("a", 1_000_000), ("a", 1_000_000))),
        ],
    ),
    checks.EXCHANGE_RATES_THERE: Case(
        checks.exchange_rates_there, [(judged(a="attributed"),)], [(judged(a="attributed", b="no_fx_rate"),)]
    ),
    checks.BOTH_SIDES_TIE: Case(
        checks.both_sides_tie,
        [
            (on_sides(("advertiser", "a", "p", 3), ("advertiser", "a", "p", 4), ("partner", "a", "p", 7)),),
            (on_sides(),),
        ],
        [
            (on_sides(("advertiser", "a", "p", 3), ("partner", "a", "p", 2)),),
            (on_sides(("advertiser", "a", "p", 3)),),
            (on_sides(("advertiser", "a", "p", 3), ("partner", "a", "q", 3)),),
        ],
    ),
    checks.PAID_ON_CHARGED_CREDIT: Case(
        checks.paid_on_charged_credit,
        [
            (paid(("c1", "acme-1", 400), ("c1", "acme-1", 600), ("c2", None, 9)), charged(("c1", "acme-1", 1_000))),
            (paid(("c1", "acme-1", 400)), charged(("c1", "acme-1", 1_000))),  # a partner that has no term for the rest
            (paid(), charged()),
        ],
        [
            (paid(("c1", "acme-1", 400), ("c1", "acme-1", 601)), charged(("c1", "acme-1", 1_000))),
            (paid(("c1", "acme-1", 400)), charged(("c1", "zeta-1", 1_000))),
            (paid(("c1", "acme-1", 1)), charged()),
        ],
    ),
    checks.OUTCOMES_ADD_UP: Case(
        checks.outcomes_add_up,
        [(5, {"advertiser": 5, "partner": 5})],
        [(5, {"advertiser": 5, "partner": 4}), (5, {"advertiser": 6, "partner": 5})],
    ),
    checks.AMOUNTS_HAVE_RATES: Case(
        checks.amounts_have_rates,
        [(RATES.empty(),)],
        [(pl.DataFrame([(None, "EUR", "USD", "pub-1")], schema=RATES.polars_schema, orient="row"),)],
    ),
    checks.LINES_TIE_TO_ACCRUALS: Case(
        checks.lines_tie_to_accruals,
        [
            (EXACT, documents("2.01", "2.01")),
            (accrued(("acme", "2.004"), ("acme", "0.001"), ("pub", "2")), documents("2.01", "2.01")),
            # charged 1.50 of 2.00: a budget took the rest
            (EXACT, drafted("1.5", MEDIA, line("budget_cap", "-0.51"), flight=("1.504", "1.50"))),
            # what is agreed on lines is in the document, and is no accrual
            (EXACT, drafted("5", MEDIA, line("agency_commission", "-0.51"), line("minimum", "3.5"))),
            (EXACT, drafted("6.14", MEDIA, line("tier_fee", "4.13", 1, "4.125"))),
        ],
        [
            (EXACT, documents("2.01", "2.02")),  # a document that is not the sum of its lines
            (EXACT, documents("2.02", "2.02")),  # a cent more than rounding moves
            (EXACT, documents("1.99", "1.99")),
            (accrued(("acme", "1.004"), ("acme", "1"), ("pub", "2"), ("lost", "9")), documents("2", "2")),  # on no document
            (accrued(("pub", "2")), documents("2", "2")),  # a line from nothing
            (EXACT, drafted("2.01", line("media", "2.01", 3))),  # an impression too many
            (EXACT, drafted("1.5", MEDIA, line("budget_cap", "-0.51"), flight=("1.506", "1.50"))),
            (EXACT, drafted("1.5", MEDIA, line("budget_cap", "-0.51"))),  # a budget of no flight
            (EXACT, drafted("6.15", MEDIA, line("tier_fee", "4.14", 1, "4.125"))),
            (EXACT, drafted("5.01", MEDIA, line("minimum", "2.99"))),
        ],
    ),
    checks.JOURNAL_BALANCES: Case(
        checks.journal_balances,
        [(posted(("J-1", "USD", 5, 0), ("J-1", "USD", 0, 5)),), ([],)],
        [
            (posted(("J-1", "USD", 5, 0), ("J-1", "USD", 0, 4)),),
            (posted(("J-1", "USD", 5, 0), ("J-2", "USD", 0, 5)),),
            (posted(("J-1", "USD", 5, 0), ("J-1", "EUR", 0, 5)),),
        ],
    ),
}


def test_no_rule_is_left_out() -> None:
    assert CASES.keys() == set(RULES)


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [pytest.param(rule, kept, id=f"{rule.name}-{n}") for rule, case in CASES.items() for n, kept in enumerate(case.kept)],
)
def test_a_rule_passes_where_it_is_kept(rule: Rule, arguments: tuple[Any, ...]) -> None:
    finding = CASES[rule].judge(*arguments)
    assert finding.rule is rule
    assert finding.passed
    checks.require([finding], where="delivery day 2026-10-01")


@pytest.mark.parametrize(
    ("rule", "arguments"),
    [
        pytest.param(rule, broken, id=f"{rule.name}-{n}")
        for rule, case in CASES.items()
        for n, broken in enumerate(case.broken)
    ],
)
def test_a_rule_fails_where_it_is_broken_and_stops_the_publication_where_it_blocks(
    rule: Rule, arguments: tuple[Any, ...]
) -> None:
    finding = CASES[rule].judge(*arguments)
    assert not finding.passed
    result = finding.result
    assert (result.passed, result.check_name, result.asset_key) == (False, rule.name, dg.AssetKey(rule.asset))
    if rule.blocking:
        assert result.severity is dg.AssetCheckSeverity.ERROR
        with pytest.raises(WarehouseError, match=f"the check {rule.name} of {rule.asset} fails") as refused:
            checks.require([finding], where="delivery day 2026-10-01")
        assert refused.value.where == "delivery day 2026-10-01"
        assert refused.value.remedy == rule.remedy
        assert "nothing was published" in rule.remedy
    else:
        assert result.severity is dg.AssetCheckSeverity.WARN
        checks.require([finding], where="delivery day 2026-10-01")


def test_what_would_make_money_wrong_blocks_and_what_an_analyst_should_look_at_warns() -> None:
    assert {rule.name for rule in RULES if not rule.blocking} == {
        "no_conflicting_duplicates",
        "little_quarantined",
        "volume_as_usual",
        "exchange_rates_there",
        "amounts_have_rates",
    }


def test_a_yen_may_be_off_by_half_a_yen_where_a_dollar_may_not() -> None:
    half = accrued(("acme", "1.5"), ("acme", "1"), ("pub", "2"))
    assert checks.lines_tie_to_accruals(half, documents("3", "3", currency="JPY")).passed
    assert not checks.lines_tie_to_accruals(half, documents("3", "3", currency="USD")).passed
