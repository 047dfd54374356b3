"""The single values of a contract document, each with the words and the example that a refusal shows.

In memory a rate, an amount, a share or a factor is an integer of micros (1e-6), a day is a ``date``, a lookback is a
``timedelta``; in the document they are texts, and ``canonical_json`` writes them as the same texts in normal form.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Annotated, Any, TypeVar

import pycountry
from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, WithJsonSchema
from pydantic_core import PydanticCustomError

from contracts_io.calendar import is_zone, parse_day
from contracts_io.contract_text import Unquoted
from contracts_io.errors import ContractError, UsageError
from contracts_io.money import MICRO, format_scaled, is_currency, parse_scaled

MICRO_PLACES = 6
AMOUNT_LIMIT = 10**9 * MICRO
COUNT_LIMIT = 10**12
DAYS_LIMIT = 3_660
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2199, 12, 31)

_Item = TypeVar("_Item")

FACTOR_LIMIT = 1_000 * MICRO
FACTOR = "a decimal in quotes from 0 to 1,000, with at most 6 decimals"
AMOUNT = "a decimal in quotes, not negative, below 1,000,000,000, with at most 6 decimals"
SHARE = "a decimal in quotes from 0 to 1, with at most 6 decimals"
TEXT = "text of 1 to 200 characters, without control characters"
TEXTS = "a list of texts of 1 to 200 characters, not empty, each once"
DAY = f"a day as YYYY-MM-DD, from {FIRST_DAY} to {LAST_DAY}"
COUNTRY = "a country as ISO 3166-1 alpha-2"
COUNTRIES = "a list of countries as ISO 3166-1 alpha-2, not empty, each once"
COUNT = "a whole number from 1 to 1,000,000,000,000"
DAYS = "a whole number of days from 0 to 3,660"
EXPRESSION = "an expression of 1 to 2,000 characters"
SHARE_PATTERN = r"^0*(0(\.[0-9]{1,6})?|1(\.0{1,6})?)$"
DURATION = "whole days or hours as Nd or Nh, at most four digits; 0d switches the kind off"


@dataclass(frozen=True)
class Problem:
    """What is wrong with one field: its path as in the file (``terms[2].pricing.rate``), what stands there, what should."""

    path: str
    found: str
    expected: str
    example: str

    def __str__(self) -> str:
        text = f"{self.path}: found {self.found}; expected {self.expected}"
        return f"{text}; for example {self.example}" if self.example else text


class ContractDocumentError(ContractError):
    """A contract document with problems, all of them at once in ``problems``; ``str()`` has one line for each."""

    def __init__(self, problems: Sequence[Problem], *, name: str) -> None:
        self.problems = tuple(problems)
        count = f"{len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"
        super().__init__(
            f"the contract document has {count}", where=name, remedy="correct them and import the document again"
        )

    def __str__(self) -> str:
        return "\n".join([f"{self.where}: {self.what}", *(f"  {problem}" for problem in self.problems)])


def printable(text: str) -> str:
    """``text`` as it may stand in a message: at most 60 characters, none that a terminal would obey."""
    short = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text[:60])
    return f"{short}…" if len(text) > 60 else short


def shown(value: object) -> str:
    """A value of the tree as a message shows it, short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{printable(value)}"'
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}" if value else "an empty list"
    return printable(value.text if isinstance(value, Unquoted) else str(value))


def field(expected: str, example: str, **more: Any) -> Any:
    """A field of the document's model, with what a refusal says of it; ``more`` goes to pydantic's ``Field``."""
    return Field(description=expected, examples=[example], **more)


def refused(expected: str, example: str = "") -> PydanticCustomError:
    """A refusal by a validator; empty words or an empty example mean the field's own."""
    return PydanticCustomError("refused", "{expected}", {"expected": expected, "example": example})


def as_micros(value: object) -> int | None:
    """The micros of a decimal text as a document writes it, or None where it is not an ``AMOUNT``."""
    if not isinstance(value, str) or value.startswith("-"):
        return None
    try:
        micros = parse_scaled(value, MICRO_PLACES)
    except ValueError:
        return None
    return micros if micros < AMOUNT_LIMIT else None


def as_day(value: object) -> date | None:
    """The day that a document's text (or a date) means, or None where it is not a ``DAY``."""
    if isinstance(value, str):
        try:
            value = parse_day(value)
        except UsageError:
            return None
    if isinstance(value, datetime) or not isinstance(value, date) or not FIRST_DAY <= value <= LAST_DAY:
        return None
    return value


def _number_unquoted(value: object) -> str | None:
    if isinstance(value, Unquoted):
        return value.text
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _read_micros(expected: str, limit: int | None = None) -> Callable[[object], int]:
    def read(value: object) -> int:
        number = _number_unquoted(value)
        micros = as_micros(value if number is None else number)
        if micros is None or (limit is not None and micros > limit):
            raise refused(expected)
        if number is not None:
            raise refused(f'{expected}: write "{number}" in quotes', f'"{number}"')
        return micros

    return read


def _read_text(expected: str, accepted: Callable[[str], bool]) -> Callable[[object], str]:
    def read(value: object) -> str:
        number = _number_unquoted(value) if not isinstance(value, bool) else shown(value)
        if number is not None:
            raise refused(f'{expected}: quote it, write "{number}"', f'"{number}"')
        if not isinstance(value, str) or not accepted(value):
            raise refused(expected)
        return value

    return read


def _plain(limit: int, also: str = "") -> Callable[[str], bool]:
    # Cc control, Cs half of a pair, Zl and Zp line breaks: none can stand in a document line, some in no XML at all.
    def accepted(text: str) -> bool:
        odd = any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in "\ufffe\uffff" for c in text if c not in also)
        return bool(text.strip()) and len(text) <= limit and not odd

    return accepted


is_expression_text = _plain(2000, also="\n\t")
"""Whether a text can be an expression at all, by its length and its characters."""


def _matches(pattern: str) -> Callable[[str], bool]:
    compiled = re.compile(pattern)
    return lambda text: compiled.fullmatch(text) is not None


@cache
def is_country(code: str) -> bool:
    """Whether ``code`` is an ISO 3166-1 alpha-2 country."""
    return bool(_matches("[A-Z]{2}")(code)) and pycountry.countries.get(alpha_2=code) is not None


def _is_iban(text: str) -> bool:
    code = text.replace(" ", "")
    if not _matches("[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")(code):
        return False
    return int("".join(str(int(c, 36)) for c in code[4:] + code[:4])) % 97 == 1


def _read_day(value: object) -> date:
    day = as_day(value)
    if day is None:
        raise refused("")
    return day


def _read_duration(value: object) -> timedelta:
    if isinstance(value, timedelta):
        return value
    found = re.fullmatch("([0-9]{1,4})([dh])", value) if isinstance(value, str) else None
    if found is None:
        raise refused(DURATION)
    return timedelta(days=int(found[1])) if found[2] == "d" else timedelta(hours=int(found[1]))


def _write_duration(value: timedelta) -> str:
    hours = value // timedelta(hours=1)
    return f"{hours}h" if hours % 24 else f"{hours // 24}d"


def _not_empty(values: tuple[_Item, ...]) -> tuple[_Item, ...]:
    if not values:
        raise refused("a list that is not empty")
    return values


def _each_once(values: tuple[str, ...]) -> tuple[str, ...]:
    counts = Counter(_not_empty(values))
    if repeated := [value for value, count in counts.items() if count > 1]:
        raise refused(f"a list with each value once ({shown(repeated[0])} is repeated)")
    return values


_WRITE_MICROS = PlainSerializer(lambda value: format_scaled(value, MICRO_PLACES), return_type=str, when_used="json")


def _as_text(pattern: str = "", **more: Any) -> WithJsonSchema:
    """What a JSON Schema says of a text; it may say less than the reader checks, never more."""
    return WithJsonSchema({"type": "string", **({"pattern": pattern} if pattern else {}), **more})


_PLAIN = r"^(?=.*\S)[^\u0000-\u001f\u007f-\u009f\u2028\u2029]*$"
_DATE = r"^(19[7-9][0-9]|2[01][0-9]{2})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$"
_IDENTIFIER = "[A-Za-z0-9._-]{1,64}"
_EMAIL = "[!-?A-~]{1,64}@[!-?A-~]{1,135}"
_BIC = "[A-Z]{6}[A-Z0-9]{2}([A-Z0-9]{3})?"
_ALL_COUNTRIES = sorted(country.alpha_2 for country in pycountry.countries)
_ALL_CURRENCIES = sorted(currency.alpha_3 for currency in pycountry.currencies if is_currency(currency.alpha_3))

Micros = Annotated[int, BeforeValidator(_read_micros(AMOUNT)), _WRITE_MICROS, _as_text(r"^0*[0-9]{1,9}(\.[0-9]{1,6})?$")]
Share = Annotated[
    int,
    BeforeValidator(_read_micros(SHARE, MICRO)),
    _WRITE_MICROS,
    _as_text(SHARE_PATTERN),
]
Factor = Annotated[
    int,
    BeforeValidator(_read_micros(FACTOR, FACTOR_LIMIT)),
    _WRITE_MICROS,
    _as_text(r"^0*([0-9]{1,3}(\.[0-9]{1,6})?|1000(\.0{1,6})?)$"),
]
Day = Annotated[date, BeforeValidator(_read_day), _as_text(_DATE, format="date")]
Duration = Annotated[
    timedelta,
    BeforeValidator(_read_duration),
    PlainSerializer(_write_duration, return_type=str),
    _as_text("^[0-9]{1,4}[dh]$"),
]
Count = Annotated[int, Field(ge=1, le=COUNT_LIMIT)]
Days = Annotated[int, Field(ge=0, le=DAYS_LIMIT)]

Text = Annotated[str, BeforeValidator(_read_text(TEXT, _plain(200))), _as_text(_PLAIN, minLength=1, maxLength=200)]
Identifier = Annotated[
    str,
    BeforeValidator(_read_text("letters, digits, - _ . ; at most 64 characters", _matches(_IDENTIFIER))),
    _as_text(f"^{_IDENTIFIER}$"),
]
Country = Annotated[str, BeforeValidator(_read_text(COUNTRY, is_country)), _as_text(enum=_ALL_COUNTRIES)]
Currency = Annotated[str, BeforeValidator(_read_text("a currency as ISO 4217", is_currency)), _as_text(enum=_ALL_CURRENCIES)]
Zone = Annotated[str, BeforeValidator(_read_text("an IANA time zone", is_zone)), _as_text("^[A-Za-z0-9_+/-]+$")]
Email = Annotated[str, BeforeValidator(_read_text("an e-mail address", _matches(_EMAIL))), _as_text(f"^{_EMAIL}$")]
Iban = Annotated[
    str,
    BeforeValidator(_read_text("an IBAN with right check digits", _is_iban)),
    AfterValidator(lambda v: v.replace(" ", "")),
    _as_text("^ *[A-Z] *[A-Z] *[0-9] *[0-9][A-Z0-9 ]{11,}$"),
]
Bic = Annotated[str, BeforeValidator(_read_text("a BIC of 8 or 11 characters", _matches(_BIC))), _as_text(f"^{_BIC}$")]
Expression = Annotated[
    str, BeforeValidator(_read_text(EXPRESSION, is_expression_text)), _as_text(r"\S", minLength=1, maxLength=2000)
]

NotEmpty = Annotated[tuple[_Item, ...], AfterValidator(_not_empty), Field(json_schema_extra={"minItems": 1})]
_EACH_ONCE = Field(json_schema_extra={"minItems": 1, "uniqueItems": True})
Texts = Annotated[tuple[Text, ...], AfterValidator(_each_once), _EACH_ONCE]
Countries = Annotated[tuple[Country, ...], AfterValidator(_each_once), _EACH_ONCE]
