"""Which files a command names, and how they are opened: folders, .gz, standard input."""

from __future__ import annotations

import gzip
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from salus.core.errors import NotFound
from salus.intake.formats.registry import formats

STDIN = "-"


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


def find_files(paths: list[str], source: str | None) -> list[SourceFile]:
    """Return the files of the paths, those of a folder in sorted order; hidden files are left out.

    Without a source each file's folder names it, so that two hospitals' folders never mix.

    Raises:
        NotFound: a path does not exist, or a folder has no file of a known format.
    """
    found: list[SourceFile] = []
    for name in paths:
        if name == STDIN:
            found.append(SourceFile(STDIN, source or "urn:salus:source:stdin", "", 0))
            continue
        path = Path(name).resolve()
        if path.is_dir():
            inside = [inner for inner in sorted(path.rglob("*")) if inner.is_file() and _is_known(inner)]
            if not inside:
                raise NotFound(f"{name} holds no .ndjson, .json or .xml file (also .gz); name one that does.")
            found += [_describe(inner, source) for inner in inside]
        elif path.is_file():
            found.append(_describe(path, source))
        else:
            raise NotFound(f"{name} does not exist; name files, folders or - for standard input.")
    return list(dict.fromkeys(found))


def _is_known(path: Path) -> bool:
    suffixes = tuple(suffix for one in formats() for suffix in one.suffixes)
    return not path.name.startswith(".") and path.name.lower().removesuffix(".gz").endswith(suffixes)


def _describe(path: Path, source: str | None) -> SourceFile:
    state = path.stat()
    return SourceFile(
        str(path), source or path.parent.as_uri(), f"{state.st_size}:{state.st_mtime_ns}", state.st_size
    )


@contextmanager
def open_file(file: SourceFile) -> Iterator[tuple[BinaryIO, Callable[[], int]]]:
    """Open the file; yield it uncompressed, and what tells how many bytes of it, as on disk, were read.

    It can be rewound: standard input goes to a temporary file first.
    """
    if file.path == STDIN:
        with tempfile.TemporaryFile() as spool:
            shutil.copyfileobj(sys.stdin.buffer, spool)
            spool.seek(0)
            yield spool, spool.tell
        return
    try:
        opened = Path(file.path).open("rb")  # noqa: SIM115  (closed below)
    except OSError as error:
        raise NotFound(f"{file.path} cannot be opened: {error.strerror}.") from error
    with opened as raw:
        if file.path.lower().endswith(".gz"):
            with gzip.GzipFile(fileobj=raw) as unpacked:
                yield cast("BinaryIO", unpacked), raw.tell
        else:
            yield raw, raw.tell
