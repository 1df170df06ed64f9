"""Whether a resource may be stored, and why not, as an OperationOutcome."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from salus.core.errors import SalusError
from salus.standards.fhir.codec.json import write_json
from salus.standards.fhir.validation.validator import validate

ISSUE_SYSTEM = "urn:salus:validation"
ISSUES_MAX = 50
"""Most issues of one OperationOutcome."""


def refusals(resource: dict[str, Any]) -> list[dict[str, Any]]:  # Any: FHIR JSON
    """Return the errors that validation finds, as issues of an OperationOutcome; none: it may be stored."""
    return [
        {
            "severity": "error",
            "code": issue.code,
            "details": {"coding": [{"system": ISSUE_SYSTEM, "code": issue.message_id}]},
            "diagnostics": issue.message,
            "expression": [issue.expression],
        }
        for issue in validate(resource)
        if issue.severity == "error"
    ]


def outcome(issues: Iterable[dict[str, Any]]) -> bytes:  # Any: FHIR JSON
    """Return an OperationOutcome as JSON."""
    return write_json({"resourceType": "OperationOutcome", "issue": list(issues)[:ISSUES_MAX]})


def outcome_of(error: SalusError, where: str = "") -> bytes:
    """Return the OperationOutcome of an error; `where` is a FHIRPath expression."""
    issue: dict[str, Any] = {"severity": "error", "code": error.issue, "diagnostics": error.message}
    expression = error.expression or where
    if expression:
        issue["expression"] = [expression]
    return outcome([issue])


def refusal(code: str, message: str, where: str = "") -> bytes:
    """Return an OperationOutcome with one error."""
    issue: dict[str, Any] = {"severity": "error", "code": code, "diagnostics": message}
    if where:
        issue["expression"] = [where]
    return outcome([issue])
