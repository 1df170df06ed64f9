"""Does an item belong to a slice? Discriminators as predicates (R4, profiling.html#discriminator)."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from salus.standards.fhir.model import ancestors
from salus.standards.fhir.profiles.coded import membership
from salus.standards.fhir.profiles.facts import BindingRule, Discriminator, Rules
from salus.standards.fhir.profiles.items import Item, inside, kind_of
from salus.standards.fhir.profiles.paths import (
    FindProfile,
    Step,
    names_of,
    rules_at,
    select,
    steps_of,
    values_below,
)
from salus.standards.fhir.profiles.run import Run
from salus.standards.fhir.profiles.telling import codings
from salus.standards.fhir.profiles.values import Test, describe, equals, fits, fitting

Belongs = Callable[[Item, Run], bool]
Target = Callable[[Item, Run], Item | None]
Near = tuple[Belongs, Callable[[Item, Run], None]]


class Match(msgspec.Struct, frozen=True):
    """Which items belong to a slice.

    Args:
        belongs: the predicate.
        shown: words for what it looks at ("code 'system|code'").
        kinds: the types of which an item that belongs can be, at `steps`; empty where that is not told.
        steps: path to what has one of those types.
        rest: the predicate for items of such a type; None where the type alone decides.
        names: profiles of which what is at `steps` follows one, where that and the type alone decide.
        near: of items that a profile alone keeps out: their predicate, and what is wrong with one.
        codes: (child, system, code) of the codes that it looks for, child "" for the item itself.
        is_by_code: whether one such code alone decides.
    """

    belongs: Belongs
    shown: str
    kinds: frozenset[str] = frozenset()
    steps: tuple[Step, ...] | None = None
    rest: Belongs | None = None
    names: tuple[str, ...] = ()
    near: Near | None = None
    codes: tuple[tuple[str, str, str], ...] = ()
    is_by_code: bool = False


def discriminate(
    discriminators: tuple[Discriminator, ...], rules: Rules, find: FindProfile, *, is_required: bool
) -> Match:
    """Return which items belong to a slice."""
    cheap: list[Belongs] = []
    dear: list[Belongs] = []
    rest: list[Belongs] = []
    shown: list[str] = []
    kinds: frozenset[str] = frozenset()
    at: tuple[Step, ...] | None = None
    for one in discriminators:
        steps = steps_of(one.path)
        if steps is None:
            continue
        test, words = _MAKERS[one.type](steps, rules, find)
        told = (
            _kinds_at(steps, rules, find) if one.type in ("type", "profile") and at is None else frozenset()
        )
        if told:
            at, kinds = steps, told
        if test is not None:
            (dear if one.type == "profile" else cheap).append(test)
            if not (told and one.type == "type"):
                rest.append(test)
        if words:
            shown.append(f"{one.path} {words}" if steps else words)
    names = _profiles_at(at, rules, find) if at is not None and dear == rest else []
    return Match(
        belongs=_all([*cheap, *dear]),
        shown="; ".join(shown),
        kinds=kinds,
        steps=at,
        rest=_all(rest) if rest else None,
        names=tuple(names) if len(dear) == 1 else (),
        near=_near(discriminators, rules, find) if is_required else None,
        codes=tuple(_codes(discriminators, rules, find)),
        is_by_code=_is_by_code(discriminators, rules, find),
    )


def _codes(
    discriminators: tuple[Discriminator, ...], rules: Rules, find: FindProfile
) -> Iterator[tuple[str, str, str]]:
    """Yield the codes that a slice looks for, where one discriminator looks at one element."""
    steps = steps_of(discriminators[0].path) if len(discriminators) == 1 else None
    if steps is None or len(steps) > 1 or discriminators[0].type not in ("value", "pattern"):
        return
    child = steps[0][0] if steps else ""
    for place in rules_at(rules, steps, find):
        for wanted in (*place.fixed, *place.pattern):
            yield from ((child, system, code) for system, code in codings(wanted))


def _is_by_code(discriminators: tuple[Discriminator, ...], rules: Rules, find: FindProfile) -> bool:
    """Return whether a slice looks for one coding with system and code, and for nothing else."""
    if len(discriminators) != 1 or discriminators[0].type not in ("value", "pattern"):
        return False
    steps = steps_of(discriminators[0].path)
    places = rules_at(rules, steps, find) if steps is not None and len(steps) < 2 else []
    stated = [place for place in places if place.fixed or place.pattern]
    if not stated or stated[0].fixed:
        return False
    pattern = stated[0].pattern[0]
    rows = pattern.get("coding") if type(pattern) is dict and set(pattern) == {"coding"} else None
    return type(rows) is list and len(rows) == 1 and set(rows[0]) == {"system", "code"}


def target_reader(steps: tuple[Step, ...] | None) -> Target | None:
    """Return what reads the one thing at a path, for the paths that Bundles and lists are sliced by."""
    if steps == ():
        return lambda item, run: item
    if steps == (("resource", ""),):
        return _resource_of
    if steps == (("resolve", ""),):
        return _target_of
    return None


def _resource_of(entry: Item, run: Run) -> Item | None:
    value = entry[0]
    resource = value.get("resource") if type(value) is dict else None
    if type(resource) is not dict:
        return None
    return resource, None, kind_of(resource), (entry[3], "resource", None)


def _target_of(item: Item, run: Run) -> Item | None:
    value = item[0]
    text = value.get("reference") if type(value) is dict else None
    return run.resolve(text) if type(text) is str else None


def _near(discriminators: tuple[Discriminator, ...], rules: Rules, find: FindProfile) -> Near | None:
    """Return what tells of items that a profile alone keeps from a slice; None without such a
    discriminator.
    """
    wanted = [one for one in discriminators if one.type == "profile"]
    steps = steps_of(wanted[0].path) if len(wanted) == 1 else None
    if steps is None:
        return None
    cheap = [
        test
        for one in discriminators
        if one.type != "profile" and (path := steps_of(one.path)) is not None
        if (test := _MAKERS[one.type](path, rules, find)[0]) is not None
    ]
    by_type, _ = _by_type(steps, rules, find)
    profiles = _profiles_at(steps, rules, find)
    if by_type is None or len(profiles) != 1:
        return None

    def follow(item: Item, run: Run) -> None:
        for found in select(steps, item, run):
            run.follow(found, profiles[0])

    return _all([*cheap, by_type]), follow


def _all(tests: list[Belongs]) -> Belongs:
    """Return the predicate of all, cheap ones first."""
    if len(tests) == 1:
        return tests[0]
    kept = tuple(tests)

    def belongs(item: Item, run: Run) -> bool:
        return all(test(item, run) for test in kept)

    return belongs


Made = tuple[Belongs | None, str]


def _by_value(steps: tuple[Step, ...], rules: Rules, find: FindProfile) -> Made:
    if steps == (("url", ""),):
        urls = [
            name.partition("|")[0]
            for kind in rules.types
            if kind.code == "Extension"
            for name in kind.profiles
        ]
        if urls:
            return _by_url(urls[0]), ""
    places = rules_at(rules, steps, find)
    for place in places:
        if place.fixed:
            return _holds(steps, _equal_to(place.fixed[0])), describe(place.fixed[0])
        if place.pattern:
            return _holds(steps, fitting(place.pattern[0])), describe(place.pattern[0])
    for place in places:
        nested = _nested(place)
        if nested:
            return _holds_nested(steps, nested), ", ".join(
                f"{'.'.join(name for name, _ in one)} {describe(wanted)}" for one, wanted, _ in nested
            )
    bound = next(
        (place.binding for place in places if place.binding and place.binding.strength == "required"), None
    )
    if bound is not None:
        return _in_value_set(steps, bound), f"in {bound.value_set}"
    return _by_exists(steps, rules, find)


def _by_url(url: str) -> Belongs:
    def test(item: Item, run: Run) -> bool:
        value = item[0]
        return type(value) is dict and value.get("url") == url

    return test


def _equal_to(wanted: object) -> Test:
    if type(wanted) is str:
        return wanted.__eq__
    return lambda value: equals(wanted, value)


def _holds(steps: tuple[Step, ...], holds: Test) -> Belongs:
    if not steps:
        return lambda item, run: holds(item[0]) is True
    names = names_of(steps)
    if names is not None:
        path = names

        def test_values(item: Item, run: Run) -> bool:
            return any(holds(value) is True for value in values_below(item[2], path)(inside(item)))

        return test_values

    def test(item: Item, run: Run) -> bool:
        return any(holds(found[0]) is True for found in select(steps, item, run))

    return test


Nested = list[tuple[tuple[Step, ...], object, Callable[[object, object], bool]]]


def _nested(rules: Rules, above: tuple[Step, ...] = (), depth: int = 0) -> Nested:
    """Return the fixed values and patterns inside an element that has none itself ("coding.code")."""
    found: Nested = []
    for name, below in rules.children.items():
        path = (*above, (name, ""))
        if below.fixed:
            found.append((path, below.fixed[0], equals))
        elif below.pattern:
            found.append((path, below.pattern[0], fits))
        elif depth < 4:
            found += _nested(below, path, depth + 1)
        if name != "extension":
            for one in below.slices.values():
                if one.min > 0 and (one.pattern or one.fixed):
                    found.append((path, (one.pattern or one.fixed)[0], fits))
                elif one.min > 0 and depth < 4:
                    found += _nested(one, path, depth + 1)
    return found


def _holds_nested(steps: tuple[Step, ...], nested: Nested) -> Belongs:
    rows = [(tuple(name for name, _ in path), wanted, compare) for path, wanted, compare in nested]

    def test(item: Item, run: Run) -> bool:
        return any(
            all(
                any(compare(wanted, value) for value in values_below(place[2], names)(inside(place)))
                for names, wanted, compare in rows
            )
            for place in select(steps, item, run)
        )

    return test


def _in_value_set(steps: tuple[Step, ...], bound: BindingRule) -> Belongs:
    def test(item: Item, run: Run) -> bool:
        return any(membership(bound.value_set, found, run)[0] is True for found in select(steps, item, run))

    return test


def _by_exists(steps: tuple[Step, ...], rules: Rules, find: FindProfile) -> Made:
    for place in rules_at(rules, steps, find):
        if place.max == 0:
            return (lambda item, run: not select(steps, item, run)), "absent"
        if place.min > 0:
            return (lambda item, run: bool(select(steps, item, run))), "present"
    return None, ""


def _by_type(steps: tuple[Step, ...], rules: Rules, find: FindProfile) -> Made:
    kinds = _kinds_at(steps, rules, find)
    if not kinds:
        return None, ""
    read = target_reader(steps)
    if read is not None:
        read_one = read

        def test_one(item: Item, run: Run) -> bool:
            found = read_one(item, run)
            kind = found[2] if found is not None else ""
            return kind in kinds or not kinds.isdisjoint(ancestors(kind))

        return test_one, f"of type {', '.join(sorted(kinds))}"

    def test(item: Item, run: Run) -> bool:
        found = select(steps, item, run)
        return any(one[2] in kinds or not kinds.isdisjoint(ancestors(one[2])) for one in found)

    return test, f"of type {', '.join(sorted(kinds))}"


def _kinds_at(steps: tuple[Step, ...], rules: Rules, find: FindProfile) -> frozenset[str]:
    """Return the types that what is at a path may have, by a slice's rules; empty where they say nothing."""
    resolves = bool(steps) and steps[-1][0] == "resolve"
    kinds: set[str] = set()
    for place in rules_at(rules, steps, find)[:1]:
        for rule in place.types:
            kinds.update(_target_types(rule.targets, find) if resolves else {rule.code})
    return frozenset(kinds)


def _target_types(targets: tuple[str, ...], find: FindProfile) -> set[str]:
    found = set()
    for target in targets:
        profile = find(target)
        found.add(profile.type if profile is not None else target.rpartition("/")[2].partition("|")[0])
    return found


def _profiles_at(steps: tuple[Step, ...], rules: Rules, find: FindProfile) -> list[str]:
    """Return the profiles of what a path selects: of the type, or of a reference's target."""
    resolves = bool(steps) and steps[-1][0] == "resolve"
    return [
        name
        for place in rules_at(rules, steps, find)[:1]
        for rule in place.types
        for name in (rule.targets if resolves else rule.profiles)
    ]


def _by_profile(steps: tuple[Step, ...], rules: Rules, find: FindProfile) -> Made:
    wanted = _profiles_at(steps, rules, find)
    if not wanted:
        return _by_type(steps, rules, find)

    shown = f"following {', '.join(wanted)}"
    read = target_reader(steps)
    if read is not None:
        read_one = read

        def test_one(item: Item, run: Run) -> bool:
            found = read_one(item, run)
            return found is not None and _follows(found, wanted, run)

        return test_one, shown

    def test(item: Item, run: Run) -> bool:
        return any(_follows(found, wanted, run) for found in select(steps, item, run))

    return test, shown


def _follows(item: Item, wanted: list[str], run: Run) -> bool:
    for name in wanted:
        kind = run.book.type_of(name)
        if kind and kind != item[2] and kind not in ancestors(item[2]):
            continue
        if run.conforms(item, name):
            return True
    return False


_MAKERS: dict[str, Callable[[tuple[Step, ...], Rules, FindProfile], Made]] = {
    "value": _by_value,
    "pattern": _by_value,
    "type": _by_type,
    "profile": _by_profile,
    "exists": _by_exists,
}
