"""Tree, utility, date and time functions (FHIRPath N1, sections 5.8, 5.9 and the components of 2.0)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath import navigate
from salus.standards.fhir.fhirpath.environment import Context, single
from salus.standards.fhir.fhirpath.functions.function import SAME, Evaluate, Function
from salus.standards.fhir.fhirpath.functions.strings import string
from salus.standards.fhir.fhirpath.temporal import Kind, Temporal, of_datetime
from salus.standards.fhir.fhirpath.types import type_info
from salus.standards.fhir.fhirpath.values import Collection, Node, json_value, system_value

_RESERVED_VARIABLES = frozenset(
    {"context", "resource", "rootResource", "sct", "loinc", "ucum", "this", "index", "total"}
)


def children(context: Context, items: Collection) -> Collection:
    """Return the children of every item."""
    found: Collection = []
    for item in items:
        if isinstance(item, Node):
            found += navigate.children(item)
    return context.bounded(found)


def descendants(context: Context, items: Collection) -> Collection:
    """Return the children of every item, and theirs, level by level."""
    found: Collection = []
    level = children(context, items)
    while level:
        found += level
        context.check_count(len(found))
        level = children(context, level)
    return found


def _trace(
    context: Context, items: Collection, name: Evaluate, projection: Evaluate | None = None
) -> Collection:
    tell = context.environment.trace
    label = string(name(context), "trace()") or ""
    if tell is not None:
        told = items
        if projection is not None:
            told = [one for item in items for one in projection(context.enter([item]))]
        tell(label, [json_value(item) for item in told])
    return items


def _moment(kind: Kind) -> Callable[[Context, Collection], Collection]:
    def run(context: Context, items: Collection) -> Collection:
        return [of_datetime(context.environment.now, kind)]

    return run


def _define_variable(
    context: Context, items: Collection, name: Evaluate, value: Evaluate | None = None
) -> Collection:
    label = string(name(context), "defineVariable()") or ""
    if label in _RESERVED_VARIABLES or label in context.variables:
        raise InvalidExpression(f"%{label} is defined already; choose another name")
    held = items if value is None else value(context.enter(items))
    context.variables = {**context.variables, label: held}
    return items


def _type(context: Context, items: Collection) -> Collection:
    return [type_info(item) for item in items]


def _component(kinds: tuple[str, ...], at: int) -> Callable[[Context, Collection], Collection]:
    """Return a function that gives one part of a date or time, counted from its largest."""

    def run(context: Context, items: Collection) -> Collection:
        value = system_value(single(items, "a component of a date"))
        if not isinstance(value, Temporal) or value.kind not in kinds:
            return []
        place = at - 3 if value.kind == "time" else at
        return [value.parts[place]] if 0 <= place < len(value.parts) else []

    return run


def _second_part(read: Callable[[Decimal], int]) -> Callable[[Context, Collection], Collection]:
    def run(context: Context, items: Collection) -> Collection:
        value = system_value(single(items, "a component of a date"))
        second = value.second if isinstance(value, Temporal) else None
        return [] if second is None else [read(second)]

    return run


def _offset_of(context: Context, items: Collection) -> Collection:
    value: Any = system_value(single(items, "timezoneOffsetOf()"))
    known = isinstance(value, Temporal) and value.offset is not None
    return [Decimal(value.offset) / 60] if known else []


def _part_of(kind: Kind) -> Callable[[Context, Collection], Collection]:
    def run(context: Context, items: Collection) -> Collection:
        value = system_value(single(items, "a component of a date"))
        if not isinstance(value, Temporal) or value.kind == "time":
            return []
        if kind == "date":
            return [Temporal("date", value.parts[:3])]
        return [Temporal("time", value.parts[3:], value.second)] if len(value.parts) > 3 else []

    return run


_DATES, _CLOCKS = ("date", "dateTime"), ("dateTime", "time")

FUNCTIONS = {
    "children": Function(children, many=True),
    "descendants": Function(descendants, many=True),
    "trace": Function(_trace, 1, 2, lazy=True, result=SAME),
    "now": Function(_moment("dateTime"), result="DateTime"),
    "today": Function(_moment("date"), result="Date"),
    "timeOfDay": Function(_moment("time"), result="Time"),
    "defineVariable": Function(_define_variable, 1, 2, lazy=True, result=SAME),
    "type": Function(_type),
    "yearOf": Function(_component(_DATES, 0), result="Integer"),
    "monthOf": Function(_component(_DATES, 1), result="Integer"),
    "dayOf": Function(_component(_DATES, 2), result="Integer"),
    "hourOf": Function(_component(_CLOCKS, 3), result="Integer"),
    "minuteOf": Function(_component(_CLOCKS, 4), result="Integer"),
    "secondOf": Function(_second_part(int), result="Integer"),
    "millisecondOf": Function(_second_part(lambda second: int(second % 1 * 1000)), result="Integer"),
    "timezoneOffsetOf": Function(_offset_of, result="Decimal"),
    "dateOf": Function(_part_of("date"), result="Date"),
    "timeOf": Function(_part_of("time"), result="Time"),
}
