"""Every error that adledger raises on purpose, as one family tree.

    AdledgerError
    ├── UsageError          an argument that is not of its form (a day, a month)
    ├── HomeError           no home there, or one that cannot be used
    ├── SettingsError       adledger.toml says something that cannot be followed
    ├── RoleError           somebody who may not do that
    ├── ContractError       a contract document, or a step in its life, that is refused
    ├── FeedError           a delivery that cannot be read, or is not there
    ├── WarehouseError      a partition that is missing or not what was written
    └── BooksError          the month is closed, a close is refused, the audit chain is broken

A message has three parts: what is wrong, where, and what to do. A door (command line, Dagster) prints ``str(error)`` and
nothing else. An exception outside this family is a defect in adledger.
"""

from __future__ import annotations


class AdledgerError(Exception):
    """Something that a person can put right.

    ``what`` is one sentence on what is wrong, ``where`` names the file, field, day or table, ``remedy`` says what to do.
    """

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        self.what = what
        self.where = where
        self.remedy = remedy
        super().__init__(what, where, remedy)

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  -> {self.remedy}" if self.remedy else text


class UsageError(AdledgerError):
    """An argument that is not of its form."""


class HomeError(AdledgerError):
    """No home at that place, or one that cannot be used."""


class SettingsError(AdledgerError):
    """The settings file says something that cannot be followed."""


class RoleError(AdledgerError):
    """Somebody who may not do that (``[roles]`` in the settings)."""


class ContractError(AdledgerError):
    """A contract document, or a step in a contract's life, that is refused."""


class FeedError(AdledgerError):
    """A delivery that cannot be read, or that is not there."""


class WarehouseError(AdledgerError):
    """A partition that is missing, or that is not what was written."""


class BooksError(AdledgerError):
    """What the books refuse: a closed month, a close that may not happen, a broken audit chain."""
