from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from contract_books import AT, LATER, agree, approve, contract, cpm, take

from contracts_io.contract import Contract, content_hash
from contracts_io.errors import ContractError
from contracts_io.lifecycle import State, in_force
from contracts_io.renewal import renewed
from contracts_io.store import audit
from contracts_io.store.contract_queries import Notice
from contracts_io.store.contract_renewals import Renewed
from contracts_io.store.contracts import ContractStore

DUE = date(2027, 8, 1)
NIGHT = AT + timedelta(days=300)


@pytest.fixture
def store(engine: sa.Engine) -> ContractStore:
    return ContractStore(engine)


def auto(contract_id: str = "acme-1", **changes: Any) -> Contract:
    renewal = {"mode": "auto", "months": 12, "notice_days": 60, "uplift": "0.03"}
    return contract(contract_id, **({"ends_on": "2027-09-30", "renewal": renewal} | changes))


def give_notice(store: ContractStore, *, on: date = DUE, by: str = "ana", contract_id: str = "acme-1") -> Notice:
    return store.give_notice(contract_id, by=by, at=NIGHT, received_on=on, reason=" they leave ")


def test_a_contract_is_renewed_by_adledger_itself_in_one_step(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, auto())
    assert store.renew(day=DUE - timedelta(days=1), at=NIGHT) == ([], [])
    made, refused = store.renew(day=DUE, at=NIGHT)
    after = renewed(auto())
    assert made == [Renewed("acme-1", 2, content_hash(after), date(2028, 9, 30))]
    assert refused == []
    stored = store.versions("acme-1")[1]
    assert (stored.contract, stored.state) == (after, State.APPROVED)
    assert (stored.submitted_by, stored.submitted_at, stored.decided_by, stored.decided_at) == (
        "adledger",
        NIGHT,
        "adledger",
        NIGHT,
    )
    last = audit.trail(engine, "acme-1")[-1]
    assert (last.actor, last.action, last.version, last.reason) == ("adledger", "renew", 2, "renewal of version 1")
    assert audit.verify(engine).records == 3


def test_the_old_terms_hold_to_the_old_end_and_the_renewal_is_known_from_its_night_on(store: ContractStore) -> None:
    agree(store, auto())
    store.renew(day=DUE, at=NIGHT)
    after = [(s.version, s.first, s.last) for s in in_force(store.approved()["acme-1"])]
    assert after == [(1, date(2026, 10, 1), date(2027, 9, 30)), (2, date(2027, 10, 1), date(2028, 9, 30))]
    before = in_force(store.approved(known_at=NIGHT - timedelta(microseconds=1))["acme-1"])
    assert [(s.version, s.last) for s in before] == [(1, date(2027, 9, 30))]


def test_the_second_run_of_a_day_renews_nothing(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, auto())
    store.renew(day=DUE, at=NIGHT)
    head = audit.head(engine)
    assert store.renew(day=DUE, at=NIGHT + timedelta(hours=1)) == ([], [])
    assert audit.head(engine) == head


def test_what_is_years_behind_is_renewed_as_often_as_it_takes(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, auto())
    made, _ = store.renew(day=date(2029, 8, 1), at=NIGHT)
    assert [(m.version, str(m.ends_on)) for m in made] == [(2, "2028-09-30"), (3, "2029-09-30"), (4, "2030-09-30")]
    assert audit.verify(engine).records == 5


def test_a_notice_on_record_keeps_the_contract_from_being_renewed(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, auto())
    notice = give_notice(store)
    assert notice == Notice("acme-1", date(2027, 9, 30), DUE, "ana", NIGHT, "they leave")
    assert store.notices("acme-1") == [notice]
    assert store.renew(day=date(2027, 9, 30), at=NIGHT) == ([], [])
    last = audit.trail(engine, "acme-1")[-1]
    assert (last.actor, last.action, last.version) == ("ana", "notice", 1)
    assert last.reason == "for the end on 2027-09-30, received on 2027-08-01: they leave"
    assert audit.verify(engine).records == 3


def test_a_notice_is_for_one_end_and_another_end_that_is_agreed_later_renews_again(store: ContractStore) -> None:
    agree(store, auto())
    give_notice(store)
    agree(store, auto(ends_on="2027-12-31", effective_from="2027-08-15"))
    made, _ = store.renew(day=date(2027, 12, 1), at=NIGHT)
    assert [str(m.ends_on) for m in made] == ["2028-12-31"]


def test_a_second_notice_for_one_end_is_refused_with_who_gave_the_first(store: ContractStore) -> None:
    agree(store, auto())
    give_notice(store)
    with pytest.raises(ContractError, match=r"is on record already: ana recorded it at 2027-06-28"):
        give_notice(store, by="bo")


def test_after_the_renewal_a_notice_comes_too_late_until_the_renewed_time_begins(store: ContractStore) -> None:
    agree(store, auto())
    store.renew(day=DUE, at=NIGHT)
    with pytest.raises(ContractError) as refused:
        give_notice(store, on=date(2027, 9, 30))
    assert "it was renewed already" in refused.value.what
    assert "adledger contract terminate acme-1 --on 2027-09-30" in refused.value.remedy
    assert give_notice(store, on=date(2027, 10, 1)).ends_on == date(2028, 9, 30)


@pytest.mark.parametrize(
    ("document", "remedy"),
    [
        (auto(renewal={"mode": "manual"}), "nothing is left to do: it ends on 2027-09-30"),
        (contract(), "terminate it instead"),
    ],
    ids=["manual", "open ended"],
)
def test_a_notice_for_what_does_not_renew_is_refused(store: ContractStore, document: Contract, remedy: str) -> None:
    agree(store, document)
    with pytest.raises(ContractError) as refused:
        give_notice(store)
    assert (refused.value.what, refused.value.remedy) == ("it does not renew by itself", remedy)


def test_a_notice_for_what_is_not_approved_or_not_there_is_refused(store: ContractStore) -> None:
    take(store, auto())
    with pytest.raises(ContractError, match="no version of it is approved"):
        give_notice(store)
    with pytest.raises(ContractError, match="there is no contract acme-2\n  -> did you mean acme-1"):
        give_notice(store, contract_id="acme-2")


def test_a_renewal_waits_for_the_decision_on_an_amendment(store: ContractStore) -> None:
    agree(store, auto())
    take(store, auto(effective_from="2027-06-01", validation_days=3))
    made, (refused,) = store.renew(day=DUE, at=NIGHT)
    assert made == []
    assert "waits for the decision on version 2" in str(refused)
    approve(store, "acme-1")
    made, _ = store.renew(day=DUE, at=NIGHT)
    assert made[0].version == 3
    assert store.versions("acme-1")[2].contract.validation_days == 3


def test_a_rejected_amendment_does_not_count(store: ContractStore) -> None:
    agree(store, auto())
    take(store, auto(effective_from="2027-06-01", validation_days=3))
    store.reject("acme-1", by="bo", at=LATER, reason="no")
    made, _ = store.renew(day=DUE, at=NIGHT)
    assert made[0].version == 3
    assert store.versions("acme-1")[2].contract == renewed(auto())


@pytest.mark.parametrize("waits", [False, True], ids=["approved", "waiting"])
def test_a_renewal_that_another_contract_is_in_the_way_of_is_reported_and_stops_no_other(
    store: ContractStore, engine: sa.Engine, waits: bool
) -> None:
    agree(store, auto("acme-1"), auto("acme-3"))
    following = contract("acme-2", starts_on="2027-10-01", terms=cpm("li-acme-1"))
    take(store, following) if waits else agree(store, following)
    made, (refused,) = store.renew(day=DUE, at=NIGHT)
    assert [m.contract_id for m in made] == ["acme-3"]
    assert "the renewal of contract acme-1 after 2027-09-30" in str(refused)
    assert 'terms[0].line_items: found "li-acme-1"' in str(refused)
    assert len(store.versions("acme-1")) == 1
    audit.verify(engine)


def test_a_renewal_from_a_closed_month_on_is_reported(store: ContractStore) -> None:
    agree(store, auto())
    made, (refused,) = store.renew(day=DUE, at=NIGHT, closed_through=date(2027, 10, 31))
    assert made == []
    assert "effective_from: found 2027-10-01; expected a day after 2027-10-31" in str(refused)


def test_a_contract_that_nobody_approved_is_not_renewed(store: ContractStore) -> None:
    take(store, auto())
    assert store.renew(day=DUE, at=NIGHT) == ([], [])


@pytest.mark.parametrize("name", ["adledger", "AdLedger", " adledger "])
def test_no_person_acts_under_the_name_that_renews(store: ContractStore, name: str) -> None:
    with pytest.raises(ContractError, match="is what renews contracts, not a person"):
        store.import_documents([("a.json", auto())], by=name, at=AT)


def test_why_a_contract_is_not_renewed_can_be_asked_again_and_changes_nothing(store: ContractStore) -> None:
    agree(store, auto(), auto("acme-2", terms=cpm("li-9", rate="999999999")))
    assert [made.contract_id for made in store.renew(day=DUE, at=NIGHT).made] == ["acme-1"]
    for _ in range(2):
        (refused,) = store.not_renewed(day=DUE, at=NIGHT)
        assert refused.where == "the renewal of contract acme-2 after 2027-09-30"
    assert store.not_renewed(day=DUE - timedelta(days=1), at=NIGHT) == []
    assert [len(store.versions(contract_id)) for contract_id in ("acme-1", "acme-2")] == [2, 1]
