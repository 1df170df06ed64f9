"""Each medicine of a summary once, and never one medicine, strength or dose fewer than the record holds.

A code is no product: an ATC code names a substance, of any strength and form. So two entries are one line
only where the record itself ties them (basedOn, derivedFrom) or where they say the same in every word.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from salus.primary.references import local_reference, resolve

Resource = Mapping[str, Any]  # a parsed FHIR resource; its members are of many types, hence Any
SAID = ("status", "statusReason", "doNotPerform", "reasonCode", "note", "substitution", "modifierExtension")
"""Members besides product, dosage and time of use that a line tells."""


def merge_same(held: Sequence[Resource]) -> tuple[list[Resource], dict[str, tuple[Resource, ...]]]:
    """Return the medicines that are lines of their own, and the orders that each of them stands for as well.

    A statement stands for the order it names, unless the two differ in product, status or a stated dosage:
    then both are lines, for the reader must see the contradiction. An order, newest first, stands for those
    that are the same in every word.

    Args:
        held: MedicationStatements and MedicationRequests, newest first.

    Returns:
        The lines in the same order; and by id of a line, its orders, newest first.
    """
    statements = [each for each in held if each.get("resourceType") == "MedicationStatement"]
    kept: list[Resource] = []
    orders: dict[str, list[Resource]] = defaultdict(list)
    for each in held:
        if each.get("resourceType") == "MedicationStatement":
            kept.append(each)
            continue
        line = next((one for one in statements if _follows(one, each)), None)
        line = line or next((one for one in [*statements, *kept] if _is_same(one, each)), None)
        if line is None:
            kept.append(each)
        else:
            orders[str(line.get("id"))].append(each)
    return kept, {name: tuple(listed) for name, listed in orders.items()}


def orders_of(statement: Resource) -> list[str]:
    """Return the references of a MedicationStatement to what it follows, as written and as "Type/id"."""
    if statement.get("resourceType") != "MedicationStatement":
        return []
    named = [*statement.get("basedOn", ()), *statement.get("derivedFrom", ())]
    links = [str(each.get("reference", "")) for each in named]
    return [*links, *(local_reference(link) for link in links)]


def followed(statement: Resource, held: Mapping[str, Resource]) -> list[Resource]:
    """Return what a MedicationStatement follows, each once, of `held` (by "Type/id" or fullUrl)."""
    found = [resolve({"reference": link}, held) for link in orders_of(statement)]
    return list({id(each): each for each in found if each}.values())


def dosages(resource: Resource) -> list[Any]:
    """Return the Dosages of a medicine, [] when none is stated."""
    listed = resource.get("dosage") or resource.get("dosageInstruction") or []
    return listed if isinstance(listed, list) else [listed]


def _follows(statement: Resource, order: Resource) -> bool:
    if f"MedicationRequest/{order.get('id')}" not in orders_of(statement):
        return False
    agrees = not dosages(statement) or dosages(statement) == dosages(order)
    return (
        agrees and _product(statement) == _product(order) and statement.get("status") == order.get("status")
    )


def _is_same(line: Resource, order: Resource) -> bool:
    return bool(dosages(order)) and _told(line) == _told(order)


def _told(resource: Resource) -> tuple[Any, ...]:
    period = resource.get("dispenseRequest", {}).get("validityPeriod")
    time = (resource.get("effectivePeriod"), period)
    return (_product(resource), dosages(resource), time, [resource.get(name) for name in SAID])


def _product(resource: Resource) -> tuple[Any, ...]:
    """Return the whole product: concept with all codings and text, or the reference with what it contains."""
    reference = resource.get("medicationReference", {})
    link = local_reference(str(reference.get("reference", "")))
    contained = resource.get("contained") if link.startswith("#") else None
    return (resource.get("medicationCodeableConcept"), link, reference.get("display"), contained)
