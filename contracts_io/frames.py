"""Every table that the warehouse keeps, as a pandera model with named rules, and what each column means.

One declaration per table; the column schema shown by Dagster, the empty frame, the check at every write and the reference
pages in ``docs/`` are projections of it. Instants are UTC with microseconds, dates are as named, exact amounts are decimals
with nine places in the currency that the table names or, where it names none, in that of the row's contract.

A LazyFrame is checked by pandera for names and types only unless the depth is set; ``check`` sets it, so that a row that
breaks a rule is found. What does not belong here: tables of the books (``store/``) and the layout of exports (``formats/``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, reduce
from io import BytesIO
from operator import or_
from typing import Any, TypeAlias, TypeVar

import pandera.polars as pa
import polars as pl
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from contracts_io.calendar import INSTANT
from contracts_io.errors import WarehouseError
from contracts_io.ids import EMPTY_ID, packed_schema, parts, parts_schema
from contracts_io.money import FACTOR_TYPE, NANOS_TYPE, RATE_TYPE
from contracts_io.texts import as_texts

ARROW_SCHEMA = "ARROW:schema"
FEED_NAMES = ("impressions", "clicks", "conversions", "conversion_adjustments")
RATE_KINDS = ("per_mille", "flat", "percent")
INVOICE_LINE_KINDS = ("media", "tier_fee", "budget_cap", "action", "agency_commission", "minimum")
PAYOUT_LINE_KINDS = ("media", "tier_fee", "budget_cap", "action", "revenue_share")
"""What a month entitles to; an issued statement may have lines ``adjustment`` too, for closed months."""
STATUSES = (
    "no_contract",
    "duplicate_order",
    "reversed",
    "no_fx_rate",
    "ineligible",
    "no_household",
    "unattributed",
    "attributed",
)
OUTCOMES = (
    "invalid_traffic",
    "no_contract",
    "priced_by_action",
    "not_viewable",
    "not_completed",
    "over_cap",
    "billed",
)

LINE_QUANTITY = "billed impressions, or conversions; 1 of a tier fee; null on budget_cap, agency_commission and minimum"
LINE_RATE = (
    "price per 1,000 impressions, flat amount or fee, or percent rate as a share (0.08 is 8 %); "
    "null on dcpm media, revenue_share, budget_cap, agency_commission and minimum"
)

_Values = TypeVar("_Values", pl.Expr, pl.Series)
_At: TypeAlias = Callable[[str], _Values]
"""The column of a name: of what a query reads, or in memory."""


@dataclass(frozen=True)
class Table:
    """A table of the warehouse: its name, the partition it is written by (day, month or all), what it holds."""

    name: str
    partition: str
    description: str
    schema: pa.DataFrameSchema
    packed: tuple[str, ...] = ()
    """Its columns of ids that are kept as integers (``contracts_io.ids``)."""
    coded: tuple[str, ...] = ()
    """Its columns of texts of few values that are written as codes (``contracts_io.texts``)."""
    keeps_codes: bool = False
    """Whether its files give these codes to who reads them as they are kept; else they give texts, which costs many days less."""

    @property
    def columns(self) -> list[str]:
        """The column names, in order."""
        return list(self.schema.columns)

    @property
    def polars_schema(self) -> pl.Schema:
        """Column names and Polars types, in order."""
        return pl.Schema({name: column.dtype.type for name, column in self.schema.columns.items()})

    @cached_property
    def stored(self) -> pa.DataFrameSchema:
        """The schema of its files, with each packed id in its parts."""
        columns: dict[str, pa.Column] = {}
        for name, column in self.schema.columns.items():
            if name not in self.packed:
                columns[name] = column
                continue
            for part, dtype in parts_schema(name).items():
                is_text = dtype == pl.String()
                checks = [_rule(_not_empty)] if is_text and not column.nullable else []
                columns[part] = _column(dtype, column.description, *checks, nullable=column.nullable or is_text)
        return pa.DataFrameSchema(columns, checks=self.schema.checks, strict=True, ordered=True, name=self.name)

    @cached_property
    def stored_schema_text(self) -> str:
        """The schema of its files as Parquet's metadata have it, each column of ``coded`` as text."""
        file = BytesIO()
        pl.DataFrame(schema=self.stored_schema).write_parquet(file)
        file.seek(0)
        return pl.read_parquet_metadata(file)[ARROW_SCHEMA]

    @cached_property
    def stored_schema(self) -> pl.Schema:
        """Column names and Polars types of its files, in order."""
        return packed_schema(self.polars_schema, self.packed)

    def empty(self) -> pl.DataFrame:
        """The table without rows."""
        return pl.DataFrame(schema=self.polars_schema)

    def takes(self, rows: pl.DataFrame) -> bool:
        """Whether no row of ``rows``, which have the shape of its files, breaks a rule of the schema.

        A column at a time and without a query, so that it costs little to ask of each part of what is being written.
        """
        columns = self.stored.columns
        if any(rows[name].has_nulls() for name, column in columns.items() if not column.nullable):
            return False
        rules = [(name, check) for name, column in columns.items() for check in column.checks]
        rules += [("*", check) for check in self.stored.checks]

        def at(name: str) -> pl.Series:
            dtype = rows[name].dtype
            return dtype.categories if isinstance(dtype, pl.Enum) else rows[name]

        return all(_holds(check, at, name).all() for name, check in rules)

    def check(self, frame: pl.LazyFrame, *, has_rows: bool = True) -> None:
        """Raise WarehouseError naming rule, column and a value, where a row or the shape breaks the table's schema.

        Of a frame that is known to have no rows only the shape is checked. Pandera, which runs a query for each rule and
        holds what it comes to, is asked only to name what is broken.
        """
        schema = frame.collect_schema()
        frame = as_texts(frame, [name for name in self.coded if isinstance(schema.get(name), pl.Enum)])
        is_shaped = list(frame.collect_schema().items()) == list(self.stored_schema.items())
        if is_shaped and (not has_rows or self.takes(frame.collect())):
            return
        depth = ValidationDepth.SCHEMA_AND_DATA if has_rows else ValidationDepth.SCHEMA_ONLY
        with config_context(validation_depth=depth):
            try:
                self.stored.validate(frame, lazy=True)
            except SchemaErrors as error:
                cases = error.failure_cases.head(3).to_dicts()
                shown = "; ".join(f"{c['column'] or c['failure_case']}: {c['check']} ({c['failure_case']})" for c in cases)
                raise WarehouseError(
                    f"rows break the table's rules: {shown}",
                    where=f"table {self.name}",
                    remedy="nothing was published; this is a defect or a damaged file: keep the landing folder, report it",
                ) from None


def _holds(check: pa.Check, at: _At[pl.Series], column: str) -> pl.Series:
    """Whether each row satisfies a rule, or null."""
    limits: dict[str, Any] = check.statistics or {}
    held: pl.Series
    match check.name:
        case "greater_than_or_equal_to":
            held = at(column) >= limits["min_value"]
        case "isin":
            held = reduce(or_, (at(column) == value for value in limits["allowed_values"]))
        case "str_length" if (limits["min_value"], limits["max_value"]) == (1, None):
            held = at(column) != ""  # less work than to count characters
        case "str_length":
            held = at(column).str.len_chars().is_between(limits["min_value"], limits["max_value"])
        case _:
            held = _OURS[str(check.name)](at, column)
    return held


def _column(dtype: Any, description: str, *checks: pa.Check, nullable: bool = False) -> pa.Column:
    return pa.Column(dtype, list(checks), nullable=nullable, description=description)


def _text(description: str, *, nullable: bool = False, isin: tuple[str, ...] | None = None) -> pa.Column:
    checks = [pa.Check.isin(isin)] if isin else [] if nullable else [pa.Check.str_length(min_value=1)]
    return _column(pl.String, description, *checks, nullable=nullable)


def _count(description: str, *, least: int = 0) -> pa.Column:
    return _column(pl.Int64, description, pa.Check.ge(least))


def _amount(description: str, *, nullable: bool = False) -> pa.Column:
    return _column(NANOS_TYPE, description, nullable=nullable)


def _unsigned_amount(description: str) -> pa.Column:
    return _column(NANOS_TYPE, description, _rule(_not_negative), nullable=True)


def _not_empty(at: _At[_Values], text: str) -> _Values:
    hi, lo, _ = parts(text.removesuffix("_text"))
    high, low, kind = EMPTY_ID
    return ~((at(text) == kind) & (at(hi) == high) & (at(lo) == low))


def _not_negative(at: _At[_Values], amount: str) -> _Values:
    return at(amount).to_physical() >= 0


def _credit_within_whole(at: _At[_Values], credit: str) -> _Values:
    return (at(credit) >= 0) & (at(credit) <= 1_000_000)


def _every_row_accounted_for(at: _At[_Values], _: str) -> _Values:
    return at("read") == at("accepted") + at("duplicate") + at("quarantined")


def _quarter_hour(at: _At[_Values], instant: str) -> _Values:
    return at(instant).to_physical() % (15 * 60 * 1_000_000) == 0


_OURS: dict[str, Callable[..., Any]] = {
    rule.__name__.removeprefix("_"): rule
    for rule in (_not_empty, _not_negative, _credit_within_whole, _every_row_accounted_for, _quarter_hour)
}


def _rule(rule: Callable[[_At[pl.Expr], str], pl.Expr]) -> pa.Check:
    """A rule of ours, said once for expressions and for columns in memory, as pandera takes it."""
    return pa.Check(lambda data: data.lazyframe.select(rule(pl.col, data.key)), name=rule.__name__.removeprefix("_"))


_FILE = {
    "file": _text("landing file that the row came in"),
    "row": _count("row of that file, 1 is the first data row (ndjson: the line)", least=1),
}

_IMPRESSION = {
    "impression_id": _text("id of the impression"),
    "event_time": _column(INSTANT, "when it was served"),
    "household_id": _text("household that saw it; null: not known", nullable=True),
    "line_item_id": _text("campaign line of the ad server"),
    "partner_id": _text("publisher or affiliate that showed it"),
    "device_type": _text("ctv, mobile, desktop, …", nullable=True),
    "country": _text("ISO 3166-1 alpha-2", nullable=True),
    "viewable": _column(pl.Boolean, "met the viewability standard"),
    "completed": _column(pl.Boolean, "was played to its end"),
    "invalid_reason": _text("why it is invalid traffic; null: valid", nullable=True),
    "cost": _unsigned_amount("cleared price of this impression, in the settings' cost_currency"),
}
_CLICK = {
    "click_id": _text("id of the click"),
    "event_time": _column(INSTANT, "when it happened"),
    "household_id": _text("household that clicked; null: not known", nullable=True),
    "line_item_id": _text("campaign line of the ad server"),
    "partner_id": _text("publisher or affiliate"),
    "invalid_reason": _text("why it is invalid traffic; null: valid", nullable=True),
}
_CONVERSION = {
    "conversion_id": _text("id of the conversion"),
    "event_time": _column(INSTANT, "when it happened"),
    "household_id": _text("household that converted; null: not known", nullable=True),
    "advertiser_id": _text("advertiser that reported it"),
    "event": _text("purchase, signup, …"),
    "order_id": _text("the advertiser's order", nullable=True),
    "order_value": _unsigned_amount("value as reported, in `currency`"),
    "currency": _text("ISO 4217; null: the contract's", nullable=True),
    "new_customer": _column(pl.Boolean, "first order of a customer"),
    "country": _text("ISO 3166-1 alpha-2", nullable=True),
    "category": _text("category of goods", nullable=True),
    "coupon": _text("coupon used", nullable=True),
}
_ADJUSTMENT = {
    "adjustment_id": _text("id of the adjustment"),
    "conversion_id": _text("conversion that it adjusts"),
    "adjusted_at": _column(INSTANT, "when the advertiser adjusted it"),
    "action": _text("reverse or restate", isin=("reverse", "restate")),
    "order_value": _unsigned_amount("the restated value, in the conversion's currency"),
    "reason": _text("the advertiser's words", nullable=True),
}
_LOOKED_UP = {
    "touch_id": _text("impression or click id"),
    "touch_kind": _text("view or click", isin=("view", "click")),
    "partner_id": _text("publisher or affiliate of the touch"),
    "line_item_id": _text("campaign line of the touch"),
    "term_id": _text("cpa term that claims the line item"),
    "touch_time": _column(INSTANT, "when the touch happened"),
}
_COVERED_BY = "the side's contract that covers them; null: invalid_traffic, which is not asked for one, or no_contract"
_REPEAT = {"conflict": _column(pl.Boolean, "differs from the row accepted on the earlier day")}


def _table(
    name: str,
    partition: str,
    description: str,
    columns: dict[str, pa.Column],
    *checks: pa.Check,
    packed: tuple[str, ...] = (),
    coded: tuple[str, ...] = (),
    keeps_codes: bool = False,
) -> Table:
    schema = pa.DataFrameSchema(columns, checks=list(checks), strict=True, ordered=True, name=name)
    return Table(name, partition, description, schema, packed, coded, keeps_codes)


def _accepted(
    feed: str, description: str, columns: dict[str, pa.Column], *packed: str, coded: tuple[str, ...] = ()
) -> Table:
    said = f"Accepted {description} of a delivery day, each id once."
    return _table(feed, "day", said, _FILE | columns, packed=packed, coded=coded, keeps_codes=bool(coded))


def _repeated(feed: str, description: str, columns: dict[str, pa.Column], *packed: str) -> Table:
    dropped = f"{description.capitalize()} dropped: accepted on an earlier day."
    return _table(f"{feed}_repeated", "day", dropped, _FILE | columns | _REPEAT, packed=packed)


_TABLES = (
    _accepted(
        "impressions",
        "impressions",
        _IMPRESSION,
        "impression_id",
        "household_id",
        coded=("file", "line_item_id", "partner_id", "device_type", "country", "invalid_reason"),
    ),
    _accepted("clicks", "clicks", _CLICK, "click_id", "household_id"),
    _accepted("conversions", "conversions", _CONVERSION, "conversion_id"),
    _accepted("conversion_adjustments", "reversals and restatements", _ADJUSTMENT, "adjustment_id"),
    _repeated("impressions", "impressions", _IMPRESSION, "impression_id", "household_id"),
    _repeated("clicks", "clicks", _CLICK, "click_id", "household_id"),
    _repeated("conversions", "conversions", _CONVERSION, "conversion_id"),
    _repeated("conversion_adjustments", "adjustments", _ADJUSTMENT, "adjustment_id"),
    _table(
        "quarantine",
        "day",
        "Rows that could not be used, each with its reason and content.",
        {
            "feed": _text("feed", isin=FEED_NAMES),
            "delivery_day": _column(pl.Date, "UTC date under which the file was dropped"),
            **_FILE,
            "reason": _text("first reason of spec 3.3 that applies"),
            "content": _text("the row as JSON"),
        },
    ),
    _table(
        "feed_counts",
        "day",
        "Rows read, accepted, duplicate and quarantined, per feed; the four always tie.",
        {
            "feed": _text("feed", isin=FEED_NAMES),
            "delivery_day": _column(pl.Date, "UTC date under which the files were dropped"),
            "read": _count("rows in the files"),
            "accepted": _count("rows used"),
            "duplicate": _count("rows dropped because their id was accepted before"),
            "quarantined": _count("rows that could not be used"),
            "conflicting_within_day": _count("duplicates whose content differs from the row kept, same day"),
            "conflicting_across_days": _count("duplicates whose content differs from the row kept, earlier day"),
        },
        _rule(_every_row_accounted_for),
    ),
    _table(
        "delivered_files",
        "day",
        "The landing files that a day was made from, hashed before use.",
        {
            "feed": _text("feed", isin=FEED_NAMES),
            "delivery_day": _column(pl.Date, "UTC date under which the file was dropped"),
            "file": _text("file name"),
            "bytes": _count("size of the file"),
            "rows": _count("rows read from it"),
            "sha256": _column(pl.String, "hash of the file", pa.Check.str_length(64, 64)),
        },
    ),
    _table(
        "fx_rates",
        "all",
        "Exchange rates by UTC date: one unit of `base` is `rate` units of `quote`.",
        {
            "date": _column(pl.Date, "UTC date"),
            "base": _column(pl.String, "ISO 4217", pa.Check.str_length(3, 3)),
            "quote": _column(pl.String, "ISO 4217", pa.Check.str_length(3, 3)),
            "rate": _unsigned_amount("units of quote for one of base"),
        },
    ),
    _table(
        "conversion_states",
        "day",
        "What is known of each conversion of a day whatever its contract: reversal, restatement, earlier order.",
        {
            "conversion_id": _text("id of the conversion"),
            "is_reversed": _column(pl.Boolean, "its latest adjustment is a reverse"),
            "is_restated": _column(pl.Boolean, "its latest adjustment is a restate"),
            "restated_value": _unsigned_amount("the restated value, in the conversion's currency"),
            "earlier_order_at": _column(
                INSTANT, "time of the latest earlier conversion of the same order that is not reversed", nullable=True
            ),
            "earlier_order_id": _text("its conversion id", nullable=True),
        },
    ),
    _table(
        "household_conversions",
        "day",
        "The conversions, of any day, that came before one of the day's of the same advertiser, event and household, and these.",
        {
            "advertiser_id": _text("advertiser that reported it"),
            "event": _text("purchase, signup, …"),
            "household_id": _text("household that converted"),
            "conversion_id": _text("id of the conversion"),
            "event_time": _column(INSTANT, "when it happened"),
            "is_reversed": _column(pl.Boolean, "its latest adjustment is a reverse"),
            "earlier_order_at": _column(
                INSTANT, "time of the latest earlier conversion of the same order that is not reversed", nullable=True
            ),
        },
    ),
    _table(
        "delivery_counts",
        "day",
        "Impressions of a delivery day by every dimension that a contract can price; no contract is read for it.",
        {
            "line_item_id": _text("campaign line of the ad server"),
            "partner_id": _text("publisher or affiliate"),
            "quarter_hour": _column(INSTANT, "start of the quarter of an hour, UTC", _rule(_quarter_hour)),
            "device_type": _text("ctv, mobile, desktop, …", nullable=True),
            "country": _text("ISO 3166-1 alpha-2", nullable=True),
            "viewable": _column(pl.Boolean, "met the viewability standard"),
            "completed": _column(pl.Boolean, "was played to its end"),
            "valid": _column(pl.Boolean, "not invalid traffic"),
            "impressions": _count("accepted impressions", least=1),
            "cost": _unsigned_amount("sum of their cleared prices, in the settings' cost_currency"),
        },
        coded=("line_item_id", "partner_id", "device_type", "country"),
    ),
    _table(
        "judged_impressions",
        "day",
        "A delivery day's impressions by what each side's contracts make of them: what a month is rated from.",
        {
            "side": _text("advertiser or partner", isin=("advertiser", "partner")),
            "month_date": _column(pl.Date, "local date, contract's zone; where no contract covers them, UTC date"),
            "contract_id": _text(_COVERED_BY, nullable=True),
            "term_id": _text("its term, of the version in force on that date; null where contract_id is", nullable=True),
            "line_item_id": _text("campaign line"),
            "partner_id": _text("publisher or affiliate"),
            "outcome": _text("outcome of spec 5.1; what a month finds to be over_cap is billed here", isin=OUTCOMES),
            "multiplier": _column(
                FACTOR_TYPE, "of billed ones the product of the term's multipliers that apply, exact; 1 where none does"
            ),
            "advertiser_id": _text(
                "of billed ones, on both sides, the party of the advertiser contract that covers them; "
                "null: none does, or another outcome",
                nullable=True,
            ),
            "impressions": _count("impressions", least=1),
            "cost": _unsigned_amount(
                "sum of their cleared prices, in the settings' cost_currency; 0 unless billed by a dcpm term"
            ),
        },
    ),
    _table(
        "impression_claims",
        "day",
        "What terms claimed of a delivery day's impressions when it was judged, of a contract in the order they are asked.",
        {
            "contract_id": _text("contract in force"),
            "term_id": _text("its term"),
            "line_item_id": _text("line item that it claims; null: of a partner", nullable=True),
            "partner_id": _text("partner whose impressions it claims; null: of an advertiser", nullable=True),
            "first_on": _column(
                pl.Date, "first local date, contract's zone; null: since before any date of the day's events", nullable=True
            ),
            "last_on": _column(
                pl.Date, "last local date, contract's zone; null: until after any date of the day's events", nullable=True
            ),
            "agreed": _column(
                pl.String,
                "hash of what else can matter: party, zone, filters, pricing model, what is billable, multipliers",
                pa.Check.str_length(64, 64),
            ),
        },
    ),
    _table(
        "touches",
        "day",
        "Valid views and clicks of known households, narrow: what attribution looks back at.",
        {
            "household_id": _text("household"),
            "touch_kind": _text("view or click", isin=("view", "click")),
            "touch_id": _text("impression or click id"),
            "touch_time": _column(INSTANT, "when it happened"),
            "line_item_id": _text("campaign line"),
            "partner_id": _text("publisher or affiliate"),
            "viewable": _column(pl.Boolean, "a view that met the viewability standard"),
            "completed": _column(pl.Boolean, "a view that was played to its end"),
        },
        packed=("household_id", "touch_id"),
        coded=("touch_kind", "line_item_id", "partner_id"),
    ),
    _table(
        "attributions",
        "day",
        "Each accepted conversion of a delivery day with its one status and the contract version that judged it.",
        {
            "conversion_id": _text("id of the conversion"),
            "delivery_day": _column(pl.Date, "delivery day of the conversion"),
            "event_time": _column(INSTANT, "when it happened"),
            "advertiser_id": _text("advertiser that reported it"),
            "event": _text("purchase, signup, …"),
            "contract_id": _text("advertiser contract; null: none", nullable=True),
            "version": _column(pl.Int32, "its version in force", nullable=True),
            "status": _text("status of spec 6.1", isin=STATUSES),
            "reason": _text("failing rule of an ineligible one", nullable=True),
            "billing_date": _column(pl.Date, "local date plus validation days, contract's zone", nullable=True),
            "model": _text("attribution model", nullable=True),
            "currency": _text("currency of `value`: the conversion's, or where missing the contract's", nullable=True),
            "value": _unsigned_amount(
                "value as reported or restated, in the conversion's currency, which is `currency`; null: none"
            ),
            "contract_value": _unsigned_amount(
                "`value` in the contract's currency; null: no value, no contract or no exchange rate"
            ),
        },
    ),
    _table(
        "attribution_candidates",
        "day",
        "Touches that could have earned a conversion; views also beside a click that goes before them.",
        {
            "conversion_id": _text("id of the conversion"),
            "delivery_day": _column(pl.Date, "delivery day of the conversion"),
            "in_grace": _column(pl.Boolean, "the touch was delivered later, within the days of grace"),
            **_LOOKED_UP,
        },
        packed=("touch_id",),
    ),
    _table(
        "attribution_credits",
        "day",
        "Who earned an attributed conversion: one row per touch with credit; a conversion's credits sum to 1,000,000.",
        {
            "conversion_id": _text("id of the conversion"),
            "delivery_day": _column(pl.Date, "delivery day of the conversion"),
            **_LOOKED_UP,
            "credit": _column(pl.Int64, "share of the conversion, millionths", _rule(_credit_within_whole)),
        },
    ),
    _table(
        "impression_outcomes",
        "month",
        "Why each accepted impression was billed or not, on both sides; adds up to the accepted impressions.",
        {
            "side": _text("advertiser or partner", isin=("advertiser", "partner")),
            "delivery_day": _column(pl.Date, "delivery day of the impressions"),
            "contract_id": _text(_COVERED_BY, nullable=True),
            "term_id": _text("its term; null where contract_id is", nullable=True),
            "line_item_id": _text("campaign line"),
            "partner_id": _text("publisher or affiliate"),
            "outcome": _text("outcome of spec 5.1", isin=OUTCOMES),
            "impressions": _count("impressions", least=1),
        },
    ),
    _table(
        "accruals",
        "month",
        "Exact, unrounded amounts by billing date: what documents sum and round once.",
        {
            "side": _text("advertiser or partner", isin=("advertiser", "partner")),
            "billing_date": _column(pl.Date, "local date, contract's zone, on which it is billed"),
            "contract_id": _text("contract"),
            "version": _column(pl.Int32, "version that priced it"),
            "term_id": _text("term that priced it"),
            "kind": _text("kind of the line it goes to", isin=("media", "action", "revenue_share")),
            "line_item_id": _text("campaign line; null on actions", nullable=True),
            "partner_id": _text("publisher or affiliate; null on an advertiser's actions", nullable=True),
            "event": _text("event of an action", nullable=True),
            "advertiser_contract_id": _text(
                "on a partner's actions and shares: the contract that was charged", nullable=True
            ),
            "step": _column(pl.Int32, "price step, from 1; null where the model has none", pa.Check.ge(1), nullable=True),
            "rate": _column(RATE_TYPE, "effective price per 1,000, flat amount or percent rate; null: none", nullable=True),
            "rate_kind": _text("what the rate is; null where there is none", isin=RATE_KINDS, nullable=True),
            "units": _count("impressions or conversions", least=1),
            "uncapped": _amount("exact amount before any budget, in the contract's currency"),
            "amount": _amount("exact amount that is charged, in the contract's currency"),
        },
    ),
    _table(
        "flights",
        "month",
        "What the flight of each cpm and dcpm term has come to by the month's end: what its cap and its budget go by.",
        {
            "contract_id": _text("contract"),
            "term_id": _text("term, in all its versions"),
            "impressions": _count("impressions billed, since the flight began"),
            "charged": _amount("exact amounts charged, since the flight began"),
            "lined": _amount("its media and budget_cap lines, rounded, since the flight began"),
        },
    ),
    _table(
        "action_units",
        "month",
        "Each attributed conversion as a unit of each term that holds some of its credit: charged, at which step, or over the cap.",
        {
            "side": _text("advertiser or partner", isin=("advertiser", "partner")),
            "billing_date": _column(pl.Date, "local date plus validation days, contract's zone"),
            "contract_id": _text("contract"),
            "version": _column(pl.Int32, "version that priced it"),
            "term_id": _text("term that priced it"),
            "conversion_id": _text("id of the conversion"),
            "delivery_day": _column(pl.Date, "delivery day of the conversion"),
            "event": _text("purchase, signup, …"),
            "partner_id": _text("partner that is paid; null on the advertiser side", nullable=True),
            "advertiser_contract_id": _text("on the partner side: the contract that was charged", nullable=True),
            "credit": _column(pl.Int64, "its credit on the term, millionths", _rule(_credit_within_whole)),
            "position": _column(
                pl.Int64,
                "place among the term's units of the month, from 1; null: over the cap",
                pa.Check.ge(1),
                nullable=True,
            ),
            "step": _column(pl.Int32, "price step, from 1; null: over the cap", pa.Check.ge(1), nullable=True),
            "value": _unsigned_amount(
                "value in the currency of the row's contract, on the partner side the partner's; "
                "null: none, or no exchange rate"
            ),
            "rate": _column(RATE_TYPE, "flat amount or percent rate of the step; null: over the cap", nullable=True),
            "rate_kind": _text("what the rate is; null: over the cap", isin=RATE_KINDS, nullable=True),
            "fee": _unsigned_amount(
                "fee of the whole conversion, contract's currency; null: over the cap, or no exchange rate"
            ),
            "amount": _unsigned_amount("fee times credit, contract's currency; null where fee is"),
        },
    ),
    _table(
        "missing_rates",
        "month",
        "Exchange rates that an amount needs and that are not there; a month with any cannot be closed.",
        {
            "date": _column(pl.Date, "date of the rate: UTC date of the conversion, local date of the impressions"),
            "base": _column(pl.String, "currency of the value", pa.Check.str_length(3, 3)),
            "quote": _column(pl.String, "currency of the contract", pa.Check.str_length(3, 3)),
            "contract_id": _text("contract that needs it"),
        },
    ),
    _table(
        "draft_invoices",
        "month",
        "What each advertiser owes for the month as known now, before or after it was issued.",
        {
            "contract_id": _text("contract"),
            "version": _column(pl.Int32, "version in force on the contract's last day in the month"),
            "party_id": _text("advertiser"),
            "currency": _column(pl.String, "ISO 4217", pa.Check.str_length(3, 3)),
            "known_at": _column(INSTANT, "the latest approval of a contract that was known"),
            "payment_terms_days": _column(pl.Int32, "days from issue to due date", pa.Check.ge(0)),
            "net": _amount("sum of the lines"),
            "tax": _amount("tax on the net"),
            "total": _amount("net plus tax"),
        },
    ),
    _table(
        "draft_invoice_lines",
        "month",
        "The lines of draft_invoices, each rounded once.",
        {
            "contract_id": _text("contract"),
            "line": _count("line number, from 1", least=1),
            "kind": _text("kind of spec 7.1", isin=INVOICE_LINE_KINDS),
            "term_id": _text("term; null on agency_commission and minimum", nullable=True),
            "version": _column(pl.Int32, "version that priced it; null on agency_commission and minimum", nullable=True),
            "step": _column(pl.Int32, "price step of a tier fee or an action, from 1", nullable=True),
            "description": _text("the line in words"),
            "quantity": _column(pl.Int64, LINE_QUANTITY, nullable=True),
            "rate": _column(RATE_TYPE, LINE_RATE, nullable=True),
            "amount": _amount("amount, rounded to the currency's minor unit"),
        },
    ),
    _table(
        "draft_payouts",
        "month",
        "What each partner has earned in the month as known now; balances are settled at issue.",
        {
            "contract_id": _text("contract"),
            "version": _column(pl.Int32, "version in force on the contract's last day in the month"),
            "partner_id": _text("partner"),
            "currency": _column(pl.String, "ISO 4217", pa.Check.str_length(3, 3)),
            "known_at": _column(INSTANT, "the latest approval of a contract that was known"),
            "minimum_payout": _column(RATE_TYPE, "least amount that is paid at once"),
            "withholding": _column(RATE_TYPE, "share withheld of what is due"),
            "earnings": _amount("sum of the lines"),
        },
    ),
    _table(
        "draft_payout_lines",
        "month",
        "The lines of draft_payouts, each rounded once.",
        {
            "contract_id": _text("contract"),
            "line": _count("line number, from 1", least=1),
            "kind": _text("kind of spec 7.1", isin=PAYOUT_LINE_KINDS),
            "term_id": _text("term", nullable=True),
            "version": _column(pl.Int32, "version that priced it", nullable=True),
            "step": _column(pl.Int32, "price step of a tier fee or an action, from 1", nullable=True),
            "advertiser_contract_id": _text(
                "on action and revenue_share: the advertiser contract that was charged", nullable=True
            ),
            "description": _text("the line in words"),
            "quantity": _column(pl.Int64, LINE_QUANTITY, nullable=True),
            "rate": _column(RATE_TYPE, LINE_RATE, nullable=True),
            "amount": _amount("amount, rounded to the currency's minor unit"),
        },
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
"""Every table of the warehouse by its name."""
