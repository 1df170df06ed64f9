"""Filters of a value set on the concepts of a complete code system (R4, ValueSet.compose.include.filter)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from salus.standards.fhir.packages.definitions import Json
from salus.standards.terminology.patterns import whole_match


def keeps(row: Json, concepts: Sequence[Json]) -> frozenset[str] | None:
    """Return the codes that a filter keeps, None for a filter that cannot be answered here.

    Args:
        row: property, op and value.
        concepts: code, parents and properties of every concept of the system.
    """
    name, operator, value = str(row.get("property")), str(row.get("op")), str(row.get("value"))
    by_tree = _BY_TREE.get(operator)
    if by_tree is not None:
        return by_tree(_below(concepts, value), value, concepts)
    if operator == "regex":
        return _matching(name, value, concepts)
    test = _TESTS.get(operator)
    if test is None:
        return None
    wanted = frozenset(one.strip() for one in value.split(",")) if "in" in operator else frozenset({value})
    return frozenset(one["code"] for one in concepts if test(_values(one, name), wanted))


def _below(concepts: Sequence[Json], ancestor: str) -> frozenset[str]:
    """Return a code and all beneath it."""
    children: dict[str, list[str]] = {}
    for concept in concepts:
        for parent in concept.get("parents", ()):
            children.setdefault(parent, []).append(concept["code"])
    found = {ancestor}
    level = [ancestor]
    while level:
        level = [code for one in level for code in children.get(one, ()) if code not in found]
        found.update(level)
    return frozenset(found)


def _matching(name: str, pattern: str, concepts: Sequence[Json]) -> frozenset[str] | None:
    matches = whole_match(pattern)
    if matches is None:
        return None
    return frozenset(one["code"] for one in concepts if any(map(matches, _values(one, name))))


def _values(concept: Json, name: str) -> list[str]:
    if name in ("code", "concept"):
        return [concept["code"]]
    if name == "parent":
        return list(concept.get("parents", ()))
    return [_text(one) for one in concept.get("properties", {}).get(name, ())]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


_Tree = Callable[[frozenset[str], str, Sequence[Json]], frozenset[str]]
_BY_TREE: Mapping[str, _Tree] = {
    "is-a": lambda below, value, concepts: below,
    "descendent-of": lambda below, value, concepts: below - {value},
    "is-not-a": lambda below, value, concepts: frozenset(one["code"] for one in concepts) - below,
}
_TESTS: Mapping[str, Callable[[list[str], frozenset[str]], bool]] = {
    "=": lambda values, wanted: not wanted.isdisjoint(values),
    "in": lambda values, wanted: not wanted.isdisjoint(values),
    "not-in": lambda values, wanted: wanted.isdisjoint(values),
    "exists": lambda values, wanted: bool(values) == ("true" in wanted),
}
