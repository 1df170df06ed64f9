"""Which patch a document is, and applying it. What it finds in the resource is not told to the sender."""

from __future__ import annotations

import base64
import binascii

from salus.core.errors import MalformedContent, TooLarge, UnsupportedMedia
from salus.core.limits import Limits
from salus.standards.fhir.bundle import Entry, Resource
from salus.standards.fhir.codec.json import parse_json_value
from salus.standards.fhir.patch.fhirpath_patch import fhirpath_patch
from salus.standards.fhir.patch.json_patch import json_patch

JSON_PATCH = "application/json-patch+json"
OPERATIONS_MAX = 1_000


def check_count(body: bytes) -> None:
    """Refuse a JSON Patch of far too many operations before it is parsed; `op` is a FHIR element as well.

    Raises:
        TooLarge: it has more.
    """
    if body.count(b'"op"') > OPERATIONS_MAX * 10:
        raise TooLarge(f"A patch has at most {OPERATIONS_MAX} operations.")


def apply_patch(resource: Resource, entry: Entry) -> Resource:
    """Return the resource with the patch of an entry applied.

    Raises:
        UnsupportedMedia: the document is no patch that the node knows.
        SalusError: the patch does not fit; the message does not quote the resource.
    """
    document = entry.resource or {}
    kind = document.get("resourceType")
    if kind == "Parameters":
        return fhirpath_patch(resource, document)
    if kind == "Binary" and document.get("contentType") == JSON_PATCH:
        return json_patch(resource, json_operations(document))
    raise UnsupportedMedia("A patch is Parameters, or a Binary of type application/json-patch+json.")


def json_operations(document: Resource) -> list[Resource]:
    """Return the operations of a JSON Patch (RFC 6902) that a Binary holds.

    Raises:
        MalformedContent: it is not base64, not JSON, no array of objects, or too long.
    """
    try:
        data = base64.b64decode(str(document.get("data", "")), validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedContent("Binary.data is not base64.") from error
    operations = parse_json_value(data, Limits())
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise MalformedContent("A JSON Patch is an array of objects (RFC 6902).")
    if len(operations) > OPERATIONS_MAX:
        raise MalformedContent(f"A patch has at most {OPERATIONS_MAX} operations.")
    return operations
