"""Which elements that a profile wants supported does a resource have, and which not (R4,
profiling.html#mustsupport)?

A report, not a verdict: an element that must be supported may be absent where there is nothing to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from salus.standards.fhir.profiles.book import Book
from salus.standards.fhir.profiles.facts import Rules
from salus.standards.fhir.profiles.items import Item, inside, kind_of, reader
from salus.standards.fhir.profiles.surroundings import Surroundings
from salus.standards.fhir.profiles.validator import claims

DEPTH_MAX = 20


class Support(msgspec.Struct, frozen=True):
    """A resource against one profile.

    Args:
        place: expression of the resource.
        present, absent: paths of elements that must be supported, as the profile has them.
    """

    place: str
    profile: str
    present: tuple[str, ...]
    absent: tuple[str, ...]


def support_of(resource: dict[str, Any], place: str, canonical: str, book: Book) -> Support | None:
    """Return what is there of what a profile wants supported; None where the profile is not at hand."""
    profile = book.find(canonical)
    if profile is None:
        return None
    found: dict[str, bool] = {}
    item: Item = (resource, None, kind_of(resource), (None, place, None))
    for path, is_there in _walk(profile.rules, [item], profile.type, 0):
        found[path] = found.get(path, False) or is_there
    return Support(
        place=place,
        profile=canonical,
        present=tuple(path for path, is_there in found.items() if is_there),
        absent=tuple(path for path, is_there in found.items() if not is_there),
    )


def _walk(rules: Rules, items: list[Item], path: str, depth: int) -> Iterator[tuple[str, bool]]:
    """Yield each path that must be supported below items, and whether any of them has it."""
    if depth > DEPTH_MAX:
        return
    for name, below in rules.children.items():
        inner = [found for one in items for found in reader(one[2], name)(inside(one), one[3])]
        if below.must_support:
            yield f"{path}.{name}", bool(inner)
        if inner or not items:
            yield from _walk(below, inner, f"{path}.{name}", depth + 1)


def supports(resource: dict[str, Any], book: Book, profiles: tuple[str, ...]) -> Iterator[Support]:
    """Yield the report of a resource and of those in it, each by what it claims, the first by `profiles`
    too.
    """
    around = Surroundings(resource, (None, kind_of(resource), None))
    for one, place in around.placed():
        wanted = (*profiles, *claims(one)) if one is resource else tuple(claims(one))
        for canonical in dict.fromkeys(wanted):
            found = support_of(one, place, canonical, book)
            if found is not None and (found.present or found.absent):
                yield found
