from __future__ import annotations

import json
from typing import Any

import pytest
from contract_samples import ADVERTISER, parsed
from hypothesis import given
from test_contract import DOCUMENTS, FULL
from test_contract_laws import contracts

from contracts_io.contract import ContractDocumentError, canonical_json, parse_document
from contracts_io.contract_stored import read_stored


@given(contracts())
def test_a_stored_document_comes_back_as_the_contract_that_it_was_written_from(document: dict[str, Any]) -> None:
    try:
        contract = parse_document(json.dumps(document), name="c.json")
    except ContractDocumentError:
        return
    again = read_stored(canonical_json(contract))
    assert again == contract
    assert canonical_json(again) == canonical_json(contract)


@pytest.mark.parametrize("text", [FULL, *(path.read_text(encoding="utf-8") for path in DOCUMENTS)])
def test_every_field_of_a_stored_document_is_read(text: str) -> None:
    contract = parse_document(text, name="document")
    assert read_stored(canonical_json(contract)) == contract


def test_what_an_earlier_release_did_not_write_has_its_default() -> None:
    document = json.loads(canonical_json(parsed(ADVERTISER)))
    for key in ("payment_terms_days", "effective_from", "eligibility"):
        del document[key]
    assert read_stored(json.dumps(document)) == parsed(ADVERTISER)


@pytest.mark.parametrize("path", ["currency", "party.id", "terms.0.pricing.model"])
def test_a_document_without_what_it_must_have_cannot_be_read(path: str) -> None:
    document = json.loads(canonical_json(parsed(ADVERTISER)))
    *way, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    node = document
    for part in way:
        node = node[part]
    del node[last]
    with pytest.raises(KeyError, match=str(last)):
        read_stored(json.dumps(document))
