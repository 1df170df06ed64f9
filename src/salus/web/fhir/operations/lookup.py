"""CodeSystem/$lookup (R4): what is known of a code."""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import terminology
from salus.web.fhir.answer import Answer
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer from the definitions and releases at hand."""
    return await terminology.answer(services, request, caller, "lookup")


OPERATION = Operation(
    name="lookup",
    definition="http://hl7.org/fhir/OperationDefinition/CodeSystem-lookup",
    run=run,
    documentation="What is known of a code: display, designations by language, properties.",
    types=("CodeSystem",),
    instances=("CodeSystem",),
    parameters=(
        "code",
        "system",
        "version",
        "displayLanguage",
        "property",
        "useSupplement",
        "system-version",
        "check-system-version",
        "force-system-version",
    ),
)
