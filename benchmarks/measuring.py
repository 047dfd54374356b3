"""Processes and what they cost: CPU seconds, wall seconds and peak memory, with or without a limit on memory.

What measures is kept small, and loads no Polars: Linux counts the memory of a process's parent at its start as its own.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
MEASURES = ("cpu", "wall", "peak_mb")
Figures = dict[str, float]
"""By measure: CPU and wall seconds, peak resident memory in MiB."""

_POLL_SECONDS = 0.05
_GROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Measurement:
    """One process: CPU and wall seconds, peak resident memory in MiB, and why it has no figures where it has none."""

    task: str
    who: str
    cpu: float
    wall: float
    peak_mb: float
    failure: str | None = None


@dataclass(frozen=True)
class Limit:
    """How a process is kept within a limit of memory: in words, and what its command begins with."""

    how: str
    prefix: tuple[str, ...]


def measured(
    task: str, who: str, command: Sequence[object], *, stop_at_mb: float | None = None, limit: Limit | None = None
) -> Measurement:
    """Run ``command`` to its end; one that takes more than ``stop_at_mb`` of resident memory is stopped."""
    words = [*(limit.prefix if limit else ()), *map(str, command)]
    started = time.perf_counter()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(words, stdout=said, stderr=said)
        failure = None
        try:
            while True:
                pid, status, usage = os.wait4(process.pid, os.WNOHANG)
                if pid:
                    break
                if stop_at_mb is not None and _resident_mb(process.pid) > stop_at_mb:
                    failure = f"stopped: more than {stop_at_mb:,.0f} MB"
                    process.kill()
                time.sleep(_POLL_SECONDS)
        except BaseException:
            process.kill()
            raise
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode and failure is None:
            said.seek(0)
            failure = said.read().decode(errors="replace").strip()[-2_000:] or f"exit status {process.returncode}"
    return Measurement(task, who, usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss / 1024, failure)


def script(name: str, *arguments: object) -> list[object]:
    """The command that runs one of the programs in this folder."""
    return [sys.executable, HERE / name, *arguments]


def must(*command: object) -> None:
    """Run a command that is not measured; a failure ends the program."""
    done = measured("", "", command)
    if done.failure:
        sys.exit(f"{' '.join(str(word) for word in command[1:4])}: {done.failure}")


def median(measurements: Iterable[Measurement]) -> Figures | None:
    """The median of each measure over those that have figures; None where none has."""
    done = [m for m in measurements if m.failure is None]
    return {name: statistics.median(getattr(m, name) for m in done) for name in MEASURES} if done else None


def medians(measurements: Sequence[Measurement]) -> dict[str, dict[str, Figures]]:
    """By task and who: the medians of what has figures."""
    found: dict[str, dict[str, Figures]] = {}
    for task, who in dict.fromkeys((m.task, m.who) for m in measurements):
        if figures := median(m for m in measurements if (m.task, m.who) == (task, who)):
            found.setdefault(task, {})[who] = figures
    return found


def ratios(of: dict[str, dict[str, Figures]], mine: str) -> dict[str, dict[str, Figures]]:
    """By task and baseline: the medians of ``mine`` as shares of the baseline's."""
    return {
        task: {who: {m: by_who[mine][m] / by_who[who][m] for m in MEASURES} for who in by_who if who != mine}
        for task, by_who in of.items()
        if mine in by_who
    }


@contextmanager
def within(megabytes: int) -> Iterator[Limit]:
    """A limit on the memory of processes, by what this machine has.

    A control group of its own, or one that systemd makes: the kernel then counts resident memory and what the process has of
    the page cache, reclaims that, and ends a process that needs more. Else ``RLIMIT_DATA``, which counts what is reserved,
    touched or not, and so is stricter: allocations beyond it fail.
    """
    size = megabytes * 2**20
    group = _memory_group()
    if group is not None:
        folder, file = group
        try:
            (folder / file).write_text(str(size), encoding="ascii")
            procs = folder / "cgroup.procs"
            yield Limit("a memory control group", ("sh", "-c", f'echo $$ > {procs} && exec "$0" "$@"'))
        finally:
            folder.rmdir()
        return
    scope = ("systemd-run", "--scope", "--quiet", "--user", f"--property=MemoryMax={size}", "--property=MemorySwapMax=0")
    if shutil.which(scope[0]) and subprocess.run([*scope, "true"], capture_output=True, check=False).returncode == 0:
        yield Limit("systemd-run --scope", scope)
        return
    yield Limit("RLIMIT_DATA", ("sh", "-c", f'ulimit -d {size // 1024} && exec "$0" "$@"'))


def _memory_group() -> tuple[Path, str] | None:
    """A new control group for memory, and the file of its limit; None where none can be made."""
    name = f"adledger-benchmark-{os.getpid()}"
    for parent, file in ((_GROUPS / "memory", "memory.limit_in_bytes"), (_GROUPS, "memory.max")):
        folder = parent / name
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / file).exists() and os.access(folder / file, os.W_OK):
            return folder, file
        folder.rmdir()
    return None


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
