"""A library of definitions as a shelf: facts are derived when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable

from salus.core.errors import SalusError
from salus.standards.fhir.packages.definitions import Definition, Json, Kind, Library
from salus.standards.fhir.profiles.derive import derive
from salus.standards.fhir.profiles.facts import Profile
from salus.standards.fhir.profiles.snapshot import Snapshots


class LibraryShelf:
    """The shelf of a library."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._snapshots = Snapshots(library)

    def versions(self, url: str) -> Iterable[str]:
        """Return the version of a profile that the library answers with; () for types and unusable
        profiles.
        """
        found = self._library.find("StructureDefinition", url)
        if found is None or not is_profile(found.content()):
            return ()
        try:
            self._snapshots.tree(url)
        except SalusError:
            return ()
        return (found.version,)

    def profile(self, url: str, version: str) -> Profile:
        """Return the facts of a profile."""
        found = self._library.find("StructureDefinition", f"{url}|{version}")
        assert found is not None, url
        return derive(found.content(), self._snapshots.tree(url), found.package)

    def value_set(self, canonical: str) -> Json | None:
        """Return the facts of a value set."""
        return self._content("ValueSet", canonical)

    def code_system(self, canonical: str) -> Json | None:
        """Return the facts of a code system."""
        return self._content("CodeSystem", canonical)

    def _content(self, kind: Kind, canonical: str) -> Json | None:
        found: Definition | None = self._library.find(kind, canonical)
        return None if found is None else found.content()


def is_profile(definition: Json) -> bool:
    """Return whether a structure definition constrains a type of R4."""
    return definition.get("derivation") == "constraint"
