"""How results look: tables for people on the terminal, JSON for programs, progress on standard error.

Money is shown with its currency's places and thousands separators; a table never says more than the data behind it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from contracts_io.calendar import format_instant
from contracts_io.money import minor_digits
from services.orchestrator import Progress as ProgressCall

WIDE = 500


def console() -> Console:
    """Standard output, as wide as a table needs where it is not a terminal."""
    out = Console(highlight=False, soft_wrap=True)
    return out if out.is_terminal else Console(highlight=False, width=WIDE)


def money(amount: Decimal | int, currency: str) -> str:
    """An amount as people read it: ``1,234.50``."""
    return f"{Decimal(amount):,.{minor_digits(currency)}f}"


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, numbers: Sequence[str] = ()) -> Table:
    """A table with its title above; the columns in ``numbers`` stand to the right. Texts stand as they are, brackets too."""
    drawn = Table(
        title=Text(title, style="bold"), title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False
    )
    for column in columns:
        drawn.add_column(column, justify="right" if column in numbers else "left", no_wrap=True)
    for row in rows:
        cells = ("" if cell is None else f"{cell:,}" if type(cell) is int else str(cell) for cell in row)
        drawn.add_row(*map(Text, cells))
    return drawn


def as_json(value: Any) -> None:
    """Print a result as JSON; amounts and dates are text."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=_plain) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Decimal):  # as an export writes it
        digits = f"{value:f}"
        return digits.rstrip("0").rstrip(".") if "." in digits else digits
    if isinstance(value, datetime):
        return format_instant(value)
    return value.isoformat() if isinstance(value, date) else str(value)


@contextmanager
def progress() -> Iterator[ProgressCall]:
    """Bars on a terminal; elsewhere a plain line when a piece of work begins and one when it is done."""
    err = Console(stderr=True, highlight=False)
    if not err.is_terminal:
        yield _plain_line
        return
    columns = (TextColumn("{task.description:<12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err) as bars:
        tasks: dict[str, Any] = {}

        def show(what: str, done: int, of: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what, total=of)
            bars.update(tasks[what], completed=done, total=of)

        yield show


def _plain_line(what: str, done: int, of: int) -> None:
    if of and done == 0:
        sys.stderr.write(f"{what} ({of}) ...\n")
    elif of and done == of:
        sys.stderr.write(f"{what}: {done} of {of}\n")
    sys.stderr.flush()
