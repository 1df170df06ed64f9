"""One file of a form (RFC 7578), held in memory and nowhere else.

A form library would lay a larger file down on disk; what is checked here is not kept, so nothing of it
touches one. Parts, their headers and the whole are bounded.
"""

from __future__ import annotations

import msgspec
from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import Request

from salus.core.errors import MalformedContent, TooLarge

PARTS_MAX = 4
HEADER_BYTES_MAX = 4_096
FORM_BYTES = 8 * 1024
"""What a form has around its file."""

NAME_LENGTH_MAX = 120


class Upload(msgspec.Struct, frozen=True):
    """A file as it was sent: its name without folders, and its bytes."""

    name: str
    body: bytes


async def read_upload(request: Request, field: str, *, bytes_max: int) -> Upload:
    """Return the file in a field of a form.

    Raises:
        MalformedContent: the request is no such form, or holds no file.
        TooLarge: it is larger than `bytes_max`.
    """
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not boundary:
        raise MalformedContent("Send the file with the form of this page (multipart/form-data).")
    whole = bytearray()
    async for chunk in request.stream():
        whole += chunk
        if len(whole) > bytes_max + FORM_BYTES:
            raise TooLarge(f"The file has more than {bytes_max} bytes.")
    found = _parts(bytes(whole), boundary).get(field)
    if found is None or not found.body:
        raise MalformedContent("Choose a file first.")
    if len(found.body) > bytes_max:
        raise TooLarge(f"The file has more than {bytes_max} bytes.")
    return found


class _Parts:
    """The parts of a form under way."""

    def __init__(self) -> None:
        self.found: dict[str, Upload] = {}
        self._count = 0
        self._headers: dict[bytes, bytes] = {}
        self._key = bytearray()
        self._value = bytearray()
        self._body = bytearray()

    def begin(self) -> None:
        self._count += 1
        if self._count > PARTS_MAX:
            raise MalformedContent(f"The form has more than {PARTS_MAX} fields.")
        self._headers = {}
        self._body = bytearray()

    def header_field(self, data: bytes, start: int, end: int) -> None:
        self._key += data[start:end]

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def header_end(self) -> None:
        if len(self._key) + len(self._value) > HEADER_BYTES_MAX or len(self._headers) >= PARTS_MAX * 2:
            raise MalformedContent("The form has a header that is too long.")
        self._headers[bytes(self._key).lower()] = bytes(self._value)
        self._key.clear()
        self._value.clear()

    def data(self, data: bytes, start: int, end: int) -> None:
        self._body += data[start:end]

    def end(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition", b""))
        name = options.get(b"name", b"").decode("utf-8", errors="replace")
        file = options.get(b"filename", b"").decode("utf-8", errors="replace")
        self.found[name] = Upload(_bare(file), bytes(self._body))


def _bare(name: str) -> str:
    """Return a file's name without folders, and not too long."""
    return name.replace("\\", "/").rpartition("/")[2][-NAME_LENGTH_MAX:] or "file"


def _parts(body: bytes, boundary: bytes) -> dict[str, Upload]:
    parts = _Parts()
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_field,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
            },
        )
        parser.write(body)
        parser.finalize()
    except FormParserError as error:
        raise MalformedContent("The form cannot be read; send the file anew.") from error
    return parts.found
