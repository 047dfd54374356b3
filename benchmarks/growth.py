"""How a night's cost grows with the rows of the log, and with the days before it: ``night.py`` for one size after the other.

    python benchmarks/growth.py --to DIR [--rows 1_000_000 3_000_000 ...] [--days 2 4 ...] [--work DIR]

writes ``DIR/rows-<rows>.json`` (the same number of days, the rows spread evenly) and ``DIR/days-<days>.json`` (the same number
of rows a day). A size that has its file already is not measured again. ``figure.py`` draws them.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from measuring import script
from workplace import Size


def main() -> None:
    """Measure what has no file yet."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--to", type=Path, required=True, help="folder of the figures")
    parser.add_argument(
        "--rows", type=int, nargs="*", default=[100_000, 300_000, 1_000_000], help="impressions over all days"
    )
    parser.add_argument("--of-days", type=int, default=8, help="days that these are spread over")
    parser.add_argument("--days", type=int, nargs="*", default=[2, 4, 8], help="days of the log")
    parser.add_argument("--rows-per-day", type=int, default=100_000, help="impressions of each of these")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--memory-mb", type=int, default=16_000, help="a baseline that takes more is stopped")
    parser.add_argument("--work", type=Path, help="folder for the data, kept and used again (default: a temporary one)")
    args = parser.parse_args()
    args.to.mkdir(parents=True, exist_ok=True)
    wanted = {f"rows-{rows}": Size(rows, args.of_days) for rows in args.rows}
    wanted |= {f"days-{days}": Size(days * args.rows_per_day, days) for days in args.days}
    for name, size in wanted.items():
        if not (args.to / f"{name}.json").exists():
            _measure(args, args.to / f"{name}.json", size)


def _measure(args: argparse.Namespace, to: Path, size: Size) -> None:
    print(f"{to.stem}:", file=sys.stderr, flush=True)
    options = [f"--rows={size.rows}", f"--days={size.days}", f"--repeat={args.repeat}", f"--memory-mb={args.memory_mb}"]
    options += [f"--work={args.work}"] if args.work else []
    done = subprocess.run(list(map(str, script("night.py", "--tasks", "day", f"--json={to}", *options))), check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
