"""Regular expressions as a nondeterministic automaton: linear time for any pattern (Thompson 1968).

Knows literals, classes, escapes, groups, alternatives, greedy and lazy repetition, `^`, `$` and word borders;
refuses look-around, back-references and possessive repetition, which have no such automaton.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NoReturn

import msgspec

from salus.core.errors import InvalidExpression

STATES_MAX = 20_000
_DEPTH_MAX = 50
_COUNTS = re.compile(r"\{(\d+)(,?)(\d*)\}")

Test = Callable[[str], object]


class _State(msgspec.Struct):
    """A state: it reads one character by `test`, or is passed on the condition `assertion`, or freely."""

    test: Test | None = None
    assertion: str = ""
    following: list[int] = []


class Automaton(msgspec.Struct):
    """A compiled pattern; the last state is the accepting one."""

    states: list[_State]
    start: int
    accept: int

    @property
    def size(self) -> int:
        """How many states there are."""
        return len(self.states)

    def _closure(self, starts: Iterable[int], text: str, at: int, into: set[int]) -> None:
        """Add the states that can be reached without reading a character."""
        waiting = list(starts)
        while waiting:
            index = waiting.pop()
            if index in into:
                continue
            into.add(index)
            state = self.states[index]
            if state.test is None and (not state.assertion or _holds(state.assertion, text, at)):
                waiting.extend(state.following)

    def matches(self, text: str, *, whole: bool) -> bool:
        """Return whether the pattern matches somewhere, or the whole text."""
        current: set[int] = set()
        self._closure([self.start], text, 0, current)
        for at, letter in enumerate(text):
            if self.accept in current and not whole:
                return True
            reached = [
                target
                for index in current
                if (test := self.states[index].test) is not None and test(letter)
                for target in self.states[index].following
            ]
            current = set()
            self._closure(reached if whole else [*reached, self.start], text, at + 1, current)
            if not current:
                return False
        return self.accept in current


def _holds(assertion: str, text: str, at: int) -> bool:
    if assertion in ("^", "A"):
        return at == 0
    if assertion == "Z":
        return at == len(text)
    if assertion == "$":
        return at == len(text) or (at == len(text) - 1 and text[at] == "\n")
    before = at > 0 and _is_word(text[at - 1])
    after = at < len(text) and _is_word(text[at])
    return (before != after) == (assertion == "b")


def _is_word(letter: str) -> bool:
    return letter == "_" or letter.isalnum()


class _Builder:
    """Reads a pattern by recursive descent and lays out its states."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.depth = 0
        self.laid = 0
        self.states: list[_State] = []

    def refuse(self, what: str) -> NoReturn:
        raise InvalidExpression(f"The pattern uses {what}, which cannot be matched in bounded time")

    def add(self, test: Test | None = None, assertion: str = "", following: list[int] | None = None) -> int:
        if len(self.states) >= STATES_MAX:
            raise InvalidExpression("The pattern's repetitions are too many; simplify it")
        self.states.append(_State(test, assertion, following if following is not None else []))
        return len(self.states) - 1

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def alternatives(self, after: int) -> int:
        """Lay out `a|b|c` in front of a state; return the entry."""
        self.depth += 1
        if self.depth > _DEPTH_MAX:
            self.refuse("groups nested too deep")
        entries = [self.sequence(after)]
        while self.peek() == "|":
            self.at += 1
            entries.append(self.sequence(after))
        self.depth -= 1
        return entries[0] if len(entries) == 1 else self.add(following=entries)

    def sequence(self, after: int) -> int:
        """Lay out the parts up to `|` or `)`, the last one first."""
        parts: list[tuple[int, int, int, int]] = []
        while self.peek() not in ("", "|", ")"):
            start = self.at
            self.skip_part()
            end = self.at
            least, most = self.quantifier()
            parts.append((start, end, least, most))
        resume = self.at
        for start, end, least, most in reversed(parts):
            after = self.repeat(start, end, least, most, after)
        self.at = resume
        return after

    def skip_part(self) -> None:
        letter = self.peek()
        if letter == "(":
            depth, self.at = 1, self.at + 1
            while depth and self.at < len(self.pattern):
                inner = self.peek()
                depth += (inner == "(") - (inner == ")")
                self.skip_letter()
            return
        self.skip_letter()

    def skip_letter(self) -> None:
        if self.peek() == "[":
            self.character_class()
        else:
            self.at += 2 if self.peek() == "\\" else 1

    def quantifier(self) -> tuple[int, int]:
        """Read a quantifier; -1 stands for no upper limit."""
        letter = self.peek()
        counts = _COUNTS.match(self.pattern, self.at)
        if letter in ("*", "+", "?") and letter:
            self.at += 1
            found = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}[letter]
        elif counts:
            self.at = counts.end()
            least = int(counts[1])
            found = (least, least if not counts[2] else int(counts[3]) if counts[3] else -1)
        else:
            return 1, 1
        if self.peek() == "+":
            self.refuse("possessive repetition")
        self.at += self.peek() == "?"
        return found

    def repeat(self, start: int, end: int, least: int, most: int, after: int) -> int:
        if most < 0:
            loop = self.add()
            self.states[loop].following = [self.part(start, end, loop), after]
            entry = loop
        else:
            entry = after
            for _ in range(max(0, most - least)):
                entry = self.add(following=[self.part(start, end, entry), after])
        for _ in range(least):
            entry = self.part(start, end, entry)
        return entry

    def part(self, start: int, end: int, after: int) -> int:
        """Lay out one part of the pattern in front of a state."""
        self.laid += 1
        if self.laid > STATES_MAX:
            self.refuse("too many repetitions")
        self.at = start
        letter = self.peek()
        if letter == "(":
            return self.group(end, after)
        if letter in "^$":
            return self.add(assertion=letter, following=[after])
        if letter == "[":
            return self.add(self.character_class(), following=[after])
        if letter == ".":
            return self.add(lambda _: True, following=[after])
        if letter == "\\":
            return self.escaped(after)
        return self.add(letter.__eq__, following=[after])

    def group(self, end: int, after: int) -> int:
        self.at += 1
        if self.pattern.startswith("?:", self.at):
            self.at += 2
        elif match := re.compile(r"\?P?<[A-Za-z_]\w*>").match(self.pattern, self.at):
            self.at = match.end()
        elif self.peek() == "?":
            self.refuse("look-around or inline flags")
        entry = self.alternatives(after)
        self.at = end
        return entry

    def escaped(self, after: int) -> int:
        letter = self.pattern[self.at + 1 : self.at + 2]
        if letter in ("b", "B", "A", "Z") and letter:
            return self.add(assertion=letter, following=[after])
        if letter.isdigit():
            self.refuse("back-references")
        return self.add(_single(self.pattern[self.at : self.at + 2]), following=[after])

    def character_class(self) -> Test:
        """Read `[...]`; Python's own engine decides what it holds."""
        start = self.at
        self.at += 1
        self.at += self.peek() == "^"
        self.at += self.peek() == "]"
        while self.peek() not in ("]", ""):
            self.at += 2 if self.peek() == "\\" else 1
        self.at += 1
        return _single(self.pattern[start : self.at])


def _single(pattern: str) -> Test:
    """Return the test of a pattern that always reads exactly one character."""
    try:
        return re.compile(pattern, re.DOTALL).fullmatch
    except re.error as error:
        raise InvalidExpression(f"The pattern is no regular expression: {error}") from error


def compile_automaton(pattern: str) -> Automaton:
    """Return the automaton of a pattern.

    Raises:
        InvalidExpression: it uses what no automaton can do, or is too large.
    """
    builder = _Builder(pattern)
    accept = builder.add()
    start = builder.alternatives(accept)
    if builder.at < len(pattern):
        raise InvalidExpression("The pattern is no regular expression: unbalanced parenthesis")
    return Automaton(builder.states, start, accept)
