"""What a process that is adledger's alone sets for itself, before a library is loaded."""

from __future__ import annotations

import gc
import os

ALLOCATOR = "_RJEM_MALLOC_CONF"
"""The environment variable from which Polars' allocator, jemalloc, takes its options when Polars is loaded."""
INTERVALS = "POLARS_IMPORT_INTERVAL_AS_STRUCT"
"""The environment variable without which Polars panics at a file that has a column of intervals, also where none is asked for."""
_OBJECTS = 200_000
"""So many objects are made before cycles among them are looked for: by default, loading the libraries looks a thousand times."""


def set_up() -> None:
    """Look for garbage seldom, keep freed memory for reuse in few places (docs/decisions/19), and read past columns of intervals.

    What an operator has set stands.
    """
    gc.set_threshold(_OBJECTS, 50, 100)
    os.environ.setdefault(ALLOCATOR, f"narenas:{os.cpu_count() or 1},dirty_decay_ms:1000,muzzy_decay_ms:0")
    os.environ.setdefault(INTERVALS, "1")
