"""Issues as an OperationOutcome (R4, http://hl7.org/fhir/operationoutcome), with the line of each where it
is known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from salus.standards.fhir.validation.issue import Issue

MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"
LINE = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-line"
COLUMN = "http://hl7.org/fhir/StructureDefinition/operationoutcome-issue-col"


PlaceOf = Callable[[Issue], tuple[int, int]]
"""Line and column of an issue in its text; column 0 for unknown."""


def outcome_of(issues: Sequence[Issue], place_of: PlaceOf | None) -> dict[str, Any]:  # Any: FHIR JSON
    """Return the outcome of a check; one of nothing but good news where nothing was found."""
    if not issues:
        text = "No error was found."
        rows = [{"severity": "information", "code": "informational", "details": {"text": text}}]
        return {"resourceType": "OperationOutcome", "issue": rows}
    return {"resourceType": "OperationOutcome", "issue": [_row(one, place_of) for one in issues]}


def _row(issue: Issue, place_of: PlaceOf | None) -> dict[str, Any]:
    extensions: list[dict[str, Any]] = [{"url": MESSAGE_ID, "valueString": issue.message_id}]
    row: dict[str, Any] = {
        "severity": issue.severity,
        "code": issue.code,
        "details": {"text": issue.message},
    }
    if place_of is not None:
        line, column = place_of(issue)
        extensions.append({"url": LINE, "valueInteger": line})
        if column:
            extensions.append({"url": COLUMN, "valueInteger": column})
        row["diagnostics"] = f"line {line}, column {column}" if column else f"line {line}"
    if issue.expression:
        row["expression"] = [issue.expression]
    return {"extension": extensions, **row}
