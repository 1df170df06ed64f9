"""Bringing another standard into FHIR."""

from __future__ import annotations

from salus.core.errors import UnsupportedMedia
from salus.core.limits import Limits
from salus.intake.formats import table
from salus.intake.formats.format import Translated
from salus.intake.formats.registry import of_media
from salus.standards.tabular.mapping import TableMapping


def translate(
    media: str, body: bytes, limits: Limits, mapping: TableMapping | None = None, *, line: int = 1
) -> tuple[Translated, str]:
    """Return bytes of a format that is translated in FHIR, and the media type of the bytes.

    Args:
        media: of the unit that they are (`Unit.media`).
        body: as they came.
        limits: the node's.
        mapping: what the columns of tables are.
        line: where they begin in their file.

    Raises:
        SalusError: they cannot be read; the message says why.
    """
    if media == table.MEDIA:
        if mapping is None:
            raise UnsupportedMedia("A row of a table needs the mapping of its columns: --mapping FILE.")
        return table.translate(body, mapping, line=line), table.MEDIA_TYPE
    found = of_media(media)
    assert found.translate is not None
    return found.translate(body, limits), found.media_type
