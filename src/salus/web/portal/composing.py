"""A patient summary of this node, as it would travel: composed, written, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.core.access import Action, Caller
from salus.primary.summary import compose_summary
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.store import resources
from salus.trust.gate import enter
from salus.trust.policy import SUMMARY, AccessRequest
from salus.web.fhir.operations.summary import include_merged, parsed, record_of
from salus.web.services import Services


async def compose_here(
    services: Services, caller: Caller, patient: str, languages: Sequence[str]
) -> dict[str, Any]:  # FHIR content is open JSON, hence Any
    """Return the summary document of a local patient, through the gate."""
    asked = AccessRequest(Action.READ, SUMMARY, f"Patient/{patient}/$summary", frozenset({patient}))
    async with enter(services.gatehouse, caller, asked) as access:
        person = await resources.read(access.grant, services.database, "Patient", patient)
        access.record(person.patients)
        merged = await include_merged(services, access, patient)
        held = await record_of(services, access, patient, merged)
    composed = compose_summary(
        held,
        patient=parsed(person),
        author_organisation=services.name,
        now=services.clock(),
        languages=languages,
        merged=merged,
    )
    return parse_json(write_json(composed), services.limits)
