"""Abroad: list what may be dispensed on a visitor's prescriptions, dispense, and take it back.

docs/decisions/0002. A dispensation is an offer until the home node has taken it: hand the medicine over
afterwards. When the answer is lost, the same call with the same dispense id finds what became of it.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from salus.core.access import Action
from salus.core.errors import (
    Conflict,
    InvalidResource,
    MalformedContent,
    NotFound,
    PeerUnavailable,
    SalusError,
)
from salus.federation.peers import Answer, read_json
from salus.primary.cross_border import SCOPE, PatientAbroad, Resource, asker_of, depart, list_resources
from salus.primary.desk import Desk, leave
from salus.primary.hand_overs import own_record
from salus.primary.prescriptions import (
    Dispensation,
    Remaining,
    is_repeat,
    read_dispensation,
    read_prescription,
    read_recorded,
    remaining,
    why_not,
)
from salus.primary.references import local_reference
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.standards.fhir.validation.aspects import STRUCTURE
from salus.standards.fhir.validation.validator import validate
from salus.store.dispensed_abroad import DispensedAbroad, Record, begin, lines_of, open_lines, settle
from salus.trust.gate import Access

DISPENSE_PROFILE = "http://hl7.eu/fhir/mpd/StructureDefinition/MedicationDispense-eu-mpd"
RECORDED = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationDispense.recorded"
ATTEMPTS_MAX = 2
FULL_URL = "urn:uuid:00000000-0000-4000-8000-000000000001"


class Prescribed(msgspec.Struct, frozen=True):
    """A prescription abroad.

    Args:
        resource: the MedicationRequest.
        left: what is left on it.
        why_not: why nothing may be dispensed on it now, "" when something may.
        medication: the Medication it refers to, {} when it names the product itself.
    """

    resource: Resource
    left: Remaining
    why_not: str = ""
    medication: Resource = {}

    @property
    def is_valid(self) -> bool:
        """Return whether it is a prescription, and valid now."""
        return not self.why_not


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
    """Return the patient's active MedicationRequests with what is left on each and why nothing may be given.

    Raises:
        PeerUnavailable: the home node did not answer, or not completely.
    """
    found = await list_resources(
        desk,
        patient,
        "MedicationRequest",
        status="active",
        _include="MedicationRequest:medication",
        _revinclude="MedicationDispense:prescription",
    )
    if not found.complete:
        raise PeerUnavailable(f"node {patient.node} holds more prescriptions than it sent; nothing is listed")
    country = desk.peers.membership.admitted(patient.node, desk.peers.clock()).country
    recorded = [each for each in found.resources if _is(each, "MedicationDispense")]
    medications = {f"Medication/{each['id']}": each for each in found.resources if _is(each, "Medication")}
    return [
        _prescribed(desk, each, recorded, medications, country)
        for each in found.resources
        if _is(each, "MedicationRequest")
    ]


def _prescribed(
    desk: Desk,
    resource: Resource,
    recorded: list[Resource],
    medications: dict[str, Resource],
    country: str,
) -> Prescribed:
    prescription = read_prescription(resource)
    link = local_reference(str(resource.get("medicationReference", {}).get("reference", "")))
    return Prescribed(
        resource,
        remaining(prescription, read_recorded(recorded, prescription.id)),
        why_not(prescription, desk.peers.clock(), country),
        medications.get(link, {}),
    )


def _is(resource: Resource, kind: str) -> bool:
    return resource.get("resourceType") == kind


async def dispense(desk: Desk, patient: PatientAbroad, prescription: Resource, supply: Supply) -> Dispensed:
    """Record a hand-over at the patient's home node, exactly once however often it is called.

    Args:
        desk: the pharmacist.
        patient: who is at the counter.
        prescription: the MedicationRequest as listed.
        supply: what is handed over.

    Raises:
        Conflict: the home node refused it: nothing may be handed over. The message says why.
        InvalidResource: the product given is not described as FHIR describes one.
        PeerUnavailable: nobody knows whether it was recorded: call again with the same dispense id.
    """
    now = desk.peers.clock()
    resource = dispensation_resource(
        patient, prescription, supply, desk.caller.name, desk.caller.organisation, now
    )
    for issue in validate(resource, checks=STRUCTURE):
        if issue.severity == "error" and issue.code != "required":
            raise InvalidResource(f"{issue.expression}: {issue.message}")
    offered = read_dispensation(resource)
    system, value = supply.dispense_id
    line = DispensedAbroad(
        patient.here, system, value, offered.prescription, write_json(resource), desk.peers.clock()
    )
    what = f"MedicationDispense at {patient.node}"
    async with depart(desk, patient, Action.CREATE, "MedicationDispense", what) as access:
        line = await begin(access.grant, desk.database, line)
        is_repeat([_of(desk, line.message)], offered)
        response, recorded = await _record(desk, access, patient, line)
    if not is_repeat([read_dispensation(recorded)], offered):
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
    offered, sent = read_dispensation(resource), write_json(resource)
    system, _, value = offered.identifier.partition("|")
    line = DispensedAbroad(patient.here, system, value, offered.prescription, sent, desk.peers.clock())
    what = f"MedicationDispense at {patient.node}"
    async with depart(desk, patient, Action.UPDATE, "MedicationDispense", what) as access:
        _, kept = await _send(desk, patient, sent, "PUT", condition_of(system, value))
        line = await begin(access.grant, desk.database, line)
        await _settle(desk, access, patient, line, "discarded")
        access.record([patient.here])
    return await _outcome(desk, patient, prescription, kept, repeated=False)


async def handed_over(desk: Desk, patient: PatientAbroad) -> list[DispensedAbroad]:
    """Return this node's own record of what was handed over here to the patient, newest first.

    Home is not asked: it is here also when home cannot be reached, and after membership has ended.
    """
    what = f"MedicationDispense for {patient.node}"
    async with depart(desk, patient, Action.SEARCH, "MedicationDispense", what) as access:
        found = await lines_of(access.grant, desk.database, patient.here)
        access.record([patient.here], count=len(found))
    return found


async def finish_open(desk: Desk) -> dict[tuple[str, str], str]:
    """Send every dispensation again whose answer is still missing, after a crash or an outage.

    Returns:
        By dispense id, "recorded" or why it is not, in the order begun.
    """
    what = "MedicationDispense, answers missing"
    found: dict[tuple[str, str], str] = {}
    async with leave(desk, Action.CREATE, "MedicationDispense", what) as access:
        for line in await open_lines(access.grant, desk.database):
            node, _, identity = line.patient.partition(":")
            patient = PatientAbroad(node, identity, {}, "in-care")
            try:
                await _record(desk, access, patient, line)
                found[line.system, line.value] = "recorded"
            except SalusError as error:
                found[line.system, line.value] = error.message
    return found


async def _record(
    desk: Desk, access: Access, patient: PatientAbroad, line: DispensedAbroad
) -> tuple[str, Resource]:
    """Send the line and write down what became of it; without an answer it stays open."""
    access.record([patient.here])
    try:
        done = await _send(desk, patient, line.message, "POST", condition_of(line.system, line.value))
    except (Conflict, InvalidResource, MalformedContent, NotFound) as error:
        at = desk.peers.clock()
        await settle(access.grant, desk.database, line, "refused", at=at, note=error.message)
        raise
    await _settle(desk, access, patient, line, "recorded")
    return done


async def _settle(
    desk: Desk, access: Access, patient: PatientAbroad, line: DispensedAbroad, state: str
) -> None:
    """Write down that home has taken it, and keep this node's own MedicationDispense of it."""
    now = desk.peers.clock()
    home = desk.peers.membership.admitted(patient.node, now).base_url
    resource = own_record(line, parse_json(line.message, desk.peers.limits), home=home, state=state)
    record = Record(resource, desk.search_key)
    await settle(access.grant, desk.database, line, state, at=now, record=record)


def condition_of(system: str, value: str) -> str:
    """Return the search condition that selects a dispensation by its dispense id."""
    parts = (re.sub(r"([\\,$|])", r"\\\1", part) for part in (system, value))
    return urlencode({"identifier": "|".join(parts)}, safe="|:")


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
        if str(prescription.get("medicationReference", {}).get("reference", "")).startswith("#"):
            resource["contained"] = prescription.get("contained", [])
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
    desk: Desk, patient: PatientAbroad, message: bytes, method: str, condition: str
) -> tuple[str, Resource]:
    """Send the one-entry transaction and return its response status and the resource as recorded."""
    url = "MedicationDispense"
    request = {"method": method, "url": url} | ({"ifNoneExist": condition} if method == "POST" else {})
    if method == "PUT":
        request["url"] = f"{url}?{condition}"
    resource = parse_json(message, desk.peers.limits)
    entry = {"fullUrl": FULL_URL, "resource": resource, "request": request}
    body = write_json({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    answer = await _until_answered(desk, patient, body)
    member = desk.peers.membership.admitted(patient.node, desk.peers.clock())
    found = read_json(member, answer, "Bundle", desk.peers.limits).get("entry", [])
    recorded = found[0].get("resource") if len(found) == 1 and isinstance(found[0], dict) else None
    if not isinstance(recorded, dict) or recorded.get("resourceType") != "MedicationDispense":
        raise PeerUnavailable(
            f"node {patient.node} did not say what it recorded; call again with the same id"
        )
    return str(found[0].get("response", {}).get("status", "")), recorded


def _of(desk: Desk, message: bytes) -> Dispensation:
    return read_dispensation(parse_json(message, desk.peers.limits))


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
    recorded_there = [each for each in found.resources if _is(each, "MedicationDispense")]
    known = read_recorded(recorded_there, str(prescription["id"]))
    left = remaining(read_prescription(requests[0]), known)
    return Dispensed(recorded, repeated, left, str(requests[0].get("status", "")))
