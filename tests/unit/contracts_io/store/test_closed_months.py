"""A month that was closed while a version waited is changed only by who says so (``ContractStore.approve``)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from contract_books import AT, LATER, agree, approve, contract, take

from contracts_io.calendar import Month
from contracts_io.errors import ContractError
from contracts_io.lifecycle import ApprovalLimits, State, StoredVersion
from contracts_io.store import audit
from contracts_io.store.contracts import ContractStore, ToApprove
from contracts_io.store.documents import Books

OCTOBER, NOVEMBER, DECEMBER = Month(2026, 10), Month(2026, 11), Month(2026, 12)
TWO = ApprovalLimits(minimum_monthly=0, budget=0)


@pytest.fixture
def store(engine: sa.Engine) -> ContractStore:
    return ContractStore(engine)


def close(engine: sa.Engine, *months: Month) -> None:
    for month in months:
        with Books(engine).closing(month) as issuing:
            issuing.close_month(month.next.first, known_at="2026-09-01T13:00:00.000005Z")


def amendment(effective_from: str = "2026-10-15", **changes: Any) -> Any:
    return contract(effective_from=effective_from, validation_days=3, **changes)


def latest(store: ContractStore) -> StoredVersion:
    return store.versions("acme-1")[-1]


def seen(store: ContractStore, *contract_ids: str) -> list[ToApprove]:
    versions = [(contract_id, store.versions(contract_id)[-1]) for contract_id in contract_ids]
    return [ToApprove(contract_id, version.version, version.content_hash) for contract_id, version in versions]


def test_an_approval_that_changes_a_month_closed_since_the_submission_needs_retroactive(
    store: ContractStore, engine: sa.Engine
) -> None:
    agree(store, contract())
    take(store, amendment())
    close(engine, OCTOBER, NOVEMBER)
    with pytest.raises(ContractError) as refused:
        approve(store, "acme-1")
    assert str(refused.value) == (
        "contract acme-1 version 2: it changes 2026-10, 2026-11, closed since it was submitted\n"
        "  -> approve it with --retroactive, then issue the difference with `adledger adjust 2026-10`; "
        "or reject it, and have it submitted again from a later day on"
    )
    assert latest(store).state is State.SUBMITTED
    assert audit.verify(engine).records == 3
    (waiting,) = seen(store, "acme-1")
    decision = store.approve(*waiting[:2], by="bo", at=LATER, content_hash=waiting.content_hash, retroactive=True)
    assert (decision.state, decision.retroactive) == (State.APPROVED, True)
    assert (latest(store).reason, latest(store).retroactive) == ("retroactive", False)
    assert audit.trail(engine, "acme-1")[-1].reason == "retroactive"
    assert audit.verify(engine).records == 4


@pytest.mark.parametrize(
    ("submitted", "options", "closed_before", "closed_after"),
    [
        (amendment(), {"retroactive": True}, [], [OCTOBER]),
        (amendment(), {"retroactive": True, "closed_through": OCTOBER.last}, [OCTOBER], [NOVEMBER]),
        (amendment("2026-11-01"), {"closed_through": OCTOBER.last}, [OCTOBER], []),
        (amendment("2026-11-01"), {}, [], [OCTOBER]),
    ],
    ids=[
        "retroactive before any close",
        "retroactive after one",
        "a later month, after the close",
        "a later month, before it",
    ],
)
def test_a_version_that_was_submitted_retroactive_or_changes_no_closed_month_is_approved_as_ever(
    store: ContractStore,
    engine: sa.Engine,
    submitted: Any,
    options: dict[str, Any],
    closed_before: list[Month],
    closed_after: list[Month],
) -> None:
    agree(store, contract())
    close(engine, *closed_before)
    take(store, submitted, **options)
    close(engine, *closed_after)
    decision = approve(store, "acme-1")
    assert (decision.state, decision.retroactive, latest(store).reason) == (State.APPROVED, False, None)
    audit.verify(engine)


def test_the_first_version_of_a_contract_needs_retroactive_for_what_was_closed_after_it_alone(
    store: ContractStore, engine: sa.Engine
) -> None:
    close(engine, NOVEMBER)  # months may close out of order
    take(store, contract(), contract("acme-2"))
    assert latest(store).closed_months == (NOVEMBER,)
    assert audit.trail(engine, "acme-1")[-1].reason == "changes 2026-11, closed then"
    approve(store, "acme-2")
    close(engine, OCTOBER)
    with pytest.raises(ContractError, match="it changes 2026-10, closed since it was submitted"):
        approve(store, "acme-1")
    audit.verify(engine)


def test_a_retroactive_submission_notes_the_closed_months_that_it_changes(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, contract())
    close(engine, OCTOBER, NOVEMBER)
    take(store, amendment("2026-11-02"), retroactive=True, closed_through=NOVEMBER.last)
    assert latest(store).closed_months == (NOVEMBER,)
    assert audit.trail(engine, "acme-1")[-1].reason == "retroactive; changes 2026-11, closed then"
    audit.verify(engine)


@pytest.mark.parametrize(
    ("ends_on", "validation_days", "changed"),
    [("2026-10-20", 0, "2026-10"), ("2026-10-31", 0, "2026-10"), ("2026-10-31", 1, "2026-10, 2026-11"),
     (None, 0, "2026-10, 2026-11, 2026-12")],
    ids=["ends within", "ends with the month", "billed on the day after", "open"],
)  # fmt: skip
def test_the_months_named_are_those_in_which_the_version_is_in_force_or_billed(
    store: ContractStore, engine: sa.Engine, ends_on: str | None, validation_days: int, changed: str
) -> None:
    take(store, contract(ends_on=ends_on, validation_days=validation_days))
    close(engine, OCTOBER, NOVEMBER, DECEMBER)
    with pytest.raises(ContractError, match=f"it changes {changed}, closed since"):
        approve(store, "acme-1")


def test_an_earlier_end_changes_the_months_that_it_takes_away(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, contract())
    take(store, contract(effective_from="2026-10-31", ends_on="2026-10-31"))
    close(engine, NOVEMBER)
    with pytest.raises(ContractError, match="it changes 2026-11, closed since"):
        approve(store, "acme-1")


def test_in_bulk_one_such_version_keeps_all_from_being_approved(store: ContractStore, engine: sa.Engine) -> None:
    take(store, contract("acme-1", starts_on="2026-12-01"), contract("acme-2"))
    close(engine, OCTOBER)
    with pytest.raises(ContractError, match="contract acme-2 version 1: it changes 2026-10, closed since"):
        store.approve_all(seen(store, "acme-1", "acme-2"), by="bo", at=LATER)
    assert store.approved() == {}
    decisions = store.approve_all(seen(store, "acme-1", "acme-2"), by="bo", at=LATER, retroactive=True)
    assert [(decision.contract_id, decision.retroactive) for decision in decisions] == [("acme-1", False), ("acme-2", True)]
    assert [store.versions(name)[0].reason for name in ("acme-1", "acme-2")] == [None, "retroactive"]
    audit.verify(engine)


def test_a_close_between_two_approvals_is_told_to_the_second_person(store: ContractStore, engine: sa.Engine) -> None:
    take(store, contract(minimum_monthly="5000.00"))
    approve(store, "acme-1", by="bo", limits=TWO)
    close(engine, OCTOBER)
    (waiting,) = seen(store, "acme-1")
    with pytest.raises(ContractError, match="it changes 2026-10"):
        approve(store, "acme-1", by="cy", at=LATER + timedelta(hours=1), limits=TWO)
    at = LATER + timedelta(hours=1)
    decision = store.approve(*waiting[:2], by="cy", at=at, content_hash=waiting.content_hash, limits=TWO, retroactive=True)
    assert (decision.state, decision.retroactive) == (State.APPROVED, True)
    audit.verify(engine)


def test_a_submission_says_which_months_are_closed_by_then_whoever_asks(store: ContractStore, engine: sa.Engine) -> None:
    close(engine, OCTOBER)
    store.import_documents([("acme-1.json", contract())], by="ana", at=AT, closed_through=date(2026, 8, 31))
    assert latest(store).closed_months == (OCTOBER,)
