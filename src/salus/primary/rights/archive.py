"""A person's record as one ZIP file (GDPR, Art. 15 and 20; EHDS, Art. 3), written piece by piece.

The file is never whole in memory or on disk: what was compressed is taken away as it comes. Its last member,
`manifest.json`, names every other one with its length and SHA-256, in the order of the file. The same members
at the same moment give the same bytes.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from datetime import UTC, datetime
from typing import Any

import msgspec

FORMAT = "salus-record-archive/1"
MANIFEST = "manifest.json"
MEMBERS_MAX = 50_000
_NAME_LENGTH_MAX = 80
_UNSAFE = re.compile(r"[^A-Za-z0-9-]+")
_ENDINGS = {
    "application/dicom": "dcm",
    "application/fhir+json": "json",
    "application/fhir+xml": "xml",
    "application/hl7-cda+xml": "xml",
    "application/json": "json",
    "application/pdf": "pdf",
    "application/xml": "xml",
    "image/jpeg": "jpg",
    "image/png": "png",
    "text/plain": "txt",
    "text/xml": "xml",
}


class Member(msgspec.Struct, frozen=True):
    """A file of the archive as the manifest names it; `sha256` in hexadecimal, `bytes` uncompressed."""

    path: str
    media_type: str
    bytes: int
    sha256: str


class _Sink:
    """Takes what the ZIP writer writes until it is asked for."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> int:
        self._pieces.append(bytes(piece))
        return len(piece)

    def flush(self) -> None:
        """Do nothing: there is nothing behind this."""

    def take(self) -> bytes:
        whole, self._pieces = b"".join(self._pieces), []
        return whole


class Archive:
    """A ZIP that is written member by member. `write` and `finish` return the bytes of the file so far."""

    def __init__(self, made_at: datetime) -> None:
        at = made_at.astimezone(UTC)
        self._stamp = (max(at.year, 1980), at.month, at.day, at.hour, at.minute, at.second)
        self._sink = _Sink()
        self._zip = zipfile.ZipFile(self._sink, "w", zipfile.ZIP_DEFLATED, allowZip64=True)  # type: ignore[call-overload]  # a sink writes only
        self._open: Any = None  # zipfile's own writer of a member, which it does not name
        self._path, self._media_type = "", ""
        self._bytes, self._digest = 0, hashlib.sha256()
        self.members: list[Member] = []

    def begin(self, path: str, media_type: str) -> None:
        """Begin a member; the one before is whole."""
        assert is_safe(path), "names of members are ours"
        assert len(self.members) < MEMBERS_MAX
        self._end()
        about = zipfile.ZipInfo(path, self._stamp)
        about.compress_type = zipfile.ZIP_DEFLATED
        about.external_attr = 0o600 << 16
        self._open = self._zip.open(about, "w", force_zip64=True)
        self._path, self._media_type = path, media_type
        self._bytes, self._digest = 0, hashlib.sha256()

    def write(self, content: bytes) -> bytes:
        """Add to the member that was begun; return what of the file is ready."""
        self._open.write(content)
        self._bytes += len(content)
        self._digest.update(content)
        return self._sink.take()

    def finish(self, about: dict[str, Any]) -> bytes:
        """Write the manifest, `about` before its files, and the end of the ZIP; return the last bytes."""
        self._end()
        manifest = {"format": FORMAT, **about, "files": [msgspec.to_builtins(each) for each in self.members]}
        self.begin(MANIFEST, "application/json")
        self._open.write(msgspec.json.format(msgspec.json.encode(manifest)))
        self._open.close()
        self._zip.close()
        return self._sink.take()

    def _end(self) -> None:
        if self._open is not None:
            self._open.close()
            self.members.append(Member(self._path, self._media_type, self._bytes, self._digest.hexdigest()))
            self._open = None


def is_safe(path: str) -> bool:
    """Return whether a name unpacks into the folder it is unpacked in, on every system."""
    parts = path.split("/")
    return len(parts) <= 3 and all(
        re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9-]*(\.[a-z]+)?", part) for part in parts
    )


def document_path(number: int, identity: str, media_type: str) -> str:
    """Return the name of a document's member: its place, what of its id is safe, an ending for its type.

    Ids and media types come from whoever sent the document.
    """
    name = _UNSAFE.sub("-", identity).strip("-")[:_NAME_LENGTH_MAX]
    return f"documents/{number:05}-{name or 'document'}.{ending_of(media_type)}"


def ending_of(media_type: str) -> str:
    """Return how the name of a file of a media type ends, "bin" where that is not known."""
    return _ENDINGS.get(media_type.partition(";")[0].strip().lower(), "bin")


def line_of(content: bytes) -> bytes:
    """Return a resource as one line of NDJSON, its line end included."""
    return b" ".join(content.splitlines()) + b"\n"
