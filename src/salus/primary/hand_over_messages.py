"""The messages of a hand-over to the patient's home node: record it, or discard it (docs/decisions/0002).

Each is a FHIR transaction Bundle of one entry, which home does once however often it comes.
"""

from __future__ import annotations

import re
from urllib.parse import urlencode

from salus.core.errors import AccessRefused, InvalidResource, NotAuthenticated, PeerUnavailable
from salus.federation.peers import Answer, read_json
from salus.primary.cross_border import SCOPE, PatientAbroad, Resource, asker_of
from salus.primary.desk import Desk
from salus.primary.prescriptions import read_dispensation
from salus.standards.fhir.codec.json import write_json

ATTEMPTS_MAX = 2
FULL_URL = "urn:uuid:00000000-0000-4000-8000-000000000001"
KIND = "MedicationDispense"
NOT_RECORDED = (
    "it is not known whether the dispensation was recorded: hand nothing over and call again with the same "
    "dispense id, or abandon it"
)
NOT_DISCARDED = "it is not known whether the dispensation was taken back: call again, or finish it later"


async def send_hand_over(
    desk: Desk, patient: PatientAbroad, message: Resource, request: str
) -> tuple[str, Resource]:
    """Send a MedicationDispense and return the response status and the resource as recorded.

    `request` is the id under which this node writes it down.

    Raises:
        PeerUnavailable: it is not known whether it was recorded.
        SalusError: home refused it.
    """
    asked = {"method": "POST", "url": KIND, "ifNoneExist": _condition(message)}
    return await _send(desk, patient, message, asked, NOT_RECORDED, request)


async def send_discard(
    desk: Desk, patient: PatientAbroad, message: Resource, request: str
) -> tuple[str, Resource]:
    """Send a MedicationDispense with status entered-in-error; returns and raises as `send_hand_over`."""
    asked = {"method": "PUT", "url": f"{KIND}?{_condition(message)}"}
    return await _send(desk, patient, message, asked, NOT_DISCARDED, request)


def _condition(message: Resource) -> str:
    """Return the search condition that selects a dispensation by its dispense id."""
    identifier = message["identifier"][0]
    parts = (re.sub(r"([\\,$|])", r"\\\1", identifier[part]) for part in ("system", "value"))
    return urlencode({"identifier": "|".join(parts)}, safe="|:")


async def _send(
    desk: Desk, patient: PatientAbroad, message: Resource, asked: Resource, unknown: str, request: str
) -> tuple[str, Resource]:
    entry = {"fullUrl": FULL_URL, "resource": message, "request": asked}
    body = write_json({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})
    answer = await _until_answered(desk, patient, body, unknown, request)
    member = desk.peers.membership.admitted(patient.node, desk.peers.clock())
    found = read_json(member, answer, "Bundle", desk.peers.limits).get("entry", [])
    first = found[0] if isinstance(found, list) and len(found) == 1 and isinstance(found[0], dict) else {}
    recorded, response = _dispensation(first.get("resource")), first.get("response")
    if recorded is None or not isinstance(response, dict):
        raise PeerUnavailable(f"node {patient.node} did not say what it recorded; {unknown}")
    return str(response.get("status", "")), recorded


def _dispensation(resource: object) -> Resource | None:
    """Return what another node sent if it is a dispensation that can be read."""
    if not isinstance(resource, dict) or resource.get("resourceType") != KIND:
        return None
    try:
        read_dispensation(resource)
    except (InvalidResource, AttributeError, TypeError, KeyError):  # some other JSON
        return None
    return resource


async def _until_answered(
    desk: Desk, patient: PatientAbroad, body: bytes, unknown: str, request: str
) -> Answer:
    """Send it, and once more when the answer is lost: the home node does it only once."""
    asker = asker_of(desk.caller, patient)
    lost: PeerUnavailable | None = None
    for _ in range(ATTEMPTS_MAX):
        member = desk.peers.membership.admitted(patient.node, desk.peers.clock())
        try:
            return await desk.peers.call(
                member, asker, "POST", "/fhir", scope=SCOPE, body=body,
                headers={"prefer": "return=representation"}, request=request,
            )  # fmt: skip
        except PeerUnavailable as error:
            lost = error
        except (AccessRefused, NotAuthenticated) as error:
            if lost is None:
                raise
            raise PeerUnavailable(f"{error.message}; {unknown}") from error
    assert lost is not None
    raise PeerUnavailable(f"{lost.message}; {unknown}") from lost
