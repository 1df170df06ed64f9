"""Subsetting (FHIRPath N1, section 5.3)."""

from __future__ import annotations

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.environment import Context, single
from salus.standards.fhir.fhirpath.equality import key_of
from salus.standards.fhir.fhirpath.functions.function import SAME, Function
from salus.standards.fhir.fhirpath.values import Collection, system_value


def whole_number(items: Collection, what: str) -> int | None:
    """Return an argument that must be one integer, None for the empty collection.

    Raises:
        InvalidExpression: it is something else.
    """
    value = system_value(single(items, what))
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidExpression(f"{what} takes an integer")
    return value


def _single(context: Context, items: Collection) -> Collection:
    single(items, "single()")
    return items


def _first(context: Context, items: Collection) -> Collection:
    return items[:1]


def _last(context: Context, items: Collection) -> Collection:
    return items[-1:]


def _tail(context: Context, items: Collection) -> Collection:
    return items[1:]


def _skip(context: Context, items: Collection, count: Collection) -> Collection:
    number = whole_number(count, "skip()")
    return items if number is None else items[max(0, number) :]


def _take(context: Context, items: Collection, count: Collection) -> Collection:
    number = whole_number(count, "take()")
    return [] if number is None else items[: max(0, number)]


def _intersect(context: Context, items: Collection, other: Collection) -> Collection:
    keys = {key_of(item, context.budget.spend) for item in other}
    found: Collection = []
    for item in items:
        key = key_of(item, context.budget.spend)
        if key in keys:
            keys.discard(key)
            found.append(item)
    return found


def _exclude(context: Context, items: Collection, other: Collection) -> Collection:
    keys = {key_of(item, context.budget.spend) for item in other}
    return [item for item in items if key_of(item, context.budget.spend) not in keys]


FUNCTIONS = {
    "single": Function(_single, result=SAME),
    "first": Function(_first, result=SAME, ordered_input=True),
    "last": Function(_last, result=SAME, ordered_input=True),
    "tail": Function(_tail, result=SAME, ordered_input=True),
    "skip": Function(_skip, 1, 1, result=SAME, ordered_input=True),
    "take": Function(_take, 1, 1, result=SAME, ordered_input=True),
    "intersect": Function(_intersect, 1, 1, result=SAME),
    "exclude": Function(_exclude, 1, 1, result=SAME),
}
