"""The one place where the parts meet; ``workspace.yaml`` and pyproject's ``[tool.dagster]`` point here."""

from __future__ import annotations

import dagster as dg

from assets.attribution import attribute, count_delivery, judge_impressions
from assets.automation import JOBS, every_morning, every_night, tell_of_failure
from assets.documents import issue, issue_notes
from assets.rating import rate
from assets.resources import HomeResource
from assets.sources import SOURCES
from assets.taking_in import intake

defs = dg.Definitions(
    assets=[*SOURCES, intake, count_delivery, attribute, judge_impressions, rate, issue, issue_notes],
    jobs=JOBS,
    schedules=[every_night, every_morning],
    sensors=[tell_of_failure],
    executor=dg.in_process_executor,
    resources={"home": HomeResource()},
)
