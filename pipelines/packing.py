"""Many columns as one number, whose order is theirs: grouped and sorted at a fraction of what texts cost.

Each column is written as a code from 0 below its size; the codes are the digits of an unsigned 64-bit number, the first
column the most significant. Where they need more than one number, several take them in turn.

    line item 2 of 3, viewable 1 of 2, quarter 5 of 96: (2 x 2 + 1) x 96 + 5 = 485
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

import polars as pl

WORD_BITS = 64


class Packing:
    """Codes by column in words, columns ``<name>_0`` and so on.

    ``sizes``: of each packed column, in the order of sorting, the number of codes it has; one that has a single code is 0.
    """

    def __init__(self, sizes: Mapping[str, int], name: str = "word") -> None:
        self._sizes = {column: max(size, 1) for column, size in sizes.items()}
        groups: list[list[str]] = [[]]
        room = 2**WORD_BITS - 1
        for column, size in self._sizes.items():
            if groups[-1] and size > room:
                groups.append([])
                room = 2**WORD_BITS - 1
            groups[-1].append(column)
            room //= size
        self._words = {f"{name}_{n}": names for n, names in enumerate(groups)}

    @property
    def words(self) -> list[str]:
        """The columns that ``packed`` gives: sorted by them, rows are sorted by the packed columns."""
        return list(self._words)

    def packed(self, codes: Mapping[str, pl.Expr] | None = None) -> list[pl.Expr]:
        """The words of ``codes``, integers by column, none of them null; left out: the columns themselves."""
        return [self._packed(codes or {}, names).alias(word) for word, names in self._words.items()]

    def _packed(self, codes: Mapping[str, pl.Expr], names: list[str]) -> pl.Expr:
        dtype = self._type(names)
        first, *others = [name for name in names if self._sizes[name] > 1] or names[:1]
        word = codes.get(first, pl.col(first)).cast(dtype)
        for name in others:
            word = word * pl.lit(self._sizes[name], dtype) + codes.get(name, pl.col(name)).cast(dtype)
        return word

    def code(self, name: str) -> pl.Expr:
        """The code of a column, out of its word."""
        word, names = next((word, names) for word, names in self._words.items() if name in names)
        dtype, below = self._type(names), prod(self._sizes[other] for other in names[names.index(name) + 1 :])
        code = pl.col(word) // pl.lit(below, dtype) if below > 1 else pl.col(word)
        return (code if name == names[0] else code % pl.lit(self._sizes[name], dtype)).alias(name)

    def _type(self, names: list[str]) -> type[pl.DataType]:
        """Of a word that has no more than 32 bits half the memory is enough."""
        return pl.UInt32 if prod(self._sizes[name] for name in names) < 2**32 else pl.UInt64


class Texts:
    """The values of a text column by rank, in the order of texts; null, where it is among them, is the first.

    ``values`` may be codes in that order (``contracts_io.texts``): then ``text`` gives codes too.
    """

    def __init__(self, values: pl.Series) -> None:
        self.values = values.unique().sort()
        self._nulls = self.values.null_count()
        self.known = values.dtype if isinstance(values.dtype, pl.Enum) else pl.Enum(self.values.drop_nulls())

    @property
    def size(self) -> int:
        """The number of codes."""
        return self.values.len()

    def code(self, column: str) -> pl.Expr:
        """The code of each text of ``column``; where null is among the values, a text that is not counts as null."""
        code = pl.col(column).cast(self.known, strict=not self._nulls).to_physical().cast(pl.UInt32)
        return (code + 1).fill_null(0) if self._nulls else code

    def text(self, code: pl.Expr) -> pl.Expr:
        """The text of each code."""
        return looked_up(self.values, code)


def looked_up(table: pl.Series, place: pl.Expr) -> pl.Expr:
    """The value of ``table`` at each ``place``."""
    return pl.lit(table).gather(place)
