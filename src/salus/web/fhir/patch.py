"""patch and conditional patch (http://hl7.org/fhir/R4/http.html#patch): JSON Patch and FHIRPath Patch."""

from __future__ import annotations

import base64

from salus.core.access import Caller
from salus.core.errors import NotAnObject, UnsupportedMedia
from salus.standards.fhir.bundle import Resource
from salus.web.fhir import bodies, patching, writing
from salus.web.fhir.answer import Answer, written
from salus.web.fhir.door import known_id, known_type
from salus.web.fhir.negotiation import NAMES, body_media
from salus.web.fhir.request import FhirRequest, read_body
from salus.web.fhir.update import condition_of
from salus.web.services import Services


async def patch(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Change parts of a resource; the result is validated like any other content."""
    kind = known_type(request.segments[0])
    identity = known_id(request.segments[1]) if len(request.segments) > 1 else ""
    condition = None if identity else condition_of(request)
    document, content = await read_patch(services, request)
    entry = writing.single(
        "PATCH",
        kind,
        identity=identity,
        condition=condition,
        if_match=request.header("if-match"),
        resource=document,
        content=content,
    )
    done = (await writing.write(services, caller, [entry]))[0]
    assert done.resource is not None
    return written(
        request, done.resource, services.fhir_base, status=200, note=writing.operation_outcome_text(done)
    )


async def read_patch(services: Services, request: FhirRequest) -> tuple[Resource, bytes]:
    """Return the patch as it stands in a Bundle, Parameters or a Binary with a JSON Patch, and its JSON.

    Raises:
        UnsupportedMedia: the body is of neither kind.
        TooLarge: it has too many bytes, elements or operations.
    """
    media = body_media(request.header("content-type"))
    if media.name == patching.JSON_PATCH:
        body = await read_body(request)
        bodies.check_bytes(body, services.limits)
        bodies.check_counts(body, services.limits)
        patching.check_count(body)
        data = base64.b64encode(body).decode("ascii")
        return {"resourceType": "Binary", "contentType": patching.JSON_PATCH, "data": data}, body
    if media.name not in NAMES or "*" in media.name:
        raise UnsupportedMedia(
            "A patch is application/json-patch+json, or Parameters as application/fhir+json."
        )
    try:
        return await writing.read_resource(request, services.limits, single=True)
    except NotAnObject as error:
        raise UnsupportedMedia(
            f"A JSON Patch, which is an array, is sent as {patching.JSON_PATCH}."
        ) from error
