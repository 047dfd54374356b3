"""The plain model against the worked cases, and the random worlds that it is asked about: sound, and the same for one seed."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from commands import counted
from plain_model.model import Tables, adjustments, entitlement
from worlds import write_world

from contracts_io.contract import check_against_versions, parse_document

CASES = Path(__file__).parent / "cases"
STATES = [(path.parent.name, path.name) for path in sorted(CASES.glob("*/expected*"))]


@pytest.mark.parametrize(("case", "state"), STATES)
def test_the_plain_model_agrees_with_a_worked_case_in_every_table(case: str, state: str) -> None:
    amended = state == "expected-after"
    made: Tables = entitlement(CASES / case, amended=amended)
    if amended:
        made["adjustments"] = adjustments(entitlement(CASES / case), made)
    for file in sorted((CASES / case / state).glob("*.csv")):
        with file.open(encoding="utf-8", newline="") as stream:
            reader = csv.DictReader(stream)
            columns, wanted = list(reader.fieldnames or []), list(reader)
        assert counted(made[file.stem], columns) == counted(wanted, columns), file.stem


@pytest.mark.parametrize("seed", range(3))
def test_a_random_world_has_sound_contracts_and_everything_is_accounted_for(seed: int, tmp_path: Path) -> None:
    world = tmp_path / "world"
    write_world(seed, world, count=300)
    versions: dict[str, list[Path]] = {}
    for path in [*sorted((world / "contracts").glob("*.json")), *sorted((world / "amendments").glob("*.json"))]:
        versions.setdefault(json.loads(path.read_text(encoding="utf-8"))["contract_id"], []).append(path)
    for paths in versions.values():
        documents = [parse_document(path.read_text(encoding="utf-8"), name=path.name) for path in paths]
        assert check_against_versions(documents[-1], documents[:-1]) == []
    made = entitlement(world, amended=True)
    accepted = sum(int(row["accepted"]) for row in made["feed_counts"] if row["feed"] == "impressions")
    for side in ("advertiser", "partner"):
        assert sum(int(row["impressions"]) for row in made["impression_outcomes"] if row["side"] == side) == accepted
    credited: dict[str, int] = {row["conversion_id"]: 0 for row in made["attributions"] if row["status"] == "attributed"}
    for row in made["attribution_credits"]:
        credited[row["conversion_id"]] += int(row["credit"])
    assert set(credited.values()) <= {1_000_000}


def test_a_seed_names_one_world(tmp_path: Path) -> None:
    for name in ("one", "other"):
        write_world(7, tmp_path / name, count=200)
    files = [path.relative_to(tmp_path / "one") for path in sorted((tmp_path / "one").rglob("*")) if path.is_file()]
    assert all((tmp_path / "one" / file).read_bytes() == (tmp_path / "other" / file).read_bytes() for file in files)
