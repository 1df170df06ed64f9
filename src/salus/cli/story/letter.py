"""The discharge letter that the citizen's hospital publishes: a FHIR R4 document made of her record."""

from __future__ import annotations

import base64
import uuid
from datetime import datetime
from html import escape
from typing import Any

import msgspec

from salus.core.identifiers import new_id

LOINC = "http://loinc.org"
KIND = {"system": LOINC, "code": "34105-7", "display": "Hospital Discharge summary"}
DIAGNOSES = {"system": LOINC, "code": "11535-2", "display": "Hospital discharge Dx Narrative"}
XHTML = "http://www.w3.org/1999/xhtml"
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


def letter(patient: Resource, problems: list[str], *, hospital: str, now: datetime) -> Resource:
    """Return the letter as a document Bundle; `problems` are names of her conditions."""
    at = now.isoformat(timespec="seconds")
    subject, composition = f"urn:uuid:{uuid.uuid4()}", f"urn:uuid:{uuid.uuid4()}"
    bare = {name: patient[name] for name in patient if name not in ("id", "meta")}
    listed = "".join(f"<li>{escape(problem)}</li>" for problem in problems) or "<li>No problem recorded</li>"
    section = {
        "title": "Diagnósticos à data da alta",
        "code": {"coding": [DIAGNOSES]},
        "text": {"status": "generated", "div": f'<div xmlns="{XHTML}"><ul>{listed}</ul></div>'},
    }
    head = {
        "resourceType": "Composition",
        "text": {"status": "generated", "div": f'<div xmlns="{XHTML}"><p>Carta de alta</p></div>'},
        "status": "final",
        "type": {"coding": [KIND]},
        "subject": {"reference": subject},
        "date": at,
        "author": [{"display": hospital}],
        "title": "Carta de alta",
        "section": [section],
    }
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:salus:demonstration-letter", "value": new_id()},
        "type": "document",
        "timestamp": at,
        "entry": [
            {"fullUrl": composition, "resource": head},
            {"fullUrl": subject, "resource": bare},
        ],
    }


def description(citizen: str, body: bytes, document: Resource) -> Resource:
    """Return the DocumentReference that publishes the letter, with its bytes inside (MHD ITI-105)."""
    attachment = {
        "contentType": "application/fhir+json",
        "language": "pt",
        "data": base64.b64encode(body).decode(),
        "title": "Carta de alta",
        "creation": document["timestamp"],
    }
    return {
        "resourceType": "DocumentReference",
        "masterIdentifier": document["identifier"],
        "status": "current",
        "docStatus": "final",
        "type": {"coding": [KIND]},
        "subject": {"reference": f"Patient/{citizen}"},
        "date": document["timestamp"],
        "content": [{"attachment": attachment}],
    }


def letter_bytes(document: Resource) -> bytes:
    """Return the letter as it is published and must come back."""
    return msgspec.json.encode(document)
