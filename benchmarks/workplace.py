"""What the benchmarks work on: a generated log, the home with every day of it but the last, and copies of that home.

    FOLDER/<size>/log/                    landing files and contracts
    FOLDER/<size>/eve-<program>/          the home before the last day, as this state of the program makes it
    FOLDER/<size>/eve-of-all-<program>/   the home before the first day
    FOLDER/<size>/<anything else>/        made for one measurement

A folder that is kept is used again: the log always, the home for as long as the program is the one that made it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from measuring import HERE, Measurement, measured, must, script

FIRST = date(2026, 10, 1)
PRODUCT = "adledger"
ROWS_PER_FILE = 2_000_000
ROW_GROUP_ROWS = 122_880
_MADE_BY = ("contracts_io", "pipelines", "assets")


@dataclass(frozen=True)
class Size:
    """How large the log is, and how it is cut: the arguments of ``generate.py``. Of which days: from October 2026 on."""

    rows: int
    days: int
    last_day_rows: int | None = None
    line_items: int = 1_000
    ids: str = "uuid-text"
    rows_per_file: int = ROWS_PER_FILE
    row_group_rows: int = ROW_GROUP_ROWS

    @property
    def arguments(self) -> list[str]:
        """What ``generate.py`` is called with."""
        given = {name.replace("_", "-"): value for name, value in asdict(self).items() if value is not None}
        return [f"--first={FIRST}", *(f"--{name}={value}" for name, value in given.items())]

    @property
    def label(self) -> str:
        """The name of its folder."""
        return "-".join(str(value) for value in asdict(self).values() if value is not None)

    @property
    def delivery_days(self) -> list[str]:
        """The days of the log, in order."""
        return [str(FIRST + timedelta(days=n)) for n in range(self.days)]


@contextmanager
def folder(kept: Path | None) -> Iterator[Path]:
    """The folder that is given, which stays, or a temporary one."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="adledger-benchmark-") as made:
        yield Path(made).resolve()


class Workplace:
    """The log and homes of one size; ``tell`` is told what is being made."""

    def __init__(self, parent: Path, size: Size, tell: Callable[[str], None]) -> None:
        self.size = size
        self.place = parent / size.label
        self._tell = tell
        self._program = _program()
        self.place.mkdir(exist_ok=True)

    @property
    def days(self) -> list[str]:
        """The delivery days."""
        return self.size.delivery_days

    def log(self) -> Path:
        """The landing files and contracts, generated."""

        def make(made: Path) -> None:
            self._tell(f"writing {self.size.rows:,} impressions")
            must(*script("generate.py", f"--to={made}", *self.size.arguments))

        return self._once("log", make)

    def last_day_cut(self, rows_per_file: int, row_group_rows: int) -> Path:
        """A log with the last day alone, in files and row groups of these sizes."""
        size = replace(self.size, rows_per_file=rows_per_file, row_group_rows=row_group_rows)

        def make(made: Path) -> None:
            must(*script("generate.py", f"--to={made}", "--only-last-day", *size.arguments))

        return self._once(f"last-day-{rows_per_file}-{row_group_rows}", make)

    def eve(self) -> Path:
        """The home with every day in but the last."""

        def make(made: Path) -> None:
            self._tell(f"taking in the {len(self.days) - 1} days before the last")
            self._prepare(made)
            must(*script("product.py", "run", made, *self.days[:-1]))

        return self._once(f"eve-{self._program}", make)

    def _once(self, name: str, make: Callable[[Path], None]) -> Path:
        made = self.place / name
        if not made.exists():
            for other in self.place.glob("eve-*"):
                if not other.name.endswith(self._program):
                    shutil.rmtree(other)
            unfinished = self.empty(f"unfinished-{name}")
            make(unfinished)
            unfinished.rename(made)
        return made

    def empty(self, name: str) -> Path:
        """The place of a folder that is not there (any more)."""
        path = self.place / name
        shutil.rmtree(path, ignore_errors=True)
        return path

    def new_home(self, name: str) -> Path:
        """A home with no day in and the contracts approved, always at the same time."""
        return self.clone(name, self._once(f"eve-of-all-{self._program}", self._prepare))

    def _prepare(self, made: Path) -> None:
        must(*script("product.py", "prepare", made, self.log()))

    def clone(self, name: str, source: Path | None = None) -> Path:
        """The home before the last day, or ``source``; files of the warehouse are never changed, so links will do."""
        source = source or self.eve()
        home = self.empty(name)
        shutil.copytree(source, home, symlinks=True, ignore=_but_warehouse)
        shutil.copytree(source / "warehouse", home / "warehouse", copy_function=os.link)
        return home

    def clear(self) -> None:
        """Remove what was made for one measurement."""
        for path in self.place.iterdir():
            if path.name != "log" and not path.name.startswith("eve-"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()


def product(task: str, verb: str, home: Path, *arguments: object) -> Measurement:
    """What a verb of ``product.py`` costs."""
    return measured(task, PRODUCT, script("product.py", verb, home, *arguments))


def _but_warehouse(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name == "warehouse"]


def _program() -> str:
    """A short hash of the source that decides what a home holds."""
    told = hashlib.sha256()
    for package in _MADE_BY:
        for file in sorted((HERE.parent / package).rglob("*.py")):
            told.update(file.read_bytes())
    return told.hexdigest()[:12]
