"""From the pairs of a query string to a `Query` (FHIR R4 search.html, http.html#search).

What is unknown is an error or left out, as `strict` says (the caller decides by `Prefer: handling`). What is
known and cannot be done (`_filter`, `near`, a modifier of another type) is always an error: leaving it out
would return what was not asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from salus.core.errors import InvalidSearch, NotSupported
from salus.core.limits import Limits
from salus.standards.fhir.model import value_set_codes
from salus.standards.fhir.search import operands
from salus.standards.fhir.search.controls import CONTROLS, CURSOR, read_include
from salus.standards.fhir.search.operands import Simple, complaint, split
from salus.standards.fhir.search.parameters import Registry, SearchParameter, not_followed, reference_targets
from salus.standards.fhir.search.query import (
    Chain,
    Condition,
    Criterion,
    Has,
    MissingValue,
    Query,
    TokenValue,
    Value,
)
from salus.standards.fhir.search.reading import Expand, Reading, Unknown, leave_out, parameter_of
from salus.standards.fhir.search.texts import BEGINNING_MIN

MODIFIERS: Mapping[str, tuple[str, ...]] = {
    "string": ("exact", "contains", "missing"),
    "token": ("not", "text", "in", "not-in", "of-type", "missing"),
    "reference": ("identifier", "missing"),
    "uri": ("above", "below", "missing"),
    "date": ("missing",),
    "number": ("missing",),
    "quantity": ("missing",),
    "composite": ("missing",),
}
_NOT_OURS = frozenset({"_format", "_pretty"})
_REFUSED = frozenset({"_filter", "_contained", "_containedType", "_list", "_type", "_score", "_query"})
_DEPTH_MAX = 5
_UNINDEXED = frozenset({"missing", "not", "not-in"})
_CODES_MAX = 5_000


def parse_query(
    type_name: str,
    pairs: Sequence[tuple[str, str]],
    limits: Limits,
    *,
    strict: bool = False,
    registry: Registry | None = None,
    expand: Expand = value_set_codes,
    base: str = "",
    now: datetime | None = None,
) -> Query:
    """Read the parameters of a search.

    Args:
        type_name: the resource type searched.
        pairs: (name, value), percent-decoded, in the order given.
        limits: those named `search_...` and `page_...` count here.
        strict: an unknown parameter is an error, not left out.
        registry: the node's parameters; None stands for those of R4.
        expand: gives a value set's codes by system, None when it cannot be expanded here.
        base: the node's own FHIR address, so that an absolute reference to itself is recognised.
        now: the present, for the prefix `ap` of dates.

    Raises:
        InvalidSearch: something cannot be read, or a name is unknown and `strict`.
        NotSupported: what is asked for is part of FHIR and the node does not do it.
    """
    if not operands.is_type(type_name):
        raise NotSupported(f"'{type_name[:80]}' is not a resource type of FHIR R4.")
    if len(pairs) > limits.search_values_max:
        raise InvalidSearch(f"A search has at most {limits.search_values_max} parameters; this one has more.")
    reading = Reading(type_name, strict, limits, registry, expand, base, now, limits.search_values_max)
    for name, value in pairs:
        if name in _NOT_OURS:
            continue
        try:
            applied = _read_pair(reading, name, value)
        except Unknown as unknown:
            leave_out(reading, name, unknown)
        else:
            if name != CURSOR and (applied or not value):
                reading.applied.append((name, applied))
    return _finished(reading)


def _finished(reading: Reading) -> Query:
    if reading.summary == "text" and reading.includes:
        raise InvalidSearch(
            "_include and _revinclude do not go with _summary=text (R4 search.html#summary): leave one out."
        )
    count = reading.limits.page_count_default if reading.count is None else reading.count
    return Query(
        type=reading.type,
        criteria=tuple(reading.criteria),
        sort=tuple(reading.sort),
        includes=tuple(dict.fromkeys(reading.includes)),
        count=0 if reading.summary == "count" else min(count, reading.limits.page_count_max),
        total=reading.total,
        summary=reading.summary,
        elements=reading.elements,
        cursor=reading.cursor,
        applied=tuple(reading.applied),
        ignored=tuple(reading.ignored),
    )


def _read_pair(reading: Reading, name: str, value: str) -> str:
    """Read one parameter; return its value as it was understood, "" when nothing of it applies."""
    if name in CONTROLS:
        return CONTROLS[name](reading, value)
    if name.startswith(("_include", "_revinclude")):
        read_include(reading, name, value)
    elif name.partition(":")[0] in _REFUSED:
        raise NotSupported(f"Salus does not search by '{name[:80]}'; use the parameters of {reading.type}.")
    else:
        reading.criteria.append(_criterion(reading, reading.type, name, value, 0))
    return value


def _criterion(reading: Reading, type_name: str, name: str, value: str, depth: int) -> Criterion:
    if depth > _DEPTH_MAX:
        raise InvalidSearch(f"'{name[:80]}' chains more than {_DEPTH_MAX} times; ask in several searches.")
    if name.startswith("_has:"):
        return _has(reading, type_name, name, value, depth)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    parameter = parameter_of(reading, type_name, code, name)
    if dot:
        return _chain(reading, parameter, modifier, rest, value, depth)
    return _condition(reading, parameter, modifier, name, value)


def _chain(
    reading: Reading, parameter: SearchParameter, modifier: str, rest: str, value: str, depth: int
) -> Chain:
    if parameter.type != "reference":
        raise InvalidSearch(f"'{parameter.code}' is no reference, so nothing can follow it after a dot.")
    if modifier and not operands.is_type(modifier):
        raise InvalidSearch(f"'{parameter.code}:{modifier[:80]}' names no resource type.")
    if not reference_targets(parameter):
        raise NotSupported(not_followed(parameter))
    candidates = [modifier] if modifier else sorted(reference_targets(parameter))
    found: list[tuple[str, Criterion]] = []
    problem: Unknown | None = None
    left, conditions, unindexed = reading.values_left, reading.conditions, reading.unindexed
    for target in candidates:
        reading.values_left, reading.conditions, reading.unindexed = left, conditions, unindexed
        try:
            found.append((target, _criterion(reading, target, rest, value, depth + 1)))
        except Unknown as unknown:
            problem = unknown
    if not found:
        raise problem or Unknown(f"'{parameter.code}' refers to nothing that can be searched.")
    return Chain(parameter, tuple(found))


def _has(reading: Reading, type_name: str, name: str, value: str, depth: int) -> Has:
    parts = name.split(":", 3)
    if len(parts) != 4 or not parts[3]:
        raise InvalidSearch(f"'{name[:80]}' is no _has; write _has:Type:reference:parameter=value.")
    _, referrer, code, rest = parts
    if not operands.is_type(referrer):
        raise InvalidSearch(f"'{name[:80]}' names no resource type after _has.")
    parameter = parameter_of(reading, referrer, code, name)
    if parameter.type != "reference":
        raise InvalidSearch(f"'{code[:80]}' of {referrer} is no reference, so _has cannot follow it.")
    if type_name not in reference_targets(parameter):
        raise InvalidSearch(f"'{code[:80]}' of {referrer} does not refer to {type_name}.")
    return Has(referrer, parameter, _criterion(reading, referrer, rest, value, depth + 1))


def _condition(
    reading: Reading, parameter: SearchParameter, modifier: str, name: str, value: str
) -> Condition:
    kind = parameter.type
    _count(reading, kind, modifier, value)
    if modifier == "missing":
        if value not in ("true", "false"):
            raise complaint(name, value, "write true or false")
        return Condition(parameter, "missing", (MissingValue(value == "true"),))
    typed = kind == "reference" and operands.is_type(modifier)
    if modifier and not typed and modifier not in MODIFIERS[kind]:
        allowed = ", ".join(f":{known}" for known in MODIFIERS[kind])
        more = " and :[type]" if kind == "reference" else ""
        raise InvalidSearch(
            f"'{parameter.code}' is a {kind} and does not take ':{modifier[:80]}'; it takes {allowed}{more}."
        )
    if modifier in ("in", "not-in"):
        return Condition(parameter, modifier, _codes_of(reading, name, value))
    texts = split(value, ",")
    reading.values_left -= len(texts)
    if reading.values_left < 0:
        raise InvalidSearch(
            f"A search has at most {reading.limits.search_values_max} values; this one has more."
        )
    values = tuple(_value(reading, parameter, modifier, name, text) for text in texts)
    return Condition(parameter, "type" if typed else modifier, values)


def _count(reading: Reading, kind: str, modifier: str, value: str) -> None:
    """Count one more condition.

    Raises:
        InvalidSearch: the search has too many, or too many that read row after row.
    """
    reading.conditions += 1
    if reading.conditions > reading.limits.search_criteria_max:
        most = reading.limits.search_criteria_max
        raise InvalidSearch(f"A search has at most {most} conditions; this one has more.")
    if modifier in _UNINDEXED or _is_short(kind, modifier, value):
        reading.unindexed += 1
    if reading.unindexed > reading.limits.search_unindexed_max:
        raise InvalidSearch(
            f"A search has at most {reading.limits.search_unindexed_max} conditions that no index answers "
            "(:missing, :not, :not-in, a string of under three letters); this one has more."
        )


def _is_short(kind: str, modifier: str, value: str) -> bool:
    """Return whether a string is too short for an index."""
    return kind == "string" and modifier != "exact" and len(min(split(value, ","), key=len)) < BEGINNING_MIN


def _value(reading: Reading, parameter: SearchParameter, modifier: str, name: str, text: str) -> Value:
    if parameter.type == "composite":
        return operands.composite_value(
            name, text, parameter, lambda kind, label, part: _simple(reading, kind, label, part)
        )
    if modifier == "of-type":
        return operands.of_type_value(name, text)
    if modifier == "text":
        return operands.text_value(name, text)
    if modifier == "identifier":
        return operands.token_value(name, text)
    type_name = modifier if parameter.type == "reference" else ""
    return _simple(reading, parameter.type, name, text, type_name)


def _simple(reading: Reading, kind: str, name: str, text: str, type_name: str = "") -> Simple:
    match kind:
        case "token":
            return operands.token_value(name, text)
        case "reference":
            return operands.reference_value(name, text, base=reading.base, type_name=type_name)
        case "date":
            return operands.date_value(name, text, now=reading.now)
        case "number":
            return operands.number_value(name, text)
        case "quantity":
            return operands.quantity_value(name, text)
        case _:
            return operands.text_value(name, text)


def _codes_of(reading: Reading, name: str, address: str) -> tuple[Value, ...]:
    codes = reading.expand(address)
    if codes is None:
        raise NotSupported(
            f"The value set '{address[:80]}' of '{name[:80]}' cannot be expanded on this node; "
            "list the codes instead."
        )
    found = [TokenValue(system, code) for system in sorted(codes) for code in sorted(codes[system])]
    if len(found) > _CODES_MAX:
        raise NotSupported(
            f"The value set of '{name[:80]}' has more than {_CODES_MAX} codes; list those you need."
        )
    return tuple(found)
