"""Values of a search expression that is more than a union of plain paths, by the FHIRPath engine."""

from __future__ import annotations

from typing import Any

from salus.core.errors import InvalidExpression, TooCostly
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_expression
from salus.standards.fhir.search.parameters import VALUE_TYPES, SearchParameter

STEPS_MAX = 100_000
"""What one parameter's expression may cost on one resource: operators write such expressions."""

_OF_SYSTEM = {
    "System.Boolean": "boolean",
    "System.String": "string",
    "System.Integer": "integer",
    "System.Decimal": "decimal",
}


def typed_values(parameter: SearchParameter, resource: dict[str, Any]) -> list[tuple[str, Any]]:
    """Return (type, value) of what the expression yields and the search type can read.

    Nothing where the expression cannot be evaluated on this resource: it is stored all the same.
    """
    expression = compile_expression(parameter.expression, parameter.resource)
    readable = VALUE_TYPES[parameter.type]
    try:
        found = expression.typed(resource, Environment(reference_stubs=True, steps_max=STEPS_MAX))
    except (InvalidExpression, TooCostly):
        return []
    named = [(_OF_SYSTEM.get(name, name), value) for name, value in found]
    return [(name, value) for name, value in named if name in readable]
