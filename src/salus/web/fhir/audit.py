"""The audit as AuditEvent resources (R4; IHE BALP 1.1), made from the ledger when they are asked for.

Nothing is stored twice: the leaf in the ledger is the truth, and its proof is at /ledger.
"""

from __future__ import annotations

from typing import Any

from salus.core.access import Action, Caller, Leaf, Outcome
from salus.core.errors import InvalidSearch
from salus.core.identifiers import is_fhir_id, new_id
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.query_string import Pairs, format_pairs
from salus.store.access_log import LoggedAccess, access_log
from salus.store.search_cursor import bound_to, open_mark, seal_mark
from salus.web.fhir.answer import Answer, join_bundle
from salus.web.fhir.door import pass_gate
from salus.web.fhir.history import read_count
from salus.web.fhir.request import FhirRequest, first
from salus.web.services import Services

Json = dict[str, Any]  # FHIR content is open JSON

CURSOR = "_cursor"
KNOWN = frozenset({"patient", "_count", CURSOR})
EVENT_TYPE = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "RESTful Operation",
}
INTERACTION = "http://hl7.org/fhir/restful-interaction"
REASON = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
INTERACTIONS = {
    "read": ("read", "R"),
    "search": ("search", "E"),
    "history": ("history", "R"),
    "changes": ("history", "R"),
    "create": ("create", "C"),
    "update": ("update", "U"),
    "delete": ("delete", "D"),
    "load": ("batch", "C"),
    "export": ("operation", "R"),
}
OUTCOMES = {Outcome.SERVED: "0", Outcome.REFUSED: "4", Outcome.FAILED: "8"}


async def search(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the accesses to one patient's record, the newest first; to the caller's own for a citizen."""
    pairs = request.pairs
    strange = [name for name, _ in pairs if name not in KNOWN]
    if strange:
        raise InvalidSearch("The audit is searched by patient; it takes _count and no other parameter.")
    patient = patient_of(pairs, caller)
    limits = services.limits
    count = read_count(pairs, limits.page_count_default, limits.page_count_max)
    mark, key = first(pairs, CURSOR), services.keys.search
    async with pass_gate(
        services, caller, Action.AUDIT, "AuditEvent", "AuditEvent?patient", patients=frozenset((patient,))
    ) as access:
        bound = bound_to(access.grant, "AuditEvent", patient)
        before = open_mark(key, bound, mark, int) if mark else None
        found = await access_log(access.grant, services.database, patient, count=count + 1, before=before)
    more, found = len(found) > count, found[:count]
    address = f"{services.fhir_base}/AuditEvent"
    asked = [("patient", patient), ("_count", str(count))]
    link = [{"relation": "self", "url": f"{address}?{format_pairs(asked)}"}]
    if more and found:
        following = format_pairs([*asked, (CURSOR, seal_mark(key, bound, found[-1].arrival))])
        link.append({"relation": "next", "url": f"{address}?{following}"})
    head: Json = {"resourceType": "Bundle", "id": new_id(), "type": "searchset", "link": link}
    return Answer(200, join_bundle(head, [entry(services, one) for one in found]))


def patient_of(pairs: Pairs, caller: Caller) -> str:
    """Return the logical id of the patient whose accesses are asked for.

    Raises:
        InvalidSearch: none is named, or by no id.
    """
    named = [text.removeprefix("Patient/") for name, text in pairs if name == "patient"] or [
        caller.patient or ""
    ]
    if len(named) != 1 or not all(is_fhir_id(part) for part in named[0].split(":", 1)):
        raise InvalidSearch(
            "Name one patient whose accesses to read: AuditEvent?patient=ID, or NODE:ID of another node."
        )
    return named[0]


def entry(services: Services, logged: LoggedAccess) -> bytes:
    """Return the Bundle entry of one access."""
    event = audit_event(logged.leaf, identity=str(logged.arrival), node=services.name)
    address = f"{services.fhir_base}/AuditEvent/{logged.arrival}"
    return write_json({"fullUrl": address, "resource": event, "search": {"mode": "match"}})


def _person(patient: str) -> Json:
    """Return the reference to a patient of this node, or the identifier of one of another ("node:id")."""
    if ":" in patient:
        return {"identifier": {"system": "urn:salus:patient-abroad", "value": patient}}
    return {"reference": f"Patient/{patient}"}


def audit_event(leaf: Leaf, *, identity: str, node: str) -> Json:
    """Return a leaf as an AuditEvent; `node` is the name of the node that wrote it."""
    interaction, action = INTERACTIONS.get(leaf.action, ("operation", "E"))
    agent: Json = {
        "role": [{"text": leaf.role}],
        "who": {"identifier": {"value": leaf.subject}, "display": leaf.name},
        "requestor": True,
        "purposeOfUse": [purpose(leaf)],
    }
    behind = [
        {"who": {"display": name}, "requestor": False} for name in (leaf.organisation, leaf.node) if name
    ]
    return {
        "resourceType": "AuditEvent",
        "id": identity,
        "type": EVENT_TYPE,
        "subtype": [{"system": INTERACTION, "code": interaction}],
        "action": action,
        "recorded": leaf.at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "outcome": OUTCOMES[leaf.outcome],
        "outcomeDesc": f"{leaf.outcome} by rule {leaf.rule}, {leaf.resources} resources",
        "purposeOfEvent": [purpose(leaf)],
        "agent": [agent, *behind],
        "source": {"observer": {"display": node}},
        "entity": [
            {
                "what": _person(leaf.patient),
                "role": {"system": ROLE, "code": "1", "display": "Patient"},
            },
            {"name": leaf.what, "detail": [{"type": "request", "valueString": leaf.request}]},
        ],
    }


def purpose(leaf: Leaf) -> Json:
    """Return the purpose of use as a CodeableConcept."""
    return {"coding": [{"system": REASON, "code": leaf.purpose}]}
