"""A command that dies at any system call by which it changes a disk leaves nothing that the same command does not put right.

``ADLEDGER_TEST_KILLS`` is the number of kill points over this module, 3 by default, drawn by ``ADLEDGER_TEST_SEED``, 1 by
default; ``benchmarks/crash_sweep.py`` tries every one.
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest
from kill_points import COMMANDS, Interrupted, Sweep, have_strace

from contracts_io.home import Home

KILLS = int(os.environ.get("ADLEDGER_TEST_KILLS", "3"))
SEED = int(os.environ.get("ADLEDGER_TEST_SEED", "1"))


@pytest.mark.skipif(not have_strace(), reason="strace is not installed, or may not trace here")
@pytest.mark.parametrize("interrupted", COMMANDS, ids=[command.name for command in COMMANDS])
def test_a_command_killed_at_a_system_call_and_run_again_leaves_the_home_as_if_undisturbed(
    interrupted: Interrupted, undisturbed: Home, closed: Home, tmp_path: Path
) -> None:
    sweep = Sweep(interrupted, closed if interrupted.is_on_closed_month else undisturbed, tmp_path)
    calls = {point.call for point in sweep.points}
    assert {"rename", "fsync", "fdatasync", "unlink"} <= calls, "what is to be interrupted is there"
    for point in random.Random(SEED).sample(sweep.points, max(1, KILLS // len(COMMANDS))):
        outcome = sweep.killed_at(point)
        assert outcome.differences == [], point
