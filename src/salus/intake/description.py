"""What the node says of a received document: its DocumentReference (MHD, ITI-65 metadata from a document).

A FHIR document describes itself by its Composition; of any other bytes the sender's DocumentReference does.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec

_STATUS = {"preliminary": "preliminary", "final": "final", "amended": "amended"}
_TITLE_CHARS = 200
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


class Ids(msgspec.Struct, frozen=True):
    """Ids of a document: of its bytes (`Binary/{document}`) and of its DocumentReference."""

    document: str
    reference: str


def attachment(body: bytes, media_type: str, document_id: str, described: dict[str, Any]) -> dict[str, Any]:
    """Return the Attachment of the bytes (hash: SHA-1, as R4 demands), title and language as described."""
    kept: dict[str, Any] = {
        key: described[key] for key in ("language", "title", "creation") if key in described
    }
    return {
        "contentType": media_type,
        **kept,
        "url": f"Binary/{document_id}",
        "size": len(body),
        "hash": base64.b64encode(hashlib.sha1(body, usedforsecurity=False).digest()).decode(),
    }


def describe_bundle(
    bundle: dict[str, Any], composition: dict[str, Any], body: bytes, media_type: str, ids: Ids, subject: str
) -> dict[str, Any]:
    """Return the DocumentReference of a FHIR document.

    Args:
        bundle: the document.
        composition: its first entry, references rewritten to the node's ids.
        body: what was received.
        media_type: its media type.
        ids: its ids here.
        subject: "Patient/id" here, "" when it is about nobody known.
    """
    state = composition.get("status")
    described: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "id": ids.reference,
        "status": "entered-in-error" if state == "entered-in-error" else "current",
    }
    if state in _STATUS:
        described["docStatus"] = _STATUS[state]
    if "identifier" in bundle:
        described["masterIdentifier"] = bundle["identifier"]
    if "identifier" in composition:
        described["identifier"] = [composition["identifier"]]
    for key in ("type", "category", "author", "custodian"):
        if key in composition:
            described[key] = composition[key]
    if subject:
        described["subject"] = {"reference": subject}
    if labels := _labels(composition):
        described["securityLabel"] = labels
    date = bundle.get("timestamp") or composition.get("date")
    if isinstance(date, str) and len(date) > 10:
        described["date"] = date
    relations = [_relation(relation) for relation in composition.get("relatesTo", ())]
    if relations:
        described["relatesTo"] = relations
    details = {"title": str(composition.get("title", ""))[:_TITLE_CHARS]} if composition.get("title") else {}
    for key, own in (("language", "language"), ("date", "creation")):
        if key in composition:
            details[own] = composition[key]
    described["content"] = [{"attachment": attachment(body, media_type, ids.document, details)}]
    return described


def _labels(composition: dict[str, Any]) -> list[dict[str, Any]]:
    """Return how confidential a document is (IHE MHD: securityLabel), as it says itself."""
    code = composition.get("confidentiality")
    own = [{"system": CONFIDENTIALITY, "code": code}] if code else []
    return [{"coding": [each]} for each in (*own, *composition.get("meta", {}).get("security", ()))]


def _relation(relation: dict[str, Any]) -> dict[str, Any]:
    """Turn Composition.relatesTo into DocumentReference.relatesTo."""
    if "targetIdentifier" in relation:
        target = {"identifier": relation["targetIdentifier"]}
    else:
        target = relation.get("targetReference", {})
    return {"code": relation.get("code"), "target": target}


def complete(
    described: dict[str, Any], body: bytes, media_type: str, ids: Ids, subject: str
) -> dict[str, Any]:
    """Return the sender's DocumentReference with the node's ids and attachment; all else as it was sent."""
    content = described.get("content")
    first = content[0] if isinstance(content, list) and content and isinstance(content[0], dict) else {}
    sent = first.get("attachment", {})
    own = {**first, "attachment": attachment(body, media_type, ids.document, sent)}
    completed = {**described, "resourceType": "DocumentReference", "id": ids.reference, "content": [own]}
    completed.setdefault("status", "current")
    if subject:
        completed["subject"] = {**completed.get("subject", {}), "reference": subject}
    return completed


def replaced_by(described: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the targets (References) that this document replaces."""
    relations = described.get("relatesTo", ())
    return [one["target"] for one in relations if one.get("code") == "replaces" and "target" in one]
