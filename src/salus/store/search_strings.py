"""Which tokens a row must have to satisfy a condition on strings, and what its bytes then show.

What the tokens mean is in `standards.fhir.search.texts`. A beginning that is kept and a whole string find
what matches, but for collisions; all else may find more and is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from salus.standards.fhir.search import hashing
from salus.standards.fhir.search.hashing import Hasher
from salus.standards.fhir.search.paths import TypedPath
from salus.standards.fhir.search.query import Condition, TextValue, Value
from salus.standards.fhir.search.texts import BEGINNING_MAX, BEGINNING_MIN, PART, around
from salus.store.search_statement import Check, Statement, needle

_PARTS_ASKED_MAX = 8
_SPLICED = frozenset({"id", "meta"})  # not only in the content: `search_check.resource_of`


def in_strings(
    statement: Statement,
    modifier: str,
    paths: Sequence[TypedPath],
    values: Sequence[Value],
    *,
    row: str = "r",
) -> str:
    """Return the text for: the row may have a string that begins with, contains or is one of the values."""
    groups = [
        tokens
        for path in paths
        for value in values
        if isinstance(value, TextValue)
        for tokens in _found_by(statement.hash_of, modifier, path.slot, value)
    ]
    return statement.has_all_of_one(groups, row=row)


def strings_check(condition: Condition) -> Check:
    """Return what a row that `in_strings` finds still needs."""
    parameter = condition.parameter
    texts = [value for value in condition.values if isinstance(value, TextValue)]
    if condition.modifier == "exact":
        return Check(needles=tuple(needle(value.text) for value in texts))
    needles = tuple(needle(value.folded) for value in texts)
    if condition.modifier == "" and all(
        BEGINNING_MIN <= len(value.folded) <= BEGINNING_MAX for value in texts
    ):
        return Check(needles=needles, folded=True)
    made = parameter.general or any(
        step.key in _SPLICED for path in parameter.paths for step in path.steps[:1]
    )
    return Check(needles=() if made else needles, folded=True, read=True)


def is_indexed(modifier: str, values: Sequence[Value]) -> bool:
    """Return whether each value has tokens of its own, so that `in_strings` finds few."""
    return modifier == "exact" or all(
        len(value.folded) >= BEGINNING_MIN for value in values if isinstance(value, TextValue)
    )


def _found_by(hash_of: Hasher, modifier: str, slot: str, value: TextValue) -> Iterator[list[int]]:
    """Yield the tokens that a row has together; a row that matches has those of one list."""
    folded = value.folded
    if modifier == "exact":
        yield [hash_of(hashing.WHOLE, slot, value.text)]
        return
    if len(folded) < BEGINNING_MIN:
        yield [hash_of(hashing.PRESENT, slot, "")]
        return
    first: list[int] = []
    rest = folded
    if modifier != "contains":
        first = [hash_of(hashing.BEGINNING, slot, folded[:BEGINNING_MAX])]
        rest = folded[BEGINNING_MAX - PART + 1 :]
    parts = _parts_asked(rest)
    yield [*first, *(hash_of(hashing.PART, around(slot), part) for part in parts)]
    if parts:
        yield [*first, hash_of(hashing.LONG, slot, "")]


def _parts_asked(folded: str) -> list[str]:
    """Return parts of a text that cover it, side by side: those that overlap find hardly less."""
    last = len(folded) - PART
    starts = sorted({*range(0, last + 1, PART), last}) if last >= 0 else []
    return [folded[at : at + PART] for at in starts[:_PARTS_ASKED_MAX]]
