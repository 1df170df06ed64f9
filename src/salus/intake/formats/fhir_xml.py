"""A FHIR XML file: one resource or Bundle."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from salus.core.limits import Limits
from salus.intake.formats.format import Format, Unit


def read(stream: BinaryIO, limits: Limits) -> Iterator[Unit]:
    """Yield the file as one unit."""
    content = stream.read(limits.document_bytes_max + 1)
    problem = ""
    if len(content) > limits.document_bytes_max:
        problem = f"The XML file is larger than {limits.document_bytes_max} bytes; send large data as NDJSON."
        content = content[: 1 << 16]
    yield Unit(0, 1, content, media="xml", problem=problem)


def _recognises(head: bytes) -> bool:
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")


FORMAT = Format("FHIR XML", (".xml",), _recognises, read, media="xml", media_type="application/fhir+xml")
