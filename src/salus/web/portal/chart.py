"""The pages of the patient in front of a professional: prescriptions, summary, dispensing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from starlette.responses import RedirectResponse, Response

from salus.core.access import Action, Caller, Purpose
from salus.core.errors import NotFound, SalusError
from salus.core.identifiers import new_id
from salus.primary.cross_border import PatientAbroad, fetch_summary, list_resources
from salus.primary.dispensing_abroad import (
    Prescribed,
    Supply,
    dispensation_resource,
    dispense,
    handed_over,
    list_prescriptions,
)
from salus.primary.prescriptions import (
    read_amount,
    read_prescription,
    read_recorded,
    remaining,
    why_not,
)
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store.dispensed_abroad import DispensedAbroad
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.abroad import desk_of
from salus.web.fhir import writing
from salus.web.portal.checking import check_document
from salus.web.portal.composing import compose_here
from salus.web.portal.lookup import find
from salus.web.portal.patient_context import InFront, in_front, speaking
from salus.web.portal.summary import read_entry, read_summary
from salus.web.portal.visit import Visit

DISPENSE_SYSTEM = "urn:salus:dispensation"
PURPOSES = {Purpose.TREATMENT: "to treat this patient", Purpose.EMERGENCY: "emergency"}
ROWS_MAX = "500"
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


async def chart(visit: Visit) -> Response:
    """Show what is prescribed, or why that is not known, and the way to the summary."""
    found = in_front(visit)
    unknown, status, listed = "", 200, []
    try:
        listed = await _prescriptions(visit, found)
    except SalusError as error:
        unknown, status = error.message, error.status
    here: list[dict[str, object]] = []
    if found.node != visit.services.node:
        desk = desk_of(visit.services, speaking(visit, found))
        here = [_handed(visit, each) for each in await handed_over(desk, _abroad(found))]
    rows = [_row(each, visit.language) for each in listed]
    done = "Handed over and recorded at the patient's home." if "done" in visit.request.query_params else ""
    return visit.show(
        "patient.html",
        "Patient",
        status=status,
        banner=_banner(visit, found),
        path=found.path,
        prescriptions=rows,
        unknown=unknown,
        handed=here,
        done=done,
    )


async def summary(visit: Visit) -> Response:
    """Show the patient summary, validated on arrival, in the language chosen."""
    found = in_front(visit)
    caller = speaking(visit, found)
    if found.node == visit.services.node:
        document = await compose_here(visit.services, caller, found.person.id, (visit.language,))
        validation = check_document(document)
    else:
        fetched = await fetch_summary(desk_of(visit.services, caller), _abroad(found))
        document, validation = fetched.resource, check_document(fetched.resource)
    return visit.show(
        "summary.html",
        "Patient summary",
        summary=read_summary(document, visit.language),
        validation=validation,
        banner=_banner(visit, found),
        path=f"{found.path}/summary",
        query="",
        back=found.path,
    )


async def hand_over(visit: Visit) -> Response:
    """Dispense what one hand-over of a prescription may give; the same form twice is one hand-over."""
    found = in_front(visit)
    caller = speaking(visit, found)
    wanted = visit.form.get("prescription", "")
    listed = await _prescriptions(visit, found)
    each = next((one for one in listed if one.resource["id"] == wanted), None)
    dispense_id = (DISPENSE_SYSTEM, visit.form.get("dispense_id", ""))
    done = RedirectResponse(f"{found.path}?language={visit.language}&done=1", 303)
    if each is None or each.why_not:
        if await _is_recorded(visit, found, "|".join(dispense_id)):
            return done
        raise NotFound(
            "This prescription is not one of those that may be dispensed now"
            + (f": {each.why_not}." if each else ".")
        )
    supply = Supply(dispense_id, _offer(each))
    if found.node == visit.services.node:
        await _dispense_here(visit, caller, found, each.resource, supply)
    else:
        await dispense(desk_of(visit.services, caller), _abroad(found), each.resource, supply)
    return done


async def _is_recorded(visit: Visit, found: InFront, identifier: str) -> bool:
    """Return whether the hand-over of this id is recorded at the patient's home already."""
    caller = speaking(visit, found)
    if found.node != visit.services.node:
        desk = desk_of(visit.services, caller)
        listed = await list_resources(desk, _abroad(found), "MedicationDispense", identifier=identifier)
        return bool(listed.resources)
    asked = AccessRequest(
        Action.SEARCH, "MedicationDispense", "MedicationDispense?identifier", frozenset({found.person.id})
    )
    async with enter(visit.services.gatehouse, caller, asked) as access:
        return bool(await find(visit.services, access, "MedicationDispense", [("identifier", identifier)]))


async def _prescriptions(visit: Visit, found: InFront) -> list[Prescribed]:
    caller = speaking(visit, found)
    if found.node != visit.services.node:
        return await list_prescriptions(desk_of(visit.services, caller), _abroad(found))
    patient = found.person.id
    asked = AccessRequest(
        Action.SEARCH, "MedicationRequest", "MedicationRequest?patient", frozenset({patient})
    )
    async with enter(visit.services.gatehouse, caller, asked) as access:
        pairs = [("patient", patient), ("_count", ROWS_MAX)]
        active = [*pairs, ("status", "active")]
        requests = await find(visit.services, access, "MedicationRequest", active, whole=True)
        given = await find(visit.services, access, "MedicationDispense", pairs, whole=True)
    now = visit.services.clock()
    return [
        Prescribed(
            each,
            remaining(read_prescription(each), read_recorded(given, each["id"])),
            why_not(read_prescription(each), now, visit.services.country),
        )
        for each in requests
    ]


async def _dispense_here(
    visit: Visit, caller: Caller, found: InFront, prescription: Resource, supply: Supply
) -> None:
    services = visit.services
    resource = dispensation_resource(
        _abroad(found), prescription, supply, caller.name, caller.organisation, services.clock()
    )
    system, number = supply.dispense_id
    entry = writing.single(
        "POST",
        "MedicationDispense",
        identity=new_id(),
        condition=f"identifier={system}|{number}",
        resource=resource,
        content=write_json(resource),
    )
    await writing.write(services, caller, [entry])


def _abroad(found: InFront) -> PatientAbroad:
    return PatientAbroad(found.node, found.person.id, {}, found.relationship)


def _offer(each: Prescribed) -> Decimal | None:
    """Return how much one hand-over gives: what is left, at most what the prescription allows at once."""
    if each.left.amount is None:
        return None
    once = read_prescription(each.resource).each
    return min(each.left.amount.value, once.value) if once is not None else each.left.amount.value


def _medications(each: Prescribed) -> dict[str, Resource]:
    """Return the Medication that the prescription refers to, by reference; {} when it names the product."""
    return {f"Medication/{each.medication['id']}": each.medication} if each.medication.get("id") else {}


def _row(each: Prescribed, language: str) -> dict[str, object]:
    amount = each.left.amount
    offer = _offer(each)
    unit = f" {amount.unit or amount.code}" if amount is not None else ""
    return {
        "id": each.resource["id"],
        "entry": read_entry(each.resource, _medications(each), language),
        "why_not": each.why_not,
        "status": each.resource.get("status", ""),
        "remaining": str(amount) if amount is not None else f"{each.left.fills} hand-overs",
        "offer": f"{offer.normalize():f}{unit}" if offer is not None else "",
        "dispense_id": new_id(),
    }


def _handed(visit: Visit, line: DispensedAbroad) -> dict[str, object]:
    """Return a hand-over of this node in words."""
    resource = parse_json(line.message, visit.services.limits)
    return {
        "entry": read_entry(resource, {}, visit.language),
        "amount": str(read_amount(resource.get("quantity")) or ""),
        "at": line.begun,
        "state": line.state,
        "note": line.note,
    }


def _banner(visit: Visit, found: InFront) -> dict[str, object]:
    here = found.node == visit.services.node
    place = "Record of this node" if here else f"Record at {found.node}, asked from {visit.services.node}"
    return msgspec.structs.asdict(found.person) | {"place": place, "purpose": PURPOSES[found.purpose]}
