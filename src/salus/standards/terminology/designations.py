"""Which of a concept's names to show, and whether a given name is one of them (tx-ecosystem, languages)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import Enum

from salus.standards.terminology.concepts import Designation
from salus.standards.terminology.languages import FULL, LANGUAGE, REGION, Wanted, agree

_SPACES = re.compile(r"\s+")
_SNOMED = "http://snomed.info/sct"
_PREFERRED = frozenset(
    {
        ("http://terminology.hl7.org/CodeSystem/hl7TermMaintInfra", "preferredForLanguage"),
        ("http://terminology.hl7.org/CodeSystem/designation-usage", "display"),
        (_SNOMED, "900000000000548007"),
    }
)


class Likeness(Enum):
    """How a given name compares with a concept's names."""

    SAME = "same"
    SPACES = "spaces"
    OTHER = "other"


def is_display(name: Designation) -> bool:
    """Return whether a name is meant to be shown for its concept."""
    if name.is_display or name.use is None:
        return True
    return (name.use.get("system"), name.use.get("code")) in _PREFERRED


def in_language(names: Sequence[Designation], wanted: Sequence[Wanted]) -> Iterator[Designation]:
    """Yield the names that fit the languages; a name without one fits all."""
    for one in names:
        if (
            not wanted
            or not one.language
            or any(lang.quality > 0 and agree(lang.tag, one.language, LANGUAGE) for lang in wanted)
        ):
            yield one


def preferred(names: Sequence[Designation], wanted: Sequence[Wanted]) -> Designation | None:
    """Return the name to show, None where none may be shown.

    By the languages in their order, each as exactly as can be; a current name before one that is not, a
    display before another name; last, a display whose language is not stated.
    """
    if not wanted:
        return _first_of_all(names)
    for lang in wanted:
        if lang.quality <= 0:
            continue
        if lang.tag == "*":
            found = _first_of_all(names)
            if found is not None:
                return found
            continue
        for only_current in (True, False):
            for depth in (FULL, REGION, LANGUAGE):
                fitting = [
                    one
                    for one in names
                    if one.language
                    and agree(lang.tag, one.language, depth)
                    and (one.is_current() or not only_current)
                ]
                if fitting:
                    return next((one for one in fitting if is_display(one)), fitting[0])
    return next((one for one in names if not one.language and is_display(one)), None)


def _first_of_all(names: Sequence[Designation]) -> Designation | None:
    for test in (
        lambda one: is_display(one) and one.is_current(),
        is_display,
        lambda one: True,
    ):
        found = next((one for one in names if test(one)), None)
        if found is not None:
            return found
    return None


def compare(
    given: str, names: Sequence[Designation], wanted: Sequence[Wanted], *, language: str = ""
) -> Likeness:
    """Return how a given name compares with the names in the languages asked for.

    Args:
        given: the name to compare.
        names: of the concept.
        wanted: the languages asked for.
        language: the code system's own, whose names are taken too; "" for none.
    """
    return compare_with(given, list(_taken(names, wanted, language)))


def _taken(names: Sequence[Designation], wanted: Sequence[Wanted], language: str) -> Iterator[Designation]:
    fitting = set(map(id, in_language(names, wanted)))
    for one in names:
        if id(one) in fitting or (language and one.language and agree(language, one.language, LANGUAGE)):
            yield one


def compare_with(given: str, names: Sequence[Designation]) -> Likeness:
    """Return how a given name compares with names, without regard to case."""
    folded = given.lower()
    if any(one.value.lower() == folded for one in names):
        return Likeness.SAME
    plain = normal(given)
    return Likeness.SPACES if any(normal(one.value) == plain for one in names) else Likeness.OTHER


def normal(text: str) -> str:
    """Return a text without case and without what differs in spaces only."""
    return _SPACES.sub(" ", text).strip().lower()


def displays(names: Sequence[Designation], wanted: Sequence[Wanted]) -> list[Designation]:
    """Return the names that would be shown in the languages."""
    return [one for one in in_language(names, wanted) if is_display(one)]
