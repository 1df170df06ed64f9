"""The operations by name, as faces and commands call them: Parameters in, a resource out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from salus.standards.terminology.asked import Asked
from salus.standards.terminology.batch_validate import batch_validate
from salus.standards.terminology.codesystem import CodeSystem, ValueSet
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.expand import CODES_MAX, expand
from salus.standards.terminology.inquiry import Inquiry
from salus.standards.terminology.library import Library
from salus.standards.terminology.lookup import lookup
from salus.standards.terminology.question import named_value_set
from salus.standards.terminology.subsumes import subsumes
from salus.standards.terminology.translate import translate
from salus.standards.terminology.validate_code import validate_in_system, validate_in_value_set


def _always_in_time() -> bool:
    return False


class Occasion(msgspec.Struct, frozen=True):
    """What a request brings besides its parameters.

    Args:
        identifier: a urn:uuid for an expansion.
        timestamp: the instant of the request.
        accepted: its Accept-Language header, "" for none.
        is_late: whether its time is over.
        codes_max: most codes of an expansion without paging.
        system, value_set, concept_map: what an instance-level request is about.
    """

    identifier: str
    timestamp: str
    accepted: str = ""
    is_late: Callable[[], bool] = _always_in_time
    codes_max: int = CODES_MAX
    system: CodeSystem | None = None
    value_set: ValueSet | None = None
    concept_map: Json | None = None


def _expand(inquiry: Inquiry, occasion: Occasion) -> Json:
    chosen = occasion.value_set or named_value_set(inquiry)
    return expand(
        inquiry,
        chosen,
        identifier=occasion.identifier,
        timestamp=occasion.timestamp,
        codes_max=occasion.codes_max,
    )


_OPERATIONS: Mapping[str, Callable[[Inquiry, Occasion], Json]] = {
    "CodeSystem/$lookup": lambda inquiry, occasion: lookup(inquiry, occasion.system),
    "CodeSystem/$validate-code": lambda inquiry, occasion: validate_in_system(inquiry, occasion.system),
    "CodeSystem/$subsumes": lambda inquiry, occasion: subsumes(inquiry, occasion.system),
    "ValueSet/$expand": _expand,
    "ValueSet/$validate-code": lambda inquiry, occasion: validate_in_value_set(inquiry, occasion.value_set),
    "ConceptMap/$translate": lambda inquiry, occasion: translate(inquiry, occasion.concept_map),
}
BATCH: Mapping[str, str] = {
    "CodeSystem/$batch-validate-code": "CodeSystem/$validate-code",
    "ValueSet/$batch-validate-code": "ValueSet/$validate-code",
}
"""What each validation of a batch is."""


def run(operation: str, parameters: Json, library: Library, occasion: Occasion) -> Json:
    """Answer an operation.

    Args:
        operation: type and name, e.g. "ValueSet/$expand".
        parameters: its Parameters resource.
        library: the definitions at hand.
        occasion: what the request brings besides.

    Raises:
        TerminologyRefused: an OperationOutcome is the answer.
        SalusError: what was sent cannot be read, or costs too much.
    """
    single = BATCH.get(operation)
    if single is not None:
        return batch_validate(
            parameters, lambda asked: _one(single, asked, library, occasion), occasion.accepted
        )
    return _one(operation, Asked(parameters, occasion.accepted), library, occasion)


def _one(operation: str, asked: Asked, library: Library, occasion: Occasion) -> Json:
    return _OPERATIONS[operation](Inquiry(library, asked, is_late=occasion.is_late), occasion)
