"""The contract document as a typed, frozen model: every field of spec 4.1 and 4.2, named as in the document.

Rates, amounts, shares and factors are integers of micros (1e-6). A list is a tuple; a mapping is not to be written to. What
is not given has its default, so that equal contracts are equal models. The rules between fields are in ``contract_checks``:
only ``parse_document`` gives a contract that has passed them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from contracts_io.contract_fields import (
    AMOUNT,
    COUNT,
    COUNTRIES,
    COUNTRY,
    DAY,
    DAYS,
    DURATION,
    EXPRESSION,
    FACTOR,
    SHARE,
    TEXT,
    TEXTS,
    Bic,
    Count,
    Countries,
    Country,
    Currency,
    Day,
    Days,
    Duration,
    Email,
    Expression,
    Factor,
    Iban,
    Identifier,
    Micros,
    NotEmpty,
    Share,
    Text,
    Texts,
    Zone,
    field,
)

Side = Literal["advertiser", "partner"]
Delivered = Literal["served", "viewable", "completed"]
AttributionModel = Literal["first_touch", "last_touch", "linear", "position_based", "time_decay"]
TaxCategory = Literal["S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B"]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]

Months = Annotated[int, Field(ge=1, le=120)]
HalfLife = Annotated[int, Field(ge=1, le=3_660)]

DELIVERED = "served, viewable or completed"
TRUE_OR_FALSE = "true or false"


class Node(BaseModel):
    """A mapping of the document: unknown keys are refused; a key without a value is a key that is not there."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_what_says_nothing(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        known = {info.alias or name for name, info in cls.model_fields.items()}
        return {key: part for key, part in value.items() if key not in known or (part is not None and part != {})}


class Address(Node):
    """Where a party has its seat, in parts; a document may also write it as one text."""

    street: Text | None = field(TEXT, "1 Main Street", default=None)
    city: Text | None = field(TEXT, "Springfield", default=None)
    postal_code: Text | None = field(TEXT, '"62701"', default=None)
    region: Text | None = field(TEXT, "IL", default=None)


class Bank(Node):
    """The account that a party is paid on: ``iban`` or ``account``."""

    iban: Iban | None = field("an IBAN with right check digits", "DE89370400440532013000", default=None)
    account: Text | None = field(TEXT, '"000123456789"', default=None)
    bic: Bic | None = field("a BIC of 8 or 11 characters", "COBADEFFXXX", default=None)
    routing: Text | None = field(TEXT, '"021000021"', default=None)


class Party(Node):
    """The advertiser or the partner."""

    id: Text = field(TEXT, "acme")
    name: Text = field(TEXT, '"Acme Stores, Inc."')
    country: Country = field(COUNTRY, "US")
    address: (
        Annotated[
            Annotated[Text, Tag("text")] | Annotated[Address, Tag("parts")],
            Discriminator(lambda value: "parts" if isinstance(value, dict | Address) else "text"),
        ]
        | None
    ) = field(
        "a text, or a mapping with street, city, postal_code and region",
        '"1 Main Street, Springfield, IL 62701"',
        default=None,
    )
    tax_id: Text | None = field(TEXT, "DE123456789", default=None)
    email: Email | None = field("an e-mail address", "billing@acme.example", default=None)
    bank: Bank | None = field("a mapping with iban or account", "{iban: DE89370400440532013000}", default=None)


class Tax(Node):
    """The tax of an advertiser's invoices; ``category`` is a code of EN 16931."""

    category: TaxCategory = field("one of S, Z, E, AE, K, G, O, L, M, B (EN 16931)", "S")
    rate: Share = field(SHARE, '"0.19"')


class Renewal(Node):
    """How the contract goes on after its end; ``months`` is given where ``mode`` is auto."""

    mode: Literal["auto", "manual", "none"] = field("auto, manual or none", "auto")
    months: Months | None = field("a whole number from 1 to 120", "12", default=None)
    notice_days: Days = field(DAYS, "60", default=0)
    uplift: Micros = field(AMOUNT, '"0.03"', default=0)


class Lookback(Node):
    """How far back touches count, by kind of touch; None, in an override only: as in the contract."""

    view: Duration | None = field(DURATION, "30d", default=None)
    click: Duration | None = field(DURATION, "7d", default=None)


def _switch_off_the_rest(lookback: Lookback) -> Lookback:
    off = timedelta(0)
    return lookback.model_copy(update={"view": lookback.view or off, "click": lookback.click or off})


class Attribution(Node):
    """How a conversion is credited to touches; ``half_life`` in days, of time_decay only."""

    model: AttributionModel = field("first_touch, last_touch, linear, position_based or time_decay", "last_touch")
    lookback: Annotated[Lookback, AfterValidator(_switch_off_the_rest)] = field(
        "a mapping with view, click or both", "{view: 30d, click: 7d}"
    )
    click_over_view: bool = field(TRUE_OR_FALSE, "true", default=True)
    view_basis: Delivered = field(DELIVERED, "served", default="served")
    half_life: HalfLife | None = field("a whole number of days from 1 to 3,660", "7", default=None)


class Eligibility(Node):
    """Which conversions are paid for."""

    new_customers_only: bool = field(TRUE_OR_FALSE, "true", default=False)
    countries: Countries | None = field(COUNTRIES, "[US, CA]", default=None)
    minimum_order_value: Micros | None = field(AMOUNT, '"20.00"', default=None)
    excluded_categories: tuple[Text, ...] = field("a list of texts", "[giftcard]", default=())
    excluded_coupons: tuple[Text, ...] = field("a list of texts", "[STAFF]", default=())
    repeat_household_days: Days | None = field(DAYS, "30", default=None)
    order_dedup_days: Days = field(DAYS, "90", default=90)
    eligible_when: Expression | None = field(EXPRESSION, '"order_value >= 50"', default=None)


class PartnerOverride(Node):
    """What differs for the touches by one partner."""

    partner_id: Text = field(TEXT, "streamco")
    lookback: Lookback | None = field("a mapping with view, click or both", "{view: 7d}", default=None)
    excluded: bool = field(TRUE_OR_FALSE, "true", default=False)


class Step(Node):
    """One step of a tier; the last has no ``up_to``. A cpm step has a rate, a cpa step an amount or a (percent) rate."""

    up_to: Count | None = field(COUNT, "1000000", default=None)
    rate: Micros | None = field(AMOUNT, '"28.00"', default=None)
    amount: Micros | None = field(AMOUNT, '"10.00"', default=None)
    flat_fee: Micros | None = field(AMOUNT, '"100.00"', default=None)


class Tiers(Node):
    """Prices by the units of a calendar month."""

    mode: Literal["graduated", "volume"] = field("graduated or volume", "graduated")
    steps: NotEmpty[Step] = field("a list of steps, not empty", '[{up_to: 1000000, rate: "32.50"}, {rate: "28.00"}]')


class Daypart(Node):
    """Hours of some week days, local time: from ``from_hour`` inclusive to ``to_hour`` exclusive."""

    days: NotEmpty[Weekday] = field("a list of mon, tue, wed, thu, fri, sat, sun", "[mon, tue]")
    from_hour: int = field("an hour from 0 to 23", "18", alias="from", ge=0, le=23)
    to_hour: int = field("an hour from 1 to 24", "23", alias="to", ge=1, le=24)
    factor: Factor = field(FACTOR, '"1.5"')


class Multipliers(Node):
    """Factors on a cpm rate; a value that is not listed counts 1, of the dayparts the first that matches counts."""

    device_type: Mapping[Text, Factor] = field("a mapping of device types to factors", '{ctv: "1.2"}', default={})
    country: Mapping[Country, Factor] = field(
        "a mapping of countries (ISO 3166-1 alpha-2) to factors", '{US: "1.1"}', default={}
    )
    daypart: tuple[Daypart, ...] = field(
        "a list of dayparts", '[{days: [mon, tue], from: 18, to: 23, factor: "1.5"}]', default=()
    )


class Cpm(Node):
    """Cost per mille: ``rate`` per 1,000 billable impressions, or ``tiers``; cap and budget over the term's flight."""

    model: Literal["cpm"] = field("cpm", "cpm")
    rate: Micros | None = field(AMOUNT, '"32.50"', default=None)
    tiers: Tiers | None = field("a mapping with mode and steps", '{mode: volume, steps: [{rate: "28.00"}]}', default=None)
    billable_on: Delivered = field(DELIVERED, "served", default="served")
    multipliers: Multipliers | None = field(
        "a mapping with device_type, country or daypart", '{device_type: {ctv: "1.2"}}', default=None
    )
    impression_cap: Count | None = field(COUNT, "5000000", default=None)
    budget: Micros | None = field(AMOUNT, '"150000.00"', default=None)


class FlatFee(Node):
    """A fixed amount for each conversion."""

    type: Literal["flat"] = field("flat", "flat")
    amount: Micros = field(AMOUNT, '"12.00"')


class PercentFee(Node):
    """A share of each conversion's value, held between ``minimum`` and ``maximum``."""

    type: Literal["percent"] = field("percent", "percent")
    rate: Share = field(SHARE, '"0.08"')
    minimum: Micros | None = field(AMOUNT, '"1.00"', default=None)
    maximum: Micros | None = field(AMOUNT, '"50.00"', default=None)


class Cpa(Node):
    """Cost per action: a ``fee`` for each conversion, or ``tiers``; ``monthly_cap`` in conversions of a billing month."""

    model: Literal["cpa"] = field("cpa", "cpa")
    event: Text = field(TEXT, "purchase")
    fee: Annotated[FlatFee | PercentFee, Discriminator("type")] | None = field(
        "a mapping with a type, flat or percent", '{type: flat, amount: "12.00"}', default=None
    )
    tiers: Tiers | None = field("a mapping with mode and steps", '{mode: volume, steps: [{amount: "10.00"}]}', default=None)
    monthly_cap: Count | None = field(COUNT, "500", default=None)


class RevenueShare(Node):
    """A share of what advertisers are charged on the partner's impressions."""

    model: Literal["revenue_share"] = field("revenue_share", "revenue_share")
    share: Share = field(SHARE, '"0.70"')


class Dcpm(Node):
    """Dynamic CPM: the cleared price of each impression, and ``markup`` as a share of it on top."""

    model: Literal["dcpm"] = field("dcpm", "dcpm")
    markup: Factor = field(FACTOR, '"0.15"', default=0)
    billable_on: Delivered = field(DELIVERED, "served", default="served")
    impression_cap: Count | None = field(COUNT, "5000000", default=None)
    budget: Micros | None = field(AMOUNT, '"150000.00"', default=None)


class Term(Node):
    """One priced part of a contract: what it covers, when, and its pricing."""

    term_id: Text = field(TEXT, "q4-brand")
    line_items: Texts | None = field(TEXTS, "[li-100, li-101]", default=None)
    advertisers: Texts | None = field(TEXTS, "[acme]", default=None)
    starts_on: Day | None = field(DAY, "2026-10-01", default=None)
    ends_on: Day | None = field(DAY, "2026-12-31", default=None)
    pricing: Annotated[Cpm | Cpa | RevenueShare | Dcpm, Discriminator("model")] = field(
        "a mapping with a model: cpm, cpa, dcpm or revenue_share", '{model: cpm, rate: "32.50"}'
    )


def _eligibility_default(known: dict[str, Any]) -> Eligibility | None:
    return Eligibility() if known.get("side") == "advertiser" else None


class Contract(Node):
    """An agreement with one party, in one version.

    ``ends_on`` None: open ended. On the advertiser side ``eligibility`` is always there, if only with its defaults; on the
    partner side it never is.
    """

    contract_id: Identifier = field("letters, digits, - _ . ; at most 64 characters", "acme-ctv-2026")
    side: Side = field("advertiser or partner", "advertiser")
    party: Party = field("a mapping with id, name and country", '{id: acme, name: "Acme Stores, Inc.", country: US}')
    currency: Currency = field("a currency as ISO 4217", "USD")
    timezone: Zone = field("an IANA time zone", "America/New_York")
    starts_on: Day = field(DAY, "2026-10-01")
    ends_on: Day | None = field(f"{DAY}, or null for an open end", "2027-09-30", default=None)
    effective_from: Day = field(DAY, "2026-10-01", default_factory=lambda known: known["starts_on"])
    payment_terms_days: Days = field(DAYS, "30", default=30)
    agency_commission: Share | None = field(SHARE, '"0.15"', default=None)
    minimum_monthly: Micros | None = field(AMOUNT, '"5000.00"', default=None)
    tax: Tax | None = field("a mapping with category and rate", '{category: S, rate: "0.19"}', default=None)
    validation_days: Days = field(DAYS, "30", default=0)
    minimum_payout: Micros | None = field(AMOUNT, '"50.00"', default=None)
    withholding: Share | None = field(SHARE, '"0.10"', default=None)
    renewal: Renewal | None = field("a mapping with a mode", "{mode: auto, months: 12, notice_days: 60}", default=None)
    attribution: Attribution | None = field(
        "a mapping with model and lookback", "{model: last_touch, lookback: {view: 30d, click: 7d}}", default=None
    )
    eligibility: Eligibility | None = field(
        "a mapping of rules", "{new_customers_only: true}", default_factory=_eligibility_default
    )
    partner_overrides: tuple[PartnerOverride, ...] = field(
        "a list of overrides", "[{partner_id: streamco, lookback: {view: 7d}}]", default=()
    )
    terms: NotEmpty[Term] = field(
        "a list of terms, not empty", '[{term_id: q4-brand, line_items: [li-100], pricing: {model: cpm, rate: "32.50"}}]'
    )
