from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from contract_samples import ADVERTISER, PARTNER, parsed

from contracts_io.contract import InForce, check_against_others, check_against_versions

OCTOBER, NOVEMBER = date(2026, 10, 1), date(2026, 11, 1)


def in_force(
    document: dict[str, Any], *changes: tuple[str, Any], first: date = OCTOBER, last: date | None = None
) -> InForce:
    return InForce(parsed(document, *changes), 1, first, last)


def other_advertiser(*changes: tuple[str, Any], first: date = OCTOBER, last: date | None = None) -> InForce:
    apart = [
        ("contract_id", "rival"),
        ("party.id", "globex"),
        ("terms.0.line_items", ["g-1"]),
        ("terms.1.line_items", ["g-2"]),
    ]
    return in_force(ADVERTISER, *apart, *changes, first=first, last=last)


MINE = in_force(ADVERTISER)


@pytest.mark.parametrize(
    ("path", "value", "found", "expected"),
    [
        ("party.id", "globex", '"acme"', '"globex"'),
        ("currency", "EUR", '"USD"', '"EUR"'),
        ("timezone", "UTC", '"America/New_York"', '"UTC"'),
    ],
)
def test_versions_of_a_contract_keep_party_currency_and_zone(path: str, value: str, found: str, expected: str) -> None:
    (problem,) = check_against_versions(parsed(ADVERTISER), [parsed(ADVERTISER), parsed(ADVERTISER, (path, value))])
    assert (problem.path, problem.found, problem.example) == (path, found, value)
    assert problem.expected.startswith(expected)


def test_versions_of_a_contract_keep_their_side() -> None:
    (problem, *_) = check_against_versions(parsed(ADVERTISER), [parsed(PARTNER)])
    assert (problem.path, problem.found) == ("side", '"advertiser"')


def test_versions_may_differ_in_name_rates_and_dates() -> None:
    other = parsed(ADVERTISER, ("party.name", "Acme"), ("terms.0.pricing.rate", "1"), ("ends_on", None))
    assert check_against_versions(parsed(ADVERTISER), [other]) == []


def test_contracts_that_share_nothing_stand_side_by_side() -> None:
    assert check_against_others([MINE], [other_advertiser(), in_force(PARTNER)]) == []


def test_a_line_item_that_another_contract_claims_is_refused_from_the_first_day_on_which_they_meet() -> None:
    rival = other_advertiser(("terms.0.line_items", ["x", "li-1"]), ("terms.0.starts_on", "2026-12-05"))
    (problem,) = check_against_others([MINE], [rival])
    assert (problem.path, problem.found) == ("terms[0].line_items", '"li-1"')
    assert problem.expected == (
        'a line item that no other contract claims on 2026-12-05; contract "rival", version 1, term "brand" does'
    )


def test_a_line_item_may_change_hands_from_one_day_to_the_next() -> None:
    claim = ("terms.0.line_items", ["li-1"])
    mine = MINE._replace(last=date(2026, 10, 31))
    assert check_against_others([mine], [other_advertiser(claim, first=NOVEMBER)]) == []
    assert check_against_others([MINE._replace(last=NOVEMBER)], [other_advertiser(claim, first=NOVEMBER)]) != []


def test_a_version_claims_only_the_days_on_which_it_is_in_force() -> None:
    early = other_advertiser(("terms.0.line_items", ["li-1"]), last=date(2026, 10, 9))
    late = other_advertiser(first=date(2026, 10, 10))._replace(version=2)
    assert check_against_others([MINE._replace(first=date(2026, 10, 10))], [early, late]) == []
    (problem,) = check_against_others([MINE._replace(first=date(2026, 10, 9))], [early, late])
    assert "on 2026-10-09" in problem.expected


def test_each_pair_of_terms_is_named_once_with_its_first_day() -> None:
    claim = ("terms.0.line_items", ["li-1"])
    stretches = [MINE._replace(first=NOVEMBER), MINE._replace(last=date(2026, 10, 31))]
    rivals = [other_advertiser(claim, first=date(2026, 10, 20)), other_advertiser(claim, last=date(2026, 10, 19))]
    (problem,) = check_against_others(stretches, rivals)
    assert "on 2026-10-01" in problem.expected


def test_contracts_may_share_a_line_item_by_action_with_different_events() -> None:
    claim = ("terms.1.line_items", ["li-2"])
    assert check_against_others([MINE], [other_advertiser(claim, ("terms.1.pricing.event", "signup"))]) == []
    assert [problem.path for problem in check_against_others([MINE], [other_advertiser(claim)])] == ["terms[1].line_items"]


def test_a_second_cpa_contract_of_an_advertiser_for_one_event_is_refused() -> None:
    rival = other_advertiser(("party.id", "acme"), first=NOVEMBER)
    (problem,) = check_against_others([MINE], [rival])
    assert (problem.path, problem.found) == ("terms[1].pricing.event", '"purchase"')
    assert "on 2026-11-01" in problem.expected
    assert '"rival"' in problem.expected


def test_a_second_cpa_contract_of_an_advertiser_for_another_event_or_other_days_is_accepted() -> None:
    same_party = ("party.id", "acme")
    assert check_against_others([MINE], [other_advertiser(same_party, ("terms.1.pricing.event", "signup"))]) == []
    assert (
        check_against_others([MINE._replace(last=date(2026, 10, 31))], [other_advertiser(same_party, first=NOVEMBER)]) == []
    )


def test_a_second_contract_of_a_partner_on_one_day_is_refused() -> None:
    rival = in_force(PARTNER, ("contract_id", "older"), last=NOVEMBER)
    (problem,) = check_against_others([in_force(PARTNER, first=NOVEMBER)], [rival])
    assert (problem.path, problem.found) == ("party.id", '"streamco"')
    assert "on 2026-11-01" in problem.expected
    assert '"older"' in problem.expected
    assert check_against_others([in_force(PARTNER, first=date(2026, 11, 2))], [rival]) == []


def test_the_contracts_own_stretches_are_no_conflict() -> None:
    assert check_against_others([MINE], [MINE, MINE._replace(version=2)]) == []
    assert check_against_others([in_force(PARTNER)], [in_force(PARTNER)]) == []


def test_an_advertiser_and_a_partner_of_one_id_are_no_conflict() -> None:
    assert check_against_others([in_force(PARTNER)], [other_advertiser(("party.id", "streamco"))]) == []


def test_one_claim_is_found_among_many_contracts() -> None:
    plain = other_advertiser()
    others = [
        plain._replace(contract=plain.contract.model_copy(update={"contract_id": f"c-{i}", "party": plain.contract.party}))
        for i in range(5_000)
    ]
    others.append(other_advertiser(("contract_id", "the-one"), ("terms.0.line_items", ["li-1"])))
    (problem,) = check_against_others([MINE], others)
    assert '"the-one"' in problem.expected
