"""What a summary leaves out, as data in its document and in words, so that silence never reads as "none".

Extensions of Salus: on the Composition one `NOT_SHOWN` for each resource type that no section shows, with its
number; on a section `OLDER`, how many older entries it leaves out. A reader elsewhere words them in their own
language; the narrative holds them too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from salus.primary.language import Shown, join, say, show_type

NOT_SHOWN = "urn:salus:not-shown"
OLDER = "urn:salus:older"
Element = Mapping[str, Any]  # FHIR content is open JSON, hence Any


def tell_not_shown(counts: Mapping[str, int], language: str, phrase: str = "not-shown") -> Shown:
    """Return "Not shown in this summary: 3 (visits 2, goals 1)", "" when all is shown.

    `phrase` is that for a summary, or `not-in-document`.
    """
    if not counts:
        return Shown("", True)
    named: dict[Shown, int] = {}
    for kind, number in counts.items():  # two types may have one name: a document and its description
        name = show_type(kind, language)
        named[name] = named.get(name, 0) + number
    types = join(Shown(f"{name.text} {number}", name.translated) for name, number in named.items())
    return say(phrase, language, n=str(sum(counts.values())), what=types)


def write_not_shown(counts: Mapping[str, int]) -> list[dict[str, Any]]:
    """Return the numbers by resource type as extensions of a Composition."""
    return [
        {"url": NOT_SHOWN, "extension": [
            {"url": "type", "valueCode": kind}, {"url": "count", "valueUnsignedInt": number},
        ]}
        for kind, number in counts.items()
    ]  # fmt: skip


def write_older(number: int) -> list[dict[str, Any]]:
    """Return the number of older entries as an extension of a section, [] for none."""
    return [{"url": OLDER, "valueUnsignedInt": number}] if number else []


def read_not_shown(composition: Element) -> dict[str, int]:
    """Return the numbers by resource type that a Composition tells, {} where it tells none."""
    counts: dict[str, int] = {}
    for each in composition.get("extension", ()):
        if each.get("url") != NOT_SHOWN:
            continue
        parts = {part.get("url"): part for part in each.get("extension", ())}
        kind, number = (parts.get(name, {}).get(value) for name, value in _PARTS)
        if isinstance(kind, str) and kind and isinstance(number, int):
            counts[kind] = counts.get(kind, 0) + number
    return counts


def read_older(section: Element) -> int:
    """Return how many older entries a section says it leaves out."""
    listed = [each for each in section.get("extension", ()) if each.get("url") == OLDER]
    numbers = [each.get("valueUnsignedInt") for each in listed]
    return sum(number for number in numbers if isinstance(number, int))


_PARTS = (("type", "valueCode"), ("count", "valueUnsignedInt"))
