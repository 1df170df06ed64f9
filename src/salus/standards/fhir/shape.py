"""A resource in the shape of R4, so that a reader of any origin's documents meets no surprise.

A member that stands alone where R4 has a list becomes a list of one; of a list where R4 has one member the
first stays. What has no shape of R4 (text where an object belongs) is left out and counted. Whether the
content is right is another question (`validation`).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from salus.standards.fhir.model import Property, properties, resource_types, type_definition

Json = Any  # any JSON value: this module finds out which
_NUMBERS = frozenset({"integer", "positiveInt", "unsignedInt", "decimal"})
DEPTH_MAX = 64


class Shaped(msgspec.Struct, frozen=True):
    """A resource in shape, and how many members had none and were left out."""

    resource: dict[str, Json]
    left_out: int


def in_shape(resource: Mapping[str, Json]) -> Shaped:
    """Return the resource in the shape of R4; {} for one of a type that R4 does not have."""
    count = [0]
    found = _resource(resource, count, 0)
    return Shaped(found if found is not None else {}, count[0])


def _resource(value: Json, count: list[int], depth: int) -> dict[str, Json] | None:
    kind = value.get("resourceType") if isinstance(value, Mapping) else None
    if kind not in resource_types():
        return None
    return {"resourceType": kind, **_object(value, str(kind), count, depth)}


def _object(value: Mapping[str, Json], name: str, count: list[int], depth: int) -> dict[str, Json]:
    known = properties(name)
    kept: dict[str, Json] = {}
    for key, member in value.items():
        found = known.get(key.removeprefix("_"))
        if found is None:
            count[0] += key != "resourceType"
            continue
        shaped = _member(member, found, count, depth, beside=key.startswith("_"))
        if shaped is None:
            count[0] += 1
        else:
            kept[key] = shaped
    return kept


def _member(value: Json, known: Property, count: list[int], depth: int, *, beside: bool) -> Json:
    is_many = known.element.max is None or known.element.max > 1
    if not is_many:
        held = value[0] if isinstance(value, list) and value else value
        count[0] += isinstance(value, list) and len(value) > 1
        return _one(held, known.type.code, count, depth, beside=beside)
    listed = value if isinstance(value, list) else [value]
    shaped = [_one(each, known.type.code, count, depth, beside=beside) for each in listed]
    if beside:  # places count: null stands where a value has nothing beside it
        return [each if each is not None else {} for each in shaped]
    count[0] += sum(each is None for each in shaped)
    return [each for each in shaped if each is not None]


def _one(value: Json, code: str, count: list[int], depth: int, *, beside: bool) -> Json:
    """Return one value in the shape of a type, None where it has none."""
    if depth > DEPTH_MAX:
        return None
    definition = type_definition(code)
    if beside:
        return _object(value, "Element", count, depth + 1) if isinstance(value, Mapping) else None
    if definition is None or definition.abstract:
        return _resource(value, count, depth + 1) if code in {"Resource", "DomainResource"} else None
    if definition.kind == "primitive":
        return value if _is_primitive(value, code) else None
    return _object(value, code, count, depth + 1) if isinstance(value, Mapping) else None


def _is_primitive(value: Json, code: str) -> bool:
    if code == "boolean":
        return isinstance(value, bool)
    if code in _NUMBERS:
        return isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    return isinstance(value, str)
