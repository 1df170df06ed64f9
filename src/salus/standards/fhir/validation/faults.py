"""What an object's keys alone tell: unknown, missing and exclusive elements, and a few rules of their own."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple

from salus.standards.fhir.model import Property, properties, type_definition
from salus.standards.fhir.validation.issue import Findings, Where, quote

UNKNOWN_KEYS_MAX = 20
"""Most unknown keys of one object that are reported one by one."""


class Fault(NamedTuple):
    """Something wrong with an object's set of keys; label is the element's, "" for the object itself."""

    code: str
    message_id: str
    label: str
    message: str


def shape_faults(name: str, shape: tuple[str, ...], *, is_sibling: bool) -> list[Fault]:
    """Return what is wrong with the keys of an object.

    Args:
        name: the object's type.
        shape: its keys.
        is_sibling: whether it is the `_key` sibling of a primitive, which may have an id alone.
    """
    if not shape:
        return [Fault("structure", "empty-object", "", "An object must not be empty; leave it out instead.")]
    known = properties(name)
    faults = _unknown(name, shape, known)
    if shape == ("id",) and not is_sibling and "resourceType" not in shape and _is_element(name):
        faults.append(Fault("invariant", "ele-1", "", "An element needs more than an id; add its content."))
    present = {key.removeprefix("_") for key in shape}
    for element_name, keys, is_required in _groups(name):
        found = [key for key in keys if key in present]
        if not found and is_required:
            message = f"{name}.{element_name} is required; add it."
            faults.append(Fault("required", "cardinality-min", element_name, message))
        elif len(found) > 1:
            message = f"Only one of {', '.join(found)} may be given; keep one."
            faults.append(Fault("structure", "choice-exclusive", element_name, message))
    return faults


@cache
def _is_element(name: str) -> bool:
    definition = type_definition(name)
    return definition is not None and definition.kind != "resource"


@cache
def _groups(name: str) -> tuple[tuple[str, tuple[str, ...], bool], ...]:
    """Return (element name, its keys, whether it is required) of choices and of required elements."""
    keys: dict[str, list[str]] = {}
    required = set()
    for key, prop in properties(name).items():
        if prop.element.choice or prop.element.min > 0:
            keys.setdefault(prop.element.name, []).append(key)
        if prop.element.min > 0:
            required.add(prop.element.name)
    return tuple((element, tuple(found), element in required) for element, found in keys.items())


def _is_known(key: str, name: str, known: Mapping[str, Property]) -> bool:
    if key in known:
        return True
    if key == "resourceType":
        return not _is_element(name)
    if key[:1] != "_" or key[1:] not in known:
        return False
    prop = known[key[1:]]
    definition = type_definition(prop.type.code)
    return definition is not None and definition.kind == "primitive" and not prop.element.xml_attribute


def _unknown(name: str, shape: tuple[str, ...], known: Mapping[str, Property]) -> list[Fault]:
    unknown = [key for key in shape if not _is_known(key, name, known)]
    faults = [
        Fault("structure", "unknown-element", "", f"{name} has no element {quote(key)}; {_hint(key, known)}.")
        for key in unknown[:UNKNOWN_KEYS_MAX]
    ]
    if len(unknown) > UNKNOWN_KEYS_MAX:
        more = len(unknown) - UNKNOWN_KEYS_MAX
        faults.append(
            Fault("structure", "unknown-element", "", f"{more} more keys are no elements of {name}.")
        )
    return faults


def _hint(key: str, known: Mapping[str, Property]) -> str:
    choices = [other for other, prop in known.items() if prop.element.choice and prop.element.name == key]
    if choices:
        return f"name its type, as in {choices[0]}"
    close = difflib.get_close_matches(key, known, n=1) if len(key) <= 40 else []
    return f"perhaps {close[0]!r} is meant" if close else "remove it"


def extension_address(node: dict[str, Any], where: Where, run: Findings) -> None:  # Any: FHIR JSON
    """Check that an extension's url is absolute, unless the extension is inside another."""
    url = node["url"]
    if type(url) is not str or ":" in url:
        return
    parent = where[0]
    if parent is None or parent[1] not in ("extension", "modifierExtension"):
        message = f"An extension's url is an absolute address, not {quote(url)}; write it in full."
        run.error("value", "extension-url", (where, "url", None), message)
