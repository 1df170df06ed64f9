"""The operators as closures over the closures of their operands (FHIRPath N1, section 6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from salus.core.errors import InvalidExpression
from salus.standards.fhir.fhirpath import arithmetic as computing
from salus.standards.fhir.fhirpath.environment import Context, bounded_string, single
from salus.standards.fhir.fhirpath.equality import distinct, equal, equivalent, key_of
from salus.standards.fhir.fhirpath.functions.conversion import text_of
from salus.standards.fhir.fhirpath.functions.function import Evaluate
from salus.standards.fhir.fhirpath.truth import both, either, follows, one_of, truth
from salus.standards.fhir.fhirpath.values import Collection, system_value

_BOOLEAN = {"and": both, "or": either, "xor": one_of, "implies": follows}
_ORDER: dict[str, Callable[[int], bool]] = {
    "<": lambda sign: sign < 0,
    ">": lambda sign: sign > 0,
    "<=": lambda sign: sign <= 0,
    ">=": lambda sign: sign >= 0,
}


def logic(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """`and`, `or`, `xor`, `implies`; the right side is evaluated only when it matters."""
    join = _BOOLEAN[operator]
    decides = {"and": False, "or": True, "implies": False}.get(operator)
    shortcut = operator != "and"

    def run(context: Context) -> Collection:
        first = truth(left(context))
        if decides is not None and first is decides:
            return [shortcut]
        answer = join(first, truth(right(context)))
        return [] if answer is None else [answer]

    return run


def equality(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """`=`, `!=`, `~`, `!~`."""
    negated = operator[0] == "!"
    if operator in ("~", "!~"):
        return lambda context: [
            equivalent(left(context), right(context), context.budget.spend) is not negated
        ]

    def run(context: Context) -> Collection:
        answer = equal(left(context), right(context), context.budget.spend)
        return [] if answer is None else [answer is not negated]

    return run


def inequality(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """`<`, `>`, `<=`, `>=`."""
    holds = _ORDER[operator]

    def run(context: Context) -> Collection:
        a, b = single(left(context), operator), single(right(context), operator)
        a, b = system_value(a), system_value(b)
        if a is None or b is None:
            return []
        sign = computing.order(operator, a, b)
        return [] if sign is None else [holds(sign)]

    return run


def membership(inner: Evaluate, outer: Evaluate) -> Evaluate:
    """`in`, and `contains` with its sides turned."""

    def run(context: Context) -> Collection:
        item = single(inner(context), "in")
        if item is None:
            return []
        spend = context.budget.spend
        key = key_of(item, spend)
        return [any(key_of(other, spend) == key for other in outer(context))]

    return run


def union(left: Evaluate, right: Evaluate) -> Evaluate:
    """`|`, without repetition."""
    return lambda context: context.bounded(distinct(left(context) + right(context), context.budget.spend))


def concatenation(left: Evaluate, right: Evaluate) -> Evaluate:
    """`&`; the empty collection counts as the empty string."""

    def run(context: Context) -> Collection:
        parts = []
        for side in (left, right):
            value = system_value(single(side(context), "&"))
            text = "" if value is None else text_of(value)
            if text is None:
                raise InvalidExpression("& joins strings, not elements")
            parts.append(text)
        return [bounded_string("".join(parts))]

    return run


def arithmetic(operator: str, left: Evaluate, right: Evaluate) -> Evaluate:
    """`+`, `-`, `*`, `/`, `div`, `mod`."""

    def run(context: Context) -> Collection:
        a, b = single(left(context), operator), single(right(context), operator)
        if a is None or b is None:
            return []
        value: Any = computing.compute(operator, a, b)
        return [] if value is None else [value]

    return run
