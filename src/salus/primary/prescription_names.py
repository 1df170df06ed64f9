"""By what a prescription is named: by reference, or by its number, the same wherever it is copied.

Source: R4 resource.html#identifiers (a business identifier "remains constant as the resource ... propagates
from server to server"), references.html#logical (Reference.identifier) and #contained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

ORDER, LINKS = "MedicationRequest", "authorizingPrescription"
Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
Number = tuple[str, str]
"""System ("" for none) and value of an identifier."""


class Names(msgspec.Struct, frozen=True):
    """What one prescription is named by: the logical ids it is kept under, and its numbers."""

    ids: frozenset[str]
    numbers: frozenset[Number]


def names_of(identity: str, resource: Resource) -> Names:
    """Return what the MedicationRequest that is kept under this id is named by."""
    return Names(frozenset({identity}), numbers_in(resource.get("identifier", ())))


def numbers_in(identifiers: Iterable[Resource]) -> frozenset[Number]:
    """Return the numbers that identifiers give."""
    return frozenset(
        (str(each.get("system", "")), str(each["value"])) for each in identifiers if each.get("value")
    )


def names_prescription(dispensation: Resource, names: Names) -> str | None:
    """Return the id by which a MedicationDispense names a prescription, "" by its number, None for not.

    What it refers to goes before what it numbers. A prescription within it is named by its own numbers.
    """
    links: list[Resource] = list(dispensation.get(LINKS, ()))
    referred = (prescription_of(str(each.get("reference", ""))) for each in links)
    found = next((each for each in referred if each in names.ids), None)
    if found is not None:
        return found
    return "" if any(is_numbered(numbers_of(each, dispensation), names) for each in links) else None


def is_numbered(said: Iterable[Number], names: Names) -> bool:
    """Return whether one of the numbers said is the prescription's; one without a system is in any system."""
    known = {value for _, value in names.numbers}
    return any((system, value) in names.numbers or (not system and value in known) for system, value in said)


def numbers_of(link: Resource, resource: Resource) -> frozenset[Number]:
    """Return the numbers of the prescription that a link of a resource says: its own, or those within it."""
    found = numbers_in([link.get("identifier", {})])
    inner = contained_order(link, resource)
    return found | numbers_in(inner.get("identifier", ()))


def contained_order(link: Resource, resource: Resource) -> Resource:
    """Return the MedicationRequest within the resource that a link refers to, {} when it refers to none."""
    name = str(link.get("reference", ""))
    held: Iterable[Resource] = resource.get("contained", ()) if name.startswith("#") else ()
    found = (each for each in held if each.get("resourceType") == ORDER and f"#{each.get('id')}" == name)
    return next(found, {})


def prescription_of(reference: str) -> str:
    """Return the id in a reference to a MedicationRequest, the reference itself where it is to none."""
    return reference.split("/_history/")[0].rpartition(f"{ORDER}/")[2]
