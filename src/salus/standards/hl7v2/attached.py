"""Files inside messages (ED) or elsewhere (RP): v2.5.1, 2.A.24 and 2.A.63."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping

from salus.standards.hl7v2.datatypes import Json
from salus.standards.hl7v2.er7 import Segment
from salus.standards.hl7v2.making import Making

MEDIA_TYPES: Mapping[str, str] = {
    "PDF": "application/pdf",
    "XML": "text/xml",
    "HTML": "text/html",
    "RTF": "application/rtf",
    "TEXT": "text/plain",
    "TXT": "text/plain",
    "PLAIN": "text/plain",
    "JPEG": "image/jpeg",
    "JPG": "image/jpeg",
    "PNG": "image/png",
    "TIFF": "image/tiff",
    "GIF": "image/gif",
    "DICOM": "application/dicom",
}
"""Subtypes of HL7 table 0291 as media types."""


def attachment(making: Making, obx: Segment) -> Json | None:
    """Return the file of an OBX as an attachment; what is no base64 is told as dropped.

    What a pointer (RP) leads to is not fetched.
    """
    if obx.text(2) == "RP":
        url = obx.text(5, 1)
        if not url:
            return None
        kind = obx.text(5, 4) or obx.text(5, 3)
        return {"url": url} | _media(kind)
    kind, data, encoding = obx.text(5, 3) or obx.text(5, 2), obx.whole(5, 5), obx.text(5, 4)
    obx.take(5)
    if not data:
        return None
    packed = "".join(data.split())
    if encoding.casefold() == "base64" or not encoding:
        try:
            base64.b64decode(packed + "=" * (-len(packed) % 4), validate=True)
        except (binascii.Error, ValueError):
            making.account.drop("OBX-5.5", "a file that is not the base64 it says it is", data)
            return None
        packed += "=" * (-len(packed) % 4)
    else:
        packed = base64.b64encode(data.encode()).decode()
    return {"data": packed} | _media(kind)


def _media(kind: str) -> Json:
    known = MEDIA_TYPES.get(kind.upper().removeprefix("X-HL7-CDA-LEVEL-ONE").strip() or "XML", "")
    if not known and "/" in kind:
        known = kind
    return {"contentType": known or "application/octet-stream"}
