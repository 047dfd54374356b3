from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from contract_samples import ADVERTISER, PARTNER, parsed

from contracts_io.contract import Contract, ContractDocumentError
from contracts_io.contract_diff import diff
from contracts_io.renewal import due_renewals, months_later, renewed, renews_on, terms_left_behind

AUTO = {"mode": "auto", "months": 12, "notice_days": 60, "uplift": "0.03"}


def auto(*changes: tuple[str, Any], **renewal: Any) -> Contract:
    return parsed(ADVERTISER, ("renewal", AUTO | renewal), *changes)


@pytest.mark.parametrize(
    ("contract", "day"),
    [
        (auto(), date(2027, 8, 1)),
        (auto(notice_days=0), date(2027, 9, 30)),
        (auto(mode="manual"), None),
        (auto(mode="none"), None),
        (auto(("ends_on", None)), None),
        (parsed(ADVERTISER), None),
    ],
    ids=["60 days before its end", "on its last day", "manual", "none", "open ended", "nothing said"],
)
def test_a_contract_renews_by_itself_the_notice_days_before_its_end(contract: Contract, day: date | None) -> None:
    assert renews_on(contract) == day


@pytest.mark.parametrize(
    ("day", "notice_for", "due"),
    [
        (date(2027, 7, 31), None, False),
        (date(2027, 8, 1), None, True),
        (date(2028, 3, 1), None, True),
        (date(2027, 8, 1), date(2027, 9, 30), False),
        (date(2027, 8, 1), date(2026, 9, 30), True),
    ],
    ids=["a day too early", "on the day", "long after", "with notice", "with notice for an earlier end"],
)
def test_a_contract_is_due_from_its_day_on_unless_a_notice_for_that_end_is_on_record(
    day: date, notice_for: date | None, due: bool
) -> None:
    notices = {("acme-ctv-2026", notice_for)} if notice_for else set()
    assert due_renewals([auto()], notices, day) == ([auto()] if due else [])


@pytest.mark.parametrize(
    ("end", "months", "following"),
    [
        ("2027-09-30", 12, "2028-09-30"),
        ("2027-02-28", 12, "2028-02-29"),
        ("2028-02-29", 12, "2029-02-28"),
        ("2027-04-30", 1, "2027-05-31"),
        ("2027-01-31", 1, "2027-02-28"),
        ("2027-01-30", 1, "2027-02-28"),
        ("2028-02-28", 12, "2029-02-28"),
        ("2027-12-15", 1, "2028-01-15"),
        ("2027-11-30", 14, "2029-01-31"),
    ],
)
def test_the_last_day_of_a_month_stays_the_last_and_another_day_is_cut_to_the_month(
    end: str, months: int, following: str
) -> None:
    assert str(months_later(date.fromisoformat(end), months)) == following


def test_a_renewal_moves_the_end_and_begins_the_day_after_the_old_one() -> None:
    after = renewed(auto())
    assert (after.starts_on, after.effective_from, after.ends_on) == (
        date(2026, 10, 1),
        date(2027, 10, 1),
        date(2028, 9, 30),
    )


STEPS = {"mode": "volume", "steps": [{"up_to": 10, "rate": "3", "flat_fee": "100"}, {"rate": "2.5"}]}
AMOUNTS = {"mode": "volume", "steps": [{"up_to": 10, "amount": "12", "flat_fee": "7"}, {"rate": "0.05"}]}


@pytest.mark.parametrize(
    ("pricing", "risen"),
    [
        ({"model": "cpm", "rate": "32.50"}, {"rate": "33.475"}),
        (
            {"model": "cpm", "tiers": STEPS, "budget": "1000", "multipliers": {"country": {"US": "1.1"}}},
            {
                "tiers": {
                    "mode": "volume",
                    "steps": [{"up_to": 10, "rate": "3.09", "flat_fee": "103"}, {"rate": "2.575"}],
                }
            },
        ),
        ({"model": "cpa", "event": "e", "fee": {"type": "flat", "amount": "9.99"}}, {"fee": {"type": "flat", "amount": "10.2897"}}),
        ({"model": "cpa", "event": "e", "fee": {"type": "percent", "rate": "0.08", "minimum": "1", "maximum": "5"}}, {}),
        (
            {"model": "cpa", "event": "e", "tiers": AMOUNTS},
            {
                "tiers": {
                    "mode": "volume",
                    "steps": [{"up_to": 10, "amount": "12.36", "flat_fee": "7.21"}, {"rate": "0.05"}],
                }
            },
        ),
        ({"model": "dcpm", "markup": "0.15", "budget": "1000"}, {}),
    ],
    ids=["a rate", "steps of rates", "a flat fee", "a percent fee", "steps of amounts and shares", "a markup"],
)  # fmt: skip
def test_rates_flat_amounts_and_flat_fees_rise_and_nothing_else_of_a_term(
    pricing: dict[str, Any], risen: dict[str, Any]
) -> None:
    before = auto(("terms.0.pricing", pricing))
    expected = auto(("terms.0.pricing", pricing | risen))
    assert renewed(before).terms[0] == expected.terms[0]


def test_of_an_advertiser_the_monthly_minimum_rises_and_shares_stay() -> None:
    shares = [("agency_commission", "0.15"), ("tax", {"category": "S", "rate": "0.19"})]
    before = auto(("minimum_monthly", "5000.00"), *shares, ("terms", ADVERTISER["terms"][:1]))
    changed = {change.path: change.after for change in diff(before, renewed(before))}
    assert changed == {
        "effective_from": "2027-10-01",
        "ends_on": "2028-09-30",
        "minimum_monthly": "5150",
        "terms[brand].pricing.rate": "33.475",
    }


def test_of_a_partner_shares_withholding_and_the_minimum_payout_stay() -> None:
    money = [("withholding", "0.10"), ("minimum_payout", "50.00")]
    before = parsed(PARTNER, ("ends_on", "2027-09-30"), ("renewal", AUTO), *money)
    assert {change.path for change in diff(before, renewed(before))} == {"effective_from", "ends_on"}


@pytest.mark.parametrize(
    ("rate", "uplift", "risen"),
    [("0.000001", "0.5", 2), ("0.000001", "0.499999", 1), ("0.000003", "0.5", 5), ("10", "0", 10_000_000)],
    ids=["half goes up", "below half stays", "half of an odd one", "no uplift"],
)
def test_what_rises_is_rounded_half_up_to_6_decimals(rate: str, uplift: str, risen: int) -> None:
    after = renewed(auto(("terms.0.pricing.rate", rate), uplift=uplift))
    assert getattr(after.terms[0].pricing, "rate", None) == risen


def test_the_dates_of_terms_stay_and_a_term_that_ended_with_the_contract_is_pointed_out() -> None:
    before = auto(("terms.0.ends_on", "2027-09-30"), ("terms.1.ends_on", "2027-08-31"))
    after = renewed(before)
    assert [term.ends_on for term in after.terms] == [date(2027, 9, 30), date(2027, 8, 31)]
    assert terms_left_behind(after) == [
        "terms[0].ends_on: the term brand ended on 2027-09-30 by its own date and is not renewed"
    ]


def test_a_rate_that_would_rise_beyond_what_can_be_written_is_refused() -> None:
    with pytest.raises(ContractDocumentError, match=r"terms\[0\]\.pricing\.rate"):
        renewed(auto(("terms.0.pricing.rate", "999999999"), uplift="0.5"))
