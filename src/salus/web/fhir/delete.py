"""delete and conditional delete (http://hl7.org/fhir/R4/http.html#delete). One resource at a time."""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import writing
from salus.web.fhir.answer import Answer, version_headers
from salus.web.fhir.door import known_id, known_type
from salus.web.fhir.request import FhirRequest
from salus.web.fhir.update import condition_of
from salus.web.services import Services


async def delete(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Mark a resource deleted; deleting it again, or selecting none, changes nothing."""
    kind = known_type(request.segments[0])
    identity = known_id(request.segments[1]) if len(request.segments) > 1 else ""
    entry = writing.single(
        "DELETE",
        kind,
        identity=identity,
        condition=None if identity else condition_of(request),
        if_match=request.header("if-match"),
    )
    done = (await writing.write(services, caller, [entry]))[0]
    headers = () if done.resource is None else tuple(version_headers(done.resource))
    return Answer(204, b"", headers)
