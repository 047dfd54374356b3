"""The tables of contracts, and what stands beside a document so that no query has to read it.

``contract_version``: contract_id · version (1, 2, ...) · state · document (canonical JSON) · content_hash (SHA-256 of it) ·
submitted_by, submitted_at · decided_by, decided_at, reason (null while it waits) · retroactive (submitted for a closed
month) · closed_months (those that it changes and that were closed when it was submitted: ``2026-10 2026-11``) · warnings
(JSON list: what was odd in it at submission) · side, party_id, party_name, currency, timezone, starts_on, ends_on,
effective_from as in the document · renews_on (the day on which it renews by itself; null: it does not). A version is
written once; state, decided_by, decided_at and reason change once.

``contract_claim``: what a version claims for itself alone: kind (``line_item``, ``event``, ``partner``) · claim · contract_id ·
version. Two contracts can only be in each other's way where they share a claim.

``contract_decision``: the first of two approvals of a version that needs two. ``contract_notice``: a notice of non-renewal
before the end ``ends_on`` · received_on. Both only grow.

Instants are UTC text (``2026-10-20T02:19:53.172230Z``), which sorts as it runs; days are ``YYYY-MM-DD``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

import sqlalchemy as sa

from contracts_io.contract import Contract
from contracts_io.renewal import renews_on
from contracts_io.store.base import metadata

contract_version = sa.Table(
    "contract_version",
    metadata,
    sa.Column("contract_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
    sa.Column("submitted_by", sa.Text, nullable=False),
    sa.Column("submitted_at", sa.Text, nullable=False),
    sa.Column("decided_by", sa.Text),
    sa.Column("decided_at", sa.Text),
    sa.Column("reason", sa.Text),
    sa.Column("retroactive", sa.Boolean, nullable=False),
    sa.Column("closed_months", sa.Text, nullable=False),
    sa.Column("warnings", sa.JSON, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column("party_id", sa.Text, nullable=False),
    sa.Column("party_name", sa.Text, nullable=False),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("timezone", sa.Text, nullable=False),
    sa.Column("starts_on", sa.Text, nullable=False),
    sa.Column("ends_on", sa.Text),
    sa.Column("effective_from", sa.Text, nullable=False),
    sa.Column("renews_on", sa.Text),
)

# Which version is in force when, without the documents.
sa.Index(
    "contract_version_in_time",
    *(
        contract_version.c[name]
        for name in ("contract_id", "version", "state", "effective_from", "starts_on", "ends_on", "decided_at", "renews_on")
    ),
)

contract_claim = sa.Table(
    "contract_claim",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("claim", sa.Text, primary_key=True),
    sa.Column("contract_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
)

contract_decision = sa.Table(
    "contract_decision",
    metadata,
    sa.Column("contract_id", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("approved_by", sa.Text, primary_key=True),
    sa.Column("approved_at", sa.Text, nullable=False),
    sa.Column("content_hash", sa.Text, nullable=False),
)

contract_notice = sa.Table(
    "contract_notice",
    metadata,
    sa.Column("contract_id", sa.Text, primary_key=True),
    sa.Column("ends_on", sa.Text, primary_key=True),
    sa.Column("received_on", sa.Text, nullable=False),
    sa.Column("recorded_by", sa.Text, nullable=False),
    sa.Column("recorded_at", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
)


def columns_of(contract: Contract) -> Mapping[str, Any]:
    """The columns of ``contract_version`` that repeat what the document says."""
    return {
        "side": contract.side,
        "party_id": contract.party.id,
        "party_name": contract.party.name,
        "currency": contract.currency,
        "timezone": contract.timezone,
        "starts_on": str(contract.starts_on),
        "ends_on": _text(contract.ends_on),
        "effective_from": str(contract.effective_from),
        "renews_on": _text(renews_on(contract)),
    }


def _text(day: date | None) -> str | None:
    return None if day is None else str(day)
