"""DICOM JSON without the archive's own addresses (PS3.18 F.2.6, BulkDataURI; Retrieve URL, 0008,1190).

Who is given metadata by a node comes to the pictures through the node, never by a link past it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from salus.core.errors import MalformedContent
from salus.standards.dicomweb.attributes import tags

DEPTH_MAX = 32
"""Sequences within sequences; structured reports have some ten."""


def without_links(body: bytes) -> bytes:
    """Return the data sets without addresses.

    Raises:
        MalformedContent: it is not the DICOM JSON model, or nested too deep.
    """
    try:
        found = msgspec.json.decode(body or b"[]", type=list[dict[str, dict[str, Any]]])
    except (msgspec.DecodeError, msgspec.ValidationError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedContent("The answer is not the DICOM JSON model (PS3.18 annex F).") from error
    return msgspec.json.encode([_cleared(one, DEPTH_MAX) for one in found])


def _cleared(dataset: dict[str, Any], depth: int) -> dict[str, Any]:  # Any: values by their representation
    if depth == 0:
        raise MalformedContent("The answer nests sequences too deep.")
    address = tags()["RetrieveURL"].tag
    return {tag: _attribute(each, depth) for tag, each in dataset.items() if tag != address}


def _attribute(attribute: Any, depth: int) -> Any:  # Any: as in `_cleared`
    if not isinstance(attribute, dict):
        raise MalformedContent("An attribute of the answer is no object.")
    kept = {name: value for name, value in attribute.items() if name != "BulkDataURI"}
    if kept.get("vr") == "UR":
        kept.pop("Value", None)
    elif kept.get("vr") == "SQ" and isinstance(kept.get("Value"), list):
        kept["Value"] = [_cleared(one, depth - 1) for one in kept["Value"] if isinstance(one, dict)]
    return kept
