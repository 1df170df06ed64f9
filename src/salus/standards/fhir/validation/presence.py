"""What the presence of keys alone says about an invariant.

Most invariants of R4 ask which elements are there ("code.empty() or system.exists()"). For a given set of
keys they are decided once; only the others are evaluated on each element. The answers follow FHIRPath's
three-valued logic (N1, section 6.5), with `UNKNOWN` for what depends on the content.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import Enum, auto

from salus.standards.fhir.fhirpath.syntax import Binary, Call, Chain, Member, Syntax, TypeTest


class Answer(Enum):
    """What is known of a collection: it is empty, has something, is true or false, or nothing is known."""

    EMPTY = auto()
    SOMETHING = auto()
    TRUE = auto()
    FALSE = auto()
    UNKNOWN = auto()


EMPTY, SOMETHING, TRUE, FALSE, UNKNOWN = Answer
_OF_EMPTY = {"exists": FALSE, "empty": TRUE, "hasValue": FALSE, "all": TRUE, "isDistinct": TRUE}
_EMPTY_STAYS_EMPTY = frozenset(
    {"not", "where", "select", "first", "tail", "trace", "as", "ofType", "startsWith", "matches", "contains"}
    | {"toInteger", "toString", "substring"}
)
_NOT = {TRUE: FALSE, FALSE: TRUE, EMPTY: EMPTY}


def decide(tree: Syntax, names: Collection[str], root: str) -> Answer:
    """Return what an expression answers on an element of which only these children exist.

    Args:
        tree: the parsed expression.
        names: element names that are present ("value" for "valueQuantity").
        root: name of the element's own type, with which a path may start.
    """
    match tree:
        case Member(name=name):
            return SOMETHING if name in names else EMPTY
        case Chain(left=Member(name=name), right=right) if name == root:
            return decide(right, names, root)
        case Chain(left=left, right=right):
            return _step(decide(left, names, root), right)
        case Binary(operator=operator, left=left, right=right):
            combine = _OPERATORS.get(operator)
            if combine is None:
                return UNKNOWN
            return combine(_boolean(decide(left, names, root)), _boolean(decide(right, names, root)))
        case TypeTest(operand=operand):
            return EMPTY if decide(operand, names, root) is EMPTY else UNKNOWN
        case _:
            return UNKNOWN


def _step(focus: Answer, right: Syntax) -> Answer:
    if isinstance(right, Member):
        return EMPTY if focus is EMPTY else UNKNOWN
    if not isinstance(right, Call):
        return UNKNOWN
    if focus is EMPTY:
        return EMPTY if right.name in _EMPTY_STAYS_EMPTY else _OF_EMPTY.get(right.name, UNKNOWN)
    if focus is SOMETHING and not right.arguments:
        return {"exists": TRUE, "empty": FALSE}.get(right.name, UNKNOWN)
    if right.name == "not":
        return _NOT.get(focus, UNKNOWN)
    return UNKNOWN


def _boolean(answer: Answer) -> Answer:
    return UNKNOWN if answer is SOMETHING else answer


def _or(left: Answer, right: Answer) -> Answer:
    for absorbing in (TRUE, UNKNOWN, EMPTY):
        if absorbing in (left, right):
            return absorbing
    return FALSE


def _and(left: Answer, right: Answer) -> Answer:
    for absorbing in (FALSE, UNKNOWN, EMPTY):
        if absorbing in (left, right):
            return absorbing
    return TRUE


def _implies(left: Answer, right: Answer) -> Answer:
    return _or(_NOT.get(left, UNKNOWN), right)


def _equal(left: Answer, right: Answer) -> Answer:
    if EMPTY in (left, right):
        return EMPTY
    if UNKNOWN in (left, right):
        return UNKNOWN
    return TRUE if left is right else FALSE


def _xor(left: Answer, right: Answer) -> Answer:
    return _NOT.get(_equal(left, right), UNKNOWN)


_OPERATORS: dict[str, Callable[[Answer, Answer], Answer]] = {
    "or": _or,
    "and": _and,
    "implies": _implies,
    "xor": _xor,
    "=": _equal,
    "!=": _xor,
}
