"""What people do with contracts, on the command line."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from services.cli_options import DAY, INSTANT, MONTH, now, open_home, with_home, with_json

if TYPE_CHECKING:
    from contracts_io.calendar import Month


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

    imported = agreements.import_files(open_home(home), files, by=by, at=now(), retroactive=retroactive)
    if json_output:
        show.as_json([i._asdict() for i in imported])
        return
    for i in imported:
        what = f"is there already, {i.state}" if i.unchanged else "submitted, waits for approval by somebody else"
        click.echo(f"{i.contract_id} version {i.version}: {what}")
        for warning in i.warnings:
            click.echo(f"  warning: {warning}")


@contract.command("history")
@click.argument("contract_id", metavar="ID")
@with_home
@with_json
def contract_history(contract_id: str, home: str | None, json_output: bool) -> None:
    """Show who did what to a contract, and when: its part of the audit trail."""
    from services import agreements_shown  # noqa: PLC0415

    agreements_shown.show_history(open_home(home), contract_id, json_output=json_output)


@contract.command("diff")
@click.argument("contract_id", metavar="ID")
@click.argument("before", type=click.IntRange(1), metavar="[A]", required=False)
@click.argument("after", type=click.IntRange(1), metavar="[B]", required=False)
@with_home
@with_json
def contract_diff(contract_id: str, before: int | None, after: int | None, home: str | None, json_output: bool) -> None:
    """Show what changed from version A to B, field by field; by default from the one approved before to the latest."""
    from services import agreements_shown  # noqa: PLC0415

    agreements_shown.show_diff(open_home(home), contract_id, before, after, json_output=json_output)


@contract.command("simulate")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--month", type=MONTH, required=True, help="The month to price again; it must have been run.")
@with_home
@with_json
def contract_simulate(file: Path, month: Month, home: str | None, json_output: bool) -> None:
    """Price a month with a draft contract: old, new and difference, line by line; nothing is stored."""
    from services import simulation  # noqa: PLC0415

    lines = simulation.simulate(open_home(home), file, month, now())
    simulation.print_simulation(lines, month, json_output=json_output)


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
@click.option("--content", metavar="HASH", help="The content that was seen, as `show` prints it: 12 digits or more.")
@click.option("--retroactive", is_flag=True, help="Needed for a version that changes a month closed since it was submitted.")
@with_home
@with_json
def contract_approve(
    contract_id: str,
    version: int | None,
    by: str,
    content: str | None,
    retroactive: bool,
    home: str | None,
    json_output: bool,
) -> None:
    """Approve a submitted version: from then on it is in force by its dates."""
    from services import agreements  # noqa: PLC0415

    decision = agreements.approve(
        open_home(home), contract_id, version, by=by, at=now(), content=content, retroactive=retroactive
    )
    _decided(decision, json_output)


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
        return
    state = "approved by {}, waits for a second approval" if decision.state == "submitted" else f"{decision.state} by {{}}"
    done = state.format(decision.decided_by)
    click.echo(f"{decision.contract_id} version {decision.version}: {done}, content {decision.content_hash}")


@contract.command("notice")
@click.argument("contract_id", metavar="ID")
@click.option("--by", required=True, metavar="USER", help="Who records it.")
@click.option("--reason", help="What it says, in one line.")
@click.option("--on", "received_on", type=DAY, help="The day on which it was received; by default today in UTC.")
@with_home
@with_json
def contract_notice(
    contract_id: str, by: str, reason: str | None, received_on: date | None, home: str | None, json_output: bool
) -> None:
    """Put a notice of non-renewal on record: the contract ends with the end that it has."""
    from services import agreements, show  # noqa: PLC0415

    at = now()
    if received_on and received_on > at.date() + timedelta(days=1):  # somewhere it is tomorrow already
        raise click.UsageError(f"a notice cannot have been received on {received_on}: that day has not come")
    notice = agreements.give_notice(
        open_home(home), contract_id, by=by, at=at, received_on=received_on or at.date(), reason=reason
    )
    if json_output:
        show.as_json(notice._asdict())
    else:
        click.echo(f"{contract_id}: notice is on record, the contract is not renewed and ends on {notice.ends_on}")


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
    """Show a contract: its versions, and one of them in plain sentences and as its document."""
    from services import agreements_shown  # noqa: PLC0415

    if version and on:
        raise click.UsageError("--version names a version, --on the one in force on a day: give one of them")
    if known_at and not on:
        raise click.UsageError("--known-at needs --on: say of which day")
    here = open_home(home)
    agreements_shown.show_contract(here, contract_id, version, on=on, known_at=known_at, json_output=json_output)


@contract.command("list")
@with_home
@with_json
def contract_list(home: str | None, json_output: bool) -> None:
    """List contracts: party, dates, state, version in force today, what happens next."""
    from services import agreements_shown  # noqa: PLC0415

    agreements_shown.show_list(open_home(home), on=now().date(), json_output=json_output)
