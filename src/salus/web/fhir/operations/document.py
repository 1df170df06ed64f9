"""[type]/[id]/$document (R4 Composition-document, HL7 Europe Imaging DiagnosticReport-fhir-report).

The document of a priority category about a report, a study, a stay, a prescription or a dispensation, made
now from what its reader may see. That about the patient is Patient/[id]/$summary.
"""

from __future__ import annotations

from salus.core.access import Action, Caller
from salus.core.errors import NotFound
from salus.primary.composing.material import Terms, material_of
from salus.primary.documents.registry import kind_about, kinds
from salus.standards.fhir.bundle import Resource
from salus.store import resources
from salus.store.merged import merges
from salus.store.readable import require_readable
from salus.store.shares import LARGE_BYTES, beside
from salus.web.fhir.answer import Answer, json_answer
from salus.web.fhir.door import include_merged, known_id, known_type, pass_gate
from salus.web.fhir.material import around, parsed, record_of
from salus.web.fhir.operation import Operation, pairs_of
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services

TYPES = tuple(sorted({kind for one in kinds().values() for kind in one.types} - {"Patient"}))


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the document about the resource in the address."""
    await pairs_of(services, request, ())
    kind, identity = known_type(request.segments[0]), known_id(request.segments[1])
    return json_answer(200, await document_about(services, caller, kind, identity))


async def document_about(services: Services, caller: Caller, kind: str, identity: str) -> Resource:
    """Return the document about a resource of this node, through the gate.

    Raises:
        AccessRefused: the caller may not read whom it is about.
        NotFound: there is no such resource that the caller may see, or no document is about it.
    """
    what = f"{kind}/{identity}/$document"
    async with pass_gate(services, caller, Action.READ, kind, what) as access:
        require_readable(access.grant, ("Patient",), "a document names the person whom it is about")
        await include_merged(services, access)
        found = await resources.read(access.grant, services.database, kind, identity)
        access.record(found.patients)
        known = await merges(services.database, services.clock())
        owner = next(iter(found.patients), "")
        stays = known.survivor(owner)
        merged = tuple(sorted(known.beside([stays])))
        access.include(frozenset(merged))
        if not owner:
            raise NotFound(_none_about(kind))
        patient = await resources.read(access.grant, services.database, "Patient", stays)
        types = looked_at(kind)
        if types is None:
            held = await record_of(services, access, stays, merged)
        else:
            held = await around(services, access, found, (stays, *merged), types)
    material = material_of(held, patient=parsed(patient), merged=merged)
    about = material.held.get(f"{kind}/{identity}", {})
    if not about:
        raise NotFound(_none_about(kind))
    composed = kind_about(about, material)
    if composed is None:
        raise NotFound(_none_about(kind))
    terms = Terms(services.name, services.clock(), tuple(services.languages), services.node)
    return await beside(LARGE_BYTES + 1, composed.compose, material, about, terms)  # some milliseconds


def looked_at(kind: str) -> tuple[str, ...] | None:
    """Return the types of which documents about a resource type need all, None for the whole record."""
    found = [each.looks_at for each in kinds().values() if kind in each.types]
    listed = [types for types in found if types is not None]
    return tuple(sorted({name for types in listed for name in types})) if len(listed) == len(found) else None


def _none_about(kind: str) -> str:
    return (
        f"There is no document about this {kind}: it is none of those that make one (docs/documents.md), "
        "or it is unfinished, cancelled or in error."
    )


OPERATION = Operation(
    name="document",
    definition="http://hl7.org/fhir/OperationDefinition/Composition-document",
    run=run,
    documentation="Compose the European document about a report, study, stay in hospital, prescription or "
    "dispensation from the record as it is now.",
    instances=TYPES,
)
