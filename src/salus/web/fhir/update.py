"""update, update as create and conditional update (http://hl7.org/fhir/R4/http.html#update)."""

from __future__ import annotations

from salus.core.access import Caller
from salus.core.errors import MalformedContent
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.query_string import format_pairs
from salus.store.shares import beside
from salus.web.fhir import subscribing, writing
from salus.web.fhir.answer import Answer, written
from salus.web.fhir.door import known_type, new_name
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def update(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Store a new version of the resource of the address, or of the one that the search selects."""
    kind = known_type(request.segments[0])
    identity = new_name(request.segments[1]) if len(request.segments) > 1 else ""
    condition = None if identity else condition_of(request)
    resource, content = await writing.read_resource(request, services.limits, single=True)
    writing.check_type(resource, kind)
    writing.check_size(content, services.limits)
    if identity:
        check_id(resource, identity)
    await beside(len(content), writing.check_valid, resource)
    writing.check_authors(caller, resource, await writing.merged_records(services, caller))
    resource, content = subscribing.prepare(services, caller, resource, content)
    entry = writing.single(
        "PUT",
        kind,
        identity=identity,
        condition=condition,
        if_match=request.header("if-match"),
        if_none_match=request.header("if-none-match"),
        resource=resource,
        content=content,
    )
    done = (await writing.write(services, caller, [entry]))[0]
    assert done.resource is not None
    status = 201 if done.outcome == "created" else 200
    return written(
        request, done.resource, services.fhir_base, status=status, note=writing.operation_outcome_text(done)
    )


def condition_of(request: FhirRequest) -> str:
    """Return the search of a conditional interaction.

    Raises:
        MalformedContent: there is none: the address names no resource at all.
    """
    if not request.pairs:
        raise MalformedContent(
            "Name the resource: by its id in the address, or by a search such as ?identifier=."
        )
    return format_pairs(request.pairs)


def check_id(resource: Resource, identity: str) -> None:
    """Refuse a body whose id is not that of the address.

    Raises:
        MalformedContent: it is missing or another.
    """
    if resource.get("id") != identity:
        raise MalformedContent("The resource needs the same id as the address (R4 http.html#update).")
