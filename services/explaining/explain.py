"""Where an amount comes from: a document's number, a conversion or an impression, explained from what was stored.

What is asked for is found out in that order; an id that is both a conversion and an impression is explained as both. Nothing
is computed by another way than it was billed by, and nothing is brought up to date.
"""

from __future__ import annotations

from datetime import date

from contracts_io.calendar import Month
from contracts_io.errors import BooksError, UsageError
from contracts_io.home import Home
from services.explaining.conversion import explain_conversion
from services.explaining.document import explain_document, is_number
from services.explaining.explained import Explained
from services.explaining.impression import explain_impression


def explain(
    home: Home,
    what: str,
    *,
    month: Month | None = None,
    line: int | None = None,
    events: bool = False,
    day: date | None = None,
) -> list[Explained]:
    """What ``what`` is and how it came about, in one or more parts.

    ``month`` is needed of a draft, ``line`` narrows a document to a line, ``events`` adds the ids behind its lines.
    ``day`` is the delivery day in which an event is looked for; None: in all. BooksError where nothing has this number or
    id, UsageError where an option does not go with what was asked.
    """
    if is_number(what):
        if day is not None:
            remedy = "leave it out: a document is found by its number"
            raise UsageError("--day is for conversions and impressions", where=what, remedy=remedy)
        return [explain_document(home, what, month, line, events=events)]
    if line is not None or month is not None or events:
        raise UsageError(
            "--line, --month and --events are for documents",
            where=what,
            remedy="leave them out for an event, or name a document: INV-, PAY-, CN-, DN- or DRAFT-<contract_id>",
        )
    if day is not None and day not in home.days_run():
        raise BooksError(
            f"the delivery of {day} is not in",
            where=what,
            remedy="leave out --day to search all days that are in; `adledger status` says which these are",
        )
    found: list[Explained] = [*explain_conversion(home, what, day), *explain_impression(home, what, day)]
    if not found and day is not None:
        raise BooksError(
            f"no conversion or impression of the delivery of {day} has this id",
            where=what,
            remedy="leave out --day to search all days: the delivery day may be another than that of the event's time",
        )
    if not found:
        raise BooksError(
            "there is no document, conversion or impression with this number or id",
            where=what,
            remedy="check it for typing errors; an event is known once its delivery day is in (`adledger status`)",
        )
    return found


def untied(found: list[Explained]) -> BooksError | None:
    """What to say where an explanation does not come to what is stored; None where all of it ties."""
    problems = [problem for part in found for problem in part.problems]
    if not problems:
        return None
    return BooksError(
        "this does not tie:" + "".join(f"\n  - {problem}" for problem in problems),
        remedy="run `adledger audit verify`, and report it: an explanation always comes to the amount, to the last digit",
    )
