"""$export of the system, all patients or a group (https://hl7.org/fhir/uv/bulkdata/OperationDefinition-export.html)."""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.standards.fhir.codec.json import parse_json
from salus.store import resources
from salus.web.fhir import export
from salus.web.fhir.answer import UNLIMITED, Answer
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Start an export at the level of the address."""
    level = request.segments[0] if len(request.segments) > 1 else "system"
    patients = await members(services, request, caller) if level == "Group" else None
    return await export.start(services, request, caller, level=level, patients=patients)


async def members(services: Services, request: FhirRequest, caller: Caller) -> tuple[str, ...]:
    """Return the logical ids of the active Patient members of the Group in the address."""
    identity = known_id(request.segments[1])
    async with pass_gate(services, caller, Action.READ, "Group", f"Group/{identity}") as access:
        stored = await resources.read(access.grant, services.database, "Group", identity)
        access.record(stored.patients)
    group = parse_json(stored.content, UNLIMITED)
    found = [
        str(member.get("entity", {}).get("reference", ""))
        for member in group.get("member", ())
        if not member.get("inactive")
    ]
    return tuple(sorted({link.partition("/")[2] for link in found if link.startswith("Patient/")}))


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
