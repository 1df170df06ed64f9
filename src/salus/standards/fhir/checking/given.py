"""A text that is to be a resource: read, or the reason why it cannot be."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml

_LINE = re.compile(r"\bline ([0-9]{1,9})\b").search


class Given(msgspec.Struct, frozen=True):
    """A resource, or why there is none.

    Args:
        file: the file's name, with the number of the line for NDJSON.
        body: the bytes of the resource.
        resource: what they say, None where they cannot be read.
        fault: why, "" where they can.
        line: number of the line that the resource begins on.
    """

    file: str
    body: bytes
    resource: dict[str, Any] | None  # Any: FHIR JSON
    fault: str = ""
    line: int = 1

    @property
    def fault_line(self) -> int:
        """Return the line of the body that the fault names, 1 where it names none."""
        found = _LINE(self.fault)
        return int(found[1]) if found else 1


def read_given(file: str, body: bytes, limits: Limits, line: int = 1) -> Given:
    """Return the resource in a body, JSON or XML by its first character; nothing is raised."""
    is_xml = body.lstrip()[:1] == b"<"
    wide = msgspec.structs.replace(limits, body_bytes_max=limits.document_bytes_max)
    try:
        resource = parse_xml(body, wide) if is_xml else parse_json(body, wide)
    except SalusError as error:
        return Given(file, body, None, error.message, line)
    return Given(file, body, resource, "", line)
