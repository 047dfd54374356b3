"""Laws of looking at impressions one by one: each by itself is judged as it was among all others."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import polars as pl
from billing_samples import NOON, advertiser, cpm, flat, frames, partner, rows_of, term
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_io.frames import TABLES
from contracts_io.money import NANOS_TYPE
from pipelines.delivery import delivery_counts
from pipelines.media import judge_delivery

ID = "impression_id"
MULTIPLIERS = {
    "device_type": {"ctv": "1.2"},
    "country": {"US": "1.1"},
    "daypart": [{"days": ["mon"], "from": 18, "to": 23, "factor": "1.5"}],
}
TERMS = frames(
    advertiser(
        term("brand", cpm("10", multipliers=MULTIPLIERS, billable_on="viewable"), "li-1"),
        term("sale", flat(), "li-2"),
        timezone="America/New_York",
    ),
    partner(term("all", cpm("4")), timezone="Asia/Kathmandu"),
)
IMPRESSION = st.fixed_dictionaries(
    {
        "event_time": st.integers(-48 * 60, 48 * 60).map(lambda minutes: NOON + timedelta(minutes=minutes)),
        "line_item_id": st.sampled_from(["li-1", "li-2", "li-9"]),
        "partner_id": st.sampled_from(["pub-1", "pub-2"]),
        "device_type": st.sampled_from(["ctv", "mobile", None]),
        "country": st.sampled_from(["US", "DE", None]),
        "viewable": st.booleans(),
        "invalid_reason": st.sampled_from([None, None, "bot"]),
    }
)


@settings(deadline=None, max_examples=40)
@given(st.lists(IMPRESSION, min_size=1, max_size=30))
def test_impressions_judged_one_by_one_add_up_to_those_judged_together(rows: list[dict[str, Any]]) -> None:
    served = rows_of("impressions", [row | {ID: f"i{n}"} for n, row in enumerate(rows)]).lazy()
    together = judge_delivery(delivery_counts(served), TERMS)
    alone = judge_delivery(delivery_counts(served, [ID]), TERMS, [ID])
    assert sorted(alone[ID]) == sorted(f"i{n}" for n in range(len(rows)) for _ in ("advertiser", "partner"))
    assert set(alone["impressions"]) == {1}
    columns = TABLES["judged_impressions"].columns
    added = alone.group_by(columns[:-2]).agg(pl.col("impressions").sum(), pl.col("cost").sum().cast(NANOS_TYPE))
    assert added.select(columns).sort(columns[:-2]).equals(together)
