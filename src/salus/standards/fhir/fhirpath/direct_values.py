"""Operators of the fast road: truth values, comparisons and unions of what `direct` reads."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from salus.standards.fhir.fhirpath.direct import (
    INTEGERS,
    NOTHING,
    TEXTS,
    UNDECIDED,
    Direct,
    Item,
    Read,
    Undecided,
    listed,
)
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.equality import frozen
from salus.standards.fhir.fhirpath.syntax import Binary, Literal, Syntax
from salus.standards.fhir.fhirpath.temporal import Temporal, compare, parse_temporal
from salus.standards.fhir.fhirpath.values import QUANTITIES
from salus.standards.fhir.model import type_definition

_TEMPORALS = frozenset({"date", "dateTime", "instant"})
_SIGNS: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    ">": lambda sign: sign > 0,
    "<=": lambda sign: sign <= 0,
    ">=": lambda sign: sign >= 0,
}


def truth(read: Read) -> Direct:
    """Return a Direct of a truth value (True, False or None)."""
    return Direct(("System.Boolean",), listed(read), read, None)


def constant(value: bool) -> Direct:
    """Return a Direct that is always true or always false."""

    def read(item: Item, environment: Environment) -> bool:
        return value

    return Direct(("System.Boolean",), listed(read), read, None, None, value)


def kind(type_name: str) -> str:
    """Return which values of a type compare with each other: text, number, truth, moment, or nothing."""
    bare = type_name.removeprefix("System.")
    if bare in TEXTS or type_name == "System.String":
        return "text"
    if bare in INTEGERS or bare == "decimal" or type_name in ("System.Integer", "System.Decimal"):
        return "number"
    if bare in ("boolean", "Boolean"):
        return "truth"
    return "moment" if bare in _TEMPORALS else ""


def written_strings(tree: Syntax) -> frozenset[str] | None:
    """Return the strings of `'a' | 'b' | ...`, None for any other tree."""
    match tree:
        case Literal(value=str() as value):
            return frozenset({value})
        case Binary(operator="|", left=left, right=right):
            parts = written_strings(left), written_strings(right)
            return None if parts[0] is None or parts[1] is None else parts[0] | parts[1]
        case _:
            return None


def traced(left: Direct) -> Direct:
    """`trace()`: the same items, unless somebody listens."""
    many, one = left.many, left.one

    def read(item: Item, environment: Environment) -> Any:
        if environment.trace is not None:
            raise Undecided
        return many(item, environment)

    def read_one(item: Item, environment: Environment) -> Any:
        if environment.trace is not None:
            raise Undecided
        return None if one is None else one(item, environment)

    if left is UNDECIDED or left.pairs is not None:
        return UNDECIDED
    return Direct(left.types, read, None if one is None else read_one)


def _pairs(one: Direct) -> Read:
    if one.pairs is not None:
        return one.pairs
    name, many = one.type, one.many
    return lambda item, environment: [(name, value) for value in many(item, environment)]


def _is_plain(type_name: str) -> bool:
    """Return whether values of a type are equal exactly when their JSON is."""
    definition = type_definition(type_name)
    if definition is None or type_name in QUANTITIES:
        return False
    return definition.kind != "primitive" or kind(type_name) == "text"


def union(left: Direct, right: Direct) -> Direct:
    """`left | right` of at most one item, or of what is equal exactly when its JSON is."""
    if right is UNDECIDED or left is NOTHING:
        return right
    if right is NOTHING:
        return left
    first, second = _pairs(left), _pairs(right)
    are_plain = all(_is_plain(name) for name in left.types + right.types)

    def pairs(item: Item, environment: Environment) -> list[tuple[str, Any]]:
        before, after = first(item, environment), second(item, environment)
        found: list[tuple[str, Any]] = before + after
        if len(found) < 2:
            return found
        if not are_plain:
            raise Undecided
        unique: dict[object, tuple[str, Any]] = {}
        for pair in found:
            unique.setdefault(frozen(pair[1]), pair)
        return list(unique.values())

    def many(item: Item, environment: Environment) -> list[Any]:
        return [value for _, value in pairs(item, environment)]

    names = tuple(dict.fromkeys(left.types + right.types))
    exists: Read | None = None
    if left.exists is not None and right.exists is not None:
        has_left, has_right = left.exists, right.exists

        def exists(item: Item, environment: Environment) -> bool:
            return bool(has_left(item, environment) or has_right(item, environment))

    return Direct(names, many, None, exists, pairs if len(names) > 1 else None)


def equality(left: Direct, right: Direct, *, negated: bool) -> Direct:
    """`=` and `!=` of values of one kind."""
    own = kind(left.type)
    if own not in ("text", "number", "truth") or own != kind(right.type):
        return UNDECIDED
    if left.one is not None and right.one is not None:
        one, other = left.one, right.one

        def read(item: Item, environment: Environment) -> bool | None:
            a, b = one(item, environment), other(item, environment)
            return None if a is None or b is None else (a == b) is not negated

        return truth(read)
    first, second = left.many, right.many

    def read_many(item: Item, environment: Environment) -> bool | None:
        a, b = first(item, environment), second(item, environment)
        return None if not a or not b else (a == b) is not negated

    return truth(read_many)


def order(operator: str, left: Direct, right: Direct) -> Direct:
    """`<` and its like, of numbers, and of dates and times."""
    own, holds = kind(left.type), _SIGNS[operator]
    if own not in ("number", "moment") or own != kind(right.type):
        return UNDECIDED
    if left.one is None or right.one is None:
        return UNDECIDED
    one, other = left.one, right.one
    is_moment = own == "moment"

    def read(item: Item, environment: Environment) -> bool | None:
        a, b = one(item, environment), other(item, environment)
        if a is None or b is None:
            return None
        if is_moment:
            sign = _order_moments(a, b)
            return None if sign is None else holds(sign)
        if isinstance(a, str) or isinstance(b, str):
            raise Undecided
        return holds((a > b) - (a < b))

    return truth(read)


@lru_cache(maxsize=4096)
def _moment(text: str) -> Temporal:
    parsed = parse_temporal(text, "dateTime")
    if parsed is None:
        raise Undecided
    return parsed


def _order_moments(left: str, right: str) -> int | None:
    if len(left) == len(right) == 10:
        return (left > right) - (left < right)
    return compare(_moment(left), _moment(right))


def sum_of(left: Direct, right: Direct) -> Direct:
    """Add counts."""
    if left.one is None or right.one is None:
        return UNDECIDED
    one, other = left.one, right.one

    def read(item: Item, environment: Environment) -> int:
        total: int = one(item, environment) + other(item, environment)
        return total

    return Direct(("System.Integer",), listed(read), read)
