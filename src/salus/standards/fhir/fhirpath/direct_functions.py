"""Functions of the fast road that need nothing but the readers of their input (see `direct`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from salus.standards.fhir.fhirpath import direct, patterns
from salus.standards.fhir.fhirpath.direct import UNDECIDED, Direct, Item, listed, raise_undecided
from salus.standards.fhir.fhirpath.direct_values import kind, truth
from salus.standards.fhir.fhirpath.environment import Environment

STRING_TESTS: dict[str, Callable[[str, str], bool]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": str.__contains__,
    "matches": lambda text, pattern: patterns.found(pattern, text),
}


def indexed(left: Direct, at: int) -> Direct:
    """`left[at]`."""
    if left is UNDECIDED or not left.type:
        return UNDECIDED
    many = left.many

    def one(item: Item, environment: Environment) -> Any:
        found = many(item, environment)
        return found[at] if at < len(found) else None

    return Direct(left.types, listed(one), one)


def tail(left: Direct) -> Direct:
    """`tail()`: all but the first."""
    if left is UNDECIDED or left.pairs is not None:
        return UNDECIDED
    many = left.many
    return Direct(left.types, lambda item, environment: many(item, environment)[1:])


def existence(left: Direct, *, negated: bool) -> Direct:
    """`exists()` and `empty()`."""
    exists, many = left.exists, left.many
    if exists is raise_undecided:
        return UNDECIDED
    if exists is not None:
        has = exists
        if negated:
            return truth(lambda item, environment: not has(item, environment))
        return truth(has)
    return truth(lambda item, environment: bool(many(item, environment)) is not negated)


def negation(left: Direct) -> Direct:
    """`not()`."""
    if left.one is None or kind(left.type) != "truth":
        return UNDECIDED
    one = left.one

    def read(item: Item, environment: Environment) -> bool | None:
        value = one(item, environment)
        return None if value is None else not value

    return truth(read)


def count(left: Direct) -> Direct:
    """`count()`."""
    many = left.many
    if left is UNDECIDED:
        return UNDECIDED

    def one(item: Item, environment: Environment) -> int:
        return len(many(item, environment))

    return Direct(("System.Integer",), listed(one), one)


def has_value(left: Direct) -> Direct:
    """`hasValue()` of a primitive."""
    if left.one is None or not kind(left.type):
        return UNDECIDED
    one = left.one
    return truth(lambda item, environment: one(item, environment) is not None)


def is_distinct(left: Direct) -> Direct:
    """`isDistinct()` of strings."""
    if kind(left.type) != "text":
        return UNDECIDED
    many = left.many

    def read(item: Item, environment: Environment) -> bool:
        found = many(item, environment)
        return len(set(found)) == len(found)

    return truth(read)


def extension(left: Direct, url: str, *, is_this: bool) -> Direct:
    """`extension(url)` of an element that is no primitive."""
    if not left.type or kind(left.type) or left.type.startswith("System."):
        return UNDECIDED
    found = direct.follow(left, "extension", is_this=is_this)
    if found is UNDECIDED:
        return UNDECIDED
    many = found.many

    def read(item: Item, environment: Environment) -> list[Any]:
        return [one for one in many(item, environment) if one.get("url") == url]

    return Direct(("Extension",), read)


def string_test(test: Callable[[str, str], bool], left: Direct, argument: Direct) -> Direct:
    """`startsWith`, `contains`, `matches` ... on one string."""
    if left.one is None or argument.one is None:
        return UNDECIDED
    if kind(left.type) != "text" or kind(argument.type) != "text":
        return UNDECIDED
    one, other = left.one, argument.one

    def read(item: Item, environment: Environment) -> bool | None:
        text, part = one(item, environment), other(item, environment)
        return None if text is None or part is None else test(text, part)

    return truth(read)
