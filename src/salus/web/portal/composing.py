"""A patient summary of this node, as it would travel: composed, written, and read again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.core.access import Caller
from salus.standards.fhir.codec.json import parse_json, write_json
from salus.web.fhir.operations.summary import composed
from salus.web.services import Services


async def compose_here(
    services: Services, caller: Caller, patient: str, languages: Sequence[str]
) -> dict[str, Any]:  # FHIR content is open JSON, hence Any
    """Return the summary document of a local patient, through the gate."""
    document = await composed(services, caller, patient, languages)
    return parse_json(write_json(document), services.limits)
