"""The sample month: the same bytes every time, and everything in it that real deliveries have."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from contracts_io.calendar import Month
from services.sample import SampleSummary, write_sample

OCTOBER = Month(2026, 10)
DAYS = [str(date(2026, 9, 29) + timedelta(days=n)) for n in range(35)]
FEEDS = ("impressions", "clicks", "conversions", "conversion_adjustments")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def summary(home: Path) -> SampleSummary:
    return write_sample(home, OCTOBER)


@pytest.fixture(scope="module")
def landing(home: Path, summary: SampleSummary) -> Path:
    assert summary.contracts == 11
    return home / "landing"


@pytest.fixture(scope="module")
def impressions(landing: Path) -> pl.DataFrame:
    """The impressions of the Parquet days, in which every row can be used, with the delivery day."""
    files = sorted(landing.glob("impressions/*/*.parquet"))
    return pl.concat([pl.read_parquet(f).with_columns(delivery_day=pl.lit(f.parent.name).str.to_date()) for f in files])


@pytest.fixture(scope="module")
def conversions(landing: Path) -> list[dict[str, Any]]:
    """The conversions whose line can be read, with the delivery day."""
    return list(_readable_conversions(landing))


def _readable_conversions(landing: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(landing.glob("conversions/*/*.ndjson")):
        for line in file.read_text().splitlines():
            if line.endswith("}"):
                yield {**json.loads(line), "delivery_day": file.parent.name}


def _csv_rows(file: Path) -> list[list[str]]:
    data = file.read_bytes()
    text = gzip.decompress(data).decode() if file.suffix == ".gz" else data.decode()
    return list(csv.reader(text.splitlines()))


def _rows_in(file: Path) -> int:
    if file.suffix == ".parquet":
        return len(pl.read_parquet(file))
    if file.suffix == ".ndjson":
        return len(file.read_text().splitlines())
    return len(_csv_rows(file)) - 1


def _hashes(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_the_same_month_gives_the_same_bytes(home: Path, summary: SampleSummary, tmp_path: Path) -> None:
    assert write_sample(tmp_path, OCTOBER) == summary
    assert _hashes(tmp_path) == _hashes(home)


def test_another_month_has_other_events(tmp_path: Path, impressions: pl.DataFrame) -> None:
    short = write_sample(tmp_path, Month(2027, 2))
    assert (short.first, short.last) == (date(2027, 1, 30), date(2027, 3, 2))
    file = tmp_path / "landing" / "impressions" / "2027-02-08" / "part-0.parquet"
    assert len(pl.read_parquet(file)) > 3_000
    assert not set(pl.read_parquet(file)["impression_id"]) & set(impressions["impression_id"])


@pytest.mark.parametrize("month", [Month(2028, 2), Month(2026, 12), OCTOBER], ids=str)
def test_a_month_of_any_length_holds_more_than_200_000_impressions(month: Month, tmp_path: Path) -> None:
    write_sample(tmp_path, month)
    within = [
        _rows_in(file)
        for file in tmp_path.glob("landing/impressions/*/part-*")
        if Month.of(date.fromisoformat(file.parent.name)) == month
    ]
    assert sum(within) >= 200_000


def test_the_summary_counts_every_row_in_the_files(landing: Path, summary: SampleSummary) -> None:
    counted = {feed: sum(_rows_in(f) for f in (landing / feed).glob("*/*") if f.name != "manifest.json") for feed in FEEDS}
    assert counted == {feed: getattr(summary, feed) for feed in FEEDS}


def test_every_day_from_two_before_the_month_to_two_after_is_delivered(landing: Path, summary: SampleSummary) -> None:
    assert (str(summary.first), str(summary.last)) == (DAYS[0], DAYS[-1])
    for feed in ("impressions", "clicks", "conversions"):
        assert sorted(folder.name for folder in (landing / feed).iterdir()) == DAYS


def test_files_come_in_every_kind(landing: Path) -> None:
    kinds = {(f.relative_to(landing).parts[0], "".join(f.suffixes)) for f in landing.rglob("*") if f.is_file()}
    assert kinds == {
        ("impressions", ".parquet"),
        ("impressions", ".csv.gz"),
        ("clicks", ".csv"),
        ("conversions", ".ndjson"),
        ("conversion_adjustments", ".csv"),
        ("fx_rates", ".csv"),
        *((feed, ".json") for feed in FEEDS),
    }


def test_a_manifest_tells_rows_and_hash_of_every_file_of_its_day(landing: Path) -> None:
    manifests = sorted(landing.rglob("manifest.json"))
    assert {m.parent.name for m in manifests} == {"2026-10-05", "2026-10-12", "2026-10-19", "2026-10-26", "2026-11-02"}
    for manifest in manifests:
        listed = json.loads(manifest.read_text())["files"]
        files = [file for file in sorted(manifest.parent.iterdir()) if file != manifest]
        assert sorted(listed, key=lambda entry: str(entry["name"])) == [
            {"name": f.name, "rows": _rows_in(f), "sha256": hashlib.sha256(f.read_bytes()).hexdigest()} for f in files
        ]


def test_contracts_parse(home: Path, summary: SampleSummary) -> None:
    contract = pytest.importorskip("contracts_io.contract")
    files = sorted((home / "contracts").glob("*.yaml"))
    assert len(files) == summary.contracts
    parsed = [contract.parse_document(file.read_text(), name=file.name) for file in files]
    assert sorted(p.contract_id for p in parsed) == [file.stem for file in files]
    assert Counter(p.side for p in parsed) == {"advertiser": 5, "partner": 6}
    assert {p.starts_on for p in parsed} == {date(2026, 10, 1)}


def test_impressions_have_the_mix_of_a_tv_campaign(impressions: pl.DataFrame) -> None:
    def share(condition: pl.Expr) -> float:
        return float(impressions.select(condition.mean()).item())

    evening = pl.col("event_time").dt.convert_time_zone("America/New_York").dt.hour().is_between(18, 23)
    assert 0.65 < share(pl.col("device_type") == "ctv") < 0.85
    assert 0.7 < share(pl.col("country") == "US") < 0.9
    assert 0.015 < share(pl.col("invalid_reason").is_not_null()) < 0.025
    assert 0.007 < share(pl.col("event_time").dt.date() < pl.col("delivery_day")) < 0.015
    assert share(evening) > 0.4
    assert set(impressions["country"].drop_nulls()) == {"US", "CA", "DE"}
    assert {"HS-0001", "XX-7777"} <= set(impressions["line_item_id"])


def test_impressions_arrive_late_across_the_end_of_the_month(landing: Path) -> None:
    late = 0
    for file in landing.glob("impressions/2026-11-0*/part-*"):
        times = pl.read_parquet(file)["event_time"].dt.strftime("%F") if file.suffix == ".parquet" else None
        late += sum(t < "2026-11-01" for t in (times if times is not None else [row[1] for row in _csv_rows(file)[1:]]))
    assert late > 50


def test_a_cost_keeps_six_places(impressions: pl.DataFrame) -> None:
    assert impressions.schema["cost"] == pl.Decimal(18, 6)
    assert impressions["cost"].is_null().any()
    assert 0.006 <= float(impressions["cost"].min()) <= float(impressions["cost"].max()) < 0.03  # type: ignore[arg-type]


def test_some_impressions_come_twice_and_a_few_with_other_content(impressions: pl.DataFrame) -> None:
    twice = impressions.group_by("impression_id").agg(
        copies=pl.len(), contents=pl.struct(pl.exclude("delivery_day")).n_unique(), days=pl.col("delivery_day").n_unique()
    )
    twice = twice.filter(pl.col("copies") > 1)
    assert 0.002 < len(twice) / len(impressions) < 0.008
    assert twice.filter(pl.col("contents") > 1).height > 20
    assert twice.filter(pl.col("days") > 1).height > 50
    assert twice.filter(pl.col("days") == 1).height > 50


def test_every_kind_of_dirt_is_there(landing: Path) -> None:
    """As a reader would name it, over the text files of impressions, clicks and conversions."""
    reasons: Counter[str] = Counter()
    for file in [*landing.glob("impressions/*/*.gz"), *landing.glob("clicks/*/*.csv")]:
        header, *rows = _csv_rows(file)
        feed = file.relative_to(landing).parts[0]
        for row in rows:
            reasons[f"{feed} {_reason(header, row)}"] += 1
    for file in landing.glob("conversions/*/*.ndjson"):
        for line in file.read_text().splitlines():
            row = json.loads(line) if line.endswith("}") else {}
            reasons[f"conversions {_reason(list(row), [str(v or '') for v in row.values()])}"] += 1
    dirt = {reason: count for reason, count in reasons.items() if not reason.endswith(" fine")}
    kinds = ("missing id", "bad time", "too early", "too few", "too many", "bad country", "negative cost")
    assert set(dirt) == {
        *(f"impressions {kind}" for kind in kinds),
        *(f"clicks {kind}" for kind in ("missing id", "bad time", "too few", "too many")),
        *(f"conversions {kind}" for kind in ("missing id", "bad time", "too few", "bad country", "bad currency")),
        "conversions negative order_value",
    }
    assert 0.002 < sum(dirt.values()) / sum(_rows_in(f) for f in landing.glob("impressions/*/part-*")) < 0.005


def _reason(header: list[str], row: list[str]) -> str:
    if len(row) != len(header) or not row:
        return "too many" if len(row) > len(header) else "too few"
    cells = dict(zip(header, row, strict=True))
    if not row[0]:
        return "missing id"
    if not cells["event_time"].startswith("2026-"):
        return "too early" if cells["event_time"].startswith("1970-") else "bad time"
    if cells.get("country", "") not in ("", "US", "CA", "DE"):
        return "bad country"
    if cells.get("currency", "") not in ("", "USD", "EUR"):
        return "bad currency"
    return next((f"negative {name}" for name in ("cost", "order_value") if cells.get(name, "").startswith("-")), "fine")


def test_conversions_have_everything_that_decides_a_status(conversions: list[dict[str, Any]]) -> None:
    orders = Counter((c["advertiser_id"], c["order_id"]) for c in conversions if c["order_id"])
    ids = {o: {c["conversion_id"] for c in conversions if (c["advertiser_id"], c["order_id"]) == o} for o in orders}
    assert {c["advertiser_id"] for c in conversions} == {"northlane", "velora", "harbor", "pixelkeep", "alpenblick"}
    assert {"purchase", "signup", "add_to_cart"} <= {c["event"] for c in conversions}
    assert sum(len(of_order) > 1 for of_order in ids.values()) >= 3
    assert len({c["conversion_id"] for c in conversions}) < len(conversions)
    assert sum(c["household_id"] is None for c in conversions) >= 5
    foreign = [c for c in conversions if c["currency"] and (c["currency"] == "EUR") != (c["advertiser_id"] == "alpenblick")]
    assert len(foreign) >= 5
    assert sum(c["event_time"][:10] < c["delivery_day"] for c in conversions) >= 5


def test_most_conversions_follow_a_touch_of_the_same_household(
    impressions: pl.DataFrame, conversions: list[dict[str, Any]]
) -> None:
    seen = set(impressions["household_id"].drop_nulls())
    known = [c for c in conversions if c["household_id"]]
    assert sum(c["household_id"] in seen for c in known) > 0.6 * len(known)


def test_adjustments_are_of_known_orders_and_some_arrive_after_the_month(
    landing: Path, conversions: list[dict[str, Any]]
) -> None:
    orders = {c["conversion_id"] for c in conversions if c["order_id"]}
    days: Counter[str] = Counter()
    actions: Counter[str] = Counter()
    for file in landing.glob("conversion_adjustments/*/*.csv"):
        header, *rows = _csv_rows(file)
        assert header == "adjustment_id conversion_id adjusted_at action order_value reason".split()
        for _, conversion_id, adjusted_at, action, value, _ in rows:
            assert conversion_id in orders
            assert adjusted_at[:10] == file.parent.name
            assert bool(value) == (action == "restate")
            actions[action] += 1
            days[file.parent.name] += 1
    assert min(actions["reverse"], actions["restate"]) >= 5
    assert days["2026-11-01"] + days["2026-11-02"] >= 2


def test_there_is_a_rate_of_the_euro_for_every_day_an_event_can_have(landing: Path) -> None:
    header, *rows = _csv_rows(landing / "fx_rates" / "rates.csv")
    assert header == ["date", "base", "quote", "rate"]
    assert {(base, quote) for _, base, quote, _ in rows} == {("EUR", "USD")}
    assert {day for day, *_ in rows} >= {"2026-09-26", *DAYS}
    assert all(1 < float(rate) < 1.2 for *_, rate in rows)
