"""Is a question enabled by other answers (R4, Questionnaire.item.enableWhen; SDC, enableWhenExpression)?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from salus.core.errors import SalusError
from salus.standards.fhir.fhirpath.environment import Environment
from salus.standards.fhir.fhirpath.expression import compile_once
from salus.standards.fhir.profiles.values import compare, equals

Given = dict[str, list[Any]]
"""Answers by linkId. Any: JSON values."""

STEPS_MAX = 100_000
"""Most items that one expression may visit."""

EXPRESSION_LENGTH_MAX = 4_000

_EXPRESSIONS = frozenset(
    {
        "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-enableWhenExpression",
        "http://phr.kanta.fi/StructureDefinition/fiphr-ext-questionnaire-enablewhen",
    }
)
"""Extensions with a FHIRPath expression over the response: SDC's, and that of the Finnish personal record."""


def is_enabled(question: dict[str, Any], given: Mapping[str, list[Any]]) -> bool:  # Any: FHIR JSON
    """Return whether a question is enabled; one without conditions is."""
    conditions = question.get("enableWhen")
    rows = [one for one in conditions if type(one) is dict] if type(conditions) is list else []
    if not rows:
        return True
    holds = [_holds(one, given) for one in rows]
    return any(holds) if question.get("enableBehavior") == "any" else all(holds)


def expressions_of(question: dict[str, Any]) -> list[str]:  # Any: FHIR JSON
    """Return the FHIRPath expressions on which a question depends."""
    rows = question.get("extension")
    found: list[str] = []
    for row in rows if type(rows) is list else ():
        if type(row) is not dict or row.get("url") not in _EXPRESSIONS:
            continue
        stated = row.get("valueExpression")
        text = stated.get("expression") if type(stated) is dict else row.get("valueString")
        is_path = type(stated) is not dict or stated.get("language") == "text/fhirpath"
        if type(text) is str and is_path and len(text) <= EXPRESSION_LENGTH_MAX:
            found.append(text)
    return found


def is_enabled_by(expression: str, response: dict[str, Any]) -> bool | None:  # Any: FHIR JSON
    """Return what an expression says of a response, None where it cannot be evaluated here."""
    variables = {"questionnaireresponse": response}
    environment = Environment(resource=response, root=response, steps_max=STEPS_MAX, variables=variables)
    try:
        compiled = compile_once(expression, "QuestionnaireResponse")
        return compiled.collection(response, environment) not in ([], [False]) and compiled.test(
            response, environment
        )
    except SalusError:
        return None


def _holds(condition: dict[str, Any], given: Mapping[str, list[Any]]) -> bool:
    answers = given.get(str(condition.get("question")), [])
    wanted = next((value for key, value in condition.items() if key.startswith("answer")), None)
    operator = str(condition.get("operator"))
    if operator == "exists":
        return bool(answers) == (wanted is True)
    test = _TESTS.get(operator)
    if test is None:
        return True
    if operator == "!=":
        return bool(answers) and all(test(one, wanted) for one in answers)
    return any(test(one, wanted) for one in answers)


def _same(answer: Any, wanted: Any) -> bool:
    if type(answer) is dict and type(wanted) is dict and "code" in wanted:
        return all(answer.get(key) == wanted.get(key) for key in ("system", "code"))
    return equals(answer, wanted)


def _ordered(test: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    def check(answer: Any, wanted: Any) -> bool:
        order = compare(answer, wanted)
        return order is not None and test(order)

    return check


_TESTS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": _same,
    "!=": lambda answer, wanted: not _same(answer, wanted),
    ">": _ordered(lambda order: order > 0),
    "<": _ordered(lambda order: order < 0),
    ">=": _ordered(lambda order: order >= 0),
    "<=": _ordered(lambda order: order <= 0),
}
