"""What the commands on contracts refuse before they look at a home."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from services.cli import cli


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "one", "--version", "1", "--on", "2026-10-01"], "give one of them"),
        (["show", "one", "--known-at", "2026-10-01"], "--known-at needs --on"),
        (["show", "one", "--on", "2026-10-01", "--known-at", "0001-01-01T00:00:00+05:00"], "is not an instant"),
        (["notice", "one", "--by", "casey", "--on", "2199-01-01"], "that day has not come"),
    ],
)
def test_what_cannot_be_meant_is_wrong_usage(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, ["contract", *arguments])
    assert result.exit_code == 2
    assert said in result.output
