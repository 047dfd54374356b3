"""Why a line differs from what was issued: one rule per cause (``pipelines.causes``)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from contracts_io.contract import parse_document
from contracts_io.frames import TABLES
from contracts_io.lifecycle import ApprovedVersion
from pipelines.causes import (
    EVIDENCE,
    LATE,
    OTHERWISE,
    REDELIVERED,
    RESTATED,
    REVERSED,
    Causes,
    Sides,
    action_evidence,
    adjustment_changes,
    amendment_evidence,
    changed_days,
    conversion_changes,
    media_evidence,
    only_one_knows,
    rate_changes,
    rate_evidence,
    touch_changes,
)

OCT_1, OCT_31 = date(2026, 10, 1), date(2026, 10, 31)
OCT_28, NOV_5 = date(2026, 10, 28), date(2026, 11, 5)
NOON = datetime(2026, 10, 28, 12, tzinfo=UTC)
APPROVED = datetime(2026, 9, 1, tzinfo=UTC)


def frame(table: str, *rows: dict[str, Any], daily: bool = False) -> pl.LazyFrame:
    """Rows of a warehouse table, null where nothing is given."""
    schema = {**({"delivery_day": pl.Date()} if daily else {}), **TABLES[table].polars_schema}
    return pl.DataFrame([pl.Series(name, [row.get(name) for row in rows], dtype) for name, dtype in schema.items()]).lazy()


def sides(table: str, before: list[dict[str, Any]], after: list[dict[str, Any]], *, daily: bool = False) -> Sides:
    return Sides(frame(table, *before, daily=daily), frame(table, *after, daily=daily))


def line(kind: str = "media", term: str | None = "t1", contract: str = "acme-1", **other: Any) -> dict[str, Any]:
    values = {"contract_id": contract, "kind": kind, "term_id": term, "rate": Decimal(1), "advertiser_contract_id": None}
    return {**values, **other}


def cause(evidence: pl.DataFrame, **other: Any) -> str:
    """The cause of one line of a closed month."""
    lines = pl.DataFrame([line(**other)], infer_schema_length=None)
    return str(Causes(evidence, is_late=True).named(lines)["cause"].item())


def found(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=EVIDENCE, orient="row")


def count(day: date, line_item: str, impressions: int, at: datetime = NOON) -> dict[str, Any]:
    return {
        "delivery_day": day,
        "line_item_id": line_item,
        "partner_id": "pub",
        "quarter_hour": at,
        "impressions": impressions,
    }


def judged(day: date, line_item: str, term: str | None, on: date = OCT_28) -> dict[str, Any]:
    where = {"delivery_day": day, "line_item_id": line_item, "partner_id": "pub"}
    return {**where, "month_date": on, "side": "advertiser", "contract_id": term and "acme-1", "term_id": term}


def unit(conversion: str, term: str = "sales", value: str = "10", **other: Any) -> dict[str, Any]:
    values = {"side": "advertiser", "contract_id": "acme-1", "term_id": term, "conversion_id": conversion}
    return {**values, "value": Decimal(value), **other}


def test_a_day_that_was_not_in_is_late_and_one_delivered_with_other_rows_is_a_re_delivery() -> None:
    before = {"2026-10-27": ("files-a", "rows-a"), "2026-10-28": ("files-b", "rows-b"), "2026-10-29": ("files-c", "rows-c")}
    after = before | {"2026-10-28": ("files-d", "rows-d"), "2026-11-05": ("files-e", "rows-e")}
    assert changed_days(before, after) == {"2026-10-28": REDELIVERED, "2026-11-05": LATE}


def test_a_day_that_lost_a_row_to_another_one_or_was_packed_anew_has_not_changed_itself() -> None:
    before = {"2026-10-28": ("files", "rows"), "2026-10-29": ("files", "rows")}
    after = {"2026-10-28": ("files", "fewer rows"), "2026-10-29": ("other files", "rows")}
    assert changed_days(before, after) == {}


def test_late_impressions_are_the_cause_on_the_terms_that_they_are_billed_under() -> None:
    counts = sides("delivery_counts", [], [count(NOV_5, "li-1", 3), count(NOV_5, "li-2", 4)], daily=True)
    placed = [judged(NOV_5, "li-1", "t1"), judged(NOV_5, "li-2", "t2", NOV_5), judged(NOV_5, "li-3", None)]
    evidence = media_evidence(
        counts, sides("judged_impressions", [], placed, daily=True), {"2026-11-05": LATE}, OCT_1, OCT_31
    )
    assert cause(evidence) == "late event"
    assert set(evidence["term_id"]) == {"t1"}  # t2 has November's


def test_a_re_delivered_day_is_the_cause_only_for_line_items_whose_counts_differ() -> None:
    before, after = (
        [count(OCT_28, "li-1", 3), count(OCT_28, "li-2", 4)],
        [count(OCT_28, "li-1", 3), count(OCT_28, "li-2", 9)],
    )
    placed = [judged(OCT_28, "li-1", "t1"), judged(OCT_28, "li-2", "t2")]
    evidence = media_evidence(
        sides("delivery_counts", before, after, daily=True),
        sides("judged_impressions", placed, placed, daily=True),
        {"2026-10-28": REDELIVERED},
        OCT_1,
        OCT_31,
    )
    assert evidence["term_id"].to_list() == ["t2"]
    assert cause(evidence, term="t2") == "re-delivery of 2026-10-28"


def test_what_came_late_for_an_earlier_month_is_the_cause_only_where_nothing_else_is() -> None:
    """It counts towards the cap and the budget of the flight."""
    counts = sides("delivery_counts", [], [count(NOV_5, "li-1", 3)], daily=True)
    placed = sides("judged_impressions", [], [judged(NOV_5, "li-1", "t1", date(2026, 9, 30))], daily=True)
    evidence = media_evidence(counts, placed, {"2026-11-05": LATE}, OCT_1, OCT_31)
    assert cause(evidence) == "late event"
    both = pl.concat([evidence, found(("acme-1", None, "agreement", "amendment", None, 2))])
    assert cause(both) == "amendment to version 2"


def test_a_reversal_and_a_restatement_are_the_cause_on_the_terms_of_their_conversions() -> None:
    day = {"delivery_day": NOV_5}
    old = {**day, "adjustment_id": "a0", "conversion_id": "c0", "action": "reverse", "adjusted_at": NOON}
    new = [
        {**day, "adjustment_id": "a1", "conversion_id": "c1", "action": "reverse", "adjusted_at": NOON},
        {**day, "adjustment_id": "a2", "conversion_id": "c2", "action": "restate", "adjusted_at": NOON},
    ]
    changes = adjustment_changes(sides("conversion_adjustments", [old], [old, *new], daily=True))
    assert sorted(changes.select("conversion_id", "kind").iter_rows()) == [("c1", REVERSED), ("c2", RESTATED)]
    units = sides("action_units", [unit("c1"), unit("c2", "signups"), unit("c0", "other")], [unit("c2", "signups")])
    evidence = action_evidence(units, [changes])
    assert cause(evidence, kind="action", term="sales") == "reversal"
    assert cause(evidence, kind="action", term="signups") == "restatement"
    assert "other" not in set(evidence["term_id"])


def test_an_adjustment_that_is_gone_is_the_re_delivery_of_its_day() -> None:
    old = {"delivery_day": OCT_28, "adjustment_id": "a0", "conversion_id": "c0", "action": "reverse", "adjusted_at": NOON}
    changes = adjustment_changes(sides("conversion_adjustments", [old], [], daily=True))
    assert changes.rows() == [("c0", REDELIVERED, "2026-10-28")]


def test_late_and_re_delivered_conversions_are_the_cause_on_their_terms() -> None:
    def conversion(name: str, day: date, value: str) -> dict[str, Any]:
        return {"delivery_day": day, "row": 1, "conversion_id": name, "event_time": NOON, "order_value": Decimal(value)}

    before = [conversion("c1", OCT_28, "10"), conversion("same", OCT_28, "5")]
    after = [conversion("c1", OCT_28, "12"), conversion("same", OCT_28, "5") | {"row": 2}, conversion("c2", NOV_5, "7")]
    days = {"2026-10-28": REDELIVERED, "2026-11-05": LATE}
    changes = conversion_changes(sides("conversions", before, after, daily=True), days)
    assert sorted(changes.rows()) == [("c1", REDELIVERED, "2026-10-28"), ("c2", LATE, "2026-11-05")]
    units = sides("action_units", [unit("c1")], [unit("c1"), unit("c2")])
    assert cause(action_evidence(units, [changes]), kind="action", term="sales") == "late event; re-delivery of 2026-10-28"


def test_a_late_touch_is_the_cause_where_it_was_given_credit() -> None:
    late = {"delivery_day": NOV_5, "household_id": "h", "touch_kind": "click", "touch_id": "k1", "touch_time": NOON}
    credits = sides(
        "attribution_credits",
        [{"conversion_id": "c1", "touch_kind": "view", "touch_id": "v1"}],
        [{"conversion_id": "c1", "touch_kind": "click", "touch_id": "k1"}],
    )
    unused = late | {"touch_id": "k2"}
    changes = touch_changes(sides("touches", [], [late, unused], daily=True), credits, {"2026-11-05": LATE})
    assert changes.rows() == [("c1", LATE, "2026-11-05")]


def test_a_corrected_rate_is_the_cause_where_a_value_came_to_something_else_and_nothing_else_happened() -> None:
    units = sides("action_units", [unit("c1", value="10"), unit("c2")], [unit("c1", value="11"), unit("c2", value="20")])
    no_rate = {"conversion_id": "c3", "status": "no_fx_rate"}
    changes = rate_changes(units, sides("attributions", [no_rate], []))
    assert sorted(changes["conversion_id"]) == ["c1", "c2", "c3"]
    restated = pl.DataFrame({"conversion_id": ["c2"], "kind": [RESTATED], "day": [None]}, schema=changes.schema)
    evidence = action_evidence(units, [changes, restated])
    assert cause(evidence, kind="action", term="sales") == "restatement; exchange rate"
    evidence = action_evidence(Sides(*(side.filter(pl.col("conversion_id") == "c2") for side in units)), [changes, restated])
    assert cause(evidence, kind="action", term="sales") == "restatement"


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"kind": "media", "rate": None}, "exchange rate"),  # cleared prices
        ({"kind": "revenue_share"}, "exchange rate"),
        ({"kind": "media", "rate": Decimal(5)}, "late event"),  # a fixed price is not converted
    ],
)
def test_a_corrected_rate_is_the_cause_of_lines_that_convert_money(other: dict[str, Any], named: str) -> None:
    rate = {"date": OCT_28, "base": "EUR", "quote": "USD", "rate": Decimal("1.1")}
    currencies = pl.DataFrame({"contract_id": ["acme-1", "yen-1"], "currency": ["USD", "JPY"]})
    evidence = rate_evidence(sides("fx_rates", [rate], [rate | {"rate": Decimal("1.2")}]), currencies, OCT_1, OCT_31)
    assert evidence["contract_id"].to_list() == ["acme-1"]
    if named == "late event":
        evidence = pl.concat([evidence, found(("acme-1", "t1", "media", LATE, "2026-11-05", None))])
    assert cause(evidence, **other) == named


def test_rates_of_other_days_are_no_cause() -> None:
    rate = {"date": NOV_5, "base": "EUR", "quote": "USD", "rate": Decimal("1.1")}
    currencies = pl.DataFrame({"contract_id": ["acme-1"], "currency": ["USD"]})
    assert rate_evidence(sides("fx_rates", [], [rate]), currencies, OCT_1, OCT_31).is_empty()


def approved(version: int, effective_from: str) -> ApprovedVersion:
    text = f"""
contract_id: acme-1
side: advertiser
party: {{id: acme, name: Acme, country: US}}
currency: USD
timezone: UTC
starts_on: 2026-09-01
ends_on: null
effective_from: {effective_from}
terms: [{{term_id: t1, line_items: [li-1], pricing: {{model: cpm, rate: "1.00"}}}}]
"""
    return ApprovedVersion(parse_document(text, name="acme"), version, APPROVED + timedelta(days=version))


def test_an_amendment_is_the_cause_in_the_months_in_which_it_is_in_force() -> None:
    before, after = [approved(1, "2026-09-01")], [approved(1, "2026-09-01"), approved(2, "2026-10-15")]
    evidence = amendment_evidence({"acme-1": before}, {"acme-1": after}, OCT_1, OCT_31)
    assert cause(evidence) == "amendment to version 2"
    assert cause(evidence, kind="agency_commission", term=None) == "amendment to version 2"
    assert amendment_evidence({"acme-1": before}, {"acme-1": after}, date(2026, 9, 1), date(2026, 9, 30)).is_empty()


def test_of_versions_that_one_side_alone_knows_those_in_force_in_the_month_are_named() -> None:
    new, later = approved(1, "2026-09-01"), approved(2, "2026-12-15")
    assert cause(amendment_evidence({}, {"acme-1": [new, later]}, OCT_1, OCT_31)) == "approval of version 1"
    assert only_one_knows([], [new, later], OCT_1, OCT_31) == [1]
    assert only_one_knows([new], [new, later], OCT_1, OCT_31) == [2]  # of none in force, what there is
    assert only_one_knows([new], [new, approved(2, "2026-10-15")], OCT_1, OCT_31) == [2]


def test_an_amendment_of_the_advertiser_is_a_cause_of_what_partners_get_of_it() -> None:
    evidence = found(
        ("acme-1", None, "agreement", "amendment", None, 2),
        ("acme-1", "t1", "media", LATE, "2026-11-05", None),
        ("pub-1", "share", "media", LATE, "2026-11-05", None),
    )
    named = cause(evidence, contract="pub-1", kind="revenue_share", term="share", advertiser_contract_id="acme-1")
    assert named == "late event; amendment to version 2"
    # A step of the advertiser's that others' impressions reached: nothing of the partner's own changed.
    named = cause(
        evidence.filter(pl.col("basis") == "media", pl.col("contract_id") == "acme-1"),
        contract="pub-1",
        kind="revenue_share",
        term="share",
        advertiser_contract_id="acme-1",
    )
    assert named == "late event"


def test_a_line_of_the_whole_contract_has_the_causes_of_all_its_terms() -> None:
    evidence = found(
        ("acme-1", "t1", "media", REDELIVERED, "2026-10-28", None),
        ("acme-1", "sales", "actions", REVERSED, None, None),
        ("other-1", "t1", "media", LATE, "2026-11-05", None),
    )
    assert cause(evidence, kind="minimum", term=None) == "re-delivery of 2026-10-28; reversal"


def test_where_no_evidence_is_on_the_term_the_nearest_is_named_and_at_last_the_settings() -> None:
    evidence = found(("acme-1", "t2", "media", LATE, "2026-11-05", None))
    assert cause(evidence, term="t1") == "late event"  # of the contract
    assert cause(evidence, contract="other-1") == "late event"  # of the month
    assert cause(found()) == OTHERWISE
    lines = pl.DataFrame([line()])
    known = Causes(found(), {"acme-1": [3]}, is_late=True)  # in force in no day of the month, and nothing else changed
    assert known.named(lines)["cause"].item() == "amendment to version 3"


def test_the_days_of_an_open_month_are_named_and_many_are_counted() -> None:
    rows = [("acme-1", "t1", "media", LATE, f"2026-10-{day}", None) for day in (28, 29)]
    lines = pl.DataFrame([line()])
    assert Causes(found(*rows), is_late=False).named(lines)["cause"].item() == "delivery of 2026-10-28 and 2026-10-29"
    rows.append(("acme-1", "t1", "media", LATE, "2026-10-30", None))
    assert Causes(found(*rows), is_late=False).named(lines)["cause"].item() == "delivery of 2026-10-28 and 2 more days"
