"""What the operations ask of a code system: a definition, a loaded release and a grammar answer alike."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from salus.standards.terminology.concepts import Concept, Json


class About(msgspec.Struct, frozen=True):
    """What is said of a code system as a whole.

    Args:
        content: complete, fragment, example, not-present or supplement.
        language: of its displays, "" where it is not stated.
        value_set: canonical of the value set of all its codes, "" for none.
        version_needed: whether a code means nothing without a version.
        properties: what its properties mean, by name.
        status, standards_status, experimental: of the definition.
        supplements: canonicals of what is laid over it.
    """

    url: str
    version: str = ""
    name: str = ""
    title: str = ""
    content: str = "complete"
    language: str = ""
    value_set: str = ""
    version_needed: bool = False
    is_case_sensitive: bool = True
    properties: Mapping[str, str] = {}
    status: str = ""
    standards_status: str = ""
    experimental: bool = False
    supplements: tuple[str, ...] = ()

    @property
    def canonical(self) -> str:
        """Return url and version."""
        return f"{self.url}|{self.version}" if self.version else self.url


class CodeSystem(Protocol):
    """A version of a code system."""

    @property
    def about(self) -> About:
        """Return what is said of it as a whole."""

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code, None where there is none; its own code may differ in case."""

    def roots(self) -> Sequence[str]:
        """Return the codes without a parent, in their order."""

    def children(self, code: str) -> Sequence[str]:
        """Return the codes right below one, in their order."""

    def codes(self) -> Iterator[str]:
        """Yield every code, in the order of the definition."""

    def count(self) -> int | None:
        """Return how many codes there are, None for a grammar."""

    def is_below(self, code: str, ancestor: str) -> bool:
        """Return whether a code is beneath another; a code is not beneath itself."""

    def select(self, name: str, operator: str, value: str) -> Collection[str] | None:
        """Return the codes that a filter keeps, in order; None for a filter that is not understood."""

    def search(self, text: str) -> Collection[str]:
        """Return the codes that a text finds, the best first or in order."""


class ValueSet(msgspec.Struct, frozen=True):
    """A value set and the resource it was read from."""

    resource: Json

    @property
    def url(self) -> str:
        """Return its url, "" for one without."""
        return str(self.resource.get("url", ""))

    @property
    def version(self) -> str:
        """Return its version, "" for one without."""
        return str(self.resource.get("version", ""))

    @property
    def canonical(self) -> str:
        """Return url and version."""
        return f"{self.url}|{self.version}" if self.version else self.url

    @property
    def compose(self) -> Mapping[str, Any]:
        """Return how it is put together."""
        found: Mapping[str, Any] = self.resource.get("compose") or {}
        return found

    def excludes_inactive(self) -> bool:
        """Return whether it wants no inactive codes."""
        return self.compose.get("inactive") is False


def all_codes(about: About) -> ValueSet:
    """Return the value set of all codes of a code system."""
    include: Json = {"system": about.url} | ({"version": about.version} if about.version else {})
    resource: Json = {
        "resourceType": "ValueSet",
        "url": about.value_set or about.url + "/vs",
        "status": "active",
        "compose": {"include": [include]},
    }
    return ValueSet(resource | ({"version": about.version} if about.version else {}))
