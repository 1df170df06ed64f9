"""Steps from a node to its children, typed by the R4 definitions."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import msgspec

from salus.standards.fhir.fhirpath.values import Node, TypeInfo
from salus.standards.fhir.model import ancestors, properties, type_definition


class Step(msgspec.Struct, frozen=True):
    """One JSON key that an element name may stand for.

    Args:
        key: JSON key ("valueQuantity").
        under: the key of a primitive's id and extensions ("_valueString"); "" for no primitive.
        type: name of the type.
        many: the JSON value is an array.
        resource: the value names its own type by resourceType.
    """

    key: str
    under: str
    type: str
    many: bool
    resource: bool


@cache
def is_primitive(type_name: str) -> bool:
    """Return whether the type is a FHIR primitive."""
    definition = type_definition(type_name)
    return definition is not None and definition.kind == "primitive"


@cache
def steps_of(type_name: str) -> Mapping[str, tuple[Step, ...]]:
    """Return for each element name of a type the JSON keys that it may have ("value" has one per type)."""
    found: dict[str, list[Step]] = {}
    for key, one in properties(type_name).items():
        code = one.type.code
        step = Step(
            key,
            f"_{key}" if is_primitive(code) else "",
            code,
            one.element.max != 1,
            "Resource" in ancestors(code),
        )
        found.setdefault(one.element.name, []).append(step)
    return {name: tuple(steps) for name, steps in found.items()}


@cache
def keys_of(type_name: str) -> Mapping[str, Step]:
    """Return the step of each JSON key of a type."""
    return {step.key: step for steps in steps_of(type_name).values() for step in steps}


@cache
def is_a(type_name: str, ancestor: str) -> bool:
    """Return whether a type is another or specialises it."""
    return ancestor in ancestors(type_name)


def _sibling(extra: Any, index: int) -> dict[str, Any] | None:  # JSON
    if isinstance(extra, list):
        extra = extra[index] if index < len(extra) else None
    return extra if isinstance(extra, dict) else None


def _follow(node: Node, step: Step) -> list[Node]:
    """Return the nodes under one JSON key."""
    values = node.value
    value = values.get(step.key)
    extra = values.get(step.under) if step.under else None
    if value is None and extra is None:
        return []
    if not isinstance(value, list) and not isinstance(extra, list):
        return [_node(value, step, node, None, extra if isinstance(extra, dict) else None)]
    items = value if isinstance(value, list) else []
    count = max(len(items), len(extra) if isinstance(extra, list) else 0)
    found = []
    for index in range(count):
        item = items[index] if index < len(items) else None
        sibling = _sibling(extra, index)
        if item is not None or sibling is not None:
            found.append(_node(item, step, node, index, sibling))
    return found


def _node(
    value: Any, step: Step, parent: Node, index: int | None, extra: dict[str, Any] | None
) -> Node:  # JSON
    type_name = step.type
    if step.resource and isinstance(value, dict):
        type_name = str(value.get("resourceType", type_name))
    return Node(value, type_name, parent, step.key, index, extra)


def _untyped(node: Node, name: str) -> list[Node]:
    """Follow a key of JSON whose type is unknown."""
    value = node.value.get(name)
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [
        Node(
            item,
            str(item.get("resourceType", "")) if isinstance(item, dict) else "",
            node,
            name,
            position if isinstance(value, list) else None,
        )
        for position, item in enumerate(values)
    ]


def _of_primitive(node: Node, name: str) -> list[Any]:
    if name in ("id", "extension") and node.extra is not None:
        holder = Node(node.extra, "Element", node.parent, f"_{node.key}", node.index)
        return [child for step in steps_of("Element").get(name, ()) for child in _follow(holder, step)]
    return []


def _of_type_info(info: TypeInfo, name: str) -> list[Any]:
    value = {"name": info.name, "namespace": info.namespace, "baseType": info.base}.get(name)
    return [] if value is None else [value]


def member(node: Any, name: str) -> list[Any]:  # any Item
    """Return the children of that name; a choice by its name without the type ("value")."""
    if not isinstance(node, Node):
        return _of_type_info(node, name) if isinstance(node, TypeInfo) else []
    if not isinstance(node.value, dict):
        return _of_primitive(node, name)
    steps = steps_of(node.type)
    if not steps:
        return _untyped(node, name)
    found = steps.get(name)
    if found is None:
        return []
    if len(found) == 1:
        return _follow(node, found[0])
    values = node.value
    for step in found:
        if step.key in values or (step.under and step.under in values):
            return _follow(node, step)
    return []


def children(node: Node) -> list[Any]:
    """Return every child, in the order of the JSON object."""
    value = node.value
    if not isinstance(value, dict):
        return _of_primitive(node, "id") + _of_primitive(node, "extension")
    steps = keys_of(node.type)
    found: list[Any] = []
    for key in value:
        if not steps:
            found += _untyped(node, key) if key != "resourceType" else []
        elif key in steps:
            found += _follow(node, steps[key])
        elif key[:1] == "_" and key[1:] not in value and key[1:] in steps:
            found += _follow(node, steps[key[1:]])
    return found
