"""Bringing another standard into FHIR, and linking what was made to the bytes that it was made from."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Any

from salus.core.limits import Limits
from salus.intake.formats.format import Translated
from salus.intake.formats.registry import of_media

_ASSEMBLER = {
    "system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type",
    "code": "assembler",
    "display": "Assembler",
}
Resource = dict[str, Any]  # Any: FHIR JSON


def translate(media: str, body: bytes, limits: Limits) -> tuple[Translated, str]:
    """Return bytes of a format that is translated in FHIR, and the media type of the bytes.

    Raises:
        SalusError: they cannot be read; the message says why.
    """
    found = of_media(media)
    assert found.translate is not None
    return found.translate(body, limits), found.media_type


def with_source(bundle: Resource, body: bytes, recorded_at: datetime) -> Resource:
    """Return a Bundle with a Provenance of all its resources: made here from the bytes that are kept.

    The kept bytes are named as `prepare.document_ids` names them before references are rewritten.
    """
    digest = hashlib.sha256(body).hexdigest()
    provenance = {
        "resourceType": "Provenance",
        "target": [{"reference": entry["fullUrl"]} for entry in bundle["entry"]],
        "recorded": recorded_at.isoformat(timespec="seconds"),
        "agent": [{"type": {"coding": [_ASSEMBLER]}, "who": {"display": "Salus"}}],
        "entity": [{"role": "source", "what": {"reference": f"DocumentReference/{digest}"}}],
    }
    address = f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}"
    return {**bundle, "entry": [*bundle["entry"], {"fullUrl": address, "resource": provenance}]}
