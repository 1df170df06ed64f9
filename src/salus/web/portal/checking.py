"""What validation says of a document, in two numbers and the first messages."""

from __future__ import annotations

from typing import Any

import msgspec

from salus.standards.fhir.validation.validator import validate

MESSAGES_MAX = 5


class Validation(msgspec.Struct, frozen=True):
    """How many errors and warnings base R4 validation finds, and the first errors in words."""

    errors: int
    warnings: int
    messages: tuple[str, ...]


def check_document(resource: dict[str, Any]) -> Validation:  # FHIR content is open JSON, hence Any
    """Validate a resource by the base rules of FHIR R4."""
    issues = validate(resource)
    errors = [issue for issue in issues if issue.severity in ("error", "fatal")]
    warnings = sum(issue.severity == "warning" for issue in issues)
    return Validation(
        len(errors), warnings, tuple(f"{each.expression}: {each.message}" for each in errors[:MESSAGES_MAX])
    )
