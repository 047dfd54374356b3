from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
import sqlalchemy as sa
from contract_books import AT, LATER, agree, approve, contract, take

from contracts_io.contract import content_hash
from contracts_io.errors import AdledgerError, ContractError
from contracts_io.lifecycle import Approval, ApprovalLimits, State
from contracts_io.money import MICRO
from contracts_io.store import audit
from contracts_io.store.contracts import ContractStore, ToApprove

TWO = ApprovalLimits(minimum_monthly=0, budget=0)
ONE_MORE_HOUR = LATER + timedelta(hours=1)


@pytest.fixture
def store(engine: sa.Engine) -> ContractStore:
    return ContractStore(engine)


@pytest.fixture
def large(store: ContractStore) -> str:
    """A contract that waits, and that needs two approvals under ``TWO``."""
    take(store, contract("acme-1", minimum_monthly="5000.00"))
    return "acme-1"


@pytest.mark.parametrize("digits", [12, 40, 64])
def test_an_approval_is_bound_to_the_content_that_was_seen(store: ContractStore, digits: int) -> None:
    take(store, contract())
    seen = content_hash(contract())[:digits]
    decision = store.approve("acme-1", 1, by="bo", at=LATER, content_hash=seen)
    assert (decision.state, decision.content_hash) == (State.APPROVED, content_hash(contract()))


@pytest.mark.parametrize(
    ("seen", "message"),
    [
        (content_hash(contract("acme-2")), f"its content is {content_hash(contract())}, not {content_hash(contract('acme-2'))}"),
        ("0" * 12, f"its content is {content_hash(contract())[:12]}, not 000000000000"),
        (content_hash(contract())[:11], "12 to 64 hexadecimal digits"),
        (content_hash(contract()).upper(), "12 to 64 hexadecimal digits"),
        ("", "12 to 64 hexadecimal digits"),
    ],
    ids=["another", "other digits", "too few digits", "capitals", "nothing"],
)  # fmt: skip
def test_an_approval_of_another_content_is_refused(store: ContractStore, seen: str, message: str) -> None:
    take(store, contract())
    with pytest.raises(ContractError, match=message):
        store.approve("acme-1", 1, by="bo", at=LATER, content_hash=seen)
    assert store.versions("acme-1")[0].state is State.SUBMITTED


def test_what_needs_two_approvals_waits_for_the_second(store: ContractStore, large: str, engine: sa.Engine) -> None:
    assert approve(store, large, by="bo", limits=TWO).state is State.SUBMITTED
    (waiting,) = store.versions(large)
    assert (waiting.state, waiting.first_approval, waiting.decided_by) == (State.SUBMITTED, Approval("bo", LATER), None)
    assert store.list_contracts(on=AT.date())[0].first_approval
    assert store.approved() == {}
    audit.verify(engine)
    assert approve(store, large, by="cy", at=ONE_MORE_HOUR, limits=TWO).state is State.APPROVED
    ((version,),) = store.approved().values()
    assert version.approved_at == ONE_MORE_HOUR
    assert not store.list_contracts(on=AT.date())[0].first_approval
    told = [(r.actor, r.action, r.reason) for r in audit.trail(engine, large)]
    first = "first of two; waits for a second approval"
    assert told == [("ana", "submit", None), ("bo", "approve", first), ("cy", "approve", None)]
    audit.verify(engine)


@pytest.mark.parametrize(
    ("by", "message"),
    [("BO", "bo approved this version at 2026-09-01T13:00"), ("Ana", "Ana submitted this version")],
    ids=["the first approver", "the submitter"],
)
def test_the_second_approval_is_by_a_third_person(store: ContractStore, large: str, by: str, message: str) -> None:
    approve(store, large, by="bo", limits=TWO)
    with pytest.raises(ContractError, match=message):
        approve(store, large, by=by, limits=TWO)


def test_after_the_first_of_two_approvals_the_version_can_be_rejected(
    store: ContractStore, large: str, engine: sa.Engine
) -> None:
    approve(store, large, by="bo", limits=TWO)
    assert store.reject(large, by="cy", at=ONE_MORE_HOUR, reason="too dear").state is State.REJECTED
    with pytest.raises(ContractError, match=r"cannot approve a version that is rejected: cy rejected it at 2026-09-01T14"):
        approve(store, large, by="di", limits=TWO)
    audit.verify(engine)


def test_how_many_approvals_are_needed_is_asked_when_one_is_given(store: ContractStore, large: str) -> None:
    approve(store, large, by="bo", limits=TWO)
    assert approve(store, large, by="bo", limits=ApprovalLimits(minimum_monthly=5000 * MICRO)).state is State.APPROVED


def test_many_versions_are_approved_together_or_none(store: ContractStore, engine: sa.Engine) -> None:
    taken = take(store, contract("acme-1"), contract("acme-2"))
    chosen = [ToApprove(i.contract_id, i.version, i.content_hash) for i in taken]
    with pytest.raises(ContractError, match="contract acme-2 version 1: its content"):
        store.approve_all([chosen[0], chosen[1]._replace(content_hash="0" * 64)], by="bo", at=LATER)
    assert store.approved() == {}
    assert [d.contract_id for d in store.approve_all(chosen, by="bo", at=LATER)] == ["acme-1", "acme-2"]
    assert audit.verify(engine).records == 4


def outcomes(*acts: Callable[[], object]) -> list[str]:
    """What comes of acts that begin at one moment, in threads of their own: ``done``, or what was refused."""
    together, told = threading.Barrier(len(acts)), []

    def act(what: Callable[[], object]) -> None:
        together.wait()
        try:
            what()
            told.append("done")
        except AdledgerError as error:
            told.append(str(error))

    threads = [threading.Thread(target=act, args=(what,)) for what in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sorted(told, key=lambda text: text != "done")


def test_of_two_who_approve_at_once_one_is_told_who_did(store: ContractStore, engine: sa.Engine) -> None:
    take(store, contract())
    done, refused = outcomes(
        lambda: approve(ContractStore(engine), "acme-1", by="bo"), lambda: approve(ContractStore(engine), "acme-1", by="cy")
    )
    assert done == "done"
    (version,) = store.versions("acme-1")
    what = f"cannot approve a version that is approved: {version.decided_by} approved it at 2026-09-01T13:00:00.000005Z"
    assert what in refused
    assert audit.verify(engine).records == 2


def test_of_approve_and_reject_at_once_one_decision_stands(store: ContractStore, engine: sa.Engine) -> None:
    take(store, contract())
    done, refused = outcomes(
        lambda: approve(ContractStore(engine), "acme-1", by="bo"),
        lambda: ContractStore(engine).reject("acme-1", 1, by="cy", at=LATER, reason="no"),
    )
    (version,) = store.versions("acme-1")
    assert done == "done"
    assert f"a version that is {version.state}: {version.decided_by} {version.state} it at" in refused
    assert audit.verify(engine).records == 2


def test_of_two_amendments_at_once_one_waits_and_the_other_is_told_so(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, contract())
    done, refused = outcomes(
        *(
            lambda days=days, by=by: ContractStore(engine).import_documents(
                [(f"{by}.json", contract(validation_days=days))], by=by, at=LATER
            )
            for days, by in ((3, "bo"), (4, "cy"))
        )
    )
    assert done == "done"
    assert [version.version for version in store.versions("acme-1")] == [1, 2]
    first = store.versions("acme-1")[1].submitted_by
    assert f"approve or reject version 2 first ({first} submitted version 2 at 2026-09-01T13:00" in refused
    assert audit.verify(engine).records == 3


def test_of_two_first_approvals_at_once_one_becomes_the_second(store: ContractStore, large: str, engine: sa.Engine) -> None:
    both = outcomes(
        lambda: approve(ContractStore(engine), large, by="bo", limits=TWO),
        lambda: approve(ContractStore(engine), large, by="cy", limits=TWO),
    )
    assert both == ["done", "done"]
    assert store.versions(large)[0].state is State.APPROVED
    assert audit.verify(engine).records == 3


def test_of_two_nights_that_renew_at_once_one_does(store: ContractStore, engine: sa.Engine) -> None:
    renewal = {"mode": "auto", "months": 12, "notice_days": 60}
    agree(store, contract(ends_on="2027-09-30", renewal=renewal))
    night = contract(ends_on="2027-09-30").ends_on
    assert night is not None
    both = outcomes(*(lambda: ContractStore(engine).renew(day=night, at=ONE_MORE_HOUR) for _ in range(2)))
    assert both == ["done", "done"]
    assert [version.version for version in store.versions("acme-1")] == [1, 2]
    assert audit.verify(engine).records == 3
