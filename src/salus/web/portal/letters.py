"""A FHIR document (R4 Bundle of type document) that somebody sent, such as a discharge letter, as a page.

It is read as a summary is: our words beside the source's, its own text made safe. Any other format is saved,
never shown in the page's own origin.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from salus.core.errors import MalformedContent
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.web.portal.summary import Summary, read_summary

FHIR_JSON = "application/fhir+json"
Resource = dict[str, Any]  # FHIR content is open JSON, hence Any


def is_letter(media_type: str) -> bool:
    """Return whether content of a media type may be a document that a page can show."""
    return media_type.partition(";")[0].strip().lower() == FHIR_JSON


def letter_in(content: bytes, media_type: str, limits: Limits) -> Resource:
    """Return the document in some bytes.

    Raises:
        MalformedContent: they hold none that a page can show.
    """
    if is_letter(media_type):
        found = parse_json(content, limits)
        if found.get("resourceType") == "Bundle" and found.get("type") == "document":
            return found
    raise MalformedContent("This document cannot be shown as a page; save it instead.")


def read_letter(document: Resource, language: str, now: datetime | None = None) -> Summary:
    """Return the document in words, under its own title."""
    read = read_summary(document, language, now)
    return msgspec.structs.replace(read, title=read.original or read.title)
