"""The frame of messages on a connection: <VT> message <FS><CR> (HL7 v2 Transport, MLLP Release 1, 2.3.1)."""

from __future__ import annotations

from salus.core.errors import MalformedContent, TooLarge

BEGIN, END = b"\x0b", b"\x1c\r"
STRAY_BYTES_MAX = 1024
"""Most bytes that may stand between two frames; blank lines do in practice."""

HEADER_BYTES_MAX = 4096


class Frames:
    """Cuts a stream of bytes into messages.

    Args:
        bytes_max: longest message.
    """

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = bytes_max
        self._held = bytearray()
        self._inside = False
        self._looked = 0

    @property
    def held_bytes(self) -> int:
        """Return how many bytes of a message that has begun are held; 0 between messages."""
        return len(self._held) if self._inside else 0

    @property
    def is_inside(self) -> bool:
        """Return whether a message has begun and not ended."""
        return self._inside

    @property
    def begun(self) -> bytes:
        """Return the beginning of the message that has begun, as much as its header may be long."""
        return bytes(self._held[:HEADER_BYTES_MAX]) if self._inside else b""

    def feed(self, piece: bytes) -> None:
        """Take in bytes as they come.

        Raises:
            TooLarge: a message is longer than it may be.
            MalformedContent: what comes is in no frame.
        """
        self._held += piece
        self._begin()
        if self._inside and len(self._held) > self._bytes_max + len(END) and self._end() < 0:
            raise TooLarge(
                f"The message has more than {self._bytes_max} bytes (limits.document_bytes_max); send it in "
                "parts."
            )

    def take(self) -> bytes | None:
        """Return the next whole message, None if it has not all come."""
        end = self._end() if self._inside else -1
        if end < 0:
            return None
        message = bytes(self._held[:end])
        del self._held[: end + len(END)]
        self._inside, self._looked = False, 0
        self._begin()
        return message

    def _end(self) -> int:
        found = self._held.find(END, self._looked)
        self._looked = max(0, len(self._held) - 1) if found < 0 else found
        return found

    def _begin(self) -> None:
        """Pass over what stands before the next frame."""
        if self._inside:
            return
        at = self._held.find(BEGIN)
        stray = bytes(self._held[: at if at >= 0 else len(self._held)])
        if stray.strip() and (at >= 0 or len(stray) > STRAY_BYTES_MAX or stray.lstrip()[:3] == b"MSH"):
            raise MalformedContent(
                "What comes is in no MLLP frame: a message begins with the byte 0B and ends with 1C 0D."
            )
        if at >= 0:
            del self._held[: at + 1]
            self._inside, self._looked = True, 0
        elif not stray.strip() or len(stray) > STRAY_BYTES_MAX:
            self._held.clear()


def framed(message: bytes) -> bytes:
    """Return a message in its frame."""
    return BEGIN + message + END
