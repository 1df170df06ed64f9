"""The names in `_elements`: of elements at a resource's root (http://hl7.org/fhir/R4/search.html#elements).

A server may answer more than was asked for, so a path such as name.family stands for the element name.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from salus.standards.fhir.model import properties, resource_types, type_definition


class Elements(NamedTuple):
    """What `_elements` names: known elements once each, what was written as a path, what no resource has."""

    known: tuple[str, ...]
    paths: tuple[str, ...]
    unknown: tuple[str, ...]


def read_elements(type_name: str, value: str) -> Elements:
    """Return what a list such as "name,birthDate" names.

    Included resources are of other types, so that an element of any resource is known.
    """
    written = [text.strip() for text in value.split(",")]
    roots = {text: text.partition(".")[0] for text in written if text}
    known = {text: root for text, root in roots.items() if _is_element(type_name, root)}
    return Elements(
        tuple(dict.fromkeys(known.values())),
        tuple(text for text, root in known.items() if text != root),
        tuple(text for text in roots if text not in known),
    )


def _is_element(type_name: str, name: str) -> bool:
    return any(name in names for names in _names(type_name))


def _names(type_name: str) -> Iterator[frozenset[str]]:
    """Yield the names of elements, with and without the type of a choice; the type's own first."""
    yield frozenset({"resourceType"})
    for each in (type_name, *sorted(resource_types())):
        definition = type_definition(each)
        yield frozenset(definition.elements if definition else ()) | frozenset(properties(each))
