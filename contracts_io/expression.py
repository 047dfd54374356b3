"""The small language of ``eligible_when``: a SQL condition on one conversion (spec 6.4).

    text --parse--> Expression --to_sql-----> text in normal form
                        ├──────in_words---> a sentence
                        ├──────evaluate---> true, false or unknown, for one row: the reference
                        └──────to_polars--> the same for a whole table

Truth has the three values of SQL, and unknown is not eligible; numbers are exact throughout. This module is the door to the
``expression_*`` modules.
"""

from __future__ import annotations

from contracts_io.expression_frames import to_polars
from contracts_io.expression_nodes import COLUMNS, EXAMPLE, Expression, ExpressionError, to_sql
from contracts_io.expression_reading import parse
from contracts_io.expression_values import evaluate
from contracts_io.expression_words import in_words

__all__ = ["COLUMNS", "EXAMPLE", "Expression", "ExpressionError", "evaluate", "in_words", "parse", "to_polars", "to_sql"]
