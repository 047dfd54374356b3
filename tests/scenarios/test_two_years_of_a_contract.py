"""Two years of one customer's contract, as an auditor can have them told a year later.

2022-09  ann drafts; refused, then rejected by bob, then approved by bob: version 2
2022-11  October is billed and closed
2022-12  amended with effect from 15 October: version 3, a debit note
2023-08  the nightly run renews it with an uplift of 3.5 %: version 4
2024-07  notice of non-renewal; the night of 1 August 2024 leaves it alone
2024-08  terminated with 31 August 2024: version 5
2025-08  the auditor asks
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from commands import adledger
from small_world import deliver

from contracts_io.calendar import Month, days_between, format_instant
from contracts_io.errors import ContractError
from contracts_io.home import Home
from contracts_io.lifecycle import SYSTEM
from contracts_io.store import audit
from contracts_io.store.document_tables import Invoice, Line
from services import agreements, agreements_shown, billing

ID = "acme-ctv"
OCTOBER = Month(2022, 10)
NOTICE = "for the end on 2024-09-30, received on 2024-07-15: they build their own"
MICROSECOND = timedelta(microseconds=1)

TERMS = """
terms:
  - term_id: brand
    line_items: [li-brand]
    pricing:
      model: cpm
      tiers: {mode: graduated, steps: [{up_to: 20, rate: "3250.00"}, {rate: "2800.000001", flat_fee: "10.00"}]}
  - term_id: sales
    line_items: [li-sales]
    pricing: {model: cpa, event: purchase, fee: {type: flat, amount: "12.00"}}
  - term_id: leads
    line_items: [li-leads]
    pricing: {model: cpa, event: signup, fee: {type: percent, rate: "0.08", minimum: "1.00"}}
"""
AGREED = (
    """
contract_id: acme-ctv
side: advertiser
party: {id: acme, name: "Acme Stores, Inc.", country: US}
currency: USD
timezone: America/New_York
starts_on: 2022-10-01
ends_on: 2023-09-30
payment_terms_days: 30
minimum_monthly: "100.00"
renewal: {mode: auto, months: 12, notice_days: 60, uplift: "0.035"}
attribution: {model: last_touch, lookback: {view: 3d, click: 2d}}
"""
    + TERMS
)
MISTAKEN = AGREED.replace("3250.00", "2350.00")
UNUSABLE = (
    AGREED.replace("currency: USD", "currency: dollars")
    .replace("ends_on: 2023-09-30", "ends_on: 2022-09-30")
    .replace('"100.00"', "100.00")
    .replace("term_id: sales", "term_id: brand")
)
AMENDED = AGREED.replace("3250.00", "3500.00").replace(
    "payment_terms_days", "effective_from: 2022-10-15\npayment_terms_days"
)

SUBMITTED_1, REJECTED = datetime(2022, 9, 20, 10, tzinfo=UTC), datetime(2022, 9, 21, 9, tzinfo=UTC)
SUBMITTED_2, APPROVED_2 = datetime(2022, 9, 22, 11, tzinfo=UTC), datetime(2022, 9, 23, 8, 30, tzinfo=UTC)
CLOSED_ON = date(2022, 11, 10)
SUBMITTED_3, APPROVED_3 = datetime(2022, 12, 5, 14, tzinfo=UTC), datetime(2022, 12, 6, 9, tzinfo=UTC)
ADJUSTED_ON = date(2022, 12, 7)
EVE, NIGHT = date(2023, 7, 31), date(2023, 8, 1)  # 60 days before 30 September are 1 August
RENEWED = datetime(2023, 8, 2, 3, 30, tzinfo=UTC)  # the night after that delivery day
NOTED = datetime(2024, 7, 15, 12, tzinfo=UTC)
SECOND_NIGHT = date(2024, 8, 1)  # 60 days before 30 September 2024 are 1 August again
SUBMITTED_5, APPROVED_5 = datetime(2024, 8, 5, 10, tzinfo=UTC), datetime(2024, 8, 6, 10, tzinfo=UTC)
LAST_DAY = date(2024, 8, 31)


@dataclass
class Told:
    """The home after two years, and what was seen on the way."""

    home: Home
    refusals: dict[str, str] = field(default_factory=dict)
    heads: dict[str, str] = field(default_factory=dict)
    seen: dict[str, Any] = field(default_factory=dict)


def impressions(day: date, number: int) -> list[dict[str, str]]:
    return [
        {"impression_id": f"{day}-{n}", "event_time": f"{day}T15:00:00Z", "line_item_id": "li-brand", "partner_id": "pub"}
        for n in range(number)
    ]


def a_sale(day: date) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """A view and the purchase that it won."""
    view = {"impression_id": f"view-{day}", "event_time": f"{day}T12:00:00Z", "household_id": "h-1"}
    bought = {"conversion_id": f"sale-{day}", "event_time": f"{day}T18:00:00Z", "household_id": "h-1"}
    return (
        [view | {"line_item_id": "li-sales", "partner_id": "pub"}],
        [bought | {"advertiser_id": "acme", "event": "purchase"}],
    )


def night(home: Home, day: date, *, at: datetime | None = None, rows: Any = (), bought: Any = ()) -> None:
    """A delivery day, and the run of the night after it, which begins at ``at``."""
    deliver(home, "impressions", day, rows)
    deliver(home, "conversions", day, bought)
    clock = at or datetime(day.year, day.month, day.day, 3, 30, tzinfo=UTC) + timedelta(days=1)

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:  # noqa: ARG003
            return clock

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("assets.taking_in.datetime", Clock)
        report = billing.run(home, [day])
    assert report.failed == {}


def submit(home: Home, folder: Path, text: str, at: datetime, *, retroactive: bool = False) -> Any:
    file = folder / "acme.yaml"
    file.write_text(text, encoding="utf-8")
    return agreements.import_files(home, [file], by="ann", at=at, retroactive=retroactive)[0]


def refused(act: Callable[[], Any]) -> str:
    with pytest.raises(ContractError) as refusal:
        act()
    return str(refusal.value)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Two years, once for all that is asked about them."""
    folder = tmp_path_factory.mktemp("two-years")
    home = Home.create(folder / "home")
    told = Told(home)
    # September 2022: agreed at the third attempt
    told.refusals["document"] = refused(lambda: submit(home, folder, UNUSABLE, SUBMITTED_1))
    submit(home, folder, MISTAKEN, SUBMITTED_1)
    agreements.reject(home, ID, None, by="bob", at=REJECTED, reason="the first step is 3250.00")
    submit(home, folder, AGREED, SUBMITTED_2)
    told.refusals["own approval"] = refused(lambda: agreements.approve(home, ID, None, by="ann", at=APPROVED_2))
    agreements.approve(home, ID, None, by="bob", at=APPROVED_2)
    # October 2022: delivered on its last days, billed, closed
    views, purchases = a_sale(date(2022, 10, 30))
    night(home, date(2022, 10, 29), rows=impressions(date(2022, 10, 29), 15))
    night(home, date(2022, 10, 30), rows=impressions(date(2022, 10, 30), 9) + views, bought=purchases)
    for day in days_between(date(2022, 10, 31), date(2022, 11, 2)):
        night(home, day)
    billing.close(home, OCTOBER, CLOSED_ON)
    told.heads["close"] = audit.head(home.engine)
    # December 2022: amended in the closed month
    told.refusals["closed month"] = refused(lambda: submit(home, folder, AMENDED, SUBMITTED_3))
    submit(home, folder, AMENDED, SUBMITTED_3, retroactive=True)
    agreements.approve(home, ID, None, by="bob", at=APPROVED_3)
    told.seen["notes"] = billing.adjust(home, OCTOBER, ADJUSTED_ON)
    told.seen["notes again"] = billing.adjust(home, OCTOBER, ADJUSTED_ON)
    # August 2023: renewed by the night of the first day that may
    night(home, EVE)
    told.seen["versions on the eve"] = len(home.contracts.versions(ID))
    night(home, NIGHT, at=RENEWED)
    night(home, NIGHT, at=RENEWED + timedelta(days=1))
    told.seen["versions after the night, twice"] = len(home.contracts.versions(ID))
    night(home, date(2023, 10, 10), rows=impressions(date(2023, 10, 10), 2))
    # July and August 2024: notice, no renewal, an early end
    told.seen["list before the notice"] = next_event(home, date(2024, 7, 15))
    agreements.give_notice(home, ID, by="ann", at=NOTED, received_on=NOTED.date(), reason="they build their own")
    night(home, SECOND_NIGHT)
    told.seen["list after the second night"] = next_event(home, SECOND_NIGHT)
    told.seen["versions after the second night"] = len(home.contracts.versions(ID))
    agreements.terminate(home, ID, LAST_DAY, by="ann", at=SUBMITTED_5, retroactive=False)
    agreements.approve(home, ID, None, by="bob", at=APPROVED_5)
    told.heads["end"] = audit.head(home.engine)
    yield told


def next_event(home: Home, on: date) -> str:
    return agreements_shown.next_event(home.contracts.list_contracts(on=on)[0], on)


def issued(told: Told, kind: str) -> tuple[Invoice, list[Line]]:
    """October's one document of a kind with its lines."""
    (only,) = [(document, lines) for document, lines in told.home.books.invoices(OCTOBER) if document.kind == kind]
    return only


def asked(told: Told, *words: object) -> Any:
    """What a command of the auditor answers."""
    return json.loads(adledger(told.home.root, *words, "--json").stdout)


def test_a_document_is_refused_once_with_all_its_problems(told: Told) -> None:
    for path in ("currency", "ends_on", "minimum_monthly", "terms[1].term_id"):
        assert path in told.refusals["document"]
    assert [v.version for v in told.home.contracts.versions(ID)] == [1, 2, 3, 4, 5]  # and nothing of it was stored


def test_nobody_approves_what_they_submitted_nor_amends_a_closed_month_by_accident(told: Told) -> None:
    assert "ann submitted this version and so cannot approve it" in told.refusals["own approval"]
    assert "a day after 2022-10-31, through which the books are closed" in told.refusals["closed month"]
    assert "--retroactive" in told.refusals["closed month"]


def test_october_is_billed_by_the_terms_that_were_known_at_its_close(told: Told) -> None:
    invoice, lines = issued(told, "invoice")
    # 24 impressions: 20 x 3.25 = 65.00; 4 x 2.800000001 = 11.200000004, so 11.20; its step's fee 10.00; one sale 12.00;
    # 98.20 so far, which is 1.80 short of the minimum of 100.00.
    assert [(line.kind, line.quantity, line.amount_minor) for line in lines] == [
        ("media", 4, 1120),
        ("media", 20, 6500),
        ("tier_fee", 1, 1000),
        ("action", 1, 1200),
        ("minimum", None, 180),
    ]
    assert (invoice.number, invoice.version, invoice.total_minor) == ("INV-2022-000001", 2, 10000)
    assert (invoice.issued_on, invoice.due_on) == (CLOSED_ON, date(2022, 12, 10))
    assert invoice.known_at == format_instant(APPROVED_2)


def test_the_amendment_of_a_closed_month_is_issued_as_a_debit_note_once(told: Told) -> None:
    assert (told.seen["notes"], told.seen["notes again"]) == (["DN-2022-000001"], [])
    note, lines = issued(told, "debit_note")
    # 20 x 3.50 = 70.00, so 103.20 in all: more than the minimum, which goes. 103.20 - 100.00 = 3.20. Every line of version 2
    # is taken back and stands again under version 3.
    assert (note.kind, note.adjusts, note.net_minor) == ("debit_note", "INV-2022-000001", 320)
    assert sorted((line.version or 0, line.kind, line.amount_minor) for line in lines if line.kind != "minimum") == [
        (2, "action", -1200),
        (2, "media", -6500),
        (2, "media", -1120),
        (2, "tier_fee", -1000),
        (3, "action", 1200),
        (3, "media", 1120),
        (3, "media", 7000),
        (3, "tier_fee", 1000),
    ]
    assert [line.amount_minor for line in lines if line.kind == "minimum"] == [-180]
    assert note.known_at == format_instant(APPROVED_3)
    assert issued(told, "invoice")[0].total_minor == 10000  # what was issued stays


def test_the_first_night_in_the_notice_period_renews_the_contract_at_raised_prices(told: Told) -> None:
    assert (told.seen["versions on the eve"], told.seen["versions after the night, twice"]) == (3, 4)
    renewal = told.home.contracts.versions(ID)[3]
    assert (renewal.submitted_by, renewal.decided_by, renewal.decided_at) == (SYSTEM, SYSTEM, RENEWED)
    document = asked(told, "contract", "show", ID, "--version", 4)["document"]
    assert (document["effective_from"], document["ends_on"]) == ("2023-10-01", "2024-09-30")
    assert document["minimum_monthly"] == "103.5"  # 100.00 x 1.035
    brand, sales, leads = (term["pricing"] for term in document["terms"])
    assert brand["tiers"]["steps"] == [
        {"rate": "3622.5", "up_to": 20},  # 3500.00 x 1.035
        {"flat_fee": "10.35", "rate": "2898.000001"},  # 2800.000001 x 1.035 = 2898.000001035
    ]
    assert sales["fee"] == {"amount": "12.42", "type": "flat"}  # 12.00 x 1.035
    assert leads["fee"] == {"minimum": "1", "rate": "0.08", "type": "percent"}  # a share is not a price


def test_the_renewed_prices_are_billed_from_the_day_after_the_old_end(told: Told, tmp_path: Path) -> None:
    billing.export(told.home, Month(2023, 10), tmp_path, "json", draft=True)
    lines = json.loads((tmp_path / "invoice_lines.json").read_text())
    # 2 x 3.6225 = 7.245, so 7.25; 96.25 are short of 103.50.
    assert [(line["kind"], line["version"], Decimal(line["amount"])) for line in lines] == [
        ("media", 4, Decimal("7.25")),
        ("minimum", None, Decimal("96.25")),
    ]


def test_after_the_notice_no_night_renews_the_contract_again(told: Told) -> None:
    assert told.seen["list before the notice"] == "renews in 17 days unless notice is given by 2024-07-31"
    assert told.seen["list after the second night"] == "expires in 60 days"
    assert told.seen["versions after the second night"] == 4


def test_the_auditor_reads_who_did_what_and_when(told: Told) -> None:
    history = asked(told, "contract", "history", ID)
    assert [(r["instant"], r["actor"], r["action"], r["version"], r["reason"]) for r in history] == [
        (format_instant(SUBMITTED_1), "ann", "submit", 1, None),
        (format_instant(REJECTED), "bob", "reject", 1, "the first step is 3250.00"),
        (format_instant(SUBMITTED_2), "ann", "submit", 2, None),
        (format_instant(APPROVED_2), "bob", "approve", 2, None),
        (format_instant(SUBMITTED_3), "ann", "submit", 3, "retroactive; changes 2022-10, closed then"),
        (format_instant(APPROVED_3), "bob", "approve", 3, None),
        (format_instant(RENEWED), SYSTEM, "renew", 4, "renewal of version 3"),
        (format_instant(NOTED), "ann", "notice", 4, NOTICE),
        (format_instant(SUBMITTED_5), "ann", "submit", 5, None),
        (format_instant(APPROVED_5), "bob", "approve", 5, None),
    ]
    assert [r["sequence"] for r in history] == list(range(1, 11))
    hashes = {v.version: v.content_hash for v in told.home.contracts.versions(ID)}
    assert all(r["content_hash"] == hashes[r["version"]] for r in history)


@pytest.mark.parametrize(
    ("on", "known_at", "version"),
    [
        ("2022-10-20", format_instant(APPROVED_2), 2),
        ("2022-10-20", "2022-11-10T00:00:00Z", 2),  # as the close knew it
        ("2022-10-14", format_instant(APPROVED_3), 2),
        ("2022-10-15", format_instant(APPROVED_3), 3),
        ("2022-10-20", "2025-08-01T00:00:00Z", 3),
        ("2023-09-30", format_instant(RENEWED), 3),
        ("2023-10-01", format_instant(RENEWED), 4),  # as known on the night of the run
        ("2024-08-31", format_instant(APPROVED_5 - MICROSECOND), 4),
        ("2024-08-30", format_instant(APPROVED_5), 4),
        ("2024-08-31", format_instant(APPROVED_5), 5),
        ("2024-09-01", format_instant(APPROVED_5 - MICROSECOND), 4),
        ("2022-10-20", format_instant(APPROVED_2 - MICROSECOND), None),
        ("2023-10-01", format_instant(RENEWED - MICROSECOND), None),
        ("2024-09-01", format_instant(APPROVED_5), None),
    ],
)
def test_the_auditor_is_shown_what_was_in_force_as_known_then(
    told: Told, on: str, known_at: str, version: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    def show() -> None:
        day, instant = date.fromisoformat(on), datetime.fromisoformat(known_at)
        agreements_shown.show_contract(told.home, ID, None, on=day, known_at=instant, json_output=True)

    if version is None:
        assert f"no version is in force on {on} as known at" in refused(show)
        return
    show()
    assert json.loads(capsys.readouterr().out)["version"] == version


def test_what_was_decided_later_is_not_shown_as_known_then(told: Told) -> None:
    shown = asked(told, "contract", "show", ID, "--on", "2022-10-20", "--known-at", format_instant(SUBMITTED_3))
    assert [(v["version"], v["state"], v["decided_by"]) for v in shown["versions"]] == [
        (1, "rejected", "bob"),
        (2, "approved", "bob"),
        (3, "submitted", None),
    ]
    assert shown["notices"] == []
    steps = shown["document"]["terms"][0]["pricing"]["tiers"]["steps"]
    assert steps[0] == {"rate": "3250", "up_to": 20}
    with_notice = asked(told, "contract", "show", ID, "--on", "2024-08-30", "--known-at", format_instant(NOTED))
    assert [(n["recorded_by"], n["ends_on"]) for n in with_notice["notices"]] == [("ann", "2024-09-30")]


def test_the_auditor_reads_what_each_version_changed(told: Told) -> None:
    first_step = "terms[brand].pricing.tiers.steps"
    amended = asked(told, "contract", "diff", ID, 2, 3)
    assert [change["path"] for change in amended] == ["effective_from", first_step]
    assert (amended[0]["before"], amended[0]["after"]) == ("2022-10-01", "2022-10-15")
    renewed = {change["path"]: (change["before"], change["after"]) for change in asked(told, "contract", "diff", ID, 3, 4)}
    assert renewed.keys() == {
        "effective_from",
        "ends_on",
        "minimum_monthly",
        first_step,
        "terms[sales].pricing.fee.amount",
    }
    assert renewed["ends_on"] == ("2023-09-30", "2024-09-30")
    assert renewed["terms[sales].pricing.fee.amount"] == ("12", "12.42")
    ended = asked(told, "contract", "diff", ID)  # the latest against the one before
    assert [(change["path"], change["after"]) for change in ended] == [
        ("effective_from", "2024-08-31"),
        ("ends_on", "2024-08-31"),
        ("renewal.mode", "none"),
    ]


def test_the_heads_noted_down_on_the_way_are_still_in_the_trail(told: Told) -> None:
    for noted in told.heads.values():
        assert asked(told, "audit", "verify", "--expect", noted) == {"records": 10, "head": told.heads["end"]}
    other = "0" * 63 + "1"
    said = adledger(told.home.root, "audit", "verify", "--expect", other, expect=1).stderr
    assert "the trail was rebuilt or cut since" in said
