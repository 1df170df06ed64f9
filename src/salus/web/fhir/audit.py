"""The audit as AuditEvent resources (`audit_event`), made from the ledger when they are asked for.

Nothing is stored twice: the leaf in the ledger is the truth, and its proof is at /ledger.
"""

from __future__ import annotations

from typing import Any

from salus.core.access import Action, Caller
from salus.core.errors import InvalidSearch
from salus.core.identifiers import is_fhir_id, new_id
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.query_string import Pairs, format_pairs
from salus.store.access_log import LoggedAccess, access_log
from salus.store.search_cursor import bound_to, open_mark, seal_mark
from salus.web.fhir.answer import Answer, join_bundle
from salus.web.fhir.audit_event import audit_event
from salus.web.fhir.door import pass_gate
from salus.web.fhir.history import read_count
from salus.web.fhir.request import FhirRequest, first
from salus.web.services import Services

Json = dict[str, Any]  # FHIR content is open JSON

CURSOR = "_cursor"
KNOWN = frozenset({"patient", "_count", CURSOR})


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
    identity, base = str(logged.arrival), services.fhir_base
    event = audit_event(logged.leaf, identity=identity, node=services.name, address=base)
    found = {"fullUrl": f"{base}/AuditEvent/{identity}", "resource": event, "search": {"mode": "match"}}
    return write_json(found)
