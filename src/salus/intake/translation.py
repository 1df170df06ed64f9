"""Bringing another standard into FHIR."""

from __future__ import annotations

from salus.core.limits import Limits
from salus.intake.formats.format import Translated
from salus.intake.formats.registry import of_media


def translate(media: str, body: bytes, limits: Limits) -> tuple[Translated, str]:
    """Return bytes of a format that is translated in FHIR, and the media type of the bytes.

    Raises:
        SalusError: they cannot be read; the message says why.
    """
    found = of_media(media)
    assert found.translate is not None
    return found.translate(body, limits), found.media_type
