"""One concept of a code system, whatever it was read from (R4 codesystem.html#concept).

Whether a concept is abstract or inactive, and its status, follow the properties that the code system
declares (http://hl7.org/fhir/concept-properties), else the names that are usual for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

Json = dict[str, Any]  # Any: FHIR JSON

STANDARDS_STATUS = "http://hl7.org/fhir/StructureDefinition/structuredefinition-standards-status"
PROPERTIES = "http://hl7.org/fhir/concept-properties#"
_GONE = frozenset({"withdrawn", "inactive"})
_INACTIVE_STATUS = frozenset({"retired", "inactive", "withdrawn"})


class Designation(msgspec.Struct, frozen=True):
    """A name of a concept.

    Args:
        value: the name.
        language: BCP 47, "" where it is not stated.
        use: the Coding of its use, None for a display.
        status: "withdrawn" and "inactive" stand for names that are no longer to be used.
        is_display: whether it is what the system shows by default, or is preferred in its language.
        extensions: as the definition has them.
        source: canonical of the supplement that it comes from, "" for the system itself.
    """

    value: str
    language: str = ""
    use: Json | None = None
    status: str = "active"
    is_display: bool = False
    extensions: tuple[Json, ...] = ()
    source: str = ""

    def is_current(self) -> bool:
        """Return whether it may still be used."""
        return self.status not in _GONE


class Property(msgspec.Struct, frozen=True):
    """A property of a concept.

    Args:
        code: its name in the code system.
        kind: the FHIR element of its value, e.g. "valueCode".
        value: the value, as FHIR JSON.
        uri: what it means, "" where the code system does not say.
    """

    code: str
    kind: str
    value: Any  # FHIR JSON of any type
    uri: str = ""

    def text(self) -> str:
        """Return the value as a filter compares it."""
        if isinstance(self.value, bool):
            return "true" if self.value else "false"
        if isinstance(self.value, dict):
            return str(self.value.get("code", ""))
        return str(self.value)


class Concept(msgspec.Struct, frozen=True):
    """A concept; `designations` begin with the display where there is one."""

    code: str
    display: str = ""
    definition: str = ""
    designations: tuple[Designation, ...] = ()
    properties: tuple[Property, ...] = ()
    extensions: tuple[Json, ...] = ()
    parents: tuple[str, ...] = ()
    is_abstract: bool = False
    is_inactive: bool = False
    is_deprecated: bool = False
    status: str = ""

    def values(self, name: str) -> list[str]:
        """Return the values of a property as a filter compares them."""
        return [one.text() for one in self.properties if one.code == name]


def value_of(element: Mapping[str, Any]) -> tuple[str, Any] | None:
    """Return the name and content of an element's value[x], None where it has none."""
    for key, value in element.items():
        if key.startswith("value") and len(key) > len("value") and key[5].isupper():
            return key, value
    return None


def extension_value(element: Mapping[str, Any], url: str) -> Any:
    """Return the value of an element's first extension of a url, None where there is none."""
    for one in element.get("extension", ()):
        if one.get("url") == url:
            found = value_of(one)
            return found[1] if found else None
    return None


def property_uris(code_system: Mapping[str, Any]) -> dict[str, str]:
    """Return what the properties of a code system mean, by name."""
    return {one["code"]: one.get("uri", "") for one in code_system.get("property", ()) if "code" in one}


def properties_of(concept: Mapping[str, Any], uris: Mapping[str, str]) -> tuple[Property, ...]:
    """Return the properties of a concept in a definition."""
    found = []
    for one in concept.get("property", ()):
        value = value_of(one)
        if value is not None and "code" in one:
            found.append(Property(one["code"], value[0], value[1], uris.get(one["code"], "")))
    return tuple(found)


def _named(properties: Iterable[Property], name: str, *others: str) -> list[Property]:
    """Return the properties that mean a standard one: by what they are declared to be, or by a usual name."""
    return [one for one in properties if one.uri == PROPERTIES + name or one.code in (name, *others)]


def is_abstract(properties: Sequence[Property]) -> bool:
    """Return whether a concept only groups others and may not be used itself."""
    return any(one.value is True for one in _named(properties, "notSelectable", "abstract", "not-selectable"))


def status_of(properties: Sequence[Property], concept: Mapping[str, Any]) -> str:
    """Return the status of a concept, "" where none is said."""
    stated = _named(properties, "status")
    if stated:
        return stated[0].text()
    for name in ("deprecated", "inactive", "retired"):
        if any(one.text() == "true" for one in _named(properties, name)):
            return name
    said = extension_value(concept, STANDARDS_STATUS)
    return str(said) if said else ""


def is_inactive(properties: Sequence[Property], status: str) -> bool:
    """Return whether a concept should no longer be used."""
    return status in _INACTIVE_STATUS or any(one.text() == "true" for one in _named(properties, "inactive"))


def is_deprecated(properties: Sequence[Property], status: str) -> bool:
    """Return whether a concept is on its way out."""
    return status in ("deprecated", "retired") or any(
        one.text() == "true" for one in _named(properties, "deprecated")
    )
