"""The small language of ``eligible_when``: a SQL condition on one conversion (spec 6.4).

    text --parse--> Expression --to_polars--> true, false or unknown, for each row of a table

Truth has the three values of SQL, and unknown is not eligible; numbers are exact throughout. This module is the door to the
``expression_*`` modules.
"""

from __future__ import annotations

from contracts_io.expression_frames import to_polars
from contracts_io.expression_nodes import COLUMNS, EXAMPLE, Expression, ExpressionError

__all__ = ["COLUMNS", "EXAMPLE", "Expression", "ExpressionError", "parse", "to_polars"]


def parse(text: str) -> Expression:
    """The condition that ``text`` says; ExpressionError with the first piece that may not stand in one."""
    from contracts_io import expression_reading  # noqa: PLC0415 - its SQL parser takes long to load; few contracts need it

    return expression_reading.parse(text)
