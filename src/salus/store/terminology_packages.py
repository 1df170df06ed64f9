"""Code systems, value sets and concept maps of the FHIR packages in a folder, read when asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

import msgspec

from salus.core.errors import SalusError
from salus.core.limits import Limits
from salus.standards.fhir.codec.json import parse_json
from salus.standards.fhir.profiles.book import Shelf
from salus.standards.fhir.profiles.terminology import Terminology
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.for_profiles import LoadedTerminology
from salus.standards.terminology.grammars import Grammars
from salus.standards.terminology.library import Definitions, Head, Layers, Library
from salus.store.packages import Installed, installed, is_usable, package_members
from salus.store.terminology import SUFFIX, ReleaseLibrary

_LIMITS = Limits()
_TYPES = ("CodeSystem-", "ValueSet-", "ConceptMap-")
_HEAD = msgspec.json.Decoder(Head)


def definitions_of(folder: Path) -> Definitions:
    """Return the definitions of the packages for R4 in a folder; what cannot be read is left out."""
    found = Definitions()
    for package in installed(folder):
        if is_usable(package.manifest):
            _take(found, package)
    return found


def _take(found: Definitions, package: Installed) -> None:
    for member in package_members(package):
        directory, _, name = member.path.rpartition("/")
        if directory != "package" or not name.startswith(_TYPES):
            continue
        try:
            head = _HEAD.decode(member.body)
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
        if head.url:
            found.put(head, _loader(member.body))


def _loader(body: bytes) -> Callable[[], Json]:
    """Return what reads a definition; its bytes are kept packed until then."""
    packed = zlib.compress(body, 1)

    def load() -> Json:
        try:
            return parse_json(zlib.decompress(packed), _LIMITS)
        except SalusError:
            return {}

    return load


def library_in(packages: Iterable[Path], releases: Path) -> Library:
    """Return the definitions of folders of packages, the releases loaded in a folder, and the grammars."""
    return Layers([*map(definitions_of, packages), ReleaseLibrary(releases), Grammars()])


def terminology_of(shelf: Shelf, packages: Sequence[Path], releases: Path) -> Terminology | None:
    """Return who answers bindings by loaded releases, None where none is loaded: definitions answer alone.

    Args:
        shelf: the facts of value sets at hand.
        packages: folders with definitions of those that the facts leave out.
        releases: folder of the loaded releases.
    """
    if not any(releases.glob(f"*{SUFFIX}")):
        return None
    library = cache(lambda: library_in(packages, releases))
    return LoadedTerminology(shelf.value_set, shelf.code_system, library)
