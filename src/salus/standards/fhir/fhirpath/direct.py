"""The fast road: expressions whose types are known when compiled run on plain JSON, without nodes.

Each closure here takes the JSON value of `$this` and the environment. What it cannot decide exactly as
`compiler` would (a primitive without a value, JSON of another form than its type, a function not known here)
raises `Undecided`, and the whole expression is evaluated the general way.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.navigate import Step, steps_of
from salus.standards.fhir.model import resource_types

Item = Any  # JSON of the element that `$this` is
Read = Callable[[Item, Environment], Any]

TEXTS = frozenset(
    {"string", "code", "uri", "url", "canonical", "id", "oid", "uuid", "markdown", "base64Binary"}
)
INTEGERS = frozenset({"integer", "positiveInt", "unsignedInt"})


class Undecided(Exception):
    """The fast road ends here."""


class Direct(msgspec.Struct, frozen=True):
    """A compiled path or value.

    Args:
        types: possible types of the items; "System.X" for computed ones.
        one: reads the only item, None for no item; absent where there may be several.
        many: reads all items, values of primitives without their ids and extensions.
        exists: reads whether there is any item, a primitive without a value included.
        pairs: reads (type, value) of all items; absent where `types` has one member.
        always: the truth value that it has whatever the item is, None where that depends.
    """

    types: tuple[str, ...]
    many: Read
    one: Read | None = None
    exists: Read | None = None
    pairs: Read | None = None
    always: bool | None = None

    @property
    def type(self) -> str:
        """The only type, "" where there are several."""
        return self.types[0] if len(self.types) == 1 else ""


def listed(one: Read) -> Read:
    """Return a reader of all items from one of the only item."""

    def many(item: Item, environment: Environment) -> list[Any]:
        value = one(item, environment)
        return [] if value is None else [value]

    return many


def raise_undecided(item: Item, environment: Environment) -> Any:
    """Read nothing."""
    raise Undecided


def by_resource_type(compile_for: Callable[[str], Read]) -> Read:
    """Return a reader of entries of a Bundle that is compiled anew for each type of resource in them."""
    compiled: dict[str, Read] = {}

    def read(item: Item, environment: Environment) -> Any:
        resource = item.get("resource")
        name = resource.get("resourceType") if type(resource) is dict else ""
        holds = compiled.get(name) if type(name) is str else None
        if holds is None:
            known = name if type(name) is str and name in resource_types() else ""
            holds = compiled.get(known) or compile_for(known)
            compiled[known] = holds
        return holds(item, environment)

    return read


NOTHING = Direct(
    ("System.Nothing",),
    lambda item, environment: [],
    lambda item, environment: None,
    lambda item, environment: False,
)
"""The empty collection."""

UNDECIDED = Direct((), raise_undecided, raise_undecided, raise_undecided, raise_undecided)


def this(type_name: str) -> Direct:
    """Return the reader of `$this`."""

    def one(item: Item, environment: Environment) -> Any:
        return item

    return Direct((type_name,), lambda item, environment: [item], one, lambda item, environment: True)


def _under_one(parent: Read | None, step: Step) -> Read:
    """Read a single child of a single parent; parent None stands for `$this`."""
    key, under = step.key, step.under

    def one(item: Item, environment: Environment) -> Any:
        above = item if parent is None else parent(item, environment)
        if above is None:
            return None
        value = above.get(key)
        if type(value) is list or (value is None and under and under in above):
            raise Undecided
        return value

    return one


def _children(above: Any, key: str, under: str) -> list[Any]:  # JSON
    value = above.get(key)
    if value is None:
        if under and under in above:
            raise Undecided
        return []
    if type(value) is not list or (under and under in above and None in value):
        raise Undecided
    return value


def _list_under_one(parent: Read | None, step: Step) -> Read:
    key, under = step.key, step.under

    def many(item: Item, environment: Environment) -> list[Any]:
        above = item if parent is None else parent(item, environment)
        return [] if above is None else _children(above, key, under)

    return many


def _under_many(parents: Read, step: Step) -> Read:
    key, under, is_list = step.key, step.under, step.many

    def many(item: Item, environment: Environment) -> list[Any]:
        found: list[Any] = []
        for above in parents(item, environment):
            if is_list:
                found += _children(above, key, under)
                continue
            value = above.get(key)
            if type(value) is list:
                raise Undecided
            if value is not None:
                found.append(value)
            elif under and under in above:
                raise Undecided
        return found

    return many


def _exists_under(left: Direct, parent: Read | None, keys: tuple[str, ...]) -> Read:
    """Read whether a child exists under any of the keys."""
    if parent is not None or left.one is not None:
        if len(keys) == 1:
            only = keys[0]
            if parent is None:
                return lambda item, environment: only in item
            one_parent = parent

            def has_one(item: Item, environment: Environment) -> bool:
                above = one_parent(item, environment)
                return above is not None and only in above

            return has_one

        def has_any(item: Item, environment: Environment) -> bool:
            above = item if parent is None else parent(item, environment)
            return above is not None and any(key in above for key in keys)

        return has_any
    many = left.many

    def has_many(item: Item, environment: Environment) -> bool:
        return any(key in above for above in many(item, environment) for key in keys)

    return has_many


def follow(left: Direct, name: str, *, is_this: bool) -> Direct:
    """Return the reader of the children of a name.

    Args:
        left: reader of the parents, of one type.
        name: element name.
        is_this: the parents are `$this` itself.
    """
    if left is NOTHING:
        return NOTHING
    steps = steps_of(left.type).get(name, ()) if left.type else ()
    if not steps and left.type == "Resource":
        return _unless_absent(left)
    if not steps or (left.one is None and left.many is raise_undecided):
        return UNDECIDED
    parent = None if is_this else left.one
    keys = tuple(key for step in steps for key in (step.key, step.under) if key)
    exists = _exists_under(left, parent, keys)
    if len(steps) > 1:
        return _choice(left, steps, exists)
    return _single(left, steps[0], exists, is_this=is_this)


def _unless_absent(left: Direct) -> Direct:
    """Return the reader of children that only some types have: decided where there are no parents."""
    many = left.many

    def nothing(item: Item, environment: Environment) -> list[Any]:
        if many(item, environment):
            raise Undecided
        return []

    return Direct(("Resource",), nothing)


def values_of(item: Item, environment: Environment) -> list[Any]:
    """Return the values of all children of an element that is no primitive."""
    found: list[Any] = []
    for key, value in item.items():
        if key[0] == "_":
            if key[1:] not in item:
                raise Undecided
        elif type(value) is list:
            if None in value:
                raise Undecided
            found += value
        elif key != "resourceType":
            found.append(value)
    return found


def _single(left: Direct, step: Step, exists: Read, *, is_this: bool) -> Direct:
    if step.resource and step.type != "Resource":
        return UNDECIDED
    if left.one is None:
        return Direct((step.type,), _under_many(left.many, step), None, exists)
    parent = None if is_this else left.one
    if step.many:
        return Direct((step.type,), _list_under_one(parent, step), None, exists)
    one = _under_one(parent, step)
    return Direct((step.type,), listed(one), one, exists)


def _choice(left: Direct, steps: tuple[Step, ...], exists: Read) -> Direct:
    """A choice element: one of several keys, each with its type."""
    by_key = {step.key: step.type for step in steps}
    unders = tuple(step.under for step in steps if step.under)
    parents = left.many

    def pairs(item: Item, environment: Environment) -> list[tuple[str, Any]]:
        found = []
        for above in parents(item, environment):
            for key in above:
                if key in by_key:
                    found.append((by_key[key], above[key]))
                elif key in unders and key[1:] not in above:
                    raise Undecided
        return found

    def many(item: Item, environment: Environment) -> list[Any]:
        return [value for _, value in pairs(item, environment)]

    return Direct(tuple(step.type for step in steps), many, None, exists, pairs)


def cast_choice(left: Direct, name: str, names: tuple[str, ...], *, is_this: bool) -> Direct:
    """Return the reader of a choice element as one of its types: a single key."""
    if left is NOTHING:
        return NOTHING
    steps = steps_of(left.type).get(name, ()) if left.type else ()
    wanted = [step for step in steps if step.type in names]
    if len(wanted) != 1 or not steps:
        return UNDECIDED
    parent = None if is_this else left.one
    keys = tuple(key for key in (wanted[0].key, wanted[0].under) if key)
    return _single(left, wanted[0], _exists_under(left, parent, keys), is_this=is_this)
