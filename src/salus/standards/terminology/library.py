"""The definitions at hand: code systems, value sets and concept maps by canonical, newest first."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Protocol

import msgspec

from salus.standards.terminology.codesystem import About, CodeSystem, ValueSet, all_codes
from salus.standards.terminology.concepts import Json
from salus.standards.terminology.defined import DefinedSystem
from salus.standards.terminology.supplements import supplements
from salus.standards.terminology.versions import newest


class Library(Protocol):
    """Definitions, wherever they lie."""

    def versions(self, url: str) -> Sequence[str]:
        """Return the versions of a code system, "" for one without."""

    def code_system(self, url: str, version: str) -> CodeSystem | None:
        """Return the newest code system that satisfies a version ("" for any), supplements left out."""

    def value_set(self, url: str, version: str) -> ValueSet | None:
        """Return the newest value set that satisfies a version ("" for any)."""

    def concept_maps(self) -> Iterator[Json]:
        """Yield every concept map."""

    def supplements(self, url: str, version: str) -> Sequence[Json]:
        """Return the definitions that supplement a version of a code system."""

    def is_supplement(self, url: str) -> bool:
        """Return whether a url is that of a supplement."""

    def systems(self) -> Iterator[tuple[str, str]]:
        """Yield (url, version) of every code system whose codes are at hand."""


class Head(msgspec.Struct, frozen=True, rename="camel"):
    """What a definition says of itself before it is read as a whole."""

    resource_type: str = ""
    url: str = ""
    version: str = ""
    content: str = ""
    supplements: str = ""
    value_set: str = ""


class Definitions:
    """Definitions in memory, or read when they are asked for.

    Args:
        resources: CodeSystem, ValueSet and ConceptMap resources; others are passed over.
    """

    def __init__(self, resources: Iterable[Json] = ()) -> None:
        self._systems: dict[str, dict[str, Callable[[], CodeSystem]]] = {}
        self._sets: dict[str, dict[str, Callable[[], ValueSet]]] = {}
        self._whole: dict[str, dict[str, Head]] = {}
        self._maps: list[Callable[[], Json]] = []
        self._over: list[tuple[Head, Callable[[], Json]]] = []
        for one in resources:
            self.add(one)

    def add(self, resource: Json) -> None:
        """Take a resource; a later one of the same url and version takes its place."""
        self.put(msgspec.convert(resource, Head, strict=False), lambda: resource)

    def put(self, head: Head, load: Callable[[], Json]) -> None:
        """Take a definition that is read when it is first asked for."""
        match head.resource_type:
            case "CodeSystem" if head.content == "supplement":
                self._over.append((head, load))
            case "CodeSystem":
                self._systems.setdefault(head.url, {})[head.version] = cache(lambda: DefinedSystem(load()))
                if head.value_set:
                    self._whole.setdefault(head.value_set, {})[head.version] = head
            case "ValueSet":
                self._sets.setdefault(head.url, {})[head.version] = cache(lambda: ValueSet(load()))
            case "ConceptMap":
                self._maps.append(cache(load))

    def versions(self, url: str) -> Sequence[str]:
        """Return the versions of a code system."""
        return list(self._systems.get(url, ()))

    def code_system(self, url: str, version: str) -> CodeSystem | None:
        """Return the newest code system that satisfies a version."""
        known = self._systems.get(url, {})
        found = newest(known, version)
        return None if found is None else known[found]()

    def value_set(self, url: str, version: str) -> ValueSet | None:
        """Return the newest value set that satisfies a version, or that of all codes of a code system."""
        known = self._sets.get(url, {})
        found = newest(known, version)
        if found is not None:
            return known[found]()
        whole = self._whole.get(url, {})
        named = newest(whole, version)
        if named is None:
            return None
        head = whole[named]
        return all_codes(About(head.url, head.version, value_set=head.value_set))

    def concept_maps(self) -> Iterator[Json]:
        """Yield every concept map."""
        return (load() for load in self._maps)

    def supplements(self, url: str, version: str) -> Sequence[Json]:
        """Return the definitions that supplement a version of a code system."""
        return [load() for head, load in self._over if supplements(head.supplements, url, version)]

    def is_supplement(self, url: str) -> bool:
        """Return whether a url is that of a supplement."""
        return any(head.url == url for head, _ in self._over)

    def systems(self) -> Iterator[tuple[str, str]]:
        """Yield (url, version) of every code system."""
        for url, known in self._systems.items():
            for version in known:
                yield url, version


class Layers:
    """Several libraries as one; what an earlier one has counts before the later ones' of the same version."""

    def __init__(self, layers: Sequence[Library]) -> None:
        self._layers = layers

    def versions(self, url: str) -> Sequence[str]:
        """Return the versions of a code system in all layers."""
        return list(dict.fromkeys(version for one in self._layers for version in one.versions(url)))

    def code_system(self, url: str, version: str) -> CodeSystem | None:
        """Return the code system of the first layer that has a fitting one."""
        found = (one.code_system(url, version) for one in self._layers)
        return next((one for one in found if one is not None), None)

    def value_set(self, url: str, version: str) -> ValueSet | None:
        """Return the value set of the first layer that has a fitting one."""
        found = (one.value_set(url, version) for one in self._layers)
        return next((one for one in found if one is not None), None)

    def concept_maps(self) -> Iterator[Json]:
        """Yield every concept map, the first layer's first."""
        for one in self._layers:
            yield from one.concept_maps()

    def supplements(self, url: str, version: str) -> Sequence[Json]:
        """Return the supplements of all layers, each canonical once."""
        found: dict[tuple[str, str], Json] = {}
        for layer in self._layers:
            for one in layer.supplements(url, version):
                found.setdefault((str(one.get("url", "")), str(one.get("version", ""))), one)
        return list(found.values())

    def is_supplement(self, url: str) -> bool:
        """Return whether a url is that of a supplement."""
        return any(one.is_supplement(url) for one in self._layers)

    def systems(self) -> Iterator[tuple[str, str]]:
        """Yield (url, version) of every code system, each once."""
        yield from dict.fromkeys(found for one in self._layers for found in one.systems())


class Beneath:
    """Definitions of canonicals that another library does not define, in whatever version.

    So what is stored on a node never redefines a release, a package or a grammar, nor adds a version to one.

    Args:
        own: the definitions.
        over: the library that counts before it.
    """

    def __init__(self, own: Library, over: Library) -> None:
        self._own, self._over = own, over

    def versions(self, url: str) -> Sequence[str]:
        """Return the versions of a code system, none of one that is defined above."""
        return [] if self._over.versions(url) else self._own.versions(url)

    def code_system(self, url: str, version: str) -> CodeSystem | None:
        """Return the newest code system that satisfies a version, none that is defined above."""
        return None if self._over.versions(url) else self._own.code_system(url, version)

    def value_set(self, url: str, version: str) -> ValueSet | None:
        """Return the newest value set that satisfies a version, none that is defined above."""
        is_above = self._over.value_set(url, "") is not None
        return None if is_above else self._own.value_set(url, version)

    def concept_maps(self) -> Iterator[Json]:
        """Yield the concept maps whose url none above has."""
        above = {one.get("url") for one in self._over.concept_maps()}
        return (one for one in self._own.concept_maps() if one.get("url") not in above)

    def supplements(self, url: str, version: str) -> Sequence[Json]:
        """Return the supplements of a version of a code system, which apply where they are named."""
        above = {one.get("url") for one in self._over.supplements(url, version)}
        return [one for one in self._own.supplements(url, version) if one.get("url") not in above]

    def is_supplement(self, url: str) -> bool:
        """Return whether a url is that of a supplement."""
        return self._own.is_supplement(url)

    def systems(self) -> Iterator[tuple[str, str]]:
        """Yield (url, version) of every code system that is not defined above."""
        return (found for found in self._own.systems() if not self._over.versions(found[0]))
