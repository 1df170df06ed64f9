"""Supplements: names, properties and extensions laid over a code system (R4 codesystem.html#supplements)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import msgspec

from salus.standards.terminology.codesystem import About, CodeSystem
from salus.standards.terminology.concepts import Concept, Json, properties_of, property_uris
from salus.standards.terminology.defined import designations_of
from salus.standards.terminology.filters import select
from salus.standards.terminology.search import finds
from salus.standards.terminology.versions import join, matches, split

_PACK = "codesystem-supplement-type"


def is_language_pack(supplement: Mapping[str, object]) -> bool:
    """Return whether a supplement is a translation, which applies without being asked for."""
    extensions = supplement.get("extension")
    for one in extensions if isinstance(extensions, list) else ():
        if str(one.get("url", "")).endswith(_PACK):
            return bool(one.get("valueCode") == "lang-pack")
    return False


def supplements(of: str, url: str, version: str) -> bool:
    """Return whether a definition that supplements `of` applies to a version of a code system; "" for any."""
    named, wanted = split(of)
    return named == url and (not wanted or not version or matches(wanted, version))


def canonical(supplement: Mapping[str, object]) -> str:
    """Return url and version of a supplement."""
    return join(str(supplement.get("url", "")), str(supplement.get("version", "")))


class Supplemented:
    """A code system with supplements laid over it."""

    def __init__(self, system: CodeSystem, over: Sequence[Json]) -> None:
        self._system = system
        self._over = [(canonical(one), property_uris(one), _rows(one)) for one in over]
        properties = dict(system.about.properties)
        for _, uris, _ in self._over:
            properties = uris | properties
        self.about: About = msgspec.structs.replace(
            system.about, supplements=tuple(one for one, _, _ in self._over), properties=properties
        )

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code, with what the supplements add."""
        found = self._system.find(code)
        if found is None:
            return None
        for source, uris, rows in self._over:
            row = rows.get(found.code)
            if row is not None:
                found = msgspec.structs.replace(
                    found,
                    designations=(*found.designations, *designations_of(row, source)),
                    properties=(*found.properties, *properties_of(row, uris)),
                    extensions=(*found.extensions, *row.get("extension", ())),
                )
        return found

    def roots(self) -> Sequence[str]:
        """Return the codes without a parent."""
        return self._system.roots()

    def children(self, code: str) -> Sequence[str]:
        """Return the codes right below one."""
        return self._system.children(code)

    def codes(self) -> Iterator[str]:
        """Yield every code."""
        return self._system.codes()

    def count(self) -> int | None:
        """Return how many codes there are."""
        return self._system.count()

    def is_below(self, code: str, ancestor: str) -> bool:
        """Return whether a code is beneath another."""
        return self._system.is_below(code, ancestor)

    def select(self, name: str, operator: str, value: str) -> Collection[str] | None:
        """Return the codes that a filter keeps; a property that a supplement adds counts."""
        found = self._system.select(name, operator, value)
        if found is None or any(name in uris for _, uris, _ in self._over):
            return select(self, name, operator, value) if self.count() is not None else found
        return found

    def search(self, text: str) -> Collection[str]:
        """Return the codes that a text finds, by the supplements' names too."""
        found = dict.fromkeys(self._system.search(text))
        for _, _, rows in self._over:
            for code in rows:
                if code not in found and (one := self.find(code)) is not None and finds(text, one):
                    found[code] = None
        return found


def _rows(supplement: Mapping[str, object]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    concepts = supplement.get("concept")
    pending = list(concepts) if isinstance(concepts, list) else []
    while pending:
        row = pending.pop()
        if isinstance(row, dict) and isinstance(row.get("code"), str):
            found.setdefault(row["code"], row)
            pending += row.get("concept", ())
    return found
