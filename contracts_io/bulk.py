"""Work on very many small objects at once, such as all contracts."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_VERY_MANY = 100_000


@contextmanager
def many_objects() -> Iterator[None]:
    """A stretch of work that makes very many objects that stay, and none that refer to each other in a circle.

    The search for such circles among them would cost more than making them: meanwhile it rests, and where there came to
    be very many it passes them over from then on. They go as always when nothing refers to them.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_count()[0] > _VERY_MANY:
            gc.freeze()
        if was_enabled:
            gc.enable()
