"""Filters of a value set on the concepts of a defined code system (valueset-filter-operator)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping

from salus.standards.terminology.codesystem import CodeSystem
from salus.standards.terminology.concepts import PROPERTIES, Concept
from salus.standards.terminology.patterns import whole_match

_OF_CODE = frozenset({"concept", "code"})
_TEXTS = frozenset({"display", "definition", "designation"})
_BUILT_IN = frozenset({"parent", "child", "notSelectable", "status", "inactive", "deprecated", "abstract"})
_MISSING = "\0"

Keeps = Callable[[Concept], bool]


def select(system: CodeSystem, name: str, operator: str, value: str) -> Collection[str] | None:
    """Return the codes that a filter keeps, in order; None for a filter that is not understood."""
    if name in _OF_CODE and operator in _TREE:
        return dict.fromkeys(_TREE[operator](system, value))
    if not (name in _OF_CODE or name in _TEXTS or name in _BUILT_IN or name in system.about.properties):
        return None
    keeps = _keeps(system, name, operator, value)
    if keeps is None:
        return None
    found = ((code, system.find(code)) for code in system.codes())
    return dict.fromkeys(code for code, one in found if one is not None and keeps(one))


def below(system: CodeSystem, ancestor: str) -> Iterator[str]:
    """Yield the codes beneath one, each once, a parent before its children."""
    seen = {ancestor}
    pending = list(reversed(system.children(ancestor)))
    while pending:
        code = pending.pop()
        if code in seen:
            continue
        seen.add(code)
        yield code
        pending += reversed(system.children(code))


def _is_a(system: CodeSystem, value: str) -> Iterator[str]:
    found = system.find(value)
    if found is not None:
        yield found.code
        yield from below(system, found.code)


def _descendants(system: CodeSystem, value: str) -> Iterator[str]:
    found = system.find(value)
    return below(system, found.code) if found is not None else iter(())


def _is_not_a(system: CodeSystem, value: str) -> Iterator[str]:
    inside = set(_is_a(system, value))
    return (one for one in system.codes() if one not in inside)


def _generalizes(system: CodeSystem, value: str) -> Iterator[str]:
    level = [value] if system.find(value) is not None else []
    seen: set[str] = set()
    while level:
        concepts = [one for code in level if (one := system.find(code)) is not None]
        seen.update(one.code for one in concepts)
        level = [up for one in concepts for up in one.parents if up not in seen]
    return (one for one in system.codes() if one in seen)


def _children(system: CodeSystem, value: str) -> Iterator[str]:
    return iter(system.children(value))


def _leaves(system: CodeSystem, value: str) -> Iterator[str]:
    return (one for one in _descendants(system, value) if not system.children(one))


_TREE: Mapping[str, Callable[[CodeSystem, str], Iterator[str]]] = {
    "is-a": _is_a,
    "descendent-of": _descendants,
    "is-not-a": _is_not_a,
    "generalizes": _generalizes,
    "child-of": _children,
    "descendent-leaf": _leaves,
}


def _keeps(system: CodeSystem, name: str, operator: str, value: str) -> Keeps | None:
    read = _reader(system, name)
    wanted = frozenset(one.strip() for one in value.split(","))
    match operator:
        case "=":
            return lambda one: value in read(one)
        case "in":
            return lambda one: not wanted.isdisjoint(read(one))
        case "not-in":
            return lambda one: wanted.isdisjoint(read(one))
        case "exists":
            if value not in ("true", "false"):
                return None
            return lambda one: bool(read(one)) == (value == "true")
        case "regex":
            matches = whole_match(value)
            return None if matches is None else lambda one: any(map(matches, read(one)))
    return None


def _reader(system: CodeSystem, name: str) -> Callable[[Concept], list[str]]:
    """Return what reads the values that a filter compares."""
    if name in _OF_CODE:
        return lambda one: [one.code]
    if name == "parent":
        return lambda one: list(one.parents)
    if name == "child":
        return lambda one: list(system.children(one.code))
    if name == "display":
        return lambda one: [one.display] if one.display else []
    if name == "definition":
        return lambda one: [one.definition] if one.definition else []
    if name == "designation":
        return lambda one: [name.value for name in one.designations]
    if name == "status":
        return lambda one: [one.status] if one.status else []
    if name in ("inactive", "deprecated"):
        return lambda one: [
            "true" if (one.is_inactive if name == "inactive" else one.is_deprecated) else "false"
        ]
    if name == "notSelectable" and system.about.properties.get(name, "") in ("", PROPERTIES + name):
        return _selectable
    return lambda one: one.values(name)


def _selectable(concept: Concept) -> list[str]:
    found = [
        one
        for one in concept.properties
        if one.uri == PROPERTIES + "notSelectable" or one.code == "notSelectable"
    ]
    return [one.text() for one in found]
