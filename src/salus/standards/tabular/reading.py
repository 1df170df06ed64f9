"""Tables of text, read strictly: RFC 4180, also with semicolons or tabulators between the fields.

A row stands by itself: what cannot be read of one refuses that row, not the table. A quoted field may hold
line ends; a quote inside a field that does not begin with one, or one that never ends, is an error.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from salus.core.errors import MalformedContent

COLUMNS_MAX = 2_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Record(msgspec.Struct, frozen=True):
    """A row as it stands: the line where it begins (from 1), its bytes, and why it cannot be cut out."""

    line: int
    content: bytes
    problem: str = ""


def records(stream: BinaryIO, *, bytes_max: int) -> Iterator[Record]:
    """Yield the rows of a table, its header first, blank lines left out; with bounded memory."""
    line = 0
    held, begins = b"", 0
    for piece in _pieces(stream, bytes_max):
        line += 1
        if not held and not piece.strip():
            continue
        if not held:
            begins = line
        held += piece
        if len(held) > bytes_max:
            yield Record(begins, held[: 1 << 16], f"The row has more than {bytes_max} bytes.")
            return  # where the next one begins is not known
        if held.count(b'"') % 2 == 0:
            yield Record(begins, held.rstrip(b"\r\n"))
            held = b""
    if held:
        yield Record(begins, held[: 1 << 16], 'A quote (") that begins in this row never ends.')


def _pieces(stream: BinaryIO, bytes_max: int) -> Iterator[bytes]:
    first = True
    while piece := stream.readline(bytes_max + 1):
        if first and piece.startswith(_UTF16):
            raise MalformedContent("The table is in UTF-16: save it as UTF-8.")
        yield piece.removeprefix(codecs.BOM_UTF8) if first else piece
        first = False


def fields(content: bytes, delimiter: str, encoding: str) -> list[str]:
    """Return the fields of a row.

    Raises:
        MalformedContent: it is not in the encoding, or its quotes are not where they may be.
    """
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise MalformedContent(
            f"Byte {error.start + 1} of the row is not {encoding}; name the table's encoding in the mapping."
        ) from error
    if "\0" in text:
        raise MalformedContent("The row holds a null character.")
    found: list[str] = []
    at = 0
    while True:
        value, at = _quoted(text, at, delimiter) if text[at : at + 1] == '"' else _bare(text, at, delimiter)
        found.append(value)
        if len(found) > COLUMNS_MAX:
            raise MalformedContent(f"The row has more than {COLUMNS_MAX} columns.")
        if at >= len(text):
            return found
        at += 1
        if at == len(text):
            return [*found, ""]


def _bare(text: str, at: int, delimiter: str) -> tuple[str, int]:
    end = text.find(delimiter, at)
    end = len(text) if end < 0 else end
    value = text[at:end]
    if '"' in value and not value.startswith('="'):  # a spreadsheet's way to keep leading zeros
        raise MalformedContent(
            f'A quote (") stands inside {value[:40]!a}; quote the whole field, "" for one.'
        )
    return value.strip(), end


def _quoted(text: str, at: int, delimiter: str) -> tuple[str, int]:
    place, value = at + 1, ""
    while True:
        end = text.find('"', place)
        if end < 0:
            raise MalformedContent('A quote (") that begins a field never ends.')
        value += text[place:end]
        if text[end + 1 : end + 2] != '"':
            break
        value, place = value + '"', end + 2
    after = text[end + 1 : end + 2]
    if after not in ("", delimiter):
        raise MalformedContent(f'After the quote that ends a field stands {after!a}, not "{delimiter}".')
    return value.strip(), end + 1
