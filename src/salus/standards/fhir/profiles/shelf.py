"""A library of definitions as a shelf: facts are derived when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

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

    def editions(self, url: str) -> Iterable[Json]:
        """Return the facts of every version of a code system."""
        return [one.content() for one in self._library.editions("CodeSystem", url)]

    def complete(self) -> frozenset[str]:
        """Return the beginnings of addresses of which every definition is at hand."""
        return frozenset(complete_beginnings(self._library.every("StructureDefinition")))

    def _content(self, kind: Kind, canonical: str) -> Json | None:
        found: Definition | None = self._library.find(kind, canonical)
        return None if found is None else found.content()


_CORE = "http://hl7.org/fhir/StructureDefinition"
_HL7 = (_CORE, "http://hl7.org/fhir/5.0", "http://terminology.hl7.org")


def complete_beginnings(definitions: Iterable[Definition]) -> Iterator[str]:
    """Yield the beginnings of addresses that packages define wholly.

    Not those of HL7 itself, which come with a new extensions pack every few months, nor those that translate
    between versions of FHIR, which are thousands, and of which packages hold a part.
    """
    for one in definitions:
        beginning = one.url.rpartition("/")[0]
        if one.package and "xver" not in one.package and not beginning.startswith(_HL7):
            yield beginning


def is_profile(definition: Json) -> bool:
    """Return whether a structure definition constrains a type of R4, whatever it says of its derivation."""
    name, url = str(definition.get("type")), definition.get("url")
    is_new = (
        definition.get("derivation") != "constraint" and definition.get("baseDefinition") != f"{_CORE}/{name}"
    )
    return not is_new and url != f"{_CORE}/{name}"
