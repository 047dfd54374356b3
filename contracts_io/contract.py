"""The contract document: read, checked, written in its one canonical form, and known by its hash.

    text --parse_document--> Contract --canonical_json--> text --content_hash--> identity

The fields are in ``contract_model``, the rules between them in ``contract_checks``, the rules between contracts in
``contract_conflicts``; this module is the door to all of them.
"""

from __future__ import annotations

import hashlib
import json

from pydantic import ValidationError

from contracts_io.contract_checks import document_problems
from contracts_io.contract_conflicts import InForce, check_against_others, check_against_versions, term_days
from contracts_io.contract_fields import ContractDocumentError, Problem
from contracts_io.contract_model import (
    Address,
    Attribution,
    Bank,
    Contract,
    Cpa,
    Cpm,
    Daypart,
    Dcpm,
    Eligibility,
    FlatFee,
    Lookback,
    Multipliers,
    PartnerOverride,
    Party,
    PercentFee,
    Renewal,
    RevenueShare,
    Step,
    Tax,
    Term,
    Tiers,
)
from contracts_io.contract_problems import field_problems
from contracts_io.contract_text import read_tree

__all__ = [
    "Address",
    "Attribution",
    "Bank",
    "Contract",
    "ContractDocumentError",
    "Cpa",
    "Cpm",
    "Daypart",
    "Dcpm",
    "Eligibility",
    "FlatFee",
    "InForce",
    "Lookback",
    "Multipliers",
    "PartnerOverride",
    "Party",
    "PercentFee",
    "Problem",
    "Renewal",
    "RevenueShare",
    "Step",
    "Tax",
    "Term",
    "Tiers",
    "canonical_json",
    "check_against_others",
    "check_against_versions",
    "content_hash",
    "parse_document",
    "term_days",
]


def parse_document(text: str, *, name: str) -> Contract:
    """The contract that a YAML or JSON text says; ``name`` is the file's name, for messages.

    ContractError where the text cannot be read at all, ContractDocumentError with all problems of a document that can.
    """
    tree = read_tree(text, name)
    problems: list[Problem] = []
    contract: Contract | None = None
    try:
        contract = Contract.model_validate(tree)
    except ValidationError as error:
        problems = field_problems(error)
    problems += document_problems(tree)
    if contract is None or problems:
        raise ContractDocumentError(problems, name=name)
    return contract


def canonical_json(contract: Contract) -> str:
    """The contract's one text: sorted keys, no blanks, defaults filled in, decimals in normal form, nulls left out.

    Equal contracts have equal texts, however their files were written; ``parse_document`` gives the contract back.
    """
    tree = contract.model_dump(mode="json", by_alias=True, exclude_none=True)
    return json.dumps(tree, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_hash(contract: Contract) -> str:
    """SHA-256 of the canonical text in UTF-8, in hexadecimal."""
    return hashlib.sha256(canonical_json(contract).encode()).hexdigest()
