"""Histories of contracts in the books against the rule of one sentence: on a day, as known at an instant, the highest version
number that was approved by then and is effective by then is in force, where the day lies within its own dates."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_io.contract import Contract, parse_document
from contracts_io.lifecycle import in_force
from contracts_io.store import audit
from contracts_io.store.base import metadata, open_engine, writing
from contracts_io.store.contracts import ContractStore
from contracts_io.store.migrations import first_triggers

DAY_0 = date(2026, 10, 1)
NOON = datetime(2026, 9, 1, 12, tzinfo=UTC)
DAYS = [DAY_0 + timedelta(days=n) for n in range(25)]


def contract(contract_id: str, starts: int, length: int | None, effective: int, number: int) -> Contract:
    end = None if length is None else starts + length
    document = {
        "contract_id": contract_id,
        "side": "advertiser",
        "party": {"id": contract_id, "name": "Acme", "country": "US"},
        "currency": "USD",
        "timezone": "UTC",
        "starts_on": str(DAYS[starts]),
        "ends_on": None if end is None else str(DAYS[end]),
        "effective_from": str(DAYS[starts + effective if end is None else min(starts + effective, end)]),
        "validation_days": number,  # so that no version is the one before
        "terms": [{"term_id": "a", "line_items": [contract_id], "pricing": {"model": "cpm", "rate": "1"}}],
    }
    return parse_document(json.dumps(document), name="c.json")


# Of each version: contract, start, length, effective from, hours until it is decided on, whether it is approved.
versions = st.tuples(
    st.sampled_from(["acme", "other"]),
    st.integers(0, 8),
    st.none() | st.integers(0, 12),
    st.integers(0, 8),
    st.integers(0, 3),
    st.booleans(),
)


@settings(deadline=None)
@given(
    st.lists(versions, max_size=8),
    st.none() | st.integers(0, 30),
    st.none() | st.integers(0, 24),
    st.none() | st.integers(0, 24),
)
def test_the_books_say_of_every_day_of_a_period_what_the_rule_says(
    history: list[tuple[str, int, int | None, int, int, bool]], known: int | None, first: int | None, last: int | None
) -> None:
    engine = open_engine("sqlite://")
    metadata.create_all(engine)
    with writing(engine) as connection:
        for statement in first_triggers.statements("sqlite"):
            connection.exec_driver_sql(statement)
    store = ContractStore(engine)
    approved: list[tuple[Contract, int, datetime]] = []
    at = NOON
    for number, (contract_id, starts, length, effective, hours, is_approved) in enumerate(history):
        document = contract(contract_id, starts, length, effective, number)
        (taken,) = store.import_documents([("c.json", document)], by="ana", at=at)
        at += timedelta(hours=hours)
        if is_approved:
            store.approve(contract_id, taken.version, by="bo", at=at, content_hash=taken.content_hash)
            approved.append((document, taken.version, at))
        else:
            store.reject(contract_id, by="bo", at=at, reason="no")
    known_at = None if known is None else NOON + timedelta(hours=known)
    begin, end = (None if n is None else DAYS[n] for n in (first, last))
    found = store.approved(known_at, begin, end)

    def ruling(contract_id: str, day: date) -> int | None:
        then = [(v, c) for c, v, t in approved if c.contract_id == contract_id and (known_at is None or t <= known_at)]
        version, latest = max(((v, c) for v, c in then if c.effective_from <= day), default=(0, None), key=lambda v: v[0])
        inside = latest and latest.starts_on <= day and (latest.ends_on is None or day <= latest.ends_on)
        return version if inside else None

    for contract_id in ("acme", "other"):
        stretches = in_force(found.get(contract_id, []), known_at)
        for day in DAYS[first or 0 : 25 if last is None else last + 1]:
            holding = [s.version for s in stretches if s.first <= day and (s.last is None or day <= s.last)]
            expected = ruling(contract_id, day)
            assert holding == ([] if expected is None else [expected])
    for day in DAYS[::6]:
        listed = {s.contract_id: s.version_in_force for s in store.list_contracts(on=day)}
        if known_at is None:
            assert listed == {contract_id: ruling(contract_id, day) for contract_id in listed}
    audit.verify(engine)
    engine.dispose()
