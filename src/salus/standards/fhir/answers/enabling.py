"""Is a question enabled by other answers (R4, Questionnaire.item.enableWhen)?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from salus.standards.fhir.profiles.values import compare, equals

Given = dict[str, list[Any]]
"""Answers by linkId. Any: JSON values."""


def is_enabled(question: dict[str, Any], given: Mapping[str, list[Any]]) -> bool:  # Any: FHIR JSON
    """Return whether a question is enabled; one without conditions is."""
    conditions = question.get("enableWhen")
    rows = [one for one in conditions if type(one) is dict] if type(conditions) is list else []
    if not rows:
        return True
    holds = [_holds(one, given) for one in rows]
    return any(holds) if question.get("enableBehavior") == "any" else all(holds)


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
