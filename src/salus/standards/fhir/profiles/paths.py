"""Discriminator paths (R4, profiling.html#discriminator): what they select in an item, and where rules for
it lie.

The restricted FHIRPath of discriminators: names, resolve(), ofType(X), as(X) and extension('url').
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

from salus.standards.fhir.model import properties
from salus.standards.fhir.profiles.facts import NOTHING, Profile, Rules
from salus.standards.fhir.profiles.items import Item, inside, reader
from salus.standards.fhir.profiles.run import Run

_STEP = re.compile(r"([A-Za-z$]+\[x\]|[A-Za-z$][A-Za-z0-9]*)(?:\((?:'([^']*)'|([A-Za-z.]*))\))?(?:\.|$)")

_NOT_NAMES = ("resolve", "ofType", "as", "resource", "contained")

Step = tuple[str, str]
Select = Callable[[Item, Run], list[Item]]
FindProfile = Callable[[str], Profile | None]


@cache
def steps_of(path: str) -> tuple[Step, ...] | None:
    """Return the steps of a path, (name, argument); None for a path that cannot be read."""
    found: list[Step] = []
    position = 0
    while position < len(path):
        match = _STEP.match(path, position)
        if match is None:
            return None
        found.append((match[1], match[2] or match[3] or ""))
        position = match.end()
    return tuple(step for step in found if step[0] != "$this")


def select(steps: tuple[Step, ...], item: Item, run: Run) -> list[Item]:
    """Return the items that a path selects below an item."""
    items = [item]
    for name, argument in steps:
        items = [found for one in items for found in _step(one, name, argument, run)]
    return items


def _step(item: Item, name: str, argument: str, run: Run) -> Iterator[Item]:
    if name == "resolve":
        value = item[0]
        text = value.get("reference") if type(value) is dict else value
        target = run.resolve(text) if type(text) is str else None
        if target is not None:
            yield target
    elif name in ("ofType", "as"):
        if item[2] == argument:
            yield item
    elif name == "extension" and argument:
        for found in reader("Element", "extension")(inside(item), item[3]):
            if found[0].get("url") == argument:
                yield found
    else:
        yield from reader(item[2], name.removesuffix("[x]"))(inside(item), item[3])


Values = Callable[[Any], list[Any]]  # Any: JSON values


@cache
def values_below(type_name: str, names: tuple[str, ...]) -> Values:
    """Return what reads the values at a path of names from the JSON of an object of a type.

    Values of primitives that are not there (but have an id or extension) are left out.
    """
    name, *rest = names
    below = tuple(
        (key, values_below(prop.type.code, tuple(rest)) if rest else None)
        for key, prop in properties(type_name).items()
        if prop.element.name == name
    )

    def read(node: Any) -> list[Any]:  # Any: JSON values
        found: list[Any] = []
        if type(node) is not dict:
            return found
        for key, inner in below:
            value = node.get(key)
            if value is None:
                continue
            values = value if type(value) is list else [value]
            if inner is None:
                found += values
            else:
                for one in values:
                    found += inner(one)
        return found

    return read


def names_of(steps: tuple[Step, ...]) -> tuple[str, ...] | None:
    """Return the names of a path of names alone, None for one that casts, resolves or enters a resource."""
    if not steps or any(argument or name in _NOT_NAMES for name, argument in steps):
        return None
    return tuple(name.removesuffix("[x]") for name, _ in steps)


def rules_at(rules: Rules, steps: tuple[Step, ...], find: FindProfile) -> list[Rules]:
    """Return the rules that stand at a path: the slice's own, and those of the profiles that its types
    name.
    """
    level = [rules, *_profiled(rules, find)]
    for name, argument in steps:
        level = [found for one in level for found in _below(one, name, argument)]
        level += [found for one in level for found in _profiled(one, find)]
    return level


def _below(rules: Rules, name: str, argument: str) -> Iterator[Rules]:
    if name in ("resolve", "ofType", "as"):
        yield rules
        return
    below = rules.children.get(name.removesuffix("[x]"))
    if below is None:
        return
    if name == "extension" and argument:
        for one in below.slices.values():
            if any(argument in kind.profiles for kind in one.types) or _url_of(one) == argument:
                yield one
        return
    yield below
    is_extension = name in ("extension", "modifierExtension")
    yield from (one for one in below.slices.values() if one.min > 0 or (one.types and not is_extension))


def _url_of(rules: Rules) -> str:
    fixed = rules.children.get("url", NOTHING).fixed
    return str(fixed[0]) if fixed else ""


def _profiled(rules: Rules, find: FindProfile) -> Iterator[Rules]:
    """Yield the rules of the profile of an element's type, or of a reference's target."""
    for kind in rules.types:
        for canonical in (*kind.profiles, *kind.targets):
            profile = find(canonical)
            if profile is not None:
                yield profile.rules


def is_choice(type_name: str, child: str) -> bool:
    """Return whether a child may have several types."""
    return any(prop.element.choice for prop in properties(type_name).values() if prop.element.name == child)


def texts(items: list[Item]) -> list[Any]:
    """Return the values of items."""
    return [item[0] for item in items]
