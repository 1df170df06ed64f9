"""A statement on `resource` in the making: its arguments, its predicates, and what their hits still need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from salus.standards.fhir.search.hashing import Hasher, inside


class Check(msgspec.Struct, frozen=True):
    """What a hit of a predicate needs before it is shown.

    Args:
        exact: nothing, the SQL is exact.
        needles: byte strings of which one must occur in the content; () asks for parsing.
        absent: the needles must not occur (a negative condition).
        folded: the needles are folded text, which stands there in any case.
        read: all that SQL finds is parsed, but where none of the needles (if any are given) can stand,
            for as long as a statement may take; else more than `search_candidates_max` are refused.
    """

    exact: bool = False
    needles: tuple[bytes, ...] = ()
    absent: bool = False
    folded: bool = False
    read: bool = False


EXACT = Check(exact=True)
PARSE = Check()


class Predicate(msgspec.Struct, frozen=True):
    """A condition on the alias `r` of `resource`, and how to check its hits."""

    sql: str
    check: Check


class Statement:
    """Collects the arguments of one statement; the texts it makes hold `$n`, never a value."""

    def __init__(self, hash_of: Hasher) -> None:
        """Start without arguments."""
        self.hash_of = hash_of
        self.arguments: list[object] = []

    def copy(self) -> Statement:
        """Return a statement with the same arguments so far."""
        other = Statement(self.hash_of)
        other.arguments = list(self.arguments)
        return other

    def inside(self) -> Statement:
        """Return the same statement for tests on what a row's resource contains; arguments are shared."""
        other = Statement(inside(self.hash_of))
        other.arguments = self.arguments
        return other

    def bind(self, value: object) -> str:
        """Return the placeholder of a value."""
        self.arguments.append(value)
        return f"${len(self.arguments)}"

    def select(
        self, columns: str, where: str, *, join: str = "", order: str = "", limit: int | None = None
    ) -> str:
        """Return a query of `resource` (alias `r`); all its parts are texts made here, with placeholders."""
        parts = ["SELECT", columns, "FROM resource r", join, "WHERE", where, order and f"ORDER BY {order}"]
        if limit is not None:
            parts.append(f"LIMIT {self.bind(limit)}")
        return " ".join(part for part in parts if part)

    def has_token(self, hashes: Iterable[int], *, row: str = "r") -> str:
        """Return the text for: the row has one of the tokens."""
        known = sorted(set(hashes))
        if not known:
            return "false"
        operator = "@>" if len(known) == 1 else "&&"
        return f"{row}.tokens {operator} {self.bind(known)}::bigint[]"

    def has_all_of_one(self, groups: Iterable[Sequence[int]], *, row: str = "r") -> str:
        """Return the text for: the row has all tokens of one of the groups."""
        known = {tuple(sorted(group)) for group in groups}
        alone = [group[0] for group in known if len(group) == 1]
        tests = [self.has_token(alone, row=row)] if alone or not known else []
        tests += [
            f"{row}.tokens @> {self.bind(list(group))}::bigint[]" for group in sorted(known) if len(group) > 1
        ]
        return f"({' OR '.join(tests)})"


def needle(text: str) -> bytes:
    """Return a text as JSON writes it inside quotes."""
    return msgspec.json.encode(text)[1:-1]
