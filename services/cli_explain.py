"""Explaining an amount, on the command line."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from services.cli_options import DAY, MONTH, open_home, with_home, with_json

if TYPE_CHECKING:
    from contracts_io.calendar import Month


@click.command()
@click.argument("what")
@click.option("--line", type=click.IntRange(1), help="Only this line of the document.")
@click.option("--month", type=MONTH, help="The month of a draft.")
@click.option("--events", is_flag=True, help="Also the ids of the events behind each line.")
@click.option("--day", type=DAY, help="The delivery day of an event: only there is it looked for, which is faster.")
@with_home
@with_json
def explain(
    what: str,
    line: int | None,
    month: Month | None,
    events: bool,
    day: date | None,
    home: str | None,
    json_output: bool,
) -> None:
    """Show where an amount comes from, down to events.

    WHAT is a document's number (a draft is DRAFT-<contract_id>, with --month), or the id of a conversion or an impression.
    """
    from services import show  # noqa: PLC0415
    from services.explaining import explain as explaining  # noqa: PLC0415
    from services.explaining import printed  # noqa: PLC0415

    found = explaining.explain(open_home(home), what, month=month, line=line, events=events, day=day)
    if json_output:
        show.as_json(printed.as_data(found))
    else:
        printed.print_explained(found)
    if error := explaining.untied(found):
        raise error
