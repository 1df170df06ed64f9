"""What a rendered instance is by its bytes: JPEG (ITU-T T.81, annex B) or PNG (W3C PNG, 5 and 11.2.2)."""

from __future__ import annotations

import struct

import msgspec

from salus.core.errors import UnsupportedMedia

SIDE_MAX = 8_192
"""Most pixels in a row or column: a picture of a few kilobytes may unfold to gigabytes."""
SEGMENTS_MAX = 200
_PNG = b"\x89PNG\r\n\x1a\n"
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Markers of a frame's header (T.81, table B.1)."""


class Picture(msgspec.Struct, frozen=True):
    """A picture that a browser may show: its media type and size in pixels."""

    media_type: str
    width: int
    height: int


def picture_of(body: bytes) -> Picture:
    """Return what the bytes are, whatever their sender called them.

    Raises:
        UnsupportedMedia: neither JPEG nor PNG, or of no or too large a size.
    """
    found = _png(body) or _jpeg(body)
    if found is None or not (0 < found.width <= SIDE_MAX and 0 < found.height <= SIDE_MAX):
        raise UnsupportedMedia("The archive sent what is neither a JPEG nor a PNG picture of a usual size.")
    return found


def _png(body: bytes) -> Picture | None:
    if not body.startswith(_PNG) or body[12:16] != b"IHDR" or len(body) < 24:
        return None
    width, height = struct.unpack(">II", body[16:24])
    return Picture("image/png", width, height)


def _jpeg(body: bytes) -> Picture | None:
    """Return the size that the frame's header states, going from segment to segment."""
    if not body.startswith(b"\xff\xd8\xff"):
        return None
    place = 2
    for _ in range(SEGMENTS_MAX):
        if len(body) < place + 9 or body[place] != 0xFF:
            return None
        marker, length = body[place + 1], int.from_bytes(body[place + 2 : place + 4], "big")
        if marker in _FRAMES:
            height, width = struct.unpack(">HH", body[place + 5 : place + 9])
            return Picture("image/jpeg", width, height)
        place += 2 + length
    return None
