"""The rules between the fields of one contract document (spec 4.3), checked on its tree as read.

They work on the tree and not on the model, so that a document whose rate is misspelled still hears that two of its terms
claim one line item: what cannot be read counts as not there, and is reported by the field that it belongs to.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from itertools import combinations
from typing import Any

from contracts_io.contract_fields import FIRST_DAY, LAST_DAY, Problem, as_day, as_micros, is_expression_text, shown
from contracts_io.expression import EXAMPLE, ExpressionError, parse
from contracts_io.money import MICRO

Tree = dict[str, Any]

_ADVERTISER_ONLY = ("agency_commission", "minimum_monthly", "tax", "attribution", "eligibility", "partner_overrides")
_PARTNER_ONLY = ("minimum_payout", "withholding")
_TAXED = ("S", "L", "M", "B")


def document_problems(tree: Tree) -> list[Problem]:
    """The problems between the fields of a document; empty where there are none."""
    tree = _without_nothing(tree)
    return [
        *_dates(tree),
        *_sides(tree),
        *_document_terms(tree),
        *_attribution(tree),
        *_eligible_when(tree),
        *_terms(tree),
        *_claims(tree),
        *_shared_and_priced(tree),
    ]


def _without_nothing(value: Any) -> Any:
    """The tree without the keys that the model takes for absent: those of no value, and those of an empty mapping."""
    if isinstance(value, dict):
        return {key: _without_nothing(part) for key, part in value.items() if part is not None and part != {}}
    return tuple(_without_nothing(part) for part in value) if isinstance(value, tuple) else value


def _is_given(node: Tree, key: str) -> bool:
    return key in node and node[key] != ()


def _node(node: Tree, key: str) -> Tree:
    value = node.get(key)
    return value if isinstance(value, dict) else {}


def _nodes(node: Tree, key: str) -> list[tuple[int, Tree]]:
    value = node.get(key)
    return [(i, part) for i, part in enumerate(value) if isinstance(part, dict)] if isinstance(value, tuple) else []


def _texts(node: Tree, key: str) -> list[str]:
    value = node.get(key)
    return [part for part in value if isinstance(part, str)] if isinstance(value, tuple) else []


def _whole(node: Tree, key: str) -> int | None:
    value = node.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _dates(tree: Tree) -> Iterator[Problem]:
    first, last, effective = (as_day(tree.get(key)) for key in ("starts_on", "ends_on", "effective_from"))
    if first and last and last < first:
        yield Problem("ends_on", str(last), f"a day not before starts_on, which is {first}", str(first))
    elif effective and ((first and effective < first) or (last and effective > last)):
        expected = f"a day within the contract, {_span(first, last)}"
        yield Problem("effective_from", str(effective), expected, str(first or last))
    for i, term in _nodes(tree, "terms"):
        begins, ends = as_day(term.get("starts_on")), as_day(term.get("ends_on"))
        if begins and ends and ends < begins:
            yield Problem(f"terms[{i}].ends_on", str(ends), f"a day not before the term's starts_on, {begins}", str(begins))
        if first and last and last < first:
            continue
        if begins and ((first and begins < first) or (last and begins > last)):
            yield Problem(
                f"terms[{i}].starts_on", str(begins), f"a day within the contract, {_span(first, last)}", str(first or last)
            )
        # An end after the contract's is no mistake: a termination cuts short what was agreed for longer.
        if ends and first and ends < first and not (begins and ends < begins):
            yield Problem(f"terms[{i}].ends_on", str(ends), f"a day within the contract, {_span(first, last)}", str(first))


def _span(first: date | None, last: date | None) -> str:
    return " ".join(part for part in (f"from {first}" if first else "", f"to {last}" if last else "") if part)


def _sides(tree: Tree) -> Iterator[Problem]:
    side = tree.get("side")
    if side not in ("advertiser", "partner"):
        return
    other = "partner" if side == "advertiser" else "advertiser"
    for key in _PARTNER_ONLY if side == "advertiser" else _ADVERTISER_ONLY:
        if _is_given(tree, key):
            yield Problem(key, shown(tree[key]), f"no {key}: only a contract of side {other} has one", "(leave it out)")
    if side == "partner":
        return
    for i, term in _nodes(tree, "terms"):
        if "line_items" not in term:
            yield Problem(f"terms[{i}].line_items", "nothing", "the line items that the term covers", "[li-100, li-101]")
        if "advertisers" in term:
            found = shown(term["advertisers"])
            yield Problem(
                f"terms[{i}].advertisers", found, "no advertisers: only a partner's term filters by them", "(leave it out)"
            )
        if _node(term, "pricing").get("model") == "revenue_share":
            path = f"terms[{i}].pricing.model"
            yield Problem(path, '"revenue_share"', "cpm, cpa or dcpm; only a partner has a revenue share", "cpm")


def _document_terms(tree: Tree) -> Iterator[Problem]:
    tax = _node(tree, "tax")
    category = tax.get("category")
    if isinstance(category, str) and category not in _TAXED and as_micros(tax.get("rate")):
        yield Problem("tax.rate", shown(tax["rate"]), f"a rate of 0, as the category is {category}", '"0"')
    bank = _node(_node(tree, "party"), "bank")
    if isinstance(_node(tree, "party").get("bank"), dict) and _is_given(bank, "iban") == _is_given(bank, "account"):
        found = "both iban and account" if _is_given(bank, "iban") else "neither iban nor account"
        yield Problem("party.bank", found, "either iban or account", "{iban: DE89370400440532013000}")
    renewal = _node(tree, "renewal")
    if renewal.get("mode") == "auto" and "months" not in renewal:
        yield Problem("renewal.months", "nothing", "the months by which the contract is renewed, as the mode is auto", "12")


def _attribution(tree: Tree) -> Iterator[Problem]:
    attribution = _node(tree, "attribution")
    if tree.get("side") == "advertiser" and not _is_given(tree, "attribution"):
        by_action = [i for i, term in _nodes(tree, "terms") if _node(term, "pricing").get("model") == "cpa"]
        if by_action:
            expected = f"a mapping with model and lookback, as terms[{by_action[0]}] is cpa"
            yield Problem("attribution", "nothing", expected, "{model: last_touch, lookback: {view: 30d, click: 7d}}")
    model = attribution.get("model")
    if model == "time_decay" and "half_life" not in attribution:
        yield Problem("attribution.half_life", "nothing", "the days in which a touch's weight halves, for time_decay", "7")
    elif isinstance(model, str) and model != "time_decay" and "half_life" in attribution:
        found = shown(attribution["half_life"])
        yield Problem("attribution.half_life", found, "no half_life: only time_decay has one", "(leave it out)")
    seen: set[str] = set()
    for i, override in _nodes(tree, "partner_overrides"):
        partner = override.get("partner_id")
        if isinstance(partner, str) and partner in seen:
            expected = "a partner that no override before this one names"
            yield Problem(f"partner_overrides[{i}].partner_id", shown(partner), expected, "another partner_id")
        seen.add(str(partner))
        yield from _lookback(override, f"partner_overrides[{i}].lookback", "{view: 7d}")
    yield from _lookback(attribution, "attribution.lookback", "{view: 30d, click: 7d}")


def _eligible_when(tree: Tree) -> Iterator[Problem]:
    text = _node(tree, "eligibility").get("eligible_when")
    if not isinstance(text, str) or not is_expression_text(text):
        return  # reported by the field
    try:
        parse(text)
    except ExpressionError as error:
        at = f" (character {error.position})" if error.position else ""
        yield Problem("eligibility.eligible_when", error.what + at, error.expected, f'"{EXAMPLE}"')


def _lookback(holder: Tree, path: str, example: str) -> Iterator[Problem]:
    lookback = holder.get("lookback")
    if isinstance(lookback, dict) and "view" not in lookback and "click" not in lookback:
        yield Problem(path, "neither view nor click", "view, click or both", example)


def _terms(tree: Tree) -> Iterator[Problem]:
    places: dict[str, int] = {}
    for i, term in _nodes(tree, "terms"):
        term_id = term.get("term_id")
        if isinstance(term_id, str):
            if term_id in places:
                expected = f"a term_id of its own; terms[{places[term_id]}] has this one"
                yield Problem(f"terms[{i}].term_id", shown(term_id), expected, f"{term_id}-2")
            places.setdefault(term_id, i)
        pricing = _node(term, "pricing")
        path = f"terms[{i}].pricing"
        if pricing.get("model") == "cpm":
            yield from _one_of(pricing, "rate", "tiers", path, 'rate: "32.50"')
            if isinstance(pricing.get("multipliers"), dict):
                yield from _multipliers(pricing["multipliers"], f"{path}.multipliers")
        if pricing.get("model") == "cpa":
            yield from _one_of(pricing, "fee", "tiers", path, 'fee: {type: flat, amount: "12.00"}')
            yield from _fee_bounds(_node(pricing, "fee"), f"{path}.fee")
        if pricing.get("model") in ("cpm", "cpa"):
            yield from _steps(_nodes(_node(pricing, "tiers"), "steps"), pricing["model"], f"{path}.tiers.steps")


def _one_of(node: Tree, one: str, other: str, path: str, example: str) -> Iterator[Problem]:
    if _is_given(node, one) == _is_given(node, other):
        found = f"both {one} and {other}" if _is_given(node, one) else f"neither {one} nor {other}"
        yield Problem(path, found, f"either {one} or {other}", example)


def _fee_bounds(fee: Tree, path: str) -> Iterator[Problem]:
    low, high = as_micros(fee.get("minimum")), as_micros(fee.get("maximum"))
    if low is not None and high is not None and high < low:
        yield Problem(f"{path}.maximum", shown(fee["maximum"]), "a maximum not below the minimum", f'"{fee["minimum"]}"')


def _multipliers(multipliers: Tree, path: str) -> Iterator[Problem]:
    if not any(_is_given(multipliers, key) for key in multipliers):
        yield Problem(path, "no factors", "at least one factor, or no multipliers", '{device_type: {ctv: "1.2"}}')
    for i, part in _nodes(multipliers, "daypart"):
        begins, ends = _whole(part, "from"), _whole(part, "to")
        if begins is not None and ends is not None and ends <= begins:
            expected = f"an hour after from, which is {begins}; write hours across midnight as two dayparts"
            yield Problem(f"{path}.daypart[{i}].to", str(ends), expected, str(min(begins + 1, 24)))


def _steps(steps: list[tuple[int, Tree]], model: str, path: str) -> Iterator[Problem]:
    before = 0
    for place, (i, step) in enumerate(steps):
        last = place == len(steps) - 1
        up_to = _whole(step, "up_to")
        if last and "up_to" in step:
            yield Problem(f"{path}[{i}].up_to", shown(step["up_to"]), "no up_to: the last step is open", "(leave it out)")
        elif not last and "up_to" not in step:
            yield Problem(
                f"{path}[{i}].up_to", "nothing", "the last unit of the step; only the last step has none", str(before + 1000)
            )
        elif not last and up_to is not None:
            if up_to <= before and place:
                yield Problem(f"{path}[{i}].up_to", str(up_to), f"more than {before}: steps ascend", str(before + 1000))
            before = max(before, up_to)
        if model == "cpm":
            if not _is_given(step, "rate"):
                yield Problem(f"{path}[{i}].rate", "nothing", "the step's price per 1,000 impressions", '"28.00"')
            if _is_given(step, "amount"):
                found = shown(step["amount"])
                yield Problem(f"{path}[{i}].amount", found, "no amount: a step of a cpm term has a rate", "(leave it out)")
            continue
        yield from _one_of(step, "amount", "rate", f"{path}[{i}]", 'amount: "10.00"')
        if (as_micros(step.get("rate")) or 0) > MICRO:
            yield Problem(f"{path}[{i}].rate", shown(step["rate"]), "a share of the value, from 0 to 1", '"0.08"')


def _term_days(tree: Tree, term: Tree) -> tuple[date, date] | None:
    """The term's days within the contract's; None where they cannot be read."""
    days = []
    for key, otherwise in (("starts_on", FIRST_DAY), ("ends_on", LAST_DAY)):
        written = [node[key] for node in (term, tree) if key in node]
        read = [as_day(value) for value in written[:1]]
        if None in read:
            return None
        days.append(read[0] if read and read[0] else otherwise)
    return (days[0], days[1]) if days[0] <= days[1] else None


def _claims(tree: Tree) -> Iterator[Problem]:
    if tree.get("side") != "advertiser":
        return
    claims: dict[str, list[int]] = defaultdict(list)
    terms = dict(_nodes(tree, "terms"))
    days = {i: _term_days(tree, term) for i, term in terms.items()}
    reported: set[tuple[int, int]] = set()
    for i, term in terms.items():
        for line_item in dict.fromkeys(_texts(term, "line_items")):
            for j in claims[line_item]:
                mine, other = days[i], days[j]
                if (
                    mine
                    and other
                    and _meet(mine, other)
                    and not _different_events(term, terms[j])
                    and (j, i) not in reported
                ):
                    reported.add((j, i))
                    expected = f"a line item that no other term claims on {max(mine[0], other[0])}; terms[{j}] does"
                    yield Problem(
                        f"terms[{i}].line_items", shown(line_item), expected, "another line item, or dates that do not meet"
                    )
            claims[line_item].append(i)


def _meet(one: tuple[date, date], other: tuple[date, date]) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def _different_events(one: Tree, other: Tree) -> bool:
    pricings = [_node(term, "pricing") for term in (one, other)]
    events = [pricing.get("event") for pricing in pricings]
    # An event that cannot be read may be another one.
    return all(pricing.get("model") == "cpa" for pricing in pricings) and (None in events or events[0] != events[1])


def _shared_and_priced(tree: Tree) -> Iterator[Problem]:
    if tree.get("side") != "partner":
        return
    for (i, one), (j, other) in combinations(_nodes(tree, "terms"), 2):
        models = {
            _node(term, "pricing").get("model")
            for term in (one, other)
            if isinstance(_node(term, "pricing").get("model"), str)
        }
        if "revenue_share" not in models or not models & {"cpm", "dcpm"}:
            continue
        mine, theirs = _term_days(tree, one), _term_days(tree, other)
        if not mine or not theirs or not _meet(mine, theirs):
            continue
        if all(_can_match_the_same(one, other, key) for key in ("line_items", "advertisers")):
            expected = (
                f"terms whose filters cannot match the same impression: terms[{i}] and this one do from "
                f"{max(mine[0], theirs[0])}, and one of them is a revenue share, the other a price of its own"
            )
            yield Problem(
                f"terms[{j}]", shown(other.get("term_id")), expected, "advertisers: [acme] in one, [other] in the other"
            )


def _can_match_the_same(one: Tree, other: Tree, key: str) -> bool:
    if key not in one or key not in other:
        return True
    return bool(set(_texts(one, key)) & set(_texts(other, key)))
