"""What concepts are called, by the code systems at hand (R4, Coding.display).

A display is compared with the names that any version at hand gives, in any language, without regard to case
and spacing. Of a language that a definition does not have nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import msgspec

from salus.standards.fhir.packages.definitions import Json

SYSTEMS_MAX = 500
"""Most code systems of which the names are kept at hand."""

ACCEPTED_MAX = 20_000
"""Most displays that are remembered as right, or as those of which nothing is known."""

SHOWN_MAX = 3
"""Most names that a message lists."""


class Named(msgspec.Struct, frozen=True, gc=False):
    """What one concept is called; thousands are kept, and hold nothing that the garbage collector looks for.

    Args:
        shown: names as they are written, the first one first.
        folded: the same without case and spacing.
        languages: in which there are names; "en" stands for those that name no language.
    """

    shown: tuple[str, ...]
    folded: tuple[str, ...]
    languages: tuple[str, ...]


def fold(name: str) -> str:
    """Return a name without case and spacing."""
    return " ".join(name.casefold().split())


class Names:
    """Names by system and code, read system by system.

    Args:
        editions: facts of every version of a code system.
    """

    def __init__(self, editions: Callable[[str], Iterable[Json]]) -> None:
        self._editions = editions
        self._systems: dict[str, dict[str, Named]] = {}
        self._accepted: set[tuple[str, str, str]] = set()

    def wrong(self, system: str, code: str, display: str) -> Named | None:
        """Return what a concept is called where that is something else than a display, else None."""
        key = system, code, display
        if key in self._accepted:
            return None
        named = self.find(system, code)
        if named is not None and fold(display) not in named.folded:
            return named
        if len(self._accepted) >= ACCEPTED_MAX:
            self._accepted.clear()
        self._accepted.add(key)
        return None

    def find(self, system: str, code: str) -> Named | None:
        """Return what a concept is called, None where no definition at hand says it."""
        known = self._systems.get(system)
        if known is None:
            editions = list(self._editions(system))
            if not editions:
                return None  # and nothing to remember: what strangers name is without end
            if len(self._systems) >= SYSTEMS_MAX:
                self._systems.clear()
            known = self._systems[system] = _read(editions)
        return known.get(code)


def _read(editions: Iterable[Json]) -> dict[str, Named]:
    found: dict[str, list[tuple[str, str]]] = {}
    for one in editions:
        language = str(one.get("language", "en"))
        for concept in one.get("concepts", ()):
            found.setdefault(concept["code"], []).extend(_of(concept, language))
    return {code: _named(rows) for code, rows in found.items() if rows}


def _of(concept: Json, language: str) -> Iterator[tuple[str, str]]:
    if "display" in concept:
        yield language, concept["display"]
    for own, name in concept.get("names", ()):
        yield own or language, name


def _named(rows: list[tuple[str, str]]) -> Named:
    shown = tuple(dict.fromkeys(name for _, name in rows))
    languages = tuple(dict.fromkeys(language.partition("-")[0].lower() for language, _ in rows))
    return Named(shown, tuple(map(fold, shown)), languages)
