"""ValueSet/$expand (R4): which codes a value set holds."""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import terminology
from salus.web.fhir.answer import Answer
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer from the definitions and releases at hand."""
    return await terminology.answer(services, request, caller, "expand")


OPERATION = Operation(
    name="expand",
    definition="http://hl7.org/fhir/OperationDefinition/ValueSet-expand",
    run=run,
    documentation="The codes of a value set: by text, in pages, nested, in a language, with properties.",
    types=("ValueSet",),
    instances=("ValueSet",),
    parameters=(
        "url",
        "valueSetVersion",
        "filter",
        "offset",
        "count",
        "includeDesignations",
        "designation",
        "includeDefinition",
        "activeOnly",
        "excludeNested",
        "excludeNotForUI",
        "excludePostCoordinated",
        "displayLanguage",
        "exclude-system",
        "system-version",
        "check-system-version",
        "force-system-version",
        "default-valueset-version",
        "check-valueset-version",
        "force-valueset-version",
        "property",
        "useSupplement",
        "limit",
        "versionsMatch",
    ),
)
