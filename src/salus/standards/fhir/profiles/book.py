"""The profiles, extensions and value sets at hand, compiled one by one when they are first asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

import msgspec

from salus.standards.fhir.model import ancestors, resource_types, type_definition
from salus.standards.fhir.packages.definitions import Json
from salus.standards.fhir.packages.versions import newest
from salus.standards.fhir.profiles.base_types import CORE
from salus.standards.fhir.profiles.coded import is_checked
from salus.standards.fhir.profiles.compiler import Compiler, in_turn
from salus.standards.fhir.profiles.facts import NOTHING, Profile, Rules, asking_slices
from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.names import Names
from salus.standards.fhir.profiles.run import Check, Run
from salus.standards.fhir.profiles.telling import Telling, telling
from salus.standards.fhir.profiles.terminology import DefinedTerminology, Terminology

REMEMBERED_MAX = 20_000
"""Most addresses, with versions and elements of any kind, for which a profile is kept compiled."""


BASES_MAX = 20
"""Longest chain of profiles that are derived from each other."""


class Shelf(Protocol):
    """Where facts lie: the tables of packages, or those that are shipped."""

    def versions(self, url: str) -> Iterable[str]:
        """Return the versions of a profile that are at hand."""

    def profile(self, url: str, version: str) -> Profile:
        """Return the facts of a profile."""

    def value_set(self, canonical: str) -> Json | None:
        """Return the facts of a value set, None where it is not at hand."""

    def code_system(self, canonical: str) -> Json | None:
        """Return the facts of a code system, None where it is not at hand."""

    def editions(self, url: str) -> Iterable[Json]:
        """Return the facts of every version of a code system that is at hand."""

    def complete(self) -> frozenset[str]:
        """Return the beginnings of addresses of which every definition is at hand."""


class Book:
    """Compiled profiles over a shelf.

    Args:
        shelf: where their facts are.
        terminology: who says what belongs to a value set; the definitions on the shelf where None.
    """

    def __init__(self, shelf: Shelf, terminology: Terminology | None = None) -> None:
        self.shelf = shelf
        self.terminology = terminology or DefinedTerminology(shelf.value_set, shelf.code_system)
        self._checks: dict[str, Check] = {}
        self._found: dict[str, Profile] = {}
        self._types: dict[str, str] = {}
        self._idle: dict[str, bool] = {}
        self.names = Names(shelf.editions)
        self._bases: dict[str, tuple[str, ...]] = {}
        self.same: dict[str, str] = {}
        self._telling: dict[str, Telling] = {}

    def find(self, canonical: str) -> Profile | None:
        """Return the facts of a profile by address or address|version, None where it is not at hand.

        Only what is at hand is remembered: what strangers claim to follow is without end.
        """
        known = self._found.get(canonical)
        if known is not None:
            return known
        address, _, version = canonical.partition("|")
        url, _, element = address.partition("#")
        versions = tuple(self.shelf.versions(url))
        found = newest(versions, version) or newest(versions)
        if found is None:
            return None
        profile = self.shelf.profile(url, found)
        wanted = at_element(profile, element) if element else profile
        if len(self._found) >= REMEMBERED_MAX:
            self._found.clear()
        self._found[canonical] = wanted
        return wanted

    def is_complete(self, url: str) -> bool:
        """Return whether all extensions whose address begins as this one are at hand."""
        return url.rpartition("/")[0] in self.shelf.complete()

    def type_of(self, canonical: str) -> str:
        """Return the type that a profile constrains, or the type that an address of R4 names; "" for
        unknown.
        """
        known = self._types.get(canonical)
        if known is None:
            name = canonical.partition("|")[0].removeprefix(CORE)
            profile = self.find(canonical) if type_definition(name) is None else None
            known = profile.type if profile is not None else name if type_definition(name) is not None else ""
            if known:
                self._types[canonical] = known
        return known

    def is_idle(self, canonical: str) -> bool:
        """Return whether a profile is at hand and has nothing to check beyond the base type."""
        known = self._idle.get(canonical)
        if known is None:
            self._idle[canonical] = False
            profile = self.find(canonical)
            known = profile is not None and not profile.imposes and self._is_idle(profile.rules)
            self._idle[canonical] = known
        return known

    def _is_idle(self, rules: Rules) -> bool:
        asks = (
            rules.min, rules.fixed, rules.pattern, rules.invariants, rules.languages,
            rules.length_min, rules.length_max, rules.least, rules.greatest,
        )  # fmt: skip
        return (
            not any(asks)
            and rules.max is None
            and (rules.binding is None or not is_checked(rules.binding))
            and all(not one.targets and all(map(self.is_idle, one.profiles)) for one in rules.types)
            and not any(asking_slices(name, one) for name, one in rules.children.items())
            and all(one.slicing is None or one.slicing.rules == "open" for one in rules.children.values())
            and all(map(self._is_idle, rules.children.values()))
        )

    def same_as(self, canonical: str) -> str:
        """Return the profile that says all that a profile says: its base, where it only adds obligations."""
        known = self.same.get(canonical)
        if known is None:
            profile = self.find(canonical)
            base = self.find(profile.base) if profile is not None and profile.base else None
            known = canonical
            if profile is not None:
                self.same[canonical] = known  # before its base: a circle of bases ends here
            if profile is not None and base is not None and _says_no_more(profile, base):
                known = self.same[canonical] = self.same_as(profile.base)
        return known

    def bases_of(self, canonical: str) -> tuple[str, ...]:
        """Return the profiles from which a profile is derived, the nearest first, where they are at hand."""
        known = self._bases.get(canonical)
        if known is None:
            found: list[str] = []
            profile = self.find(canonical)
            while profile is not None and profile.base and len(found) < BASES_MAX:
                profile = self.find(profile.base)
                if profile is not None:
                    found.append(self.same_as(profile.url))
            known = tuple(found)
            if len(self._bases) >= REMEMBERED_MAX:
                self._bases.clear()
            self._bases[canonical] = known
        return known

    def telling_of(self, canonical: str) -> Telling:
        """Return which codes a profile requires of its resources; nothing where it is not at hand."""
        known = self._telling.get(canonical)
        if known is None:
            profile = self.find(canonical)
            known = telling(profile.rules, self.terminology) if profile is not None else ()
            if profile is not None:
                self._telling[canonical] = known
        return known

    def check_of(self, canonical: str) -> Check | None:
        """Return the check of a profile, None where it is not at hand."""
        known = self._checks.get(canonical)
        if known is None:
            known = self._compiled(canonical)
            if known is not None:
                if len(self._checks) >= REMEMBERED_MAX:
                    self._checks.clear()
                self._checks[canonical] = known
        return known

    def _compiled(self, canonical: str) -> Check | None:
        name = canonical.partition("|")[0].removeprefix(CORE)
        if type_definition(name) is not None:
            return _is_of_type(name)
        profile = self.find(canonical)
        if profile is None:
            return None
        compiler = Compiler(short_name(profile), self, self.find)
        checks: list[Check] = [_is_of_type(profile.type)]
        own = compiler.item(profile.rules)
        if own is not None:
            checks.append(own)
        checks += [_imposed(one) for one in profile.imposes]
        return in_turn(checks)


def _says_no_more(profile: Profile, base: Profile) -> bool:
    return (
        profile.type == base.type
        and set(profile.imposes) <= set(base.imposes)
        and _checked(profile.rules) == _checked(base.rules)
    )


def _checked(rules: Rules) -> Rules:
    """Return the rules without what is for receivers alone."""
    return msgspec.structs.replace(
        rules,
        must_support=False,
        children={name: _checked(one) for name, one in rules.children.items()},
        slices={name: _checked(one) for name, one in rules.slices.items()},
    )


def at_element(profile: Profile, element: str) -> Profile:
    """Return the rules of one element of a profile ("Composition.section:x") as a profile of its own."""
    rules, name = profile.rules, profile.type
    for step in element.split(".")[1:]:
        child, _, cut = step.partition(":")
        below = rules.children.get(child.removesuffix("[x]"))
        rules = below.slices.get(cut, NOTHING) if below is not None and cut else below or NOTHING
        name = f"{name}.{child}"
    return msgspec.structs.replace(profile, type=name, rules=msgspec.structs.replace(rules, min=0, max=None))


def short_name(profile: Profile) -> str:
    """Return what messages call a profile: the last step of its address."""
    return profile.url.rpartition("/")[2]


def _is_of_type(name: str) -> Check:
    """Return the check that an object is of a profile's type at all."""

    def check(item: Item, run: Run) -> None:
        kind = item[2]
        if kind != name and kind in resource_types() and name not in ancestors(kind):
            message = f"The profile is for {name}, the resource is a {kind}; correct one of them."
            run.add("error", "structure", "profile-other-type", item[3], message)

    return check


def _imposed(canonical: str) -> Check:
    def check(item: Item, run: Run) -> None:
        run.follow(item, canonical)

    return check


class Shelves:
    """Several shelves as one; what the first has hides the others'."""

    def __init__(self, shelves: Iterable[Shelf]) -> None:
        self._shelves = tuple(shelves)

    def versions(self, url: str) -> Iterable[str]:
        """Return the versions of a profile that any shelf has."""
        return {version: None for shelf in self._shelves for version in shelf.versions(url)}

    def profile(self, url: str, version: str) -> Profile:
        """Return the facts of a profile."""
        return next(one.profile(url, version) for one in self._shelves if version in tuple(one.versions(url)))

    def value_set(self, canonical: str) -> Json | None:
        """Return the facts of a value set."""
        return next((found for one in self._shelves if (found := one.value_set(canonical)) is not None), None)

    def code_system(self, canonical: str) -> Json | None:
        """Return the facts of a code system."""
        found = [one for shelf in self._shelves if (one := shelf.code_system(canonical)) is not None]
        return next((one for one in found if one.get("content") == "complete"), found[0] if found else None)

    def editions(self, url: str) -> Iterable[Json]:
        """Return the facts of every version of a code system."""
        return [found for one in self._shelves for found in one.editions(url)]

    def complete(self) -> frozenset[str]:
        """Return the beginnings of addresses of which every definition is at hand."""
        return frozenset[str]().union(*(one.complete() for one in self._shelves))


class Held:
    """A shelf of facts that are held in memory."""

    def __init__(
        self,
        profiles: Iterable[Profile],
        value_sets: Mapping[str, Json] | None = None,
        code_systems: Mapping[str, Json] | None = None,
    ) -> None:
        self._profiles: dict[str, dict[str, Profile]] = {}
        for one in profiles:
            self._profiles.setdefault(one.url, {})[one.version] = one
        self._value_sets = value_sets or {}
        self._code_systems = code_systems or {}

    def versions(self, url: str) -> Iterable[str]:
        """Return the versions of a profile."""
        return self._profiles.get(url, {})

    def profile(self, url: str, version: str) -> Profile:
        """Return the facts of a profile."""
        return self._profiles[url][version]

    def value_set(self, canonical: str) -> Json | None:
        """Return the facts of a value set."""
        return self._value_sets.get(canonical.partition("|")[0])

    def code_system(self, canonical: str) -> Json | None:
        """Return the facts of a code system."""
        return self._code_systems.get(canonical.partition("|")[0])

    def editions(self, url: str) -> Iterable[Json]:
        """Return the facts of a code system, which is here in one version."""
        found = self._code_systems.get(url)
        return [] if found is None else [found]

    def complete(self) -> frozenset[str]:
        """Return the beginnings of addresses of which every definition is at hand: none."""
        return frozenset()
