"""How long a large book of contracts takes: import, terms in force for a month, the list.

    python benchmarks/contracts.py [--contracts 20000] [--versions 5] [--folder DIR]

Makes a home with so many contracts of so many versions each, JSON files imported in one go per version and approved, then
reads it back in fresh processes. Times are seconds of the wall clock and of the processor; memory is the largest resident
size of the process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from contracts_io.calendar import Month
from contracts_io.home import Home
from contracts_io.lifecycle import stretches_of
from contracts_io.store import audit
from contracts_io.store.contracts import ToApprove
from contracts_io.terms import terms_in_force
from services import agreements

START = datetime(2026, 9, 1, tzinfo=UTC)
MONTH = Month(2026, 12)


def document(number: int, version: int) -> dict[str, Any]:
    """A contract with two CPM terms and a CPA term; each version of it is effective a month after the one before."""
    effective = date(2026, 10 + version, 1) if version < 3 else date(2027, version - 2, 1)
    common: dict[str, Any] = {
        "contract_id": f"contract-{number:06}",
        "currency": "USD",
        "timezone": "America/New_York",
        "starts_on": "2026-10-01",
        "ends_on": "2027-09-30",
        "effective_from": str(effective),
        "renewal": {"mode": "auto", "months": 12, "notice_days": 60, "uplift": "0.03"},
    }
    party = {"id": f"party-{number:06}", "name": f"Party {number}, Inc.", "country": "US"}
    rate = f"{20 + version}.{number % 100:02}"
    if number % 5 == 4:
        terms = [{"term_id": "all", "pricing": {"model": "cpm", "rate": rate}}]
        return {**common, "side": "partner", "party": party, "terms": terms}
    return {
        **common,
        "side": "advertiser",
        "party": party,
        "attribution": {"model": "last_touch", "lookback": {"view": "14d", "click": "30d"}},
        "terms": [
            {
                "term_id": "brand",
                "line_items": [f"li-{number}-1", f"li-{number}-2"],
                "pricing": {"model": "cpm", "rate": rate, "billable_on": "viewable"},
            },
            {"term_id": "reach", "line_items": [f"li-{number}-3"], "pricing": {"model": "cpm", "rate": "9.50"}},
            {
                "term_id": "orders",
                "line_items": [f"li-{number}-4"],
                "pricing": {
                    "model": "cpa",
                    "event": "purchase",
                    "fee": {"type": "percent", "rate": "0.08", "minimum": "1.00"},
                },
            },
        ],
    }


class Stopwatch:
    """Seconds of the wall clock and of the processor."""

    def __init__(self) -> None:
        self.wall = self.cpu = 0.0

    def __enter__(self) -> None:
        self.wall -= time.perf_counter()
        self.cpu -= time.process_time()

    def __exit__(self, *_: object) -> None:
        self.wall += time.perf_counter()
        self.cpu += time.process_time()

    @property
    def figures(self) -> dict[str, float]:
        """What it shows."""
        return {"wall": round(self.wall, 2), "cpu": round(self.cpu, 2)}


def fill(root: Path, contracts: int, versions: int) -> dict[str, dict[str, float]]:
    """Import and approve everything; seconds by step, over all versions."""
    home = Home.create(root)
    files = root / "files"
    files.mkdir()
    importing, approving = Stopwatch(), Stopwatch()
    for version in range(versions):
        names = []
        for number in range(contracts):
            path = files / f"contract-{number:06}.json"
            path.write_text(json.dumps(document(number, version)), encoding="utf-8")
            names.append(path)
        at = START + timedelta(days=version)
        with importing:
            imported = agreements.import_files(home, names, by="casey", at=at, retroactive=False)
        with approving:
            seen = [ToApprove(i.contract_id, i.version, i.content_hash) for i in imported]
            home.contracts.approve_all(seen, by="robin", at=at + timedelta(hours=1))
    return {"import": importing.figures, "approve": approving.figures}


def measure(root: Path, what: str) -> dict[str, float]:
    """One reading of the home in this process."""
    home = Home.open(root)
    home.engine.connect().close()
    watch = Stopwatch()
    with watch:
        if what == "terms":
            rows = terms_in_force(stretches_of(home.contracts.approved(None, MONTH.first, MONTH.last))).terms.height
        elif what == "list":
            rows = len(home.contracts.list_contracts(on=MONTH.first))
        elif what == "renew":
            rows = len(home.contracts.renew(day=date(2027, 8, 1), at=START + timedelta(days=90)).made)
        else:
            rows = audit.verify(home.engine).records
    return {**watch.figures, "rows": rows, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}


def command(root: Path, *arguments: str) -> dict[str, float]:
    """A whole command, its start included."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    run = [sys.executable, "-m", "services.cli", *arguments, "--home", str(root)]
    subprocess.run(run, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall": round(wall, 2), "cpu": round(cpu, 2)}


def main() -> None:
    """Measure and print a table, then one JSON value."""
    arguments = argparse.ArgumentParser(description="Measure a large book of contracts.")
    arguments.add_argument("--contracts", type=int, default=20_000)
    arguments.add_argument("--versions", type=int, default=5)
    arguments.add_argument("--folder", type=Path)
    arguments.add_argument("--measure", help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.measure:
        print(json.dumps(measure(given.folder, given.measure)))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        root = Path(folder)
        spent: dict[str, Any] = fill(root, given.contracts, given.versions)
        for what in ("terms", "list", "renew", "verify"):
            again = [sys.executable, __file__, "--measure", what, "--folder", folder]
            spent[what] = json.loads(subprocess.run(again, check=True, capture_output=True, text=True).stdout)
        spent["command: contract list --json"] = command(root, "contract", "list", "--json")
        spent["command: contract list"] = command(root, "contract", "list")
        books = (root / "books.db").stat().st_size // 1_000_000
    for name, value in spent.items():
        print(f"{name:32} {value['wall']:8.2f} s wall {value['cpu']:8.2f} s cpu")
    print(f"the books take {books} MB")
    print(json.dumps({"contracts": given.contracts, "versions": given.versions, "books_mb": books, **spent}))


if __name__ == "__main__":
    main()
