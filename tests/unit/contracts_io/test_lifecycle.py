from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

import pytest
from contract_samples import ADVERTISER, parsed
from hypothesis import given
from hypothesis import strategies as st

from contracts_io.contract import Contract, parse_document
from contracts_io.errors import ContractError
from contracts_io.lifecycle import (
    Action,
    ApprovalLimits,
    ApprovedVersion,
    State,
    advance,
    approvals_needed,
    in_force,
    person,
    rejection_reason,
    stretches_of,
)
from contracts_io.money import MICRO

DAY_0 = date(2026, 10, 1)
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)


def contract(
    starts_on: str, ends_on: str | None = None, effective_from: str | None = None, contract_id: str = "acme"
) -> Contract:
    document = {
        "contract_id": contract_id,
        "side": "advertiser",
        "party": {"id": "acme", "name": "Acme Stores, Inc.", "country": "US"},
        "currency": "USD",
        "timezone": "America/New_York",
        "starts_on": starts_on,
        "ends_on": ends_on,
        "effective_from": effective_from,
        "terms": [{"term_id": "brand", "line_items": ["li-1"], "pricing": {"model": "cpm", "rate": "32.50"}}],
    }
    return parse_document(json.dumps(document), name="acme.json")


def stretches(
    *versions: tuple[str, str | None, str | None], known_at: datetime | None = None
) -> list[tuple[int, str, str | None]]:
    approved = [ApprovedVersion(contract(*dates), n, NOON + timedelta(days=n)) for n, dates in enumerate(versions, start=1)]
    return [(s.version, str(s.first), str(s.last) if s.last else None) for s in in_force(approved, known_at)]


def step(state: State, action: Action, by: str = "bo", submitted_by: str = "ana") -> State:
    return advance(state, action, by=by, submitted_by=submitted_by, where="contract acme version 2")


@pytest.mark.parametrize(
    ("state", "action", "after"),
    [
        (State.DRAFT, Action.SUBMIT, State.SUBMITTED),
        (State.SUBMITTED, Action.APPROVE, State.APPROVED),
        (State.SUBMITTED, Action.REJECT, State.REJECTED),
    ],
)
def test_a_version_goes_from_draft_to_submitted_to_a_decision(state: State, action: Action, after: State) -> None:
    assert step(state, action) is after


@pytest.mark.parametrize(
    ("state", "action", "remedy"),
    [
        (State.DRAFT, Action.APPROVE, "import the document first"),
        (State.SUBMITTED, Action.SUBMIT, "approve or reject it"),
        (State.APPROVED, Action.APPROVE, "import an amendment"),
        (State.APPROVED, Action.REJECT, "import an amendment"),
        (State.REJECTED, Action.APPROVE, "a rejected version stays rejected"),
        (State.REJECTED, Action.REJECT, "a rejected version stays rejected"),
        (State.REJECTED, Action.SUBMIT, "a rejected version stays rejected"),
    ],
)
def test_a_step_that_does_not_exist_is_refused_with_what_to_do(state: State, action: Action, remedy: str) -> None:
    with pytest.raises(ContractError) as refused:
        step(state, action)
    assert str(refused.value).startswith(f"contract acme version 2: cannot {action.value} a version that is {state.value}\n")
    assert remedy in refused.value.remedy


@pytest.mark.parametrize("by", ["ana", "Ana", "ANA", "ａｎａ"])
def test_the_approver_is_never_the_submitter(by: str) -> None:
    with pytest.raises(ContractError, match="submitted this version and so cannot approve it"):
        step(State.SUBMITTED, Action.APPROVE, by=by)


def test_the_submitter_may_withdraw_by_rejecting() -> None:
    assert step(State.SUBMITTED, Action.REJECT, by="ana") is State.REJECTED


@pytest.mark.parametrize(
    "text", ["", "  ", "a" * 101, "an\na", "ana\x00", "an\u200ba", "an\u202ea", "a\u034fna", "ana\ufe0f", "\u3164ana"]
)
def test_a_person_without_a_plain_name_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="name of the person"):
        person(text)


@pytest.mark.parametrize("text", ["\u0430na", "an\u03b1"])
def test_a_name_in_letters_of_two_alphabets_that_look_alike_is_refused(text: str) -> None:
    with pytest.raises(ContractError, match="look like others"):
        person(text)


@pytest.mark.parametrize("text", ["Алиса", "Ελένη", "李雷", "josé", "ana-2", "O'Brien", "🙂"])
def test_a_name_may_be_written_in_any_one_alphabet(text: str) -> None:
    assert person(text) == text


def test_a_name_is_recorded_without_outer_blanks() -> None:
    assert person(" Ana María ") == "Ana María"
    assert person("a" * 100) == "a" * 100


@pytest.mark.parametrize("text", ["", " \n", "two\nlines", "a" * 1001])
def test_a_rejection_needs_a_reason_of_one_line(text: str) -> None:
    with pytest.raises(ContractError, match="reason of a rejection"):
        rejection_reason(text)


@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        ([], []),
        ([("2026-10-01", None, None)], [(1, "2026-10-01", None)]),
        ([("2026-10-01", "2026-10-01", None)], [(1, "2026-10-01", "2026-10-01")]),
        (
            [("2026-10-01", None, None), ("2026-10-01", None, "2026-11-01")],
            [(1, "2026-10-01", "2026-10-31"), (2, "2026-11-01", None)],
        ),
        (
            [("2026-10-01", None, None), ("2026-10-01", None, "2026-12-01"), ("2026-10-01", None, "2026-11-01")],
            [(1, "2026-10-01", "2026-10-31"), (3, "2026-11-01", None)],
        ),
        (
            [("2026-10-01", "2026-10-31", None), ("2026-10-01", "2026-12-31", "2026-12-01")],
            [(1, "2026-10-01", "2026-10-31"), (2, "2026-12-01", "2026-12-31")],
        ),
    ],
    ids=["none", "open end", "one day", "amended", "hidden by a higher one", "a gap"],
)
def test_on_each_day_the_highest_effective_version_rules(
    versions: list[tuple[str, str | None, str | None]], expected: list[tuple[int, str, str | None]]
) -> None:
    assert stretches(*versions) == expected


def test_a_version_that_ends_early_cuts_the_contract_whatever_an_earlier_one_said() -> None:
    terminated = stretches(("2026-10-01", None, None), ("2026-10-01", "2026-11-15", "2026-11-01"))
    assert terminated == [(1, "2026-10-01", "2026-10-31"), (2, "2026-11-01", "2026-11-15")]


def test_a_contract_may_end_on_the_very_day_the_ending_takes_effect() -> None:
    assert stretches(("2026-10-01", None, None), ("2026-09-01", "2026-10-10", "2026-10-10")) == [
        (1, "2026-10-01", "2026-10-09"),
        (2, "2026-10-10", "2026-10-10"),
    ]


def test_a_version_counts_from_the_very_instant_of_its_approval() -> None:
    versions = (("2026-10-01", None, None), ("2026-10-01", "2026-10-31", "2026-10-01"))
    before = stretches(*versions, known_at=NOON + timedelta(days=2) - timedelta(microseconds=1))
    assert before == [(1, "2026-10-01", None)]
    assert stretches(*versions, known_at=NOON + timedelta(days=2)) == [(2, "2026-10-01", "2026-10-31")]


def test_stretches_of_all_contracts_run_by_contract_id() -> None:
    approved = {
        contract_id: [ApprovedVersion(contract("2026-10-01", contract_id=contract_id), 1, NOON)]
        for contract_id in ("b", "a", "B")
    }
    assert [stretch.contract.contract_id for stretch in stretches_of(approved)] == ["B", "a", "b"]


TEMPLATE = contract("2026-10-01")


@st.composite
def histories(draw: st.DrawFn) -> list[ApprovedVersion]:
    history = []
    for version in draw(st.lists(st.integers(1, 9), unique=True, max_size=6)):
        starts, length, effective = draw(st.integers(0, 20)), draw(st.none() | st.integers(0, 12)), draw(st.integers(0, 24))
        dates = {
            "starts_on": DAY_0 + timedelta(days=starts),
            "ends_on": None if length is None else DAY_0 + timedelta(days=starts + length),
            "effective_from": DAY_0 + timedelta(days=effective),
        }
        history.append(
            ApprovedVersion(TEMPLATE.model_copy(update=dates), version, NOON + timedelta(days=draw(st.integers(0, 5))))
        )
    return history


def ruling_version(history: list[ApprovedVersion], day: date, known_at: datetime | None) -> int | None:
    known = [v for v in history if known_at is None or v.approved_at <= known_at]
    effective = [v for v in known if v.contract.effective_from <= day]
    if not effective:
        return None
    ruling = max(effective, key=lambda v: v.version)
    inside = ruling.contract.starts_on <= day and (ruling.contract.ends_on is None or day <= ruling.contract.ends_on)
    return ruling.version if inside else None


@given(histories(), st.none() | st.integers(0, 5).map(lambda days: NOON + timedelta(days=days)))
def test_stretches_say_of_every_day_what_the_rule_says(history: list[ApprovedVersion], known_at: datetime | None) -> None:
    found = in_force(history, known_at)
    for day in (DAY_0 + timedelta(days=n) for n in range(40)):
        holding = [s.version for s in found if s.first <= day and (s.last is None or day <= s.last)]
        ruling = ruling_version(history, day, known_at)
        assert holding == ([] if ruling is None else [ruling])
    assert [s.first for s in found] == sorted({s.first for s in found})
    assert all(s.last is not None for s in found[:-1])


@pytest.mark.parametrize(
    ("limits", "needed"),
    [
        (ApprovalLimits(), 1),
        (ApprovalLimits(minimum_monthly=5_000 * MICRO), 1),
        (ApprovalLimits(minimum_monthly=5_000 * MICRO - 1), 2),
        (ApprovalLimits(budget=150_000 * MICRO), 1),
        (ApprovalLimits(budget=150_000 * MICRO - 1), 2),
        (ApprovalLimits(minimum_monthly=5_000 * MICRO, budget=0), 2),
    ],
    ids=["no limits", "minimum at it", "minimum above", "budget at it", "one budget above", "either is enough"],
)
def test_above_a_limit_two_approvals_are_needed(limits: ApprovalLimits, needed: int) -> None:
    budgets = [
        (f"terms.{n}", {"term_id": f"t{n}", "line_items": [f"li-{n}"], "pricing": pricing})
        for n, pricing in enumerate(
            [
                {"model": "cpm", "rate": "5", "budget": "10.00"},
                {"model": "dcpm", "budget": "150000.00"},
                {"model": "cpa", "event": "e", "fee": {"type": "flat", "amount": "1"}},
            ]
        )
    ]
    large = parsed(ADVERTISER, ("minimum_monthly", "5000.00"), *budgets)
    assert approvals_needed(large, limits) == needed
