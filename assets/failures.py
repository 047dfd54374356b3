"""What a run over several delivery days says of those that failed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from contracts_io.errors import AdledgerError, FeedError


class DaysFailedError(FeedError):
    """Some of ``of`` delivery days failed, the others are in; ``errors`` has the error of each that did."""

    def __init__(self, errors: Mapping[date, AdledgerError], of: int) -> None:
        self.errors = dict(errors)
        super().__init__(
            f"{len(errors)} of {of} delivery days failed, the others are in:"
            + "".join(f"\n  - {day}: {error}" for day, error in errors.items()),
            remedy="put them right, then run the same command again",
        )
