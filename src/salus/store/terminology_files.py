"""The files of a release of a code system: a folder, a .zip, or a single file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from salus.core.errors import MalformedContent, NotFound, TooLarge
from salus.standards.terminology.releases.release import Files

FILES_MAX = 20_000
LINE_CHARACTERS_MAX = 4_000_000
UNPACKED_BYTES_MAX = 64 * 1024 * 1024 * 1024


def files_of(path: Path) -> Files:
    """Return the files at a place.

    Raises:
        NotFound: there is nothing.
        TooLarge: there are more files than a release has.
    """
    if path.is_dir():
        return _Folder(path)
    if not path.is_file():
        raise NotFound(f"There is no file or folder {path}; name the release as it was downloaded.")
    return _Archive(path) if zipfile.is_zipfile(path) else _Single(path)


def _lines(stream: BinaryIO, name: str) -> Iterator[str]:
    with stream, io.TextIOWrapper(stream, encoding="utf-8-sig", newline=None) as text:
        try:
            while line := text.readline(LINE_CHARACTERS_MAX):
                yield line.rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise MalformedContent(f"{name} is not in UTF-8; load the release as published.") from error


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root
        found = [one for one in sorted(root.rglob("*")) if one.is_file() and not one.is_symlink()]
        if len(found) > FILES_MAX:
            raise TooLarge(f"{root} holds more than {FILES_MAX} files; name the release's own folder.")
        self._paths = {one.relative_to(root).as_posix(): one for one in found}

    def names(self) -> Sequence[str]:
        """Return the paths of the files."""
        return list(self._paths)

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a file."""
        return _lines(self.stream(name), name)

    def stream(self, name: str) -> BinaryIO:
        """Return a file's bytes."""
        return self._paths[name].open("rb")


class _Single:
    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> Sequence[str]:
        """Return the file's name."""
        return [self._path.name]

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of the file."""
        return _lines(self.stream(name), name)

    def stream(self, name: str) -> BinaryIO:
        """Return the file's bytes."""
        assert name == self._path.name
        return self._path.open("rb")


class _Archive:
    def __init__(self, path: Path) -> None:
        self._archive = zipfile.ZipFile(path)
        members = [one for one in self._archive.infolist() if not one.is_dir()]
        if len(members) > FILES_MAX or sum(one.file_size for one in members) > UNPACKED_BYTES_MAX:
            raise TooLarge(f"{path} unpacks to more than a release holds; unpack it and name the folder.")
        self._names = sorted(one.filename for one in members)

    def names(self) -> Sequence[str]:
        """Return the paths in the archive."""
        return self._names

    def lines(self, name: str) -> Iterator[str]:
        """Yield the lines of a file."""
        return _lines(self.stream(name), name)

    def stream(self, name: str) -> BinaryIO:
        """Return a file's bytes."""
        return cast(BinaryIO, self._archive.open(name))
