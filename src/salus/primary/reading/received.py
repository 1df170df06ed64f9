"""A document as it was received, in bytes, for people to read: FHIR (a document or collection) or CDA."""

from __future__ import annotations

from typing import Any

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.intake.formats.format import Translated
from salus.intake.formats.registry import translating
from salus.intake.translation import translate
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml

PARSERS = {"application/fhir+json": parse_json, "application/fhir+xml": parse_xml}
XML = ("text/xml", "application/xml")
"""Media types of CDA; other XML of these types cannot be shown."""
XML_BYTES_MAX = 1 << 20
"""A larger CDA document is saved: a page of it would keep others waiting."""
KINDS = frozenset({"document", "collection"})
"""Types of a Bundle that are one thing to read; others are lists, messages or orders to a server."""


def may_be_read(media_type: str) -> bool:
    """Return whether content of a media type may be a document that can be shown."""
    return _named(media_type) in (*PARSERS, *XML)


def document_in(body: bytes, media_type: str, limits: Limits) -> dict[str, Any]:  # FHIR content is open JSON
    """Return the document in some bytes.

    Raises:
        MalformedContent: they hold none that can be shown.
    """
    parse = PARSERS.get(_named(media_type))
    found = parse(body, limits) if parse else {}
    if found.get("resourceType") == "Bundle" and found.get("type") in KINDS:
        return found
    if _named(media_type) in XML and len(body) <= XML_BYTES_MAX and (other := translating(body)):
        made, _ = translate(other.media, body, limits)
        if made.header.get("section"):
            return _as_document(made)
    raise MalformedContent("This document cannot be shown as a page; save it instead.")


def _as_document(made: Translated) -> dict[str, Any]:  # FHIR content is open JSON
    """Return what was translated as a document, its header first: a prescription is a collection."""
    header = {"fullUrl": "urn:uuid:00000000-0000-0000-0000-000000000000", "resource": made.header}
    others = [entry for entry in made.bundle["entry"] if entry["resource"]["resourceType"] != "Composition"]
    return {**made.bundle, "type": "document", "entry": [header, *others]}


def _named(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
