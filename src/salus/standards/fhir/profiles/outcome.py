"""Issues as an OperationOutcome (R4, http://hl7.org/fhir/operationoutcome), with the line of each where it
is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from salus.standards.fhir.codec.lines import Lines
from salus.standards.fhir.validation.issue import Issue

MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"
LINE = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"


def outcome_of(issues: Sequence[Issue], lines: Lines | None) -> dict[str, Any]:  # Any: FHIR JSON
    """Return the outcome of a check; one of nothing but good news where nothing was found."""
    if not issues:
        text = "No error was found."
        rows = [{"severity": "information", "code": "informational", "details": {"text": text}}]
        return {"resourceType": "OperationOutcome", "issue": rows}
    return {"resourceType": "OperationOutcome", "issue": [_row(one, lines) for one in issues]}


def _row(issue: Issue, lines: Lines | None) -> dict[str, Any]:
    extensions: list[dict[str, Any]] = [{"url": MESSAGE_ID, "valueString": issue.message_id}]
    row: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"text": issue.message},
    }
    if lines is not None:
        line = lines.line(issue.expression)
        extensions.append({"url": LINE, "valueInteger": line})
        row["diagnostics"] = f"line {line}"
    if issue.expression:
        row["expression"] = [issue.expression]
    return {"extension": extensions, **row}
