"""Contracts brought in from files: all or none, with what is odd in them kept for whoever approves."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from billing_samples import rows_of
from commands import adledger

from contracts_io.calendar import Month
from contracts_io.errors import BooksError, ContractError, RoleError
from contracts_io.frames import TABLES
from contracts_io.home import SETTINGS_FILE, Home
from contracts_io.lifecycle import in_force
from contracts_io.store import audit
from contracts_io.store.contracts import Imported
from services import agreements, agreements_shown

AT = datetime(2026, 10, 7, 9, 0, tzinfo=UTC)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home.create(tmp_path / "home")
    warehouse = made.warehouse
    served = rows_of("delivery_counts", [{"line_item_id": "li-1", "impressions": 5}])
    row = ("impressions", date(2026, 10, 5), 5, 5, 0, 0, 0, 0)
    counted = pl.DataFrame([row], schema=TABLES["feed_counts"].polars_schema, orient="row")
    files = [warehouse.write("delivery_counts", "2026-10-05", served), warehouse.write("feed_counts", "2026-10-05", counted)]
    warehouse.publish(files)
    return made


def contract(path: Path, line_item: str, **changes: object) -> Path:
    document = {
        "contract_id": path.stem,
        "side": "advertiser",
        "party": {"id": "acme", "name": "Acme", "country": "US"},
        "currency": "USD",
        "timezone": "UTC",
        "starts_on": "2026-10-01",
        "ends_on": None,
        "terms": [{"term_id": "brand", "line_items": [line_item], "pricing": {"model": "cpm", "rate": "10"}}],
    }
    path.write_text(json.dumps(document | changes), encoding="utf-8")
    return path


def test_a_term_without_traffic_is_a_warning_that_stays_with_the_version(home: Home, tmp_path: Path) -> None:
    files = [contract(tmp_path / "busy.json", "li-1"), contract(tmp_path / "idle.json", "li-2")]
    agreements.import_files(home, files, by="casey", at=AT, retroactive=False)
    assert agreements.version_of(home, "busy", None).warnings == ()
    warning = (
        "terms[0].line_items: the term is without traffic: none of its line items (li-2) delivered an impression last month"
    )
    assert agreements.version_of(home, "idle", 1).warnings == (warning,)


def test_one_bad_file_keeps_all_of_an_import_out(home: Home, tmp_path: Path) -> None:
    files = [contract(tmp_path / "good.json", "li-1"), contract(tmp_path / "bad.json", "li-2", currency="dollars")]
    with pytest.raises(ContractError, match="currency"):
        agreements.import_files(home, files, by="casey", at=AT, retroactive=False)
    assert home.contracts.list_contracts(on=AT.date()) == []


def test_who_is_not_on_the_list_may_neither_submit_nor_approve(home: Home, tmp_path: Path) -> None:
    file = contract(tmp_path / "good.json", "li-1")
    (home.root / SETTINGS_FILE).write_text('[roles]\nsubmit = ["casey"]\napprove = ["robin"]\n', encoding="utf-8")
    opened = Home.open(home.root)
    with pytest.raises(RoleError, match="robin may not submit"):
        agreements.import_files(opened, [file], by="robin", at=AT, retroactive=False)
    agreements.import_files(opened, [file], by="casey", at=AT, retroactive=False)
    with pytest.raises(RoleError, match="sam may not approve"):
        agreements.approve(opened, "good", None, by="sam", at=AT)
    assert agreements.approve(opened, "good", None, by="robin", at=AT).state == "approved"


def test_a_version_that_is_not_there_is_named_with_the_latest(home: Home, tmp_path: Path) -> None:
    agreements.import_files(home, [contract(tmp_path / "good.json", "li-1")], by="casey", at=AT, retroactive=False)
    with pytest.raises(ContractError) as refused:
        agreements.version_of(home, "good", 3)
    assert (refused.value.what, refused.value.remedy) == ("there is no version 3", "the latest is 1")


def test_the_history_of_a_contract_is_its_part_of_the_trail(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [contract(tmp_path / "one.json", "li-1"), contract(tmp_path / "two.json", "li-2")]
    agreements.import_files(home, files, by="casey", at=AT, retroactive=False)
    agreements.approve(home, "two", None, by="robin", at=AT)
    agreements_shown.show_history(home, "two", json_output=True)
    told = json.loads(capsys.readouterr().out)
    assert [(r["sequence"], r["actor"], r["action"], r["version"]) for r in told] == [
        (2, "casey", "submit", 1),
        (3, "robin", "approve", 1),
    ]


def test_a_diff_is_by_default_that_of_the_latest_version(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agreements.import_files(home, [contract(tmp_path / "one.json", "li-1")], by="casey", at=AT, retroactive=False)
    with pytest.raises(ContractError, match="version 1 is the first"):
        agreements_shown.show_diff(home, "one", None, None, json_output=False)
    agreements.approve(home, "one", None, by="robin", at=AT)
    shorter = contract(tmp_path / "one.json", "li-1", ends_on="2026-12-31", effective_from="2026-11-01")
    agreements.import_files(home, [shorter], by="casey", at=AT, retroactive=False)
    agreements_shown.show_diff(home, "one", None, None, json_output=True)
    assert json.loads(capsys.readouterr().out) == [
        {"path": "effective_from", "before": "2026-10-01", "after": "2026-11-01"},
        {"path": "ends_on", "before": None, "after": "2026-12-31"},
    ]


def test_a_head_that_was_noted_down_must_still_be_in_the_trail(home: Home, tmp_path: Path) -> None:
    agreements.import_files(home, [contract(tmp_path / "one.json", "li-1")], by="casey", at=AT, retroactive=False)
    noted = audit.head(home.engine)
    agreements.approve(home, "one", None, by="robin", at=AT)
    assert audit.verify(home.engine, expect=noted).records == 2
    with pytest.raises(BooksError, match="the trail was rebuilt or cut since"):
        audit.verify(home.engine, expect="0" * 63 + "1")


def test_what_was_in_force_is_answered_for_a_day_as_known_at_an_instant(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def shown(on: date, known_at: datetime | None) -> int:
        agreements_shown.show_contract(home, "one", None, on=on, known_at=known_at, json_output=True)
        return int(json.loads(capsys.readouterr().out)["version"])

    later = AT + timedelta(days=30)
    agreements.import_files(home, [contract(tmp_path / "one.json", "li-1")], by="casey", at=AT, retroactive=False)
    agreements.approve(home, "one", None, by="robin", at=AT)
    amended = contract(tmp_path / "one.json", "li-2", effective_from="2026-10-15")
    agreements.import_files(home, [amended], by="casey", at=later, retroactive=False)
    agreements.approve(home, "one", None, by="robin", at=later)
    assert shown(date(2026, 10, 14), None) == 1
    assert shown(date(2026, 10, 15), None) == 2
    assert shown(date(2026, 10, 15), later - timedelta(microseconds=1)) == 1
    assert shown(date(2026, 10, 15), later) == 2
    with pytest.raises(ContractError, match="no version is in force on 2026-09-30"):
        shown(date(2026, 9, 30), None)
    with pytest.raises(ContractError, match=r"as known at 2026-10-01T00:00:00\.000000Z"):
        shown(date(2026, 10, 15), datetime(2026, 10, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("ends_on", "on", "said"),
    [
        (None, date(2026, 10, 10), ""),
        ("2026-10-22", date(2026, 10, 10), "expires in 12 days"),
        ("2026-10-22", date(2026, 10, 22), "expires today"),
        ("2026-10-22", date(2026, 10, 25), "expired 3 days ago"),
        (None, date(2026, 9, 29), "starts in 2 days"),
    ],
)
def test_the_list_says_what_happens_next(home: Home, tmp_path: Path, ends_on: str | None, on: date, said: str) -> None:
    files = [contract(tmp_path / "one.json", "li-1", ends_on=ends_on)]
    agreements.import_files(home, files, by="casey", at=AT, retroactive=False)
    assert agreements_shown.next_event(home.contracts.list_contracts(on=on)[0], on) == "waits for approval"
    agreements.approve(home, "one", None, by="robin", at=AT)
    assert agreements_shown.next_event(home.contracts.list_contracts(on=on)[0], on) == said


AUTO = {"mode": "auto", "months": 12, "notice_days": 60}


def agreed(home: Home, file: Path) -> None:
    agreements.import_files(home, [file], by="casey", at=AT, retroactive=False)
    agreements.approve(home, file.stem, None, by="robin", at=AT)


def listed(home: Home, on: date) -> str:
    return agreements_shown.next_event(home.contracts.list_contracts(on=on)[0], on)


def test_the_list_says_when_a_contract_renews_and_until_when_notice_can_be_given(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1", ends_on="2027-09-30", renewal=AUTO))
    assert listed(home, date(2027, 7, 20)) == "renews in 12 days unless notice is given by 2027-07-31"
    assert listed(home, date(2027, 7, 31)) == "renews in 1 day unless notice is given by 2027-07-31"
    due = "renewal is due: the run of delivery day 2027-08-01 or a later one makes it, or says why not"
    assert listed(home, date(2027, 8, 1)) == due
    home.contracts.renew(day=date(2027, 7, 31), at=AT)  # the day decides, whatever the clock says
    assert listed(home, date(2027, 8, 20)) == due
    home.contracts.renew(day=date(2027, 8, 1), at=AT)
    assert listed(home, date(2027, 8, 1)) == "renews in 366 days unless notice is given by 2028-07-31"


def test_the_list_says_that_a_contract_with_a_notice_expires(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1", ends_on="2027-09-30", renewal=AUTO))
    agreements.give_notice(home, "one", by="casey", at=AT, received_on=date(2027, 7, 1))
    assert listed(home, date(2027, 8, 1)) == "expires in 60 days"


def test_the_list_says_that_a_renewal_waits_for_a_decision(home: Home, tmp_path: Path) -> None:
    file = contract(tmp_path / "one.json", "li-1", ends_on="2027-09-30", renewal=AUTO)
    agreed(home, file)
    amended = contract(tmp_path / "one.json", "li-1", ends_on="2027-09-30", renewal=AUTO, effective_from="2027-06-01")
    agreements.import_files(home, [amended], by="casey", at=AT, retroactive=False)
    assert listed(home, date(2027, 7, 31)) == "waits for approval"
    assert listed(home, date(2027, 8, 1)) == "renewal waits for the decision on version 2"


def test_the_list_says_of_a_rejected_contract_only_that(home: Home, tmp_path: Path) -> None:
    agreements.import_files(home, [contract(tmp_path / "one.json", "li-1")], by="casey", at=AT, retroactive=False)
    agreements.reject(home, "one", None, by="robin", at=AT, reason="no")
    assert listed(home, AT.date()) == "rejected"


def test_a_long_list_says_the_same_as_a_short_one(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1", party={"id": "acme", "name": "日本", "country": "US"}))
    agreements_shown.show_list(home, AT.date(), json_output=False)
    short = capsys.readouterr().out
    monkeypatch.setattr(agreements_shown, "LONG_LIST", 0)
    agreements_shown.show_list(home, AT.date(), json_output=False)
    long = capsys.readouterr().out
    assert [line.split() for line in long.splitlines() if "─" not in line and line.strip()] == [
        line.split() for line in short.splitlines() if "─" not in line and line.strip()
    ]


def test_above_an_amount_two_persons_approve(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    limits = '[roles]\ntwo_approvals_above = {minimum_monthly = "10000.00"}\n'
    (home.root / SETTINGS_FILE).write_text(limits, encoding="utf-8")
    opened = Home.open(home.root)
    files = [contract(tmp_path / f"{n}.json", f"li-{n}", minimum_monthly=n) for n in ("10000", "10000.000001")]
    agreements.import_files(opened, files, by="casey", at=AT, retroactive=False)
    assert agreements.approve(opened, "10000", None, by="robin", at=AT).state == "approved"
    assert agreements.approve(opened, "10000.000001", None, by="robin", at=AT).state == "submitted"
    assert agreements_shown.next_event(opened.contracts.list_contracts(on=AT.date())[1], AT.date()) == (
        "waits for a second approval"
    )
    agreements_shown.show_contract(opened, "10000.000001", None, json_output=False)
    assert "waits for a second approval" in capsys.readouterr().out
    assert agreements.approve(opened, "10000.000001", None, by="sam", at=AT).state == "approved"


def test_what_is_shown_is_the_content_that_is_approved(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agreements.import_files(home, [contract(tmp_path / "one.json", "li-1")], by="casey", at=AT, retroactive=False)
    agreements_shown.show_contract(home, "one", None, json_output=True)
    told = json.loads(capsys.readouterr().out)
    assert (
        told["sentences"][-1]
        == "brand covers line item li-1 from 2026-10-01 without an end: 10.00 USD per 1,000 served impressions"
    )
    with pytest.raises(ContractError, match="its content is"):
        agreements.approve(home, "one", None, by="robin", at=AT, content="0" * 64)
    approved = agreements.approve(home, "one", None, by="robin", at=AT, content=told["content_hash"])
    assert approved.content_hash == told["content_hash"]


def test_a_terminated_contract_does_not_renew(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1", ends_on="2027-09-30", renewal=AUTO))
    agreements.terminate(home, "one", date(2026, 11, 30), by="casey", at=AT, retroactive=False)
    agreements.approve(home, "one", None, by="robin", at=AT)
    assert home.contracts.renew(day=date(2027, 9, 30), at=AT) == ([], [])
    assert listed(home, date(2026, 11, 18)) == "expires in 12 days"


def test_only_who_may_submit_gives_notice(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1", ends_on="2027-09-30", renewal=AUTO))
    (home.root / SETTINGS_FILE).write_text('[roles]\nsubmit = ["casey"]\n', encoding="utf-8")
    with pytest.raises(RoleError, match="robin may not submit"):
        agreements.give_notice(Home.open(home.root), "one", by="robin", at=AT, received_on=AT.date())


def test_a_termination_is_an_amendment_of_the_end_that_waits_for_approval(home: Home, tmp_path: Path) -> None:
    later = {"term_id": "later", "line_items": ["li-9"], "starts_on": "2027-01-01", "pricing": {"model": "cpm", "rate": "5"}}
    brand = {"term_id": "brand", "line_items": ["li-1"], "pricing": {"model": "cpm", "rate": "10"}}
    file = contract(tmp_path / "one.json", "li-1", terms=[brand, later])
    agreements.import_files(home, [file], by="casey", at=AT, retroactive=False)
    with pytest.raises(ContractError, match="no version of it is approved"):
        agreements.terminate(home, "one", date(2026, 11, 30), by="casey", at=AT, retroactive=False)
    agreements.approve(home, "one", None, by="robin", at=AT)
    with pytest.raises(ContractError, match="it cannot end on 2026-09-30: it runs from 2026-10-01 to open"):
        agreements.terminate(home, "one", date(2026, 9, 30), by="casey", at=AT, retroactive=False)
    ended = agreements.terminate(home, "one", date(2026, 11, 30), by="casey", at=AT, retroactive=False)
    assert (ended.version, ended.state) == (2, "submitted")
    agreements.approve(home, "one", None, by="robin", at=AT)
    assert [term.term_id for term in agreements.version_of(home, "one", 2).contract.terms] == ["brand"]
    stretches = in_force(home.contracts.approved()["one"])
    assert [(s.version, s.first, s.last) for s in stretches] == [
        (1, date(2026, 10, 1), date(2026, 11, 29)),
        (2, date(2026, 11, 30), date(2026, 11, 30)),
    ]


def test_a_termination_at_the_old_end_bills_no_day_at_the_prices_of_the_renewal(home: Home, tmp_path: Path) -> None:
    raised = {"mode": "auto", "months": 12, "notice_days": 60, "uplift": "0.03"}
    agreed(home, contract(tmp_path / "one.json", "li-1", ends_on="2027-09-30", minimum_monthly="100", renewal=raised))
    home.contracts.renew(day=date(2027, 8, 1), at=AT)
    agreements.terminate(home, "one", date(2027, 9, 30), by="casey", at=AT, retroactive=False)
    agreements.approve(home, "one", None, by="robin", at=AT)
    last = in_force(home.contracts.approved()["one"])[-1]
    assert (last.version, last.first, last.last) == (3, date(2027, 9, 30), date(2027, 9, 30))
    assert last.contract.terms == agreements.version_of(home, "one", 1).contract.terms
    assert last.contract.minimum_monthly == 100_000_000


def test_a_termination_before_any_term_begins_is_refused(home: Home, tmp_path: Path) -> None:
    later = {"term_id": "later", "line_items": ["li-9"], "starts_on": "2027-01-01", "pricing": {"model": "cpm", "rate": "5"}}
    agreed(home, contract(tmp_path / "one.json", "li-1", terms=[later]))
    with pytest.raises(ContractError, match="no term of it begins by then"):
        agreements.terminate(home, "one", date(2026, 11, 30), by="casey", at=AT, retroactive=False)


def terminated(home: Home, on: str, at: datetime = AT, *, retroactive: bool = False) -> Imported:
    return agreements.terminate(home, "one", date.fromisoformat(on), by="casey", at=at, retroactive=retroactive)


def test_a_contract_is_not_terminated_while_another_version_waits(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1"))
    amended = contract(tmp_path / "one.json", "li-2", effective_from="2026-10-15")
    agreements.import_files(home, [amended], by="casey", at=AT, retroactive=False)
    with pytest.raises(ContractError) as refused:
        terminated(home, "2026-11-30")
    assert str(refused.value) == (
        "contract one: it cannot be terminated while version 2 waits for a decision: "
        "casey submitted it at 2026-10-07T09:00:00.000000Z\n"
        "  -> approve or reject version 2 first, then terminate the contract"
    )
    agreements.reject(home, "one", None, by="robin", at=AT, reason="no")
    assert terminated(home, "2026-11-30").version == 3
    assert terminated(home, "2026-11-30").unchanged  # asked for once more, it waits still
    with pytest.raises(ContractError, match="while version 3 waits"):
        terminated(home, "2026-11-29")


def test_a_contract_ends_in_a_closed_month_only_retroactively(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1"))
    with home.books.closing(Month(2026, 10)) as issuing:
        issuing.close_month(date(2026, 11, 3), known_at="2026-10-07T09:00:00.000000Z")
    with pytest.raises(ContractError) as refused:
        terminated(home, "2026-10-31")
    assert str(refused.value) == (
        "contract one: it cannot end on 2026-10-31: the books are closed through 2026-10-31\n"
        "  -> choose a day from 2026-11-01 on with --on, or end it in a closed month with --retroactive"
    )
    assert terminated(home, "2026-10-31", retroactive=True).version == 2


def test_a_contract_ends_within_the_days_of_contracts(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1"))
    with pytest.raises(ContractError) as refused:
        terminated(home, "2200-01-01")
    assert str(refused.value) == (
        "contract one: it cannot end on 2200-01-01: the last day that a contract can have is 2199-12-31\n"
        "  -> choose an earlier day with --on, or leave it without an end"
    )
    assert terminated(home, "2199-12-31").version == 2


def test_an_empty_content_approves_nothing(home: Home, tmp_path: Path) -> None:
    agreements.import_files(home, [contract(tmp_path / "one.json", "li-1")], by="casey", at=AT, retroactive=False)
    with pytest.raises(ContractError, match="names no content"):
        agreements.approve(home, "one", None, by="robin", at=AT, content="")


def test_a_diff_passes_over_a_rejected_version(home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    agreed(home, contract(tmp_path / "one.json", "li-1"))
    agreements.import_files(
        home,
        [contract(tmp_path / "one.json", "li-1", currency="USD", ends_on="2026-12-31")],
        by="casey",
        at=AT,
        retroactive=False,
    )
    agreements.reject(home, "one", None, by="robin", at=AT, reason="no")
    agreements.import_files(
        home, [contract(tmp_path / "one.json", "li-1", ends_on="2027-12-31")], by="casey", at=AT, retroactive=False
    )
    agreements_shown.show_diff(home, "one", None, None, json_output=False)
    assert "version 1 to 3, 1 change\n" in capsys.readouterr().out


def test_names_and_reasons_with_brackets_are_shown_as_they_are(
    home: Home, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    party = {"id": "acme", "name": "Acme [/x] [bold]:smile:", "country": "US"}
    agreements.import_files(
        home, [contract(tmp_path / "one.json", "li-1", party=party)], by="casey [/y]", at=AT, retroactive=False
    )
    agreements.reject(home, "one", None, by="robin", at=AT, reason="[/z] no")
    agreements_shown.show_list(home, AT.date(), json_output=False)
    agreements_shown.show_contract(home, "one", None, json_output=False)
    agreements_shown.show_history(home, "one", json_output=False)
    out = capsys.readouterr().out
    assert "Acme [/x] [bold]:smile: (acme)" in out
    assert out.count("casey [/y]") == 2
    assert out.count("[/z] no") == 2


def test_what_the_books_have_against_one_file_is_told_with_what_is_wrong_in_another(home: Home, tmp_path: Path) -> None:
    agreed(home, contract(tmp_path / "held.json", "li-1"))
    files = [contract(tmp_path / "rival.json", "li-1"), contract(tmp_path / "bad.json", "li-2", currency="dollars")]
    with pytest.raises(ContractError) as refused:
        agreements.import_files(home, files, by="casey", at=AT, retroactive=False)
    assert "currency: found" in str(refused.value)
    assert "a line item that no other contract claims" in str(refused.value)


def test_who_approves_is_told_of_a_month_that_was_closed_meanwhile(home: Home, tmp_path: Path) -> None:
    agreements.import_files(home, [contract(tmp_path / "one.json", "li-1")], by="casey", at=AT, retroactive=False)
    october = Month(2026, 10)
    with home.books.closing(october) as issuing:
        issuing.close_month(date(2026, 11, 3), known_at="2026-10-07T09:00:00.000000Z")
    refused = adledger(home.root, "contract", "approve", "one", "--by", "robin", expect=1).stderr
    assert "error: contract one version 1: it changes 2026-10, closed since it was submitted\n  -> approve it" in refused
    told = json.loads(adledger(home.root, "contract", "approve", "one", "--by", "robin", "--retroactive", "--json").stdout)
    assert (told["state"], told["retroactive"]) == ("approved", True)
    assert agreements.version_of(home, "one", 1).reason == "retroactive"
