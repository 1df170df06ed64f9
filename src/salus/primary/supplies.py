"""What a pharmacist hands over, and the MedicationDispense that says so (HL7 Europe MPD 1.0.0)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from salus.primary.cross_border import PatientAbroad, Resource
from salus.primary.prescriptions import RECORDED, TOO_EARLY, read_prescription
from salus.primary.products import is_same_product, read_product, referred_medication

DISPENSE_PROFILE = "http://hl7.eu/fhir/mpd/StructureDefinition/MedicationDispense-eu-mpd"


class Supply(msgspec.Struct, frozen=True):
    """What is handed over.

    Args:
        dispense_id: (system, value), chosen by the pharmacy, new for each hand-over.
        quantity: how much, in the prescription's unit; None where hand-overs are counted.
        medication: CodeableConcept of the product given; None for the one prescribed.
        substituted: whether the pharmacist says that it is another product than the one prescribed; one that
            differs from it is recorded as substituted in any case.
        in_progress: the hand-over is begun, not finished.
        early_reason: why it is handed over before its time, "" when it is not.
    """

    dispense_id: tuple[str, str]
    quantity: Decimal | None
    medication: Resource | None = None
    substituted: bool = False
    in_progress: bool = False
    early_reason: str = ""


def dispensation_resource(
    patient: PatientAbroad,
    prescription: Resource,
    supply: Supply,
    pharmacist: str,
    pharmacy: str,
    now: datetime,
    medications: dict[str, Resource] | None = None,
) -> Resource:
    """Return the MedicationDispense (HL7 Europe MPD 1.0.0) of a hand-over.

    `medications` are those that the prescription may refer to, by "Medication/id": the product's name goes
    along, and another product is marked as substituted where the two can be compared.
    """
    at = now.astimezone(UTC).isoformat(timespec="seconds")
    system, value = supply.dispense_id
    resource: dict[str, Any] = {
        "resourceType": "MedicationDispense",
        "meta": {"profile": [DISPENSE_PROFILE]},
        "extension": [{"url": RECORDED, "valueDateTime": at}],
        "identifier": [{"system": system, "value": value}],
        "status": "in-progress" if supply.in_progress else "completed",
        "subject": {"reference": f"Patient/{patient.id}"},
        "performer": [{"actor": {"display": f"{pharmacist}, {pharmacy}".strip(", ")}}],
        "authorizingPrescription": [{"reference": f"MedicationRequest/{prescription['id']}"}],
        "whenHandedOver": at,
    }
    if supply.medication is not None:
        resource["medicationCodeableConcept"] = supply.medication
    else:
        resource |= {name: prescription[name] for name in prescription if name.startswith("medication")}
        reference = prescription.get("medicationReference", {})
        if str(reference.get("reference", "")).startswith("#"):
            resource["contained"] = prescription.get("contained", [])
        name = _name(referred_medication(prescription, medications or {}))
        if name and not reference.get("display"):
            resource["medicationReference"] = {**reference, "display": name}
    if supply.early_reason:
        mark = {"url": TOO_EARLY, "valueBoolean": True}
        resource["note"] = [{"extension": [mark], "text": supply.early_reason}]
    if supply.quantity is not None:
        item = read_prescription(prescription)
        counted = item.total or item.initial
        unit = {"unit": counted.unit, "system": counted.system, "code": counted.code} if counted else {}
        resource["quantity"] = {"value": supply.quantity} | {
            name: text for name, text in unit.items() if text
        }
    ordered = read_product(prescription, medications)
    comparable = ordered.reference in {"", *(medications or ())}
    same = supply.medication is None or is_same_product(ordered, read_product(resource, medications))
    if supply.substituted or (comparable and not same):
        resource["substitution"] = {"wasSubstituted": True}
    return resource


def _name(medication: Mapping[str, Any]) -> str:
    """Return what a Medication is called, "" when it does not say."""
    code = medication.get("code", {})
    names = [code.get("text"), *(each.get("display") for each in code.get("coding", ()))]
    return next((str(each) for each in names if each), "")
