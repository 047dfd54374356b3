"""Each rule passes on tables that keep it and fails on tables made to break it; a blocking one stops the publication."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, NamedTuple

import dagster as dg
import polars as pl
import pytest

from assets import checks
from assets.checks import Finding, Rule
from contracts_io.errors import WarehouseError
from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE
from contracts_io.store.documents import JournalLine
from pipelines.documents import Drafts

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


def amounts(column: str, *rows: tuple[str, str], currency: str = "USD") -> pl.DataFrame:
    """Rows of (contract id, amount)."""
    return pl.DataFrame(
        [(contract_id, Decimal(amount), currency) for contract_id, amount in rows],
        schema={"contract_id": pl.String, column: NANOS_TYPE, "currency": pl.String},
        orient="row",
    )


def documents(line: str, net: str, currency: str = "USD") -> Drafts:
    """An invoice of one line to acme, a statement of 2.00 to pub."""
    return Drafts(
        amounts("net", ("acme", net), currency=currency),
        amounts("amount", ("acme", line)).drop("currency"),
        amounts("earnings", ("pub", "2")),
        amounts("amount", ("pub", "2")).drop("currency"),
    )


def accrued(*rows: tuple[str, str]) -> pl.DataFrame:
    return amounts("amount", *rows).drop("currency")


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
    checks.OUTCOMES_ADD_UP: Case(
        checks.outcomes_add_up,
        [(5, {"advertiser": 5, "partner": 5})],
        [(5, {"advertiser": 5, "partner": 4}), (5, {"advertiser": 6, "partner": 5})],
    ),
    checks.PARTNER_RATES_THERE: Case(
        checks.partner_rates_there,
        [(RATES.empty(),)],
        [(pl.DataFrame([(None, "EUR", "USD", "pub-1")], schema=RATES.polars_schema, orient="row"),)],
    ),
    checks.LINES_TIE_TO_ACCRUALS: Case(
        checks.lines_tie_to_accruals,
        [(EXACT, documents("2.01", "2.01")), (accrued(("acme", "2.005"), ("pub", "2")), documents("2.01", "2.01"))],
        [
            (EXACT, documents("2.01", "2.02")),  # a document that is not the sum of its lines
            (EXACT, documents("2.02", "2.02")),  # a cent more than rounding moves
            (EXACT, documents("1.99", "1.99")),
            (accrued(("acme", "2.004"), ("pub", "2"), ("lost", "9")), documents("2", "2")),  # accrued, on no document
            (accrued(("pub", "2")), documents("2", "2")),  # a line from nothing
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
        assert "nothing was published" in refused.value.remedy
    else:
        assert result.severity is dg.AssetCheckSeverity.WARN
        checks.require([finding], where="delivery day 2026-10-01")


def test_what_would_make_money_wrong_blocks_and_what_an_analyst_should_look_at_warns() -> None:
    assert {rule.name for rule in RULES if not rule.blocking} == {
        "no_conflicting_duplicates",
        "little_quarantined",
        "exchange_rates_there",
        "partner_rates_there",
    }


def test_a_yen_may_be_off_by_half_a_yen_where_a_dollar_may_not() -> None:
    half = accrued(("acme", "2.5"), ("pub", "2"))
    assert checks.lines_tie_to_accruals(half, documents("3", "3", currency="JPY")).passed
    assert not checks.lines_tie_to_accruals(half, documents("3", "3", currency="USD")).passed
