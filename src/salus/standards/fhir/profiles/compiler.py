"""Rules to closures: one for an item, one for the occurrences of a child."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from salus.standards.fhir.profiles.coded import binding_checks
from salus.standards.fhir.profiles.facts import Discriminator, Rules, Slicing, asking_slices
from salus.standards.fhir.profiles.items import Item, Reader, has_one_type, keys_of, reader
from salus.standards.fhir.profiles.matching import discriminate
from salus.standards.fhir.profiles.paths import FindProfile
from salus.standards.fhir.profiles.rules import invariant_checks
from salus.standards.fhir.profiles.run import Check, Checks, Run
from salus.standards.fhir.profiles.shapes import number_of
from salus.standards.fhir.profiles.slicing import Divide, Slice, divide
from salus.standards.fhir.profiles.targets import type_checks
from salus.standards.fhir.profiles.values import value_checks
from salus.standards.fhir.validation.issue import Where

ChildCheck = Callable[[object, Where, Run], None]

_BY_URL = Slicing((Discriminator("value", "url"),))
_BY_TYPE = Slicing((Discriminator("type", "$this"),))


PLANS_MAX = 500
"""Most shapes of objects for which one element remembers which children to look at."""


class Child(msgspec.Struct, frozen=True):
    """The check of a child's occurrences.

    Args:
        keys: JSON keys of the child.
        is_wanted: whether its absence is a fault.
    """

    check: ChildCheck
    keys: frozenset[str]
    is_wanted: bool

    def concerns(self, shape: tuple[str, ...]) -> bool:
        """Return whether there is anything to check in an object with these keys."""
        return self.is_wanted or not self.keys.isdisjoint(shape)


class Compiler:
    """Compiles the rules of one profile.

    Args:
        profile: its short name, for messages.
        book: where other profiles' checks are.
        find: where other profiles' facts are.
    """

    def __init__(self, profile: str, book: Checks, find: FindProfile) -> None:
        self._profile = profile
        self._book = book
        self._find = find

    def item(self, rules: Rules, *, is_told: bool = False) -> Check | None:
        """Return the check of an item, None where there is nothing to check; `is_told`: see `type_checks`."""
        checks = type_checks(rules.types, self._profile, self._book, is_told=is_told)
        checks += value_checks(rules, self._profile)
        checks += binding_checks(rules.binding, self._profile)
        if rules.children:
            checks.append(self._children(rules))
        checks += invariant_checks(rules.invariants, self._profile)
        return in_turn(checks) if checks else None

    def _children(self, rules: Rules) -> Check:
        children: dict[str, Sequence[Child]] = {}
        plans: dict[tuple[str, int], Sequence[ChildCheck]] = {}

        def plan_for(kind: str, node: Any, shape: int) -> Sequence[ChildCheck]:
            if kind not in children:
                children[kind] = self._of_type(rules, kind)
            keys = tuple(node) if type(node) is dict else ()
            if len(plans) >= PLANS_MAX:
                plans.clear()
            plan = plans[kind, shape] = tuple(one.check for one in children[kind] if one.concerns(keys))
            return plan

        def check(item: Item, run: Run) -> None:
            value, sibling, kind, where = item
            node = value if type(value) is dict else sibling
            shape = run.shapes.get(id(node))
            if shape is None:
                shape = run.shapes[id(node)] = number_of(node)
            plan = plans.get((kind, shape))
            if plan is None:
                plan = plan_for(kind, node, shape)
            for one in plan:
                one(node, where, run)

        return check

    def _of_type(self, rules: Rules, type_name: str) -> Sequence[Child]:
        """Return the checks of the children, those first that tell one profile from another."""
        rows = sorted(rules.children.items(), key=lambda row: _telling(row[1]))
        found = (self._child(type_name, name, below) for name, below in rows)
        return tuple(one for one in found if one is not None)

    def _child(self, type_name: str, name: str, rules: Rules) -> Child | None:
        """Return the check of all occurrences of a child, None where there is nothing to check."""
        check = self.item(rules, is_told=has_one_type(type_name, name))
        parts = self._slices(name, rules)
        if check is None and parts is None and rules.min == 0 and rules.max is None:
            return None
        keys = keys_of(type_name, name)
        is_wanted = rules.min > 0 or any(one.min > 0 for one in rules.slices.values())
        return Child(
            _occurrences(reader(type_name, name), name, rules, check, parts, self._profile), keys, is_wanted
        )

    def _slices(self, name: str, rules: Rules) -> Divide | None:
        slicing = rules.slicing
        asking = asking_slices(name, rules)
        if not asking and (slicing is None or slicing.rules != "closed"):
            return None
        if slicing is None or not slicing.discriminators:
            slicing = _BY_URL if name in ("extension", "modifierExtension") else slicing
            if slicing is None and all(one.types for one in rules.slices.values()):
                slicing = _BY_TYPE
        discriminators = slicing.discriminators if slicing is not None else ()
        slices = [self._slice(name, cut, one, discriminators) for cut, one in asking.items()]
        return divide([one for one in slices if one is not None], rules, name, self._profile)

    def _slice(
        self, name: str, cut: str, rules: Rules, discriminators: tuple[Discriminator, ...]
    ) -> Slice | None:
        if not discriminators:
            return None
        match = discriminate(discriminators, rules, self._find, is_required=rules.min > 0)
        return Slice(
            name=cut,
            min=rules.min,
            max=rules.max,
            match=match,
            check=self.item(rules),
            divide=self._slices(name, rules),
        )


def _telling(rules: Rules, depth: int = 0) -> int:
    """Return 0 for rules that fix a value, 1 for required bindings, 2 for either below, 3 for others."""
    if rules.fixed or rules.pattern:
        return 0
    if rules.binding is not None and rules.binding.strength == "required":
        return 1
    below = (*rules.children.values(), *rules.slices.values()) if depth < 3 else ()
    return 2 if any(_telling(one, depth + 1) < 3 for one in below) else 3


def in_turn(checks: Sequence[Check]) -> Check:
    """Return the check that runs several."""
    if len(checks) == 1:
        return checks[0]
    if len(checks) == 2:
        first, second = checks

        def both(item: Item, run: Run) -> None:
            first(item, run)
            second(item, run)

        return both
    kept = tuple(checks)

    def all_(item: Item, run: Run) -> None:
        for check in kept:
            check(item, run)

    return all_


def _occurrences(
    read: Reader, name: str, rules: Rules, check: Check | None, parts: Divide | None, profile: str
) -> ChildCheck:
    least, most = rules.min, rules.max
    if check is not None and parts is None and least == 0 and most is None:
        look = check

        def each(node: object, where: Where, run: Run) -> None:
            for item in read(node, where):
                look(item, run)

        return each

    def child(node: object, where: Where, run: Run) -> None:
        items = read(node, where)
        if len(items) < least:
            _too_few(len(items), least, (where, name, None), profile, run)
        if most is not None and len(items) > most:
            _too_many(items, most, name, profile, run)
        if check is not None:
            for item in items:
                check(item, run)
        if parts is not None:
            parts(items, where, run)

    return child


def _too_few(count: int, least: int, where: Where, profile: str, run: Run) -> None:
    said = f"at least {least} of {where[1]}, {count} were found" if count else where[1]
    run.add("error", "required", "profile-min", where, f"{profile} requires {said}; add it.")


def _too_many(items: list[Item], most: int, name: str, profile: str, run: Run) -> None:
    said = f"at most {most} of {name}, {len(items)} were found" if most else f"no {name}"
    run.add("error", "structure", "profile-max", items[most][3], f"{profile} allows {said}; remove it.")
