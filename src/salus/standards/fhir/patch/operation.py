"""The operations of a FHIRPath Patch, read from their Parameters (R4 fhirpatch.html)."""

from __future__ import annotations

from typing import Any, Literal, NoReturn

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.fhir.fhirpath.navigate import is_primitive
from salus.standards.fhir.model import properties

Json = Any  # any JSON value
Kind = Literal["add", "insert", "delete", "replace", "move"]

_KINDS: dict[str, Kind] = {
    "add": "add",
    "insert": "insert",
    "delete": "delete",
    "replace": "replace",
    "move": "move",
}


class Value(msgspec.Struct, frozen=True):
    """A value that a part carries.

    Args:
        type: name of its type; "" for an element whose parts are given one by one.
        json: the JSON value.
        extra: the `_key` sibling of a primitive.
        parts: the parts of an element that has no type of its own.
    """

    type: str
    json: Json = None
    extra: dict[str, Json] | None = None
    parts: tuple[Part, ...] = ()


class Part(msgspec.Struct, frozen=True):
    """A named value."""

    name: str
    value: Value


class Operation(msgspec.Struct, frozen=True):
    """One operation; `number` counts from 1, for messages."""

    number: int
    kind: Kind
    path: str
    name: str = ""
    value: Value | None = None
    index: int | None = None
    source: int | None = None
    destination: int | None = None


def _refuse(number: int, message: str) -> NoReturn:
    raise MalformedContent(f"Operation {number} of the patch: {message}")


def _value_of(part: dict[str, Json], number: int) -> Value:
    """Return what a part carries: value[x], a resource, or parts."""
    for key, one in properties("Parameters.parameter").items():
        if one.element.name == "value" and (key in part or f"_{key}" in part):
            extra = part.get(f"_{key}") if is_primitive(one.type.code) else None
            return Value(one.type.code, part.get(key), extra if isinstance(extra, dict) else None)
    resource = part.get("resource")
    if isinstance(resource, dict):
        return Value(str(resource.get("resourceType", "")), resource)
    inner = part.get("part")
    if not isinstance(inner, list):
        _refuse(number, "a part carries a value, a resource or parts")
    return Value("", parts=tuple(_part(one, number) for one in inner))


def _part(part: Json, number: int) -> Part:
    name = part.get("name") if isinstance(part, dict) else None
    if not isinstance(name, str):
        _refuse(number, "a part has a name")
    return Part(name, _value_of(part, number))


def _text(found: dict[str, Value], name: str, number: int) -> str:
    value = found[name].json if name in found else None
    if not isinstance(value, str) or not value:
        _refuse(number, f"the part {name!r} is missing or no string")
    return value


def _number(found: dict[str, Value], name: str, number: int) -> int:
    value = found[name].json if name in found else None
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _refuse(number, f"the part {name!r} is missing or no integer of 0 or more")
    return value


def _operation(parameter: Json, number: int) -> Operation:
    if not isinstance(parameter, dict) or parameter.get("name") != "operation":
        _refuse(number, "every parameter of a patch is named 'operation'")
    parts = parameter.get("part")
    if not isinstance(parts, list):
        _refuse(number, "an operation has parts: type, path ...")
    found: dict[str, Value] = {}
    for part in (_part(one, number) for one in parts):
        if part.name in found:
            _refuse(number, f"the part {part.name[:40]!r} occurs twice")
        found[part.name] = part.value
    kind = _KINDS.get(_text(found, "type", number))
    if kind is None:
        _refuse(number, "the type is add, insert, delete, replace or move")
    needs_value = kind in ("add", "insert", "replace")
    if needs_value and "value" not in found:
        _refuse(number, f"{kind} needs the part 'value'")
    return Operation(
        number,
        kind,
        _text(found, "path", number),
        _text(found, "name", number) if kind == "add" else "",
        found["value"] if needs_value else None,
        _number(found, "index", number) if kind == "insert" else None,
        _number(found, "source", number) if kind == "move" else None,
        _number(found, "destination", number) if kind == "move" else None,
    )


def read_operations(parameters: dict[str, Json], count_max: int) -> list[Operation]:
    """Return the operations of a patch; Parameters without any are a patch that changes nothing.

    Raises:
        MalformedContent: the Parameters are no FHIRPath Patch; the message names the operation.
    """
    listed = parameters.get("parameter", [])
    if parameters.get("resourceType") != "Parameters" or not isinstance(listed, list):
        raise MalformedContent("A FHIRPath Patch is a Parameters resource with parameters named 'operation'")
    if len(listed) > count_max:
        raise MalformedContent(f"A patch has at most {count_max} operations; send several patches")
    return [_operation(one, number) for number, one in enumerate(listed, start=1)]
