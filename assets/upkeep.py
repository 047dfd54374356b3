"""What is out of date, and bringing it up to date.

Every derived partition records the fingerprint of what it was made from. A run, whatever started it, takes in its day and
then brings every partition up to date whose inputs are no longer those it was made from: the day itself, the day before it
(whose grace touches came with it), a later day that lost a duplicate, a day whose contract was amended, what a process that
was killed left undone. So the tables depend on what was delivered and agreed, never on the order or number of runs.

What does not belong here: a rule about money (``pipelines``), and what a table is for (``contracts_io.frames``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import cached_property

import polars as pl

from assets import checks
from assets.at_once import Unwritten, written
from assets.attributing import ATTRIBUTED, CANDIDATES, AttributedFrom, as_attributed, attribute_days
from assets.judging import CLAIMS, JUDGED, JudgedFrom, as_judged, counted_and_judged, judge_days
from assets.known_contracts import KnownContracts, known_contracts
from assets.touched import Touched, rows_of
from contracts_io.calendar import ONE_DAY, Month, days_between, months_between
from contracts_io.home import Home
from contracts_io.terms import TermFrames
from contracts_io.warehouse import PartitionFile, Warehouse, fingerprint
from pipelines.actions import rate_actions
from pipelines.delivery import delivery_counts
from pipelines.documents import draft
from pipelines.rating import accruals_in_order, rate_media
from pipelines.touches import touches

RULES = 2
"""Part of every fingerprint: raised by a release in which the same inputs come to other rows, so that all is made again."""
EARLY_DAYS = 2
"""An event may lie up to 24 hours after the end of its delivery day: two days after its start (spec 3.3)."""

DRAFTS = ("draft_invoices", "draft_invoice_lines", "draft_payouts", "draft_payout_lines")
"""What a close issues."""
MONTH_TABLES = ("impression_outcomes", "accruals", "action_units", "flights", "missing_rates", *DRAFTS)
"""What rating a month writes, together."""


class Upkeep:
    """One look at a home: its contracts as known, its partitions as published.

    ``known_at`` None: everything that is approved is known. ``contracts`` and ``warehouse`` are the home's unless they are given.
    """

    def __init__(
        self,
        home: Home,
        known_at: datetime | None = None,
        *,
        contracts: KnownContracts | None = None,
        warehouse: Warehouse | None = None,
    ) -> None:
        self._home = home
        self._known_at = known_at
        self._contracts = contracts
        self.warehouse = warehouse or home.warehouse

    @cached_property
    def known(self) -> KnownContracts:
        """The contracts that this look goes by."""
        return self._contracts or known_contracts(self._home.contracts.approved(self._known_at))

    @property
    def terms(self) -> TermFrames:
        """The contracts in force, as frames."""
        return self.known.terms

    @cached_property
    def _rates(self) -> pl.DataFrame:
        return self.warehouse.read("fx_rates").collect()

    def _live(self, table: str) -> dict[str, PartitionFile]:
        return self.warehouse.catalogue.live(table)

    def _stale(self, inputs: Mapping[str, str], *tables: str) -> dict[str, str]:
        """Those of ``inputs``, fingerprint by partition, by which one of the tables was not made, or whose file is gone."""
        live = [self._live(table) for table in tables]

        def is_made(file: PartitionFile | None, made_from: str) -> bool:
            return file is not None and file.inputs == made_from and self.warehouse.has(file)

        return {
            partition: made_from
            for partition, made_from in inputs.items()
            if not all(is_made(files.get(partition), made_from) for files in live)
        }

    def _rows(self, partition: str, *tables: str) -> dict[str, int]:
        return {table: self.warehouse.rows(table, partition) for table in tables}

    def everything(self, through: Month) -> Iterator[Touched]:
        """Bring days, and months up to ``through``, up to date."""
        yield from self.delivery()
        yield from self.attributions()
        yield from self.judgements()
        yield from self.rate_through(through)

    # Delivery counts and touches: no contract is read

    def delivery(self) -> Iterator[Touched]:
        """Count and lay out every day whose impressions or clicks are not those its counts and touches were made from."""
        warehouse = self.warehouse
        for day, inputs in self._stale_delivery_inputs().items():
            served, clicked = warehouse.read_as_kept("impressions", day), warehouse.read_as_kept("clicks", day)
            files = [
                warehouse.write("delivery_counts", day, delivery_counts(served), inputs, is_coded=True),
                warehouse.write("touches", day, touches(served, clicked), inputs, is_coded=True),
            ]
            accounted = self._counts_add_up(day, files)
            checks.require([accounted], where=f"delivery day {day}")
            warehouse.publish(files)
            yield Touched(day, rows_of(files), [accounted])

    def delivery_of(self, day: str) -> Touched:
        """The counts and touches of a day as they are."""
        return Touched(day, self._rows(day, "delivery_counts", "touches"), [self._counts_add_up(day)])

    def _counts_add_up(self, day: str, unpublished: Sequence[PartitionFile] = ()) -> checks.Finding:
        counted = self.warehouse.read("delivery_counts", [day], unpublished).select("impressions").sum().collect().item()
        return checks.counts_add_up(int(counted), self.warehouse.rows("impressions", day))

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
        return list(self._stale_attributions())

    def attributions(self, through: str | None = None) -> Iterator[Touched]:
        """Attribute every day that ``stale_attributions`` names, up to day ``through`` where it is given."""
        stale = {day: of for day, of in self._stale_attributions().items() if through is None or day <= through}
        yield from attribute_days(self.warehouse, stale, self.terms, self._rates)

    def attributions_of(self, day: str) -> Touched:
        """The statuses and credits of a day as they are."""
        return as_attributed(self.warehouse, day)

    def _stale_attributions(self) -> dict[str, AttributedFrom]:
        conversions, states, laid_out = self._live("conversions"), self._live("conversion_states"), self._live("touches")
        households = self._live("household_conversions")
        made_from = {}
        for text in conversions:
            day = date.fromisoformat(text)
            first, last = self._event_days(day)
            repeats = self.known.attribution.longest_repeat(first, last) is not None
            looked_at = {d: laid_out[d].sha256 for d in self._touch_days(day) if d in laid_out and laid_out[d].rows}
            agreed = fingerprint(
                conversions[text].sha256,
                states[text].sha256,
                households[text].sha256 if repeats else "",
                self.known.attribution.fingerprint(first, last),
                self._rates_fingerprint(first, last),
            )
            touch_days = {late: [d for d in looked_at if (d > text) == late] for late in (False, True)}
            made_from[text] = AttributedFrom(
                fingerprint(RULES, agreed, *looked_at.values()),
                {late: fingerprint(RULES, *(looked_at[d] for d in of)) for late, of in touch_days.items()},
                touch_days,
                conversions[text].rows,
            )
        stale = self._stale({day: of.inputs for day, of in made_from.items()}, *ATTRIBUTED)
        kept = {day for day, file in self._live(CANDIDATES).items() if self.warehouse.has(file)}
        return {day: of for day, of in made_from.items() if day in stale or day not in kept}

    def _event_days(self, day: date) -> tuple[date, date]:
        """The first and the last local date, in any zone, of what was delivered on ``day``."""
        return day - timedelta(days=self._home.settings.horizon_days + 1), day + timedelta(days=EARLY_DAYS + 1)

    def _touch_days(self, day: date) -> list[str]:
        """The delivery days of touches that conversions delivered on ``day`` can look back at."""
        lookback = self.known.attribution.longest_lookback(*self._event_days(day))
        horizon = timedelta(days=self._home.settings.horizon_days)
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
        last = days[-1] + timedelta(days=EARLY_DAYS) + self.known.longest_validation
        drafted = (Month.parse(partition) for partition in self._live("draft_payouts"))
        months = {Month.of(first), Month.of(last), *drafted}
        return list(months_between(min(months), max(months)))  # each goes on from the one before it

    def stale_months(self) -> list[Month]:
        """The months whose drafts are missing or were made from something else than what is there now."""
        made_from = {str(month): self._month_inputs(month) for month in self.months()}
        return [Month.parse(month) for month in self._stale(made_from, *MONTH_TABLES)]

    # Judged impressions: what each side's contracts make of a day's counts

    def stale_judgements(self) -> list[str]:
        """The delivery days whose impressions were judged by other counts or contracts than are there now."""
        return list(self._stale_judgements())

    def judgements(self) -> Iterator[Touched]:
        """Judge the impressions of every day that ``stale_judgements`` names."""
        yield from judge_days(self.warehouse, self._stale_judgements(), self.terms)

    def judgements_of(self, day: str) -> Touched:
        """The judged impressions of a day as they are."""
        return as_judged(self.warehouse, day)

    def _stale_judgements(self) -> dict[str, JudgedFrom]:
        made_from = {}
        for day, counts in self._live("delivery_counts").items():
            first, last = self._event_days(date.fromisoformat(day))
            counted = fingerprint(RULES, counts.sha256, first, last)
            made_from[day] = JudgedFrom(counted, self.known.claims(first, last), first, last)
        stale = {
            *self._stale({day: of.inputs for day, of in made_from.items()}, JUDGED),
            *self._stale({day: of.counted for day, of in made_from.items()}, CLAIMS),
        }
        return {day: of for day, of in made_from.items() if day in stale}

    def is_stale(self, month: Month) -> bool:
        """Whether the drafts of ``month``, or anything that they are made from, are out of date."""
        behind = self.stale_delivery() or self.stale_attributions() or self.stale_judgements()
        return bool(behind) or month in self.stale_months()

    def rate_through(self, month: Month) -> Iterator[Touched]:
        """Rate and draft every month up to ``month`` that is out of date, in their order, and that month in any case."""
        for earlier in self.months():
            if earlier < month and self._stale({str(earlier): self._month_inputs(earlier)}, *MONTH_TABLES):
                yield self._rate(earlier)
        yield self._rate(month)

    def _rate(self, month: Month) -> Touched:
        inputs = self._month_inputs(month)
        found: list[checks.Finding] = []
        tables = (Unwritten(table, str(month), frame, inputs) for table, frame in self._rated(month, found))
        files = written(self.warehouse, tables)
        self.warehouse.publish(files)
        return Touched(str(month.first), rows_of(files), found)

    def _rated(self, month: Month, found: list[checks.Finding]) -> Iterator[tuple[str, pl.DataFrame]]:
        """The tables of the month, each as soon as it is there; then what checks ``found``, WarehouseError where one fails."""
        warehouse, known = self.warehouse, self.known
        before = warehouse.read("flights", [str(month.previous)]).collect()
        judged = warehouse.read_days("judged_impressions", self._count_days(month))
        conversion_days = self._conversion_days(month)
        attributed, credits = (warehouse.read(table, conversion_days) for table in ATTRIBUTED)
        with ThreadPoolExecutor(1) as aside:  # neither needs the other
            of_actions = aside.submit(rate_actions, attributed, credits, known.terms, self._rates, month)
            media = rate_media(judged, known.terms, self._rates, before, self._home.settings.cost_currency, month)
            actions = of_actions.result()
        yield "impression_outcomes", media.outcomes
        accruals = accruals_in_order([media.accruals, actions.accruals])
        yield "accruals", accruals
        yield "action_units", actions.units
        yield "missing_rates", pl.concat([media.missing_rates, actions.missing_rates]).unique().sort(pl.all())
        drafts = draft(
            accruals,
            known.terms,
            month,
            flights_before=before,
            flights=media.flights,
            minimums=self._is_served(month),
            known_at=known.known_for(month.last + ONE_DAY),
        )
        yield "flights", drafts.flights
        yield from zip(DRAFTS, (drafts.invoices, drafts.invoice_lines, drafts.payouts, drafts.payout_lines), strict=True)
        found += [
            checks.outcomes_add_up(*counted_and_judged(warehouse, self._count_days(month))),
            checks.lines_tie_to_accruals(accruals, drafts),
            checks.paid_on_charged_credit(actions.units, actions.charged),
        ]
        checks.require(found, where=f"month {month}")

    def _is_served(self, month: Month) -> bool:
        """Whether a minimum can be asked for: from the month of the first delivery on, not for what came late from before."""
        days = self._home.days_run()
        return bool(days) and month >= Month.of(days[0])

    def _month_inputs(self, month: Month) -> str:
        counts, credits = self._live("judged_impressions"), self._live("attribution_credits")
        judged, flights = self._live("attributions"), self._live("flights").get(str(month.previous))
        first, last = self._first_action(month), month.last + ONE_DAY
        days = self._conversion_days(month)
        return fingerprint(
            RULES,
            self._home.settings.cost_currency,
            self._is_served(month),
            self.known.known_for(month.last + ONE_DAY),
            *self.known.in_force(first, last),
            # A day without a row changes no month.
            *(counts[day].sha256 for day in self._count_days(month) if day in counts and counts[day].rows),
            *(judged[day].sha256 + credits[day].sha256 for day in days if day in credits and judged[day].rows),
            flights and flights.sha256,
            self._rates_fingerprint(first, last),
        )

    def _count_days(self, month: Month) -> list[str]:
        """The delivery days that can hold impressions of the month's local dates, in any zone."""
        late = timedelta(days=self._home.settings.horizon_days + 1)
        return [str(d) for d in days_between(month.first - timedelta(days=EARLY_DAYS + 1), month.last + ONE_DAY + late)]

    def _conversion_days(self, month: Month) -> list[str]:
        """The delivery days that can hold conversions billed in the month on either side, or counted before these."""
        late = timedelta(days=self._home.settings.horizon_days + 1)
        first = self._first_action(month) - timedelta(days=EARLY_DAYS + 1)
        return [str(d) for d in days_between(first, month.last + ONE_DAY + late)]

    def _first_action(self, month: Month) -> date:
        """The first local date of a conversion that can matter to the month.

        What a partner is paid for in the month, the advertiser may have been billed for in an earlier one, whose cap counts
        from that month's start.
        """
        spread = self.known.longest_validation + 2 * ONE_DAY
        return Month.of(month.first - spread).first - spread
