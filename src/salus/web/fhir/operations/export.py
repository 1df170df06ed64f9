"""$export of the system, all patients or a group (https://hl7.org/fhir/uv/bulkdata/OperationDefinition-export.html)."""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import export
from salus.web.fhir.answer import Answer
from salus.web.fhir.members import members
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Start an export at the level of the address."""
    level = request.segments[0] if len(request.segments) > 1 else "system"
    of = await members(services, caller, request.segments[1]) if level == "Group" else None
    return await export.start(services, request, caller, level=level, of=of)


OPERATION = Operation(
    name="export",
    definition="http://hl7.org/fhir/uv/bulkdata/OperationDefinition/export",
    run=run,
    documentation="Export NDJSON asynchronously; _type and _since narrow it.",
    system=True,
    types=("Patient",),
    instances=("Group",),
    methods=("GET",),
    parameters=("_outputFormat", "_since", "_type"),
    may_ignore=True,
)
