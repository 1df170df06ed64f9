"""create and conditional create (http://hl7.org/fhir/R4/http.html#create)."""

from __future__ import annotations

from salus.core.access import Caller
from salus.core.errors import MalformedContent
from salus.core.identifiers import new_id
from salus.store.shares import beside
from salus.web.fhir import subscribing, writing
from salus.web.fhir.answer import Answer, written
from salus.web.fhir.door import known_type
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def create(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Store the resource in the body under a fresh id, unless If-None-Exist finds it stored already."""
    kind = known_type(request.segments[0])
    resource, content = await writing.read_resource(request, services.limits, single=True)
    writing.check_type(resource, kind)
    writing.check_size(content, services.limits)
    await beside(len(content), writing.check_valid, resource)
    writing.check_authors(caller, resource, await writing.merged_records(services, caller))
    resource, content = subscribing.prepare(services, caller, resource, content)
    identity = new_id()
    entry = writing.single(
        "POST",
        kind,
        identity=identity,
        condition=condition_of(request, kind),
        resource=resource,
        content=content,
    )
    patients = frozenset((identity,)) if kind == "Patient" and entry.condition is None else None
    done = (await writing.write(services, caller, [entry], patients=patients))[0]
    assert done.resource is not None
    status = 200 if done.outcome == "matched" else 201
    return written(
        request, done.resource, services.fhir_base, status=status, note=writing.operation_outcome_text(done)
    )


def condition_of(request: FhirRequest, kind: str) -> str | None:
    """Return the query of If-None-Exist, None without the header.

    Raises:
        MalformedContent: the header is there, but selects nothing.
    """
    if "if-none-exist" not in request.headers:
        return None
    condition = request.header("if-none-exist").strip().removeprefix(kind).removeprefix("?")
    if not condition:
        raise MalformedContent("If-None-Exist takes a search such as identifier=system|value.")
    return condition
