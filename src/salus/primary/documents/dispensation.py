"""The electronic dispensation (HL7 Europe MPD 1.0.0): one MedicationDispense and its prescription."""

from __future__ import annotations

from typing import Any

from salus.primary.composing.absent import need_element, need_primitive, unknown
from salus.primary.composing.carried import NAMED
from salus.primary.composing.collection import write_collection
from salus.primary.composing.draft import Copy
from salus.primary.composing.material import Material, Resource, Terms, key_of
from salus.primary.documents import prescription
from salus.primary.documents.kind import Kind

PROFILE = "http://hl7.eu/fhir/mpd/StructureDefinition/MedicationDispense-eu-mpd"
RECORDED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationDispense.recorded"
CODE = ("60593-1", "Medication dispensed Document")


def is_about(dispense: Resource, _material: Material) -> bool:
    """Return whether something was handed over, and not in error."""
    return dispense.get("status") == "completed"


def compose(material: Material, dispense: Resource, terms: Terms) -> dict[str, Any]:  # FHIR JSON, hence Any
    """Compose the document of a dispensation."""
    return write_collection(
        f"dispensation {key_of(dispense)}",
        [dispense],
        material,
        terms,
        carried=NAMED | {"MedicationRequest"},
        fits={"MedicationDispense": fit_dispense, "MedicationRequest": prescription.fit_order},
        profiles={"MedicationDispense": PROFILE, "MedicationRequest": prescription.PROFILE},
    )


def fit_dispense(dispense: Copy) -> None:
    """Say of a dispensation what MedicationDispense-eu-mpd asks for and the record does not hold.

    When it was recorded is not when it was handed over: it is said only where the record says it.
    """
    extensions = dispense.setdefault("extension", [])
    if all(each.get("url") != RECORDED for each in extensions):
        extensions.append({"url": RECORDED, "_valueDateTime": unknown()})
    need_element(dispense, "quantity")
    substitution = dispense.get("substitution")
    if isinstance(substitution, dict):
        need_primitive(substitution, "wasSubstituted")


KIND = Kind(
    name="dispensation",
    category="electronic-dispensation",
    priority="Electronic-Dispensations",
    codes=(CODE,),
    types=("MedicationDispense",),
    is_about=is_about,
    compose=compose,
    looks_at=(),
    title="category.electronic-dispensation",
    profile=PROFILE,
)
