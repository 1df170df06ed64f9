"""NDJSON: one JSON resource, or Bundle, a line (https://github.com/ndjson/ndjson-spec)."""

from __future__ import annotations

from codecs import BOM_UTF8
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from salus.core.limits import Limits
from salus.intake.formats.format import Format, Unit

_PIECE_BYTES = 1 << 16


def read(stream: BinaryIO, limits: Limits) -> Iterator[Unit]:
    """Yield each line that is not blank; a line over `document_bytes_max` is a problem of its own."""
    number = 0
    longest = limits.document_bytes_max
    for line, content in enumerate(_lines(stream, longest), start=1):
        text = (content.removeprefix(BOM_UTF8) if line == 1 else content).strip()
        if not text:
            continue
        problem = ""
        if len(content) > longest:
            problem = f"The line is longer than {longest} bytes; put one resource on each line."
            text = text[:_PIECE_BYTES]
        yield Unit(number, line, text, problem=problem)
        number += 1


def _lines(stream: BinaryIO, longest: int) -> Iterator[bytes]:
    """Yield lines; of one that is too long only the beginning, `longest` + 1 bytes."""
    while True:
        line = stream.readline(longest + 1)
        if not line:
            return
        yield line
        while len(line) > longest and not line.endswith(b"\n"):
            line = stream.readline(longest + 1)
            if not line:
                return


def _recognises(head: bytes) -> bool:
    first, newline, rest = head.removeprefix(BOM_UTF8).lstrip().partition(b"\n")
    if not newline or not rest.strip():
        return False
    try:
        msgspec.json.decode(first, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return False
    return True


FORMAT = Format("NDJSON", (".ndjson", ".jsonl", ".ldjson"), _recognises, read)
