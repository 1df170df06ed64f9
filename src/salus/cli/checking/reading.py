"""The resources in files, folders and NDJSON, one by one; what cannot be read is told, not raised."""

from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from salus.core.errors import SalusError, TooLarge
from salus.core.limits import Limits
from salus.standards.fhir.checking.given import Given, read_given

_ENDINGS = (".json", ".xml", ".ndjson", ".json.gz", ".xml.gz", ".ndjson.gz")


def files_in(path: Path) -> Iterator[Path]:
    """Yield a file itself, or the files with FHIR endings in a folder and below, sorted; no link is followed.

    A folder without such a file is yielded itself, so that a wrong name never looks like good news.
    """
    if not path.is_dir():
        yield path
        return
    found = False
    for root, folders, names in os.walk(path):
        folders.sort()
        for name in sorted(names):
            file = Path(root, name)
            if name.endswith(_ENDINGS) and not file.is_symlink():
                found = True
                yield file
    if not found:
        yield path


def read(path: Path, limits: Limits) -> Iterator[Given]:
    """Yield the resources of a file; a folder that holds none to read is told too."""
    if path.is_dir():
        endings = ", ".join(_ENDINGS)
        yield Given(str(path), b"", None, f"The folder holds no file to check: none ends in {endings}.")
        return
    try:
        body = _content(path, limits)
    except OSError as error:
        yield Given(str(path), b"", None, f"The file cannot be opened: {error.strerror or error}.")
        return
    except (SalusError, EOFError, zlib.error) as error:
        yield Given(str(path), b"", None, getattr(error, "message", "The file is damaged."))
        return
    if ".ndjson" in path.name:
        for number, line in enumerate(body.split(b"\n"), start=1):
            if line.strip():
                yield read_given(f"{path}:{number}", line, limits, number)
    else:
        yield read_given(str(path), body, limits)


def _content(path: Path, limits: Limits) -> bytes:
    most = limits.document_bytes_max * (20 if ".ndjson" in path.name else 1)
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        body = file.read(most + 1)
    if len(body) > most:
        raise TooLarge(f"The file has more than {most} bytes; split it.")
    return body
