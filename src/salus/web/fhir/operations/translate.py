"""ConceptMap/$translate (R4): what a code is in another code system."""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import terminology
from salus.web.fhir.answer import Answer
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer from the definitions and releases at hand."""
    return await terminology.answer(services, request, caller, "translate")


OPERATION = Operation(
    name="translate",
    definition="http://hl7.org/fhir/OperationDefinition/ConceptMap-translate",
    run=run,
    documentation="What a code is in another code system, by the concept maps at hand, in both directions.",
    types=("ConceptMap",),
    instances=("ConceptMap",),
    parameters=(
        "url",
        "conceptMapVersion",
        "code",
        "system",
        "version",
        "source",
        "target",
        "targetsystem",
        "reverse",
        "sourceCode",
        "sourceSystem",
        "sourceScope",
        "targetCode",
        "targetSystem",
        "targetScope",
    ),
)
