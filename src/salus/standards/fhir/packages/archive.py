"""Reading a package's .tgz: members one after the other, nothing outside, nothing too large.

Only regular files are read; links, devices and names that lead out of the archive are refused, for whoever
writes
such names means harm.
"""

from __future__ import annotations

import io
import tarfile
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import msgspec

from salus.core.errors import MalformedContent, TooLarge
from salus.standards.fhir.packages.manifest import Manifest, read_manifest

ARCHIVE_BYTES_MAX = 256 * 1024 * 1024
MEMBERS_MAX = 50_000
MEMBER_BYTES_MAX = 64 * 1024 * 1024
UNPACKED_BYTES_MAX = 2 * 1024 * 1024 * 1024


class Member(msgspec.Struct, frozen=True):
    """A file of a package; its path starts with its folder ("package/package.json")."""

    path: str
    body: bytes


def members(archive: BinaryIO) -> Iterator[Member]:
    """Yield the JSON files of a package's archive.

    Raises:
        MalformedContent: it is no .tgz, holds a link, or names a place outside itself.
        TooLarge: it unpacks to more than a package may.
    """
    total = count = 0
    try:
        with tarfile.open(fileobj=archive, mode="r|gz") as tar:
            for info in tar:
                count += 1
                total += info.size
                _refuse_unsafe(info)
                if count > MEMBERS_MAX or info.size > MEMBER_BYTES_MAX or total > UNPACKED_BYTES_MAX:
                    raise TooLarge("The package unpacks to more than a package may hold; take another.")
                if info.isfile() and info.name.endswith(".json"):
                    file = tar.extractfile(info)
                    if file is not None:
                        yield Member(info.name.removeprefix("./"), file.read())
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        raise MalformedContent(f"The file is no FHIR package (.tgz): {error}. Take it anew.") from error


def _refuse_unsafe(info: tarfile.TarInfo) -> None:
    steps = info.name.split("/")
    if info.name.startswith(("/", "\\")) or ".." in steps or "\\" in info.name or ":" in steps[0]:
        raise MalformedContent("The package names a place outside itself; do not use it.")
    if not (info.isfile() or info.isdir()):
        raise MalformedContent("The package holds a link or a device; do not use it.")


def manifest_of(body: bytes) -> Manifest:
    """Return the manifest of a package's archive.

    Raises:
        MalformedContent: as `members`, or it has no package/package.json.
        TooLarge: as `members`.
    """
    if len(body) > ARCHIVE_BYTES_MAX:
        raise TooLarge("The package is larger than a package may be; take another.")
    for member in members(io.BytesIO(body)):
        if member.path == "package/package.json":
            return read_manifest(member.body)
    raise MalformedContent("The archive holds no package/package.json; it is no FHIR package.")
