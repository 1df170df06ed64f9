"""Combining and aggregates (FHIRPath N1, sections 5.4 and 7)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from salus.standards.fhir.fhirpath.arithmetic import compute, order
from salus.standards.fhir.fhirpath.environment import Context
from salus.standards.fhir.fhirpath.equality import distinct
from salus.standards.fhir.fhirpath.functions.function import Evaluate, Function
from salus.standards.fhir.fhirpath.values import Collection, system_value


def _union(context: Context, items: Collection, other: Collection) -> Collection:
    return context.bounded(distinct(items + other, context.budget.spend))


def _combine(
    context: Context, items: Collection, other: Collection, keep_order: Collection | None = None
) -> Collection:
    return context.bounded(items + other)


def _aggregate(
    context: Context, items: Collection, step: Evaluate, start: Evaluate | None = None
) -> Collection:
    total = start(context) if start else []
    for index, item in enumerate(items):
        inner = context.enter([item], index)
        inner.total = total
        total = step(inner)
    return total


def _folded(items: Collection, step: Callable[[Any, Any], Any]) -> Collection:
    values = [system_value(item) for item in items]
    if not values:
        return []
    total = values[0]
    for value in values[1:]:
        if total is None or value is None:
            return []
        total = step(total, value)
    return [] if total is None else [total]


def _sum(context: Context, items: Collection) -> Collection:
    return _folded(items, lambda total, value: compute("+", total, value))


def _min(context: Context, items: Collection) -> Collection:
    return _folded(items, lambda total, value: value if order("min()", value, total) == -1 else total)


def _max(context: Context, items: Collection) -> Collection:
    return _folded(items, lambda total, value: value if order("max()", value, total) == 1 else total)


def _avg(context: Context, items: Collection) -> Collection:
    total = _sum(context, items)
    return [compute("/", total[0], len(items))] if total else []


FUNCTIONS = {
    "union": Function(_union, 1, 1, many=True),
    "combine": Function(_combine, 1, 2, many=True),
    "aggregate": Function(_aggregate, 1, 2, lazy=True, many=True),
    "sum": Function(_sum),
    "min": Function(_min),
    "max": Function(_max),
    "avg": Function(_avg),
}
