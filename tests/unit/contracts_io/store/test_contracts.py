from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from contract_books import AT, LATER, agree, approve, contract, cpm, partner, take

from contracts_io.admission import ImportRefusedError
from contracts_io.contract import Contract, content_hash
from contracts_io.errors import ContractError
from contracts_io.lifecycle import State
from contracts_io.store import audit
from contracts_io.store.base import reading
from contracts_io.store.contract_queries import Summary
from contracts_io.store.contracts import ContractStore, Imported


@pytest.fixture
def store(engine: sa.Engine) -> ContractStore:
    return ContractStore(engine)


def refusal(store: ContractStore, *contracts: Contract, **options: Any) -> str:
    with pytest.raises(ImportRefusedError) as refused:
        take(store, *contracts, **options)
    return str(refused.value)


def records(engine: sa.Engine) -> list[tuple[Any, ...]]:
    table = audit.audit_record.c
    columns = (table.actor, table.action, table.contract_id, table.version, table.reason)
    with reading(engine) as connection:
        return [tuple(row) for row in connection.execute(sa.select(*columns).order_by(table.sequence))]


def test_an_import_submits_each_document_as_version_1(store: ContractStore, engine: sa.Engine) -> None:
    one, two = contract("acme-1"), contract("acme-2")
    assert take(store, two, one) == [
        Imported("acme-2", 1, State.SUBMITTED, content_hash(two)),
        Imported("acme-1", 1, State.SUBMITTED, content_hash(one)),
    ]
    assert records(engine) == [("ana", "submit", "acme-2", 1, None), ("ana", "submit", "acme-1", 1, None)]
    assert store.approved() == {}
    assert audit.verify(engine).records == 2


def test_a_stored_version_comes_back_as_it_was_imported(store: ContractStore) -> None:
    original = contract("acme-1", ends_on="2027-09-30", validation_days=7)
    take(store, original, retroactive=True)
    (stored,) = store.versions("acme-1")
    assert stored.contract == original
    assert (stored.version, stored.state, stored.submitted_by, stored.submitted_at) == (1, State.SUBMITTED, "ana", AT)
    assert (stored.decided_by, stored.decided_at, stored.reason, stored.retroactive) == (None, None, None, True)


def test_an_approved_version_is_known_from_the_instant_of_its_approval(store: ContractStore) -> None:
    agree(store, contract("acme-1"))
    ((version,),) = store.approved().values()
    assert (version.contract, version.version, version.approved_at) == (contract("acme-1"), 1, LATER)
    assert list(store.approved(known_at=LATER)) == ["acme-1"]
    assert store.approved(known_at=LATER - timedelta(microseconds=1)) == {}


def test_an_amendment_is_the_next_version(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, contract("acme-1"))
    agree(store, contract("acme-1", effective_from="2026-11-01", terms=cpm("li-acme-1", rate="40")))
    assert [(v.version, v.state) for v in store.versions("acme-1")] == [(1, State.APPROVED), (2, State.APPROVED)]
    assert records(engine) == [
        ("ana", "submit", "acme-1", 1, None),
        ("bo", "approve", "acme-1", 1, None),
        ("ana", "submit", "acme-1", 2, None),
        ("bo", "approve", "acme-1", 2, None),
    ]


@pytest.mark.parametrize("approved", [False, True])
def test_importing_the_latest_version_again_changes_nothing(store: ContractStore, engine: sa.Engine, approved: bool) -> None:
    take(store, contract("acme-1"))
    if approved:
        approve(store, "acme-1")
    before = records(engine)
    state = State.APPROVED if approved else State.SUBMITTED
    again = take(store, contract("acme-1"), contract("acme-2"))
    assert again[0] == Imported("acme-1", 1, state, content_hash(contract("acme-1")), unchanged=True)
    assert (again[1].version, again[1].unchanged) == (1, False)
    assert records(engine) == [*before, ("ana", "submit", "acme-2", 1, None)]


def test_a_rejected_document_may_be_imported_again_as_the_next_version(store: ContractStore, engine: sa.Engine) -> None:
    take(store, contract("acme-1"))
    decision = store.reject("acme-1", by="bo", at=LATER, reason=" rate is not agreed ")
    assert (decision.version, decision.state, decision.decided_by) == (1, State.REJECTED, "bo")
    assert store.versions("acme-1")[0].reason == "rate is not agreed"
    assert records(engine)[-1] == ("bo", "reject", "acme-1", 1, "rate is not agreed")
    assert take(store, contract("acme-1"))[0][:3] == ("acme-1", 2, State.SUBMITTED)
    assert audit.verify(engine).records == 3


def test_while_a_version_waits_no_other_is_taken(store: ContractStore) -> None:
    take(store, contract("acme-1"))
    text = refusal(store, contract("acme-1", ends_on="2027-09-30"))
    assert "acme-1.json: the contract document has 1 problem" in text
    assert "approve or reject version 1 first" in text


def test_one_refused_document_keeps_the_whole_import_out_and_all_problems_are_told(
    store: ContractStore, engine: sa.Engine
) -> None:
    first_again = contract("acme-3", terms=cpm("li-acme-1"))
    text = refusal(store, contract("acme-1"), contract("acme-2"), first_again)
    assert "acme-2.json" not in text
    assert 'acme-3.json: the contract document has 1 problem\n  terms[0].line_items: found "li-acme-1"' in text
    assert 'acme-1.json: the contract document has 1 problem\n  terms[0].line_items: found "li-acme-1"' in text
    assert text.endswith("nothing was stored\n  -> correct the documents and import again")
    assert records(engine) == []
    assert store.list_contracts(on=AT.date()) == []


def test_the_same_contract_twice_in_one_import_is_refused(store: ContractStore) -> None:
    documents = [("a.json", contract("acme-1")), ("b.json", contract("acme-1", ends_on="2027-01-01"))]
    with pytest.raises(ImportRefusedError, match=r"these are of one contract: a\.json, b\.json"):
        store.import_documents(documents, by="ana", at=AT)


def test_currency_side_party_and_zone_stay_over_versions(store: ContractStore) -> None:
    agree(store, contract("acme-1"))
    text = refusal(store, contract("acme-1", currency="EUR", timezone="UTC"))
    assert 'currency: found "EUR"; expected "USD"' in text
    assert 'timezone: found "UTC"; expected "America/New_York"' in text


def test_a_rejected_version_binds_nobody(store: ContractStore) -> None:
    take(store, contract("acme-1", currency="EUR"))
    store.reject("acme-1", by="bo", at=LATER, reason="wrong currency")
    agree(store, contract("acme-1"), contract("acme-2"))
    assert list(store.approved()) == ["acme-1", "acme-2"]


@pytest.mark.parametrize("decided", ["waiting", "approved"])
def test_a_line_item_that_another_contract_holds_or_waits_for_is_refused(store: ContractStore, decided: str) -> None:
    take(store, contract("acme-1"))
    if decided == "approved":
        approve(store, "acme-1")
    text = refusal(store, contract("acme-2", terms=cpm("li-acme-1")))
    assert 'terms[0].line_items: found "li-acme-1"' in text
    assert 'contract "acme-1", version 1, term "brand"' in text


def test_a_line_item_is_free_from_the_day_after_the_other_contract_ends(store: ContractStore) -> None:
    agree(store, contract("acme-1", ends_on="2026-10-31"))
    assert "2026-10-31" in refusal(store, contract("acme-2", starts_on="2026-10-31", terms=cpm("li-acme-1")))
    agree(store, contract("acme-2", starts_on="2026-11-01", terms=cpm("li-acme-1")))


def test_a_second_cpa_contract_of_an_advertiser_for_one_event_is_refused(store: ContractStore) -> None:
    def cpa(contract_id: str) -> Contract:
        pricing = {"model": "cpa", "event": "purchase", "fee": {"type": "flat", "amount": "12"}}
        return contract(
            contract_id,
            party={"id": "acme", "name": "Acme", "country": "US"},
            attribution={"model": "last_touch", "lookback": {"view": "30d"}},
            terms=[{"term_id": "sale", "line_items": [f"li-{contract_id}"], "pricing": pricing}],
        )

    agree(store, cpa("acme-1"))
    assert 'terms[0].pricing.event: found "purchase"' in refusal(store, cpa("acme-2"))


def test_a_second_contract_of_a_partner_is_refused(store: ContractStore) -> None:
    party = {"id": "streamco", "name": "Streamco", "country": "US"}
    agree(store, partner("stream-1", party=party))
    assert 'party.id: found "streamco"' in refusal(store, partner("stream-2", party=party))


def test_an_approval_is_refused_where_another_contract_took_the_line_item_meanwhile(store: ContractStore) -> None:
    agree(store, contract("acme-1"))
    take(store, contract("acme-1", ends_on="2026-10-31"))  # once approved, this frees the line item
    take(store, contract("acme-2", starts_on="2026-11-01", terms=cpm("li-acme-1")))
    with pytest.raises(ContractError, match=r"contract acme-2 version 1.*\n.*acme-1"):
        approve(store, "acme-2")
    assert store.versions("acme-2")[0].state is State.SUBMITTED
    approve(store, "acme-1")
    assert approve(store, "acme-2").state is State.APPROVED


@pytest.mark.parametrize(
    ("effective_from", "options", "taken"),
    [
        ("2026-10-31", {"closed_through": date(2026, 10, 31)}, False),
        ("2026-11-01", {"closed_through": date(2026, 10, 31)}, True),
        ("2026-10-31", {"closed_through": date(2026, 10, 31), "retroactive": True}, True),
        ("2026-10-31", {}, True),
    ],
    ids=["last closed day", "first open day", "retroactive", "nothing closed"],
)
def test_an_amendment_of_a_closed_month_needs_retroactive(
    store: ContractStore, effective_from: str, options: dict[str, Any], taken: bool
) -> None:
    agree(store, contract("acme-1"))
    amendment = contract("acme-1", effective_from=effective_from, validation_days=3)
    if taken:
        assert take(store, amendment, **options)[0].version == 2
    else:
        text = refusal(store, amendment, **options)
        assert "effective_from: found 2026-10-31" in text
        assert "--retroactive; for example 2026-11-01" in text


def test_a_retroactive_amendment_is_recorded_as_one(store: ContractStore, engine: sa.Engine) -> None:
    agree(store, contract("acme-1"))
    take(store, contract("acme-1", validation_days=3), retroactive=True, closed_through=date(2026, 10, 31))
    assert store.versions("acme-1")[1].retroactive is True
    assert records(engine)[-1] == ("ana", "submit", "acme-1", 2, "retroactive")
    assert audit.verify(engine).records == 3


def test_a_new_contract_may_begin_in_a_closed_month(store: ContractStore) -> None:
    assert take(store, contract("acme-1"), closed_through=date(2026, 10, 31))[0].state is State.SUBMITTED


def test_the_submitter_cannot_approve(store: ContractStore, engine: sa.Engine) -> None:
    take(store, contract("acme-1"))
    with pytest.raises(ContractError, match="contract acme-1 version 1: Ana submitted this version"):
        approve(store, "acme-1", by="Ana")
    assert len(records(engine)) == 1


@pytest.mark.parametrize(
    ("version", "message"),
    [
        (None, r"contract acme-1: no version waits for a decision: the latest, 1, is approved by bo at 2026-09-01T13"),
        (1, "contract acme-1 version 1: cannot reject a version that is approved: bo approved it at 2026-09-01T13:00"),
        (2, "contract acme-1: there is no version 2"),
        (0, "contract acme-1: there is no version 0"),
    ],
)
def test_only_a_version_that_waits_can_be_decided_on(store: ContractStore, version: int | None, message: str) -> None:
    agree(store, contract("acme-1"))
    with pytest.raises(ContractError, match=message):
        store.reject("acme-1", version, by="bo", at=LATER, reason="too dear")


@pytest.mark.parametrize(
    ("asked", "remedy"),
    [("acme-11", "did you mean acme-1?"), ("zzz", "see `adledger contract list`, or import its document")],
)
def test_an_unknown_contract_is_refused_with_the_closest_id(store: ContractStore, asked: str, remedy: str) -> None:
    take(store, contract("acme-1"), contract("other"))
    for call in (
        lambda: store.versions(asked),
        lambda: approve(store, asked),
        lambda: store.reject(asked, by="bo", at=LATER, reason="none"),
    ):
        with pytest.raises(ContractError) as refused:
            call()
        assert str(refused.value) == f"there is no contract {asked}\n  -> {remedy}"


def test_the_list_shows_the_latest_version_and_the_one_in_force(store: ContractStore) -> None:
    agree(store, contract("acme-1", ends_on="2026-12-31"))
    take(store, contract("acme-1", ends_on="2026-11-30", effective_from="2026-11-01"), partner("stream-1"))
    expected = Summary(
        contract_id="acme-1",
        side="advertiser",
        party_id="party-of-acme-1",
        party_name="Acme Stores, Inc.",
        currency="USD",
        timezone="America/New_York",
        state=State.SUBMITTED,
        version=2,
        version_in_force=1,
        starts_on=date(2026, 10, 1),
        ends_on=date(2026, 11, 30),
        approved_version=1,
        renews_on=None,
        first_approval=False,
    )
    assert store.list_contracts(on=date(2026, 11, 15))[0] == expected
    approve(store, "acme-1")
    assert [(s.contract_id, s.state, s.version_in_force) for s in store.list_contracts(on=date(2026, 11, 15))] == [
        ("acme-1", State.APPROVED, 2),
        ("stream-1", State.SUBMITTED, None),
    ]
    assert store.list_contracts(on=date(2026, 12, 1))[0].version_in_force is None
