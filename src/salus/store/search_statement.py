"""A statement on `resource` in the making: its arguments, its predicates, and what their hits still need."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from salus.standards.fhir.search.hashing import Hasher, inside


class Check(msgspec.Struct, frozen=True):
    """What a hit of a predicate needs before it is shown.

    Args:
        exact: nothing, the SQL is exact.
        needles: byte strings of which one must occur in the content; () asks for parsing.
        absent: the needles must not occur (a negative condition).
    """

    exact: bool = False
    needles: tuple[bytes, ...] = ()
    absent: bool = False


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

    def has_token(self, hashes: Iterable[int]) -> str:
        """Return the text for: the row has one of the tokens."""
        known = sorted(set(hashes))
        if not known:
            return "false"
        operator = "@>" if len(known) == 1 else "&&"
        return f"r.tokens {operator} {self.bind(known)}::bigint[]"


def needle(text: str) -> bytes:
    """Return a text as JSON writes it inside quotes."""
    return msgspec.json.encode(text)[1:-1]
