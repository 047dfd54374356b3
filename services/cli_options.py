"""What every command has in common: the home, JSON output, days and months as arguments."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from contracts_io.errors import UsageError

if TYPE_CHECKING:
    from contracts_io.calendar import Month
    from contracts_io.home import Home

DEFAULT_HOME = "adledger-home"
_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Day(click.ParamType[date]):
    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> date:
        from contracts_io.calendar import parse_day  # noqa: PLC0415

        try:
            return value if isinstance(value, date) else parse_day(value)
        except UsageError as error:
            self.fail(f"{error.what}: {error.remedy}", param, ctx)


class _Month(click.ParamType["Month"]):
    name = "YYYY-MM"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Month:
        from contracts_io.calendar import Month  # noqa: PLC0415

        try:
            return value if isinstance(value, Month) else Month.parse(value)
        except UsageError as error:
            self.fail(f"{error.what}: {error.remedy}", param, ctx)


class _Instant(click.ParamType[datetime]):
    name = "INSTANT"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        from contracts_io.calendar import parse_instant  # noqa: PLC0415

        try:
            return value if isinstance(value, datetime) else parse_instant(value)
        except UsageError as error:
            self.fail(f"{error.what}: {error.remedy}", param, ctx)


DAY, MONTH, INSTANT = _Day(), _Month(), _Instant()


def with_home(command: _Command) -> _Command:
    """The option --home."""
    return click.option("--home", metavar="DIR", help="The home; else ADLEDGER_HOME, else ./adledger-home.")(command)


def with_json(command: _Command) -> _Command:
    """The option --json."""
    return click.option("--json", "json_output", is_flag=True, help="Print the result as JSON.")(command)


def home_root(home: str | None) -> Path:
    """Where the home is: as the command says, as ``adledger`` says, as the environment says, or ./adledger-home."""
    inherited = click.get_current_context().find_root().params.get("home")
    return Path(home or inherited or os.environ.get("ADLEDGER_HOME") or DEFAULT_HOME)


def open_home(home: str | None) -> Home:
    """The home, with settings that can be followed."""
    from contracts_io.home import Home  # noqa: PLC0415

    opened = Home.open(home_root(home))
    _ = opened.settings  # a command that cannot follow the settings stops here, before it does anything
    return opened


def warn_where_nothing_was_delivered(home: Home, month: Month) -> None:
    """Say on standard error of a month that no delivery day reaches why what was written of it is empty."""
    from services.delivery_days import nothing_delivered  # noqa: PLC0415

    if said := nothing_delivered(home, month):
        click.echo(f"warning: {said}", err=True)


def now() -> datetime:
    """The present instant: the command line is the one door that looks at the clock."""
    return datetime.now(tz=UTC)
