"""What is out of date, and bringing it up to date.

Every derived partition records the fingerprint of what it was made from. A run, whatever started it, takes in its day and
then brings every partition up to date whose inputs are no longer those it was made from: the day itself, the day before it
(whose grace touches came with it), a later day that lost a duplicate, a day whose contract was amended, what a process that
was killed left undone. So the tables depend on what was delivered and agreed, never on the order or number of runs.

What does not belong here: a rule about money (``pipelines``), and what a table is for (``contracts_io.frames``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property

import polars as pl

from assets import checks
from contracts_io.calendar import ONE_DAY, Month, days_between, months_between
from contracts_io.contract import InForce, content_hash
from contracts_io.home import Home
from contracts_io.lifecycle import stretches_of
from contracts_io.terms import AttributionTerms, TermFrames, terms_in_force
from contracts_io.warehouse import PartitionFile, fingerprint
from pipelines.actions import rate_actions
from pipelines.attribution import attribute
from pipelines.delivery import delivery_counts
from pipelines.documents import draft
from pipelines.media import judge_delivery, rate_media
from pipelines.touches import touches

RULES = 1
"""Part of every fingerprint: raised by a release in which the same inputs come to other rows, so that all is made again."""
EARLY_DAYS = 2
"""An event may lie up to 24 hours after the end of its delivery day: two days after its start (spec 3.3)."""


@dataclass(frozen=True)
class Touched:
    """A day or a month that was written: its rows per table, and what the checks found."""

    partition: str
    rows: dict[str, int] = field(default_factory=dict)
    findings: Sequence[checks.Finding] = ()


class Upkeep:
    """One look at a home: its contracts as approved, its partitions as published."""

    def __init__(self, home: Home) -> None:
        self._home = home

    @cached_property
    def terms(self) -> TermFrames:
        """The contracts in force, as frames."""
        return terms_in_force(self._stretches)

    @cached_property
    def _stretches(self) -> list[InForce]:
        return stretches_of(self._home.contracts.approved())

    @cached_property
    def _attribution_terms(self) -> AttributionTerms:
        return AttributionTerms(self._stretches)

    @cached_property
    def _rates(self) -> pl.DataFrame:
        return self._home.warehouse.read("fx_rates").collect()

    def _live(self, table: str) -> dict[str, PartitionFile]:
        return self._home.warehouse.catalogue.live(table)

    def _stale(self, inputs: Mapping[str, str], *tables: str) -> dict[str, str]:
        """Those of ``inputs``, fingerprint by partition, by which one of the tables was not made."""
        live = [self._live(table) for table in tables]
        return {
            partition: made_from
            for partition, made_from in inputs.items()
            if any(partition not in files or files[partition].inputs != made_from for files in live)
        }

    # Delivery counts and touches: no contract is read

    def delivery(self) -> Iterator[Touched]:
        """Count and lay out every day whose impressions or clicks are not those its counts and touches were made from."""
        warehouse = self._home.warehouse
        impressions = self._live("impressions")
        for day, inputs in self._stale_delivery_inputs().items():
            served, clicked = warehouse.read("impressions", [day]), warehouse.read("clicks", [day])
            counts = delivery_counts(served).collect(engine="streaming")
            accounted = checks.counts_add_up(int(counts["impressions"].sum()), impressions[day].rows)
            checks.require([accounted], where=f"delivery day {day}")
            files = [
                warehouse.write("delivery_counts", day, counts, inputs),
                warehouse.write("touches", day, touches(served, clicked), inputs),
            ]
            warehouse.publish(files)
            yield Touched(day, {file.table: file.rows for file in files})

    def stale_delivery(self) -> list[str]:
        """The delivery days whose counts or touches are missing or were made from other events than are there now."""
        return list(self._stale_delivery_inputs())

    def _stale_delivery_inputs(self) -> dict[str, str]:
        impressions, clicks = self._live("impressions"), self._live("clicks")
        made_from = {day: fingerprint(RULES, impressions[day].sha256, clicks[day].sha256) for day in impressions}
        return self._stale(made_from, "delivery_counts", "touches")

    # Attribution: a day's conversions against the touches that its contracts look back at

    def stale_attributions(self) -> list[str]:
        """The delivery days whose attribution is missing or was made from something else than what is there now."""
        return list(self._stale(self._attribution_inputs(), "attributions"))

    def attributions(self, through: str | None = None) -> Iterator[Touched]:
        """Attribute every day that ``stale_attributions`` names, up to day ``through`` where it is given."""
        warehouse = self._home.warehouse
        for text, inputs in self._stale(self._attribution_inputs(), "attributions").items():
            if through is not None and text > through:
                continue
            day = date.fromisoformat(text)
            attributed = attribute(
                warehouse.read("conversions", [text]),
                warehouse.read("conversion_states", [text]),
                warehouse.read("touches", self._touch_days(day)),
                self.terms,
                self._rates,
                day,
            )
            judged = [
                checks.one_status_each(attributed.attributions.height, warehouse.rows("conversions", text)),
                checks.credits_add_up(attributed.attributions, attributed.credits),
            ]
            checks.require(judged, where=f"delivery day {text}")
            files = [
                warehouse.write("attributions", text, attributed.attributions, inputs),
                warehouse.write("attribution_credits", text, attributed.credits, inputs),
            ]
            warehouse.publish(files)
            yield Touched(text, {file.table: file.rows for file in files})

    def _attribution_inputs(self) -> dict[str, str]:
        conversions, states, laid_out = self._live("conversions"), self._live("conversion_states"), self._live("touches")
        horizon = timedelta(days=self._home.settings.horizon_days)
        inputs = {}
        for text in conversions:
            day = date.fromisoformat(text)
            first, last = day - horizon - ONE_DAY, day + timedelta(days=EARLY_DAYS + 1)
            looked_at = [laid_out[d].sha256 for d in self._touch_days(day) if d in laid_out]
            inputs[text] = fingerprint(
                RULES,
                conversions[text].sha256,
                states[text].sha256,
                self._attribution_terms.fingerprint(first, last),
                self._rates_fingerprint(first, last),
                *looked_at,
            )
        return inputs

    def _touch_days(self, day: date) -> list[str]:
        """The delivery days of touches that conversions delivered on ``day`` can look back at."""
        horizon = timedelta(days=self._home.settings.horizon_days)
        lookback = self._attribution_terms.longest_lookback(day - horizon - ONE_DAY, day + timedelta(days=EARLY_DAYS + 1))
        first = day - horizon - timedelta(days=lookback.days + 1 + EARLY_DAYS)
        last = day + timedelta(days=self._home.settings.grace_days)
        return [str(d) for d in days_between(first, last)]

    def _rates_fingerprint(self, first: date, last: date) -> str:
        return fingerprint(*self._rates.filter(pl.col("date").is_between(first, last)).rows())

    # Months, rated and drafted

    def months(self) -> list[Month]:
        """Every month in which something that was delivered can be billed, or could be when it was drafted."""
        days = self._home.days_run()
        if not days:
            return []
        first = days[0] - timedelta(days=self._home.settings.horizon_days + 1)
        last = days[-1] + timedelta(days=EARLY_DAYS + self._longest_validation)
        drafted = (Month.parse(partition) for partition in self._live("draft_payouts"))
        return sorted({*months_between(Month.of(first), Month.of(last)), *drafted})

    @cached_property
    def _longest_validation(self) -> int:
        longest = self.terms.contracts["validation_days"].max()
        return int(longest) if isinstance(longest, int) else 0

    def stale_months(self) -> list[Month]:
        """The months whose drafts are missing or were made from something else than what is there now."""
        made_from = {str(month): self._month_inputs(month) for month in self.months()}
        return [Month.parse(month) for month in self._stale(made_from, "draft_payouts")]

    # Judged impressions: what each side's contracts make of a day's counts

    def stale_judgements(self) -> list[str]:
        """The delivery days whose impressions were judged by other counts or contracts than are there now."""
        return list(self._stale(self._judgement_inputs(), "judged_impressions"))

    def judgements(self) -> Iterator[Touched]:
        """Judge the impressions of every day that ``stale_judgements`` names."""
        warehouse = self._home.warehouse
        for day, inputs in self._stale(self._judgement_inputs(), "judged_impressions").items():
            judged = judge_delivery(warehouse.read("delivery_counts", [day]), self.terms)
            placed = {side: int(judged.filter(side=side)["impressions"].sum()) for side in ("advertiser", "partner")}
            checks.require([checks.outcomes_add_up(warehouse.rows("impressions", day), placed)], where=f"delivery day {day}")
            file = warehouse.write("judged_impressions", day, judged, inputs)
            warehouse.publish([file])
            yield Touched(day, {file.table: file.rows})

    def _judgement_inputs(self) -> dict[str, str]:
        late, early = timedelta(days=self._home.settings.horizon_days + 1), timedelta(days=EARLY_DAYS + 1)
        inputs = {}
        for text, counts in self._live("delivery_counts").items():
            day = date.fromisoformat(text)
            inputs[text] = fingerprint(RULES, counts.sha256, *self._in_force(day - late, day + early))
        return inputs

    def _counted_and_judged(self, days: Sequence[str]) -> tuple[int, dict[str, int]]:
        """The impressions counted on ``days``, and per side those judged."""
        total = pl.col("impressions").sum()
        counted = self._home.warehouse.read("delivery_counts", days).select(total).collect().item()
        judged = self._home.warehouse.read("judged_impressions", days).group_by("side").agg(total).collect()
        return int(counted), {"advertiser": 0, "partner": 0, **dict(judged.iter_rows())}

    def is_stale(self, month: Month) -> bool:
        """Whether the drafts of ``month``, or anything that they are made from, are out of date."""
        behind = self.stale_delivery() or self.stale_attributions() or self.stale_judgements()
        return bool(behind) or month in self.stale_months()

    def rate(self, month: Month) -> Touched:
        """Rate and draft one month."""
        warehouse = self._home.warehouse
        inputs = self._month_inputs(month)
        media = rate_media(warehouse.read_days("judged_impressions", self._count_days(month)), month)
        conversion_days = self._conversion_days(month)
        actions = rate_actions(
            warehouse.read("attributions", conversion_days),
            warehouse.read("attribution_credits", conversion_days),
            self.terms,
            self._rates,
            month,
        )
        keys = [name for name in media.accruals.columns if name not in ("units", "amount")]
        accruals = pl.concat([media.accruals, actions.accruals]).sort(keys)
        drafts = draft(accruals, self.terms, month)
        found = [
            checks.outcomes_add_up(*self._counted_and_judged(self._count_days(month))),
            checks.lines_tie_to_accruals(accruals, drafts),
        ]
        checks.require(found, where=f"month {month}")
        tables = {
            "impression_outcomes": media.outcomes,
            "accruals": accruals,
            "missing_rates": actions.missing_rates,
            "draft_invoices": drafts.invoices,
            "draft_invoice_lines": drafts.invoice_lines,
            "draft_payouts": drafts.payouts,
            "draft_payout_lines": drafts.payout_lines,
        }
        files = [warehouse.write(table, str(month), frame, inputs) for table, frame in tables.items()]
        warehouse.publish(files)
        return Touched(str(month), {file.table: file.rows for file in files}, found)

    def _in_force(self, first: date, last: date) -> list[tuple[object, ...]]:
        return [
            (s.contract.contract_id, s.version, s.first, s.last, digest)
            for s, digest in zip(self._stretches, self._content_hashes, strict=True)
            if s.first <= last and (s.last is None or s.last >= first)
        ]

    @cached_property
    def _content_hashes(self) -> list[str]:
        return [content_hash(s.contract) for s in self._stretches]

    def _month_inputs(self, month: Month) -> str:
        counts, credits = self._live("judged_impressions"), self._live("attribution_credits")
        judged = self._live("attributions")
        first, last = month.first - timedelta(days=self._longest_validation + 2), month.last + ONE_DAY
        days = self._conversion_days(month)
        return fingerprint(
            RULES,
            *self._in_force(first, last),
            *(counts[day].sha256 for day in self._count_days(month) if day in counts),
            *(judged[day].sha256 + credits[day].sha256 for day in days if day in credits),
            self._rates_fingerprint(first, last),
        )

    def _count_days(self, month: Month) -> list[str]:
        """The delivery days that can hold impressions of the month's local dates, in any zone."""
        late = timedelta(days=self._home.settings.horizon_days + 1)
        return [str(d) for d in days_between(month.first - timedelta(days=EARLY_DAYS + 1), month.last + ONE_DAY + late)]

    def _conversion_days(self, month: Month) -> list[str]:
        """The delivery days that can hold conversions billed in the month on either side."""
        late = timedelta(days=self._home.settings.horizon_days + 1)
        first = month.first - timedelta(days=self._longest_validation + EARLY_DAYS + 1)
        return [str(d) for d in days_between(first, month.last + ONE_DAY + late)]
