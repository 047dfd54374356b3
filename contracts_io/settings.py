"""The settings of a home, ``adledger.toml`` (spec section 9): read once, checked whole, every problem reported at once.

Secrets have no place in it: they come from the environment.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl
import pycountry

from contracts_io.accounts import Accounts, JournalSettings
from contracts_io.calendar import is_zone
from contracts_io.errors import SettingsError
from contracts_io.feeds.columns import CANONICAL, FEEDS, Column, Kind, Reading
from contracts_io.journal_settings import read_accounts, read_journal
from contracts_io.money import is_currency, parse_scaled
from contracts_io.roles import Roles, read_roles

DEFAULT_SETTINGS = """\
# Settings of this adledger home. A line that begins with # shows a setting with its default, or an example.
# Secrets (database passwords, tokens) do not belong here: they come from environment variables.

# Where the books are. Default: SQLite, books.db in this folder. In production for example:
# database_url = "postgresql+psycopg://adledger@db.example.com/adledger"

# An event is accepted up to this many days after it happened (0 to 60).
# horizon_days = 7

# Touches that are delivered up to this many days after a conversion still count for it (0 to 30).
# grace_days = 1

# The currency of the cost column of impressions (ISO 4217).
# cost_currency = "USD"

# The share of a feed's rows in a delivery day that may be quarantined; a day with more fails and changes nothing.
# quarantine_limit = "0.05"                                            # default "1": any

# Who issues the documents, for a program that prints them: it is checked, and shown nowhere. Each is optional.
# [company]
# name = "Example Media, Inc."
# country = "US"
# tax_id = "12-3456789"
# address = "1 Main Street, Springfield, IL 62701"
# bank = {iban = "DE89370400440532013000", bic = "COBADEFFXXX"}     # or {account = "...", routing = "..."}

# Who may submit contracts, approve them and close months. Without a list, anyone may; an approver is never the submitter.
# [roles]
# submit = ["ann"]
# approve = ["bob", "carol"]
# close = ["carol"]
# A contract version above one of these amounts, in its own currency, needs the approvals of two persons.
# two_approvals_above = {minimum_monthly = "10000.00", budget = "100000.00"}
# A close is prepared by one person (adledger close MONTH --by ann) and approved by another (... --approve --by carol).
# close_approval = true

# The accounts that the journal posts on, by names that beancount and hledger take.
# [accounts]
# receivable = "Assets:Receivable"
# unbilled = "Assets:Unbilled"
# revenue = "Income:Revenue"
# tax = "Liabilities:Tax"
# partner_cost = "Expenses:PartnerCost"
# partner_payable = "Liabilities:PartnerPayable"
# partner_clearing = "Liabilities:PartnerClearing"
# accrued_payable = "Liabilities:AccruedPayable"
# withholding = "Liabilities:Withholding"

# Whether the journal shows revenue and cost (principal) or the margin (agent). Exceptions are advertiser contracts, each
# with the reason, under [journal.agent] or [journal.principal]. Documents are the same either way.
# [journal]
# default = "principal"           # "agent" needs a reason, too: reason = "..."
# [journal.agent]
# "acme-ctv-2026" = "the partner sets the price and answers for delivery"

# One section for each feed: impressions, clicks, conversions, conversion_adjustments.
# [feeds.impressions]
# enabled = true                  # false: the feed is empty, and nothing is awaited
# null_values = ["null", "\\\\N"]    # words that mean null, besides empty text

# Columns that have other names or forms in your files, by their canonical name.
# [feeds.impressions.columns]
# impression_id = "bid_id"                                          # another name
# partner_id = {constant = "streamco"}                              # not in the file: the same for every row
# event_time = {column = "ts", format = "%Y%m%d%H%M%S%3f", zone = "Asia/Shanghai"}   # of times without one: UTC
# event_time = {column = "ts", unit = "ms"}                         # since 1970: s, ms, us or ns
# cost = {column = "price_micros", factor = "0.000001"}             # multiplied exactly
"""

_KEYS = (
    *("database_url", "horizon_days", "grace_days", "cost_currency", "quarantine_limit"),
    *("company", "feeds", "roles", "accounts", "journal"),
)
_COMPANY_KEYS = ("name", "country", "tax_id", "address", "bank")
_BANK_KEYS = ("iban", "account", "bic", "routing")
_FEED_KEYS = ("enabled", "null_values", "columns")
_OPTIONS: Mapping[Kind, tuple[str, ...]] = {Kind.INSTANT: ("format", "unit", "zone"), Kind.DECIMAL: ("factor",)}
_UNITS = ("s", "ms", "us", "ns")
FACTOR_PLACES = 9


@dataclass(frozen=True)
class ColumnMapping:
    """Where a canonical column comes from: a source ``column`` or a ``constant`` (exactly one), and how its text is read."""

    column: str | None = None
    constant: str | None = None
    reading: Reading = CANONICAL


@dataclass(frozen=True)
class FeedSettings:
    """How a feed is read: one that is not ``enabled`` is empty; ``null_values`` are words for null, besides empty text."""

    enabled: bool = True
    null_values: tuple[str, ...] = ()
    columns: Mapping[str, ColumnMapping] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def readings(self) -> Mapping[str, Reading]:
        """How the text of each mapped canonical column is read: what ``pipelines.intake.judge`` needs to know."""
        return {name: mapping.reading for name, mapping in self.columns.items()}


@dataclass(frozen=True)
class Company:
    """Who issues the documents; each field may be missing. ``bank`` has ``iban`` or ``account``, ``bic`` or ``routing``."""

    name: str | None = None
    country: str | None = None
    tax_id: str | None = None
    address: str | None = None
    bank: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


def _feeds_as_they_are() -> Mapping[str, FeedSettings]:
    return MappingProxyType({name: FeedSettings() for name in FEEDS})


@dataclass(frozen=True)
class Settings:
    """Everything that ``adledger.toml`` says; ``feeds`` has every feed. ``database_url`` None: SQLite in the home."""

    database_url: str | None = None
    horizon_days: int = 7
    grace_days: int = 1
    cost_currency: str = "USD"
    quarantine_limit: Decimal = Decimal(1)
    company: Company = Company()
    feeds: Mapping[str, FeedSettings] = field(default_factory=_feeds_as_they_are)
    roles: Roles = field(default_factory=Roles)
    accounts: Accounts = field(default_factory=Accounts)
    journal: JournalSettings = field(default_factory=JournalSettings)


def load_settings(path: Path) -> Settings:
    """The settings in the file at ``path``; SettingsError names every problem in it, or that it is not there or not TOML."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError("there is no settings file", where=str(path), remedy="make one with 'adledger init'") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"cannot be read: {error}", where=str(path), remedy="make it a readable UTF-8 file") from None
    return parse_settings(text, where=str(path))


def parse_settings(text: str, where: str = "adledger.toml") -> Settings:
    """The settings in a TOML text; ``where`` names it in the SettingsError."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"is not TOML: {error}", where=where, remedy="correct that line") from None
    check = _Check()
    settings = check.settings(document)
    if check.problems:
        count = f"{len(check.problems)} settings" if len(check.problems) > 1 else "a setting"
        listed = "".join(f"\n  - {problem}" for problem in check.problems)
        raise SettingsError(
            f"{count} cannot be followed:{listed}", where=where, remedy="correct what is listed and try again"
        )
    return settings


class _Check:
    """Reads a document, taking the default wherever something is wrong and noting what."""

    def __init__(self) -> None:
        self.problems: list[str] = []

    def settings(self, document: Mapping[str, Any]) -> Settings:
        self.keys(document, _KEYS, "")
        default = Settings()
        feeds = self.table(document, "feeds", "")
        self.keys(feeds, tuple(FEEDS), "feeds.", "feed")
        return Settings(
            database_url=self.text(document, "database_url", ""),
            horizon_days=self.days(document, "horizon_days", 60, default.horizon_days),
            grace_days=self.days(document, "grace_days", 30, default.grace_days),
            cost_currency=self.currency(document, "cost_currency", default.cost_currency),
            quarantine_limit=self.share(document, "quarantine_limit", default.quarantine_limit),
            company=self.company(self.table(document, "company", "")),
            feeds=MappingProxyType({name: self.feed(name, self.table(feeds, name, "feeds.")) for name in FEEDS}),
            roles=read_roles(self, self.table(document, "roles", "")),
            accounts=read_accounts(self, self.table(document, "accounts", "")),
            journal=read_journal(self, self.table(document, "journal", "")),
        )

    def share(self, table: Mapping[str, Any], key: str, default: Decimal) -> Decimal:
        if key not in table:
            return default
        value = table[key]
        if isinstance(value, str) and re.fullmatch(r"0(\.[0-9]{1,6})?|1(\.0{1,6})?", value):
            return Decimal(value)
        self.problems.append(f'{key}: {value!r} is not a share: expected a decimal in quotes from 0 to 1, such as "0.05"')
        return default

    def company(self, table: Mapping[str, Any]) -> Company:
        self.keys(table, _COMPANY_KEYS, "company.")
        country = self.text(table, "country", "company.")
        if country is not None and pycountry.countries.get(alpha_2=country) is None:
            self.problems.append(f"company.country: {country!r} is not a country: expected an ISO 3166-1 code such as 'US'")
        bank = self.table(table, "bank", "company.")
        self.keys(bank, _BANK_KEYS, "company.bank.")
        accounts = {key: self.text(bank, key, "company.bank.") for key in _BANK_KEYS if key in bank}
        return Company(
            name=self.text(table, "name", "company."),
            country=country,
            tax_id=self.text(table, "tax_id", "company."),
            address=self.text(table, "address", "company."),
            bank=MappingProxyType({key: value for key, value in accounts.items() if value is not None}),
        )

    def feed(self, name: str, table: Mapping[str, Any]) -> FeedSettings:
        at = f"feeds.{name}."
        self.keys(table, _FEED_KEYS, at)
        enabled = table.get("enabled", True)
        if not isinstance(enabled, bool):
            self.problems.append(f"{at}enabled: expected true or false, not {enabled!r}")
        columns = self.table(table, "columns", at)
        self.keys(columns, FEEDS[name].column_names, f"{at}columns.", "column")
        mapped = {
            column.name: self.mapping(column, columns[column.name], f"{at}columns.{column.name}")
            for column in FEEDS[name].columns
            if column.name in columns
        }
        return FeedSettings(enabled is True, self.texts(table, "null_values", at) or (), MappingProxyType(mapped))

    def mapping(self, column: Column, value: object, at: str) -> ColumnMapping:
        if isinstance(value, str):
            return ColumnMapping(column=value)
        if not isinstance(value, dict):
            self.problems.append(f"{at}: expected the name of a source column, or a table with 'column' or 'constant'")
            return ColumnMapping()
        options = _OPTIONS.get(column.kind, ())
        misfits = [key for key in ("format", "unit", "zone", "factor") if key in value and key not in options]
        self.problems += [f"{at}.{key}: does not fit a column of kind {column.kind}" for key in misfits]
        self.keys({key: value[key] for key in value if key not in misfits}, ("column", "constant", *options), f"{at}.")
        if ("column" in value) == ("constant" in value):
            self.problems.append(f"{at}: expected exactly one of 'column' and 'constant'")
        return ColumnMapping(
            column=self.text(value, "column", f"{at}.", empty=True),
            constant=self.text(value, "constant", f"{at}."),
            reading=self.reading({key: value[key] for key in options if key in value}, at),
        )

    def reading(self, options: Mapping[str, Any], at: str) -> Reading:
        found = {key: self.text(options, key, f"{at}.") for key in options}
        pattern, unit, zone, factor = (found.get(key) for key in ("format", "unit", "zone", "factor"))
        if "unit" in options and "format" in options:
            self.problems.append(f"{at}: expected 'format' or 'unit', not both")
        if "unit" in options and "zone" in options:
            self.problems.append(f"{at}.zone: does not fit 'unit', which counts from 1970 in UTC")
        if pattern is not None and not _is_time_format(pattern):
            self.problems.append(
                f"{at}.format: {pattern!r} does not describe a time: expected a pattern such as '%Y-%m-%d %H:%M:%S'"
            )
        codes = (pattern or "").replace("%%", "")
        if "%Z" in codes:
            self.problems.append(
                f"{at}.format: %Z, the name of a zone, is not understood: write the name as it stands, such as UTC, and what it "
                "means as 'zone'; of offsets use %z"
            )
        if "%s" in codes and zone is not None:
            self.problems.append(f"{at}.zone: does not fit %s in 'format', which counts from 1970 in UTC")
        if unit is not None and unit not in _UNITS:
            self.problems.append(f"{at}.unit: {unit!r} is not one of {', '.join(_UNITS)}")
        if zone is not None and not is_zone(zone):
            self.problems.append(f"{at}.zone: {zone!r} is not a time zone: expected an IANA name such as 'America/New_York'")
        if factor is not None and not _is_factor(factor):
            self.problems.append(
                f"{at}.factor: {factor!r} is not a factor: expected plain digits above zero, at most 10 before "
                f"and {FACTOR_PLACES} after the point"
            )
        return Reading(format=pattern, unit=unit, zone=zone or "UTC", factor=factor)

    def keys(self, table: Mapping[str, Any], known: Sequence[str], at: str, noun: str = "setting") -> None:
        for key in table:
            if key not in known:
                close = get_close_matches(key, known, 1, cutoff=0.0)
                self.problems.append(f"{at}{key}: there is no such {noun}; the closest is {close[0]!r}")

    def table(self, table: Mapping[str, Any], key: str, at: str) -> Mapping[str, Any]:
        value = table.get(key, {})
        if isinstance(value, dict):
            return value
        self.problems.append(f"{at}{key}: expected a table, not {value!r}")
        return {}

    def text(self, table: Mapping[str, Any], key: str, at: str, *, empty: bool = False) -> str | None:
        value = table.get(key)
        if value is None or (isinstance(value, str) and (value or empty)):
            return value
        self.problems.append(f"{at}{key}: expected a text in quotes{'' if empty else ' that is not empty'}, not {value!r}")
        return None

    def texts(self, table: Mapping[str, Any], key: str, at: str) -> tuple[str, ...] | None:
        value = table.get(key)
        if value is None:
            return None
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return tuple(value)
        self.problems.append(f"{at}{key}: expected a list of texts, not {value!r}")
        return None

    def days(self, table: Mapping[str, Any], key: str, most: int, default: int) -> int:
        value = table.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= most:
            return value
        self.problems.append(f"{key}: expected a whole number from 0 to {most}, not {value!r}")
        return default

    def currency(self, table: Mapping[str, Any], key: str, default: str) -> str:
        value = self.text(table, key, "")
        if value is not None and not is_currency(value):
            self.problems.append(f"{key}: {value!r} is not a currency: expected an ISO 4217 code such as 'USD'")
        return value or default


def _is_time_format(pattern: str) -> bool:
    """Whether a day can be read by the pattern: one that is written by it is understood again."""
    for zone in (None, UTC):
        sample = datetime(2026, 10, 5, 13, 24, 35, 123456, tzinfo=zone)
        try:
            written = pl.Series([sample]).dt.strftime(pattern)
            read = written.str.to_datetime(pattern, time_unit="us", strict=False)[0]
        except pl.exceptions.PolarsError:
            continue
        if read is not None and read.date() == sample.date():
            return True
    return False


def _is_factor(text: str) -> bool:
    # Ten digits and nine places keep every product of an acceptable amount within 128 bits.
    return re.fullmatch(r"[0-9]{1,10}(\.[0-9]{1,9})?", text) is not None and parse_scaled(text, FACTOR_PLACES) > 0
