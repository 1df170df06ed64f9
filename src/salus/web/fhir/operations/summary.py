"""Patient/$summary (IPS 2.0.1, OperationDefinition-summary): the patient summary, composed now."""

from __future__ import annotations

from collections.abc import Sequence

from salus.core.access import Action, Caller
from salus.core.errors import TooLarge
from salus.primary.summary import compose_summary
from salus.standards.fhir.bundle import Resource, links
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.model import compartments
from salus.store import compartment, resources
from salus.store.merged import merges
from salus.store.readable import is_readable
from salus.store.rows import StoredResource
from salus.trust.gate import Access
from salus.trust.policy import SUMMARY
from salus.web.fhir.answer import UNLIMITED, Answer, json_answer, resource_bytes
from salus.web.fhir.door import known_id, pass_gate
from salus.web.fhir.operation import Operation, pairs_of
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services

RESOURCES_MAX = 20_000
OWN = frozenset({"Device"})
"""Types that R4's compartment definition leaves out though they may be about a patient."""
NOT_NEEDED = frozenset({"Claim", "ExplanationOfBenefit", "AuditEvent", "Provenance", "Account"})


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer the summary document of the patient in the address."""
    identity = known_id(request.segments[1])
    await pairs_of(services, request, ())
    return json_answer(200, await composed(services, caller, identity, services.languages))


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
    return compose_summary(
        held,
        patient=parsed(patient),
        author_organisation=services.name,
        now=services.clock(),
        languages=languages,
        merged=tuple(sorted(merged)),
    )


async def record_of(
    services: Services, access: Access, identity: str, merged: Sequence[str]
) -> list[Resource]:
    """Return the patient's resources and those outside the compartment that they refer to.

    Of a person whose records were merged, those of all of them.

    Of the types only that the access opens: the policy lists all that a summary shows.

    Raises:
        TooLarge: the record has more than `RESOURCES_MAX` resources.
    """
    known = frozenset(compartments()["Patient"]) - NOT_NEEDED | OWN
    types = tuple(sorted(name for name in known if is_readable(access.grant, name)))
    page = await compartment.page(
        access.grant, services.database, [identity, *merged], types,
        since=None, after=None, count=RESOURCES_MAX + 1,
    )  # fmt: skip
    if len(page) > RESOURCES_MAX:
        raise TooLarge(f"The record has more than {RESOURCES_MAX} resources; use $everything in pages.")
    for resource in page:
        access.record(resource.patients)
    held = [parsed(resource) for resource in page]
    here = {f"{one.type}/{one.id}" for one in page} | {f"Patient/{identity}"}
    wanted = {link for resource in held for link in links(resource) if link.count("/") == 1} - here
    pairs = (link.split("/") for link in sorted(wanted))
    keys = [(kind, name) for kind, name in pairs if kind[:1].isupper() and is_readable(access.grant, kind)]
    others = await compartment.named(access.grant, services.database, keys) if keys else []
    for resource in others:
        access.record(resource.patients)
    return held + [parsed(resource) for resource in others]


def parsed(resource: StoredResource) -> Resource:
    """Return a stored resource parsed, with its id and meta."""
    return parse_json(resource_bytes(resource), UNLIMITED)


OPERATION = Operation(
    name="summary",
    definition="http://hl7.org/fhir/uv/ips/OperationDefinition/summary",
    run=run,
    documentation="Compose the patient summary document from the record as it is now.",
    instances=("Patient",),
)
