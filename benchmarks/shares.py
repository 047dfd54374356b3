"""What the parts of a run cost: the functions that it goes through are timed, each without those that it calls in turn.

    python benchmarks/product.py shares HOME DAY FIGURES

Polars works in threads of its own, but whoever calls it waits, so the CPU time of the process between two of the calls that
are timed belongs to the first of them.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from contracts_io.calendar import parse_day
from contracts_io.home import Home

LIBRARIES, DAGSTER, REST = "loading: Polars, pandera, SQLAlchemy", "loading: Dagster", "Dagster: runs, records, metadata"
VALIDATION, FINGERPRINTS, PUBLISHING, CHECKS = "validation", "hashes and fingerprints", "publishing and sweeping", "checks"
OVERHEAD = (DAGSTER, REST, VALIDATION, FINGERPRINTS, PUBLISHING, CHECKS)
"""What the issue calls Dagster, validation, fingerprints, publishing and checks."""

_TIMED = (
    ("intake", "assets.intake", "ingest"),
    ("counts and touches", "assets.upkeep", "Upkeep.delivery"),
    ("attribution", "assets.upkeep", "Upkeep.attributions"),
    ("judging impressions", "assets.upkeep", "Upkeep.judgements"),
    ("rating and drafts", "assets.upkeep", "Upkeep.rate_through"),
    (FINGERPRINTS, "contracts_io.warehouse", "_hashes"),
    (FINGERPRINTS, "contracts_io.warehouse", "_crc32"),
    (FINGERPRINTS, "assets.upkeep", "fingerprint"),
    (PUBLISHING, "contracts_io.warehouse", "Warehouse.publish"),
    (PUBLISHING, "contracts_io.warehouse", "Warehouse.sweep"),
)
_ASIDE = (VALIDATION, "contracts_io.frames", "Table.takes")
"""Asked by Polars, in its threads, while what asked Polars waits."""
_PACKAGES = ("contracts_io", "pipelines", "assets", "services")


class Shares:
    """CPU and wall seconds by share, since ``began``: first ``share``, until others are timed within it."""

    def __init__(self, share: str, began: tuple[float, float]) -> None:
        self.seconds: dict[str, dict[str, float]] = {}
        self._at = began
        self._stack = [share]

    def go_on_with(self, share: str) -> None:
        """What is in no other share goes to ``share`` from now on."""
        self._charge()
        self._stack[0] = share

    def _charge(self) -> None:
        now = time.process_time(), time.perf_counter()
        share = self.seconds.setdefault(self._stack[-1], {"cpu": 0.0, "wall": 0.0})
        share["cpu"] += now[0] - self._at[0]
        share["wall"] += now[1] - self._at[1]
        self._at = now

    @contextmanager
    def of(self, share: str) -> Iterator[None]:
        """Charge what happens within to ``share``."""
        self._charge()
        self._stack.append(share)
        try:
            yield
        finally:
            self._charge()
            self._stack.pop()

    def timed(self, share: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, charged to ``share``; of a generator each step."""
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def stepping(*arguments: Any, **named: Any) -> Iterator[Any]:
                steps = function(*arguments, **named)
                while True:
                    with self.of(share):
                        try:
                            step = next(steps)
                        except StopIteration:
                            return
                    yield step

            return stepping

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            with self.of(share):
                return function(*arguments, **named)

        return called

    def aside(self, share: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """``function``, the CPU time of its thread charged to ``share`` rather than to what waits for it."""

        @functools.wraps(function)
        def called(*arguments: Any, **named: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*arguments, **named)
            finally:
                spent = time.thread_time() - began
                for of, seconds in ((share, spent), (self._stack[-1], -spent)):
                    self.seconds.setdefault(of, {"cpu": 0.0, "wall": 0.0})["cpu"] += seconds

        return called

    def time(self, share: str, module: str, name: str, *, aside: bool = False) -> bool:
        """Charge the function of that name to ``share`` from now on, wherever it was imported; gives whether there is one."""
        owner: Any = importlib.import_module(module)
        *path, last = name.split(".")
        for part in path:
            owner = getattr(owner, part, None)
        function = getattr(owner, last, None)
        if not inspect.isfunction(function):
            return False
        timed = (self.aside if aside else self.timed)(share, function)
        setattr(owner, last, timed)
        ours = [m for name, m in list(sys.modules.items()) if name.partition(".")[0] in _PACKAGES]
        for where, known in [(m, known) for m in ours for known, value in vars(m).items() if value is function]:
            setattr(where, known, timed)
        return True


def measured_run(home: Path, day: str, figures: Path, began: tuple[float, float]) -> None:
    """Run ``day``; write CPU and wall seconds by share, and the names that were to be timed and are not there."""
    from services import billing  # noqa: PLC0415 - the loading of libraries is what is timed first

    shares = Shares(LIBRARIES, began)
    with shares.of(DAGSTER):
        import assets.definitions  # noqa: F401, PLC0415
    shares.go_on_with(REST)
    checks = importlib.import_module("assets.checks")
    names = [
        name for name, value in vars(checks).items() if inspect.isfunction(value) and value.__module__ == "assets.checks"
    ]
    timed = [*_TIMED, *((CHECKS, "assets.checks", name) for name in names)]
    missing = [f"{module}.{name}" for share, module, name in timed if not shares.time(share, module, name)]
    if not shares.time(*_ASIDE, aside=True):
        missing.append(".".join(_ASIDE[1:]))
    report = billing.run(Home.open(home), [parse_day(day)])
    for error in report.failed.values():
        raise error
    shares.go_on_with(REST)
    figures.write_text(json.dumps({"shares": shares.seconds, "overhead": OVERHEAD, "missing": missing}), encoding="utf-8")
