"""Filters of value sets on a loaded release, as SQL: whole sets are never in memory."""

# ruff: noqa: S608  (every statement is made of constants of this module)

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from salus.standards.terminology.codesystem import About
from salus.standards.terminology.patterns import whole_match

_SNOMED = "http://snomed.info/sct"
_CONSTRAINT = re.compile(r"\s*(<<|<!|<|>>|>|\^|)\s*(\d{6,18}|\*)\s*(?:\|[^|]*\|)?\s*").fullmatch
_SIGNS = {"<<": "is-a", "<": "descendent-of", "<!": "child-of", ">>": "generalizes", ">": "above"}
_OF_CODE = frozenset({"concept", "code"})

_RUN = "r.concept = ? AND c.id BETWEEN r.low AND r.high"
_IN_RUN = f"EXISTS (SELECT 1 FROM run r WHERE {_RUN})"
_BENEATH = f"SELECT c.id FROM run r JOIN concept c WHERE {_RUN}"
_LEAF = "NOT EXISTS (SELECT 1 FROM edge WHERE parent = c.id)"
_STEP = "SELECT e.parent FROM edge e JOIN up ON e.child = up.id"
_UP = f"WITH RECURSIVE up (id) AS (SELECT ? UNION {_STEP})"
_ABOVE = f"WITH RECURSIVE up (id) AS (SELECT parent FROM edge WHERE child = ? UNION {_STEP})"
_ALL = ("SELECT id FROM concept", "SELECT 1 WHERE ? > 0")
_TREE: Mapping[str, tuple[str, str]] = {
    "is-a": (
        f"{_BENEATH} UNION SELECT id FROM concept WHERE id = ?",
        f"SELECT 1 FROM concept c WHERE ({_IN_RUN} OR c.id = ?) AND c.id = ?",
    ),
    "descendent-of": (
        f"{_BENEATH} AND c.id <> ?",
        f"SELECT 1 FROM concept c WHERE {_IN_RUN} AND c.id <> ? AND c.id = ?",
    ),
    "is-not-a": (
        f"SELECT id FROM concept c WHERE NOT {_IN_RUN} AND c.id <> ?",
        f"SELECT 1 FROM concept c WHERE NOT {_IN_RUN} AND c.id <> ? AND c.id = ?",
    ),
    "child-of": (
        "SELECT child FROM edge WHERE parent = ?",
        "SELECT 1 FROM edge WHERE parent = ? AND child = ?",
    ),
    "descendent-leaf": (
        f"{_BENEATH} AND c.id <> ? AND {_LEAF}",
        f"SELECT 1 FROM concept c WHERE {_IN_RUN} AND c.id <> ? AND {_LEAF} AND c.id = ?",
    ),
    "generalizes": (f"{_UP} SELECT id FROM up", f"{_UP} SELECT 1 FROM up WHERE id = ?"),
    "above": (f"{_ABOVE} SELECT id FROM up", f"{_ABOVE} SELECT 1 FROM up WHERE id = ?"),
}
"""For each operator: the ids it keeps, and whether one (the last parameter) is kept."""
_MEMBERS = (
    "SELECT concept FROM member WHERE refset = ?",
    "SELECT 1 FROM member WHERE refset = ? AND concept = ?",
)
_STATUS = ("SELECT id FROM concept WHERE status = ?", "SELECT 1 FROM concept WHERE status = ? AND id = ?")
_INACTIVE = (
    "SELECT id FROM concept WHERE inactive = ?",
    "SELECT 1 FROM concept WHERE inactive = ? AND id = ?",
)
_EQUAL = (
    "SELECT concept FROM fact WHERE name = ? AND value = ?",
    "SELECT 1 FROM fact WHERE name = ? AND value = ? AND concept = ?",
)
_THERE = (
    "SELECT DISTINCT concept FROM fact WHERE name = ?",
    "SELECT 1 FROM fact WHERE name = ? AND concept = ?",
)
_NOT_THERE = (
    "SELECT id FROM concept WHERE id NOT IN (SELECT concept FROM fact WHERE name = ?)",
    "SELECT 1 FROM concept WHERE id NOT IN (SELECT concept FROM fact WHERE name = ?) AND id = ?",
)
_WITH_VALUES = (
    "SELECT c.code, f.value FROM fact f JOIN concept c ON c.id = f.concept WHERE f.name = ? ORDER BY c.id"
)


class Answers(Protocol):
    """What filters ask of a loaded release."""

    @property
    def about(self) -> About:
        """Return what is said of the code system as a whole."""

    def query(self, statement: str, *values: object) -> Iterator[Sequence[object]]:
        """Yield the rows of a query."""

    def id_of(self, code: str) -> int | None:
        """Return the id of a code."""

    def codes(self) -> Iterator[str]:
        """Yield every code."""


class Chosen:
    """Codes that a filter keeps, asked for one by one or read in order.

    Args:
        release: the loaded release.
        statements: SQL that gives the ids, and SQL that gives a row where the id that is its last parameter
            is among them.
        values: their parameters.
    """

    def __init__(self, release: Answers, statements: tuple[str, str], *values: object) -> None:
        self._release, self._values = release, values
        self._rows, self._has = statements

    def __iter__(self) -> Iterator[str]:
        """Yield the codes in order."""
        statement = f"SELECT code FROM concept WHERE id IN ({self._rows}) ORDER BY id"
        return (str(row[0]) for row in self._release.query(statement, *self._values))

    def __len__(self) -> int:
        """Return how many there are."""
        statement = f"SELECT count(*) FROM ({self._rows})"
        return int(str(next(self._release.query(statement, *self._values))[0]))

    def __contains__(self, code: object) -> bool:
        """Return whether a code is among them."""
        found = self._release.id_of(str(code))
        return found is not None and any(True for _ in self._release.query(self._has, *self._values, found))


def select(release: Answers, name: str, operator: str, value: str) -> Collection[str] | None:
    """Return the codes that a filter keeps, None for a filter that is not understood."""
    if name in ("constraint", "expression"):
        return _constrained(release, value) if operator == "=" else None
    if name in _OF_CODE and operator == "in" and _is_refset(release, value):
        return Chosen(release, _MEMBERS, value)
    if name in _OF_CODE and operator in ("=", "in"):
        wanted = [one.strip() for one in value.split(",")]
        return dict.fromkeys(one for one in wanted if release.id_of(one) is not None)
    if name in _OF_CODE or (name in ("ancestor", "parent") and operator == "="):
        return _of_tree(
            release, {"ancestor": "descendent-of", "parent": "child-of"}.get(name, operator), value
        )
    if name in release.about.properties:
        return _of_facts(release, name, operator, value)
    if name == "status" and operator == "=":
        return Chosen(release, _STATUS, value)
    if name == "inactive" and operator == "=":
        return Chosen(release, _INACTIVE, value == "true")
    return _of_displays(release, operator, value) if name == "display" else None


def _constrained(release: Answers, text: str) -> Collection[str] | None:
    """Return what a constraint of one concept keeps (ECL: <<, <, <!, >>, >, ^, *), None for others."""
    found = _CONSTRAINT(text)
    if found is None or release.about.url != _SNOMED:
        return None
    sign, code = found[1], found[2]
    if code == "*":
        return None if sign else Chosen(release, _ALL)
    if sign == "^":
        return Chosen(release, _MEMBERS, code)
    return _of_tree(release, _SIGNS[sign], code) if sign else select(release, "concept", "=", code)


def _is_refset(release: Answers, code: str) -> bool:
    return any(True for _ in release.query("SELECT 1 FROM member WHERE refset = ? LIMIT 1", code))


def _of_tree(release: Answers, operator: str, value: str) -> Collection[str] | None:
    statements = _TREE.get(operator)
    if statements is None:
        return _of_codes(release, operator, value)
    found = release.id_of(value)
    if found is None:
        return Chosen(release, _ALL) if operator == "is-not-a" else {}
    return Chosen(release, statements, *[found] * statements[0].count("?"))


def _of_codes(release: Answers, operator: str, value: str) -> Collection[str] | None:
    if operator == "not-in":
        out = {one.strip() for one in value.split(",")}
        return dict.fromkeys(one for one in release.codes() if one not in out)
    matches = whole_match(value) if operator == "regex" else None
    return None if matches is None else dict.fromkeys(one for one in release.codes() if matches(one))


def _of_displays(release: Answers, operator: str, value: str) -> Collection[str] | None:
    matches = value.__eq__ if operator == "=" else whole_match(value) if operator == "regex" else None
    if matches is None:
        return None
    rows = release.query("SELECT code, display FROM concept ORDER BY id")
    return dict.fromkeys(str(code) for code, display in rows if matches(str(display)))


def _of_facts(release: Answers, name: str, operator: str, value: str) -> Collection[str] | None:
    wanted = {one.strip() for one in value.split(",")}
    match operator:
        case "=":
            return Chosen(release, _EQUAL, name, value)
        case "exists":
            return Chosen(release, _THERE if value == "true" else _NOT_THERE, name)
        case "in":
            return dict.fromkeys(
                str(code) for code, found in release.query(_WITH_VALUES, name) if found in wanted
            )
        case "not-in":
            inside = {code for code, found in release.query(_WITH_VALUES, name) if found in wanted}
            return dict.fromkeys(one for one in release.codes() if one not in inside)
        case "regex":
            matches = whole_match(value)
            if matches is not None:
                rows = release.query(_WITH_VALUES, name)
                return dict.fromkeys(str(code) for code, found in rows if matches(str(found)))
    return None
