"""The occurrences of an element in a resource, each with its type and place.

An item is (value, its `_key` sibling or None, type name, place). A reader takes an object and its place and
returns
the items of one child; what has another form than its type is left to base validation, which reports it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from salus.standards.fhir.model import Property, properties, resource_types, type_definition
from salus.standards.fhir.validation.issue import Where
from salus.standards.fhir.validation.values import label_of

Item = tuple[Any, Any, str, Where]  # Any: a JSON value, and the sibling of a primitive
Reader = Callable[[Any, Where], list[Item]]  # Any: a JSON value of whatever type was sent


def _nothing(node: Any, where: Where) -> list[Item]:
    return []


@cache
def reader(type_name: str, child: str) -> Reader:
    """Return how to read a child ("value" for value[x]) of objects of a type; of unknown names nothing is
    read.
    """
    found = [(key, prop) for key, prop in properties(type_name).items() if prop.element.name == child]
    if not found:
        return _nothing
    readers = [_of_property(key, prop) for key, prop in found]
    if len(readers) == 1:
        return readers[0]
    keys = tuple(zip([key for key, _ in found], readers, strict=True))

    def choice(node: Any, where: Where) -> list[Item]:
        if type(node) is dict:
            for key, read in keys:
                if key in node or "_" + key in node:
                    return read(node, where)
        return []

    return choice


def kind_of(resource: Any) -> str:  # Any: a JSON value
    """Return the type of a resource, "" for what R4 does not know: nothing is remembered of names made up."""
    name = resource.get("resourceType") if type(resource) is dict else None
    return name if type(name) is str and name in resource_types() else ""


@cache
def keys_of(type_name: str, child: str) -> frozenset[str]:
    """Return the JSON keys that a child may have, those of primitives' siblings included."""
    found = [key for key, prop in properties(type_name).items() if prop.element.name == child]
    return frozenset([*found, *("_" + key for key in found)])


@cache
def has_one_type(type_name: str, child: str) -> bool:
    """Return whether every occurrence of a child has the type that its key says."""
    found = [prop for prop in properties(type_name).values() if prop.element.name == child]
    return len(found) == 1 and found[0].type.code != "Resource"


@cache
def is_primitive(name: str) -> bool:
    """Return whether a type is a primitive."""
    definition = type_definition(name)
    return definition is not None and definition.kind == "primitive"


def _of_property(key: str, prop: Property) -> Reader:
    many = prop.element.max != 1
    code, label = prop.type.code, label_of(prop)
    if is_primitive(code):
        return _primitives(key, code, label) if many else _primitive(key, code, label)
    if code == "Resource":
        return _resources(key, label)
    return _objects(key, code, label) if many else _object(key, code, label)


def _object(key: str, code: str, label: str) -> Reader:
    def read(node: Any, where: Where) -> list[Item]:
        value = node.get(key) if type(node) is dict else None
        return [(value, None, code, (where, label, None))] if type(value) is dict else []

    return read


def _objects(key: str, code: str, label: str) -> Reader:
    def read(node: Any, where: Where) -> list[Item]:
        values = node.get(key) if type(node) is dict else None
        if type(values) is not list:
            return []
        return [
            (value, None, code, (where, label, index))
            for index, value in enumerate(values)
            if type(value) is dict
        ]

    return read


def _resources(key: str, label: str) -> Reader:
    def read(node: Any, where: Where) -> list[Item]:
        values = node.get(key) if type(node) is dict else None
        if type(values) is dict:
            return [(values, None, kind_of(values), (where, label, None))]
        return [
            (value, None, kind_of(value), (where, label, index))
            for index, value in enumerate(values if type(values) is list else ())
            if type(value) is dict
        ]

    return read


def _primitive(key: str, code: str, label: str) -> Reader:
    sibling_key = "_" + key

    def read(node: Any, where: Where) -> list[Item]:
        if type(node) is not dict:
            return []
        value, sibling = node.get(key), node.get(sibling_key)
        if value is None and sibling is None:
            return []
        return [(value, sibling, code, (where, label, None))]

    return read


def _primitives(key: str, code: str, label: str) -> Reader:
    sibling_key = "_" + key

    def read(node: Any, where: Where) -> list[Item]:
        if type(node) is not dict:
            return []
        values, siblings = node.get(key), node.get(sibling_key)
        if type(values) is not list:
            values = []
        if type(siblings) is not list:
            siblings = []
        count = max(len(values), len(siblings))
        return [
            (
                values[index] if index < len(values) else None,
                siblings[index] if index < len(siblings) else None,
                code,
                (where, label, index),
            )
            for index in range(count)
        ]

    return read


def inside(item: Item) -> Any:
    """Return the object in which an item's children are: the value, or the sibling of a primitive."""
    value = item[0]
    return value if type(value) is dict else item[1]
