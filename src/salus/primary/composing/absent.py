"""What a profile asks for and the record does not hold is said to be unknown, never made up.

Source: the extension http://hl7.org/fhir/StructureDefinition/data-absent-reason of FHIR R4.
"""

from __future__ import annotations

from typing import Any

from salus.primary.values import ABSENT

Resource = dict[str, Any]  # a copy of a parsed FHIR resource, made for a document; its members are open JSON


def unknown() -> Resource:
    """Return an element that says that what it should hold is not known."""
    return {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}


def need_primitive(resource: Resource, name: str) -> None:
    """Say of a primitive element that it is not known, unless it is there or says why it is not."""
    if name not in resource:
        resource.setdefault(f"_{name}", unknown())


def need_one_of(resource: Resource, names: tuple[str, ...], primitive: str) -> None:
    """Say of a choice of types that it is not known, in its primitive form, where none of it is there."""
    if not any(name in resource or f"_{name}" in resource for name in names):
        resource[f"_{primitive}"] = unknown()


def need_elements(resource: Resource, name: str) -> None:
    """Say of a repeating element that it is not known, where there is none."""
    if not resource.get(name):
        resource[name] = [unknown()]


def need_element(resource: Resource, name: str) -> None:
    """Say of an element that it is not known, where it is not there."""
    if not resource.get(name):
        resource[name] = unknown()


def need_coding(resource: Resource, name: str, coding: Resource) -> None:
    """Add a category to a repeating CodeableConcept that the profile fixes, where none has its code."""
    listed = resource.setdefault(name, [])
    for concept in listed:
        for each in concept.get("coding", ()):
            if (each.get("system"), each.get("code")) == (coding["system"], coding["code"]):
                return
    listed.append({"coding": [dict(coding)]})
