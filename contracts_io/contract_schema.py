"""The contract document as a JSON Schema (2020-12), one for YAML and JSON, so that an editor completes and checks it.

Types, bounds and forms come from the model; here stand what each field means, and those rules between fields that a schema can
say. The schema accepts every document that ``parse_document`` accepts; what it cannot say (days in order, line items claimed
twice, steps that ascend, check digits, expressions) only the import refuses.
"""

from __future__ import annotations

from typing import Any

from contracts_io.contract_fields import SHARE_PATTERN
from contracts_io.contract_model import Contract
from contracts_io.contract_text import read_tree

Schema = dict[str, Any]

_BILLABLE = "Which impressions are billed: all that were served, those that were viewable, or those that were completed"
_CAP = "Impressions that are billed at most, over the term's whole flight"
_BUDGET = "Media amount that is charged at most, over the term's whole flight, in the contract's currency"
_TIERS = "Prices by the units of a calendar month"
_MEANINGS: dict[str, dict[str, str]] = {
    "Contract": {
        "contract_id": "The contract's name, the same in all its versions",
        "side": "Who the party is: an advertiser, who pays us, or a partner, whom we pay",
        "party": "The advertiser or the partner",
        "currency": "The currency of all prices and documents of the contract",
        "timezone": "The time zone of billing dates and dayparts",
        "starts_on": "The first day of the contract",
        "ends_on": "The last day of the contract, inclusive",
        "effective_from": "The first day of this version; without it starts_on",
        "payment_terms_days": "Days from the issue of a document to its due date",
        "agency_commission": "Advertiser: the share of the media lines that the agency keeps",
        "minimum_monthly": "Advertiser: what a month's lines come to at least",
        "tax": "Advertiser: the tax of the invoices",
        "validation_days": "Days between a conversion and its billing date",
        "minimum_payout": "Partner: the amount from which on earnings are paid; below, they are carried forward",
        "withholding": "Partner: the share of positive earnings that is withheld",
        "renewal": "What happens at the end of the contract",
        "attribution": "Advertiser: how conversions are credited to touches; required where a term is cpa",
        "eligibility": "Advertiser: which conversions are paid for",
        "partner_overrides": "Advertiser: what differs for the touches by single partners",
        "terms": "The priced parts of the contract",
    },
    "Party": {
        "id": "The party's id in the event feeds",
        "name": "The party's name on documents",
        "country": "The country of the party's seat",
        "address": "The address of the party's seat",
        "tax_id": "The tax number or VAT number",
        "email": "Where documents are sent",
        "bank": "The account that the party is paid on",
    },
    "Address": {
        "street": "Street and number",
        "city": "City",
        "postal_code": "Postal code",
        "region": "State, province or region",
    },
    "Bank": {
        "iban": "The account as an IBAN",
        "account": "The account number, where there is no IBAN",
        "bic": "The bank's BIC",
        "routing": "The bank's routing number",
    },
    "Tax": {"category": "The tax category", "rate": "The tax rate; 0 unless the category is S, L, M or B"},
    "Renewal": {
        "mode": "Renewed by itself, by an amendment, or not at all",
        "months": "The months by which ends_on moves",
        "notice_days": "Days before the end at which the renewal is made, and until which notice may be given",
        "uplift": "The share by which prices rise with each renewal",
    },
    "Attribution": {
        "model": "Which touches are credited, and how much",
        "lookback": "How far back touches count; a kind that is not given is off",
        "click_over_view": "Whether views are left out where a click is among the touches",
        "view_basis": "Which impressions count as views",
        "half_life": "Days in which a touch's weight halves; of time_decay only",
    },
    "Lookback": {"view": "How far back a view counts", "click": "How far back a click counts"},
    "Eligibility": {
        "new_customers_only": "Whether only the orders of new customers are paid for",
        "countries": "The countries whose conversions are paid for",
        "minimum_order_value": "The order value from which on a conversion is paid for, in the contract's currency",
        "excluded_categories": "Categories that are not paid for",
        "excluded_coupons": "Coupons whose orders are not paid for",
        "repeat_household_days": "Days in which a household's second conversion of an event is not paid for",
        "order_dedup_days": "Days in which a second conversion with the same order number is a duplicate",
        "eligible_when": "A condition in SQL on event, order_value, country, category, coupon, new_customer and order_id",
    },
    "PartnerOverride": {
        "partner_id": "The partner whose touches are meant",
        "lookback": "Replaces the given kinds of the contract's lookback",
        "excluded": "Whether the partner's touches are never credited",
    },
    "Term": {
        "term_id": "The term's name, unique in the contract and the same in all versions",
        "line_items": "The line items that the term covers; on the partner side an optional filter",
        "advertisers": "Partner: the advertisers that the term covers; without it all",
        "starts_on": "The term's first day; without it the contract's",
        "ends_on": "The term's last day, inclusive; without it the contract's",
        "pricing": "What is charged or paid",
    },
    "Cpm": {
        "model": "Cost per mille",
        "rate": "Price of 1,000 billable impressions; or tiers",
        "tiers": _TIERS,
        "billable_on": _BILLABLE,
        "multipliers": "Factors on the rate; a value that is not listed counts 1",
        "impression_cap": _CAP,
        "budget": _BUDGET,
    },
    "Dcpm": {
        "model": "Dynamic CPM: the cleared price of each impression",
        "markup": "The share that is added to the cleared price",
        "billable_on": _BILLABLE,
        "impression_cap": _CAP,
        "budget": _BUDGET,
    },
    "Cpa": {
        "model": "Cost per action",
        "event": "The conversions' event",
        "fee": "The price of a conversion; or tiers",
        "tiers": _TIERS,
        "monthly_cap": "Conversions that are charged at most in a billing month",
    },
    "RevenueShare": {
        "model": "A share of what advertisers are charged on the partner's impressions",
        "share": "The partner's share",
    },
    "FlatFee": {"type": "A fixed amount for each conversion", "amount": "The amount"},
    "PercentFee": {
        "type": "A share of each conversion's value",
        "rate": "The share",
        "minimum": "The least that a conversion costs",
        "maximum": "The most that a conversion costs",
    },
    "Tiers": {
        "mode": "graduated: each unit at the step that it falls in; volume: all units at the step of the month's total",
        "steps": "The steps, ascending",
    },
    "Step": {
        "up_to": "The last unit of the step, inclusive; the last step has none",
        "rate": "cpm: price of 1,000 impressions; cpa: share of the value",
        "amount": "cpa: price of a conversion",
        "flat_fee": "An amount that is added once in a month in which a unit is priced at this step",
    },
    "Multipliers": {
        "device_type": "Factors by device type",
        "country": "Factors by country",
        "daypart": "Factors by hours of the week, local time; the first that matches counts",
    },
    "Daypart": {
        "days": "The days of the week",
        "from": "The first hour, inclusive",
        "to": "The hour at which it ends, exclusive",
        "factor": "The factor",
    },
}
_INITIALS = {"Id": "ID", "Iban": "IBAN", "Bic": "BIC", "Email": "E-mail"}

_EMPTY: Schema = {"type": "object", "maxProperties": 0}
# What the reader takes for a key that is not there.
_ABSENT: Schema = {"anyOf": [{"type": "null"}, {"type": "array", "maxItems": 0}, _EMPTY]}


def json_schema() -> Schema:
    """The JSON Schema of a contract document, to be written as JSON; a new tree at every call."""
    root = Contract.model_json_schema(by_alias=True)
    models: dict[str, Schema] = {**root.pop("$defs"), "Contract": root}
    for name, model in models.items():
        model["properties"] = {
            key: _property(name, key, schema, key in model.get("required", ()))
            for key, schema in model["properties"].items()
        }
        model["description"] = model["description"].replace("``", "").partition("\n")[0]
        if rules := _rules().get(name):
            model["allOf"] = rules
    definitions = {name: _without_discriminators(model) for name, model in models.items() if name != "Contract"}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_without_discriminators(root),
        "title": "adledger contract",
        "$defs": definitions,
    }


def _property(model: str, key: str, schema: Schema, is_required: bool) -> Schema:
    told = ("title", "description", "examples", "default")
    form = {name: part for name, part in schema.items() if name not in told}
    title = key.replace("_", " ").capitalize()
    found: Schema = {
        "title": _INITIALS.get(title, title),
        "description": f"{_MEANINGS[model][key]}: {schema['description']}.",
        "examples": [_plain(read_tree(f"example: {example}", "example")["example"]) for example in schema["examples"]],
    }
    default = schema.get("default")
    if default is not None:
        found["default"] = "0" if default == 0 and form.get("type") == "string" else default
    if is_required:
        return {**found, **form}
    forms = form["anyOf"] if list(form) == ["anyOf"] else [form, {"type": "null"}]
    mapping = any("$ref" in one or "oneOf" in one or one.get("type") == "object" for one in forms)
    return {**found, "anyOf": [*forms, _EMPTY] if mapping else forms}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, tuple) else value


def _without_discriminators(value: Any) -> Any:
    """The schema without pydantic's word for it: which one of several is meant follows from their constants."""
    if isinstance(value, dict):
        return {
            key: _without_discriminators(part)
            for key, part in value.items()
            if not (key == "discriminator" and "oneOf" in value)
        }
    return [_without_discriminators(part) for part in value] if isinstance(value, list) else value


def _given(*keys: str) -> Schema:
    return {"required": list(keys), "properties": {key: {"not": _ABSENT} for key in keys}}


def _absent(*keys: str) -> Schema:
    return {"properties": dict.fromkeys(keys, _ABSENT)}


def _where(key: str, values: list[str], then: Schema, otherwise: Schema | None = None) -> Schema:
    rule: Schema = {"if": {"required": [key], "properties": {key: {"enum": values}}}, "then": then}
    return {**rule, "else": otherwise} if otherwise else rule


def _steps(form: Schema) -> Schema:
    return {"properties": {"tiers": {"properties": {"steps": {"items": form}}}}}


def _rules() -> dict[str, list[Schema]]:
    by_action: Schema = {"required": ["pricing"], "properties": {"pricing": {"properties": {"model": {"const": "cpa"}}}}}
    no_share: Schema = {"pricing": {"properties": {"model": {"not": {"const": "revenue_share"}}}}}
    of_an_advertiser: Schema = {"allOf": [_given("line_items"), _absent("advertisers"), {"properties": no_share}]}
    credited: Schema = {"if": {"properties": {"terms": {"contains": by_action}}}, "then": _given("attribution")}
    share: Schema = {"properties": {"rate": {"anyOf": [{"type": "null"}, {"pattern": SHARE_PATTERN}]}}}
    return {
        "Contract": [
            _where(
                "side",
                ["advertiser"],
                {
                    "allOf": [
                        _absent("minimum_payout", "withholding"),
                        {"properties": {"terms": {"items": of_an_advertiser}}},
                        credited,
                    ]
                },
            ),
            _where(
                "side",
                ["partner"],
                _absent("agency_commission", "minimum_monthly", "tax", "attribution", "eligibility", "partner_overrides"),
            ),
        ],
        "Tax": [_where("category", ["Z", "E", "AE", "K", "G", "O"], {"properties": {"rate": {"pattern": r"^0+(\.0+)?$"}}})],
        "Bank": [{"oneOf": [_given("iban"), _given("account")]}],
        "Renewal": [_where("mode", ["auto"], _given("months"))],
        "Attribution": [_where("model", ["time_decay"], _given("half_life"), _absent("half_life"))],
        "Lookback": [{"anyOf": [_given("view"), _given("click")]}],
        "Multipliers": [{"anyOf": [_given("device_type"), _given("country"), _given("daypart")]}],
        "Cpm": [
            {"oneOf": [_given("rate"), _given("tiers")]},
            _steps({"allOf": [_given("rate"), _absent("amount")]}),
        ],
        "Cpa": [
            {"oneOf": [_given("fee"), _given("tiers")]},
            _steps({"allOf": [{"oneOf": [_given("amount"), _given("rate")]}, share]}),
        ],
    }
