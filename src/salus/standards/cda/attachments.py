"""Embedded content: ED (HL7 v3) with data, or a link to it, to Attachment."""

from __future__ import annotations

import base64
import binascii
import re

from salus.standards.cda.conversion import Conversion, Resource
from salus.standards.cda.node import Node

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_LINK = re.compile(r"(?:https?|ftp|urn|mllp):[^\s]+|[A-Za-z0-9_.-]+(?:/[A-Za-z0-9_.-]+)*", re.IGNORECASE)


def attachment(node: Node | None, conversion: Conversion) -> Resource:
    """Return an ED as Attachment, {} when it holds nothing that can be read.

    What is in base64 stays so; text becomes base64. Compressed content is kept as it is, and its type told
    so.
    """
    if node is None:
        return {}
    stated = node.get("mediaType")
    made: Resource = {"contentType": stated if _MEDIA_TYPE.fullmatch(stated) else "text/plain"}
    if stated and made["contentType"] != stated:
        conversion.approximate(node, "a media type that is none is left out", stated)
        made["contentType"] = "application/octet-stream"
    link = node.first("reference")
    data = _data(node, conversion)
    if data:
        made["data"] = data
    elif link is not None and _LINK.fullmatch(link.peek("value")):
        made["url"] = link.get("value")
        for each in ("integrityCheck", "integrityCheckAlgorithm"):
            if node.peek(each):
                conversion.approximate(
                    node, "the check sum of what a link leads to is left out", node.get(each)
                )
    else:
        return {}
    language = node.get("language")
    if re.fullmatch(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*", language):
        made["language"] = language
    if compressed := node.get("compression"):
        conversion.approximate(node, "compressed content is kept compressed", compressed)
        made["contentType"] = {"GZ": "application/gzip", "ZL": "application/zlib"}.get(
            compressed, "application/octet-stream"
        )
    return made


def _data(node: Node, conversion: Conversion) -> str:
    """Return the content in base64, "" when there is none, or it is no base64."""
    if node.peek("representation") == "B64":
        text = "".join(node.text.split())
        try:
            base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return ""
        node.get("representation")
        node.own_text()
        return text
    node.get("representation")
    words = node.text.strip()
    if not words:
        return ""
    node.own_text()
    return base64.b64encode(words.encode()).decode()
