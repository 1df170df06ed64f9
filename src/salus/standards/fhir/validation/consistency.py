"""Elements that must agree with each other: fullUrl and resource (R4, bundle.html), size and data."""

from __future__ import annotations

import re
from typing import Any

from salus.standards.fhir.model import resource_types
from salus.standards.fhir.validation.issue import Findings, Where, quote

_RESTFUL = re.compile(r"https?://.+/([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})").fullmatch


def check_full_url(node: dict[str, Any], where: Where, run: Findings) -> None:  # Any: FHIR JSON
    """Report a fullUrl that is not absolute, or that names another resource than the entry holds."""
    address = node["fullUrl"]
    if type(address) is not str:
        return
    if ":" not in address:
        message = f"fullUrl is an absolute address, not {quote(address)}; name the server, or use urn:uuid:."
        run.error("value", "full-url-absolute", (where, "fullUrl", None), message)
        return
    resource = node.get("resource")
    match = _RESTFUL(address) if type(resource) is dict and "id" in resource else None
    if match and match[1] in resource_types() and type(resource) is dict:
        named = f"{match[1]}/{match[2]}"
        stated = f"{resource.get('resourceType')}/{resource['id']}"
        if stated != named:
            message = f"fullUrl ends with {quote(named)}, the resource is {quote(stated)}; make them agree."
            run.error("invalid", "full-url-mismatch", (where, "fullUrl", None), message)


def check_size(node: dict[str, Any], where: Where, run: Findings) -> None:  # Any: FHIR JSON
    """Report an Attachment whose data has another size than it states."""
    text, size = node["data"], node["size"]
    if type(text) is not str or type(size) is not int:
        return
    encoded = "".join(text.split())
    bytes_found = len(encoded) * 3 // 4 - encoded[-2:].count("=")
    if bytes_found != size:
        message = f"The data has {bytes_found} bytes, size says {quote(size)}; correct size or leave it out."
        run.error("value", "attachment-size", where, message)
