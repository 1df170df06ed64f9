"""Loaded releases of code systems in a folder, one SQLite file each, and the library that they are."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from salus.core.errors import NotFound, SalusError, StorageUnavailable
from salus.standards.terminology.codesystem import CodeSystem, ValueSet, all_codes
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.implicit import implicit_value_set
from salus.standards.terminology.releases.registry import loader_for
from salus.standards.terminology.releases.release import Wish
from salus.standards.terminology.versions import newest
from salus.store.terminology_files import files_of
from salus.store.terminology_release import LoadedRelease
from salus.store.terminology_writer import Written, write_release

RELEASES, PACKAGES = "terminology", "packages"
"""Folders in a node's folder: of loaded releases, and of FHIR packages with definitions."""
SUFFIX = ".terminology"
_UNSAFE = re.compile(r"[^A-Za-z0-9.]+")


class Held(msgspec.Struct, frozen=True):
    """A loaded release, as it is listed."""

    url: str
    version: str
    title: str
    publisher: str
    concepts: int
    names: int
    bytes: int


def load(path: Path, folder: Path, kind: str, wish: Wish, tell: Callable[[str], None]) -> Written:
    """Load a release into a folder; one of the same url and version is replaced.

    Args:
        path: the release: a folder, a .zip or a file.
        folder: of the loaded releases.
        kind: by which loader, "" to find out.
        wish: what the operator says of it.
        tell: is told what is done next.

    Raises:
        NotFound, UnsupportedMedia, MalformedContent: it is no release that can be read.
        StorageUnavailable: the folder cannot be written.
    """
    files = files_of(path)
    release = loader_for(files, kind).read(files, wish)
    return write_release(release, folder / _file_name(release.url, release.version), tell)


def _file_name(url: str, version: str) -> str:
    digest = hashlib.sha256(f"{url}|{version}".encode()).hexdigest()[:8]
    words = _UNSAFE.sub("-", f"{url.partition('://')[2]}-{version.rpartition('://')[2]}").strip("-")
    return f"{words[:80]}-{digest}{SUFFIX}"


def releases(folder: Path) -> list[LoadedRelease]:
    """Return the loaded releases of a folder, those that cannot be read left out."""
    found = []
    for path in sorted(folder.glob(f"*{SUFFIX}")) if folder.is_dir() else ():
        try:
            found.append(LoadedRelease(path))
        except SalusError:
            continue
    return found


def held(folder: Path) -> list[Held]:
    """Return what is loaded in a folder, sorted by url and version."""
    rows = [
        Held(
            one.about.url,
            one.about.version,
            one.rows["title"],
            one.rows["publisher"],
            int(one.rows["concepts"]),
            int(one.rows["names"]),
            one.path.stat().st_size,
        )
        for one in releases(folder)
    ]
    return sorted(rows, key=lambda one: (one.url, one.version))


def remove(folder: Path, url: str, version: str = "") -> list[Held]:
    """Remove loaded releases of a code system, in all versions where none is named.

    Raises:
        NotFound: none is loaded.
        StorageUnavailable: a file cannot be removed.
    """
    gone = [one for one in releases(folder) if one.about.url == url and version in ("", one.about.version)]
    if not gone:
        raise NotFound(
            f"No release of {url}{f' {version}' if version else ''} is loaded; `terminology list` shows all."
        )
    listed = [one for one in held(folder) if one.url == url and version in ("", one.version)]
    for one in gone:
        try:
            one.path.unlink()
        except OSError as error:
            raise StorageUnavailable(f"{one.path} cannot be removed: {error.strerror}.") from error
    return listed


class ReleaseLibrary:
    """The loaded releases of a folder as a library; a release loaded or removed later is seen."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: tuple[tuple[str, int], ...] = ()
        self._known: dict[str, dict[str, LoadedRelease]] = {}

    def _current(self) -> dict[str, dict[str, LoadedRelease]]:
        paths = sorted(self._folder.glob(f"*{SUFFIX}")) if self._folder.is_dir() else []
        state = tuple((one.name, one.stat().st_mtime_ns) for one in paths)
        if state != self._seen:
            known: dict[str, dict[str, LoadedRelease]] = {}
            for one in releases(self._folder):
                known.setdefault(one.about.url, {})[one.about.version] = one
            self._known, self._seen = known, state
        return self._known

    def versions(self, url: str) -> Sequence[str]:
        """Return the loaded versions of a code system."""
        return list(self._current().get(url, ()))

    def code_system(self, url: str, version: str) -> CodeSystem | None:
        """Return the newest loaded version that satisfies one; an edition of SNOMED CT fits its versions."""
        known = self._current().get(url, {})
        found = newest(known, version)
        if found is None and version:
            found = newest([one for one in known if one.startswith(version + "/version/")])
        return None if found is None else known[found]

    def value_set(self, url: str, version: str) -> ValueSet | None:
        """Return a value set that a code system implies by its address."""
        for system in self._current():
            if url == system + "/vs" or url.startswith((system + "?", system + "/vs/")):
                found = self.code_system(system, version)
                if found is not None:
                    return (
                        all_codes(found.about)
                        if url == system + "/vs"
                        else implicit_value_set(url, found.about)
                    )
        return None

    def concept_maps(self) -> Iterator[Json]:
        """Yield nothing: releases bring no maps."""
        yield from ()

    def supplements(self, url: str, version: str) -> Sequence[Json]:
        """Return nothing: releases bring no supplements."""
        return ()

    def is_supplement(self, url: str) -> bool:
        """Return False: a release is none."""
        return False

    def systems(self) -> Iterator[tuple[str, str]]:
        """Yield (url, version) of every loaded release."""
        for url, known in self._current().items():
            for version in known:
                yield url, version
