"""HL7 version 2 messages, one or many in a file (also as a batch), in vertical bar encoding."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from salus.core.limits import Limits
from salus.intake.formats.format import Format, Translated, Unit
from salus.standards.hl7v2.conversion import to_fhir
from salus.standards.hl7v2.er7 import looks_like_er7, split_messages

MEDIA = "hl7v2"
MEDIA_TYPE = "x-application/hl7-v2+er7"
"""As registered for HTTP transport of HL7 v2 (HAPI HL7 over HTTP); there is no IANA type."""


def read(stream: BinaryIO, limits: Limits) -> Iterator[Unit]:
    """Yield each message as a unit."""
    content = stream.read(limits.document_bytes_max + 1)
    if len(content) > limits.document_bytes_max:
        problem = (
            f"The file of messages has more than {limits.document_bytes_max} bytes "
            "(limits.document_bytes_max); send it in parts."
        )
        yield Unit(0, 1, content[: 1 << 16], media=MEDIA, problem=problem)
        return
    for number, (line, message) in enumerate(split_messages(content)):
        yield Unit(number, line, message, media=MEDIA)


def translate(body: bytes, limits: Limits) -> Translated:
    """Return a message in FHIR."""
    made = to_fhir(body, limits)
    return Translated(made.bundle, made.header, made.quality)


FORMAT = Format(
    "HL7 v2", (".hl7", ".er7"), looks_like_er7, read, media=MEDIA, media_type=MEDIA_TYPE, translate=translate
)
