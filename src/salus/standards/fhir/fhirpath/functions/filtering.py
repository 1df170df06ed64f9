"""Filtering and projection (FHIRPath N1, section 5.2)."""

from __future__ import annotations

from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath.arithmetic import order
from salus.standards.fhir.fhirpath.environment import Context
from salus.standards.fhir.fhirpath.equality import key_of
from salus.standards.fhir.fhirpath.functions.function import SAME, Evaluate, Function
from salus.standards.fhir.fhirpath.truth import is_true
from salus.standards.fhir.fhirpath.values import Collection, system_value


def where(context: Context, items: Collection, criteria: Evaluate) -> Collection:
    """Return the items for which the criteria hold."""
    return [item for index, item in enumerate(items) if is_true(criteria(context.enter([item], index)))]


def _select(context: Context, items: Collection, projection: Evaluate) -> Collection:
    found: Collection = []
    for index, item in enumerate(items):
        found += projection(context.enter([item], index))
    return context.bounded(found)


def _repeat(context: Context, items: Collection, projection: Evaluate) -> Collection:
    found: dict[object, Any] = {}
    level = items
    while level:
        reached: Collection = []
        for item in level:
            for child in projection(context.enter([item])):
                key = key_of(child, context.budget.spend)
                if key not in found:
                    found[key] = child
                    reached.append(child)
        context.check_count(len(found))
        level = context.bounded(reached)
    return list(found.values())


def _repeat_all(context: Context, items: Collection, projection: Evaluate) -> Collection:
    found: Collection = []
    level = items
    while level:
        reached: Collection = []
        for item in level:
            reached += projection(context.enter([item]))
        level = context.bounded(reached)
        found += reached
        context.check_count(len(found))
    return context.bounded(found)


class _Rank:
    """A sort key of several values; the empty one comes first, whichever the direction."""

    def __init__(self, values: list[tuple[Any, bool]]) -> None:
        self.values = values

    def __lt__(self, other: _Rank) -> bool:
        for (mine, descending), (theirs, _) in zip(self.values, other.values, strict=True):
            if mine is None or theirs is None:
                if mine is theirs:
                    continue
                return mine is None
            before = order("sort()", mine, theirs)
            if before:
                return (before > 0) if descending else (before < 0)
        return False


def sort_by(context: Context, items: Collection, criteria: list[tuple[Evaluate, bool]]) -> Collection:
    """Return the items sorted by the criteria; each with whether it is descending."""

    def rank(item: Any) -> _Rank:  # any Item
        values = []
        for evaluate, descending in criteria:
            answer = evaluate(context.enter([item]))
            if len(answer) > 1:
                raise InvalidExpression("sort() takes one value for each item; choose one, e.g. by first()")
            values.append((system_value(answer[0]) if answer else None, descending))
        return _Rank(values)

    return [item for _, item in sorted(((rank(item), item) for item in items), key=lambda pair: pair[0])]


FUNCTIONS = {
    "where": Function(where, 1, 1, lazy=True, result=SAME),
    "select": Function(_select, 1, 1, lazy=True, many=True),
    "repeat": Function(_repeat, 1, 1, lazy=True, many=True),
    "repeatAll": Function(_repeat_all, 1, 1, lazy=True, many=True),
}
