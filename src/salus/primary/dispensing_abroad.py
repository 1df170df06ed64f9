"""Abroad: list what may be dispensed on a visitor's prescriptions, dispense, and take it back.

docs/decisions/0002. A dispensation is an offer until the home node has taken it: hand the medicine over
afterwards. When the answer is lost, the same call with the same dispense id finds what became of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec

from salus.core.access import Action
from salus.core.errors import Conflict, PeerUnavailable
from salus.federation.peers import Answer, read_json
from salus.primary.cross_border import SCOPE, Desk, PatientAbroad, Resource, asker_of, list_resources
from salus.primary.prescriptions import (
    Remaining,
    is_repeat,
    read_dispensation,
    read_prescription,
    remaining,
)
from salus.standards.fhir.codec.json import write_json
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest

DISPENSE_PROFILE = "http://hl7.eu/fhir/mpd/StructureDefinition/MedicationDispense-eu-mpd"
RECORDED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationDispense.recorded"
ATTEMPTS_MAX = 2


class Prescribed(msgspec.Struct, frozen=True):
    """A prescription abroad, with what is left on it."""

    resource: Resource
    left: Remaining


class Supply(msgspec.Struct, frozen=True):
    """What is handed over.

    Args:
        dispense_id: (system, value), chosen by the pharmacy, new for each hand-over.
        quantity: how much, in the prescription's unit; None where hand-overs are counted.
        medication: CodeableConcept of the product given; None for the one prescribed.
        substituted: whether it is another product than the one prescribed.
        in_progress: the hand-over is begun, not finished.
    """

    dispense_id: tuple[str, str]
    quantity: Decimal | None
    medication: Resource | None = None
    substituted: bool = False
    in_progress: bool = False


class Dispensed(msgspec.Struct, frozen=True):
    """What the home node recorded: the dispensation, and whether this call or an earlier one did it."""

    resource: Resource
    repeated: bool
    left: Remaining
    prescription_status: str


async def list_prescriptions(desk: Desk, patient: PatientAbroad) -> list[Prescribed]:
    """Return the patient's active prescriptions with what is left on each.

    Raises:
        PeerUnavailable: the home node did not answer, or not completely.
    """
    found = await list_resources(
        desk, patient, "MedicationRequest", status="active", _revinclude="MedicationDispense:prescription"
    )
    if not found.complete:
        raise PeerUnavailable(f"node {patient.node} holds more prescriptions than it sent; nothing is listed")
    requests = [each for each in found.resources if each["resourceType"] == "MedicationRequest"]
    recorded = [
        read_dispensation(each) for each in found.resources if each["resourceType"] == "MedicationDispense"
    ]
    return [
        Prescribed(
            each,
            remaining(
                read_prescription(each), [one for one in recorded if one.prescription == str(each["id"])]
            ),
        )
        for each in requests
    ]


async def dispense(desk: Desk, patient: PatientAbroad, prescription: Resource, supply: Supply) -> Dispensed:
    """Record a hand-over at the patient's home node, exactly once however often it is called.

    Args:
        desk: the pharmacist.
        patient: who is at the counter.
        prescription: the MedicationRequest as listed.
        supply: what is handed over.

    Raises:
        Conflict: the home node refused it: nothing may be handed over. The message says why.
        PeerUnavailable: nobody knows whether it was recorded: call again with the same dispense id.
    """
    now = desk.peers.clock()
    resource = dispensation_resource(
        patient, prescription, supply, desk.caller.name, desk.caller.organisation, now
    )
    system, value = supply.dispense_id
    request = {
        "method": "POST",
        "url": "MedicationDispense",
        "ifNoneExist": f"identifier={system}|{value}",
    }
    response, recorded = await _send(desk, patient, resource, request, Action.CREATE)
    offered, known = read_dispensation(resource), read_dispensation(recorded)
    if not is_repeat([known], offered):
        raise PeerUnavailable(f"node {patient.node} recorded another dispensation than was sent")
    return await _outcome(desk, patient, prescription, recorded, repeated=response.startswith("200"))


async def discard(
    desk: Desk, patient: PatientAbroad, prescription: Resource, recorded: Resource
) -> Dispensed:
    """Take a hand-over back: its record stays, marked as entered in error, and what was taken is left again.

    Calling it again changes nothing.
    """
    resource = {name: member for name, member in recorded.items() if name not in {"id", "meta"}}
    resource["status"] = "entered-in-error"
    identifier = resource["identifier"][0]
    url = f"MedicationDispense?identifier={identifier['system']}|{identifier['value']}"
    request = {"method": "PUT", "url": url}
    _, kept = await _send(desk, patient, resource, request, Action.UPDATE)
    return await _outcome(desk, patient, prescription, kept, repeated=False)


def dispensation_resource(
    patient: PatientAbroad,
    prescription: Resource,
    supply: Supply,
    pharmacist: str,
    pharmacy: str,
    now: datetime,
) -> Resource:
    """Return the MedicationDispense (HL7 Europe MPD 1.0.0) of a hand-over."""
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
    if supply.quantity is not None:
        total = read_prescription(prescription).total
        unit = {"unit": total.unit, "system": total.system, "code": total.code} if total else {}
        resource["quantity"] = {"value": supply.quantity} | {
            name: text for name, text in unit.items() if text
        }
    if supply.substituted:
        resource["substitution"] = {"wasSubstituted": True}
    return resource


async def _send(
    desk: Desk, patient: PatientAbroad, resource: Resource, request: dict[str, str], action: Action
) -> tuple[str, Resource]:
    """Send the one-entry transaction and return its response status and the resource as recorded."""
    entry = {
        "fullUrl": "urn:uuid:00000000-0000-4000-8000-000000000001",
        "resource": resource,
        "request": request,
    }
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    body = write_json(bundle)
    what = f"MedicationDispense at {patient.node}"
    access_request = AccessRequest(action, "MedicationDispense", what)
    async with enter(desk.gatehouse, desk.caller, access_request) as access:
        answer = await _until_answered(desk, patient, body)
        access.record([patient.here])
    member = desk.peers.membership.admitted(patient.node, desk.peers.clock())
    found = read_json(member, answer, "Bundle", desk.peers.limits).get("entry", [])
    recorded = found[0].get("resource") if len(found) == 1 and isinstance(found[0], dict) else None
    if not isinstance(recorded, dict) or recorded.get("resourceType") != "MedicationDispense":
        raise PeerUnavailable(
            f"node {patient.node} did not say what it recorded; call again with the same id"
        )
    return str(found[0].get("response", {}).get("status", "")), recorded


async def _until_answered(desk: Desk, patient: PatientAbroad, body: bytes) -> Answer:
    """Send it, and once more when the answer is lost: the home node does it only once."""
    asker = asker_of(desk.caller, patient=patient.id, relationship=patient.relationship)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        member = desk.peers.membership.admitted(patient.node, desk.peers.clock())
        try:
            return await desk.peers.call(
                member, asker, "POST", "/fhir", scope=SCOPE, body=body,
                headers={"prefer": "return=representation"},
            )  # fmt: skip
        except PeerUnavailable as error:
            if attempt == ATTEMPTS_MAX:
                raise PeerUnavailable(
                    f"{error.message}; it is not known whether the dispensation was recorded: "
                    "hand nothing over and call again with the same dispense id"
                ) from error
    raise AssertionError("unreachable")


async def _outcome(
    desk: Desk, patient: PatientAbroad, prescription: Resource, recorded: Resource, *, repeated: bool
) -> Dispensed:
    found = await list_resources(
        desk,
        patient,
        "MedicationRequest",
        _id=str(prescription["id"]),
        _revinclude="MedicationDispense:prescription",
    )
    requests = [each for each in found.resources if each["resourceType"] == "MedicationRequest"]
    if len(requests) != 1:
        raise Conflict("the prescription is no longer there; ask its prescriber")
    known = [
        read_dispensation(each) for each in found.resources if each["resourceType"] == "MedicationDispense"
    ]
    left = remaining(read_prescription(requests[0]), known)
    return Dispensed(recorded, repeated, left, str(requests[0].get("status", "")))
