"""Unique identifiers of DICOM (PS3.5, 9.1), and how FHIR writes them (R4 ImagingStudy.identifier)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

SYSTEM = "urn:dicom:uid"
URI = "urn:ietf:rfc:3986"
OID = "urn:oid:"
LENGTH_MAX = 64
_UID = re.compile(r"(0|[1-9][0-9]*)(\.(0|[1-9][0-9]*))+")


def is_uid(text: str) -> bool:
    """Return whether the text is a UID: at most 64 characters, components without leading zeros."""
    return len(text) <= LENGTH_MAX and _UID.fullmatch(text) is not None


def identifier_of(uid: str) -> dict[str, Any]:  # FHIR JSON, hence Any
    """Return a study's UID as the Identifier that R4 ImagingStudy has for it."""
    return {"system": SYSTEM, "value": f"{OID}{uid}"}


def study_uid(study: Mapping[str, Any]) -> str:  # FHIR JSON, hence Any
    """Return the Study Instance UID of an ImagingStudy, "" where it states none."""
    for each in study.get("identifier", ()):
        value = str(each.get("value", ""))
        if each.get("system") in (SYSTEM, URI) and value.startswith(OID) and is_uid(value[len(OID) :]):
            return value[len(OID) :]
    return ""
