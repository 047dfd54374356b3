"""Real logs are not the project's to hand on: a test of one runs where its folder is found, and says so where it is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def real_log() -> Callable[[str], Path]:
    """A function that gives the folder of a real log below ``ADLEDGER_TEST_DATA``, or skips the test."""

    def found(name: str) -> Path:
        data = os.environ.get("ADLEDGER_TEST_DATA")
        if not data:
            pytest.skip(f"needs the real log {name}: ADLEDGER_TEST_DATA is not set (the folder that holds real/{name})")
        folder = Path(data, "real", name)
        if not folder.is_dir():
            pytest.skip(f"needs the real log {name}: ADLEDGER_TEST_DATA holds no real/{name}")
        return folder

    return found
