"""``eligible_when``, read and evaluated in one go: SQL's three truth values, exact numbers (spec 6.4)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

_TOKEN = re.compile(r"\s*(?:(\d+(?:\.\d+)?)|'((?:[^']|'')*)'|(\w+)|(<=|>=|<>|!=|[=<>()+*/,-]))")
_COMPARISONS = ("=", "<>", "!=", "<", "<=", ">", ">=")


def holds(condition: str, row: Mapping[str, Any]) -> bool:
    """Whether the condition is true of ``row``; unknown is not."""
    reader = _Reader(condition, row)
    value = reader.disjunction()
    if reader.tokens:
        raise ValueError(f"{condition}: {reader.tokens}")
    return value is True


class _Reader:
    """A reader by recursive descent whose methods give values at once."""

    def __init__(self, condition: str, row: Mapping[str, Any]) -> None:
        self.row, self.tokens = row, list[tuple[str, Any]]()
        place = 0
        while condition[place:].strip():
            match = _TOKEN.match(condition, place)
            if match is None:
                raise ValueError(condition[place:])
            number, quoted, word, sign = match.groups()
            if number is not None:
                self.tokens.append(("value", Fraction(number)))
            elif quoted is not None:
                self.tokens.append(("value", quoted.replace("''", "'")))
            else:
                self.tokens.append(("word", word.lower()) if word else ("sign", sign))
            place = match.end()

    def took(self, *words: str) -> bool:
        """Whether the next tokens are these words or signs; if so they are behind us."""
        ahead = [token[1] if token[0] != "value" else None for token in self.tokens[: len(words)]]
        if ahead != list(words):
            return False
        del self.tokens[: len(words)]
        return True

    def disjunction(self) -> Any:
        value = self.conjunction()
        while self.took("or"):
            other = self.conjunction()
            value = True if True in (value, other) else None if None in (value, other) else False
        return value

    def conjunction(self) -> Any:
        value = self.negation()
        while self.took("and"):
            other = self.negation()
            value = False if False in (value, other) else None if None in (value, other) else True
        return value

    def negation(self) -> Any:
        if self.took("not"):
            value = self.negation()
            return None if value is None else not value
        return self.predicate()

    def predicate(self) -> Any:
        left = self.total()
        for sign in _COMPARISONS:
            if self.took(sign):
                return _compared(sign, left, self.total())
        if self.took("is", "not", "null"):
            return left is not None
        if self.took("is", "null"):
            return left is None
        denied = self.took("not")
        value = self._set_predicate(left)
        return None if value is None else value is not denied if isinstance(value, bool) else value

    def _set_predicate(self, left: Any) -> Any:
        if self.took("in"):
            self.took("(")
            choices = [self.total()]
            while self.took(","):
                choices.append(self.total())
            self.took(")")
            return None if left is None else left in choices
        if self.took("between"):
            low = self.total()
            self.took("and")
            high = self.total()
            above, below = _compared(">=", left, low), _compared("<=", left, high)
            return False if False in (above, below) else None if None in (above, below) else True
        if self.took("like"):
            pattern = "".join({"%": ".*", "_": "."}.get(letter, re.escape(letter)) for letter in self.total())
            return None if left is None else re.fullmatch(pattern, left, flags=re.DOTALL) is not None
        return left

    def total(self) -> Any:
        value = self.product()
        while True:
            if self.took("+"):
                value = _calculated("+", value, self.product())
            elif self.took("-"):
                value = _calculated("-", value, self.product())
            else:
                return value

    def product(self) -> Any:
        value = self.factor()
        while True:
            if self.took("*"):
                value = _calculated("*", value, self.factor())
            elif self.took("/"):
                value = _calculated("/", value, self.factor())
            else:
                return value

    def factor(self) -> Any:
        if self.took("-"):
            value = self.factor()
            return None if value is None else -value
        if self.took("("):
            value = self.disjunction()
            self.took(")")
            return value
        kind, value = self.tokens.pop(0)
        if kind == "word":
            return {"true": True, "false": False}[value] if value in ("true", "false") else self.row[value]
        return value


def _compared(sign: str, left: Any, right: Any) -> bool | None:
    if left is None or right is None:
        return None
    match sign:
        case "=":
            return bool(left == right)
        case "<>" | "!=":
            return bool(left != right)
        case "<":
            return bool(left < right)
        case "<=":
            return bool(left <= right)
        case ">":
            return bool(left > right)
        case _:
            return bool(left >= right)


def _calculated(sign: str, left: Any, right: Any) -> Fraction | None:
    if left is None or right is None or (sign == "/" and right == 0):
        return None
    made = {"+": lambda: left + right, "-": lambda: left - right, "*": lambda: left * right, "/": lambda: left / right}
    return Fraction(made[sign]())
