"""Imaging studies in European documents (HL7 Europe Imaging 1.0.0, ImagingStudyEuImaging)."""

from __future__ import annotations

from typing import Any

from salus.primary.values import ABSENT

Copy = dict[str, Any]  # a copy of a resource, made for a document; its members are open JSON
UID_TYPE = {
    "coding": [
        {
            "system": "http://dicom.nema.org/resources/ontology/DCM",
            "code": "110180",
            "display": "Study Instance UID",
        }
    ]
}
DICOM, URI = "urn:dicom:uid", "urn:ietf:rfc:3986"


def fit_study(study: Copy) -> None:
    """Say which identifier of a study is its Study Instance UID, or that it is not known.

    That is the object identifier under `urn:dicom:uid` (R4 ImagingStudy.identifier), else the only one that
    is given as a URI.
    """
    listed: list[Copy] = study.setdefault("identifier", [])
    named = [each for each in listed if _is_uid(each, DICOM)]
    as_uri = [each for each in listed if _is_uid(each, URI)]
    found = named[0] if named else as_uri[0] if len(as_uri) == 1 else None
    if found is None:
        unknown = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
        listed.insert(0, {"type": UID_TYPE, "system": DICOM, "_value": unknown})
        return
    found["type"] = UID_TYPE
    found["system"] = DICOM


def _is_uid(identifier: Copy, system: str) -> bool:
    return identifier.get("system") == system and str(identifier.get("value", "")).startswith("urn:oid:")
