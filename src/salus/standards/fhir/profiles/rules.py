"""Invariants of profiles: FHIRPath that knows the Bundle around, the value sets and the profiles at hand."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any

from salus.core.errors import InvalidExpression, SalusError
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import Expression, compile_expression
from salus.standards.fhir.fhirpath.values import Node
from salus.standards.fhir.model import Invariant, type_definition
from salus.standards.fhir.profiles.coded import membership
from salus.standards.fhir.profiles.items import Item
from salus.standards.fhir.profiles.run import Check, Run
from salus.standards.fhir.validation.invariants import message_of


def invariant_checks(invariants: tuple[Invariant, ...], profile: str) -> list[Check]:
    """Return the checks of a profile's invariants."""
    return [_check(one, profile) for one in invariants]


@cache
def _compiled(text: str, type_name: str) -> Expression | None:
    try:
        return compile_expression(text, type_name, filtering_as=True)
    except InvalidExpression:
        return None


_LENGTH = re.compile(
    r"(?:\$this\.ofType\(dateTime\)\.empty\(\) or )?"
    r"\(\$this as dateTime\)\.toString\(\)\.length\(\) >= (\d+)"
).fullmatch


def _quick_test(expression: str) -> Callable[[Any], bool] | None:
    """Return what recognises values for which an expression surely holds, None for most expressions."""
    match = _LENGTH(expression)
    if match is None:
        return None
    least = int(match[1])
    return lambda value: type(value) is str and len(value) >= least


def _check(invariant: Invariant, profile: str) -> Check:
    key, severity = invariant.key, invariant.severity
    message = f"{message_of(invariant)} ({profile})"
    quick = _quick_test(invariant.expression)

    def check(item: Item, run: Run) -> None:
        value, sibling, kind, where = item
        if quick is not None and quick(value):
            return
        name = kind if type_definition(kind) is not None else ""
        expression = _compiled(invariant.expression, name)
        if expression is None:
            run.add(
                "warning", "processing", f"{key}-not-evaluated", where, f"Rule {key} cannot be read here."
            )
            return
        subject = value if type(value) is dict else Node(value, name, extra=sibling)
        try:
            holds = expression.verdict(subject, environment(run))
        except SalusError as error:
            run.not_evaluated(key, where, error.message)
            return
        if holds is False or (holds is None and run.undecided_fails):
            run.add(severity, "invariant", key, where, message)

    return check


def environment(run: Run) -> Environment:
    """Return what an expression may ask of the run; made once for each resource that is looked at."""
    known = run.supplied
    if known is None or known.resource is not run.resource or known.root is not run.container:
        known = run.supplied = _new_environment(run)
    return known


def _new_environment(run: Run) -> Environment:
    def resolve(reference: str) -> dict[str, Any] | None:
        found = run.resolve(reference)
        return found[0] if found is not None else None

    def expand(value_set: str, value: Any) -> bool | None:  # Any: what memberOf() is asked of
        kind = "code"
        if isinstance(value, dict):
            kind = "CodeableConcept" if "coding" in value or "text" in value else "Coding"
        return membership(value_set, (value, None, kind, (None, "", None)), run)[0]

    def conforms(canonical: str, value: Any) -> bool:  # Any: what conformsTo() is asked of
        kind = str(value.get("resourceType", "")) if isinstance(value, dict) else ""
        return run.conforms((value, None, kind or run.book.type_of(canonical), (None, kind, None)), canonical)

    return Environment(
        resource=run.resource,
        root=run.container,
        resolve=resolve,
        expand=expand,
        conforms=conforms,
        budget=run.budget,
        reference_stubs=True,
    )
