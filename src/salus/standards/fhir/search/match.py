"""In-memory search: whether a resource satisfies a criterion, read straight off the standard.

This is the oracle for the store's SQL, and its last check of a row. It knows nothing of hashes and tables:
it looks at the resource's own values (FHIR R4 search.html, 3.1.1.4.6 to 3.1.1.4.16).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from salus.standards.fhir.model import value_set_codes
from salus.standards.fhir.search.canonical import canonical_bounds
from salus.standards.fhir.search.general import typed_values
from salus.standards.fhir.search.parameters import Composite, Registry, SearchParameter, parameters_of
from salus.standards.fhir.search.paths import TypedPath, values_at
from salus.standards.fhir.search.query import (
    Chain,
    CompositeValue,
    Condition,
    Criterion,
    MissingValue,
    OfTypeValue,
    Query,
    RangeValue,
    ReferenceValue,
    TextValue,
    TokenValue,
    Value,
)
from salus.standards.fhir.search.references import contained, contained_type, parse_literal
from salus.standards.fhir.search.values import (
    date_values,
    fold,
    number_bounds,
    quantity_bounds,
    units_of,
)

Resource = dict[str, Any]  # Any: JSON as parsed
Found = tuple[TypedPath, Any]


def matches(query: Query, resource: Resource, corpus: Mapping[str, Resource] | None = None) -> bool:
    """Return whether a resource satisfies all criteria of a query.

    Args:
        query: what is searched.
        resource: with its logical id and meta.lastUpdated, as it is read.
        corpus: the resources that chains and _has may meet, by "Type/id".
    """
    others = {} if corpus is None else corpus
    return resource.get("resourceType") == query.type and all(
        holds(criterion, resource, others) for criterion in query.criteria
    )


def holds(criterion: Criterion, resource: Resource, corpus: Mapping[str, Resource]) -> bool:
    """Return whether one criterion holds for a resource."""
    if isinstance(criterion, Condition):
        return condition_holds(criterion, resource)
    if isinstance(criterion, Chain):
        keys = _referred(criterion.parameter, resource)
        others = [corpus[key] for key in keys if key in corpus]
        others += contained_in(criterion.parameter, resource)
        return any(
            holds(inner, other, corpus)
            for target, inner in criterion.targets
            for other in others
            if other["resourceType"] == target
        )
    me = f"{resource['resourceType']}/{resource['id']}"
    return any(
        me in _referred(criterion.parameter, other) and holds(criterion.criterion, other, corpus)
        for other in corpus.values()
        if other["resourceType"] == criterion.type
    )


def _referred(parameter: SearchParameter, resource: Resource) -> set[str]:
    found = set()
    for path, value in found_values(parameter, resource):
        if path.type == "Reference" and isinstance(value, dict):
            parsed = parse_literal(value.get("reference") or "")
            if parsed.type and not parsed.address:
                found.add(f"{parsed.type}/{parsed.id}")
    return found


def contained_in(parameter: SearchParameter, resource: Resource) -> list[Resource]:
    """Return the contained resources that a reference parameter leads to, as resources by themselves.

    Each has its id as it is referred to ("#m"), which is no logical id, and what its container contains.
    """
    literals = [
        value.get("reference")
        for path, value in found_values(parameter, resource)
        if path.type == "Reference" and isinstance(value, dict)
    ]
    fragments = dict.fromkeys(one for one in literals if isinstance(one, str) and one[:1] == "#")
    held = {one: contained(resource, one) for one in fragments}
    return [
        {**one, "id": fragment, "contained": resource["contained"]}
        for fragment, one in held.items()
        if isinstance(one.get("resourceType"), str)
    ]


def found_values(
    parameter: SearchParameter, resource: Resource, *, unknown_type: bool = False
) -> list[Found]:
    """Return the values of a (not composite) parameter in a resource, each with its typed path.

    Args:
        parameter: what is read.
        resource: where it is read.
        unknown_type: where the parameter wants references to one type, take those of unknown type too.
    """
    if parameter.general:
        found = typed_values(parameter, resource)
        return [(TypedPath(parameter.general_slot, (), kind), value) for kind, value in found]
    return [
        (path, value)
        for path in parameter.paths
        for value in values_at(path, resource)
        if not path.target
        or (kind := target_type(path, value, resource)) == path.target
        or (unknown_type and not kind)
    ]


def target_type(path: TypedPath, value: Any, resource: Resource) -> str:
    """Return the type of what a reference leads to, "" where it does not say."""
    if path.type != "Reference" or not isinstance(value, dict):
        return ""
    literal = value.get("reference")
    if not isinstance(literal, str):
        return ""
    return contained_type(resource, literal) if literal[:1] == "#" else parse_literal(literal).type


def condition_holds(condition: Condition, resource: Resource) -> bool:
    """Return whether a condition holds for a resource."""
    parameter = condition.parameter
    if condition.modifier == "missing":
        wanted = condition.values[0]
        assert isinstance(wanted, MissingValue)
        return wanted.missing != is_present(parameter, resource)
    if parameter.type == "composite":
        return any(
            _composite_holds(composite, value, resource)
            for composite in parameter.composites
            for value in condition.values
        )
    negated = condition.modifier in ("not", "not-in")
    found = found_values(parameter, resource, unknown_type=condition.modifier == "identifier")
    return negated != any(
        _value_matches(parameter.type, condition.modifier, path, one, wanted)
        for path, one in found
        for wanted in condition.values
    )


def is_present(parameter: SearchParameter, resource: Resource) -> bool:
    """Return whether a resource has a value that the parameter can read."""
    if parameter.type == "composite":
        return any(
            all(
                any(
                    _readable(part.type, path, value)
                    for path, value in _part_values(composite, at, n, resource)
                )
                for n, part in enumerate(composite.parts)
            )
            for composite in parameter.composites
            for at in values_at(composite.path, resource)
        )
    return any(_readable(parameter.type, path, value) for path, value in found_values(parameter, resource))


def _readable(kind: str, path: TypedPath, value: Any) -> bool:
    if kind in ("date", "number", "quantity"):
        return _bounds(kind, path, value) is not None
    return value is not None


def _part_values(composite: Composite, element: Any, number: int, resource: Resource) -> list[Found]:
    part = composite.parts[number]
    root = resource if part.from_resource else element
    return [(path, value) for path in part.paths for value in values_at(path, root)]


def _composite_holds(composite: Composite, wanted: Value, resource: Resource) -> bool:
    assert isinstance(wanted, CompositeValue)
    return any(
        all(
            any(
                _value_matches(composite.parts[n].type, "", path, value, one)
                for path, value in _part_values(composite, element, n, resource)
            )
            for n, one in enumerate(wanted.parts)
        )
        for element in values_at(composite.path, resource)
    )


def _value_matches(kind: str, modifier: str, path: TypedPath, value: Any, wanted: Value) -> bool:
    if isinstance(wanted, OfTypeValue):
        return isinstance(value, dict) and _of_type(value, wanted)
    if modifier == "text":
        assert isinstance(wanted, TextValue)
        return any(_starts_word(text, wanted.folded) for text in _texts(path.type, value))
    if modifier == "identifier":
        assert isinstance(wanted, TokenValue)
        identifier = value.get("identifier") if isinstance(value, dict) else None
        return isinstance(identifier, dict) and _token(TypedPath("", (), "Identifier"), identifier, wanted)
    match wanted:
        case TokenValue():
            return _token(path, value, wanted)
        case ReferenceValue():
            return _reference(path, value, wanted)
        case RangeValue():
            return _range(kind, path, value, wanted)
        case TextValue():
            return _text(kind, modifier, value, wanted)
    raise AssertionError(wanted)


def codings(type_name: str, value: Any) -> list[tuple[Any, Any]]:
    """Return (system, code) of a token's value; None for what is absent."""
    if type_name == "CodeableConcept" and isinstance(value, dict):
        inner = value.get("coding") or []
        return [(one.get("system"), one.get("code")) for one in inner if isinstance(one, dict)]
    if type_name == "Coding" and isinstance(value, dict):
        return [(value.get("system"), value.get("code"))]
    if type_name == "Identifier" and isinstance(value, dict):
        return [(value.get("system"), value.get("value"))]
    if type_name == "ContactPoint" and isinstance(value, dict):
        return [(None, value.get("value"))]
    return [(None, str(value).lower() if isinstance(value, bool) else value)]


def implied_systems(path: TypedPath, code: str) -> frozenset[str]:
    """Return the systems that an element of type code takes a code from, by its binding."""
    known = value_set_codes(path.value_set) if path.type == "code" and path.value_set else None
    return frozenset(system for system, codes in (known or {}).items() if code in codes)


def _token(path: TypedPath, value: Any, wanted: TokenValue) -> bool:
    for system, code in codings(path.type, value):
        if wanted.code is not None and code != wanted.code:
            continue
        if wanted.system is None or (wanted.system == "" and system is None and code is not None):
            return True
        if wanted.system and (system == wanted.system or wanted.system in implied_systems(path, code)):
            return True
    return False


def _of_type(identifier: Mapping[str, Any], wanted: OfTypeValue) -> bool:
    kinds = (identifier.get("type") or {}).get("coding") or []
    return identifier.get("value") == wanted.value and any(
        one.get("system", "") == wanted.system and one.get("code", "") == wanted.code for one in kinds
    )


def _texts(type_name: str, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return []
    if type_name == "CodeableConcept":
        found = [value.get("text"), *(one.get("display") for one in value.get("coding") or [])]
    elif type_name == "Coding":
        found = [value.get("display")]
    else:
        found = [(value.get("type") or {}).get("text")]
    return [text for text in found if isinstance(text, str)]


def _starts_word(text: str, wanted: str) -> bool:
    """Return whether the text, from its start or that of a later word, begins with what is wanted."""
    return f" {fold(text)}".find(f" {wanted}") >= 0


def _reference(path: TypedPath, value: Any, wanted: ReferenceValue) -> bool:
    if path.type in ("canonical", "uri"):
        text = wanted.address or (f"{wanted.type}/{wanted.id}" if wanted.type else wanted.id)
        return isinstance(value, str) and text in (value, value.partition("|")[0])
    literal = value.get("reference") if isinstance(value, dict) else None
    if not isinstance(literal, str) or literal[:1] == "#":
        return False
    parsed = parse_literal(literal)
    if wanted.address:
        return parsed.address == wanted.address
    return not parsed.address and parsed.id == wanted.id and wanted.type in ("", parsed.type)


def _bounds(kind: str, path: TypedPath, value: Any) -> tuple[float, float] | None:
    if kind == "date":
        return date_values(path.type, value)
    return number_bounds(path.type, value) if kind == "number" else quantity_bounds(path.type, value)


def _range(kind: str, path: TypedPath, value: Any, wanted: RangeValue) -> bool:
    if wanted.dimension:
        canonical = canonical_bounds(path.type, value)
        return (
            canonical is not None
            and canonical[0] == wanted.dimension
            and number_compares(wanted, *canonical[1:])
        )
    bounds = _bounds(kind, path, value)
    if bounds is None:
        return False
    if kind == "quantity" and wanted.code and not _unit(path.type, value, wanted):
        return False
    if kind == "date":
        return date_compares(wanted, *bounds)
    return number_compares(wanted, *bounds)


def _unit(type_name: str, value: Any, wanted: RangeValue) -> bool:
    for system, code, unit in units_of(type_name, value):
        if wanted.system is None and wanted.code in (code, unit):
            return True
        if wanted.system is not None and (system, code) == (wanted.system, wanted.code):
            return True
    return False


def date_compares(wanted: RangeValue, low: float, high: float) -> bool:
    """Return whether a stored interval [low, high) compares with the wanted one as its prefix says."""
    contained = wanted.low <= low and high <= wanted.high
    match wanted.prefix:
        case "eq":
            return contained
        case "ne":
            return not contained
        case "gt":
            return high > wanted.high
        case "lt":
            return low < wanted.low
        case "ge":
            return high > wanted.high or contained
        case "le":
            return low < wanted.low or contained
        case "sa":
            return low >= wanted.high
        case "eb":
            return high <= wanted.low
    return low < wanted.high and high > wanted.low


def number_compares(wanted: RangeValue, low: float, high: float) -> bool:
    """Return whether a stored number, or [low, high], compares with the wanted one as its prefix says.

    Only eq, ne and ap use the precision of the wanted number; the others compare with the number itself.
    """
    contained = wanted.low <= low < wanted.high and high < wanted.high
    match wanted.prefix:
        case "eq":
            return contained
        case "ne":
            return not contained
        case "gt":
            return high > wanted.exact
        case "lt":
            return low < wanted.exact
        case "ge":
            return high >= wanted.exact
        case "le":
            return low <= wanted.exact
        case "sa":
            return low > wanted.exact
        case "eb":
            return high < wanted.exact
    return low <= wanted.high and high >= wanted.low


def _text(kind: str, modifier: str, value: Any, wanted: TextValue) -> bool:
    if not isinstance(value, str):
        return False
    if kind == "uri":
        return _uri(modifier, value, wanted.text)
    if modifier == "exact":
        return value == wanted.text
    if modifier == "contains":
        return wanted.folded in fold(value)
    return fold(value).startswith(wanted.folded)


def _uri(modifier: str, value: str, wanted: str) -> bool:
    if modifier == "below":
        return value.rstrip("/") == wanted.rstrip("/") or (
            "://" in wanted and value.startswith(wanted.rstrip("/") + "/")
        )
    if modifier == "above":
        return value == wanted or ("://" in value and wanted.startswith(value.rstrip("/") + "/"))
    return wanted in (value, value.partition("|")[0])


def sort_value(parameter: SearchParameter, resource: Resource, *, descending: bool) -> tuple[int, Any]:
    """Return what a resource is sorted by: (0, its least or greatest value), (1, ...) for none."""
    found: list[Any] = []
    for path, value in found_values(parameter, resource):
        if parameter.type in ("date", "number", "quantity"):
            bounds = _bounds(parameter.type, path, value)
            found.extend([] if bounds is None else [bounds[1] if descending else bounds[0]])
        elif parameter.type == "string":
            found.extend([fold(value)[:500]] if isinstance(value, str) else [])
        elif parameter.type == "token":
            found.extend(str(code) for _, code in codings(path.type, value) if code is not None)
        else:
            text = value.get("reference") if isinstance(value, dict) else value
            found.extend([text] if isinstance(text, str) else [])
    if not found:
        return (1, -math.inf)
    return (0, max(found) if descending else min(found))


def find(query: Query, resources: Iterable[Resource]) -> list[Resource]:
    """Return the resources that a query finds among the given ones, in their order."""
    known: Sequence[Resource] = list(resources)
    corpus = {f"{one['resourceType']}/{one['id']}": one for one in known}
    return [one for one in known if matches(query, one, corpus)]


def parameter(type_name: str, code: str, registry: Registry | None = None) -> SearchParameter:
    """Return one parameter of a type; it must exist."""
    return parameters_of(type_name, registry)[code]
