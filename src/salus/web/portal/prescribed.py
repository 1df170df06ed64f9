"""The prescriptions of the patient in front of a professional, and what was handed over, here or abroad."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salus.core.access import Action
from salus.primary.cross_border import PatientAbroad
from salus.primary.dispensing_abroad import handed_over, list_prescriptions
from salus.primary.prescribed import Prescribed, prescribed
from salus.standards.fhir.codec.json import parse_json
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.abroad import desk_of
from salus.web.portal.lookup import find, find_page
from salus.web.portal.patient_context import InFront, speaking
from salus.web.portal.referred import with_products
from salus.web.portal.visit import Visit

ROWS_MAX = "500"
NEWEST = 50
"""Hand-overs that the page lists besides those on active prescriptions."""
TOGETHER = 20
"""Prescriptions whose hand-overs are asked for at once, so that all of them fit on one page."""
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


class HandOver(msgspec.Struct, frozen=True):
    """One hand-over as this node knows it.

    Args:
        resource: the MedicationDispense; {} where the patient's home does not show it.
        dispense_id: (system, value).
        at: when, as written or as a moment.
        state: open, recorded, refused or discarded.
        note: why it was refused.
    """

    resource: Resource
    dispense_id: tuple[str, str]
    at: datetime | str
    state: str
    note: str = ""


class Chart(msgspec.Struct, frozen=True):
    """What is prescribed and what was handed over, newest first.

    `products` are Medications by "Type/id", also with a version; `older`: there are more hand-overs, on
    prescriptions that ended.
    """

    prescriptions: list[Prescribed]
    hand_overs: list[HandOver]
    products: dict[str, Resource]
    older: bool = False


async def read_chart(visit: Visit, found: InFront) -> Chart:
    """Return what this node holds, of its own patient.

    However long the record is: what counts are the active prescriptions and all that was handed over on them.

    Raises:
        TooLarge: there are more active prescriptions, or hand-overs on them, than one page shows.
    """
    patient = found.person.id
    asked = AccessRequest(
        Action.SEARCH, "MedicationRequest", "MedicationRequest?patient", frozenset({patient})
    )
    async with enter(visit.services.gatehouse, speaking(visit, found), asked) as access:
        pairs = [("patient", patient), ("_count", ROWS_MAX)]
        active = [*pairs, ("status", "active")]
        requests = await find(visit.services, access, "MedicationRequest", active, whole=True)
        given = []
        for start in range(0, len(requests), TOGETHER):
            named = ",".join(f"MedicationRequest/{each['id']}" for each in requests[start : start + TOGETHER])
            asked_for = [*pairs, ("prescription", named)]
            given += await find(visit.services, access, "MedicationDispense", asked_for, whole=True)
        newest = [("patient", patient), ("_sort", "-whenhandedover"), ("_count", str(NEWEST))]
        page = await find_page(visit.services, access, "MedicationDispense", newest)
        shown = list({each["id"]: each for each in [*given, *page.resources]}.values())
        shown.sort(key=lambda each: str(each.get("whenHandedOver", "")), reverse=True)
        known = await with_products(visit.services, access, [*requests, *shown])
    now, country, products = visit.services.clock(), visit.services.country, known.products
    requests, shown = known.resources[: len(requests)], known.resources[len(requests) :]
    listed = [
        prescribed(each, given, products, now=now, country=country, beside=requests) for each in requests
    ]
    return Chart(listed, [_given_here(each) for each in shown], products, bool(page.next_cursor))


async def prescriptions_abroad(visit: Visit, found: InFront) -> list[Prescribed]:
    """Return what the patient's home node says is prescribed.

    Raises:
        PeerUnavailable: it did not answer, or not completely.
    """
    return await list_prescriptions(desk_of(visit.services, speaking(visit, found)), abroad(found))


async def hand_overs_abroad(visit: Visit, found: InFront) -> list[HandOver]:
    """Return what the caller's own pharmacy handed over to a patient of another node."""
    lines = await handed_over(desk_of(visit.services, speaking(visit, found)), abroad(found))
    return [
        HandOver(
            parse_json(line.message, visit.services.limits) if line.message else {},
            (line.system, line.value),
            line.begun,
            line.state,
            line.note,
        )
        for line in lines
    ]


def abroad(found: InFront) -> PatientAbroad:
    """Return the patient as `salus.primary` knows one of another node."""
    stated = found.stated
    return PatientAbroad(
        found.node, found.person.id, {}, stated.relationship, stated.presence_code, reason=stated.reason
    )


def _given_here(resource: Resource) -> HandOver:
    identifiers = resource.get("identifier") or [{}]
    own = str(identifiers[0].get("system", "")), str(identifiers[0].get("value", ""))
    state = "discarded" if resource.get("status") == "entered-in-error" else "recorded"
    return HandOver(resource, own, str(resource.get("whenHandedOver", "")), state)
