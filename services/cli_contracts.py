"""What people do with contracts, on the command line."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from services.cli_options import DAY, INSTANT, now, open_home, with_home, with_json


@click.group()
def contract() -> None:
    """Contracts: from submission to termination."""


@contract.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="FILE...")
@click.option("--by", required=True, metavar="USER", help="Who submits.")
@click.option("--retroactive", is_flag=True, help="Needed for a version that takes effect in a closed month.")
@with_home
@with_json
def contract_import(files: tuple[Path, ...], by: str, retroactive: bool, home: str | None, json_output: bool) -> None:
    """Draft and submit contract documents (YAML or JSON): all of them, or none."""
    from services import agreements, show  # noqa: PLC0415

    here = open_home(home)
    imported = agreements.import_files(here, files, by=by, at=now(), retroactive=retroactive)
    found = {i.contract_id: agreements.version_of(here, i.contract_id, i.version).warnings for i in imported}
    if json_output:
        show.as_json([{**i._asdict(), "warnings": list(found[i.contract_id])} for i in imported])
        return
    for i in imported:
        what = f"is there already, {i.state}" if i.unchanged else "submitted, waits for approval by somebody else"
        click.echo(f"{i.contract_id} version {i.version}: {what}")
        for warning in found[i.contract_id]:
            click.echo(f"  warning: {warning}")


@contract.command("history")
@click.argument("contract_id", metavar="ID")
@with_home
@with_json
def contract_history(contract_id: str, home: str | None, json_output: bool) -> None:
    """Show who did what to a contract, and when: its part of the audit trail."""
    from services import agreements  # noqa: PLC0415

    agreements.show_history(open_home(home), contract_id, json_output=json_output)


@contract.command("diff")
@click.argument("contract_id", metavar="ID")
@click.argument("before", type=click.IntRange(1), metavar="[A]", required=False)
@click.argument("after", type=click.IntRange(1), metavar="[B]", required=False)
@with_home
@with_json
def contract_diff(contract_id: str, before: int | None, after: int | None, home: str | None, json_output: bool) -> None:
    """Show what changed from version A to B, field by field; by default from the last but one to the latest."""
    from services import agreements  # noqa: PLC0415

    agreements.show_diff(open_home(home), contract_id, before, after, json_output=json_output)


@contract.command("schema")
def contract_schema() -> None:
    """Print the JSON Schema of contract documents, for editors that complete and check them."""
    from contracts_io.contract_schema import json_schema  # noqa: PLC0415
    from services import show  # noqa: PLC0415

    show.as_json(json_schema())


@contract.command("terminate")
@click.argument("contract_id", metavar="ID")
@click.option("--on", type=DAY, required=True, help="The last day, local to the contract.")
@click.option("--by", required=True, metavar="USER", help="Who submits.")
@click.option("--retroactive", is_flag=True, help="Needed for a last day in a closed month.")
@with_home
@with_json
def contract_terminate(contract_id: str, on: date, by: str, retroactive: bool, home: str | None, json_output: bool) -> None:
    """Submit the amendment that ends a contract; somebody else approves it."""
    from services import agreements, show  # noqa: PLC0415

    ended = agreements.terminate(open_home(home), contract_id, on, by=by, at=now(), retroactive=retroactive)
    if json_output:
        show.as_json(ended._asdict())
    else:
        click.echo(f"{ended.contract_id} version {ended.version}: ends on {on}; waits for approval by somebody else")


@contract.command("approve")
@click.argument("contract_id", metavar="ID")
@click.option("--version", type=click.IntRange(1), help="The version; by default the one that waits.")
@click.option("--by", required=True, metavar="USER", help="Who approves; never who submitted.")
@with_home
@with_json
def contract_approve(contract_id: str, version: int | None, by: str, home: str | None, json_output: bool) -> None:
    """Approve a submitted version: from then on it is in force by its dates."""
    from services import agreements  # noqa: PLC0415

    _decided(agreements.approve(open_home(home), contract_id, version, by=by, at=now()), json_output)


@contract.command("reject")
@click.argument("contract_id", metavar="ID")
@click.option("--version", type=click.IntRange(1), help="The version; by default the one that waits.")
@click.option("--by", required=True, metavar="USER", help="Who rejects.")
@click.option("--reason", required=True, help="Why, in one line.")
@with_home
@with_json
def contract_reject(
    contract_id: str, version: int | None, by: str, reason: str, home: str | None, json_output: bool
) -> None:
    """Reject a submitted version, with the reason."""
    from services import agreements  # noqa: PLC0415

    _decided(agreements.reject(open_home(home), contract_id, version, by=by, at=now(), reason=reason), json_output)


def _decided(decision: Any, json_output: bool) -> None:
    from services import show  # noqa: PLC0415

    if json_output:
        show.as_json(decision._asdict())
    else:
        click.echo(f"{decision.contract_id} version {decision.version}: {decision.state} by {decision.decided_by}")


@contract.command("show")
@click.argument("contract_id", metavar="ID")
@click.option("--version", type=click.IntRange(1), help="The version; by default the latest.")
@click.option("--on", type=DAY, help="The version in force on this local date.")
@click.option("--known-at", type=INSTANT, help="With --on: as the books knew it at this instant.")
@with_home
@with_json
def contract_show(
    contract_id: str,
    version: int | None,
    on: date | None,
    known_at: datetime | None,
    home: str | None,
    json_output: bool,
) -> None:
    """Show a contract: its versions, and the document of one of them."""
    from services import agreements  # noqa: PLC0415

    if known_at and not on:
        raise click.UsageError("--known-at needs --on: say of which day")
    here = open_home(home)
    agreements.show_contract(here, contract_id, version, on=on, known_at=known_at, json_output=json_output)


@contract.command("list")
@with_home
@with_json
def contract_list(home: str | None, json_output: bool) -> None:
    """List contracts: party, dates, state, version in force today."""
    from services import agreements  # noqa: PLC0415

    agreements.show_list(open_home(home), on=now().date(), json_output=json_output)
