"""CodeSystem/$validate-code and ValueSet/$validate-code (R4): is a code right, and in a value set?"""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import terminology
from salus.web.fhir.answer import Answer
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer from the definitions and releases at hand."""
    return await terminology.answer(services, request, caller, "validate-code")


OPERATION = Operation(
    name="validate-code",
    definition="http://hl7.org/fhir/OperationDefinition/{type}-validate-code",
    run=run,
    documentation="Whether a code, coding or concept is valid, with issues that say where and why it is not.",
    types=("CodeSystem", "ValueSet"),
    instances=("CodeSystem", "ValueSet"),
    parameters=(
        "url",
        "valueSetVersion",
        "code",
        "system",
        "systemVersion",
        "version",
        "display",
        "displayLanguage",
        "abstract",
        "activeOnly",
        "inferSystem",
        "lenient-display-validation",
        "valueset-membership-only",
        "useSupplement",
        "system-version",
        "check-system-version",
        "force-system-version",
        "default-valueset-version",
        "check-valueset-version",
        "force-valueset-version",
    ),
)
