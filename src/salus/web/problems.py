"""An error becomes an answer, here and nowhere else: OperationOutcome (R4, http://hl7.org/fhir/operationoutcome).

A message of a `SalusError` is safe to show. Anything else answers with the id of the request only;
what happened is in the node's log under that id.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salus.core.errors import (
    InvalidResource,
    NoCredentials,
    NotAuthenticated,
    ProofRefused,
    SalusError,
    Throttled,
)
from salus.standards.fhir.codec.json import write_json

JSON_TYPE = b"application/fhir+json; charset=utf-8"
XML_TYPE = b"application/fhir+xml; charset=utf-8"
MESSAGE_ID = "http://hl7.org/fhir/StructureDefinition/operationoutcome-message-id"
ISSUES_MAX = 200
PROOF_WANTED = b'DPoP realm="salus", error="invalid_dpop_proof", algs="ES256 ES384"'


class Problem(msgspec.Struct, frozen=True):
    """An answer that reports a failure, ready to be sent."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def issue(
    severity: str, code: str, message: str, *, expression: str | None = None, message_id: str = ""
) -> dict[str, Any]:  # FHIR content is open JSON
    """Return one OperationOutcome.issue; `message` is what a developer acts on."""
    found: dict[str, Any] = {}
    if message_id:
        found["extension"] = [{"url": MESSAGE_ID, "valueString": message_id}]
    found |= {"severity": severity, "code": code, "details": {"text": message}}
    if expression:
        found["expression"] = [expression]
    return found


def outcome(issues: list[dict[str, Any]]) -> dict[str, Any]:
    """Return an OperationOutcome of at most `ISSUES_MAX` issues; the last one counts those left out."""
    if len(issues) > ISSUES_MAX:
        left_out = len(issues) - ISSUES_MAX
        note = issue("information", "informational", f"{left_out} more issues were found.")
        issues = [*issues[:ISSUES_MAX], note]
    return {"resourceType": "OperationOutcome", "issue": issues}


def issues_of(error: SalusError) -> list[dict[str, Any]]:
    """Return the issues of an expected failure: its own, or one for its message."""
    if isinstance(error, InvalidResource) and error.issues:
        return [
            issue(
                str(getattr(found, "severity", "error")),
                str(getattr(found, "code", "invalid")),
                str(getattr(found, "message", error.message)),
                expression=getattr(found, "expression", None),
                message_id=str(getattr(found, "message_id", "")),
            )
            for found in error.issues
        ]
    return [issue("error", error.issue, error.message or "Refused.", expression=error.expression)]


def outcome_of(error: SalusError) -> dict[str, Any]:
    """Return the OperationOutcome of an expected failure."""
    return outcome(issues_of(error))


def encode_outcome(resource: dict[str, Any], *, xml: bool) -> bytes:
    """Return an OperationOutcome's bytes; in JSON, "<" is escaped so that no answer carries markup."""
    if xml:
        from salus.standards.fhir.codec.xml import write_xml  # lxml is loaded only where XML is asked for

        return write_xml(resource)
    return write_json(resource).replace(b"<", b"\\u003c")


def problem(error: SalusError, *, xml: bool = False, extra: tuple[tuple[bytes, bytes], ...] = ()) -> Problem:
    """Return the answer to an expected failure, with `extra` headers."""
    body = encode_outcome(outcome_of(error), xml=xml)
    headers = [(b"content-type", XML_TYPE if xml else JSON_TYPE), (b"content-length", b"%d" % len(body))]
    if isinstance(error, NotAuthenticated):
        # RFC 6750, 3.1: who sent no credentials is told no error.
        told = b"" if isinstance(error, NoCredentials) else b', error="invalid_token"'
        if isinstance(error, ProofRefused):
            headers.append((b"www-authenticate", PROOF_WANTED))
        headers.append((b"www-authenticate", b'Bearer realm="salus"' + told))
    if isinstance(error, Throttled):
        headers.append((b"retry-after", b"1"))
    return Problem(error.status, (*headers, *extra), body)


def unexpected(request_id: str, *, xml: bool = False) -> Problem:
    """Return the answer to a failure nobody expected: status 500 and the id of the request."""
    message = (
        f"The node failed to answer. Its operator finds the cause in the log under request {request_id}."
    )
    body = encode_outcome(outcome([issue("fatal", "exception", message)]), xml=xml)
    content_type = XML_TYPE if xml else JSON_TYPE
    return Problem(500, ((b"content-type", content_type), (b"content-length", b"%d" % len(body))), body)
