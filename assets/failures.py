"""What a run over several delivery days says of those that failed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from itertools import islice

from contracts_io.errors import AdledgerError, FeedError

DAYS_SHOWN = 10
"""How many of the days that failed a message has with their errors."""


class DaysFailedError(FeedError):
    """Some of ``of`` delivery days failed, the others are in; ``errors`` has the error of each that did."""

    def __init__(self, errors: Mapping[date, AdledgerError], of: int) -> None:
        self.errors = dict(errors)
        others = ", the others are in" if len(errors) < of else ""
        more = len(errors) - DAYS_SHOWN
        super().__init__(
            f"{len(errors)} of {of} delivery days failed{others}:"
            + "".join(f"\n  - {day}: {error}" for day, error in islice(errors.items(), DAYS_SHOWN))
            + (f"\n  and {more} more" if more > 0 else ""),
            remedy="put them right, then run the same command again",
        )
