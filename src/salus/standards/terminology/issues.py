"""Findings of a terminology operation, and what ends it (OperationOutcome with tx-issue-type).

tx-issue-type: http://hl7.org/fhir/tools/CodeSystem/tx-issue-type of the HL7 terminology ecosystem.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from importlib import resources
from typing import ClassVar, Literal

import msgspec

from salus.core.errors import SalusError
from salus.standards.terminology.concepts import Json

TX_ISSUE_TYPE = "http://hl7.org/fhir/tools/CodeSystem/tx-issue-type"
MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"
Severity = Literal["error", "warning", "information"]
_RANK = {"error": 0, "warning": 1, "information": 2}
_LONGEST = 200


class Issue(msgspec.Struct, frozen=True):
    """One finding.

    Args:
        kind: of tx-issue-type, "" for none.
        where: FHIRPath of what it is about, "" for the whole.
    """

    severity: Severity
    code: str
    kind: str
    where: str
    message_id: str
    text: str


class TerminologyRefused(SalusError):
    """The question cannot be answered; `finding` says why."""

    issue, status = "invalid", 422

    def __init__(
        self, finding: Issue, *, status: int = 422, unknown: str = "", more: Sequence[Issue] = ()
    ) -> None:
        super().__init__(finding.text, expression=finding.where or None)
        self.finding = finding
        self.more = more
        self.unknown = unknown
        self.http_status = status


class Unanswerable(TerminologyRefused):
    """The question is answered by an OperationOutcome, never by Parameters with result false."""

    status: ClassVar[int] = 422


@cache
def _messages() -> dict[str, str]:
    table = resources.files(__package__).joinpath("messages.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[str, str])


def message(message_id: str, /, **words: object) -> str:
    """Return what is said under a message id; what was sent is quoted, shortened."""
    return _messages()[message_id].format(**{name: _shortened(str(word)) for name, word in words.items()})


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else text[:_LONGEST] + "..."


def issue(severity: Severity, code: str, kind: str, where: str, message_id: str, /, **words: object) -> Issue:
    """Return a finding with its message."""
    return Issue(severity, code, kind, where, message_id, message(message_id, **words))


def outcome(issues: Iterable[Issue]) -> Json:
    """Return findings as an OperationOutcome: the worst first, then by code, kind and place."""
    rows = sorted(
        dict.fromkeys(issues), key=lambda one: (_RANK[one.severity], one.code, one.kind, one.where, one.text)
    )
    return {"resourceType": "OperationOutcome", "issue": [_row(one) for one in rows]}


def _row(one: Issue) -> Json:
    details: Json = {"text": one.text}
    if one.kind:
        details = {"coding": [{"system": TX_ISSUE_TYPE, "code": one.kind}]} | details
    row: Json = {}
    if one.message_id:
        row["extension"] = [{"url": MESSAGE_ID, "valueString": one.message_id}]
    row |= {"severity": one.severity, "code": one.code, "details": details}
    if one.where:
        row |= {"location": [one.where], "expression": [one.where]}
    return row
