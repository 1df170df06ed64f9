"""$batch-validate-code of the HL7 terminology ecosystem: many $validate-code in one request."""

from __future__ import annotations

from salus.core.access import Caller
from salus.web.fhir import terminology
from salus.web.fhir.answer import Answer
from salus.web.fhir.operation import Operation
from salus.web.fhir.request import FhirRequest
from salus.web.services import Services


async def run(services: Services, request: FhirRequest, caller: Caller) -> Answer:
    """Answer from the definitions and releases at hand."""
    return await terminology.answer(services, request, caller, "batch-validate-code")


OPERATION = Operation(
    name="batch-validate-code",
    definition="http://hl7.org/fhir/uv/tx-ecosystem/OperationDefinition/{type}-batch-validate-code",
    run=run,
    documentation="Many $validate-code questions in one request.",
    types=("CodeSystem", "ValueSet"),
    instances=(),
    methods=("POST",),
)
