"""Regular expressions that cannot take long: patterns come from definitions and, by patch, from strangers.

Python's engine backtracks. It is used only where pattern and text together promise few steps; any other
pattern is matched by `automaton`, in time linear in the text, or refused.
"""

from __future__ import annotations

import re
from functools import lru_cache

import msgspec

from salus.core.errors import InvalidExpression, TooCostly
from salus.standards.fhir.fhirpath.automaton import Automaton, compile_automaton

PATTERN_LENGTH_MAX = 4_000
STEPS_MAX = 20_000_000
AUTOMATON_STEPS_MAX = 2_000_000

# A repetition up to this count is written out; a longer one counts as unlimited.
_FEW = 4
# Named groups are written (?<name>...) in FHIRPath, (?P<name>...) in Python.
_NAMED_GROUP = re.compile(r"(\\.)|\(\?<(?=[A-Za-z_])", re.DOTALL)
_QUANTIFIER = re.compile(r"[*+?]|\{(\d*)(,?)(\d*)\}")


class Shape(msgspec.Struct, frozen=True):
    """What of a pattern decides how long it may take.

    Args:
        repetitions: how many parts repeat without a small limit.
        nested: a repeated part holds a repeated or alternative part.
    """

    repetitions: int
    nested: bool


def _class_end(pattern: str, at: int) -> int:
    """Return where a bracketed class that opens at `at` ends."""
    position = at + 1
    if pattern[position : position + 1] == "^":
        position += 1
    if pattern[position : position + 1] == "]":
        position += 1
    while position < len(pattern) and pattern[position] != "]":
        position += 2 if pattern[position] == "\\" else 1
    return position + 1


def _is_repetition(quantifier: re.Match[str]) -> bool:
    text = quantifier.group()
    if text in "*+":
        return True
    if text == "?":
        return False
    most = quantifier[3] if quantifier[2] else quantifier[1]
    return not most or int(most) > _FEW


@lru_cache(maxsize=1024)
def shape_of(pattern: str) -> Shape:
    """Return what decides how long a pattern may take; counts are not exact for odd syntax, never too low."""
    repetitions, nested = 0, False
    open_groups: list[bool] = []
    closed_complex, position = False, 0
    while position < len(pattern):
        letter = pattern[position]
        quantifier = _QUANTIFIER.match(pattern, position)
        if quantifier and position:
            if _is_repetition(quantifier):
                repetitions += 1
                nested = nested or closed_complex
                open_groups = [True for _ in open_groups]
            position = quantifier.end()
            position += pattern[position : position + 1] in ("?", "+")
            closed_complex = False
            continue
        closed_complex = False
        if letter == "(":
            open_groups.append(False)
        elif letter == ")" and open_groups:
            closed_complex = open_groups.pop()
        elif letter == "|":
            open_groups = [True for _ in open_groups]
        position = _after(pattern, position)
    return Shape(repetitions, nested)


def _after(pattern: str, position: int) -> int:
    if pattern[position] == "[":
        return _class_end(pattern, position)
    return position + (2 if pattern[position] == "\\" else 1)


def _check_length(pattern: str) -> None:
    if len(pattern) > PATTERN_LENGTH_MAX:
        raise InvalidExpression(f"The pattern is longer than {PATTERN_LENGTH_MAX} characters")


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(_NAMED_GROUP.sub(lambda match: match[1] or "(?P<", pattern), re.DOTALL)
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidExpression(f"The pattern is no regular expression: {error}") from error


@lru_cache(maxsize=256)
def _automaton(pattern: str) -> Automaton:
    return compile_automaton(pattern)


def _steps(pattern: str, text: str) -> int:
    """Return how many steps backtracking may take: they grow with a power of the text's length."""
    steps: int = (len(text) + 1) ** min(shape_of(pattern).repetitions + 1, 8)
    return steps


def is_quick(pattern: str, text: str) -> bool:
    """Return whether backtracking stays within the limit."""
    return not shape_of(pattern).nested and _steps(pattern, text) <= STEPS_MAX


def cost(pattern: str, text: str) -> int:
    """Return what a match counts against the limit of an evaluation, in visited items.

    Raises:
        InvalidExpression: no regular expression, or a longer one than is taken.
    """
    _check_length(pattern)
    if is_quick(pattern, text):
        return _steps(pattern, text) // 100
    size = _automaton(pattern).size
    return size + size * (len(text) + 1) // 10


def found(pattern: str, text: str, *, whole: bool = False) -> bool:
    """Return whether the pattern matches somewhere in the text, or the whole; `.` matches any character.

    Raises:
        InvalidExpression: no regular expression, or one that cannot be matched in linear time.
        TooCostly: text and pattern are too long together.
    """
    _check_length(pattern)
    compiled = _compiled(pattern)
    if is_quick(pattern, text):
        return (compiled.fullmatch(text) if whole else compiled.search(text)) is not None
    automaton = _automaton(pattern)
    if automaton.size * (len(text) + 1) > AUTOMATON_STEPS_MAX:
        raise TooCostly("The text is too long for this pattern; shorten the text or simplify the pattern")
    return automaton.matches(text, whole=whole)


def for_replacing(pattern: str, text: str) -> re.Pattern[str]:
    """Return the compiled pattern, if replacing its matches in the text stays within the limit.

    Raises:
        InvalidExpression: no regular expression, or one with repetitions inside repetitions.
        TooCostly: text and pattern are too long together.
    """
    _check_length(pattern)
    compiled = _compiled(pattern)
    if shape_of(pattern).nested:
        raise InvalidExpression(
            "The pattern repeats a part that itself repeats or has alternatives, as in (a+)+; rewrite it"
        )
    if not is_quick(pattern, text):
        raise TooCostly("The text is too long for this pattern; shorten the text or simplify the pattern")
    return compiled
