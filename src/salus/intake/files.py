"""Which files a command names, and how they are opened: folders, .gz, standard input."""

from __future__ import annotations

import gzip
import hashlib
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from salus.core.errors import NotFound, SettingsInvalid
from salus.intake.formats.registry import formats

STDIN = "-"

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:[^\s]+")
_GZIP = b"\x1f\x8b"
"""RFC 1952, section 2.3.1."""


class SourceFile(msgspec.Struct, frozen=True):
    """One file to be loaded.

    Args:
        path: resolved, "-" for standard input.
        source: URI of the system it comes from.
        fingerprint: size and change time, "" when a load of it cannot go on after a kill.
        size_bytes: as on disk, 0 for standard input.
    """

    path: str
    source: str
    fingerprint: str
    size_bytes: int


OWN_SOURCES = ("urn:salus:client:", "urn:salus:node:", "urn:salus:citizen:")
"""How a source begins that the node itself gives to who sends something."""


def is_foreign_source(source: str) -> bool:
    """Return whether it is the absolute URI of a system, and none that the node itself gives to a sender."""
    return bool(_ABSOLUTE.fullmatch(source)) and not source.startswith(OWN_SOURCES)


def check_source(source: str) -> None:
    """Refuse a source that is no absolute URI.

    Raises:
        SettingsInvalid: it is none.
    """
    if not _ABSOLUTE.fullmatch(source):
        raise SettingsInvalid(
            f"--source {source[:80]} is no absolute URI; name the system the files come from by one, "
            "e.g. https://hospital-a.example/fhir or urn:oid:2.999.1."
        )


def find_files(
    paths: list[str], source: str | None, *, suffixes: tuple[str, ...] | None = None
) -> list[SourceFile]:
    """Return the files of the paths, those of a folder in sorted order; hidden files are left out.

    Nor is a link followed that leads out of its folder: who writes there must not choose what else is read.
    Without a source each file's folder names it, so that two hospitals' folders never mix: by a hash of its
    path, since `meta.source` goes abroad with the resource and tells nobody how this machine is laid out.

    Args:
        paths: files, folders, "-".
        source: URI of the system they come from.
        suffixes: endings of the files that are taken of a folder; None: of every known format.

    Raises:
        NotFound: a path does not exist, or a folder has no file of a known format.
        SettingsInvalid: the source is no absolute URI.
    """
    if source is not None:
        check_source(source)
    found: list[SourceFile] = []
    for name in paths:
        if name == STDIN:
            found.append(SourceFile(STDIN, source or "urn:salus:source:stdin", "", 0))
            continue
        path = Path(name).resolve()
        if path.is_dir():
            inside = [
                inner
                for inner in sorted(path.rglob("*"))
                if inner.is_file() and _is_known(inner, suffixes) and not _leads_out(inner, path)
            ]
            if not inside:
                raise NotFound(
                    f"{name} holds no .ndjson, .json or .xml file (also .gz; links out of it are not "
                    "followed); name one that does."
                )
            found += [_describe(inner, source) for inner in inside]
        elif path.is_file():
            found.append(_describe(path, source))
        else:
            raise NotFound(f"{name} does not exist; name files, folders or - for standard input.")
    return list(dict.fromkeys(found))


def skipped_files(paths: list[str], *, suffixes: tuple[str, ...] | None = None) -> list[str]:
    """Return the files inside the folders among the paths that were not read, in sorted order.

    They are of no known format, or links that lead out of the folder. Hidden files are left out, as they are
    by `find_files`.
    """
    folders = dict.fromkeys(path for path in (Path(name).resolve() for name in paths) if path.is_dir())
    found = {
        str(inner)
        for folder in folders
        for inner in folder.rglob("*")
        if not inner.name.startswith(".")
        and ((inner.is_file() and not _is_known(inner, suffixes)) or _leads_out(inner, folder))
    }
    return sorted(found)


def _leads_out(path: Path, folder: Path) -> bool:
    """Return whether a link is or holds the way to what is not below the folder; one to nothing too."""
    try:
        return not path.resolve(strict=path.is_symlink()).is_relative_to(folder)
    except (OSError, RuntimeError):  # a link to nothing, or to itself
        return True


def _is_known(path: Path, suffixes: tuple[str, ...] | None) -> bool:
    if suffixes is None:
        suffixes = tuple(suffix for one in formats() for suffix in one.suffixes)
    return not path.name.startswith(".") and path.name.lower().removesuffix(".gz").endswith(suffixes)


def _describe(path: Path, source: str | None) -> SourceFile:
    state = path.stat()
    return SourceFile(
        str(path), source or _folder(path.parent), f"{state.st_size}:{state.st_mtime_ns}", state.st_size
    )


def _folder(path: Path) -> str:
    return f"urn:salus:folder:{hashlib.sha256(path.as_uri().encode()).hexdigest()[:32]}"


@contextmanager
def open_file(file: SourceFile) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """Open the file; yield it uncompressed, and what tells how many bytes of it, as on disk, were read.

    It can be rewound: standard input goes to a temporary file first.
    """
    if file.path == STDIN:
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(sys.stdin.buffer, spool)
            spool.seek(0)
            with _unpacked(spool) as stream:
                yield stream, spool.tell
        return
    try:
        opened = Path(file.path).open("rb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise NotFound(f"{file.path} cannot be opened: {error.strerror}.") from error
    with opened as raw, _unpacked(raw) as stream:
        yield stream, raw.tell


@contextmanager
def _unpacked(raw: BinaryIO) -> Iterator[BinaryIO]:
    """Yield the stream uncompressed: gzip is known by its first bytes, whatever the file is called."""
    head = raw.read(len(_GZIP))
    raw.seek(0)
    if head != _GZIP:
        yield raw
        return
    with gzip.GzipFile(fileobj=raw) as unpacked:
        yield cast("BinaryIO", unpacked)
