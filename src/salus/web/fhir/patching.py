"""Which patch a document is, and applying it. What it finds in the resource is not told to the sender."""

from __future__ import annotations

import base64
import binascii
from collections import defaultdict

from salus.core.errors import MalformedContent, TooLarge, UnsupportedMedia
from salus.core.limits import Limits
from salus.standards.fhir.bundle import Entry, Resource
from salus.standards.fhir.codec.json import parse_json_value
from salus.standards.fhir.patch.fhirpath_patch import fhirpath_patch
from salus.standards.fhir.patch.json_patch import json_patch
from salus.web.fhir.answer import withheld

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

    A Subscription is patched as its sender may read it: the values of its headers are put back afterwards.

    Raises:
        UnsupportedMedia: the document is no patch that the node knows.
        SalusError: the patch does not fit; the message does not quote the resource.
    """
    if resource.get("resourceType") != "Subscription":
        return _patched(resource, entry)
    return with_kept_headers(resource, _patched(withheld(resource), entry))


def with_kept_headers(before: Resource, after: Resource) -> Resource:
    """Return a Subscription in which the headers that a patch left as they are shown have their values again.

    Of several of one name the first shown takes the first value, and so on.
    """
    channel = after.get("channel")
    lines = channel.get("header") if isinstance(channel, dict) else None
    if not isinstance(channel, dict) or not isinstance(lines, list):
        return after
    kept: defaultdict[str, list[str]] = defaultdict(list)
    shown = withheld(before).get("channel", {}).get("header", ())
    for name, line in zip(shown, before.get("channel", {}).get("header", ()), strict=True):
        kept[name].append(line)
    header = [kept[line].pop(0) if isinstance(line, str) and kept.get(line) else line for line in lines]
    return {**after, "channel": {**channel, "header": header}}


def _patched(resource: Resource, entry: Entry) -> Resource:
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
