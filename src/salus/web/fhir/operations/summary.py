"""Patient/$summary (IPS 2.0.1, OperationDefinition-summary): the patient summary, composed now."""

from __future__ import annotations

from collections.abc import Sequence

from salus.core.access import Action, Caller
from salus.core.errors import Conflict, InvalidSearch, NotFound, NotSupported
from salus.primary.documents.patient_summary import compose_summary
from salus.standards.fhir.bundle import Resource
from salus.standards.fhir.labels import ASSERTED
from salus.standards.fhir.search.grammar import parse_query
from salus.standards.fhir.search.named import named_by
from salus.store import resources, search
from salus.store.merged import merges
from salus.store.shares import LARGE_BYTES, beside
from salus.trust.policy import SUMMARY
from salus.web.fhir.answer import Answer, json_answer
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.material import parsed, record_of
from salus.web.fhir.operation import Operation, pairs_of
from salus.web.fhir.request import FhirRequest, first
from salus.web.fhir.search import note_named
from salus.web.services import Services

PARAMETERS = ("identifier", "profile")
PROFILES = {
    "http://hl7.org/fhir/uv/ips/StructureDefinition/Composition-uv-ips": "2.0.1",
    "http://hl7.org/fhir/uv/ips/StructureDefinition/Bundle-uv-ips": "2.0.1",
    "http://hl7.eu/fhir/eps/StructureDefinition/composition-eu-eps": "1.0.0",
    "http://hl7.eu/fhir/eps/StructureDefinition/bundle-eu-eps": "1.0.0",
}
"""What `profile` may ask for, with the version: the one document is made by all of them."""


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the summary document of the patient in the address, or of the one who has the identifier."""
    pairs = await pairs_of(services, request, PARAMETERS)
    check_profile(first(pairs, "profile"))
    identifier = first(pairs, "identifier")
    in_address = len(request.segments) == 3
    if in_address == (identifier is not None):
        raise InvalidSearch("Name the patient once: Patient/ID/$summary, or Patient/$summary?identifier=...")
    if identifier is None:
        identity = known_id(request.segments[1])
    else:
        identity = await identified(services, caller, identifier)
    return json_answer(200, await composed(services, caller, identity, services.languages))


def check_profile(profile: str | None) -> None:
    """Refuse a profile that the summary is not made by.

    Raises:
        NotSupported: naming those it is made by.
    """
    if profile is None:
        return
    address, _, version = profile.partition("|")
    if address not in PROFILES or version not in ("", PROFILES[address]):
        known = ", ".join(f"{one}|{PROFILES[one]}" for one in PROFILES)
        raise NotSupported(f"The summary is made by these profiles, and by no other: {known}.")


async def identified(services: Services, caller: Caller, identifier: str) -> str:
    """Return the logical id of the one patient who has an identifier ("system|value"), through the gate.

    Raises:
        NotFound: nobody has it whom the caller may know.
        Conflict: several have it: none is picked.
    """
    registry = services.database.parameters.searching
    query = parse_query("Patient", [("identifier", identifier)], services.limits, registry=registry)
    sure = [("identifier", identifier), ("_security:not", ASSERTED)]  # whom staff know or have confirmed
    confirmed = parse_query("Patient", sure, services.limits, registry=registry)
    async with pass_gate(services, caller, Action.SEARCH, "Patient", query.what, narrows=True) as access:
        named = named_by(query)
        access.concern(named.patients)
        page = await search.search(
            access.grant, services.database, confirmed, key=services.keys.search, registry=registry
        )
        for resource in page.resources:
            access.record(resource.patients)
        await note_named(services, access, named, found=len(page.resources))
    known = await merges(services.database, services.clock())
    persons = {known.survivor(one.id) for one in page.resources}
    if len(persons) > 1:
        raise Conflict("Several patients have this identifier: look at them, and name one by id.")
    if not persons:
        raise NotFound("There is no patient of this identifier, or none whom this access may see.")
    return persons.pop()


async def composed(services: Services, caller: Caller, identity: str, languages: Sequence[str]) -> Resource:
    """Return the summary document of a patient of this node, through the gate.

    Of a record that was merged into another, that of the one that stays.
    """
    known = await merges(services.database, services.clock())
    stays, merged = known.survivor(identity), known.beside([known.survivor(identity)])
    what, patients = f"Patient/{identity}/$summary", frozenset((identity,))
    async with pass_gate(services, caller, Action.READ, SUMMARY, what, patients=patients) as access:
        access.include(known.beside([identity]))
        patient = await resources.read(access.grant, services.database, "Patient", stays)
        access.record(patient.patients)
        held = await record_of(services, access, stays, sorted(merged))
    return await beside(  # composing and checking takes some tens of milliseconds
        LARGE_BYTES + 1,
        compose_summary,
        held,
        patient=parsed(patient),
        author_organisation=services.name,
        now=services.clock(),
        languages=languages,
        merged=tuple(sorted(merged)),
        node=services.node,
    )


OPERATION = Operation(
    name="summary",
    definition="http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
    run=run,
    documentation="Compose the patient summary document from the record as it is now; of a type, for the one "
    "patient who has the identifier. profile takes those of IPS and EPS.",
    types=("Patient",),
    instances=("Patient",),
    parameters=PARAMETERS,
)
