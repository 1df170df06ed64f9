"""Code systems whose codes are sentences of a grammar: UCUM, language tags (BCP 47), media types (BCP 13)."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from salus.standards.fhir.validation.foreign_codes import is_media_type
from salus.standards.terminology import ucum
from salus.standards.terminology.codesystem import About, CodeSystem, ValueSet, all_codes
from salus.standards.terminology.concepts import Concept, Json

_TAG = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|\d{3}))?(-[A-Za-z0-9]{5,8})*").fullmatch
_ABOUTS = (
    About(
        ucum.URL,
        "2.2",
        "UCUM",
        "Unified Code for Units of Measure",
        value_set="http://hl7.org/fhir/ValueSet/ucum-units",
    ),
    About("urn:ietf:bcp:47", "", "BCP47", "Tags for identifying languages", is_case_sensitive=False),
    About("urn:ietf:bcp:13", "", "BCP13", "Media types", is_case_sensitive=False),
)
_TESTS: Mapping[str, Callable[[str], bool]] = {
    ucum.URL: ucum.is_unit,
    "urn:ietf:bcp:47": lambda code: _TAG(code) is not None,
    "urn:ietf:bcp:13": is_media_type,
}


class _Matching(Collection[str]):
    """Codes without end, of which each can be asked."""

    def __init__(self, test: Callable[[str], bool]) -> None:
        self._test = test

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and self._test(code)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Grammar:
    """A code system of a grammar; its codes have no names and no hierarchy, and cannot be listed."""

    def __init__(self, about: About) -> None:
        self.about = about
        self._test = _TESTS[about.url]

    def find(self, code: str) -> Concept | None:
        """Return the concept of a code: what it says itself."""
        return Concept(code, display=code) if self._test(code) else None

    def roots(self) -> Sequence[str]:
        """Return nothing: there is no list."""
        return ()

    def children(self, code: str) -> Sequence[str]:
        """Return nothing: there is no hierarchy."""
        return ()

    def codes(self) -> Iterator[str]:
        """Yield nothing: there is no list."""
        yield from ()

    def count(self) -> int | None:
        """Return None: there is no end of codes."""
        return None

    def is_below(self, code: str, ancestor: str) -> bool:
        """Return False: there is no hierarchy."""
        return False

    def select(self, name: str, operator: str, value: str) -> Collection[str] | None:
        """Return the units that measure what another does (R4 ucum.html: canonical = unit)."""
        if self.about.url == ucum.URL and (name, operator) == ("canonical", "="):
            return _Matching(lambda code: ucum.is_comparable(code, value))
        if name in ("concept", "code") and operator in ("=", "in"):
            wanted = {one.strip() for one in value.split(",")}
            return dict.fromkeys(one for one in wanted if self._test(one))
        return None

    def search(self, text: str) -> Collection[str]:
        """Return nothing: there is no list."""
        return ()


class Grammars:
    """The grammars as a library."""

    def versions(self, url: str) -> Sequence[str]:
        """Return the version of a grammar, as far as it has one."""
        return [one.version for one in _ABOUTS if one.url == url]

    def code_system(self, url: str, version: str) -> CodeSystem | None:
        """Return a grammar; those without versions satisfy any."""
        found = next((one for one in _ABOUTS if one.url == url), None)
        return None if found is None or version not in ("", found.version) else Grammar(found)

    def value_set(self, url: str, version: str) -> ValueSet | None:
        """Return the value set of all codes of a grammar."""
        found = next((one for one in _ABOUTS if one.value_set and one.value_set == url), None)
        return None if found is None else all_codes(found)

    def concept_maps(self) -> Iterator[Json]:
        """Yield nothing."""
        yield from ()

    def supplements(self, url: str, version: str) -> Sequence[Json]:
        """Return nothing."""
        return ()

    def is_supplement(self, url: str) -> bool:
        """Return False."""
        return False

    def systems(self) -> Iterator[tuple[str, str]]:
        """Yield (url, version) of every grammar."""
        return ((one.url, one.version) for one in _ABOUTS)
