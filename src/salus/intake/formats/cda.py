"""A CDA document (HL7 CDA Release 2): one ClinicalDocument, also in the envelope that transported it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from salus.core.limits import Limits
from salus.intake.formats.format import Format, Translated, Unit
from salus.standards.cda.document import to_fhir
from salus.standards.cda.tree import looks_like_cda

MEDIA = "cda"


def read(stream: BinaryIO, limits: Limits) -> Iterator[Unit]:
    """Yield the file as one unit."""
    content = stream.read(limits.document_bytes_max + 1)
    problem = ""
    if len(content) > limits.document_bytes_max:
        problem = (
            f"The CDA document has more than {limits.document_bytes_max} bytes (limits.document_bytes_max)."
        )
        content = content[: 1 << 16]
    yield Unit(0, 1, content, media=MEDIA, problem=problem)


def translate(body: bytes, limits: Limits) -> Translated:
    """Return the document in FHIR."""
    made = to_fhir(body, limits)
    return Translated(made.bundle, made.header, made.quality)


FORMAT = Format(
    "CDA", (".xml", ".cda"), looks_like_cda, read, media=MEDIA, media_type="text/xml", translate=translate
)
