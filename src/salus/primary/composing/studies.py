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

    An object identifier under `urn:dicom:uid` or as a URI is one (R4 ImagingStudy.identifier).
    """
    listed: list[Copy] = study.setdefault("identifier", [])
    found = next((each for each in listed if _is_uid(each)), None)
    if found is None:
        unknown = {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}
        listed.insert(0, {"type": UID_TYPE, "system": DICOM, "_value": unknown})
        return
    found["type"] = UID_TYPE
    found["system"] = DICOM


def _is_uid(identifier: Copy) -> bool:
    value = str(identifier.get("value", ""))
    return value.startswith("urn:oid:") and identifier.get("system") in (DICOM, URI)
