"""From the pairs of a query string to a `Query` (FHIR R4 search.html, http.html#search).

What is unknown is an error or left out, as `strict` says (the caller decides by `Prefer: handling`). What is
known and cannot be done (`_filter`, `near`, a modifier of another type) is always an error: leaving it out
would return what was not asked for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

import msgspec

from salus.core.errors import InvalidSearch, NotSupported
from salus.core.limits import Limits
from salus.standards.fhir.model import resource_types, value_set_codes
from salus.standards.fhir.search import operands
from salus.standards.fhir.search.operands import Simple, complaint, split
from salus.standards.fhir.search.parameters import Registry, SearchParameter, parameters_of
from salus.standards.fhir.search.query import (
    Chain,
    Condition,
    Criterion,
    Has,
    Include,
    MissingValue,
    Query,
    SortKey,
    TokenValue,
    Value,
)

Expand = Callable[[str], Mapping[str, frozenset[str]] | None]

CURSOR = "_cursor"
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
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*", re.ASCII)
_DEPTH_MAX = 5
_WORD_MIN = 3
_UNINDEXED = frozenset({"missing", "not", "not-in"})
_CODES_MAX = 5_000
_SUMMARIES = ("true", "text", "data", "count", "false")
_TOTALS = ("none", "estimate", "accurate")


class _Reading(msgspec.Struct):
    """A search while it is read: its circumstances, and what has been found of it."""

    type: str
    strict: bool
    limits: Limits
    registry: Registry | None
    expand: Expand
    base: str
    now: datetime | None
    values_left: int
    conditions: int = 0
    unindexed: int = 0
    criteria: list[Criterion] = []
    sort: list[SortKey] = []
    includes: list[Include] = []
    applied: list[tuple[str, str]] = []
    ignored: list[str] = []
    count: int | None = None
    total: str = "none"
    summary: str = "false"
    elements: tuple[str, ...] = ()
    cursor: str = ""


class _Unknown(Exception):
    """A name that the node does not know; an error or left out, as the search is strict or not."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


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
    reading = _Reading(type_name, strict, limits, registry, expand, base, now, limits.search_values_max)
    for name, value in pairs:
        if name in _NOT_OURS:
            continue
        try:
            _read_pair(reading, name, value)
        except _Unknown as unknown:
            if strict:
                raise InvalidSearch(unknown.message) from None
            reading.ignored.append(name[:80])
        else:
            if name != CURSOR:
                reading.applied.append((name, value))
    return _finished(reading)


def _finished(reading: _Reading) -> Query:
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


def _read_pair(reading: _Reading, name: str, value: str) -> None:
    if name in _CONTROLS:
        _CONTROLS[name](reading, value)
    elif name.startswith(("_include", "_revinclude")):
        _read_include(reading, name, value)
    elif name.partition(":")[0] in _REFUSED:
        raise NotSupported(f"Salus does not search by '{name[:80]}'; use the parameters of {reading.type}.")
    else:
        reading.criteria.append(_criterion(reading, reading.type, name, value, 0))


def _criterion(reading: _Reading, type_name: str, name: str, value: str, depth: int) -> Criterion:
    if depth > _DEPTH_MAX:
        raise InvalidSearch(f"'{name[:80]}' chains more than {_DEPTH_MAX} times; ask in several searches.")
    if name.startswith("_has:"):
        return _has(reading, type_name, name, value, depth)
    head, dot, rest = name.partition(".")
    code, _, modifier = head.partition(":")
    parameter = _parameter(reading, type_name, code, name)
    if dot:
        return _chain(reading, parameter, modifier, rest, value, depth)
    return _condition(reading, parameter, modifier, name, value)


def _parameter(reading: _Reading, type_name: str, code: str, name: str) -> SearchParameter:
    found = parameters_of(type_name, reading.registry).get(code)
    if found is None:
        raise _Unknown(f"{type_name} has no search parameter '{code[:80]}' (in '{name[:80]}').")
    if found.refused:
        raise NotSupported(found.refused)
    return found


def _chain(
    reading: _Reading, parameter: SearchParameter, modifier: str, rest: str, value: str, depth: int
) -> Chain:
    if parameter.type != "reference":
        raise InvalidSearch(f"'{parameter.code}' is no reference, so nothing can follow it after a dot.")
    if modifier and not operands.is_type(modifier):
        raise InvalidSearch(f"'{parameter.code}:{modifier[:80]}' names no resource type.")
    candidates = [modifier] if modifier else sorted(reference_targets(parameter))
    found: list[tuple[str, Criterion]] = []
    problem: _Unknown | None = None
    left, conditions, unindexed = reading.values_left, reading.conditions, reading.unindexed
    for target in candidates:
        reading.values_left, reading.conditions, reading.unindexed = left, conditions, unindexed
        try:
            found.append((target, _criterion(reading, target, rest, value, depth + 1)))
        except _Unknown as unknown:
            problem = unknown
    if not found:
        raise problem or _Unknown(f"'{parameter.code}' refers to nothing that can be searched.")
    return Chain(parameter, tuple(found))


def reference_targets(parameter: SearchParameter) -> frozenset[str]:
    """Return the resource types a reference parameter may lead to."""
    named = {path.target for path in parameter.paths if path.target}
    for path in parameter.paths:
        if not path.target:
            named |= set(path.targets or parameter.targets or ("Resource",))
    if parameter.targets and "Resource" not in parameter.targets:
        named = (named & set(parameter.targets)) or set(parameter.targets)
    return resource_types() if "Resource" in named else frozenset(named) & resource_types()


def _has(reading: _Reading, type_name: str, name: str, value: str, depth: int) -> Has:
    parts = name.split(":", 3)
    if len(parts) != 4 or not parts[3]:
        raise InvalidSearch(f"'{name[:80]}' is no _has; write _has:Type:reference:parameter=value.")
    _, referrer, code, rest = parts
    if not operands.is_type(referrer):
        raise InvalidSearch(f"'{name[:80]}' names no resource type after _has.")
    parameter = _parameter(reading, referrer, code, name)
    if parameter.type != "reference":
        raise InvalidSearch(f"'{code[:80]}' of {referrer} is no reference, so _has cannot follow it.")
    if type_name not in reference_targets(parameter):
        raise InvalidSearch(f"'{code[:80]}' of {referrer} does not refer to {type_name}.")
    return Has(referrer, parameter, _criterion(reading, referrer, rest, value, depth + 1))


def _condition(
    reading: _Reading, parameter: SearchParameter, modifier: str, name: str, value: str
) -> Condition:
    kind = parameter.type
    _count(reading, modifier, value)
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


def _count(reading: _Reading, modifier: str, value: str) -> None:
    """Count one more condition.

    Raises:
        InvalidSearch: the search has too many, or too many that read row after row.
    """
    reading.conditions += 1
    if reading.conditions > reading.limits.search_criteria_max:
        most = reading.limits.search_criteria_max
        raise InvalidSearch(f"A search has at most {most} conditions; this one has more.")
    short = modifier == "contains" and len(min(split(value, ","), key=len)) < _WORD_MIN
    if short or modifier in _UNINDEXED:
        reading.unindexed += 1
    if reading.unindexed > reading.limits.search_unindexed_max:
        raise InvalidSearch(
            f"A search has at most {reading.limits.search_unindexed_max} conditions that no index answers "
            "(:missing, :not, :not-in, :contains of under three letters); this one has more."
        )


def _value(reading: _Reading, parameter: SearchParameter, modifier: str, name: str, text: str) -> Value:
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


def _simple(reading: _Reading, kind: str, name: str, text: str, type_name: str = "") -> Simple:
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


def _codes_of(reading: _Reading, name: str, address: str) -> tuple[Value, ...]:
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


def _read_include(reading: _Reading, name: str, value: str) -> None:
    head, _, modifier = name.partition(":")
    if head not in ("_include", "_revinclude") or modifier not in ("", "iterate", "recurse"):
        raise InvalidSearch(
            f"'{name[:80]}' is none of _include, _revinclude, _include:iterate, _revinclude:iterate."
        )
    reverse, iterate = head == "_revinclude", bool(modifier)
    if value == "*":
        if reverse:
            raise NotSupported(
                "_revinclude=* would return everything; name the type, such as Observation:subject."
            )
        reading.includes.append(Include("", "*", "", reverse, iterate))
        return
    parts = value.split(":")
    if len(parts) not in (2, 3) or not all(parts):
        raise complaint(name, value, "write Type:parameter or Type:parameter:TargetType")
    source, code, target = (*parts, "")[:3]
    for named in (source, target):
        if named and not operands.is_type(named):
            raise complaint(name, value, "it names a resource type that R4 does not have")
    if code != "*" and _parameter(reading, source, code, value).type != "reference":
        raise complaint(name, value, f"'{code[:80]}' is no reference")
    reading.includes.append(Include(source, code, target, reverse, iterate))


def _read_sort(reading: _Reading, value: str) -> None:
    for key in value.split(","):
        code = key.removeprefix("-")
        if not _NAME.fullmatch(code):
            raise complaint("_sort", value, "write search parameters joined by commas, '-' for descending")
        parameter = _parameter(reading, reading.type, code, "_sort")
        if parameter.type == "composite":
            raise NotSupported(f"Nothing can be sorted by the composite parameter '{code}'.")
        reading.sort.append(SortKey(parameter, descending=key.startswith("-")))


def _read_count(reading: _Reading, value: str) -> None:
    if not (value.isascii() and value.isdigit() and len(value) <= 9):
        raise complaint("_count", value, "write a whole number, 0 or more")
    reading.count = int(value)


def _choice(reading: _Reading, name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise complaint(name, value, f"write one of {', '.join(allowed)}")
    return value


def _read_summary(reading: _Reading, value: str) -> None:
    reading.summary = _choice(reading, "_summary", value, _SUMMARIES)


def _read_total(reading: _Reading, value: str) -> None:
    reading.total = _choice(reading, "_total", value, _TOTALS)


def _read_elements(reading: _Reading, value: str) -> None:
    reading.elements = tuple(name for name in value.split(",") if _NAME.fullmatch(name))


def _read_cursor(reading: _Reading, value: str) -> None:
    reading.cursor = value


_CONTROLS: Mapping[str, Callable[[_Reading, str], None]] = {
    "_sort": _read_sort,
    "_count": _read_count,
    "_summary": _read_summary,
    "_total": _read_total,
    "_elements": _read_elements,
    CURSOR: _read_cursor,
}
