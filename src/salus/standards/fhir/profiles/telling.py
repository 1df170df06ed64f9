"""What tells at once that a resource does not follow a profile: its code, or a category that it must have.

Only codes that the profile requires outright are looked at, so that a resource with others surely fails.
Whether one with these follows the profile is left to the whole check.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from salus.standards.fhir.profiles.facts import NOTHING, Rules
from salus.standards.fhir.profiles.terminology import Terminology

Pairs = frozenset[tuple[str, str]]
"""Codes as (system, code)."""

Telling = tuple[tuple[str, Pairs], ...]
"""Elements, each with the codes of which it must hold one."""

_CODED = ("code", "category")


def telling(rules: Rules, terminology: Terminology) -> Telling:
    """Return which codes a profile requires of its resources."""
    return tuple(
        (name, pairs)
        for name in _CODED
        for pairs in _required(rules.children.get(name, NOTHING), terminology, is_code=name == "code")
    )


def _required(rules: Rules, terminology: Terminology, *, is_code: bool) -> Iterator[Pairs]:
    if rules.pattern:
        told = frozenset(codings(rules.pattern[0]))
        if len(told) == 1:
            yield told
    elif is_code and rules.binding is not None and rules.binding.strength == "required":
        listed = terminology.listed(rules.binding.value_set)
        if listed is not None:
            yield listed
    for one in rules.slices.values():
        told = _of_slice(one)
        if one.min > 0 and len(told) == 1:
            yield told


def _of_slice(rules: Rules) -> Pairs:
    """Return the one code of a slice of concepts, written as a pattern or as fixed parts of its coding."""
    if rules.pattern:
        return frozenset(codings(rules.pattern[0]))
    coding = rules.children.get("coding", NOTHING)
    parts = [coding.children.get(name, NOTHING).fixed for name in ("system", "code")]
    if coding.min > 0 and all(parts):
        return frozenset({(str(parts[0][0]), str(parts[1][0]))})
    return frozenset()


def pairs_in(resource: dict[str, Any], element: str) -> Pairs:  # Any: FHIR JSON
    """Return the codes that an element of a resource holds."""
    value = resource.get(element)
    concepts = value if type(value) is list else (value,)
    return frozenset(pair for one in concepts for pair in codings(one))


def codings(concept: Any) -> Iterator[tuple[str, str]]:  # Any: JSON of a CodeableConcept or Coding
    """Yield (system, code) of what has both."""
    if type(concept) is not dict:
        return
    rows = concept.get("coding", [concept])
    for row in rows if type(rows) is list else ():
        system, code = (row.get("system"), row.get("code")) if type(row) is dict else (None, None)
        if type(system) is str and type(code) is str:
            yield system, code
