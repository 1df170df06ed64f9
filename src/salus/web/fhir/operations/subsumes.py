"""CodeSystem/$subsumes (R4): is one code beneath another?"""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import terminology
from salus.web.fhir.answer import Answer
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer from the definitions and releases at hand."""
    return await terminology.answer(services, request, caller, "subsumes")


OPERATION = Operation(
    name="subsumes",
    definition="http://hl7.org/fhir/OperationDefinition/CodeSystem-subsumes",
    run=run,
    documentation="Whether one code is beneath another.",
    types=("CodeSystem",),
    instances=("CodeSystem",),
    parameters=(
        "codeA",
        "codeB",
        "system",
        "version",
    ),
)
