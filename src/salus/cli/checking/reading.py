"""The resources in files, folders and NDJSON, one by one; what cannot be read is told, not raised."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from salus.core.errors import SalusError, TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.codec.xml import parse_xml

_ENDINGS = (".json", ".xml", ".ndjson", ".json.gz", ".xml.gz", ".ndjson.gz")


class Read(msgspec.Struct, frozen=True):
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


def files_in(path: Path) -> Iterator[Path]:
    """Yield a file itself, or the files with FHIR endings in a folder and below, sorted; no link is
    followed.
    """
    if not path.is_dir():
        yield path
        return
    for root, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(root, name)
            if name.endswith(_ENDINGS) and not file.is_symlink():
                yield file


def read(path: Path, limits: Limits) -> Iterator[Read]:
    """Yield the resources of a file."""
    try:
        body = _content(path, limits)
    except OSError as error:
        yield Read(str(path), b"", None, f"The file cannot be opened: {error.strerror or error}.")
        return
    except (SalusError, EOFError, zlib.error) as error:
        yield Read(str(path), b"", None, getattr(error, "message", "The file is damaged."))
        return
    if ".ndjson" in path.name:
        for number, line in enumerate(body.split(b"\n"), start=1):
            if line.strip():
                yield _parsed(f"{path}:{number}", line, limits, number)
    else:
        yield _parsed(str(path), body, limits, 1)


def _content(path: Path, limits: Limits) -> bytes:
    most = limits.document_bytes_max * (20 if ".ndjson" in path.name else 1)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        body = file.read(most + 1)
    if len(body) > most:
        raise TooLarge(f"The file has more than {most} bytes; split it.")
    return body


def _parsed(name: str, body: bytes, limits: Limits, line: int) -> Read:
    is_xml = body.lstrip()[:1] == b"<"
    wide = msgspec.structs.replace(limits, body_bytes_max=limits.document_bytes_max)
    try:
        resource = parse_xml(body, wide) if is_xml else parse_json(body, wide)
    except SalusError as error:
        return Read(name, body, None, error.message, line)
    return Read(name, body, resource, "", line)
