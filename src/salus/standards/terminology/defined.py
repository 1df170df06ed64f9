"""A code system from its definition (R4 CodeSystem), every concept in it at hand."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from salus.core.errors import TooLarge
from salus.standards.terminology.codesystem import About
from salus.standards.terminology.concepts import (
    STANDARDS_STATUS,
    Concept,
    Designation,
    Json,
    extension_value,
    is_abstract,
    is_deprecated,
    is_inactive,
    properties_of,
    property_uris,
    status_of,
)
from salus.standards.terminology.filters import select
from salus.standards.terminology.search import finds

CONCEPTS_MAX = 1_000_000
"""Most concepts that a definition may hold."""


class DefinedSystem:
    """A code system, read from its definition once.

    Args:
        resource: a CodeSystem.
    """

    def __init__(self, resource: Json) -> None:
        self.about = about(resource)
        self._rows: dict[str, Json] = {}
        self._folded: dict[str, str] = {}
        self._parents: dict[str, tuple[str, ...]] = {}
        self._children: dict[str, list[str]] = {}
        self._made: dict[str, Concept] = {}
        self._read(resource.get("concept", ()))
        self._roots = tuple(code for code in self._rows if not self._parents.get(code))

    def _read(self, concepts: Sequence[Json]) -> None:
        pending: list[tuple[Json, str]] = [(one, "") for one in reversed(concepts)]
        stated: list[tuple[str, str]] = []
        while pending:
            concept, parent = pending.pop()
            code = concept.get("code")
            if not isinstance(code, str):
                continue
            if len(self._rows) >= CONCEPTS_MAX:
                raise TooLarge(
                    "The code system holds more concepts than a definition may; load it as a release."
                )
            self._rows.setdefault(code, concept)
            if not self.about.is_case_sensitive:
                self._folded.setdefault(code.casefold(), code)
            if parent:
                self._join(code, parent)
            stated += self._stated(code, concept)
            pending += [(one, code) for one in reversed(concept.get("concept", ()))]
        for child, above in stated:
            if child in self._rows and above in self._rows:
                self._join(child, above)

    def _stated(self, code: str, concept: Json) -> Iterator[tuple[str, str]]:
        """Yield (child, parent) that properties state."""
        for one in properties_of(concept, self.about.properties):
            if one.code == "parent" or one.uri.endswith("#parent"):
                yield code, one.text()
            elif one.code == "child" or one.uri.endswith("#child"):
                yield one.text(), code

    def _join(self, child: str, parent: str) -> None:
        above = self._parents.get(child, ())
        if parent not in above and parent != child:
            self._parents[child] = (*above, parent)
            self._children.setdefault(parent, []).append(child)

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code."""
        known = self._made.get(code)
        if known is not None:
            return known
        real = code if code in self._rows else self._folded.get(code.casefold(), "")
        if not real:
            return None
        made = concept_of(self._rows[real], self.about, self._parents.get(real, ()))
        self._made[real] = made
        return made

    def roots(self) -> Sequence[str]:
        """Return the codes without a parent."""
        return self._roots

    def children(self, code: str) -> Sequence[str]:
        """Return the codes right below one."""
        return self._children.get(code, ())

    def codes(self) -> Iterator[str]:
        """Yield every code."""
        return iter(self._rows)

    def count(self) -> int | None:
        """Return how many codes there are."""
        return len(self._rows)

    def is_below(self, code: str, ancestor: str) -> bool:
        """Return whether a code is beneath another."""
        seen: set[str] = set()
        level = set(self._parents.get(code, ()))
        while level:
            if ancestor in level:
                return True
            seen |= level
            level = {up for one in level for up in self._parents.get(one, ())} - seen
        return False

    def select(self, name: str, operator: str, value: str) -> Collection[str] | None:
        """Return the codes that a filter keeps."""
        return select(self, name, operator, value)

    def search(self, text: str) -> Collection[str]:
        """Return the codes that a text finds, in order."""
        return [code for code in self._rows if (one := self.find(code)) is not None and finds(text, one)]


def about(resource: Mapping[str, Any]) -> About:
    """Return what a definition says of the code system as a whole."""
    return About(
        url=resource.get("url", ""),
        version=resource.get("version", ""),
        name=resource.get("name", ""),
        title=resource.get("title", ""),
        content=resource.get("content", ""),
        language=resource.get("language", ""),
        value_set=resource.get("valueSet", ""),
        version_needed=resource.get("versionNeeded") is True,
        is_case_sensitive=resource.get("caseSensitive") is not False,
        properties=property_uris(resource),
        status=resource.get("status", ""),
        standards_status=extension_value(resource, STANDARDS_STATUS) or "",
        experimental=resource.get("experimental") is True,
    )


def concept_of(row: Mapping[str, Any], system: About, parents: tuple[str, ...] = ()) -> Concept:
    """Return a concept of a definition."""
    properties = properties_of(row, system.properties)
    status = status_of(properties, row)
    display = str(row.get("display", ""))
    names = [Designation(display, system.language, is_display=True)] if display else []
    names += designations_of(row)
    return Concept(
        code=row["code"],
        display=display,
        definition=row.get("definition", ""),
        designations=tuple(names),
        properties=properties,
        extensions=tuple(row.get("extension", ())),
        parents=parents,
        is_abstract=is_abstract(properties),
        is_inactive=is_inactive(properties, status),
        is_deprecated=is_deprecated(properties, status),
        status=status,
    )


def designations_of(row: Mapping[str, Any], source: str = "") -> Iterator[Designation]:
    """Yield the designations of a concept in a definition, a supplement or a value set."""
    for one in row.get("designation", ()):
        value = one.get("value")
        if isinstance(value, str):
            yield Designation(
                value,
                one.get("language", ""),
                one.get("use"),
                str(extension_value(one, STANDARDS_STATUS) or "active"),
                extensions=tuple(one.get("extension", ())),
                source=source,
            )
