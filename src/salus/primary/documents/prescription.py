"""The electronic prescription (HL7 Europe MPD 1.0.0): its MedicationRequests in a collection.

A prescription of several medicines is told by their common groupIdentifier; one without is a prescription of
its own. What is only planned or proposed is none.
"""

from __future__ import annotations

from typing import Any

from salus.primary.composing.absent import need_element, need_primitive, unknown
from salus.primary.composing.collection import write_collection
from salus.primary.composing.draft import Copy
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.documents.kind import Kind
from salus.primary.references import local_reference
from salus.primary.selection import NOT_ORDERED

PROFILE = "http://hl7.eu/fhir/mpd/StructureDefinition/MedicationRequest-eu-mpd"
CODE = ("57833-6", "Prescription for medication")
NONE = frozenset({"draft", "entered-in-error", "cancelled"})


def is_about(order: Resource, material: Material) -> bool:
    """Return whether an order is a prescription, and the first of those in its group."""
    return is_prescription(order, material) and key_of(order) == key_of(_together(order, material)[0])


def is_prescription(order: Resource, material: Material) -> bool:
    """Return whether a MedicationRequest was issued as a prescription, by itself or in a RequestGroup."""
    if order.get("status") in NONE or order.get("doNotPerform") is True:
        return False
    return order.get("intent") not in NOT_ORDERED or (
        order.get("intent") == "option" and bool(_groups(order, material))
    )


def compose(material: Material, order: Resource, terms: Terms) -> dict[str, Any]:  # FHIR JSON, hence Any
    """Compose the prescription that an order belongs to."""
    orders = _together(order, material)
    groups = {key_of(each): each for one in orders for each in _groups(one, material)}
    return write_collection(
        f"prescription {key_of(orders[0])}",
        [*orders, *groups.values()],
        material,
        terms,
        fits={"MedicationRequest": fit_order},
        profiles={"MedicationRequest": PROFILE},
    )


def _groups(order: Resource, material: Material) -> list[Resource]:
    """Return the RequestGroups by which an order was issued (MPD 1.0.0: its lines have the intent option)."""
    key = key_of(order)
    return [
        group
        for group in material.of_type("RequestGroup")
        if group.get("status") not in NONE
        and group.get("intent") not in NOT_ORDERED
        and any(
            local_reference(str(action.get("resource", {}).get("reference", ""))) == key
            for action in group.get("action", ())
        )
    ]


def _together(order: Resource, material: Material) -> list[Resource]:
    """Return the orders of the same prescription, sorted by id; of one without a group that one alone."""
    group = order.get("groupIdentifier")
    if not group:
        return [order]
    found = [
        each
        for each in material.of_type("MedicationRequest")
        if each.get("groupIdentifier") == group
        and is_prescription(each, material)
        and each.get("requester") == order.get("requester")
    ]
    return sorted(found, key=key_of) or [order]


def fit_order(order: Copy) -> None:
    """Say of a prescription what MedicationRequest-eu-mpd asks for and the record does not hold."""
    need_primitive(order, "authoredOn")
    need_element(order, "requester")
    substitution = order.get("substitution")
    if isinstance(substitution, dict) and not any(
        name.startswith(("allowed", "_allowed")) for name in substitution
    ):
        substitution["_allowedBoolean"] = unknown()


KIND = Kind(
    name="prescription",
    category="electronic-prescription",
    priority="Electronic-Prescriptions",
    codes=(CODE,),
    types=("MedicationRequest",),
    is_about=is_about,
    compose=compose,
    looks_at=("MedicationRequest", "RequestGroup"),
    title="category.electronic-prescription",
    profile=PROFILE,
)
