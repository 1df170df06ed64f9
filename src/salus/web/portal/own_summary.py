"""A citizen's own patient summary, composed now and shown in their language."""

from __future__ import annotations

from starlette.responses import Response

from salus.core.access import Action
from salus.primary.summary import compose_summary
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store import resources
from salus.trust.gate import enter
from salus.trust.policy import AccessRequest
from salus.web.fhir.operations.summary import parsed, record_of
from salus.web.portal.checking import check_document
from salus.web.portal.summary import read_summary
from salus.web.portal.visit import Visit


async def own_summary(visit: Visit) -> Response:
    """Compose and show the summary."""
    services, patient = visit.services, visit.caller.patient or ""
    asked = AccessRequest(Action.READ, "Patient", f"Patient/{patient}/$summary", frozenset({patient}))
    async with enter(services.gatehouse, visit.caller, asked) as access:
        person = await resources.read(access.grant, services.database, "Patient", patient)
        access.record(person.patients)
        held = await record_of(services, access, patient)
    composed = compose_summary(
        held,
        patient=parsed(person),
        author_organisation=services.name,
        now=services.clock(),
        languages=(visit.language,),
    )
    # As it would travel: written and read again, so that the page shows what another country gets.
    document = parse_json(write_json(composed), services.limits)
    return visit.show(
        "summary.html",
        "My patient summary",
        summary=read_summary(document, visit.language),
        validation=check_document(document),
        banner=None,
        path="/record/summary",
        query="",
        back="",
    )
