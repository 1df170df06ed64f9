"""Subscription/$status (topic backport 1.1): how a subscription and its delivery stand."""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.core.identifiers import new_id
from salus.standards.fhir.codec.json import parse_json
from salus.store import resources, subscriptions
from salus.web.fhir.answer import UNLIMITED, Answer, json_answer
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.notification import status
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.fhir.subscribing import ACCESS_TOPIC, CHANGE_TOPIC
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer a searchset with the status of the Subscription in the address."""
    identity = known_id(request.segments[1])
    what = f"Subscription/{identity}/$status"
    async with pass_gate(services, caller, Action.READ, "Subscription", what) as access:
        stored = await resources.read(access.grant, services.database, "Subscription", identity)
        access.record(stored.patients)
        async with services.database.reading(access.grant) as connection:
            state = await subscriptions.state_of(access.grant, connection, identity)
    resource = parse_json(stored.content, UNLIMITED)
    parameters = status(
        services.fhir_base,
        identity,
        ACCESS_TOPIC if resource.get("criteria") == ACCESS_TOPIC else CHANGE_TOPIC,
        "empty",
        [],
        sent_before=0 if state is None else state.events,
        kind="query-status",
        state=str(resource.get("status", "")),
    )
    if resource.get("error"):
        error = {"name": "error", "valueCodeableConcept": {"text": resource["error"]}}
        parameters["parameter"].append(error)
    own = f"{services.fhir_base}/Subscription/{identity}/$status"
    entry = {"fullUrl": own, "resource": parameters, "search": {"mode": "match"}}
    head = {"resourceType": "Bundle", "id": new_id(), "type": "searchset", "total": 1}
    return json_answer(200, {**head, "entry": [entry]})


OPERATION = Operation(
    name="status",
    definition="http://hl7.org/fhir/uv/subscriptions-backport/OperationDefinition/backport-subscription-status",
    run=run,
    documentation="Say how a Subscription and its delivery stand.",
    instances=("Subscription",),
)
